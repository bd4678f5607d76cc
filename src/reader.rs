//! The receive half of a byte stream: bytes in, lines and frames out.
//!
//! The driver puts received bytes in, by [`Reader::feed`] or without a copy by [`Reader::input`]
//! and [`Reader::commit`], and says when no more will come. Reads take from what is there. A read
//! that cannot finish returns [`Step::NeedInput`] and takes nothing, so no byte is ever held by a
//! call, and cancelling it loses none.
//!
//! What a read returns, errors included, depends on the bytes alone, never on packet boundaries.
//! Four things do depend on them: how much [`Reader::read`] takes, which is what is there, the
//! number of bytes that an overrun reports, when a `\r` at the end of what is there turns out to be
//! a [universal newline](Separator::UNIVERSAL_NEWLINE), and what a function of the caller's makes
//! of more than twice the limit that it [sees buffered](Reader::read_with).
//!
//! Semantics follow `asyncio.StreamReader` of CPython 3.13; each method says where it departs.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use crate::buffer::ReceiveBuffer;
use crate::discard::{Discard, Discarding};
use crate::error::{ConnectionError, ReadError, TransportError};
use crate::frame::{Frame, FrameEnd, FrameToken, Peeked};
use crate::length_prefix::LengthPrefix;
use crate::search::{Found, Match, Searches, Unread};
use crate::separator::{Kind, Separator};
use crate::step::{Progress, Step};

/// Takes bytes as they come and gives them out as lines, frames, and counted pieces.
///
/// | a read | returns | over the limit | at the end of the stream |
/// | --- | --- | --- | --- |
/// | [`read`](Self::read) | what is there | has none | an empty frame |
/// | [`read_line`](Self::read_line), [`read_delimited`](Self::read_delimited) | a frame | the frame is discarded, one error | the rest, then empty frames |
/// | [`read_until`](Self::read_until), [`peek_until`](Self::peek_until) | a frame | an error, the data stays | an error, the data stays |
/// | [`read_exact`](Self::read_exact), [`peek`](Self::peek), [`read_length_prefixed`](Self::read_length_prefixed) | a count of bytes | an error, the data stays | an error, the data stays |
/// | [`read_to_end`](Self::read_to_end) | all | an error, the data stays | the rest, then empty frames |
/// | [`skip_until`](Self::skip_until), [`skip_exact`](Self::skip_exact) | no bytes | has none | an error, all is discarded |
///
/// # Frames of several parts
///
/// A read that is cancelled has taken nothing. Two reads are not one: cancelled between a head and
/// its body, the head is gone. Take such a frame by one operation, or look at the head with
/// [`peek_until`](Self::peek_until) or [`peek`](Self::peek) and take head and body together:
///
/// ```
/// use plimsoll::{FrameToken, ReadError, Reader, Separator, Step};
///
/// /// A head that ends with an empty line, and as many bytes as its only field says.
/// fn message(reader: &mut Reader) -> Result<Step<FrameToken>, ReadError> {
///     let Step::Ready(head) = reader.peek_until(&Separator::CRLF_CRLF)? else {
///         return Ok(Step::NeedInput);
///     };
///     let length = head.content().strip_prefix(b"Content-Length: ").unwrap_or_default();
///     let length = str::from_utf8(length).ok().and_then(|length| length.parse().ok());
///     // What is no number, or too large, is more than any read may take.
///     let len = head.len().saturating_add(length.unwrap_or(usize::MAX));
///     Ok(reader.read_exact(len)?.map(|message| message.token()))
/// }
///
/// let mut reader = Reader::new();
/// reader.feed(b"Content-Length: 3\r\n\r\nab");
/// assert!(!reader.read_frame_with(message)?.is_ready());
/// reader.feed(b"c");
/// let Step::Ready(frame) = reader.read_frame_with(message)? else { unreachable!() };
/// assert_eq!(frame, "Content-Length: 3\r\n\r\nabc");
///
/// reader.feed(b"Content-Length: 18446744073709551615\r\n\r\n");
/// assert!(matches!(reader.read_frame_with(message), Err(ReadError::CountTooLarge { .. })));
/// # Ok::<(), ReadError>(())
/// ```
///
/// # Memory
///
/// Reading pauses above twice the limit. A driver that reads only while
/// [`wants_read`](Self::wants_read) holds, at most R bytes at once, makes the reader hold at most M
/// plus R bytes, capacity counted, where M is twice the limit, or the limit and the longest
/// separator if that is more, and R counts as an eighth of M if it is less: with less room than
/// that, the reader would be busy making room. A read by count that
/// waits, or one [to the end](Self::read_to_end), raises M to what it asks for, and only as these
/// bytes arrive; [`set_max_read_exact`](Self::set_max_read_exact) bounds what may be asked for by
/// count. If such a read is cancelled, the memory is held until as much was read as is left. While
/// a block grows, the allocator may hold the old one beside it. The byte strings that were last
/// searched for are kept, with how far each search has come: up to 28 KiB for 32 of the longest,
/// and nothing for newlines. What is being discarded is not held, but for the few bytes that may
/// begin its separator.
///
/// A read that waits with nothing unread frees all memory, until the next [`input`](Self::input) or
/// [`feed`](Self::feed). A skip that waits keeps 56 bytes, to go on when it is called again.
///
/// # Examples
///
/// ```
/// use plimsoll::{ReadError, Reader, Separator, Step};
///
/// let mut reader = Reader::with_limit(8);
/// reader.feed(b"MAIL FROM:<x>\r\nQUIT\r\n22");
///
/// // The limit of this reader is too low for the first command. Nothing is lost by asking.
/// let result = reader.read_until(&Separator::CRLF);
/// assert!(matches!(result, Err(ReadError::LimitOverrun { limit: 8, .. })));
/// assert_eq!(reader.skip_until(&Separator::CRLF)?, Step::Ready(0));
///
/// let Step::Ready(command) = reader.read_until(&Separator::CRLF)? else { unreachable!() };
/// assert_eq!(command.content(), b"QUIT");
///
/// assert!(!reader.read_until(&Separator::CRLF)?.is_ready());
/// assert_eq!(reader.buffered(), b"22");
/// # Ok::<(), plimsoll::ReadError>(())
/// ```
///
/// Two reads cannot overlap, since a frame borrows the reader:
///
/// ```compile_fail,E0499
/// # let mut reader = plimsoll::Reader::new();
/// let first = reader.read_line();
/// let second = reader.read_line();
/// drop((first, second));
/// ```
pub struct Reader {
    buffer: ReceiveBuffer,
    search: Searches,
    /// Most bytes before a separator. Never zero.
    limit: usize,
    /// Most bytes that a read may ask for by count.
    max_read_exact: usize,
    /// How many bytes the read that waits has asked for by count; zero if none did.
    ///
    /// The buffer may grow to hold that many. Nothing is reserved by it.
    wanted: usize,
    /// Invariant: while it is active, no more is buffered than may begin its separator.
    discard: Discard,
    /// Whether more than twice the limit was buffered, and since then never as little as the limit.
    ///
    /// False while a discard is active.
    is_paused: bool,
    /// Whether [`Reader::feed_eof`] was called, whatever else may have ended the stream.
    has_eof: bool,
    /// Whether this side closed before the stream had ended, whatever came later.
    is_closed: bool,
    /// How the stream ended; `None` while it goes on.
    end: Option<End>,
    /// Whether a read has taken something since a function of the caller's began.
    #[cfg(feature = "testing")]
    has_taken: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    /// The peer finished.
    Eof,
    /// This side closed, and wants no more.
    Closed,
    Lost(ConnectionError),
}

