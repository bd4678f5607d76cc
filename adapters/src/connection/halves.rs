//! Functions over one half of the core.

use std::task::{Poll, ready};

use plimsoll::{ConnectionError, ReadError, Reader, Step, WriteError, Writer};

use super::Connection;
use super::moving::{Moved, poll_move};
use crate::driver::Driven;
use crate::error::Error;
use crate::receiving::Memory;
use crate::transport::Transport;

impl<T: Transport> Connection<T> {
    /// Reads by a function over the reader, which is called again whenever input has arrived. See
    /// [`Reader::read_with`].
    ///
    /// A read that would block sends pending output first.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// Those of the function and of [`Reader::read_with`]. How the connection was lost,
    /// [`lost`](Self::lost) returns with the transport's error.
    pub async fn read_with<V, E: From<ReadError> + From<Error>>(
        &mut self,
        mut read: impl FnMut(&mut Reader) -> Result<Step<V>, E>,
    ) -> Result<V, E> {
        self.with_both(|guard, cx| {
            loop {
                if guard.core().budget().poll_spend(1, cx).is_pending() {
                    guard.slot().note_yield();
                    return Poll::Pending;
                }
                match guard.core().core.reader.read_with(&mut read)? {
                    Step::Ready(value) => return Poll::Ready(Ok(value)),
                    Step::NeedInput => {}
                }
                guard.core().await_input();
                match ready!(poll_move(
                    guard,
                    &self.waker,
                    cx,
                    Memory::Own,
                    Driven::has_received
                )) {
                    Moved::Done => {}
                    Moved::TimedOut => return Poll::Ready(Err(Error::TimedOut.into())),
                }
            }
        })
        .await?
    }

    /// Reads by a function over the reader, if that needs no input.
    #[cfg(feature = "blocking")]
    pub(crate) fn read_at_hand<V, E: From<ReadError>>(
        &mut self,
        read: impl FnMut(&mut Reader) -> Result<Step<V>, E>,
    ) -> Option<Result<V, E>> {
        let mut guard = self.slot.take()?;
        match guard.core().core.reader.read_with(read) {
            Ok(Step::NeedInput) => None,
            Ok(Step::Ready(value)) => Some(Ok(value)),
            Err(error) => Some(Err(error)),
        }
    }

    /// Writes by a function over the writer. What it queues is sent by the next call that moves
    /// bytes.
    ///
    /// It does not wait. While a server sends for the connection in another thread, it blocks for
    /// as long as that call of the system lasts.
    ///
    /// # Errors
    ///
    /// Those of the function.
    pub fn write_with<V, E: From<WriteError>>(
        &mut self,
        write: impl FnOnce(&mut Writer) -> Result<V, E>,
    ) -> Result<V, E> {
        match self.slot.take() {
            Some(mut guard) => {
                let result = write(&mut guard.core().core.writer);
                guard.core().end_turn();
                result
            }
            None => Err(WriteError::ConnectionLost(ConnectionError::Aborted).into()),
        }
    }
}
