//! A connection with one owner, whose calls block: each in the one of the same name.

use std::fmt;
use std::io;
use std::time::Duration;

use plimsoll::{Protocol, ReadError, Reader, Step, WriteError, Writer};

use super::within::block_within;
use super::{Blocking, block_on};
use crate::connection::{self, Turn};
use crate::error::{ConnectionLost, Error};
use crate::layer::Layer;
use crate::options::StreamOptions;
use crate::parts::Parts;
use crate::run::RunError;
use crate::runtime::Runtime;
use crate::transport::{Addresses, Transport};

/// A connection with one owner. Its methods are those of [`crate::Connection`], and block. Whatever
/// ends a call, no byte is lost.
///
/// # Examples
///
/// ```
/// use plimsoll_io::blocking::{Connection, Server, connect};
/// use plimsoll_io::{Error, ServerOptions};
/// use plimsoll::Step;
///
/// fn echo(mut connection: Connection) -> Result<(), Error> {
///     while let Some(mut turn) = connection.turn()? {
///         let core = &mut *turn;
///         while let Step::Ready(line) = core.reader.read_line()? {
///             if line.is_empty() {
///                 core.close();
///                 break;
///             }
///             core.writer.write(&line)?;
///         }
///     }
///     Ok(())
/// }
///
/// let server = Server::start_connections(echo, &["127.0.0.1"], 0, &ServerOptions::new())?;
/// let mut client = connect("127.0.0.1", server.local_addrs()[0].port())?;
/// client.write_with(|writer| writer.write(b"hello\n"))?;
/// let line = client
///     .read_with(|reader| Ok::<_, Error>(reader.read_line()?.map(|line| line.to_vec())))?;
/// assert_eq!(line, b"hello\n");
/// client.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Connection<T: Transport = <Blocking as Runtime>::Tcp> {
    inner: connection::Connection<T>,
    timeout: Option<Duration>,
}

impl<T: Transport> Connection<T> {
    /// Creates a connection over a transport, with default limits.
    pub fn new(transport: T) -> Self {
        connection::Connection::new(transport).into()
    }

    /// Creates a connection over a transport, with the limits in `options`.
    pub fn with_options(transport: T, options: &StreamOptions) -> Self {
        connection::Connection::with_options(transport, options).into()
    }

    /// Creates a connection that goes on where another one stopped.
    pub fn from_parts(parts: Parts<T>, options: &StreamOptions) -> Self {
        connection::Connection::from_parts(parts, options).into()
    }

    /// Sets how long each call may block; for ever by default. With a duration of zero, calls do
    /// what they can without waiting.
    #[doc(alias = "set_read_timeout")]
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// As [`crate::Connection::open`].
    ///
    /// # Errors
    ///
    /// As there, and [`Error::TimedOut`]: the call may be made again.
    pub fn open(&mut self) -> Result<(), Error> {
        block_within(self.timeout, self.inner.open())
    }

