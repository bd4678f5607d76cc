//! The same bytes give the same results, wherever packets end.
//!
//! Every string over three letters up to a length, cut in every way, read by several kinds of reads,
//! with several separators and limits: each run must give what the naive model gives for the whole
//! string at once. Errors count, and so does their order; only `consumed` of an overrun may differ, as
//! documented.

use plimsoll::{Frame, ReadError, Reader, Step};
use test_support::parallel::count_in_parallel;
use test_support::reader_model::{Outcome, Prefix, Read, ReaderModel, Separators, ask};
use test_support::{report, strings};

const LONGEST: usize = 8;
const LIMITS: [usize; 5] = [1, 2, 3, 5, usize::MAX];

/// How a run reads.
enum Way {
    /// Line by line.
    Lines(Read),
    /// Frame by frame, skipping those that are too long, or have a line break that stands alone.
    Frames(Separators),
    /// The same, looking at each frame before it is consumed.
    Peeked(Separators),
    /// So many bytes are read, so many are skipped, in turn.
    Counts(usize, u64),
    /// Frames that begin with their length, skipping a byte of a head that is wrong.
    Lengths(Prefix),
    /// Heads and what they announce, by a function of the caller's.
    Announced(Separators),
    /// Up to a byte among the buffered ones, by a function of the caller's.
    Buffered(u8),
}

fn ways() -> [Way; 21] {
    let separators = |members: &[&[u8]]| Separators::new(members);
    let frames = |members: &[&[u8]]| Way::Frames(separators(members));
    let lines = |separators| Way::Lines(Read::Delimited(separators));
    [
        Way::Lines(Read::Line),
        frames(&[b"\r"]),
        frames(&[b"\r\n"]),
        frames(&[b"\r\n\r\n"]),
        frames(&[b"\r\n", b"\r"]),
        frames(&[b"\n", b"\r\n"]),
        frames(&[b"aa", b"\raa\n", b"\n"]),
        frames(&[b"a\r\na", b"\n\r", b"\r\n\r"]),
        Way::Frames(Separators::strict_crlf()),
        Way::Frames(Separators::universal_newline()),
        lines(separators(&[b"\r\n"])),
        lines(separators(&[b"a\n", b"\r", b"\n\r\r"])),
        lines(Separators::universal_newline()),
        lines(Separators::strict_crlf()),
        Way::Peeked(separators(&[b"\r\n", b"\n"])),
        Way::Counts(1, 2),
        // Nothing follows a newline, three bytes a carriage return, and 87 any other.
        Way::Lengths(Prefix {
            adjustment: -10,
            ..Prefix::BYTE
        }),
        // A head of two bytes, which a newline makes too short. The frame has its second byte.
        Way::Lengths(Prefix {
            offset: 1,
            adjustment: -12,
            skip: Some(1),
            ..Prefix::BYTE
        }),
        Way::Announced(separators(&[b"\r\n", b"\n"])),
        Way::Announced(Separators::strict_crlf()),
        Way::Buffered(b'a'),
    ]
}

/// What the model gives for the whole of `input`, and which read it was each time.
fn expected(input: &[u8], way: &Way, limit: usize) -> Vec<(Read, Outcome)> {
    let mut model = ReaderModel::new(limit);
    model.feed(input);
    model.feed_eof();

    let (first, after_error) = match way {
        Way::Lines(read) => {
            let skip = match read {
                Read::Delimited(separators) => Read::SkipUntil(separators.clone()),
                _ => Read::Some(1),
            };
            (read.clone(), skip)
        }
        Way::Frames(separators) => (
            Read::Until(separators.clone()),
            Read::SkipUntil(separators.clone()),
        ),
        Way::Peeked(separators) => (
            Read::PeekUntil(separators.clone()),
            Read::SkipUntil(separators.clone()),
        ),
        Way::Counts(count, _) => (Read::Exact(*count), Read::Some(1)),
        Way::Lengths(prefix) => (Read::LengthPrefixed(*prefix), Read::Some(1)),
        Way::Announced(separators) => (
            Read::Announced(separators.clone()),
            Read::SkipUntil(separators.clone()),
        ),
        Way::Buffered(last) => (Read::Buffered(*last), Read::Some(1)),
    };
    let mut outcomes = Vec::new();
    let mut read = first.clone();
    loop {
        let outcome = model.read(&read);
        let next = match (&outcome, way) {
            (
                Outcome::Failed(
                    ReadError::LimitOverrun { .. }
                    | ReadError::BareLineBreak { .. }
                    | ReadError::InvalidLength { .. },
                ),
                _,
            ) => Some(after_error.clone()),
            (Outcome::Failed(ReadError::Incomplete { .. }), _) => Some(Read::Some(usize::MAX)),
            // All the rest was read, or the line after the last.
            (Outcome::Frame { .. }, _) if matches!(read, Read::Some(usize::MAX)) => None,
            (Outcome::Frame { bytes, .. }, Way::Lines(_)) if bytes.is_empty() => None,
            (Outcome::Frame { bytes, .. }, Way::Peeked(_))
                if matches!(read, Read::PeekUntil(_)) =>
            {
                Some(Read::Consume(bytes.len()))
            }
            (Outcome::Frame { .. }, Way::Counts(_, skipped)) if matches!(read, Read::Exact(_)) => {
                Some(Read::SkipExact(*skipped))
            }
            _ => Some(first.clone()),
        };
        outcomes.push((read, outcome));
        match next {
            Some(next) => read = next,
            None => return outcomes,
        }
    }
}

