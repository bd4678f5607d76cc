//! Two streams and the network between them, each half in a task of its own or both in one.
//!
//! While there are decisions to take, anything may happen: what comes of each read is compared with what
//! the model makes of the bytes that the transport has handed out. Then nothing goes wrong any more, and
//! all tasks have to end.

use std::cell::Cell;
use std::future::Future;

use plimsoll::{ConnectionError, ReadError};
use plimsoll_io::{Error, StreamPair, StreamReader, StreamWriter, WriteError};

use crate::executor::{Order, Tasks, both, polled, yielded};
use crate::limits::Limits;
use crate::network::{End, Network};
use test_support::choices::Choices;
use test_support::reader_model::{End as ModelEnd, Outcome, Read, ReaderModel};
use test_support::reads::some_read_of_a_stream;
use test_support::wire::{Kind, Medium, Ran, bytes_from};

/// Runs two streams until all tasks have ended.
///
/// # Panics
///
/// If bytes are lost, doubled or out of order, if more is held than may be, if a side sees a clean end
/// before the other has finished, or if the tasks do not end once nothing goes wrong.
pub fn run(mut choices: Choices) -> Ran {
    let order = choices.of(&[Order::Strict, Order::Random]);
    let seed = choices.below(1 << 16) as u64;
    let halves_apart = choices.below(2) == 0;
    let mut limits = [(); 2].map(|()| Limits::new(&mut choices));
    // Of two sides that do, neither might go on.
    limits[0].pauses = choices.below(2) == 1;
    let network = Network::new(choices);
    let accepted = [Cell::new(0), Cell::new(0)];
    let mut tasks = Tasks::with_outside(|| network.pass_time());
    for (side, limits) in limits.into_iter().enumerate() {
        let stream = StreamPair::with_options(network.end(side), &limits.options());
        let (reader, writer) = stream.split();
        let model = ReaderModel::new(limits.limit);
        let reading = Reading {
            network: &network,
            side,
            limits,
            model,
        };
        let reads = reading.run(reader, &accepted[1 - side]);
        let writes = Writing {
            network: &network,
            side,
            max_pending: limits.max_pending,
            accepted: &accepted[side],
        }
        .run(writer);
        if halves_apart {
            tasks.spawn(format!("reader {side}"), reads);
            tasks.spawn(format!("writer {side}"), writes);
        } else {
            tasks.spawn(format!("side {side}"), both(reads, writes))
        }
    }
    let polls = tasks.run(order, seed).polls;
    let state = network.lock();
    Ran {
        faults: state.faults,
        steps: polls + state.calls,
        bytes: state.sides.iter().map(|side| side.read).sum(),
        trace: state.choices.trace(),
    }
}

/// The reader of a side.
struct Reading<'a> {
    network: &'a Network,
    side: usize,
    limits: Limits,
    model: ReaderModel,
}

