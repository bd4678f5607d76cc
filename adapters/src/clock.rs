//! The clock that timeouts are measured by: a runtime's, or a thread's where there is none.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// A wait for a time. Dropping it ends it.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A clock. Each [`Runtime`](crate::Runtime) is one.
pub trait Clock: 'static {
    /// Waits for `duration`. It may be dropped at any time. (`asyncio.sleep`.)
    ///
    /// # Panics
    ///
    /// Outside of its runtime, where the runtime is one that has to be entered, as tokio is.
    fn sleep(duration: Duration) -> Sleep;

    /// Returns the time by the same clock, which a test may have paused.
    fn now() -> Instant;
}

/// The clock of the system, for transports that belong to no runtime: each wait has a thread.
#[derive(Clone, Copy, Debug)]
pub struct ThreadClock;

impl Clock for ThreadClock {
    fn sleep(duration: Duration) -> Sleep {
        Box::pin(ThreadSleep::new(duration))
    }

    fn now() -> Instant {
        Instant::now()
    }
}

/// A thread that wakes a task.
struct ThreadSleep {
    duration: Duration,
    /// The alarm, and what ends its thread when it is dropped.
    alarm: Option<(Arc<Mutex<Alarm>>, mpsc::Sender<Infallible>)>,
}

#[derive(Default)]
struct Alarm {
    rung: bool,
    waker: Option<Waker>,
}

impl ThreadSleep {
    fn new(duration: Duration) -> Self {
        Self {
            duration,
            alarm: None,
        }
    }
}

impl Future for ThreadSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let duration = self.duration;
        let (alarm, _) = self.alarm.get_or_insert_with(|| {
            let alarm = Arc::new(Mutex::new(Alarm::default()));
            let ringing = Arc::clone(&alarm);
            let (awaited, dropped) = mpsc::channel();
            let waiting = std::thread::Builder::new().spawn(move || {
                if dropped.recv_timeout(duration) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
                let mut alarm = ringing.lock().unwrap_or_else(PoisonError::into_inner);
                alarm.rung = true;
                let waker = alarm.waker.take();
                drop(alarm);
                if let Some(waker) = waker {
                    waker.wake();
                }
            });
            if waiting.is_err() {
                // No thread is left to wait. Early is better than never.
                alarm.lock().unwrap_or_else(PoisonError::into_inner).rung = true;
            }
            (alarm, awaited)
        });
        let mut alarm = alarm.lock().unwrap_or_else(PoisonError::into_inner);
        if alarm.rung {
            return Poll::Ready(());
        }
        alarm.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
