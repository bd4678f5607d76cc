//! What a read hands out: bytes lent from the reader's buffer, kept only if the caller says so.

use core::fmt;
use core::ops::Deref;

use bytes::Bytes;

use crate::buffer::ReceiveBuffer;

/// Bytes that a read has taken from the stream, lent until the reader is used again.
///
/// It dereferences to the bytes, with the separator that ended them, as asyncio returns them.
/// [`content`](Self::content) leaves the separator out. Three ways to keep a frame, at three
/// prices:
///
/// | call | costs | holds |
/// | --- | --- | --- |
/// | look at it in place | nothing | nothing |
/// | [`to_bytes`](Self::to_bytes) | one allocation and a copy | just its own bytes |
/// | [`into_bytes`](Self::into_bytes) | a reference count | the whole block that was read with it |
///
/// A `Frame` borrows the reader, so the borrow checker won't let you return it from a loop that
/// also feeds the reader. Break out with its [`token`](Self::token) and call
/// [`Reader::frame`](crate::Reader::frame) after the loop.
#[must_use = "the bytes of a frame have left the stream"]
pub struct Frame<'a> {
    buffer: &'a mut ReceiveBuffer,
    /// Where in the block the frame begins.
    from: usize,
    /// Where in the block it ends. Invariant: `from <= to`, within what the block holds.
    to: usize,
    /// What ended it. Invariant: the separator lies within `from..to`.
    end: FrameEnd,
}

/// What ended a frame, in one number, since frames are passed on for every line: the separator's
/// length, and 256 times its place in the set, from one. Zero is no separator.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct FrameEnd(u16);

/// A frame that has been taken but is not being looked at. See [`Frame::token`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "the bytes of a frame have left the stream"]
pub struct FrameToken {
    /// The reader's position in the stream right after the frame's bytes.
    position: u64,
    /// How far before that place the frame begins.
    begin: usize,
    /// How far before that place the frame ends: more than nothing once its separator is left out.
    left_out: u32,
    end: FrameEnd,
}

impl FrameEnd {
    /// The end of the stream, or a count.
    pub(crate) const NONE: Self = Self(0);
    /// The newline that ends a line.
    pub(crate) const NEWLINE: Self = Self::separator(1, 0);

    /// A separator of `len` bytes, at `index` in the set.
    ///
    /// Neither exceeds a byte: see [`Separator::MAX_LEN`](crate::Separator::MAX_LEN) and
    /// [`Separator::MAX_COUNT`](crate::Separator::MAX_COUNT).
    #[inline]
    pub(crate) const fn separator(len: usize, index: usize) -> Self {
        Self(u16::from_le_bytes([
            len as u8,
            (index as u8).saturating_add(1),
        ]))
    }

    #[inline]
    fn separator_len(self) -> usize {
        let [len, _] = self.0.to_le_bytes();
        len.into()
    }

    #[inline]
    fn separator_index(self) -> Option<usize> {
        let [_, place] = self.0.to_le_bytes();
        place.checked_sub(1).map(usize::from)
    }

    /// The same separator, left out.
    #[inline]
    fn left_out(self) -> Self {
        self.shortened(usize::MAX)
    }

    /// The same separator, of which the last `count` bytes are left out.
    #[inline]
    fn shortened(self, count: usize) -> Self {
        let [len, place] = self.0.to_le_bytes();
        let len = usize::from(len).saturating_sub(count);
        Self(u16::from_le_bytes([len as u8, place]))
    }
}

impl<'a> Frame<'a> {
    /// Lends the last `len` bytes that were consumed; there must be that many.
    #[inline]
    pub(crate) fn last_taken(buffer: &'a mut ReceiveBuffer, len: usize, end: FrameEnd) -> Self {
        let to = buffer.start();
        Self {
            buffer,
            from: to.wrapping_sub(len),
            to,
            end,
        }
    }

    /// Lends the bytes that a token stands for, which must be current.
    #[inline]
    pub(crate) fn restore(buffer: &'a mut ReceiveBuffer, token: FrameToken) -> Self {
        let taken_to = buffer.start();
        Self {
            buffer,
            from: taken_to.saturating_sub(token.begin),
            to: taken_to.saturating_sub(token.left_out as usize),
            end: token.end,
        }
    }

    /// Leaves the separator out of the frame.
    #[inline]
    pub fn without_separator(self) -> Self {
        Self {
            to: self.content_end(),
            end: self.end.left_out(),
            ..self
        }
    }

    /// Leaves a `\n` or `\r\n` at the end out of the frame, as [`std::io::BufRead::lines`] does.
    ///
    /// ```
    /// # use plimsoll::{Reader, Step};
    /// # let mut reader = Reader::new();
    /// reader.feed("grüße\r\n".as_bytes());
    /// let Step::Ready(line) = reader.read_line()? else { unreachable!() };
    /// assert_eq!(line.without_line_ending().to_str().unwrap(), "grüße");
    /// # Ok::<(), plimsoll::ReadError>(())
    /// ```
    #[inline]
    pub fn without_line_ending(self) -> Self {
        let line: &[u8] = match &*self {
            [line @ .., b'\r', b'\n'] | [line @ .., b'\n'] => line,
            line => line,
        };
        let removed = self.len().saturating_sub(line.len());
        let (to, end) = (self.to.saturating_sub(removed), self.end.shortened(removed));
        Self { to, end, ..self }
    }

