//! What a side reads, and the check of every answer: the bytes, the separators, the end.

use std::sync::Arc;

use plimsoll_io::{Error, ReadError, Separator};

use super::payload::{Payload, SEPARATORS};
use super::record::{READS, Record, Seen};
use io_test_support::Random;

/// A read. Separators are given by their place in [`SEPARATORS`].
#[derive(Clone, Copy, Debug)]
pub enum Read {
    Some(usize),
    Line,
    NextOfLines,
    Until(usize),
    Exact(usize),
    PeekThenExact(usize),
    Skip(usize),
}

impl Read {
    fn name(self) -> &'static str {
        match self {
            Self::Some(_) => "read",
            Self::Line => "read_line",
            Self::NextOfLines => "lines",
            Self::Until(_) => "read_until",
            Self::Exact(_) => "read_exact",
            Self::PeekThenExact(_) => "peek, read_exact",
            Self::Skip(_) => "skip_until",
        }
    }
}

/// What came of a read.
#[derive(Debug)]
pub enum Answer {
    /// With the place of the separator that ends them, if it is known.
    Bytes(Vec<u8>, Option<usize>),
    Skipped(usize),
}

pub fn separator(index: usize) -> Separator {
    Separator::any(SEPARATORS[index]).unwrap()
}

/// What a party knows of the bytes that it reads.
#[derive(Debug)]
pub struct Reads {
    record: Arc<Record>,
    side: usize,
    sender: usize,
    payload: Payload,
    pub random: Random,
    /// How many bytes were taken.
    at: u64,
    skip: Option<Skip>,
    /// Whether a skip has passed `at` that may not have come so far.
    is_past: bool,
    /// Whether the stream has ended, and its rest is to be read.
    has_ended: bool,
    pub is_over: bool,
}

/// A skip that was begun, and perhaps given up.
#[derive(Clone, Copy, Debug)]
struct Skip {
    separator: usize,
    from: u64,
    /// Where it ends, and by which of its separators.
    to: u64,
    index: usize,
    /// Whether something was buffered before: if nothing is now, the skip has begun.
    had_buffered: bool,
}

impl Reads {
    /// What `side` reads.
    pub fn new(record: &Arc<Record>, side: usize) -> Self {
        Self {
            record: Arc::clone(record),
            side,
            sender: 1 - side,
            payload: record.payload(1 - side),
            random: record.plan.random(side, READS),
            at: 0,
            skip: None,
            is_past: false,
            has_ended: false,
            is_over: false,
        }
    }

    /// Chooses the next read; `buffered` is how much is, if that is known.
    pub fn next(&mut self, buffered: Option<usize>) -> Read {
        let read = self.choose(buffered);
        self.does(read.name());
        read
    }

    fn choose(&mut self, buffered: Option<usize>) -> Read {
        if let Some(skip) = self.skip {
            // Begun, it is finished by any other read. Otherwise that would find what it was for.
            let has_begun = skip.had_buffered && buffered == Some(0);
            if !has_begun || self.random.below(2) == 0 {
                return Read::Skip(skip.separator);
            }
            self.skip = None;
            self.at = skip.to;
            self.is_past = true;
        }
        if self.has_ended {
            return Read::Some(1 + self.random.below(9000));
        }
        // Until another read has finished a skip, the same one would go on with it.
        let kinds = if self.is_past { 14 } else { 16 };
        match self.random.below(kinds) {
            0..=3 => Read::Some(1 + self.random.below(40_000)),
            4..=6 => Read::Line,
            7 => Read::NextOfLines,
            8..=9 => Read::Until(self.random.below(SEPARATORS.len() - 1)),
            10..=11 => Read::Exact(self.some_count()),
            12..=13 => Read::PeekThenExact(self.some_count()),
            _ => {
                let separator = match self.random.below(16) {
                    0 => SEPARATORS.len() - 1,
                    _ => self.random.below(SEPARATORS.len() - 1),
                };
                let (to, index) = self.payload.separator_after(self.at, SEPARATORS[separator]);
                self.skip = Some(Skip {
                    separator,
                    from: self.at,
                    to,
                    index,
                    had_buffered: buffered.is_some_and(|buffered| buffered > 0),
                });
                Read::Skip(separator)
            }
        }
    }

