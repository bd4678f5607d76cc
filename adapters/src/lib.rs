//! asyncio's streams and servers over plimsoll, the same on every runtime.
//!
//! [`StreamReader`] and [`StreamWriter`] work over any [`Transport`]. The modules `tokio`,
//! `async_std`, `smol` and `blocking`, each behind the feature of its name, none of which is on by
//! default, bring the sockets of a runtime. async-std is discontinued (RUSTSEC-2025-0052); smol is
//! its successor.
//!
//! Bytes move in `drain`, `flush`, `finish`, `close`, in reads that have to wait, which first send
//! what was written, and when a server's handler ends. Nothing else runs behind the caller's back.
//!
//! There are three ways to write a connection:
//!
//! | | is | served by |
//! | --- | --- | --- |
//! | [`StreamReader`], [`StreamWriter`] | asyncio's pair, which may live in two tasks | [`Server::start`] |
//! | [`Connection`] | one owner, who drives the core's connection: no lock is taken for a line | [`Server::start_connections`] |
//! | [`Protocol`] | a state machine of the core, which tests run without a network | [`Server::start_protocol`] |
//!
//! # Example
//!
//! ```
//! # #[cfg(feature = "tokio")] fn main() {
//! use plimsoll_io::tokio::{StreamReader, StreamWriter, open_connection, start_server};
//! use plimsoll_io::{Error, ReadError};
//! use std::time::Duration;
//!
//! async fn answer(mut reader: StreamReader, mut writer: StreamWriter) -> Result<(), Error> {
//!     loop {
//!         match reader.read_line().await {
//!             Ok(line) if line.is_empty() => return Ok(()), // the end of the stream
//!             Ok(line) => writer.write(&line)?,
//!             Err(Error::Read(ReadError::LineTooLong { .. })) => writer.write(b"too long\n")?,
//!             Err(error) => return Err(error),
//!         }
//!         if !writer.is_writable() {
//!             writer.drain().await?;
//!         }
//!     }
//! }
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let server = start_server(answer, "127.0.0.1", 0).await?;
//! let port = server.local_addrs()[0].port();
//!
//! let (mut reader, mut writer) = open_connection("127.0.0.1", port).await?;
//! writer.write(b"hello\n")?;
//! assert_eq!(reader.read_line().await?, "hello\n");
//! writer.close().await?;
//!
//! server.shutdown(Duration::from_secs(5)).await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap(); }
//! # #[cfg(not(feature = "tokio"))] fn main() {}
//! ```
//!
//! The modules bear the names of crates, so `use plimsoll_io::*` makes `tokio` and `smol`
//! ambiguous: name what you use, or import a runtime's module by `use plimsoll_io::tokio::*`.
//!
//! # asyncio's names
//!
//! | asyncio | plimsoll-io |
//! | --- | --- |
//! | `open_connection`, `start_server` | the functions of a runtime's module; with options [`ConnectOptions::open_connection`], [`Server::start`] |
//! | `open_unix_connection`, `start_unix_server` | the functions of a runtime's module; with options [`ConnectOptions::open_unix_connection`], [`Server::start_unix`] |
//! | `open_connection(sock=…)` | [`StreamPair::new`] |
//! | `start_server(sock=…)` | [`Server::serve`] |
//! | `StreamReader.read(n)`, `read(-1)` | [`read`](StreamReader::read), [`read_to_end`](StreamReader::read_to_end) |
//! | `readline`, `readuntil`, `readexactly`, `at_eof` | [`read_line`](StreamReader::read_line), [`read_until`](StreamReader::read_until), [`read_exact`](StreamReader::read_exact), [`at_eof`](StreamReader::at_eof) |
//! | `async for line in reader` | [`read_lines`](StreamReader::read_lines) |
//! | `write`, `writelines`, `drain`, `write_eof` | [`write`](StreamWriter::write), [`write_all_vectored`](StreamWriter::write_all_vectored), [`drain`](StreamWriter::drain), [`finish`](StreamWriter::finish) |
//! | `close` and `wait_closed`, `is_closing` | [`close`](StreamWriter::close), [`is_closing`](StreamWriter::is_closing) |
//! | `set_write_buffer_limits`, `get_write_buffer_size` | [`set_water_marks`](StreamWriter::set_water_marks) and [`StreamOptions::water_marks`], [`pending`](StreamWriter::pending) |
//! | `transport.abort` | [`abort`](StreamWriter::abort) |
//! | `get_extra_info` | [`peer_addr`](StreamWriter::peer_addr), [`local_addr`](StreamWriter::local_addr), [`with_transport`](StreamWriter::with_transport) |
//! | `Server.sockets`, `is_serving`, `close`, `wait_closed` | [`local_addrs`](Server::local_addrs), [`is_serving`](Server::is_serving), [`close`](Server::close), [`wait_closed`](Server::wait_closed) |
//! | `Server.serve_forever`, `close_clients`, `abort_clients` | [`serve_forever`](Server::serve_forever), [`close_clients`](Server::close_clients), [`abort_clients`](Server::abort_clients) |
//! | `loop.set_exception_handler` | [`ServerOptions::on_error`] |
//! | `start_tls`, `ssl=` | not yet |

#![forbid(unsafe_code)]
#![deny(missing_debug_implementations, missing_docs, unreachable_pub)]

mod budget;
mod caught;
mod clock;
mod connect;
mod connection;
mod driver;
mod duplex;
mod error;
mod join;
mod layer;
mod layered;
mod listen;
mod options;
mod parts;
mod places;
mod receiving;
mod run;
mod runtime;
mod select;
mod server;
mod slot;
mod spare_block;
mod stream;
mod sync;
mod transport;
#[cfg(unix)]
mod unix_socket;

#[cfg(feature = "blocking")]
pub mod blocking;
pub mod happy_eyeballs;

pub use bytes;
pub use clock::{Clock, Sleep, ThreadClock};
pub use connect::ConnectOptions;
pub use connection::{Connection, Turn};
pub use duplex::{DuplexRead, DuplexStream, DuplexWrite, duplex};
pub use error::{ConnectionLost, Error, ServerError};
pub use happy_eyeballs::{AttemptError, ConnectError};
pub use join::{Join, WriteEnd};
pub use layer::{Layer, Wire};
pub use options::{DEFAULT_CLOSE_TIMEOUT, ServerOptions, StreamOptions};
pub use parts::Parts;
pub use plimsoll::{
    ConnectionError, Discarding, Event, Frame, LineEnding, Next, Protocol, ReadError, Separator,
    SeparatorError, WaterMarks, WaterMarksError, WriteError,
};
pub use run::RunError;
#[cfg(feature = "async-std")]
pub use runtime::async_std;
#[cfg(feature = "smol")]
pub use runtime::smol;
pub use runtime::socket::{Address, SharedSocket, Socket, SocketRead, SocketWrite};
#[cfg(feature = "tokio")]
pub use runtime::tokio;
pub use runtime::{Listener, Runtime};
pub use server::{HandlerResult, Server, Shutdown, Statistics};
pub use stream::{Lines, ReuniteError, StreamPair, StreamReader, StreamWriter};
pub use transport::{Addresses, ReadHalf, Transport, WriteHalf};
