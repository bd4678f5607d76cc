//! The connections of a server, from accept to close: a few bytes for each.

use std::sync::Arc;

use plimsoll::ConnectionError;

/// In how many parts of the idle timeout connections are looked at.
pub(super) const LOOKS: u8 = 4;

/// A connection, whatever its transport.
pub(super) trait Client: Send + Sync {
    fn shut_down(&self);
    fn close(&self);
    fn abort(&self, loss: ConnectionError);
    /// Drops the handler where it waits, of connections that do so themselves.
    fn cancel(&self) {}
    /// A number that changes whenever something was received or sent.
    fn moves(&self) -> u32;
}

/// A table whose keys are places, which are used again.
#[derive(Default)]
pub(super) struct Registry {
    entries: Vec<Entry>,
    /// The free entry that was freed last, the first of a list.
    free: Option<u32>,
    len: usize,
    lingering: usize,
}

/// As large as what it registers.
enum Entry {
    Taken(Registration),
    Free { next: Option<u32> },
}

/// A connection that is not closed yet.
struct Registration {
    client: Arc<dyn Client>,
    /// Its moves at the last look for idle connections, and how often they were the same before.
    moves: u32,
    quiet_looks: Option<u8>,
    /// Whether the handler has ended and everything is sent.
    lingers: bool,
}

impl Registry {
    /// Registers a connection, and returns its key.
    pub(super) fn insert(&mut self, client: Arc<dyn Client>) -> u32 {
        let entry = Entry::Taken(Registration {
            client,
            moves: 0,
            quiet_looks: None,
            lingers: false,
        });
        self.len += 1;
        let key = self.free.unwrap_or(self.entries.len() as u32);
        match self.entries.get_mut(key as usize) {
            Some(place) => {
                if let Entry::Free { next } = std::mem::replace(place, entry) {
                    self.free = next;
                }
            }
            None => self.entries.push(entry),
        }
        key
    }

    /// Returns the connection of a key.
    pub(super) fn get(&self, key: u32) -> Option<&Arc<dyn Client>> {
        match self.entries.get(key as usize)? {
            Entry::Taken(registered) => Some(&registered.client),
            Entry::Free { .. } => None,
        }
    }

    /// Frees the place of a connection.
    pub(super) fn remove(&mut self, key: u32) -> Option<Arc<dyn Client>> {
        let place = self.entries.get_mut(key as usize)?;
        if let Entry::Free { .. } = place {
            return None;
        }
        let removed = std::mem::replace(place, Entry::Free { next: self.free });
        self.free = Some(key);
        self.len -= 1;
        if self.len == 0 {
            // After a crowd its memory is given back.
            (self.entries, self.free) = (Vec::new(), None);
        }
        let Entry::Taken(removed) = removed else {
            return None;
        };
        self.lingering -= usize::from(removed.lingers);
        Some(removed.client)
    }

    /// Records that a connection is over but for the peer's input. It still takes its place.
    pub(super) fn lingers(&mut self, key: u32) {
        if let Some(Entry::Taken(registered)) = self.entries.get_mut(key as usize) {
            self.lingering += usize::from(!registered.lingers);
            registered.lingers = true;
        }
    }

    /// Returns how many connections take a place.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns how many connections are open, without those that only discard what their peers
    /// still send.
    pub(super) fn open(&self) -> usize {
        self.len - self.lingering
    }

    /// Returns all connections.
    pub(super) fn clients(&self) -> Vec<Arc<dyn Client>> {
        let clients = self.entries.iter().filter_map(|entry| match entry {
            Entry::Taken(registered) => Some(Arc::clone(&registered.client)),
            Entry::Free { .. } => None,
        });
        clients.collect()
    }

    /// Looks whether something has moved on each connection since the last look, and returns those
    /// where nothing has for [so many](LOOKS) looks.
    pub(super) fn look_for_idle(&mut self) -> Vec<Arc<dyn Client>> {
        let idle = self.entries.iter_mut().filter_map(|entry| match entry {
            Entry::Taken(registered) => {
                registered.is_idle().then(|| Arc::clone(&registered.client))
            }
            Entry::Free { .. } => None,
        });
        idle.collect()
    }
}

impl Registration {
    fn is_idle(&mut self) -> bool {
        let moves = self.client.moves();
        self.quiet_looks = match self.quiet_looks {
            Some(looks) if self.moves == moves => Some(looks.saturating_add(1)),
            _ => Some(0),
        };
        self.moves = moves;
        self.quiet_looks == Some(LOOKS) && !self.lingers
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use plimsoll::ConnectionError;
    use quickcheck::quickcheck;

    use super::*;

    /// Known again by its number of moves.
    struct Numbered(u32);

    impl Client for Numbered {
        fn shut_down(&self) {}
        fn close(&self) {}
        fn abort(&self, _: ConnectionError) {}
        fn moves(&self) -> u32 {
            self.0
        }
    }

    quickcheck! {
        /// As a map does, whatever is inserted, removed and left to linger.
        fn a_registry_is_a_map(acts: Vec<(u8, u8)>) -> bool {
            let mut registry = Registry::default();
            let mut model = BTreeMap::new();
            for (number, (act, which)) in acts.into_iter().enumerate() {
                let number = number as u32;
                let key = model.keys().copied().nth(usize::from(which) % model.len().max(1));
                match (act % 4, key) {
                    (0 | 1, _) | (_, None) => {
                        let key = registry.insert(Arc::new(Numbered(number)));
                        assert!(model.insert(key, (number, false)).is_none());
                    }
                    (2, Some(key)) => {
                        let (known, _) = model.remove(&key).unwrap();
                        assert_eq!(registry.remove(key).unwrap().moves(), known);
                        assert!(registry.remove(key).is_none());
                    }
                    (_, Some(key)) => {
                        registry.lingers(key);
                        model.get_mut(&key).unwrap().1 = true;
                    }
                }
                let mut clients: Vec<_> = registry.clients().iter().map(|one| one.moves()).collect();
                let mut known: Vec<_> = model.values().map(|(number, _)| *number).collect();
                clients.sort();
                known.sort();
                assert_eq!(clients, known);
                assert_eq!(registry.len(), model.len());
                let open = model.values().filter(|(_, lingers)| !lingers).count();
                assert_eq!(registry.open(), open);
            }
            true
        }
    }

    #[test]
    fn an_entry_takes_24_bytes() {
        assert_eq!(size_of::<Entry>(), 24);
    }
}
