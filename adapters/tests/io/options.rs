//! What is chosen for streams, servers and connections is what they get, whatever else is chosen, and in any order.
#![cfg(feature = "blocking")]

use std::fmt::Debug;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use io_test_support::answer_lines;
use plimsoll_io::blocking::{Blocking, block_on};
use plimsoll_io::{
    ConnectOptions, Error, ReadError, Runtime, Server, ServerOptions, StreamOptions, StreamPair,
    StreamWriter, WaterMarks, WriteError, duplex,
};
use socket2::SockRef;

const LOCALHOST: &[&str] = &["127.0.0.1"];

/// A choice, and how it shows.
type Choice<A> = (fn(A) -> A, &'static str);

/// Makes choices in every order in which each comes last once, and checks that all of them are shown.
#[track_caller]
fn assert_keeps_all<A: Debug>(new: fn() -> A, choices: &[Choice<A>]) {
    for first in 0..choices.len() {
        let (before, from) = choices.split_at(first);
        let order = from.iter().chain(before);
        let options = order.fold(new(), |options, (choose, _)| choose(options));
        let shown = format!("{options:?}");
        let defaults = format!("{:?}", new());
        for (_, choice) in choices {
            assert!(shown.contains(choice), "{choice} in {shown}");
            assert!(!defaults.contains(choice), "{choice} in {defaults}");
        }
    }
}

/// Other than at first.
const REUSES: &str = if cfg!(unix) {
    "reuse_address: false"
} else {
    "reuse_address: true"
};

fn streams() -> StreamOptions {
    StreamOptions::new().limit(5)
}

#[test]
fn no_choice_undoes_another() {
    assert_keeps_all(
        StreamOptions::new,
        &[
            (|options| options.limit(5), " limit: 5,"),
            (|options| options.max_read_exact(6), "max_read_exact: 6,"),
            (|options| options.read_size(7), "read_size: 7,"),
            (
                |options| options.water_marks(WaterMarks::new(9, 8).unwrap()),
                "WaterMarks { high: 9, low: 8 }",
            ),
            (|options| options.max_pending(10), "max_pending: 10,"),
            (
                |options| options.pause_reading_when_full(true),
                "pause_reading_when_full: Some(true)",
            ),
        ],
    );
    assert_keeps_all(
        ServerOptions::new,
        &[
            (|options| options.streams(streams()), " limit: 5,"),
            (|options| options.backlog(6), "backlog: 6,"),
            (|options| options.reuse_address(!cfg!(unix)), REUSES),
            (|options| options.reuse_port(true), "reuse_port: true"),
            (|options| options.keep_alive(true), "keep_alive: true"),
            (|options| options.nodelay(false), "nodelay: false"),
            (|options| options.max_connections(7), "max_connections: 7,"),
            (
                |options| options.close_timeout(Duration::from_secs(8)),
                "close_timeout: 8s",
            ),
            (
                |options| options.idle_timeout(Duration::from_secs(9)),
                "idle_timeout: Some(9s)",
            ),
            (
                |options| options.on_error(|_| {}),
                "on_error: Some(OnError)",
            ),
        ],
    );
    assert_keeps_all(
        ConnectOptions::new,
        &[
            (|options| options.streams(streams()), " limit: 5,"),
            (
                |options| options.local_address(([127, 0, 0, 1], 6).into()),
                "[127.0.0.1:6]",
            ),
            (|options| options.attempt_delay(None), "attempt_delay: None"),
            (
                |options| options.attempt_timeout(Duration::from_secs(7)),
                "attempt_timeout: Some(7s)",
            ),
            (
                |options| options.total_timeout(Duration::from_secs(8)),
                "total_timeout: Some(8s)",
            ),
            (|options| options.interleave(9), "interleave: 9"),
            (|options| options.keep_alive(true), "keep_alive: true"),
            (|options| options.nodelay(false), "nodelay: false"),
        ],
    );
}

#[test]
fn a_stream_has_the_limits_that_were_chosen() {
    let options = StreamOptions::new()
        .limit(5)
        .max_read_exact(6)
        .max_pending(7)
        .water_marks(WaterMarks::new(4, 3).unwrap());
    let (here, there) = duplex(100);
    let mut here = StreamPair::with_options(here, &options);
    let mut there = StreamPair::new(there);
    there.writer.write(b"123456\n").unwrap();
    block_on(there.writer.flush()).unwrap();
    let too_long = block_on(here.reader.read_line()).map(|line| line.to_vec());
    assert!(
        matches!(
            too_long,
            Err(Error::Read(ReadError::LineTooLong { limit: 5 }))
        ),
        "{too_long:?}"
    );
    let too_much = block_on(here.reader.read_exact(7)).map(|bytes| bytes.to_vec());
    assert!(
        matches!(
            too_much,
            Err(Error::Read(ReadError::CountTooLarge {
                requested: 7,
                max: 6
            }))
        ),
        "{too_much:?}"
    );
    here.writer.write(b"1234").unwrap();
    assert!(here.writer.is_writable());
    here.writer.write(b"5").unwrap();
    assert!(!here.writer.is_writable());
    let full = here.writer.write(b"678");
    assert!(
        matches!(
            full,
            Err(Error::Write(WriteError::Full {
                len: 3,
                pending: 5,
                max: 7
            }))
        ),
        "{full:?}"
    );
}

/// Whether a socket delays no small segment, and probes a silent peer.
fn nodelay_and_keep_alive(socket: &TcpStream) -> (bool, bool) {
    let socket = SockRef::from(socket);
    (socket.tcp_nodelay().unwrap(), socket.keepalive().unwrap())
}

#[test]
fn sockets_have_the_options_that_were_chosen() {
    for (nodelay, keep_alive) in [(true, false), (false, true), (true, true), (false, false)] {
        let (sender, seen) = mpsc::channel();
        let handler = move |_, writer: StreamWriter<<Blocking as Runtime>::Tcp>| {
            let found = writer.with_transport(|socket| nodelay_and_keep_alive(socket.as_ref()));
            sender.send(found.unwrap()).unwrap();
            std::future::ready(())
        };
        let options = ServerOptions::new().nodelay(nodelay).keep_alive(keep_alive);
        let server = Server::<Blocking>::start(handler, LOCALHOST, 0, &options);
        let server = block_on(server).unwrap();
        let port = server.local_addrs()[0].port();
        let options = ConnectOptions::new()
            .nodelay(nodelay)
            .keep_alive(keep_alive);
        let client = options.open_connection::<Blocking>("127.0.0.1", port);
        let (_, writer) = block_on(client).unwrap();
        let expected = (nodelay, keep_alive);
        assert_eq!(
            writer.with_transport(|socket| nodelay_and_keep_alive(socket.as_ref())),
            Some(expected)
        );
        assert_eq!(
            seen.recv_timeout(Duration::from_secs(20)).unwrap(),
            expected
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_address_whose_connections_are_not_forgotten_is_reused_unless_told_otherwise() {
    let start = |port, reuse| {
        let close = async |_, _| {};
        let options = ServerOptions::new().reuse_address(reuse);
        block_on(Server::<Blocking>::start(close, LOCALHOST, port, &options))
    };
    let server = start(0, true).unwrap();
    let port = server.local_addrs()[0].port();
    // The server ends it first, and so it is the server's side that remembers it.
    let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert_eq!(std::io::read_to_string(&client).unwrap(), "");
    drop(client);
    block_on(server.shutdown(Duration::from_secs(20)));
    let taken = start(port, false).map(|_| ()).unwrap_err();
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
    drop(start(port, true).unwrap());
}

#[cfg(target_os = "linux")]
#[test]
fn no_more_connections_wait_to_be_accepted_than_were_chosen() {
    let connected = |backlog| {
        let options = ServerOptions::new().backlog(backlog).max_connections(1);
        let server = Server::<Blocking>::start(answer_lines, LOCALHOST, 0, &options);
        let server = block_on(server).unwrap();
        let address: SocketAddr = server.local_addrs()[0];
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(300)).ok();
        (0..20).map_while(connect).count()
    };
    // Beside them one is served, and one is accepted and waits for its place; Linux lets one more wait.
    assert!((2..=8).contains(&connected(3)));
    assert_eq!(connected(30), 20);
}
