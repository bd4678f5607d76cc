//! Two futures, and whichever ends first.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Waits for the first of two futures; `None` if it was the second. The first is asked first.
pub(crate) async fn either<A, B>(mut first: A, mut second: B) -> Option<A::Output>
where
    A: Future + Unpin,
    B: Future + Unpin,
{
    poll_fn(move |cx| {
        if let Poll::Ready(output) = Pin::new(&mut first).poll(cx) {
            return Poll::Ready(Some(output));
        }
        Pin::new(&mut second).poll(cx).map(|_| None)
    })
    .await
}
