//! The send half of a byte stream: writes in, output to send out.
//!
//! Writes are queued and never wait. The driver sends what [`Writer::output`] shows, which is all of
//! it at once where the transport takes several slices, and advances by what the transport took.
//! How full the queue is shows in [`Writer::is_writable`]; how it ends, in [`Writer::state`].
//!
//! Semantics follow the transport and the `StreamWriter` of CPython 3.13's asyncio, which sends some
//! bytes at once, in `write`; nothing is sent here behind the caller's back. Each method says where
//! else it departs.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;

use bytes::{Buf, Bytes, BytesMut};

use crate::error::{Loss, WriteError};
use crate::water_marks::WaterMarks;

/// [`Bytes`] shorter than this are copied behind the write before them, to be sent in one piece.
const SHORT: usize = 512;

/// Size of the smallest block that writes are copied into, in bytes.
const SMALLEST_BLOCK: usize = 512;

/// Size of the largest block that writes are copied into, in bytes.
const LARGEST_BLOCK: usize = 64 * 1024;

/// A queue whose list of parts is this many times longer than what is left in it gives the rest back.
const SPARSE: usize = 8;

/// Queues bytes to send, and tells how full the queue is.
///
/// # Memory
///
/// A write that would make more bytes pending than the [cap](Self::set_cap) is refused. Copied bytes
/// are kept in blocks of at most 64 KiB, each given back once it is sent, so that a writer holds at
/// most what is pending, one block that is being sent, one that is being filled, and 64 bytes for each
/// part of the queue, or while that gets shorter 256. [`Bytes`] that are queued as they are keep alive
/// what they share. With nothing pending, no memory is held.
///
/// # Examples
///
/// ```
/// use bytes::Buf;
/// use plimsoll::Writer;
///
/// let mut writer = Writer::new();
/// writer.write(b"250 ")?;
/// writer.write(b"OK\r\n")?;
/// assert_eq!(writer.output().chunk(), b"250 OK\r\n");
/// writer.output().advance(4); // the transport took four bytes
/// assert_eq!(writer.pending(), 4);
/// # Ok::<(), plimsoll::WriteError>(())
/// ```
pub struct Writer {
    /// What is queued before `block`, in order. Invariant: none is empty.
    parts: VecDeque<Bytes>,
    /// Copied writes, one behind the other, and room for more.
    block: BytesMut,
    /// Sum of the lengths of `parts` and `block`.
    pending: usize,
    marks: WaterMarks,
    cap: usize,
    /// More than the high mark was pending, and since then never as little as the low one.
    full: bool,
    state: WriterState,
}

/// Where a writer is on its way to the end of the stream.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum WriterState {
    /// Writes are accepted.
    Open,
    /// [`Writer::finish`] was called: what is pending will be sent, then the end of the stream.
    Finishing,
    /// Everything was sent, and the end of the stream behind it.
    Finished,
    /// [`Writer::close`] was called: as `Finishing`, and this side is done with the connection.
    Closing,
    /// Everything was sent, and the end of the stream behind it; this side is done.
    Closed,
    /// The connection was lost before that. What was pending is gone.
    Lost(Loss),
}

/// What ends a line that is written by [`Writer::write_line`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum LineEnd {
    /// A newline, `\n`.
    Lf,
    /// A carriage return and a newline, `\r\n`.
    CrLf,
}

impl LineEnd {
    fn bytes(self) -> &'static [u8] {
        match self {
            Self::Lf => b"\n",
            Self::CrLf => b"\r\n",
        }
    }
}

impl Writer {
    /// The cap of a new writer, 16 MiB.
    pub const DEFAULT_CAP: usize = 16 * 1024 * 1024;

    /// Creates a writer with the default water marks and cap.
    pub fn new() -> Self {
        Self {
            parts: VecDeque::new(),
            block: BytesMut::new(),
            pending: 0,
            marks: WaterMarks::DEFAULT,
            cap: Self::DEFAULT_CAP,
            full: false,
            state: WriterState::Open,
        }
    }

    /// Changes the water marks.
    ///
    /// If more than the new high mark is pending, the writer is not writable from now on. Marks that
    /// are raised make it writable again only when something is sent, as in asyncio.
    #[doc(alias = "set_write_buffer_limits")]
    pub fn set_water_marks(&mut self, marks: WaterMarks) {
        self.marks = marks;
        self.note_growth();
    }

