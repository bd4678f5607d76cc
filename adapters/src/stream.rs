//! A connection as its user sees it: a reader and a writer, as in asyncio, over any transport.
//!
//! Bytes move in [`drain`](StreamWriter::drain), [`flush`](StreamWriter::flush),
//! [`finish`](StreamWriter::finish), [`close`](StreamWriter::close), and in reads that have to
//! wait, which first send what was written. Nothing else runs behind the caller's back.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream as FuturesStream;
use plimsoll::{
    ConnectionError, Discarding, Frame, FrameToken, LineEnding, ReadError, Reader, Separator, Step,
    WaterMarks, WriteError,
};

use crate::connection::Places;
use crate::drive::{CALL, Receiver, TURN};
use crate::error::{Error, Lost};
use crate::options::Options;
use crate::shared::Shared;
use crate::transport::{Endpoint, Layer, Transport};
use crate::waiters::Party;

/// How long [`StreamWriter::close`] tries to send what is pending: 30 seconds. (asyncio's
/// `wait_closed` waits as long as the peer likes.)
pub const CLOSE_WITHIN: Duration = Duration::from_secs(30);

/// The two halves of a connection, together. (asyncio hands out a pair, and has no type for it.)
///
/// # Examples
///
/// ```
/// # use plimsoll_io::{Stream, memory};
/// # smol::block_on(async {
/// let (mut here, mut there) = memory::pair(1024);
/// here.writer.write(b"UPGRADE\nearly")?;
/// here.writer.drain().await?;
/// assert_eq!(there.reader.read_line().await?, "UPGRADE\n");
///
/// // The halves may go to two tasks, and come back.
/// let (reader, writer) = there.split();
/// let there = Stream::join(reader, writer).expect("halves of the same connection");
///
/// // Another protocol takes over, with every byte that this one has not read.
/// let parts = there.into_parts();
/// assert_eq!(parts.unread, "early");
/// # Ok::<(), plimsoll_io::Error>(())
/// # }).unwrap();
/// ```
pub struct Stream<T: Transport> {
    /// The half to read from.
    pub reader: StreamReader<T>,
    /// The half to write to.
    pub writer: StreamWriter<T>,
}

/// The half of a connection to read from. (asyncio's `StreamReader`.)
///
/// Sizes are in bytes. A read that has to wait first sends what was written; that this fails does
/// not fail the read, which may still find the peer's last words. After them, the end of the stream
/// is a loss with the write's error, unless that was `BrokenPipe` or `NotConnected`. Reading may go
/// on after the writer has finished or closed. Dropping the reader leaves the connection to the
/// writer.
///
/// # Cancel safety
///
/// Every read may be dropped while it waits, and loses no byte: what was received stays buffered,
/// for this read or another to take. Only [`skip_until`](Self::skip_until) discards while it waits:
/// the same call again goes on, and any other read first finishes what it has begun. (asyncio's
/// reads are safe too, but for `read(-1)`.)
///
/// Two reads in a row are not one read: dropped between a head and its body, a function that reads
/// both has lost the head. [`peek`](Self::peek) looks at a head and leaves it, so that
/// [`read_exact`](Self::read_exact) can take both together.
///
/// # Examples
///
/// ```
/// # use plimsoll_io::{Error, ReadError, memory};
/// # smol::block_on(async {
/// let (mut client, mut server) = memory::pair(1024);
/// client.writer.write(b"PUT 5\nhelloa line that is too long\nQUIT\n")?;
/// client.writer.close().await?;
///
/// let reader = &mut server.reader;
/// reader.set_limit(10);
/// assert_eq!(reader.read_line().await?, "PUT 5\n");
/// assert_eq!(reader.read_exact(5).await?, "hello");
/// let too_long = reader.read_line().await;
/// assert!(matches!(too_long, Err(Error::Read(ReadError::LineTooLong { limit: 10 }))));
/// assert_eq!(reader.read_line().await?.content(), b"QUIT");
/// assert!(reader.read_line().await?.is_empty(), "the end of the stream");
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
///
/// # Timeouts
///
/// So any timeout of the runtime bounds a read: `tokio::time::timeout`,
/// `async_std::future::timeout`, `smol::future::or` with a timer; over blocking sockets,
/// `set_timeout`. It bounds the whole line, however slowly its bytes come. What is there when it
/// has passed stays buffered.
///
/// ```
/// # #[cfg(feature = "tokio")] fn main() {
/// use plimsoll_io::{Error, tokio::{StreamReader, StreamWriter}};
/// use std::time::Duration;
/// use tokio::time::timeout;
///
/// async fn greet(mut reader: StreamReader, mut writer: StreamWriter) -> Result<(), Error> {
///     match timeout(Duration::from_secs(5), reader.read_line()).await {
///         Ok(name) => writer.write_vectored(&[b"hello, ", &name?]),
///         Err(_elapsed) => writer.write(b"too slow\n"), // half a line is still in the buffer
///     }
/// }
/// # let _ = greet;
/// # }
/// # #[cfg(not(feature = "tokio"))] fn main() {}
/// ```
pub struct StreamReader<T: Transport> {
    /// `None` only while the reader is taken apart, or dropped.
    receiver: Option<Receiver<T::Read>>,
    shared: Arc<Shared<T>>,
}

