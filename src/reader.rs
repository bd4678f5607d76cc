//! The receive half of a byte stream: bytes in, lines and frames out.
//!
//! Whoever owns the socket puts received bytes in, by [`Reader::feed`] or without a copy by
//! [`Reader::input`] and [`Reader::commit`], and says when no more will come. Reads take from what
//! is there. A read that cannot finish answers [`Step::NeedInput`] and takes nothing, so no byte is
//! ever held by a call, and giving a call up loses none.
//!
//! What a read comes to, errors included, depends on the bytes alone, never on how the network cut
//! them. Two things do depend on that: how much [`Reader::read`] takes, which is what is there, and
//! the number of bytes that an overrun reports.
//!
//! Semantics follow `asyncio.StreamReader` of CPython 3.13; each method says where it departs.

use core::fmt;

use bytes::Bytes;

use crate::buffer::{Match, ReceiveBuffer};
use crate::error::{Loss, ReadError};
use crate::frame::{Frame, FrameEnd, FrameToken};
use crate::separator::Separator;
use crate::step::Step;

/// Takes bytes as they come and gives them out as lines, frames, and counted pieces.
///
/// # Memory
///
/// Reading pauses above twice the limit. A driver that reads only while
/// [`wants_read`](Self::wants_read) holds, at most R bytes at once, makes the reader hold at most
/// `2 * limit + R` bytes, capacity counted, where R counts as a quarter of the limit if it is less:
/// with less room than that, the reader would be busy making room. A read by count that waits, or one
/// [to the end](Self::read_to_end), raises `2 * limit` to what it asks for, and only as these bytes
/// arrive; the [cap](Self::set_cap) bounds what may be asked for by count. If such a read is given
/// up, what it has gathered is held until it is read, with a quarter more. While a block grows, the
/// allocator may hold the old one beside it. The byte strings that were last searched for are kept,
/// with how far each search has come: up to 20 KiB for 32 of the longest, and nothing for newlines.
///
/// A read that waits with nothing unread gives all memory back, until the next
/// [`input`](Self::input) or [`feed`](Self::feed).
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
/// let answer = reader.read_until(&Separator::CRLF);
/// assert!(matches!(answer, Err(ReadError::LimitOverrun { limit: 8, .. })));
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
    /// Most bytes before a separator. Never zero.
    limit: usize,
    /// Most bytes that a read may ask for by count.
    cap: usize,
    /// How many bytes the read that waits has asked for by count; zero if none did.
    ///
    /// The buffer may grow to hold that many. Nothing is reserved by it.
    wanted: usize,
    intake: Intake,
    /// How the stream ended; `None` while it goes on.
    end: Option<End>,
}

/// What becomes of bytes that arrive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Intake {
    Open,
    /// More than twice the limit was buffered, and since then never as little as the limit.
    Paused,
    /// They belong to a line that was too long, and are dropped through its newline.
    ///
    /// Invariant: nothing is buffered.
    Dropping,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    /// The peer finished.
    Eof,
    /// This side closed, and wants no more.
    Closed,
    Lost(Loss),
}

impl Reader {
    /// The limit of a new reader, 64 KiB, as in asyncio.
    pub const DEFAULT_LIMIT: usize = 64 * 1024;
    /// The cap of a new reader, 16 MiB.
    pub const DEFAULT_CAP: usize = 16 * 1024 * 1024;

    /// Creates a reader with the default limit.
    pub fn new() -> Self {
        Self::with_limit(Self::DEFAULT_LIMIT)
    }

    /// Creates a reader that accepts lines and frames of at most `limit` bytes, separator not counted.
    ///
    /// # Panics
    ///
    /// If `limit` is zero. (asyncio raises `ValueError`.)
    pub fn with_limit(limit: usize) -> Self {
        let mut reader = Self {
            buffer: ReceiveBuffer::default(),
            limit,
            cap: Self::DEFAULT_CAP,
            wanted: 0,
            intake: Intake::Open,
            end: None,
        };
        reader.set_limit(limit);
        reader
    }

    /// Changes the limit, in bytes. Between two calls this is the limit of the next call.
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

    /// Changes the cap: the most bytes, 16 MiB at first, that [`read_exact`](Self::read_exact) and
    /// [`peek`](Self::peek) may ask for.
    ///
    /// Such a number often comes from the peer. (asyncio waits for any number of bytes.)
    pub fn set_cap(&mut self, cap: usize) {
        self.cap = cap;
    }

