//! Blocking sockets: threads instead of tasks, and asyncio's functions over them.
//!
//! A thread that has to wait blocks, in the same loop in which a task of the other runtimes would
//! be suspended: its socket is non-blocking underneath, and async-io tells when it is ready. A
//! system call that blocked could neither see what another thread writes meanwhile, nor end at a
//! deadline, and two threads that share a connection would wait for each other.
//!
//! Anything else that blocks, as standard input does, can be a [`FromRead`] or a [`FromWrite`].
//!
//! A call that blocks cannot be dropped. What ends it before its time is a loss: an abort by
//! the other half or the server, or the deadline of [`StreamWriter::close_timeout`]. It
//! then leaves behind what every loss does. [`Server::shutdown`] ends reads that wait, as at the
//! end of the stream.
//!
//! # Examples
//!
//! ```
//! use plimsoll_io::{Error, blocking::*};
//! use std::time::{Duration, Instant};
//!
//! fn echo(mut reader: StreamReader, mut writer: StreamWriter) -> Result<(), Error> {
//!     for line in reader.read_lines() {
//!         writer.write_bytes(line?)?;
//!         if !writer.is_writable() {
//!             writer.drain()?;
//!         }
//!     }
//!     Ok(())
//! }
//!
//! let server = start_server(echo, "127.0.0.1", 0)?;
//! let (mut reader, mut writer) = open_connection("127.0.0.1", server.local_addrs()[0].port())?;
//! writer.write(b"hello\n")?;
//! assert_eq!(reader.read_line()?, "hello\n"); // sends what was written, then waits
//! writer.close()?;
//! server.shutdown(Duration::from_secs(5));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod connect;
mod connection;
mod reader;
mod server;
mod within;
mod writer;

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
#[cfg(unix)]
use std::os::fd::AsFd as AsSystemSocket;
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
#[cfg(windows)]
use std::os::windows::io::AsSocket as AsSystemSocket;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use crate::clock::{Clock, Sleep};
use crate::join::{Join, WriteEnd};
use crate::runtime::socket::{Address, Socket, poll_call};
use crate::runtime::{Listener, Runtime, reactor};
use crate::transport::{ReadHalf, WriteHalf};
#[cfg(unix)]
use crate::unix_socket;

#[cfg(unix)]
pub use self::connect::open_unix_connection;
pub use self::connect::{connect, open_connection, streams};
pub use self::connection::Connection;
#[cfg(unix)]
pub use self::reader::UnixReader;
pub use self::reader::{Lines, StreamReader};
#[cfg(unix)]
pub use self::server::start_unix_server;
pub use self::server::{Server, start_server};
pub use self::writer::StreamWriter;
#[cfg(unix)]
pub use self::writer::UnixWriter;

/// Runs a future to its end in this thread, which sleeps while the future waits. (`asyncio.run`,
/// without a loop of its own.)
pub fn block_on<F: Future>(future: F) -> F::Output {
    async_io::block_on(future)
}

/// Anything that can be read from, as half of a [`Join`]: standard input, a pipe.
///
/// Nothing ends a read that blocks in it, and it holds up all that shares its thread. One that
/// times out by itself ends the call with [`Error::TimedOut`](crate::Error::TimedOut), and loses
/// nothing. (asyncio's `loop.connect_read_pipe`.)
///
/// ```
/// use plimsoll_io::{StreamOptions, blocking::{join, streams}};
///
/// let transport = join(&b"one\ntwo\n"[..], Vec::new());
/// let (mut reader, mut writer) = streams(transport, &StreamOptions::new());
/// assert_eq!(reader.read_line()?, "one\n");
/// writer.write(b"seen\n")?;
/// writer.flush()?;
/// # Ok::<(), plimsoll_io::Error>(())
/// ```
#[derive(Debug)]
pub struct FromRead<R>(pub R);

/// Anything that can be written to, as half of a [`Join`]: standard output, a
/// pipe.
///
/// Its write side ends by a flush, and when it is dropped. Nothing ends a write that blocks in it,
/// not even the deadline of a close; one that times out by itself ends the call with
/// [`Error::TimedOut`](crate::Error::TimedOut). Meanwhile other threads' writes and aborts wait for
/// it, and so do reads that reach the end of the stream or fail. It cannot show an abort to its
/// peer. Where SIGPIPE has its default action, a write to a pipe without a reader ends the process.
/// (asyncio's `loop.connect_write_pipe`.)
#[derive(Debug)]
pub struct FromWrite<W>(pub W);

impl<R: Read + Send + 'static> ReadHalf for FromRead<R> {
    fn poll_read(&mut self, _: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        unless_timed_out(self.0.read(room))
    }

    fn may_block(&self) -> bool {
        true
    }
}

impl<W: Write + Send + 'static> WriteHalf for FromWrite<W> {
    fn poll_write(
        &mut self,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        unless_timed_out(self.0.write_vectored(slices))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        unless_timed_out(self.0.flush())
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        unless_timed_out(self.0.flush())
    }
}

/// A timeout of its own is no loss: the call ends with [`Error::TimedOut`](crate::Error::TimedOut).
fn unless_timed_out<A>(result: io::Result<A>) -> Poll<io::Result<A>> {
    Poll::Ready(result.map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => io::ErrorKind::WouldBlock.into(),
        _ => error,
    }))
}

/// Joins two things to read from and to write to, as one transport: pipes, standard streams, the
/// two of a child. Calls block in them, and [`Connection::set_timeout`] does not end them; a
/// timeout of their own does.
pub fn join<R, W>(read: R, write: W) -> Join<FromRead<R>, WriteEnd<FromWrite<W>>, Blocking>
where
    R: Read + Send + 'static,
    W: Write + Send + 'static,
{
    Join::with_clock(FromRead(read), WriteEnd::new(FromWrite(write)))
}

