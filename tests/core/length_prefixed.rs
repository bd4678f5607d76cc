//! Frames that begin with their length, in the cases that tokio-util 0.7 tests its codec with.
//!
//! Only its inputs, settings and outcomes are taken. There, what is added to the number counts from
//! the bytes that are skipped; here, from the end of the number. Each input is fed whole, byte by byte,
//! and cut everywhere.
//!
//! Cases of its frame traits have no counterpart and stand for the nearest fact: that a sink is ready
//! is that a write is accepted, a flush that is pending is output that is pending, and a write of zero
//! bytes is a loss. Endianness of the machine is chosen by a caller, here as there. How long a frame may
//! be is the reader's setting, and counts its head; of what a writer queues, it is `max_pending`.

use bytes::Buf;
use plimsoll::{
    ConnectionError, LengthPrefix, ReadError, Reader, SendAction, Step, WaterMarks, WriteError,
    Writer, WriterState,
};

/// A case of reading.
struct Case {
    name: &'static str,
    settings: Settings,
    input: &'static [u8],
    frames: &'static [&'static [u8]],
    end: End,
}

/// The settings, as tokio-util has them.
#[derive(Clone, Copy)]
struct Settings {
    offset: usize,
    size: usize,
    adjustment: i64,
    skip: Option<usize>,
    is_little_endian: bool,
    max_frame: usize,
}

const DEFAULT: Settings = Settings {
    offset: 0,
    size: 4,
    adjustment: 0,
    skip: None,
    is_little_endian: false,
    max_frame: 8 * 1024 * 1024,
};

const LITTLE_ENDIAN: Settings = Settings {
    is_little_endian: true,
    ..DEFAULT
};

impl Settings {
    fn head(&self) -> usize {
        self.offset + self.size
    }

    fn prefix(&self) -> LengthPrefix {
        let skip = self.skip.unwrap_or(self.head());
        let prefix = if self.is_little_endian {
            LengthPrefix::little_endian(self.size)
        } else {
            LengthPrefix::big_endian(self.size)
        };
        prefix
            .offset(self.offset)
            .adjustment(self.adjustment + skip as i64 - self.head() as i64)
            .skip(skip)
    }

    /// The most bytes that head and frame have together.
    fn max_read_exact(&self) -> usize {
        let skip = self.skip.unwrap_or(self.head());
        self.max_frame + skip
    }
}

/// What comes after the frames.
enum End {
    /// A clean end.
    Clean,
    /// The end of the stream, with so many bytes of a frame.
    Truncated(usize),
    /// A frame of so many bytes, with its head, which is too long.
    TooLong,
}

