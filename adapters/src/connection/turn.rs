//! The loop of a protocol: wait until something has happened, and show it.

use std::fmt;
use std::future::poll_fn;
use std::ops::{Deref, DerefMut};
use std::task::{Context, Poll, Waker, ready};

use plimsoll::Connection as Core;

use super::Connection;
use super::moving::poll_move;
use crate::driver::Driven;
use crate::layered::Layered;
use crate::receiving::Memory;
use crate::slot::{Guard, Slot};
use crate::transport::Transport;

/// The core of a connection, lent by [`Connection::turn`]. It dereferences to a
/// [`plimsoll::Connection`], and gives it back when it is dropped.
///
/// Nothing is sent while it is held. If it is dropped by a panic, the connection is aborted. The
/// core is the connection's: do not put another in its place.
pub struct Turn<'a, T: Transport> {
    guard: Guard<'a, Driven, Layered<T>>,
}

/// What a turn shows.
pub(crate) enum Happened {
    News,
    /// Nothing: the transport has given up waiting, by a timeout of its own.
    Nothing,
}

impl<T: Transport> Connection<T> {
    /// Sends pending output, waits until something has happened, and lends the core.
    ///
    /// What happens is input, the end or the loss of a direction, output that is no longer full
    /// after a turn that left it full, and a shutdown of the server. That output has left is no
    /// such thing. A turn should read all that it can: input that it leaves unread does not make
    /// the next one ready. `None` once a turn has shown the end and nothing more can come: the
    /// peer's stream has ended and all output is sent, or the connection was lost. A transport that
    /// gives up waiting, by a timeout of its own, makes a turn in which nothing has happened.
    ///
    /// Cancel-safe.
    pub async fn turn(&mut self) -> Option<Turn<'_, T>> {
        let (slot, waker) = (&*self.slot, &self.waker);
        poll_fn(move |cx| {
            let taken = ready!(poll_turn(slot, waker, cx));
            Poll::Ready(taken.map(Turn::new))
        })
        .await
    }

    /// Waits for the next turn, and returns what it would show. `None` if there is none.
    pub(crate) async fn happens(&self) -> Option<Happened> {
        poll_fn(|cx| {
            let taken = ready!(poll_turn(&self.slot, &self.waker, cx));
            Poll::Ready(taken.map(|mut guard| {
                let driven = guard.core();
                if driven.has_news() {
                    return Happened::News;
                }
                // No turn follows.
                driven.end_turn();
                Happened::Nothing
            }))
        })
        .await
    }

    /// Waits until somebody else has told the connection something, where nothing can move.
    pub(crate) async fn is_told(&self) {
        let told = self.with_both(|guard, _| {
            if guard.core().has_news() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        let _ = told.await;
    }

    /// Lends the core as it is. `None` if it was leaked.
    pub(crate) fn turn_now(&mut self) -> Option<Turn<'_, T>> {
        self.slot.take().map(Turn::new)
    }
}

/// Waits until something has happened. `None` once nothing can happen any more.
fn poll_turn<'a, T: Transport>(
    slot: &'a Slot<Driven, Layered<T>>,
    waker: &Waker,
    cx: &Context<'_>,
) -> Poll<Option<Guard<'a, Driven, Layered<T>>>> {
    let Some(mut guard) = ready!(slot.poll_take(cx)) else {
        return Poll::Ready(None);
    };
    let waiting = poll_move(&mut guard, waker, cx, Memory::OfThread, Driven::has_news);
    let (driven, io) = guard.both();
    if !driven.has_news() {
        if driven.is_over() || io.is_none() {
            return Poll::Ready(None);
        }
        if waiting.is_pending() {
            guard.wait(cx);
            return Poll::Pending;
        }
    }
    Poll::Ready(Some(guard))
}

impl<'a, T: Transport> Turn<'a, T> {
    fn new(mut guard: Guard<'a, Driven, Layered<T>>) -> Self {
        guard.put_back_transport();
        guard.core().begin_turn();
        Self { guard }
    }

    /// Returns `true` if the server that has accepted the connection shuts down.
    pub fn is_shutting_down(&self) -> bool {
        self.guard.slot().is_shutting_down()
    }
}

impl<T: Transport> Deref for Turn<'_, T> {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.guard.peek().core
    }
}

impl<T: Transport> DerefMut for Turn<'_, T> {
    fn deref_mut(&mut self) -> &mut Core {
        &mut self.guard.core().core
    }
}

impl<T: Transport> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        self.guard.core().end_turn();
    }
}

impl<T: Transport> fmt::Debug for Turn<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Turn").field(&**self).finish()
    }
}
