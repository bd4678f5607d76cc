//! A server, once for all runtimes: it accepts, runs a handler for each connection, and ends in time.
//!
//! A handler's end, by return, error or panic, closes its connection: what it wrote is sent, then the
//! end of the stream, and what the peer still sends is dropped for a while, so that a last answer is not
//! lost to a reset. (In asyncio the connection stays open until the writer is garbage-collected.)
//! No error of a connection ends the listener.

use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use plimsoll::Loss;

use crate::either::{Either, either};
use crate::error::ServerError;
use crate::listen;
#[cfg(unix)]
use crate::listen::SocketFile;
use crate::options::ServerOptions;
use crate::runtime::{Listener, Runtime};
use crate::shared::Shared;
use crate::stream::{Stream, StreamReader, StreamWriter};
use crate::transport::{ReadHalf, Transport};

/// How long to wait before accepting again when the system has refused, for instance for want of
/// descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// How many connections in a row may fail while they are accepted before that waits, too.
const FAILED_IN_A_ROW: u32 = 32;

/// In how many parts of the idle timeout connections are looked at.
const LOOKS: u32 = 4;

/// How much input, and for how long, a closing connection takes and drops, so that its peer is not reset
/// before it has read the last answer.
const LINGER_BYTES: usize = 256 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(2);

/// A server that accepts connections until it is closed or dropped. (asyncio's `Server`.)
///
/// It runs a handler for each connection, with the connection's two halves. When the handler has ended,
/// by return, error or panic, what it wrote is sent within [`ServerOptions::close_within`], then the end
/// of the stream. (asyncio leaves the connection open until the writer is garbage-collected.) No error of
/// a connection ends the server.
///
/// Dropping it closes it: it stops accepting, and the handlers go on. [`shutdown`](Self::shutdown) ends
/// them too, and in time.
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
#[must_use = "a server that is dropped stops accepting"]
pub struct Server<R: Runtime> {
    state: Arc<State>,
    local_addrs: Vec<SocketAddr>,
    /// The file of a Unix socket, until the server is closed.
    #[cfg(unix)]
    file: Mutex<Option<SocketFile>>,
    runtime: PhantomData<fn() -> R>,
}

/// What a handler may return: nothing, or a result, whose errors are counted in
/// [`Statistics::failed`], and passed to [`ServerOptions::on_error`]. (asyncio logs a handler's exception.)
pub trait Outcome: Send {
    /// Returns how the handler failed, if it did.
    fn failure(self) -> Option<Box<dyn std::error::Error + Send + Sync>>;
}

impl Outcome for () {
    fn failure(self) -> Option<Box<dyn std::error::Error + Send + Sync>> {
        None
    }
}

/// Of any error that `?` makes a boxed one: typed ones, boxed ones, those of `anyhow`, and text.
impl<E: Into<Box<dyn std::error::Error + Send + Sync>> + Send> Outcome for Result<(), E> {
    fn failure(self) -> Option<Box<dyn std::error::Error + Send + Sync>> {
        self.err().map(Into::into)
    }
}

/// What a server has seen so far. See [`Server::statistics`]. (asyncio has none: it logs.)
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Statistics {
    /// Connections accepted.
    pub accepted: u64,
    /// Times that the system refused to accept, or to start a task or thread for what was accepted.
    pub accept_errors: u64,
    /// Handlers that returned an error.
    pub failed: u64,
    /// Handlers that panicked.
    pub panicked: u64,
    /// Handlers that returned no error, and then something that they had written could not be sent.
    pub unsent: u64,
}

/// How [`Server::shutdown`] went. (asyncio has none.)
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Shutdown {
    /// How many connections were aborted at the deadline: handlers that had not ended, and those whose
    /// output was not sent yet. Zero if every handler has ended in time.
    ///
    /// Connections that were lost before the deadline are not among them: what handlers had written and
    /// was not sent counts in [`Statistics::unsent`], theirs that failed in [`Statistics::failed`].
    pub aborted: usize,
}

