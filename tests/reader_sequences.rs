//! Every short sequence of reader operations, on every short stream, against the naive model.
//!
//! Five operations of nine, on the 81 strings of four letters over three, for several sets of nine;
//! after each one the answer, the state, and the bounds are compared. A call that answers
//! `NeedInput` is made twice, and must take nothing.

mod common;

use common::parallel::count_in_parallel;
use common::reader_model::{End, Outcome, Read, ReaderModel, Separators, ask, assert_same_state};
use common::{report, strings};
use plimsoll::{Connection, Loss, Reader};

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
    Ask(Read),
}

/// The sets of operations, and the limit that each begins with.
fn palettes() -> [(usize, [Operation; 9]); 4] {
    use Operation::{Ask, Close, Commit, Eof, Feed, Lost, SetLimit};
    let separators = |members: &[&[u8]]| Separators::new(members);
    let lf_or_crlf = separators(&[b"\n", b"\r\n"]);
    let crlf = separators(&[b"\r\n"]);
    let mixed = separators(&[b"\raa", b"\r", b"a\n"]);
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
                Ask(Read::Until(mixed)),
                Ask(Read::Peek(3)),
                Ask(Read::Until(lf_or_crlf)),
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
                Ask(Read::SkipUntil(crlf)),
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
    ]
}

struct Run<'a> {
    connection: Connection,
    model: ReaderModel,
    rest: &'a [u8],
    received: u64,
    /// The most that any limit and any waiting read allows to be held, besides one feed.
    allowed: usize,
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
            allowed: 2 * limit,
        }
    }

    fn perform(&mut self, operation: &Operation) {
        match operation {
            Operation::Feed(count) => {
                let input = self.next_input(*count);
                self.connection.reader.feed(input);
                self.model.feed(input);
            }
            Operation::Commit(count) => {
                let input = self.next_input(*count);
                self.connection.reader.input(input.len() + 1)[..input.len()].copy_from_slice(input);
                self.connection.reader.commit(input.len());
                self.model.feed(input);
            }
            Operation::Eof => {
                self.connection.reader.feed_eof();
                self.model.end.get_or_insert(End::Eof);
                self.rest = &[];
            }
            Operation::Lost => {
                self.connection.reader.feed_lost(Loss::Reset);
                self.model.end = Some(End::Lost(Loss::Reset));
            }
            Operation::Close => {
                self.connection.close();
                self.model.end.get_or_insert(End::Closed);
            }
            Operation::SetLimit(limit) => {
                self.connection.reader.set_limit(*limit);
                self.model.set_limit(*limit);
                self.allowed = self.allowed.max(2 * limit);
            }
            Operation::Ask(read) => {
                let expected = self.model.read(read);
                assert_eq!(ask(&mut self.connection.reader, read), expected);
                if expected == Outcome::NeedInput {
                    assert_eq!(ask(&mut self.connection.reader, read), Outcome::NeedInput);
                    assert!(
                        self.connection.reader.wants_read(),
                        "who waits for input must be given it"
                    );
                    let idle = self.connection.reader.buffered().is_empty();
                    assert!(
                        !idle || self.connection.reader.capacity() == 0,
                        "an idle reader holds nothing"
                    );
                }
            }
        }
        assert_same_state(&self.connection.reader, &self.model, self.received);
        let held = self.allowed.max(STREAM) + STREAM + 1;
        assert!(
            self.connection.reader.capacity() <= held,
            "{} > {held}",
            self.connection.reader.capacity()
        );
    }

    /// Takes bytes off the stream, unless it has ended; a closed reader does not count them.
    fn next_input(&mut self, count: usize) -> &'a [u8] {
        if self.model.end == Some(End::Eof) {
            return &[];
        }
        let (input, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        if self.model.end != Some(End::Closed) {
            self.received += input.len() as u64;
        }
        input
    }
}

/// Whether an operation is allowed: nothing may be fed behind the end, not even nothing.
fn is_allowed(operation: &Operation, model: &ReaderModel) -> bool {
    !matches!(operation, Operation::Feed(_) | Operation::Commit(_)) || model.end != Some(End::Eof)
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
                for place in 0..LENGTH {
                    let choice = sequence / choices.pow(place) % choices;
                    let operation = &operations[choice as usize];
                    if is_allowed(operation, &run.model) {
                        run.perform(operation);
                    }
                }
            }
            streams.len() as u64
        });
        report(&format!("reader sequences: set {number}, {runs} runs"));
        assert_eq!(runs, 59_049 * 81);
    }
}