impl Reading<'_> {
    async fn run(mut self, mut reader: StreamReader<End>, accepted: &Cell<u64>) {
        while !self.network.lock().choices.are_over() {
            if self.network.below(8) == 7 {
                self.be_slow().await;
            }
            let read = some_read_of_a_stream(|end| self.network.below(end));
            match self.ask(&mut reader, &read).await {
                Some(Outcome::Failed(ReadError::ConnectionLost(_))) => break,
                Some(_) if self.model.end.is_some() => break,
                _ => {}
            }
        }
        let rest = Read::Some(64);
        loop {
            match self.ask(&mut reader, &rest).await {
                Some(Outcome::Frame { bytes, .. }) if !bytes.is_empty() => {}
                Some(Outcome::Failed(ReadError::ConnectionLost(_)) | Outcome::Frame { .. }) => {
                    break;
                }
                // A part of a line that is dropped takes the place of nothing.
                Some(other) => panic!("{other:?}"),
                None => {}
            }
        }
        self.check_end(&reader, accepted.get());
    }

    /// Reads once, or gives it up; then `None`.
    async fn ask(&mut self, reader: &mut StreamReader<End>, read: &Read) -> Option<Outcome> {
        let give_up_after = match self.network.below(4) {
            3 => 1 + self.network.below(3),
            _ => usize::MAX,
        };
        let outcome = polled(outcome_of(reader, read), give_up_after).await;
        let mut state = self.network.lock();
        let this = &mut state.sides[self.side];
        self.model.feed(&std::mem::take(&mut this.handed_out));
        let had_ended = self.model.end.is_some();
        if let (false, Some(end)) = (had_ended, this.read_end) {
            self.model.end = Some(match end {
                Ok(()) => ModelEnd::Eof,
                Err(loss) => ModelEnd::Lost(loss),
            });
        }
        let write_failed = this.write_failed;
        let is_lost = state.is_lost();
        let Some(outcome) = outcome else {
            state.faults.count(Kind::Cancellation);
            drop(state);
            self.follow(read, reader.buffered());
            return None;
        };
        drop(state);
        match outcome {
            Outcome::Failed(ReadError::ConnectionLost(loss))
                if self.model.end != Some(ModelEnd::Lost(loss)) =>
            {
                // This side has given the connection up, the transport has lied about a count, or the output
                // was lost before.
                assert!(is_lost && !had_ended, "side {}: {loss:?}", self.side);
                assert!(
                    loss != ConnectionError::Reset || write_failed,
                    "side {}",
                    self.side
                );
                self.model.end = Some(ModelEnd::Lost(loss));
            }
            _ => {}
        }
        assert_eq!(
            outcome,
            self.model.read(read),
            "side {}: {read:?}",
            self.side
        );
        self.check(reader);
        Some(outcome)
    }

    /// Follows what a read that was given up has begun to discard, which goes on without it.
    fn follow(&mut self, read: &Read, buffered: &[u8]) {
        let mut waiting = self.model.clone();
        if waiting.read(read) == Outcome::NeedInput {
            self.model = waiting;
        }
        assert_eq!(buffered, self.model.buffered(), "side {}", self.side);
    }

    fn check(&self, reader: &StreamReader<End>) {
        assert_eq!(
            reader.buffered(),
            self.model.buffered(),
            "side {}",
            self.side
        );
        let bound = (2 * self.limits.limit).max(300) + self.limits.read_size;
        assert!(reader.buffered().len() <= bound, "side {}", self.side);
    }

    /// Everything has arrived, unless the connection was lost.
    fn check_end(&self, reader: &StreamReader<End>, accepted: u64) {
        let state = self.network.lock();
        let (this, peer) = (&state.sides[self.side], &state.sides[1 - self.side]);
        let was_cut_off = state.was_cut_off(self.side);
        // A socket of one machine ends the same if its side gave it up.
        let is_told = !was_cut_off || state.link.medium() == Medium::Tcp;
        if self.model.end == Some(ModelEnd::Eof) && is_told {
            assert!(
                peer.has_finished,
                "side {}: a clean end of what was cut off over {:?}",
                self.side, state.link
            );
            assert_eq!(this.read, peer.written, "side {}", self.side);
        }
        if !was_cut_off {
            assert!(reader.at_eof(), "side {}: no clean end", self.side);
            assert_eq!(
                this.read, accepted,
                "side {}: everything arrives",
                self.side
            );
        }
    }

    /// Does not read until the wire is full, or for some time.
    async fn be_slow(&self) {
        for _ in 0..20 {
            yielded().await;
            let mut state = self.network.lock();
            if state.is_full_towards(self.side) {
                return state.faults.count(Kind::SlowReader);
            }
        }
    }
}

/// What a read came to, in the form of the model.
async fn outcome_of(reader: &mut StreamReader<End>, read: &Read) -> Outcome {
    let frame = match read {
        Read::Some(max) => reader.read(*max).await,
        Read::Line => reader.read_line().await,
        Read::Until(separators) => reader.read_until(&separators.built).await,
        Read::Exact(count) => reader.read_exact(*count).await,
        Read::ToEnd(max) => reader.read_to_end(*max).await,
        Read::SkipUntil(separators) => {
            return match reader.skip_until(&separators.built).await {
                Ok(index) => Outcome::Skipped(index),
                Err(error) => failed(error),
            };
        }
        Read::Peek(count) => {
            return match reader.peek(*count).await {
                Ok(bytes) => Outcome::Peeked(bytes.to_vec()),
                Err(error) => failed(error),
            };
        }
        other => panic!("{other:?} is no read of a stream"),
    };
    match frame {
        Ok(frame) => Outcome::Frame {
            content: frame.content().len(),
            matched: frame.separator_index(),
            bytes: frame.to_vec(),
        },
        Err(error) => failed(error),
    }
}

