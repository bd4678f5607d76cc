//! Putting back, and who is woken by it.

use std::sync::Arc;
use std::task::{Wake, Waker};

use super::flags::Flags;
use super::place::{Place, Taken, carry_out, end};
use super::server_side::{CHANGED, DUE, POLLS};
use super::{Abort, Core, Party, Slot};
use crate::sync::Ordering;

impl<C: Core, T: Abort> Slot<C, T> {
    /// Carries out what was left to be done, puts back what is left then, and wakes. A `waker` is
    /// that of a party that waits from now on.
    #[inline]
    pub(super) fn put_back(
        &self,
        taken: Taken<C, T>,
        party: Party,
        notifies: bool,
        waker: Option<Waker>,
    ) {
        let (Some(core), transport) = taken else {
            return self.put_back_changed(taken, party, notifies, waker);
        };
        let says = core.says();
        let mut place = self.lock();
        if party == Party::Server || notifies || !place.is_unchanged(says) {
            drop(place);
            return self.put_back_changed((Some(core), transport), party, notifies, waker);
        }
        place.note(says);
        place.put_down(Some(core), transport);
        let former = match waker {
            Some(waker) => place.wakers[Party::Owner as usize].replace(waker),
            None => None,
        };
        let woken = self.change_due(&mut place);
        drop(place);
        drop(former);
        if let Some(woken) = woken {
            woken.wake();
        }
    }

    /// Puts back after something has happened that the other party may have to know, or this one.
    #[cold]
    pub(super) fn put_back_changed(
        &self,
        (mut core, mut transport): Taken<C, T>,
        party: Party,
        notifies: bool,
        waker: Option<Waker>,
    ) {
        let mut is_commanded = false;
        let mut place = loop {
            let says = core.as_ref().map(|core| core.says());
            let mut place = self.lock();
            if let Some(says) = says {
                place.note(says);
            }
            if !place.has_orders(core.is_some(), transport.is_some()) {
                break place;
            }
            is_commanded = true;
            carry_out(place, &mut core, &mut transport);
        };
        // A transport that wakes while it is polled is heard now.
        let has_woken = place.flags.any(Flags::WOKEN) && transport.is_some();
        is_commanded |= core.is_some() && place.flags.take(Flags::COMMANDED);
        place.put_down(core, transport);
        let left = match place.flags.all(Flags::ALL_LEFT) {
            true => place.take_rest(),
            false => (None, None),
        };
        let former = match waker {
            Some(waker) => place.wakers[party as usize].replace(waker),
            None => None,
        };
        let owner_waits = place.flags.take(Flags::OWNER_WAITS);
        let wakers = match party {
            _ if is_commanded || has_woken => self.take_wakers(&mut place, [true, true]),
            Party::Owner if notifies || place.flags.any(Flags::CLOSING) => {
                self.take_wakers(&mut place, [false, true])
            }
            Party::Owner => [None, self.change_due(&mut place)],
            Party::Server => {
                if place.is_output_due() {
                    // Its own task goes on with it, once others have run.
                    self.server.fetch_or(CHANGED, Ordering::Relaxed);
                }
                self.take_wakers(&mut place, [notifies || owner_waits, false])
            }
        };
        let is_awaited = place.flags.any(Flags::OWNER_BLOCKS);
        drop(place);
        drop(former);
        end(left);
        if is_awaited {
            self.back.notify_all();
        }
        wake(wakers);
    }

    /// Tells the server that the owner has left output that is due, or has sent it after all.
    pub(super) fn change_due(&self, place: &mut Place<C, T>) -> Option<Waker> {
        let is_due = place.is_output_due();
        // It changes under the lock only.
        if (self.server.load(Ordering::Relaxed) & DUE != 0) == is_due {
            return None;
        }
        if !is_due {
            self.server.fetch_and(!DUE, Ordering::Relaxed);
            return None;
        }
        if self.server.fetch_or(DUE, Ordering::Relaxed) & POLLS != 0 {
            return None;
        }
        let [_, of_server] = self.take_wakers(place, [false, true]);
        of_server
    }

    /// Takes the wakers of the parties that have something to look at. A server in its poll looks
    /// after it without being woken.
    pub(super) fn take_wakers(
        &self,
        place: &mut Place<C, T>,
        [owner, server]: [bool; 2],
    ) -> [Option<Waker>; 2] {
        let is_woken = server && self.server.fetch_or(CHANGED, Ordering::Relaxed) & POLLS == 0;
        let [of_owner, of_server] = &mut place.wakers;
        [of_owner.take_if(|_| owner), of_server.take_if(|_| is_woken)]
    }
}

/// The slot is the transport's waker: each party looks for itself what it can do.
impl<C: Core, T: Abort> Wake for Slot<C, T> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut place = self.lock();
        place.flags.set(Flags::WOKEN, true);
        if place.transport_out.is_some() {
            return;
        }
        if place.concerns_server() {
            let wakers = self.take_wakers(&mut place, [true, true]);
            drop(place);
            wake(wakers);
            return;
        }
        let waker = place.wakers[Party::Owner as usize].take();
        drop(place);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Wakes two parties, once if they wait in the same task.
pub(super) fn wake(wakers: [Option<Waker>; 2]) {
    match wakers {
        [Some(one), Some(other)] if one.will_wake(&other) => one.wake(),
        wakers => wakers.into_iter().flatten().for_each(Waker::wake),
    }
}
