//! The reader as one would write it first: a vector, searched from its start every time.
//!
//! It shares no code with the crate, only the types of its results.

use std::borrow::Cow;
use std::sync::LazyLock;

use plimsoll::{
    ConnectionError, Discarding, FrameToken, LengthPrefix, ReadError, Reader, Separator, Step,
};

/// The result of one call, with everything that a caller can see of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// A frame, taken or, of [`Read::PeekUntil`], only shown.
    Frame {
        bytes: Vec<u8>,
        content: usize,
        matched: Option<usize>,
    },
    /// What was skipped: the place of a separator in its set, or zero of a count.
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
    Delimited(Separators),
    Until(Separators),
    PeekUntil(Separators),
    Exact(usize),
    LengthPrefixed(Prefix),
    ToEnd(usize),
    SkipUntil(Separators),
    SkipExact(u64),
    Peek(usize),
    /// Consumes so many bytes, or what is there if it is less.
    Consume(usize),
    /// By a function of the caller's: a head up to a separator, and as many bytes as the head's first
    /// byte says, modulo four.
    Announced(Separators),
    /// By a function of the caller's: up to a byte among the buffered ones, of which it looks at twice
    /// the limit.
    Buffered(u8),
}

/// A separator, and the byte strings that it was made of.
#[derive(Clone, Debug)]
pub struct Separators {
    pub members: Vec<Vec<u8>>,
    pub built: Separator,
    pub rule: Rule,
}

/// What else than its byte strings makes a separator.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rule {
    Plain,
    /// Carriage returns and newlines that stand alone are errors.
    Strict,
    /// A carriage return that a newline follows is no separator of its own.
    Universal,
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
            rule: Rule::Plain,
        }
    }

    /// Those of [`Separator::STRICT_CRLF`].
    pub fn strict_crlf() -> Self {
        Self {
            members: vec![b"\r\n".to_vec()],
            built: Separator::STRICT_CRLF,
            rule: Rule::Strict,
        }
    }

    /// Those of [`Separator::UNIVERSAL_NEWLINE`].
    pub fn universal_newline() -> Self {
        Self {
            members: vec![b"\n".to_vec(), b"\r\n".to_vec(), b"\r".to_vec()],
            built: Separator::UNIVERSAL_NEWLINE,
            rule: Rule::Universal,
        }
    }

    fn longest(&self) -> usize {
        let lengths = self.members.iter().map(Vec::len);
        lengths.max().expect("never empty")
    }
}

/// What ends a line.
static LF: LazyLock<Separators> = LazyLock::new(|| Separators::new(&[b"\n"]));

/// A length prefix, and the numbers that it was made of.
#[derive(Clone, Copy, Debug)]
pub struct Prefix {
    pub size: usize,
    pub is_little_endian: bool,
    pub offset: usize,
    pub adjustment: i64,
    pub skip: Option<usize>,
}

impl Prefix {
    /// Of one byte, without settings.
    pub const BYTE: Self = Self {
        size: 1,
        is_little_endian: false,
        offset: 0,
        adjustment: 0,
        skip: None,
    };

    pub fn built(&self) -> LengthPrefix {
        let prefix = if self.is_little_endian {
            LengthPrefix::little_endian(self.size)
        } else {
            LengthPrefix::big_endian(self.size)
        };
        let prefix = prefix.offset(self.offset).adjustment(self.adjustment);
        match self.skip {
            Some(count) => prefix.skip(count),
            None => prefix,
        }
    }

    fn head(&self) -> usize {
        self.offset.saturating_add(self.size)
    }

    fn number(&self, buffer: &[u8]) -> u64 {
        let digits = &buffer[self.offset..self.offset + self.size];
        let digit = |(place, byte): (usize, &u8)| u64::from(*byte) << (8 * place);
        if self.is_little_endian {
            digits.iter().enumerate().map(digit).sum()
        } else {
            digits.iter().rev().enumerate().map(digit).sum()
        }
    }
}

