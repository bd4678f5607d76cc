//! What async-std and smol share: anything of `futures-io` as half of a transport.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use crate::join::{Join, WriteEnd};
use crate::transport::{ReadHalf, WriteHalf};

/// Anything of `futures-io` to read from, as half of a [`Join`]: a pipe, half of a
/// TLS session.
/// (asyncio's `loop.connect_read_pipe`.)
#[derive(Debug)]
pub struct FromAsyncRead<R>(pub R);

/// Anything of `futures-io` to write to, as half of a [`Join`].
///
/// Its write side ends by `poll_close`. For async-std's sockets that would do nothing: they are
/// transports of their own. It cannot show an abort to its peer.
/// Where SIGPIPE has its default action, a write to a pipe without a reader ends the process.
/// (asyncio's `loop.connect_write_pipe`.)
#[derive(Debug)]
pub struct FromAsyncWrite<W>(pub W);

impl<R: AsyncRead + Send + Unpin + 'static> ReadHalf for FromAsyncRead<R> {
    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, room)
    }
}

impl<W: AsyncWrite + Send + Unpin + 'static> WriteHalf for FromAsyncWrite<W> {
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

/// Joins two things, with the clock of the runtime `C`.
pub(crate) fn join<R, W, C>(
    read: R,
    write: W,
) -> Join<FromAsyncRead<R>, WriteEnd<FromAsyncWrite<W>>, C> {
    Join::with_clock(FromAsyncRead(read), WriteEnd::new(FromAsyncWrite(write)))
}

impl<R> FromAsyncRead<R> {
    /// Returns what is read from.
    pub fn into_inner(self) -> R {
        self.0
    }
}

impl<W> WriteEnd<FromAsyncWrite<W>> {
    /// Returns what is written to, unless its side has ended.
    pub fn into_inner(self) -> Option<W> {
        self.into_half().map(|sink| sink.0)
    }
}
