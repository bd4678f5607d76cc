//! The half of a connection to read from.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use plimsoll::{ConnectionError, Frame, FrameToken, ReadError, Reader, Separator, Step};

use super::pair::PairSlot;
use super::receiver::Receiver;
use crate::connection::GIVEN_UP;
use crate::driver::Driven;
use crate::error::{ConnectionLost, Error, unless_gone};
use crate::slot::{Command, Party};
use crate::transport::{Addresses, Transport};

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
/// # use plimsoll_io::{Error, ReadError, StreamPair, duplex};
/// # smol::block_on(async {
/// let (client, server) = duplex(1024);
/// let (mut client, mut server) = (StreamPair::new(client), StreamPair::new(server));
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
///         Ok(name) => writer.write_all_vectored(&[b"hello, ", &name?]),
///         Err(_elapsed) => writer.write(b"too slow\n"), // half a line is still in the buffer
///     }
/// }
/// # let _ = greet;
/// # }
/// # #[cfg(not(feature = "tokio"))] fn main() {}
/// ```
pub struct StreamReader<T: Transport> {
    pub(super) receiver: Receiver,
    pub(super) slot: Arc<PairSlot<T>>,
    /// The transport's.
    pub(super) waker: Waker,
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
    /// - [`Error::ConnectionLost`], only when nothing is buffered.
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
    /// - [`Error::ConnectionLost`]; an unfinished line stays buffered.
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
    /// - [`Error::ConnectionLost`]; what there is stays buffered.
    ///
    /// # Cancel safety
    ///
    /// Safe: what has arrived stays buffered, and is not searched again.
    #[doc(alias = "readuntil")]
    pub async fn read_until(&mut self, separator: &Separator) -> Result<Frame<'_>, Error> {
        self.frame(|reader| reader.read_until(separator)).await
    }

    /// Takes exactly `count` bytes, at most the [cap](Self::set_max_read_exact). See
    /// [`Reader::read_exact`]. (asyncio's `readexactly`, which waits for any number.)
    ///
    /// # Errors
    ///
    /// - [`ReadError::CountTooLarge`], without waiting; nothing is consumed.
    /// - [`ReadError::Incomplete`], if the stream ends first; what there is stays buffered.
    /// - [`Error::ConnectionLost`]; what there is stays buffered.
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
    /// - [`Error::ConnectionLost`]; what there is stays buffered.
    ///
    /// # Cancel safety
    ///
    /// Safe: what has arrived stays buffered. (asyncio's loses all of it.)
    pub async fn read_to_end(&mut self, max: usize) -> Result<Frame<'_>, Error> {
        self.frame(|reader| reader.read_to_end(max)).await
    }

    /// Discards everything up to and including the separator that ends first, and returns which of
    /// several it was, counted from zero. See [`Reader::skip_until`].
    ///
    /// # Errors
    ///
    /// - [`ReadError::SkipIncomplete`] if the stream ends first; everything is consumed.
    /// - [`Error::ConnectionLost`]; everything is consumed.
    ///
    /// # Cancel safety
    ///
    /// What it has discarded is gone. The same call again goes on from there; any other read first
    /// finishes it, and then the same call is a second one.
    pub async fn skip_until(&mut self, separator: &Separator) -> Result<usize, Error> {
        self.answer(|reader| reader.skip_until(separator)).await
    }

    /// Returns the next `count` bytes without taking them, at most the
    /// [cap](Self::set_max_read_exact). See [`Reader::peek`].
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

    /// Changes the limit: the most bytes before a separator, 64 KiB unless the
    /// [options](crate::StreamOptions::limit) say otherwise. See [`Reader::set_limit`]. (asyncio's
    /// is fixed.)
    ///
    /// # Panics
    ///
    /// If `limit` is zero.
    pub fn set_limit(&mut self, limit: usize) {
        self.receiver.reader.set_limit(limit);
    }

    /// Changes the cap: the most bytes that may be asked for by count, 16 MiB unless the
    /// [options](crate::StreamOptions::max_read_exact) say otherwise. See
    /// [`Reader::set_max_read_exact`].
    pub fn set_max_read_exact(&mut self, max_read_exact: usize) {
        self.receiver.reader.set_max_read_exact(max_read_exact);
    }

    /// Returns the bytes that were received and not taken. It receives none.
    pub fn buffered(&self) -> &[u8] {
        self.receiver.reader.buffered()
    }

    /// Tells whether the peer's stream has ended and nothing is buffered, as far as reads have
    /// come.
    ///
    /// It makes no call: the end shows once a read has met it. False after a loss. (As asyncio's.)
    pub fn at_eof(&self) -> bool {
        self.receiver.reader.at_eof()
    }

    /// Returns how the connection was lost, with the transport's error, if it was. It makes no call,
    /// and reads nothing.
    ///
    /// Reads return the same error once nothing is buffered. A loss that so far only a write has
    /// met is returned, too, though reads may still find what the peer sent before it.
    #[doc(alias = "exception")]
    pub fn lost(&self) -> Option<ConnectionLost> {
        self.receiver.lost().or_else(|| {
            let lost = self.slot.peek_as(Party::Reader, Driven::how_lost);
            lost.unwrap_or(Some(GIVEN_UP))
        })
    }

    /// Returns `true` if the server that has accepted the connection shuts down: reads that find
    /// nothing buffered see the end of the stream then, which this tells from the peer's.
    /// (asyncio's servers do not tell their handlers.)
    pub fn is_shutting_down(&self) -> bool {
        self.slot.is_shutting_down()
    }

    /// Lets `look` see the transport's read side, and returns its answer. Reading from it loses the
    /// bytes. `None` if the transport is gone: the connection was lost or aborted, or a server has
    /// closed it. (asyncio's `get_extra_info('socket')`.)
    ///
    /// # Deadlock
    ///
    /// `look` must not wait for another who uses this connection.
    #[doc(alias = "get_extra_info")]
    pub fn with_transport<A>(&self, look: impl FnOnce(&T::Read) -> A) -> Option<A> {
        self.slot.with_read_half(look)
    }

    /// Returns the address on this side. (asyncio's `get_extra_info('sockname')`, which is
    /// remembered; this asks the socket.)
    ///
    /// # Errors
    ///
    /// Those of the system. They change nothing.
    #[doc(alias = "get_extra_info")]
    pub fn local_addr(&self) -> io::Result<<T::Read as Addresses>::Address>
    where
        T::Read: Addresses,
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
    pub fn peer_addr(&self) -> io::Result<<T::Read as Addresses>::Address>
    where
        T::Read: Addresses,
    {
        unless_gone(self.with_transport(Addresses::peer_addr))
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
        self.receiver
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
        self.receiver.reader.frame(token)
    }

    pub(super) fn poll_answer<A>(
        &mut self,
        cx: &mut Context<'_>,
        ask: impl FnMut(&mut Reader) -> Result<Step<A>, ReadError>,
    ) -> Poll<Result<A, Error>> {
        self.receiver.poll_answer(&self.slot, &self.waker, cx, ask)
    }
}

/// The connection stays open as long as its other half lives.
impl<T: Transport> Drop for StreamReader<T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What it has read may be half of something.
            self.slot.command(Command::Abort(ConnectionError::Aborted));
        }
        self.slot.leave(Party::Reader);
    }
}

impl<T: Transport> fmt::Debug for StreamReader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StreamReader")
            .field(&self.receiver.reader)
            .finish()
    }
}
