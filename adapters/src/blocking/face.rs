//! asyncio's face without `await`: each method blocks in the one of the same name.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream as _;
use plimsoll::{Frame, LineEnding, ReadError, Reader, Separator, Step, WaterMarks};

use super::{Blocking, block_on};
use crate::connect::{self, ConnectOptions};
use crate::either::{Either, either};
use crate::error::Error;
use crate::happy_eyeballs::ConnectError;
use crate::options::{Options, ServerOptions};
use crate::runtime::{Listener, Runtime};
use crate::server::{self, Outcome, Shutdown, Statistics};
use crate::stream::{self, Stream};
use crate::transport::{Endpoint, Transport};

/// The half of a connection to read from. Its methods are those of [`crate::StreamReader`], and
/// block. Whatever ends a call, no byte is lost: what was received stays buffered.
#[derive(Debug)]
pub struct StreamReader<T: Transport = <Blocking as Runtime>::Tcp> {
    inner: stream::StreamReader<T>,
    timeout: Option<Duration>,
}

/// The half of a connection to write to. Its methods are those of [`crate::StreamWriter`], and
/// those that send block. Dropping it does not send pending output.
#[derive(Debug)]
pub struct StreamWriter<T: Transport = <Blocking as Runtime>::Tcp> {
    inner: stream::StreamWriter<T>,
    timeout: Option<Duration>,
}

/// A server whose handlers run in a thread each. Its methods are those of [`crate::Server`], and
/// those that wait block. Dropping it leaves it serving.
#[derive(Debug)]
pub struct Server(server::Server<Blocking>);

/// Makes the two halves of a connected transport, with the default limits. (asyncio's
/// `open_connection(sock=…)`.)
pub fn streams<T: Transport>(transport: T) -> (StreamReader<T>, StreamWriter<T>) {
    streams_with(transport, &Options::new())
}

/// Makes the two halves of a connected transport, with the limits in `options`. (asyncio's
/// `open_connection(sock=…)`, which has `limit`.)
pub fn streams_with<T: Transport>(
    transport: T,
    options: &Options,
) -> (StreamReader<T>, StreamWriter<T>) {
    halves(Stream::with_options(transport, options).split())
}

/// Opens a connection to the first address of `host` that accepts one, with the default
/// [`ConnectOptions`]. See [`crate::open_connection`].
///
/// # Errors
///
/// [`ConnectError`], which names every address that was tried. No socket is left.
pub fn open_connection(
    host: &str,
    port: u16,
) -> Result<(StreamReader, StreamWriter), ConnectError> {
    open_connection_with(host, port, &ConnectOptions::new())
}

/// Opens a connection to the first address of `host` that accepts one, as `options` say. See
/// [`crate::open_connection`].
///
/// # Errors
///
/// [`ConnectError`], which names every address that was tried. No socket is left.
pub fn open_connection_with(
    host: &str,
    port: u16,
    options: &ConnectOptions,
) -> Result<(StreamReader, StreamWriter), ConnectError> {
    let opened = block_on(crate::open_connection::<Blocking>(host, port, options));
    opened.map(halves)
}

/// Starts a server on every address of `host`, with the default [`ServerOptions`]. See
/// [`crate::Server::start`].
///
/// # Errors
///
/// Where the host does not resolve, or an address cannot be listened on; the error names it. Where
/// no thread can be started to accept. Nothing is listened on then.
pub fn start_server<H, O>(handler: H, host: &str, port: u16) -> io::Result<Server>
where
    H: Fn(StreamReader, StreamWriter) -> O + Send + Sync + 'static,
    O: Outcome + 'static,
{
    start_server_with(handler, &[host], port, &ServerOptions::new())
}

/// Starts a server on every address of several hosts, as `options` say. See
/// [`crate::Server::start`].
///
/// # Errors
///
/// As for [`start_server`].
pub fn start_server_with<H, O>(
    handler: H,
    hosts: &[&str],
    port: u16,
    options: &ServerOptions,
) -> io::Result<Server>
where
    H: Fn(StreamReader, StreamWriter) -> O + Send + Sync + 'static,
    O: Outcome + 'static,
{
    block_on(server::Server::start(
        awaited(handler),
        hosts,
        port,
        options,
    ))
    .map(Server)
}

