//! tokio: its sockets as transports, and the functions of asyncio's face.
//!
//! All of it has to be used within a tokio runtime that has I/O and time enabled; what needs it panics
//! elsewhere.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream, tcp};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream, unix};

use crate::join::Join;
use crate::runtime::{Listener, Runtime};
use crate::transport::{
    ReadHalf, Sleep, Transport, WriteHalf, endpoint, reset_when_dropped, send, sink,
};

/// Anything that tokio can read from, as half of a [`Duplex`](crate::Duplex): standard input, a pipe, half
/// of a TLS session.
/// (asyncio's `loop.connect_read_pipe`.)
#[derive(Debug)]
pub struct Source<R>(pub R);

/// Anything that tokio can write to, as half of a [`Duplex`](crate::Duplex): standard output, a pipe, half
/// of a TLS session.
///
/// Its write side ends by `poll_shutdown`. It cannot show an abort to its peer.
/// Where SIGPIPE has its default action, a write to a pipe without a reader ends the process.
/// (asyncio's `loop.connect_write_pipe`.)
#[derive(Debug)]
pub struct Sink<W>(pub W);

impl<R: AsyncRead + Send + Unpin + 'static> ReadHalf for Source<R> {
    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        poll_read(&mut self.0, cx, room)
    }
}

sink!(poll_shutdown);

fn poll_read(
    source: &mut (impl AsyncRead + Unpin),
    cx: &mut Context<'_>,
    room: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut room = ReadBuf::new(room);
    Pin::new(source)
        .poll_read(cx, &mut room)
        .map_ok(|()| room.filled().len())
}

/// Half of a [`Join`]: something to read from. [`join`] makes it.
#[derive(Debug)]
pub struct FromAsyncRead<R>(R);

impl<R> FromAsyncRead<R> {
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
pub struct FromAsyncWrite<W>(Option<W>);

impl<W> FromAsyncWrite<W> {
    /// Returns what is written to, unless its side has ended.
    pub fn into_inner(self) -> Option<W> {
        self.0
    }
}

impl<R: AsyncRead + Send + Unpin + 'static> ReadHalf for FromAsyncRead<R> {
    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        poll_read(&mut self.0, cx, room)
    }
}

impl<W: AsyncWrite + Send + Unpin + 'static> WriteHalf for FromAsyncWrite<W> {
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Some(write) => Pin::new(write).poll_write_vectored(cx, slices),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Some(write) => Pin::new(write).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(write) = &mut self.0 {
            ready!(Pin::new(write).poll_shutdown(cx))?;
            self.0 = None;
        }
        Poll::Ready(Ok(()))
    }

    fn abort(&mut self) {
        self.0 = None;
    }
}

/// Joins two things to read from and to write to, as one transport: pipes, standard streams, the
/// two of a child.
pub fn join<R, W>(read: R, write: W) -> Join<FromAsyncRead<R>, FromAsyncWrite<W>, Tokio>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    Join::new(FromAsyncRead(read), FromAsyncWrite(Some(write)))
}

/// Implements the transport for a socket type and its owned halves. `$sends` says whether its plain
/// write is a `send` in every version of std, and not a `write`.
macro_rules! socket {
    (
        $socket:ty, $read:ty, $write:ident, $owned:ty, $address:ty, $convert:ident,
        sends: $sends:expr $(,)?
    ) => {
        endpoint!($read, $address, $convert, |half| Ok(SockRef::from(
            half.as_ref()
        )));
        endpoint!($write, $address, $convert, |half| Ok(SockRef::from(
            half.as_ref()
        )));

        /// The half of the socket that bytes go into. Dropped, it ends the stream cleanly, unless the
        /// connection was given up.
        #[derive(Debug)]
        pub struct $write {
            /// `None` only while it is joined or dropped.
            half: Option<$owned>,
            given_up: bool,
        }

        impl Transport for $socket {
            type Read = $read;
            type Write = $write;

            fn split(self) -> ($read, $write) {
                let (read, half) = self.into_split();
                let write = $write {
                    half: Some(half),
                    given_up: false,
                };
                (read, write)
            }

            fn join(read: $read, mut write: $write) -> Self {
                let half = write.half.take().expect("a half that is in use");
                read.reunite(half).expect("two halves of the same socket")
            }

            fn sleep(duration: Duration) -> Sleep {
                Box::pin(tokio::time::sleep(duration))
            }

            fn now() -> std::time::Instant {
                tokio::time::Instant::now().into_std()
            }
        }

        impl ReadHalf for $read {
            fn poll_read(
                &mut self,
                cx: &mut Context<'_>,
                room: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                poll_read(self, cx, room)
            }

            fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                AsRef::<$socket>::as_ref(self).poll_read_ready(cx)
            }
        }

        impl WriteHalf for $write {
            fn poll_write(
                &mut self,
                cx: &mut Context<'_>,
                slices: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                if let ([slice], true) = (slices, $sends) {
                    // Costs the system less, and raises no SIGPIPE.
                    return Pin::new(self.half()).poll_write(cx, slice);
                }
                let socket: &$socket = (*self).as_ref();
                loop {
                    ready!(socket.poll_write_ready(cx))?;
                    let sent = socket.try_io(Interest::WRITABLE, || send(socket.into(), slices));
                    match sent {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        sent => return Poll::Ready(sent),
                    }
                }
            }

            fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(self.half()).poll_shutdown(cx)
            }

            fn abort(&mut self) {
                self.given_up = true;
                reset_when_dropped(SockRef::from(self.as_ref()));
            }
        }

        /// A half that is dropped would end the stream cleanly, also if the connection was given up.
        impl Drop for $write {
            fn drop(&mut self) {
                if let (Some(half), true) = (self.half.take(), self.given_up) {
                    half.forget();
                }
            }
        }

        /// To look at the socket, or to set its options.
        impl AsRef<$socket> for $write {
            fn as_ref(&self) -> &$socket {
                let half = self.half.as_ref().expect("a half that is in use");
                half.as_ref()
            }
        }

        impl $write {
            fn half(&mut self) -> &mut $owned {
                self.half.as_mut().expect("a half that is in use")
            }
        }
    };
}

socket!(
    TcpStream,
    tcp::OwnedReadHalf,
    TcpWrite,
    tcp::OwnedWriteHalf,
    SocketAddr,
    as_socket,
    sends: true,
);
#[cfg(unix)]
socket!(
    UnixStream,
    unix::OwnedReadHalf,
    UnixWrite,
    unix::OwnedWriteHalf,
    std::os::unix::net::SocketAddr,
    as_unix,
    sends: false,
);

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

    async fn connect(socket: socket2::Socket, address: SocketAddr) -> io::Result<TcpStream> {
        TcpSocket::from_std_stream(socket.into())
            .connect(address)
            .await
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
}

impl Listener for TcpListener {
    type Transport = TcpStream;

    async fn accept(&self) -> io::Result<TcpStream> {
        Ok(TcpListener::accept(self).await?.0)
    }

    fn peer_addr(accepted: &TcpStream) -> Option<SocketAddr> {
        accepted.peer_addr().ok()
    }

    fn socket(&self) -> SockRef<'_> {
        self.into()
    }
}

#[cfg(unix)]
impl Listener for UnixListener {
    type Transport = UnixStream;

    async fn accept(&self) -> io::Result<UnixStream> {
        Ok(UnixListener::accept(self).await?.0)
    }

    fn socket(&self) -> SockRef<'_> {
        self.into()
    }
}

crate::face::face!(Tokio);
