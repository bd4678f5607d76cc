//! A guard around handlers, whose panics end their connection and no other.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::caught::caught;

/// A handler's future, where its owner has pinned it. Its panics are caught.
pub(super) struct CatchUnwind<'a, F>(Pin<&'a mut Option<F>>);

impl<'a, F> CatchUnwind<'a, F> {
    pub(super) fn new(future: Pin<&'a mut Option<F>>) -> Self {
        Self(future)
    }

    /// Drops the future where it waits.
    ///
    /// # Errors
    ///
    /// If that panics.
    pub(super) fn cancel(&mut self) -> Result<(), Panicked> {
        caught(|| self.0.set(None)).ok_or(Panicked)
    }
}

pub(super) struct Panicked;

impl<F: Future> Future for CatchUnwind<'_, F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = self.0.as_mut().as_pin_mut() else {
            return Poll::Ready(Err(Panicked));
        };
        // What the future has seen half-done is dropped with it; streams keep their state in order.
        match caught(|| future.poll(cx)) {
            Some(poll) => poll.map(Ok),
            None => {
                let _ = self.cancel();
                Poll::Ready(Err(Panicked))
            }
        }
    }
}
