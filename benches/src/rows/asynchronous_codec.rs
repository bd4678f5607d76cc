//! asynchronous-codec's `LinesCodec`.

use std::hint::black_box;

use asynchronous_codec::{FramedRead, LinesCodec};
use futures_util::StreamExt;

use super::run_ready;
use crate::answer::{Answer, Tally};
use crate::input::Source;

/// A `String` for each line. Its buffer cannot be chosen: it reads at most 8 KiB at once.
pub fn lines<T: Tally>(data: &[u8], read_size: usize) -> Answer {
    run_ready(async {
        let mut lines = FramedRead::new(Source::new(data, read_size), LinesCodec);
        let mut tally = T::default();
        while let Some(line) = lines.next().await {
            tally.line(black_box(line.expect("lines of ASCII")).as_bytes());
        }
        tally.answer()
    })
}
