//! What sockets report, and when, on every runtime: a reset that a write meets first, and the end of
//! a connection that a server closes while its writer waits, and an error instead of SIGPIPE.
#![cfg(all(
    unix,
    feature = "tokio",
    feature = "async-std",
    feature = "smol",
    feature = "blocking"
))]

use std::future::Future;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use plimsoll_io::async_std::AsyncStd;
use plimsoll_io::blocking::{Blocking, FromRead, FromWrite};
use plimsoll_io::smol::Smol;
use plimsoll_io::tokio::Tokio;
use plimsoll_io::{
    Error, Join, Runtime, Server, ServerOptions, StreamPair, StreamReader, StreamWriter, Transport,
};

/// How long a test may take on one runtime.
const LIMIT: Duration = Duration::from_secs(60);

/// Longer than loopback takes to deliver what was sent.
const DELIVERY: Duration = Duration::from_millis(50);

/// Runs a test on every runtime, each time in a task of its own.
macro_rules! on_every_runtime {
    ($($name:ident => $test:ident;)*) => {$(
        #[test]
        fn $name() {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let entered = runtime.enter();
            run::<Tokio>("tokio", $test::<Tokio>());
            drop(entered);
            run::<AsyncStd>("async-std", $test::<AsyncStd>());
            run::<Smol>("smol", $test::<Smol>());
            run::<Blocking>("blocking", $test::<Blocking>());
        }
    )*};
}

on_every_runtime! {
    a_reset_that_a_write_meets_is_no_end => reset_that_a_write_meets;
    a_reset_beside_a_write_is_no_end => reset_beside_a_write;
    a_reset_fails_a_handler_that_acknowledges => reset_of_an_upload;
    an_end_before_a_reset_stays_an_end => end_before_a_reset;
    a_drain_beside_a_close_ends_with_it => drain_beside_a_close;
}

fn run<R: Runtime>(name: &str, test: impl Future<Output = ()> + Send + 'static) {
    let result = spawn::<R, _>(test).recv_timeout(LIMIT);
    result.unwrap_or_else(|error| panic!("on {name}: {error}"));
}

/// Starts a task. The receiver gets what it returns; if it panics, an error.
fn spawn<R: Runtime, A: Send + 'static>(
    task: impl Future<Output = A> + Send + 'static,
) -> mpsc::Receiver<A> {
    let (done, result) = mpsc::channel();
    R::spawn(async move {
        let _ = done.send(task.await);
    })
    .unwrap();
    result
}

/// Waits for a task's result without blocking the thread.
async fn join<R: Runtime, A>(task: mpsc::Receiver<A>) -> A {
    loop {
        match task.try_recv() {
            Ok(result) => return result,
            Err(mpsc::TryRecvError::Empty) => R::sleep(Duration::from_millis(1)).await,
            Err(mpsc::TryRecvError::Disconnected) => panic!("a task has panicked"),
        }
    }
}

/// A stream over TCP, and the socket of its peer.
async fn connected<R: Runtime>() -> (StreamPair<R::Tcp>, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let here = R::connect(socket.into(), address).await.unwrap();
    (StreamPair::new(here), listener.accept().unwrap().0)
}

/// Closes a socket with a reset.
fn reset(socket: TcpStream) {
    let linger = Some(Duration::ZERO);
    socket2::SockRef::from(&socket).set_linger(linger).unwrap();
}

/// The kind of the system's error.
fn cause<A: std::fmt::Debug>(result: Result<A, Error>) -> io::ErrorKind {
    match result {
        Err(Error::ConnectionLost(lost)) => lost.cause.expect("the system's error").kind(),
        other => panic!("{other:?}"),
    }
}

/// Sends until that fails.
async fn write_until_lost<T: Transport>(writer: &mut StreamWriter<T>) -> io::ErrorKind {
    loop {
        let written = match writer.write(b"x") {
            Ok(()) => writer.drain().await,
            lost => lost,
        };
        if written.is_err() {
            return cause(written);
        }
    }
}

async fn reset_that_a_write_meets<R: Runtime>() {
    for (writes_before, drains) in [(false, false), (false, true), (true, false), (true, true)] {
        let (mut stream, mut peer) = connected::<R>().await;
        peer.write_all(b"half a body").unwrap();
        if writes_before {
            stream.writer.write(b"x").unwrap();
            stream.writer.drain().await.unwrap();
        }
        R::sleep(DELIVERY).await;
        reset(peer);
        R::sleep(DELIVERY).await;

        stream.writer.write(b"x").unwrap();
        if drains {
            let written = cause(stream.writer.drain().await);
            // Elsewhere the write may leave the error to the read.
            assert!(written == io::ErrorKind::ConnectionReset || !cfg!(target_os = "linux"));
        }
        let read = stream.reader.read_line().await;
        assert_eq!(cause(read), io::ErrorKind::ConnectionReset);
        let read = stream.reader.read_to_end(100).await;
        assert_eq!(cause(read), io::ErrorKind::ConnectionReset);
        let rest = stream.reader.read(100).await;
        assert_eq!(rest.unwrap(), "half a body");
        let read = stream.reader.read(100).await;
        assert_eq!(cause(read), io::ErrorKind::ConnectionReset);
    }
}

