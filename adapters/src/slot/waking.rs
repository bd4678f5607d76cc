//! Putting back, and who is woken by it.

use std::mem;
use std::sync::Arc;
use std::task::{Wake, Waker};

use super::Slot;
use super::beside::Beside;
use super::flags::{CHANGED, DUE, Flags, POLLS};
use super::parties::{Core, Io, Party};
use super::place::{Place, Taken, carry_out, end};
use crate::sync::Ordering;

/// The wakers of the owner, the server and the reader, or which of them are meant.
pub(super) type Each<A> = [A; 3];

/// All parties.
pub(super) const ALL: Each<bool> = [true; 3];

impl<C: Core, T: Io, M: Beside<C, T>> Slot<C, T, M> {
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
        let pressure = M::HAS_READER.then(|| core.pressure());
        let mut place = self.lock();
        // A reader that sends has news for a writer that waits, and for no other.
        let is_heard = notifies && (party != Party::Reader || place.wakers[0].is_some());
        let is_plain = party != Party::Server && !is_heard && place.is_unchanged(says, pressure);
        if !is_plain {
            drop(place);
            return self.put_back_changed((Some(core), transport), party, notifies, waker);
        }
        place.note(says);
        if let Some(pressure) = pressure {
            self.note_pressure(&mut place, pressure);
        }
        place.put_down(Some(core), transport);
        let former = waker.and_then(|waker| place.register(party, waker));
        let woken = self.change_due(&mut place);
        drop(place);
        drop(former);
        if let Some(woken) = woken {
            woken.wake();
        }
    }

    /// Puts back after something has happened that another party may have to know, or this one.
    #[cold]
    pub(super) fn put_back_changed(
        &self,
        (mut core, mut transport): Taken<C, T>,
        party: Party,
        notifies: bool,
        waker: Option<Waker>,
    ) {
        let mut is_commanded = false;
        let mut ended = None;
        let mut lets_read = false;
        let mut place = loop {
            let says = core.as_ref().map(|core| (core.says(), core.pressure()));
            let mut place = self.lock();
            if let Some((says, pressure)) = says {
                place.note(says);
                lets_read |= place.lets_read(pressure);
                self.note_pressure(&mut place, pressure);
            }
            if let (Some(ended), Some(reading)) = (ended.take(), place.beside.reading()) {
                reading.ended = Some(ended);
            }
            if !place.has_orders(core.is_some(), transport.is_some()) {
                break place;
            }
            is_commanded = true;
            ended = carry_out(place, &mut core, &mut transport);
        };
        // A transport that wakes while it is polled is heard now.
        let has_woken = place.flags.any(Flags::WOKEN) && transport.is_some();
        is_commanded |= core.is_some() && place.flags.take(Flags::COMMANDED);
        place.put_down(core, transport);
        // Who has the core still out drops everything when that is back.
        let left = if place.have_all_left() && place.core_out.is_none() {
            place.take_rest()
        } else {
            ((None, None), None)
        };
        let former = waker.and_then(|waker| place.register(party, waker));
        let owner = notifies | place.flags.take(Flags::OWNER_WAITS);
        let is_closing = place.flags.any(Flags::CLOSING);
        let (mut reader, mut server) = (lets_read, is_closing);
        if let Some(reading) = place.beside.reading() {
            reader |= mem::take(&mut reading.waits_for_core);
            // What the server puts back itself is not what it waits for.
            server |= party != Party::Server && mem::take(&mut reading.server_waits);
        }
        let whom = match party {
            _ if is_commanded || has_woken => ALL,
            Party::Owner => [false, server || notifies, reader || notifies],
            Party::Reader => [owner, server, false],
            Party::Server => [owner, false, reader || notifies],
        };
        if party == Party::Server && place.is_output_due() {
            // Its own task goes on with it, once others have run.
            self.server.fetch_or(CHANGED, Ordering::Relaxed);
        }
        let wakers = self.take_wakers(&mut place, whom);
        let due = match party {
            Party::Owner | Party::Reader => self.change_due(&mut place),
            Party::Server => None,
        };
        let is_awaited = place.flags.any(Flags::OWNER_BLOCKS);
        drop(place);
        drop(former);
        end(left);
        if is_awaited {
            self.back.notify_all();
        }
        wake(wakers);
        if let Some(due) = due {
            due.wake();
        }
    }

    /// Records that output has come to be due, or was sent after all. Returns who is to be woken to
    /// send it: the server, or without one a reader that waits.
    pub(super) fn change_due(&self, place: &mut Place<C, T, M>) -> Option<Waker> {
        let is_due = place.is_output_due();
        // It changes under the lock only.
        if (self.server.load(Ordering::Relaxed) & DUE != 0) == is_due {
            return None;
        }
        if !is_due {
            self.server.fetch_and(!DUE, Ordering::Relaxed);
            return None;
        }
        let polls = self.server.fetch_or(DUE, Ordering::Relaxed) & POLLS != 0;
        if !polls && !place.flags.any(Flags::SERVER_LEFT) {
            let [_, of_server, _] = self.take_wakers(place, [false, true, false]);
            return of_server;
        }
        // A handler on a thread is in its poll for as long as it lasts.
        let Place { beside, wakers, .. } = place;
        let reading = beside.reading()?;
        reading.is_called |= reading.is_out;
        let server = wakers[Party::Server as usize].as_ref();
        let is_other = |waker: &mut Waker| !server.is_some_and(|server| server.will_wake(waker));
        reading.waker.take_if(is_other)
    }

    /// Takes the wakers of the parties that have something to look at. A server in its poll looks
    /// after it without being woken, and so does a reader after its receive.
    pub(super) fn take_wakers(
        &self,
        place: &mut Place<C, T, M>,
        [owner, server, reader]: Each<bool>,
    ) -> Each<Option<Waker>> {
        let is_woken = server && self.server.fetch_or(CHANGED, Ordering::Relaxed) & POLLS == 0;
        let of_reader = match place.beside.reading() {
            Some(reading) if reader => {
                reading.is_called |= reading.is_out;
                reading.waker.take()
            }
            _ => None,
        };
        let [of_owner, of_server] = &mut place.wakers;
        [
            of_owner.take_if(|_| owner),
            of_server.take_if(|_| is_woken),
            of_reader,
        ]
    }
}

/// The slot is the transport's waker: each party looks for itself what it can do.
impl<C: Core, T: Io, M: Beside<C, T>> Wake for Slot<C, T, M> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut place = self.lock();
        place.flags.set(Flags::WOKEN, true);
        // Its own half the reader may have to receive from before the transport is back: a writer
        // may block until the peer was read.
        let whom = if place.transport_out.is_some() {
            [false, false, true]
        } else {
            [true, place.concerns_server(), true]
        };
        if M::HAS_READER || whom[1] {
            let wakers = self.take_wakers(&mut place, whom);
            drop(place);
            return wake(wakers);
        }
        let waker = if whom[0] {
            place.wakers[Party::Owner as usize].take()
        } else {
            None
        };
        drop(place);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Wakes parties, once if they wait in the same task.
pub(super) fn wake([owner, server, reader]: Each<Option<Waker>>) {
    let is_known = |waker: &Waker, other: &Option<Waker>| {
        other.as_ref().is_some_and(|other| other.will_wake(waker))
    };
    let server = server.filter(|waker| !is_known(waker, &owner));
    let reader = reader.filter(|waker| !is_known(waker, &owner) && !is_known(waker, &server));
    [owner, server, reader]
        .into_iter()
        .flatten()
        .for_each(Waker::wake);
}
