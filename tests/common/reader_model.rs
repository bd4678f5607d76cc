//! The reader as one would write it first: a vector, searched from its start every time.
//!
//! It shares no code with the crate, only the types of its answers.

use plimsoll::{Loss, ReadError, Reader, Separator, Step};

/// What one call came to, with everything that a caller can see of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    Frame {
        bytes: Vec<u8>,
        content: usize,
        matched: Option<usize>,
    },
    Skipped(usize),
    Peeked(Vec<u8>),
    NeedInput,
    Failed(ReadError),
}

/// One call of a read.
#[derive(Clone, Debug)]
pub enum Read {
    Some(usize),
    Line,
    Until(Separators),
    Exact(usize),
    ToEnd(usize),
    SkipUntil(Separators),
    Peek(usize),
}

/// A separator, and the byte strings that it was made of.
#[derive(Clone, Debug)]
pub struct Separators {
    pub members: Vec<Vec<u8>>,
    pub built: Separator,
    /// Whether carriage returns and newlines that stand alone are errors.
    pub is_strict: bool,
}

impl Separators {
    pub fn new(members: &[&[u8]]) -> Self {
        Self {
            members: members.iter().map(|member| member.to_vec()).collect(),
            built: match members {
                [one] => Separator::new(one),
                many => Separator::any(many),
            }
            .expect("test separators are valid"),
            is_strict: false,
        }
    }

    /// Those of [`Separator::STRICT_CRLF`].
    pub fn strict_crlf() -> Self {
        Self {
            members: vec![b"\r\n".to_vec()],
            built: Separator::STRICT_CRLF,
            is_strict: true,
        }
    }
}

/// How the model's stream ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    Eof,
    Closed,
    Lost(Loss),
}

#[derive(Clone, Debug)]
pub struct ReaderModel {
    pub buffer: Vec<u8>,
    pub limit: usize,
    pub cap: usize,
    pub paused: bool,
    pub dropping: bool,
    pub end: Option<End>,
    pub delivered: u64,
    pub discarded: u64,
}