impl<R> FromRead<R> {
    /// Returns what is read from.
    pub fn into_inner(self) -> R {
        self.0
    }
}

impl<W> WriteEnd<FromWrite<W>> {
    /// Returns what is written to, unless its side has ended.
    pub fn into_inner(self) -> Option<W> {
        self.into_half().map(|sink| sink.0)
    }
}

/// A socket of the standard library that a thread can wait for, within a time if it has to.
/// `Async::new(socket)` makes a transport of one that is connected, and a [`Listener`] of one that
/// listens.
#[derive(Debug)]
pub struct Async<S>(async_io::Async<S>);

impl<S: AsSystemSocket> Async<S> {
    /// Takes over a socket, which does not block from now on.
    ///
    /// # Errors
    ///
    /// Those of the system, for instance if the socket cannot be watched. The socket is closed.
    pub fn new(socket: S) -> io::Result<Self> {
        async_io::Async::new(socket).map(Self)
    }
}

impl Async<TcpStream> {
    /// Connects to an address, from a socket with the system's options.
    ///
    /// # Errors
    ///
    /// Those of the system. The socket is closed.
    ///
    /// # Cancel safety
    ///
    /// Safe: the socket is closed.
    pub async fn connect(address: impl Into<SocketAddr>) -> io::Result<Self> {
        async_io::Async::<TcpStream>::connect(address)
            .await
            .map(Self)
    }
}

impl<S> Async<S> {
    /// Returns the socket, which still does not block.
    ///
    /// # Errors
    ///
    /// Those of the system, for instance if the socket cannot be unregistered. The socket is
    /// closed.
    pub fn into_inner(self) -> io::Result<S> {
        self.0.into_inner()
    }

    /// Returns the socket, to look at it or to set its options. It has to stay one that does not
    /// block.
    pub fn get_ref(&self) -> &S {
        self.0.get_ref()
    }
}

#[cfg(unix)]
impl<S: AsSystemSocket> AsSystemSocket for Async<S> {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

#[cfg(windows)]
impl<S: AsSystemSocket> AsSystemSocket for Async<S> {
    fn as_socket(&self) -> std::os::windows::io::BorrowedSocket<'_> {
        self.get_ref().as_socket()
    }
}

impl<S: StreamSocket> Socket for Async<S> {
    type Address = S::Address;
    type Inner = S;
    type Shared = Arc<Self>;

    fn inner(&self) -> &S {
        self.get_ref()
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_readable(cx)
    }

    fn poll_recv(&self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        poll_call(|| self.try_recv(room), || self.0.poll_readable(cx))
    }

    fn poll_send(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        poll_call(|| self.try_send(slices), || self.0.poll_writable(cx))
    }

    fn sleep(duration: Duration) -> Sleep {
        Blocking::sleep(duration)
    }
}

/// A connected stream socket of the standard library: TCP's, or a Unix socket's.
pub trait StreamSocket: AsSystemSocket + fmt::Debug + Send + Sync + 'static {
    /// An address of its kind.
    type Address: Address;
}

impl StreamSocket for TcpStream {
    type Address = SocketAddr;
}

#[cfg(unix)]
impl StreamSocket for UnixStream {
    type Address = std::os::unix::net::SocketAddr;
}

/// Threads as a runtime, for what is generic over runtimes: a task is a thread.
#[derive(Clone, Copy, Debug)]
pub struct Blocking;

impl Clock for Blocking {
    fn sleep(duration: Duration) -> Sleep {
        reactor::sleep(duration)
    }

    fn now() -> Instant {
        Instant::now()
    }
}

impl Runtime for Blocking {
    type Tcp = Async<TcpStream>;
    type TcpListener = Async<TcpListener>;
    #[cfg(unix)]
    type Unix = Async<UnixStream>;
    #[cfg(unix)]
    type UnixListener = Async<UnixListener>;

    fn resolve(
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        let host = host.to_owned();
        blocking::unblock(move || Ok((host, port).to_socket_addrs()?.collect()))
    }

    async fn connect(socket: TcpStream, address: SocketAddr) -> io::Result<Async<TcpStream>> {
        Async::new(reactor::connect(socket, address).await?)
    }

    #[cfg(unix)]
    fn connect_unix(
        path: &std::path::Path,
    ) -> impl Future<Output = io::Result<Async<UnixStream>>> + Send + 'static {
        let connected = unix_socket::connect(path);
        async { Async::new(connected?) }
    }

    fn tcp_listener(listener: TcpListener) -> io::Result<Async<TcpListener>> {
        Async::new(listener)
    }

    #[cfg(unix)]
    fn unix_listener(listener: UnixListener) -> io::Result<Async<UnixListener>> {
        Async::new(listener)
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        thread::Builder::new().spawn(|| block_on(task)).map(drop)
    }
}

impl Listener for Async<TcpListener> {
    type Transport = Async<TcpStream>;

    async fn accept(&self) -> io::Result<Async<TcpStream>> {
        Ok(Async(self.0.accept().await?.0))
    }

    async fn accept_from(&self) -> io::Result<(Async<TcpStream>, Option<SocketAddr>)> {
        let (accepted, peer) = self.0.accept().await?;
        Ok((Async(accepted), Some(peer)))
    }

    fn peer_addr(accepted: &Async<TcpStream>) -> Option<SocketAddr> {
        accepted.get_ref().peer_addr().ok()
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.get_ref().local_addr().ok()
    }
}

#[cfg(unix)]
impl Listener for Async<UnixListener> {
    type Transport = Async<UnixStream>;

    async fn accept(&self) -> io::Result<Async<UnixStream>> {
        Ok(Async(self.0.accept().await?.0))
    }
}
