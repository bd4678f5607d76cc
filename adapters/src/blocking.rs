//! Blocking sockets: threads instead of tasks, and the functions of asyncio's face.
//!
//! A thread that has to wait blocks, in the same loop in which a task of the other runtimes would be
//! suspended: its socket is non-blocking underneath, and async-io tells when it is ready. A system call
//! that blocked could neither see what another thread writes meanwhile, nor end at a deadline, and two
//! threads that share a connection would wait for each other.
//!
//! Anything else that blocks, as standard input does, can be a [`Source`] or a [`Sink`].
//!
//! A call that blocks cannot be dropped. What ends it before its time is a loss: an abort by whoever has
//! the other half or the server, or the deadline of [`StreamWriter::close_within`]. It then leaves behind
//! what every loss does. [`Server::shutdown`] ends reads that wait, as at the end of the stream.
//!
//! # Examples
//!
//! ```
//! use plimsoll_io::{Error, blocking::*};
//! use std::time::Duration;
//!
//! fn echo(mut reader: StreamReader, mut writer: StreamWriter) -> Result<(), Error> {
//!     for line in reader.lines() {
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

mod connection;
mod face;

use std::future::Future;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::Duration;

/// A socket of the standard library, made fit to be waited for: `Async::new(socket)` is a transport.
pub use async_io::Async;
use futures_io::AsyncRead;
use socket2::SockRef;

use crate::join::Join;
use crate::runtime::{Listener, Runtime};
use crate::transport::{ReadHalf, Sleep, Transport, WriteHalf, endpoint, reset_when_dropped, send};

pub use connection::{Connection, connect, serve_connections};
pub use face::*;

/// Runs a future to its end in this thread, which sleeps while the future waits. (`asyncio.run`, without a
/// loop of its own.)
pub fn block_on<F: Future>(future: F) -> F::Output {
    async_io::block_on(future)
}

/// Anything that can be read from, as half of a [`Duplex`](crate::Duplex): standard input, a pipe.
///
/// A read that blocks in it is ended by nobody, and holds up whatever shares its thread.
/// (asyncio's `loop.connect_read_pipe`.)
///
/// ```
/// use plimsoll_io::{Duplex, blocking::{Sink, Source, streams}};
///
/// let transport = Duplex { read: Source(&b"one\ntwo\n"[..]), write: Sink(Vec::new()) };
/// let (mut reader, mut writer) = streams(transport);
/// assert_eq!(reader.read_line()?, "one\n");
/// writer.write(b"seen\n")?;
/// writer.flush()?;
/// # Ok::<(), plimsoll_io::Error>(())
/// ```
#[derive(Debug)]
pub struct Source<R>(pub R);

/// Anything that can be written to, as half of a [`Duplex`](crate::Duplex): standard output, a pipe.
///
/// Its write side ends by a flush, and when it is dropped. A write that blocks in it is ended by nobody,
/// not even by the deadline of a close. Meanwhile other threads' writes and aborts wait for it, and so
/// do reads that reach the end of the stream or fail. It cannot show an abort to its peer.
/// Where SIGPIPE has its default action, a write to a pipe without a reader ends the process.
/// (asyncio's `loop.connect_write_pipe`.)
#[derive(Debug)]
pub struct Sink<W>(pub W);

impl<R: Read + Send + 'static> ReadHalf for Source<R> {
    fn poll_read(&mut self, _: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.0.read(room))
    }
}

impl<W: Write + Send + 'static> WriteHalf for Sink<W> {
    fn poll_write(
        &mut self,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.0.write_vectored(slices))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.flush())
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.flush())
    }
}

/// Half of a [`Join`]: something to read from. [`join`] makes it.
#[derive(Debug)]
pub struct FromRead<R>(R);

impl<R> FromRead<R> {
    /// Returns what is read from.
    pub fn into_inner(self) -> R {
        self.0
    }
}

/// Half of a [`Join`]: something to write to, which is dropped when its side has ended. [`join`]
/// makes it.
///
/// It cannot show an abort to its peer. Where SIGPIPE has its default action, a write to a pipe
/// without a reader ends the process.
#[derive(Debug)]
pub struct FromWrite<W>(Option<W>);

impl<W> FromWrite<W> {
    /// Returns what is written to, unless its side has ended.
    pub fn into_inner(self) -> Option<W> {
        self.0
    }
}

