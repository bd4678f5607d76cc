//! Properties on random input, longer than the exhaustive tests can go.
//!
//! Letters come from a small alphabet, so that separators occur. Each property runs 10,000 times, or as often as
//! `PLIMSOLL_RUNS` says.

use bytes::{Buf, Bytes};
use plimsoll::{
    Connection, ConnectionError, LineEnding, ReadError, Reader, Separator, Step, WriteError, Writer,
};
use quickcheck::{Arbitrary, Gen, QuickCheck, Testable};
use test_support::reader_model::{
    MemoryBound, Outcome, Prefix, Read, ReaderModel, Separators, ask,
    assert_same_state as assert_same_reader, most_held,
};
use test_support::report;
use test_support::writer_model::{
    WriterModel, assert_same_state as assert_same_writer, output_bytes, writer_like,
};

/// Checks a property, and prints how often.
fn check(property: impl Testable) {
    let runs = std::env::var("PLIMSOLL_RUNS").map_or(10_000, |runs| runs.parse().unwrap());
    let thread = std::thread::current();
    let name = thread.name().expect("the test's");
    QuickCheck::new()
        .tests(runs)
        .max_tests(runs)
        .min_tests_passed(runs)
        .quickcheck(property);
    report(&format!("properties: {name}, {runs} runs"));
}

/// Bytes of a small alphabet.
#[derive(Clone, Debug)]
struct Text(Vec<u8>);

impl Arbitrary for Text {
    fn arbitrary(g: &mut Gen) -> Self {
        let letters = Vec::<u8>::arbitrary(g);
        Self(
            letters
                .iter()
                .map(|letter| b"ab\r\n"[usize::from(letter % 4)])
                .collect(),
        )
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        Box::new(self.0.shrink().map(Self))
    }
}

/// One to three byte strings of one to four letters.
#[derive(Clone, Debug)]
struct Members(Vec<Vec<u8>>);

impl Arbitrary for Members {
    fn arbitrary(g: &mut Gen) -> Self {
        let member = |g: &mut Gen| {
            let len = 1 + usize::arbitrary(g) % 4;
            (0..len).map(|_| *g.choose(b"ab\r\n").unwrap()).collect()
        };
        let count = 1 + usize::arbitrary(g) % 3;
        Self((0..count).map(|_| member(g)).collect())
    }
}

impl Members {
    fn separators(&self) -> Separators {
        let members: Vec<&[u8]> = self.0.iter().map(Vec::as_slice).collect();
        Separators::new(&members)
    }
}

/// The input cut in pieces, each as long as the next number says.
fn pieces<'a>(mut input: &'a [u8], cuts: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut cuts = cuts.iter().map(|&cut| 1 + usize::from(cut % 16));
    std::iter::from_fn(move || {
        let len = cuts.next().unwrap_or(input.len()).min(input.len());
        let piece;
        (piece, input) = input.split_at(len);
        (!piece.is_empty()).then_some(piece)
    })
}

/// A step of a random run of the reader.
#[derive(Clone, Debug)]
enum ReaderStep {
    Feed(Text),
    Commit(Text),
    /// Takes room, and does not use it.
    Input(usize),
    SetLimit(usize),
    SetMaxReadExact(usize),
    StopDiscarding,
    Lend(usize),
    Reclaim,
    /// Hands the stream over to another connection.
    HandOver,
    Eof,
    Close,
    Lost,
    Ask(Ask),
}

/// A read, without what cannot be shrunk.
#[derive(Clone, Debug)]
enum Ask {
    Some(usize),
    Line,
    Delimited(Ends),
    Until(Ends),
    PeekUntil(Ends),
    Exact(usize),
    LengthPrefixed(Head),
    ToEnd(usize),
    SkipUntil(Ends),
    SkipExact(u64),
    Peek(usize),
    Consume(usize),
    Announced(Ends),
    Buffered(u8),
}

#[derive(Clone, Debug)]
enum Ends {
    Members(Members),
    StrictCrlf,
    UniversalNewline,
}

