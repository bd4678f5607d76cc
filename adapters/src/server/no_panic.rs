//! A guard around handlers, whose panics end their connection and no other.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A future whose panics are caught. After one it is dropped, or is to be by its owner.
pub(super) struct NoPanic<F>(Option<F>);

impl<F: Future + Unpin> NoPanic<F> {
    pub(super) fn new(future: F) -> Self {
        Self(Some(future))
    }
}

pub(super) struct Panicked;

impl<F: Future + Unpin> Future for NoPanic<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.0 else {
            return Poll::Ready(Err(Panicked));
        };
        // What the future has seen half-done is dropped with it; streams keep their state in order.
        match catch_unwind(AssertUnwindSafe(|| Pin::new(future).poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(_) => {
                self.0 = None;
                Poll::Ready(Err(Panicked))
            }
        }
    }
}
