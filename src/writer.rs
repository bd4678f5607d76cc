//! The send half of a byte stream: writes in, output to send out.
//!
//! Writes are queued and never wait. [`Writer::next_send`] says what the driver has to do next:
//! write, flush, or end the write side. How full the queue is shows in [`Writer::is_writable`]; how
//! it ends, in [`Writer::state`]:
//!
//! ```text
//!   Open ──finish──▶ Finishing ──all sent──▶ Finished
//!     │                  │                      │
//!   close              close                  close
//!     ▼                  ▼                      ▼
//!   Closing ◀────────────┘                    Closed
//!     └───────────────all sent──────────────────▲
//!
//!   a loss leads from each but Closed to Lost
//! ```
//!
//! Semantics follow the transport and the `StreamWriter` of CPython 3.13's asyncio, which sends
//! some bytes immediately, in `write`; here a driver sends. Each method says where else it departs.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use core::mem;

use bytes::{Buf, Bytes, BytesMut};

use crate::error::{ConnectionError, TransportError, WriteError};
use crate::length_prefix::LengthPrefix;
use crate::step::Progress;
use crate::water_marks::WaterMarks;

/// [`Bytes`] shorter than this are copied after the write before them, to be sent in one piece.
const SHORT: usize = 512;

/// Size of the smallest block that writes are copied into, in bytes.
const SMALLEST_BLOCK: usize = 512;

/// Size of the largest block that writes are copied into, in bytes.
const LARGEST_BLOCK: usize = 64 * 1024;

/// A queue whose list of parts is this many times longer than what is left in it gives the rest
/// back.
const SPARSE: usize = 8;

/// Queues bytes to send, and says what a driver has to do next.
///
/// # Memory
///
/// A write that would make more bytes pending than [`set_max_pending`](Self::set_max_pending)
/// allows is refused. Copied bytes are kept in blocks of at most 64 KiB, each freed once it is
/// sent, so that a writer holds at most the pending output, one block that is being sent, one that
/// is being filled, and 64 bytes for each part of the queue, or while that gets shorter 256.
/// [`Bytes`] that are queued as they are keep alive what they share. With nothing pending, no
/// memory is held, unless it is on [loan](Self::lend).
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
    /// Copied writes, one after the other, and room for more.
    block: BytesMut,
    /// Whether the block is on loan, and so kept when nothing is pending.
    is_lent: bool,
    /// Whether the last [`Output`] was advanced, and so has removed what it sent.
    is_advanced: bool,
    /// Sum of the lengths of `parts` and `block`.
    pending: usize,
    marks: WaterMarks,
    /// Most bytes that may be pending.
    max_pending: usize,
    /// More than the high mark was pending, and since then never as little as the low one.
    is_full: bool,
    /// Whether something was sent that the transport may hold back.
    is_unflushed: bool,
    state: WriterState,
}

/// What a driver has to do next to send.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SendAction {
    /// Write from [`Writer::output`].
    Write,
    /// Flush what the transport holds back. For a socket, which holds nothing back, that is
    /// nothing.
    Flush,
    /// End the transport's write side, so that the peer sees the end of the stream. A transport
    /// that ends only by being dropped, as a pipe does, is dropped.
    Shutdown,
}

/// Where a writer is on its way to the end of the stream.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum WriterState {
    /// Writes are accepted.
    Open,
    /// [`Writer::finish`] was called: pending output will be sent, then the end of the stream.
    Finishing,
    /// Everything was sent, and the end of the stream after it.
    Finished,
    /// [`Writer::close`] was called: as `Finishing`, and this side is done with the connection.
    Closing,
    /// Everything was sent, and the end of the stream after it; this side is done.
    Closed,
    /// The connection was lost before that. Pending output is gone.
    Lost(ConnectionError),
}

/// What ends a line that is written by [`Writer::write_line`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum LineEnding {
    /// A newline, `\n`.
    Lf,
    /// A carriage return and a newline, `\r\n`.
    CrLf,
}

impl LineEnding {
    fn bytes(self) -> &'static [u8] {
        match self {
            Self::Lf => b"\n",
            Self::CrLf => b"\r\n",
        }
    }
}

impl Writer {
    /// Most bytes that may be pending in a new writer, 16 MiB.
    pub const DEFAULT_MAX_PENDING: usize = 16 * 1024 * 1024;

