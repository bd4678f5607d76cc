//! What one half of a stream does to the other: whom it wakes and whom not, what it sends for it, and what
//! outlives whom.

use std::future::Future;
use std::io::{self, IoSlice};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use io_test_support::pair;
use io_test_support::scripted::Scripted;
use plimsoll::TransportError;
use plimsoll::testing::{Call, ScriptedPeer};
use plimsoll_io::{
    ConnectionError, DuplexStream, Error, Join, LineEnding, StreamOptions, StreamPair, Transport,
    WaterMarks, WriteHalf, duplex,
};

/// A task that is polled by hand.
#[derive(Default)]
struct Task {
    wakes: Arc<Wakes>,
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Task {
    /// Polls it once. Dropped, what has to wait is given up.
    fn poll<A>(&self, future: impl Future<Output = A>) -> Poll<A> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        pin!(future).poll(&mut Context::from_waker(&waker))
    }

    /// How often it was woken since it was last asked.
    fn wakes(&self) -> usize {
        self.wakes.0.swap(0, Ordering::Relaxed)
    }
}

#[test]
fn a_write_wakes_a_read_that_waits_once_and_no_other() {
    let (mut here, mut there) = pair(100);
    let (read, peer) = (Task::default(), Task::default());
    assert!(read.poll(here.reader.read_line()).is_pending());
    here.writer.write(b"question\n").unwrap();
    here.writer.write(b"and another\n").unwrap();
    assert_eq!(read.wakes(), 1, "it has not sent the first yet");
    assert!(read.poll(here.reader.read_line()).is_pending());
    assert_eq!(here.writer.pending(), 0);

    there.writer.write(b"answer\n").unwrap();
    assert!(peer.poll(there.writer.flush()).is_ready());
    assert_eq!(read.wakes(), 1);
    assert!(read.poll(here.reader.read_line()).is_ready());
    here.writer.write(b"nobody waits\n").unwrap();
    assert_eq!(read.wakes(), 0, "it has its answer");
}

#[test]
fn t04_a_write_of_nothing_and_one_that_is_refused_wake_nobody() {
    let (mut here, _there) = pair(100);
    let read = Task::default();
    here.writer.set_max_pending(3);
    assert!(read.poll(here.reader.read_line()).is_pending());
    here.writer.write(b"").unwrap();
    here.writer.write_all_vectored(&[b"", b""]).unwrap();
    here.writer.write(b"four").unwrap_err();
    here.writer.write_line(b"\n", LineEnding::Lf).unwrap_err();
    assert_eq!(read.wakes(), 0);
    here.writer.write(b"one").unwrap();
    assert_eq!(read.wakes(), 1);
}

#[test]
fn a_read_that_sends_wakes_a_writer_that_waits_and_no_other() {
    let peer = ScriptedPeer::new()
        .fails(Call::Read, TransportError::WouldBlock)
        .fails(Call::Read, TransportError::WouldBlock)
        .fails(Call::Write, TransportError::WouldBlock);
    let mut stream = StreamPair::new(Scripted::new(peer));
    let (read, write) = (Task::default(), Task::default());
    stream.writer.write(b"output").unwrap();
    assert!(write.poll(stream.writer.drain()).is_pending());
    assert!(read.poll(stream.reader.read_line()).is_pending());
    assert_eq!(write.wakes(), 1, "the read has sent it");

    assert!(write.poll(stream.writer.drain()).is_ready());
    stream.writer.write(b"more").unwrap();
    assert!(read.poll(stream.reader.read_line()).is_pending());
    assert_eq!(stream.writer.pending(), 0);
    assert_eq!(write.wakes(), 0, "it waits no more");
}

#[test]
fn a_read_that_waits_goes_on_with_a_flush_or_a_finish_that_was_given_up() {
    for call in [Call::Flush, Call::Shutdown] {
        let peer = ScriptedPeer::new()
            .fails(Call::Read, TransportError::WouldBlock)
            .fails(call, TransportError::WouldBlock);
        let transport = Scripted::new(peer);
        let mut stream = StreamPair::new(transport.clone());
        let task = Task::default();
        stream.writer.write(b"output").unwrap();
        let given_up = match call {
            Call::Flush => task.poll(stream.writer.flush()),
            _ => task.poll(stream.writer.finish()),
        };
        assert!(given_up.is_pending());
        assert!(task.poll(stream.reader.read_line()).is_pending());
        let calls = transport.lock().calls.clone();
        assert!(calls.ends_with(&[call, call, Call::Read]), "{calls:?}");
    }
}

#[test]
fn whether_to_write_follows_the_marks_whoever_sends() {
    let marks = WaterMarks::new(4, 2).unwrap();
    let (here, there) = duplex(4);
    let mut here = StreamPair::with_options(here, &StreamOptions::new().water_marks(marks));
    let mut there = StreamPair::with_options(there, &StreamOptions::new().read_size(1));
    let task = Task::default();
    for reads_send in [false, true] {
        let send = |here: &mut StreamPair<DuplexStream>| {
            if reads_send {
                assert!(task.poll(here.reader.read_line()).is_pending())
            } else {
                drop(task.poll(here.writer.drain()))
            }
        };
        here.writer.write(b"1234").unwrap();
        assert!(here.writer.is_writable(), "at the high mark");
        here.writer.write(b"5678").unwrap();
        assert!(!here.writer.is_writable(), "above it");
        // The pipe takes four, and then what the peer, who reads a byte at a time, has made room for.
        send(&mut here);
        assert!(task.poll(there.reader.read_exact(1)).is_ready());
        send(&mut here);
        assert_eq!(
            (here.writer.pending(), here.writer.is_writable()),
            (3, false)
        );
        assert!(task.poll(there.reader.read_exact(1)).is_ready());
        send(&mut here);
        assert_eq!(
            (here.writer.pending(), here.writer.is_writable()),
            (2, true)
        );
        assert!(task.poll(there.reader.read_exact(6)).is_pending());
        assert!(task.poll(here.writer.flush()).is_ready());
        assert!(task.poll(there.reader.read_exact(6)).is_ready());
    }
    assert!(task.poll(here.writer.finish()).is_ready());
    assert!(!here.writer.is_writable(), "never again");
}

