//! The two halves of a pair, each with what its party knows: one read or write at a time, whose
//! wait may be given up. On threads, also through the face that blocks.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream as _;
use plimsoll_io::{Error, Frame, Runtime, StreamReader, StreamWriter, Transport, blocking};

use super::plan::Ending;
use super::reads::{Answer, Read, Reads, separator};
use super::record::Record;
use super::waits::{Patience, Signals, Waited, wait};
use super::watch::COUNTS;
use super::writes::{Stage, Writes};

/// The half to read from.
pub struct Reading<T: Transport> {
    pub half: Option<StreamReader<T>>,
    pub reads: Reads,
}

/// The half to write to.
pub struct Writing<T: Transport> {
    pub half: Option<StreamWriter<T>>,
    pub writes: Writes,
    /// Whether it may do nothing until others have sent what it has written.
    pub may_rest: bool,
}

impl<T: Transport> Reading<T> {
    pub fn new(record: &Arc<Record>, side: usize, half: StreamReader<T>) -> Self {
        Self {
            half: Some(half),
            reads: Reads::new(record, side),
        }
    }

    /// Whether it is at its end, or was left.
    pub fn is_over(&self) -> bool {
        self.half.is_none() || self.reads.is_over
    }

    pub fn leave(&mut self, how: &'static str) {
        self.half = None;
        self.reads.leaves(how);
    }

    /// Reads once, or gives that up.
    pub async fn turn<R: Runtime>(&mut self, signals: &Signals, may_block: bool) {
        let Some(half) = &mut self.half else { return };
        let read = self.reads.next(Some(half.buffered().len()));
        let patience = Patience::any(&mut self.reads.random);
        let waited = match may_block && self.reads.random.below(2) == 0 {
            true => {
                let timeout = timeout_of(patience, signals);
                self.block(read, timeout)
            }
            false => wait::<R, _>(patience, signals, ask(half, read)).await,
        };
        match waited {
            Waited::Done(answer) => self.reads.check(read, answer),
            Waited::Signalled if signals.is_leaving() => {
                self.reads.will_cut();
                self.leave("left");
            }
            Waited::Signalled | Waited::GivenUp => {}
        }
    }

    /// Reads once, blocking the thread.
    fn block(&mut self, read: Read, timeout: Option<Duration>) -> Waited<Result<Answer, Error>> {
        let half = self.half.take().expect("a half that is in use");
        let mut face = blocking::StreamReader::from(half);
        face.set_timeout(timeout);
        let answer = match read {
            Read::Some(max) => face.read(max).map(answer),
            Read::Line => face.read_line().map(answer),
            Read::NextOfLines => face.read_lines().next().transpose().map(line),
            Read::Until(index) => face.read_until(&separator(index)).map(answer),
            Read::Exact(count) => face.read_exact(count).map(answer),
            Read::PeekThenExact(count) => match face.peek(count).map(<[u8]>::to_vec) {
                Ok(peeked) => face.read_exact(count).map(|frame| same(&peeked, frame)),
                Err(error) => Err(error),
            },
            Read::Skip(index) => face.skip_until(&separator(index)).map(Answer::Skipped),
        };
        self.half = Some(face.into_inner());
        unless_timed_out(answer, timeout)
    }
}

/// Where a signal may come, a call that blocks ends now and then, to look.
fn timeout_of(patience: Patience, signals: &Signals) -> Option<Duration> {
    match patience {
        Patience::Endless if !signals.may_come() => None,
        Patience::Endless => Some(Duration::from_millis(20)),
        Patience::Polls(_) => Some(Duration::ZERO),
        Patience::Time(time) => Some(time),
    }
}

fn unless_timed_out<A>(
    done: Result<A, Error>,
    timeout: Option<Duration>,
) -> Waited<Result<A, Error>> {
    match done {
        Err(Error::TimedOut) => {
            assert!(timeout.is_some(), "timed out without a timeout");
            COUNTS.given_up.add(1);
            // It may be so by a deadline.
            Waited::Signalled
        }
        done => Waited::Done(done),
    }
}

/// Makes one read.
async fn ask<T: Transport>(half: &mut StreamReader<T>, read: Read) -> Result<Answer, Error> {
    Ok(match read {
        Read::Some(max) => answer(half.read(max).await?),
        Read::Line => answer(half.read_line().await?),
        Read::NextOfLines => {
            let mut lines = half.read_lines();
            let next = poll_fn(|cx| Pin::new(&mut lines).poll_next(cx)).await;
            line(next.transpose()?)
        }
        Read::Until(index) => answer(half.read_until(&separator(index)).await?),
        Read::Exact(count) => answer(half.read_exact(count).await?),
        Read::PeekThenExact(count) => {
            let peeked = half.peek(count).await?.to_vec();
            same(&peeked, half.read_exact(count).await?)
        }
        Read::Skip(index) => Answer::Skipped(half.skip_until(&separator(index)).await?),
    })
}

fn answer(frame: Frame<'_>) -> Answer {
    Answer::Bytes(frame.to_vec(), frame.separator_index())
}

/// The end of the lines is that of the stream.
fn line(line: Option<bytes::Bytes>) -> Answer {
    Answer::Bytes(line.unwrap_or_default().to_vec(), None)
}

