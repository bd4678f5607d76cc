//! Connecting by name: resolves, then tries the addresses as the scheduler says.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::clock::Sleep;
use crate::connection::Connection;
use crate::happy_eyeballs::{
    ATTEMPT_DELAY, Action, ConnectError, Scheduler, Timing, Verdict, interleave,
};
use crate::options::StreamOptions;
use crate::runtime::Runtime;
use crate::select::{Either, select};
use crate::stream::{StreamPair, StreamReader, StreamWriter};

/// How a connection is opened, and the limits of its stream. (The arguments of asyncio's
/// `open_connection`.)
///
/// # Examples
///
/// ```
/// use plimsoll_io::{ConnectOptions, StreamOptions};
/// use std::time::Duration;
///
/// let options = ConnectOptions::new()
///     .streams(StreamOptions::new().limit(1024))
///     .attempt_timeout(Duration::from_secs(5))
///     .total_timeout(Duration::from_secs(20));
/// # let _ = options;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ConnectOptions {
    streams: StreamOptions,
    local_addresses: Vec<SocketAddr>,
    keep_alive: bool,
    nodelay: bool,
    timing: Timing,
    interleave: usize,
}

impl ConnectOptions {
    /// Chooses the defaults: Happy Eyeballs with a delay of 250 ms between attempts, no timeouts,
    /// no keep-alive, no delay of small segments.
    ///
    /// (asyncio tries one address after the other unless told otherwise.)
    pub fn new() -> Self {
        Self {
            streams: StreamOptions::new(),
            local_addresses: Vec::new(),
            keep_alive: false,
            nodelay: true,
            timing: Timing {
                attempt_delay: Some(ATTEMPT_DELAY),
                ..Timing::default()
            },
            interleave: 1,
        }
    }

    /// Sets the limits of the stream. (asyncio's `limit`, and more.)
    pub fn streams(self, streams: StreamOptions) -> Self {
        Self { streams, ..self }
    }

    /// Adds an address to connect from, for peers of its family.
    ///
    /// Once there is one, peers of a family that has none are not tried; of several of a family the
    /// first counts. A port of zero lets the system choose. (asyncio's `local_addr`.)
    #[doc(alias = "local_addr")]
    pub fn local_address(mut self, local_address: SocketAddr) -> Self {
        self.local_addresses.push(local_address);
        self
    }

    /// Sets after what time the next address is tried while an attempt goes on: 250 ms by default.
    /// `None` tries one after the other. (asyncio's `happy_eyeballs_delay`, which is `None` by
    /// default.)
    #[doc(alias = "happy_eyeballs_delay")]
    pub fn attempt_delay(mut self, attempt_delay: Option<Duration>) -> Self {
        self.timing.attempt_delay = attempt_delay;
        self
    }

    /// Sets how long a single attempt may take: by default, as long as the system lets it.
    pub fn attempt_timeout(mut self, attempt_timeout: Duration) -> Self {
        self.timing.attempt_timeout = Some(attempt_timeout);
        self
    }

    /// Sets how long everything may take, resolving the name included: without a bound by default.
    ///
    /// The system's resolver cannot be cancelled: its thread goes on after that, and on tokio the
    /// runtime waits for it when it is dropped. Where that matters, end the runtime by its
    /// `shutdown_timeout`, or connect to an address.
    pub fn total_timeout(mut self, total_timeout: Duration) -> Self {
        self.timing.total_timeout = Some(total_timeout);
        self
    }

    /// Sets how many addresses of the first family come before the families alternate: one by
    /// default; zero keeps the resolver's order. (asyncio's `interleave`.)
    pub fn interleave(self, interleave: usize) -> Self {
        Self { interleave, ..self }
    }

    /// Sets whether TCP probes peers that are silent for long (`SO_KEEPALIVE`): not by default.
    pub fn keep_alive(self, keep_alive: bool) -> Self {
        Self { keep_alive, ..self }
    }

    /// Sets whether TCP sends small segments immediately (`TCP_NODELAY`): it does by default.
    /// (asyncio always does.)
    pub fn nodelay(self, nodelay: bool) -> Self {
        Self { nodelay, ..self }
    }

