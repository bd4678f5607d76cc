//! tokio-util's codecs.

use std::hint::black_box;

use futures_util::StreamExt;
use tokio_util::codec::{AnyDelimiterCodec, Decoder, FramedRead, LinesCodec};

use super::run_ready;
use crate::answer::{Answer, Tally};
use crate::input::Source;

/// `LinesCodec`: a `String` for each line.
pub fn lines<T: Tally>(data: &[u8], read_size: usize) -> Answer {
    frames::<T, _>(LinesCodec::new(), data, read_size)
}

/// `AnyDelimiterCodec` for `\n`: a `Bytes` for each line.
pub fn any_delimiter<T: Tally>(data: &[u8], read_size: usize) -> Answer {
    let codec = AnyDelimiterCodec::new(b"\n".to_vec(), b"\n".to_vec());
    frames::<T, _>(codec, data, read_size)
}

fn frames<T, D>(decoder: D, data: &[u8], read_size: usize) -> Answer
where
    T: Tally,
    D: Decoder<Item: AsRef<[u8]>, Error: std::fmt::Debug>,
{
    run_ready(async {
        let source = Source::new(data, read_size);
        let mut frames = FramedRead::with_capacity(source, decoder, read_size);
        let mut tally = T::default();
        while let Some(frame) = frames.next().await {
            tally.line(black_box(frame.expect("lines of ASCII")).as_ref());
        }
        tally.answer()
    })
}
