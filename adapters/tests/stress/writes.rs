//! What a side writes, piece by piece, until it has come to its end.

use std::sync::Arc;

use plimsoll_io::{Error, WriteError};

use super::payload::Payload;
use super::plan::{Ending, Plan};
use super::record::{Record, WRITES};
use io_test_support::Random;

/// What a party knows of the bytes that it writes.
#[derive(Debug)]
pub struct Writes {
    pub record: Arc<Record>,
    side: usize,
    payload: Payload,
    pub random: Random,
    /// How many bytes were accepted.
    at: u64,
    pub ending: Ending,
    pub stage: Stage,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    Writes,
    /// The last write was refused, for too much was pending.
    IsFull,
    /// All is written, and the end was or is to be asked for.
    Ends,
    /// The ending has come that is not in order.
    IsDue,
    Over,
}

impl Writes {
    /// What `side` writes.
    pub fn new(record: &Arc<Record>, side: usize) -> Self {
        Self {
            record: Arc::clone(record),
            side,
            payload: record.payload(side),
            random: record.plan.random(side, WRITES),
            at: 0,
            ending: record.plan.sides[side].ending,
            stage: Stage::Writes,
        }
    }

    pub fn plan(&self) -> &Plan {
        &self.record.plan
    }

    /// The next bytes, if it goes on writing. What is returned has to be written, and the outcome
    /// [noted](Self::note).
    pub fn next(&mut self) -> Option<Vec<u8>> {
        if self.stage != Stage::Writes {
            return None;
        }
        let side = self.plan().sides[self.side];
        let is_due = self.at >= side.due && !self.ending.is_in_order();
        if is_due && self.ending != Ending::Timer {
            self.stage = Stage::IsDue;
            return None;
        }
        let left = (side.volume - self.at) as usize;
        if left == 0 {
            self.ends();
            return None;
        }
        let len = match self.random.below(8) {
            0 => self.random.below(100_000),
            1..=3 => self.random.below(4000),
            _ => self.random.below(200),
        };
        let data = self.payload.bytes(self.at, len.min(left));
        let end = self.at + data.len() as u64;
        self.record.offers(self.side, end);
        Some(data)
    }

    /// Notes that there is no more to write.
    pub fn ends(&mut self) {
        self.record.ends(self.side);
        self.stage = match self.ending {
            Ending::Leave | Ending::LeaveWithError => Stage::Over,
            _ => Stage::Ends,
        };
    }

    /// Notes how the write of so many bytes has ended.
    pub fn note(&mut self, len: usize, written: Result<(), Error>) {
        match written {
            Ok(()) => {
                self.at += len as u64;
                self.record.accepts(self.side, self.at);
            }
            Err(Error::Write(WriteError::Full { .. })) => self.stage = Stage::IsFull,
            Err(error) => self.fails(&error),
        }
    }

    /// Notes that a call that sends has ended.
    pub fn note_sent(&mut self, sent: Result<(), Error>) {
        match sent {
            Ok(()) => {
                self.record.accepts(self.side, self.at);
                match self.stage {
                    Stage::IsFull => self.stage = Stage::Writes,
                    Stage::Ends => self.leaves("at its end"),
                    _ => {}
                }
            }
            Err(error) => self.fails(&error),
        }
    }

    fn fails(&mut self, error: &Error) {
        self.record.check_failed_write(error);
        self.leaves("lost");
    }

    /// Whether the other half has not come to its end.
    pub fn goes_on_reading(&self) -> bool {
        self.record.goes_on_reading(self.side)
    }

    pub fn does(&self, what: &'static str) {
        self.record.does(self.side, WRITES, what, self.at);
    }

    /// Notes that the party writes no more.
    pub fn leaves(&mut self, how: &'static str) {
        self.does(how);
        self.stage = Stage::Over;
    }
}