/// What the server's tasks share.
#[derive(Default)]
struct State {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    phase: Phase,
    /// Listeners that are accepting.
    listeners: usize,
    /// Connections from accept to close.
    clients: HashMap<u64, Accepted>,
    /// How many of them linger.
    lingering: usize,
    next_client: u64,
    statistics: Statistics,
    /// Tasks that wait for any change. Handlers are not among them: there may be thousands, and every
    /// connection that comes or goes is a change.
    wakers: Vec<Waker>,
}

/// A connection that is not closed yet.
struct Accepted {
    client: Arc<dyn Client>,
    /// The task of its handler, which waits for the phase `Cancelled` too.
    handler: Option<Waker>,
    /// Whether the handler has ended and everything is sent.
    lingers: bool,
    /// Its moves at the last look for idle connections, if there was one, and how often they were the
    /// same before.
    moves: Option<usize>,
    quiet_looks: u32,
}

impl Accepted {
    /// Looks whether something has moved since the last look; the client, if nothing has for too long.
    fn is_idle(&mut self) -> Option<Arc<dyn Client>> {
        let moves = Some(self.client.moves());
        self.quiet_looks = match self.moves == moves {
            true => self.quiet_looks.saturating_add(1),
            false => 0,
        };
        self.moves = moves;
        (self.quiet_looks == LOOKS && !self.lingers).then(|| Arc::clone(&self.client))
    }
}

/// How far the server has come to its end. Each phase includes those before it.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
enum Phase {
    #[default]
    Serving,
    /// No more connections are accepted.
    Closed,
    /// Reads see the end of the stream as soon as nothing is buffered.
    ShuttingDown,
    /// Handlers are dropped where they wait.
    Cancelled,
}

/// A connection, whatever its transport.
trait Client: Send + Sync {
    fn end_reading(&self);
    fn close(&self);
    fn abort(&self, loss: Loss);
    fn moves(&self) -> usize;
}

impl<T: Transport> Client for Shared<T>
where
    Shared<T>: Send + Sync,
{
    fn end_reading(&self) {
        Shared::end_reading(self);
    }

    fn close(&self) {
        self.queue(|writer| writer.close());
        Shared::end_reading(self);
    }

    fn abort(&self, loss: Loss) {
        Shared::abort(self, loss);
    }

    fn moves(&self) -> usize {
        Shared::moves(self)
    }
}

impl<R: Runtime> Server<R> {
    /// Starts a server on every address of several hosts. An empty host stands for all interfaces.
    ///
    /// With a `port` of zero the system chooses one for each address, which
    /// [`local_addrs`](Self::local_addrs) tells. Addresses that this machine does not have are left out,
    /// as long as one is left. (asyncio's `start_server`.)
    ///
    /// # Errors
    ///
    /// Where a host does not resolve, or an address cannot be listened on; the error names it. Where there
    /// is no host, or no task or thread can be started to accept. Nothing is listened on then.
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
        F: Future<Output: Outcome> + Send + 'static,
    {
        let listeners = listen::tcp::<R>(hosts, port, options).await?;
        let (server, started) = Self::launch(listeners, handler, options);
        server.unless_failed(started).await
    }

    /// Starts a server on a Unix socket, whose file it makes, and removes when it is closed.
    ///
    /// No other file is ever removed: one that is there already, even a socket that nobody listens on
    /// any more, is an error. Who may connect is decided by the file's mode, and so by the process's
    /// umask at this moment. Of the options, those of TCP do not apply. (asyncio's `start_unix_server`,
    /// which removes a socket that it finds there.)
    ///
    /// # Errors
    ///
    /// Where the path cannot be listened on; the error names it. Where no task or thread can be started to
    /// accept. No server is left, and no file.
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
        F: Future<Output: Outcome> + Send + 'static,
    {
        let (listener, file) = SocketFile::listen::<R>(path.as_ref(), options)?;
        let (server, started) = Self::launch(vec![listener], handler, options);
        lock(&server.file).replace(file);
        server.unless_failed(started).await
    }