impl Arbitrary for Ends {
    fn arbitrary(g: &mut Gen) -> Self {
        match u8::arbitrary(g) % 8 {
            0 => Self::StrictCrlf,
            1 => Self::UniversalNewline,
            _ => Self::Members(Members::arbitrary(g)),
        }
    }
}

impl Ends {
    fn separators(&self) -> Separators {
        match self {
            Self::Members(members) => members.separators(),
            Self::StrictCrlf => Separators::strict_crlf(),
            Self::UniversalNewline => Separators::universal_newline(),
        }
    }
}

/// A length prefix of any shape, made for letters.
#[derive(Clone, Copy, Debug)]
struct Head(Prefix);

impl Arbitrary for Head {
    fn arbitrary(g: &mut Gen) -> Self {
        let size = 1 + usize::arbitrary(g) % 8;
        // A number of several letters is large, unless nearly as much is taken from it.
        let usual = i64::from_be_bytes([b'a'; 8]) >> (64 - 8 * size);
        Self(Prefix {
            size,
            is_little_endian: bool::arbitrary(g),
            offset: usize::arbitrary(g) % 3,
            adjustment: i64::from(u8::arbitrary(g) % 24) - *g.choose(&[10, 13, usual]).unwrap(),
            skip: Option::<usize>::arbitrary(g).map(|skip| skip % 12),
        })
    }
}

impl Ask {
    fn read(&self) -> Read {
        match self {
            Self::Some(max) => Read::Some(*max),
            Self::Line => Read::Line,
            Self::Delimited(ends) => Read::Delimited(ends.separators()),
            Self::Until(ends) => Read::Until(ends.separators()),
            Self::PeekUntil(ends) => Read::PeekUntil(ends.separators()),
            Self::Exact(count) => Read::Exact(*count),
            Self::LengthPrefixed(Head(prefix)) => Read::LengthPrefixed(*prefix),
            Self::ToEnd(max) => Read::ToEnd(*max),
            Self::SkipUntil(ends) => Read::SkipUntil(ends.separators()),
            Self::SkipExact(count) => Read::SkipExact(*count),
            Self::Peek(count) => Read::Peek(*count),
            Self::Consume(count) => Read::Consume(*count),
            Self::Announced(ends) => Read::Announced(ends.separators()),
            Self::Buffered(last) => Read::Buffered(*last),
        }
    }
}

impl Arbitrary for ReaderStep {
    fn arbitrary(g: &mut Gen) -> Self {
        let small = usize::arbitrary(g) % 12;
        // The ends of the stream are rare, so that runs get somewhere.
        match u8::arbitrary(g) % 102 {
            0 => Self::Eof,
            1 => Self::Close,
            2 => Self::Lost,
            3..6 => Self::SetLimit(1 + small),
            6 => Self::SetMaxReadExact(small * 8),
            7..10 => Self::Lend(small * 8),
            10..12 => Self::Reclaim,
            12 => Self::HandOver,
            13..15 => Self::StopDiscarding,
            15..32 => Self::Feed(Text::arbitrary(g)),
            32..46 => Self::Commit(Text::arbitrary(g)),
            46..48 => Self::Input(small),
            48..52 => Self::Ask(Ask::Some(small)),
            52..58 => Self::Ask(Ask::Line),
            58..62 => Self::Ask(Ask::Delimited(Ends::arbitrary(g))),
            62..70 => Self::Ask(Ask::Until(Ends::arbitrary(g))),
            70..74 => Self::Ask(Ask::PeekUntil(Ends::arbitrary(g))),
            74..78 => Self::Ask(Ask::Exact(small)),
            78..81 => Self::Ask(Ask::LengthPrefixed(Head::arbitrary(g))),
            81..83 => Self::Ask(Ask::ToEnd(small * 8)),
            83..87 => Self::Ask(Ask::SkipUntil(Ends::arbitrary(g))),
            87..90 => Self::Ask(Ask::SkipExact(3 * small as u64)),
            90..93 => Self::Ask(Ask::Peek(small)),
            93..96 => Self::Ask(Ask::Announced(Ends::arbitrary(g))),
            96..99 => Self::Ask(Ask::Buffered(*g.choose(b"ab\n").unwrap())),
            _ => Self::Ask(Ask::Consume(small)),
        }
    }
}

