//! Every short sequence of reader operations, on every short stream, against the naive model.
//!
//! Five operations of nine, on the 81 strings of four letters over three, for several sets of nine.
//! After each one the result, the state, and the bounds are compared, at the end also what the next
//! owner of the stream would get. A call that returns `NeedInput` is made twice, and must take nothing.

use plimsoll::{Connection, ConnectionError, Reader};
use test_support::parallel::count_in_parallel;
use test_support::reader_model::{
    MemoryBound, Outcome, Prefix, Read, ReaderModel, Separators, ask, assert_same_state, most_held,
};
use test_support::{report, strings};

const LENGTH: u32 = 5;
const STREAM: usize = 4;

#[derive(Clone, Debug)]
enum Operation {
    /// Feeds the next bytes of the stream, as many as there are.
    Feed(usize),
    /// The same, into the room that the reader gives, of which more is asked for than is used.
    Commit(usize),
    Eof,
    Lost,
    Close,
    SetLimit(usize),
    StopDiscarding,
    /// Lends the reader a block of so many bytes.
    Lend(usize),
    Reclaim,
    Ask(Read),
}

/// The sets of operations, and the limit that each begins with.
fn palettes() -> [(usize, [Operation; 9]); 9] {
    use Operation::{Ask, Close, Commit, Eof, Feed, Lend, Lost, Reclaim, SetLimit, StopDiscarding};
    let separators = |members: &[&[u8]]| Separators::new(members);
    let lf_or_crlf = separators(&[b"\n", b"\r\n"]);
    let crlf = separators(&[b"\r\n"]);
    let mixed = separators(&[b"\raa", b"\r", b"a\n"]);
    let universal = Separators::universal_newline();
    // What follows is empty after a newline, three bytes after a carriage return.
    let counted = Prefix {
        adjustment: -10,
        ..Prefix::BYTE
    };
    // A newline is too little, and a carriage return is one byte. The frame has its head.
    let with_head = Prefix {
        offset: 1,
        adjustment: -12,
        skip: Some(0),
        ..Prefix::BYTE
    };
    [
        (
            1,
            [
                Feed(1),
                Feed(3),
                Eof,
                Ask(Read::Line),
                Ask(Read::Until(crlf.clone())),
                Ask(Read::SkipUntil(lf_or_crlf.clone())),
                Ask(Read::Exact(2)),
                Ask(Read::Some(1)),
                Lost,
            ],
        ),
        (
            2,
            [
                Feed(2),
                Commit(1),
                Commit(2),
                Close,
                Ask(Read::Line),
                Ask(Read::Until(mixed.clone())),
                Ask(Read::Peek(3)),
                Ask(Read::Until(lf_or_crlf.clone())),
                SetLimit(1),
            ],
        ),
        (
            1,
            [
                Feed(4),
                Commit(1),
                Eof,
                Ask(Read::Line),
                Ask(Read::ToEnd(2)),
                Ask(Read::Some(0)),
                Ask(Read::Exact(3)),
                Ask(Read::SkipUntil(crlf.clone())),
                SetLimit(3),
            ],
        ),
        (
            1,
            [
                Feed(1),
                Feed(2),
                Commit(4),
                Eof,
                Ask(Read::Until(Separators::strict_crlf())),
                Ask(Read::SkipUntil(Separators::strict_crlf())),
                Ask(Read::Some(1)),
                SetLimit(2),
                Close,
            ],
        ),
        (
            1,
            [
                Feed(1),
                Feed(3),
                Eof,
                Ask(Read::Delimited(crlf.clone())),
                Ask(Read::Line),
                Ask(Read::SkipUntil(crlf.clone())),
                Ask(Read::PeekUntil(lf_or_crlf.clone())),
                Ask(Read::Consume(1)),
                StopDiscarding,
            ],
        ),
        (
            2,
            [
                Feed(1),
                Commit(3),
                Lost,
                Eof,
                Ask(Read::Delimited(universal.clone())),
                Ask(Read::Until(universal.clone())),
                Ask(Read::SkipUntil(universal)),
                Ask(Read::SkipExact(2)),
                SetLimit(1),
            ],
        ),
        (
            1,
            [
                Feed(1),
                Feed(4),
                Eof,
                Ask(Read::SkipExact(2)),
                Ask(Read::SkipExact(3)),
                Ask(Read::LengthPrefixed(counted)),
                Ask(Read::Delimited(Separators::strict_crlf())),
                Ask(Read::Peek(1)),
                Close,
            ],
        ),
        (
            1,
            [
                Feed(2),
                Commit(3),
                Lost,
                Ask(Read::LengthPrefixed(with_head)),
                Ask(Read::SkipUntil(mixed.clone())),
                Ask(Read::SkipUntil(crlf.clone())),
                Ask(Read::Delimited(mixed)),
                Ask(Read::Consume(2)),
                StopDiscarding,
            ],
        ),
        (
            1,
            [
                Feed(1),
                Commit(3),
                Lend(3),
                Reclaim,
                Eof,
                Ask(Read::Line),
                Ask(Read::SkipUntil(crlf)),
                Ask(Read::Exact(3)),
                Ask(Read::PeekUntil(lf_or_crlf)),
            ],
        ),
    ]
}

