//! How a connection ends in order, and how it is aborted.

use std::task::Poll;
use std::time::Duration;

use plimsoll::ConnectionError;

use super::Connection;
use super::moving::{poll_discard, poll_send_and_discard};
use crate::driver::{Driven, Sent};
use crate::error::Error;
use crate::layered::Layered;
use crate::options::DEFAULT_CLOSE_TIMEOUT;
use crate::select::within;
use crate::slot::Slot;
use crate::transport::Transport;

impl<T: Transport> Connection<T> {
    /// Closes the connection: sends pending output and the end of the stream within
    /// [`DEFAULT_CLOSE_TIMEOUT`], discards the input that is there, and drops the transport.
    ///
    /// Input that is there and unread would make the system reset the connection, which may destroy
    /// output that the peer has not read yet. (Not of a transport whose reads block, as those from
    /// standard input do.) What the peer sends later does so all the same: see
    /// [`close_lingering`](Self::close_lingering). A server that has accepted the connection does
    /// that for its handler. Buffered input can still be read.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// - [`Error::ConnectionLost`] if not all was sent, also because the time was up; the
    ///   connection is aborted then.
    /// - [`Error::TimedOut`] if the transport has given up waiting, by a timeout of its own. The
    ///   connection is closing, and another call goes on.
    pub async fn close(&mut self) -> Result<(), Error> {
        self.close_with(DEFAULT_CLOSE_TIMEOUT, None).await
    }

    /// Closes the connection on a thread, where no server goes on before the handler has ended.
    #[cfg(feature = "blocking")]
    pub(crate) async fn close_here(&mut self) -> Result<(), Error> {
        self.close().await?;
        self.slot.drop_transport();
        Ok(())
    }

    /// Closes the connection, and discards what the peer still sends, until its end or for `limit`.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// As for [`close`](Self::close).
    pub async fn close_lingering(&mut self, limit: Duration) -> Result<(), Error> {
        self.close_with(DEFAULT_CLOSE_TIMEOUT, Some(limit)).await
    }

    /// Aborts the connection immediately: pending output is discarded, and the peer sees that the
    /// connection did not end cleanly, where the transport can show that. Buffered input can still
    /// be read.
    pub fn abort(&mut self) {
        if let Some(mut guard) = self.slot.take() {
            // What its owner gives up is not output that a server has to tell of.
            guard.core().abort();
        }
        self.give_up(ConnectionError::Aborted);
    }

    async fn close_with(&mut self, limit: Duration, linger: Option<Duration>) -> Result<(), Error> {
        if let Some(mut guard) = self.slot.take() {
            guard.core().core.close();
        }
        match within(T::sleep, limit, self.send_and_discard()).await {
            Some(Ok(Sent::All)) => {}
            Some(Ok(Sent::TimedOut)) => return Err(Error::TimedOut),
            Some(Err(error)) => return Err(error),
            None => self.give_up(ConnectionError::TimedOut),
        }
        if let Some(lost) = self.lost() {
            self.slot.drop_transport();
            return Err(lost.into());
        }
        if let Some(limit) = linger {
            let lingers = Lingers::begin(&self.slot);
            within(T::sleep, limit, self.discard(false)).await;
            drop(lingers);
        } else {
            self.discard(true).await;
            if self.slot.has_server() {
                // It waits for the peer's end, and drops the transport then.
                return Ok(());
            }
        }
        self.slot.drop_transport();
        Ok(())
    }

    /// Sends everything, and discards input while it waits.
    ///
    /// # Errors
    ///
    /// If the connection is gone, and there is nothing to send.
    async fn send_and_discard(&self) -> Result<Sent, Error> {
        self.with_both(|guard, cx| poll_send_and_discard(guard, &self.waker, cx))
            .await
    }

    /// Discards input: what is there, within a budget, or what comes until the peer's end.
    async fn discard(&self, only_what_is_there: bool) {
        let mut most = usize::MAX;
        let discarded = self.with_both(|guard, cx| {
            let (driven, Some(io)) = guard.both() else {
                return Poll::Ready(());
            };
            if only_what_is_there {
                // However much was done before.
                driven.budget().renew();
            }
            let budget = driven.budget();
            let read = Layered::poll_discard;
            let ended = poll_discard(io, &self.waker, cx, budget, read, &mut most);
            if only_what_is_there {
                Poll::Ready(())
            } else {
                ended.map(drop)
            }
        });
        let _ = discarded.await;
    }
}

/// Lets the server know that the owner waits for the peer's end itself, until this is dropped.
struct Lingers<'a, T: Transport>(&'a Slot<Driven, Layered<T>>);

impl<'a, T: Transport> Lingers<'a, T> {
    fn begin(slot: &'a Slot<Driven, Layered<T>>) -> Self {
        if let Some(mut guard) = slot.take() {
            guard.core().set_lingers(true);
        }
        Self(slot)
    }
}

impl<T: Transport> Drop for Lingers<'_, T> {
    fn drop(&mut self) {
        if let Some(mut guard) = self.0.take() {
            guard.core().set_lingers(false);
        }
    }
}
