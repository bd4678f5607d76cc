//! A server, once for all runtimes: it accepts, runs a handler for each connection, and ends in
//! time.
//!
//! A handler's end, by return or error, closes its connection: what it wrote is sent, then
//! the end of the stream, and what the peer still sends is dropped for a while, so that a last
//! answer is not lost to a reset. (In asyncio the connection stays open until the writer is
//! garbage-collected.) No error of a connection ends the listener.

mod acceptor;
mod catch_unwind;
mod connection;
mod handler_result;
mod protocol;
mod registry;
mod served;
mod state;
mod statistics;

use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use plimsoll::Protocol;

use self::acceptor::{Acceptor, Handle};
use self::connection::{ConnectionHandler, PairHandler};
use self::handler_result::BoxError;
pub use self::handler_result::HandlerResult;
use self::protocol::protocol_handler;
use self::state::{Inner, Listening, Phase, State, ToAll};
pub use self::statistics::{Shutdown, Statistics};
use crate::connection::Connection;
use crate::listen;
use crate::options::ServerOptions;
use crate::runtime::{Listener, Runtime};
use crate::select::{Either, select};
use crate::stream::{StreamReader, StreamWriter};

/// A server that accepts connections until it is closed or dropped. (asyncio's `Server`.)
///
/// It runs a handler for each connection, with the connection's two halves. When the handler has
/// ended, by return or error, what it wrote is sent within [`ServerOptions::close_timeout`],
/// then the end of the stream. (asyncio leaves the connection open until the writer is
/// garbage-collected.) One that panics has its connection aborted. No error of a connection ends
/// the server.
///
/// Dropping it leaves it serving, for as long as its runtime runs, as asyncio does:
/// [`close`](Self::close) stops it, [`shutdown`](Self::shutdown) ends the handlers too, and in
/// time.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "smol")]
/// # smol::block_on(async {
/// use plimsoll_io::smol::{Smol, StreamReader, StreamWriter, open_connection};
/// use plimsoll_io::{Error, Server, ServerOptions};
/// use std::time::Duration;
///
/// async fn shout(mut reader: StreamReader, mut writer: StreamWriter) -> Result<(), Error> {
///     let line = reader.read_line().await?.to_ascii_uppercase();
///     writer.write(&line) // sent when the handler has ended
/// }
///
/// let options = ServerOptions::new().max_connections(1000);
/// let server = Server::<Smol>::start(shout, &["127.0.0.1"], 0, &options).await?;
/// let port = server.local_addrs()[0].port(); // the system has chosen one
///
/// let (mut reader, mut writer) = open_connection("127.0.0.1", port).await?;
/// writer.write(b"hello\n")?;
/// assert_eq!(reader.read_to_end(100).await?, "HELLO\n");
///
/// let shutdown = server.shutdown(Duration::from_secs(5)).await;
/// assert_eq!(shutdown.aborted, 0);
/// assert_eq!(server.statistics().accepted, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Server<R: Runtime> {
    state: Arc<State>,
    local_addrs: Vec<SocketAddr>,
    runtime: PhantomData<fn() -> R>,
}

impl<R: Runtime> Server<R> {
    /// Starts a server on every address of several hosts. An empty host stands for all interfaces.
    ///
    /// With a `port` of zero the system chooses one for each address, which
    /// [`local_addrs`](Self::local_addrs) tells. Addresses that this machine does not have are left
    /// out, as long as one is left. (asyncio's `start_server`.)
    ///
    /// # Errors
    ///
    /// Where a host does not resolve, or an address cannot be listened on; the error names it.
    /// Where there is no host, or no task or thread can be started to accept. Nothing is listened
    /// on then.
    ///
    /// # Cancel safety
    ///
    /// Safe: no server is left, and nothing is listened on.
    ///
    /// # Panics
    ///
    /// Outside of its runtime, where the runtime is one that has to be entered, as tokio is.
    #[doc(alias = "start_server")]
    pub async fn start<H, F>(
        handler: H,
        hosts: &[&str],
        port: u16,
        options: &ServerOptions,
    ) -> io::Result<Self>
    where
        H: Fn(StreamReader<R::Tcp>, StreamWriter<R::Tcp>) -> F + Send + Sync + 'static,
        F: Future<Output: HandlerResult> + Send + 'static,
    {
        let listeners = listen::tcp::<R>(hosts, port, options).await?;
        let (server, started) = Self::launch(listeners, PairHandler(handler), options);
        server.unless_failed(started).await
    }

