//! tokio: its sockets as transports, and asyncio's functions over them.
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
use crate::clock::{Clock, Sleep};
use crate::connect::ConnectOptions;
use crate::happy_eyeballs::ConnectError;
use crate::join::{Join, WriteEnd};
use crate::options::ServerOptions;
use crate::server::HandlerResult;
use crate::transport::{ReadHalf, WriteHalf};
#[cfg(unix)]
use crate::unix_socket;

/// Anything that tokio can read from, as half of a [`Join`]: standard input, a
/// pipe, half of a TLS session. (asyncio's `loop.connect_read_pipe`.)
#[derive(Debug)]
pub struct FromAsyncRead<R>(pub R);

/// Anything that tokio can write to, as half of a [`Join`]: standard output, a
/// pipe, half of a TLS session.
///
/// Its write side ends by `poll_shutdown`. It cannot show an abort to its peer.
/// Where SIGPIPE has its default action, a write to a pipe without a reader ends the process.
/// (asyncio's `loop.connect_write_pipe`.)
#[derive(Debug)]
pub struct FromAsyncWrite<W>(pub W);

impl<R: AsyncRead + Send + Unpin + 'static> ReadHalf for FromAsyncRead<R> {
    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut room = ReadBuf::new(room);
        Pin::new(&mut self.0)
            .poll_read(cx, &mut room)
            .map_ok(|()| room.filled().len())
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
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Joins two things to read from and to write to, as one transport: pipes, standard streams, the
/// two of a child.
pub fn join<R, W>(read: R, write: W) -> Join<FromAsyncRead<R>, WriteEnd<FromAsyncWrite<W>>, Tokio>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
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

impl Clock for Tokio {
    fn sleep(duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }

    fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

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
        let connected = unix_socket::connect(path);
        async { UnixStream::from_std(connected?) }
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

/// The half of a TCP connection to read from. (asyncio's `StreamReader`.)
pub type StreamReader = crate::StreamReader<TcpStream>;
/// The half of a TCP connection to write to. (asyncio's `StreamWriter`.)
pub type StreamWriter = crate::StreamWriter<TcpStream>;
/// A TCP connection with one owner.
pub type Connection = crate::Connection<TcpStream>;
/// A server on this runtime. (asyncio's `Server`.)
pub type Server = crate::Server<Tokio>;
/// The half of a Unix connection to read from. (asyncio's `StreamReader`.)
#[cfg(unix)]
pub type UnixReader = crate::StreamReader<UnixStream>;
/// The half of a Unix connection to write to. (asyncio's `StreamWriter`.)
#[cfg(unix)]
pub type UnixWriter = crate::StreamWriter<UnixStream>;

/// Opens a connection to the first address of `host` that accepts one, with the default options.
/// See [`ConnectOptions::open_connection`].
///
/// Cancel-safe.
///
/// # Errors
///
/// [`ConnectError`], which names every address that was tried. No socket is left.
pub async fn open_connection(
    host: &str,
    port: u16,
) -> Result<(StreamReader, StreamWriter), ConnectError> {
    ConnectOptions::new()
        .open_connection::<Tokio>(host, port)
        .await
}

/// Connects to the first address of `host` that accepts a connection, with the default options. See
/// [`ConnectOptions::connect`].
///
/// Cancel-safe.
///
/// # Errors
///
/// As for [`open_connection`].
pub async fn connect(host: &str, port: u16) -> Result<Connection, ConnectError> {
    ConnectOptions::new().connect::<Tokio>(host, port).await
}

/// Opens a connection to a Unix socket, with the default options. See
/// [`ConnectOptions::open_unix_connection`].
///
/// Cancel-safe.
///
/// # Errors
///
/// Those of the system, with the path. No socket is left.
#[cfg(unix)]
pub async fn open_unix_connection(
    path: impl AsRef<std::path::Path>,
) -> io::Result<(UnixReader, UnixWriter)> {
    ConnectOptions::new()
        .open_unix_connection::<Tokio>(path)
        .await
}

/// Starts a server on every address of `host`, with the default options. An empty host stands for
/// all interfaces, a `port` of zero for one that the system chooses. See
/// [`Server::start`](crate::Server::start).
///
/// Cancel-safe.
///
/// # Errors
///
/// If the host does not resolve, an address cannot be listened on, or no task can be started.
pub async fn start_server<H, F>(handler: H, host: &str, port: u16) -> io::Result<Server>
where
    H: Fn(StreamReader, StreamWriter) -> F + Send + Sync + 'static,
    F: Future<Output: HandlerResult> + Send + 'static,
{
    Server::start(handler, &[host], port, &ServerOptions::new()).await
}

/// Starts a server on a Unix socket, with the default options. See
/// [`Server::start_unix`](crate::Server::start_unix).
///
/// Cancel-safe.
///
/// # Errors
///
/// If the path cannot be listened on, or no task can be started.
#[cfg(unix)]
pub async fn start_unix_server<H, F>(
    handler: H,
    path: impl AsRef<std::path::Path>,
) -> io::Result<Server>
where
    H: Fn(UnixReader, UnixWriter) -> F + Send + Sync + 'static,
    F: Future<Output: HandlerResult> + Send + 'static,
{
    Server::start_unix(handler, path, &ServerOptions::new()).await
}
