#![doc = "placeholder"]
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
mod error;
mod frame;
mod reader;
mod separator;
mod step;
mod water_marks;
mod writer;

#[cfg(feature = "counters")]
pub use buffer::Costs;
pub use connection::{Connection, ConnectionState, Parts};
pub use error::{Loss, ReadError, WriteError};
pub use frame::{Frame, FrameToken};
pub use reader::Reader;
pub use separator::{Separator, SeparatorError};
pub use step::Step;
pub use water_marks::{WaterMarks, WaterMarksError};
pub use writer::{Output, Writer, WriterState};
