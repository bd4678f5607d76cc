//! Shutdowns at random: whatever its clients do, a server ends by its deadline and leaves nothing.
//!
//! One runtime runs at a time, from its making on, since the descriptors are the process's. The
//! seed is fixed. The environment may ask for more of them than the usual few.
#![cfg(all(
    feature = "tokio",
    feature = "async-std",
    feature = "smol",
    feature = "blocking"
))]

use std::future::pending;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use io_test_support::{Case, Random, report, turn};
use plimsoll_io::async_std::AsyncStd;
use plimsoll_io::blocking::Blocking;
use plimsoll_io::smol::Smol;
use plimsoll_io::tokio::Tokio;
use plimsoll_io::{Error, Runtime, Server, ServerOptions, StreamReader, StreamWriter, Transport};

/// How many shutdowns on each runtime, if not the usual number.
const SHUTDOWNS: &str = "PLIMSOLL_TEST_SHUTDOWNS";
const USUALLY: usize = 50;

/// A deadline that is missed by so much is none. A slow machine needs some of it.
const SLACK: Duration = Duration::from_secs(5);
/// The deadline where every handler ends by itself.
const AMPLE: Duration = Duration::from_secs(30);

/// More than any socket's buffers take.
static MUCH: [u8; 12 << 20] = [0; 12 << 20];

/// What a client makes of its handler.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// Waits for a line that does not come.
    Idle,
    /// Works for some milliseconds, and answers.
    Busy,
    /// Panics at the end of its stream.
    Panicking,
    /// Ends at once; the client keeps its side open.
    Lingering,
    /// Waits for a client that does not read.
    Stuck,
    /// Waits for ever, whatever becomes of its connection.
    Deaf,
    /// Does something every millisecond, whatever becomes of its connection.
    Restless,
}

/// Those that end by themselves come first.
const KINDS: [Kind; 7] = [
    Kind::Idle,
    Kind::Busy,
    Kind::Panicking,
    Kind::Lingering,
    Kind::Stuck,
    Kind::Deaf,
    Kind::Restless,
];
const THAT_END: usize = 4;

async fn handler<R: Runtime, T: Transport>(
    mut reader: StreamReader<T>,
    mut writer: StreamWriter<T>,
) -> Result<(), Error> {
    let Some(&kind) = reader.read(1).await?.first() else {
        return Ok(());
    };
    writer.write(&[kind])?;
    writer.drain().await?;
    match KINDS[usize::from(kind)] {
        Kind::Idle => drop(reader.read_line().await?),
        Kind::Busy => {
            R::sleep(Duration::from_millis(20)).await;
            writer.write(b"done")?;
        }
        Kind::Panicking => {
            drop(reader.read_line().await);
            // Without the words that a panic prints.
            std::panic::resume_unwind(Box::new("as the client has asked for"));
        }
        Kind::Lingering => {}
        Kind::Stuck => {
            writer.write_bytes(Bytes::from_static(&MUCH))?;
            writer.drain().await?;
        }
        Kind::Deaf => pending().await,
        Kind::Restless => loop {
            R::sleep(Duration::from_millis(1)).await;
        },
    }
    Ok(())
}

/// Connects, and waits until the handler is what it should be.
fn connect(address: SocketAddr, kind: usize) -> TcpStream {
    let mut client = TcpStream::connect(address).unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    client.write_all(&[kind as u8]).unwrap();
    let mut answer = [0];
    client.read_exact(&mut answer).unwrap();
    client
}

/// Whether nobody listens there. A socket may be connected to itself.
fn is_closed(address: SocketAddr) -> bool {
    match TcpStream::connect(address) {
        Ok(client) => client.local_addr().ok() == Some(address),
        Err(_) => true,
    }
}

/// How many descriptors this process has; zero where that cannot be known.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// Waits, within reason, until something holds.
async fn eventually<R: Runtime>(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..2000 {
        if holds() {
            return;
        }
        R::sleep(Duration::from_millis(5)).await;
    }
    panic!("not after ten seconds: {what}");
}