    fn some_count(&mut self) -> usize {
        match self.random.below(4) {
            0 => 1 + self.random.below(50_000),
            _ => 1 + self.random.below(600),
        }
    }

    /// Checks what came of a read that was not given up.
    pub fn check(&mut self, read: Read, answer: Result<Answer, Error>) {
        match (read, answer) {
            (_, Err(Error::ConnectionLost(lost))) => self.ends(Seen::ConnectionLost(lost.kind)),
            (Read::Skip(_), Ok(Answer::Skipped(index))) => {
                let skip = self.skip.take().expect("a skip that was begun");
                assert_eq!(index, skip.index, "{}", self.record);
                self.goes_to(skip.to);
            }
            (Read::Skip(_), Err(Error::Read(ReadError::SkipIncomplete { discarded }))) => {
                let skip = self.skip.take().expect("a skip that was begun");
                assert!(skip.from + discarded < skip.to, "{}", self.record);
                self.goes_to(skip.from + discarded);
                self.has_ended = true;
            }
            (
                Read::Until(_) | Read::Exact(_) | Read::PeekThenExact(_),
                Err(Error::Read(ReadError::Incomplete { .. })),
            ) => self.has_ended = true,
            (read, Ok(Answer::Bytes(bytes, index))) => {
                if bytes.is_empty() {
                    let seen = if self.is_past {
                        Seen::EndOfSkip
                    } else {
                        Seen::End
                    };
                    return self.ends(seen);
                }
                self.check_bytes(read, &bytes, index);
            }
            (read, other) => panic!("{read:?}: {other:?}: {}", self.record),
        }
    }

    fn check_bytes(&mut self, read: Read, bytes: &[u8], index: Option<usize>) {
        let end = self.at + bytes.len() as u64;
        let members = match read {
            Read::Line | Read::NextOfLines => Some(SEPARATORS[0]),
            Read::Until(separator) => Some(SEPARATORS[separator]),
            _ => None,
        };
        match read {
            Read::Some(max) => assert!(bytes.len() <= max, "{}", self.record),
            Read::Exact(count) | Read::PeekThenExact(count) => {
                assert_eq!(bytes.len(), count, "{}", self.record);
            }
            _ => {}
        }
        self.record.has_read(self.sender, self.at, bytes);
        if let Some(members) = members {
            let (ends_at, by) = self.payload.separator_after(self.at, members);
            if ends_at == end {
                assert!(index.is_none_or(|index| index == by), "{}", self.record);
            } else {
                // The rest of the stream, which is no whole line.
                let is_rest = !matches!(read, Read::Until(_)) && end < ends_at;
                assert!(is_rest, "{read:?} to {end}, not {ends_at}: {}", self.record);
                self.has_ended = true;
            }
        }
        self.goes_to(end);
    }

    fn goes_to(&mut self, at: u64) {
        self.at = at;
        self.is_past = false;
        self.record.reads_to(self.sender, at);
    }

    /// Checks what a turn has lent.
    pub fn check_some(&mut self, bytes: &[u8]) {
        self.check_bytes(Read::Some(usize::MAX), bytes, None);
    }

    /// Records the end.
    pub fn ends(&mut self, seen: Seen) {
        self.record.has_seen(self.sender, seen);
        self.leaves("at its end");
    }

    /// Records that the party reads no more.
    pub fn leaves(&mut self, how: &'static str) {
        self.does(how);
        self.is_over = true;
    }

    pub fn does(&self, what: &'static str) {
        self.record.does(self.side, READS, what, self.at);
    }

    pub fn will_cut(&self) {
        self.record.will_cut();
    }
}
