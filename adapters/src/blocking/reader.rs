//! The half of asyncio's pair to read from: each method blocks in the one of the same name.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream as _;
use plimsoll::{Frame, ReadError, Reader, Separator, Step};

use super::Blocking;
use super::within::block_within;
use crate::error::{ConnectionLost, Error};
use crate::runtime::Runtime;
use crate::stream;
use crate::transport::{Addresses, Transport};

/// The half of a connection to read from. Its methods are those of [`crate::StreamReader`], and
/// block. Whatever ends a call, no byte is lost: what was received stays buffered. A read that
/// takes longer than its [timeout](Self::set_timeout) fails with [`Error::TimedOut`].
#[derive(Debug)]
pub struct StreamReader<T: Transport = <Blocking as Runtime>::Tcp> {
    inner: stream::StreamReader<T>,
    timeout: Option<Duration>,
}

/// The half of a Unix connection to read from. (asyncio's `StreamReader`.)
#[cfg(unix)]
pub type UnixReader = StreamReader<<Blocking as Runtime>::Unix>;

impl<T: Transport> StreamReader<T> {
    /// Gives up this reader for the one whose methods are awaited, and that
    /// [`StreamPair::reunite`](crate::StreamPair::reunite) takes. What is buffered goes with it.
    pub fn into_inner(self) -> stream::StreamReader<T> {
        self.inner
    }