struct Run<'a> {
    connection: Connection,
    model: ReaderModel,
    rest: &'a [u8],
    received: u64,
    bound: MemoryBound,
    /// Size of the block on loan.
    lent: Option<usize>,
    most_held: usize,
}

impl<'a> Run<'a> {
    fn new(limit: usize, stream: &'a [u8]) -> Self {
        Self {
            connection: Connection {
                reader: Reader::with_limit(limit),
                ..Connection::new()
            },
            model: ReaderModel::new(limit),
            rest: stream,
            received: 0,
            bound: MemoryBound::default(),
            lent: None,
            most_held: 0,
        }
    }

    fn perform(&mut self, operation: &Operation) {
        let reader = &mut self.connection.reader;
        match operation {
            Operation::Feed(count) => {
                let input = self.next_input(*count);
                self.connection.reader.feed(input);
                if !self.model.is_closed {
                    self.has_grown(input.len());
                }
                self.model.feed(input);
            }
            Operation::Commit(count) => {
                let input = self.next_input(*count);
                let room = self.connection.reader.input(input.len() + 1);
                room[..input.len()].copy_from_slice(input);
                self.connection.reader.commit(input.len());
                self.has_grown(input.len() + 1);
                self.model.feed(input);
            }
            Operation::Eof => {
                reader.feed_eof();
                self.model.feed_eof();
            }
            Operation::Lost => {
                reader.feed_lost(ConnectionError::Reset);
                self.model.feed_lost(ConnectionError::Reset);
            }
            Operation::Close => {
                self.connection.close();
                self.model.close();
            }
            Operation::SetLimit(limit) => {
                reader.set_limit(*limit);
                self.model.set_limit(*limit);
            }
            Operation::StopDiscarding => {
                reader.stop_discarding();
                self.model.stop_discarding();
            }
            Operation::Lend(size) => {
                let block = Vec::with_capacity(*size);
                let size = block.capacity();
                let is_lent = reader.lend(block).is_ok();
                assert_eq!(is_lent, self.model.buffer.is_empty() && self.lent.is_none());
                if is_lent {
                    self.lent = Some(size);
                    self.most_held = size;
                }
            }
            Operation::Reclaim => {
                let block = reader.reclaim();
                assert_eq!(block.is_some(), self.lent.is_some());
                if let Some(block) = block {
                    assert!(block.is_empty() && Some(block.capacity()) >= self.lent);
                    assert_eq!(reader.capacity(), self.model.buffer.len());
                    self.lent = None;
                    self.may_hold(self.model.buffer.len());
                }
            }
            Operation::Ask(read) => self.ask(read),
        }
        let reader = &self.connection.reader;
        assert_same_state(reader, &self.model, self.received);
        let (held, most) = (reader.capacity(), self.most_held);
        assert!(held <= most, "{held} > {most}");
    }