const CASES: &[Case] = &[
    Case {
        name: "read_empty_io_yields_nothing",
        settings: DEFAULT,
        input: b"",
        frames: &[],
        end: End::Clean,
    },
    Case {
        name: "read_single_frame_one_packet, read_single_frame_multi_packet(_wait)",
        settings: DEFAULT,
        input: b"\x00\x00\x00\x09abcdefghi",
        frames: &[b"abcdefghi"],
        end: End::Clean,
    },
    Case {
        name: "read_single_frame_one_packet_little_endian, and of a machine that is",
        settings: LITTLE_ENDIAN,
        input: b"\x09\x00\x00\x00abcdefghi",
        frames: &[b"abcdefghi"],
        end: End::Clean,
    },
    Case {
        name: "read_single_multi_frame_one_packet, read_multi_frame_multi_packet(_wait)",
        settings: DEFAULT,
        input: b"\x00\x00\x00\x09abcdefghi\x00\x00\x00\x03123\x00\x00\x00\x0bhello world",
        frames: &[b"abcdefghi", b"123", b"hello world"],
        end: End::Clean,
    },
    Case {
        name: "read_incomplete_head",
        settings: DEFAULT,
        input: b"\x00\x00",
        frames: &[],
        end: End::Truncated(2),
    },
    Case {
        name: "read_incomplete_head_multi",
        settings: DEFAULT,
        input: b"\x00",
        frames: &[],
        end: End::Truncated(1),
    },
    Case {
        name: "read_incomplete_payload",
        settings: DEFAULT,
        input: b"\x00\x00\x00\x09abcd",
        frames: &[],
        end: End::Truncated(8),
    },
    Case {
        name: "read_max_frame_len",
        settings: Settings {
            max_frame: 5,
            ..DEFAULT
        },
        input: b"\x00\x00\x00\x09abcdefghi",
        frames: &[],
        end: End::TooLong,
    },
    Case {
        name: "read_one_byte_length_field",
        settings: Settings { size: 1, ..DEFAULT },
        input: b"\x09abcdefghi",
        frames: &[b"abcdefghi"],
        end: End::Clean,
    },
    Case {
        name: "read_header_offset",
        settings: Settings {
            size: 2,
            offset: 4,
            ..DEFAULT
        },
        input: b"zzzz\x00\x09abcdefghi",
        frames: &[b"abcdefghi"],
        end: End::Clean,
    },
    Case {
        name: "read_single_multi_frame_one_packet_skip_none_adjusted",
        settings: Settings {
            size: 2,
            offset: 2,
            skip: Some(0),
            adjustment: 4,
            ..DEFAULT
        },
        input: b"xx\x00\x09abcdefghiyy\x00\x03123zz\x00\x0bhello world",
        frames: &[
            b"xx\x00\x09abcdefghi",
            b"yy\x00\x03123",
            b"zz\x00\x0bhello world",
        ],
        end: End::Clean,
    },
    Case {
        name: "read_single_frame_length_adjusted",
        settings: Settings {
            size: 3,
            skip: Some(4),
            ..DEFAULT
        },
        input: b"\x00\x00\x0b\x0cHello world",
        frames: &[b"Hello world"],
        end: End::Clean,
    },
    Case {
        name: "read_single_multi_frame_one_packet_length_includes_head",
        settings: Settings {
            size: 2,
            adjustment: -2,
            ..DEFAULT
        },
        input: b"\x00\x0babcdefghi\x00\x05123\x00\x0dhello world",
        frames: &[b"abcdefghi", b"123", b"hello world"],
        end: End::Clean,
    },
];

/// Reads all frames of a case, cut into `chunks`, and waits again before each of them.
fn check(case: &Case, chunks: &[&[u8]]) {
    let prefix = case.settings.prefix();
    let mut reader = Reader::with_limit(1);
    reader.set_max_read_exact(case.settings.max_read_exact());
    let mut chunks = chunks.iter();
    let mut frames = Vec::new();
    let error = loop {
        match reader.read_length_prefixed(&prefix) {
            Ok(Step::Ready(frame)) => {
                assert_eq!((frame.content(), frame.separator_index()), (&*frame, None));
                frames.push(frame.to_vec());
            }
            Ok(Step::NeedInput) => {
                assert!(reader.wants_read());
                match chunks.next() {
                    Some(chunk) => reader.feed(chunk),
                    None => reader.feed_eof(),
                }
            }
            Err(error) => break error,
        }
    };
    assert_eq!(frames, case.frames, "{}", case.name);
    let is_expected = match (&case.end, error) {
        (End::Clean, error) => error.is_clean_end() && reader.at_eof(),
        (End::Truncated(left), ReadError::Incomplete { buffered, .. }) => buffered == *left,
        // The peer's number is not told.
        (End::TooLong, ReadError::CountTooLarge { requested, .. }) => requested == usize::MAX,
        _ => false,
    };
    assert!(is_expected, "{}: {error:?}", case.name);
}

#[test]
fn frames_are_read_wherever_they_are_cut() {
    for case in CASES {
        let input = case.input;
        check(case, &[input]);
        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        check(case, &bytes);
        for one in 0..=input.len() {
            for other in one..=input.len() {
                check(case, &[&input[..one], &input[one..other], &input[other..]]);
            }
        }
    }
}

