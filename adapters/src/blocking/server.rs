//! A server whose handlers run in a thread each.

use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::connection::Connection;
use super::reader::StreamReader;
#[cfg(unix)]
use super::reader::UnixReader;
use super::writer::StreamWriter;
#[cfg(unix)]
use super::writer::UnixWriter;
use super::{Blocking, block_on};
use crate::connection;
use crate::options::ServerOptions;
use crate::runtime::Listener;
use crate::server::{self, HandlerResult, Shutdown, Statistics};
use crate::stream;
use crate::transport::Transport;

/// A server whose handlers run in a thread each. Its methods are those of [`crate::Server`], and
/// those that wait block. Dropping it leaves it serving.
#[derive(Debug)]
pub struct Server(server::Server<Blocking>);

/// Starts a server on every address of `host`, with the default options. See [`Server::start`].
///
/// # Errors
///
/// As for [`Server::start`].
pub fn start_server<H, O>(handler: H, host: &str, port: u16) -> io::Result<Server>
where
    H: Fn(StreamReader, StreamWriter) -> O + Send + Sync + 'static,
    O: HandlerResult + 'static,
{
    Server::start(handler, &[host], port, &ServerOptions::new())
}

/// Starts a server on a Unix socket, with the default options. See [`Server::start_unix`].
///
/// # Errors
///
/// As for [`Server::start_unix`].
#[cfg(unix)]
pub fn start_unix_server<H, O>(handler: H, path: impl AsRef<std::path::Path>) -> io::Result<Server>
where
    H: Fn(UnixReader, UnixWriter) -> O + Send + Sync + 'static,
    O: HandlerResult + 'static,
{
    Server::start_unix(handler, path, &ServerOptions::new())
}

impl Server {
    /// Starts a server on every address of several hosts. See [`crate::Server::start`].
    ///
    /// # Errors
    ///
    /// If a host does not resolve, or an address cannot be listened on; the error names it. If no
    /// thread can be started to accept. Nothing is listened on then.
    pub fn start<H, O>(
        handler: H,
        hosts: &[&str],
        port: u16,
        options: &ServerOptions,
    ) -> io::Result<Self>
    where
        H: Fn(StreamReader, StreamWriter) -> O + Send + Sync + 'static,
        O: HandlerResult + 'static,
    {
        let starting = server::Server::start(awaited(handler), hosts, port, options);
        block_on(starting).map(Self)
    }

    /// Starts a server on a Unix socket. See [`crate::Server::start_unix`].
    ///
    /// # Errors
    ///
    /// If the path cannot be listened on; the error names it. No server is left.
    #[cfg(unix)]
    pub fn start_unix<H, O>(
        handler: H,
        path: impl AsRef<std::path::Path>,
        options: &ServerOptions,
    ) -> io::Result<Self>
    where
        H: Fn(UnixReader, UnixWriter) -> O + Send + Sync + 'static,
        O: HandlerResult + 'static,
    {
        let starting = server::Server::start_unix(awaited(handler), path, options);
        block_on(starting).map(Self)
    }

    /// Starts a server whose handlers get a [`Connection`] each, in a thread each. See
    /// [`crate::Server::start_connections`].
    ///
    /// Output is sent in a handler's own calls only, and when it has ended.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    pub fn start_connections<H, O>(
        handler: H,
        hosts: &[&str],
        port: u16,
        options: &ServerOptions,
    ) -> io::Result<Self>
    where
        H: Fn(Connection) -> O + Send + Sync + 'static,
        O: HandlerResult + 'static,
    {
        let handler =
            move |connection: connection::Connection<_>| ready(handler(connection.into()));
        let starting = server::Server::start_connections(handler, hosts, port, options);
        block_on(starting).map(Self)
    }

    /// Starts a server on sockets that listen already, of any kind. See [`crate::Server::serve`].
    pub fn serve<L, H, O>(listeners: Vec<L>, handler: H, options: &ServerOptions) -> Self
    where
        L: Listener,
        H: Fn(StreamReader<L::Transport>, StreamWriter<L::Transport>) -> O + Send + Sync + 'static,
        O: HandlerResult + 'static,
    {
        Self(server::Server::serve(listeners, awaited(handler), options))
    }

    /// As [`crate::Server::local_addrs`].
    #[doc(alias = "sockets")]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        self.0.local_addrs()
    }

    /// As [`crate::Server::is_serving`].
    pub fn is_serving(&self) -> bool {
        self.0.is_serving()
    }

    /// As [`crate::Server::connections`].
    pub fn connections(&self) -> usize {
        self.0.connections()
    }

    /// As [`crate::Server::statistics`].
    pub fn statistics(&self) -> Statistics {
        self.0.statistics()
    }

    /// As [`crate::Server::close`].
    pub fn close(&self) {
        self.0.close();
    }

    /// As [`crate::Server::close_clients`].
    pub fn close_clients(&self) {
        self.0.close_clients();
    }

    /// As [`crate::Server::abort_clients`].
    pub fn abort_clients(&self) {
        self.0.abort_clients();
    }

    /// As [`crate::Server::wait_closed`].
    pub fn wait_closed(&self) {
        block_on(self.0.wait_closed());
    }

    /// As [`crate::Server::serve_forever`]: another thread has to close it.
    pub fn serve_forever(&self) {
        block_on(self.0.serve_forever());
    }

    /// As [`crate::Server::shutdown`]. A handler that neither reads nor writes cannot be stopped;
    /// its thread goes on alone.
    pub fn shutdown(&self, limit: Duration) -> Shutdown {
        block_on(self.0.shutdown(limit))
    }
}

impl From<server::Server<Blocking>> for Server {
    fn from(server: server::Server<Blocking>) -> Self {
        Self(server)
    }
}

/// Makes a handler that blocks one that is awaited, by a task that has a thread to itself.
fn awaited<T: Transport, O: HandlerResult + 'static>(
    handler: impl Fn(StreamReader<T>, StreamWriter<T>) -> O + Send + Sync + 'static,
) -> impl Fn(stream::StreamReader<T>, stream::StreamWriter<T>) -> Ready<O> + Send + Sync + 'static {
    move |reader, writer| ready(handler(reader.into(), writer.into()))
}