#[test]
fn a_connection_stays_open_until_both_halves_are_dropped() {
    let (here, mut there) = pair(100);
    let task = Task::default();
    let (reader, mut writer) = here.split();
    drop(reader);
    there.writer.write(b"nobody reads\n").unwrap();
    let flushed = task.poll(there.writer.flush());
    assert!(matches!(flushed, Poll::Ready(Ok(()))), "{flushed:?}");
    writer.write(b"still here\n").unwrap();
    assert!(task.poll(writer.flush()).is_ready());
    drop(writer);
    for line in ["still here\n", ""] {
        match task.poll(there.reader.read_line()) {
            Poll::Ready(Ok(found)) => assert_eq!(found, line),
            other => panic!("{other:?}"),
        }
    }
    there.writer.write(b"nobody is there\n").unwrap();
    let flushed = task.poll(there.writer.flush());
    assert!(matches!(flushed, Poll::Ready(Err(_))), "{flushed:?}");
}

/// As to a child process: it sees the end once nothing can write to it any more.
#[test]
fn a_pipe_ends_with_its_stream() {
    let transport = Scripted::new(ScriptedPeer::new().sends(b"out").over_pipes());
    let StreamPair { reader, mut writer } = StreamPair::new(transport.clone());
    writer.write(b"in").unwrap();
    assert!(Task::default().poll(writer.finish()).is_ready());
    assert!(
        !transport.lock().peer.has_seen_end(),
        "a shutdown does nothing"
    );
    drop((reader, writer));
    assert!(transport.lock().peer.has_seen_end());
    assert_eq!(transport.lock().peer.received(), b"in");
}

#[test]
fn both_halves_tell_the_first_loss_and_its_cause() {
    let peer = ScriptedPeer::new()
        .fails(Call::Write, TransportError::Lost(ConnectionError::Reset))
        .fails(Call::Read, TransportError::Lost(ConnectionError::TimedOut));
    let mut stream = StreamPair::new(Scripted::new(peer));
    let task = Task::default();
    stream.writer.write(b"output").unwrap();
    let written = task.poll(stream.writer.drain()).map(Result::unwrap_err);
    let read = task
        .poll(stream.reader.read_exact(1))
        .map(Result::unwrap_err);
    for told in [written, read] {
        let Poll::Ready(Error::ConnectionLost(lost)) = told else {
            panic!("{told:?}");
        };
        let cause = lost.cause.expect("the transport's error").kind();
        assert_eq!(
            (lost.kind, cause),
            (ConnectionError::Reset, io::ErrorKind::ConnectionReset)
        );
    }
}

/// Writes that have to wait, then take three bytes, and then panic.
struct Panicking(usize);

impl WriteHalf for Panicking {
    fn poll_write(&mut self, _: &mut Context<'_>, _: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.0 += 1;
        match self.0 {
            1 => Poll::Pending,
            2 => Poll::Ready(Ok(3)),
            _ => panic!("a transport with a defect"),
        }
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What it had sent before may be what the other half waits for.
#[test]
fn a_transport_that_panics_leaves_no_half_waiting() {
    for reads_send in [false, true] {
        let (peer, _) = Scripted::new(ScriptedPeer::new()).split();
        let transport = Join::new(peer, Panicking(0));
        let options = StreamOptions::new()
            .water_marks(WaterMarks::new(4, 3).unwrap())
            .pause_reading_when_full(true);
        let mut stream = StreamPair::with_options(transport, &options);
        let (waits, sends) = (Task::default(), Task::default());
        stream.writer.write(b"output").unwrap();
        let StreamPair { reader, writer, .. } = &mut stream;
        let mut read = |task: &Task| task.poll(reader.read_line()).is_ready();
        let mut drain = |task: &Task| task.poll(writer.drain()).is_ready();
        let mut halves: [&mut dyn FnMut(&Task) -> bool; 2] = [&mut read, &mut drain];
        if reads_send {
            halves.reverse();
        }
        let [wait, send] = halves;
        assert!(!wait(&waits));
        assert!(catch_unwind(AssertUnwindSafe(|| send(&sends))).is_err());
        assert_eq!(stream.writer.pending(), 3);
        assert_eq!(waits.wakes(), 1, "{reads_send}");
    }
}

/// Only the reader receives. A [`Connection`](plimsoll_io::Connection)'s `drain` does so as well.
#[test]
fn two_pairs_that_only_drain_wait_for_each_other() {
    const SIZE: usize = 50_000;
    let (mut here, mut there) = pair(100);
    let (one, other) = (Task::default(), Task::default());
    for side in [&mut here, &mut there] {
        side.writer.write(&[b'x'; SIZE]).unwrap();
    }
    for _ in 0..100 {
        assert!(one.poll(here.writer.drain()).is_pending());
        assert!(other.poll(there.writer.drain()).is_pending());
    }
    assert_eq!((one.wakes(), other.wakes()), (0, 0), "for ever");
    // A read of either ends it.
    let exchange = async |side: &mut StreamPair<DuplexStream>| {
        let (read, drained) =
            smol::future::zip(side.reader.read_exact(SIZE), side.writer.drain()).await;
        drained.unwrap();
        assert_eq!(read.unwrap().len(), SIZE);
    };
    smol::block_on(smol::future::zip(exchange(&mut here), exchange(&mut there)));
}