    /// Starts a server on sockets that listen already, of any kind. They are closed when the server is.
    /// Of the options, those of the listening socket do not apply. (asyncio's `start_server(sock=…)`.)
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
        F: Future<Output: Outcome> + Send + 'static,
    {
        let (server, started) = Self::launch(listeners, handler, options);
        if let Err(error) = started {
            server.close();
            server.state.refused(error, options);
        }
        server
    }

    /// Makes a server and starts its tasks; how that went, too.
    fn launch<L, H, F>(
        listeners: Vec<L>,
        handler: H,
        options: &ServerOptions,
    ) -> (Self, io::Result<()>)
    where
        L: Listener,
        H: Fn(StreamReader<L::Transport>, StreamWriter<L::Transport>) -> F + Send + Sync + 'static,
        F: Future<Output: Outcome> + Send + 'static,
    {
        let state = Arc::new(State::default());
        let local_addrs = listeners
            .iter()
            .filter_map(|listener| listener.socket().local_addr().ok()?.as_socket());
        let server = Self {
            local_addrs: local_addrs.collect(),
            state: Arc::clone(&state),
            #[cfg(unix)]
            file: Mutex::default(),
            runtime: PhantomData,
        };
        let acceptor = Arc::new(Acceptor {
            state,
            handler,
            options: options.clone(),
        });
        // Each takes its part before a task runs, or the idle task would find nothing to look after. What
        // is not started is dropped, and with it its part.
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
                R::spawn(Arc::clone(&acceptor).accept::<R, L, F>(listener, listening))?;
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

    /// Returns the addresses that the server listens on, also after it was closed; Unix sockets have none.
    /// (asyncio's `sockets`, which is empty then.)
    #[doc(alias = "sockets")]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.local_addrs
    }

    /// Tells whether the server accepts connections: until it is closed. (As asyncio's.)
    pub fn is_serving(&self) -> bool {
        self.state.lock().phase == Phase::Serving
    }

    /// Returns how many connections are open: from being accepted until the handler has ended and
    /// everything is sent. Those that then still drop what their peers send are not counted, though they
    /// keep their place among [`max_connections`](ServerOptions::max_connections). (asyncio has none.)
    pub fn connections(&self) -> usize {
        self.state.lock().open()
    }

    /// Returns what the server has seen so far. (asyncio has none.)
    pub fn statistics(&self) -> Statistics {
        self.state.lock().statistics
    }

    /// Stops accepting, and removes the file of a Unix socket. Open connections go on. It does not wait,
    /// and calling it again changes nothing. (As asyncio's.)
    pub fn close(&self) {
        self.state.enter(Phase::Closed);
        #[cfg(unix)]
        drop(lock(&self.file).take());
    }

    /// Waits until the server is closed and no connection is left, but for those that have sent
    /// everything and, for two seconds at most, drop what their peers still send.
    ///
    /// It does not close the server, and nothing bounds how long clients stay: that does
    /// [`shutdown`](Self::shutdown). (As asyncio's.)
    ///
    /// # Cancel safety
    ///
    /// Safe: the server stays as it is. Any number of tasks may wait.
    pub async fn wait_closed(&self) {
        self.state
            .until(|inner| inner.listeners == 0 && inner.open() == 0)
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

    /// Closes all connections: what is pending will be sent, writes fail, and reads see the end of the
    /// stream once nothing is buffered. Call [`close`](Self::close) first: connections that are accepted
    /// later are not closed. It does not wait. (As asyncio's.)
    pub fn close_clients(&self) {
        self.state.each_client(|client| client.close());
    }

    /// Aborts all connections, as by [`StreamWriter::abort`]: what is pending is dropped, writes fail, and
    /// so do reads once nothing is buffered. Call [`close`](Self::close) first: connections that are
    /// accepted later are not aborted. It does not wait. (As asyncio's.)
    pub fn abort_clients(&self) {
        self.state.each_client(|client| client.abort(Loss::Aborted));
    }

    /// Ends the server within `limit`: stops accepting, lets handlers finish, and aborts the
    /// connections that are left at the deadline, and their handlers where they wait.
    ///
    /// Reads that find nothing buffered see the end of the stream from now on, so that idle handlers end
    /// at once, and busy ones after what they have read. A handler that never waits cannot be stopped.
    /// Calling it again is another deadline for those that are left. (asyncio has no such bound.)
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
        self.state.each_client(|client| client.end_reading());
        let all_gone = pin!(self.wait_closed());
        if let Either::First(()) = either(all_gone, R::sleep(limit)).await {
            return Shutdown { aborted: 0 };
        }
        let aborted = self.connections();
        self.abort_clients();
        self.state.enter(Phase::Cancelled);
        Shutdown { aborted }
    }
}

