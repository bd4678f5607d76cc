#![doc = include_str!("../README.md")]
//!
//! # The verbs
//!
//! | to | call | asyncio's name |
//! | --- | --- | --- |
//! | hand in what was received | [`Reader::feed`], or [`input`](Reader::input) and [`commit`](Reader::commit) | `feed_data` |
//! | say that no more will come | [`Reader::feed_eof`], [`feed_lost`](Reader::feed_lost) | `feed_eof`, `set_exception` |
//! | take what is there | [`Reader::read`] | `read` |
//! | take a line that ends with `\n` | [`Reader::read_line`] | `readline` |
//! | take a frame that ends with `\r\n`, another separator, or one of several | [`Reader::read_until`] | `readuntil` |
//! | take a line that ends with `\r\n`, and refuse `\r` and `\n` alone | [`Reader::read_until`] with [`Separator::STRICT_CRLF`] | |
//! | take so many bytes | [`Reader::read_exact`] | `readexactly` |
//! | take all the rest | [`Reader::read_to_end`] | `read(-1)` |
//! | get past a frame that is too long | [`Reader::skip_until`] | |
//! | look without taking | [`Reader::peek`], [`buffered`](Reader::buffered) | |
//! | hold the peer back | [`Reader::wants_read`] | `pause_reading` |
//! | queue bytes to send | [`Writer::write`], [`write_bytes`](Writer::write_bytes), [`write_vectored`](Writer::write_vectored) | `write`, `writelines` |
//! | queue what must be one line | [`Writer::write_line`] | |
//! | send them | [`Writer::output`], [`wants_write`](Writer::wants_write) | |
//! | keep to the peer's pace | [`Writer::is_writable`], [`is_full`](Writer::is_full) | `drain` |
//! | end this side's stream | [`Writer::finish`] | `write_eof` |
//! | end the connection | [`Connection::close`], [`abort`](Connection::abort) | `close`, `abort` |
//! | know how it ended | [`Connection::state`] | |
//! | take it over, without loss | [`Connection::into_parts`] | |
//!
//! # Features
//!
//! - `std`, on by default: the fastest search for the machine, and an [`Output`] that fills many
//!   slices at once. Without it the crate needs `alloc` only.
//! - `testing`: the module `testing`, for tests of your own protocol: every way to cut its input, and a
//!   peer that plays a script.
//! - `counters`, for tests of the crate itself.

#![no_std]
#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_debug_implementations,
    missing_docs,
    unreachable_pub
)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod buffer;
mod connection;
mod cursor;
mod error;
mod frame;
mod reader;
mod separator;
mod step;
#[cfg(feature = "testing")]
pub mod testing;
mod water_marks;
mod writer;

pub use bytes;

#[cfg(feature = "counters")]
pub use buffer::Costs;
pub use connection::{Connection, ConnectionState, Parts};
pub use error::{Loss, ReadError, WriteError};
pub use frame::{Frame, FrameToken};
pub use reader::Reader;
pub use separator::{Separator, SeparatorError};
pub use step::Step;
pub use water_marks::{WaterMarks, WaterMarksError};
pub use writer::{LineEnd, Output, Writer, WriterState};