    /// Starts a server on a Unix socket, whose file it makes, and removes when it is closed.
    ///
    /// No other file is ever removed: one that is there already, even a socket that no process
    /// listens on any more, is an error. Who may connect is decided by the file's mode, and so by
    /// the process's umask at this moment. Of the options, those of TCP do not apply. (asyncio's
    /// `start_unix_server`, which removes a socket that it finds there.)
    ///
    /// On Linux, a path that begins with a NUL is the name of an abstract socket, as in asyncio. It
    /// has no file and no mode: any process in the same network namespace may connect. For a file,
    /// the server holds one more descriptor until it is closed, which keeps the inode from being
    /// used for another file.
    ///
    /// # Errors
    ///
    /// - `InvalidInput` if the path is empty or too long, or has a NUL anywhere else; the error
    ///   names it.
    /// - Those of the system if the path cannot be listened on; the error names it.
    /// - Those of the system if no task or thread can be started to accept.
    ///
    /// No server is left, and no file.
    ///
    /// # Cancel safety
    ///
    /// Safe: no server is left, and nothing is listened on.
    ///
    /// # Panics
    ///
    /// As for [`start`](Self::start).
    #[doc(alias = "start_unix_server")]
    #[cfg(unix)]
    pub async fn start_unix<H, F>(
        handler: H,
        path: impl AsRef<std::path::Path>,
        options: &ServerOptions,
    ) -> io::Result<Self>
    where
        H: Fn(StreamReader<R::Unix>, StreamWriter<R::Unix>) -> F + Send + Sync + 'static,
        F: Future<Output: HandlerResult> + Send + 'static,
    {
        let (listener, file) = listen::unix::<R>(path.as_ref(), options)?;
        let (server, started) = Self::launch(vec![listener], PairHandler(handler), options);
        server.state.keep_file(file);
        server.unless_failed(started).await
    }

    /// Starts a server on sockets that listen already, of any kind. They are closed when the server
    /// is. Of the options, those of the listening socket do not apply. (asyncio's
    /// `start_server(sock=…)`.)
    ///
    /// Where no task or thread can be started to accept, the server is closed at once, and
    /// [`ServerOptions::on_error`] is told.
    ///
    /// # Panics
    ///
    /// As for [`start`](Self::start).
    pub fn serve<L, H, F>(listeners: Vec<L>, handler: H, options: &ServerOptions) -> Self
    where
        L: Listener,
        H: Fn(StreamReader<L::Transport>, StreamWriter<L::Transport>) -> F + Send + Sync + 'static,
        F: Future<Output: HandlerResult> + Send + 'static,
    {
        Self::serve_all(listeners, PairHandler(handler), options)
    }

    /// Starts a server on every address of several hosts, whose handlers get a
    /// [`Connection`] each. Otherwise as [`start`](Self::start).
    ///
    /// A connection ends when its handler has dropped it; before, the server sends its output
    /// whenever the handler waits for something else. A handler that moves it to another task may
    /// return, and the connection goes on there.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    ///
    /// # Cancel safety
    ///
    /// Safe: no server is left, and nothing is listened on.
    ///
    /// # Panics
    ///
    /// As for [`start`](Self::start).
    pub async fn start_connections<H, F>(
        handler: H,
        hosts: &[&str],
        port: u16,
        options: &ServerOptions,
    ) -> io::Result<Self>
    where
        H: Fn(Connection<R::Tcp>) -> F + Send + Sync + 'static,
        F: Future<Output: HandlerResult> + Send + 'static,
    {
        let listeners = listen::tcp::<R>(hosts, port, options).await?;
        let (server, started) = Self::launch(listeners, ConnectionHandler(handler), options);
        server.unless_failed(started).await
    }

