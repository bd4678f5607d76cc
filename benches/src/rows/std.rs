//! The standard library's `BufRead`.

use std::hint::black_box;
use std::io::{BufRead, BufReader};

use crate::answer::{Answer, Tally};
use crate::input::Source;

/// `read_until` into a vector that is reused.
pub fn read_until<T: Tally>(data: &[u8], read_size: usize) -> Answer {
    let mut reader = BufReader::with_capacity(read_size, Source::new(data, read_size));
    let mut line = Vec::new();
    let mut tally = T::default();
    while reader
        .read_until(b'\n', &mut line)
        .expect("a source without errors")
        > 0
    {
        tally.line(&line);
        line.clear();
    }
    tally.answer()
}

/// `lines`: a `String` for each.
pub fn lines<T: Tally>(data: &[u8], read_size: usize) -> Answer {
    let reader = BufReader::with_capacity(read_size, Source::new(data, read_size));
    let mut tally = T::default();
    for line in reader.lines() {
        tally.line(black_box(line.expect("lines of ASCII")).as_bytes());
    }
    tally.answer()
}
