//! tokio: its sockets as transports, and the functions of asyncio's face.
//!
//! All of it has to be used within a tokio runtime that has I/O and time enabled; what needs it
//! panics elsewhere.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

use super::socket::{Socket, poll_call};
use super::{Listener, Runtime};
use crate::join::{Join, WriteEnd};
use crate::transport::{ReadHalf, Sleep, WriteHalf};

/// Anything that tokio can read from, as half of a [`Duplex`](crate::Duplex): standard input, a
/// pipe, half of a TLS session. (asyncio's `loop.connect_read_pipe`.)
#[derive(Debug)]
pub struct Source<R>(pub R);

/// Anything that tokio can write to, as half of a [`Duplex`](crate::Duplex): standard output, a
/// pipe, half of a TLS session.
///
/// Its write side ends by `poll_shutdown`. It cannot show an abort to its peer.
/// Where SIGPIPE has its default action, a write to a pipe without a reader ends the process.
/// (asyncio's `loop.connect_write_pipe`.)
#[derive(Debug)]
pub struct Sink<W>(pub W);

impl<R: AsyncRead + Send + Unpin + 'static> ReadHalf for Source<R> {
    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut room = ReadBuf::new(room);
        Pin::new(&mut self.0)
            .poll_read(cx, &mut room)
            .map_ok(|()| room.filled().len())
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
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Half of a [`Join`]: something to read from. [`join`] makes it.
pub type FromAsyncRead<R> = Source<R>;

/// Half of a [`Join`]: something to write to, which is dropped when its side has ended. [`join`]
/// makes it.
///
/// It cannot show an abort to its peer. Where SIGPIPE has its default action, a write to a pipe
/// without a reader ends the process.
pub type FromAsyncWrite<W> = WriteEnd<Sink<W>>;

/// Joins two things to read from and to write to, as one transport: pipes, standard streams, the
/// two of a child.
pub fn join<R, W>(read: R, write: W) -> Join<FromAsyncRead<R>, FromAsyncWrite<W>, Tokio>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
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

impl Socket for TcpStream {
    type Address = SocketAddr;
    type Inner = Self;
    type Shared = Arc<Self>;

    const KNOWS_READINESS: bool = true;
    const ENDS_WHEN_WRITE_HALF_IS_DROPPED: bool = true;

    fn inner(&self) -> &Self {
        self
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(cx)
    }

    fn poll_recv(&self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        poll_move(
            room.len(),
            || self.try_recv(room),
            |call| self.try_io(Interest::READABLE, call),
            || self.poll_read_ready(cx),
        )
    }

    fn poll_send(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        poll_move(
            slices.iter().map(|slice| slice.len()).sum(),
            || self.try_send(slices),
            |call| self.try_io(Interest::WRITABLE, call),
            || self.poll_write_ready(cx),
        )
    }

    fn sleep(duration: Duration) -> Sleep {
        Tokio::sleep(duration)
    }

    fn now() -> Instant {
        Tokio::now()
    }
}

#[cfg(unix)]
impl Socket for UnixStream {
    type Address = std::os::unix::net::SocketAddr;
    type Inner = Self;
    type Shared = Arc<Self>;

    const KNOWS_READINESS: bool = true;
    const ENDS_WHEN_WRITE_HALF_IS_DROPPED: bool = true;

    fn inner(&self) -> &Self {
        self
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(cx)
    }

    fn poll_recv(&self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        poll_move(
            room.len(),
            || self.try_recv(room),
            |call| self.try_io(Interest::READABLE, call),
            || self.poll_read_ready(cx),
        )
    }

    fn poll_send(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        poll_move(
            slices.iter().map(|slice| slice.len()).sum(),
            || self.try_send(slices),
            |call| self.try_io(Interest::WRITABLE, call),
            || self.poll_write_ready(cx),
        )
    }

    fn sleep(duration: Duration) -> Sleep {
        Tokio::sleep(duration)
    }

    fn now() -> Instant {
        Tokio::now()
    }
}

/// Moves at most `size` bytes by `call`, as soon as that needs no wait.
///
/// `try_io` makes no call while the socket is known not to be ready, and takes it for not ready
/// after a call that would block. So a call that moves fewer bytes than it could is shown to it as
/// one that would: the system's buffer is empty or full now, and the call that would find out is
/// saved. tokio's own reads and writes do the same.
fn poll_move(
    size: usize,
    mut call: impl FnMut() -> io::Result<usize>,
    mut try_io: impl FnMut(&mut dyn FnMut() -> io::Result<usize>) -> io::Result<usize>,
    wait: impl FnMut() -> Poll<io::Result<()>>,
) -> Poll<io::Result<usize>> {
    let attempt = || {
        let mut moved = 0;
        let result = try_io(&mut || {
            let count = call()?;
            if 0 < count && count < size {
                moved = count;
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(count)
        });
        if moved > 0 { Ok(moved) } else { result }
    };
    poll_call(attempt, wait)
}

/// The tokio runtime, for what is generic over runtimes.
#[derive(Clone, Copy, Debug)]
pub struct Tokio;

impl Runtime for Tokio {
    type Tcp = TcpStream;
    type TcpListener = TcpListener;
    #[cfg(unix)]
    type Unix = UnixStream;
    #[cfg(unix)]
    type UnixListener = UnixListener;

    fn resolve(
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        let host = host.to_owned();
        async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) }
    }

    async fn connect(socket: std::net::TcpStream, address: SocketAddr) -> io::Result<TcpStream> {
        TcpSocket::from_std_stream(socket).connect(address).await
    }

    #[cfg(unix)]
    fn connect_unix(
        path: &std::path::Path,
    ) -> impl Future<Output = io::Result<UnixStream>> + Send + 'static {
        UnixStream::connect(path.to_owned())
    }

    fn tcp_listener(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        TcpListener::from_std(listener)
    }

    #[cfg(unix)]
    fn unix_listener(listener: std::os::unix::net::UnixListener) -> io::Result<UnixListener> {
        UnixListener::from_std(listener)
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        tokio::spawn(task);
        Ok(())
    }

    fn sleep(duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }

    fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

impl Listener for TcpListener {
    type Transport = TcpStream;

    async fn accept(&self) -> io::Result<TcpStream> {
        Ok(TcpListener::accept(self).await?.0)
    }

    async fn accept_from(&self) -> io::Result<(TcpStream, Option<SocketAddr>)> {
        let (accepted, peer) = TcpListener::accept(self).await?;
        Ok((accepted, Some(peer)))
    }

    fn peer_addr(accepted: &TcpStream) -> Option<SocketAddr> {
        accepted.peer_addr().ok()
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        TcpListener::local_addr(self).ok()
    }
}

#[cfg(unix)]
impl Listener for UnixListener {
    type Transport = UnixStream;

    async fn accept(&self) -> io::Result<UnixStream> {
        Ok(UnixListener::accept(self).await?.0)
    }
}

crate::face::face!(Tokio);