    /// Starts a server on every address of several hosts that runs a protocol of the core on each
    /// connection: the value that `make` returns. See [`Connection::run`]. Otherwise as
    /// [`start`](Self::start). (asyncio's `create_server`.)
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    ///
    /// # Cancel safety
    ///
    /// Safe: no server is left, and nothing is listened on.
    ///
    /// # Panics
    ///
    /// As for [`start`](Self::start).
    #[doc(alias = "create_server")]
    pub async fn start_protocol<M, P>(
        make: M,
        hosts: &[&str],
        port: u16,
        options: &ServerOptions,
    ) -> io::Result<Self>
    where
        M: Fn() -> P + Send + Sync + 'static,
        P: Protocol<Error: Into<BoxError>> + Send + 'static,
    {
        let handler = protocol_handler::<R::Tcp, M, P>(make);
        Self::start_connections(handler, hosts, port, options).await
    }

    /// Starts a server of [connections](Self::start_connections) on sockets that listen already.
    /// Otherwise as [`serve`](Self::serve).
    ///
    /// # Panics
    ///
    /// As for [`start`](Self::start).
    pub fn serve_connections<L, H, F>(
        listeners: Vec<L>,
        handler: H,
        options: &ServerOptions,
    ) -> Self
    where
        L: Listener,
        H: Fn(Connection<L::Transport>) -> F + Send + Sync + 'static,
        F: Future<Output: HandlerResult> + Send + 'static,
    {
        Self::serve_all(listeners, ConnectionHandler(handler), options)
    }

    /// Starts a server of a [protocol](Self::start_protocol) on sockets that listen already.
    /// Otherwise as [`serve`](Self::serve).
    ///
    /// # Panics
    ///
    /// As for [`start`](Self::start).
    pub fn serve_protocol<L, M, P>(listeners: Vec<L>, make: M, options: &ServerOptions) -> Self
    where
        L: Listener,
        M: Fn() -> P + Send + Sync + 'static,
        P: Protocol<Error: Into<BoxError>> + Send + 'static,
    {
        let handler = protocol_handler::<L::Transport, M, P>(make);
        Self::serve_connections(listeners, handler, options)
    }

    fn serve_all<L, H>(listeners: Vec<L>, handler: H, options: &ServerOptions) -> Self
    where
        L: Listener,
        H: Handle<L::Transport>,
    {
        let (server, started) = Self::launch(listeners, handler, options);
        if let Err(error) = started {
            server.close();
            server.state.refused(error, options);
        }
        server
    }

    /// Makes a server and starts its tasks; how that went, too.
    fn launch<L, H>(
        listeners: Vec<L>,
        handler: H,
        options: &ServerOptions,
    ) -> (Self, io::Result<()>)
    where
        L: Listener,
        H: Handle<L::Transport>,
    {
        let state = Arc::new(State::default());
        let local_addrs = listeners.iter().filter_map(Listener::local_addr);
        let server = Self {
            local_addrs: local_addrs.collect(),
            state: Arc::clone(&state),
            runtime: PhantomData,
        };
        let acceptor = Arc::new(Acceptor {
            state,
            handler,
            options: options.clone(),
        });
        // Each takes its part before a task runs, or the idle task would find nothing to look
        // after. What is not started is dropped, and with it its part.
        let listeners: Vec<_> = listeners
            .into_iter()
            .map(|listener| (listener, Listening::new(&acceptor.state)))
            .collect();
        let start = || {
            if let Some(limit) = options.gives_up_idle_after() {
                let state = Arc::clone(&acceptor.state);
                R::spawn(async move { state.give_up_idle::<R>(limit).await })?;
            }
            for (listener, listening) in listeners {
                R::spawn(Arc::clone(&acceptor).accept::<R, L>(listener, listening))?;
            }
            Ok(())
        };
        let started = start();
        (server, started)
    }

    /// Ends a server that has not started as a whole, with whatever it has accepted meanwhile.
    async fn unless_failed(self, started: io::Result<()>) -> io::Result<Self> {
        if started.is_err() {
            self.shutdown(Duration::ZERO).await;
            self.state.until(|inner| inner.listeners == 0).await;
        }
        started.map(|()| self)
    }