impl ReaderModel {
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: Vec::new(),
            limit,
            cap: Reader::DEFAULT_CAP,
            paused: false,
            dropping: false,
            end: None,
            delivered: 0,
            discarded: 0,
        }
    }

    pub fn feed(&mut self, input: &[u8]) {
        if self.end == Some(End::Closed) {
            return;
        }
        for &byte in input {
            if self.dropping {
                self.discarded += 1;
                self.dropping = byte != b'\n';
            } else {
                self.buffer.push(byte);
            }
        }
        if !input.is_empty() && self.buffer.len() as u128 > 2 * self.limit as u128 {
            self.paused = true;
        }
    }

    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        if self.buffer.len() <= limit {
            self.paused = false;
        }
        if self.buffer.len() as u128 > 2 * limit as u128 {
            self.paused = true;
        }
    }

    pub fn read(&mut self, read: &Read) -> Outcome {
        match read {
            Read::Some(0) | Read::Exact(0) | Read::Peek(0) => match self.end {
                Some(End::Lost(loss)) if self.buffer.is_empty() => {
                    Outcome::Failed(ReadError::Lost(loss))
                }
                _ if matches!(read, Read::Peek(_)) => Outcome::Peeked(Vec::new()),
                _ => self.deliver(0, 0, None),
            },
            Read::Some(max) => {
                if self.buffer.is_empty()
                    && self.end != Some(End::Eof)
                    && self.end != Some(End::Closed)
                {
                    return self.starve(None);
                }
                let outcome = self.deliver((*max).min(self.buffer.len()), 0, None);
                self.resume();
                outcome
            }
            Read::Line => self.read_line(),
            Read::Until(separators) => self.read_until(separators),
            Read::Exact(count) | Read::Peek(count) => {
                if *count > self.cap {
                    return Outcome::Failed(ReadError::CapExceeded {
                        requested: *count,
                        cap: self.cap,
                    });
                }
                if self.buffer.len() < *count {
                    return self.starve(Some(*count));
                }
                if let Read::Peek(_) = read {
                    return Outcome::Peeked(self.buffer[..*count].to_vec());
                }
                let outcome = self.deliver(*count, 0, None);
                self.resume();
                outcome
            }
            Read::ToEnd(max) => {
                if self.buffer.len() > *max {
                    return Outcome::Failed(ReadError::StreamTooLong { max: *max });
                }
                match self.end {
                    Some(End::Eof | End::Closed) => self.deliver(self.buffer.len(), 0, None),
                    _ => self.starve(None),
                }
            }
            Read::SkipUntil(separators) => {
                if let Some((_, end, _, index)) = first_to_end(&self.buffer, &separators.members) {
                    self.discard(end);
                    self.resume();
                    return Outcome::Skipped(index);
                }
                let kept = match self.end {
                    None => longest(separators) - 1,
                    Some(_) => 0,
                };
                self.discard(self.buffer.len().saturating_sub(kept));
                self.resume();
                self.starve(None)
            }
        }
    }

    fn read_line(&mut self) -> Outcome {
        let newline = self.buffer.iter().position(|&byte| byte == b'\n');
        let length = newline.unwrap_or(self.buffer.len());
        if length > self.limit {
            let gone = newline.map_or(self.buffer.len(), |newline| newline + 1);
            self.discard(gone);
            self.dropping = newline.is_none();
            self.resume();
            return Outcome::Failed(ReadError::LineTooLong { limit: self.limit });
        }
        match (newline, self.end) {
            (Some(newline), _) => {
                let outcome = self.deliver(newline + 1, 1, Some(0));
                self.resume();
                outcome
            }
            (None, Some(End::Eof | End::Closed)) => self.deliver(self.buffer.len(), 0, None),
            (None, _) => self.starve(None),
        }
    }

    fn read_until(&mut self, separators: &Separators) -> Outcome {
        let limit = self.limit;
        let overrun = |consumed| Outcome::Failed(ReadError::LimitOverrun { limit, consumed });
        if separators.is_strict {
            let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
            let before = self.buffer.iter().position(is_break);
            match before.map(|before| (before, &self.buffer[before..])) {
                Some((before, _)) if before > limit => return overrun(before),
                None | Some((_, [b'\r'] | [b'\r', b'\n', ..])) => {}
                Some((before, _)) => {
                    return Outcome::Failed(ReadError::BareLineBreak { before });
                }
            }
        }
        match first_to_end(&self.buffer, &separators.members) {
            Some((content, ..)) if content > limit => overrun(content),
            Some((_, end, separator_len, index)) => {
                let outcome = self.deliver(end, separator_len, Some(index));
                self.resume();
                outcome
            }
            None => {
                let consumed = (self.buffer.len() + 1).saturating_sub(longest(separators));
                if consumed > limit {
                    return overrun(consumed);
                }
                self.starve(None)
            }
        }
    }

    fn starve(&mut self, expected: Option<usize>) -> Outcome {
        match self.end {
            None => {
                self.paused = false;
                Outcome::NeedInput
            }
            Some(End::Eof | End::Closed) => Outcome::Failed(ReadError::Incomplete {
                buffered: self.buffer.len(),
                expected,
            }),
            Some(End::Lost(loss)) => Outcome::Failed(ReadError::Lost(loss)),
        }
    }

    fn resume(&mut self) {
        if self.buffer.len() <= self.limit {
            self.paused = false;
        }
    }

    fn deliver(&mut self, len: usize, separator_len: usize, matched: Option<usize>) -> Outcome {
        let bytes: Vec<u8> = self.buffer.drain(..len).collect();
        self.delivered += len as u64;
        Outcome::Frame {
            content: bytes.len() - separator_len,
            bytes,
            matched,
        }
    }

    fn discard(&mut self, len: usize) {
        self.buffer.drain(..len);
        self.discarded += len as u64;
    }
}

/// Length of the longest member.
fn longest(separators: &Separators) -> usize {
    separators
        .members
        .iter()
        .map(Vec::len)
        .max()
        .expect("never empty")
}

