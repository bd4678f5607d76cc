//! The receive buffer: one block of contiguous bytes, and how far each search in it has come.
//!
//! Bytes are appended at the back and leave at the front. The block grows as bytes come, never on a
//! number that somebody claimed, and is given back once nothing is left in it. Bytes that left stay
//! in place until more are appended, so that a frame can lend them.
//!
//! What may be taken when, limits, and the end of the stream are the reader's business.

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::mem;
use core::ops::Range;

use bytes::{Buf, Bytes, BytesMut};

use crate::cursor::Cursor;
use crate::separator::{Pattern, Separator};

/// Size of the smallest block, in bytes, where the ceiling allows it.
const SMALLEST_BLOCK: usize = 512;

/// A block this many times larger than what it has to hold is replaced by a smaller one.
const OVERSIZED: usize = 8;

/// Most byte strings, besides the newline, whose search is remembered: two of the largest sets.
const MAX_CURSORS: usize = 2 * Separator::MAX_COUNT;

/// Bytes received and not yet taken.
#[derive(Default)]
pub(crate) struct ReceiveBuffer {
    block: Block,
    /// Where the unread bytes begin in `block`.
    ///
    /// Invariant: `start <= filled <= block.len()`.
    start: usize,
    /// Where the unread bytes end in `block`. What lies behind is free.
    filled: usize,
    /// How many bytes behind `filled` were handed out to be written.
    ///
    /// Invariant: `filled + offered <= block.len()`.
    offered: usize,
    /// Place of the block's first byte in the stream.
    base: u64,
    /// The search for newlines, which every reader needs.
    newline: Cursor,
    /// The searches for other byte strings, the one used last behind the others.
    ///
    /// Invariant: at most [`MAX_CURSORS`], no byte string twice.
    cursors: Vec<(Pattern, Cursor)>,
    #[cfg(feature = "counters")]
    costs: Costs,
}

/// What a buffer has done, in bytes: for tests that its work is linear in what it received.
#[cfg(feature = "counters")]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Costs {
    /// Bytes that searches for separators have looked at.
    pub examined: u64,
    /// Bytes copied into the buffer, or from one place in it to another.
    pub copied: u64,
}

/// Memory for bytes. Its length is what was ever written, its capacity what may be.
enum Block {
    Own(Vec<u8>),
    /// The rest of a block whose beginning went out with frames that were taken without copying.
    Shared {
        rest: BytesMut,
        /// Size of the whole block, in bytes, all of which the rest keeps alive.
        size: usize,
    },
}

/// Where a separator was found, in bytes from the first unread one.
pub(crate) struct Match {
    /// How many bytes precede the shortest of the byte strings that end here.
    pub(crate) content: usize,
    /// Where the separator ends.
    pub(crate) end: usize,
    /// Length of the longest of the byte strings that end here.
    pub(crate) separator_len: usize,
    /// Place of that longest one in the set.
    pub(crate) index: usize,
}

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "places are ordered as the invariants on `start`, `filled` and `offered` say"
)]
impl ReceiveBuffer {
    /// Appends a copy of `input`. The block grows to at most `ceiling` bytes if that suffices.
    pub(crate) fn append(&mut self, input: &[u8], ceiling: usize) {
        self.make_room(input.len(), input.len(), ceiling);
        self.block.append_at(self.filled, input);
        self.filled += input.len();
        self.offered = 0;
        self.count_copied(input.len());
    }

    /// Hands out room behind the unread bytes, for [`commit`](Self::commit): `size` bytes, or what
    /// is left of a block that has reached `ceiling`.
    ///
    /// They are zero or stale. A block is zeroed once in its life, not once a read.
    pub(crate) fn spare(&mut self, size: usize, ceiling: usize) -> &mut [u8] {
        self.offered = 0;
        if size == 0 {
            return &mut [];
        }
        self.make_room(size, 1, ceiling);
        self.offered = size.min(self.block.capacity() - self.filled);
        let end = self.filled + self.offered;
        &mut self.block.written_to(end)[self.filled..end]
    }

    /// Takes back the spare room, of which `written` bytes were written, and keeps the first `kept`.
    ///
    /// # Panics
    ///
    /// If less room than that was handed out.
    pub(crate) fn commit(&mut self, written: usize, kept: usize) {
        assert!(
            written <= self.offered,
            "{written} bytes committed of {} handed out",
            self.offered
        );
        self.filled += kept.min(written);
        self.offered = 0;
    }

    /// Removes the first `len` unread bytes; there must be that many. They stay where they are until
    /// more are appended.
    #[inline]
    pub(crate) fn consume(&mut self, len: usize) {
        self.start += len;
    }

    /// Gives all memory back, if nothing is unread.
    pub(crate) fn release_if_empty(&mut self) {
        if self.is_empty() {
            self.rewind();
            self.block = Block::default();
            self.cursors = Vec::new();
        }
    }

