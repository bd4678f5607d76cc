//! Waiting for output to be sent.

use std::task::Poll;

use plimsoll::Writer;

use super::moving::{Moved, poll_move};
use super::{Connection, lost, taken};
use crate::driver::Driven;
use crate::error::Error;
use crate::receiving::Memory;
use crate::transport::Transport;

impl<T: Transport> Connection<T> {
    /// Sends pending output until no more is pending than the low water mark, which is zero by
    /// default. Receives meanwhile, as long as the limits allow: two peers that both only drain
    /// come to their ends.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// - [`Error::ConnectionLost`]; pending output is gone.
    /// - [`Error::TimedOut`] if the transport has given up waiting, by a timeout of its own: what
    ///   is left stays pending, and another call goes on.
    pub async fn drain(&mut self) -> Result<(), Error> {
        // Without a low water mark nothing may be held back by the transport, either.
        self.send_until(|writer| {
            let low = writer.water_marks().low();
            low > 0 && writer.pending() <= low
        })
        .await
    }

    /// Sends all pending output, and what the transport holds back.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// As for [`drain`](Self::drain).
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.send_until(|_| false).await
    }

    /// Waits only while the output is [full](Writer::is_full). With `write_with`, the loop of a
    /// pipelining handler.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// As for [`drain`](Self::drain).
    pub async fn ready(&mut self) -> Result<(), Error> {
        // Below the mark nothing is sent, so that replies to pipelined requests leave together.
        let is_full = {
            let mut guard = self.slot.take().ok_or_else(taken)?;
            let driven = guard.core();
            if driven.core.writer.connection_error().is_some() {
                return Err(lost(driven));
            }
            driven.core.writer.is_full()
        };
        if is_full {
            self.send_until(|writer| !writer.is_full()).await
        } else {
            Ok(())
        }
    }

    /// Lets a server not send while the handler waits for something else, until
    /// [`uncork`](Self::uncork): for a handler that writes a batch across several waits. Its own
    /// calls send as ever, and so does the end of the handler. Nothing else is changed by it, and
    /// without a server nothing at all.
    pub fn cork(&mut self) {
        self.set_corked(true);
    }

    /// Lets a server send again whenever the handler waits.
    pub fn uncork(&mut self) {
        self.set_corked(false);
    }

    fn set_corked(&self, is_corked: bool) {
        if !is_corked || self.slot.has_server() {
            if let Some(mut guard) = self.slot.take() {
                guard.core().set_corked(is_corked);
            }
        }
    }

    /// Ends this side's stream, once pending output is sent, and sends both. Reading goes on.
    /// (asyncio's `write_eof`.)
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// As for [`drain`](Self::drain).
    pub async fn finish(&mut self) -> Result<(), Error> {
        if let Some(mut guard) = self.slot.take() {
            guard.core().core.writer.finish();
        }
        self.flush().await
    }

    async fn send_until(&self, enough: impl Fn(&Writer) -> bool) -> Result<(), Error> {
        self.with_both(|guard, cx| {
            let is_done = |driven: &Driven| {
                let writer = &driven.core.writer;
                let is_lost = writer.connection_error().is_some();
                is_lost || !driven.has_output() || enough(writer)
            };
            let waiting = poll_move(guard, &self.waker, cx, Memory::Own, is_done);
            match (guard.core().core.writer.connection_error(), waiting) {
                (Some(_), _) => Poll::Ready(Err(lost(guard.core()))),
                (None, Poll::Ready(Moved::TimedOut)) => Poll::Ready(Err(Error::TimedOut)),
                (None, Poll::Ready(Moved::Done)) => Poll::Ready(Ok(())),
                (None, Poll::Pending) => Poll::Pending,
            }
        })
        .await?
    }
}