/// A reader and its model, side by side.
struct SideBySide {
    connection: Connection,
    model: ReaderModel,
    received: u64,
    bound: MemoryBound,
    /// What may be held, at least for as long as a block is on loan.
    most_held: usize,
    is_lent: bool,
}

impl SideBySide {
    fn perform(&mut self, step: &ReaderStep) {
        let reader = &mut self.connection.reader;
        match step {
            ReaderStep::Feed(_) | ReaderStep::Commit(_) | ReaderStep::Input(_)
                if self.model.has_eof => {}
            ReaderStep::Feed(Text(text)) => {
                reader.feed(text);
                if !self.model.is_closed {
                    self.has_grown(text.len());
                }
                self.has_received(text);
            }
            ReaderStep::Commit(Text(text)) => {
                let mut rest = &text[..];
                while !rest.is_empty() {
                    let size = rest.len() + 7;
                    let room = self.connection.reader.input(size);
                    let written = rest.len().min(room.len());
                    room[..written].copy_from_slice(&rest[..written]);
                    self.connection.reader.commit(written);
                    self.has_grown(size);
                    self.has_received(&rest[..written]);
                    rest = &rest[written..];
                }
            }
            ReaderStep::Input(size) => {
                let _ = reader.input(*size);
                self.has_grown(*size);
            }
            ReaderStep::SetLimit(limit) => {
                reader.set_limit(*limit);
                self.model.set_limit(*limit);
            }
            ReaderStep::SetMaxReadExact(max) => {
                reader.set_max_read_exact(*max);
                self.model.cap = *max;
            }
            ReaderStep::StopDiscarding => {
                reader.stop_discarding();
                self.model.stop_discarding();
            }
            ReaderStep::Lend(size) => {
                let block = Vec::with_capacity(*size);
                let size = block.capacity();
                let is_lent = reader.lend(block).is_ok();
                assert_eq!(is_lent, self.model.buffer.is_empty() && !self.is_lent);
                if is_lent {
                    (self.is_lent, self.most_held) = (true, size);
                }
            }
            ReaderStep::Reclaim => {
                let block = reader.reclaim();
                assert_eq!(block.is_some(), self.is_lent);
                if block.is_some() {
                    assert_eq!(reader.capacity(), self.model.buffer.len());
                    self.is_lent = false;
                    self.may_hold(self.model.buffer.len());
                }
            }
            ReaderStep::HandOver => self.hand_over(),
            ReaderStep::Eof => {
                reader.feed_eof();
                self.model.feed_eof();
            }
            ReaderStep::Close => {
                self.connection.close();
                self.model.close();
            }
            ReaderStep::Lost => {
                reader.feed_lost(ConnectionError::Reset);
                self.model.feed_lost(ConnectionError::Reset);
            }
            ReaderStep::Ask(wanted) => self.ask(&wanted.read()),
        }
        let reader = &self.connection.reader;
        assert_same_reader(reader, &self.model, self.received);
        let (held, most) = (reader.capacity(), self.most_held);
        assert!(held <= most, "{held} > {most}");
    }

    fn ask(&mut self, read: &Read) {
        let outcome = ask(&mut self.connection.reader, read);
        assert_eq!(outcome, self.model.read(read), "{read:?}");
        match &outcome {
            Outcome::NeedInput => {
                let reader = &self.connection.reader;
                assert!(reader.wants_read());
                let is_idle = self.model.buffer.is_empty() && !self.is_lent;
                assert!(!is_idle || reader.capacity() == 0);
            }
            // One of an odd length was taken without a copy, and its block with it.
            Outcome::Frame { bytes, .. }
                if self.is_lent && bytes.len() % 2 == 1 && !matches!(read, Read::PeekUntil(_)) =>
            {
                self.is_lent = false;
                self.may_hold(self.most_held);
            }
            _ => {}
        }
    }

    /// Takes note that room for `size` bytes was asked for.
    fn has_grown(&mut self, size: usize) {
        if size == 0 {
            return;
        }
        let unread = self.model.buffer.len();
        let most = most_held(self.model.limit, self.model.wanted, unread, size);
        let lent = if self.is_lent { self.most_held } else { 0 };
        self.may_hold(most);
        self.most_held = self.most_held.max(lent);
    }

