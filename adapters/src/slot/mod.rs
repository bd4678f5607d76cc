//! Where a connection rests while no party uses it: its core and its transport, each in its place,
//! and of a pair the read half.
//!
//! For a poll a party takes both out, and puts them back after it. A turn keeps the core alone, so
//! that the transport can be aborted meanwhile. `docs/ownership.md` says who may do what when.
//!
//! | event | wakes |
//! | --- | --- |
//! | the transport wakes; if it is out in a poll, after that | owner; server, if concerned |
//! | the same, in any case | a pair's reader |
//! | a command was left, or carried out; a pair's input has ended | all |
//! | output has come to be due, queued or left at a put back | server; without one a reader |
//! | a party puts back what another one found out | that one |
//! | a party puts back, after room or a loss that a pair's reader may wait for | reader |
//! | a party puts back, after a change that it [notifies](Guard::notify) of | the others |
//! | the same of a reader | owner |
//! | the owner has closed the connection in a turn | server |
//! | a party leaves, or takes the connection over | the others |
//!
//! A server that is in its poll is not woken: it looks after the poll, if there is something to
//! see, or after the next one, if the handler only lets others run. Nor is a reader that receives:
//! it hears of it at its put back.
//!
//! The mutex guards moves of pointers and flags, and the queueing of a pair's output. Nothing else
//! happens under it: no transport is polled, no waker is cloned, dropped or woken, no user's value
//! is dropped. `tests/loom` runs these files through the interleavings of its threads.

mod beside;
mod ending;
mod flags;
mod guard;
mod parties;
mod place;
mod queue;
mod reading;
mod server_side;
mod taking;
mod waking;

use std::sync::Arc;

use plimsoll::ConnectionError;

pub(crate) use self::beside::{Beside, Reading};
use self::flags::{CHANGED, Flags};
pub(crate) use self::guard::Guard;
pub(crate) use self::parties::{Command, Core, Io, Party, Pressure, Says};
use self::place::Place;
pub(crate) use self::reading::{ReadGuard, ToRead, Wish};
pub(crate) use self::server_side::Look;
use crate::sync::{AtomicBool, AtomicU8, Condvar, Mutex, MutexGuard, PoisonError};

/// A place for a connection, and for the wakers of those who wait for it.
pub(crate) struct Slot<C: Core, T: Io, M: Beside<C, T> = ()> {
    place: Mutex<Place<C, T, M>>,
    /// Signalled when something is put back while the owner's thread is blocked for it.
    back: Condvar,
    /// [`POLLS`](flags::POLLS), [`CHANGED`], [`DUE`](flags::DUE) and [`YIELDS`](flags::YIELDS).
    server: AtomicU8,
    /// Whether a pair's user should not write more now, to be seen without the lock.
    is_unwritable: AtomicBool,
}

impl<C: Core, T: Io, M: Beside<C, T>> Slot<C, T, M> {
    /// Makes a slot for the owner alone, or for the owner and a server.
    pub(crate) fn new(core: C, transport: T, has_server: bool) -> Arc<Self> {
        let mut place = Place {
            core: None,
            transport: None,
            wakers: [None, None],
            core_out: None,
            transport_out: None,
            flags: Flags(0),
            aborted: None,
            lost: None,
            moves: 0,
            beside: M::default(),
        };
        place.note(core.says());
        place.put_down(Some(Box::new(core)), Some(Box::new(transport)));
        place.flags.set(Flags::SERVER_LEFT, !has_server);
        Arc::new(Self {
            place: Mutex::new(place),
            back: Condvar::new(),
            server: AtomicU8::new(CHANGED),
            is_unwritable: AtomicBool::new(false),
        })
    }

    /// Returns `true` if a server is a party, and has not left.
    pub(crate) fn has_server(&self) -> bool {
        !self.lock().flags.any(Flags::SERVER_LEFT)
    }

    /// Returns why the connection was aborted, if it was.
    pub(crate) fn aborted(&self) -> Option<ConnectionError> {
        self.lock().aborted
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
        let place = self.lock();
        let received = place.beside.peek().map_or(0, |reading| reading.moves);
        place.moves.wrapping_add(received)
    }

    fn lock(&self) -> MutexGuard<'_, Place<C, T, M>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
