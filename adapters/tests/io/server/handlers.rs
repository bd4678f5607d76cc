//! What a server does to the handlers that wait, counted.
#![cfg(all(feature = "smol", feature = "blocking"))]

use std::future::pending;
use std::io::Read;
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use plimsoll_io::blocking::block_on;
use plimsoll_io::smol::{Server, Smol, StreamReader, StreamWriter, start_server};
use plimsoll_io::{Connection, Runtime, ServerError, ServerOptions};

const CLIENTS: usize = 64;

/// What became of the handlers of a server.
#[derive(Default)]
struct Counts {
    polls: AtomicUsize,
    dropped: AtomicUsize,
}

/// A handler that waits for ever, and for nothing.
struct Idle(Arc<Counts>);

impl Future for Idle {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        self.0.polls.fetch_add(1, Ordering::SeqCst);
        Poll::Pending
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

/// A server, its clients, and what is counted of its handlers, each of which was polled.
fn idle_server() -> (Server, Vec<TcpStream>, Arc<Counts>) {
    let counts = Arc::new(Counts::default());
    let counting = Arc::clone(&counts);
    let handler = move |reader: StreamReader, writer: StreamWriter| {
        let idle = Idle(Arc::clone(&counting));
        async move {
            idle.await;
            pending::<()>().await;
            drop((reader, writer));
        }
    };
    let server = block_on(start_server(handler, "127.0.0.1", 0)).unwrap();
    let address = server.local_addrs()[0];
    let clients = (1..=CLIENTS).map(|count| {
        let client = TcpStream::connect(address).unwrap();
        wait_until(|| counts.polls.load(Ordering::SeqCst) >= count);
        client
    });
    let clients = clients.collect();
    (server, clients, counts)
}

fn wait_until(reached: impl Fn() -> bool) {
    let began = Instant::now();
    while !reached() {
        assert!(began.elapsed() < Duration::from_secs(20), "it never comes");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_handler_that_waits_is_not_woken_by_other_connections() {
    let (server, clients, counts) = idle_server();
    wait_until(|| server.connections() == CLIENTS);
    assert_eq!(counts.polls.load(Ordering::SeqCst), CLIENTS);
    drop(clients);
}

#[test]
fn at_the_deadline_every_handler_that_waits_is_dropped() {
    let (server, clients, counts) = idle_server();
    let shutdown = block_on(server.shutdown(Duration::from_millis(20)));
    assert_eq!(shutdown.aborted, CLIENTS);
    wait_until(|| counts.dropped.load(Ordering::SeqCst) == CLIENTS);
    wait_until(|| server.connections() == 0);
    drop(clients);
}

/// What panics when its handler is dropped.
struct Fragile;

impl Drop for Fragile {
    fn drop(&mut self) {
        panic!("where it waits");
    }
}

/// A handler that panics while it is dropped has panicked like any other.
#[test]
fn a_handler_that_panics_at_the_deadline_is_counted() {
    let told = Arc::new(AtomicUsize::new(0));
    let tell = Arc::clone(&told);
    let options = ServerOptions::new().on_error(move |error| {
        assert!(matches!(error, ServerError::Panicked { .. }), "{error:?}");
        tell.fetch_add(1, Ordering::SeqCst);
    });
    let of_pairs = |reader: StreamReader, writer: StreamWriter| async move {
        let _fragile = Fragile;
        pending::<()>().await;
        drop((reader, writer));
    };
    let of_connections = |connection: Connection<<Smol as Runtime>::Tcp>| async move {
        let _fragile = Fragile;
        pending::<()>().await;
        drop(connection);
    };
    let servers = block_on(async {
        let one = Server::start(of_pairs, &["127.0.0.1"], 0, &options).await;
        let other = Server::start_connections(of_connections, &["127.0.0.1"], 0, &options).await;
        [one.unwrap(), other.unwrap()]
    });
    for (count, server) in (1..).zip(&servers) {
        let mut client = TcpStream::connect(server.local_addrs()[0]).unwrap();
        wait_until(|| server.connections() == 1);
        thread::sleep(Duration::from_millis(10));
        let shutdown = block_on(server.shutdown(Duration::from_millis(20)));
        assert_eq!(shutdown.aborted, 1);
        wait_until(|| server.connections() == 0);
        block_on(server.wait_closed());
        assert_eq!(server.statistics().panicked, 1);
        assert_eq!(told.load(Ordering::SeqCst), count);
        let received = client.read(&mut [0]);
        assert!(received.is_err(), "no end, but a reset: {received:?}");
    }
}
