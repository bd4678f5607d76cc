//! smol: its sockets as transports, and the functions of asyncio's face.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use smol::Timer;
#[cfg(unix)]
use smol::net::unix::{UnixListener, UnixStream};
use smol::net::{TcpListener, TcpStream};

pub use crate::futures::{FromAsyncRead, FromAsyncWrite, Sink, Source};
use crate::futures::{runtime, socket};
use crate::join::Join;
use crate::runtime::Runtime;
use futures_io::{AsyncRead, AsyncWrite};

socket!(TcpStream, sleep, SocketAddr, as_socket);
#[cfg(unix)]
socket!(UnixStream, sleep, std::os::unix::net::SocketAddr, as_unix);

/// The smol runtime, for what is generic over runtimes.
#[derive(Clone, Copy, Debug)]
pub struct Smol;

runtime!(
    Smol, TcpStream, TcpListener, UnixStream, UnixListener,
    resolve: resolve, spawn: |task| smol::spawn(task).detach(),
);

async fn sleep(duration: Duration) {
    Timer::after(duration).await;
}

async fn resolve(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    smol::net::resolve((host, port)).await
}

crate::face::face!(Smol);

/// Joins two things to read from and to write to, as one transport: pipes, standard streams, the
/// two of a child.
pub fn join<R, W>(read: R, write: W) -> Join<FromAsyncRead<R>, FromAsyncWrite<W>, Smol>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    Join::new(FromAsyncRead(read), FromAsyncWrite(Some(write)))
}