    fn may_hold(&mut self, most: usize) {
        let unread = self.model.buffer.len();
        let position = self.model.delivered + self.model.discarded;
        self.most_held = self.bound.after_growth(most, unread, position);
    }

    fn has_received(&mut self, input: &[u8]) {
        if !self.model.is_closed {
            self.received += input.len() as u64;
        }
        self.model.feed(input);
    }

    /// A new connection goes on with the stream, with the same settings.
    fn hand_over(&mut self) {
        let parts = std::mem::take(&mut self.connection).into_parts();
        assert_eq!(parts.unread, self.model.buffer);
        assert_eq!(parts.discarding, self.model.discarding());
        self.connection = Connection::from_parts(parts);
        let reader = &mut self.connection.reader;
        reader.set_limit(self.model.limit);
        reader.set_max_read_exact(self.model.cap);

        let mut model = ReaderModel::new(Reader::DEFAULT_LIMIT);
        model.discard = self.model.discard.clone();
        model.feed(&self.model.buffer);
        model.set_limit(self.model.limit);
        model.cap = self.model.cap;
        self.received = self.model.buffer.len() as u64;
        (self.model, self.bound, self.is_lent) = (model, MemoryBound::default(), false);
        let fed = self.model.buffer.len();
        let most = most_held(Reader::DEFAULT_LIMIT, 0, 0, fed);
        self.most_held = self.bound.after_growth(most, 0, 0);
    }
}

#[test]
fn the_reader_agrees_with_the_model() {
    fn agrees(limit: u8, steps: Vec<ReaderStep>) {
        let limit = 1 + usize::from(limit % 16);
        let mut run = SideBySide {
            connection: Connection::new(),
            model: ReaderModel::new(limit),
            received: 0,
            bound: MemoryBound::default(),
            most_held: 0,
            is_lent: false,
        };
        run.connection.reader.set_limit(limit);
        for step in &steps {
            run.perform(step);
        }
    }
    check(agrees as fn(u8, Vec<ReaderStep>));
}

/// All that comes of reading `input` in pieces, but for the one number that may differ.
fn outcomes(input: &[u8], cuts: &[u8], separators: &Separators, limit: usize) -> Vec<Outcome> {
    let (frame, skip) = (
        Read::Until(separators.clone()),
        Read::SkipUntil(separators.clone()),
    );
    let mut reader = Reader::with_limit(limit);
    let mut pieces = pieces(input, cuts);
    let mut outcomes = Vec::new();
    let mut read = &frame;
    loop {
        let mut outcome = ask(&mut reader, read);
        match &mut outcome {
            Outcome::NeedInput => {
                match pieces.next() {
                    Some(piece) => reader.feed(piece),
                    None => reader.feed_eof(),
                }
                continue;
            }
            Outcome::Failed(ReadError::LimitOverrun { consumed, .. }) => {
                *consumed = 0;
                read = &skip;
            }
            Outcome::Failed(_) => {
                outcomes.push(outcome);
                return outcomes;
            }
            _ => read = &frame,
        }
        outcomes.push(outcome);
    }
}

#[test]
fn packet_boundaries_change_no_result() {
    fn same(text: Text, cuts: Vec<u8>, more_cuts: Vec<u8>, members: Members, limit: u8) -> bool {
        let (separators, limit) = (members.separators(), 1 + usize::from(limit % 32));
        let outcomes = |cuts| outcomes(&text.0, cuts, &separators, limit);
        outcomes(&cuts) == outcomes(&[]) && outcomes(&cuts) == outcomes(&more_cuts)
    }
    check(same as fn(Text, Vec<u8>, Vec<u8>, Members, u8) -> bool);
}