/// How the model's stream ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    Eof,
    Closed,
    Lost(ConnectionError),
}

/// What is discarded as it arrives.
#[derive(Clone, Debug)]
pub enum Discard {
    Until(Separators),
    Count(u64),
}

/// A skip that has to wait.
#[derive(Clone, Debug)]
pub struct Skip {
    pub read: Read,
    /// What it returns when it is called again, once all of it has arrived.
    pub result: Option<Outcome>,
    /// How many bytes were discarded for it.
    pub discarded: u64,
}

#[derive(Clone, Debug)]
pub struct ReaderModel {
    /// What was received, and neither taken nor discarded. During a discard reads see nothing of it.
    pub buffer: Vec<u8>,
    pub limit: usize,
    pub cap: usize,
    pub paused: bool,
    pub discard: Option<Discard>,
    /// The skip that began the discard, unless that was a read of a line.
    pub skip: Option<Skip>,
    pub end: Option<End>,
    pub has_eof: bool,
    /// Whether this side closed before the stream had ended.
    pub is_closed: bool,
    pub delivered: u64,
    pub discarded: u64,
    /// How many bytes the read that waits wants by count, which may take memory. Nothing else shows it.
    pub wanted: usize,
}

impl ReaderModel {
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: Vec::new(),
            limit,
            cap: Reader::DEFAULT_MAX_READ_EXACT,
            paused: false,
            discard: None,
            skip: None,
            end: None,
            has_eof: false,
            is_closed: false,
            delivered: 0,
            discarded: 0,
            wanted: 0,
        }
    }

    pub fn feed(&mut self, input: &[u8]) {
        if self.is_closed || input.is_empty() {
            return;
        }
        self.buffer.extend(input);
        self.settle();
        self.pause();
    }

    pub fn feed_eof(&mut self) {
        self.has_eof = true;
        self.end.get_or_insert(End::Eof);
        self.settle();
    }

    pub fn feed_lost(&mut self, error: ConnectionError) {
        self.end = Some(End::Lost(error));
        self.settle();
    }

    pub fn close(&mut self) {
        self.is_closed |= self.end.is_none();
        self.end.get_or_insert(End::Closed);
        self.settle();
    }

    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        self.resume();
        self.pause();
    }

    pub fn stop_discarding(&mut self) {
        (self.discard, self.skip) = (None, None);
        self.pause();
    }

    pub fn is_discarding(&self) -> bool {
        self.discard.is_some()
    }

    /// What another owner of the stream has to go on with.
    pub fn discarding(&self) -> Option<Discarding> {
        Some(match self.discard.as_ref()? {
            Discard::Until(separators) => Discarding::Until(separators.built.clone()),
            Discard::Count(left) => Discarding::Count(*left),
        })
    }

    /// What reads see.
    pub fn buffered(&self) -> &[u8] {
        if self.is_discarding() {
            return &[];
        }
        &self.buffer
    }

    pub fn read(&mut self, read: &Read) -> Outcome {
        let wanted = self.wanted;
        self.settle();
        self.wanted = wanted;
        if let (Read::Consume(0), _) | (Read::Consume(_), []) = (read, self.buffered()) {
            return Outcome::Skipped(0);
        }
        if let Read::Buffered(last) = read {
            // It makes no read of the reader unless it finds its byte, and so forgets no skip.
            return self.read_buffered(*last);
        }
        if let Some(skip) = self.skip.take() {
            let is_same = is_same_skip(&skip.read, read);
            match &skip.result {
                Some(result) if is_same => return result.clone(),
                // Any other read forgets a skip that is finished, but not one that goes on.
                Some(_) => {}
                None => {
                    self.skip = Some(skip);
                    if is_same {
                        return self.wait_to_skip();
                    }
                }
            }
        }
        match read {
            Read::Some(0) | Read::Exact(0) | Read::Peek(0) => match self.end {
                Some(End::Lost(loss)) if self.buffered().is_empty() => {
                    Outcome::Failed(ReadError::ConnectionLost(loss))
                }
                _ if matches!(read, Read::Peek(_)) => Outcome::Peeked(Vec::new()),
                _ => self.deliver(0, 0, None),
            },
            Read::Some(max) => {
                if self.buffered().is_empty() && !self.has_ended() {
                    return self.starve(None);
                }
                let outcome = self.deliver((*max).min(self.buffered().len()), 0, None);
                self.resume();
                outcome
            }
            Read::Line => self.read_delimited(&LF),
            Read::Delimited(separators) => self.read_delimited(separators),
            Read::Until(separators) => match self.find_frame(separators) {
                Ok((_, end, separator_len, index)) => {
                    let outcome = self.deliver(end, separator_len, Some(index));
                    self.resume();
                    outcome
                }
                Err(outcome) => outcome,
            },
            Read::PeekUntil(separators) => match self.find_frame(separators) {
                Ok((_, end, separator_len, index)) => Outcome::Frame {
                    bytes: self.buffer[..end].to_vec(),
                    content: end - separator_len,
                    matched: Some(index),
                },
                Err(outcome) => outcome,
            },
            Read::Exact(count) => match self.gather(*count) {
                Err(outcome) => outcome,
                Ok(()) => {
                    let outcome = self.deliver(*count, 0, None);
                    self.resume();
                    outcome
                }
            },
            Read::Peek(count) => match self.gather(*count) {
                Err(outcome) => outcome,
                Ok(()) => Outcome::Peeked(self.buffer[..*count].to_vec()),
            },
            Read::LengthPrefixed(prefix) => self.read_length_prefixed(prefix),
            Read::ToEnd(max) => {
                if self.buffered().len() > *max {
                    return Outcome::Failed(ReadError::StreamTooLong { max: *max });
                }
                if self.has_ended() {
                    return self.deliver_rest();
                }
                let outcome = self.starve(None);
                if outcome == Outcome::NeedInput {
                    self.wanted = *max;
                }
                outcome
            }
            Read::SkipUntil(separators) => {
                if self.is_discarding() {
                    return self.wait_for_another_discard();
                }
                let discard = Discard::Until(separators.clone());
                self.skip(read, discard)
            }
            Read::SkipExact(count) => {
                if self.is_discarding() {
                    return self.wait_for_another_discard();
                }
                self.skip(read, Discard::Count(*count))
            }
            Read::Consume(count) => {
                let count = (*count).min(self.buffered().len());
                self.deliver(count, 0, None);
                self.resume();
                Outcome::Skipped(count)
            }
            Read::Announced(separators) => self.read_announced(separators),
            Read::Buffered(_) => unreachable!("handled above"),
        }
    }

    fn read_announced(&mut self, separators: &Separators) -> Outcome {
        let head_len = match self.find_frame(separators) {
            Ok((_, end, ..)) => end,
            Err(outcome) => return outcome,
        };
        let total = head_len + announced(&self.buffer);
        if let Err(outcome) = self.gather(total) {
            return outcome;
        }
        let outcome = self.deliver(total, 0, None);
        self.resume();
        outcome
    }

    fn read_buffered(&mut self, last: u8) -> Outcome {
        let most = self.limit.saturating_mul(2);
        if let Some(place) = self
            .buffered()
            .iter()
            .take(most)
            .position(|byte| *byte == last)
        {
            return self.read(&Read::Exact(place + 1));
        }
        let is_over = self.buffered().len() > most;
        if is_over && (self.paused || self.end.is_some()) {
            return Outcome::Failed(ReadError::LimitOverrun {
                limit: self.limit,
                consumed: self.buffered().len(),
            });
        }
        // What an earlier read asked for by count is not forgotten: no read of the reader's has waited.
        let wanted = self.wanted;
        let outcome = self.starve(None);
        self.wanted = wanted;
        outcome
    }

    fn read_delimited(&mut self, separators: &Separators) -> Outcome {
        let limit = self.limit;
        let bare = self.bare_line_break(separators, self.has_ended());
        if let Some(before) = bare.filter(|before| *before <= limit) {
            return Outcome::Failed(ReadError::BareLineBreak { before });
        }
        if let Some((content, end, separator_len, index)) = self.find(separators) {
            if content > limit {
                self.discard_bytes(end);
                self.resume();
                return Outcome::Failed(ReadError::LineTooLong { limit });
            }
            let outcome = self.deliver(end, separator_len, Some(index));
            self.resume();
            return outcome;
        }
        let may_begin_one = if self.has_ended() {
            0
        } else {
            separators.longest() - 1
        };
        if self.buffered().len().saturating_sub(may_begin_one) > limit {
            self.paused = false;
            self.discard = Some(Discard::Until(separators.clone()));
            self.settle();
            return Outcome::Failed(ReadError::LineTooLong { limit });
        }
        if self.has_ended() {
            return self.deliver_rest();
        }
        self.starve(None)
    }

    /// The frame that comes next, as [`first_to_end`] gives it, if it is within the limit.
    fn find_frame(
        &mut self,
        separators: &Separators,
    ) -> Result<(usize, usize, usize, usize), Outcome> {
        let limit = self.limit;
        let overrun = |consumed| Err(Outcome::Failed(ReadError::LimitOverrun { limit, consumed }));
        match self.bare_line_break(separators, false) {
            Some(before) if before > limit => return overrun(before),
            Some(before) => return Err(Outcome::Failed(ReadError::BareLineBreak { before })),
            None => {}
        }
        match self.find(separators) {
            Some((content, ..)) if content > limit => overrun(content),
            Some(found) => Ok(found),
            None => {
                let consumed = (self.buffered().len() + 1).saturating_sub(separators.longest());
                if consumed > limit {
                    return overrun(consumed);
                }
                Err(self.starve(None))
            }
        }
    }

    /// How many bytes precede the first carriage return or newline that stands alone, if that is an
    /// error.
    fn bare_line_break(&self, separators: &Separators, is_all: bool) -> Option<usize> {
        if separators.rule != Rule::Strict {
            return None;
        }
        let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let before = self.buffered().iter().position(is_break)?;
        match &self.buffered()[before..] {
            [b'\r', b'\n', ..] => None,
            [b'\r'] if !is_all => None,
            _ => Some(before),
        }
    }

    fn find(&self, separators: &Separators) -> Option<(usize, usize, usize, usize)> {
        first_to_end(self.buffered(), separators, self.has_ended())
    }

    fn gather(&mut self, count: usize) -> Result<(), Outcome> {
        if count > self.cap {
            return Err(Outcome::Failed(ReadError::CountTooLarge {
                requested: count,
                max: self.cap,
            }));
        }
        if self.buffered().len() < count {
            return Err(self.starve(Some(count)));
        }
        Ok(())
    }

    fn read_length_prefixed(&mut self, prefix: &Prefix) -> Outcome {
        if let Err(outcome) = self.gather(prefix.head()) {
            return outcome;
        }
        let length = prefix.number(&self.buffer);
        let rest = i128::from(length) + i128::from(prefix.adjustment);
        if rest < 0 {
            return Outcome::Failed(ReadError::InvalidLength { length });
        }
        let total = usize::try_from(rest + prefix.head() as i128).unwrap_or(usize::MAX);
        if total > self.cap {
            // The peer's number is not told.
            let (requested, max) = (usize::MAX, self.cap);
            return Outcome::Failed(ReadError::CountTooLarge { requested, max });
        }
        if let Err(outcome) = self.gather(total) {
            return outcome;
        }
        let skipped = prefix.skip.unwrap_or(prefix.head()).min(total);
        self.deliver(skipped, 0, None);
        let outcome = self.deliver(total - skipped, 0, None);
        self.resume();
        outcome
    }

    /// Begins a discard, which may be finished immediately.
    fn skip(&mut self, read: &Read, discard: Discard) -> Outcome {
        let had_paused = self.paused;
        (self.discard, self.paused) = (Some(discard), false);
        self.skip = Some(Skip {
            read: read.clone(),
            result: None,
            discarded: 0,
        });
        self.settle();
        if self.is_discarding() {
            return self.wait_to_skip();
        }
        self.paused = had_paused;
        self.resume();
        let skip = self.skip.take().expect("it was begun above");
        skip.result.expect("it is finished")
    }

    /// Discards what has arrived of what is to be discarded.
    fn settle(&mut self) {
        let (count, result) = match &mut self.discard {
            None => return,
            Some(Discard::Count(left)) => {
                let count = (*left).min(self.buffer.len() as u64);
                *left -= count;
                (count as usize, (*left == 0).then_some(0))
            }
            Some(Discard::Until(separators)) => {
                let is_all = matches!(self.end, Some(End::Eof | End::Closed));
                match first_to_end(&self.buffer, separators, is_all) {
                    Some((_, end, _, index)) => (end, Some(index)),
                    None if is_all => (self.buffer.len(), None),
                    None => {
                        let kept = separators.longest() - 1;
                        (self.buffer.len().saturating_sub(kept), None)
                    }
                }
            }
        };
        self.discard_bytes(count);
        if let Some(skip) = &mut self.skip {
            skip.discarded += count as u64;
        }
        if let Some(index) = result {
            self.discard = None;
            if let Some(skip) = &mut self.skip {
                skip.result = Some(Outcome::Skipped(index));
            }
        }
    }

    /// A skip holds nothing, however much it waits for.
    fn wait_to_skip(&mut self) -> Outcome {
        let skip = self.skip.as_ref().expect("a skip that waits");
        self.end_or_wait(skip.discarded)
    }

    /// A skip that waits for the end of another has discarded nothing yet.
    fn wait_for_another_discard(&mut self) -> Outcome {
        self.end_or_wait(0)
    }

    fn end_or_wait(&mut self, discarded: u64) -> Outcome {
        if self.has_ended() {
            return Outcome::Failed(ReadError::SkipIncomplete { discarded });
        }
        self.starve(None)
    }

    fn starve(&mut self, expected: Option<usize>) -> Outcome {
        match self.end {
            None => {
                self.paused = false;
                self.wanted = expected.unwrap_or(0);
                Outcome::NeedInput
            }
            Some(End::Eof | End::Closed) => Outcome::Failed(ReadError::Incomplete {
                buffered: self.buffered().len(),
                expected,
            }),
            Some(End::Lost(loss)) => Outcome::Failed(ReadError::ConnectionLost(loss)),
        }
    }

    fn has_ended(&self) -> bool {
        matches!(self.end, Some(End::Eof | End::Closed))
    }

    fn pause(&mut self) {
        if self.buffered().len() as u128 > 2 * self.limit as u128 {
            self.paused = true;
        }
    }

    fn resume(&mut self) {
        if self.buffered().len() <= self.limit {
            self.paused = false;
        }
    }

    /// Takes what the end of the stream has left.
    fn deliver_rest(&mut self) -> Outcome {
        self.wanted = 0;
        // As in asyncio, there is nothing to resume for.
        self.deliver(self.buffered().len(), 0, None)
    }

    fn deliver(&mut self, len: usize, separator_len: usize, matched: Option<usize>) -> Outcome {
        let bytes: Vec<u8> = self.buffer.drain(..len).collect();
        self.delivered += len as u64;
        // What takes nothing does not end the wait of the read before it.
        if len > 0 {
            self.wanted = 0;
        }
        Outcome::Frame {
            content: bytes.len() - separator_len,
            bytes,
            matched,
        }
    }

    fn discard_bytes(&mut self, len: usize) {
        self.buffer.drain(..len);
        self.discarded += len as u64;
        self.wanted = 0;
    }
}

