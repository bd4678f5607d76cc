//! What fails in a server, or before it is one, and who gets to know.
#![cfg(all(unix, feature = "tokio", feature = "blocking"))]

use std::cell::Cell;
use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use io_test_support::answer_lines;
use io_test_support::executor::yielded;
use plimsoll_io::blocking::FromWrite;
use plimsoll_io::tokio::Tokio;
use plimsoll_io::{
    Clock, ConnectOptions, Connection, ConnectionError, DuplexStream, Error, Join, Listener,
    ReadHalf, Runtime, Server, ServerError, ServerOptions, Sleep, StreamPair, StreamReader,
    StreamWriter, Transport, WriteHalf, duplex,
};

/// tokio, but for a Unix listener that it cannot watch, for a task that it refuses if it is told
/// to, and for sleeps that are counted, and end at once or never.
struct Refusing;

static SLEEPS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// How many tasks it starts before it refuses one. The tests run in a thread each, and their
    /// tasks with them.
    static BEFORE_REFUSED: Cell<Option<usize>> = const { Cell::new(None) };
    static SLEEPS_END: Cell<bool> = const { Cell::new(true) };
}

/// Lets one task be refused, and sleeps never end if that is asked for, until it is dropped.
struct Refused;

impl Refused {
    fn behind(count: usize) -> Self {
        BEFORE_REFUSED.set(Some(count));
        Self
    }
}

impl Drop for Refused {
    fn drop(&mut self) {
        BEFORE_REFUSED.set(None);
        SLEEPS_END.set(true);
    }
}

impl Clock for Refusing {
    fn sleep(_: Duration) -> Sleep {
        SLEEPS.fetch_add(1, Ordering::SeqCst);
        if SLEEPS_END.get() {
            Box::pin(tokio::task::yield_now())
        } else {
            Box::pin(std::future::pending())
        }
    }

    fn now() -> Instant {
        Tokio::now()
    }
}

impl Runtime for Refusing {
    type Tcp = <Tokio as Runtime>::Tcp;
    type TcpListener = <Tokio as Runtime>::TcpListener;
    type Unix = <Tokio as Runtime>::Unix;
    type UnixListener = <Tokio as Runtime>::UnixListener;

    fn resolve(
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        Tokio::resolve(host, port)
    }

    fn connect(
        socket: std::net::TcpStream,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Tcp>> + Send + 'static {
        Tokio::connect(socket, address)
    }

    fn connect_unix(path: &Path) -> impl Future<Output = io::Result<Self::Unix>> + Send + 'static {
        Tokio::connect_unix(path)
    }

    fn tcp_listener(listener: std::net::TcpListener) -> io::Result<Self::TcpListener> {
        Tokio::tcp_listener(listener)
    }

    fn unix_listener(_: std::os::unix::net::UnixListener) -> io::Result<Self::UnixListener> {
        Err(io::ErrorKind::OutOfMemory.into())
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        if let Some(before) = BEFORE_REFUSED.get() {
            BEFORE_REFUSED.set(before.checked_sub(1));
            if before == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        Tokio::spawn(task)
    }
}

/// A folder for the file of a socket, removed with all that is in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("plimsoll-{}-{name}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn files(&self) -> usize {
        std::fs::read_dir(&self.0).unwrap().count()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_start_that_fails_leaves_no_file_behind() {
    let folder = Folder::new("no-file");
    let path = folder.0.join("socket");
    let options = ServerOptions::new();
    let error = Server::<Refusing>::start_unix(answer_lines, &path, &options)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
    assert!(error.to_string().contains("socket"), "{error}");
    assert_eq!(folder.files(), 0);
}

/// A listener that hands out what it is given, the last first, and then a connection never.
struct Given<T> {
    listener: std::net::TcpListener,
    accepted: Mutex<Vec<io::Result<T>>>,
}

impl<T> Given<T> {
    fn new(accepted: Vec<io::Result<T>>) -> Self {
        Self {
            listener: std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
            accepted: Mutex::new(accepted),
        }
    }
}

impl<T: Transport + Send> Listener for Given<T> {
    type Transport = T;