/// The half of a connection to write to. (asyncio's `StreamWriter`.)
///
/// Sizes are in bytes. Writes queue, and never wait for the peer. Dropping the writer does not send
/// what is pending: [`close`](Self::close) does. If something is pending when the last half is
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
/// # use plimsoll_io::{Error, WriteError, memory};
/// # smol::block_on(async {
/// let (mut client, mut server) = memory::pair(1024);
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
    shared: Arc<Shared<T>>,
    /// Where the server that has accepted it counts it, and by which key.
    counted: Option<(Arc<dyn Places>, u32)>,
    /// How much is left of a [`TURN`], as for reads.
    turn: u16,
}

/// What a connection leaves behind: the transport, and every byte that it holds in either
/// direction. See [`Stream::into_parts`]. (asyncio has none.)
#[must_use = "nobody else has these bytes"]
#[non_exhaustive]
pub struct Parts<T> {
    /// The transport, with whatever of the output it has taken.
    pub transport: T,
    /// The layer over it, with whatever it holds: input that it has received and not passed on,
    /// output that it has not sent. `None` if there is none.
    pub layer: Option<Box<dyn Layer>>,
    /// Bytes received and not read.
    pub unread: Bytes,
    /// Bytes written and not sent, in order.
    pub unsent: Vec<Bytes>,
    /// What is discarded of the bytes that come next, `unread` first: the rest of a line that was
    /// too long, or of a skip that was cancelled.
    pub discarding: Option<Discarding>,
    /// Whether the transport was not flushed since it last took bytes: it may hold some back.
    pub is_unflushed: bool,
}

impl<T> Parts<T> {
    pub(crate) fn new(
        transport: T,
        layer: Option<Box<dyn Layer>>,
        core: plimsoll::Connection,
    ) -> Self {
        let parts = core.into_parts();
        Self {
            transport,
            layer,
            unread: parts.unread,
            unsent: parts.unsent,
            discarding: parts.discarding,
            is_unflushed: parts.is_unflushed,
        }
    }
}

/// Two halves that were to be joined belong to different connections. Both are in it, as they were.
/// (asyncio has none: it does not join halves.)
#[derive(thiserror::Error)]
#[error("the two halves belong to different connections")]
pub struct NotAPair<T: Transport>(pub StreamReader<T>, pub StreamWriter<T>);

impl<T: Transport> Stream<T> {
    /// Makes a stream of a connected transport, with the default limits. (asyncio's
    /// `open_connection(sock=…)`.)
    pub fn new(transport: T) -> Self {
        Self::with_options(transport, &Options::new())
    }

    /// Makes a stream of a connected transport, with the limits in `options`. (As
    /// [`new`](Self::new), with `limit=…` and more.)
    ///
    /// Of a TCP socket it [turns off](Transport::set_nodelay) Nagle's algorithm, as asyncio does.
    pub fn with_options(transport: T, options: &Options) -> Self {
        let _ = transport.set_nodelay(true);
        Self::over(transport, options)
    }