/// `read_update_max_frame_len_at_rest` and `read_update_max_frame_len_in_flight`: in flight the new bound
/// counts there from the next frame on. Here it is that of the next call.
#[test]
fn a_new_bound_counts_from_the_next_call() {
    const FRAME: &[u8] = b"\x00\x00\x00\x09abcdefghi";
    let too_large = ReadError::CountTooLarge {
        requested: usize::MAX,
        max: 9,
    };
    let mut reader = Reader::new();
    reader.feed(FRAME);
    let frame = reader.read_length_prefixed(&LengthPrefix::U32_BE);
    assert_eq!(frame.unwrap().ready().unwrap(), "abcdefghi");
    reader.set_max_read_exact(5 + 4);
    reader.feed(FRAME);
    let result = reader.read_length_prefixed(&LengthPrefix::U32_BE);
    assert_eq!(result.unwrap_err(), too_large);
    assert_eq!(reader.buffered(), FRAME);

    let mut reader = Reader::new();
    reader.feed(&FRAME[..8]);
    let waits = reader.read_length_prefixed(&LengthPrefix::U32_BE);
    assert!(!waits.unwrap().is_ready());
    reader.set_max_read_exact(5 + 4);
    let result = reader.read_length_prefixed(&LengthPrefix::U32_BE);
    assert_eq!(result.unwrap_err(), too_large);
    reader.set_max_read_exact(9 + 4);
    reader.feed(&FRAME[8..]);
    assert!(
        reader
            .read_length_prefixed(&LengthPrefix::U32_BE)
            .unwrap()
            .is_ready()
    );
}

/// What a case of writing queues.
struct Queued {
    name: &'static str,
    settings: Settings,
    payloads: &'static [&'static [u8]],
    output: &'static [u8],
}

const QUEUED: &[Queued] = &[
    Queued {
        name: "write_nothing_yields_nothing",
        settings: DEFAULT,
        payloads: &[],
        output: b"",
    },
    Queued {
        name: "write_single_frame_one_packet, write_single_frame_from_slice",
        settings: DEFAULT,
        payloads: &[b"abcdefghi"],
        output: b"\x00\x00\x00\x09abcdefghi",
    },
    Queued {
        name: "write_single_frame_length_adjusted",
        settings: Settings {
            adjustment: -2,
            ..DEFAULT
        },
        payloads: &[b"abcdefghi"],
        output: b"\x00\x00\x00\x0babcdefghi",
    },
    Queued {
        name: "write_single_multi_frame_one_packet, write_single_multi_frame_multi_packet",
        settings: DEFAULT,
        payloads: &[b"abcdefghi", b"123", b"hello world"],
        output: b"\x00\x00\x00\x09abcdefghi\x00\x00\x00\x03123\x00\x00\x00\x0bhello world",
    },
    Queued {
        name: "write_single_frame_little_endian",
        settings: LITTLE_ENDIAN,
        payloads: &[b"abcdefghi"],
        output: b"\x09\x00\x00\x00abcdefghi",
    },
    Queued {
        name: "write_single_frame_with_short_length_field",
        settings: Settings { size: 1, ..DEFAULT },
        payloads: &[b"abcdefghi"],
        output: b"\x09abcdefghi",
    },
];

/// `write_single_frame_would_block` is the sending in pieces; `Flush` follows the last of them.
#[test]
fn frames_are_queued_after_their_lengths() {
    for case in QUEUED {
        for sent_at_once in [1, 2, 100] {
            let prefix = case.settings.prefix();
            let mut writer = Writer::new();
            for payload in case.payloads {
                assert!(writer.is_writable());
                writer.write_length_prefixed(&prefix, payload).unwrap();
            }
            let mut output = Vec::new();
            while writer.next_send() == Some(SendAction::Write) {
                let chunk = writer.output().chunk().to_vec();
                let sent = chunk.len().min(sent_at_once);
                output.extend_from_slice(&chunk[..sent]);
                let progress = writer.on_send(SendAction::Write, Ok::<_, ConnectionError>(sent));
                assert_eq!(progress, plimsoll::Progress::Moved);
            }
            assert_eq!(output, case.output, "{}", case.name);
            let flush = (!case.output.is_empty()).then_some(SendAction::Flush);
            assert_eq!(writer.next_send(), flush, "{}", case.name);

            let mut reader = Reader::new();
            reader.feed(&output);
            for payload in case.payloads {
                let frame = reader.read_length_prefixed(&prefix).unwrap();
                assert_eq!(frame.ready().unwrap(), payload, "{}", case.name);
            }
        }
    }
}