/// The half of a Unix connection to read from. (asyncio's `StreamReader`.)
#[cfg(unix)]
pub type UnixReader = StreamReader<<Blocking as Runtime>::Unix>;
/// The half of a Unix connection to write to. (asyncio's `StreamWriter`.)
#[cfg(unix)]
pub type UnixWriter = StreamWriter<<Blocking as Runtime>::Unix>;

/// Opens a connection to a Unix socket, with the default [`Options`]. (As asyncio's
/// `open_unix_connection`.)
///
/// # Errors
///
/// Those of the system, with the path; the system's own is the source. No socket is left. Where too
/// many connections wait to be accepted it fails at once: on Linux with the kind `WouldBlock`, as
/// asyncio's `BlockingIOError`, elsewhere with `ConnectionRefused`.
#[cfg(unix)]
pub fn open_unix_connection(
    path: impl AsRef<std::path::Path>,
) -> io::Result<(UnixReader, UnixWriter)> {
    open_unix_connection_with(path, &Options::new())
}

/// Opens a connection to a Unix socket, with the limits in `options`. (asyncio's has `limit`.)
///
/// # Errors
///
/// As for [`open_unix_connection`].
#[cfg(unix)]
pub fn open_unix_connection_with(
    path: impl AsRef<std::path::Path>,
    options: &Options,
) -> io::Result<(UnixReader, UnixWriter)> {
    let opening = connect::open_unix_connection::<Blocking>(path.as_ref(), options);
    block_on(opening).map(halves)
}

/// Starts a server on a Unix socket, whose file it makes, and removes when it is closed. See
/// [`crate::Server::start_unix`].
///
/// # Errors
///
/// Where the path cannot be listened on; the error names it. No server is left.
#[cfg(unix)]
pub fn start_unix_server<H, O>(handler: H, path: impl AsRef<std::path::Path>) -> io::Result<Server>
where
    H: Fn(UnixReader, UnixWriter) -> O + Send + Sync + 'static,
    O: Outcome + 'static,
{
    start_unix_server_with(handler, path, &ServerOptions::new())
}

/// Starts a server on a Unix socket. See [`crate::Server::start_unix`].
///
/// # Errors
///
/// As for [`start_unix_server`].
#[cfg(unix)]
pub fn start_unix_server_with<H, O>(
    handler: H,
    path: impl AsRef<std::path::Path>,
    options: &ServerOptions,
) -> io::Result<Server>
where
    H: Fn(UnixReader, UnixWriter) -> O + Send + Sync + 'static,
    O: Outcome + 'static,
{
    block_on(server::Server::start_unix(awaited(handler), path, options)).map(Server)
}

impl From<server::Server<Blocking>> for Server {
    fn from(server: server::Server<Blocking>) -> Self {
        Self(server)
    }
}

fn halves<T: Transport>(
    (reader, writer): (stream::StreamReader<T>, stream::StreamWriter<T>),
) -> (StreamReader<T>, StreamWriter<T>) {
    (reader.into(), writer.into())
}

impl<T: Transport> From<stream::StreamReader<T>> for StreamReader<T> {
    fn from(inner: stream::StreamReader<T>) -> Self {
        let timeout = None;
        Self { inner, timeout }
    }
}

impl<T: Transport> From<stream::StreamWriter<T>> for StreamWriter<T> {
    fn from(inner: stream::StreamWriter<T>) -> Self {
        let timeout = None;
        Self { inner, timeout }
    }
}

/// Blocks in an operation, for no longer than `timeout`.
pub(super) fn block_within<A>(
    timeout: Option<Duration>,
    operation: impl Future<Output = Result<A, Error>>,
) -> Result<A, Error> {
    let Some(timeout) = timeout else {
        return block_on(operation);
    };
    if timeout.is_zero() {
        return at_once(operation).unwrap_or(Err(Error::TimedOut));
    }
    match block_on(either(pin!(operation), Blocking::sleep(timeout))) {
        Either::First(result) => result,
        Either::Second(()) => Err(Error::TimedOut),
    }
}