#[test]
fn every_kept_frame_has_the_same_bytes() {
    fn same(text: Text, cuts: Vec<u8>, ways: Vec<u8>, members: Option<Members>) {
        let separators = members.map(|members| members.separators());
        let read = separators.clone().map_or(Read::Line, Read::Until);
        let mut model = ReaderModel::new(Reader::DEFAULT_LIMIT);
        model.feed(&text.0);
        let mut reader = Reader::new();
        let mut ways = ways.iter().cycle();
        let mut kept: Vec<Bytes> = Vec::new();
        let mut expected: Vec<Vec<u8>> = Vec::new();
        for piece in pieces(&text.0, &cuts) {
            reader.feed(piece);
            while let Ok(Step::Ready(line)) = match &separators {
                Some(separators) => reader.read_until(&separators.built),
                None => reader.read_line(),
            } {
                let Outcome::Frame { bytes, content, .. } = model.read(&read) else {
                    panic!("the model has none");
                };
                assert_eq!(line.content().len(), content);
                expected.push(bytes);
                kept.push(match ways.next().map_or(0, |way| way % 4) {
                    0 => line.to_bytes(),
                    1 => line.into_bytes(),
                    2 => {
                        let token = line.token();
                        reader.frame(token).into_bytes()
                    }
                    _ => {
                        let separator = line[content..].to_vec();
                        let token = line.without_separator().token();
                        let content = reader.frame(token).into_bytes();
                        [&content[..], &separator].concat().into()
                    }
                });
            }
        }
        kept.push(reader.into_unread());
        expected.push(model.buffer);
        assert_eq!(kept, expected, "also after the reader went on");
        assert_eq!(kept.concat(), text.0);
    }
    check(same as fn(Text, Vec<u8>, Vec<u8>, Option<Members>));
}

/// A step of a paced run: what is received, and what a user does meanwhile.
#[derive(Clone, Debug)]
enum PacedStep {
    Receive(usize),
    SetLimit(usize),
    Line,
    /// Keeps the line without a copy, until the end of the run.
    KeepLine,
    Exact(usize),
    Peek(usize),
    Some(usize),
    Until(Members),
}

impl Arbitrary for PacedStep {
    fn arbitrary(g: &mut Gen) -> Self {
        let size = 1 + usize::arbitrary(g) % *g.choose(&[4, 64, 1024, 20_000]).unwrap();
        match u8::arbitrary(g) % 16 {
            0 => Self::SetLimit(size),
            1..3 => Self::Line,
            3..5 => Self::KeepLine,
            5 => Self::Exact(size),
            6 => Self::Peek(size),
            7..9 => Self::Some(size),
            9 => Self::Until(Members::arbitrary(g)),
            _ => Self::Receive(size),
        }
    }
}

#[test]
fn a_paced_reader_holds_what_is_documented() {
    fn bounded(limit: u16, input: Text, steps: Vec<PacedStep>) {
        let mut limit = 1 + usize::from(limit % 5000);
        let mut reader = Reader::with_limit(limit);
        let mut input = input.0.iter().copied().chain(*b"and\nmore\r\n").cycle();
        let mut kept = Vec::new();
        // How many bytes the read that waits has asked for.
        let mut wanted = 0;
        let mut bound = MemoryBound::default();
        for step in &steps {
            let waits = match step {
                PacedStep::Receive(_) if !reader.wants_read() => continue,
                PacedStep::Receive(size) => {
                    let (unread, position) = (reader.buffered().len(), reader.position());
                    let room = reader.input(*size);
                    let received = room.len();
                    room.iter_mut()
                        .zip(&mut input)
                        .for_each(|(room, byte)| *room = byte);
                    reader.commit(received);
                    let most = most_held(limit, wanted, unread, *size);
                    let most = bound.after_growth(most, unread, position);
                    let held = reader.capacity();
                    assert!(held <= most, "{held} > {most}");
                    continue;
                }
                PacedStep::SetLimit(size) => {
                    limit = *size;
                    reader.set_limit(limit);
                    continue;
                }
                PacedStep::Line => reader.read_line().map(|step| !step.is_ready()),
                PacedStep::KeepLine => reader.read_line().map(|step| {
                    let line = step.map(|line| line.into_bytes());
                    let waits = !line.is_ready();
                    kept.extend(line.ready());
                    waits
                }),
                PacedStep::Exact(count) => reader.read_exact(*count).map(|step| !step.is_ready()),
                PacedStep::Peek(count) => match reader.peek(*count) {
                    Ok(Step::Ready(_)) => continue,
                    other => other.map(|_| true),
                },
                PacedStep::Some(max) => reader.read(*max).map(|step| !step.is_ready()),
                PacedStep::Until(members) => {
                    let read = reader.read_until(&members.separators().built);
                    read.map(|step| !step.is_ready())
                }
            };
            match (waits, step) {
                (Ok(true), PacedStep::Exact(count) | PacedStep::Peek(count)) => wanted = *count,
                (Ok(_) | Err(ReadError::LineTooLong { .. }), _) => wanted = 0,
                (Err(_), _) => {}
            }
        }
    }
    check(bounded as fn(u16, Text, Vec<PacedStep>));
}

