//! A side that has a connection with one owner: call by call, or turn by turn.

use std::sync::atomic::Ordering;
use std::time::Duration;

use plimsoll::{Reader, Step};
use plimsoll_io::{Connection, Error, ReadError, Runtime, Transport, WriteError};

use super::pair::{Ended, Me, elsewhere};
use super::plan::{Ending, Form, SERVER, Side};
use super::reads::{Answer, Read, Reads, separator};
use super::record::{Running, Seen};
use super::waits::{Patience, Signals, Waited, wait};
use super::watch::COUNTS;
use super::writes::{Stage, Writes};

/// A connection, and what its party knows.
struct Owner<'a, T: Transport> {
    me: Me<'a>,
    connection: Connection<T>,
    reads: Reads,
    writes: Writes,
    signals: Signals,
    _running: Running,
}

/// Runs one side of a connection to its end. A handler may leave it to another task.
pub async fn run<R: Runtime, T: Transport>(me: Me<'_>, connection: Connection<T>) -> Ended {
    let Side {
        ending,
        is_elsewhere,
        ..
    } = me.plan();
    let ended = me.ended();
    let is_caught = matches!(ending, Ending::Panic);
    if me.side == SERVER && is_elsewhere && !is_caught {
        let (record, side) = (me.record.clone(), me.side);
        let (random, is_on_threads) = (me.random, me.is_on_threads);
        drop(elsewhere::<R, _>(async move {
            let record = &record;
            let me = Me {
                record,
                side,
                random,
                is_on_threads,
            };
            Owner::new(me, connection).run::<R>().await;
        }));
    } else {
        Owner::new(me, connection).run::<R>().await;
    }
    ended
}

impl<'a, T: Transport> Owner<'a, T> {
    fn new(mut me: Me<'a>, connection: Connection<T>) -> Self {
        Self {
            connection,
            reads: Reads::new(me.record, me.side),
            writes: Writes::new(me.record, me.side),
            signals: me.signals(),
            _running: me.record.runs(),
            me,
        }
    }

    async fn run<R: Runtime>(mut self) {
        match self.me.plan().form {
            Form::Turns => self.take_turns::<R>().await,
            _ => self.call::<R>().await,
        }
        if self.signals.is_leaving() {
            self.me.record.will_cut();
            if self.me.random.below(2) == 0 {
                self.connection.abort();
            }
        } else if self.writes.stage == Stage::IsDue {
            return self.comes_due::<R>().await;
        } else if self.writes.ending == Ending::Close {
            self.writes.does("close");
            if let Err(error) = self.connection.close().await {
                self.me.record.check_failed_write(&error);
            }
        }
        self.leave("at its end");
    }

    fn leave(mut self, how: &'static str) {
        if !self.reads.is_over {
            self.reads.leaves(how);
        }
        if self.writes.stage != Stage::Over {
            self.writes.ends();
            self.writes.leaves(how);
        }
    }

    /// Writes and reads in turn, and waits for each as long as the other may have to go on.
    async fn call<R: Runtime>(&mut self) {
        while !self.signals.is_leaving() {
            self.queue();
            if self.writes.stage == Stage::IsDue {
                return;
            }
            if self.may_rest() && self.writes.random.below(6) == 0 {
                self.rests::<R>().await;
            } else if self.writes.stage != Stage::Over {
                self.send::<R>().await;
            }
            if !self.reads.is_over {
                self.read::<R>().await;
            } else if self.writes.stage == Stage::Over {
                return;
            }
        }
    }

    fn queue(&mut self) {
        if let Some(data) = self.writes.next() {
            self.writes.does("write_with");
            let len = data.len();
            let written = self.connection.write_with(|writer| match len % 2 {
                0 => writer.write(&data),
                _ => writer.write_bytes(data.into()),
            });
            self.writes.note(len, written.map_err(Error::from));
        }
    }

    async fn send<R: Runtime>(&mut self) {
        let (connection, writes) = (&mut self.connection, &mut self.writes);
        let patience = if self.reads.is_over {
            Patience::any(&mut writes.random)
        } else {
            Patience::short(&mut writes.random)
        };
        let signals = &self.signals;
        let waited = match (writes.stage, writes.random.below(6)) {
            (Stage::Ends, _) => {
                writes.does("finish");
                wait::<R, _>(patience, signals, connection.finish()).await
            }
            (Stage::IsFull, _) | (_, 0) => {
                writes.does("drain");
                wait::<R, _>(patience, signals, connection.drain()).await
            }
            (_, 1) => {
                writes.does("flush");
                wait::<R, _>(patience, signals, connection.flush()).await
            }
            (_, 2) => {
                writes.does("ready");
                wait::<R, _>(patience, signals, connection.ready()).await
            }
            _ => return,
        };
        if let Waited::Done(sent) = waited {
            writes.note_sent(sent);
        }
    }

    /// Whether it may do nothing until its server, which polls beside it, has sent everything.
    fn may_rest(&self) -> bool {
        let has_server = self.me.side == SERVER && !self.me.is_on_threads;
        has_server && self.me.record.plan.is_in_order() && self.writes.stage == Stage::Writes
    }

