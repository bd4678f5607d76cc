//! Scenarios over pairs in memory, on an executor that forgives no missing wake-up, and on one at random.
//!
//! Each runs through pipes of one, seven and 4096 bytes, with the reader and the writer of each side in
//! one task and in two.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use io_test_support::executor::{Order, Tasks, both, polled, yielded};
use io_test_support::{Case, report};
use plimsoll::{ConnectionError, ReadError, WaterMarks};
use plimsoll_io::{
    DuplexRead, DuplexStream, DuplexWrite, Error, Sleep, StreamOptions, StreamPair, StreamWriter,
    Transport, duplex,
};

/// How many ways to order the tasks, for each executor.
const SEEDS: u64 = 200;

const CAPACITIES: [usize; 3] = [1, 7, 4096];

/// Whether the reader and the writer of a side share a task.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Split {
    OneTask,
    TwoTasks,
}

/// One run: where it runs, and through what.
#[derive(Clone, Copy, Debug)]
struct Run {
    capacity: usize,
    split: Split,
    order: Order,
    seed: u64,
}

impl Run {
    /// Runs what the two halves of one side do.
    fn side<'a>(
        &self,
        tasks: &mut Tasks<'a>,
        name: &str,
        reads: impl Future<Output = ()> + 'a,
        writes: impl Future<Output = ()> + 'a,
    ) {
        match self.split {
            Split::OneTask => tasks.spawn(name, both(reads, writes)),
            Split::TwoTasks => {
                tasks.spawn(format!("{name} reading"), reads);
                tasks.spawn(format!("{name} writing"), writes);
            }
        }
    }

    fn pair(&self) -> (StreamPair<Pipe>, StreamPair<Pipe>) {
        self.pair_with(&StreamOptions::new(), &StreamOptions::new())
    }

    fn pair_with(
        &self,
        here: &StreamOptions,
        there: &StreamOptions,
    ) -> (StreamPair<Pipe>, StreamPair<Pipe>) {
        let (one, other) = duplex(self.capacity);
        (
            StreamPair::with_options(Pipe(one), here),
            StreamPair::with_options(Pipe(other), there),
        )
    }

    fn run(&self, tasks: Tasks<'_>) {
        tasks.run(self.order, self.seed);
    }

    /// Fewer where the pipe is narrow, so that the tests end soon.
    fn scaled(&self, narrow: usize, middle: usize, wide: usize) -> usize {
        match self.capacity {
            1 => narrow,
            7 => middle,
            _ => wide,
        }
    }
}

/// Runs a scenario everywhere; returns how many runs it was.
fn everywhere(name: &str, splits: &[Split], scenario: impl Fn(Run)) {
    let mut runs = 0;
    for capacity in CAPACITIES {
        for &split in splits {
            for order in [Order::Strict, Order::Random] {
                for seed in 0..SEEDS {
                    let run = Run {
                        capacity,
                        split,
                        order,
                        seed,
                    };
                    let _case = Case(format!("{name}, {run:?}"));
                    scenario(run);
                    runs += 1;
                }
            }
        }
    }
    report(&format!("executors: {name}, {runs} runs"));
    assert_eq!(
        runs,
        CAPACITIES.len() as u64 * splits.len() as u64 * 2 * SEEDS
    );
}

const BOTH: [Split; 2] = [Split::OneTask, Split::TwoTasks];

/// A pair in memory on which no time passes: a close that waits starts no thread.
struct Pipe(DuplexStream);

impl Transport for Pipe {
    type Read = DuplexRead;
    type Write = DuplexWrite;

    fn split(self) -> (DuplexRead, DuplexWrite) {
        self.0.split()
    }

    fn reunite(read: DuplexRead, write: DuplexWrite) -> Self {
        Self(DuplexStream::reunite(read, write))
    }

    fn sleep(_: Duration) -> Sleep {
        Box::pin(std::future::pending())
    }
}

/// What a side's reader tells its writer.
struct Channel<A> {
    queue: RefCell<(VecDeque<A>, bool)>,
    receiver: RefCell<Option<Waker>>,
}

impl<A> Channel<A> {
    fn new() -> Self {
        Self {
            queue: RefCell::new((VecDeque::new(), false)),
            receiver: RefCell::new(None),
        }
    }

