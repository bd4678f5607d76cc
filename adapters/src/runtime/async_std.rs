//! async-std: its sockets as transports, and asyncio's functions over them.
//!
//! async-std is discontinued (RUSTSEC-2025-0052) in favour of smol, whose module does the same.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
#[cfg(unix)]
use std::os::unix;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_std::net::{TcpListener, TcpStream, ToSocketAddrs};
#[cfg(unix)]
use async_std::os::unix::net::{UnixListener, UnixStream};
use async_std::task;
use futures_io::{AsyncRead, AsyncWrite};

pub use super::futures::{FromAsyncRead, FromAsyncWrite};
use super::socket::Socket;
use super::{Listener, Runtime, futures, reactor};
use crate::clock::{Clock, Sleep};
use crate::connect::ConnectOptions;
use crate::happy_eyeballs::ConnectError;
use crate::join::{Join, WriteEnd};
use crate::options::ServerOptions;
use crate::server::HandlerResult;
#[cfg(unix)]
use crate::unix_socket;

/// The async-std runtime, for what is generic over runtimes.
#[derive(Clone, Copy, Debug)]
pub struct AsyncStd;

impl Clock for AsyncStd {
    fn sleep(duration: Duration) -> Sleep {
        Box::pin(task::sleep(duration))
    }

    fn now() -> Instant {
        Instant::now()
    }
}

impl Runtime for AsyncStd {
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
        async move { Ok((host.as_str(), port).to_socket_addrs().await?.collect()) }
    }

    async fn connect(socket: std::net::TcpStream, address: SocketAddr) -> io::Result<TcpStream> {
        Ok(reactor::connect(socket, address).await?.into())
    }

    #[cfg(unix)]
    fn connect_unix(
        path: &std::path::Path,
    ) -> impl Future<Output = io::Result<UnixStream>> + Send + 'static {
        let connected = unix_socket::connect(path);
        async { Ok(connected?.into()) }
    }

    fn tcp_listener(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        Ok(listener.into())
    }

    #[cfg(unix)]
    fn unix_listener(listener: unix::net::UnixListener) -> io::Result<UnixListener> {
        Ok(listener.into())
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        task::spawn(task);
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

impl Socket for TcpStream {
    type Address = SocketAddr;
    type Inner = Self;
    type Shared = Self;

    fn inner(&self) -> &Self {
        self
    }

    fn poll_recv(&self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_read(cx, room)
    }

    fn poll_send(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self.try_send(slices) {
            // Only a write of async-std's own waits for room.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Pin::new(&mut &*self).poll_write(cx, &slices[0])
            }
            sent => Poll::Ready(sent),
        }
    }

    fn sleep(duration: Duration) -> Sleep {
        AsyncStd::sleep(duration)
    }
}

#[cfg(unix)]
impl Socket for UnixStream {
    type Address = unix::net::SocketAddr;
    type Inner = Self;
    type Shared = Self;

    fn inner(&self) -> &Self {
        self
    }

    fn poll_recv(&self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_read(cx, room)
    }

    fn poll_send(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self.try_send(slices) {
            // Only a write of async-std's own waits for room.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Pin::new(&mut &*self).poll_write(cx, &slices[0])
            }
            sent => Poll::Ready(sent),
        }
    }

    fn sleep(duration: Duration) -> Sleep {
        AsyncStd::sleep(duration)
    }
}

/// The half of a TCP connection to read from. (asyncio's `StreamReader`.)
pub type StreamReader = crate::StreamReader<TcpStream>;
/// The half of a TCP connection to write to. (asyncio's `StreamWriter`.)
pub type StreamWriter = crate::StreamWriter<TcpStream>;
/// A TCP connection with one owner.
pub type Connection = crate::Connection<TcpStream>;
/// A server on this runtime. (asyncio's `Server`.)
pub type Server = crate::Server<AsyncStd>;
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
        .open_connection::<AsyncStd>(host, port)
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
    ConnectOptions::new().connect::<AsyncStd>(host, port).await
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
        .open_unix_connection::<AsyncStd>(path)
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

/// Joins two things to read from and to write to, as one transport: pipes, standard streams, the
/// two of a child.
pub fn join<R, W>(
    read: R,
    write: W,
) -> Join<FromAsyncRead<R>, WriteEnd<FromAsyncWrite<W>>, AsyncStd>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    futures::join(read, write)
}