    /// Changes the cap: the most bytes, 16 MiB at first, that may be pending.
    ///
    /// What is pending already stays. A cap below the high water mark refuses writes before the
    /// writer asks for a pause. (asyncio queues without bound.)
    pub fn set_cap(&mut self, cap: usize) {
        self.cap = cap;
    }

    /// Queues a copy of `data`, all of it or, on an error, nothing.
    ///
    /// It never waits: look at [`is_writable`](Self::is_writable) to keep to the pace of the peer.
    ///
    /// # Errors
    ///
    /// - [`WriteError::Finished`], [`WriteError::Closed`], [`WriteError::Lost`], even if `data` is
    ///   empty. (asyncio drops a write after a loss, and sends or drops one after `close`.)
    /// - [`WriteError::Full`], if it would exceed the cap.
    #[inline]
    pub fn write(&mut self, data: &[u8]) -> Result<(), WriteError> {
        self.check_acceptable(data.len())?;
        self.copy(data);
        self.note_growth();
        Ok(())
    }

    /// Queues `data` without a copy, all of it or, on an error, nothing.
    ///
    /// Fewer than 512 bytes are copied behind the write before, which costs less than keeping them
    /// apart.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    pub fn write_bytes(&mut self, data: Bytes) -> Result<(), WriteError> {
        if data.len() < SHORT {
            return self.write(&data);
        }
        self.check_acceptable(data.len())?;
        self.seal_block();
        self.pending = self.pending.saturating_add(data.len());
        self.parts.push_back(data);
        self.note_growth();
        Ok(())
    }

    /// Queues a copy of all `parts`, one behind the other; on an error, nothing.
    ///
    /// The same as a [`write`](Self::write) of their concatenation; empty ones change nothing.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    #[doc(alias = "writelines")]
    pub fn write_vectored(&mut self, parts: &[&[u8]]) -> Result<(), WriteError> {
        let sizes = parts.iter().map(|part| part.len());
        self.check_acceptable(sizes.fold(0, usize::saturating_add))?;
        for part in parts {
            self.copy(part);
        }
        self.note_growth();
        Ok(())
    }

    /// Queues a copy of `line` and what ends it, all of it or, on an error, nothing.
    ///
    /// What reaches the peer is one line, whoever has said what is in it. [`write`](Self::write) takes
    /// any bytes, where more than a line is meant. (asyncio has none.)
    ///
    /// # Errors
    ///
    /// - [`WriteError::NotOneLine`], if a carriage return, a newline or a NUL is in `line`.
    /// - Those of [`write`](Self::write).
    ///
    /// # Examples
    ///
    /// ```
    /// # use plimsoll::{LineEnd, WriteError, Writer};
    /// # let mut writer = Writer::new();
    /// writer.write_line(b"RCPT TO:<someone@example.org>", LineEnd::CrLf)?;
    /// # assert_eq!(writer.pending(), 31);
    /// let injected = writer.write_line(b"RCPT TO:<a>\r\nDATA", LineEnd::CrLf);
    /// assert_eq!(injected, Err(WriteError::NotOneLine { before: 11 }));
    /// # Ok::<(), WriteError>(())
    /// ```
    pub fn write_line(&mut self, line: &[u8], end: LineEnd) -> Result<(), WriteError> {
        match memchr::memchr3(b'\r', b'\n', b'\0', line) {
            Some(before) => Err(WriteError::NotOneLine { before }),
            None => self.write_vectored(&[line, end.bytes()]),
        }
    }

    /// Queues formatted text, all of it or, on an error, nothing. It makes `write!` work.
    ///
    /// ```
    /// # use plimsoll::Writer;
    /// # let mut writer = Writer::new();
    /// write!(writer, "Content-Length: {}\r\n", 42)?;
    /// # assert_eq!(writer.pending(), 20);
    /// # Ok::<(), plimsoll::WriteError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    ///
    /// # Panics
    ///
    /// If formatting one of the arguments fails.
    pub fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> Result<(), WriteError> {
        match text.as_str() {
            Some(text) => self.write(text.as_bytes()),
            None => self.write(alloc::fmt::format(text).as_bytes()),
        }
    }

    /// Ends the stream behind what is pending. Reading goes on. Calling it again changes nothing.
    #[doc(alias = "write_eof")]
    pub fn finish(&mut self) {
        if self.state == WriterState::Open {
            self.state = WriterState::Finishing;
        }
    }

    /// Ends the stream behind what is pending, as the last thing that is done with this connection.
    ///
    /// Calling it again changes nothing. The reader is not told: that does
    /// [`Connection::close`](crate::Connection::close).
    pub fn close(&mut self) {
        self.state = match self.state {
            WriterState::Open | WriterState::Finishing => WriterState::Closing,
            WriterState::Finished => WriterState::Closed,
            ended => ended,
        };
    }

    /// Drops what is pending, and ends the connection.
    ///
    /// Changes nothing if it was closed or lost already. The reader is not told: that does
    /// [`Connection::abort`](crate::Connection::abort).
    pub fn abort(&mut self) {
        self.lost(Loss::Aborted);
    }

    /// Records that the connection was lost, and drops what is pending.
    ///
    /// Changes nothing if it was closed or lost already: the first loss counts. The reader is not told:
    /// that does [`Connection::lost`](crate::Connection::lost).
    pub fn lost(&mut self, loss: Loss) {
        if !matches!(self.state, WriterState::Closed | WriterState::Lost(_)) {
            self.state = WriterState::Lost(loss);
            self.pending = 0;
            self.note_removal();
        }
    }

    /// Records that the driver has ended the transport's write side.
    ///
    /// Changes nothing unless [`wants_shutdown`](Self::wants_shutdown) holds.
    pub fn shutdown_done(&mut self) {
        if self.wants_shutdown() {
            self.state = match self.state {
                WriterState::Closing => WriterState::Closed,
                _ => WriterState::Finished,
            };
        }
    }

    /// Shows the pending bytes, as a [`Buf`] to send from; advancing it says what was sent.
    ///
    /// With the feature `std`, its `chunks_vectored` shows as many of them as there are slices for.
    pub fn output(&mut self) -> Output<'_> {
        Output { writer: self }
    }

    /// Gives up the writer for the bytes that were accepted and not sent, without a copy.
    #[must_use = "these bytes were accepted, and nobody has sent them"]
    pub fn into_unsent(mut self) -> Vec<Bytes> {
        self.seal_block();
        self.parts.into()
    }

    /// Returns how many bytes are pending: accepted, and not sent.
    #[doc(alias = "get_write_buffer_size")]
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// Tells whether the user should write more now.
    ///
    /// False once more than the high water mark is pending, until no more than the low one is. False
    /// also where a write would fail because of the [state](Self::state), and then for good: whoever
    /// waits for room waits while [`is_full`](Self::is_full).
    pub fn is_writable(&self) -> bool {
        !self.full && self.state == WriterState::Open
    }

    /// Tells whether more than the high water mark was pending, and since then never as little as the
    /// low one. False after a loss.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Tells whether the driver has bytes to send.
    pub fn wants_write(&self) -> bool {
        self.pending > 0
    }

    /// Tells whether the driver should end the transport's write side, and then report it by
    /// [`shutdown_done`](Self::shutdown_done).
    pub fn wants_shutdown(&self) -> bool {
        self.pending == 0 && matches!(self.state, WriterState::Finishing | WriterState::Closing)
    }

    /// Returns where the writer is on its way to the end of the stream.
    pub fn state(&self) -> WriterState {
        self.state
    }

    /// Returns the water marks.
    #[doc(alias = "get_write_buffer_limits")]
    pub fn water_marks(&self) -> WaterMarks {
        self.marks
    }

    /// Returns the cap, in bytes.
    pub fn cap(&self) -> usize {
        self.cap
    }

    /// Returns how much memory is held for bytes, used or not, in bytes.
    ///
    /// The sent part of a block that is being sent does not count, and of [`Bytes`] that are queued as
    /// they are nothing but themselves.
    pub fn capacity(&self) -> usize {
        let parts: usize = self
            .parts
            .iter()
            .map(Bytes::len)
            .fold(0, usize::saturating_add);
        parts.saturating_add(self.block.capacity())
    }

    /// Fails where a write of `len` bytes must not be accepted.
    #[inline]
    fn check_acceptable(&self, len: usize) -> Result<(), WriteError> {
        let fits = self.pending.saturating_add(len) <= self.cap || len == 0;
        match self.state == WriterState::Open && fits {
            true => Ok(()),
            false => Err(self.refusal(len)),
        }
    }

    /// Why a write of `len` bytes is not accepted.
    #[cold]
    fn refusal(&self, len: usize) -> WriteError {
        match self.state {
            WriterState::Finishing | WriterState::Finished => WriteError::Finished,
            WriterState::Closing | WriterState::Closed => WriteError::Closed,
            WriterState::Lost(loss) => WriteError::Lost(loss),
            WriterState::Open => WriteError::Full {
                len,
                pending: self.pending,
                cap: self.cap,
            },
        }
    }

    /// Queues a copy of `data`: first in what room the block has, then in new ones.
    #[inline]
    fn copy(&mut self, data: &[u8]) {
        self.pending = self.pending.saturating_add(data.len());
        let room = self.room();
        match data.split_at_checked(room) {
            Some((head, rest)) if !rest.is_empty() => self.copy_across(head, rest),
            _ => self.block.extend_from_slice(data),
        }
    }

    /// Fills the block up with `head`, and goes on with `rest`: in a larger block that what is there moves to,
    /// or behind it in new ones of the largest size.
    #[inline(never)]
    fn copy_across(&mut self, head: &[u8], mut rest: &[u8]) {
        self.block.extend_from_slice(head);
        while !rest.is_empty() {
            // Blocks grow while they fill up, so that a few small writes cost a small one.
            let len = self.block.len();
            let size = len.saturating_mul(2).max(len.saturating_add(rest.len()));
            let mut block = BytesMut::with_capacity(size.clamp(SMALLEST_BLOCK, LARGEST_BLOCK));
            if len < LARGEST_BLOCK / 2 {
                block.extend_from_slice(&self.block);
            } else {
                self.seal_block();
            }
            self.block = block;
            let (head, behind) = rest.split_at(rest.len().min(self.room()));
            self.block.extend_from_slice(head);
            rest = behind;
        }
    }

    /// How many bytes the block has room for.
    #[inline]
    fn room(&self) -> usize {
        self.block.capacity().saturating_sub(self.block.len())
    }

    /// Moves what the block holds to the parts, and leaves it the room that it has.
    fn seal_block(&mut self) {
        if !self.block.is_empty() {
            self.parts.push_back(self.block.split().freeze());
        }
    }

    /// Removes the first `count` pending bytes; there must be that many.
    fn remove_sent(&mut self, mut count: usize) {
        self.pending = self.pending.saturating_sub(count);
        while let Some(part) = self.parts.front_mut() {
            if count < part.len() {
                part.advance(count);
                count = 0;
                break;
            }
            count = count.saturating_sub(part.len());
            self.parts.pop_front();
        }
        if count > 0 {
            self.block.advance(count);
        }
        if self.parts.len() < self.parts.capacity() / SPARSE {
            self.parts.shrink_to(self.parts.len().saturating_mul(2));
        }
        self.note_removal();
    }

    #[inline]
    fn note_growth(&mut self) {
        self.full |= self.pending > self.marks.high();
    }

    /// Takes note that less is pending. Gives memory back when nothing is.
    fn note_removal(&mut self) {
        if self.pending == 0 {
            self.parts = VecDeque::new();
            self.block = BytesMut::new();
        }
        self.full &= self.pending > self.marks.low();
    }
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("pending", &self.pending)
            .field("marks", &self.marks)
            .field("cap", &self.cap)
            .field("full", &self.full)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// The pending bytes of a [`Writer`], seen by whoever sends them.
