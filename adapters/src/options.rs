//! What is chosen before a stream or a server is made.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use plimsoll::{Connection, Reader, WaterMarks, Writer};
use socket2::{Domain, Protocol, Socket, Type};

use crate::caught::caught;
use crate::error::ServerError;

/// How long [`Connection::close`](crate::Connection::close) tries to send pending output by
/// default: 30 seconds.
pub const DEFAULT_CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// The limits that a stream is made with. All are in bytes. (Of these asyncio has `limit` and the
/// water marks.)
///
/// # Examples
///
/// ```
/// # use plimsoll_io::{Error, StreamOptions, ReadError, StreamPair, DuplexStream, duplex};
/// # smol::block_on(async {
/// let options = StreamOptions::new().limit(1 << 20).max_read_exact(8).max_pending(64 << 20);
///
/// let (here, _there) = duplex(1024);
/// let mut stream = StreamPair::with_options(here, &options);
/// let refused = stream.reader.read_exact(9).await;
/// assert!(matches!(refused, Err(Error::Read(ReadError::CountTooLarge { .. }))));
/// # });
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct StreamOptions {
    limit: usize,
    max_read_exact: usize,
    read_size: usize,
    water_marks: WaterMarks,
    max_pending: usize,
    /// `None` where the caller decides.
    pause_reading_when_full: Option<bool>,
}

impl StreamOptions {
    /// Chooses the defaults: lines of 64 KiB, reads of 16 KiB, water marks of 64 KiB and zero, and
    /// caps of 16 MiB.
    ///
    /// The low mark is zero, other than in asyncio, so that [`drain`](crate::StreamWriter::drain)
    /// leaves nothing stranded: no background task would send it.
    pub fn new() -> Self {
        Self {
            limit: Reader::DEFAULT_LIMIT,
            max_read_exact: Reader::DEFAULT_MAX_READ_EXACT,
            read_size: 16 * 1024,
            water_marks: WaterMarks::new(WaterMarks::DEFAULT.high(), 0).unwrap_or_default(),
            max_pending: Writer::DEFAULT_MAX_PENDING,
            pause_reading_when_full: None,
        }
    }

    /// Sets the most bytes before a separator: lines and frames that are longer are errors. Reading
    /// pauses above twice as much. See [`Reader::set_limit`]. (asyncio's `limit`.)
    ///
    /// # Panics
    ///
    /// If `limit` is zero.
    pub fn limit(self, limit: usize) -> Self {
        assert!(limit > 0, "limit of zero bytes");
        Self { limit, ..self }
    }

    /// Sets the most bytes that [`read_exact`](crate::StreamReader::read_exact) and
    /// [`peek`](crate::StreamReader::peek) may ask for. See [`Reader::set_max_read_exact`].
    pub fn max_read_exact(self, max_read_exact: usize) -> Self {
        Self {
            max_read_exact,
            ..self
        }
    }

    /// Sets the most bytes that are received at once, 16 KiB by default. (asyncio receives up to
    /// 256 KiB.)
    ///
    /// A stream begins with reads of 1 KiB, and adapts them to what its peer sends at once. A read
    /// may hold as much.
    ///
    /// # Panics
    ///
    /// If `read_size` is zero.
    pub fn read_size(self, read_size: usize) -> Self {
        assert!(read_size > 0, "reads of zero bytes");
        Self { read_size, ..self }
    }

    /// Sets the water marks of the output: above the high one the writer is not writable, and
    /// [`drain`](crate::StreamWriter::drain) waits until no more than the low one is pending. See
    /// [`Writer::set_water_marks`]. (asyncio's `transport.set_write_buffer_limits`.)
    #[doc(alias = "set_write_buffer_limits")]
    pub fn water_marks(self, water_marks: WaterMarks) -> Self {
        Self {
            water_marks,
            ..self
        }
    }

    /// Sets the most bytes of output that may be pending: a write beyond is refused whole. See
    /// [`Writer::set_max_pending`].
    pub fn max_pending(self, max_pending: usize) -> Self {
        Self {
            max_pending,
            ..self
        }
    }

    /// Sets whether reads leave the peer's bytes with the system while the output is full: while
    /// [`is_writable`](crate::StreamWriter::is_writable) is false because too much is pending.
    ///
    /// A read that has to wait then first waits until the output has moved. What is buffered can
    /// still be read. So a peer that asks and does not take the answers is not listened to either,
    /// and no more is pending than the high water mark and the answers to what was received at
    /// once. While reading pauses, the end of the peer's stream is not seen. Marks that are raised
    /// meanwhile take effect with the next write, or when something is sent.
    ///
    /// Unless this is set, it is on for the streams of a server, and off for others. (asyncio has
    /// none: it is the `pause_reading` and `resume_reading` that a protocol calls from
    /// `pause_writing` and `resume_writing`.)
    ///
    /// # Deadlock
    ///
    /// Where both ends pause, and both write more than the other will buffer, both wait for ever.
    /// Leave it off at the end that asks.
    pub fn pause_reading_when_full(self, pause: bool) -> Self {
        Self {
            pause_reading_when_full: Some(pause),
            ..self
        }
    }

