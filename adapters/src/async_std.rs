//! async-std: its sockets as transports, and the functions of asyncio's face.
//!
//! async-std is discontinued (RUSTSEC-2025-0052) in favour of smol, whose module does the same.

use std::io;
use std::net::SocketAddr;

use async_std::net::{TcpListener, TcpStream, ToSocketAddrs};
#[cfg(unix)]
use async_std::os::unix::net::{UnixListener, UnixStream};
use async_std::task;

pub use crate::futures::{Sink, Source};
use crate::futures::{runtime, socket};
use crate::runtime::Runtime;

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