/// A step of a random run of the writer.
#[derive(Clone, Debug)]
enum WriterStep {
    Write(usize),
    WriteBytes(usize),
    WriteVectored(Vec<u8>),
    WriteLine(Text, bool),
    WriteText(u32),
    Sent(usize),
    Marks(u16, u16),
    Cap(u16),
    Finish,
    Close,
    Abort,
}

impl Arbitrary for WriterStep {
    fn arbitrary(g: &mut Gen) -> Self {
        // Around the sizes at which the queue changes its ways, and small ones.
        let size = |g: &mut Gen| {
            let around = *g
                .choose(&[0, 1, 4, 500, 512, 1000, 16 * 1024, 40_000])
                .unwrap();
            around + usize::arbitrary(g) % 24
        };
        match u8::arbitrary(g) % 64 {
            0 => Self::Finish,
            1 => Self::Close,
            2 => Self::Abort,
            3..6 => Self::Marks(u16::arbitrary(g), u16::arbitrary(g)),
            6 => Self::Cap(u16::arbitrary(g)),
            7..24 => Self::Write(size(g)),
            24..32 => Self::WriteBytes(size(g)),
            32..40 => Self::WriteVectored(Arbitrary::arbitrary(g)),
            40..43 => Self::WriteLine(Arbitrary::arbitrary(g), Arbitrary::arbitrary(g)),
            43 => Self::WriteText(Arbitrary::arbitrary(g)),
            _ => Self::Sent(size(g)),
        }
    }
}

#[test]
fn the_writer_agrees_with_the_model() {
    fn agrees(steps: Vec<WriterStep>) {
        let mut model = WriterModel::new(1000, 100, 1 << 20);
        let mut writer = writer_like(&model);
        let mut letters = (0..=250).cycle();
        let mut letters = |count: usize| -> Vec<u8> { letters.by_ref().take(count).collect() };
        for step in &steps {
            match step {
                WriterStep::Write(count) => {
                    let data = letters(*count);
                    assert_eq!(writer.write(&data), model.write(&data));
                }
                WriterStep::WriteBytes(count) => {
                    let data = Bytes::from(letters(*count));
                    assert_eq!(writer.write_bytes(data.clone()), model.write(&data));
                }
                WriterStep::WriteVectored(sizes) => {
                    let parts: Vec<_> = sizes.iter().map(|&size| letters(size.into())).collect();
                    let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
                    assert_eq!(
                        writer.write_all_vectored(&slices),
                        model.write(&parts.concat())
                    );
                }
                WriterStep::WriteLine(Text(text), is_crlf) => {
                    let (end, bytes) = if *is_crlf {
                        (LineEnding::CrLf, &b"\r\n"[..])
                    } else {
                        (LineEnding::Lf, &b"\n"[..])
                    };
                    let before = text.iter().position(|byte| b"\r\n".contains(byte));
                    let expected = match before {
                        Some(before) => Err(WriteError::NotOneLine { before }),
                        None => model.write(&[text, bytes].concat()),
                    };
                    assert_eq!(writer.write_line(text, end), expected);
                }
                WriterStep::WriteText(number) => {
                    let expected = model.write(format!("{number}, or {number:x}").as_bytes());
                    assert_eq!(write!(writer, "{number}, or {number:x}"), expected);
                }
                WriterStep::Sent(count) => {
                    let count = (*count).min(model.pending.len());
                    writer.output().advance(count);
                    model.sent(count);
                    writer.shutdown_done();
                    model.shutdown_done();
                }
                WriterStep::Marks(a, b) => {
                    let (high, low) = (usize::from(*a.max(b)), usize::from(*a.min(b)));
                    writer.set_water_marks(plimsoll::WaterMarks::new(high, low).unwrap());
                    model.set_marks(high, low);
                }
                WriterStep::Cap(cap) => {
                    let cap = usize::from(*cap);
                    writer.set_max_pending(cap);
                    model.cap = cap;
                }
                WriterStep::Finish => {
                    writer.finish();
                    model.finish();
                }
                WriterStep::Close => {
                    writer.close();
                    model.close();
                }
                WriterStep::Abort => {
                    writer.abort();
                    model.lose(ConnectionError::Aborted);
                }
            }
            assert_same_writer(&mut writer, &model);
            assert!(writer.capacity() <= writer.pending() + 64 * 1024);
        }
        assert_eq!(writer.into_unsent().concat(), model.pending);
    }
    check(agrees as fn(Vec<WriterStep>));
}