    /// Finds the next newline, as the count of unread bytes before it.
    #[inline]
    pub(crate) fn find_newline(&mut self) -> Option<usize> {
        self.newline
            .known_end(self.start)
            .or_else(|| self.look_for_newline())
    }

    #[inline(never)]
    fn look_for_newline(&mut self) -> Option<usize> {
        let before = self.newline;
        let received = &self.block.bytes()[..self.filled];
        let content = self.newline.find_byte(b'\n', received, self.start);
        self.count_examined(&Pattern::Byte(b'\n'), before, self.newline);
        content
    }

    /// Finds the separator that ends first.
    ///
    /// Looks at each byte once for each byte string, plus at most its length less one for each time
    /// that bytes were appended, whatever was searched for in between.
    #[inline]
    pub(crate) fn find(&mut self, separator: &Separator) -> Option<Match> {
        let mut first: Option<Match> = None;
        for (index, pattern) in separator.patterns().iter().enumerate() {
            let Some(content) = self.find_pattern(pattern) else {
                continue;
            };
            let found = Match {
                content,
                end: content + pattern.len(),
                separator_len: pattern.len(),
                index,
            };
            first = Some(match first {
                Some(first) => first.or_sooner(found),
                None => found,
            });
        }
        first
    }

    /// Finds the first carriage return or newline, as the count of unread bytes before it.
    pub(crate) fn find_line_break(&mut self) -> Option<usize> {
        let newline = self.find_newline();
        let carriage_return = self.find_pattern(&Pattern::Byte(b'\r'));
        newline.into_iter().chain(carriage_return).min()
    }

    #[inline]
    fn find_pattern(&mut self, pattern: &Pattern) -> Option<usize> {
        if matches!(pattern, Pattern::Byte(b'\n')) {
            return self.find_newline();
        }
        match self.cursors.last() {
            Some((last, _)) if last == pattern => {}
            _ => self.bring_up(pattern),
        }
        let (_, cursor) = self.cursors.last_mut()?;
        let before = *cursor;
        let received = &self.block.bytes()[..self.filled];
        let content = cursor.find(pattern, received, self.start);
        let after = *cursor;
        self.count_examined(pattern, before, after);
        content
    }

    /// Puts the search for `pattern` behind the others.
    #[inline(never)]
    fn bring_up(&mut self, pattern: &Pattern) {
        match self.cursors.iter().position(|(known, _)| known == pattern) {
            Some(place) => self.cursors[place..].rotate_left(1),
            None => {
                if self.cursors.len() == MAX_CURSORS {
                    self.cursors.remove(0);
                }
                self.cursors.push((pattern.clone(), Cursor::default()));
            }
        }
    }

    /// Takes bytes that were consumed, and nothing appended since, out of the block without a copy.
    ///
    /// The block stays alive with them. What follows stays where it is.
    #[inline]
    pub(crate) fn share(&mut self, taken: Range<usize>) -> Bytes {
        if taken.is_empty() {
            return Bytes::new();
        }
        let Block::Shared { rest, .. } = &mut self.block else {
            return self.share_first(taken);
        };
        if taken.start > 0 {
            rest.advance(taken.start);
        }
        let frame = rest.split_to(taken.len()).freeze();
        self.filled -= taken.end;
        self.start -= taken.end;
        self.moved_towards_front(taken.end);
        frame
    }

    #[cold]
    fn share_first(&mut self, taken: Range<usize>) -> Bytes {
        if let Block::Own(block) = &mut self.block {
            let size = block.capacity();
            let rest = BytesMut::from(Bytes::from(mem::take(block)));
            self.block = Block::Shared { rest, size };
        }
        self.share(taken)
    }

    /// Freezes the unread bytes.
    pub(crate) fn into_unread(mut self) -> Bytes {
        let unread = self.start..self.filled;
        self.consume(unread.len());
        self.share(unread)
    }

    /// Bytes that were consumed, and nothing appended since, by their place in the block.
    #[inline]
    pub(crate) fn taken(&self, taken: Range<usize>) -> &[u8] {
        &self.block.bytes()[taken]
    }

    /// Bytes received and not yet taken.
    #[inline]
    pub(crate) fn unread(&self) -> &[u8] {
        &self.block.bytes()[self.start..self.filled]
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.filled - self.start
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.filled
    }

    /// Place in the block of the first unread byte.
    #[inline]
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// Place in the stream of the first unread byte.
    #[inline]
    pub(crate) fn position(&self) -> u64 {
        self.base + self.start as u64
    }

    /// Size of the memory held for bytes, used or not.
    pub(crate) fn capacity(&self) -> usize {
        self.block.size()
    }

    #[cfg(feature = "counters")]
    pub(crate) fn costs(&self) -> Costs {
        self.costs
    }

