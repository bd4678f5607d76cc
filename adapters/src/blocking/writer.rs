//! The half of asyncio's pair to write to: each method blocks in the one of the same name.

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use plimsoll::{LineEnding, WaterMarks};

use super::within::block_within;
use super::{Blocking, block_on};
use crate::error::{ConnectionLost, Error};
use crate::runtime::Runtime;
use crate::stream;
use crate::transport::{Addresses, Transport};

/// The half of a connection to write to. Its methods are those of [`crate::StreamWriter`], and
/// those that send block. Dropping it does not send pending output.
#[derive(Debug)]
pub struct StreamWriter<T: Transport = <Blocking as Runtime>::Tcp> {
    inner: stream::StreamWriter<T>,
    timeout: Option<Duration>,
}

/// The half of a Unix connection to write to. (asyncio's `StreamWriter`.)
#[cfg(unix)]
pub type UnixWriter = StreamWriter<<Blocking as Runtime>::Unix>;

impl<T: Transport> StreamWriter<T> {
    /// Gives up this writer for the one whose methods are awaited, and that
    /// [`StreamPair::reunite`](crate::StreamPair::reunite) takes. Pending output goes with it.
    pub fn into_inner(self) -> stream::StreamWriter<T> {
        self.inner
    }

    /// Queues a copy of `data`.
    ///
    /// # Errors
    ///
    /// Those of [`write`](crate::StreamWriter::write): nothing of it is queued.
    pub fn write(&mut self, data: &[u8]) -> Result<(), Error> {
        self.inner.write(data)
    }

    /// Queues `data` without a copy.
    ///
    /// # Errors
    ///
    /// Those of [`write_bytes`](crate::StreamWriter::write_bytes): nothing of it is queued.
    pub fn write_bytes(&mut self, data: Bytes) -> Result<(), Error> {
        self.inner.write_bytes(data)
    }

    /// Queues a copy of all `parts`.
    ///
    /// # Errors
    ///
    /// Those of [`write_all_vectored`](crate::StreamWriter::write_all_vectored): nothing of it is
    /// queued.
    #[doc(alias = "writelines")]
    pub fn write_all_vectored(&mut self, parts: &[&[u8]]) -> Result<(), Error> {
        self.inner.write_all_vectored(parts)
    }

    /// Queues a copy of `line` and what ends it.
    ///
    /// # Errors
    ///
    /// Those of [`write_line`](crate::StreamWriter::write_line): nothing of it is queued.
    pub fn write_line(&mut self, line: &[u8], end: LineEnding) -> Result<(), Error> {
        self.inner.write_line(line, end)
    }

    /// Queues formatted text; it makes `write!` work.
    ///
    /// # Errors
    ///
    /// Those of [`write_fmt`](crate::StreamWriter::write_fmt): nothing of it is queued.
    ///
    /// # Panics
    ///
    /// If formatting one of the arguments fails.
    pub fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> Result<(), Error> {
        self.inner.write_fmt(text)
    }

    /// Sends until no more is pending than the low water mark.
    ///
    /// # Errors
    ///
    /// Those of [`drain`](crate::StreamWriter::drain). After a loss what was pending is gone.
    pub fn drain(&mut self) -> Result<(), Error> {
        block_within(self.timeout, self.inner.drain())
    }

    /// Sends everything that is pending.
    ///
    /// # Errors
    ///
    /// Those of [`flush`](crate::StreamWriter::flush). After a loss what was pending is gone.
    pub fn flush(&mut self) -> Result<(), Error> {
        block_within(self.timeout, self.inner.flush())
    }

    /// Sends everything that is pending, then the end of the stream. Reading goes on.
    ///
    /// # Errors
    ///
    /// Those of [`finish`](crate::StreamWriter::finish). After a loss what was pending is gone.
    #[doc(alias = "write_eof")]
    pub fn finish(&mut self) -> Result<(), Error> {
        block_within(self.timeout, self.inner.finish())
    }

    /// As [`crate::StreamWriter::close`], whatever the [timeout](Self::set_timeout).
    ///
    /// # Errors
    ///
    /// As there.
    #[doc(alias = "wait_closed")]
    pub fn close(&mut self) -> Result<(), Error> {
        block_on(self.inner.close())
    }

    /// As [`crate::StreamWriter::close_timeout`], whatever the [timeout](Self::set_timeout).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn close_timeout(&mut self, limit: Duration) -> Result<(), Error> {
        block_on(self.inner.close_timeout(limit))
    }

    /// As [`crate::StreamWriter::abort`].
    pub fn abort(&mut self) {
        self.inner.abort();
    }

    /// As [`crate::StreamWriter::lost`].
    #[doc(alias = "exception")]
    pub fn lost(&self) -> Option<ConnectionLost> {
        self.inner.lost()
    }

    /// As [`crate::StreamWriter::is_closing`].
    pub fn is_closing(&self) -> bool {
        self.inner.is_closing()
    }

    /// As [`crate::StreamWriter::is_writable`].
    pub fn is_writable(&self) -> bool {
        self.inner.is_writable()
    }

    /// As [`crate::StreamWriter::pending`].
    #[doc(alias = "get_write_buffer_size")]
    pub fn pending(&self) -> usize {
        self.inner.pending()
    }

    /// Sets how long each `drain`, `flush` and `finish` may take; for ever by default.
    ///
    /// One that takes longer fails with [`Error::TimedOut`], and loses no byte: what was not sent
    /// stays pending. `close` has [`close_timeout`](Self::close_timeout). (asyncio's `wait_for`
    /// around each.)
    #[doc(alias = "set_write_timeout")]
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// As [`crate::StreamWriter::set_water_marks`].
    #[doc(alias = "set_write_buffer_limits")]
    pub fn set_water_marks(&mut self, marks: WaterMarks) {
        self.inner.set_water_marks(marks);
    }

    /// As [`crate::StreamWriter::set_max_pending`].
    pub fn set_max_pending(&mut self, max_pending: usize) {
        self.inner.set_max_pending(max_pending);
    }

    /// As [`crate::StreamWriter::local_addr`].
    ///
    /// # Errors
    ///
    /// As there.
    #[doc(alias = "get_extra_info")]
    pub fn local_addr(&self) -> io::Result<<T::Write as Addresses>::Address>
    where
        T::Write: Addresses,
    {
        self.inner.local_addr()
    }

    /// As [`crate::StreamWriter::peer_addr`].
    ///
    /// # Errors
    ///
    /// As there.
    #[doc(alias = "get_extra_info")]
    pub fn peer_addr(&self) -> io::Result<<T::Write as Addresses>::Address>
    where
        T::Write: Addresses,
    {
        self.inner.peer_addr()
    }

    /// Lets `look` see the transport's write side. See
    /// [`with_transport`](crate::StreamWriter::with_transport).
    ///
    /// # Deadlock
    ///
    /// If `look` uses this writer, or waits for one who does.
    #[doc(alias = "get_extra_info")]
    pub fn with_transport<A>(&self, look: impl FnOnce(&T::Write) -> A) -> Option<A> {
        self.inner.with_transport(look)
    }
}

impl<T: Transport> From<stream::StreamWriter<T>> for StreamWriter<T> {
    fn from(inner: stream::StreamWriter<T>) -> Self {
        let timeout = None;
        Self { inner, timeout }
    }
}