#[derive(Debug)]
#[must_use = "showing bytes does not send them"]
pub struct Output<'a> {
    writer: &'a mut Writer,
}

impl Buf for Output<'_> {
    fn remaining(&self) -> usize {
        self.writer.pending
    }

    fn chunk(&self) -> &[u8] {
        self.writer
            .parts
            .front()
            .map_or(&self.writer.block, Bytes::as_ref)
    }

    // `IoSlice` is a pair of pointer and length, the one name of `std::io` that a `Buf` needs.
    #[cfg(feature = "std")]
    fn chunks_vectored<'b>(&'b self, slices: &mut [std::io::IoSlice<'b>]) -> usize {
        let block = Some(self.writer.block.as_ref()).filter(|block: &&[u8]| !block.is_empty());
        let chunks = self.writer.parts.iter().map(Bytes::as_ref).chain(block);
        let mut filled: usize = 0;
        for (slice, chunk) in slices.iter_mut().zip(chunks) {
            *slice = std::io::IoSlice::new(chunk);
            filled = filled.saturating_add(1);
        }
        filled
    }

    /// # Panics
    ///
    /// If fewer bytes are pending.
    fn advance(&mut self, sent: usize) {
        let pending = self.writer.pending;
        assert!(sent <= pending, "{sent} bytes sent of {pending} pending");
        self.writer.remove_sent(sent);
    }
}