impl<R: Runtime> Drop for Server<R> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<R: Runtime> fmt::Debug for Server<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.state.lock();
        f.debug_struct("Server")
            .field("local_addrs", &self.local_addrs)
            .field("phase", &inner.phase)
            .field("connections", &inner.open())
            .field("statistics", &inner.statistics)
            .finish()
    }
}

/// What every listener of a server does.
struct Acceptor<H> {
    state: Arc<State>,
    handler: H,
    options: ServerOptions,
}

impl<H> Acceptor<H> {
    async fn accept<R, L, F>(self: Arc<Self>, listener: L, listening: Listening)
    where
        R: Runtime,
        L: Listener,
        H: Fn(StreamReader<L::Transport>, StreamWriter<L::Transport>) -> F + Send + Sync + 'static,
        F: Future<Output: Outcome> + Send + 'static,
    {
        let most = self.options.most_connections();
        let has_room = |inner: &Inner| inner.phase > Phase::Serving || inner.clients.len() < most;
        let mut failed_in_a_row = 0;
        loop {
            self.state.until(has_room).await;
            let closed = pin!(self.state.until(|inner| inner.phase > Phase::Serving));
            // Being closed comes first, so that nobody is accepted after it.
            let Either::Second(accepted) = either(closed, pin!(listener.accept())).await else {
                break;
            };
            match accepted {
                Ok(transport) => {
                    failed_in_a_row = 0;
                    let on_error = self.options.tells_errors();
                    let peer = on_error.then(|| L::peer_addr(&transport)).flatten();
                    let stream = Stream::with_options(transport, self.options.limits());
                    let shared = stream.shared();
                    // Another listener may take the last place meanwhile.
                    let registered = loop {
                        self.state.until(has_room).await;
                        let client = Arc::clone(&shared) as _;
                        if let Some(registered) = State::register(&self.state, client, has_room) {
                            break registered;
                        }
                    };
                    let kept = Arc::clone(&shared);
                    let handled = Arc::clone(&self).handle(stream, shared, registered, peer);
                    if let Err(error) = R::spawn(handled) {
                        // Nobody has served this peer, who must not take that for an answer.
                        kept.abort(Loss::Aborted);
                        drop(kept);
                        self.state.refused(error, &self.options);
                        self.wait_to_accept_again::<R>().await;
                    }
                }
                Err(error) => {
                    failed_in_a_row += 1;
                    let goes_on =
                        concerns_one_connection(&error) && failed_in_a_row < FAILED_IN_A_ROW;
                    self.state.refused(error, &self.options);
                    if !goes_on {
                        failed_in_a_row = 0;
                        self.wait_to_accept_again::<R>().await;
                    }
                }
            }
        }
        drop(listener);
        drop(listening);
    }

    /// Waits until the system may have means again, or the server is closed.
    async fn wait_to_accept_again<R: Runtime>(&self) {
        let closed = pin!(self.state.until(|inner| inner.phase > Phase::Serving));
        either(closed, R::sleep(ACCEPT_AGAIN)).await;
    }