    /// Makes the block have room for `size` more bytes behind `filled`, or for as few as `least` if it
    /// has reached `ceiling`.
    ///
    /// Unread bytes are moved only where that pays: when at least as many were taken since the block
    /// began, or to a block of twice the size, past the ceiling of a quarter more. At the ceiling
    /// neither holds. Then they are moved when the room is used up, which the caller makes rare by
    /// the ceiling that it sets.
    fn make_room(&mut self, size: usize, least: usize, ceiling: usize) {
        if self.is_empty() {
            self.rewind();
        }
        let unread = self.len();
        let needed = unread.saturating_add(size);
        let held = self.block.size();
        let taken = self.start + (held - self.block.capacity());
        let room = self.block.capacity() - self.filled;
        let most = match needed <= ceiling {
            true => ceiling,
            false => needed.saturating_add(needed / 4),
        };
        let oversized = held > most || held / OVERSIZED > needed.max(SMALLEST_BLOCK);
        let moving_pays = unread <= taken && needed <= held;
        let target = if oversized {
            SMALLEST_BLOCK.min(most).max(needed)
        } else if moving_pays {
            held
        } else {
            let doubled = held.saturating_mul(2).max(SMALLEST_BLOCK);
            doubled.min(most).max(needed)
        };
        let grows = target > held;
        if !oversized && (room >= size || (!moving_pays && !grows && room >= least)) {
            return;
        }
        match &mut self.block {
            Block::Own(block) if !oversized && !grows => {
                block.copy_within(self.start..self.filled, 0);
            }
            Block::Own(block) if !oversized && self.start == 0 => {
                // The allocator may find room behind the block, or map its pages elsewhere.
                block.reserve_exact(target - block.len());
            }
            old => {
                let mut block = Vec::with_capacity(target);
                block.extend_from_slice(&old.bytes()[self.start..self.filled]);
                *old = Block::Own(block);
            }
        }
        self.count_copied(unread);
        self.moved_towards_front(self.start);
        self.filled = unread;
        self.start = 0;
    }

    /// Forgets bytes that were taken, once none is unread, and the room that was handed out.
    fn rewind(&mut self) {
        self.base += self.start as u64;
        self.start = 0;
        self.filled = 0;
        self.offered = 0;
        self.newline = Cursor::default();
        self.cursors.clear();
    }

    /// Records that all bytes in the block are `by` places nearer to its front.
    fn moved_towards_front(&mut self, by: usize) {
        self.base += by as u64;
        self.newline.shift(by);
        for (_, cursor) in &mut self.cursors {
            cursor.shift(by);
        }
    }

    #[inline]
    fn count_examined(&mut self, _pattern: &Pattern, _before: Cursor, _after: Cursor) {
        #[cfg(feature = "counters")]
        {
            self.costs.examined += _after.examined_since(&_before, _pattern, self.start) as u64;
        }
    }

    #[inline]
    fn count_copied(&mut self, _bytes: usize) {
        #[cfg(feature = "counters")]
        {
            self.costs.copied += _bytes as u64;
        }
    }
}

impl Match {
    /// The one of two that ends sooner. Where they end together, the longer names the separator, and the
    /// shorter says what precedes it.
    fn or_sooner(self, other: Self) -> Self {
        match self.end.cmp(&other.end) {
            Ordering::Less => self,
            Ordering::Greater => other,
            Ordering::Equal => {
                let content = self.content.max(other.content);
                let longer = match self.separator_len < other.separator_len {
                    true => other,
                    false => self,
                };
                Self { content, ..longer }
            }
        }
    }
}

impl Block {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(block) => block,
            Self::Shared { rest, .. } => rest,
        }
    }

    /// How many bytes it has room for, from the first that it shows.
    fn capacity(&self) -> usize {
        match self {
            Self::Own(block) => block.capacity(),
            Self::Shared { rest, .. } => rest.capacity(),
        }
    }

    /// How much memory it holds.
    fn size(&self) -> usize {
        match self {
            Self::Own(block) => block.capacity(),
            Self::Shared { size, .. } => *size,
        }
    }

    /// Writes `input` behind the first `len` bytes.
    fn append_at(&mut self, len: usize, input: &[u8]) {
        match self {
            Self::Own(block) => {
                block.truncate(len);
                block.extend_from_slice(input);
            }
            Self::Shared { rest, .. } => {
                rest.truncate(len);
                rest.extend_from_slice(input);
            }
        }
    }

    /// Its bytes, of which at least the first `len` are made to be written, with zeros.
    fn written_to(&mut self, len: usize) -> &mut [u8] {
        if self.bytes().len() < len {
            match self {
                Self::Own(block) => block.resize(len, 0),
                Self::Shared { rest, .. } => rest.resize(len, 0),
            }
        }
        match self {
            Self::Own(block) => block,
            Self::Shared { rest, .. } => rest,
        }
    }
}

impl Default for Block {
    fn default() -> Self {
        Self::Own(Vec::new())
    }
}