/// `write_max_frame_len`, `write_update_max_frame_len_at_rest` and
/// `write_update_max_frame_len_in_flight`: a frame that is pending stays.
#[test]
fn a_frame_beyond_the_bound_is_refused_whole() {
    let full = |pending| WriteError::Full {
        len: 4 + 6,
        pending,
        max: 5 + 4,
    };
    let prefix = LengthPrefix::U32_BE;
    let mut writer = Writer::new();
    writer.set_max_pending(5 + 4);
    assert_eq!(
        writer.write_length_prefixed(&prefix, b"abcdef"),
        Err(full(0))
    );
    assert_eq!(writer.pending(), 0);

    let mut writer = Writer::new();
    writer.write_length_prefixed(&prefix, b"abcdef").unwrap();
    writer.output().advance(6);
    writer.set_max_pending(5 + 4);
    assert_eq!(
        writer.write_length_prefixed(&prefix, b"abcdef"),
        Err(full(4))
    );
    assert_eq!(writer.output().chunk(), b"cdef");
    writer.output().advance(4);
    assert_eq!(
        writer.write_length_prefixed(&prefix, b"abcdef"),
        Err(full(0))
    );
    writer.write_length_prefixed(&prefix, b"abcde").unwrap();
}

/// `write_zero`.
#[test]
fn a_transport_that_takes_nothing_is_lost() {
    let mut writer = Writer::new();
    writer
        .write_length_prefixed(&LengthPrefix::U32_BE, b"abcdef")
        .unwrap();
    let progress = writer.on_send(SendAction::Write, Ok::<_, ConnectionError>(0));
    assert_eq!(progress, plimsoll::Progress::Moved);
    assert_eq!(
        writer.state(),
        WriterState::Lost(ConnectionError::Transport)
    );
}

/// `encode_overflow`: a frame that does not fit into what a block has room for.
#[test]
fn a_frame_is_queued_whatever_room_there_is() {
    for before in [0, 500, 508, 509, 510, 511, 512, 513, 1024, 65_530] {
        let mut writer = Writer::new();
        writer.set_water_marks(WaterMarks::with_high(1));
        writer.write(&vec![b'a'; before]).unwrap();
        writer
            .write_length_prefixed(&LengthPrefix::U32_BE, b"hello")
            .unwrap();
        let unsent = writer.into_unsent().concat();
        assert!(
            unsent[before..] == *b"\x00\x00\x00\x05hello",
            "{before} bytes before"
        );
    }
}

/// `frame_does_not_fit`, `neg_adjusted_frame_does_not_fit`, `pos_adjusted_frame_does_not_fit` and
/// `runtime_max_frame_len_respects_length_field`: the number bounds the frame.
#[test]
fn a_frame_has_no_more_bytes_than_its_number_says() {
    for (adjustment, most) in [(-1, 254), (0, 255), (1, 256)] {
        let prefix = LengthPrefix::U8.adjustment(adjustment);
        let mut writer = Writer::new();
        writer.write(b"before").unwrap();
        let too_long = WriteError::LengthOverflow { len: most + 1 };
        let refused = writer.write_length_prefixed(&prefix, &vec![0; most + 1]);
        assert_eq!(refused, Err(too_long));
        assert_eq!(too_long.kind(), std::io::ErrorKind::InvalidInput);
        assert_eq!(writer.pending(), 6, "nothing of it is queued");
        writer
            .write_length_prefixed(&prefix, &vec![0; most])
            .unwrap();
        assert_eq!(writer.output().chunk()[6], u8::MAX);

        let mut reader = Reader::new();
        reader.feed(&writer.output().chunk()[6..]);
        let frame = reader
            .read_length_prefixed(&prefix)
            .unwrap()
            .ready()
            .unwrap();
        assert_eq!(frame.len(), most);
    }
    // What is added to the length is more than it.
    let prefix = LengthPrefix::U8.adjustment(3);
    let mut writer = Writer::new();
    let refused = writer.write_length_prefixed(&prefix, b"ab");
    assert_eq!(refused, Err(WriteError::LengthOverflow { len: 2 }));
    writer.write_length_prefixed(&prefix, b"abc").unwrap();
    assert_eq!(writer.output().chunk(), b"\x00abc");
}