    async fn accept(&self) -> io::Result<T> {
        let accepted = self.accepted.lock().unwrap().pop();
        match accepted {
            Some(accepted) => accepted,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }
}

/// A connection in memory that sleeps by tokio's clock.
struct Timed(DuplexStream);

/// Its reads, every second of which is interrupted.
struct Interrupted(<DuplexStream as Transport>::Read, bool);

impl Transport for Timed {
    type Read = Interrupted;
    type Write = <DuplexStream as Transport>::Write;

    fn split(self) -> (Self::Read, Self::Write) {
        let (read, write) = self.0.split();
        (Interrupted(read, false), write)
    }

    fn reunite(read: Self::Read, write: Self::Write) -> Self {
        Self(DuplexStream::reunite(read.0, write))
    }

    fn sleep(duration: Duration) -> Sleep {
        Tokio::sleep(duration)
    }
}

impl ReadHalf for Interrupted {
    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        self.1 = !self.1;
        if self.1 {
            Poll::Ready(Err(io::ErrorKind::Interrupted.into()))
        } else {
            self.0.poll_read(cx, room)
        }
    }
}

/// Lets a server accept what fails, and then a client, which is answered. Returns how often it
/// slept.
async fn sleeps_over(failures: impl IntoIterator<Item = io::Error>) -> usize {
    let (client, accepted) = duplex(100);
    let mut given: Vec<_> = failures.into_iter().map(Err).collect();
    let count = given.len();
    given.insert(0, Ok(accepted));
    let before = SLEEPS.load(Ordering::SeqCst);
    let told = Arc::new(AtomicUsize::new(0));
    let tell = Arc::clone(&told);
    let options = ServerOptions::new().on_error(move |error| {
        assert!(matches!(error, ServerError::Accept { .. }), "{error}");
        tell.fetch_add(1, Ordering::SeqCst);
    });
    let server = Server::<Refusing>::serve(vec![Given::new(given)], answer_lines, &options);
    let mut client = StreamPair::new(client);
    client.writer.write(b"hello\n").unwrap();
    assert_eq!(client.reader.read_line().await.unwrap(), "hello\n");
    assert_eq!(server.statistics().accept_errors, count as u64);
    assert_eq!(told.load(Ordering::SeqCst), count);
    SLEEPS.load(Ordering::SeqCst) - before
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn t46_an_accept_error_of_one_connection_keeps_no_other_waiting() {
    use rustix::io::Errno;

    let of_one = [
        Errno::NETDOWN,
        Errno::PROTO,
        Errno::NOPROTOOPT,
        Errno::HOSTDOWN,
        Errno::NONET,
        Errno::HOSTUNREACH,
        Errno::OPNOTSUPP,
        Errno::NETUNREACH,
        Errno::PERM,
        Errno::CONNABORTED,
        Errno::INTR,
    ];
    let errors = || of_one.iter().map(|&errno| io::Error::from(errno));
    assert_eq!(sleeps_over(errors()).await, 0);
    let of_all = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    assert_eq!(sleeps_over(of_all.map(io::Error::from)).await, 4);
    // Where no other ever succeeds, it is none of one connection's.
    let without_end = (0..32).flat_map(|_| errors());
    assert_eq!(sleeps_over(without_end).await, of_one.len());
}

#[tokio::test]
async fn addresses_that_this_machine_does_not_have_are_left_out() {
    // Kept for documentation (RFC 5737): nobody has it.
    const NOWHERE: &str = "192.0.2.1";
    async fn start(hosts: &[&str], port: u16) -> io::Result<Server<Tokio>> {
        Server::start(answer_lines, hosts, port, &ServerOptions::new()).await
    }
    let server = start(&[NOWHERE, "127.0.0.1"], 0).await.unwrap();
    let [address] = server.local_addrs() else {
        panic!("{:?}", server.local_addrs());
    };
    assert!(address.ip().is_loopback());

    let error = start(&[NOWHERE], 0).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    assert!(error.to_string().contains(NOWHERE), "{error}");
    // One that is taken is another matter.
    let error = start(&["::1", "127.0.0.1"], address.port()).await;
    assert_eq!(error.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    let error = start(&[], 0).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

/// What `on_error` was told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn options(&self) -> ServerOptions {
        let told = Arc::clone(&self.0);
        ServerOptions::new().on_error(move |error| {
            let text = match error {
                ServerError::Accept { error, .. } => format!("accept: {:?}", error.kind()),
                ServerError::Unsent { lost, .. } => format!("unsent: {:?}", lost.kind),
                other => other.to_string(),
            };
            told.lock().unwrap().push(text);
        })
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[tokio::test]
async fn what_is_told_says_whose_handler_it_was() {
    let told = Told::default();
    let options = told.options();
    let (client, accepted) = duplex(10);
    let given = Given::new(vec![Ok(accepted)]);
    let refuse = async |_, _| Err::<(), _>("not today");
    let server = Server::<Tokio>::serve(vec![given], refuse, &options);
    let mut client = StreamPair::new(client);
    assert!(client.reader.read_line().await.unwrap().is_empty());
    drop(server);

    let panics = async |_, _| -> () { panic!("as it was told to") };
    let server = Server::<Tokio>::start(panics, &["127.0.0.1"], 0, &options);
    let server = server.await.unwrap();
    let client = tokio::net::TcpStream::connect(server.local_addrs()[0]).await;
    let mut client = StreamPair::new(client.unwrap());
    let peer = client.reader.local_addr().unwrap();
    assert!(client.reader.read_line().await.is_err(), "no clean end");
    let expected = [
        "the handler failed: not today".to_owned(),
        format!("the handler for {peer} panicked"),
    ];
    assert_eq!(told.take(), expected);
}

#[tokio::test]
async fn a_server_whose_tasks_cannot_be_started_does_not_start() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let plain = ServerOptions::new();
    let idle = ServerOptions::new().idle_timeout(Duration::from_secs(1));
    for (options, tasks) in [(&plain, 0), (&plain, 1), (&idle, 0), (&idle, 1), (&idle, 2)] {
        let _refused = Refused::behind(tasks);
        let hosts = ["127.0.0.1", "127.0.0.2"];
        let started = Server::<Refusing>::start(answer_lines, &hosts, port, options).await;
        let error = started.expect_err("a task was refused");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let refused = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused, "{tasks}");
    }
}

#[tokio::test]
async fn a_server_that_cannot_accept_is_closed_and_says_so() {
    let idle_timeout = Duration::from_secs(1);
    for (idle, tasks) in [(false, 0), (true, 0), (true, 1)] {
        let _refused = Refused::behind(tasks);
        let told = Told::default();
        let options = if idle {
            told.options().idle_timeout(idle_timeout)
        } else {
            told.options()
        };
        let listeners = vec![Given::<DuplexStream>::new(Vec::new())];
        let server = Server::<Refusing>::serve(listeners, answer_lines, &options);
        assert!(!server.is_serving());
        server.wait_closed().await;
        assert_eq!(told.take(), ["accept: WouldBlock"]);
        assert_eq!(server.statistics().accept_errors, 1);
    }
}

#[tokio::test]
async fn a_connection_that_nobody_serves_ends_in_a_loss_and_holds_up_no_shutdown() {
    let _refused = Refused::behind(1);
    SLEEPS_END.set(false);
    let (client, accepted) = duplex(100);
    let given = Given::new(vec![Ok(accepted)]);
    let told = Told::default();
    let address = given.listener.local_addr().unwrap();
    let server = Server::<Refusing>::serve(vec![given], answer_lines, &told.options());
    let mut client = StreamPair::new(client);
    let lost = client.reader.read_line().await.map(|line| line.to_vec());
    assert!(matches!(lost, Err(Error::ConnectionLost(_))), "{lost:?}");
    assert_eq!(told.take(), ["accept: WouldBlock"]);
    // It waits to accept again, for ever here, unless it is closed.
    let shutdown = server.shutdown(Duration::from_secs(1));
    let shutdown = tokio::time::timeout(Duration::from_secs(20), shutdown).await;
    assert_eq!(shutdown.expect("it is closed").aborted, 0);
    let refused = std::net::TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
}

/// The same of a server of connections.
#[tokio::test]
async fn a_connection_whose_task_cannot_be_started_ends_in_a_loss() {
    let _refused = Refused::behind(1);
    let (client, accepted) = duplex(100);
    let given = Given::new(vec![Ok(accepted)]);
    let told = Told::default();
    let handler = async |_: Connection<DuplexStream>| {};
    let server = Server::<Refusing>::serve_connections(vec![given], handler, &told.options());
    let mut client = Connection::new(client);
    let ended = client
        .turn()
        .await
        .map(|turn| turn.reader.connection_error());
    assert_eq!(ended, Some(Some(ConnectionError::Reset)));
    assert_eq!(told.take(), ["accept: WouldBlock"]);
    assert_eq!(server.connections(), 0);
}

/// What a handler that returns no error does behind its answer, and its peer meanwhile.
#[derive(Clone, Copy, Debug)]
enum Ending {
    /// The peer takes it.
    Taken,
    /// The peer stays, and takes nothing.
    Ignored,
    /// The peer is gone once some of it has arrived.
    Gone,
    /// A read of the handler finds that the peer is gone.
    GoneBeforeTheEnd,
    /// The handler aborts.
    Aborted,
    /// Everything has left, and then the peer resets the connection.
    GoneAfterwards,
    /// The server is shut down meanwhile.
    ShutDown,
}

#[tokio::test]
async fn an_answer_that_is_lost_after_its_handler_has_returned_is_told() {
    let none: &[&str] = &[];
    for (ending, expected) in [
        (Ending::Taken, none),
        (Ending::Ignored, &["unsent: TimedOut"]),
        (Ending::Gone, &["unsent: BrokenPipe"]),
        (Ending::GoneBeforeTheEnd, &["unsent: BrokenPipe"]),
        (Ending::Aborted, none),
        (Ending::GoneAfterwards, none),
        (Ending::ShutDown, &["unsent: Aborted"]),
    ] {
        let handler = move |mut reader: StreamReader<DuplexStream>,
                            mut writer: StreamWriter<DuplexStream>| async move {
            writer.write(&[b'x'; 100]).unwrap();
            match ending {
                Ending::GoneBeforeTheEnd => {
                    // That it is gone shows when the answer is sent, not to the read.
                    let _ = reader.read_line().await;
                }
                Ending::Aborted => writer.abort(),
                Ending::GoneAfterwards => {
                    writer.flush().await.unwrap();
                    let _ = reader.read_line().await;
                }
                _ => {}
            }
        };
        let (client, accepted) = duplex(10);
        let told = Told::default();
        let close_timeout = match ending {
            Ending::Ignored => Duration::from_millis(20),
            _ => Duration::from_secs(20),
        };
        let options = told.options().close_timeout(close_timeout);
        let given = Given::new(vec![Ok(accepted)]);
        let server = Server::<Tokio>::serve(vec![given], handler, &options);
        let mut client = StreamPair::new(client);
        let sent = match ending {
            Ending::Taken => client.reader.read_to_end(100).await.unwrap().len(),
            Ending::GoneAfterwards => client.reader.read_exact(100).await.unwrap().len(),
            _ => client.reader.read(10).await.map_or(0, |part| part.len()),
        };
        let stays = matches!(ending, Ending::Ignored | Ending::Aborted | Ending::ShutDown);
        if matches!(ending, Ending::GoneAfterwards) {
            client.writer.abort();
        }
        let _kept = stays.then_some(client);
        // A read must find that the peer is gone, and not that the server is.
        while !stays && server.connections() > 0 {
            tokio::task::yield_now().await;
        }
        let limit = match ending {
            Ending::ShutDown => Duration::from_millis(20),
            _ => Duration::from_secs(20),
        };
        let aborted = server.shutdown(limit).await.aborted;
        let expected_aborts = usize::from(matches!(ending, Ending::ShutDown));
        assert_eq!(aborted, expected_aborts, "{ending:?}");
        while server.connections() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(told.take(), expected, "{ending:?}, {sent} sent");
        let unsent = server.statistics().unsent;
        assert_eq!(unsent, expected.len() as u64, "{ending:?}");
    }
}

#[test]
#[should_panic(expected = "a server for no connections")]
fn a_server_for_no_connections_is_a_mistake() {
    let _ = ServerOptions::new().max_connections(0);
}

/// By tokio's clock, which here goes as fast as it can.
#[tokio::test(start_paused = true)]
async fn what_a_peer_still_sends_is_dropped_up_to_so_much_and_so_long() {
    const MOST: usize = 16 * 1024 * 1024;
    const PIECE: usize = 4096;
    for (sends, closes) in [(true, false), (false, false), (false, true)] {
        let (client, accepted) = duplex(PIECE);
        let given = Given::new(vec![Ok(Timed(accepted))]);
        let handler = async |_, mut writer: StreamWriter<Timed>| writer.write(b"bye");
        let server = Server::<Tokio>::serve(vec![given], handler, &ServerOptions::new());
        let mut client = StreamPair::new(client);
        assert_eq!(client.reader.read_to_end(3).await.unwrap(), "bye");
        let mut dropped = 0;
        while sends && dropped < 2 * MOST {
            client.writer.write(&[b'x'; PIECE]).unwrap();
            if client.writer.flush().await.is_err() {
                break;
            }
            dropped += PIECE;
        }
        if sends {
            // A piece more shows that it is enough, and one may be on its way.
            let most = MOST + 2 * PIECE;
            assert!((MOST..=most).contains(&dropped), "{dropped}");
            continue;
        }
        assert_eq!(server.connections(), 0, "it only lingers");
        if closes {
            let shutdown = server.shutdown(Duration::from_secs(1)).await;
            assert_eq!((shutdown.aborted, shutdown.lingering), (0, 1));
        }
        // A word keeps it for as long again.
        for (seconds, is_there) in [(0, !closes), (1, !closes), (2, !closes), (5, false)] {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            let sent = match client.writer.write(b"still here") {
                Ok(()) => client.writer.flush().await,
                lost => lost,
            };
            assert_eq!(sent.is_ok(), is_there, "{seconds} more, {closes}");
        }
    }
}

/// A connection on whose other side nobody is, and whose reads are interrupted without end.
struct Endless;

impl ReadHalf for Endless {
    fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Interrupted.into()))
    }
}