/// Of the separators that end first: where the shortest begins, where they end, how long the longest
/// is, and which one that is.
fn first_to_end(buffer: &[u8], members: &[Vec<u8>]) -> Option<(usize, usize, usize, usize)> {
    (1..=buffer.len()).find_map(|end| {
        let ending = || {
            let numbered = members.iter().enumerate();
            numbered.filter(|(_, member)| buffer[..end].ends_with(member))
        };
        let shortest = ending().map(|(_, member)| member.len()).min()?;
        let longest = ending().map(|(_, member)| member.len()).max()?;
        let (index, _) = ending().find(|(_, member)| member.len() == longest)?;
        Some((end - shortest, end, longest, index))
    })
}

/// Makes the same call of the real reader.
pub fn ask(reader: &mut Reader, read: &Read) -> Outcome {
    let frame = match read {
        Read::Some(max) => reader.read(*max),
        Read::Line => reader.read_line(),
        Read::Until(separators) => reader.read_until(&separators.built),
        Read::Exact(count) => reader.read_exact(*count),
        Read::ToEnd(max) => reader.read_to_end(*max),
        Read::SkipUntil(separators) => {
            return match reader.skip_until(&separators.built) {
                Ok(Step::Ready(index)) => Outcome::Skipped(index),
                Ok(Step::NeedInput) => Outcome::NeedInput,
                Err(error) => Outcome::Failed(error),
            };
        }
        Read::Peek(count) => {
            return match reader.peek(*count) {
                Ok(Step::Ready(bytes)) => Outcome::Peeked(bytes.to_vec()),
                Ok(Step::NeedInput) => Outcome::NeedInput,
                Err(error) => Outcome::Failed(error),
            };
        }
    };
    match frame {
        Ok(Step::Ready(frame)) => Outcome::Frame {
            content: frame.content().len(),
            matched: frame.matched(),
            // Either way of keeping a frame, so that both leave the reader in order.
            bytes: match frame.len() % 2 {
                0 => frame.to_vec(),
                _ => frame.into_bytes().to_vec(),
            },
        },
        Ok(Step::NeedInput) => Outcome::NeedInput,
        Err(error) => Outcome::Failed(error),
    }
}

/// Checks everything that can be seen of the reader against the model.
pub fn assert_same_state(reader: &Reader, model: &ReaderModel, received: u64) {
    assert_eq!(reader.buffered(), model.buffer);
    assert_eq!(reader.is_paused(), model.paused);
    assert_eq!(reader.wants_read(), model.end.is_none() && !model.paused);
    assert_eq!(reader.is_dropping_line(), model.dropping);
    let ended = matches!(model.end, Some(End::Eof | End::Closed));
    assert_eq!(reader.at_eof(), ended && model.buffer.is_empty());
    assert_eq!(reader.position(), model.delivered + model.discarded);
    assert_eq!(
        received,
        model.delivered + model.discarded + reader.buffered().len() as u64,
        "received = delivered + discarded + buffered"
    );
}

/// Most bytes that a reader may hold, once room for `size` bytes was asked for on top of `unread`, with a read
/// that waits for so many as it `wanted` by count.
pub fn most_held(limit: usize, wanted: usize, unread: usize, size: usize) -> usize {
    let most = wanted.max(2 * limit) + size.max(limit / 4);
    match unread + size <= most {
        true => most,
        // A read by count that was given up has gathered more, the limit was lowered, or more was fed than
        // was wanted.
        false => (unread + size) * 5 / 4,
    }
}

/// How many bytes the read that waits wants by count, behind a read and its answer.
pub fn wanted_behind(wanted: usize, read: &Read, answer: &Outcome) -> usize {
    match (answer, read) {
        (Outcome::NeedInput, Read::Exact(count) | Read::Peek(count) | Read::ToEnd(count)) => *count,
        // What takes nothing does not end the wait of the read before it.
        (Outcome::Frame { bytes, .. }, _) if bytes.is_empty() => wanted,
        (Outcome::Failed(error), _) if !matches!(error, ReadError::LineTooLong { .. }) => wanted,
        (Outcome::Peeked(_), _) => wanted,
        _ => 0,
    }
}
