//! The half of a connection to write to.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use plimsoll::{ConnectionError, LineEnding, WaterMarks, WriteError, Writer, WriterState};

use super::pair::PairSlot;
use crate::connection::GIVEN_UP;
use crate::driver::{Driven, Sent};
use crate::error::{ConnectionLost, Error, unless_gone};
use crate::options::DEFAULT_CLOSE_TIMEOUT;
use crate::places::Places;
use crate::select::within;
use crate::slot::{Command, Party};
use crate::transport::{Addresses, Transport};

/// The half of a connection to write to. (asyncio's `StreamWriter`.)
///
/// Sizes are in bytes. Writes queue, and never wait for the peer. Dropping the writer does not send
/// pending output: [`close`](Self::close) does. If something is pending when the last half is
/// dropped, or the connection was lost before its stream was ended, it ends as if
/// [aborted](Self::abort).
///
/// # Cancel safety
///
/// Every method may be dropped while it waits, and loses no byte: what was not sent stays pending,
/// and an end of the stream that was asked for stays asked for.
///
/// # Examples
///
/// ```
/// # use plimsoll_io::{Error, StreamPair, WriteError, duplex};
/// # smol::block_on(async {
/// let (client, server) = duplex(1024);
/// let (mut client, mut server) = (StreamPair::new(client), StreamPair::new(server));
/// client.writer.write(b"HELO ")?;
/// write!(client.writer, "{}\r\n", "example.org")?;
/// assert_eq!(client.writer.pending(), 18);
///
/// client.writer.finish().await?;
/// assert_eq!(client.writer.pending(), 0);
/// assert!(matches!(client.writer.write(b"late"), Err(Error::Write(WriteError::Finished))));
/// assert_eq!(server.reader.read_to_end(100).await?, "HELO example.org\r\n");
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
pub struct StreamWriter<T: Transport> {
    pub(super) slot: Arc<PairSlot<T>>,
    /// The transport's.
    pub(super) waker: Waker,
    /// Where the server that has accepted it counts it, and by which key.
    pub(super) counted: Option<(Arc<dyn Places>, u32)>,
}

impl<T: Transport> StreamWriter<T> {
    /// Queues a copy of `data`, all of it or, on an error, nothing. It is not sent yet.
    ///
    /// A read that waits in another task is woken, and sends it. (asyncio sends at once what it
    /// can, and the rest in the background.)
    ///
    /// # Errors
    ///
    /// - [`WriteError::Finished`] after [`finish`](Self::finish), [`WriteError::Closed`] after
    ///   [`close`](Self::close), [`WriteError::Full`] if more than the [cap](Self::set_max_pending)
    ///   would be pending; what was pending before stays pending.
    /// - [`Error::ConnectionLost`]; what was pending is gone. (asyncio drops the write.)
    pub fn write(&mut self, data: &[u8]) -> Result<(), Error> {
        self.queue(|writer| writer.write(data))
    }

    /// Queues `data` without a copy, all of it or, on an error, nothing. It is not sent yet. Fewer
    /// than 512 bytes are copied, which costs less. (asyncio's `write` of `bytes`.)
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    pub fn write_bytes(&mut self, data: Bytes) -> Result<(), Error> {
        let mut data = Some(data);
        self.queue(|writer| match data.take_if(|data| keeps(writer, data)) {
            Some(data) => writer.write_bytes(data),
            // It is dropped once nothing is locked: its owner may be anything.
            None => writer.write(data.as_deref().unwrap_or_default()),
        })
    }

    /// Queues a copy of all `parts`; on an error, nothing. It is not sent yet. (asyncio's
    /// `writelines`.)
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    #[doc(alias = "writelines")]
    pub fn write_all_vectored(&mut self, parts: &[&[u8]]) -> Result<(), Error> {
        self.queue(|writer| writer.write_all_vectored(parts))
    }

    /// Queues a copy of `line` and what ends it; on an error, nothing. It is not sent yet. What
    /// reaches the peer is one line; [`write`](Self::write) takes any bytes.
    ///
    /// # Errors
    ///
    /// - [`WriteError::NotOneLine`], if a carriage return, a newline or a NUL is in `line`.
    /// - Those of [`write`](Self::write).
    pub fn write_line(&mut self, line: &[u8], end: LineEnding) -> Result<(), Error> {
        self.queue(|writer| writer.write_line(line, end))
    }

    /// Queues formatted text; on an error, nothing. It is not sent yet. It makes `write!` work.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    ///
    /// # Panics
    ///
    /// If formatting one of the arguments fails.
    pub fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> Result<(), Error> {
        // Nothing is locked while the arguments format themselves.
        match text.as_str() {
            Some(text) => self.write(text.as_bytes()),
            None => self.write(fmt::format(text).as_bytes()),
        }
    }

