//! What connections and servers need of a runtime. Each runtime's module implements it once.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::transport::{Endpoint, Sleep, Transport};

/// A runtime: its sockets, its tasks, its clock.
pub trait Runtime: Send + Sync + 'static {
    /// A connected TCP socket.
    type Tcp: Transport<Read: Endpoint<Address = SocketAddr>, Write: Endpoint<Address = SocketAddr>>;
    /// A listening TCP socket.
    type TcpListener: Listener<Transport = Self::Tcp>;
    /// A connected Unix socket.
    #[cfg(unix)]
    type Unix: Transport<
            Read: Endpoint<Address = std::os::unix::net::SocketAddr>,
            Write: Endpoint<Address = std::os::unix::net::SocketAddr>,
        >;
    /// A listening Unix socket.
    #[cfg(unix)]
    type UnixListener: Listener<Transport = Self::Unix>;

    /// Resolves a host name, in the order of the system's preference. (`getaddrinfo`.)
    ///
    /// # Errors
    ///
    /// Where the name does not resolve.
    ///
    /// # Cancel safety
    ///
    /// Safe; a resolver's thread may go on for a while.
    fn resolve(
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static;

    /// Connects a socket that does not block and whose options are set.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancel safety
    ///
    /// Safe: the socket is closed.
    fn connect(
        socket: socket2::Socket,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Tcp>> + Send + 'static;

    /// Connects to a Unix socket.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancel safety
    ///
    /// Safe: the socket is closed.
    #[cfg(unix)]
    fn connect_unix(
        path: &std::path::Path,
    ) -> impl Future<Output = io::Result<Self::Unix>> + Send + 'static;

    /// Takes over a listening socket that does not block.
    ///
    /// # Errors
    ///
    /// Where the runtime cannot watch it.
    fn tcp_listener(listener: std::net::TcpListener) -> io::Result<Self::TcpListener>;

    /// Takes over a listening socket that does not block.
    ///
    /// # Errors
    ///
    /// Where the runtime cannot watch it.
    #[cfg(unix)]
    fn unix_listener(listener: std::os::unix::net::UnixListener) -> io::Result<Self::UnixListener>;

    /// Starts a task that nobody waits for.
    ///
    /// # Errors
    ///
    /// Where the system has no means for another one; the task is dropped.
    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> io::Result<()>;

    /// Waits for `duration`, by the runtime's clock.
    fn sleep(duration: Duration) -> Sleep {
        Self::Tcp::sleep(duration)
    }
}

/// A listening socket.
pub trait Listener: Send + Sync + 'static {
    /// What it accepts.
    type Transport: Transport;

    /// Accepts a connection.
    ///
    /// # Errors
    ///
    /// Those of the system. The server goes on after every one, at once if it concerns one connection,
    /// otherwise after a tenth of a second.
    ///
    /// # Cancel safety
    ///
    /// Safe: dropped while it waits, it has accepted none.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Transport>> + Send;

    /// Returns the address of an accepted connection's peer, if it has one, for
    /// [`ServerError`](crate::ServerError).
    fn peer_addr(accepted: &Self::Transport) -> Option<SocketAddr> {
        let _ = accepted;
        None
    }

    /// The socket, for its options.
    fn socket(&self) -> socket2::SockRef<'_>;
}
