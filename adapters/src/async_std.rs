//! async-std: its sockets as transports, and the functions of asyncio's face.
//!
//! async-std is discontinued (RUSTSEC-2025-0052) in favour of smol, whose module does the same.

use std::io;
use std::net::SocketAddr;

use async_std::net::{TcpListener, TcpStream, ToSocketAddrs};
#[cfg(unix)]
use async_std::os::unix::net::{UnixListener, UnixStream};
use async_std::task;

pub use crate::futures::{FromAsyncRead, FromAsyncWrite, Sink, Source};
use crate::futures::{runtime, socket};
use crate::join::Join;
use crate::runtime::Runtime;
use futures_io::{AsyncRead, AsyncWrite};

socket!(TcpStream, task::sleep, SocketAddr, as_socket);
#[cfg(unix)]
socket!(
    UnixStream,
    task::sleep,
    std::os::unix::net::SocketAddr,
    as_unix
);

/// The async-std runtime, for what is generic over runtimes.
#[derive(Clone, Copy, Debug)]
pub struct AsyncStd;

runtime!(
    AsyncStd, TcpStream, TcpListener, UnixStream, UnixListener,
    resolve: resolve, spawn: task::spawn,
);

async fn resolve(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((host.as_str(), port).to_socket_addrs().await?.collect())
}

crate::face::face!(AsyncStd);

/// Joins two things to read from and to write to, as one transport: pipes, standard streams, the
/// two of a child.
pub fn join<R, W>(read: R, write: W) -> Join<FromAsyncRead<R>, FromAsyncWrite<W>, AsyncStd>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    Join::new(FromAsyncRead(read), FromAsyncWrite(Some(write)))
}
