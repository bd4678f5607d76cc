//! The same bytes give the same results, however the network cuts them.
//!
//! Every string over three letters up to a length, cut in every way, read with several separators
//! and limits: each run must give what the naive model gives for the whole string at once. Errors
//! count, and so does their order; only `consumed` of an overrun may differ, as documented.

mod common;

use common::parallel::count_in_parallel;
use common::reader_model::{End, Outcome, Read, ReaderModel, Separators};
use common::{report, strings};
use plimsoll::{Frame, ReadError, Reader, Step};

const LONGEST: usize = 8;
const LIMITS: [usize; 5] = [1, 2, 3, 5, usize::MAX];

/// How a run reads: line by line, or frame by frame, skipping those that are too long, or have a line break that stands alone.
enum Way {
    Lines,
    Frames(Separators),
}

fn ways() -> [Way; 9] {
    let frames = |members: &[&[u8]]| Way::Frames(Separators::new(members));
    [
        Way::Lines,
        frames(&[b"\r"]),
        frames(&[b"\r\n"]),
        frames(&[b"\r\n\r\n"]),
        frames(&[b"\r\n", b"\r"]),
        frames(&[b"\n", b"\r\n"]),
        frames(&[b"aa", b"\raa\n", b"\n"]),
        frames(&[b"a\r\na", b"\n\r", b"\r\n\r"]),
        Way::Frames(Separators::strict_crlf()),
    ]
}

/// What the model gives for the whole of `input`, and which read it was each time.
fn expected(input: &[u8], way: &Way, limit: usize) -> Vec<(Read, Outcome)> {
    let mut model = ReaderModel::new(limit);
    model.feed(input);
    model.end = Some(End::Eof);

    let (first, skip) = match way {
        Way::Lines => (Read::Line, None),
        Way::Frames(separators) => (
            Read::Until(separators.clone()),
            Some(Read::SkipUntil(separators.clone())),
        ),
    };
    let mut outcomes = Vec::new();
    let mut read = first.clone();
    loop {
        let outcome = model.read(&read);
        let next = match &outcome {
            Outcome::Failed(ReadError::LimitOverrun { .. } | ReadError::BareLineBreak { .. }) => {
                skip.clone()
            }
            Outcome::Failed(ReadError::Incomplete { .. }) => Some(Read::Some(usize::MAX)),
            Outcome::Frame { matched: None, .. } => None,
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
    assert!(reader.at_eof(), "nothing is left behind the last answer");
}

/// Makes one call. Returns false if it needs input; otherwise it must answer as expected.
fn answers(reader: &mut Reader, read: &Read, expected: &Outcome) -> bool {
    match read {
        Read::Line => frame_answers(reader.read_line(), expected),
        Read::Some(max) => frame_answers(reader.read(*max), expected),
        Read::Until(separators) => frame_answers(reader.read_until(&separators.built), expected),
        Read::SkipUntil(separators) => match reader.skip_until(&separators.built) {
            Ok(Step::NeedInput) => false,
            Ok(Step::Ready(index)) => {
                assert_eq!(&Outcome::Skipped(index), expected);
                true
            }
            Err(error) => error_answers(error, expected),
        },
        other => unreachable!("{other:?} is not a way to read"),
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
            assert_eq!(frame.matched(), *matched);
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
fn cuts_do_not_matter() {
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
    assert_eq!(cases, 45_349_650);
}
