//! A side that has a pair: both halves in one task, or each in a task of its own and together again
//! now and then; and its ending, while the other half may be anywhere.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll_io::{Runtime, StreamPair, StreamReader, StreamWriter, Transport};
use smol::channel::Receiver;

use super::halves::{Reading, Writing};
use super::plan::{CLIENT, Ending, Form, SERVER, Side};
use super::record::Record;
use super::waits::{Signal, Signals};
use super::watch::{COUNTS, Task};
use super::writes::Stage;
use io_test_support::Random;

/// How many halves are leaked, with what they hold.
const MOST_LEAKED: u64 = 1000;

/// How a handler ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    InOrder,
    WithError,
}

/// One side of a connection.
pub struct Me<'a> {
    pub record: &'a Arc<Record>,
    pub side: usize,
    pub random: Random,
    /// Whether a task is a thread, which may block.
    pub is_on_threads: bool,
}

impl Me<'_> {
    pub fn plan(&self) -> Side {
        self.record.plan.sides[self.side]
    }

    /// What ends this side's waits.
    pub fn signals(&mut self) -> Signals {
        let ending = self.plan().ending;
        let own = (ending == Ending::Timer)
            .then(|| Duration::from_micros(self.random.below(60_000) as u64));
        let deadline = self.record.plan.deadline.filter(|_| self.side == CLIENT);
        Signals {
            back: None,
            leave: (ending == Ending::Drop).then(Signal::new),
            deadline: own.or(deadline).map(|after| Instant::now() + after),
        }
    }

    /// How a handler ends whose ending is this.
    pub fn ended(&self) -> Ended {
        match self.plan().ending {
            Ending::Error | Ending::LeaveWithError => Ended::WithError,
            _ => Ended::InOrder,
        }
    }

    /// Panics, in a handler, without the words that a panic prints.
    pub fn panics(&self) -> ! {
        assert_eq!(self.side, SERVER, "handlers are caught");
        let panics = &self.record.house.panics;
        panics.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        COUNTS.panics.add(1);
        std::panic::resume_unwind(Box::new("as it was planned"));
    }
}

/// Runs something in a task of its own.
pub fn elsewhere<R: Runtime, A: Send + 'static>(
    work: impl Future<Output = A> + Send + 'static,
) -> Receiver<A> {
    let (sender, receiver) = smol::channel::bounded(1);
    let task = Task::begin();
    R::spawn(async move {
        let _task = task;
        // Who started it may be gone.
        let _ = sender.send(work.await).await;
    })
    .expect("another task");
    COUNTS.moved.add(1);
    receiver
}

/// Runs one side of a connection to its end.
pub async fn run<R: Runtime, T: Transport>(
    mut me: Me<'_>,
    reader: StreamReader<T>,
    writer: StreamWriter<T>,
) -> Ended {
    let _running = me.record.runs();
    let signals = me.signals();
    let reading = Reading::new(me.record, me.side, reader);
    let writing = Writing::new(me.record, me.side, writer);
    match me.plan().form {
        Form::Apart => apart::<R, T>(&mut me, reading, writing, signals).await,
        _ => together::<R, T>(&mut me, reading, writing, signals).await,
    }
    me.ended()
}

/// Where the reader is while its writer's ending comes.
enum Reader<T: Transport> {
    Here(Box<Reading<T>>),
    There {
        comes: Receiver<Reading<T>>,
        back: Option<Signal>,
    },
}

impl<T: Transport> Reader<T> {
    /// Waits for it; it comes as soon as it can, unless it is to read everything.
    async fn here(self, reads_all: bool) -> Reading<T> {
        match self {
            Self::Here(reading) => *reading,
            Self::There { comes, back } => {
                if let (Some(back), false) = (back, reads_all) {
                    back.raise();
                }
                comes.recv().await.expect("a task that ends")
            }
        }
    }
}

async fn together<R: Runtime, T: Transport>(
    me: &mut Me<'_>,
    mut reading: Reading<T>,
    mut writing: Writing<T>,
    signals: Signals,
) {
    loop {
        writing.queue();
        if writing.is_due() {
            return comes_due::<R, T>(me, Reader::Here(Box::new(reading)), writing, signals).await;
        }
        match (reading.is_over(), writing.is_over()) {
            (true, true) => return,
            (false, true) => reading.turn::<R>(&signals, false).await,
            (true, false) => writing.sent::<R>(&signals, false).await,
            (false, false) => {
                let (read, sent) = (
                    reading.turn::<R>(&signals, false),
                    writing.sent::<R>(&signals, false),
                );
                // Which of the two is not ready, is given up.
                COUNTS.given_up.add(1);
                match me.random.below(2) {
                    0 => smol::future::or(read, sent).await,
                    _ => smol::future::or(sent, read).await,
                }
            }
        }
        if me.random.below(8) == 0 {
            rejoin(&mut reading, &mut writing);
        }
    }
}

