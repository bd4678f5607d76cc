//! What async-std and smol share: anything of `futures-io` as half of a transport.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use crate::join::{Join, WriteEnd};
use crate::transport::{ReadHalf, WriteHalf};

/// Anything of `futures-io` to read from, as half of a [`Duplex`](crate::Duplex): a pipe, half of a
/// TLS session.
/// (asyncio's `loop.connect_read_pipe`.)
#[derive(Debug)]
pub struct Source<R>(pub R);

/// Anything of `futures-io` to write to, as half of a [`Duplex`](crate::Duplex).
///
/// Its write side ends by `poll_close`. For async-std's sockets that would do nothing: they are
/// transports of their own. It cannot show an abort to its peer.
/// Where SIGPIPE has its default action, a write to a pipe without a reader ends the process.
/// (asyncio's `loop.connect_write_pipe`.)
#[derive(Debug)]
pub struct Sink<W>(pub W);

impl<R: AsyncRead + Send + Unpin + 'static> ReadHalf for Source<R> {
    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, room)
    }
}

impl<W: AsyncWrite + Send + Unpin + 'static> WriteHalf for Sink<W> {
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

/// Half of a [`Join`]: something to read from. The `join` of a runtime's module makes it.
pub type FromAsyncRead<R> = Source<R>;

/// Half of a [`Join`]: something to write to, which is dropped when its side has ended. The `join`
/// of a runtime's module makes it.
///
/// It cannot show an abort to its peer. Where SIGPIPE has its default action, a write to a pipe
/// without a reader ends the process.
pub type FromAsyncWrite<W> = WriteEnd<Sink<W>>;

/// Joins two things, with the clock of the runtime `C`.
pub(crate) fn join<R, W, C>(read: R, write: W) -> Join<FromAsyncRead<R>, FromAsyncWrite<W>, C> {
    Join::new(Source(read), WriteEnd::new(Sink(write)))
}

impl<R> Source<R> {
    /// Returns what is read from.
    pub fn into_inner(self) -> R {
        self.0
    }
}

impl<W> WriteEnd<Sink<W>> {
    /// Returns what is written to, unless its side has ended.
    pub fn into_inner(self) -> Option<W> {
        self.into_half().map(|sink| sink.0)
    }
}