    fn ask(&mut self, read: &Read) {
        let expected = self.model.read(read);
        let reader = &mut self.connection.reader;
        assert_eq!(ask(reader, read), expected);
        match expected {
            Outcome::NeedInput => {
                assert_eq!(ask(reader, read), Outcome::NeedInput);
                assert!(
                    reader.wants_read(),
                    "a read that waits for input makes the driver receive"
                );
                let is_idle = self.model.buffer.is_empty() && self.lent.is_none();
                assert!(
                    !is_idle || reader.capacity() == 0,
                    "an idle reader holds nothing"
                );
            }
            // This one was taken without a copy, and its block with it.
            Outcome::Frame { bytes, .. }
                if self.lent.is_some()
                    && bytes.len() % 2 == 1
                    && !matches!(read, Read::PeekUntil(_)) =>
            {
                self.lent = None;
                self.may_hold(self.most_held);
            }
            _ => {}
        }
    }

    /// Takes note that room for `size` bytes was asked for, on top of what the model still has.
    fn has_grown(&mut self, size: usize) {
        if size == 0 {
            return;
        }
        let unread = self.model.buffer.len();
        let most = most_held(self.model.limit, self.model.wanted, unread, size);
        let lent = self.lent.map_or(0, |_| self.most_held);
        self.may_hold(most);
        self.most_held = self.most_held.max(lent);
    }

    fn may_hold(&mut self, most: usize) {
        let unread = self.model.buffer.len();
        let position = self.model.delivered + self.model.discarded;
        self.most_held = self.bound.after_growth(most, unread, position);
    }

    /// Takes bytes off the stream; a closed reader does not count them.
    fn next_input(&mut self, count: usize) -> &'a [u8] {
        let (input, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        if !self.model.is_closed {
            self.received += input.len() as u64;
        }
        input
    }

    /// Hands the stream over.
    fn finish(self) {
        let parts = self.connection.into_parts();
        assert_eq!(parts.unread, self.model.buffer);
        assert_eq!(parts.discarding, self.model.discarding());
    }
}

/// Whether an operation is allowed: nothing may be fed after the end, not even nothing.
fn is_allowed(operation: &Operation, model: &ReaderModel) -> bool {
    !matches!(operation, Operation::Feed(_) | Operation::Commit(_)) || !model.has_eof
}

/// Reports the case that fails.
struct Case<F: Fn()>(F);

impl<F: Fn()> Drop for Case<F> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0();
        }
    }
}

#[test]
fn every_sequence_of_operations_agrees_with_the_model() {
    let streams: Vec<_> = strings(b"a\r\n", STREAM).collect();
    assert_eq!(streams.len(), 81);
    for (number, (limit, operations)) in palettes().iter().enumerate() {
        let choices = operations.len() as u64;
        let sequences: Vec<u64> = (0..choices.pow(LENGTH)).collect();
        let runs = count_in_parallel(&sequences, |sequence| {
            for stream in &streams {
                let mut run = Run::new(*limit, stream);
                let chosen = |place| (sequence / choices.pow(place) % choices) as usize;
                let case = Case(|| {
                    let chosen: Vec<_> = (0..LENGTH).map(|it| &operations[chosen(it)]).collect();
                    report(&format!("set {number}, {stream:?}: {chosen:?}"));
                });
                for place in 0..LENGTH {
                    let operation = &operations[chosen(place)];
                    if is_allowed(operation, &run.model) {
                        run.perform(operation);
                    }
                }
                run.finish();
                drop(case);
            }
            streams.len() as u64
        });
        report(&format!("reader sequences: set {number}, {runs} runs"));
        assert_eq!(runs, 59_049 * 81);
    }
}
