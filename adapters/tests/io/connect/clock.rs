//! Time while connecting is the runtime's own: a test may pause it, and every timeout fires once.
#![cfg(all(feature = "tokio", feature = "smol", feature = "blocking"))]

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use plimsoll_io::blocking::{Blocking, block_on};
use plimsoll_io::smol::Smol;
use plimsoll_io::tokio::Tokio;
use plimsoll_io::{
    Clock, ConnectError, ConnectOptions, Error, Runtime, Server, ServerOptions, Sleep, StreamPair,
    StreamReader, StreamWriter,
};

const TOTAL: Duration = Duration::from_secs(3);

fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Opens a connection; what came of it, and how much time has passed by the runtime's clock.
async fn open<R: Runtime>(
    host: &str,
    port: u16,
    options: &ConnectOptions,
) -> (Result<(), ConnectError>, Duration) {
    let start = R::now();
    let opened = options.open_connection::<R>(host, port).await;
    (opened.map(drop), R::now() - start)
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_does_not_run_away() {
    connect_by_a_paused_clock().await;
    // tokio advances its clock whenever no task runs, and wakes the main one in another way.
    tokio::spawn(connect_by_a_paused_clock()).await.unwrap();
}

async fn connect_by_a_paused_clock() {
    let (_listener, port) = listen();
    for _ in 0..20 {
        let options = ConnectOptions::new().total_timeout(TOTAL);
        let (opened, elapsed) = open::<Tokio>("127.0.0.1", port, &options).await;
        opened.unwrap();
        assert!(elapsed <= TOTAL, "{elapsed:?}");
        let options = ConnectOptions::new().attempt_timeout(TOTAL);
        let (opened, elapsed) = open::<Tokio>("localhost", port, &options).await;
        opened.unwrap();
        assert!(elapsed <= TOTAL, "{elapsed:?}");
    }
}

thread_local! {
    static SLEEPS: Cell<usize> = const { Cell::new(0) };
}

/// A runtime whose connections never come to be, and that counts its sleeps.
struct Silent<R>(R);

impl<R: Runtime> Clock for Silent<R> {
    fn sleep(duration: Duration) -> Sleep {
        SLEEPS.set(SLEEPS.get() + 1);
        R::sleep(duration)
    }

    fn now() -> Instant {
        R::now()
    }
}

impl<R: Runtime> Runtime for Silent<R> {
    type Tcp = R::Tcp;
    type TcpListener = R::TcpListener;
    #[cfg(unix)]
    type Unix = R::Unix;
    #[cfg(unix)]
    type UnixListener = R::UnixListener;

    fn resolve(
        _: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        let addresses = [1, 2].map(|last| ([127, 0, 0, last], port).into());
        std::future::ready(Ok(addresses.into()))
    }

    fn connect(
        _: TcpStream,
        _: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Tcp>> + Send + 'static {
        std::future::pending()
    }

    #[cfg(unix)]
    fn connect_unix(path: &Path) -> impl Future<Output = io::Result<Self::Unix>> + Send + 'static {
        R::connect_unix(path)
    }

    fn tcp_listener(listener: TcpListener) -> io::Result<Self::TcpListener> {
        R::tcp_listener(listener)
    }

    #[cfg(unix)]
    fn unix_listener(listener: std::os::unix::net::UnixListener) -> io::Result<Self::UnixListener> {
        R::unix_listener(listener)
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        R::spawn(task)
    }
}

/// Fails to connect to two addresses, by timeouts in units of `unit`.
async fn every_timeout_fires_once<R: Runtime>(unit: Duration) {
    let cases = [
        // The name, the delay, the total.
        (
            ConnectOptions::new()
                .attempt_delay(Some(unit))
                .total_timeout(4 * unit),
            3,
            4,
        ),
        // The delay, the first attempt, the second.
        (
            ConnectOptions::new()
                .attempt_delay(Some(unit))
                .attempt_timeout(3 * unit),
            3,
            4,
        ),
        // One attempt after the other.
        (
            ConnectOptions::new()
                .attempt_delay(None)
                .attempt_timeout(2 * unit),
            2,
            4,
        ),
    ];
    for (options, sleeps, units) in cases {
        SLEEPS.set(0);
        let (opened, elapsed) = open::<Silent<R>>("two", 1, &options).await;
        assert_eq!(opened.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(elapsed >= units * unit, "{elapsed:?}");
        assert_eq!(SLEEPS.get(), sleeps, "{options:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_timeout_fires_once_by_a_paused_clock() {
    let start = Tokio::now();
    every_timeout_fires_once::<Tokio>(Duration::from_secs(1)).await;
    let elapsed = Tokio::now() - start;
    assert!(elapsed <= Duration::from_millis(12_100), "{elapsed:?}");
}

#[test]
fn every_timeout_fires_once_by_other_clocks() {
    let unit = Duration::from_millis(30);
    smol::block_on(every_timeout_fires_once::<Smol>(unit));
    block_on(every_timeout_fires_once::<Blocking>(unit));
}

/// How much later than its limit something may end by a paused clock: tokio's has milliseconds.
const LATE: Duration = Duration::from_millis(10);

/// A connection of a server whose handler neither ends nor reads.
async fn served(options: &ServerOptions) -> (Server<Tokio>, TcpStream) {
    let handler = async |_: StreamReader<_>, mut writer: StreamWriter<_>| {
        writer.write(b"+")?;
        writer.flush().await?;
        std::future::pending::<()>().await;
        Ok::<(), Error>(())
    };
    let server = Server::<Tokio>::start(handler, &["127.0.0.1"], 0, options);
    let server = server.await.unwrap();
    let mut peer = TcpStream::connect(server.local_addrs()[0]).unwrap();
    peer.set_nonblocking(true).unwrap();
    while io::Read::read(&mut peer, &mut [0]).is_err() {
        tokio::task::yield_now().await;
    }
    (server, peer)
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_takes_its_limit_by_a_paused_clock() {
    let (server, _peer) = served(&ServerOptions::new()).await;
    let start = Tokio::now();
    assert_eq!(server.shutdown(TOTAL).await.aborted, 1);
    let elapsed = Tokio::now() - start;
    assert!(elapsed >= TOTAL && elapsed <= TOTAL + LATE, "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_close_takes_its_limit_by_a_paused_clock() {
    let (listener, _) = listen();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut stream = StreamPair::new(tokio::net::TcpStream::from_std(socket).unwrap());
    stream.writer.set_max_pending(usize::MAX);
    // More than any socket's buffers take.
    stream.writer.write(&vec![b'x'; 32 << 20]).unwrap();
    let start = Tokio::now();
    assert!(stream.writer.close_timeout(TOTAL).await.is_err());
    let elapsed = Tokio::now() - start;
    assert!(elapsed >= TOTAL && elapsed <= TOTAL + LATE, "{elapsed:?}");
}
