//! Properties on random input, longer than the exhaustive tests can go.
//!
//! Letters come from a small alphabet, so that separators occur. Each property runs 10,000 times, or as often as
//! `PLIMSOLL_RUNS` says.

mod common;

use bytes::{Buf, Bytes};
use common::reader_model::{
    End, Outcome, Read, ReaderModel, Separators, ask, assert_same_state as assert_same_reader,
    most_held,
};
use common::report;
use common::writer_model::{
    WriterModel, assert_same_state as assert_same_writer, output_bytes, writer_like,
};
use plimsoll::{Connection, LineEnd, Loss, ReadError, Reader, Separator, Step, WriteError, Writer};
use quickcheck::{Arbitrary, Gen, QuickCheck, Testable};

/// Checks a property, and prints how often.
fn check(property: impl Testable) {
    let runs = std::env::var("PLIMSOLL_RUNS").map_or(10_000, |runs| runs.parse().unwrap());
    let thread = std::thread::current();
    let name = thread.name().expect("the test's");
    QuickCheck::new()
        .tests(runs)
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
    /// Asks for room, and does not use it.
    Input(usize),
    SetLimit(usize),
    SetCap(usize),
    Eof,
    Close,
    Lost,
    Ask(Ask),
}

#[derive(Clone, Debug)]
enum Ask {
    Some(usize),
    Line,
    Until(Members),
    UntilStrictCrlf,
    Exact(usize),
    ToEnd(usize),
    SkipUntil(Members),
    Peek(usize),
}

impl Arbitrary for ReaderStep {
    fn arbitrary(g: &mut Gen) -> Self {
        let small = usize::arbitrary(g) % 12;
        // The ends of the stream are rare, so that runs get somewhere.
        match u8::arbitrary(g) % 64 {
            0 => Self::Eof,
            1 => Self::Close,
            2 => Self::Lost,
            3..6 => Self::SetLimit(1 + small),
            6 => Self::SetCap(small),
            7..20 => Self::Feed(Text::arbitrary(g)),
            20..30 => Self::Commit(Text::arbitrary(g)),
            30..32 => Self::Input(small),
            32..36 => Self::Ask(Ask::Some(small)),
            36..42 => Self::Ask(Ask::Line),
            42..44 => Self::Ask(Ask::UntilStrictCrlf),
            44..52 => Self::Ask(Ask::Until(Members::arbitrary(g))),
            52..56 => Self::Ask(Ask::Exact(small)),
            56..58 => Self::Ask(Ask::ToEnd(small * 8)),
            58..61 => Self::Ask(Ask::SkipUntil(Members::arbitrary(g))),
            _ => Self::Ask(Ask::Peek(small)),
        }
    }
}

