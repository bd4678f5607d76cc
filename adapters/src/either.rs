//! Two futures, and whichever ends first.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Which of two futures ended first, and what it gave.
pub(crate) enum Either<A, B> {
    First(A),
    Second(B),
}

/// Waits for the first of two futures to end. The first is asked first.
pub(crate) async fn either<A, B>(mut first: A, mut second: B) -> Either<A::Output, B::Output>
where
    A: Future + Unpin,
    B: Future + Unpin,
{
    poll_fn(move |cx| {
        if let Poll::Ready(output) = Pin::new(&mut first).poll(cx) {
            return Poll::Ready(Either::First(output));
        }
        Pin::new(&mut second).poll(cx).map(Either::Second)
    })
    .await
}
