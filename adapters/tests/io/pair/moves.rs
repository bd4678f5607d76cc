//! The two halves of a stream in two threads, as fast as they can: no wake-up is lost between them.
//!
//! `tests/loom` runs the hand-over itself through the interleavings of its threads; this runs all of it on real threads, with the
//! wakers around it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use io_test_support::{answer_lines, pair, report};
use plimsoll_io::DuplexStream;
use plimsoll_io::StreamWriter;

/// How many requests, one at a time.
const TURNS: usize = 100_000;
/// Many times what they take: a wake-up that is lost never comes.
const LIMIT: Duration = Duration::from_secs(120);

/// Polls a future in this thread when it was woken, and never else.
fn block_on<A>(future: impl Future<Output = A>) -> A {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return result;
        }
        thread::park();
    }
}

/// Runs `work` in threads of their own, which must all end in time.
fn in_time(work: Vec<Box<dyn FnOnce() + Send>>) {
    let (done, ended) = mpsc::channel();
    let count = work.len();
    for work in work {
        let done = done.clone();
        thread::spawn(move || {
            work();
            done.send(()).unwrap();
        });
    }
    drop(done);
    for _ in 0..count {
        ended.recv_timeout(LIMIT).expect("no thread waits for ever");
    }
}

/// A peer answers each line with itself; one half writes them by `write`, the other reads, in two
/// threads. The next line is written when the last one was answered, so that nothing makes up for a
/// wake-up that is lost.
fn ping_pong(
    capacity: usize,
    mut write: impl FnMut(&mut StreamWriter<DuplexStream>, usize) + Send + 'static,
) {
    let (here, there) = pair(capacity);
    let (mut reader, mut writer) = here.split();
    let (answered, next) = mpsc::channel();
    let writes = move || {
        for turn in 0..TURNS {
            write(&mut writer, turn);
            assert_eq!(next.recv().unwrap(), turn);
        }
        block_on(writer.close()).unwrap();
    };
    let reads = move || {
        for turn in 0..TURNS {
            let line = block_on(reader.read_line()).unwrap().to_vec();
            assert_eq!(line, format!("{turn}\n").into_bytes());
            answered.send(turn).unwrap();
        }
        assert!(block_on(reader.read_line()).unwrap().is_empty());
    };
    let answers = move || {
        let (reader, writer) = there.split();
        block_on(answer_lines(reader, writer)).unwrap();
    };
    in_time(vec![Box::new(writes), Box::new(reads), Box::new(answers)]);
}

/// One half writes and does not send; the other half's read, which waits, sends it when it is woken.
#[test]
fn a_read_sends_every_write_of_another_thread() {
    ping_pong(64, |writer, turn| {
        writeln!(writer, "{turn}").unwrap();
        // Locks, once and each time at another moment, what the read that was just woken wants.
        for _ in 0..turn % 1000 {
            std::hint::spin_loop();
        }
        writer.pending();
    });
    report(&format!("handover: {TURNS} writes beside a read"));
}

/// One half drains through a narrow pipe while the other's read sends the same output.
#[test]
fn a_drain_and_a_read_do_not_lose_each_other() {
    ping_pong(2, |writer, turn| {
        writeln!(writer, "{turn}").unwrap();
        block_on(writer.drain()).unwrap();
    });
    report(&format!("handover: {TURNS} drains beside a read"));
}