    /// Copies the frame into memory of exactly its size, for keeping.
    #[inline]
    pub fn to_bytes(&self) -> Bytes {
        Bytes::copy_from_slice(self)
    }

    /// Takes the frame out of the reader's buffer without copying it.
    ///
    /// It keeps the whole block alive that was read with it, at most the reader's
    /// [`capacity`](crate::Reader::capacity): good for passing frames on immediately, wasteful for
    /// keeping a small one. The reader goes on in the room that is left, or in a new block.
    #[inline]
    pub fn into_bytes(self) -> Bytes {
        self.buffer.share(self.from..self.to)
    }

    /// Turns the frame into a token, which borrows nothing.
    ///
    /// [`Reader::frame`](crate::Reader::frame) turns it back, as long as the reader was not used in
    /// between. This is how a frame leaves a loop:
    ///
    /// ```
    /// use plimsoll::{Frame, ReadError, Reader, Step};
    ///
    /// /// Feeds `reader` until a line is there.
    /// fn next_line<'a>(reader: &'a mut Reader, mut receive: impl FnMut() -> &'static [u8])
    ///     -> Result<Frame<'a>, ReadError>
    /// {
    ///     let token = loop {
    ///         if let Step::Ready(line) = reader.read_line()? {
    ///             break line.token();
    ///         }
    ///         reader.feed(receive());
    ///     };
    ///     Ok(reader.frame(token))
    /// }
    /// # let mut input = [&b"o"[..], b"ne\ntw"].into_iter();
    /// # let mut reader = Reader::new();
    /// # assert_eq!(*next_line(&mut reader, || input.next().unwrap()).unwrap(), *b"one\n");
    /// # assert_eq!(reader.buffered(), b"tw");
    /// ```
    #[inline]
    pub fn token(self) -> FrameToken {
        let taken_to = self.buffer.start();
        FrameToken {
            position: self.buffer.position(),
            begin: taken_to.saturating_sub(self.from),
            left_out: taken_to.saturating_sub(self.to) as u32,
            end: self.end,
        }
    }

    /// Returns the bytes before the separator, or all if there is none.
    #[inline]
    pub fn content(&self) -> &[u8] {
        self.buffer.taken(self.from..self.content_end())
    }

    /// Returns the frame as text, its separator included.
    ///
    /// # Errors
    ///
    /// [`Utf8Error`](core::str::Utf8Error), which tells where the text stops being UTF-8, and none
    /// of its bytes.
    #[inline]
    pub fn to_str(&self) -> Result<&str, core::str::Utf8Error> {
        core::str::from_utf8(self)
    }

    /// Returns which separator ended the frame, by its place in the set, from zero.
    ///
    /// `None` for a last line that the end of the stream cut short, and for what was read by count.
    #[inline]
    pub fn separator_index(&self) -> Option<usize> {
        self.end.separator_index()
    }

    #[inline]
    fn content_end(&self) -> usize {
        self.to.saturating_sub(self.end.separator_len())
    }
}

impl FrameToken {
    /// Whether the frame was the last thing taken from `buffer`, and its bytes are in place.
    #[inline]
    pub(crate) fn is_current(&self, buffer: &ReceiveBuffer) -> bool {
        self.position == buffer.position() && self.begin <= buffer.start()
    }
}

impl Deref for Frame<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.buffer.taken(self.from..self.to)
    }
}

impl AsRef<[u8]> for Frame<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for Frame<'_> {
    fn eq(&self, other: &T) -> bool {
        **self == *other.as_ref()
    }
}

impl fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("len", &self.len())
            .field("separator_len", &self.end.separator_len())
            .field("separator_index", &self.separator_index())
            .finish()
    }
}

/// The next bytes of the stream, as [`Reader::peek_until`](crate::Reader::peek_until) shows them:
/// nothing was taken.
///
/// It dereferences to the bytes, with the separator that ends them.
#[derive(Clone, Copy)]
pub struct Peeked<'a> {
    bytes: &'a [u8],
    end: FrameEnd,
}

impl<'a> Peeked<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8], end: FrameEnd) -> Self {
        Self { bytes, end }
    }

    /// Returns the bytes before the separator.
    #[inline]
    pub fn content(&self) -> &'a [u8] {
        let len = self.bytes.len().saturating_sub(self.end.separator_len());
        self.bytes.get(..len).unwrap_or_default()
    }

    /// Returns the bytes as text, their separator included.
    ///
    /// # Errors
    ///
    /// [`Utf8Error`](core::str::Utf8Error), as for [`Frame::to_str`].
    #[inline]
    pub fn to_str(&self) -> Result<&'a str, core::str::Utf8Error> {
        core::str::from_utf8(self.bytes)
    }

    /// Returns which separator ends the bytes, by its place in the set, from zero.
    #[inline]
    pub fn separator_index(&self) -> Option<usize> {
        self.end.separator_index()
    }
}

impl Deref for Peeked<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.bytes
    }
}

impl AsRef<[u8]> for Peeked<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for Peeked<'_> {
    fn eq(&self, other: &T) -> bool {
        **self == *other.as_ref()
    }
}

impl fmt::Debug for Peeked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peeked")
            .field("len", &self.len())
            .field("separator_len", &self.end.separator_len())
            .field("separator_index", &self.separator_index())
            .finish()
    }
}