async fn apart<R: Runtime, T: Transport>(
    me: &mut Me<'_>,
    mut reading: Reading<T>,
    mut writing: Writing<T>,
    signals: Signals,
) {
    let may_block = me.is_on_threads;
    writing.may_rest = me.record.plan.is_in_order();
    // An ending that comes due may want the reader back at any time.
    let is_due_once = !me.plan().ending.is_in_order() && me.plan().ending != Ending::Abort;
    for left in (0..=me.random.below(3)).rev() {
        let back = (left > 0 || is_due_once).then(Signal::new);
        let steps = match left {
            0 => usize::MAX,
            _ => 1 + me.random.below(20),
        };
        let of_reader = Signals {
            back: back.clone(),
            ..signals.clone()
        };
        let of_writer = signals.clone();
        let reads = elsewhere::<R, _>(async move {
            while !reading.is_over() && !of_reader.is_back() {
                reading.turn::<R>(&of_reader, may_block).await;
            }
            reading
        });
        let writes = elsewhere::<R, _>(async move {
            for _ in 0..steps {
                if writing.is_over() || writing.is_due() {
                    break;
                }
                writing.turn::<R>(&of_writer, may_block).await;
            }
            writing
        });
        writing = writes.recv().await.expect("a task that ends");
        let reader = Reader::There { comes: reads, back };
        if writing.is_due() {
            return comes_due::<R, T>(me, reader, writing, signals).await;
        }
        reading = reader.here(left == 0).await;
        if reading.is_over() && writing.is_over() {
            return;
        }
        rejoin(&mut reading, &mut writing);
    }
    while !reading.is_over() {
        reading.turn::<R>(&signals, may_block).await;
    }
}

/// Puts the halves together and takes them apart again.
fn rejoin<T: Transport>(reading: &mut Reading<T>, writing: &mut Writing<T>) {
    if reading.half.is_none() || writing.half.is_none() {
        return;
    }
    if let (Some(reader), Some(writer)) = (reading.half.take(), writing.half.take()) {
        let stream = StreamPair::reunite(reader, writer).expect("halves of the same connection");
        let (reader, writer) = stream.split();
        (reading.half, writing.half) = (Some(reader), Some(writer));
    }
}

/// The ending that is not in order.
async fn comes_due<R: Runtime, T: Transport>(
    me: &mut Me<'_>,
    reader: Reader<T>,
    mut writing: Writing<T>,
    signals: Signals,
) {
    let Side {
        ending,
        is_elsewhere,
        ..
    } = me.plan();
    me.record.will_cut();
    writing.writes.does("ends out of order");
    match ending {
        Ending::Abort => {
            writing.abort();
            read_all::<R, T>(&mut reader.here(true).await, &signals).await;
        }
        Ending::Drop => {
            if let Some(leave) = &signals.leave {
                leave.raise();
            }
            writing.leave("dropped");
            reader.here(false).await.leave("dropped");
        }
        Ending::DropReader => {
            reader.here(false).await.leave("dropped");
            write_all::<R, T>(&mut writing, &signals).await;
        }
        Ending::DropWriter => {
            writing.leave("dropped");
            read_all::<R, T>(&mut reader.here(true).await, &signals).await;
        }
        Ending::LeakReader => {
            let mut reading = reader.here(false).await;
            leak(reading.half.take());
            reading.leave("leaked");
            write_all::<R, T>(&mut writing, &signals).await;
        }
        Ending::LeakWriter => {
            writing.writes.ends();
            leak(writing.half.take());
            writing.leave("leaked");
            if !is_elsewhere {
                read_all::<R, T>(&mut reader.here(true).await, &signals).await;
            }
        }
        // With the reader in another task, or here.
        _ => {
            let reading = if is_elsewhere {
                Err(reader)
            } else {
                Ok(reader.here(false).await)
            };
            if ending == Ending::Panic {
                me.panics();
            }
            writing.writes.ends();
            drop(reading);
        }
    }
}

/// Leaks a half; drops it, if enough of them were leaked.
fn leak<A>(half: Option<A>) {
    if half.is_some() && COUNTS.leaked_halves.get() < MOST_LEAKED {
        COUNTS.leaked.add(1);
        COUNTS.leaked_halves.add(1);
        std::mem::forget(half);
    }
}

/// Goes on reading to the end.
async fn read_all<R: Runtime, T: Transport>(reading: &mut Reading<T>, signals: &Signals) {
    while !reading.is_over() {
        reading.turn::<R>(signals, false).await;
    }
}

/// Goes on writing to the end.
async fn write_all<R: Runtime, T: Transport>(writing: &mut Writing<T>, signals: &Signals) {
    writing.writes.ending = Ending::Finish;
    writing.writes.stage = Stage::Writes;
    while !writing.is_over() {
        writing.turn::<R>(signals, false).await;
    }
}
