//! Where a connection rests while no party uses it: its core and its transport, each in its place.
//!
//! For a poll a party takes both out, and puts them back after it. A turn keeps the core alone, so
//! that the transport can be aborted meanwhile. `docs/ownership.md` says who may do what when.
//!
//! | event | wakes |
//! | --- | --- |
//! | the transport wakes the slot; if it is out in a poll, after that | owner; server, if concerned |
//! | a command was left, or carried out | owner, server |
//! | the owner puts back, and output is left that the transport was not offered | server |
//! | the server puts back, and the owner found something out | owner |
//! | a party puts back, after a change that it [notifies](Guard::notify) of | the other |
//! | the owner has closed the connection in a turn | server |
//! | a party leaves, or takes the connection over | the other |
//!
//! A server that is in its poll is not woken: it looks after the poll, if there is something to
//! see.
//!
//! The mutex guards moves of pointers and flags. Nothing else happens under it: no transport is
//! polled, no waker is cloned, dropped or woken, no user's value is dropped. `tests/loom` runs
//! these files through the interleavings of its threads.

mod flags;
mod guard;
mod place;
mod server_side;
mod waking;

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use plimsoll::ConnectionError;

use self::flags::Flags;
pub(crate) use self::guard::Guard;
use self::place::{Place, Taken, abort, end};
use self::server_side::CHANGED;
pub(crate) use self::server_side::Look;
use self::waking::wake;
use crate::sync::{AtomicU8, Condvar, Mutex, MutexGuard, PoisonError};

/// Who shares a connection. Each waits in one task at a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Party {
    /// The one with the `Connection`.
    Owner,
    /// The task of a server that has accepted the connection, and each caller that leaves a
    /// command.
    Server,
}

impl Party {
    /// What notes that it has left.
    fn left(self) -> Flags {
        match self {
            Self::Owner => Flags::OWNER_LEFT,
            Self::Server => Flags::SERVER_LEFT,
        }
    }
}

/// What a slot asks of a connection's core.
pub(crate) trait Core: Send + 'static {
    /// Closes the connection, once pending output is sent.
    fn close(&mut self);

    /// Records that the connection was lost.
    fn lose(&mut self, error: ConnectionError);

    /// Records that the transport has woken: output that it was offered before is due again.
    fn on_wake(&mut self);

    /// Records that the server shuts down, which the owner's next turn shows.
    fn on_shutdown(&mut self);

    /// Returns what the slot has to know.
    fn says(&self) -> Says;

    /// Returns `true` if the peer must not take the end of the transport for a clean end.
    fn is_cut_off(&self) -> bool;
}

/// What a core says when it is put back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Says {
    /// How the connection was lost, if nothing can move any more: the transport is of no use then.
    pub(crate) lost: Option<ConnectionError>,
    /// Whether something is to be sent.
    pub(crate) has_output: bool,
    /// Whether the transport was not offered some of it.
    pub(crate) has_unoffered_output: bool,
    /// Whether the connection was closed by this side.
    pub(crate) is_closing: bool,
    /// Whether all was sent, and the end of the stream.
    pub(crate) has_ended: bool,
    /// A number that changes whenever something was received or sent.
    pub(crate) moves: u16,
}

/// What a slot asks of a transport.
pub(crate) trait Abort: Send + 'static {
    /// Makes the peer see, when this is dropped, that the connection did not end cleanly.
    fn abort(&mut self);
}

/// What others than the owner want to be done. Each is left once, and then holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Command {
    /// The server shuts down, which the owner may want to know.
    ShutDown,
    /// Close the connection, once pending output is sent.
    Close,
    /// Abort the connection, for this reason. The first counts.
    Abort(ConnectionError),
    /// Drop the handler where it waits, at the end of a server.
    Cancel,
}

/// A place for a connection, and for the wakers of those who wait for it.
pub(crate) struct Slot<C: Core, T: Abort> {
    place: Mutex<Place<C, T>>,
    /// Signalled when something is put back while the owner's thread is blocked for it.
    back: Condvar,
    /// [`POLLS`], [`CHANGED`] and [`DUE`].
    server: AtomicU8,
}

impl<C: Core, T: Abort> Slot<C, T> {
    /// Makes a slot for the owner alone, or for the owner and a server.
    pub(crate) fn new(core: C, transport: T, has_server: bool) -> Arc<Self> {
        let mut place = Place {
            core: None,
            transport: Some(Box::new(transport)),
            wakers: [None, None],
            core_out: None,
            transport_out: None,
            flags: Flags(0),
            aborted: None,
            lost: None,
            moves: 0,
        };
        place.note(core.says());
        place.core = Some(Box::new(core));
        place.flags.set(Flags::SERVER_LEFT, !has_server);
        Arc::new(Self {
            place: Mutex::new(place),
            back: Condvar::new(),
            server: AtomicU8::new(CHANGED),
        })
    }