#[tokio::test]
async fn a_connection_that_is_interrupted_without_end_is_closed_all_the_same() {
    let accepted = || Ok(Join::new(Endless, FromWrite(io::sink())));
    let given = Given::new(vec![accepted(), accepted()]);
    let options = ServerOptions::new().max_connections(1);
    let server = Server::<Tokio>::serve(vec![given], async |_, _| {}, &options);
    while server.statistics().accepted < 2 {
        tokio::task::yield_now().await;
    }
}

/// Takes nothing, or takes everything and passes nothing on.
struct Stuck {
    takes: bool,
}

impl WriteHalf for Stuck {
    fn poll_write(&mut self, _: &mut Context<'_>, data: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.takes {
            Poll::Ready(Ok(data.iter().map(|slice| slice.len()).sum()))
        } else {
            Poll::Pending
        }
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn an_answer_is_unsent_until_all_of_it_was_taken_and_passed_on() {
    for takes in [false, true] {
        let accepted = Join::new(Endless, Stuck { takes });
        let told = Told::default();
        let options = told.options().close_timeout(Duration::from_millis(5));
        let answers = async |_, mut writer: StreamWriter<_>| writer.write(b"answer");
        let given = Given::new(vec![Ok(accepted)]);
        let server = Server::<Tokio>::serve(vec![given], answers, &options);
        while server.statistics().unsent == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(told.take(), ["unsent: TimedOut"], "{takes}");
    }
}

#[tokio::test]
async fn a_flood_of_connections_leaves_others_their_turn() {
    let (_clients, accepted): (Vec<_>, Vec<_>) = (0..100).map(|_| duplex(10)).unzip();
    let given = Given::new(accepted.into_iter().map(Ok).collect());
    let server = Server::<Tokio>::serve(vec![given], answer_lines, &ServerOptions::new());
    let server = Arc::new(server);
    let neighbour = {
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            let (mut turns, mut before) = (0, 0);
            while before < 100 {
                let accepted = server.statistics().accepted;
                assert!(accepted - before <= 32, "{accepted} behind {before}");
                before = accepted;
                turns += 1;
                yielded().await;
            }
            turns
        })
    };
    assert!(neighbour.await.unwrap() >= 4);
}