    /// Appends bytes received from the peer.
    ///
    /// An empty `input` changes nothing. After [`Connection::close`](crate::Connection::close) any input
    /// is dropped. After [`feed_lost`](Self::feed_lost) it is accepted, and comes before the loss.
    /// While reading is paused it is accepted too; then it is the caller who lets memory grow.
    ///
    /// # Panics
    ///
    /// If [`feed_eof`](Self::feed_eof) was called before, even if `input` is empty.
    #[doc(alias = "feed_data")]
    pub fn feed(&mut self, input: &[u8]) {
        self.assert_not_ended();
        if !input.is_empty() && self.end != Some(End::Closed) {
            let ceiling = self.ceiling(input.len());
            self.buffer.append(input, ceiling);
            self.received();
        }
    }

    /// Returns room for the driver to receive into, without a copy: `size` bytes, or fewer if memory
    /// has reached its bound, but never none.
    ///
    /// [`commit`](Self::commit) then says how many it received; without that nothing has happened. The
    /// room holds zeros or stale bytes: a block is zeroed once, not for each read. It takes memory, so
    /// a driver that can tell when the transport is readable asks for it then; one that blocks in the
    /// call holds one read meanwhile. A read in between may take the room back.
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
    /// The same as [`feed`](Self::feed) of these bytes. A `commit` of zero gives the room's memory back
    /// if nothing is unread.
    ///
    /// # Panics
    ///
    /// If [`feed_eof`](Self::feed_eof) was called before, or if the room was smaller or is taken back.
    pub fn commit(&mut self, received: usize) {
        self.assert_not_ended();
        let kept = if self.end == Some(End::Closed) {
            0
        } else {
            received
        };
        self.buffer.commit(received, kept);
        match kept {
            0 => self.buffer.release_if_empty(),
            _ => self.received(),
        }
    }

    /// Records that the peer will send no more. Calling it again changes nothing.
    pub fn feed_eof(&mut self) {
        self.buffer.release_if_empty();
        self.end.get_or_insert(End::Eof);
    }

    /// Records that the connection was lost.
    ///
    /// Reads first take what is buffered, as far as it completes them, then fail with
    /// [`ReadError::Lost`]. A loss overrides an end that was fed before, and an earlier loss; an end
    /// that is fed later changes nothing. (With an exception set, asyncio's reader makes buffered
    /// bytes unreachable.)
    #[doc(alias = "set_exception")]
    pub fn feed_lost(&mut self, loss: Loss) {
        self.buffer.release_if_empty();
        self.end = Some(End::Lost(loss));
    }

    /// Stops reading on this side.
    ///
    /// What is buffered can still be read; behind it reads answer as at the end of the stream. Bytes
    /// that arrive later are dropped. Changes nothing if the stream has ended already.
    pub(crate) fn close(&mut self) {
        self.buffer.release_if_empty();
        self.end.get_or_insert(End::Closed);
    }