/// Reads `input`, fed in the pieces that the bits of `cuts` tell, and compares every answer.
fn check(input: &[u8], cuts: u32, limit: usize, expected: &[(Read, Outcome)]) {
    let mut reader = Reader::with_limit(limit);
    let mut fed = 0;
    for (read, outcome) in expected {
        while !answers(&mut reader, read, outcome) {
            if fed == input.len() {
                reader.feed_eof();
                continue;
            }
            let piece = 1 + (cuts >> fed).trailing_zeros() as usize;
            let end = (fed + piece).min(input.len());
            reader.feed(&input[fed..end]);
            fed = end;
        }
    }
    assert!(reader.at_eof(), "nothing is left after the last result");
}

/// Makes one call. Returns `false` if it needs input; otherwise it must return what is expected.
fn answers(reader: &mut Reader, read: &Read, expected: &Outcome) -> bool {
    match read {
        Read::Line => frame_answers(reader.read_line(), expected),
        Read::Some(max) => frame_answers(reader.read(*max), expected),
        Read::Delimited(separators) => {
            frame_answers(reader.read_delimited(&separators.built), expected)
        }
        Read::Until(separators) => frame_answers(reader.read_until(&separators.built), expected),
        Read::Exact(count) => frame_answers(reader.read_exact(*count), expected),
        Read::LengthPrefixed(prefix) => {
            frame_answers(reader.read_length_prefixed(&prefix.built()), expected)
        }
        other => match ask(reader, other) {
            Outcome::NeedInput => false,
            Outcome::Failed(error) => error_answers(error, expected),
            outcome => {
                assert_eq!(&outcome, expected);
                true
            }
        },
    }
}

fn frame_answers(answer: Result<Step<Frame<'_>>, ReadError>, expected: &Outcome) -> bool {
    match answer {
        Ok(Step::NeedInput) => false,
        Ok(Step::Ready(frame)) => {
            let Outcome::Frame {
                bytes,
                content,
                matched,
            } = expected
            else {
                panic!("{frame:?} where {expected:?} was expected");
            };
            assert_eq!(*frame, bytes[..]);
            assert_eq!(frame.content(), &bytes[..*content]);
            assert_eq!(frame.separator_index(), *matched);
            true
        }
        Err(error) => error_answers(error, expected),
    }
}

fn error_answers(error: ReadError, expected: &Outcome) -> bool {
    match (error, expected) {
        (
            ReadError::LimitOverrun { limit, consumed },
            Outcome::Failed(ReadError::LimitOverrun {
                limit: expected, ..
            }),
        ) => {
            assert_eq!(limit, *expected);
            assert!(consumed > limit);
        }
        (error, expected) => assert_eq!(&Outcome::Failed(error), expected),
    }
    true
}

#[test]
fn packet_boundaries_change_no_result() {
    let inputs: Vec<_> = (0..=LONGEST)
        .flat_map(|len| strings(b"a\r\n", len))
        .collect();
    let ways = ways();
    let cases = count_in_parallel(&inputs, |input| {
        let mut cases = 0;
        for way in &ways {
            for limit in LIMITS {
                let expected = expected(input, way, limit);
                for cuts in 0..1 << input.len().saturating_sub(1) {
                    check(input, cuts, limit, &expected);
                    cases += 1;
                }
            }
        }
        cases
    });
    report(&format!(
        "chunking: {} strings, {cases} cases",
        inputs.len()
    ));
    assert_eq!(cases, 105_815_850);
}