    /// Takes as many bytes as are there, at least one and at most `max`.
    ///
    /// # Errors
    ///
    /// Those of [`read`](crate::StreamReader::read), only when nothing is buffered.
    pub fn read(&mut self, max: usize) -> Result<Frame<'_>, Error> {
        self.frame(|reader| reader.read(max))
    }

    /// Takes one line, with its `\n`.
    ///
    /// # Errors
    ///
    /// Those of [`read_line`](crate::StreamReader::read_line): a line that is too long is dropped,
    /// an unfinished one stays buffered.
    #[doc(alias = "readline")]
    pub fn read_line(&mut self) -> Result<Frame<'_>, Error> {
        self.frame(Reader::read_line)
    }

    /// Takes everything through the separator that ends first.
    ///
    /// # Errors
    ///
    /// Those of [`read_until`](crate::StreamReader::read_until): nothing is consumed.
    #[doc(alias = "readuntil")]
    pub fn read_until(&mut self, separator: &Separator) -> Result<Frame<'_>, Error> {
        self.frame(|reader| reader.read_until(separator))
    }

    /// Takes exactly `count` bytes.
    ///
    /// # Errors
    ///
    /// Those of [`read_exact`](crate::StreamReader::read_exact): nothing is consumed.
    #[doc(alias = "readexactly")]
    pub fn read_exact(&mut self, count: usize) -> Result<Frame<'_>, Error> {
        self.frame(|reader| reader.read_exact(count))
    }

    /// Takes everything through the end of the stream, at most `max` bytes.
    ///
    /// # Errors
    ///
    /// Those of [`read_to_end`](crate::StreamReader::read_to_end): nothing is consumed.
    pub fn read_to_end(&mut self, max: usize) -> Result<Frame<'_>, Error> {
        self.frame(|reader| reader.read_to_end(max))
    }

    /// Drops everything through the separator that ends first.
    ///
    /// # Errors
    ///
    /// Those of [`skip_until`](crate::StreamReader::skip_until): everything is consumed.
    pub fn skip_until(&mut self, separator: &Separator) -> Result<usize, Error> {
        block_within(self.timeout, self.inner.skip_until(separator))
    }

    /// Returns the next `count` bytes without taking them.
    ///
    /// # Errors
    ///
    /// Those of [`peek`](crate::StreamReader::peek): nothing is consumed.
    pub fn peek(&mut self, count: usize) -> Result<&[u8], Error> {
        block_within(self.timeout, self.inner.peek(count))
    }

    /// As [`crate::StreamReader::is_shutting_down`].
    pub fn is_shutting_down(&self) -> bool {
        self.inner.is_shutting_down()
    }

    /// Returns the lines, each copied, with its newline. See
    /// [`lines`](crate::StreamReader::read_lines).
    pub fn read_lines(&mut self) -> Lines<'_, T> {
        Lines {
            inner: self.inner.read_lines(),
            timeout: self.timeout,
        }
    }

    /// Sets how long each read may take, however slowly its bytes come; for ever by default.
    ///
    /// With zero, reads take what is there, and do so for a second at most. A
    /// [`FromRead`](super::FromRead) whose reads block is not interrupted. (asyncio's `wait_for`
    /// around each read.)
    #[doc(alias = "set_read_timeout")]
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// As [`crate::StreamReader::set_limit`].
    ///
    /// # Panics
    ///
    /// If `limit` is zero.
    pub fn set_limit(&mut self, limit: usize) {
        self.inner.set_limit(limit);
    }

    /// As [`crate::StreamReader::set_max_read_exact`].
    pub fn set_max_read_exact(&mut self, max_read_exact: usize) {
        self.inner.set_max_read_exact(max_read_exact);
    }

    /// As [`crate::StreamReader::buffered`].
    pub fn buffered(&self) -> &[u8] {
        self.inner.buffered()
    }

    /// As [`crate::StreamReader::lost`].
    #[doc(alias = "exception")]
    pub fn lost(&self) -> Option<ConnectionLost> {
        self.inner.lost()
    }

    /// As [`crate::StreamReader::at_eof`].
    pub fn at_eof(&self) -> bool {
        self.inner.at_eof()
    }

    /// As [`crate::StreamReader::local_addr`].
    ///
    /// # Errors
    ///
    /// As there.
    #[doc(alias = "get_extra_info")]
    pub fn local_addr(&self) -> io::Result<<T::Read as Addresses>::Address>
    where
        T::Read: Addresses,
    {
        self.inner.local_addr()
    }

    /// As [`crate::StreamReader::peer_addr`].
    ///
    /// # Errors
    ///
    /// As there.
    #[doc(alias = "get_extra_info")]
    pub fn peer_addr(&self) -> io::Result<<T::Read as Addresses>::Address>
    where
        T::Read: Addresses,
    {
        self.inner.peer_addr()
    }

    /// Lets `look` see the transport's read side. See
    /// [`with_transport`](crate::StreamReader::with_transport).
    ///
    /// # Deadlock
    ///
    /// If `look` waits for another who uses this connection.
    #[doc(alias = "get_extra_info")]
    pub fn with_transport<A>(&self, look: impl FnOnce(&T::Read) -> A) -> Option<A> {
        self.inner.with_transport(look)
    }

    /// What is at hand costs no more than in the core.
    #[inline]
    fn frame(
        &mut self,
        mut ask: impl FnMut(&mut Reader) -> Result<Step<Frame<'_>>, ReadError>,
    ) -> Result<Frame<'_>, Error> {
        let token = match self.inner.token_at_hand(&mut ask) {
            Some(token) => token?,
            None => block_within(self.timeout, self.inner.token(ask))?,
        };
        Ok(self.inner.frame_of(token))
    }
}

/// The lines of a [`StreamReader`], one by one. See [`StreamReader::read_lines`].
#[derive(Debug)]
#[must_use = "lines are read when they are asked for"]
pub struct Lines<'a, T: Transport> {
    inner: stream::Lines<'a, T>,
    timeout: Option<Duration>,
}

impl<T: Transport> Iterator for Lines<'_, T> {
    type Item = Result<Bytes, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = poll_fn(|cx| Pin::new(&mut self.inner).poll_next(cx).map(Ok));
        block_within(self.timeout, next).unwrap_or_else(|error| Some(Err(error)))
    }
}

impl<T: Transport> From<stream::StreamReader<T>> for StreamReader<T> {
    fn from(inner: stream::StreamReader<T>) -> Self {
        let timeout = None;
        Self { inner, timeout }
    }
}