    pub(crate) fn pauses_when_full(&self) -> bool {
        self.pause_reading_when_full.unwrap_or(false)
    }

    pub(crate) fn connection(&self) -> Connection {
        let mut connection = Connection::new();
        self.apply_to(&mut connection);
        connection
    }

    /// Sets the limits of a connection.
    pub(crate) fn apply_to(&self, connection: &mut Connection) {
        connection.reader.set_limit(self.limit);
        connection.reader.set_max_read_exact(self.max_read_exact);
        connection.writer.set_water_marks(self.water_marks);
        connection.writer.set_max_pending(self.max_pending);
        connection.pauses_when_full = self.pauses_when_full();
    }

    /// Fills in what is chosen for a server unless it is set.
    fn of_a_server(mut self) -> Self {
        self.pause_reading_when_full.get_or_insert(true);
        self
    }

    pub(crate) fn size_of_reads(&self) -> usize {
        self.read_size
    }
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// How a server listens, and the limits of its streams. (The arguments of asyncio's
/// `start_server`.)
///
/// # Examples
///
/// ```
/// use plimsoll_io::{StreamOptions, ServerOptions};
/// use std::time::Duration;
///
/// let options = ServerOptions::new()
///     .streams(StreamOptions::new().limit(1024))
///     .max_connections(1000)
///     .close_timeout(Duration::from_secs(5));
/// # let _ = options;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ServerOptions {
    streams: StreamOptions,
    backlog: i32,
    reuse_address: bool,
    reuse_port: bool,
    keep_alive: bool,
    nodelay: bool,
    max_connections: usize,
    close_timeout: Duration,
    linger_timeout: Duration,
    idle_timeout: Option<Duration>,
    on_error: Option<OnError>,
}

/// Whom a server tells of what went wrong.
#[derive(Clone)]
struct OnError(Arc<dyn Fn(&ServerError) + Send + Sync>);

impl fmt::Debug for OnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnError")
    }
}

impl ServerOptions {
    /// Chooses asyncio's defaults: a backlog of 100, addresses reused, ports not, no keep-alive, no
    /// delay of small segments. Connections are not capped, may be idle, and are closed within 30
    /// seconds.
    pub fn new() -> Self {
        Self {
            streams: StreamOptions::new().of_a_server(),
            backlog: 100,
            reuse_address: cfg!(unix),
            reuse_port: false,
            keep_alive: false,
            nodelay: true,
            max_connections: usize::MAX,
            close_timeout: DEFAULT_CLOSE_TIMEOUT,
            linger_timeout: Duration::from_secs(2),
            idle_timeout: None,
            on_error: None,
        }
    }

    /// Sets the limits of the streams. (asyncio's `limit`, and more.) Reading pauses while output
    /// is full unless they say otherwise: see [`StreamOptions::pause_reading_when_full`].
    pub fn streams(self, streams: StreamOptions) -> Self {
        Self {
            streams: streams.of_a_server(),
            ..self
        }
    }

    /// Sets how many connections may wait to be accepted, on each address; the system may have a
    /// bound of its own. (asyncio's `backlog`.)
    pub fn backlog(self, backlog: u16) -> Self {
        Self {
            backlog: backlog.into(),
            ..self
        }
    }

    /// Sets whether an address may be listened on whose last connections are not forgotten yet
    /// (`SO_REUSEADDR`); on Unix it may by default. TCP only. (asyncio's `reuse_address`.)
    pub fn reuse_address(self, reuse_address: bool) -> Self {
        Self {
            reuse_address,
            ..self
        }
    }

    /// Sets whether several sockets may listen on the same address (`SO_REUSEPORT`); they may not
    /// by default. TCP on Unix only; ignored elsewhere. (asyncio's `reuse_port`.)
    pub fn reuse_port(self, reuse_port: bool) -> Self {
        Self { reuse_port, ..self }
    }

    /// Sets whether TCP probes peers that are silent for long (`SO_KEEPALIVE`); it does not at
    /// first. (asyncio's `keep_alive`.)
    pub fn keep_alive(self, keep_alive: bool) -> Self {
        Self { keep_alive, ..self }
    }

    /// Sets whether TCP sends small segments at once (`TCP_NODELAY`); it does by default. (asyncio
    /// always has it so.)
    pub fn nodelay(self, nodelay: bool) -> Self {
        Self { nodelay, ..self }
    }

    /// Sets how many connections may be open at once, on all addresses together; by default there
    /// is no bound. Further ones wait to be accepted.
    ///
    /// It bounds descriptors and memory, and a connection that has sent everything and still drops
    /// what its peer sends, for the [linger timeout](Self::linger_timeout), has both: it keeps its
    /// place until it is closed, though [`connections`](crate::Server::connections) no longer
    /// counts it. Beside them, each listening address may hold one connection that is accepted and
    /// waits for a place.
    ///
    /// # Panics
    ///
    /// If `max_connections` is zero: no connection would ever be accepted.
    pub fn max_connections(self, max_connections: usize) -> Self {
        assert!(max_connections > 0, "a server for no connections");
        Self {
            max_connections,
            ..self
        }
    }

