//! Connecting, and making the halves of what is connected.

#[cfg(unix)]
use std::io;

use super::connection::Connection;
use super::reader::StreamReader;
#[cfg(unix)]
use super::reader::UnixReader;
use super::writer::StreamWriter;
#[cfg(unix)]
use super::writer::UnixWriter;
use super::{Blocking, block_on};
use crate::connect::{self, ConnectOptions};
use crate::happy_eyeballs::ConnectError;
use crate::options::Options;
use crate::stream::{self, Stream};
use crate::transport::Transport;

/// Makes the two halves of a connected transport, with the default limits. (asyncio's
/// `open_connection(sock=…)`.)
pub fn streams<T: Transport>(transport: T) -> (StreamReader<T>, StreamWriter<T>) {
    streams_with(transport, &Options::new())
}

/// Makes the two halves of a connected transport, with the limits in `options`. (asyncio's
/// `open_connection(sock=…)`, which has `limit`.)
pub fn streams_with<T: Transport>(
    transport: T,
    options: &Options,
) -> (StreamReader<T>, StreamWriter<T>) {
    halves(Stream::with_options(transport, options).split())
}

/// Opens a connection to the first address of `host` that accepts one, with the default
/// [`ConnectOptions`]. See [`crate::open_connection`].
///
/// # Errors
///
/// [`ConnectError`], which names every address that was tried. No socket is left.
pub fn open_connection(
    host: &str,
    port: u16,
) -> Result<(StreamReader, StreamWriter), ConnectError> {
    open_connection_with(host, port, &ConnectOptions::new())
}

/// Opens a connection to the first address of `host` that accepts one, as `options` say. See
/// [`crate::open_connection`].
///
/// # Errors
///
/// [`ConnectError`], which names every address that was tried. No socket is left.
pub fn open_connection_with(
    host: &str,
    port: u16,
    options: &ConnectOptions,
) -> Result<(StreamReader, StreamWriter), ConnectError> {
    let opening = connect::open_connection::<Blocking>(host, port, options);
    block_on(opening).map(halves)
}

/// Connects to the first address of `host` that accepts a connection, with the default
/// [`ConnectOptions`]. See [`crate::connect()`].
///
/// # Errors
///
/// [`ConnectError`], which names every address that was tried. No socket is left.
pub fn connect(host: &str, port: u16) -> Result<Connection, ConnectError> {
    let options = ConnectOptions::new();
    let connecting = connect::connect::<Blocking>(host, port, &options);
    block_on(connecting).map(Connection::from)
}

/// Opens a connection to a Unix socket, with the default [`Options`]. (As asyncio's
/// `open_unix_connection`.)
///
/// # Errors
///
/// Those of the system, with the path; the system's own is the source. No socket is left. Where too
/// many connections wait to be accepted it fails at once: on Linux with the kind `WouldBlock`, as
/// asyncio's `BlockingIOError`, elsewhere with `ConnectionRefused`.
#[cfg(unix)]
pub fn open_unix_connection(
    path: impl AsRef<std::path::Path>,
) -> io::Result<(UnixReader, UnixWriter)> {
    open_unix_connection_with(path, &Options::new())
}

/// Opens a connection to a Unix socket, with the limits in `options`. (asyncio's has `limit`.)
///
/// # Errors
///
/// As for [`open_unix_connection`].
#[cfg(unix)]
pub fn open_unix_connection_with(
    path: impl AsRef<std::path::Path>,
    options: &Options,
) -> io::Result<(UnixReader, UnixWriter)> {
    let opening = connect::open_unix_connection::<Blocking>(path.as_ref(), options);
    block_on(opening).map(halves)
}

fn halves<T: Transport>(
    (reader, writer): (stream::StreamReader<T>, stream::StreamWriter<T>),
) -> (StreamReader<T>, StreamWriter<T>) {
    (reader.into(), writer.into())
}
