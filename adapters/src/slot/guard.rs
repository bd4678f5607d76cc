//! What a party has taken out.

use std::mem;
use std::task::Context;

use plimsoll::ConnectionError;

use super::Slot;
use super::beside::Beside;
use super::flags::Flags;
use super::parties::{Core, Io, Party};

/// What a party has taken out. Dropping it puts it back; while panicking, aborted.
pub(crate) struct Guard<'a, C: Core, T: Io, M: Beside<C, T> = ()> {
    /// `None` only while the guard is dropped, or was taken apart.
    pub(super) core: Option<Box<C>>,
    /// `None` if it was put back before, or aborted.
    pub(super) transport: Option<Box<T>>,
    pub(super) slot: &'a Slot<C, T, M>,
    pub(super) party: Party,
    pub(super) notifies: bool,
}

impl<'a, C: Core, T: Io, M: Beside<C, T>> Guard<'a, C, T, M> {
    pub(crate) fn slot(&self) -> &'a Slot<C, T, M> {
        self.slot
    }

    /// The core.
    pub(crate) fn core(&mut self) -> &mut C {
        self.core.as_deref_mut().expect("a core that is out")
    }

    /// The core, to look at.
    pub(crate) fn peek(&self) -> &C {
        self.core.as_deref().expect("a core that is out")
    }

    /// Both, as far as the transport was not aborted or put back.
    pub(crate) fn both(&mut self) -> (&mut C, Option<&mut T>) {
        let core = self.core.as_deref_mut().expect("a core that is out");
        (core, self.transport.as_deref_mut())
    }

    /// Wakes the other party when this is put back.
    pub(crate) fn notify(&mut self) {
        self.notifies = true;
    }

    /// Puts everything back for a poll that is pending, and registers its party.
    pub(crate) fn wait(mut self, cx: &Context<'_>) {
        let waker = cx.waker().clone();
        let taken = (self.core.take(), self.transport.take());
        self.slot
            .put_back(taken, self.party, self.notifies, Some(waker));
    }

    /// Puts the transport back, and keeps the core, for a turn. It knows of all commands so far.
    pub(crate) fn put_back_transport(&mut self) {
        let mut place = self.slot.lock();
        let is_plain = !place
            .flags
            .any(Flags::ORDERS | Flags::WOKEN | Flags::OWNER_BLOCKS)
            && !place.have_all_left()
            && place.aborted.is_none();
        if is_plain && !self.notifies {
            place.put_down(None, self.transport.take());
            return;
        }
        drop(place);
        let notifies = mem::take(&mut self.notifies);
        let transport = self.transport.take();
        self.slot
            .put_back((None, transport), self.party, notifies, None);
        let orders = self.slot.lock().orders_for_core();
        let _ = orders.carry_out(self.core());
    }
}

impl<C: Core, T: Io, M: Beside<C, T>> Drop for Guard<'_, C, T, M> {
    fn drop(&mut self) {
        if self.core.is_none() && self.transport.is_none() {
            return; // taken over
        }
        if std::thread::panicking() {
            match &mut self.core {
                // A turn may have written half of something.
                Some(core) if !M::HAS_READER => core.lose(ConnectionError::Aborted),
                // Bytes may have moved before.
                _ => self.notifies = true,
            }
        }
        let taken = (self.core.take(), self.transport.take());
        self.slot.put_back(taken, self.party, self.notifies, None);
    }
}