fn same(peeked: &[u8], frame: Frame<'_>) -> Answer {
    assert_eq!(peeked, &frame[..], "what was peeked at is what is read");
    answer(frame)
}

impl<T: Transport> Writing<T> {
    pub fn new(record: &Arc<Record>, side: usize, half: StreamWriter<T>) -> Self {
        Self {
            half: Some(half),
            writes: Writes::new(record, side),
            may_rest: false,
        }
    }

    /// Whether it is at its end, or was left.
    pub fn is_over(&self) -> bool {
        self.half.is_none() || self.writes.stage == Stage::Over
    }

    pub fn is_due(&self) -> bool {
        self.writes.stage == Stage::IsDue
    }

    /// Drops the half, which leaves the connection to the other one.
    pub fn leave(&mut self, how: &'static str) {
        self.writes.ends();
        self.half = None;
        self.writes.leaves(how);
    }

    pub fn abort(&mut self) {
        self.writes.record.will_cut();
        if let Some(half) = &mut self.half {
            half.abort();
        }
        self.writes.leaves("aborted");
    }

    /// Queues the next bytes, if there are more.
    pub fn queue(&mut self) {
        let (Some(half), Some(data)) = (&mut self.half, self.writes.next()) else {
            return;
        };
        let len = data.len();
        self.writes.does("write");
        let written = match self.writes.random.below(4) {
            0 => half.write(&data),
            1 => half.write_bytes(data.into()),
            _ => {
                let (first, rest) = data.split_at(len / 3);
                let (second, third) = rest.split_at(rest.len() / 2);
                half.write_all_vectored(&[first, &[], second, third])
            }
        };
        self.writes.note(len, written);
    }

    /// Waits for what was queued, or for the end; for nothing, or gives that up.
    pub async fn sent<R: Runtime>(&mut self, signals: &Signals, may_block: bool) {
        let Some(half) = &mut self.half else { return };
        let Some(send) = Call::next(&mut self.writes) else {
            return;
        };
        let patience = Patience::any(&mut self.writes.random);
        let waited = match may_block && self.writes.random.below(2) == 0 {
            true => {
                let timeout = timeout_of(patience, signals);
                self.block(send, timeout)
            }
            false => wait::<R, _>(patience, signals, send.by(half)).await,
        };
        match waited {
            Waited::Done(sent) => self.writes.note_sent(sent),
            Waited::Signalled if signals.is_leaving() => {
                self.writes.record.will_cut();
                match self.writes.random.below(2) {
                    0 => self.abort(),
                    _ => self.leave("left"),
                }
            }
            Waited::Signalled | Waited::GivenUp => {}
        }
    }

    /// Writes once, and waits.
    pub async fn turn<R: Runtime>(&mut self, signals: &Signals, may_block: bool) {
        self.queue();
        match self.writes.stage {
            Stage::IsDue if self.writes.ending == Ending::Abort => self.abort(),
            Stage::Writes if self.may_rest && self.writes.random.below(6) == 0 => {
                self.rests::<R>().await;
            }
            _ => self.sent::<R>(signals, may_block).await,
        }
    }

    /// Does nothing until the reader, which waits in another task, has sent everything.
    async fn rests<R: Runtime>(&mut self) {
        self.writes.does("rest");
        let Some(half) = &self.half else { return };
        while half.pending() > 0 && self.writes.goes_on_reading() {
            R::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Sends, blocking the thread.
    fn block(&mut self, send: Call, timeout: Option<Duration>) -> Waited<Result<(), Error>> {
        let half = self.half.take().expect("a half that is in use");
        let mut face = blocking::StreamWriter::from(half);
        face.set_timeout(timeout);
        let sent = match send {
            Call::Drain => face.drain(),
            Call::Flush => face.flush(),
            Call::Finish => face.finish(),
            // It has a limit of its own, but no timeout.
            Call::Close if timeout.is_some() => face.finish(),
            Call::Close => face.close(),
        };
        self.half = Some(face.into_inner());
        unless_timed_out(sent, timeout)
    }
}

/// A call that sends.
#[derive(Clone, Copy, Debug)]
pub enum Call {
    Drain,
    Flush,
    Finish,
    Close,
}

impl Call {
    /// What is to be waited for; for nothing, now and then.
    pub fn next(writes: &mut Writes) -> Option<Self> {
        let send = match (writes.stage, writes.random.below(6)) {
            (Stage::IsFull, _) | (Stage::Writes, 0..=1) => Self::Drain,
            (Stage::Writes, 2) => Self::Flush,
            (Stage::Ends, _) if writes.ending == Ending::Close => Self::Close,
            (Stage::Ends, _) => Self::Finish,
            _ => return None,
        };
        writes.does(match send {
            Self::Drain => "drain",
            Self::Flush => "flush",
            Self::Finish => "finish",
            Self::Close => "close",
        });
        Some(send)
    }

    fn by<T: Transport>(
        self,
        half: &mut StreamWriter<T>,
    ) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send + '_>> {
        match self {
            Self::Drain => Box::pin(half.drain()),
            Self::Flush => Box::pin(half.flush()),
            Self::Finish => Box::pin(half.finish()),
            Self::Close => Box::pin(half.close()),
        }
    }
}