    async fn handle<T, F>(
        self: Arc<Self>,
        stream: Stream<T>,
        shared: Arc<Shared<T>>,
        registered: Registered,
        peer: Option<SocketAddr>,
    ) where
        T: Transport,
        H: Fn(StreamReader<T>, StreamWriter<T>) -> F + Send + Sync + 'static,
        F: Future<Output: Outcome> + Send + 'static,
    {
        let (reader, writer) = stream.split();
        // The handler is also called within the guard: it may panic before its first wait.
        let handled = NoPanic(Some(Box::pin(async {
            (self.handler)(reader, writer).await.failure()
        })));
        let cancelled = pin!(self.state.cancelled(registered.id));
        let mut owes_answer = false;
        match either(handled, cancelled).await {
            // What it aborted itself, it did not mean to be sent.
            Either::First(Ok(None)) => owes_answer = !shared.is_aborted(),
            Either::First(Ok(Some(error))) => {
                self.state.change(|inner| inner.statistics.failed += 1);
                self.options.tell(ServerError::Failed { peer, error });
            }
            Either::First(Err(Panicked)) => {
                self.state.change(|inner| inner.statistics.panicked += 1);
                self.options.tell(ServerError::Panicked { peer });
            }
            // It may have written while all were aborted.
            Either::Second(()) => drop(shared.abort(Loss::Aborted)),
        }
        match shared.close_within(self.options.closes_within()).await {
            Ok(()) => {
                registered.lingers();
                let cancelled = pin!(self.state.cancelled(registered.id));
                either(pin!(linger(&*shared)), cancelled).await;
            }
            Err(lost) if owes_answer && shared.has_dropped_output() => {
                self.state.change(|inner| inner.statistics.unsent += 1);
                self.options.tell(ServerError::Unsent { peer, lost });
            }
            // Its failure was told already, or everything had left.
            Err(_) => {}
        }
    }
}