    fn send(&self, item: A) {
        self.queue.borrow_mut().0.push_back(item);
        self.wake();
    }

    fn end(&self) {
        self.queue.borrow_mut().1 = true;
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.receiver.take() {
            waker.wake();
        }
    }

    async fn receive(&self) -> Option<A> {
        poll_fn(|cx: &mut Context<'_>| {
            let (items, has_ended) = &mut *self.queue.borrow_mut();
            match (items.pop_front(), has_ended) {
                (Some(item), _) => Poll::Ready(Some(item)),
                (None, true) => Poll::Ready(None),
                (None, false) => {
                    self.receiver.replace(Some(cx.waker().clone()));
                    Poll::Pending
                }
            }
        })
        .await
    }
}

/// Numbered lines, of lengths that fit no capacity.
fn line(number: usize) -> Vec<u8> {
    format!("{number:0width$}\n", width = 1 + number % 7).into_bytes()
}

/// Bytes that show when some are lost, doubled or exchanged.
fn bulk(len: usize, seed: u8) -> Vec<u8> {
    let mix = |place: usize| (place.wrapping_mul(0x9e37_79b1) >> 7) as u8;
    (0..len).map(|place| mix(place) ^ seed).collect()
}

/// Writes all of it, and drains only when it is asked to pause.
async fn write_all(writer: &mut StreamWriter<Pipe>, data: &[u8]) {
    for piece in data.chunks(100) {
        writer.write(piece).unwrap();
        if !writer.is_writable() {
            writer.drain().await.unwrap();
        }
    }
}

fn is_lost(error: &Error, loss: ConnectionError) -> bool {
    matches!(error, Error::ConnectionLost(lost) if lost.kind == loss)
}

/// Small water marks, so that little output makes a writer pause.
fn soon_full() -> StreamOptions {
    StreamOptions::new().water_marks(WaterMarks::new(64, 0).unwrap())
}

#[test]
fn a_request_with_a_partial_next_line_behind_it_is_answered() {
    everywhere("partial next line", &BOTH, |run| {
        let (mut client, server) = run.pair();
        let mut tasks = Tasks::new();
        tasks.spawn("client", async {
            client.writer.write(b"PING 1\nPI").unwrap();
            client.writer.drain().await.unwrap();
            assert_eq!(client.reader.read_line().await.unwrap(), "re: PING 1\n");
            client.writer.write(b"NG 2\n").unwrap();
            assert_eq!(client.reader.read_line().await.unwrap(), "re: PING 2\n");
            client.writer.close().await.unwrap();
            assert!(client.reader.read_line().await.unwrap().is_empty());
        });
        let (mut reader, mut writer) = server.split();
        match run.split {
            Split::OneTask => tasks.spawn("server", async move {
                loop {
                    let line = reader.read_line().await.unwrap().to_vec();
                    if line.is_empty() {
                        break writer.close().await.unwrap();
                    }
                    writer.write_all_vectored(&[b"re: ", &line]).unwrap();
                }
            }),
            Split::TwoTasks => {
                // The writer only queues: the read that waits sends it.
                let lines = std::rc::Rc::new(Channel::new());
                let answered = std::rc::Rc::clone(&lines);
                tasks.spawn("server reading", async move {
                    loop {
                        let line = reader.read_line().await.unwrap().to_vec();
                        if line.is_empty() {
                            break lines.end();
                        }
                        lines.send(line);
                    }
                });
                tasks.spawn("server writing", async move {
                    while let Some(line) = answered.receive().await {
                        writer.write_all_vectored(&[b"re: ", &line]).unwrap();
                    }
                    writer.close().await.unwrap();
                });
            }
        }
        run.run(tasks);
    });
}