    async fn rests<R: Runtime>(&mut self) {
        self.writes.does("rest");
        for looks in 0.. {
            let pending = self
                .connection
                .write_with(|writer| Ok::<_, WriteError>(writer.pending()));
            if pending.unwrap_or(0) == 0 {
                return;
            }
            R::sleep(Duration::from_millis(1 << looks.min(6))).await;
        }
    }

    async fn read<R: Runtime>(&mut self) {
        let patience = match self.writes.stage {
            Stage::Over => Patience::any(&mut self.reads.random),
            _ => Patience::short(&mut self.reads.random),
        };
        let read = self.reads.next(None);
        let read_with = self.connection.read_with(|reader| ask(reader, read));
        if let Waited::Done(answer) = wait::<R, _>(patience, &self.signals, read_with).await {
            self.reads.check(read, answer);
        }
    }

    /// Reads all that each turn has, and writes a piece; the rest once its peer has ended.
    async fn take_turns<R: Runtime>(&mut self) {
        loop {
            self.reads.does("turn");
            let patience = Patience::any(&mut self.reads.random);
            let turn = self.connection.turn();
            let mut turn = match wait::<R, _>(patience, &self.signals, turn).await {
                Waited::GivenUp => continue,
                Waited::Signalled => return,
                Waited::Done(None) => break,
                Waited::Done(Some(turn)) => turn,
            };
            let core = &mut *turn;
            let max = 1 + self.reads.random.below(20_000);
            while !self.reads.is_over {
                match core.reader.read(max) {
                    Ok(Step::NeedInput) => break,
                    Ok(Step::Ready(frame)) if frame.is_empty() => self.reads.ends(Seen::End),
                    Ok(Step::Ready(frame)) => self.reads.check_some(&frame),
                    Err(ReadError::ConnectionLost(loss)) => {
                        self.reads.ends(Seen::ConnectionLost(loss))
                    }
                    Err(other) => panic!("{other:?}: {}", self.me.record),
                }
            }
            while let Some(data) = self.writes.next() {
                let written = core.writer.write(&data);
                self.writes.note(data.len(), written.map_err(Error::from));
                let pauses = !self.reads.is_over && self.writes.random.below(3) == 0;
                if pauses || self.writes.stage != Stage::Writes {
                    break;
                }
            }
            match self.writes.stage {
                Stage::IsDue => return,
                Stage::Ends if self.reads.is_over && self.writes.random.below(2) == 0 => {
                    core.close();
                }
                Stage::Ends => core.writer.finish(),
                // Another turn comes when it is no longer full.
                Stage::IsFull => self.writes.stage = Stage::Writes,
                Stage::Writes | Stage::Over => {}
            }
        }
        self.writes.does("no more turns");
        if let Some(lost) = self.connection.lost() {
            self.writes.note_sent(Err(Error::ConnectionLost(lost)));
        }
    }

    /// The ending that is not in order.
    async fn comes_due<R: Runtime>(mut self) {
        let record = self.me.record;
        record.will_cut();
        self.writes.does("ends out of order");
        let connection = &mut self.connection;
        match self.me.plan().ending {
            Ending::Abort => {
                connection.abort();
                self.writes.leaves("aborted");
                while !self.reads.is_over && !self.signals.is_leaving() {
                    self.read::<R>().await;
                }
                return;
            }
            Ending::CloseEarly => {
                record.ends(self.me.side);
                let _ = wait::<R, _>(Patience::Endless, &self.signals, connection.close()).await;
            }
            Ending::CloseLingering => {
                record.ends(self.me.side);
                let close = connection.close_lingering(Duration::from_millis(20));
                let _ = wait::<R, _>(Patience::Endless, &self.signals, close).await;
            }
            Ending::LeakTurn => {
                let patience = Patience::time(&mut self.me.random);
                let is_leaked = {
                    let turn = connection.turn();
                    let turn = wait::<R, _>(patience, &self.signals, turn).await;
                    match turn {
                        Waited::Done(Some(turn)) => {
                            std::mem::forget(turn);
                            true
                        }
                        _ => false,
                    }
                };
                if is_leaked {
                    COUNTS.leaked.add(1);
                    let drained = connection.drain().await;
                    assert!(matches!(drained, Err(Error::ConnectionLost(_))), "{record}");
                }
            }
            Ending::LeakAll => {
                record.house.leaked.fetch_add(1, Ordering::SeqCst);
                COUNTS.leaked.add(1);
                self.writes.ends();
                std::mem::forget(self.connection);
                return;
            }
            Ending::Panic => self.me.panics(),
            _ => {}
        }
        self.leave("left");
    }
}

/// Makes one read.
fn ask(reader: &mut Reader, read: Read) -> Result<Step<Answer>, Error> {
    let step = match read {
        Read::Some(max) => reader.read(max)?,
        Read::Line | Read::NextOfLines => reader.read_line()?,
        Read::Until(index) => reader.read_until(&separator(index))?,
        Read::Exact(count) => reader.read_exact(count)?,
        Read::PeekThenExact(count) => match reader.peek(count)? {
            Step::Ready(_) => reader.read_exact(count)?,
            Step::NeedInput => return Ok(Step::NeedInput),
        },
        Read::Skip(index) => {
            let skipped = reader.skip_until(&separator(index))?;
            return Ok(skipped.map(Answer::Skipped));
        }
    };
    Ok(step.map(|frame| Answer::Bytes(frame.to_vec(), frame.separator_index())))
}
