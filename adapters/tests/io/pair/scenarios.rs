//! One list of scenarios, on every runtime: over loopback TCP, Unix sockets, and the pair in memory.
//!
//! A scenario gets the two ends of a connection, and whatever runs its tasks: a runtime's tasks, or
//! threads. Everything is bounded in time; a scenario that hangs fails.
#![cfg(all(
    feature = "tokio",
    feature = "async-std",
    feature = "smol",
    feature = "blocking"
))]

use std::future::{Future, poll_fn};
use std::io::Write;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::time::Duration;

use plimsoll_io::async_std::AsyncStd;
use plimsoll_io::blocking::Blocking;
use plimsoll_io::smol::Smol;
use plimsoll_io::tokio::Tokio;
use plimsoll_io::{
    ConnectionError, Error, Listener, ReadError, Runtime, Separator, StreamOptions, StreamPair,
    Transport, WriteError, duplex,
};

/// How long a scenario may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Starts a task of the runtime, and lets others wait for what it comes to.
struct Task<A>(Arc<Mutex<(Option<A>, Option<Waker>)>>);

impl<A: Send + 'static> Task<A> {
    fn spawn<R: Runtime>(work: impl Future<Output = A> + Send + 'static) -> Self {
        let shared = Arc::new(Mutex::new((None, None::<Waker>)));
        let task = Self(Arc::clone(&shared));
        R::spawn(async move {
            let result = work.await;
            let mut shared = shared.lock().unwrap();
            shared.0 = Some(result);
            if let Some(waker) = shared.1.take() {
                waker.wake();
            }
        })
        .unwrap();
        task
    }

    async fn join(self) -> A {
        poll_fn(|cx| {
            let mut shared = self.0.lock().unwrap();
            shared.1 = Some(cx.waker().clone());
            shared.0.take().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// A line, copied.
async fn line<T: Transport>(stream: &mut StreamPair<T>) -> Result<String, Error> {
    let line = stream.reader.read_line().await?;
    Ok(String::from_utf8(line.to_vec()).unwrap())
}

/// Answers each line until the end, without ever draining, as handlers do that trust their reads.
async fn answer_lines<T: Transport>(mut stream: StreamPair<T>) {
    loop {
        let line = stream.reader.read_line().await.unwrap();
        if line.is_empty() {
            break;
        }
        stream.writer.write(&line).unwrap();
    }
    stream.writer.close().await.unwrap();
}

/// A request is answered though the beginning of the next one is buffered behind it.
async fn a_partial_request_behind_a_request<R: Runtime, T: Transport>(
    mut here: StreamPair<T>,
    there: StreamPair<T>,
) {
    let server = Task::spawn::<R>(answer_lines(there));
    here.writer.write(b"one\ntw").unwrap();
    assert_eq!(line(&mut here).await.unwrap(), "one\n");
    here.writer.write(b"o\n").unwrap();
    assert_eq!(line(&mut here).await.unwrap(), "two\n");
    here.writer.finish().await.unwrap();
    assert_eq!(line(&mut here).await.unwrap(), "");
    server.join().await;
}

async fn pipelined_lines_without_a_drain<R: Runtime, T: Transport>(
    here: StreamPair<T>,
    mut there: StreamPair<T>,
) {
    const LINES: usize = 20_000;
    let server = Task::spawn::<R>(async move {
        loop {
            let line = there.reader.read_line().await.unwrap();
            if line.is_empty() {
                return there.writer.close().await.unwrap();
            }
            there.writer.write(&line).unwrap();
            if !there.writer.is_writable() {
                there.writer.drain().await.unwrap();
            }
        }
    });
    let (mut reader, mut writer) = here.split();
    let sender = Task::spawn::<R>(async move {
        for number in 0..LINES {
            writeln!(writer, "line number {number}").unwrap();
            if !writer.is_writable() {
                writer.drain().await.unwrap();
            }
        }
        writer.finish().await.unwrap();
        writer
    });
    for number in 0..LINES {
        let expected = format!("line number {number}\n");
        assert_eq!(reader.read_line().await.unwrap(), expected.as_str());
    }
    assert!(reader.read_line().await.unwrap().is_empty());
    sender.join().await;
    server.join().await;
}

async fn half_close_by_the_client<R: Runtime, T: Transport>(
    mut here: StreamPair<T>,
    mut there: StreamPair<T>,
) {
    let server = Task::spawn::<R>(async move {
        assert_eq!(there.reader.read_to_end(100).await.unwrap(), "question");
        there.writer.write(b"answer").unwrap();
        there.writer.close().await.unwrap();
    });
    here.writer.write(b"question").unwrap();
    here.writer.finish().await.unwrap();
    assert!(matches!(
        here.writer.write(b"late"),
        Err(Error::Write(WriteError::Finished))
    ));
    assert_eq!(here.reader.read_to_end(100).await.unwrap(), "answer");
    assert!(here.reader.at_eof());
    server.join().await;
}

async fn half_close_by_the_server<R: Runtime, T: Transport>(
    mut here: StreamPair<T>,
    mut there: StreamPair<T>,
) {
    let server = Task::spawn::<R>(async move {
        there.writer.write(b"greeting").unwrap();
        there.writer.finish().await.unwrap();
        assert_eq!(there.reader.read_to_end(100).await.unwrap(), "still here");
    });
    assert_eq!(here.reader.read_to_end(100).await.unwrap(), "greeting");
    here.writer.write(b"still here").unwrap();
    here.writer.close().await.unwrap();
    server.join().await;
}

async fn reset_in_the_middle_of_a_line<R: Runtime, T: Transport>(
    mut here: StreamPair<T>,
    mut there: StreamPair<T>,
) {
    let server = Task::spawn::<R>(async move {
        assert_eq!(there.reader.peek(4).await.unwrap(), b"part");
        there.writer.write(b"seen\n").unwrap();
        there.writer.flush().await.unwrap();
        for _ in 0..2 {
            match there.reader.read_line().await {
                Err(Error::ConnectionLost(lost)) => {
                    assert_eq!(lost.kind, ConnectionError::Reset);
                    assert!(lost.cause.is_some());
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(there.reader.read(100).await.unwrap(), "part");
        assert!(matches!(
            there.writer.write(b"late"),
            Err(Error::ConnectionLost(_))
        ));
    });
    here.writer.write(b"part").unwrap();
    assert_eq!(line(&mut here).await.unwrap(), "seen\n");
    here.writer.abort();
    assert!(matches!(
        here.reader.read_line().await,
        Err(Error::ConnectionLost(_))
    ));
    drop(here);
    server.join().await;
}

async fn a_peer_that_does_not_read_for_long<R: Runtime, T: Transport>(
    mut here: StreamPair<T>,
    mut there: StreamPair<T>,
) {
    const CAP: usize = 1 << 20;
    const PIECE: usize = 10_000;
    here.writer.set_max_pending(CAP);
    let piece = vec![b'a'; PIECE];
    let mut written = 0;
    let refused = loop {
        match here.writer.write(&piece) {
            Ok(()) => written += PIECE,
            Err(error) => break error,
        }
        assert!(here.writer.pending() <= CAP);
    };
    assert!(matches!(refused, Error::Write(WriteError::Full { .. })));
    let server = Task::spawn::<R>(async move {
        R::sleep(Duration::from_millis(100)).await;
        let mut read = 0;
        loop {
            match there.reader.read(100_000).await.unwrap().len() {
                0 => return read,
                count => read += count,
            }
        }
    });
    here.writer.drain().await.unwrap();
    assert_eq!(here.writer.pending(), 0);
    here.writer.write(&piece).unwrap();
    here.writer.close().await.unwrap();
    assert_eq!(server.join().await, written + PIECE);
}

async fn both_sides_send_much_at_once<R: Runtime, T: Transport>(
    here: StreamPair<T>,
    there: StreamPair<T>,
) {
    const SIZE: usize = 100_000_000;
    const PIECE: usize = 64 * 1024;
    async fn send_and_receive<R: Runtime, T: Transport>(stream: StreamPair<T>) {
        let (mut reader, mut writer) = stream.split();
        let piece: Vec<u8> = (0..=250).cycle().take(PIECE).collect();
        let sent = piece.clone();
        let sender = Task::spawn::<R>(async move {
            let mut left = SIZE;
            while left > 0 {
                let count = left.min(PIECE);
                writer.write(&sent[..count]).unwrap();
                writer.drain().await.unwrap();
                left -= count;
            }
            writer.close().await.unwrap();
        });
        let mut received = 0;
        loop {
            let data = reader.read(PIECE).await.unwrap();
            if data.is_empty() {
                break;
            }
            // Each piece starts the pattern anew.
            let mut data = &*data;
            while !data.is_empty() {
                let place = received % PIECE;
                let (first, rest) = data.split_at(data.len().min(PIECE - place));
                assert!(first == &piece[place..place + first.len()]);
                received += first.len();
                data = rest;
            }
        }
        assert_eq!(received, SIZE);
        sender.join().await;
    }
    let server = Task::spawn::<R>(send_and_receive::<R, T>(there));
    send_and_receive::<R, T>(here).await;
    server.join().await;
}

async fn lines_that_are_too_long<R: Runtime, T: Transport>(
    mut here: StreamPair<T>,
    mut there: StreamPair<T>,
) {
    let server = Task::spawn::<R>(async move {
        let mut seen = Vec::new();
        loop {
            match there.reader.read_line().await {
                Ok(line) if line.is_empty() => return seen,
                Ok(line) => seen.push(line.len()),
                Err(Error::Read(ReadError::LineTooLong { limit })) => {
                    assert_eq!(limit, 64 * 1024);
                    seen.push(0);
                }
                Err(other) => panic!("{other:?}"),
            }
        }
    });
    let long = vec![b'a'; 200_000];
    here.writer.write_all_vectored(&[&long, b"\nok\n"]).unwrap();
    here.writer.drain().await.unwrap();
    for piece in long.chunks(1000) {
        here.writer.write(piece).unwrap();
        here.writer.drain().await.unwrap();
    }
    here.writer.write(b"\n").unwrap();
    here.writer
        .write_all_vectored(&[
            &long[..64 * 1024],
            b"\n",
            &long[..64 * 1024 + 1],
            b"\nfine\n",
        ])
        .unwrap();
    here.writer.write(&long).unwrap();
    here.writer.close().await.unwrap();
    assert_eq!(server.join().await, [0, 3, 0, 65537, 0, 5, 0]);
}

#[expect(
    clippy::extra_unused_type_parameters,
    reason = "all scenarios look alike"
)]
async fn the_end_in_the_middle_of_a_line<R: Runtime, T: Transport>(
    mut here: StreamPair<T>,
    mut there: StreamPair<T>,
) {
    here.writer.write(b"whole\nunfinished").unwrap();
    here.writer.close().await.unwrap();
    assert!(matches!(
        here.writer.write(b"late"),
        Err(Error::Write(WriteError::Closed))
    ));
    assert_eq!(line(&mut there).await.unwrap(), "whole\n");
    let last = there.reader.read_line().await.unwrap();
    assert_eq!(last, "unfinished");
    assert_eq!(last.separator_index(), None);
    for _ in 0..2 {
        assert!(there.reader.read_line().await.unwrap().is_empty());
        let incomplete = there.reader.read_exact(1).await.unwrap_err();
        assert!(matches!(
            incomplete,
            Error::Read(ReadError::Incomplete { buffered: 0, .. })
        ));
    }
}

async fn all_ways_to_read<R: Runtime, T: Transport>(
    mut here: StreamPair<T>,
    mut there: StreamPair<T>,
) {
    let server = Task::spawn::<R>(async move {
        let crlf = &Separator::CRLF;
        let reader = &mut there.reader;
        assert_eq!(reader.peek(2).await.unwrap(), b"ab");
        assert_eq!(reader.read_exact(3).await.unwrap(), "abc");
        assert_eq!(reader.read_until(crlf).await.unwrap().content(), b"d");
        reader.set_limit(4);
        let overrun = reader.read_until(crlf).await.unwrap_err();
        assert!(matches!(
            overrun,
            Error::Read(ReadError::LimitOverrun { limit: 4, .. })
        ));
        assert_eq!(reader.skip_until(crlf).await.unwrap(), 0);
        assert_eq!(reader.read(2).await.unwrap(), "en");
        let too_long = reader.read_to_end(1).await.unwrap_err();
        assert!(matches!(
            too_long,
            Error::Read(ReadError::StreamTooLong { max: 1 })
        ));
        assert_eq!(reader.read_to_end(100).await.unwrap(), "d of stream");
    });
    here.writer
        .write(b"abcd\r\nmuch too long\r\nend of stream")
        .unwrap();
    here.writer.close().await.unwrap();
    server.join().await;
}

async fn lines_as_a_stream<R: Runtime, T: Transport>(
    mut here: StreamPair<T>,
    mut there: StreamPair<T>,
) {
    use futures_core::Stream as _;
    there.reader.set_limit(5);
    let server = Task::spawn::<R>(async move {
        let mut lines = there.reader.read_lines();
        let mut seen = Vec::new();
        while let Some(line) = poll_fn(|cx| Pin::new(&mut lines).poll_next(cx)).await {
            seen.push(line.ok());
        }
        seen
    });
    here.writer
        .write(b"one\n\nfar too long\ntwo\nlast")
        .unwrap();
    here.writer.close().await.unwrap();
    let seen = server.join().await;
    let expected = [Some("one\n"), Some("\n"), None, Some("two\n"), Some("last")];
    assert_eq!(seen, expected.map(|line| line.map(Into::into)));
}

async fn taken_apart_and_put_together<R: Runtime, T: Transport>(
    mut here: StreamPair<T>,
    there: StreamPair<T>,
) {
    let server = Task::spawn::<R>(async move {
        let (mut reader, mut writer) = there.split();
        assert_eq!(reader.read_line().await.unwrap(), "UPGRADE\n");
        // What comes next may be buffered or not; `peek` makes sure that it is.
        assert_eq!(reader.peek(5).await.unwrap(), b"early");
        writer.write(b"never ").unwrap();
        let parts = StreamPair::reunite(reader, writer)
            .unwrap()
            .into_parts()
            .unwrap();
        assert_eq!(parts.unread, "early");
        let mut again = StreamPair::with_options(parts.transport, &StreamOptions::new().limit(100));
        for unsent in parts.unsent {
            again.writer.write_bytes(unsent).unwrap();
        }
        again.writer.write(b"lost\n").unwrap();
        assert!(again.reader.read_line().await.unwrap().is_empty());
        again.writer.close().await.unwrap();
    });
    here.writer.write(b"UPGRADE\nearly").unwrap();
    here.writer.finish().await.unwrap();
    assert_eq!(line(&mut here).await.unwrap(), "never lost\n");
    server.join().await;
}

#[expect(
    clippy::extra_unused_type_parameters,
    reason = "all scenarios look alike"
)]
async fn closing_gives_up_in_time<R: Runtime, T: Transport>(
    mut here: StreamPair<T>,
    there: StreamPair<T>,
) {
    here.writer.set_max_pending(usize::MAX);
    // More than any socket's buffers take.
    here.writer.write(&vec![b'a'; 32 << 20]).unwrap();
    let closed = here.writer.close_timeout(Duration::from_millis(200)).await;
    let Err(Error::ConnectionLost(lost)) = closed else {
        panic!("{closed:?}");
    };
    assert_eq!(lost.kind, ConnectionError::TimedOut);
    assert_eq!(here.writer.pending(), 0);
    assert!(matches!(
        here.writer.write(b"late"),
        Err(Error::ConnectionLost(_))
    ));
    drop(there);
}

/// A write from one task is sent by a read that waits in another. Threads that block cannot do that.
async fn a_waiting_read_sends_what_is_written<R: Runtime, T: Transport>(
    here: StreamPair<T>,
    there: StreamPair<T>,
) {
    let server = Task::spawn::<R>(answer_lines(there));
    let (mut reader, mut writer) = here.split();
    let waiting = Task::spawn::<R>(async move {
        assert_eq!(reader.read_line().await.unwrap(), "hello\n");
        reader
    });
    R::sleep(Duration::from_millis(50)).await;
    writer.write(b"hello\n").unwrap();
    let reader = waiting.join().await;
    let mut here = StreamPair::reunite(reader, writer).unwrap();
    here.writer.finish().await.unwrap();
    assert_eq!(line(&mut here).await.unwrap(), "");
    server.join().await;
}

/// Runs a scenario in a task of its own; it must end in time.
fn run<R: Runtime>(name: &str, scenario: impl Future<Output = ()> + Send + 'static) {
    let (done, ended) = mpsc::channel();
    R::spawn(async move {
        scenario.await;
        let _ = done.send(());
    })
    .unwrap();
    // If the task panics, it drops the sender.
    let ended = ended.recv_timeout(LIMIT);
    ended.unwrap_or_else(|error| panic!("{name}: {error}"));
}

/// What some connections cannot do.
#[derive(Clone, Copy)]
struct Without {
    /// Unix sockets know no reset.
    reset: bool,
    /// A read that blocks does not see what another thread writes meanwhile.
    waking: bool,
}

/// Runs every scenario over connections that `connect` makes.
fn run_all<R: Runtime, T: Transport>(
    on: &str,
    without: Without,
    mut connect: impl FnMut() -> (T, T),
) {
    let mut count = 0;
    macro_rules! scenarios {
        ($($scenario:ident)*) => {$(
            let (here, there) = connect();
            let scenario = $scenario::<R, T>(StreamPair::new(here), StreamPair::new(there));
            run::<R>(&format!("{} on {on}", stringify!($scenario)), scenario);
            count += 1;
        )*};
    }
    scenarios! {
        a_partial_request_behind_a_request
        pipelined_lines_without_a_drain
        half_close_by_the_client
        half_close_by_the_server
        a_peer_that_does_not_read_for_long
        both_sides_send_much_at_once
        lines_that_are_too_long
        the_end_in_the_middle_of_a_line
        all_ways_to_read
        lines_as_a_stream
        taken_apart_and_put_together
        closing_gives_up_in_time
    }
    if !without.reset {
        scenarios! { reset_in_the_middle_of_a_line }
    }
    if !without.waking {
        scenarios! { a_waiting_read_sends_what_is_written }
    }
    writeln!(std::io::stdout().lock(), "scenarios on {on}: {count}").unwrap();
}

/// A connected pair over loopback.
fn tcp<R: Runtime>(block_on: impl Fn(PairOf<R::Tcp>) -> (R::Tcp, R::Tcp)) -> (R::Tcp, R::Tcp) {
    block_on(Box::pin(async {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = R::tcp_listener(listener).unwrap();
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        let here = R::connect(socket.into(), address).await.unwrap();
        (here, listener.accept().await.unwrap())
    }))
}

/// A connected pair over a Unix socket.
fn unix<R: Runtime>(
    block_on: impl Fn(PairOf<R::Unix>) -> (R::Unix, R::Unix),
) -> (R::Unix, R::Unix) {
    block_on(Box::pin(async {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("plimsoll-{}-{number}.sock", std::process::id());
        let path = std::env::temp_dir().join(name);
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = R::unix_listener(listener).unwrap();
        let here = R::connect_unix(&path).await.unwrap();
        let there = listener.accept().await.unwrap();
        std::fs::remove_file(path).unwrap();
        (here, there)
    }))
}

type PairOf<T> = Pin<Box<dyn Future<Output = (T, T)> + Send>>;

const ALL: Without = Without {
    reset: false,
    waking: false,
};
const NO_RESET: Without = Without { reset: true, ..ALL };

#[test]
fn tokio() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    run_all::<Tokio, _>("tokio, TCP", ALL, || {
        tcp::<Tokio>(|pair| runtime.block_on(pair))
    });
    run_all::<Tokio, _>("tokio, Unix", NO_RESET, || {
        unix::<Tokio>(|pair| runtime.block_on(pair))
    });
    run_all::<Tokio, _>("tokio, memory", ALL, || duplex(5000));
}

#[test]
fn async_std() {
    use async_std::task::block_on;
    run_all::<AsyncStd, _>("async-std, TCP", ALL, || tcp::<AsyncStd>(block_on));
    run_all::<AsyncStd, _>("async-std, Unix", NO_RESET, || unix::<AsyncStd>(block_on));
    run_all::<AsyncStd, _>("async-std, memory", ALL, || duplex(5000));
}

#[test]
fn smol() {
    use smol::block_on;
    run_all::<Smol, _>("smol, TCP", ALL, || tcp::<Smol>(block_on));
    run_all::<Smol, _>("smol, Unix", NO_RESET, || unix::<Smol>(block_on));
    run_all::<Smol, _>("smol, memory", ALL, || duplex(5000));
}

#[test]
fn blocking() {
    use plimsoll_io::blocking::block_on;
    run_all::<Blocking, _>("blocking, TCP", ALL, || tcp::<Blocking>(block_on));
    run_all::<Blocking, _>("blocking, Unix", NO_RESET, || unix::<Blocking>(block_on));
    run_all::<Blocking, _>("blocking, memory", ALL, || duplex(5000));
}
