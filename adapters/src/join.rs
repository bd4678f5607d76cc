//! Two things to read from and to write to, as one transport: pipes, standard streams, a child's.

use std::fmt;
use std::io::{self, IoSlice};
use std::marker::PhantomData;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use crate::clock::{Clock, Sleep, ThreadClock};
use crate::transport::{ReadHalf, Transport, WriteHalf};

/// Two halves of a transport that are two things, with a clock. The `join` of a runtime's module
/// makes one of what that runtime reads from and writes to, with the runtime's clock.
///
/// A half that ends only by being dropped, as a pipe does, is dropped when its direction has ended.
pub struct Join<R, W, C = ThreadClock> {
    read: R,
    write: W,
    clock: PhantomData<fn() -> C>,
}

impl<R, W> Join<R, W> {
    /// Joins two halves that belong to no runtime. A close that has to wait takes a thread.
    pub fn new(read: R, write: W) -> Self {
        Self::with_clock(read, write)
    }
}

impl<R, W, C> Join<R, W, C> {
    /// Joins two halves, with the clock `C`, usually a [`Runtime`](crate::Runtime).
    pub fn with_clock(read: R, write: W) -> Self {
        Self {
            read,
            write,
            clock: PhantomData,
        }
    }

    /// Returns the two halves.
    pub fn into_halves(self) -> (R, W) {
        (self.read, self.write)
    }
}

impl<R: ReadHalf, W: WriteHalf, C: Clock> Transport for Join<R, W, C> {
    type Read = R;
    type Write = W;

    fn split(self) -> (R, W) {
        self.into_halves()
    }

    fn reunite(read: R, write: W) -> Self {
        Self::with_clock(read, write)
    }

    fn sleep(duration: Duration) -> Sleep {
        C::sleep(duration)
    }

    fn now() -> Instant {
        C::now()
    }
}

impl<R: fmt::Debug, W: fmt::Debug, C> fmt::Debug for Join<R, W, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join")
            .field("read", &self.read)
            .field("write", &self.write)
            .finish()
    }
}

/// Half of a [`Join`]: a write half that is dropped when its side has ended, as a pipe has to be.
#[derive(Debug)]
pub struct WriteEnd<W>(Option<W>);

impl<W> WriteEnd<W> {
    /// Creates the end that drops `half`.
    pub fn new(half: W) -> Self {
        Self(Some(half))
    }

    /// Returns the half, unless its side has ended.
    pub fn into_half(self) -> Option<W> {
        self.0
    }
}

impl<W: WriteHalf> WriteHalf for WriteEnd<W> {
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Some(half) => half.poll_write(cx, slices),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Some(half) => half.poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn holds_back(&self) -> bool {
        self.0.as_ref().is_some_and(WriteHalf::holds_back)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(half) = &mut self.0 {
            ready!(half.poll_shutdown(cx))?;
            self.0 = None;
        }
        Poll::Ready(Ok(()))
    }

    fn abort(&mut self) {
        if let Some(mut half) = self.0.take() {
            half.abort();
        }
    }
}
