//! Blocking sockets: threads instead of tasks, and the functions of asyncio's face.
//!
//! The loop is the one of the other runtimes, over transports that are always ready because they block
//! the thread. So a reader and a writer that are to work at the same time need a thread each, and a read
//! that blocks does not see what another thread writes meanwhile: that thread drains.
//!
//! Only reads and writes block. Accepting, connecting and deadlines wait for async-io's reactor.

mod face;

use std::future::Future;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use async_io::Async;
use socket2::SockRef;

use crate::runtime::{Listener, Runtime};
use crate::transport::{
    Breaker, ReadHalf, Sleep, Transport, WriteHalf, endpoint, reset_when_dropped,
};

pub use face::*;

/// Runs a future to its end in this thread, which sleeps while the future waits.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Anything that can be read from, as half of a [`Duplex`](crate::Duplex): standard input, a pipe.
#[derive(Debug)]
pub struct Source<R>(pub R);

/// Anything that can be written to, as half of a [`Duplex`](crate::Duplex): standard output, a pipe.
///
/// Its write side ends by a flush, and when it is dropped.
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

/// Half of a blocking socket.
#[derive(Debug)]
pub struct Half<S> {
    socket: Arc<S>,
    /// Until when a call may block.
    deadline: Option<Instant>,
}

impl<S> Half<S> {
    fn new(socket: Arc<S>) -> Self {
        Self {
            socket,
            deadline: None,
        }
    }

    /// How long the next call may block; `None` for as long as it likes.
    fn time_left(&self) -> io::Result<Option<Duration>> {
        let left = self
            .deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match left {
            Some(Duration::ZERO) => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(left),
        }
    }
}

/// A socket that has blocked for as long as it may says that it would block.
fn timed_out(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    }
}

/// To look at the socket, or to set its options.
impl<S> AsRef<S> for Half<S> {
    fn as_ref(&self) -> &S {
        &self.socket
    }
}

/// Implements the transport for a socket that can be read and written through a reference.
macro_rules! socket {
    ($socket:ty, $address:ty, $convert:ident) => {
        endpoint!(Half<$socket>, $address, $convert, |half| Ok(SockRef::from(
            &*half.socket
        )));

        impl Transport for $socket {
            type Read = Half<$socket>;
            type Write = Half<$socket>;

            fn split(self) -> (Half<$socket>, Half<$socket>) {
                let socket = Arc::new(self);
                (Half::new(Arc::clone(&socket)), Half::new(socket))
            }

            fn join(read: Half<$socket>, write: Half<$socket>) -> Self {
                drop(read);
                Arc::into_inner(write.socket).expect("two halves of the same socket")
            }

            fn sleep(duration: Duration) -> Sleep {
                Box::pin(async move {
                    async_io::Timer::after(duration).await;
                })
            }

            fn breaker(write: &Half<$socket>) -> Option<Breaker> {
                let socket = Arc::downgrade(&write.socket);
                Some(Box::new(move |directions| {
                    if let Some(socket) = socket.upgrade() {
                        // It fails only where there is nothing left to end.
                        let _ = socket.shutdown(directions);
                    }
                }))
            }
        }

        impl ReadHalf for Half<$socket> {
            fn poll_read(
                &mut self,
                _: &mut Context<'_>,
                room: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                if let Some(left) = self.time_left()? {
                    self.socket.set_read_timeout(Some(left))?;
                }
                Poll::Ready((&*self.socket).read(room).map_err(timed_out))
            }

            fn set_deadline(&mut self, deadline: Option<Instant>) {
                self.deadline = deadline;
            }
        }

        impl WriteHalf for Half<$socket> {
            fn poll_write(
                &mut self,
                _: &mut Context<'_>,
                slices: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                if let Some(left) = self.time_left()? {
                    self.socket.set_write_timeout(Some(left))?;
                }
                Poll::Ready((&*self.socket).write_vectored(slices).map_err(timed_out))
            }

            fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(self.socket.shutdown(Shutdown::Write))
            }

            fn abort(&mut self) {
                reset_when_dropped(SockRef::from(&*self.socket));
            }

            fn set_deadline(&mut self, deadline: Option<Instant>) {
                self.deadline = deadline;
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
    type Tcp = TcpStream;
    type TcpListener = Async<TcpListener>;
    #[cfg(unix)]
    type Unix = UnixStream;
    #[cfg(unix)]
    type UnixListener = Async<UnixListener>;

    fn resolve(
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        let host = host.to_owned();
        blocking::unblock(move || Ok((host, port).to_socket_addrs()?.collect()))
    }

    async fn connect(socket: socket2::Socket, address: SocketAddr) -> io::Result<TcpStream> {
        let stream = crate::reactor::connect(socket, address).await?;
        stream.set_nonblocking(false)?;
        Ok(stream)
    }

    #[cfg(unix)]
    fn connect_unix(
        path: &std::path::Path,
    ) -> impl Future<Output = io::Result<UnixStream>> + Send + 'static {
        let path = path.to_owned();
        async { UnixStream::connect(path) }
    }

    fn tcp_listener(listener: TcpListener) -> io::Result<Async<TcpListener>> {
        Async::new(listener)
    }

    #[cfg(unix)]
    fn unix_listener(listener: UnixListener) -> io::Result<Async<UnixListener>> {
        Async::new(listener)
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        thread::spawn(|| block_on(task));
    }
}

impl Listener for Async<TcpListener> {
    type Transport = TcpStream;

    async fn accept(&self) -> io::Result<TcpStream> {
        let stream = Async::<TcpListener>::accept(self).await?.0.into_inner()?;
        stream.set_nonblocking(false)?;
        Ok(stream)
    }

    fn socket(&self) -> SockRef<'_> {
        self.into()
    }
}

#[cfg(unix)]
impl Listener for Async<UnixListener> {
    type Transport = UnixStream;

    async fn accept(&self) -> io::Result<UnixStream> {
        let stream = Async::<UnixListener>::accept(self).await?.0.into_inner()?;
        stream.set_nonblocking(false)?;
        Ok(stream)
    }

    fn socket(&self) -> SockRef<'_> {
        self.into()
    }
}
