//! Which reads are tried.
#![allow(
    dead_code,
    reason = "each simulation, and each fuzz target, uses a part of it"
)]

use std::sync::OnceLock;

use crate::reader_model::{Prefix, Read, Separators};

/// How many kinds of reads there are, the first of which streams have, too.
const KINDS: usize = 18;
const KINDS_OF_STREAMS: usize = 10;

/// Chooses a read, by numbers below others.
pub fn some_read(below: impl FnMut(usize) -> usize) -> Read {
    read_of(KINDS, below)
}

/// Chooses a read that a stream has.
pub fn some_read_of_a_stream(below: impl FnMut(usize) -> usize) -> Read {
    read_of(KINDS_OF_STREAMS, below)
}

fn read_of(kinds: usize, mut below: impl FnMut(usize) -> usize) -> Read {
    let count = [0, 1, 3, 10, 50, 300][below(6)];
    let kind = below(kinds);
    let mut separators = || separators()[below(separators().len())].clone();
    match kind {
        0..3 => Read::Line,
        3 => Read::Some(count),
        4 | 5 => Read::Until(separators()),
        6 => Read::Exact(count),
        7 => Read::ToEnd(count),
        8 => Read::SkipUntil(separators()),
        9 => Read::Peek(count),
        10 | 11 => Read::Delimited(separators()),
        12 => Read::PeekUntil(separators()),
        13 => Read::SkipExact(count as u64),
        14 => Read::LengthPrefixed(PREFIXES[below(PREFIXES.len())]),
        15 => Read::Announced(separators()),
        16 => Read::Buffered(b"\nab"[below(3)]),
        _ => Read::Consume(count),
    }
}

/// Length prefixes for letters: those of a line ending, or of a letter, say a few bytes.
const PREFIXES: [Prefix; 4] = [
    Prefix {
        adjustment: -10,
        ..Prefix::BYTE
    },
    Prefix {
        adjustment: -97,
        skip: Some(0),
        ..Prefix::BYTE
    },
    Prefix {
        size: 2,
        is_little_endian: true,
        offset: 1,
        adjustment: -0x0a0d,
        skip: Some(2),
    },
    Prefix {
        size: 8,
        adjustment: -0x6161_6161_6161_6100,
        ..Prefix::BYTE
    },
];

/// Separators that occur in what is sent, overlap, and begin like each other or themselves.
fn separators() -> &'static [Separators] {
    static SEPARATORS: OnceLock<Vec<Separators>> = OnceLock::new();
    SEPARATORS.get_or_init(|| {
        let some: [&[&[u8]]; 8] = [
            &[b"\r\n"],
            &[b";"],
            &[b"\n", b"\r\n"],
            &[b"\r", b"\r\n", b"\n\n"],
            &[b"ab", b"abc", b"c\r\n"],
            &[b"\r\n\r\n"],
            &[b"aab", b"bab"],
            &[b"abab"],
        ];
        let mut all: Vec<Separators> = some.map(Separators::new).into();
        all.push(Separators::strict_crlf());
        all.push(Separators::universal_newline());
        all
    })
}
