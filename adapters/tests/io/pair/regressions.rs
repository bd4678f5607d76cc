//! One test for each defect that was mended.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use io_test_support::executor::{Order, Tasks};
use io_test_support::pair;
use io_test_support::scripted::Scripted;
use plimsoll::ConnectionError;
use plimsoll::TransportError;
use plimsoll::testing::{Call, ScriptedPeer};
use plimsoll_io::{
    Error, Join, ReadHalf, StreamOptions, StreamPair, StreamWriter, WaterMarks, WriteHalf,
};

/// Runs a read and `finish` in two tasks, where the read makes the call that ends `finish`'s wait.
fn finish_beside_a_read(peer: ScriptedPeer) -> Result<(), Error> {
    // The first call of each kind waits; input then makes the reader try again before the output may.
    let peer = peer
        .fails(Call::Read, TransportError::WouldBlock)
        .sends(b"in")
        .fails(Call::Read, TransportError::WouldBlock)
        .sends(b"put\n");
    let transport = Scripted::new(peer);
    let (mut reader, mut writer) = StreamPair::new(transport.clone()).split();
    writer.write(b"output").unwrap();
    let mut finished = None;
    let mut tasks = Tasks::with_outside(|| transport.fire_reader() || transport.fire());
    tasks.spawn("finish", async {
        finished = Some(writer.finish().await);
    });
    tasks.spawn("read_line", async {
        assert_eq!(reader.read_line().await.unwrap(), "input\n");
    });
    tasks.run(Order::Strict, 0);
    finished.unwrap()
}

#[test]
fn t39_a_read_that_flushes_wakes_the_writer() {
    let peer = ScriptedPeer::new().fails(Call::Flush, TransportError::WouldBlock);
    finish_beside_a_read(peer.fails(Call::Flush, TransportError::WouldBlock)).unwrap();
}

#[test]
fn a_read_that_ends_the_write_side_wakes_the_writer() {
    let peer = ScriptedPeer::new().fails(Call::Shutdown, TransportError::WouldBlock);
    finish_beside_a_read(peer.fails(Call::Shutdown, TransportError::WouldBlock)).unwrap();
}

#[test]
fn a_read_that_fails_to_flush_or_to_end_the_write_side_wakes_the_writer() {
    for call in [Call::Flush, Call::Shutdown] {
        let peer = ScriptedPeer::new()
            .fails(call, TransportError::WouldBlock)
            .fails(call, TransportError::WouldBlock)
            .fails(call, TransportError::Lost(ConnectionError::TimedOut));
        let error = finish_beside_a_read(peer).unwrap_err();
        assert!(
            matches!(&error, Error::ConnectionLost(lost) if lost.kind == ConnectionError::TimedOut),
            "{error:?}"
        );
    }
}

#[test]
fn nothing_is_asked_of_a_transport_that_is_lost() {
    let peer = ScriptedPeer::new()
        .takes(3)
        .fails(Call::Write, TransportError::Lost(ConnectionError::Reset));
    let transport = Scripted::new(peer);
    let mut stream = StreamPair::new(transport.clone());
    stream.writer.write(b"output").unwrap();
    let mut tasks = Tasks::new();
    tasks.spawn("the only task", async {
        for _ in 0..3 {
            let error = stream.writer.flush().await.unwrap_err();
            assert!(
                matches!(error, Error::ConnectionLost(lost) if lost.kind == ConnectionError::Reset)
            );
        }
        let error = stream.reader.read_line().await.unwrap_err();
        assert!(
            matches!(error, Error::ConnectionLost(lost) if lost.kind == ConnectionError::Reset)
        );
    });
    tasks.run(Order::Strict, 0);
    assert_eq!(
        transport.lock().calls,
        [Call::Write, Call::Write, Call::Read]
    );
}

/// A transport whose peer has sent `half`, and then neither takes nor sends anything.
#[derive(Clone)]
struct Cut {
    /// Which call of the write side fails, and how.
    call: Call,
    error: io::ErrorKind,
    /// How the next receive fails. `None` if it receives zero bytes.
    receive: Option<io::ErrorKind>,
    input: &'static [u8],
}

impl Cut {
    fn result(&self, call: Call) -> Poll<io::Result<()>> {
        Poll::Ready(if self.call == call {
            Err(self.error.into())
        } else {
            Ok(())
        })
    }
}

impl ReadHalf for Cut {
    fn poll_read(&mut self, _: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.receive {
            Some(error) if self.input.is_empty() => Poll::Ready(Err(error.into())),
            _ => Poll::Ready(io::Read::read(&mut self.input, room)),
        }
    }
}

impl WriteHalf for Cut {
    fn poll_write(
        &mut self,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.result(Call::Write)
            .map_ok(|()| slices.iter().map(|slice| slice.len()).sum())
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.result(Call::Flush)
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.result(Call::Shutdown)
    }
}