    /// Makes a stream of a transport as it is.
    pub(crate) fn over(transport: T, options: &Options) -> Self {
        let connection = options.connection();
        let (read, write) = transport.split();
        let shared = Arc::new(Shared::new(connection.writer, write));
        Self {
            reader: StreamReader {
                receiver: Some(Receiver::new(connection.reader, read, options)),
                shared: Arc::clone(&shared),
            },
            writer: StreamWriter {
                shared,
                counted: None,
                turn: TURN,
            },
        }
    }

    /// Sets where the server counts the connection.
    pub(crate) fn is_counted(&mut self, places: Arc<dyn Places>, key: u32) {
        self.writer.counted = Some((places, key));
    }

    pub(crate) fn shared(&self) -> Arc<Shared<T>> {
        Arc::clone(&self.writer.shared)
    }

    /// Takes the two halves apart, for two tasks or threads. They share the connection, which is
    /// gone when both are dropped. (asyncio hands out the pair.)
    pub fn split(self) -> (StreamReader<T>, StreamWriter<T>) {
        (self.reader, self.writer)
    }

    /// Puts two halves together again. (asyncio has none.)
    ///
    /// # Errors
    ///
    /// [`NotAPair`], with both halves in it, if they belong to different connections.
    pub fn join(
        reader: StreamReader<T>,
        writer: StreamWriter<T>,
    ) -> Result<Self, Box<NotAPair<T>>> {
        match Arc::ptr_eq(&reader.shared, &writer.shared) {
            true => Ok(Self { reader, writer }),
            false => Err(Box::new(NotAPair(reader, writer))),
        }
    }

    /// Gives up the stream for its transport and every byte that it holds, at once and without a
    /// copy.
    ///
    /// Nothing is sent. An end of the stream that was asked for and not sent is forgotten, and
    /// after a loss nothing is left to send. A server's handler that does this takes the connection
    /// out of the server, which neither closes, aborts nor counts it any more.
    ///
    /// # Panics
    ///
    /// If one of the halves was exchanged for that of another connection.
    pub fn into_parts(mut self) -> Parts<T> {
        assert!(
            Arc::ptr_eq(&self.reader.shared, &self.writer.shared),
            "two halves of the same connection"
        );
        let receiver = self
            .reader
            .receiver
            .take()
            .expect("a reader that is in use");
        if let Some((places, key)) = self.writer.counted.take() {
            places.free(key, Arc::as_ptr(&self.writer.shared).addr());
        }
        let (write, writer) = self.writer.shared.lock().take_apart();
        let write = write.expect("a writer that is in use");
        let mut core = plimsoll::Connection::new();
        (core.reader, core.writer) = (receiver.reader, writer);
        Parts::new(T::join(receiver.transport, write), None, core)
    }
}

