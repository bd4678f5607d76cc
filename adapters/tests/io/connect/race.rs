//! The race for a connection: who is polled, how often, and who is given up.
#![cfg(all(target_os = "linux", feature = "tokio"))]

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use plimsoll_io::tokio::Tokio;
use plimsoll_io::{Clock, ConnectOptions, Runtime, Sleep};

/// tokio, but that a name has two addresses, the first of which never answers, and the second takes its time.
struct TwoAddresses;

/// An attempt that never ends.
struct Silent;

thread_local! {
    static ATTEMPTS: Cell<usize> = const { Cell::new(0) };
    static POLLS: Cell<usize> = const { Cell::new(0) };
    /// How many attempts had begun when the first was given up.
    static GIVEN_UP: Cell<Option<usize>> = const { Cell::new(None) };
}

/// How long the second attempt takes.
const SECOND: Duration = Duration::from_millis(600);

impl Future for Silent {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        POLLS.set(POLLS.get() + 1);
        Poll::Pending
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        GIVEN_UP.set(Some(ATTEMPTS.get()));
    }
}

impl Clock for TwoAddresses {
    fn sleep(duration: Duration) -> Sleep {
        Tokio::sleep(duration)
    }

    fn now() -> Instant {
        Tokio::now()
    }
}

impl Runtime for TwoAddresses {
    type Tcp = <Tokio as Runtime>::Tcp;
    type TcpListener = <Tokio as Runtime>::TcpListener;
    type Unix = <Tokio as Runtime>::Unix;
    type UnixListener = <Tokio as Runtime>::UnixListener;

    fn resolve(
        _: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        let addresses = [[127, 0, 0, 1], [127, 0, 0, 2]];
        std::future::ready(Ok(addresses.map(|ip| (ip, port).into()).into()))
    }

    async fn connect(socket: std::net::TcpStream, address: SocketAddr) -> io::Result<Self::Tcp> {
        ATTEMPTS.set(ATTEMPTS.get() + 1);
        if ATTEMPTS.get() == 1 {
            Silent.await;
        }
        tokio::time::sleep(SECOND).await;
        Tokio::connect(socket, address).await
    }

    fn connect_unix(path: &Path) -> impl Future<Output = io::Result<Self::Unix>> + Send + 'static {
        Tokio::connect_unix(path)
    }

    fn tcp_listener(listener: std::net::TcpListener) -> io::Result<Self::TcpListener> {
        Tokio::tcp_listener(listener)
    }

    fn unix_listener(listener: std::os::unix::net::UnixListener) -> io::Result<Self::UnixListener> {
        Tokio::unix_listener(listener)
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        Tokio::spawn(task)
    }
}

/// Opens a connection; what came of it, how many attempts there were, and how many when the first was given up.
async fn open(
    port: u16,
    delay: u64,
    timeout: u64,
) -> (io::Result<SocketAddr>, usize, Option<usize>) {
    ATTEMPTS.set(0);
    POLLS.set(0);
    GIVEN_UP.set(None);
    let options = ConnectOptions::new()
        .attempt_delay(Some(Duration::from_millis(delay)))
        .attempt_timeout(Duration::from_millis(timeout));
    let opened = options.open_connection::<TwoAddresses>("two", port).await;
    assert!(POLLS.get() <= 20, "{} polls: it spins", POLLS.get());
    let peer = opened.map(|(reader, _)| reader.peer_addr().unwrap());
    (
        peer.map_err(io::Error::from),
        ATTEMPTS.get(),
        GIVEN_UP.get(),
    )
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_given_up_and_the_other_goes_on() {
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (failed, attempts, given_up) = open(port, 20, 100).await;
    assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!((attempts, given_up), (2, Some(2)));
    // The first has had its time, and the second has some left.
    let (peer, attempts, given_up) = open(port, 400, 800).await;
    assert_eq!(peer.unwrap(), ([127, 0, 0, 2], port).into());
    assert_eq!((attempts, given_up), (2, Some(2)));
}