async fn reset_beside_a_write<R: Runtime>() {
    for _ in 0..200 {
        let (stream, mut peer) = connected::<R>().await;
        let (mut reader, mut writer) = stream.split();
        let reading = spawn::<R, _>(async move {
            let all = reader.read_to_end(1 << 20).await;
            all.map(|all| all.to_vec())
        });
        let writing = spawn::<R, _>(async move { write_until_lost(&mut writer).await });
        // In a thread of its own, or it might block the one that is to send.
        let resetting = std::thread::spawn(move || {
            peer.write_all(b"half a body").unwrap();
            peer.read_exact(&mut [0; 1]).unwrap();
            reset(peer);
        });
        let read = join::<R, _>(reading).await;
        let told = format!("{read:?}");
        assert_eq!(cause(read), io::ErrorKind::ConnectionReset, "{told}");
        join::<R, _>(writing).await;
        resetting.join().unwrap();
    }
}

async fn reset_of_an_upload<R: Runtime>() {
    let handler = |mut reader: StreamReader<R::Tcp>, mut writer: StreamWriter<R::Tcp>| async move {
        while !reader.read(100).await?.is_empty() {
            writer.write(b"+")?;
            // As long as it takes to store a piece, in which the peer resets.
            R::sleep(2 * DELIVERY).await;
        }
        Ok::<(), Error>(())
    };
    let options = ServerOptions::new();
    let server = Server::<R>::start(handler, &["127.0.0.1"], 0, &options).await;
    let server = server.unwrap();
    let mut peer = TcpStream::connect(server.local_addrs()[0]).unwrap();
    peer.write_all(b"half a body").unwrap();
    R::sleep(DELIVERY).await;
    reset(peer);
    while server.connections() > 0 || server.statistics().accepted == 0 {
        R::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(server.statistics().failed, 1);
}

async fn end_before_a_reset<R: Runtime>() {
    let (mut stream, mut peer) = connected::<R>().await;
    peer.write_all(b"answer").unwrap();
    drop(peer);
    R::sleep(DELIVERY).await;
    // The peer's system resets what no reader will take.
    stream.writer.write(b"x").unwrap();
    stream.writer.drain().await.unwrap();
    R::sleep(DELIVERY).await;
    stream.writer.write(b"x").unwrap();
    let written = stream.writer.drain().await;
    assert_eq!(cause(written), io::ErrorKind::BrokenPipe);
    assert_eq!(stream.reader.read_to_end(100).await.unwrap(), "answer");
    assert!(stream.reader.at_eof());
}

/// What ends the connection of a peer that does not read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ending {
    CloseTimeout,
    Shutdown,
    /// It reads after all.
    Reads,
}

async fn drain_beside_a_close<R: Runtime>() {
    for ending in [Ending::CloseTimeout, Ending::Shutdown, Ending::Reads] {
        for drain_is_first in [true, false] {
            let began = Instant::now();
            close_beside_a_drain::<R>(ending, drain_is_first).await;
            // Before the default close timeout.
            assert!(began.elapsed() < Duration::from_secs(20), "{ending:?}");
        }
    }
}

/// A handler moves its writer to a task, which waits in `drain`, and returns.
async fn close_beside_a_drain<R: Runtime>(ending: Ending, drain_is_first: bool) {
    let (ended, drained) = mpsc::channel();
    let handler = move |_, mut writer: StreamWriter<R::Tcp>| {
        let ended = ended.clone();
        async move {
            writer.set_max_pending(usize::MAX);
            // More than any socket's buffers take.
            writer.write(&vec![b'x'; 32 << 20]).unwrap();
            R::spawn(async move {
                if !drain_is_first {
                    R::sleep(DELIVERY).await;
                }
                let drained = writer.drain().await;
                drop(writer);
                let _ = ended.send(drained);
            })
            .unwrap();
            if drain_is_first {
                R::sleep(DELIVERY).await;
            }
        }
    };
    let options = match ending {
        Ending::CloseTimeout => ServerOptions::new().close_timeout(4 * DELIVERY),
        _ => ServerOptions::new(),
    };
    let server = Server::<R>::start(handler, &["127.0.0.1"], 0, &options).await;
    let server = server.unwrap();
    let peer = TcpStream::connect(server.local_addrs()[0]).unwrap();
    R::sleep(3 * DELIVERY).await;
    if ending == Ending::Shutdown {
        assert_eq!(server.shutdown(Duration::ZERO).await.aborted, 1);
    }
    let reading = |mut peer: TcpStream| {
        spawn_thread(move || io::copy(&mut peer, &mut io::sink()).map_err(|error| error.kind()))
    };
    let (drained, read) = match ending {
        Ending::Reads => {
            let read = reading(peer);
            (join::<R, _>(drained).await, join::<R, _>(read).await)
        }
        _ => {
            let drained = join::<R, _>(drained).await;
            // It ends only once no descriptor of this side is left.
            (drained, join::<R, _>(reading(peer)).await)
        }
    };
    match ending {
        Ending::Reads => {
            drained.unwrap();
            assert_eq!(read, Ok(32 << 20));
        }
        _ => {
            assert!(
                matches!(drained, Err(Error::ConnectionLost(_))),
                "{drained:?}"
            );
            assert_eq!(read, Err(io::ErrorKind::ConnectionReset));
        }
    }
    while server.connections() > 0 {
        R::sleep(Duration::from_millis(1)).await;
    }
}