impl<T: Transport> StreamReader<T> {
    /// Takes as many bytes as are there, at least one and at most `max`; waits for the first.
    ///
    /// Empty at the end of the stream and, at once, if `max` is zero. Neither the limit nor the cap
    /// applies. See [`Reader::read`]. (asyncio's `read(n)`; for its `read(-1)` there is
    /// [`read_to_end`](Self::read_to_end).)
    ///
    /// # Errors
    ///
    /// - [`Error::Lost`], only when nothing is buffered.
    ///
    /// # Cancel safety
    ///
    /// Safe: no byte is lost.
    pub async fn read(&mut self, max: usize) -> Result<Frame<'_>, Error> {
        self.frame(|reader| reader.read(max)).await
    }

    /// Takes one line, with its `\n`.
    ///
    /// The last line may lack its newline. At the end of the stream every call gives an empty
    /// frame, which no earlier call does. See [`Reader::read_line`]. (asyncio's `readline`, which
    /// may give out the rest of a line that was too long as a line.)
    ///
    /// # Errors
    ///
    /// - [`ReadError::LineTooLong`], once for each such line, which is dropped through its newline;
    ///   the next call gives the line after it.
    /// - [`Error::Lost`]; an unfinished line stays buffered.
    ///
    /// # Cancel safety
    ///
    /// Safe: the part of a line that has arrived stays buffered.
    #[doc(alias = "readline")]
    pub async fn read_line(&mut self) -> Result<Frame<'_>, Error> {
        self.frame(Reader::read_line).await
    }

    /// Takes everything through the separator that ends first, at most the limit before it. See
    /// [`Reader::read_until`]. (asyncio's `readuntil`, which does not tell the separator that
    /// matched.)
    ///
    /// # Errors
    ///
    /// - [`ReadError::LimitOverrun`]; nothing is consumed.
    /// - [`ReadError::BareLineBreak`], with [`Separator::STRICT_CRLF`] only; nothing is consumed.
    /// - [`ReadError::Incomplete`], if the stream ends first; what there is stays buffered.
    ///   (asyncio takes it out, into the exception.)
    /// - [`Error::Lost`]; what there is stays buffered.
    ///
    /// # Cancel safety
    ///
    /// Safe: what has arrived stays buffered, and is not searched again.
    #[doc(alias = "readuntil")]
    pub async fn read_until(&mut self, separator: &Separator) -> Result<Frame<'_>, Error> {
        self.frame(|reader| reader.read_until(separator)).await
    }

    /// Takes exactly `count` bytes, at most the [cap](Self::set_cap). See [`Reader::read_exact`].
    /// (asyncio's `readexactly`, which waits for any number.)
    ///
    /// # Errors
    ///
    /// - [`ReadError::CountTooLarge`], without waiting; nothing is consumed.
    /// - [`ReadError::Incomplete`], if the stream ends first; what there is stays buffered.
    /// - [`Error::Lost`]; what there is stays buffered.
    ///
    /// # Cancel safety
    ///
    /// Safe: what has arrived stays buffered.
    #[doc(alias = "readexactly")]
    pub async fn read_exact(&mut self, count: usize) -> Result<Frame<'_>, Error> {
        self.frame(|reader| reader.read_exact(count)).await
    }

    /// Takes everything through the end of the stream, at most `max` bytes. See
    /// [`Reader::read_to_end`]. (asyncio's `read(-1)`, which has no bound.)
    ///
    /// # Errors
    ///
    /// - [`ReadError::StreamTooLong`], as soon as more than `max` bytes are there; nothing is
    ///   consumed.
    /// - [`Error::Lost`]; what there is stays buffered.
    ///
    /// # Cancel safety
    ///
    /// Safe: what has arrived stays buffered. (asyncio's loses all of it.)
    pub async fn read_to_end(&mut self, max: usize) -> Result<Frame<'_>, Error> {
        self.frame(|reader| reader.read_to_end(max)).await
    }

    /// Discards everything up to and including the separator that ends first, and returns which of
    /// several it was, counted from zero. See [`Reader::skip_until`]. (asyncio has no counterpart.)
    ///
    /// # Errors
    ///
    /// - [`ReadError::SkipIncomplete`] if the stream ends first; everything is consumed.
    /// - [`Error::Lost`]; everything is consumed.
    ///
    /// # Cancel safety
    ///
    /// What it has discarded is gone. The same call again goes on from there; any other read first
    /// finishes it, and then the same call is a second one.
    pub async fn skip_until(&mut self, separator: &Separator) -> Result<usize, Error> {
        self.answer(|reader| reader.skip_until(separator)).await
    }

    /// Returns the next `count` bytes without taking them, at most the [cap](Self::set_cap). See
    /// [`Reader::peek`]. (asyncio has none.)
    ///
    /// # Errors
    ///
    /// As for [`read_exact`](Self::read_exact); whatever they are, nothing is consumed.
    ///
    /// # Cancel safety
    ///
    /// Safe: what has arrived stays buffered.
    pub async fn peek(&mut self, count: usize) -> Result<&[u8], Error> {
        self.answer(|reader| Ok(reader.peek(count)?.map(|_| ())))
            .await?;
        Ok(self.buffered().get(..count).unwrap_or_default())
    }

    /// Returns the lines as a [`futures_core::Stream`], each copied, with its newline.
    ///
    /// It ends at the end of the stream, and after a loss. A line that is too long is an item, an
    /// error, and the next item is the line after it. (`async for` in asyncio.)
    ///
    /// # Cancel safety
    ///
    /// Safe: no line lives in the stream.
    ///
    /// # Examples
    ///
    /// ```
    /// # use plimsoll_io::{Error, memory};
    /// # smol::block_on(async {
    /// use smol::stream::StreamExt;
    ///
    /// let (mut client, mut server) = memory::pair(1024);
    /// client.writer.write(b"one\n\nlast")?;
    /// client.writer.close().await?;
    ///
    /// let mut lines = server.reader.lines();
    /// let mut seen = Vec::new();
    /// while let Some(line) = lines.next().await {
    ///     seen.push(line?);
    /// }
    /// assert_eq!(seen, ["one\n", "\n", "last"]);
    /// # Ok::<(), Error>(())
    /// # }).unwrap();
    /// ```
    #[doc(alias = "__aiter__")]
    pub fn lines(&mut self) -> Lines<'_, T> {
        Lines {
            reader: self,
            lost: false,
        }
    }

    /// Changes the limit: the most bytes before a separator, 64 KiB unless [`Options::limit`] says
    /// otherwise. See [`Reader::set_limit`]. (asyncio's is fixed.)
    ///
    /// # Panics
    ///
    /// If `limit` is zero.
    pub fn set_limit(&mut self, limit: usize) {
        self.receiver_mut().reader.set_limit(limit);
    }

    /// Changes the cap: the most bytes that may be asked for by count, 16 MiB unless
    /// [`Options::read_cap`] says otherwise. See [`Reader::set_max_read_exact`]. (asyncio has no
    /// counterpart.)
    pub fn set_cap(&mut self, cap: usize) {
        self.receiver_mut().reader.set_max_read_exact(cap);
    }

    /// Returns the bytes that were received and not taken. It receives none. (asyncio has none.)
    pub fn buffered(&self) -> &[u8] {
        self.receiver().reader.buffered()
    }

    /// Tells whether the peer's stream has ended and nothing is buffered, as far as reads have
    /// come.
    ///
    /// It asks nobody: the end shows once a read has met it. False after a loss. (As asyncio's.)
    pub fn at_eof(&self) -> bool {
        self.receiver().reader.at_eof()
    }

    /// Returns `true` if the server that has accepted the connection shuts down: reads that find
    /// nothing buffered see the end of the stream then, which this tells from the peer's.
    /// (asyncio's servers do not tell their handlers.)
    pub fn is_shutting_down(&self) -> bool {
        self.shared.is_shutting_down()
    }

    /// Returns the transport's read side, to ask it what it knows. Reading from it loses the bytes.
    /// (asyncio's `get_extra_info('socket')`.)
    #[doc(alias = "get_extra_info")]
    pub fn transport(&self) -> &T::Read {
        &self.receiver().transport
    }

    /// Returns the address on this side. (asyncio's `get_extra_info('sockname')`, which is
    /// remembered; this asks the socket.)
    ///
    /// # Errors
    ///
    /// Those of the system. They change nothing.
    #[doc(alias = "get_extra_info")]
    pub fn local_addr(&self) -> io::Result<<T::Read as Endpoint>::Address>
    where
        T::Read: Endpoint,
    {
        self.transport().local_addr()
    }

    /// Returns the peer's address. (asyncio's `get_extra_info('peername')`, which is remembered;
    /// this asks the socket.)
    ///
    /// # Errors
    ///
    /// Those of the system, for instance once the connection is gone. They change nothing.
    #[doc(alias = "get_extra_info")]
    pub fn peer_addr(&self) -> io::Result<<T::Read as Endpoint>::Address>
    where
        T::Read: Endpoint,
    {
        self.transport().peer_addr()
    }

    /// Asks the core's reader until it has an answer. All reads are this.
    async fn answer<A>(
        &mut self,
        mut ask: impl FnMut(&mut Reader) -> Result<Step<A>, ReadError>,
    ) -> Result<A, Error> {
        poll_fn(|cx| self.poll_answer(cx, &mut ask)).await
    }

    async fn frame(
        &mut self,
        mut ask: impl FnMut(&mut Reader) -> Result<Step<Frame<'_>>, ReadError>,
    ) -> Result<Frame<'_>, Error> {
        let token = match self.token_at_hand(&mut ask) {
            Some(token) => token?,
            None => self.token(ask).await?,
        };
        Ok(self.frame_of(token))
    }

    /// Asks for a frame that needs no input; `None` if it needs some.
    #[inline]
    pub(crate) fn token_at_hand(
        &mut self,
        mut ask: impl FnMut(&mut Reader) -> Result<Step<Frame<'_>>, ReadError>,
    ) -> Option<Result<FrameToken, Error>> {
        self.receiver_mut()
            .answer_at_hand(|reader| Ok(ask(reader)?.map(Frame::token)))
    }

    /// Waits for a frame.
    pub(crate) async fn token(
        &mut self,
        mut ask: impl FnMut(&mut Reader) -> Result<Step<Frame<'_>>, ReadError>,
    ) -> Result<FrameToken, Error> {
        self.answer(|reader| Ok(ask(reader)?.map(Frame::token)))
            .await
    }

    /// The frame that was asked for last.
    pub(crate) fn frame_of(&mut self, token: FrameToken) -> Frame<'_> {
        self.receiver_mut().reader.frame(token)
    }

    fn poll_answer<A>(
        &mut self,
        cx: &mut Context<'_>,
        ask: impl FnMut(&mut Reader) -> Result<Step<A>, ReadError>,
    ) -> Poll<Result<A, Error>> {
        let receiver = self.receiver.as_mut().expect("a reader that is in use");
        receiver.poll_answer(&self.shared, cx, ask)
    }

    fn receiver(&self) -> &Receiver<T::Read> {
        self.receiver.as_ref().expect("a reader that is in use")
    }

    fn receiver_mut(&mut self) -> &mut Receiver<T::Read> {
        self.receiver.as_mut().expect("a reader that is in use")
    }
}

