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
    gone: usize,
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
    stage: Stage,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    Open,
    /// The handler has ended, everything is sent, and what the peer still sends is discarded.
    Lingering,
    /// The connection is gone, and its handler goes on.
    Gone,
}

impl Registry {
    /// Registers a connection, and returns its key.
    pub(super) fn insert(&mut self, client: Arc<dyn Client>) -> u32 {
        let entry = Entry::Taken(Registration {
            client,
            moves: 0,
            quiet_looks: None,
            stage: Stage::Open,
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
        self.count(removed.stage, false);
        Some(removed.client)
    }

    /// Records how far a connection has come.
    pub(super) fn enter(&mut self, key: u32, stage: Stage) {
        if let Some(Entry::Taken(registered)) = self.entries.get_mut(key as usize) {
            let former = std::mem::replace(&mut registered.stage, stage);
            self.count(former, false);
            self.count(stage, true);
        }
    }

    fn count(&mut self, stage: Stage, begins: bool) {
        let count = match stage {
            Stage::Open => return,
            Stage::Lingering => &mut self.lingering,
            Stage::Gone => &mut self.gone,
        };
        if begins { *count += 1 } else { *count -= 1 }
    }

    /// Returns how many connections take a place: those that are open, and those that linger.
    pub(super) fn places(&self) -> usize {
        self.len - self.gone
    }

    /// Returns how many connections linger.
    pub(super) fn lingering(&self) -> usize {
        self.lingering
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns how many connections are open.
    pub(super) fn open(&self) -> usize {
        self.len - self.lingering - self.gone
    }

    /// Returns how many handlers may still run.
    pub(super) fn handled(&self) -> usize {
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
        self.quiet_looks == Some(LOOKS) && self.stage == Stage::Open
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
        /// As a map does, whatever is inserted, removed and comes to its end.
        fn a_registry_is_a_map(acts: Vec<(u8, u8)>) -> bool {
            let mut registry = Registry::default();
            let mut model = BTreeMap::new();
            for (number, (act, which)) in acts.into_iter().enumerate() {
                let number = number as u32;
                let key = model.keys().copied().nth(usize::from(which) % model.len().max(1));
                match (act % 5, key) {
                    (0 | 1, _) | (_, None) => {
                        let key = registry.insert(Arc::new(Numbered(number)));
                        assert!(model.insert(key, (number, Stage::Open)).is_none());
                    }
                    (2, Some(key)) => {
                        let (known, _) = model.remove(&key).unwrap();
                        assert_eq!(registry.remove(key).unwrap().moves(), known);
                        assert!(registry.remove(key).is_none());
                    }
                    (act, Some(key)) => {
                        let stage = match act {
                            3 => Stage::Lingering,
                            _ => Stage::Gone,
                        };
                        registry.enter(key, stage);
                        model.get_mut(&key).unwrap().1 = stage;
                    }
                }
                let mut clients: Vec<_> = registry.clients().iter().map(|one| one.moves()).collect();
                let mut known: Vec<_> = model.values().map(|(number, _)| *number).collect();
                clients.sort();
                known.sort();
                assert_eq!(clients, known);
                let count = |stage| model.values().filter(|(_, at)| *at == stage).count();
                assert_eq!(registry.open(), count(Stage::Open));
                assert_eq!(registry.lingering(), count(Stage::Lingering));
                assert_eq!(registry.places(), model.len() - count(Stage::Gone));
                assert_eq!(registry.is_empty(), model.is_empty());
            }
            true
        }
    }

    #[test]
    fn an_entry_takes_24_bytes() {
        assert_eq!(size_of::<Entry>(), 24);
    }
}