/// `max_allowed_frame_fits`, `smaller_frame_len_not_adjusted` and `max_allowed_length_field`: numbers as
/// large as they get overflow nothing.
#[test]
fn the_largest_numbers_are_refused() {
    for (max, adjustment) in [(usize::MAX, 0), (usize::MAX, i64::MAX), (10, 0)] {
        let prefix = LengthPrefix::U64_BE.adjustment(adjustment);
        let mut reader = Reader::new();
        reader.set_max_read_exact(max);
        reader.feed(&[0xff; 8]);
        reader.feed(b"abc");
        let result = reader
            .read_length_prefixed(&prefix)
            .map(|step| step.is_ready());
        let too_large = ReadError::CountTooLarge {
            requested: usize::MAX,
            max,
        };
        // That many bytes may be waited for, but never come.
        let expected = if max == usize::MAX {
            Ok(false)
        } else {
            Err(too_large)
        };
        assert_eq!(result, expected);
        assert!(reader.capacity() <= 512, "{}", reader.capacity());
    }
}

#[test]
fn a_number_that_ends_its_frame_too_early_is_refused() {
    let prefix = LengthPrefix::U16_BE.adjustment(-2);
    for (number, expected) in [(0, false), (1, false), (2, true), (3, true)] {
        let mut reader = Reader::new();
        reader.feed(&[0, number, b'x']);
        let result = reader
            .read_length_prefixed(&prefix)
            .map(|frame| frame.map(|f| f.to_vec()));
        if expected {
            let payload = b"x"[..usize::from(number) - 2].to_vec();
            assert_eq!(result, Ok(Step::Ready(payload)));
        } else {
            let length = number.into();
            assert_eq!(result, Err(ReadError::InvalidLength { length }));
            assert_eq!(reader.buffered(), [0, number, b'x']);
        }
    }
}

#[test]
fn sizes_of_one_to_eight_bytes_are_read() {
    for size in 1..=8 {
        let number = 0x0102_0304_0506_0708_u64 >> (64 - 8 * size);
        for is_little_endian in [false, true] {
            let bytes = if is_little_endian {
                number.to_le_bytes()[..size].to_vec()
            } else {
                number.to_be_bytes()[8 - size..].to_vec()
            };
            let prefix = if is_little_endian {
                LengthPrefix::little_endian(size)
            } else {
                LengthPrefix::big_endian(size)
            };
            let mut reader = Reader::new();
            reader.set_max_read_exact(size);
            reader.feed(&bytes);
            let too_large = ReadError::CountTooLarge {
                requested: usize::MAX,
                max: size,
            };
            let result = reader.read_length_prefixed(&prefix);
            assert_eq!(result.unwrap_err(), too_large, "{bytes:?}");
        }
    }
}

#[test]
#[should_panic(expected = "a length of one to eight bytes")]
fn a_number_has_at_least_one_byte() {
    let _ = LengthPrefix::big_endian(0);
}

#[test]
#[should_panic(expected = "a length of one to eight bytes")]
fn a_number_has_at_most_eight_bytes() {
    let _ = LengthPrefix::little_endian(9);
}

/// A frame that is shorter than what is left out of it takes nothing of the next one.
#[test]
fn a_frame_shorter_than_its_skip_is_empty() {
    let prefix = LengthPrefix::U8.skip(4);
    let mut reader = Reader::new();
    reader.feed(b"\x01a\x05hello");
    for expected in ["", "lo"] {
        let frame = reader
            .read_length_prefixed(&prefix)
            .unwrap()
            .ready()
            .unwrap();
        assert_eq!(frame, expected);
    }
}