/// The connection stays open as long as its other half lives.
impl<T: Transport> Drop for StreamReader<T> {
    fn drop(&mut self) {
        if let Some(receiver) = self.receiver.take() {
            self.shared.leave(receiver.transport);
        }
    }
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
    ///   [`close`](Self::close), [`WriteError::Full`] if more than the [cap](Self::set_cap) would
    ///   be pending; what was pending before stays pending.
    /// - [`Error::Lost`]; what was pending is gone. (asyncio drops the write.)
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
        self.queue(|writer| writer.write_bytes(data))
    }

    /// Queues a copy of all `parts`; on an error, nothing. It is not sent yet. (asyncio's
    /// `writelines`.)
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    #[doc(alias = "writelines")]
    pub fn write_vectored(&mut self, parts: &[&[u8]]) -> Result<(), Error> {
        self.queue(|writer| writer.write_all_vectored(parts))
    }

    /// Queues a copy of `line` and what ends it; on an error, nothing. It is not sent yet. What
    /// reaches the peer is one line; [`write`](Self::write) takes any bytes. (asyncio has none.)
    ///
    /// # Errors
    ///
    /// - [`WriteError::NotOneLine`], if a carriage return, a newline or a NUL is in `line`.
    /// - Those of [`write`](Self::write).
    pub fn write_line(&mut self, line: &[u8], end: LineEnding) -> Result<(), Error> {
        self.queue(|writer| writer.write_line(line, end))
    }

    /// Queues formatted text; on an error, nothing. It is not sent yet. It makes `write!` work.
    /// (asyncio has none.)
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
    /// water mark is. That is zero unless [`Options::water_marks`] or
    /// [`set_water_marks`](Self::set_water_marks) has changed it.
    ///
    /// (asyncio's waits only if more than the high mark is pending. Here
    /// [`is_writable`](Self::is_writable) tells that, for whoever would rather not wait.)
    ///
    /// # Errors
    ///
    /// - [`Error::Lost`]; what was pending is gone. (asyncio's succeeds if the abort comes while it
    ///   waits.)
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
    /// has passed it on. (asyncio has none.)
    ///
    /// # Errors
    ///
    /// - [`Error::Lost`]; what was pending is gone.
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

    /// Sends what is pending, then the end of the stream, and waits for both. Reading goes on;
    /// writes fail from now on. Calling it again waits for the same. (asyncio's `write_eof`, which
    /// does not wait.)
    ///
    /// # Errors
    ///
    /// - [`Error::Lost`]; what was pending is gone.
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
        self.shared.queue(|writer| writer.finish());
        self.flush().await
    }

    /// Sends what is pending, then the end of the stream, within [`CLOSE_WITHIN`]. See
    /// [`close_within`](Self::close_within).
    ///
    /// (asyncio's `close` and `wait_closed`, which stop reading too, and wait without bound.)
    ///
    /// # Errors
    ///
    /// As for [`close_within`](Self::close_within).
    ///
    /// # Cancel safety
    ///
    /// Safe: the stream stays closed, and any method that moves bytes goes on with it, without the
    /// bound.
    ///
    /// # Panics
    ///
    /// As for [`close_within`](Self::close_within).
    #[doc(alias = "wait_closed")]
    pub async fn close(&mut self) -> Result<(), Error> {
        self.close_within(CLOSE_WITHIN).await
    }

    /// Sends what is pending, then the end of the stream; if that takes longer than `limit`, gives
    /// the connection up.
    ///
    /// Writes fail from now on. The reader may go on; the connection is gone when both halves are
    /// dropped. Calling it again after it has succeeded succeeds at once. (asyncio has no such
    /// bound.)
    ///
    /// # Errors
    ///
    /// - [`Error::Lost`]; what was pending is gone. With [`ConnectionError::TimedOut`] it was given
    ///   up, as by [`abort`](Self::abort).
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
    pub async fn close_within(&mut self, limit: Duration) -> Result<(), Error> {
        Ok(self.shared.close_within(Party::Writer, limit).await?)
    }

    /// Ends the connection at once, and drops what is pending.
    ///
    /// What the reader has buffered can still be read; behind it reads fail. When both halves are
    /// dropped the peer sees a reset over TCP; a Unix socket knows none, and shows it a clean end.
    /// It never waits for the peer, and wakes whoever does. (asyncio's `transport.abort`, after
    /// which reads see a clean end.)
    pub fn abort(&mut self) {
        self.shared.abort(ConnectionError::Aborted);
    }

    /// Returns `true` if the server that has accepted the connection shuts down. See
    /// [`StreamReader::is_shutting_down`].
    pub fn is_shutting_down(&self) -> bool {
        self.shared.is_shutting_down()
    }

    /// Waits until the server that has accepted the connection shuts down; for ever, if there is no
    /// server, or it does not. A handler that waits for something else, beside reads, says goodbye
    /// then.
    ///
    /// # Cancel safety
    ///
    /// Safe: it changes nothing.
    pub async fn shutting_down(&mut self) {
        poll_fn(|cx| self.shared.poll_shutting_down(Party::Writer, cx)).await;
    }

    /// Tells whether writes fail for good: after `finish`, `close`, `abort`, or a loss that a
    /// method has met. It asks nobody. (asyncio's leaves `write_eof` out.)
    pub fn is_closing(&self) -> bool {
        self.shared.lock().writer.state() != plimsoll::WriterState::Open
    }

    /// Tells whether the user should write more now: false once more than the high water mark is
    /// pending, until no more than the low one is, and where writes fail for good. See
    /// [`plimsoll::Writer::is_writable`]. (asyncio has none: `drain` asks it.)
    pub fn is_writable(&self) -> bool {
        self.shared.is_writable()
    }

    /// Returns how many bytes are pending: written, and not taken by the transport. Zero after a
    /// loss. (asyncio's `transport.get_write_buffer_size`.)
    #[doc(alias = "get_write_buffer_size")]
    pub fn pending(&self) -> usize {
        self.shared.lock().writer.pending()
    }

    /// Changes the water marks, in bytes; at first [`Options::water_marks`]. See
    /// [`plimsoll::Writer::set_water_marks`]. (asyncio's `transport.set_write_buffer_limits`.)
    ///
    /// With a low mark above zero, [`drain`](Self::drain) leaves up to that much for later to send.
    /// A read that [pauses](Options::pause_reading_when_full) is not woken: marks that are raised
    /// help it with the next write, or when something is sent.
    #[doc(alias = "set_write_buffer_limits")]
    pub fn set_water_marks(&mut self, marks: WaterMarks) {
        self.shared.lock().writer.set_water_marks(marks);
    }

    /// Changes the cap: the most bytes that may be pending, 16 MiB unless [`Options::write_cap`]
    /// says otherwise. Pending output stays. See [`plimsoll::Writer::set_max_pending`].
    pub fn set_cap(&mut self, cap: usize) {
        self.shared.lock().writer.set_max_pending(cap);
    }

    /// Lets `look` see the transport's write side, and returns its answer. Writing to it mixes up
    /// the output. (asyncio's `get_extra_info('socket')`.)
    ///
    /// # Deadlock
    ///
    /// Nothing is sent meanwhile; `look` must not use this writer, nor wait for one who does.
    #[doc(alias = "get_extra_info")]
    pub fn with_transport<A>(&self, look: impl FnOnce(&T::Write) -> A) -> A {
        let sending = self.shared.take();
        look(sending.transport().expect("a writer that is in use"))
    }

    /// Returns the address on this side. (asyncio's `get_extra_info('sockname')`, which is
    /// remembered; this asks the socket.)
    ///
    /// # Errors
    ///
    /// Those of the system. They change nothing.
    #[doc(alias = "get_extra_info")]
    pub fn local_addr(&self) -> io::Result<<T::Write as Endpoint>::Address>
    where
        T::Write: Endpoint,
    {
        self.with_transport(Endpoint::local_addr)
    }

    /// Returns the peer's address. (asyncio's `get_extra_info('peername')`, which is remembered;
    /// this asks the socket.)
    ///
    /// # Errors
    ///
    /// Those of the system, for instance once the connection is gone. They change nothing.
    #[doc(alias = "get_extra_info")]
    pub fn peer_addr(&self) -> io::Result<<T::Write as Endpoint>::Address>
    where
        T::Write: Endpoint,
    {
        self.with_transport(Endpoint::peer_addr)
    }

    /// Sends until `enough` says so, or nothing is left to do. Where that need not wait, it lets
    /// other tasks have their turn now and then.
    async fn send_until(
        &mut self,
        enough: impl Fn(&plimsoll::Writer) -> bool,
    ) -> Result<(), Error> {
        let Self { shared, turn, .. } = self;
        poll_fn(|cx| {
            if *turn == 0 {
                *turn = TURN;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let sent = shared.poll_send_until(Party::Writer, cx, &enough);
            *turn = match sent {
                Poll::Ready(_) => turn.saturating_sub(CALL),
                Poll::Pending => TURN,
            };
            sent
        })
        .await?;
        Ok(())
    }

    fn queue(
        &mut self,
        write: impl FnOnce(&mut plimsoll::Writer) -> Result<(), WriteError>,
    ) -> Result<(), Error> {
        self.shared.queue(write).map_err(|error| match error {
            WriteError::ConnectionLost(loss) => {
                let lost = self.shared.lock().lost();
                Error::Lost(lost.unwrap_or(Lost { loss, cause: None }))
            }
            error => Error::Write(error),
        })
    }
}