#[test]
fn pipelined_lines_are_answered_without_a_drain_while_the_writer_is_writable() {
    everywhere("pipelined lines", &BOTH, |run| {
        let count = run.scaled(50, 300, 3000);
        let (client, server) = run.pair_with(&soon_full(), &soon_full());
        let mut tasks = Tasks::new();
        let (mut reader, mut writer) = client.split();
        let reads = async move {
            for number in 0..count {
                assert_eq!(*reader.read_line().await.unwrap(), *line(number));
            }
            assert!(reader.read_line().await.unwrap().is_empty());
        };
        let writes = async move {
            for number in 0..count {
                writer.write(&line(number)).unwrap();
                if !writer.is_writable() {
                    writer.drain().await.unwrap();
                }
            }
            writer.finish().await.unwrap();
        };
        run.side(&mut tasks, "client", reads, writes);
        tasks.spawn("server", async move {
            let StreamPair {
                mut reader,
                mut writer,
                ..
            } = server;
            loop {
                let line = reader.read_line().await.unwrap();
                if line.is_empty() {
                    break;
                }
                writer.write(&line).unwrap();
                if !writer.is_writable() {
                    writer.drain().await.unwrap();
                }
            }
            writer.close().await.unwrap();
        });
        run.run(tasks);
    });
}

#[test]
fn t52_each_side_may_finish_first_and_go_on_reading() {
    everywhere("half-close", &BOTH, |run| {
        let len = run.scaled(30, 200, 10_000);
        for first in [0, 1] {
            let (here, there) = run.pair();
            let mut sides = [here, there];
            sides.rotate_left(first);
            let [finishing, answering] = sides;
            let mut tasks = Tasks::new();
            let (mut reader, mut writer) = finishing.split();
            let reads = async move {
                assert_eq!(*reader.read_to_end(len).await.unwrap(), *bulk(len, 2));
                assert!(reader.at_eof());
            };
            let writes = async move {
                writer.write(&bulk(len, 1)).unwrap();
                writer.finish().await.unwrap();
                let error = writer.write(b"more").unwrap_err();
                assert!(matches!(error, Error::Write(_)));
            };
            run.side(&mut tasks, "who finishes first", reads, writes);
            let mut answering = answering;
            tasks.spawn("who answers then", async move {
                let all = answering.reader.read_to_end(len).await.unwrap();
                assert_eq!(*all, *bulk(len, 1));
                answering.writer.write(&bulk(len, 2)).unwrap();
                answering.writer.finish().await.unwrap();
            });
            run.run(tasks);
        }
    });
}

#[test]
fn both_sides_may_send_much_at_once() {
    everywhere("much at once", &BOTH, |run| {
        let len = run.scaled(300, 1500, 60_000);
        // One side may wait for room before it receives; the other takes what it sends.
        let pausing = soon_full().pause_reading_when_full(run.seed % 2 == 0);
        let (here, there) = run.pair_with(&pausing, &StreamOptions::new());
        let mut tasks = Tasks::new();
        for (name, stream, sent, expected) in [("here", here, 1, 2), ("there", there, 2, 1)] {
            let (mut reader, mut writer) = stream.split();
            let reads = async move {
                let mut received = Vec::new();
                loop {
                    let piece = reader.read(1000).await.unwrap();
                    if piece.is_empty() {
                        break;
                    }
                    received.extend_from_slice(&piece);
                }
                assert!(received == bulk(len, expected), "{} bytes", received.len());
            };
            let writes = async move {
                write_all(&mut writer, &bulk(len, sent)).await;
                writer.close().await.unwrap();
            };
            run.side(&mut tasks, name, reads, writes);
        }
        run.run(tasks);
    });
}

#[test]
fn a_write_beside_a_read_that_waits_is_sent_by_that_read() {
    everywhere("write beside a read", &BOTH, |run| {
        let (asking, mut answering) = run.pair();
        let mut tasks = Tasks::new();
        let (mut reader, mut writer) = asking.split();
        let reads = async move {
            assert_eq!(reader.read_line().await.unwrap(), "answer\n");
        };
        let writes = async move {
            // Long enough for the read to wait, on most orders.
            for _ in 0..3 {
                yielded().await;
            }
            writer.write(b"question, ").unwrap();
            yielded().await;
            writer.write(b"and more of it\n").unwrap();
        };
        run.side(&mut tasks, "who asks", reads, writes);
        tasks.spawn("who answers", async move {
            let question = answering.reader.read_line().await.unwrap();
            assert_eq!(question, "question, and more of it\n");
            answering.writer.write(b"answer\n").unwrap();
            answering.writer.drain().await.unwrap();
        });
        run.run(tasks);
    });
}

