//! What the writer of a pair does without taking anything out: it queues output where the core
//! rests.

use super::Slot;
use super::beside::Beside;
use super::flags::Flags;
use super::parties::{Core, Io, Party, Pressure};
use super::place::Place;
use super::waking::wake;
use crate::sync::{MutexGuard, Ordering};

impl<C: Core, T: Io, M: Beside<C, T>> Slot<C, T, M> {
    /// Returns `true` if the user should write more now, without a lock.
    pub(crate) fn is_writable(&self) -> bool {
        !self.is_unwritable.load(Ordering::Relaxed)
    }

    /// Lets `look` see the core, under the mutex, once it rests.
    pub(crate) fn peek<A>(&self, look: impl FnOnce(&C) -> A) -> Option<A> {
        self.peek_as(Party::Owner, look)
    }

    /// As [`peek`](Self::peek), for any party.
    pub(crate) fn peek_as<A>(&self, party: Party, look: impl FnOnce(&C) -> A) -> Option<A> {
        let place = self.lock_resting(party);
        place.core.as_deref().map(look)
    }

    /// Queues output by `write`, under the mutex, once the core rests: the one thing that happens
    /// under it besides moves of pointers and flags. It must not run code of the user's. `None` if
    /// the connection was taken over.
    ///
    /// Output that comes to be due wakes who may send it.
    #[inline]
    pub(crate) fn queue<A>(&self, write: impl FnOnce(&mut C) -> A) -> Option<A> {
        const KNOWN: Flags = Flags(Flags::OUTPUT.0 | Flags::UNOFFERED.0);
        let mut place = self.lock_resting(Party::Owner);
        let core = place.core.as_deref_mut()?;
        let written = write(core);
        let pressure = core.pressure();
        let is_known = place.flags.all(KNOWN) && !place.flags.any(Flags::CLOSING);
        let former = place.beside.peek().map(|reading| reading.pressure);
        // More of the same: the party that may send it was woken before.
        if !is_known || former != Some(pressure) {
            self.note_queued(place);
        }
        Some(written)
    }

    /// Changes more than output by `change`, under the mutex, once the core rests, on the
    /// same terms.
    pub(crate) fn change<A>(&self, change: impl FnOnce(&mut C) -> A) -> Option<A> {
        let mut place = self.lock_resting(Party::Owner);
        let changed = change(place.core.as_deref_mut()?);
        self.note_queued(place);
        Some(changed)
    }

    /// Notes what the core says, and wakes who has to know.
    fn note_queued(&self, mut place: MutexGuard<'_, Place<C, T, M>>) {
        let Some(core) = &place.core else {
            return;
        };
        let (says, pressure) = (core.says(), core.pressure());
        place.note(says);
        self.note_pressure(&mut place, pressure);
        if place.flags.any(Flags::CLOSING) {
            let wakers = self.take_wakers(&mut place, [false, true, false]);
            drop(place);
            return wake(wakers);
        }
        let woken = self.change_due(&mut place);
        drop(place);
        if let Some(woken) = woken {
            woken.wake();
        }
    }

    /// Notes what the core of a pair says of its output.
    pub(super) fn note_pressure(&self, place: &mut Place<C, T, M>, pressure: Pressure) {
        if let Some(reading) = place.beside.reading() {
            reading.pressure = pressure;
            self.is_unwritable
                .store(pressure.is_unwritable, Ordering::Relaxed);
        }
    }
}