#[test]
fn what_is_written_is_read_or_left() {
    fn nothing_is_lost(text: Text, cuts: Vec<u8>, reads: Vec<bool>, stop: u8) {
        let (mut here, mut there) = (Connection::new(), Connection::new());
        let mut reads = reads.iter().cycle();
        let mut read = Vec::new();
        for (turn, piece) in pieces(&text.0, &cuts).enumerate() {
            here.writer.write(piece).unwrap();
            if turn > usize::from(stop) {
                continue;
            }
            let sent = output_bytes(&mut here.writer);
            let sent = &sent[..sent.len() - sent.len() / 3];
            there.reader.feed(sent);
            here.writer.output().advance(sent.len());
            if reads.next().is_some_and(|&reads| reads) {
                while let Ok(Step::Ready(line)) = there.reader.read_line() {
                    read.extend_from_slice(&line);
                }
            }
        }
        let (here, there) = (here.into_parts(), there.into_parts());
        assert_eq!(
            [&read[..], &there.unread, &here.unsent.concat()].concat(),
            text.0
        );
        assert!(here.unread.is_empty() && there.unsent.is_empty());
    }
    check(nothing_is_lost as fn(Text, Vec<u8>, Vec<bool>, u8));
}

#[test]
fn nothing_shows_the_peers_bytes() {
    fn hidden(text: Text) -> bool {
        const CANARY: &str = "canary";
        let mut connection = Connection::new();
        let mut reader = Reader::with_limit(3);
        let mut shown = String::new();
        for input in [CANARY.as_bytes(), &text.0, b"\r\n", CANARY.as_bytes()] {
            connection.reader.feed(input);
            connection.writer.write(input).unwrap();
            reader.feed(input);
            shown += &format!("{:?}", connection);
            shown += &format!("{:?}", connection.reader.read_line());
            shown += &format!("{:?}", connection.writer.output());
            for error in [
                reader.read_until(&Separator::CRLF).err(),
                reader.read_exact(usize::MAX).err(),
                reader.read_line().err(),
            ] {
                shown += &format!(
                    "{error:?}{}",
                    error.map(|e| e.to_string()).unwrap_or_default()
                );
            }
        }
        let separator = Separator::new(CANARY).unwrap();
        shown += &format!("{separator:?}{:?}", connection.into_parts());
        !shown.contains(CANARY)
    }
    check(hidden as fn(Text) -> bool);
}

#[test]
fn a_writer_of_small_parts_fills_slices_in_order() {
    fn in_order(parts: Vec<Text>) {
        let mut writer = Writer::new();
        let slices: Vec<&[u8]> = parts.iter().map(|part| &part.0[..]).collect();
        writer.write_all_vectored(&slices).unwrap();
        let mut sent = Vec::new();
        while writer.pending() > 0 {
            let chunk = writer.output().chunk().to_vec();
            let some = chunk.len().div_ceil(2);
            sent.extend_from_slice(&chunk[..some]);
            writer.output().advance(some);
        }
        assert_eq!(sent, slices.concat());
    }
    check(in_order as fn(Vec<Text>));
}
