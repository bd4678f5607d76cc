//! What connections and servers need of a runtime. Each runtime's module implements it once.

#[cfg(feature = "async-std")]
pub mod async_std;
#[cfg(any(feature = "async-std", feature = "smol"))]
mod futures;
#[cfg(any(feature = "async-std", feature = "smol", feature = "blocking"))]
pub(crate) mod reactor;
#[cfg(feature = "smol")]
pub mod smol;
pub(crate) mod socket;
#[cfg(feature = "tokio")]
pub mod tokio;

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use crate::clock::Clock;
use crate::transport::{Addresses, Transport};

/// A runtime: its sockets, its tasks, its clock. (asyncio's event loop.)
///
/// Each runtime's module has a type that implements it, to be named in what is generic over
/// runtimes: [`Server`](crate::Server) and
/// [`ConnectOptions::open_connection`](crate::ConnectOptions::open_connection).
pub trait Runtime: Clock + Send + Sync {
    /// A connected TCP socket.
    type Tcp: Transport<Read: Addresses<Address = SocketAddr>, Write: Addresses<Address = SocketAddr>>;
    /// A listening TCP socket.
    type TcpListener: Listener<Transport = Self::Tcp>;
    /// A connected Unix socket.
    #[cfg(unix)]
    type Unix: Transport<
            Read: Addresses<Address = std::os::unix::net::SocketAddr>,
            Write: Addresses<Address = std::os::unix::net::SocketAddr>,
        >;
    /// A listening Unix socket.
    #[cfg(unix)]
    type UnixListener: Listener<Transport = Self::Unix>;

    /// Resolves a host name, in the order of the system's preference. (`loop.getaddrinfo`.)
    ///
    /// # Errors
    ///
    /// Where the name does not resolve. That it resolves to no address is none.
    ///
    /// # Cancel safety
    ///
    /// Safe; a resolver's thread may go on for a while.
    fn resolve(
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static;

    /// Connects a socket that is not connected, does not block, and whose options are set.
    /// (`loop.sock_connect`.)
    ///
    /// # Errors
    ///
    /// Those of the system. The socket is closed.
    ///
    /// # Cancel safety
    ///
    /// Safe: the socket is closed.
    fn connect(
        socket: std::net::TcpStream,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Tcp>> + Send + 'static;

    /// Connects to a Unix socket. (`loop.create_unix_connection`.)
    ///
    /// # Errors
    ///
    /// Those of the system, immediately if too many connections wait to be accepted. The socket
    /// is closed.
    ///
    /// # Cancel safety
    ///
    /// Safe: the socket is closed.
    #[cfg(unix)]
    fn connect_unix(
        path: &std::path::Path,
    ) -> impl Future<Output = io::Result<Self::Unix>> + Send + 'static;

    /// Takes over a listening socket that does not block. (`loop.create_server(sock=…)`.)
    ///
    /// # Errors
    ///
    /// Where the runtime cannot watch it. The socket is closed.
    ///
    /// # Panics
    ///
    /// As for [`spawn`](Self::spawn).
    fn tcp_listener(listener: std::net::TcpListener) -> io::Result<Self::TcpListener>;

    /// Takes over a listening socket that does not block. (`loop.create_unix_server(sock=…)`.)
    ///
    /// # Errors
    ///
    /// Where the runtime cannot watch it. The socket is closed; its file stays.
    ///
    /// # Panics
    ///
    /// As for [`spawn`](Self::spawn).
    #[cfg(unix)]
    fn unix_listener(listener: std::os::unix::net::UnixListener) -> io::Result<Self::UnixListener>;

    /// Starts a task, and does not wait for it. (`loop.create_task`.)
    ///
    /// # Errors
    ///
    /// Where the system has no means for another one; the task is dropped.
    ///
    /// # Panics
    ///
    /// Outside of its runtime, where the runtime is one that has to be entered, as tokio is.
    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> io::Result<()>;
}

/// A listening socket, for [`Server::serve`](crate::Server::serve). (asyncio takes sockets only.)
pub trait Listener: Send + Sync + 'static {
    /// What it accepts.
    type Transport: Transport;

    /// Accepts a connection. (`loop.sock_accept`.)
    ///
    /// # Errors
    ///
    /// Those of the system. The server goes on after every one, immediately if it concerns one
    /// connection, otherwise after a tenth of a second.
    ///
    /// # Cancel safety
    ///
    /// Safe: dropped while it waits, it has accepted none. The server drops it when it is closed.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Transport>> + Send;

    /// Accepts a connection, with the address of its peer, for
    /// [`ServerError`](crate::ServerError): as the system gives it with the connection, since a
    /// peer that is gone by then has none any more. By default, what [`peer_addr`](Self::peer_addr)
    /// returns.
    ///
    /// # Errors
    ///
    /// As for [`accept`](Self::accept).
    ///
    /// # Cancel safety
    ///
    /// As for [`accept`](Self::accept).
    fn accept_from(
        &self,
    ) -> impl Future<Output = io::Result<(Self::Transport, Option<SocketAddr>)>> + Send {
        async {
            let accepted = self.accept().await?;
            let peer = Self::peer_addr(&accepted);
            Ok((accepted, peer))
        }
    }

    /// Returns the address of an accepted connection's peer, if it has one.
    fn peer_addr(accepted: &Self::Transport) -> Option<SocketAddr> {
        let _ = accepted;
        None
    }

    /// Returns the address that it listens on, if it has one, for
    /// [`Server::local_addrs`](crate::Server::local_addrs). A Unix socket has none.
    fn local_addr(&self) -> Option<SocketAddr> {
        None
    }
}