/// Runs an operation as far as it comes without waiting. A peer that sends without end does not
/// keep it going for longer than [`AT_ONCE`].
fn at_once<A>(operation: impl Future<Output = A>) -> Option<A> {
    let mut operation = pin!(operation);
    let goes_on = Arc::new(GoesOn(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&goes_on));
    let start = Blocking::now();
    loop {
        if let Poll::Ready(answer) = operation.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(answer);
        }
        // One that only lets others have their turn has woken itself.
        if !goes_on.0.swap(false, Ordering::Relaxed) || Blocking::now() - start > AT_ONCE {
            return None;
        }
    }
}

/// How long what does not wait may take where nothing may be waited for.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Whether an operation wants to be polled again.
struct GoesOn(AtomicBool);

impl Wake for GoesOn {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Makes a handler that blocks one that is awaited, by a task that has a thread to itself.
fn awaited<T: Transport, O: Outcome + 'static>(
    handler: impl Fn(StreamReader<T>, StreamWriter<T>) -> O + Send + Sync + 'static,
) -> impl Fn(stream::StreamReader<T>, stream::StreamWriter<T>) -> BoxedOutcome<O> + Send + Sync + 'static
{
    let handler = Arc::new(handler);
    move |reader, writer| {
        let handler = Arc::clone(&handler);
        Box::pin(async move { handler(reader.into(), writer.into()) })
    }
}

type BoxedOutcome<O> = Pin<Box<dyn Future<Output = O> + Send>>;

impl<T: Transport> StreamReader<T> {
    /// Gives up this reader for the one whose methods are awaited, and that
    /// [`Stream::join`](crate::Stream::join) takes. What is buffered goes with it. (asyncio has
    /// none.)
    pub fn into_inner(self) -> stream::StreamReader<T> {
        self.inner
    }

