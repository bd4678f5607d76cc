//! What a transport does before it carries bytes, and a layer that is put over it.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use plimsoll::{ConnectionError, Reader, Step};

use super::{Connection, lost, taken};
use crate::driver::{Driven, Sent, Sides};
use crate::error::Error;
use crate::layer::Layer;
use crate::layered::Layered;
use crate::select::{within, yield_now};
use crate::transport::Transport;

/// How long a transport may take to open, in a server and where a protocol starts a layer.
pub(crate) const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

impl<T: Transport> Connection<T> {
    /// Waits until the transport can carry bytes, if it has to do something before: a handshake.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// - [`Error::ConnectionLost`] if that failed.
    /// - [`Error::TimedOut`] if the transport has given up waiting, by a timeout of its own:
    ///   another call goes on.
    pub async fn open(&mut self) -> Result<(), Error> {
        self.with_both(|guard, _| poll_open(guard.both(), &self.waker))
            .await?
    }

    /// Waits as [`open`](Self::open) does, for `limit`; the connection is lost after it.
    pub(crate) async fn open_within(&mut self, limit: Duration) -> Result<(), Error> {
        let open = |cx: &mut Context<'_>| {
            let opened = self
                .slot
                .poll(cx, |guard| poll_open(guard.both(), &self.waker));
            opened.map(|opened| opened.unwrap_or_else(|| Err(taken())))
        };
        if let Some(opened) = within(T::sleep, limit, again_and_again(open)).await {
            return opened;
        }
        self.give_up(ConnectionError::TimedOut);
        Err(self.lost().map_or_else(taken, Error::ConnectionLost))
    }

    /// Puts a layer over the transport, after all pending output was sent. It gets the input that
    /// is unread. [`open`](Self::open) waits for its handshake.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// - [`Error::ConnectionLost`]; there is no layer then. The connection is lost, too, if there
    ///   is a layer already.
    /// - [`Error::TimedOut`] if the transport has given up waiting, by a timeout of its own, before
    ///   all output was sent: there is no layer, and another call goes on, with another one.
    pub async fn put_layer(&mut self, layer: impl Into<Box<dyn Layer>>) -> Result<(), Error> {
        let mut layer = Some(layer.into());
        self.with_both(|guard, cx| poll_put_layer(guard.both(), None, &self.waker, cx, &mut layer))
            .await?
    }
}

/// Opens a transport, again if it gives up waiting by a timeout of its own.
pub(crate) async fn again_and_again(
    mut open: impl FnMut(&mut Context<'_>) -> Poll<Result<(), Error>>,
) -> Result<(), Error> {
    loop {
        match poll_fn(&mut open).await {
            Err(Error::TimedOut) => yield_now().await,
            opened => return opened,
        }
    }
}

/// A core, and its transport unless that is gone.
type Both<'a, K, T> = (&'a mut Driven<K>, Option<&'a mut Layered<T>>);

/// Waits until the transport can carry bytes.
pub(crate) fn poll_open<K: Sides, T: Transport>(
    (driven, io): Both<'_, K, T>,
    waker: &Waker,
) -> Poll<Result<(), Error>> {
    let Some(io) = io else {
        return Poll::Ready(driven.how_lost().map_or(Ok(()), |lost| Err(lost.into())));
    };
    if driven.is_closing() {
        return Poll::Ready(Err(taken()));
    }
    match ready!(driven.poll_open(io, waker)) {
        Some(true) => Poll::Ready(Ok(())),
        Some(false) => Poll::Ready(Err(lost(driven))),
        None => Poll::Ready(Err(Error::TimedOut)),
    }
}

/// Sends everything, and puts the layer in place, which gets what is unread: of a reader of its
/// own, or of the core's.
pub(crate) fn poll_put_layer<K: Sides, T: Transport>(
    (driven, io): Both<'_, K, T>,
    reader: Option<&mut Reader>,
    waker: &Waker,
    cx: &Context<'_>,
    layer: &mut Option<Box<dyn Layer>>,
) -> Poll<Result<(), Error>> {
    let (Some(io), None) = (io, driven.how_lost()) else {
        return Poll::Ready(Err(lost(driven)));
    };
    if io.has_layer() {
        driven.lose(io::Error::other("a second layer over a connection"));
        return Poll::Ready(Err(lost(driven)));
    }
    if let Sent::TimedOut = ready!(driven.poll_send(io, waker, cx)) {
        return Poll::Ready(Err(Error::TimedOut));
    }
    if driven.how_lost().is_some() {
        return Poll::Ready(Err(lost(driven)));
    }
    let reader = reader.or(driven.core.reader_mut());
    let reader = reader.expect("a reader, in the core or by itself");
    // What comes next is the layer's, whatever it is.
    reader.stop_discarding();
    let mut layer = layer.take().expect("polled after it was ready");
    if let Ok(Step::Ready(unread)) = reader.read(usize::MAX) {
        layer.feed(&unread);
    }
    let has_end = reader.at_eof();
    if has_end || !driven.core.expects_input() {
        // A layer says itself where its stream ends, and this one would be cut off.
        driven.lose(io::ErrorKind::UnexpectedEof.into());
        return Poll::Ready(Err(lost(driven)));
    }
    io.put_layer(layer);
    Poll::Ready(Ok(()))
}