impl Reader {
    /// The limit of a new reader, 64 KiB, as in asyncio.
    pub const DEFAULT_LIMIT: usize = 64 * 1024;
    /// Most bytes that a read of a new reader may ask for by count, 16 MiB.
    pub const DEFAULT_MAX_READ_EXACT: usize = 16 * 1024 * 1024;

    /// Creates a reader with the default limit.
    pub const fn new() -> Self {
        Self::with_limit(Self::DEFAULT_LIMIT)
    }

    /// Creates a reader that accepts lines and frames of at most `limit` bytes, separator not
    /// counted.
    ///
    /// # Panics
    ///
    /// If `limit` is zero. (asyncio raises `ValueError`.)
    pub const fn with_limit(limit: usize) -> Self {
        assert!(limit > 0, "limit of zero bytes");
        Self {
            buffer: ReceiveBuffer::new(),
            search: Searches::new(),
            limit,
            max_read_exact: Self::DEFAULT_MAX_READ_EXACT,
            wanted: 0,
            discard: Discard::Nothing,
            is_paused: false,
            has_eof: false,
            is_closed: false,
            end: None,
            #[cfg(feature = "testing")]
            has_taken: false,
        }
    }

    /// Sets the limit, in bytes. Between two calls it sets that of the next call.
    ///
    /// Whether reading is paused is decided anew. (asyncio's limit is fixed.)
    ///
    /// # Panics
    ///
    /// If `limit` is zero.
    pub fn set_limit(&mut self, limit: usize) {
        assert!(limit > 0, "limit of zero bytes");
        self.limit = limit;
        self.pause_if_full();
        self.resume_if_low();
    }

    /// Sets the most bytes that a read may ask for by count, 16 MiB by default: of
    /// [`read_exact`](Self::read_exact), [`peek`](Self::peek) and
    /// [`read_length_prefixed`](Self::read_length_prefixed).
    ///
    /// Such a number often comes from the peer. (asyncio waits for any number of bytes.)
    pub fn set_max_read_exact(&mut self, max: usize) {
        self.max_read_exact = max;
    }

    /// Appends bytes received from the peer.
    ///
    /// An empty `input` changes nothing. After [`Connection::close`](crate::Connection::close) any
    /// input is discarded. After [`feed_lost`](Self::feed_lost) it is accepted otherwise, and comes
    /// before the loss. While reading is paused it is accepted too; then it is the caller who lets
    /// memory grow.
    ///
    /// # Panics
    ///
    /// If [`feed_eof`](Self::feed_eof) was called before, whatever came before or after it, and
    /// even if `input` is empty.
    #[doc(alias = "feed_data")]
    pub fn feed(&mut self, input: &[u8]) {
        self.assert_not_ended();
        if !input.is_empty() && !self.is_closed {
            let ceiling = self.ceiling(input.len());
            self.buffer.append(input, ceiling);
            self.received();
        }
    }

    /// Returns room for the driver to receive into, without a copy: `size` bytes, or fewer if
    /// memory has reached its bound, but none only if `size` is zero.
    ///
    /// [`commit`](Self::commit) then says how many it received; without that nothing has happened.
    /// The room holds zeros or stale bytes: a block is zeroed once, not for each read. It takes
    /// memory, so a driver that can tell when the transport is readable asks for it then; one that
    /// blocks in the call holds one read meanwhile. A read in between may take the room back.
    ///
    /// # Panics
    ///
    /// If [`feed_eof`](Self::feed_eof) was called before, or if the allocator cannot give so much.
    ///
    /// # Examples
    ///
    /// ```
    /// # use plimsoll::Reader;
    /// # let mut reader = Reader::new();
    /// # let receive = |room: &mut [u8]| { room[..6].copy_from_slice(b"PING\r\n"); 6 };
    /// let received = receive(reader.input(16 * 1024));
    /// reader.commit(received);
    /// # assert_eq!(reader.buffered(), b"PING\r\n");
    /// ```
    pub fn input(&mut self, size: usize) -> &mut [u8] {
        self.assert_not_ended();
        let ceiling = self.ceiling(size);
        self.buffer.spare(size, ceiling)
    }

    /// Appends the first `received` bytes of the room that [`input`](Self::input) has given.
    ///
    /// The same as [`feed`](Self::feed) of these bytes. A `commit` of zero frees the room's memory
    /// if nothing is unread.
    ///
    /// # Panics
    ///
    /// If [`feed_eof`](Self::feed_eof) was called before, or if the room was smaller or is taken
    /// back.
    pub fn commit(&mut self, received: usize) {
        self.assert_not_ended();
        let kept = if self.is_closed { 0 } else { received };
        self.buffer.commit(received, kept);
        if kept == 0 {
            self.release_if_empty();
        } else {
            self.received();
        }
    }