/// Drops what the peer still sends, for a while.
async fn linger<T: Transport>(shared: &Shared<T>) {
    let Some(mut read) = shared.take_left() else {
        return; // somebody still has the reader
    };
    let mut room = vec![0; 4096];
    let mut dropped = 0;
    let drained = poll_fn(|cx| {
        loop {
            match read.poll_read(cx, &mut room) {
                Poll::Ready(Ok(count)) if count > 0 && dropped < LINGER_BYTES => dropped += count,
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    });
    either(pin!(drained), T::sleep(LINGER_TIME)).await;
}

/// Whether a failed accept says something of one connection only, and the next may be tried at once.
fn concerns_one_connection(error: &io::Error) -> bool {
    // Linux passes on what has happened to the connection in the network; see accept(2).
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(
        libc::ENETDOWN
        | libc::EPROTO
        | libc::ENOPROTOOPT
        | libc::EHOSTDOWN
        | libc::ENONET
        | libc::EHOSTUNREACH
        | libc::EOPNOTSUPP
        | libc::ENETUNREACH
        // A firewall forbids it.
        | libc::EPERM,
    ) = error.raw_os_error()
    {
        return true;
    }
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// Makes a change, and wakes all who wait for one.
    fn change<A>(&self, change: impl FnOnce(&mut Inner) -> A) -> A {
        let mut inner = self.lock();
        let result = change(&mut inner);
        let wakers = std::mem::take(&mut inner.wakers);
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
        result
    }

    /// Counts an error of the system, and tells of it.
    fn refused(&self, error: io::Error, options: &ServerOptions) {
        self.change(|inner| inner.statistics.accept_errors += 1);
        options.tell(ServerError::Accept { error });
    }

    fn enter(&self, phase: Phase) {
        let handlers: Vec<Waker> = self.change(|inner| {
            inner.phase = inner.phase.max(phase);
            let handlers = inner.clients.values_mut();
            match inner.phase {
                Phase::Cancelled => handlers.filter_map(|one| one.handler.take()).collect(),
                _ => Vec::new(),
            }
        });
        handlers.into_iter().for_each(Waker::wake);
    }

    /// Waits until `reached` says so.
    fn until(&self, reached: impl Fn(&Inner) -> bool) -> impl Future<Output = ()> {
        poll_fn(move |cx| {
            let mut inner = self.lock();
            if reached(&inner) {
                return Poll::Ready(());
            }
            if !inner.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                inner.wakers.push(cx.waker().clone());
            }
            Poll::Pending
        })
    }

    /// Waits, in the task of a connection's handler, until handlers are dropped where they wait.
    fn cancelled(&self, id: u64) -> impl Future<Output = ()> {
        poll_fn(move |cx| {
            let mut inner = self.lock();
            if inner.phase == Phase::Cancelled {
                return Poll::Ready(());
            }
            if let Some(accepted) = inner.clients.get_mut(&id) {
                match &mut accepted.handler {
                    Some(known) => known.clone_from(cx.waker()),
                    none => *none = Some(cx.waker().clone()),
                }
            }
            Poll::Pending
        })
    }

    /// Gives up connections that were idle for `limit`, until the server has come to its end.
    async fn give_up_idle<R: Runtime>(&self, limit: Duration) {
        let is_over = |inner: &Inner| inner.listeners == 0 && inner.clients.is_empty();
        loop {
            let look = R::sleep((limit / LOOKS).max(Duration::from_millis(1)));
            if let Either::First(()) = either(pin!(self.until(is_over)), look).await {
                return;
            }
            let mut inner = self.lock();
            let idle = inner.clients.values_mut().filter_map(Accepted::is_idle);
            let idle: Vec<_> = idle.collect();
            drop(inner);
            idle.iter().for_each(|client| client.abort(Loss::TimedOut));
        }
    }

    /// Takes a place for a connection, if there is room.
    fn register(
        self: &Arc<Self>,
        client: Arc<dyn Client>,
        has_room: impl Fn(&Inner) -> bool,
    ) -> Option<Registered> {
        let id = self.change(|inner| {
            if !has_room(inner) {
                return None;
            }
            if inner.phase >= Phase::ShuttingDown {
                client.end_reading();
            }
            inner.statistics.accepted += 1;
            inner.next_client += 1;
            let accepted = Accepted {
                client,
                handler: None,
                lingers: false,
                moves: None,
                quiet_looks: 0,
            };
            inner.clients.insert(inner.next_client, accepted);
            Some(inner.next_client)
        })?;
        Some(Registered {
            state: Arc::clone(self),
            id,
        })
    }

    /// Does something to every connection, with nothing locked.
    fn each_client(&self, act: impl Fn(&dyn Client)) {
        let inner = self.lock();
        let clients = inner.clients.values().map(|one| Arc::clone(&one.client));
        let clients: Vec<_> = clients.collect();
        drop(inner);
        clients.iter().for_each(|client| act(&**client));
    }
}

/// Locks what a panic elsewhere cannot have left half-done.
fn lock<A>(mutex: &Mutex<A>) -> MutexGuard<'_, A> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection's place in the server, given up when dropped, however its task ends.
struct Registered {
    state: Arc<State>,
    id: u64,
}

impl Registered {
    /// Records that the connection is over but for the peer's input. It still takes its place.
    fn lingers(&self) {
        self.state.change(|inner| {
            if let Some(accepted) = inner.clients.get_mut(&self.id) {
                accepted.lingers = true;
                inner.lingering += 1;
            }
        });
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.state.change(|inner| {
            let accepted = inner.clients.remove(&self.id);
            inner.lingering -= usize::from(accepted.is_some_and(|accepted| accepted.lingers));
        });
    }
}

impl Inner {
    /// How many connections are open, without those that only drop what their peers still send.
    fn open(&self) -> usize {
        self.clients.len() - self.lingering
    }
}

/// A listener's part in the server, given up when dropped, however its task ends.
struct Listening(Arc<State>);

impl Listening {
    fn new(state: &Arc<State>) -> Self {
        state.change(|inner| inner.listeners += 1);
        Self(Arc::clone(state))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.change(|inner| inner.listeners -= 1);
    }
}

/// A future whose panics are caught. After one it is dropped.
struct NoPanic<F>(Option<Pin<Box<F>>>);

struct Panicked;

impl<F: Future> Future for NoPanic<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.0 else {
            return Poll::Ready(Err(Panicked));
        };
        // What the future has seen half-done is dropped with it; streams keep their state in order.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(_) => {
                self.0 = None;
                Poll::Ready(Err(Panicked))
            }
        }
    }
}