    /// Takes as many bytes as are there, at least one and at most `max`. See
    /// [`read`](crate::StreamReader::read).
    ///
    /// # Errors
    ///
    /// [`Error::Lost`], only when nothing is buffered.
    pub fn read(&mut self, max: usize) -> Result<Frame<'_>, Error> {
        self.frame(|reader| reader.read(max))
    }

    /// Takes one line, with its `\n`.
    ///
    /// # Errors
    ///
    /// Those of [`read_line`](crate::StreamReader::read_line): a line that is too long is dropped,
    /// an unfinished one stays buffered.
    #[doc(alias = "readline")]
    pub fn read_line(&mut self) -> Result<Frame<'_>, Error> {
        self.frame(Reader::read_line)
    }

    /// Takes everything through the separator that ends first.
    ///
    /// # Errors
    ///
    /// Those of [`read_until`](crate::StreamReader::read_until): nothing is consumed.
    #[doc(alias = "readuntil")]
    pub fn read_until(&mut self, separator: &Separator) -> Result<Frame<'_>, Error> {
        self.frame(|reader| reader.read_until(separator))
    }

    /// Takes exactly `count` bytes.
    ///
    /// # Errors
    ///
    /// Those of [`read_exact`](crate::StreamReader::read_exact): nothing is consumed.
    #[doc(alias = "readexactly")]
    pub fn read_exact(&mut self, count: usize) -> Result<Frame<'_>, Error> {
        self.frame(|reader| reader.read_exact(count))
    }

    /// Takes everything through the end of the stream, at most `max` bytes.
    ///
    /// # Errors
    ///
    /// Those of [`read_to_end`](crate::StreamReader::read_to_end): nothing is consumed.
    pub fn read_to_end(&mut self, max: usize) -> Result<Frame<'_>, Error> {
        self.frame(|reader| reader.read_to_end(max))
    }

    /// Drops everything through the separator that ends first.
    ///
    /// # Errors
    ///
    /// Those of [`skip_until`](crate::StreamReader::skip_until): everything is consumed.
    pub fn skip_until(&mut self, separator: &Separator) -> Result<usize, Error> {
        block_within(self.timeout, self.inner.skip_until(separator))
    }

    /// Returns the next `count` bytes without taking them.
    ///
    /// # Errors
    ///
    /// Those of [`peek`](crate::StreamReader::peek): nothing is consumed.
    pub fn peek(&mut self, count: usize) -> Result<&[u8], Error> {
        block_within(self.timeout, self.inner.peek(count))
    }

    /// What is at hand costs no more than in the core.
    #[inline]
    fn frame(
        &mut self,
        mut ask: impl FnMut(&mut Reader) -> Result<Step<Frame<'_>>, ReadError>,
    ) -> Result<Frame<'_>, Error> {
        let token = match self.inner.token_at_hand(&mut ask) {
            Some(token) => token?,
            None => block_within(self.timeout, self.inner.token(ask))?,
        };
        Ok(self.inner.frame_of(token))
    }

    /// Returns `true` if the server that has accepted the connection shuts down. See
    /// [`is_shutting_down`](crate::StreamReader::is_shutting_down).
    pub fn is_shutting_down(&self) -> bool {
        self.inner.is_shutting_down()
    }

    /// Returns the lines, each copied, with its newline. See [`lines`](crate::StreamReader::lines).
    pub fn lines(&mut self) -> Lines<'_, T> {
        Lines {
            inner: self.inner.lines(),
            timeout: self.timeout,
        }
    }

    /// Sets how long each read may take, however slowly its bytes come; at first `None`, for ever.
    ///
    /// A read that takes longer fails with [`Error::TimedOut`], and loses no byte: it may be asked
    /// again. With zero, reads take what is there, and do so for a second at most. A
    /// [`Source`](super::Source) whose reads block is not interrupted. (asyncio's `wait_for` around
    /// each read.)
    #[doc(alias = "set_read_timeout")]
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// Changes the limit, in bytes. See [`set_limit`](crate::StreamReader::set_limit).
    ///
    /// # Panics
    ///
    /// If `limit` is zero.
    pub fn set_limit(&mut self, limit: usize) {
        self.inner.set_limit(limit);
    }

    /// Changes the cap, in bytes. See [`set_cap`](crate::StreamReader::set_cap).
    pub fn set_cap(&mut self, cap: usize) {
        self.inner.set_cap(cap);
    }

    /// Returns the bytes that were received and not taken. It receives none.
    pub fn buffered(&self) -> &[u8] {
        self.inner.buffered()
    }

    /// Tells whether the peer's stream has ended and nothing is buffered, as far as reads have
    /// come. See [`at_eof`](crate::StreamReader::at_eof).
    pub fn at_eof(&self) -> bool {
        self.inner.at_eof()
    }

    /// Returns the address on this side.
    ///
    /// # Errors
    ///
    /// Those of the system. They change nothing.
    #[doc(alias = "get_extra_info")]
    pub fn local_addr(&self) -> io::Result<<T::Read as Endpoint>::Address>
    where
        T::Read: Endpoint,
    {
        self.inner.local_addr()
    }

    /// Returns the peer's address.
    ///
    /// # Errors
    ///
    /// Those of the system, for instance once the connection is gone. They change nothing.
    #[doc(alias = "get_extra_info")]
    pub fn peer_addr(&self) -> io::Result<<T::Read as Endpoint>::Address>
    where
        T::Read: Endpoint,
    {
        self.inner.peer_addr()
    }

    /// Returns the transport's read side, to ask it what it knows. Reading from it loses the bytes.
    #[doc(alias = "get_extra_info")]
    pub fn transport(&self) -> &T::Read {
        self.inner.transport()
    }
}

/// The lines of a [`StreamReader`], one by one. See [`StreamReader::lines`].
#[derive(Debug)]
#[must_use = "lines are read when they are asked for"]
pub struct Lines<'a, T: Transport> {
    inner: stream::Lines<'a, T>,
    timeout: Option<Duration>,
}

impl<T: Transport> Iterator for Lines<'_, T> {
    type Item = Result<Bytes, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = poll_fn(|cx| Pin::new(&mut self.inner).poll_next(cx).map(Ok));
        block_within(self.timeout, next).unwrap_or_else(|error| Some(Err(error)))
    }
}

impl<T: Transport> StreamWriter<T> {
    /// Gives up this writer for the one whose methods are awaited, and that
    /// [`Stream::join`](crate::Stream::join) takes. Pending output goes with it.
    pub fn into_inner(self) -> stream::StreamWriter<T> {
        self.inner
    }