    /// Creates a writer with the default water marks.
    pub fn new() -> Self {
        Self {
            parts: VecDeque::new(),
            block: BytesMut::new(),
            is_lent: false,
            is_advanced: false,
            pending: 0,
            marks: WaterMarks::DEFAULT,
            max_pending: Self::DEFAULT_MAX_PENDING,
            is_full: false,
            is_unflushed: false,
            state: WriterState::Open,
        }
    }

    /// Sets the water marks.
    ///
    /// If more than the new high mark is pending, the writer is not writable from now on. Marks
    /// that are raised make it writable again only when something is sent, as in asyncio.
    #[doc(alias = "set_write_buffer_limits")]
    pub fn set_water_marks(&mut self, marks: WaterMarks) {
        self.marks = marks;
        self.note_growth();
    }

    /// Sets the most bytes that may be pending, 16 MiB by default.
    ///
    /// Output that is pending already stays. A bound below the high water mark refuses writes
    /// before the writer asks for a pause. (asyncio queues without bound.)
    pub fn set_max_pending(&mut self, max: usize) {
        self.max_pending = max;
    }

    /// Queues a copy of `data`, all of it or, on an error, nothing.
    ///
    /// It never waits: look at [`is_writable`](Self::is_writable) to keep to the pace of the peer.
    ///
    /// # Errors
    ///
    /// - [`WriteError::Finished`], [`WriteError::Closed`], [`WriteError::ConnectionLost`], even if
    ///   `data` is empty. (asyncio drops a write after a loss, and sends or drops one after
    ///   `close`.)
    /// - [`WriteError::Full`] if more would be pending than
    ///   [`set_max_pending`](Self::set_max_pending) allows.
    #[inline]
    pub fn write(&mut self, data: &[u8]) -> Result<(), WriteError> {
        self.check_acceptable(data.len())?;
        self.copy(data);
        self.note_growth();
        Ok(())
    }

    /// Queues `data` without a copy, all of it or, on an error, nothing.
    ///
    /// Fewer than 512 bytes are copied after the write before, which costs less than keeping them
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

    /// Queues a copy of all `parts`, one after the other; on an error, nothing.
    ///
    /// The same as a [`write`](Self::write) of their concatenation; empty ones change nothing. The
    /// parts are iterated twice, first for their sizes.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    ///
    /// ```
    /// # use plimsoll::Writer;
    /// # let mut writer = Writer::new();
    /// writer.write_all_vectored(["HELO ", "example.org", "\r\n"])?;
    /// # assert_eq!(writer.pending(), 18);
    /// # Ok::<(), plimsoll::WriteError>(())
    /// ```
    #[doc(alias = "writelines")]
    pub fn write_all_vectored<I>(&mut self, parts: I) -> Result<(), WriteError>
    where
        I: IntoIterator<Item: AsRef<[u8]>, IntoIter: Clone>,
    {
        let parts = parts.into_iter();
        let sizes = parts.clone().map(|part| part.as_ref().len());
        self.check_acceptable(sizes.fold(0, usize::saturating_add))?;
        for part in parts {
            self.copy(part.as_ref());
        }
        self.note_growth();
        Ok(())
    }

    /// Queues a copy of `payload` after its length; on an error, nothing.
    ///
    /// The length is the number that
    /// [`Reader::read_length_prefixed`](crate::Reader::read_length_prefixed) expects with the same
    /// prefix. Bytes that precede it, by its [offset](LengthPrefix::offset), are an earlier write;
    /// those after it are the beginning of `payload`.
    ///
    /// # Errors
    ///
    /// - [`WriteError::LengthOverflow`] if the length does not fit into the prefix.
    /// - Those of [`write`](Self::write).
    pub fn write_length_prefixed(
        &mut self,
        prefix: &LengthPrefix,
        payload: &[u8],
    ) -> Result<(), WriteError> {
        let len = payload.len();
        let Some((head, size)) = prefix.head_for(len) else {
            return Err(WriteError::LengthOverflow { len });
        };
        self.write_all_vectored([head.get(..size).unwrap_or_default(), payload])
    }