/// The lines of a [`StreamReader`], one by one. Dropping it loses none. See
/// [`StreamReader::lines`].
#[must_use = "lines are read when they are asked for"]
pub struct Lines<'a, T: Transport> {
    reader: &'a mut StreamReader<T>,
    lost: bool,
}

impl<T: Transport> FuturesStream for Lines<'_, T> {
    type Item = Result<Bytes, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.lost {
            return Poll::Ready(None);
        }
        let line = this.reader.poll_answer(cx, |reader| {
            Ok(reader.read_line()?.map(|line| line.to_bytes()))
        });
        line.map(|line| match line {
            Ok(line) if line.is_empty() => None,
            Err(Error::Lost(lost)) => {
                this.lost = true;
                Some(Err(Error::Lost(lost)))
            }
            line => Some(line),
        })
    }
}

impl<T: Transport> fmt::Debug for Stream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("reader", &self.reader)
            .field("writer", &self.writer)
            .finish()
    }
}

impl<T: Transport> fmt::Debug for StreamReader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reader = self.receiver.as_ref().map(|receiver| &receiver.reader);
        f.debug_tuple("StreamReader").field(&reader).finish()
    }
}

impl<T: Transport> fmt::Debug for StreamWriter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StreamWriter")
            .field(&self.shared.lock().writer)
            .finish()
    }
}

impl<T: Transport> fmt::Debug for Lines<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lines").field(&self.reader).finish()
    }
}

impl<T: Transport> fmt::Debug for NotAPair<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NotAPair")
            .field(&self.0)
            .field(&self.1)
            .finish()
    }
}

impl<T> fmt::Debug for Parts<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("has_layer", &self.layer.is_some())
            .field("unread", &self.unread.len())
            .field("unsent", &self.unsent.iter().map(Bytes::len).sum::<usize>())
            .field("discarding", &self.discarding)
            .finish_non_exhaustive()
    }
}