/// Whether a read is the skip that has begun a discard, called again.
fn is_same_skip(begun: &Read, read: &Read) -> bool {
    match (begun, read) {
        (Read::SkipUntil(one), Read::SkipUntil(other)) => {
            one.members == other.members && one.rule == other.rule
        }
        (Read::SkipExact(one), Read::SkipExact(other)) => one == other,
        _ => false,
    }
}

/// Of the separators that end first: where the shortest begins, where they end, how long the longest
/// is, and which one that is.
fn first_to_end(
    buffer: &[u8],
    separators: &Separators,
    is_all: bool,
) -> Option<(usize, usize, usize, usize)> {
    let is_known = |end: usize| is_all || end < buffer.len();
    (1..=buffer.len()).find_map(|end| {
        let ending = || {
            let numbered = separators.members.iter().enumerate();
            numbered.filter(|(_, member)| buffer[..end].ends_with(member))
        };
        let longest = ending().map(|(_, member)| member.len()).max()?;
        let (index, _) = ending().find(|(_, member)| member.len() == longest)?;
        if separators.rule == Rule::Universal {
            // The first half of `\r\n`, or possibly so.
            if buffer[end - 1] == b'\r' && (!is_known(end) || buffer.get(end) == Some(&b'\n')) {
                return None;
            }
            return Some((end - longest, end, longest, index));
        }
        let shortest = ending().map(|(_, member)| member.len()).min()?;
        Some((end - shortest, end, longest, index))
    })
}