    /// As [`crate::Connection::turn`].
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`]: the call may be made again.
    pub fn turn(&mut self) -> Result<Option<Turn<'_, T>>, Error> {
        let inner = &mut self.inner;
        block_within(self.timeout, async { Ok(inner.turn().await) })
    }

    /// As [`crate::Connection::read_with`]. What is at hand costs no more than in the core.
    ///
    /// # Errors
    ///
    /// As there, and [`Error::TimedOut`]: the call may be made again.
    pub fn read_with<V, E: From<ReadError> + From<Error>>(
        &mut self,
        mut read: impl FnMut(&mut Reader) -> Result<Step<V>, E>,
    ) -> Result<V, E> {
        if let Some(answer) = self.inner.read_at_hand(&mut read) {
            return answer;
        }
        let inner = &mut self.inner;
        block_within(self.timeout, async { Ok(inner.read_with(read).await) })?
    }

    /// As [`crate::Connection::write_with`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn write_with<V, E: From<WriteError>>(
        &mut self,
        write: impl FnOnce(&mut Writer) -> Result<V, E>,
    ) -> Result<V, E> {
        self.inner.write_with(write)
    }

    /// As [`crate::Connection::drain`].
    ///
    /// # Errors
    ///
    /// As there, and [`Error::TimedOut`]: the call may be made again.
    pub fn drain(&mut self) -> Result<(), Error> {
        block_within(self.timeout, self.inner.drain())
    }

    /// As [`crate::Connection::flush`].
    ///
    /// # Errors
    ///
    /// As there, and [`Error::TimedOut`]: the call may be made again.
    pub fn flush(&mut self) -> Result<(), Error> {
        block_within(self.timeout, self.inner.flush())
    }

    /// As [`crate::Connection::ready`].
    ///
    /// # Errors
    ///
    /// As there, and [`Error::TimedOut`]: the call may be made again.
    pub fn ready(&mut self) -> Result<(), Error> {
        block_within(self.timeout, self.inner.ready())
    }

    /// As [`crate::Connection::finish`].
    ///
    /// # Errors
    ///
    /// As there, and [`Error::TimedOut`]: the call may be made again.
    pub fn finish(&mut self) -> Result<(), Error> {
        block_within(self.timeout, self.inner.finish())
    }

    /// As [`crate::Connection::close`], whatever the [timeout](Self::set_timeout). A server does
    /// not wait for the peer's end: [`close_lingering`](Self::close_lingering) does, and a handler
    /// that drops the connection lets its server do it.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn close(&mut self) -> Result<(), Error> {
        block_on(self.inner.close_here())
    }

    /// As [`crate::Connection::close_lingering`], whatever the [timeout](Self::set_timeout).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn close_lingering(&mut self, limit: Duration) -> Result<(), Error> {
        block_on(self.inner.close_lingering(limit))
    }

    /// As [`crate::Connection::abort`].
    pub fn abort(&mut self) {
        self.inner.abort();
    }

    /// As [`crate::Connection::put_layer`].
    ///
    /// # Errors
    ///
    /// As there, and [`Error::TimedOut`]: the call may be made again, with another layer.
    pub fn put_layer(&mut self, layer: impl Into<Box<dyn Layer>>) -> Result<(), Error> {
        block_within(self.timeout, self.inner.put_layer(layer))
    }

    /// As [`crate::Connection::on_start_tls`].
    pub fn on_start_tls<L: Layer>(&mut self, make: impl Fn() -> L + Send + Sync + 'static) {
        self.inner.on_start_tls(make);
    }

    /// As [`crate::Connection::run`], whatever the [timeout](Self::set_timeout): a protocol asks
    /// for its own.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn run<P>(&mut self, protocol: &mut P) -> Result<(), RunError>
    where
        P: Protocol<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        block_on(self.inner.run(protocol))
    }

    /// As [`crate::Connection::into_parts`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn into_parts(self) -> Result<Parts<T>, Error> {
        self.inner.into_parts()
    }

    /// As [`crate::Connection::lost`].
    pub fn lost(&mut self) -> Option<ConnectionLost> {
        self.inner.lost()
    }

    /// As [`crate::Connection::is_shutting_down`].
    pub fn is_shutting_down(&self) -> bool {
        self.inner.is_shutting_down()
    }

    /// As [`crate::Connection::local_addr`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn local_addr(&mut self) -> io::Result<<T::Read as Addresses>::Address>
    where
        T::Read: Addresses,
    {
        self.inner.local_addr()
    }

    /// As [`crate::Connection::peer_addr`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn peer_addr(&mut self) -> io::Result<<T::Read as Addresses>::Address>
    where
        T::Read: Addresses,
    {
        self.inner.peer_addr()
    }
}

/// A connection that is awaited becomes one that blocks.
impl<T: Transport> From<connection::Connection<T>> for Connection<T> {
    fn from(inner: connection::Connection<T>) -> Self {
        Self {
            inner,
            timeout: None,
        }
    }
}

impl<T: Transport> fmt::Debug for Connection<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