    /// Queues a copy of `line` and what ends it, all of it or, on an error, nothing.
    ///
    /// The peer reads one line, wherever its text comes from. [`write`](Self::write) takes any
    /// bytes.
    ///
    /// # Errors
    ///
    /// - [`WriteError::NotOneLine`] if a carriage return, a newline or a NUL is in `line`.
    /// - Those of [`write`](Self::write).
    ///
    /// # Examples
    ///
    /// ```
    /// # use plimsoll::{LineEnding, WriteError, Writer};
    /// # let mut writer = Writer::new();
    /// writer.write_line(b"RCPT TO:<someone@example.org>", LineEnding::CrLf)?;
    /// # assert_eq!(writer.pending(), 31);
    /// let injected = writer.write_line(b"RCPT TO:<a>\r\nDATA", LineEnding::CrLf);
    /// assert_eq!(injected, Err(WriteError::NotOneLine { before: 11 }));
    /// # Ok::<(), WriteError>(())
    /// ```
    pub fn write_line(&mut self, line: &[u8], ending: LineEnding) -> Result<(), WriteError> {
        match memchr::memchr3(b'\r', b'\n', b'\0', line) {
            Some(before) => Err(WriteError::NotOneLine { before }),
            None => self.write_all_vectored([line, ending.bytes()]),
        }
    }

    /// Queues formatted text, all of it or, on an error, nothing: `write!` calls it.
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

    /// Ends the stream after the pending output. Reading goes on. Calling it again changes nothing.
    #[doc(alias = "write_eof")]
    pub fn finish(&mut self) {
        if self.state == WriterState::Open {
            self.state = WriterState::Finishing;
        }
    }

    /// Ends the stream after the pending output, as the last thing that is done with this
    /// connection.
    ///
    /// Calling it again changes nothing. The reader does not learn of it:
    /// [`Connection::close`](crate::Connection::close) closes both.
    pub fn close(&mut self) {
        self.state = match self.state {
            WriterState::Open | WriterState::Finishing => WriterState::Closing,
            WriterState::Finished => WriterState::Closed,
            ended => ended,
        };
    }

    /// Discards pending output, and ends the connection.
    ///
    /// Changes nothing if it was closed or lost already. The reader does not learn of it:
    /// [`Connection::abort`](crate::Connection::abort) aborts both.
    pub fn abort(&mut self) {
        self.lost(ConnectionError::Aborted);
    }

    /// Records that the connection was lost, and discards pending output.
    ///
    /// Changes nothing if it was closed or lost already: the first loss counts, unless that is
    /// [`NotConnected`](ConnectionError::NotConnected), which gives way to its cause. The reader
    /// does not learn of it: [`Connection::lost`](crate::Connection::lost) records it for both.
    pub fn lost(&mut self, error: ConnectionError) {
        match self.state {
            WriterState::Lost(ConnectionError::NotConnected) => {}
            WriterState::Closed | WriterState::Lost(_) => return,
            _ => {}
        }
        self.state = WriterState::Lost(error);
        self.is_unflushed = false;
        self.pending = 0;
        self.note_removal();
    }

    /// Returns what the driver has to do next to send; `None` if there is nothing to do.
    ///
    /// Output is written first, then what the transport holds back is flushed, then the write side
    /// is ended if that was asked for. [`on_send`](Self::on_send) records the result of each.
    #[inline]
    pub fn next_send(&self) -> Option<SendAction> {
        if self.pending > 0 {
            Some(SendAction::Write)
        } else if self.is_unflushed {
            Some(SendAction::Flush)
        } else if matches!(self.state, WriterState::Finishing | WriterState::Closing) {
            Some(SendAction::Shutdown)
        } else {
            None
        }
    }

    /// Records the result of a call that [`next_send`](Self::next_send) asked for, of a driver that
    /// keeps the halves of a connection in two places.
    /// [`Connection::on_send`](crate::Connection::on_send) has the rules. Only one needs both
    /// halves: a shutdown that is [not connected](ConnectionError::NotConnected), after the peer's
    /// stream has ended, is done, and to be recorded as `Ok`.
    pub fn on_send(
        &mut self,
        action: SendAction,
        result: Result<usize, impl Into<TransportError>>,
    ) -> Progress {
        match (action, result.map_err(Into::into)) {
            (_, Err(TransportError::WouldBlock)) => return Progress::Blocked,
            (_, Err(TransportError::Interrupted)) => return Progress::Interrupted,
            (_, Err(TransportError::Lost(error))) => self.lost(error),
            // The `Buf` has removed what it was advanced by.
            (SendAction::Write, Ok(1..)) if mem::take(&mut self.is_advanced) => {}
            (SendAction::Write, Ok(sent)) if sent == 0 || sent > self.pending => {
                // It takes no more, or more than there was: it is not to be trusted.
                self.lost(ConnectionError::Transport);
            }
            (SendAction::Write, Ok(sent)) => self.remove_sent(sent),
            (SendAction::Flush, Ok(_)) => self.flush_done(),
            (SendAction::Shutdown, Ok(_)) => self.shutdown_done(),
        }
        Progress::Moved
    }