/// As [`spawn`], in a thread, for what blocks.
fn spawn_thread<A: Send + 'static>(work: impl FnOnce() -> A + Send + 'static) -> mpsc::Receiver<A> {
    let (done, result) = mpsc::channel();
    std::thread::spawn(move || done.send(work()));
    result
}

/// Tells a process to write to peers that are gone, on this runtime.
const WRITE_ON: &str = "PLIMSOLL_TEST_WRITE_ON";

#[test]
fn a_peer_that_is_gone_raises_no_sigpipe() {
    for runtime in ["tokio", "async-std", "smol", "blocking"] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "transport::sockets::write_if_told_to",
                "--exact",
                "--nocapture",
            ])
            .env(WRITE_ON, runtime)
            .output()
            .unwrap();
        // A signal would end it without a word.
        assert!(output.status.success(), "{runtime}: {output:?}");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("four errors"), "{runtime}: {said}");
    }
}

/// The process that the test above starts. Otherwise it does nothing.
#[test]
fn write_if_told_to() {
    let Ok(name) = std::env::var(WRITE_ON) else {
        return;
    };
    // As in a program that is not written in Rust, or that restores it.
    sigpipe::reset();
    match &*name {
        "tokio" => {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let _entered = runtime.enter();
            run::<Tokio>(&name, write_to_gone_peers::<Tokio>());
        }
        "async-std" => run::<AsyncStd>(&name, write_to_gone_peers::<AsyncStd>()),
        "smol" => run::<Smol>(&name, write_to_gone_peers::<Smol>()),
        _ => run::<Blocking>(&name, write_to_gone_peers::<Blocking>()),
    }
    println!("four errors");
}

async fn write_to_gone_peers<R: Runtime>() {
    for pieces in [1, 3] {
        let (stream, peer) = connected::<R>().await;
        drop(peer);
        write_to_gone_peer::<R, _>(stream, pieces).await;

        let file = std::env::temp_dir().join(format!("plimsoll-{}.sock", std::process::id()));
        let listener = UnixListener::bind(&file).unwrap();
        let stream = StreamPair::new(R::connect_unix(&file).await.unwrap());
        std::fs::remove_file(file).unwrap();
        drop(listener);
        write_to_gone_peer::<R, _>(stream, pieces).await;
    }
}

async fn write_to_gone_peer<R: Runtime, T: Transport>(mut stream: StreamPair<T>, pieces: usize) {
    let gone = loop {
        for _ in 0..pieces {
            // Each is a slice of its own.
            let piece = vec![b'x'; 10_000].into();
            stream.writer.write_bytes(piece).unwrap();
        }
        let written = stream.writer.drain().await;
        if written.is_err() {
            break cause(written);
        }
        R::sleep(DELIVERY).await;
    };
    assert_eq!(gone, io::ErrorKind::BrokenPipe);
}

#[test]
fn a_child_that_closes_its_input_ends_in_order() {
    let mut child = Command::new("sh")
        .args(["-c", "exec 0<&-; echo closed; sleep 0.1; echo done"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stream = StreamPair::new(Join::new(
        FromRead(child.stdout.take().unwrap()),
        FromWrite(child.stdin.take().unwrap()),
    ));
    smol::block_on(async {
        assert_eq!(stream.reader.read_line().await.unwrap(), "closed\n");
        stream.writer.write(b"input").unwrap();
        let written = stream.writer.drain().await;
        assert_eq!(cause(written), io::ErrorKind::BrokenPipe);
        assert_eq!(stream.reader.read_to_end(100).await.unwrap(), "done\n");
    });
    assert!(child.wait().unwrap().success());
}