    /// Polls for the owner, with the connection out. `None` if it was taken over or leaked.
    ///
    /// If that is pending, the owner is woken when another poll may find more: see the
    /// [table](self).
    pub(crate) fn poll<A>(
        &self,
        cx: &Context<'_>,
        poll: impl FnOnce(&mut Guard<'_, C, T>) -> Poll<A>,
    ) -> Poll<Option<A>> {
        let Some(mut guard) = ready!(self.poll_take(cx)) else {
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
    pub(crate) fn poll_take(&self, cx: &Context<'_>) -> Poll<Option<Guard<'_, C, T>>> {
        let mut place = self.lock();
        if place.is_out(Party::Server) {
            drop(place);
            let waker = cx.waker().clone();
            place = self.lock();
            if place.is_out(Party::Server) {
                let former = place.wakers[Party::Owner as usize].replace(waker);
                place.flags.set(Flags::OWNER_WAITS, true);
                drop(place);
                drop(former);
                return Poll::Pending;
            }
        }
        let (taken, has_woken) = place.take_to_poll(Party::Owner);
        drop(place);
        Poll::Ready(self.guard(Party::Owner, taken, has_woken))
    }

    /// Takes the connection out for the owner, whose thread blocks while another party polls the
    /// transport. `None` if it was taken over or leaked.
    pub(crate) fn take(&self) -> Option<Guard<'_, C, T>> {
        let mut place = self.lock();
        while place.is_out(Party::Server) {
            place.flags.set(Flags::OWNER_BLOCKS, true);
            place = self
                .back
                .wait(place)
                .unwrap_or_else(PoisonError::into_inner);
        }
        place.flags.set(Flags::OWNER_BLOCKS, false);
        let taken = place.take(Party::Owner);
        drop(place);
        self.guard(Party::Owner, taken, false)
    }

    /// Takes the connection out for the server, if it rests.
    pub(crate) fn take_resting(&self) -> Option<Guard<'_, C, T>> {
        let taken = self.lock().take(Party::Server);
        self.guard(Party::Server, taken, false)
    }

    /// Leaves a command. It is carried out here on what rests, and on the rest when that is put
    /// back.
    pub(crate) fn command(&self, command: Command) {
        let mut place = self.lock();
        match command {
            Command::ShutDown => {
                place
                    .flags
                    .set(Flags::SHUTS_DOWN | Flags::SHUTDOWN_UNTOLD, true);
            }
            Command::Cancel => place.flags.set(Flags::CANCELLED, true),
            Command::Close => place.flags.set(Flags::CLOSES, true),
            Command::Abort(error) => {
                place.aborted.get_or_insert(error);
            }
        }
        if place.core_out.is_some() {
            place.flags.set(Flags::COMMANDED, true);
        }
        let core = place.take_core(Party::Server);
        drop(place);
        self.put_back((core, None), Party::Server, false, None);
        let wakers = self.take_wakers(&mut self.lock(), [true, true]);
        wake(wakers);
    }

    /// Takes the connection over, if the core `allows` it: both parties find it gone.
    ///
    /// # Errors
    ///
    /// `None` if not, or if it was aborted, taken over or leaked before.
    pub(crate) fn take_over(&self, allows: impl FnOnce(&C) -> bool) -> Option<(Box<C>, Box<T>)> {
        let mut guard = self.take()?;
        if !allows(guard.core()) {
            return None;
        }
        let mut place = self.lock();
        if place.aborted.is_some() || guard.transport.is_none() {
            drop(place);
            return None;
        }
        (place.core_out, place.transport_out) = (None, None);
        place.flags.set(Flags::TAKEN_OVER, true);
        let wakers = self.take_wakers(&mut place, [true, true]);
        drop(place);
        wake(wakers);
        guard.core.take().zip(guard.transport.take())
    }

    /// Drops the transport, after the end of both directions; aborts it if this side's is not sent.
    pub(crate) fn drop_transport(&self) {
        let Some(mut guard) = self.take() else {
            return;
        };
        let Some(transport) = guard.transport.take() else {
            return;
        };
        self.lock().transport_out = None;
        let is_cut_off = guard.core().is_cut_off();
        drop(guard);
        match is_cut_off {
            true => abort(transport),
            false => drop(transport),
        }
    }

    /// Records that a party will not come back. The last one drops the connection.
    pub(crate) fn leave(&self, party: Party) {
        let mut place = self.lock();
        place.flags.set(party.left(), true);
        // A guard of the owner borrows it: this one was leaked.
        if party == Party::Owner && place.core_out == Some(Party::Owner) {
            place.core_out = None;
            place.aborted.get_or_insert(ConnectionError::Aborted);
        }
        let is_over = place.flags.all(Flags::ALL_LEFT) || place.is_core_gone();
        let left = match is_over {
            true => place.take_rest(),
            false => (None, None),
        };
        let wakers = self.take_wakers(&mut place, [true, true]);
        drop(place);
        end(left);
        wake(wakers);
    }

    /// Returns `true` if a server is a party, and has not left.
    pub(crate) fn has_server(&self) -> bool {
        !self.lock().flags.any(Flags::SERVER_LEFT)
    }

    /// Returns `true` if the server shuts down.
    pub(crate) fn is_shutting_down(&self) -> bool {
        self.lock().flags.any(Flags::SHUTS_DOWN)
    }

    /// Returns `true` if there was output to be sent when the core was last put back.
    pub(crate) fn has_output(&self) -> bool {
        self.lock().flags.any(Flags::OUTPUT)
    }

    /// Returns a number that changes whenever something was received or sent, as of when the core
    /// was last put back.
    pub(crate) fn moves(&self) -> u16 {
        self.lock().moves
    }

    fn guard(
        &self,
        party: Party,
        taken: Option<Taken<C, T>>,
        has_woken: bool,
    ) -> Option<Guard<'_, C, T>> {
        let (mut core, transport) = taken?;
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

    fn lock(&self) -> MutexGuard<'_, Place<C, T>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
