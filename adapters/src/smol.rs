//! smol: its sockets as transports, and the functions of asyncio's face.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use smol::Timer;
#[cfg(unix)]
use smol::net::unix::{UnixListener, UnixStream};
use smol::net::{TcpListener, TcpStream};

pub use crate::futures::{Sink, Source};
use crate::futures::{runtime, socket};
use crate::runtime::Runtime;

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