    /// Sets how long a connection whose handler has ended tries to send pending output, before it
    /// is aborted; 30 seconds by default.
    pub fn close_timeout(self, close_timeout: Duration) -> Self {
        Self {
            close_timeout,
            ..self
        }
    }

    /// Sets for how long nothing may come from the peer before a connection that has sent
    /// everything is dropped, if the peer does not end its side: 2 seconds by default.
    ///
    /// What comes meanwhile is discarded, 16 MiB and five times as long at most. Unread, it would
    /// make the system reset the connection, which may destroy a reply that the peer has not read
    /// yet. With zero, only what is there is discarded.
    /// [`Server::shutdown`](crate::Server::shutdown) waits for it.
    pub fn linger_timeout(self, linger_timeout: Duration) -> Self {
        Self {
            linger_timeout,
            ..self
        }
    }

    /// Sets after what time a connection is given up on which nothing is received and nothing sent;
    /// it may take a quarter longer. Its reads and writes then fail with
    /// [`ConnectionError::TimedOut`](crate::ConnectionError), what is pending is dropped, and the
    /// peer sees a reset, over TCP.
    ///
    /// It lets go of peers that are gone without a word, and of those that neither ask nor take
    /// answers. A handler that works for so long before it answers is cut off, too. A peer that
    /// sends a byte now and then is not idle: bound each read, as
    /// [`StreamReader`](crate::StreamReader) shows.
    ///
    /// Unless this is set, connections may be idle for ever, as in asyncio.
    ///
    /// # Panics
    ///
    /// If `idle_timeout` is zero.
    pub fn idle_timeout(self, idle_timeout: Duration) -> Self {
        assert!(!idle_timeout.is_zero(), "an idle timeout of no time");
        Self {
            idle_timeout: Some(idle_timeout),
            ..self
        }
    }

    /// Sets whom to tell of handlers that fail or panic, of answers that are lost after their
    /// handler has returned, and of connections that cannot be accepted.
    ///
    /// Unless it is set they are only counted, in [`Statistics`](crate::Statistics). It is called
    /// in the connection's task, or the listener's, and should return soon. A panic in it is
    /// caught. (asyncio's `loop.set_exception_handler`.)
    ///
    /// A peer that goes away in the middle is among the errors: as what the handler made of
    /// [`Error::ConnectionLost`](crate::Error::ConnectionLost), or as [`ServerError::Unsent`].
    ///
    /// ```
    /// use plimsoll_io::{Error, ServerError, ServerOptions};
    ///
    /// /// Whether it is only that a peer has gone, where handlers return an `Error`.
    /// fn has_gone(error: &ServerError) -> bool {
    ///     match error {
    ///         ServerError::Failed { error, .. } => {
    ///             matches!(error.downcast_ref(), Some(Error::ConnectionLost(_)))
    ///         }
    ///         ServerError::Unsent { .. } => true,
    ///         _ => false,
    ///     }
    /// }
    ///
    /// let options = ServerOptions::new().on_error(|error| {
    ///     if !has_gone(error) {
    ///         eprintln!("{error}");
    ///     }
    /// });
    /// # let _ = options;
    /// ```
    #[doc(alias = "set_exception_handler")]
    pub fn on_error(self, tell: impl Fn(&ServerError) + Send + Sync + 'static) -> Self {
        Self {
            on_error: Some(OnError(Arc::new(tell))),
            ..self
        }
    }

    pub(crate) fn gives_up_idle_after(&self) -> Option<Duration> {
        self.idle_timeout
    }

    pub(crate) fn tell(&self, error: ServerError) {
        // Its panic was told to the panic hook, and no one else is left to be told. A handler's
        // error may panic when it is dropped.
        caught(|| {
            if let Some(OnError(tell)) = &self.on_error {
                caught(|| tell(&error));
            }
            drop(error);
        });
    }

    pub(crate) fn limits(&self) -> &StreamOptions {
        &self.streams
    }

    pub(crate) fn sets_nodelay(&self) -> bool {
        self.nodelay
    }

    pub(crate) fn most_connections(&self) -> usize {
        self.max_connections
    }

    pub(crate) fn closes_within(&self) -> Duration {
        self.close_timeout
    }

    pub(crate) fn lingers_for(&self) -> Duration {
        self.linger_timeout
    }

    /// Makes a listening socket. Accepted sockets inherit its options.
    pub(crate) fn listen(&self, address: SocketAddr) -> io::Result<std::net::TcpListener> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_reuse_address(self.reuse_address)?;
        #[cfg(unix)]
        socket.set_reuse_port(self.reuse_port)?;
        if address.is_ipv6() {
            // As in asyncio, so that both families may listen on the same port.
            socket.set_only_v6(true)?;
        }
        socket.set_keepalive(self.keep_alive)?;
        socket.set_tcp_nodelay(self.nodelay)?;
        socket.bind(&address.into())?;
        self.listen_on(socket)
    }

    /// Makes a socket that is bound listen.
    pub(crate) fn listen_on<L: From<Socket>>(&self, socket: Socket) -> io::Result<L> {
        socket.listen(self.backlog)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    }
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self::new()
    }
}