/// One server, its clients, and its end. Returns how many clients there were, how many were
/// aborted, and how late it was back.
async fn a_shutdown<R: Runtime>(mut random: Random) -> (usize, usize, Duration) {
    // No client ends its side before the server has.
    let options = ServerOptions::new().linger_timeout(Duration::from_millis(20));
    let server = Server::<R>::start(handler::<R, R::Tcp>, &["127.0.0.1"], 0, &options)
        .await
        .unwrap();
    let address = server.local_addrs()[0];

    let kinds = match random.below(3) {
        0 => THAT_END,
        _ => KINDS.len(),
    };
    let mut clients: Vec<(Kind, TcpStream)> = (0..random.below(12))
        .map(|_| random.below(kinds))
        .map(|kind| (KINDS[kind], connect(address, kind)))
        .collect();
    let endless = clients
        .iter()
        .filter(|(kind, _)| KINDS[THAT_END..].contains(kind))
        .count();
    let limit = match endless {
        0 => AMPLE,
        _ => Duration::from_millis([0, 1, 10, 30][random.below(4)]),
    };

    // Others connect meanwhile, and say nothing.
    let enough = Arc::new(AtomicBool::new(random.below(2) == 0));
    let connecting = {
        let enough = Arc::clone(&enough);
        thread::spawn(move || {
            let mut connected = Vec::new();
            while !enough.load(Ordering::Relaxed) && connected.len() < 50 {
                connected.extend(TcpStream::connect(address));
            }
            connected
        })
    };
    let began = Instant::now();
    let shutdown = server.shutdown(limit).await;
    let took = began.elapsed();
    enough.store(true, Ordering::Relaxed);
    let connected = connecting.join().unwrap();

    assert!(took < limit.min(AMPLE / 2) + SLACK, "{took:?} of {limit:?}");
    match endless {
        0 => assert_eq!(shutdown.aborted, 0, "all end by themselves"),
        _ => assert!(shutdown.aborted >= endless, "{shutdown:?} of {endless}"),
    }
    // Before any client goes, so that none of them is what ends a connection.
    eventually::<R>("no connection", || server.connections() == 0).await;
    eventually::<R>("a closed port", || is_closed(address)).await;
    for (kind, client) in &mut clients {
        let mut said = Vec::new();
        let end = client.read_to_end(&mut said);
        match kind {
            _ if endless > 0 => {}
            Kind::Busy => assert_eq!((end.unwrap(), &said[..]), (4, &b"done"[..])),
            Kind::Panicking => assert!(end.is_err(), "no clean end"),
            _ => assert_eq!(end.unwrap(), 0, "{kind:?}"),
        }
        assert!(said.len() < MUCH.len(), "{kind:?}");
    }
    let late = took.saturating_sub(limit);
    (clients.len() + connected.len(), shutdown.aborted, late)
}

async fn shutdowns<R: Runtime>(on: &'static str) {
    let count = std::env::var(SHUTDOWNS).map_or(USUALLY, |count| count.parse().unwrap());
    // What a runtime opens when it is first used stays open.
    a_shutdown::<R>(Random(0)).await;
    let (mut clients, mut aborted, mut latest) = (0, 0, Duration::ZERO);
    for number in 1..=count {
        let _case = Case(format!("shutdown {number} on {on}"));
        let before = descriptors();
        let of_this = a_shutdown::<R>(Random(number as u64)).await;
        eventually::<R>("all descriptors", || descriptors() <= before).await;
        clients += of_this.0;
        aborted += of_this.1;
        latest = latest.max(of_this.2);
    }
    report(&format!(
        "shutdowns on {on}: {count}, {clients} clients, {aborted} aborted, at most {} ms late",
        latest.as_millis()
    ));
}

#[test]
fn tokio() {
    let _turn = turn();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(shutdowns::<Tokio>("tokio"));
}

#[test]
fn async_std() {
    let _turn = turn();
    async_std::task::block_on(shutdowns::<AsyncStd>("async-std"));
}

#[test]
fn smol() {
    let _turn = turn();
    smol::block_on(shutdowns::<Smol>("smol"));
}

#[test]
fn blocking() {
    let _turn = turn();
    plimsoll_io::blocking::block_on(shutdowns::<Blocking>("blocking"));
}