#[test]
fn a_drain_ends_whoever_of_the_two_halves_sends() {
    everywhere("drain beside a read", &BOTH, |run| {
        let len = run.scaled(60, 400, 20_000);
        for low in [0, 10] {
            let marks = WaterMarks::new(16, low).unwrap();
            let options = StreamOptions::new().water_marks(marks);
            let (here, mut there) = run.pair_with(&options, &StreamOptions::new());
            let mut tasks = Tasks::new();
            let (mut reader, mut writer) = here.split();
            let reads = async move {
                // Input that keeps coming makes this read send, again and again.
                for _ in 0..10 {
                    assert_eq!(reader.read_line().await.unwrap(), "tick\n");
                }
                assert_eq!(reader.read_line().await.unwrap(), "got all\n");
            };
            let writes = async move {
                writer.write(&bulk(len, 3)).unwrap();
                writer.drain().await.unwrap();
                assert!(writer.pending() <= low);
                writer.flush().await.unwrap();
                assert_eq!(writer.pending(), 0);
            };
            run.side(&mut tasks, "who drains", reads, writes);
            tasks.spawn("who takes", async move {
                for _ in 0..10 {
                    there.writer.write(b"tick\n").unwrap();
                    there.writer.drain().await.unwrap();
                    yielded().await;
                }
                let all = there.reader.read_exact(len).await.unwrap();
                assert!(*all == *bulk(len, 3));
                there.writer.write(b"got all\n").unwrap();
                there.writer.drain().await.unwrap();
            });
            run.run(tasks);
        }
    });
}

