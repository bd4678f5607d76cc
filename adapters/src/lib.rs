//! asyncio's face over plimsoll: streams and servers, the same on every runtime.
//!
//! [`StreamReader`] and [`StreamWriter`] work over any [`Transport`]. The modules `tokio`, `async_std`,
//! `smol` and `blocking`, each behind the feature of its name, bring the sockets of a runtime.
//!
//! Bytes move in `drain`, `flush`, `finish`, `close`, and in reads that have to wait, which first send
//! what was written. Nothing else runs behind the caller's back.

#![forbid(unsafe_code)]
#![deny(missing_debug_implementations, missing_docs, unreachable_pub)]

mod connect;
mod drive;
mod either;
mod error;
mod listen;
mod options;
mod runtime;
mod server;
mod shared;
mod stream;
mod transport;

#[cfg(any(feature = "tokio", feature = "async-std", feature = "smol"))]
mod face;

#[cfg(any(feature = "async-std", feature = "smol"))]
mod futures;
#[cfg(any(feature = "async-std", feature = "smol", feature = "blocking"))]
mod reactor;

#[cfg(feature = "async-std")]
pub mod async_std;
#[cfg(feature = "blocking")]
pub mod blocking;
pub mod happy_eyeballs;
pub mod memory;
#[cfg(feature = "smol")]
pub mod smol;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use connect::{ConnectOptions, open_connection};
pub use error::{Error, Lost};
pub use happy_eyeballs::{AttemptError, ConnectError};
pub use options::{Options, ServerOptions};
pub use plimsoll::{
    Frame, Loss, ReadError, Separator, SeparatorError, WaterMarks, WaterMarksError, WriteError,
};
pub use runtime::{Listener, Runtime};
pub use server::{Outcome, Server, Shutdown, Statistics};
pub use stream::{CLOSE_WITHIN, Lines, NotAPair, Parts, Stream, StreamReader, StreamWriter};
pub use transport::{Duplex, Endpoint, ReadHalf, Sleep, Transport, WriteHalf};
