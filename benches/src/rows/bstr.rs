//! bstr's `BufReadExt`.

use std::io::BufReader;

use bstr::io::BufReadExt;

use crate::answer::{Answer, Tally};
use crate::input::Source;

/// `for_byte_line_with_terminator`: lines lent to a closure.
pub fn for_byte_line<T: Tally>(data: &[u8], read_size: usize) -> Answer {
    let mut reader = BufReader::with_capacity(read_size, Source::new(data, read_size));
    let mut tally = T::default();
    reader
        .for_byte_line_with_terminator(|line| {
            tally.line(line);
            Ok(true)
        })
        .expect("a source without errors");
    tally.answer()
}
