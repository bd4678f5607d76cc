//! Two things to read from and to write to, as one transport: pipes, standard streams, a child's.

use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use crate::runtime::Runtime;
use crate::transport::{ReadHalf, Sleep, Transport, WriteHalf};

/// Two halves of a transport that are two things, with the clock of a runtime. The `join` of a
/// runtime's module makes one of what that runtime reads from and writes to.
///
/// A half that ends only by being dropped, as a pipe does, is dropped when its direction has ended.
pub struct Join<R, W, C> {
    read: R,
    write: W,
    clock: PhantomData<fn() -> C>,
}

impl<R, W, C> Join<R, W, C> {
    /// Joins two halves, with the clock of the runtime `C`.
    pub fn new(read: R, write: W) -> Self {
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

impl<R: ReadHalf, W: WriteHalf, C: Runtime> Transport for Join<R, W, C> {
    type Read = R;
    type Write = W;

    fn split(self) -> (R, W) {
        self.into_halves()
    }

    fn join(read: R, write: W) -> Self {
        Self::new(read, write)
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