    /// Opens a connection to the first address of `host` that accepts one, on the runtime `R`.
    ///
    /// (asyncio's `open_connection`, which tries one address after the other unless told
    /// otherwise.)
    ///
    /// # Errors
    ///
    /// [`ConnectError`], which names every address that was tried. No socket is left.
    ///
    /// # Cancel safety
    ///
    /// Safe: what was opened so far is closed. A thread that resolves the name may go on for a
    /// while.
    ///
    /// # Panics
    ///
    /// Outside of its runtime, where the runtime is one that has to be entered, as tokio is.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "smol")]
    /// # smol::block_on(async {
    /// use plimsoll_io::{ConnectOptions, smol::Smol};
    ///
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// let options = ConnectOptions::new().keep_alive(true);
    /// let (_reader, writer) = options.open_connection::<Smol>("127.0.0.1", address.port()).await?;
    /// assert_eq!(writer.peer_addr()?, address);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub async fn open_connection<R: Runtime>(
        &self,
        host: &str,
        port: u16,
    ) -> Result<(StreamReader<R::Tcp>, StreamWriter<R::Tcp>), ConnectError> {
        let transport = connect_transport::<R>(host, port, self).await?;
        Ok(StreamPair::connected(transport, &self.streams).split())
    }

    /// Connects to the first address of `host` that accepts a connection, on the runtime `R`, for a
    /// [`Connection`] with one owner. [`Connection::run`] runs a protocol over it: asyncio's
    /// `create_connection`.
    ///
    /// # Errors
    ///
    /// As for [`open_connection`](Self::open_connection).
    ///
    /// # Cancel safety
    ///
    /// As for [`open_connection`](Self::open_connection).
    ///
    /// # Panics
    ///
    /// As for [`open_connection`](Self::open_connection).
    #[doc(alias = "create_connection")]
    pub async fn connect<R: Runtime>(
        &self,
        host: &str,
        port: u16,
    ) -> Result<Connection<R::Tcp>, ConnectError> {
        let transport = connect_transport::<R>(host, port, self).await?;
        Ok(Connection::connected(transport, &self.streams))
    }

    /// Opens a connection to a Unix socket, on the runtime `R`. Of the options, those of the
    /// [streams](Self::streams) apply. On Linux, a path that begins with a NUL is the name of an
    /// abstract socket.
    ///
    /// # Errors
    ///
    /// - `InvalidInput` if the path is empty or too long, or has a NUL anywhere else.
    /// - Those of the system. If too many connections wait to be accepted it fails immediately: on
    ///   Linux with the kind `WouldBlock`, as asyncio's `BlockingIOError`, elsewhere with
    ///   `ConnectionRefused`.
    ///
    /// The error names the path; the system's own is its source. No socket is left.
    ///
    /// # Cancel safety
    ///
    /// Safe: no connection is left.
    #[cfg(unix)]
    pub async fn open_unix_connection<R: Runtime>(
        &self,
        path: impl AsRef<std::path::Path>,
    ) -> io::Result<(StreamReader<R::Unix>, StreamWriter<R::Unix>)> {
        let path = path.as_ref();
        let shown = crate::unix_socket::Shown(path);
        let named = |error| crate::error::cannot(format_args!("connect to {shown}"), error);
        let transport = R::connect_unix(path).await.map_err(named)?;
        Ok(StreamPair::connected(transport, &self.streams).split())
    }

    /// Makes a socket to connect to `address` with.
    fn socket(&self, address: SocketAddr) -> io::Result<Socket> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_keepalive(self.keep_alive)?;
        socket.set_tcp_nodelay(self.nodelay)?;
        socket.set_nonblocking(true)?;
        if !self.local_addresses.is_empty() {
            let mut local = self.local_addresses.iter();
            let local = local.find(|local| local.is_ipv4() == address.is_ipv4());
            let local = local.ok_or(io::ErrorKind::AddrNotAvailable)?;
            socket.bind(&(*local).into())?;
        }
        Ok(socket)
    }
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self::new()
    }
}

