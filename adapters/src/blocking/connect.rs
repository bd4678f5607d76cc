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
use crate::connect::ConnectOptions;
use crate::happy_eyeballs::ConnectError;
use crate::options::StreamOptions;
use crate::stream::{self, StreamPair};
use crate::transport::Transport;

/// Makes the two halves of a connected transport, with the limits in `options`. (asyncio's
/// `open_connection(sock=…)`.)
pub fn streams<T: Transport>(
    transport: T,
    options: &StreamOptions,
) -> (StreamReader<T>, StreamWriter<T>) {
    halves(StreamPair::with_options(transport, options).split())
}

/// Opens a connection to the first address of `host` that accepts one, with the default options.
/// See [`ConnectOptions::open_blocking`].
///
/// # Errors
///
/// [`ConnectError`], which names every address that was tried. No socket is left.
pub fn open_connection(
    host: &str,
    port: u16,
) -> Result<(StreamReader, StreamWriter), ConnectError> {
    ConnectOptions::new().open_blocking(host, port)
}

/// Connects to the first address of `host` that accepts a connection, with the default options. See
/// [`ConnectOptions::connect_blocking`].
///
/// # Errors
///
/// As for [`open_connection`].
pub fn connect(host: &str, port: u16) -> Result<Connection, ConnectError> {
    ConnectOptions::new().connect_blocking(host, port)
}

/// Opens a connection to a Unix socket, with the default options. See
/// [`ConnectOptions::open_unix_blocking`].
///
/// # Errors
///
/// Those of the system, with the path. No socket is left.
#[cfg(unix)]
pub fn open_unix_connection(
    path: impl AsRef<std::path::Path>,
) -> io::Result<(UnixReader, UnixWriter)> {
    ConnectOptions::new().open_unix_blocking(path)
}

/// For threads.
impl ConnectOptions {
    /// As [`open_connection`](Self::open_connection), for streams whose calls block.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], which names every address that was tried. No socket is left.
    pub fn open_blocking(
        &self,
        host: &str,
        port: u16,
    ) -> Result<(StreamReader, StreamWriter), ConnectError> {
        block_on(self.open_connection::<Blocking>(host, port)).map(halves)
    }

    /// As [`connect`](Self::connect), for a connection whose calls block.
    ///
    /// # Errors
    ///
    /// As for [`open_blocking`](Self::open_blocking).
    pub fn connect_blocking(&self, host: &str, port: u16) -> Result<Connection, ConnectError> {
        block_on(self.connect::<Blocking>(host, port)).map(Connection::from)
    }

    /// As [`open_unix_connection`](Self::open_unix_connection), for streams whose calls block.
    ///
    /// # Errors
    ///
    /// Those of the system, with the path. No socket is left.
    #[cfg(unix)]
    pub fn open_unix_blocking(
        &self,
        path: impl AsRef<std::path::Path>,
    ) -> io::Result<(UnixReader, UnixWriter)> {
        block_on(self.open_unix_connection::<Blocking>(path)).map(halves)
    }
}

fn halves<T: Transport>(
    (reader, writer): (stream::StreamReader<T>, stream::StreamWriter<T>),
) -> (StreamReader<T>, StreamWriter<T>) {
    (reader.into(), writer.into())
}
