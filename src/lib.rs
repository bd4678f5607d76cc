#![doc = include_str!("../README.md")]
//!
//! # Operations
//!
//! | to | call | asyncio's name |
//! | --- | --- | --- |
//! | hand in received bytes | [`Reader::feed`], or [`input`](Reader::input) and [`commit`](Reader::commit) | `feed_data` |
//! | say that no more will come | [`Reader::feed_eof`], [`feed_lost`](Reader::feed_lost) | `feed_eof`, `set_exception` |
//! | read what is there | [`Reader::read`] | `read` |
//! | read a line that ends with `\n` | [`Reader::read_line`] | `readline` |
//! | read a line that ends with another separator, or one of several | [`Reader::read_delimited`] | |
//! | read a frame that ends with `\r\n`, another separator, or one of several | [`Reader::read_until`] | `readuntil` |
//! | read a line that ends with `\r\n`, and refuse `\r` and `\n` alone | [`Reader::read_until`] with [`Separator::STRICT_CRLF`] | |
//! | read a line whatever its line ending is | [`Reader::read_delimited`] with [`Separator::UNIVERSAL_NEWLINE`] | |
//! | read so many bytes | [`Reader::read_exact`] | `readexactly` |
//! | read a frame that begins with its length | [`Reader::read_length_prefixed`] | |
//! | read all the rest | [`Reader::read_to_end`] | `read(-1)` |
//! | read by a function of your own | [`Reader::read_with`], [`read_frame_with`](Reader::read_frame_with) | |
//! | get past a frame, or so many bytes | [`Reader::skip_until`], [`skip_exact`](Reader::skip_exact) | |
//! | look without taking | [`Reader::peek`], [`peek_until`](Reader::peek_until), [`buffered`](Reader::buffered) | |
//! | take what was looked at | [`Reader::consume`] | |
//! | hold the peer back | [`Connection::wants_read`] | `pause_reading` |
//! | queue bytes to send | [`Writer::write`], [`write_bytes`](Writer::write_bytes), [`write_all_vectored`](Writer::write_all_vectored) | `write`, `writelines` |
//! | queue what must be one line | [`Writer::write_line`] | |
//! | queue a frame after its length | [`Writer::write_length_prefixed`] | |
//! | send them | [`Connection::next_send`], [`Writer::output`], [`Connection::on_send`] | |
//! | receive | [`Reader::input`], [`Connection::on_receive`] | |
//! | keep to the peer's pace | [`Writer::is_writable`], [`is_full`](Writer::is_full) | `drain` |
//! | end this side's stream | [`Writer::finish`] | `write_eof` |
//! | end the connection | [`Connection::close`], [`abort`](Connection::abort) | `close`, `abort` |
//! | know how it ended | [`Connection::state`] | |
//! | take it over, without loss | [`Connection::into_parts`], [`from_parts`](Connection::from_parts) | |
//! | write a protocol for any driver | [`Protocol`] | `asyncio.Protocol` |
//!
//! # Features
//!
//! - `std`, on by default: the fastest search for the machine, an [`Output`] that fills many slices
//!   at once, and conversions from and to [`std::io::Error`].
//! - `testing`: the module `testing`, for tests of your own protocol: its input cut in every way, a
//!   peer that plays a script, and a driver for both.
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
mod discard;
mod error;
mod frame;
mod length_prefix;
mod protocol;
mod reader;
mod search;
mod separator;
mod step;
#[cfg(feature = "testing")]
pub mod testing;
mod water_marks;
mod writer;

pub use bytes;

pub use connection::{Connection, ConnectionState, Parts};
pub use discard::Discarding;
pub use error::{ConnectionError, ReadError, TransportError, WriteError};
pub use frame::{Frame, FrameToken, Peeked};
pub use length_prefix::LengthPrefix;
pub use protocol::{Event, Next, Protocol};
#[cfg(feature = "counters")]
pub use reader::Costs;
pub use reader::Reader;
pub use separator::{Separator, SeparatorError};
pub use step::{Progress, Step};
pub use water_marks::{WaterMarks, WaterMarksError};
pub use writer::{LineEnding, Output, SendAction, Writer, WriterState};