/// How many bytes follow a head, of [`Read::Announced`].
fn announced(head: &[u8]) -> usize {
    usize::from(head[0] % 4)
}

/// The function of [`Read::Announced`].
pub fn announced_frame(
    reader: &mut Reader,
    separators: &Separators,
) -> Result<Step<FrameToken>, ReadError> {
    let Step::Ready(head) = reader.peek_until(&separators.built)? else {
        return Ok(Step::NeedInput);
    };
    let total = head.len() + announced(&head);
    Ok(reader.read_exact(total)?.map(|frame| frame.token()))
}

/// The function of [`Read::Buffered`].
pub fn buffered_frame(reader: &mut Reader, last: u8) -> Result<Step<FrameToken>, ReadError> {
    let most = reader.limit().saturating_mul(2);
    let mut seen = reader.buffered().iter().take(most);
    let Some(place) = seen.position(|byte| *byte == last) else {
        return Ok(Step::NeedInput);
    };
    Ok(reader.read_exact(place + 1)?.map(|frame| frame.token()))
}

/// Makes the same call of the real reader.
pub fn ask(reader: &mut Reader, read: &Read) -> Outcome {
    let frame = match read {
        Read::Some(max) => reader.read(*max),
        Read::Line => reader.read_line(),
        Read::Delimited(separators) => reader.read_delimited(&separators.built),
        Read::Until(separators) => reader.read_until(&separators.built),
        Read::Exact(count) => reader.read_exact(*count),
        Read::LengthPrefixed(prefix) => reader.read_length_prefixed(&prefix.built()),
        Read::ToEnd(max) => reader.read_to_end(*max),
        Read::Announced(separators) => {
            reader.read_frame_with(|reader| announced_frame(reader, separators))
        }
        Read::Buffered(last) => reader.read_frame_with(|reader| buffered_frame(reader, *last)),
        Read::PeekUntil(separators) => {
            return outcome(reader.peek_until(&separators.built), |shown| {
                Outcome::Frame {
                    content: shown.content().len(),
                    matched: shown.separator_index(),
                    bytes: shown.to_vec(),
                }
            });
        }
        Read::SkipUntil(separators) => {
            return outcome(reader.skip_until(&separators.built), Outcome::Skipped);
        }
        Read::SkipExact(count) => {
            return outcome(reader.skip_exact(*count), |()| Outcome::Skipped(0));
        }
        Read::Peek(count) => {
            return outcome(reader.peek(*count), |bytes| Outcome::Peeked(bytes.to_vec()));
        }
        Read::Consume(count) => {
            let count = (*count).min(reader.buffered().len());
            reader.consume(count);
            return Outcome::Skipped(count);
        }
    };
    outcome(frame, |frame| Outcome::Frame {
        content: frame.content().len(),
        matched: frame.separator_index(),
        // Either way of keeping a frame, so that both leave the reader in order.
        bytes: match frame.len() % 2 {
            0 => frame.to_vec(),
            _ => frame.into_bytes().to_vec(),
        },
    })
}