/// How a read or a write failed: the loss, and the kind of its cause.
fn lost<A: std::fmt::Debug>(result: Result<A, Error>) -> (ConnectionError, io::ErrorKind) {
    match result {
        Err(Error::ConnectionLost(lost)) => (lost.kind, lost.cause.expect("a cause").kind()),
        other => panic!("{other:?}"),
    }
}

fn loss_of(error: io::ErrorKind) -> ConnectionError {
    match error {
        io::ErrorKind::TimedOut => ConnectionError::TimedOut,
        io::ErrorKind::Other => ConnectionError::Transport,
        io::ErrorKind::BrokenPipe => ConnectionError::BrokenPipe,
        io::ErrorKind::NotConnected => ConnectionError::NotConnected,
        _ => ConnectionError::Reset,
    }
}

#[test]
fn a_failed_write_tells_an_end_from_a_loss() {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, Other, TimedOut,
    };
    for call in [Call::Write, Call::Flush, Call::Shutdown] {
        for error in [ConnectionReset, ConnectionAborted, TimedOut, Other] {
            for receive in [None, Some(BrokenPipe), Some(TimedOut)] {
                check_cut(call, error, receive, Some(error), error);
            }
        }
        for receive in [None, Some(ConnectionReset), Some(TimedOut)] {
            check_cut(call, BrokenPipe, receive, receive, BrokenPipe);
            let cause = receive.unwrap_or(NotConnected);
            check_cut(call, NotConnected, receive, receive, cause);
        }
    }
}

/// Writes, then reads, and checks why reads fail, unless they end in order, and then writes.
fn check_cut(
    call: Call,
    error: io::ErrorKind,
    receive: Option<io::ErrorKind>,
    reads: Option<io::ErrorKind>,
    writes: io::ErrorKind,
) {
    let _case = io_test_support::Case(format!("{call:?}: {error:?}, then {receive:?}"));
    let cut = Cut {
        call,
        error,
        receive,
        input: b"half",
    };
    let mut stream = StreamPair::new(Join::new(cut.clone(), cut));
    smol::block_on(async {
        stream.writer.write(b"output").unwrap();
        let written = stream.writer.finish().await;
        assert_eq!(lost(written), (loss_of(error), error));
        let Some(reads) = reads else {
            assert_eq!(stream.reader.read_line().await.unwrap(), "half");
            assert!(stream.reader.read_line().await.unwrap().is_empty());
            return;
        };
        for _ in 0..2 {
            let read = stream.reader.read_to_end(100).await;
            assert_eq!(lost(read), (loss_of(reads), reads));
        }
        assert_eq!(stream.reader.read(100).await.unwrap(), "half");
        let read = stream.reader.read(100).await;
        assert_eq!(lost(read), (loss_of(reads), reads));
        let written = stream.writer.flush().await;
        assert_eq!(lost(written), (loss_of(writes), writes));
    });
}

/// A transport whose write fails only once the other half has received zero bytes.
#[derive(Clone)]
struct Slow(Arc<std::sync::Barrier>);

impl ReadHalf for Slow {
    fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(0))
    }
}

impl WriteHalf for Slow {
    fn poll_write(&mut self, _: &mut Context<'_>, _: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.0.wait();
        // Time for the other half to receive.
        std::thread::sleep(std::time::Duration::from_millis(20));
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn an_end_beside_a_write_waits_for_its_error() {
    let barrier = Arc::new(std::sync::Barrier::new(2));
    let (read, write) = (Slow(Arc::clone(&barrier)), Slow(Arc::clone(&barrier)));
    let (mut reader, mut writer) = StreamPair::new(Join::new(read, write)).split();
    writer.write(b"output").unwrap();
    let writing = std::thread::spawn(move || lost(smol::block_on(writer.drain())));
    barrier.wait();
    let read = smol::block_on(reader.read_line());
    let expected = (ConnectionError::Reset, io::ErrorKind::ConnectionReset);
    assert_eq!(lost(read), expected);
    assert_eq!(writing.join().unwrap(), expected);
}

/// A read that waits, and beside it a writer that comes to its end and then aborts.
fn abort_after(peer: ScriptedPeer, end: impl AsyncFnOnce(&mut StreamWriter<Scripted>)) {
    let transport = Scripted::new(peer.fails(Call::Read, TransportError::WouldBlock));
    let (mut reader, mut writer) = StreamPair::new(transport).split();
    let mut tasks = Tasks::new();
    tasks.spawn("read_line", async move {
        for _ in 0..2 {
            let error = reader.read_line().await.unwrap_err();
            assert!(matches!(error, Error::ConnectionLost(lost) if lost.kind == ConnectionError::Aborted));
        }
    });
    tasks.spawn("abort", async move {
        end(&mut writer).await;
        writer.abort();
    });
    tasks.run(Order::Strict, 0);
}

#[test]
fn an_abort_behind_a_failed_write_ends_a_read_that_waits() {
    let peer = ScriptedPeer::new().fails(Call::Write, TransportError::Lost(ConnectionError::Reset));
    abort_after(peer, async |writer| {
        writer.write(b"output").unwrap();
        writer.drain().await.unwrap_err();
    });
}

#[test]
fn an_abort_behind_a_close_ends_a_read_that_waits() {
    abort_after(ScriptedPeer::new(), async |writer| {
        writer.close().await.unwrap();
    });
}

#[cfg(feature = "blocking")]
#[test]
fn an_abort_is_no_clean_end_for_a_thread_that_blocks_in_a_read() {
    use std::net::{TcpListener, TcpStream};

    use plimsoll_io::blocking;

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for _ in 0..20 {
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (_peer, _) = listener.accept().unwrap();
        let socket = blocking::Async::new(socket).unwrap();
        let (mut reader, mut writer) = StreamPair::new(socket).split();
        let aborting = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(5));
            writer.abort();
            writer
        });
        let error = blocking::block_on(reader.read_line()).unwrap_err();
        assert!(
            matches!(error, Error::ConnectionLost(lost) if lost.kind == ConnectionError::Aborted)
        );
        aborting.join().unwrap();
    }
}

