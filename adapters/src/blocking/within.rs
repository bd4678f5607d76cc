//! How a call blocks: for ever, for a while, or not at all.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::{Blocking, block_on};
use crate::clock::Clock;
use crate::error::Error;
use crate::select::{Either, select};

/// Blocks in an operation, for no longer than `timeout`.
pub(super) fn block_within<A>(
    timeout: Option<Duration>,
    operation: impl Future<Output = Result<A, Error>>,
) -> Result<A, Error> {
    let Some(timeout) = timeout else {
        return block_on(operation);
    };
    if timeout.is_zero() {
        return at_once(operation).unwrap_or(Err(Error::TimedOut));
    }
    match block_on(select(pin!(operation), Blocking::sleep(timeout))) {
        Either::First(result) => result,
        Either::Second(()) => Err(Error::TimedOut),
    }
}

/// Runs an operation as far as it comes without waiting. A peer that sends without end does not
/// keep it going for longer than [`AT_ONCE`].
fn at_once<A>(operation: impl Future<Output = A>) -> Option<A> {
    let mut operation = pin!(operation);
    let goes_on = Arc::new(GoesOn(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&goes_on));
    let start = Blocking::now();
    loop {
        if let Poll::Ready(answer) = operation.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(answer);
        }
        // One that only lets others have their turn has woken itself.
        if !goes_on.0.swap(false, Ordering::Relaxed) || Blocking::now() - start > AT_ONCE {
            return None;
        }
    }
}

/// How long what does not wait may take where nothing may be waited for.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Whether an operation wants to be polled again.
struct GoesOn(AtomicBool);

impl Wake for GoesOn {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