fn outcome<T>(result: Result<Step<T>, ReadError>, ready: impl FnOnce(T) -> Outcome) -> Outcome {
    match result {
        Ok(Step::Ready(value)) => ready(value),
        Ok(Step::NeedInput) => Outcome::NeedInput,
        Err(error) => Outcome::Failed(error),
    }
}

/// Checks everything that can be seen of the reader against the model.
pub fn assert_same_state(reader: &Reader, model: &ReaderModel, received: u64) {
    let mut model = Cow::Borrowed(model);
    // A test may have set the end of the stream without a call.
    if model.is_discarding() {
        model.to_mut().settle();
    }
    assert_eq!(reader.buffered(), model.buffered());
    assert_eq!(reader.is_paused(), model.paused);
    assert_eq!(reader.wants_read(), model.end.is_none() && !model.paused);
    assert_eq!(reader.is_discarding(), model.is_discarding());
    assert_eq!(
        reader.at_eof(),
        model.has_ended() && model.buffered().is_empty()
    );
    let error = match model.end {
        Some(End::Lost(error)) => Some(error),
        _ => None,
    };
    assert_eq!(reader.connection_error(), error);
    assert_eq!(reader.limit(), model.limit);
    assert_eq!(reader.max_read_exact(), model.cap);
    assert_eq!(reader.position(), model.delivered + model.discarded);
    assert_eq!(
        received,
        model.delivered + model.discarded + model.buffer.len() as u64,
        "received = delivered + discarded + buffered"
    );
}