    /// Offers everything that is pending to the transport, and waits until no more than the low
    /// water mark is. That is zero unless the [options](crate::StreamOptions::water_marks) or
    /// [`set_water_marks`](Self::set_water_marks) has changed it.
    ///
    /// (asyncio's waits only if more than the high mark is pending. Here
    /// [`is_writable`](Self::is_writable) tells that, for a caller that would rather not wait.)
    ///
    /// # Errors
    ///
    /// - [`Error::ConnectionLost`]; what was pending is gone. (asyncio's succeeds if the abort
    ///   comes while it waits.)
    ///
    /// # Cancel safety
    ///
    /// Safe: what was not sent stays pending.
    ///
    /// # Deadlock
    ///
    /// Two peers that both send more than the other will buffer, and neither reads, wait for ever.
    /// No buffer of fixed size prevents it: read in another task, or send less before reading.
    pub async fn drain(&mut self) -> Result<(), Error> {
        self.send_until(|writer| writer.pending() <= writer.water_marks().low())
            .await
    }

    /// Sends everything that is pending, whatever the water marks, and waits until the transport
    /// has passed it on.
    ///
    /// # Errors
    ///
    /// - [`Error::ConnectionLost`]; what was pending is gone.
    ///
    /// # Cancel safety
    ///
    /// Safe: what was not sent stays pending.
    ///
    /// # Deadlock
    ///
    /// As for [`drain`](Self::drain).
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.send_until(|_| false).await
    }

    /// Sends pending output, then the end of the stream, and waits for both. Reading goes on;
    /// writes fail from now on. Calling it again waits for the same. (asyncio's `write_eof`, which
    /// does not wait.)
    ///
    /// # Errors
    ///
    /// - [`Error::ConnectionLost`]; what was pending is gone.
    ///
    /// # Cancel safety
    ///
    /// Safe: the stream stays finished, and any method that moves bytes goes on with it.
    ///
    /// # Deadlock
    ///
    /// As for [`drain`](Self::drain).
    #[doc(alias = "write_eof")]
    pub async fn finish(&mut self) -> Result<(), Error> {
        self.slot.change(|driven| driven.write(Writer::finish));
        self.flush().await
    }

    /// Sends pending output, then the end of the stream, within [`DEFAULT_CLOSE_TIMEOUT`]. See
    /// [`close_timeout`](Self::close_timeout).
    ///
    /// (asyncio's `close` and `wait_closed`, which stop reading too, and wait without bound.)
    ///
    /// # Errors
    ///
    /// As for [`close_timeout`](Self::close_timeout).
    ///
    /// # Cancel safety
    ///
    /// Safe: the stream stays closed, and any method that moves bytes goes on with it, without the
    /// bound.
    ///
    /// # Panics
    ///
    /// As for [`close_timeout`](Self::close_timeout).
    #[doc(alias = "wait_closed")]
    pub async fn close(&mut self) -> Result<(), Error> {
        self.close_timeout(DEFAULT_CLOSE_TIMEOUT).await
    }

    /// Sends pending output, then the end of the stream; if that takes longer than `limit`, gives
    /// the connection up.
    ///
    /// Writes fail from now on. The reader may go on; the connection is gone when both halves are
    /// dropped. Calling it again after it has succeeded succeeds at once. (asyncio has no such
    /// bound.)
    ///
    /// # Errors
    ///
    /// - [`Error::ConnectionLost`]; what was pending is gone. With [`ConnectionError::TimedOut`] it
    ///   was given up, as by [`abort`](Self::abort).
    ///
    /// # Cancel safety
    ///
    /// Safe: the stream stays closed, and any method that moves bytes goes on with it, without the
    /// bound.
    ///
    /// # Panics
    ///
    /// Where [`Transport::sleep`] does, if it has to wait: over tokio's sockets, outside of its
    /// runtime.
    pub async fn close_timeout(&mut self, limit: Duration) -> Result<(), Error> {
        self.slot.change(|driven| driven.write(Writer::close));
        let _closes = Closes::begin(&self.slot);
        match within(T::sleep, limit, self.send_until(|_| false)).await {
            Some(closed) => closed,
            None => {
                let loss = ConnectionError::TimedOut;
                self.slot.command(Command::Abort(loss));
                Err(Error::ConnectionLost(ConnectionLost {
                    kind: loss,
                    cause: None,
                }))
            }
        }
    }

    /// Lets a server not send while the handler waits for something else, until
    /// [`uncork`](Self::uncork): for a handler that writes a batch across several waits. Its own
    /// calls send as ever, and so does the end of the handler. Nothing else is changed by it, and
    /// without a server nothing at all. (asyncio sends at once.)
    pub fn cork(&mut self) {
        // A reader that waits may be the only one to send.
        if self.slot.has_server() {
            self.slot.change(|driven| driven.set_corked(true));
        }
    }

    /// Lets a server send again whenever the handler waits.
    pub fn uncork(&mut self) {
        self.slot.change(|driven| driven.set_corked(false));
    }

    /// Ends the connection at once, and drops pending output.
    ///
    /// What the reader has buffered can still be read; behind it reads fail. The peer sees a reset
    /// over TCP, unless the end of the stream was sent before; a Unix socket knows none, and shows
    /// it a clean end. It never waits for the peer, and wakes both halves. (asyncio's
    /// `transport.abort`, after which reads see a clean end.)
    pub fn abort(&mut self) {
        // What its owner gives up is not output that a server has to tell of.
        self.slot.command(Command::GiveUp);
    }

    /// Returns how the connection was lost, with the transport's error, if it was. It makes no call.
    #[doc(alias = "exception")]
    pub fn lost(&self) -> Option<ConnectionLost> {
        let how = |driven: &Driven<_>| driven.how_writer_was_lost().or_else(|| driven.how_lost());
        self.slot.peek(how).unwrap_or(Some(GIVEN_UP))
    }

    /// Returns `true` if the server that has accepted the connection shuts down. See
    /// [`StreamReader::is_shutting_down`](crate::StreamReader::is_shutting_down).
    pub fn is_shutting_down(&self) -> bool {
        self.slot.is_shutting_down()
    }

    /// Waits until the server that has accepted the connection shuts down; for ever, if there is no
    /// server, or it does not. A handler that waits for something else, beside reads, says goodbye
    /// then.
    ///
    /// # Cancel safety
    ///
    /// Safe: it changes nothing.
    pub async fn shutting_down(&mut self) {
        poll_fn(|cx| self.slot.poll_shutting_down(Party::Owner, cx)).await;
    }

    /// Tells whether writes fail from now on: after `finish`, `close`, `abort`, or a loss that a
    /// method has met. It makes no call. (asyncio's leaves `write_eof` out.)
    pub fn is_closing(&self) -> bool {
        let state = self.look(Writer::state);
        state != Some(WriterState::Open)
    }

    /// Tells whether the user should write more now: false once more than the high water mark is
    /// pending, until no more than the low one is, and where writes fail from now on. See
    /// [`plimsoll::Writer::is_writable`]. (In asyncio `drain` asks it.)
    pub fn is_writable(&self) -> bool {
        self.slot.is_writable()
    }

    /// Returns how many bytes are pending: written, and not taken by the transport. Zero after a
    /// loss. (asyncio's `transport.get_write_buffer_size`.)
    #[doc(alias = "get_write_buffer_size")]
    pub fn pending(&self) -> usize {
        self.look(Writer::pending).unwrap_or(0)
    }

    /// Changes the water marks, in bytes, which were those of the
    /// [options](crate::StreamOptions::water_marks). See [`plimsoll::Writer::set_water_marks`].
    /// (asyncio's `transport.set_write_buffer_limits`.)
    ///
    /// With a low mark above zero, [`drain`](Self::drain) leaves up to that much for later to send.
    /// A read that [pauses](crate::StreamOptions::pause_reading_when_full) is not woken: marks that
    /// are raised help it with the next write, or when something is sent.
    #[doc(alias = "set_write_buffer_limits")]
    pub fn set_water_marks(&mut self, marks: WaterMarks) {
        self.slot
            .change(|driven| driven.core.writer.set_water_marks(marks));
    }

    /// Changes the cap: the most bytes that may be pending, 16 MiB unless the
    /// [options](crate::StreamOptions::max_pending) say otherwise. Pending output stays. See
    /// [`plimsoll::Writer::set_max_pending`].
    pub fn set_max_pending(&mut self, max_pending: usize) {
        self.slot
            .change(|driven| driven.core.writer.set_max_pending(max_pending));
    }

    /// Lets `look` see the transport's write side, and returns its answer. Writing to it mixes up
    /// the output. `None` if the transport is gone: the connection was lost or aborted, or a server
    /// has closed it. (asyncio's `get_extra_info('socket')`.)
    ///
    /// # Deadlock
    ///
    /// Nothing is sent meanwhile; `look` must not use this writer, nor wait for one who does.
    #[doc(alias = "get_extra_info")]
    pub fn with_transport<A>(&self, look: impl FnOnce(&T::Write) -> A) -> Option<A> {
        let mut guard = self.slot.take()?;
        let io = guard.both().1?;
        Some(look(io.write_half()))
    }

    /// Returns the address on this side. (asyncio's `get_extra_info('sockname')`, which is
    /// remembered; this asks the socket.)
    ///
    /// # Errors
    ///
    /// Those of the system. They change nothing.
    #[doc(alias = "get_extra_info")]
    pub fn local_addr(&self) -> io::Result<<T::Write as Addresses>::Address>
    where
        T::Write: Addresses,
    {
        unless_gone(self.with_transport(Addresses::local_addr))
    }

    /// Returns the peer's address. (asyncio's `get_extra_info('peername')`, which is remembered;
    /// this asks the socket.)
    ///
    /// # Errors
    ///
    /// Those of the system, for instance once the connection is gone. They change nothing.
    #[doc(alias = "get_extra_info")]
    pub fn peer_addr(&self) -> io::Result<<T::Write as Addresses>::Address>
    where
        T::Write: Addresses,
    {
        unless_gone(self.with_transport(Addresses::peer_addr))
    }

    /// Sends until `enough` says so, or nothing is left to do.
    async fn send_until(&self, enough: impl Fn(&Writer) -> bool) -> Result<(), Error> {
        let (slot, waker) = (&*self.slot, &self.waker);
        let sent = poll_fn(|cx| {
            slot.poll(cx, |guard| {
                let (driven, io) = guard.both();
                let sent = match io {
                    Some(io) => driven.poll_send(io, waker, cx),
                    None => Poll::Ready(Sent::All),
                };
                match (driven.how_writer_was_lost(), sent) {
                    (Some(lost), _) => Poll::Ready(Err(Error::ConnectionLost(lost))),
                    (None, Poll::Ready(Sent::All)) => Poll::Ready(Ok(())),
                    (None, Poll::Ready(Sent::TimedOut)) => Poll::Ready(Err(Error::TimedOut)),
                    (None, Poll::Pending) => {
                        if driven.is_offered() && enough(&driven.core.writer) {
                            Poll::Ready(Ok(()))
                        } else {
                            Poll::Pending
                        }
                    }
                }
            })
        });
        sent.await.unwrap_or(Err(Error::ConnectionLost(GIVEN_UP)))
    }

    fn queue(
        &mut self,
        write: impl FnOnce(&mut Writer) -> Result<(), WriteError>,
    ) -> Result<(), Error> {
        let written = self.slot.queue(|driven| driven.write(write));
        match written {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(self.explain(error)),
            None => Err(Error::ConnectionLost(GIVEN_UP)),
        }
    }

    /// Adds the transport's error to a loss.
    #[cold]
    fn explain(&self, error: WriteError) -> Error {
        match error {
            WriteError::ConnectionLost(loss) => {
                let lost = self.slot.peek(Driven::how_writer_was_lost).flatten();
                Error::ConnectionLost(lost.unwrap_or(ConnectionLost {
                    kind: loss,
                    cause: None,
                }))
            }
            error => Error::Write(error),
        }
    }

    fn look<A>(&self, look: impl FnOnce(&Writer) -> A) -> Option<A> {
        self.slot.peek(|driven| look(&driven.core.writer))
    }
}