#[test]
fn the_reader_agrees_with_the_model() {
    fn agrees(limit: u8, steps: Vec<ReaderStep>) {
        let limit = 1 + usize::from(limit % 16);
        let mut connection = Connection::new();
        connection.reader.set_limit(limit);
        let mut model = ReaderModel::new(limit);
        let mut received = 0;
        for step in &steps {
            match step {
                ReaderStep::Feed(_) | ReaderStep::Commit(_) | ReaderStep::Input(_)
                    if model.end == Some(End::Eof) => {}
                ReaderStep::Feed(Text(text)) => {
                    connection.reader.feed(text);
                    received += if model.end == Some(End::Closed) {
                        0
                    } else {
                        text.len() as u64
                    };
                    model.feed(text);
                }
                ReaderStep::Commit(Text(text)) => {
                    let mut rest = &text[..];
                    while !rest.is_empty() {
                        let room = connection.reader.input(rest.len() + 7);
                        let written = rest.len().min(room.len());
                        room[..written].copy_from_slice(&rest[..written]);
                        connection.reader.commit(written);
                        rest = &rest[written..];
                    }
                    received += if model.end == Some(End::Closed) {
                        0
                    } else {
                        text.len() as u64
                    };
                    model.feed(text);
                }
                ReaderStep::Input(size) => drop(connection.reader.input(*size).len()),
                ReaderStep::SetLimit(limit) => {
                    connection.reader.set_limit(*limit);
                    model.set_limit(*limit);
                }
                ReaderStep::SetCap(cap) => {
                    connection.reader.set_cap(*cap);
                    model.cap = *cap;
                }
                ReaderStep::Eof => {
                    connection.reader.feed_eof();
                    model.end.get_or_insert(End::Eof);
                }
                ReaderStep::Close => {
                    connection.close();
                    model.end.get_or_insert(End::Closed);
                }
                ReaderStep::Lost => {
                    connection.reader.feed_lost(Loss::Reset);
                    model.end = Some(End::Lost(Loss::Reset));
                }
                ReaderStep::Ask(wanted) => {
                    let read = match wanted {
                        Ask::Some(max) => Read::Some(*max),
                        Ask::Line => Read::Line,
                        Ask::Until(members) => Read::Until(members.separators()),
                        Ask::UntilStrictCrlf => Read::Until(Separators::strict_crlf()),
                        Ask::Exact(count) => Read::Exact(*count),
                        Ask::ToEnd(max) => Read::ToEnd(*max),
                        Ask::SkipUntil(members) => Read::SkipUntil(members.separators()),
                        Ask::Peek(count) => Read::Peek(*count),
                    };
                    assert_eq!(
                        ask(&mut connection.reader, &read),
                        model.read(&read),
                        "{read:?}"
                    );
                }
            }
            assert_same_reader(&connection.reader, &model, received);
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
fn cuts_do_not_matter() {
    fn same(text: Text, cuts: Vec<u8>, more_cuts: Vec<u8>, members: Members, limit: u8) -> bool {
        let (separators, limit) = (members.separators(), 1 + usize::from(limit % 32));
        let outcomes = |cuts| outcomes(&text.0, cuts, &separators, limit);
        outcomes(&cuts) == outcomes(&[]) && outcomes(&cuts) == outcomes(&more_cuts)
    }
    check(same as fn(Text, Vec<u8>, Vec<u8>, Members, u8) -> bool);
}

#[test]
fn every_way_to_keep_a_frame_keeps_the_same_bytes() {
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
fn a_paced_reader_holds_at_most_twice_its_limit_and_one_read() {
    fn bounded(limit: u16, input: Text, steps: Vec<PacedStep>) {
        let mut limit = 1 + usize::from(limit % 5000);
        let mut reader = Reader::with_limit(limit);
        let mut input = input.0.iter().copied().chain(*b"and\nmore\r\n").cycle();
        let mut kept = Vec::new();
        // How many bytes the read that waits has asked for.
        let mut wanted = 0;
        for step in &steps {
            let waits = match step {
                PacedStep::Receive(_) if !reader.wants_read() => continue,
                PacedStep::Receive(size) => {
                    let unread = reader.buffered().len();
                    let room = reader.input(*size);
                    let received = room.len();
                    room.iter_mut()
                        .zip(&mut input)
                        .for_each(|(room, byte)| *room = byte);
                    reader.commit(received);
                    let (most, held) = (most_held(limit, wanted, unread, *size), reader.capacity());
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
                    assert_eq!(writer.write_vectored(&slices), model.write(&parts.concat()));
                }
                WriterStep::WriteLine(Text(text), is_crlf) => {
                    let (end, bytes) = match is_crlf {
                        true => (LineEnd::CrLf, &b"\r\n"[..]),
                        false => (LineEnd::Lf, &b"\n"[..]),
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
                    writer.set_cap(cap);
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
                    model.lose(Loss::Aborted);
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
fn what_one_connection_writes_another_reads_or_has_left() {
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
        writer.write_vectored(&slices).unwrap();
        let mut sent = Vec::new();
        while writer.wants_write() {
            let chunk = writer.output().chunk().to_vec();
            let some = chunk.len().div_ceil(2);
            sent.extend_from_slice(&chunk[..some]);
            writer.output().advance(some);
        }
        assert_eq!(sent, slices.concat());
    }
    check(in_order as fn(Vec<Text>));
}