/// Most bytes that a reader may hold after room for `size` bytes was asked for on top of `unread`, if
/// nothing but the read that waits has raised it: M + R of the section Memory of [`Reader`].
///
/// `wanted` is how many bytes that read asked for by count. See [`MemoryBound`] for a cancelled one.
pub fn most_held(limit: usize, wanted: usize, unread: usize, size: usize) -> usize {
    let most = wanted.max(limit.saturating_mul(2));
    let most = most.saturating_add(size.max(most / 8));
    let needed = unread + size;
    if needed <= most && most - unread >= unread / 8 {
        return most;
    }
    // More was fed than was wanted.
    needed + needed / 4
}

/// The bound on a reader's memory while it goes up and down: what was held under a higher bound is
/// held until as much was read as is left.
#[derive(Clone, Debug, Default)]
pub struct MemoryBound {
    /// Bounds, and the reader's position when they were in force. The lowest is the latest.
    bounds: Vec<(usize, u64)>,
}

impl MemoryBound {
    /// Returns the most bytes that a reader may hold, after it was asked for room, or was fed.
    ///
    /// `most` is what [`most_held`] returns for it, and `unread` was buffered before.
    pub fn after_growth(&mut self, most: usize, unread: usize, position: u64) -> usize {
        self.bounds
            .retain(|(other, since)| *other > most && position - since < unread as u64);
        self.bounds.push((most, position));
        // For want of room the bytes may have moved, and reading them up begins anew.
        for (_, since) in &mut self.bounds {
            *since = position;
        }
        self.bounds[0].0
    }
}
