//! A file for each peer: how its users read lines.
//!
//! A row is a function of the data and the size of a read. It receives from a
//! [`Source`](crate::input::Source), with buffers of one read where their size can be chosen, and gives each
//! line to a [`Tally`](crate::answer::Tally).

pub mod asynchronous_codec;
pub mod bstr;
pub mod codec;
pub mod floor;
pub mod futures;
pub mod plimsoll;
pub mod std;
pub mod tokio;

use ::std::future::Future;
use ::std::pin::pin;
use ::std::task::{Context, Poll, Waker};

use crate::answer::{Answer, Contents, Lengths, Newline, expected};

/// One way to read lines.
pub struct Row {
    pub name: &'static str,
    newline: Newline,
    lengths: fn(&[u8], usize) -> Answer,
    /// `None` for the floor, which has no lines to give out.
    contents: Option<fn(&[u8], usize) -> Answer>,
}

/// A row of a function that is generic over its tally.
macro_rules! row {
    ($name:expr, $newline:ident, $($function:ident)::+) => {
        Row {
            name: $name,
            newline: Newline::$newline,
            lengths: $($function)::+::<Lengths>,
            contents: Some($($function)::+::<Contents>),
        }
    };
}

pub const FLOOR: &str = "floor";
pub const STD_READ_UNTIL: &str = "std read_until";
pub const TOKIO_READ_UNTIL: &str = "tokio read_until";
pub const LINES_CODEC: &str = "tokio-util LinesCodec";
pub const BORROWED: &str = "plimsoll, borrowed";
pub const SHARED: &str = "plimsoll, shared";
pub const COPIED: &str = "plimsoll, copied";

/// Every way to read lines that end with `\n`.
pub const LINES: &[Row] = &[
    Row {
        name: FLOOR,
        newline: Newline::Kept,
        lengths: floor::copy_and_walk,
        contents: None,
    },
    row!(STD_READ_UNTIL, Kept, std::read_until),
    row!("std lines", TakenOff, std::lines),
    row!("bstr for_byte_line", Kept, bstr::for_byte_line),
    row!(TOKIO_READ_UNTIL, Kept, tokio::read_until),
    row!("tokio lines", TakenOff, tokio::lines),
    row!(LINES_CODEC, TakenOff, codec::lines),
    row!(
        "tokio-util AnyDelimiterCodec",
        TakenOff,
        codec::any_delimiter
    ),
    row!("futures read_until", Kept, futures::read_until),
    row!("asynchronous-codec", Kept, asynchronous_codec::lines),
    row!(BORROWED, Kept, plimsoll::borrowed),
    row!(SHARED, Kept, plimsoll::shared),
    row!(COPIED, Kept, plimsoll::copied),
];

pub const UNTIL_ONE: &str = "read_until: \\n";
pub const UNTIL_ANY: &str = "read_until: any of \\n, \\0";
pub const UNTIL_CRLF: &str = "read_until: \\r\\n";
pub const READ_LINE: &str = "read_line";

/// plimsoll's other searches in lines that end with `\n`, and have no `\0` in them.
pub const SEPARATORS: &[Row] = &[
    row!(UNTIL_ONE, Kept, plimsoll::until_newline),
    row!(UNTIL_ANY, Kept, plimsoll::until_any),
];

/// plimsoll's searches in lines that end with `\r\n`.
pub const CRLF: &[Row] = &[
    row!(READ_LINE, Kept, plimsoll::borrowed),
    row!(UNTIL_CRLF, Kept, plimsoll::until_crlf),
];

impl Row {
    /// Reads all lines of `data`. This is what is timed.
    pub fn run(&self, data: &[u8], read_size: usize) -> Answer {
        (self.lengths)(data, read_size)
    }

    /// Panics unless the row's lines are those of `data`.
    pub fn check(&self, data: &[u8], read_size: usize) {
        let right = expected::<Lengths>(data, self.newline);
        assert_eq!((self.lengths)(data, read_size), right, "{}", self.name);
        if let Some(contents) = self.contents {
            let right = expected::<Contents>(data, self.newline);
            assert_eq!(contents(data, read_size), right, "{}", self.name);
        }
    }
}

/// Runs a future that never has to wait.
fn run_ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("a source that is always ready"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Tally;
    use crate::input::lines;

    #[test]
    fn every_row_gives_the_lines_of_the_data() {
        for (rows, ending) in [(LINES, &b"\n"[..]), (SEPARATORS, b"\n"), (CRLF, b"\r\n")] {
            for row in rows {
                for (mean, read_size) in [(8, 16), (8, 4096), (1000, 256), (1000, 65536)] {
                    row.check(&lines(mean, ending, 20_000), read_size);
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "a row that is wrong")]
    fn a_wrong_line_fails_the_check() {
        fn loses_the_last_byte<T: Tally>(data: &[u8], read_size: usize) -> Answer {
            plimsoll::borrowed::<T>(&data[..data.len() - 1], read_size)
        }
        row!("a row that is wrong", Kept, loses_the_last_byte).check(b"one\ntwo\n", 16);
    }
}