#[cfg(feature = "blocking")]
#[test]
fn an_abort_of_blocking_sockets_is_no_clean_end_for_the_peer() {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    let reading = std::thread::spawn(move || peer.read(&mut [0; 8]));
    let mut stream = StreamPair::new(plimsoll_io::blocking::Async::new(socket).unwrap());
    stream.writer.abort();
    // Time for the peer to see an end that comes before the reset.
    std::thread::sleep(std::time::Duration::from_millis(50));
    drop(stream);
    let error = reading.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_close_that_takes_too_long_gives_up_on_a_transport_without_a_clock() {
    struct Unpark(std::thread::Thread, AtomicBool);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.1.store(true, Ordering::SeqCst);
            self.0.unpark();
        }
    }

    let (mut here, _there) = pair(1);
    here.writer.write(b"output").unwrap();
    let mut closed = pin!(
        here.writer
            .close_timeout(std::time::Duration::from_millis(20))
    );
    let woken = Arc::new(Unpark(std::thread::current(), AtomicBool::new(true)));
    let waker = woken.clone().into();
    let error = loop {
        while !woken.1.swap(false, Ordering::SeqCst) {
            std::thread::park();
        }
        let mut cx = Context::from_waker(&waker);
        if let Poll::Ready(closed) = closed.as_mut().poll(&mut cx) {
            break closed.unwrap_err();
        }
    };
    assert!(matches!(error, Error::ConnectionLost(lost) if lost.kind == ConnectionError::TimedOut));
}

/// Whether somebody was woken.
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_read_that_finds_the_output_in_use_is_woken_to_send_it() {
    let peer = ScriptedPeer::new()
        .fails(Call::Read, TransportError::WouldBlock)
        .fails(Call::Read, TransportError::WouldBlock);
    let transport = Scripted::new(peer);
    let (mut reader, mut writer) = StreamPair::new(transport.clone()).split();
    let flag = Arc::new(Flag(AtomicBool::new(false)));
    let waker = Arc::clone(&flag).into();
    let mut cx = Context::from_waker(&waker);
    let mut read = pin!(reader.read_line());

    writer.write(b"question\n").unwrap();
    // As another thread does for a moment in `is_writable`.
    writer.with_transport(|_| assert!(read.as_mut().poll(&mut cx).is_pending()));
    assert!(flag.0.swap(false, Ordering::SeqCst));
    assert!(read.as_mut().poll(&mut cx).is_pending());
    assert_eq!(transport.lock().peer.received(), b"question\n");
    assert!(!writer.is_closing());
    assert!(!flag.0.load(Ordering::SeqCst), "once is enough");
}

/// Streams whose reads pause as soon as anything is pending.
fn pausing(peer: ScriptedPeer) -> (Scripted, StreamPair<Scripted>) {
    let transport = Scripted::new(peer);
    let options = StreamOptions::new()
        .water_marks(WaterMarks::new(0, 0).unwrap())
        .pause_reading_when_full(true);
    (
        transport.clone(),
        StreamPair::with_options(transport, &options),
    )
}

