//! The reader and the writer side by side with their models, where every number may be as large as numbers
//! get, and separators as many and as long as they may be, or more.

use plimsoll::{Reader, Separator, SeparatorError, WaterMarks, WaterMarksError};

use crate::input::Input;
use test_support::reader_model::{
    Prefix, Read, ReaderModel, Rule, Separators, ask, assert_same_state,
};
use test_support::writer_model::{self, WriterModel, writer_like};

/// Numbers around which something overflows that is doubled, quartered or added to.
const NUMBERS: [usize; 16] = [
    0,
    1,
    2,
    3,
    10,
    255,
    256,
    1 << 31,
    1 << 32,
    usize::MAX / 5 * 4,
    usize::MAX / 4,
    usize::MAX / 2,
    usize::MAX / 2 + 1,
    usize::MAX - 512,
    usize::MAX - 1,
    usize::MAX,
];

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    match input.below(2) {
        0 => reader(input),
        _ => writer(input),
    }
}

fn reader(mut input: Input<'_>) {
    let limit = input.of(&NUMBERS).max(1);
    let mut reader = Reader::with_limit(limit);
    let mut model = ReaderModel::new(limit);
    let mut separators = Separators::new(&[b"\n"]);
    let (mut received, mut most) = (0, 0);
    while !input.is_empty() {
        let operation = input.below(16);
        match operation {
            0..4 if model.end.is_none() => {
                let text = match operation {
                    3 => {
                        let members = &separators.members;
                        members[input.below(members.len())].clone()
                    }
                    _ => input.text(input.clone().below(256)),
                };
                if operation == 0 {
                    // More room than is used.
                    let size = text.len() + input.below(64);
                    let room = reader.input(size);
                    let written = text.len().min(room.len());
                    room[..written].copy_from_slice(&text[..written]);
                    reader.commit(written);
                    reader.feed(&text[written..]);
                    most = most.max(model.buffer.len() + size);
                } else {
                    reader.feed(&text);
                }
                model.feed(&text);
                received += text.len() as u64;
            }
            4 => {
                let limit = input.of(&NUMBERS).max(1);
                reader.set_limit(limit);
                model.set_limit(limit);
            }
            5 => {
                model.cap = input.of(&NUMBERS);
                reader.set_max_read_exact(model.cap);
            }
            6 | 7 => separators = some_separators(&mut input).unwrap_or(separators),
            8 if input.below(8) == 7 => {
                reader.feed_eof();
                model.feed_eof();
            }
            _ => {
                let number = input.of(&NUMBERS);
                let read = match input.below(16) {
                    0 | 8 => Read::Some(number),
                    1 => Read::Line,
                    2 | 3 => Read::Until(separators.clone()),
                    4 => Read::Exact(number),
                    5 => Read::ToEnd(number),
                    6 => Read::SkipUntil(separators.clone()),
                    9 => Read::Delimited(separators.clone()),
                    10 => Read::PeekUntil(separators.clone()),
                    11 => Read::SkipExact(number as u64),
                    12 | 13 => Read::LengthPrefixed(Prefix {
                        size: 1 + input.below(8),
                        is_little_endian: input.below(2) == 1,
                        offset: input.of(&[0, 1, 7, usize::MAX - 8, usize::MAX]),
                        adjustment: input.of(&[0, -1, -10, 5, i64::MIN, i64::MAX]),
                        skip: input.of(&[None, Some(0), Some(3), Some(usize::MAX)]),
                    }),
                    14 => Read::Consume(number),
                    15 => {
                        reader.stop_discarding();
                        model.stop_discarding();
                        Read::Peek(number)
                    }
                    _ => Read::Peek(number),
                };
                assert_eq!(ask(&mut reader, &read), model.read(&read), "{read:?}");
            }
        }
        most = most.max(model.buffer.len());
        assert_same_state(&reader, &model, received);
        // No number that anybody named takes memory, only what was received.
        let held = reader.capacity();
        assert!(held <= 512 + 4 * (most + 256), "{held} held of {most}");
    }
}

/// Any number of byte strings of any length, or none if that must not be.
///
/// They begin like each other, so that one may end in the midst of another.
fn some_separators(input: &mut Input<'_>) -> Option<Separators> {
    let count = match input.below(8) {
        7 => {
            return Some(match input.below(2) {
                0 => Separators::strict_crlf(),
                _ => Separators::universal_newline(),
            });
        }
        choice => [1, 2, 3, 0, 16, 17, 1][choice],
    };
    let text = input.text(4);
    let members: Vec<Vec<u8>> = (0..count)
        .map(|index| {
            let len = match input.below(8) {
                7 => [0, 1, 254, 255, 256][index % 5],
                short => short,
            };
            text.iter()
                .cycle()
                .skip(index % 3)
                .take(len)
                .copied()
                .collect()
        })
        .collect();
    let problem = members
        .iter()
        .take(16)
        .enumerate()
        .find_map(|(index, member)| match member.len() {
            0 => Some(SeparatorError::Empty { index }),
            len @ 256.. => Some(SeparatorError::TooLong { index, len }),
            _ => None,
        });
    let expected = match (problem, members.len()) {
        (_, 0) => Some(SeparatorError::NoneGiven),
        (None, 17..) => Some(SeparatorError::TooMany),
        (problem, _) => problem,
    };
    match Separator::any(&members) {
        Ok(built) => {
            assert_eq!(expected, None);
            Some(Separators {
                members,
                built,
                rule: Rule::Plain,
            })
        }
        Err(error) => {
            assert_eq!(expected, Some(error));
            None
        }
    }
}

fn writer(mut input: Input<'_>) {
    let mut model = WriterModel::new(0, 0, usize::MAX);
    let mut writer = writer_like(&model);
    while !input.is_empty() {
        match input.below(8) {
            0..3 => {
                let text = input.text(input.clone().below(40));
                assert_eq!(writer.write(&text), model.write(&text));
            }
            3..5 => {
                let sent = input.below(64).min(model.pending.len());
                bytes::Buf::advance(&mut writer.output(), sent);
                model.sent(sent);
            }
            5 => {
                let (high, low) = (input.of(&NUMBERS), input.of(&NUMBERS));
                match WaterMarks::new(high, low) {
                    Ok(marks) => {
                        assert!(low <= high);
                        writer.set_water_marks(marks);
                        model.set_marks(high, low);
                    }
                    Err(error) => {
                        assert!(low > high);
                        assert_eq!(error, WaterMarksError { high, low });
                    }
                }
            }
            6 => {
                model.cap = input.of(&NUMBERS);
                writer.set_max_pending(model.cap);
            }
            _ => {
                let marks = WaterMarks::with_high(input.of(&NUMBERS));
                writer.set_water_marks(marks);
                model.set_marks(marks.high(), marks.high() / 4);
            }
        }
        writer_model::assert_same_state(&mut writer, &model);
    }
}