/// Lets the server know that the writer has a limit of its own for the close, until this is
/// dropped.
struct Closes<'a, T: Transport>(&'a PairSlot<T>);

impl<'a, T: Transport> Closes<'a, T> {
    fn begin(slot: &'a PairSlot<T>) -> Self {
        slot.change(|driven| driven.set_closes(true));
        Self(slot)
    }
}

impl<T: Transport> Drop for Closes<'_, T> {
    fn drop(&mut self) {
        self.0.change(|driven| driven.set_closes(false));
    }
}

/// Fewer bytes are copied by a writer.
const COPIED_BELOW: usize = 512;

/// Whether a writer takes these bytes without a copy, and so keeps them.
fn keeps(writer: &Writer, data: &Bytes) -> bool {
    let is_open = writer.state() == WriterState::Open && writer.connection_error().is_none();
    let room = writer.max_pending().saturating_sub(writer.pending());
    is_open && (COPIED_BELOW..=room).contains(&data.len())
}

/// The connection stays open as long as its other half lives.
impl<T: Transport> Drop for StreamWriter<T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What it has written may be half of something.
            self.abort();
        }
        self.slot.leave(Party::Owner);
    }
}

impl<T: Transport> fmt::Debug for StreamWriter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut guard = self.slot.take();
        let writer = guard.as_mut().map(|guard| &guard.peek().core.writer);
        f.debug_tuple("StreamWriter").field(&writer).finish()
    }
}