    /// Records that the transport holds nothing back.
    ///
    /// Changes nothing while output is pending: what is written later may be held back.
    pub fn flush_done(&mut self) {
        if self.pending == 0 {
            self.is_unflushed = false;
        }
    }

    /// Records that the driver has ended the transport's write side.
    ///
    /// Changes nothing if that was not asked for, or while output is pending.
    pub fn shutdown_done(&mut self) {
        if self.pending > 0 {
            return;
        }
        self.state = match self.state {
            WriterState::Finishing => WriterState::Finished,
            WriterState::Closing => WriterState::Closed,
            _ => return,
        };
        self.is_unflushed = false;
    }

    /// Lends the writer a block to queue into, instead of memory of its own.
    ///
    /// It is for drivers of many connections, as [`Reader::lend`](crate::Reader::lend) is: lent
    /// before output is written, [reclaimed](Self::reclaim) once it is sent. It comes back as large
    /// as it was.
    ///
    /// # Errors
    ///
    /// The block, if output is pending, or another block is on loan.
    pub fn lend(&mut self, mut block: BytesMut) -> Result<(), BytesMut> {
        if self.pending > 0 || self.is_lent {
            return Err(block);
        }
        empty(&mut block);
        self.block = block;
        self.is_lent = true;
        Ok(())
    }

    /// Takes back the block that was [lent](Self::lend), empty.
    ///
    /// Output that is pending in it moves to a block of just its size. Returns `None` if no block
    /// is on loan.
    pub fn reclaim(&mut self) -> Option<BytesMut> {
        if !mem::replace(&mut self.is_lent, false) {
            return None;
        }
        let own = BytesMut::from(&*self.block);
        let mut lent = mem::replace(&mut self.block, own);
        empty(&mut lent);
        Some(lent)
    }