/// By tokio's clock, which here goes as fast as it can.
#[tokio::test(start_paused = true)]
async fn t50_a_shutdown_is_back_at_its_deadline_to_the_millisecond() {
    let limit = Duration::from_millis(1234);
    // The connection of one that has ended lingers, for longer than that.
    for ends in [true, false] {
        let handler = move |_, mut writer: StreamWriter<Timed>| async move {
            writer.write(b"!").unwrap();
            writer.drain().await.unwrap();
            if !ends {
                std::future::pending::<()>().await;
            }
        };
        // A client that does not end its side, for which a connection lingers.
        let (client, accepted) = duplex(10);
        let given = Given::new(vec![Ok(Timed(accepted))]);
        let server = Server::<Tokio>::serve(vec![given], handler, &ServerOptions::new());
        let mut client = StreamPair::new(client);
        assert_eq!(client.reader.read_exact(1).await.unwrap(), "!");
        let began = tokio::time::Instant::now();
        let shutdown = server.shutdown(limit).await;
        let took = began.elapsed();
        assert_eq!(shutdown.aborted, usize::from(!ends));
        assert_eq!(shutdown.lingering, usize::from(ends));
        // The clock has millisecond ticks.
        assert!(
            took >= limit && took <= limit + Duration::from_millis(1),
            "{took:?}"
        );
    }
}

