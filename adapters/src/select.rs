//! Two futures, and which of them ends first; a future with a limit of time; a pause for others.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use crate::clock::Sleep;

/// Which of two futures ended first, and what it gave.
pub(crate) enum Either<A, B> {
    First(A),
    Second(B),
}

/// Waits for the first of two futures to end. The first is asked first.
pub(crate) async fn select<A, B>(mut first: A, mut second: B) -> Either<A::Output, B::Output>
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

/// Waits for `end`, by the clock of `sleep`. `None` if it takes longer than `limit`.
pub(crate) async fn within<A>(
    sleep: fn(Duration) -> Sleep,
    limit: Duration,
    end: impl Future<Output = A>,
) -> Option<A> {
    // Only what has to wait needs a clock.
    let late = pin!(async { sleep(limit).await });
    match select(pin!(end), late).await {
        Either::First(ended) => Some(ended),
        Either::Second(()) => None,
    }
}

/// Lets other tasks have their turn, once.
pub(crate) async fn yield_now() {
    let mut is_first = true;
    poll_fn(|cx| {
        if !std::mem::take(&mut is_first) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