/// A timeout of its own is no loss: the call ends with [`Error::TimedOut`](crate::Error::TimedOut).
fn unless_timed_out<A>(result: io::Result<A>) -> Poll<io::Result<A>> {
    Poll::Ready(result.map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => io::ErrorKind::WouldBlock.into(),
        _ => error,
    }))
}

impl<R: Read + Send + 'static> ReadHalf for FromRead<R> {
    fn poll_read(&mut self, _: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        unless_timed_out(self.0.read(room))
    }
}

impl<W: Write + Send + 'static> WriteHalf for FromWrite<W> {
    fn poll_write(
        &mut self,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Some(write) => unless_timed_out(write.write_vectored(slices)),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Some(write) => unless_timed_out(write.flush()),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        self.0 = None;
        Poll::Ready(Ok(()))
    }

    fn abort(&mut self) {
        self.0 = None;
    }
}

/// Joins two things to read from and to write to, as one transport: pipes, standard streams, the
/// two of a child. Calls block in them, and [`Connection::set_timeout`] does not end them; a timeout of
/// their own does.
pub fn join<R, W>(read: R, write: W) -> Join<FromRead<R>, FromWrite<W>, Blocking>
where
    R: Read + Send + 'static,
    W: Write + Send + 'static,
{
    Join::new(FromRead(read), FromWrite(Some(write)))
}

/// Half of a socket whose thread waits for it.
#[derive(Debug)]
pub struct Half<S>(Arc<Async<S>>);

/// To ask the socket what it knows, or to set its options.
impl<S> AsRef<S> for Half<S> {
    fn as_ref(&self) -> &S {
        (*self.0).as_ref()
    }
}

/// Implements the transport for a socket type.
macro_rules! socket {
    ($socket:ty, $address:ty, $convert:ident) => {
        endpoint!(Half<$socket>, $address, $convert, |half| Ok(SockRef::from(
            half.as_ref()
        )));

        impl Transport for Async<$socket> {
            type Read = Half<$socket>;
            type Write = Half<$socket>;

            fn split(self) -> (Half<$socket>, Half<$socket>) {
                let socket = Arc::new(self);
                (Half(Arc::clone(&socket)), Half(socket))
            }

            fn join(read: Half<$socket>, write: Half<$socket>) -> Self {
                drop(read);
                Arc::into_inner(write.0).expect("two halves of the same socket")
            }

            fn sleep(duration: Duration) -> Sleep {
                Box::pin(async move {
                    async_io::Timer::after(duration).await;
                })
            }
        }

        impl ReadHalf for Half<$socket> {
            fn poll_read(
                &mut self,
                cx: &mut Context<'_>,
                room: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut &*self.0).poll_read(cx, room)
            }
        }

        impl WriteHalf for Half<$socket> {
            fn poll_write(
                &mut self,
                cx: &mut Context<'_>,
                slices: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                loop {
                    match send(self.as_ref().into(), slices) {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            ready!(self.0.poll_writable(cx))?;
                        }
                        sent => return Poll::Ready(sent),
                    }
                }
            }

            fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(self.as_ref().shutdown(Shutdown::Write))
            }

            fn abort(&mut self) {
                reset_when_dropped(SockRef::from(self.as_ref()));
            }
        }
    };
}

socket!(TcpStream, SocketAddr, as_socket);
#[cfg(unix)]
socket!(UnixStream, std::os::unix::net::SocketAddr, as_unix);

/// Threads as a runtime, for what is generic over runtimes: a task is a thread.
#[derive(Clone, Copy, Debug)]
pub struct Blocking;

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

    async fn connect(socket: socket2::Socket, address: SocketAddr) -> io::Result<Async<TcpStream>> {
        Async::new(crate::reactor::connect(socket, address).await?)
    }

    #[cfg(unix)]
    fn connect_unix(
        path: &std::path::Path,
    ) -> impl Future<Output = io::Result<Async<UnixStream>>> + Send + 'static {
        let connected = crate::reactor::connect_unix(path);
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
        Ok(Async::<TcpListener>::accept(self).await?.0)
    }

    fn peer_addr(accepted: &Async<TcpStream>) -> Option<SocketAddr> {
        accepted.get_ref().peer_addr().ok()
    }

    fn socket(&self) -> SockRef<'_> {
        self.into()
    }
}

#[cfg(unix)]
impl Listener for Async<UnixListener> {
    type Transport = Async<UnixStream>;

    async fn accept(&self) -> io::Result<Async<UnixStream>> {
        Ok(Async::<UnixListener>::accept(self).await?.0)
    }

    fn socket(&self) -> SockRef<'_> {
        self.into()
    }
}
