//! The tasks that wait for a connection, one for each party that shares it.
//!
//! `tests/loom` runs it through the interleavings of its threads.

use std::sync::Arc;
use std::task::{Wake, Waker};

use crate::sync::{AtomicBool, Mutex, MutexGuard, Ordering, PoisonError};

/// Who shares a connection. Each waits in one task at a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Party {
    Reader,
    Writer,
    /// The server, which closes the connection once its handler has ended. The writer may still be
    /// in use, in a task that the handler has spawned.
    Server,
}

/// Who waits, and what is known of the output without locking it.
#[derive(Default)]
pub(crate) struct Waiters {
    reader: Waiter,
    writer: Waiter,
    server: Waiter,
    /// Whether the user should not write more, as of when the output was last let go.
    pub(crate) unwritable: AtomicBool,
}

#[derive(Default)]
struct Waiter {
    waker: Mutex<Option<Waker>>,
    /// Whether the party has registered and was not woken.
    waits: AtomicBool,
}

impl Waiters {
    /// Keeps the waker of a party that is about to wait.
    pub(crate) fn register(&self, party: Party, waker: &Waker) {
        let waiter = self.waiter(party);
        let mut slot = waiter.slot();
        waiter.waits.store(true, Ordering::Relaxed);
        match &mut *slot {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// Records that a party need not be woken: it has what it has registered for.
    pub(crate) fn stop_waiting(&self, party: Party) {
        self.waiter(party).waits.store(false, Ordering::Relaxed);
    }

    pub(crate) fn wake(&self, party: Party) {
        let waiter = self.waiter(party);
        let mut slot = waiter.slot();
        waiter.waits.store(false, Ordering::Relaxed);
        let waker = slot.take();
        drop(slot);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Wakes the parties that wait for the output, after `by` has changed it without a wake-up by
    /// the transport.
    ///
    /// `by` must have let the output go: a party that registered before `by` took the output is
    /// woken, and one that registered later finds the change.
    pub(crate) fn wake_senders(&self, by: Party) {
        for party in [Party::Writer, Party::Server] {
            if party != by && self.waiter(party).waits.load(Ordering::Relaxed) {
                self.wake(party);
            }
        }
    }

    fn waiter(&self, party: Party) -> &Waiter {
        match party {
            Party::Reader => &self.reader,
            Party::Writer => &self.writer,
            Party::Server => &self.server,
        }
    }
}

impl Waiter {
    fn slot(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes every party, as the transport's waker.
impl Wake for Waiters {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        for party in [Party::Reader, Party::Writer, Party::Server] {
            Waiters::wake(self, party);
        }
    }
}