    /// Records the result of a call that received into the room that [`input`](Self::input) has
    /// given, of a driver that keeps the halves of a connection in two places.
    /// [`Connection::on_receive`](crate::Connection::on_receive) has the rules.
    ///
    /// `send_error` is the loss that a send was told of, if any: the writer's
    /// [`connection_error`](crate::Writer::connection_error). No read may come between `input` and
    /// this: it may take the room back, and then the receive is a failure of the transport.
    ///
    /// # Panics
    ///
    /// If [`feed_eof`](Self::feed_eof) was called before, or an earlier end was recorded.
    pub fn on_receive(
        &mut self,
        result: Result<usize, impl Into<TransportError>>,
        send_error: Option<ConnectionError>,
    ) -> Progress {
        let room = self.buffer.offered();
        let result = result.map_err(Into::into);
        if let (true, Ok(1..)) = (self.is_closed, result) {
            // This side closed meanwhile, which may have taken the room back. Nothing is kept.
            self.commit(0);
            return Progress::Moved;
        }
        self.commit(
            result
                .ok()
                .filter(|received| *received <= room)
                .unwrap_or(0),
        );
        match (result, send_error) {
            // The system has reported the loss to the send, and reports it only once.
            (Ok(0), Some(error)) if error.ends_both_directions() => self.record_loss(error),
            (Ok(0), _) => self.feed_eof(),
            (Ok(received), _) if received <= room => {}
            // More than there was room for: this transport is not to be trusted.
            (Ok(_), _) => self.record_loss(ConnectionError::Transport),
            (Err(TransportError::WouldBlock), _) => return Progress::Blocked,
            (Err(TransportError::Interrupted), _) => return Progress::Interrupted,
            (Err(TransportError::Lost(error)), _) => self.record_loss(error),
        }
        Progress::Moved
    }

    /// Records a loss that a receive has met. Of several losses the first counts.
    fn record_loss(&mut self, error: ConnectionError) {
        if self.connection_error().is_none() {
            self.feed_lost(error);
        }
    }

    /// Records that the peer will send no more. Calling it again changes nothing.
    pub fn feed_eof(&mut self) {
        self.has_eof = true;
        self.end.get_or_insert(End::Eof);
        self.settle_discard();
        self.release_if_empty();
    }

    /// Records that the connection was lost.
    ///
    /// Reads first take what is buffered, as far as it completes them, then fail with
    /// [`ReadError::ConnectionLost`]. A loss overrides an end that was fed before, and an earlier
    /// loss; an end that is fed later changes nothing for reads. (With an exception set, asyncio's
    /// reader makes buffered bytes unreachable.)
    #[doc(alias = "set_exception")]
    pub fn feed_lost(&mut self, error: ConnectionError) {
        self.end = Some(End::Lost(error));
        self.settle_discard();
        self.release_if_empty();
    }

    /// Stops reading on this side.
    ///
    /// What is buffered can still be read; after it reads return the end of the stream. Bytes that
    /// arrive later are discarded. Changes nothing if the stream has ended already.
    pub(crate) fn close(&mut self) {
        self.is_closed |= self.end.is_none();
        self.end.get_or_insert(End::Closed);
        self.settle_discard();
        self.release_if_empty();
    }

    /// Lends the reader a block to receive into, instead of memory of its own.
    ///
    /// A driver of many connections that mostly have nothing buffered can work in a few blocks: it
    /// lends one before it [receives](Self::input), and [reclaims](Self::reclaim) it once the reads
    /// of that connection wait. The block is emptied, so that a transport sees none of the bytes
    /// that another connection has left in it. It may come back larger, if a frame needed it.
    ///
    /// # Errors
    ///
    /// The block, if bytes are held, or another block is on loan. The reader then goes on in its
    /// own memory: a driver receives into the block itself and [feeds](Self::feed) what came.
    ///
    /// # Examples
    ///
    /// ```
    /// use plimsoll::{Reader, Step};
    ///
    /// let mut pool = vec![Vec::with_capacity(16 * 1024)];
    /// let mut reader = Reader::new();
    /// for _ in 0..1000 {
    ///     reader.lend(pool.pop().unwrap()).unwrap();
    ///     reader.feed(b"PING\r\n"); // or `input`, receive, `commit`
    ///     while let Step::Ready(line) = reader.read_line()? {
    ///         assert_eq!(line, "PING\r\n");
    ///     }
    ///     pool.extend(reader.reclaim());
    ///     assert_eq!(reader.capacity(), 0);
    /// }
    /// # Ok::<(), plimsoll::ReadError>(())
    /// ```
    pub fn lend(&mut self, block: Vec<u8>) -> Result<(), Vec<u8>> {
        self.buffer.lend(block)
    }

    /// Takes back the block that was [lent](Self::lend), empty.
    ///
    /// What is unread, the beginning of a frame whose rest has yet to come, moves to a block of
    /// just its size. Returns `None` if no block is on loan, or if frames that were taken without a
    /// copy keep it alive; the reader then leaves it to them, if little is unread. Room that
    /// [`input`](Self::input) has given is taken back.
    pub fn reclaim(&mut self) -> Option<Vec<u8>> {
        self.buffer.reclaim()
    }