    /// Queues a copy of `data`. It is not sent yet.
    ///
    /// # Errors
    ///
    /// Those of [`write`](crate::StreamWriter::write): nothing of it is queued.
    pub fn write(&mut self, data: &[u8]) -> Result<(), Error> {
        self.inner.write(data)
    }

    /// Queues `data` without a copy. It is not sent yet.
    ///
    /// # Errors
    ///
    /// Those of [`write_bytes`](crate::StreamWriter::write_bytes): nothing of it is queued.
    pub fn write_bytes(&mut self, data: Bytes) -> Result<(), Error> {
        self.inner.write_bytes(data)
    }

    /// Queues a copy of all `parts`. It is not sent yet.
    ///
    /// # Errors
    ///
    /// Those of [`write_vectored`](crate::StreamWriter::write_vectored): nothing of it is queued.
    #[doc(alias = "writelines")]
    pub fn write_vectored(&mut self, parts: &[&[u8]]) -> Result<(), Error> {
        self.inner.write_vectored(parts)
    }

    /// Queues a copy of `line` and what ends it. It is not sent yet.
    ///
    /// # Errors
    ///
    /// Those of [`write_line`](crate::StreamWriter::write_line): nothing of it is queued.
    pub fn write_line(&mut self, line: &[u8], end: LineEnding) -> Result<(), Error> {
        self.inner.write_line(line, end)
    }

    /// Queues formatted text; it makes `write!` work.
    ///
    /// # Errors
    ///
    /// Those of [`write_fmt`](crate::StreamWriter::write_fmt): nothing of it is queued.
    ///
    /// # Panics
    ///
    /// If formatting one of the arguments fails.
    pub fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> Result<(), Error> {
        self.inner.write_fmt(text)
    }

    /// Offers everything that is pending to the transport, until no more than the low water mark
    /// is. See [`drain`](crate::StreamWriter::drain).
    ///
    /// # Errors
    ///
    /// [`Error::Lost`]; what was pending is gone.
    pub fn drain(&mut self) -> Result<(), Error> {
        block_within(self.timeout, self.inner.drain())
    }

    /// Sends everything that is pending. See [`flush`](crate::StreamWriter::flush).
    ///
    /// # Errors
    ///
    /// [`Error::Lost`]; what was pending is gone.
    pub fn flush(&mut self) -> Result<(), Error> {
        block_within(self.timeout, self.inner.flush())
    }

    /// Sends what is pending, then the end of the stream. Reading goes on. See
    /// [`finish`](crate::StreamWriter::finish).
    ///
    /// # Errors
    ///
    /// [`Error::Lost`]; what was pending is gone.
    #[doc(alias = "write_eof")]
    pub fn finish(&mut self) -> Result<(), Error> {
        block_within(self.timeout, self.inner.finish())
    }

    /// Sends what is pending, then the end of the stream, within 30 seconds. See
    /// [`close`](crate::StreamWriter::close), also for transports whose clock is that of a runtime.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`]; what was pending is gone.
    #[doc(alias = "wait_closed")]
    pub fn close(&mut self) -> Result<(), Error> {
        block_on(self.inner.close())
    }

    /// Sends what is pending, then the end of the stream, or gives the connection up. See
    /// [`close_within`](crate::StreamWriter::close_within), also for transports whose clock is that
    /// of a runtime.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`]; what was pending is gone.
    pub fn close_within(&mut self, limit: Duration) -> Result<(), Error> {
        block_on(self.inner.close_within(limit))
    }

    /// Ends the connection at once, and drops what is pending. See
    /// [`abort`](crate::StreamWriter::abort).
    pub fn abort(&mut self) {
        self.inner.abort();
    }

    /// Tells whether writes fail for good. See [`is_closing`](crate::StreamWriter::is_closing).
    pub fn is_closing(&self) -> bool {
        self.inner.is_closing()
    }

    /// Tells whether the user should write more now. See
    /// [`is_writable`](crate::StreamWriter::is_writable).
    pub fn is_writable(&self) -> bool {
        self.inner.is_writable()
    }

    /// Returns how many bytes are pending: written, and not taken by the transport.
    #[doc(alias = "get_write_buffer_size")]
    pub fn pending(&self) -> usize {
        self.inner.pending()
    }