    /// Shows the pending bytes, as a [`Buf`] to send from; advancing it says what was sent.
    ///
    /// What it was advanced by, as by a `write_buf` of the transport, is sent, and
    /// [`on_send`](Self::on_send) of that write removes nothing more. With the feature `std`, its
    /// `chunks_vectored` shows as many of them as there are slices for.
    pub fn output(&mut self) -> Output<'_> {
        self.is_advanced = false;
        Output { writer: self }
    }

    /// Returns the bytes that were accepted and not sent, without a copy, and drops the writer.
    #[must_use = "these bytes were accepted and not sent"]
    pub fn into_unsent(mut self) -> Vec<Bytes> {
        self.seal_block();
        self.parts.into()
    }

    /// Queues what another owner of the stream has left, however much that is.
    pub(crate) fn resume(&mut self, unsent: Vec<Bytes>, is_unflushed: bool) {
        self.is_unflushed = is_unflushed;
        let parts = unsent.into_iter().filter(|part| !part.is_empty());
        for part in parts {
            self.pending = self.pending.saturating_add(part.len());
            self.parts.push_back(part);
        }
        self.note_growth();
    }

    /// Returns how many bytes are pending: accepted, and not sent.
    #[doc(alias = "get_write_buffer_size")]
    pub const fn pending(&self) -> usize {
        self.pending
    }

    /// Returns `true` if more should be written now.
    ///
    /// `false` once more than the high water mark is pending, until no more than the low one is.
    /// Also returns `false` once writes can no longer succeed. To wait for room, wait while
    /// [`is_full`](Self::is_full) is `true`.
    pub fn is_writable(&self) -> bool {
        !self.is_full && self.state == WriterState::Open
    }

    /// Returns `true` if more than the high water mark was pending, and since then never as little
    /// as the low one. `false` after a loss.
    pub const fn is_full(&self) -> bool {
        self.is_full
    }

    /// Returns `true` if nothing is pending, and the transport holds nothing back that was written.
    pub const fn is_flushed(&self) -> bool {
        self.pending == 0 && !self.is_unflushed
    }

    /// Returns `true` if the transport was not flushed since it last took bytes.
    pub(crate) const fn is_unflushed(&self) -> bool {
        self.is_unflushed
    }

    /// Returns where the writer is on its way to the end of the stream.
    pub const fn state(&self) -> WriterState {
        self.state
    }

    /// Returns how the connection was lost, if it was.
    pub const fn connection_error(&self) -> Option<ConnectionError> {
        match self.state {
            WriterState::Lost(error) => Some(error),
            _ => None,
        }
    }

    /// Returns the water marks.
    #[doc(alias = "get_write_buffer_limits")]
    pub const fn water_marks(&self) -> WaterMarks {
        self.marks
    }

    /// Returns the most bytes that may be pending.
    pub const fn max_pending(&self) -> usize {
        self.max_pending
    }

    /// Returns how much memory is held for bytes, used or not, in bytes.
    ///
    /// The sent part of a block that is being sent does not count, and of [`Bytes`] that are queued
    /// as they are nothing but themselves. A block on loan counts.
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
        let fits = self.pending.saturating_add(len) <= self.max_pending || len == 0;
        if self.state == WriterState::Open && fits {
            Ok(())
        } else {
            Err(self.refusal(len))
        }
    }

    /// Why a write of `len` bytes is not accepted.
    #[cold]
    fn refusal(&self, len: usize) -> WriteError {
        match self.state {
            WriterState::Finishing | WriterState::Finished => WriteError::Finished,
            WriterState::Closing | WriterState::Closed => WriteError::Closed,
            WriterState::Lost(error) => WriteError::ConnectionLost(error),
            WriterState::Open => WriteError::Full {
                len,
                pending: self.pending,
                max: self.max_pending,
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

    /// Fills the block up with `head`, and goes on with `rest`: in a larger block that what is
    /// there moves to, or after it in new ones of the largest size. A block on loan stays, and what
    /// is in it moves to a part.
    #[inline(never)]
    fn copy_across(&mut self, head: &[u8], mut rest: &[u8]) {
        self.block.extend_from_slice(head);
        if self.is_lent {
            // Another block would take the place of the one that is to go back.
            self.seal_block();
            if rest.len() <= self.room() {
                self.block.extend_from_slice(rest);
            } else {
                self.parts.push_back(Bytes::copy_from_slice(rest));
            }
            return;
        }
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
            let (head, later) = rest.split_at(rest.len().min(self.room()));
            self.block.extend_from_slice(head);
            rest = later;
        }
    }

    /// How many bytes the block has room for.
    #[inline]
    fn room(&self) -> usize {
        self.block.capacity().saturating_sub(self.block.len())
    }

    /// Moves what the block holds to the parts, and leaves it the room that it has.
    fn seal_block(&mut self) {
        if self.block.is_empty() {
            return;
        }
        if self.is_lent {
            // A part would keep the block, which is to go back whole.
            self.parts.push_back(Bytes::copy_from_slice(&self.block));
            empty(&mut self.block);
        } else {
            self.parts.push_back(self.block.split().freeze());
        }
    }

    /// Removes the first `count` pending bytes; there must be that many.
    fn remove_sent(&mut self, mut count: usize) {
        self.is_unflushed |= count > 0;
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
        // A block that has left as a whole is freed below.
        if count > 0 && self.pending > 0 {
            self.block.advance(count);
        }
        if self.parts.len() < self.parts.capacity() / SPARSE {
            self.parts.shrink_to(self.parts.len().saturating_mul(2));
        }
        self.note_removal();
    }

    #[inline]
    fn note_growth(&mut self) {
        self.is_full |= self.pending > self.marks.high();
    }

    /// Takes note that less is pending. Frees memory when nothing is.
    fn note_removal(&mut self) {
        if self.pending == 0 {
            if self.parts.capacity() > 0 {
                self.parts = VecDeque::new();
            }
            if self.is_lent {
                empty(&mut self.block);
            } else {
                self.block = BytesMut::new();
            }
        }
        self.is_full &= self.pending > self.marks.low();
    }
}

/// Empties a block, and gets back the room in it that was used, unless something else still shares
/// it.
fn empty(block: &mut BytesMut) {
    block.clear();
    // It fails if nothing is to be got back.
    let _ = block.try_reclaim(block.capacity().saturating_add(1));
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
            .field("max_pending", &self.max_pending)
            .field("is_full", &self.is_full)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// The pending bytes of a [`Writer`], as a driver sends them.
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
        self.writer.is_advanced |= sent > 0;
        self.writer.remove_sent(sent);
    }
}