#[tokio::test]
async fn a_server_shows_what_it_does() {
    let options = ServerOptions::new();
    let server = Server::<Tokio>::start(answer_lines, &["127.0.0.1"], 0, &options);
    let server = server.await.unwrap();
    let shown = format!("{server:?}");
    for part in [
        "local_addrs: [127.0.0.1:",
        "phase: Serving",
        "connections: 0",
        "accepted: 0",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}

#[tokio::test]
async fn a_server_that_is_full_can_be_closed() {
    let (client, accepted) = duplex(10);
    let given = Given::new(vec![Ok(accepted)]);
    let address = given.listener.local_addr().unwrap();
    let options = ServerOptions::new().max_connections(1);
    let server = Server::<Tokio>::serve(vec![given], answer_lines, &options);
    while server.connections() == 0 {
        tokio::task::yield_now().await;
    }
    server.close();
    for _ in 0..1000 {
        if std::net::TcpStream::connect(address).is_err() {
            drop(client);
            return server.wait_closed().await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it listens still");
}

/// By tokio's clock, which here goes as fast as it can.
#[tokio::test(start_paused = true)]
async fn t49_an_idle_connection_is_given_up_within_a_quarter_more_of_its_time() {
    let limit = Duration::from_secs(600);
    let since_last_move = Arc::new(Mutex::new(Vec::new()));
    let measured = Arc::clone(&since_last_move);
    let handler = move |mut reader: StreamReader<DuplexStream>,
                        writer: StreamWriter<DuplexStream>| {
        let measured = Arc::clone(&measured);
        async move {
            let mut last_move = tokio::time::Instant::now();
            let lost = loop {
                match reader.read(1).await {
                    Ok(byte) => assert_eq!(*byte, *b"."),
                    Err(error) => break error,
                }
                last_move = tokio::time::Instant::now();
            };
            assert!(
                matches!(lost, Error::ConnectionLost(lost) if lost.kind == ConnectionError::TimedOut)
            );
            measured.lock().unwrap().push(last_move.elapsed());
            drop(writer);
        }
    };
    let (clients, accepted): (Vec<_>, Vec<_>) = (0..10).map(|_| duplex(100)).unzip();
    let given = Given::new(accepted.into_iter().rev().map(Ok).collect());
    let options = ServerOptions::new().idle_timeout(limit);
    let server = Server::<Tokio>::serve(vec![given], handler, &options);
    let talking = clients
        .into_iter()
        .enumerate()
        .map(|(number, client)| async move {
            let mut client = StreamPair::new(client);
            for _ in 0..5 * number {
                // Longer than from one look to the next, shorter than the limit.
                tokio::time::sleep(limit * (number as u32 + 10) / 20).await;
                client.writer.write(b".").unwrap();
                client.writer.drain().await.unwrap();
            }
            assert!(client.reader.read_line().await.is_err(), "given up");
        });
    let talking: Vec<_> = talking.map(tokio::spawn).collect();
    for client in talking {
        client.await.unwrap();
    }
    while server.connections() > 0 {
        tokio::task::yield_now().await;
    }
    let since_last_move = since_last_move.lock().unwrap();
    assert_eq!(since_last_move.len(), 10);
    let slack = Duration::from_millis(10);
    for time in &*since_last_move {
        assert!(
            *time + slack >= limit && *time <= limit * 5 / 4 + slack,
            "{time:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn to_ask_a_peer_again_and_again_does_not_keep_it() {
    let limit = Duration::from_secs(600);
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let handler = move |mut reader: StreamReader<DuplexStream>,
                        mut writer: StreamWriter<DuplexStream>| {
        let counted = Arc::clone(&counted);
        async move {
            writer.write(&[b'x'; 100]).unwrap();
            // Twice as long as it may take.
            for _ in 0..25 {
                let moment = Duration::from_nanos(1);
                let drained = tokio::time::timeout(moment, writer.drain()).await;
                let read = tokio::time::timeout(moment, reader.read_line()).await;
                if drained.is_ok() || read.is_ok() {
                    return;
                }
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(limit / 10).await;
            }
        }
    };
    let (client, accepted) = duplex(10);
    let given = Given::new(vec![Ok(accepted)]);
    let options = ServerOptions::new().idle_timeout(limit);
    let server = Server::<Tokio>::serve(vec![given], handler, &options);
    while server.connections() == 0 {
        tokio::task::yield_now().await;
    }
    server.close();
    server.wait_closed().await;
    let tries = tries.load(Ordering::Relaxed);
    assert!((10..=14).contains(&tries), "{tries}");
    drop(client);
}

#[test]
#[should_panic(expected = "an idle timeout of no time")]
fn an_idle_timeout_of_no_time_is_a_mistake() {
    let _ = ServerOptions::new().idle_timeout(Duration::ZERO);
}

/// Looks whether an error names the path, and has the system's as its source.
#[track_caller]
fn check_names(path: &Path, error: io::Error, errno: rustix::io::Errno) {
    let system = io::Error::from(errno);
    let text = format!("cannot connect to {}: {system}", path.display());
    assert_eq!((error.to_string(), error.kind()), (text, system.kind()));
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref());
    let source: &io::Error = source.expect("the system's error");
    assert_eq!(source.raw_os_error(), Some(errno.raw_os_error()));
}

/// Listens on a path, accepts none, and connects as often as there is room.
fn fill(path: &Path) -> Vec<socket2::Socket> {
    let address = socket2::SockAddr::unix(path).unwrap();
    let socket =
        || socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    let listener = socket();
    listener.bind(&address).unwrap();
    listener.listen(1).unwrap();
    let mut sockets = vec![listener];
    for _ in 0..10 {
        let client = socket();
        client.set_nonblocking(true).unwrap();
        if client.connect(&address).is_err() {
            return sockets;
        }
        sockets.push(client);
    }
    panic!("more connections than asked for");
}

/// asyncio's functions for Unix sockets, with the defaults and with options.
macro_rules! unix_face {
    ($runtime:ident, $feature:literal, $type:ident, $block_on:expr) => {
        #[cfg(feature = $feature)]
        #[test]
        fn $runtime() {
            use plimsoll_io::{StreamOptions, $runtime as on};

            let folder = Folder::new(stringify!($runtime));
            let path = folder.0.join("socket");
            $block_on(async {
                let server = on::start_unix_server(answer_lines, &path).await.unwrap();
                let (mut reader, mut writer) = on::open_unix_connection(&path).await.unwrap();
                writer.write(b"hello\n").unwrap();
                assert_eq!(reader.read_line().await.unwrap(), "hello\n");
                drop((reader, writer));
                server.close();

                let limits = StreamOptions::new().limit(3);
                let options = ServerOptions::new().streams(limits.clone());
                let server = on::Server::start_unix(answer_lines, &path, &options);
                let server = server.await.unwrap();
                let client = ConnectOptions::new().streams(limits);
                let client = client.open_unix_connection::<on::$type>(&path);
                let (mut reader, mut writer) = client.await.unwrap();
                writer.write(b"abc\nabcd\n").unwrap();
                assert_eq!(reader.read_line().await.unwrap(), "abc\n");
                assert!(reader.read_line().await.unwrap().is_empty());
                server.close();

                let missing = folder.0.join("missing");
                let error = on::open_unix_connection(&missing).await.unwrap_err();
                check_names(&missing, error, rustix::io::Errno::NOENT);
                if cfg!(target_os = "linux") {
                    let full = folder.0.join("full");
                    let _sockets = fill(&full);
                    let error = on::open_unix_connection(&full).await.unwrap_err();
                    check_names(&full, error, rustix::io::Errno::AGAIN);
                    std::fs::remove_file(full).unwrap();
                }
            });
            assert_eq!(folder.files(), 0);
        }
    };
}

unix_face!(tokio, "tokio", Tokio, |program| {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(program)
});
unix_face!(async_std, "async-std", AsyncStd, async_std::task::block_on);
unix_face!(smol, "smol", Smol, smol::block_on);