#[test]
fn a_read_that_pauses_is_woken_by_a_drain_that_did_not_have_to_wait() {
    for seed in 0..10 {
        let peer = ScriptedPeer::new()
            .fails(Call::Write, TransportError::WouldBlock)
            .sends(b"input\n");
        let (transport, stream) = pausing(peer);
        let (mut reader, mut writer) = stream.split();
        writer.write(b"output").unwrap();
        // The transport becomes ready without a word while the other half asks it.
        let mut tasks = Tasks::with_outside(|| transport.fire());
        tasks.spawn("read_line", async {
            assert_eq!(reader.read_line().await.unwrap(), "input\n");
        });
        tasks.spawn("drain", async {
            writer.drain().await.unwrap();
        });
        tasks.run(Order::Strict, seed);
        let calls = transport.lock().calls.clone();
        assert_eq!(calls[..2], [Call::Write, Call::Write]);
    }
}

#[test]
fn a_read_that_pauses_receives_nothing_while_the_output_is_in_use() {
    let (transport, stream) = pausing(ScriptedPeer::new().sends(b"input\n"));
    let (mut reader, mut writer) = stream.split();
    let flag = Arc::new(Flag(AtomicBool::new(false)));
    let waker = Arc::clone(&flag).into();
    let mut cx = Context::from_waker(&waker);
    let mut read = pin!(reader.read_line());

    writer.write(b"output").unwrap();
    writer.with_transport(|_| assert!(read.as_mut().poll(&mut cx).is_pending()));
    assert_eq!(transport.lock().calls, []);
    assert!(flag.0.load(Ordering::SeqCst));
    assert!(read.as_mut().poll(&mut cx).is_ready());
    assert_eq!(transport.lock().peer.received(), b"output");
}

#[cfg(all(unix, feature = "tokio"))]
#[test]
fn a_close_that_need_not_wait_needs_no_clock() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    let mut stream = runtime.block_on(async {
        let near = tokio::net::UnixStream::from_std(near).unwrap();
        near.writable().await.unwrap();
        StreamPair::new(near)
    });
    // Outside of its runtime tokio has no clock, and says so by a panic.
    stream.writer.write(b"bye").unwrap();
    smol::block_on(stream.writer.close()).unwrap();
    assert_eq!(std::io::read_to_string(far).unwrap(), "bye");
}

/// A transport whose reads fail, and what becomes of its write side.
#[derive(Clone, Default)]
struct Failing {
    flushes_wait: bool,
    aborts: Arc<AtomicUsize>,
}

impl ReadHalf for Failing {
    fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Other.into()))
    }
}

impl WriteHalf for Failing {
    fn poll_write(
        &mut self,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.flushes_wait {
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn abort(&mut self) {
        self.aborts.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_stream_that_is_cut_off_is_not_ended_in_order() {
    // A loss drops what is pending, so that nothing shows but the loss itself that anything was.
    for (flushes_wait, finishes, reads, aborts) in [
        (false, false, false, 0),
        (false, false, true, 1),
        (false, true, true, 0),
        (true, false, false, 1),
    ] {
        let transport = Failing {
            flushes_wait,
            ..Failing::default()
        };
        let duplex = Join::new(transport.clone(), transport.clone());
        let mut stream = StreamPair::new(duplex);
        let mut cx = Context::from_waker(Waker::noop());
        stream.writer.write(b"output").unwrap();
        assert_eq!(
            pin!(stream.writer.flush()).poll(&mut cx).is_pending(),
            flushes_wait
        );
        if finishes {
            assert!(pin!(stream.writer.finish()).poll(&mut cx).is_ready());
        }
        if reads {
            let read = pin!(stream.reader.read_line()).poll(&mut cx);
            assert!(
                matches!(read, Poll::Ready(Err(Error::ConnectionLost(_)))),
                "{read:?}"
            );
        }
        drop(stream);
        let found = transport.aborts.load(Ordering::Relaxed);
        assert_eq!(found, aborts, "{flushes_wait} {finishes} {reads}");
    }
}

/// A transport that has come to take output by the time that its call returns, and has woken in it.
#[derive(Clone, Default)]
struct Prompt(Arc<AtomicBool>);

impl ReadHalf for Prompt {
    fn poll_read(&mut self, _: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        room[0] = b'\n';
        Poll::Ready(Ok(1))
    }
}

impl WriteHalf for Prompt {
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.0.swap(true, Ordering::Relaxed) {
            return Poll::Ready(Ok(slices[0].len()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_read_that_pauses_sends_when_the_transport_has_woken_in_its_offer() {
    let transport = Prompt::default();
    let duplex = Join::new(transport.clone(), transport);
    let options = StreamOptions::new()
        .water_marks(WaterMarks::new(1, 0).unwrap())
        .pause_reading_when_full(true);
    let (mut reader, mut writer) = StreamPair::with_options(duplex, &options).split();
    writer.write(b"full").unwrap();
    let mut tasks = Tasks::new();
    tasks.spawn("read_line", async {
        assert_eq!(reader.read_line().await.unwrap(), "\n");
    });
    tasks.run(Order::Strict, 0);
    assert_eq!(writer.pending(), 0);
}
