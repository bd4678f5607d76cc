//! How the server looks at a connection, and when it need not.

use std::task::Context;

use super::Slot;
use super::beside::Beside;
use super::flags::{CHANGED, Flags, POLLS, YIELDS};
use super::guard::Guard;
use super::parties::{Core, Io, Party};
use crate::sync::Ordering;

/// What the server finds.
pub(crate) enum Look<'a, C: Core, T: Io, M: Beside<C, T> = ()> {
    /// Nothing for the server to do.
    Nothing,
    /// There is output that the transport was not offered.
    Unoffered(Guard<'a, C, T, M>),
    /// The owner has left, or has closed the connection.
    Left(Guard<'a, C, T, M>),
    /// The connection was lost or leaked. The handler may not know yet.
    Gone,
    /// The owner has taken it over.
    TakenOver,
    /// The server ends, and waits for nothing.
    Cancelled,
}

impl<C: Core, T: Io, M: Beside<C, T>> Slot<C, T, M> {
    /// Records that the server's task is about to poll the handler.
    /// [`end_server_poll`](Self::end_server_poll) or a [`look`](Self::look) follows.
    pub(crate) fn begin_server_poll(&self) {
        self.server.fetch_or(POLLS, Ordering::Relaxed);
    }

    /// Records that the handler is pending. Returns `true` if the server has to [look](Self::look);
    /// otherwise nothing has changed for it since its last look, and its waker is still registered.
    ///
    /// If the handler [yields](Self::note_yield), output can wait for what it writes next: the task
    /// of `cx` is woken to poll it again.
    pub(crate) fn end_server_poll(&self, cx: &Context<'_>) -> bool {
        let ended = self
            .server
            .compare_exchange(POLLS, 0, Ordering::Relaxed, Ordering::Relaxed);
        match ended {
            Ok(_) => false,
            Err(noted) if noted & (CHANGED | YIELDS) == YIELDS => {
                self.server.fetch_and(!(POLLS | YIELDS), Ordering::Relaxed);
                // A change that came meanwhile has found the server in its poll, and a yield may be
                // one of another task.
                cx.waker().wake_by_ref();
                false
            }
            Err(_) => true,
        }
    }

    /// Records that a read lets other tasks run, though it could go on.
    pub(crate) fn note_yield(&self) {
        // As all others change it, but for the server.
        let _place = self.lock();
        if self.server.load(Ordering::Relaxed) & POLLS != 0 {
            self.server.fetch_or(YIELDS, Ordering::Relaxed);
        }
    }

    /// Lets the server look at the connection, and take it out if there is something to do.
    ///
    /// The server is woken when another look may find more: see the [table](self).
    pub(crate) fn look(&self, cx: &Context<'_>) -> Look<'_, C, T, M> {
        let mut former = None;
        let mut place = self.lock();
        let known = place.wakers[Party::Server as usize].as_ref();
        if !known.is_some_and(|known| known.will_wake(cx.waker())) {
            drop(place);
            let waker = cx.waker().clone();
            place = self.lock();
            former = place.wakers[Party::Server as usize].replace(waker);
        }
        // Under the lock: a put back that comes later sees that the server has to be woken.
        self.server.store(0, Ordering::Relaxed);
        let has_left = place.flags.any(Flags::CLOSING) || place.have_owners_left();
        let is_taken_over = place.flags.any(Flags::TAKEN_OVER);
        let is_gone = place.is_core_gone() || place.aborted.is_some();
        let is_cancelled = place.flags.any(Flags::CANCELLED);
        let is_wanted = !is_gone && !is_cancelled && (has_left || place.is_output_due());
        let taken = match is_wanted {
            // To discard input, too.
            true if has_left => place.take_whole(Party::Server),
            true => place.take(Party::Server),
            false => None,
        };
        if has_left {
            if let Some(reading) = place.beside.reading() {
                reading.server_waits = reading.is_out || taken.is_none();
            }
        }
        drop(place);
        drop(former);
        match self.guard(Party::Server, taken) {
            _ if is_taken_over => Look::TakenOver,
            _ if is_cancelled => Look::Cancelled,
            _ if is_gone => Look::Gone,
            Some(guard) if has_left => Look::Left(guard),
            Some(guard) => Look::Unoffered(guard),
            None => Look::Nothing,
        }
    }
}