    /// Returns the addresses that the server listens on, also after it was closed; Unix sockets
    /// have none. (asyncio's `sockets`, which is empty then.)
    #[doc(alias = "sockets")]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.local_addrs
    }

    /// Tells whether the server accepts connections: until it is closed. (As asyncio's.)
    pub fn is_serving(&self) -> bool {
        self.state.lock().phase == Phase::Serving
    }

    /// Returns how many connections are open: from being accepted until the handler has ended and
    /// everything is sent. Those that then still drop what their peers send are not counted, though
    /// they keep their place among [`max_connections`](ServerOptions::max_connections).
    pub fn connections(&self) -> usize {
        self.state.lock().clients.open()
    }

    /// Returns what the server has seen so far.
    pub fn statistics(&self) -> Statistics {
        self.state.lock().statistics
    }

    /// Stops accepting, and removes the file of a Unix socket. Open connections go on. It does not
    /// wait, and calling it again changes nothing. (As asyncio's.)
    pub fn close(&self) {
        self.state.enter(Phase::Closed);
        #[cfg(unix)]
        self.state.remove_file();
    }

    /// Waits until the server is closed and no connection is left, but for those that have sent
    /// everything and discard what their peers still send, for a few seconds. A program that ends
    /// then may take their last replies with it: [`shutdown`](Self::shutdown) waits for them.
    ///
    /// It does not close the server, and nothing bounds how long clients stay: that does
    /// [`shutdown`](Self::shutdown). (As asyncio's.)
    ///
    /// # Cancel safety
    ///
    /// Safe: the server stays as it is. Any number of tasks may wait.
    pub async fn wait_closed(&self) {
        self.state
            .until(|inner| inner.listeners == 0 && inner.clients.handled() == 0)
            .await;
    }

    /// Waits until the server is closed. It serves from the start, whether this is called or not.
    ///
    /// # Cancel safety
    ///
    /// Safe: the server stays as it is. (asyncio's closes it, and waits for its clients.)
    pub async fn serve_forever(&self) {
        self.state.until(|inner| inner.phase > Phase::Serving).await;
    }

    /// Closes all connections: what is pending will be sent, writes fail, and reads see the end of
    /// the stream once nothing is buffered. Call [`close`](Self::close) first: connections that are
    /// accepted later are not closed. It does not wait. (As asyncio's.)
    pub fn close_clients(&self) {
        self.state.tell_all(ToAll::Close);
    }

    /// Aborts all connections, as by [`StreamWriter::abort`]: what is pending is dropped, writes
    /// fail, and so do reads once nothing is buffered. Call [`close`](Self::close) first:
    /// connections that are accepted later are not aborted. It does not wait. (As asyncio's.)
    pub fn abort_clients(&self) {
        self.state.tell_all(ToAll::Abort);
    }

    /// Ends the server within `limit`: stops accepting, lets handlers finish, and aborts the
    /// connections that are left at the deadline, and their handlers where they wait.
    ///
    /// It waits for the peers to have read their last replies, as far as that can be known: where
    /// the program ended before, they might be lost. So where a peer keeps its side open, it lasts
    /// for the [linger timeout](ServerOptions::linger_timeout).
    ///
    /// A [`Connection`] shows it in its next turn, and a protocol gets
    /// [`ShuttingDown`](crate::Event::ShuttingDown); what they read goes on. A pair's reads that
    /// find nothing buffered see the end of the stream from now on, so that idle handlers end
    /// immediately, and busy ones after what they have read. A handler that never waits cannot be
    /// stopped. Calling it again is another deadline for those that are left. (asyncio has no such
    /// bound.)
    ///
    /// # Cancel safety
    ///
    /// Dropped, it leaves the server closed, and its handlers finishing, without a deadline.
    ///
    /// # Panics
    ///
    /// As for [`start`](Self::start).
    pub async fn shutdown(&self, limit: Duration) -> Shutdown {
        self.close();
        self.state.enter(Phase::ShuttingDown);
        self.state.each_client(|client| client.shut_down());
        let is_over = |inner: &Inner| inner.listeners == 0 && inner.clients.is_empty();
        let all_gone = pin!(self.state.until(is_over));
        if let Either::First(()) = select(all_gone, R::sleep(limit)).await {
            return Shutdown::default();
        }
        let left = {
            let clients = &self.state.lock().clients;
            Shutdown {
                aborted: clients.handled(),
                lingering: clients.lingering(),
            }
        };
        self.abort_clients();
        self.state.enter(Phase::Cancelled);
        left
    }
}

impl<R: Runtime> fmt::Debug for Server<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.state.lock();
        f.debug_struct("Server")
            .field("local_addrs", &self.local_addrs)
            .field("phase", &inner.phase)
            .field("connections", &inner.clients.open())
            .field("statistics", &inner.statistics)
            .finish()
    }
}
