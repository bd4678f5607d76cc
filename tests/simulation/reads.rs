//! Which reads are tried.

use std::sync::OnceLock;

use super::reader_model::{Read, Separators};

/// Chooses a read, by numbers below others.
pub fn some_read(mut below: impl FnMut(usize) -> usize) -> Read {
    let count = [0, 1, 3, 10, 50, 300][below(6)];
    let kind = below(8);
    let mut separators = || separators()[below(separators().len())].clone();
    match kind {
        0 | 1 => Read::Line,
        2 => Read::Some(count),
        3 => Read::Until(separators()),
        4 => Read::Exact(count),
        5 => Read::ToEnd(count),
        6 => Read::SkipUntil(separators()),
        _ => Read::Peek(count),
    }
}

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
        all
    })
}