async fn connect_transport<R: Runtime>(
    host: &str,
    port: u16,
    options: &ConnectOptions,
) -> Result<R::Tcp, ConnectError> {
    let start = R::now();
    let addresses = resolve::<R>(host, port, options).await?;
    if addresses.is_empty() {
        return Err(ConnectError::NoAddress {
            host: host.to_owned(),
        });
    }
    let mut race = Race::<R> {
        scheduler: Scheduler::new(
            interleave(addresses, options.interleave),
            options.timing,
            start,
        ),
        options,
        attempts: Vec::new(),
        connected: None,
        alarm: None,
        rung: start,
    };
    poll_fn(|cx| race.poll(cx)).await?;
    match race.connected {
        Some(transport) => Ok(transport),
        None => unreachable!("a race that is won has a winner"),
    }
}

async fn resolve<R: Runtime>(
    host: &str,
    port: u16,
    options: &ConnectOptions,
) -> Result<Vec<SocketAddr>, ConnectError> {
    let resolved = Box::pin(R::resolve(host, port));
    let addresses = match options.timing.total_timeout {
        Some(limit) => match select(resolved, R::sleep(limit)).await {
            Either::First(resolved) => resolved,
            Either::Second(()) => Err(io::ErrorKind::TimedOut.into()),
        },
        None => resolved.await,
    };
    addresses.map_err(|error| ConnectError::Unresolved {
        host: host.to_owned(),
        error: Arc::new(error),
    })
}

type Attempt<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// The attempts that are under way.
struct Race<'a, R: Runtime> {
    scheduler: Scheduler,
    options: &'a ConnectOptions,
    attempts: Vec<(usize, Attempt<R::Tcp>)>,
    connected: Option<R::Tcp>,
    /// When the scheduler wants to be asked again.
    alarm: Option<(Instant, Sleep)>,
    /// The time of the last alarm that has rung.
    ///
    /// It has come, whatever the clock says: an alarm that is set again for the same time might
    /// ring again and again.
    rung: Instant,
}

impl<R: Runtime> Race<'_, R> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        // Before the time is looked at: what has ended is in time, however late this is polled.
        self.poll_attempts(cx);
        let mut has_started = false;
        loop {
            match self.scheduler.poll(R::now().max(self.rung)) {
                Action::Start { attempt, address } => {
                    self.start(attempt, address);
                    has_started = true;
                }
                Action::Cancel { attempt } => self.attempts.retain(|(other, _)| *other != attempt),
                Action::Done(result) => return Poll::Ready(result.map(|_| ())),
                Action::Wait { until } => {
                    let progress = std::mem::take(&mut has_started) && self.poll_attempts(cx)
                        || self.poll_alarm(cx, until);
                    if !progress {
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    fn start(&mut self, attempt: usize, address: SocketAddr) {
        match self.options.socket(address) {
            Ok(socket) => self
                .attempts
                .push((attempt, Box::pin(R::connect(socket.into(), address)))),
            Err(error) => self.scheduler.failed(attempt, error),
        }
    }

    /// Reports what has ended; returns whether anything has.
    fn poll_attempts(&mut self, cx: &mut Context<'_>) -> bool {
        let before = self.attempts.len();
        self.attempts
            .retain_mut(|(attempt, connecting)| match connecting.as_mut().poll(cx) {
                Poll::Pending => true,
                Poll::Ready(Ok(transport)) => {
                    if self.scheduler.succeeded(*attempt) == Verdict::Keep {
                        self.connected = Some(transport);
                    }
                    false
                }
                Poll::Ready(Err(error)) => {
                    self.scheduler.failed(*attempt, error);
                    false
                }
            });
        self.attempts.len() < before
    }

    /// Waits for a time; returns whether it has come.
    fn poll_alarm(&mut self, cx: &mut Context<'_>, until: Option<Instant>) -> bool {
        let Some(until) = until else {
            self.alarm = None;
            return false;
        };
        self.alarm.take_if(|(at, _)| *at != until);
        let (_, sleep) = self.alarm.get_or_insert_with(|| {
            let sleep = R::sleep(until.saturating_duration_since(R::now()));
            (until, sleep)
        });
        let rung = sleep.as_mut().poll(cx).is_ready();
        if rung {
            self.alarm = None;
            self.rung = self.rung.max(until);
        }
        rung
    }
}
