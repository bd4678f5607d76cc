//! tokio's `AsyncBufReadExt`.

use std::hint::black_box;

use tokio::io::{AsyncBufReadExt, BufReader};

use super::run_ready;
use crate::answer::{Answer, Tally};
use crate::input::Source;

/// `read_until` into a vector that is reused.
pub fn read_until<T: Tally>(data: &[u8], read_size: usize) -> Answer {
    run_ready(async {
        let mut reader = BufReader::with_capacity(read_size, Source::new(data, read_size));
        let mut line = Vec::new();
        let mut tally = T::default();
        while reader
            .read_until(b'\n', &mut line)
            .await
            .expect("a source without errors")
            > 0
        {
            tally.line(&line);
            line.clear();
        }
        tally.answer()
    })
}

/// `lines`: a `String` for each.
pub fn lines<T: Tally>(data: &[u8], read_size: usize) -> Answer {
    run_ready(async {
        let mut lines = BufReader::with_capacity(read_size, Source::new(data, read_size)).lines();
        let mut tally = T::default();
        while let Some(line) = lines.next_line().await.expect("lines of ASCII") {
            tally.line(black_box(line).as_bytes());
        }
        tally.answer()
    })
}