    /// Takes as many bytes as are there, at least one and at most `max`.
    ///
    /// Empty at the end of the stream and, at once, if `max` is zero.
    ///
    /// # Errors
    ///
    /// - [`ReadError::Lost`], only when nothing is buffered.
    pub fn read(&mut self, max: usize) -> Result<Step<Frame<'_>>, ReadError> {
        if max == 0 {
            return self.read_exact(0);
        }
        if self.buffer.is_empty() && self.wait_or_end(0)? == More::ToCome {
            return Ok(Step::NeedInput);
        }
        let len = self.buffer.len().min(max);
        Ok(Step::Ready(self.take(len, FrameEnd::NONE)))
    }

    /// Takes one line, with its `\n`.
    ///
    /// The last line may lack its newline, and then [`Frame::matched`] is `None`. At the end of the
    /// stream every call gives an empty frame, which no earlier call does: a loop has to look for it.
    /// A `\r` before the newline is a part of the line; for lines that end with `\r\n` there is
    /// [`read_until`](Self::read_until) with [`Separator::CRLF`].
    ///
    /// A line that is too long is dropped through its newline, wherever that arrives, while no more
    /// than the limit is held. (asyncio's `readline` drops what it has and may give out the rest as
    /// a line.)
    ///
    /// # Errors
    ///
    /// - [`ReadError::LineTooLong`], once for each such line; the next call gives the line after it.
    /// - [`ReadError::Lost`]; an unfinished line stays buffered.
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
        match self.buffer.find_newline() {
            Some(content) if content <= self.limit => Ok(Step::Ready(
                self.take(content.wrapping_add(1), FrameEnd::NEWLINE),
            )),
            found => self.read_line_not_at_hand(found),
        }
    }

    /// Takes everything through the separator that ends first.
    ///
    /// The frame includes the separator, and tells [which](Frame::matched) of several it was. At
    /// most the limit precedes it. The cost is linear in the bytes fed since the last call with the
    /// same byte strings, also when other reads were tried or given up in between. That holds for
    /// newlines and for the 32 byte strings that were last searched for.
    ///
    /// A frame that is too long is not dropped on its own, as a line is:
    /// [`skip_until`](Self::skip_until) does that.
    ///
    /// # Errors
    ///
    /// - [`ReadError::LimitOverrun`], as soon as no separator can begin within the limit; nothing
    ///   is consumed.
    /// - [`ReadError::Incomplete`], if the stream ends first; what there is stays buffered. A clean end,
    ///   between two frames, is the one with `buffered: 0`.
    /// - [`ReadError::BareLineBreak`], with [`Separator::STRICT_CRLF`] only, as soon as it is certain and
    ///   no more than the limit precedes it; nothing is consumed.
    /// - [`ReadError::Lost`]; what there is stays buffered.
    #[doc(alias = "readuntil")]
    pub fn read_until(&mut self, separator: &Separator) -> Result<Step<Frame<'_>>, ReadError> {
        let limit = self.limit;
        let found = match separator.is_strict() {
            false => self.buffer.find(separator),
            true => self.find_strict_crlf()?,
        };
        let Some(found) = found else {
            let overlap = separator.max_len().saturating_sub(1);
            let consumed = self.buffer.len().saturating_sub(overlap);
            if consumed > limit {
                return Err(ReadError::LimitOverrun { limit, consumed });
            }
            return match self.wait_or_end(0)? {
                More::ToCome => Ok(Step::NeedInput),
                More::Never => Err(self.incomplete(None)),
            };
        };
        if found.content > limit {
            return Err(ReadError::LimitOverrun {
                limit,
                consumed: found.content,
            });
        }
        Ok(Step::Ready(self.take(
            found.end,
            FrameEnd::separator(found.separator_len, found.index),
        )))
    }

    /// Takes exactly `count` bytes; none, at once, if `count` is zero.
    ///
    /// The limit does not apply, the [cap](Self::set_cap) does.
    ///
    /// # Errors
    ///
    /// - [`ReadError::CapExceeded`], without waiting; nothing is consumed.
    /// - [`ReadError::Incomplete`], if the stream ends first; what there is stays buffered. A clean end,
    ///   between two frames, is the one with `buffered: 0`.
    /// - [`ReadError::Lost`]; what there is stays buffered.
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

    /// Takes everything through the end of the stream, at most `max` bytes.
    ///
    /// Empty if the stream has ended and nothing is left. (asyncio's `read(-1)` has no bound, and
    /// loses everything when cancelled.)
    ///
    /// # Errors
    ///
    /// - [`ReadError::StreamTooLong`], as soon as more than `max` bytes are there; nothing is
    ///   consumed.
    /// - [`ReadError::Lost`]; what there is stays buffered.
    pub fn read_to_end(&mut self, max: usize) -> Result<Step<Frame<'_>>, ReadError> {
        if self.buffer.len() > max {
            return Err(ReadError::StreamTooLong { max });
        }
        match self.wait_or_end(max)? {
            More::ToCome => Ok(Step::NeedInput),
            More::Never => Ok(Step::Ready(self.take_rest())),
        }
    }

    /// Drops everything through the separator that ends first, and tells which of several it was.
    ///
    /// Drops while it waits, and holds no more than what may begin a separator, the longest less one
    /// byte: this is the one operation that consumes when it answers [`Step::NeedInput`]. Another read
    /// then goes on with the bytes that it held. (asyncio has no counterpart.)
    ///
    /// # Errors
    ///
    /// - [`ReadError::Incomplete`], if the stream ends first; everything is consumed.
    /// - [`ReadError::Lost`]; everything is consumed.
    pub fn skip_until(&mut self, separator: &Separator) -> Result<Step<usize>, ReadError> {
        if let Some(found) = self.buffer.find(separator) {
            self.consume(found.end);
            return Ok(Step::Ready(found.index));
        }
        let overlap = match self.end {
            None => separator.max_len().saturating_sub(1),
            Some(_) => 0,
        };
        self.consume(self.buffer.len().saturating_sub(overlap));
        match self.wait_or_end(0)? {
            More::ToCome => Ok(Step::NeedInput),
            More::Never => Err(self.incomplete(None)),
        }
    }

    /// Returns the next `count` bytes without taking them.
    ///
    /// The limit does not apply, the [cap](Self::set_cap) does. (asyncio has no counterpart.)
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

    /// Gets back the frame that a token of this reader stands for.
    ///
    /// # Panics
    ///
    /// If the reader was used since the token was made. (The token of another reader gives a panic or
    /// wrong bytes.)
    #[inline]
    pub fn frame(&mut self, token: FrameToken) -> Frame<'_> {
        assert!(
            token.is_current(&self.buffer),
            "frame asked for after the reader was used again"
        );
        Frame::restore(&mut self.buffer, token)
    }

    /// Gives up the reader for the bytes that it has received and not given out, without a copy.
    #[must_use = "these bytes were received, and nobody has seen them"]
    pub fn into_unread(self) -> Bytes {
        self.buffer.into_unread()
    }

    /// Returns the bytes that were received and not taken, without taking them.
    #[inline]
    pub fn buffered(&self) -> &[u8] {
        self.buffer.unread()
    }

    /// Tells whether the peer's stream has ended, or this side closed it, and nothing is buffered.
    ///
    /// False after a loss.
    pub fn at_eof(&self) -> bool {
        self.buffer.is_empty() && matches!(self.end, Some(End::Eof | End::Closed))
    }

    /// Tells whether the driver should read from the transport now.
    ///
    /// It should not while reading is [paused](Self::is_paused), nor once the stream has ended, was
    /// closed or was lost.
    pub fn wants_read(&self) -> bool {
        self.end.is_none() && !self.is_paused()
    }

    /// Tells whether reading is held back because too much is buffered.
    ///
    /// It is once more than twice the limit is buffered, until a read leaves no more than the limit,
    /// or has to wait.
    pub fn is_paused(&self) -> bool {
        self.intake == Intake::Paused
    }

    /// Tells whether the bytes that come next belong to a line that was too long, and are dropped
    /// through its newline.
    pub fn is_dropping_line(&self) -> bool {
        self.intake == Intake::Dropping
    }

    /// Returns the limit, in bytes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the cap, in bytes.
    pub fn cap(&self) -> usize {
        self.cap
    }

    /// Returns the place in the stream of the next byte to be read: how many were taken or dropped.
    ///
    /// Bytes that arrived after [`Connection::close`](crate::Connection::close) do not count.
    pub fn position(&self) -> u64 {
        self.buffer.position()
    }

    /// Returns how much memory is held for bytes, used or not, in bytes.
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Returns how the connection was lost, if it was.
    pub fn loss(&self) -> Option<Loss> {
        match self.end {
            Some(End::Lost(loss)) => Some(loss),
            _ => None,
        }
    }

    /// Returns what the reader's searches and moves have cost so far.
    #[cfg(feature = "counters")]
    pub fn costs(&self) -> crate::buffer::Costs {
        self.buffer.costs()
    }

    /// Tells whether the peer's stream has ended, or this side closed it, read to its end or not.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.end, Some(End::Eof | End::Closed))
    }

    fn assert_not_ended(&self) {
        assert!(
            self.end != Some(End::Eof),
            "input fed after the end of the stream"
        );
    }

    /// The most bytes for the block to grow to when `size` more come.
    ///
    /// At least a quarter of the limit is room for them, since each time that it is used up the
    /// block's bytes are moved, and there may be twice the limit.
    fn ceiling(&self, size: usize) -> usize {
        let unread = self.limit.saturating_mul(2).max(self.wanted);
        unread.saturating_add(size.max(self.limit / 4))
    }

    /// Takes note of bytes that were appended.
    fn received(&mut self) {
        if self.intake == Intake::Dropping {
            match self.buffer.find_newline() {
                Some(content) => {
                    self.buffer.consume(content.saturating_add(1));
                    self.intake = Intake::Open;
                }
                None => self.buffer.consume(self.buffer.len()),
            }
        }
        self.pause_if_full();
    }

    fn pause_if_full(&mut self) {
        if self.intake == Intake::Open && self.buffer.len() > self.limit.saturating_mul(2) {
            self.intake = Intake::Paused;
        }
    }

    #[inline]
    fn resume_if_low(&mut self) {
        if self.intake == Intake::Paused && self.buffer.len() <= self.limit {
            self.intake = Intake::Open;
        }
    }

    /// Finds `\r\n` where neither of its bytes stands alone before it.
    ///
    /// Beyond the limit it does not look at which line break there is: the frame is too long in any case.
    fn find_strict_crlf(&mut self) -> Result<Option<Match>, ReadError> {
        let Some(before) = self.buffer.find_line_break() else {
            return Ok(None);
        };
        if before > self.limit {
            return Err(ReadError::LimitOverrun {
                limit: self.limit,
                consumed: before,
            });
        }
        match self.buffer.unread().get(before..) {
            Some([b'\r', b'\n', ..]) => Ok(Some(Match {
                content: before,
                end: before.saturating_add(2),
                separator_len: 2,
                index: 0,
            })),
            Some([b'\r']) => Ok(None),
            _ => Err(ReadError::BareLineBreak { before }),
        }
    }

    /// What `read_line` comes to when there is no line, or one that is too long.
    fn read_line_not_at_hand(
        &mut self,
        found: Option<usize>,
    ) -> Result<Step<Frame<'_>>, ReadError> {
        let limit = self.limit;
        if let Some(content) = found {
            self.consume(content.saturating_add(1));
            return Err(ReadError::LineTooLong { limit });
        }
        if self.buffer.len() > limit {
            self.consume(self.buffer.len());
            self.buffer.release_if_empty();
            self.intake = Intake::Dropping;
            return Err(ReadError::LineTooLong { limit });
        }
        match self.wait_or_end(0)? {
            More::ToCome => Ok(Step::NeedInput),
            More::Never => Ok(Step::Ready(self.take_rest())),
        }
    }

    /// Waits until `count` bytes are buffered.
    fn gather(&mut self, count: usize) -> Result<Step<()>, ReadError> {
        if count > self.cap {
            return Err(ReadError::CapExceeded {
                requested: count,
                cap: self.cap,
            });
        }
        let lost_and_empty = self.loss().is_some() && self.buffer.is_empty();
        if self.buffer.len() >= count && !lost_and_empty {
            return Ok(Step::Ready(()));
        }
        match self.wait_or_end(count)? {
            More::ToCome => Ok(Step::NeedInput),
            More::Never => Err(self.incomplete(Some(count))),
        }
    }

    /// Tells a read that the buffered bytes do not complete whether more will come.
    ///
    /// If so the read waits, for `count` bytes if it is one by count: reading resumes, since nobody
    /// else will take bytes meanwhile. Memory that nothing is left in is given back either way.
    fn wait_or_end(&mut self, count: usize) -> Result<More, ReadError> {
        self.buffer.release_if_empty();
        match self.end {
            None => {
                self.wanted = count;
                if self.intake == Intake::Paused {
                    self.intake = Intake::Open;
                }
                Ok(More::ToCome)
            }
            Some(End::Eof | End::Closed) => Ok(More::Never),
            Some(End::Lost(loss)) => Err(ReadError::Lost(loss)),
        }
    }

    fn incomplete(&self, expected: Option<usize>) -> ReadError {
        ReadError::Incomplete {
            buffered: self.buffer.len(),
            expected,
        }
    }

    #[inline]
    fn consume(&mut self, len: usize) {
        self.buffer.consume(len);
        self.wanted = 0;
        self.resume_if_low();
    }

    #[inline]
    fn take(&mut self, len: usize, end: FrameEnd) -> Frame<'_> {
        self.consume(len);
        Frame::last_taken(&mut self.buffer, len, end)
    }

    /// Takes what the end of the stream has left. There is nothing to resume for.
    fn take_rest(&mut self) -> Frame<'_> {
        let len = self.buffer.len();
        self.buffer.consume(len);
        Frame::last_taken(&mut self.buffer, len, FrameEnd::NONE)
    }
}

/// Whether bytes will come for a read that needs them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum More {
    ToCome,
    Never,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("buffered", &self.buffer.len())
            .field("position", &self.position())
            .field("limit", &self.limit)
            .field("intake", &self.intake)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}