    /// Sets how long each `drain`, `flush` and `finish` may take; at first `None`, for ever.
    ///
    /// One that takes longer fails with [`Error::TimedOut`], and loses no byte: what was not sent
    /// stays pending. `close` has [`close_within`](Self::close_within). (asyncio's `wait_for`
    /// around each.)
    #[doc(alias = "set_write_timeout")]
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// Changes the water marks, in bytes. See
    /// [`set_water_marks`](crate::StreamWriter::set_water_marks).
    #[doc(alias = "set_write_buffer_limits")]
    pub fn set_water_marks(&mut self, marks: WaterMarks) {
        self.inner.set_water_marks(marks);
    }

    /// Changes the cap, in bytes. See [`set_cap`](crate::StreamWriter::set_cap).
    pub fn set_cap(&mut self, cap: usize) {
        self.inner.set_cap(cap);
    }

    /// Returns the address on this side.
    ///
    /// # Errors
    ///
    /// Those of the system. They change nothing.
    #[doc(alias = "get_extra_info")]
    pub fn local_addr(&self) -> io::Result<<T::Write as Endpoint>::Address>
    where
        T::Write: Endpoint,
    {
        self.inner.local_addr()
    }

    /// Returns the peer's address.
    ///
    /// # Errors
    ///
    /// Those of the system, for instance once the connection is gone. They change nothing.
    #[doc(alias = "get_extra_info")]
    pub fn peer_addr(&self) -> io::Result<<T::Write as Endpoint>::Address>
    where
        T::Write: Endpoint,
    {
        self.inner.peer_addr()
    }

    /// Lets `look` see the transport's write side. See
    /// [`with_transport`](crate::StreamWriter::with_transport).
    ///
    /// # Deadlock
    ///
    /// If `look` uses this writer, or waits for one who does.
    #[doc(alias = "get_extra_info")]
    pub fn with_transport<A>(&self, look: impl FnOnce(&T::Write) -> A) -> A {
        self.inner.with_transport(look)
    }
}

impl Server {
    /// Starts a server on sockets that listen already, of any kind. See [`crate::Server::serve`].
    pub fn serve<L, H, O>(listeners: Vec<L>, handler: H, options: &ServerOptions) -> Self
    where
        L: Listener,
        H: Fn(StreamReader<L::Transport>, StreamWriter<L::Transport>) -> O + Send + Sync + 'static,
        O: Outcome + 'static,
    {
        Self(server::Server::serve(listeners, awaited(handler), options))
    }

    /// Returns the addresses that the server listens on, also after it was closed.
    #[doc(alias = "sockets")]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        self.0.local_addrs()
    }

    /// Tells whether the server accepts connections: until it is closed.
    pub fn is_serving(&self) -> bool {
        self.0.is_serving()
    }

    /// Returns how many connections are open. See [`connections`](crate::Server::connections).
    pub fn connections(&self) -> usize {
        self.0.connections()
    }

    /// Returns what the server has seen so far.
    pub fn statistics(&self) -> Statistics {
        self.0.statistics()
    }

    /// Stops accepting. Open connections go on.
    pub fn close(&self) {
        self.0.close();
    }

    /// Closes all connections. See [`close_clients`](crate::Server::close_clients).
    pub fn close_clients(&self) {
        self.0.close_clients();
    }

    /// Aborts all connections. See [`abort_clients`](crate::Server::abort_clients).
    pub fn abort_clients(&self) {
        self.0.abort_clients();
    }

    /// Blocks until the server is closed and no connection is left. See
    /// [`wait_closed`](crate::Server::wait_closed).
    pub fn wait_closed(&self) {
        block_on(self.0.wait_closed());
    }

    /// Blocks until the server is closed, by another thread. See
    /// [`serve_forever`](crate::Server::serve_forever).
    pub fn serve_forever(&self) {
        block_on(self.0.serve_forever());
    }

    /// Ends the server within `limit`. See [`shutdown`](crate::Server::shutdown).
    ///
    /// A handler that neither reads nor writes cannot be stopped; its thread goes on alone.
    pub fn shutdown(&self, limit: Duration) -> Shutdown {
        block_on(self.0.shutdown(limit))
    }
}
