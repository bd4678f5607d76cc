//! Opening a pair, and putting a layer over it: both halves are needed for it.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use plimsoll::ConnectionError;

use super::StreamPair;
use super::pair::{PairGuard, PairSlot};
use crate::connection::{GIVEN_UP, again_and_again, poll_open, poll_put_layer};
use crate::error::{ConnectionLost, Error};
use crate::layer::Layer;
use crate::select::within;
use crate::slot::Command;
use crate::transport::Transport;

impl<T: Transport> StreamPair<T> {
    /// Waits until the transport can carry bytes, if it has to do something before: a handshake.
    ///
    /// Reads and writes wait for it, too.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// - [`Error::ConnectionLost`] if that failed.
    /// - [`Error::TimedOut`] if the transport has given up waiting, by a timeout of its own:
    ///   another call goes on.
    ///
    /// # Panics
    ///
    /// If one of the halves was exchanged for that of another connection.
    pub async fn open(&mut self) -> Result<(), Error> {
        self.assert_is_one();
        let (slot, waker) = (&*self.writer.slot, &self.writer.waker);
        with_both(slot, |guard, _| poll_open(guard.both(), waker)).await
    }

    /// Waits as [`open`](Self::open) does, for `limit`; the connection is lost after it.
    pub(crate) async fn open_within(&mut self, limit: Duration) -> Result<(), Error> {
        let (slot, waker) = (&*self.writer.slot, &self.writer.waker);
        let open = |cx: &mut Context<'_>| {
            let opened = slot.poll_whole(cx, |guard| poll_open(guard.both(), waker));
            opened.map(|opened| opened.unwrap_or(Err(Error::ConnectionLost(GIVEN_UP))))
        };
        if let Some(opened) = within(T::sleep, limit, again_and_again(open)).await {
            return opened;
        }
        let loss = ConnectionError::TimedOut;
        self.writer.slot.command(Command::Abort(loss));
        Err(Error::ConnectionLost(ConnectionLost {
            kind: loss,
            cause: None,
        }))
    }

    /// Puts a layer over the transport, after all pending output was sent. It gets the input that
    /// is unread. [`open`](Self::open) waits for its handshake. (asyncio's `start_tls`, for any
    /// layer.)
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// - [`Error::ConnectionLost`]; there is no layer then. The connection is lost, too, if there
    ///   is a layer already.
    /// - [`Error::TimedOut`] if the transport has given up waiting, by a timeout of its own, before
    ///   all output was sent: there is no layer, and another call goes on, with another one.
    ///
    /// # Panics
    ///
    /// If one of the halves was exchanged for that of another connection.
    pub async fn put_layer(&mut self, layer: impl Into<Box<dyn Layer>>) -> Result<(), Error> {
        self.assert_is_one();
        let mut layer = Some(layer.into());
        let (slot, waker) = (&*self.writer.slot, &self.writer.waker);
        let reader = &mut self.reader.receiver.reader;
        with_both(slot, |guard, cx| {
            poll_put_layer(guard.both(), Some(&mut *reader), waker, cx, &mut layer)
        })
        .await
    }
}

/// Polls with everything out, until that is ready.
async fn with_both<T: Transport>(
    slot: &PairSlot<T>,
    mut poll: impl FnMut(&mut PairGuard<'_, T>, &Context<'_>) -> Poll<Result<(), Error>>,
) -> Result<(), Error> {
    let done = poll_fn(|cx| slot.poll_whole(cx, |guard| poll(guard, cx)));
    done.await.unwrap_or(Err(Error::ConnectionLost(GIVEN_UP)))
}