    /// Reads as many bytes as are there, at least one and at most `max`.
    ///
    /// Returns an empty frame at the end of the stream and, immediately, if `max` is zero.
    ///
    /// # Errors
    ///
    /// - [`ReadError::ConnectionLost`], only if nothing is buffered.
    pub fn read(&mut self, max: usize) -> Result<Step<Frame<'_>>, ReadError> {
        if max == 0 {
            return self.read_exact(0);
        }
        self.finish_discard();
        if self.is_empty() && self.wait_or_end(0)? == More::ToCome {
            return Ok(Step::NeedInput);
        }
        let len = self.buffer.len().min(max);
        Ok(Step::Ready(self.take(len, FrameEnd::NONE)))
    }

    /// Reads one line, including its `\n`.
    ///
    /// The last line may lack its newline, and then [`Frame::separator_index`] is `None`. At the
    /// end of the stream every call returns an empty frame, which no earlier call does: a loop has
    /// to look for it. A `\r` before the newline is a part of the line, which
    /// [`Frame::without_line_ending`] leaves out; for lines that must end with `\r\n` there is
    /// [`read_until`](Self::read_until) with [`Separator::CRLF`].
    ///
    /// A line that is too long is discarded, up to and including its newline, wherever that
    /// arrives, while no more than the limit is held. (asyncio's `readline` discards what it has
    /// and may return the rest as a line.)
    ///
    /// # Errors
    ///
    /// - [`ReadError::LineTooLong`], once for each such line; the next call returns the line after
    ///   it.
    /// - [`ReadError::ConnectionLost`]; an unfinished line stays buffered.
    ///
    /// # Examples
    ///
    /// ```
    /// # use plimsoll::{ReadError, Reader, Step};
    /// # let mut reader = Reader::with_limit(8);
    /// # reader.feed(b"one\nmuch too long\ntwo\nlast");
    /// # reader.feed_eof();
    /// # let (mut seen, mut errors) = (Vec::new(), 0);
    /// loop {
    ///     match reader.read_line() {
    ///         Ok(Step::Ready(line)) if line.is_empty() => break, // the end of the stream
    ///         Ok(Step::Ready(line)) => seen.push(line.to_bytes()),
    ///         Ok(Step::NeedInput) => { /* receive, then feed */ }
    ///         Err(ReadError::LineTooLong { .. }) => errors += 1, // and on to the next line
    ///         Err(error) => return Err(error),
    ///     }
    /// }
    /// # assert_eq!((seen, errors), (vec!["one\n".into(), "two\n".into(), "last".into()], 1));
    /// # Ok::<(), ReadError>(())
    /// ```
    #[doc(alias = "readline")]
    #[inline]
    pub fn read_line(&mut self) -> Result<Step<Frame<'_>>, ReadError> {
        // The common case inline, and nothing in it that is returned through memory.
        let content = match self.search.known_newline(self.buffer.position()) {
            Some(content) => content,
            None => match self.look_for_newline() {
                Some(content) => content,
                None => return self.read_line_not_at_hand(None),
            },
        };
        if content > self.limit || !self.discard.is_nothing() {
            return self.read_line_not_at_hand(Some(content));
        }
        Ok(Step::Ready(
            self.take(content.wrapping_add(1), FrameEnd::NEWLINE),
        ))
    }

    /// Reads one line that ends with `separator`, including it: as [`read_line`](Self::read_line),
    /// for a separator of the caller's.
    ///
    /// The last line may lack its separator, and then [`Frame::separator_index`] is `None`. At the
    /// end of the stream every call returns an empty frame. A line that is too long is discarded,
    /// up to and including its separator, wherever that arrives.
    ///
    /// # Errors
    ///
    /// - [`ReadError::LineTooLong`], once for each such line; the next call returns the line after
    ///   it.
    /// - [`ReadError::BareLineBreak`], with [`Separator::STRICT_CRLF`] only, as for
    ///   [`read_until`](Self::read_until), and for a `\r` at the end of the stream; nothing is
    ///   consumed.
    /// - [`ReadError::ConnectionLost`]; an unfinished line stays buffered.
    ///
    /// # Examples
    ///
    /// ```
    /// use plimsoll::{ReadError, Reader, Separator, Step};
    ///
    /// let mut reader = Reader::with_limit(15);
    /// reader.feed(b"####################$X*5");
    /// let result = reader.read_delimited(&Separator::CRLF);
    /// assert_eq!(result.unwrap_err(), ReadError::LineTooLong { limit: 15 });
    ///
    /// reader.feed(b"8\r\n$GPRMC,A*26\r\n");
    /// let Step::Ready(line) = reader.read_delimited(&Separator::CRLF)? else { unreachable!() };
    /// assert_eq!(line.content(), b"$GPRMC,A*26");
    /// # Ok::<(), ReadError>(())
    /// ```
    pub fn read_delimited(&mut self, separator: &Separator) -> Result<Step<Frame<'_>>, ReadError> {
        self.finish_discard();
        let limit = self.limit;
        let found = match self.find(separator) {
            Found::Match(found) if found.content <= limit => found,
            Found::Match(found) => {
                self.take_bytes(found.end);
                return Err(ReadError::LineTooLong { limit });
            }
            Found::Bare(before) if before <= limit => {
                return Err(ReadError::BareLineBreak { before });
            }
            Found::Bare(_) | Found::Nothing => match self.bare_at_end(separator) {
                Some(before) if before <= limit => {
                    return Err(ReadError::BareLineBreak { before });
                }
                _ => return self.read_partial_line(separator),
            },
        };
        Ok(Step::Ready(self.take_match(found)))
    }

    /// Reads up to and including the separator that ends first.
    ///
    /// The frame includes the separator, and tells [which](Frame::separator_index) of several it
    /// was. At most the limit precedes it. The cost is linear in the bytes fed since the last call
    /// with the same byte strings, also when other reads were tried or cancelled in between. That
    /// holds for newlines and for the 32 byte strings that were last searched for.
    ///
    /// A frame that is too long stays buffered, unlike a line:
    /// [`read_delimited`](Self::read_delimited) discards it, or [`skip_until`](Self::skip_until)
    /// does.
    ///
    /// # Errors
    ///
    /// - [`ReadError::LimitOverrun`], as soon as no separator can begin within the limit; nothing
    ///   is consumed.
    /// - [`ReadError::Incomplete`] if the stream ends first; what there is stays buffered. A
    ///   [clean end](ReadError::is_clean_end), between two frames, is the one with `buffered: 0`.
    /// - [`ReadError::BareLineBreak`], with [`Separator::STRICT_CRLF`] only, as soon as it is
    ///   certain and no more than the limit precedes it; nothing is consumed.
    /// - [`ReadError::ConnectionLost`]; what there is stays buffered.
    #[doc(alias = "readuntil")]
    #[inline]
    pub fn read_until(&mut self, separator: &Separator) -> Result<Step<Frame<'_>>, ReadError> {
        // The common case inline, and nothing in it that is returned through memory.
        if self.discard.is_nothing() {
            let received = unread_of(&self.buffer, false);
            let found = match separator.kind() {
                Kind::One(pattern) => self.search.find_one(pattern, &received),
                Kind::Any(set) => self.search.find_first(set, &received),
                Kind::StrictCrlf | Kind::UniversalNewline => None,
            };
            match found {
                Some(found) if found.content <= self.limit => {
                    return Ok(Step::Ready(self.take_match(found)));
                }
                _ => {}
            }
        }
        Ok(match self.find_frame(separator)? {
            Step::Ready(found) => Step::Ready(self.take_match(found)),
            Step::NeedInput => Step::NeedInput,
        })
    }

    /// Returns the bytes up to and including the separator that ends first, without taking them.
    ///
    /// [`consume`](Self::consume) takes them, or any other read does, also with bytes after them:
    /// this is how a head is looked at that says how long the frame is.
    ///
    /// # Errors
    ///
    /// As for [`read_until`](Self::read_until).
    ///
    /// # Examples
    ///
    /// ```
    /// use plimsoll::{Reader, Separator, Step};
    ///
    /// let mut reader = Reader::new();
    /// reader.feed(b"$5\r\nhello\r\n");
    /// let Step::Ready(head) = reader.peek_until(&Separator::CRLF)? else { unreachable!() };
    /// assert_eq!(head.content(), b"$5");
    /// let len = head.len();
    /// assert_eq!(reader.buffered(), b"$5\r\nhello\r\n");
    /// reader.consume(len);
    /// assert_eq!(reader.buffered(), b"hello\r\n");
    /// # Ok::<(), plimsoll::ReadError>(())
    /// ```
    pub fn peek_until(&mut self, separator: &Separator) -> Result<Step<Peeked<'_>>, ReadError> {
        Ok(match self.find_frame(separator)? {
            Step::Ready(found) => {
                let bytes = self.buffer.unread().get(..found.end).unwrap_or_default();
                Step::Ready(Peeked::new(bytes, found.into()))
            }
            Step::NeedInput => Step::NeedInput,
        })
    }

    /// Reads exactly `count` bytes, or none, immediately, if `count` is zero.
    ///
    /// The limit does not apply, [`set_max_read_exact`](Self::set_max_read_exact) does.
    ///
    /// # Errors
    ///
    /// - [`ReadError::CountTooLarge`], without waiting; nothing is consumed.
    /// - [`ReadError::Incomplete`] if the stream ends first; what there is stays buffered. A
    ///   [clean end](ReadError::is_clean_end), between two frames, is the one with `buffered: 0`.
    /// - [`ReadError::ConnectionLost`]; what there is stays buffered.
    #[doc(alias = "readexactly")]
    pub fn read_exact(&mut self, count: usize) -> Result<Step<Frame<'_>>, ReadError> {
        match self.gather(count)? {
            // Taking nothing resumes nothing.
            Step::Ready(()) if count == 0 => Ok(Step::Ready(Frame::last_taken(
                &mut self.buffer,
                0,
                FrameEnd::NONE,
            ))),
            Step::Ready(()) => Ok(Step::Ready(self.take(count, FrameEnd::NONE))),
            Step::NeedInput => Ok(Step::NeedInput),
        }
    }

    /// Reads a frame whose length stands in its head: what comes after the number, unless
    /// [`LengthPrefix::skip`] says otherwise. Head and frame are taken together.
    ///
    /// The length is checked when the number has arrived: head and frame together have at most as
    /// many bytes as [`set_max_read_exact`](Self::set_max_read_exact) allows. Nothing is reserved
    /// on the number alone.
    ///
    /// # Errors
    ///
    /// - [`ReadError::CountTooLarge`], [`ReadError::InvalidLength`], as soon as the number has
    ///   arrived; nothing is consumed.
    /// - [`ReadError::Incomplete`] if the stream ends first; what there is stays buffered. A
    ///   [clean end](ReadError::is_clean_end), between two frames, is the one with `buffered: 0`.
    /// - [`ReadError::ConnectionLost`]; what there is stays buffered.
    pub fn read_length_prefixed(
        &mut self,
        prefix: &LengthPrefix,
    ) -> Result<Step<Frame<'_>>, ReadError> {
        if self.gather(prefix.head_len())? == Step::NeedInput {
            return Ok(Step::NeedInput);
        }
        let head = self.buffer.unread().get(..prefix.head_len());
        let length = prefix.number_in(head.unwrap_or_default());
        let Some(total) = prefix.total_len(length) else {
            return Err(ReadError::InvalidLength { length });
        };
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        if total > self.max_read_exact {
            // The peer's number stays untold: out of step, a prefix is any bytes.
            let (requested, max) = (usize::MAX, self.max_read_exact);
            return Err(ReadError::CountTooLarge { requested, max });
        }
        if self.gather(total)? == Step::NeedInput {
            return Ok(Step::NeedInput);
        }
        self.note_taken(total);
        self.take_bytes(total);
        let len = total.saturating_sub(prefix.skipped_of(total));
        Ok(Step::Ready(Frame::last_taken(
            &mut self.buffer,
            len,
            FrameEnd::NONE,
        )))
    }

    /// Reads everything up to the end of the stream, at most `max` bytes.
    ///
    /// Returns an empty frame if the stream has ended and nothing is left. (asyncio's `read(-1)`
    /// has no bound, and loses everything when cancelled.)
    ///
    /// # Errors
    ///
    /// - [`ReadError::StreamTooLong`], as soon as more than `max` bytes are there; nothing is
    ///   consumed.
    /// - [`ReadError::ConnectionLost`]; what there is stays buffered.
    pub fn read_to_end(&mut self, max: usize) -> Result<Step<Frame<'_>>, ReadError> {
        self.finish_discard();
        if self.len() > max {
            return Err(ReadError::StreamTooLong { max });
        }
        match self.wait_or_end(max)? {
            More::ToCome => Ok(Step::NeedInput),
            More::Never => Ok(Step::Ready(self.take_rest())),
        }
    }

    /// Reads by a function of the caller's, which asks the reader whatever it needs.
    ///
    /// It is called again, from its beginning, each time that more input has arrived, so it should
    /// look at what it needs and take it all at the end: what it has taken before it needs more
    /// input is gone if the read is cancelled. With the feature `testing` that panics. A skip that
    /// waits is no such thing, but it has to come last: what follows it, in the same function,
    /// finds it finished or not as packets have it. A `T` that borrows from the reader cannot be
    /// returned; for frames there is [`read_frame_with`](Self::read_frame_with).
    ///
    /// # Errors
    ///
    /// Those of `read`. If it needs input where none can come, so that waiting would never end:
    ///
    /// - [`ReadError::LimitOverrun`] while more than twice the limit is buffered, and `read` made
    ///   no read of this reader wait for more. So a function that looks at
    ///   [`buffered`](Self::buffered) alone can rely on seeing that much, and sees more only where
    ///   more came at once.
    /// - [`ReadError::Incomplete`], [`ReadError::ConnectionLost`], after the end of the stream.
    ///
    /// # Panics
    ///
    /// With the feature `testing` only, if `read` has consumed something and then needs input.
    pub fn read_with<T, E: From<ReadError>>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<Step<T>, E>,
    ) -> Result<Step<T>, E> {
        #[cfg(feature = "testing")]
        {
            self.has_taken = false;
        }
        let step = read(self)?;
        if !step.is_ready() {
            #[cfg(feature = "testing")]
            assert!(
                !self.has_taken,
                "a read has consumed something and then needs input: \
                 if it is cancelled, what it took is lost"
            );
            self.wait_for_function()?;
        }
        Ok(step)
    }

    /// Reads a frame by a function of the caller's, which returns the [token](Frame::token) of the
    /// last frame that it has taken. See [`read_with`](Self::read_with).
    ///
    /// # Errors
    ///
    /// As for [`read_with`](Self::read_with).
    ///
    /// # Panics
    ///
    /// As for [`read_with`](Self::read_with), and if the reader was used after the frame was taken:
    /// no read may follow it, not even a [`peek`](Self::peek), whether or not that panics.
    pub fn read_frame_with<E: From<ReadError>>(
        &mut self,
        read: impl FnMut(&mut Self) -> Result<Step<FrameToken>, E>,
    ) -> Result<Step<Frame<'_>>, E> {
        Ok(match self.read_with(read)? {
            Step::Ready(token) => Step::Ready(self.frame(token)),
            Step::NeedInput => Step::NeedInput,
        })
    }

    /// Discards everything up to and including the separator that ends first, and returns which of
    /// several it was, by its place in the set.
    ///
    /// It discards while it waits, and holds no more than what may begin a separator, the longest
    /// less one byte. The same call again goes on, and returns when the separator has arrived. If
    /// it is cancelled, any other read, [`peek`](Self::peek) and [`buffered`](Self::buffered) first
    /// finish the discard, so that the tail of a frame never comes out as one;
    /// [`stop_discarding`](Self::stop_discarding) ends it.
    ///
    /// # Errors
    ///
    /// - [`ReadError::SkipIncomplete`] if the stream ends first; everything is consumed.
    /// - [`ReadError::ConnectionLost`]; everything is consumed, except what may begin a separator.
    pub fn skip_until(&mut self, separator: &Separator) -> Result<Step<usize>, ReadError> {
        let is_same = match &self.discard {
            Discard::Until(until) => until.is_skip && until.separator == *separator,
            _ => false,
        };
        if !is_same {
            self.finish_discard();
            if self.discard.is_active() {
                return self.wait_to_skip(0);
            }
            let received = unread_of(&self.buffer, self.has_ended());
            if let Some(found) = self.search.find_any_end(separator, &received) {
                self.note_taken(found.end);
                self.take_bytes(found.end);
                return Ok(Step::Ready(found.index));
            }
            self.is_paused = false;
            self.discard = Discard::until(separator, true);
            self.advance_discard();
        }
        if let Discard::Until(until) = &self.discard {
            if let Some(index) = until.found {
                self.discard = Discard::Nothing;
                self.note_taken(1);
                return Ok(Step::Ready(index));
            }
        }
        self.wait_to_skip(self.discard.discarded())
    }

    /// Discards `count` bytes.
    ///
    /// It discards while it waits, and holds nothing, however many they are. The same call again
    /// goes on, and returns when all have arrived. If it is cancelled, it is finished as
    /// [`skip_until`](Self::skip_until) is.
    ///
    /// # Errors
    ///
    /// - [`ReadError::SkipIncomplete`] if the stream ends first; everything is consumed.
    /// - [`ReadError::ConnectionLost`]; everything is consumed.
    pub fn skip_exact(&mut self, count: u64) -> Result<Step<()>, ReadError> {
        let is_same = match &self.discard {
            Discard::Count(skip) => skip.total == count && count > 0,
            _ => false,
        };
        if !is_same {
            self.finish_discard();
            if self.discard.is_active() {
                return self.wait_to_skip(0);
            }
            if count <= self.buffer.len() as u64 {
                self.note_taken(count as usize);
                self.take_bytes(count as usize);
                return Ok(Step::Ready(()));
            }
            self.is_paused = false;
            self.discard = Discard::count(count, count);
            self.advance_discard();
        }
        match &self.discard {
            Discard::Count(skip) if skip.left > 0 => self.wait_to_skip(self.discard.discarded()),
            _ => {
                self.discard = Discard::Nothing;
                self.note_taken(1);
                Ok(Step::Ready(()))
            }
        }
    }

    /// Ends a discard: of a line that was too long, or of a skip that was cancelled.
    ///
    /// What arrives from now on is read, though it may be the tail of a frame; so are the few bytes
    /// that may have begun its separator.
    pub fn stop_discarding(&mut self) {
        self.discard = Discard::Nothing;
        self.pause_if_full();
    }

    /// Returns the next `count` bytes without taking them.
    ///
    /// The limit does not apply, [`set_max_read_exact`](Self::set_max_read_exact) does.
    ///
    /// # Errors
    ///
    /// As for [`read_exact`](Self::read_exact). What there is can be seen by
    /// [`buffered`](Self::buffered).
    pub fn peek(&mut self, count: usize) -> Result<Step<&[u8]>, ReadError> {
        match self.gather(count)? {
            Step::Ready(()) => Ok(Step::Ready(
                self.buffered().get(..count).unwrap_or_default(),
            )),
            Step::NeedInput => Ok(Step::NeedInput),
        }
    }

    /// Takes the first `count` bytes of what is [buffered](Self::buffered): bytes that
    /// [`peek`](Self::peek), [`peek_until`](Self::peek_until) or `buffered` have shown.
    ///
    /// # Panics
    ///
    /// If fewer are buffered.
    pub fn consume(&mut self, count: usize) {
        let buffered = self.len();
        assert!(
            count <= buffered,
            "{count} bytes consumed of {buffered} buffered"
        );
        if count > 0 {
            self.finish_discard();
            self.note_taken(count);
            self.take_bytes(count);
        }
    }

    /// Gets back the frame that a token of this reader stands for.
    ///
    /// # Panics
    ///
    /// If the reader was used since the token was made. (The token of another reader gives a panic
    /// or wrong bytes.)
    #[inline]
    pub fn frame(&mut self, token: FrameToken) -> Frame<'_> {
        assert!(
            token.is_current(&self.buffer),
            "frame asked for after the reader was used again"
        );
        Frame::restore(&mut self.buffer, token)
    }

    /// Returns the bytes that were received and not taken, without a copy, and drops the reader.
    ///
    /// While a discard goes on, they are the few bytes that may begin its separator.
    #[must_use = "these bytes were received and not read"]
    pub fn into_unread(self) -> Bytes {
        self.buffer.into_unread()
    }

    /// Returns the bytes that were received and not taken, without taking them. None while a
    /// discard goes on.
    #[inline]
    pub fn buffered(&self) -> &[u8] {
        if self.discard.is_active() {
            return &[];
        }
        self.buffer.unread()
    }

    /// Returns `true` if the peer's stream has ended, or this side closed it, and nothing is
    /// buffered.
    ///
    /// `false` after a loss, before or after the end.
    pub fn at_eof(&self) -> bool {
        self.has_ended() && self.is_empty()
    }

    /// Returns `true` if the driver should receive now.
    ///
    /// It should not while reading is [paused](Self::is_paused), nor once the stream has ended, was
    /// closed or was lost.
    pub fn wants_read(&self) -> bool {
        self.end.is_none() && !self.is_paused
    }

    /// Returns `true` if reading is held back because too much is buffered.
    ///
    /// It is once more than twice the limit is buffered, until a read leaves no more than the
    /// limit, or has to wait.
    pub const fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Returns `true` if the bytes that come next are discarded: they belong to a line that was too
    /// long, or to a [skip](Self::skip_until) that has not finished.
    pub fn is_discarding(&self) -> bool {
        self.discard.is_active()
    }

    /// Returns what of the bytes that come next is discarded, if anything.
    pub fn discarding(&self) -> Option<Discarding> {
        self.discard.to_public()
    }

    /// Returns the limit, in bytes.
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the most bytes that a read may ask for by count.
    pub const fn max_read_exact(&self) -> usize {
        self.max_read_exact
    }

    /// Returns how many bytes were taken or discarded: the position in the stream of the next byte
    /// to be read.
    ///
    /// Bytes that arrived after [`Connection::close`](crate::Connection::close) do not count.
    pub fn position(&self) -> u64 {
        self.buffer.position()
    }

    /// Returns how much memory is held for bytes, used or not, in bytes. A block on loan counts.
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Returns how the connection was lost, if it was.
    pub const fn connection_error(&self) -> Option<ConnectionError> {
        match self.end {
            Some(End::Lost(error)) => Some(error),
            _ => None,
        }
    }

    /// Returns what the reader's searches and moves have cost so far.
    #[cfg(feature = "counters")]
    pub fn costs(&self) -> Costs {
        Costs {
            examined: self.search.examined(),
            copied: self.buffer.copied(),
        }
    }

    /// Whether the peer's stream has ended, or this side closed it, read to its end or not.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.end, Some(End::Eof | End::Closed))
    }

    /// Whether the peer has ended its stream in order, even if this side had closed it before.
    pub(crate) fn has_eof(&self) -> bool {
        self.has_eof
    }

    /// Takes a loss back that came after this side had closed, and had nothing left to lose.
    pub(crate) fn disregard_loss(&mut self) {
        self.end = Some(End::Closed);
    }

    /// Goes on with what another owner of the stream has left.
    pub(crate) fn resume(&mut self, unread: &[u8], discarding: Option<Discarding>) {
        self.discard = discarding.map_or(Discard::Nothing, Into::into);
        self.feed(unread);
    }

    fn assert_not_ended(&self) {
        assert!(!self.has_eof, "input fed after the end of the stream");
    }

    /// The most bytes for the block to grow to when `size` more come.
    ///
    /// At least an eighth of the most that may be unread is room for them, since each time that it
    /// is used up the block's bytes are moved.
    fn ceiling(&self, size: usize) -> usize {
        let unread = self.limit.saturating_mul(2).max(self.wanted);
        unread.saturating_add(size.max(unread / 8))
    }

    /// Takes note of bytes that were appended.
    fn received(&mut self) {
        self.settle_discard();
        self.pause_if_full();
    }

    fn pause_if_full(&mut self) {
        if self.buffer.len() > self.limit.saturating_mul(2) && !self.discard.is_active() {
            self.is_paused = true;
        }
    }

    #[inline]
    fn resume_if_low(&mut self) {
        if self.is_paused && self.buffer.len() <= self.limit {
            self.is_paused = false;
        }
    }

    /// How many bytes reads can see.
    fn len(&self) -> usize {
        self.buffered().len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn release_if_empty(&mut self) {
        if self.buffer.release_if_empty() {
            self.search.release();
        }
    }

    /// Discards what is there of it. It may be finished then.
    fn advance_discard(&mut self) {
        let unread = self.buffer.len();
        let is_all = self.has_ended();
        let (count, is_over) = match &mut self.discard {
            Discard::Nothing => return,
            Discard::Line => match self.search.find_newline(&unread_of(&self.buffer, false)) {
                Some(content) => (content.saturating_add(1), true),
                None => (unread, false),
            },
            Discard::Until(until) => {
                let received = unread_of(&self.buffer, is_all);
                match self.search.find_any_end(&until.separator, &received) {
                    Some(found) => {
                        until.found = Some(found.index);
                        (found.end, !until.is_skip)
                    }
                    None => {
                        let overlap = until.separator.max_len().saturating_sub(1);
                        let held = if is_all { 0 } else { overlap };
                        let count = unread.saturating_sub(held);
                        until.discarded = until.discarded.saturating_add(count as u64);
                        (count, false)
                    }
                }
            }
            Discard::Count(skip) => {
                let count = skip.left.min(unread as u64);
                skip.left = skip.left.saturating_sub(count);
                (count as usize, skip.left == 0 && skip.total == 0)
            }
        };
        if is_over {
            self.discard = Discard::Nothing;
        }
        self.take_bytes(count);
    }

    /// Discards what is there of a discard that goes on, if one does.
    fn settle_discard(&mut self) {
        if self.discard.is_active() {
            self.advance_discard();
        }
    }

    /// Lets a read that is not the skip that began it forget a discard that is finished.
    #[inline]
    fn finish_discard(&mut self) {
        if self.discard.is_nothing() {
            return;
        }
        if !self.discard.is_active() {
            self.discard = Discard::Nothing;
        }
    }

    /// Waits for more of what is skipped.
    fn wait_to_skip<T>(&mut self, discarded: u64) -> Result<Step<T>, ReadError> {
        match self.wait_or_end(0)? {
            More::ToCome => Ok(Step::NeedInput),
            More::Never => Err(ReadError::SkipIncomplete { discarded }),
        }
    }

    fn find(&mut self, separator: &Separator) -> Found {
        if self.discard.is_active() {
            return Found::Nothing;
        }
        let received = unread_of(&self.buffer, self.has_ended());
        self.search.find(separator, &received)
    }

    /// Finds the frame that comes next, within the limit.
    fn find_frame(&mut self, separator: &Separator) -> Result<Step<Match>, ReadError> {
        self.finish_discard();
        let limit = self.limit;
        let consumed = match self.find(separator) {
            Found::Match(found) if found.content <= limit => return Ok(Step::Ready(found)),
            Found::Bare(before) if before <= limit => {
                return Err(ReadError::BareLineBreak { before });
            }
            Found::Match(found) => found.content,
            // Beyond the limit it does not matter which line break there is.
            Found::Bare(before) => before,
            Found::Nothing => {
                let overlap = separator.max_len().saturating_sub(1);
                self.len().saturating_sub(overlap)
            }
        };
        if consumed > limit {
            return Err(ReadError::LimitOverrun { limit, consumed });
        }
        match self.wait_or_end(0)? {
            More::ToCome => Ok(Step::NeedInput),
            More::Never => Err(self.incomplete(None)),
        }
    }

    /// Returns what [`read_line`](Self::read_line) does if it has found no newline, one that is too
    /// far, or any while a discard is in progress.
    #[inline(never)]
    fn read_line_not_at_hand(
        &mut self,
        found: Option<usize>,
    ) -> Result<Step<Frame<'_>>, ReadError> {
        match (found, &self.discard) {
            (None, Discard::Nothing) if self.buffer.is_empty() && self.end.is_none() => {
                self.wait_or_end(0).map(|_| Step::NeedInput)
            }
            // There is nothing that a second search would find.
            (None, Discard::Nothing) => self.read_partial_line(&Separator::LF),
            _ => self.read_delimited(&Separator::LF),
        }
    }

    /// Finds the next newline where none is known, as the count of unread bytes before it.
    #[inline(never)]
    fn look_for_newline(&mut self) -> Option<usize> {
        if self.buffer.is_empty() {
            return None;
        }
        self.search
            .look_for_newline(&unread_of(&self.buffer, false))
    }

    /// How many bytes precede a carriage return that the end of the stream leaves alone, if that is
    /// an error. A last line needs no separator, but it must not have half of one.
    fn bare_at_end(&self, separator: &Separator) -> Option<usize> {
        if !self.has_ended() || *separator != Separator::STRICT_CRLF {
            return None;
        }
        self.buffered().strip_suffix(b"\r").map(<[u8]>::len)
    }

    /// Returns what a read of a line does if there is no separator.
    fn read_partial_line(&mut self, separator: &Separator) -> Result<Step<Frame<'_>>, ReadError> {
        let limit = self.limit;
        // What may begin a separator does not count, until the stream has ended.
        let overlap = if self.has_ended() {
            0
        } else {
            separator.max_len().saturating_sub(1)
        };
        if self.len().saturating_sub(overlap) > limit {
            self.discard = Discard::until(separator, false);
            self.advance_discard();
            // After a line break that stands alone, the end of the line may be there already.
            self.is_paused &= !self.discard.is_active();
            self.release_if_empty();
            return Err(ReadError::LineTooLong { limit });
        }
        match self.wait_or_end(0)? {
            More::ToCome => Ok(Step::NeedInput),
            More::Never => Ok(Step::Ready(self.take_rest())),
        }
    }

    /// Waits until `count` bytes are buffered.
    fn gather(&mut self, count: usize) -> Result<Step<()>, ReadError> {
        self.finish_discard();
        let max = self.max_read_exact;
        if count > max {
            return Err(ReadError::CountTooLarge {
                requested: count,
                max,
            });
        }
        let lost_and_empty = self.connection_error().is_some() && self.is_empty();
        if self.len() >= count && !lost_and_empty {
            return Ok(Step::Ready(()));
        }
        match self.wait_or_end(count)? {
            More::ToCome => Ok(Step::NeedInput),
            More::Never => Err(self.incomplete(Some(count))),
        }
    }

    /// Tells a read that the buffered bytes do not complete whether more will come.
    ///
    /// If so the read waits, for `count` bytes if it is one by count: reading resumes, since
    /// nothing else will take bytes meanwhile. Memory that nothing is left in is freed either way.
    fn wait_or_end(&mut self, count: usize) -> Result<More, ReadError> {
        self.release_if_empty();
        match self.end {
            None => {
                self.wanted = count;
                self.is_paused = false;
                Ok(More::ToCome)
            }
            Some(End::Eof | End::Closed) => Ok(More::Never),
            Some(End::Lost(error)) => Err(ReadError::ConnectionLost(error)),
        }
    }

    /// Lets a function of the caller's wait, or fails where input will never come.
    fn wait_for_function(&mut self) -> Result<(), ReadError> {
        let limit = self.limit;
        let is_over = self.len() > limit.saturating_mul(2);
        // Whether the end has arrived yet depends on packets, so it changes nothing.
        if is_over && (self.is_paused || self.end.is_some()) {
            return Err(ReadError::LimitOverrun {
                limit,
                consumed: self.len(),
            });
        }
        match self.wait_or_end(self.wanted)? {
            More::ToCome => Ok(()),
            More::Never => Err(self.incomplete(None)),
        }
    }

    fn incomplete(&self, expected: Option<usize>) -> ReadError {
        ReadError::Incomplete {
            buffered: self.len(),
            expected,
        }
    }

    /// Notes that a read has taken something, for the check of functions.
    #[inline]
    fn note_taken(&mut self, len: usize) {
        #[cfg(feature = "testing")]
        {
            self.has_taken |= len > 0;
        }
        #[cfg(not(feature = "testing"))]
        let _ = len;
    }

    /// Takes the first `len` unread bytes; there must be that many.
    #[inline]
    fn take_bytes(&mut self, len: usize) {
        self.buffer.consume(len);
        self.wanted = 0;
        self.resume_if_low();
    }

    #[inline]
    fn take(&mut self, len: usize, end: FrameEnd) -> Frame<'_> {
        self.note_taken(len);
        self.take_bytes(len);
        Frame::last_taken(&mut self.buffer, len, end)
    }

    #[inline]
    fn take_match(&mut self, found: Match) -> Frame<'_> {
        self.take(found.end, found.into())
    }

    /// Takes what the end of the stream has left. As in asyncio, there is nothing to resume for.
    fn take_rest(&mut self) -> Frame<'_> {
        let len = self.len();
        self.note_taken(len);
        self.buffer.consume(len);
        self.wanted = 0;
        Frame::last_taken(&mut self.buffer, len, FrameEnd::NONE)
    }
}

/// What of a buffer searches look at.
fn unread_of(buffer: &ReceiveBuffer, is_all: bool) -> Unread<'_> {
    Unread {
        bytes: buffer.unread(),
        position: buffer.position(),
        is_all,
    }
}

/// What a reader has done, in bytes: for tests that its work is linear in what it received.
#[cfg(feature = "counters")]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Costs {
    /// Bytes that searches for separators have looked at.
    pub examined: u64,
    /// Bytes copied into the buffer, or from one place in it to another.
    pub copied: u64,
}

/// Whether bytes will come for a read that needs them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum More {
    ToCome,
    Never,
}

impl From<Match> for FrameEnd {
    #[inline]
    fn from(found: Match) -> Self {
        Self::separator(found.separator_len, found.index)
    }
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("buffered", &self.len())
            .field("position", &self.position())
            .field("limit", &self.limit)
            .field("is_paused", &self.is_paused)
            .field("is_discarding", &self.is_discarding())
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}