fn failed(error: Error) -> Outcome {
    match error {
        Error::Read(error) => Outcome::Failed(error),
        Error::ConnectionLost(lost) => Outcome::Failed(ReadError::ConnectionLost(lost.kind)),
        other => panic!("a read failed with {other:?}"),
    }
}

/// The writer of a side.
struct Writing<'a> {
    network: &'a Network,
    side: usize,
    max_pending: usize,
    accepted: &'a Cell<u64>,
}

impl Writing<'_> {
    async fn run(self, mut writer: StreamWriter<End>) {
        let closes = self.network.below(2) == 1;
        let aborts_what_is_lost = self.network.below(2) == 0;
        while !self.network.lock().choices.are_over() {
            let done = match self.network.below(32) {
                0..=15 => self.write(&mut writer),
                16..=23 => self.wait(writer.drain()).await,
                24..=28 => self.wait(writer.flush()).await,
                29 => {
                    yielded().await;
                    Ok(())
                }
                _ => match self.network.below(48) {
                    47 => {
                        writer.abort();
                        return;
                    }
                    46 => {
                        self.network.reset();
                        Ok(())
                    }
                    32..=45 => break,
                    _ => Ok(()),
                },
            };
            if !self.check(&writer, done) {
                if aborts_what_is_lost {
                    writer.abort();
                }
                return;
            }
        }
        if writer.pending() == 0 && self.network.below(2) == 1 {
            // The end of the stream is the first to meet it.
            self.network.reset();
        }
        let ended = loop {
            let ended = if closes {
                self.wait(writer.close()).await
            } else {
                self.wait(writer.finish()).await
            };
            // Given up, it goes on from where it was.
            if ended.is_err() || self.network.lock().sides[self.side].has_finished {
                break ended;
            }
        };
        if self.check(&writer, ended) {
            assert_eq!(writer.pending(), 0, "side {}", self.side);
        }
    }

    fn write(&self, writer: &mut StreamWriter<End>) -> Result<(), Error> {
        let len = match self.network.below(16) {
            15 => self.network.below(700),
            short => short,
        };
        let data = bytes_from(self.side, self.accepted.get(), len);
        let pending = writer.pending();
        let written = match self.network.below(3) {
            0 => writer.write(&data),
            1 => writer.write_bytes(data.into()),
            _ => {
                let (first, rest) = data.split_at(len / 3);
                writer.write_all_vectored(&[first, &[], rest])
            }
        };
        match written {
            Ok(()) => self.accepted.set(self.accepted.get() + len as u64),
            Err(Error::Write(WriteError::Full { .. })) => {
                assert!(
                    len > 0 && pending + len > self.max_pending,
                    "side {}",
                    self.side
                );
            }
            Err(other) => return Err(other),
        }
        Ok(())
    }

    /// Waits, or gives it up.
    async fn wait(&self, sent: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
        let give_up_after = match self.network.below(4) {
            3 => 1 + self.network.below(3),
            _ => usize::MAX,
        };
        polled(sent, give_up_after).await.unwrap_or_else(|| {
            self.network.lock().faults.count(Kind::Cancellation);
            Ok(())
        })
    }

    /// What must hold after each operation. Tells whether the connection goes on.
    fn check(&self, writer: &StreamWriter<End>, done: Result<(), Error>) -> bool {
        let state = self.network.lock();
        let this = &state.sides[self.side];
        let written = this.written;
        let is_lost = state.is_lost();
        drop(state);
        match done {
            Ok(()) => {
                assert!(writer.pending() <= self.max_pending, "side {}", self.side);
                let is_whole = self.accepted.get() == written + writer.pending() as u64;
                assert!(
                    is_lost || is_whole,
                    "side {}: accepted = sent + pending",
                    self.side
                );
                true
            }
            Err(Error::ConnectionLost(lost)) => {
                assert!(is_lost, "side {}: {lost:?}", self.side);
                false
            }
            Err(other) => panic!("side {}: {other:?}", self.side),
        }
    }
}
