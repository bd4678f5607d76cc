//! async-std: its sockets as transports, and the functions of asyncio's face.
//!
//! async-std is discontinued (RUSTSEC-2025-0052) in favour of smol, whose module does the same.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
#[cfg(unix)]
use std::os::unix;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_std::net::{TcpListener, TcpStream, ToSocketAddrs};
#[cfg(unix)]
use async_std::os::unix::net::{UnixListener, UnixStream};
use async_std::task;
use futures_io::{AsyncRead, AsyncWrite};

pub use super::futures::{FromAsyncRead, FromAsyncWrite, Sink, Source};
use super::socket::Socket;
use super::{Listener, Runtime, futures, reactor};
use crate::join::Join;
use crate::transport::Sleep;

/// The async-std runtime, for what is generic over runtimes.
#[derive(Clone, Copy, Debug)]
pub struct AsyncStd;

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
        let connected = reactor::connect_unix(path);
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

    fn sleep(duration: Duration) -> Sleep {
        Box::pin(task::sleep(duration))
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

crate::face::face!(AsyncStd);

/// Joins two things to read from and to write to, as one transport: pipes, standard streams, the
/// two of a child.
pub fn join<R, W>(read: R, write: W) -> Join<FromAsyncRead<R>, FromAsyncWrite<W>, AsyncStd>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    futures::join(read, write)
}