#[test]
fn an_over_long_line_costs_itself_and_no_other() {
    everywhere("over-long line", &BOTH, |run| {
        let long = run.scaled(50, 200, 10_000);
        let (client, mut server) =
            run.pair_with(&StreamOptions::new(), &StreamOptions::new().limit(8));
        let mut tasks = Tasks::new();
        let (mut reader, mut writer) = client.split();
        let reads = async move {
            for expected in ["short\n", "line too long\n", "12345678\n", "last"] {
                assert_eq!(reader.read_line().await.unwrap(), expected);
            }
            assert!(reader.read_line().await.unwrap().is_empty());
        };
        let writes = async move {
            writer.write(b"short\n").unwrap();
            for piece in vec![b'x'; long].chunks(13) {
                writer.write(piece).unwrap();
                writer.drain().await.unwrap();
                yielded().await;
            }
            writer.write(b"\n12345678\nlast").unwrap();
            writer.finish().await.unwrap();
        };
        run.side(&mut tasks, "client", reads, writes);
        tasks.spawn("server", async move {
            loop {
                match server.reader.read_line().await {
                    Ok(line) if line.is_empty() => break,
                    Ok(line) => server.writer.write(&line).unwrap(),
                    Err(Error::Read(ReadError::LineTooLong { limit: 8 })) => {
                        server.writer.write(b"line too long\n").unwrap();
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            server.writer.close().await.unwrap();
        });
        run.run(tasks);
    });
}

#[test]
fn an_end_in_mid_line_leaves_the_line() {
    everywhere("end in mid-line", &BOTH, |run| {
        for is_dropped in [false, true] {
            let (here, there) = run.pair();
            let mut tasks = Tasks::new();
            let (mut reader, mut writer) = there.split();
            let reads = async move {
                assert_eq!(reader.read_line().await.unwrap(), "whole\n");
                let error = reader.read_exact(9).await.unwrap_err();
                let Error::Read(ReadError::Incomplete { buffered: 8, .. }) = error else {
                    panic!("{error}");
                };
                assert_eq!(reader.read_line().await.unwrap(), "and half");
                assert!(reader.read_line().await.unwrap().is_empty());
            };
            let writes = async move {
                writer.write(b"late").unwrap();
                // Whoever is gone does not take it.
                let _ = writer.finish().await;
            };
            run.side(&mut tasks, "who reads", reads, writes);
            let mut here = here;
            tasks.spawn("who ends", async move {
                here.writer.write(b"whole\nand half").unwrap();
                here.writer.finish().await.unwrap();
                if !is_dropped {
                    assert_eq!(*here.reader.read_to_end(10).await.unwrap(), *b"late");
                }
            });
            run.run(tasks);
        }
    });
}

#[test]
fn t40_an_abort_of_the_peer_ends_a_read_and_a_drain_that_wait() {
    everywhere("abort of the peer", &BOTH, |run| {
        let (mut here, there) = run.pair();
        let mut tasks = Tasks::new();
        let (mut reader, mut writer) = there.split();
        writer.write(&bulk(10_000, 4)).unwrap();
        let reads = async move {
            for _ in 0..2 {
                let error = reader.read_line().await.unwrap_err();
                assert!(is_lost(&error, ConnectionError::Reset), "{error}");
            }
        };
        let writes = async move {
            for _ in 0..2 {
                let error = writer.drain().await.unwrap_err();
                assert!(is_lost(&error, ConnectionError::Reset), "{error}");
            }
            assert!(is_lost(
                &writer.write(b"more").unwrap_err(),
                ConnectionError::Reset
            ));
        };
        run.side(&mut tasks, "who waits", reads, writes);
        tasks.spawn("who aborts", async move {
            here.writer.write(b"no newline").unwrap();
            here.writer.drain().await.unwrap();
            for _ in 0..3 {
                yielded().await;
            }
            here.writer.abort();
        });
        run.run(tasks);
    });
}

#[test]
fn an_abort_of_this_side_ends_its_read_and_is_told_to_the_peer() {
    everywhere("abort of this side", &BOTH, |run| {
        let (here, mut there) = run.pair();
        let mut tasks = Tasks::new();
        let (mut reader, mut writer) = here.split();
        let reads = async move {
            for _ in 0..2 {
                let error = reader.read_line().await.unwrap_err();
                assert!(is_lost(&error, ConnectionError::Aborted), "{error}");
            }
        };
        let writes = async move {
            for _ in 0..3 {
                yielded().await;
            }
            writer.abort();
            let error = writer.drain().await.unwrap_err();
            assert!(is_lost(&error, ConnectionError::Aborted), "{error}");
        };
        run.side(&mut tasks, "who aborts", reads, writes);
        tasks.spawn("peer", async move {
            let error = there.reader.read_line().await.unwrap_err();
            assert!(is_lost(&error, ConnectionError::Reset), "{error}");
        });
        run.run(tasks);
    });
}

#[test]
fn a_drain_leaves_as_much_as_the_low_mark_and_no_more() {
    everywhere("low mark", &[Split::OneTask], |run| {
        let low = 10;
        let options = StreamOptions::new().water_marks(WaterMarks::new(16, low).unwrap());
        let (mut here, mut there) = run.pair_with(&options, &StreamOptions::new());
        let drained = RefCell::new(false);
        let mut tasks = Tasks::new();
        let len = run.capacity + low + 1;
        tasks.spawn("who drains", async {
            here.writer.write(&bulk(len, 5)).unwrap();
            here.writer.drain().await.unwrap();
            drained.replace(true);
            // The peer has received what the pipe held, and the drain has offered everything.
            let pending = (low + 1).saturating_sub(run.capacity);
            assert_eq!(here.writer.pending(), pending);
            here.writer.close().await.unwrap();
        });
        tasks.spawn("who takes a byte", async {
            for _ in 0..20 {
                yielded().await;
                assert!(!*drained.borrow(), "one byte too many is pending");
            }
            assert_eq!(*there.reader.read_exact(1).await.unwrap(), bulk(1, 5));
            while !*drained.borrow() {
                yielded().await;
            }
            assert_eq!(
                *there.reader.read_to_end(len).await.unwrap(),
                bulk(len, 5)[1..]
            );
        });
        run.run(tasks);
    });
}

/// A read that pauses because the output is full, and all that may end its wait.
#[test]
fn a_read_that_pauses_is_woken_by_whatever_ends_its_pause() {
    #[derive(Clone, Copy, Debug)]
    enum End {
        Drain,
        Abort,
        PeersAbort,
    }
    everywhere("paused read", &BOTH, |run| {
        for end in [End::Drain, End::Abort, End::PeersAbort] {
            let (here, there) = run.pair_with(
                &soon_full().pause_reading_when_full(true),
                &StreamOptions::new().pause_reading_when_full(true),
            );
            let len = run.capacity + 100;
            let mut tasks = Tasks::new();
            let (mut reader, mut writer) = here.split();
            writer.write(&bulk(len, 6)).unwrap();
            let reads = async move {
                let line = reader.read_line().await.map(|line| line.to_vec());
                match (end, line) {
                    (End::Drain, Ok(line)) => assert_eq!(line, b"after it\n"),
                    (End::Abort, Err(error)) => {
                        assert!(is_lost(&error, ConnectionError::Aborted), "{error}")
                    }
                    (End::PeersAbort, Err(error)) => {
                        assert!(is_lost(&error, ConnectionError::Reset), "{error}");
                    }
                    (_, read) => panic!("{read:?} after {end:?}"),
                }
            };
            let writes = async move {
                for _ in 0..run.seed % 5 {
                    yielded().await;
                }
                match end {
                    End::Drain => writer.drain().await.unwrap(),
                    End::Abort => writer.abort(),
                    End::PeersAbort => drop(writer.drain().await.unwrap_err()),
                }
            };
            run.side(&mut tasks, "who pauses", reads, writes);
            let mut there = there;
            tasks.spawn("peer", async move {
                match end {
                    End::Drain => {
                        assert!(*there.reader.read_exact(len).await.unwrap() == *bulk(len, 6));
                        there.writer.write(b"after it\n").unwrap();
                        there.writer.drain().await.unwrap();
                    }
                    End::Abort => drop(there.reader.read_exact(len + 1).await.unwrap_err()),
                    End::PeersAbort => {
                        for _ in 0..run.seed % 7 {
                            yielded().await;
                        }
                        there.writer.abort();
                    }
                }
            });
            run.run(tasks);
        }
    });
}

/// Each byte asks for a hundred; the peer sends them all the time, and takes answers hardly ever.
#[test]
fn t06_a_peer_that_asks_and_takes_no_answers_is_not_listened_to() {
    const STEPS: usize = 100_000;
    const ANSWER: usize = 100;
    const READ_SIZE: usize = 32;
    const HIGH: usize = 64;
    for capacity in CAPACITIES {
        for (order, seed) in [(Order::Strict, 0), (Order::Strict, 1), (Order::Random, 2)] {
            let run = Run {
                capacity,
                split: Split::OneTask,
                order,
                seed,
            };
            let _case = Case(format!("{run:?}"));
            let options = soon_full().read_size(READ_SIZE);
            let (client, server) = run.pair_with(
                &StreamOptions::new(),
                &options.pause_reading_when_full(true),
            );
            let most_pending = Cell::new(0);
            let (taken, asked) = (Cell::new(0), Cell::new(0));
            let (most_pending, taken, asked) = (&most_pending, &taken, &asked);
            let mut tasks = Tasks::new();
            tasks.spawn("who answers", async move {
                let StreamPair {
                    mut reader,
                    mut writer,
                    ..
                } = server;
                while reader.read_exact(1).await.is_ok() {
                    writer.write(&[b'a'; ANSWER]).unwrap();
                    most_pending.set(writer.pending().max(most_pending.get()));
                }
                writer.close().await.unwrap();
            });
            tasks.spawn("who asks", async move {
                let StreamPair {
                    mut reader,
                    mut writer,
                    ..
                } = client;
                for step in 0..STEPS {
                    // As much as the pipe takes.
                    if writer.pending() == 0 {
                        writer.write(&[b'?'; 10]).unwrap();
                        asked.set(asked.get() + 10);
                    }
                    let _ = polled(writer.drain(), 1).await;
                    if step % 1000 == 999 {
                        let answers = reader.read_exact(3 * ANSWER / 2).await.unwrap();
                        taken.set(taken.get() + answers.len());
                    }
                    yielded().await;
                }
                // It had no answer in advance: nothing was lost, and the pause was no end.
                assert!(asked.get() < taken.get() / ANSWER + 2 * capacity + 100);
                let finish = async { writer.finish().await.unwrap() };
                let take = async {
                    let rest = asked.get() * ANSWER - taken.get();
                    assert!(rest > 0);
                    assert_eq!(reader.read_to_end(rest).await.unwrap().len(), rest);
                };
                both(finish, take).await;
            });
            run.run(tasks);
            let most_pending = most_pending.get();
            assert!(most_pending > HIGH);
            assert!(most_pending <= HIGH + READ_SIZE * ANSWER, "{most_pending}");
        }
    }
}
