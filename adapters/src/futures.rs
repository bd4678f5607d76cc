//! What async-std and smol share: anything of `futures-io` as half of a transport, and their sockets.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};

use crate::transport::{ReadHalf, WriteHalf, sink};

/// Anything of `futures-io` to read from, as half of a [`Duplex`](crate::Duplex): a pipe, half of a TLS
/// session.
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

sink!(poll_close);

/// Half of a [`Join`](crate::Join): something to read from. The `join` of a runtime's module makes it.
#[derive(Debug)]
pub struct FromAsyncRead<R>(pub(crate) R);

impl<R> FromAsyncRead<R> {
    /// Returns what is read from.
    pub fn into_inner(self) -> R {
        self.0
    }
}

/// Half of a [`Join`](crate::Join): something to write to, which is dropped when its side has ended. The `join` of
/// a runtime's module makes it.
///
/// It cannot show an abort to its peer. Where SIGPIPE has its default action, a write to a pipe
/// without a reader ends the process.
#[derive(Debug)]
pub struct FromAsyncWrite<W>(pub(crate) Option<W>);

impl<W> FromAsyncWrite<W> {
    /// Returns what is written to, unless its side has ended.
    pub fn into_inner(self) -> Option<W> {
        self.0
    }
}

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
            ready!(Pin::new(write).poll_close(cx))?;
            self.0 = None;
        }
        Poll::Ready(Ok(()))
    }

    fn abort(&mut self) {
        self.0 = None;
    }
}

/// Implements the transport for a socket that can be cloned, each half being a clone.
macro_rules! socket {
    ($socket:ty, $sleep:expr, $address:ty, $convert:ident) => {
        $crate::transport::endpoint!($socket, $address, $convert, |socket| Ok(socket.into()));

        impl $crate::transport::Transport for $socket {
            type Read = $socket;
            type Write = $socket;

            fn split(self) -> (Self, Self) {
                (self.clone(), self)
            }

            fn join(_: Self, write: Self) -> Self {
                write
            }

            fn sleep(duration: std::time::Duration) -> $crate::transport::Sleep {
                Box::pin($sleep(duration))
            }
        }

        impl $crate::transport::ReadHalf for $socket {
            fn poll_read(
                &mut self,
                cx: &mut std::task::Context<'_>,
                room: &mut [u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                futures_io::AsyncRead::poll_read(std::pin::Pin::new(self), cx, room)
            }
        }

        impl $crate::transport::WriteHalf for $socket {
            fn poll_write(
                &mut self,
                cx: &mut std::task::Context<'_>,
                slices: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                match $crate::transport::send(socket2::SockRef::from(&*self), slices) {
                    // The runtime's own write waits for room. That of one slice is a `send` with the
                    // flag in std, over Unix sockets in current versions only.
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                        futures_io::AsyncWrite::poll_write(std::pin::Pin::new(self), cx, &slices[0])
                    }
                    sent => std::task::Poll::Ready(sent),
                }
            }

            // The sockets' own `poll_close` is no half-close: async-std's sends nothing at all.
            fn poll_shutdown(
                &mut self,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(self.shutdown(std::net::Shutdown::Write))
            }

            fn abort(&mut self) {
                $crate::transport::reset_when_dropped(socket2::SockRef::from(&*self));
            }
        }
    };
}

/// Implements the runtime: the same for both, but for the paths.
macro_rules! runtime {
    (
        $runtime:ident, $tcp:ty, $tcp_listener:ty, $unix:ty, $unix_listener:ty,
        resolve: $resolve:expr, spawn: $spawn:expr $(,)?
    ) => {
        impl $crate::runtime::Runtime for $runtime {
            type Tcp = $tcp;
            type TcpListener = $tcp_listener;
            #[cfg(unix)]
            type Unix = $unix;
            #[cfg(unix)]
            type UnixListener = $unix_listener;

            fn resolve(
                host: &str,
                port: u16,
            ) -> impl Future<Output = std::io::Result<Vec<std::net::SocketAddr>>> + Send + 'static
            {
                let host = host.to_owned();
                async move { $resolve(host, port).await }
            }

            async fn connect(
                socket: socket2::Socket,
                address: std::net::SocketAddr,
            ) -> std::io::Result<$tcp> {
                let stream = $crate::reactor::connect(socket, address).await?;
                $crate::futures::adopt(stream)
            }

            #[cfg(unix)]
            fn connect_unix(
                path: &std::path::Path,
            ) -> impl Future<Output = std::io::Result<$unix>> + Send + 'static {
                let connected = $crate::reactor::connect_unix(path);
                async { $crate::futures::adopt(connected?) }
            }

            fn tcp_listener(listener: std::net::TcpListener) -> std::io::Result<$tcp_listener> {
                $crate::futures::adopt(listener)
            }

            #[cfg(unix)]
            fn unix_listener(
                listener: std::os::unix::net::UnixListener,
            ) -> std::io::Result<$unix_listener> {
                $crate::futures::adopt(listener)
            }

            fn spawn(task: impl Future<Output = ()> + Send + 'static) -> std::io::Result<()> {
                $spawn(task);
                Ok(())
            }
        }

        $crate::futures::listener!($tcp_listener, $tcp);
        #[cfg(unix)]
        $crate::futures::listener!($unix_listener, $unix);
    };
}

macro_rules! listener {
    ($listener:ty, $socket:ty) => {
        impl $crate::runtime::Listener for $listener {
            type Transport = $socket;

            async fn accept(&self) -> std::io::Result<$socket> {
                Ok(<$listener>::accept(self).await?.0)
            }

            fn peer_addr(accepted: &$socket) -> Option<std::net::SocketAddr> {
                // That of a Unix socket is none.
                socket2::SockRef::from(accepted)
                    .peer_addr()
                    .ok()?
                    .as_socket()
            }

            fn socket(&self) -> socket2::SockRef<'_> {
                self.into()
            }
        }
    };
}

/// Hands a socket of the standard library over to the runtime, which for some of them cannot fail.
pub(crate) fn adopt<S, A: TryFrom<S>>(socket: S) -> io::Result<A>
where
    A::Error: std::error::Error + Send + Sync + 'static,
{
    A::try_from(socket).map_err(io::Error::other)
}

pub(crate) use {listener, runtime, socket};
