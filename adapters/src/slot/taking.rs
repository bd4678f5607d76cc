//! How the owner takes out what rests, for a poll or a turn.

use std::task::{Context, Poll, ready};

use super::Slot;
use super::beside::Beside;
use super::flags::Flags;
use super::guard::Guard;
use super::parties::{Core, Io, Party};
use super::place::{Place, Taken};
use crate::sync::{MutexGuard, PoisonError};

impl<C: Core, T: Io, M: Beside<C, T>> Slot<C, T, M> {
    /// Polls for the owner, with the connection out. `None` if it was taken over or leaked.
    ///
    /// If that is pending, the owner is woken when another poll may find more: see the
    /// [table](self).
    pub(crate) fn poll<A>(
        &self,
        cx: &Context<'_>,
        poll: impl FnOnce(&mut Guard<'_, C, T, M>) -> Poll<A>,
    ) -> Poll<Option<A>> {
        Self::poll_with(ready!(self.poll_take(cx)), cx, poll)
    }

    /// As [`poll`](Self::poll), with the read half of a pair.
    pub(crate) fn poll_whole<A>(
        &self,
        cx: &Context<'_>,
        poll: impl FnOnce(&mut Guard<'_, C, T, M>) -> Poll<A>,
    ) -> Poll<Option<A>> {
        let mut place = ready!(self.poll_rests(cx));
        let taken = place.take_whole(Party::Owner);
        drop(place);
        Self::poll_with(self.guard(Party::Owner, taken), cx, poll)
    }

    fn poll_with<A>(
        guard: Option<Guard<'_, C, T, M>>,
        cx: &Context<'_>,
        poll: impl FnOnce(&mut Guard<'_, C, T, M>) -> Poll<A>,
    ) -> Poll<Option<A>> {
        let Some(mut guard) = guard else {
            return Poll::Ready(None);
        };
        match poll(&mut guard) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => {
                guard.wait(cx);
                Poll::Pending
            }
        }
    }

    /// Takes the connection out for a poll of the owner. `None` if it was taken over or leaked.
    ///
    /// A poll that is pending then has to put it back by [`Guard::wait`].
    pub(crate) fn poll_take(&self, cx: &Context<'_>) -> Poll<Option<Guard<'_, C, T, M>>> {
        let place = ready!(self.poll_rests(cx));
        Poll::Ready(self.take_from(place, Party::Owner))
    }

    /// Waits, for the owner, until no other party has anything out.
    fn poll_rests(&self, cx: &Context<'_>) -> Poll<MutexGuard<'_, Place<C, T, M>>> {
        let mut place = self.lock();
        if place.is_out_of(Party::Owner) {
            drop(place);
            let waker = cx.waker().clone();
            place = self.lock();
            if place.is_out_of(Party::Owner) {
                let former = place.register(Party::Owner, waker);
                place.flags.set(Flags::OWNER_WAITS, true);
                drop(place);
                drop(former);
                return Poll::Pending;
            }
        }
        Poll::Ready(place)
    }

    /// Takes the connection out for the owner, whose thread blocks while another party polls the
    /// transport. `None` if it was taken over or leaked.
    pub(crate) fn take(&self) -> Option<Guard<'_, C, T, M>> {
        self.take_from(self.lock_resting(Party::Owner), Party::Owner)
    }

    /// As [`take`](Self::take), with the read half of a pair.
    pub(super) fn take_whole(&self, party: Party) -> Option<Guard<'_, C, T, M>> {
        let mut place = self.lock_resting(party);
        let taken = place.take_whole(party);
        drop(place);
        self.guard(party, taken)
    }

    /// Locks the place once no other party has anything out, for which the thread blocks.
    #[inline]
    pub(super) fn lock_resting(&self, party: Party) -> MutexGuard<'_, Place<C, T, M>> {
        let mut place = self.lock();
        while place.is_out_of(party) {
            place.flags.set(Flags::OWNER_BLOCKS, true);
            place = self
                .back
                .wait(place)
                .unwrap_or_else(PoisonError::into_inner);
        }
        place.flags.set(Flags::OWNER_BLOCKS, false);
        place
    }

    /// Takes the connection out for the server, if it rests.
    pub(crate) fn take_resting(&self) -> Option<Guard<'_, C, T, M>> {
        self.take_from(self.lock(), Party::Server)
    }

    pub(super) fn take_from(
        &self,
        mut place: MutexGuard<'_, Place<C, T, M>>,
        party: Party,
    ) -> Option<Guard<'_, C, T, M>> {
        let taken = place.take(party);
        drop(place);
        self.guard(party, taken)
    }

    pub(super) fn guard(
        &self,
        party: Party,
        taken: Option<(Taken<C, T>, bool)>,
    ) -> Option<Guard<'_, C, T, M>> {
        let ((mut core, transport), has_woken) = taken?;
        if let (Some(core), true) = (&mut core, has_woken) {
            core.on_wake();
        }
        Some(Guard {
            core,
            transport,
            slot: self,
            party,
            notifies: false,
        })
    }

    /// Waits, as `party`, until the server shuts down.
    pub(crate) fn poll_shutting_down(&self, party: Party, cx: &Context<'_>) -> Poll<()> {
        if self.is_shutting_down() {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        let mut place = self.lock();
        let is_shutting_down = place.flags.any(Flags::SHUTS_DOWN);
        let former = if is_shutting_down {
            Some(waker)
        } else {
            place.register(party, waker)
        };
        drop(place);
        drop(former);
        if is_shutting_down {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}
