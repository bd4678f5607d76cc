//! The receive buffer: one block of contiguous bytes, and how far each search in it has come.
//!
//! Bytes are appended at the back and leave at the front. The block grows as bytes come, never on a
//! number that somebody claimed, and is given back once nothing is left in it. Bytes that left stay
//! in place until more are appended, so that a frame can lend them.
//!
//! What may be taken when, limits, and the end of the stream are the reader's business.

use alloc::vec::Vec;
use core::mem;
use core::ops::Range;

use bytes::Bytes;

use crate::separator::{Pattern, Separator};

/// Size of the smallest block, in bytes, where the ceiling allows it.
const SMALLEST_BLOCK: usize = 512;

/// A block this many times larger than what it has to hold is replaced by a smaller one.
const OVERSIZED: usize = 4;

/// Most byte strings, besides the newline, whose search is remembered: two of the largest sets.
const MAX_CURSORS: usize = 2 * Separator::MAX_COUNT;

/// Bytes received and not yet taken.
#[derive(Default)]
pub(crate) struct ReceiveBuffer {
    block: Block,
    /// Where the unread bytes begin in `block`.
    ///
    /// Invariant: `start <= filled <= block.bytes().len()`.
    start: usize,
    /// Where the unread bytes end in `block`. What lies behind is free.
    filled: usize,
    /// How many bytes behind `filled` were handed out to be written.
    ///
    /// Invariant: `filled + offered <= block.bytes().len()`.
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

enum Block {
    Own(Vec<u8>),
    /// Frozen, because a frame was taken without copying. Replaced as soon as more bytes come.
    Shared(Bytes),
}

/// How far the search for one byte string has come. Places count from the block's first byte.
#[derive(Clone, Copy, Default)]
struct Cursor {
    /// No match begins in the unread bytes before this place.
    ///
    /// Once bytes are taken it may lie before them; then it says nothing.
    searched: usize,
    /// Whether a match begins at `searched`.
    found: bool,
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
        let mut block = self.take_block(input.len(), input.len(), ceiling);
        block.truncate(self.filled);
        block.extend_from_slice(input);
        self.filled = block.len();
        self.offered = 0;
        self.block = Block::Own(block);
        self.count_copied(input.len());
    }

    /// Hands out room behind the unread bytes, for [`commit`](Self::commit): `size` bytes, or what
    /// is left of a block that has reached `ceiling`.
    ///
    /// They are zero or stale. A block is zeroed once in its life, not once a read.
    pub(crate) fn spare(&mut self, size: usize, ceiling: usize) -> &mut [u8] {
        if size == 0 {
            return &mut [];
        }
        let mut block = self.take_block(size, 1, ceiling);
        let end = block.capacity().min(self.filled + size);
        if block.len() < end {
            block.resize(end, 0);
        }
        self.offered = end - self.filled;
        self.block = Block::Own(block);
        &mut self.block.writable()[self.filled..end]
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
        let received = &self.block.bytes()[..self.filled];
        let (at, examined) = self
            .newline
            .advance(&Pattern::Byte(b'\n'), received, self.start);
        self.count_examined(examined);
        Some(at? - self.start)
    }

    /// Finds the separator that ends first.
    ///
    /// Looks at each byte once for each byte string, plus at most its length less one for each time
    /// that bytes were appended, whatever was searched for in between.
    pub(crate) fn find(&mut self, separator: &Separator) -> Option<Match> {
        let mut first: Option<Match> = None;
        for (index, pattern) in separator.patterns().iter().enumerate() {
            let Some(content) = self.find_pattern(pattern) else {
                continue;
            };
            let separator_len = pattern.len();
            let end = content + separator_len;
            match &mut first {
                Some(first) if first.end < end => {}
                Some(first) if first.end == end => {
                    first.content = first.content.max(content);
                    if first.separator_len < separator_len {
                        first.separator_len = separator_len;
                        first.index = index;
                    }
                }
                _ => {
                    first = Some(Match {
                        content,
                        end,
                        separator_len,
                        index,
                    });
                }
            }
        }
        first
    }

    fn find_pattern(&mut self, pattern: &Pattern) -> Option<usize> {
        if matches!(pattern, Pattern::Byte(b'\n')) {
            return self.find_newline();
        }
        match self.cursors.iter().position(|(known, _)| known == pattern) {
            Some(place) => self.cursors[place..].rotate_left(1),
            None => {
                if self.cursors.len() == MAX_CURSORS {
                    self.cursors.remove(0);
                }
                self.cursors.push((pattern.clone(), Cursor::default()));
            }
        }
        let (_, cursor) = self.cursors.last_mut()?;
        let received = &self.block.bytes()[..self.filled];
        let (at, examined) = cursor.advance(pattern, received, self.start);
        self.count_examined(examined);
        Some(at? - self.start)
    }

    /// Takes bytes out of the block without a copy. The block stays alive with them.
    pub(crate) fn share(&mut self, taken: Range<usize>) -> Bytes {
        let block = match mem::take(&mut self.block) {
            Block::Own(mut block) => {
                // So that its length tells its size.
                block.resize(block.capacity(), 0);
                Bytes::from(block)
            }
            Block::Shared(block) => block,
        };
        let frame = block.slice(taken);
        self.block = Block::Shared(block);
        frame
    }

    /// Freezes the unread bytes.
    pub(crate) fn into_unread(mut self) -> Bytes {
        let unread = self.start..self.filled;
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
    pub(crate) fn position(&self) -> u64 {
        self.base + self.start as u64
    }

    /// Size of the memory held for bytes, used or not.
    pub(crate) fn capacity(&self) -> usize {
        self.block.capacity()
    }

    #[cfg(feature = "counters")]
    pub(crate) fn costs(&self) -> Costs {
        self.costs
    }

    /// Takes out the block, to be put back, with room for `size` more bytes behind `filled`, or for
    /// as few as `least` if it has reached `ceiling`.
    ///
    /// Bytes are moved only where that pays: to the front, when at least as many were taken since
    /// the last move; to a larger block, of twice the size. At the ceiling neither holds. Then they
    /// are moved when the room is used up, which the caller makes rare by the ceiling that it sets.
    fn take_block(&mut self, size: usize, least: usize, ceiling: usize) -> Vec<u8> {
        if self.is_empty() {
            self.rewind();
        }
        let unread = self.len();
        let needed = unread.saturating_add(size);
        let capacity = self.block.capacity();
        let oversized = capacity / OVERSIZED > needed.max(SMALLEST_BLOCK);
        let doubled = if oversized {
            0
        } else {
            capacity.saturating_mul(2)
        };
        let target = match needed <= ceiling {
            true => doubled.max(SMALLEST_BLOCK).min(ceiling).max(needed),
            false => doubled.max(needed),
        };
        let at_ceiling = target <= capacity;
        let moving_pays = unread <= self.start && needed <= capacity;

        match mem::take(&mut self.block) {
            Block::Own(block) if !oversized && capacity - self.filled >= size => block,
            Block::Own(mut block) if !oversized && moving_pays => {
                block.copy_within(self.start..self.filled, 0);
                self.moved_to_front(unread);
                block
            }
            Block::Own(block) if at_ceiling && !oversized && capacity - self.filled >= least => {
                block
            }
            Block::Own(mut block) if at_ceiling && !oversized => {
                block.copy_within(self.start..self.filled, 0);
                self.moved_to_front(unread);
                block
            }
            Block::Own(mut block) if !oversized && self.start == 0 => {
                // The allocator may find room behind the block, or map its pages elsewhere.
                block.reserve_exact(target - block.len());
                self.moved_to_front(unread);
                block
            }
            old => {
                let mut block = Vec::with_capacity(target);
                block.extend_from_slice(&old.bytes()[self.start..self.filled]);
                self.moved_to_front(unread);
                block
            }
        }
    }

    /// Forgets the place of bytes that were taken, once no byte is unread.
    fn rewind(&mut self) {
        self.moved_to_front(0);
        self.newline = Cursor::default();
        self.cursors.clear();
    }

    /// Records that the unread bytes now begin at the block's first byte.
    fn moved_to_front(&mut self, unread: usize) {
        let by = self.start;
        self.base += by as u64;
        self.start = 0;
        self.filled = unread;
        self.newline.shift(by);
        for (_, cursor) in &mut self.cursors {
            cursor.shift(by);
        }
        self.count_copied(unread);
    }

    #[inline]
    fn count_examined(&mut self, _bytes: usize) {
        #[cfg(feature = "counters")]
        {
            self.costs.examined += _bytes as u64;
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

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "`start` is at most `bytes.len()`, and so is `searched` as long as no byte is taken back"
)]
impl Cursor {
    /// Goes on to the next match in `bytes[start..]`.
    ///
    /// Returns where it begins, and how many bytes were looked at.
    #[inline]
    fn advance(&mut self, pattern: &Pattern, bytes: &[u8], start: usize) -> (Option<usize>, usize) {
        if self.searched < start {
            *self = Self {
                searched: start,
                found: false,
            };
        }
        if self.found {
            return (Some(self.searched), 0);
        }
        let fresh = &bytes[self.searched..];
        let len = pattern.len();
        if fresh.len() < len {
            return (None, 0);
        }
        match pattern.find(fresh) {
            Some(skipped) => {
                self.searched += skipped;
                self.found = true;
                (Some(self.searched), skipped + len)
            }
            None => {
                self.searched = bytes.len() - (len - 1);
                (None, fresh.len())
            }
        }
    }

    /// Follows the bytes when they move `by` places towards the front.
    fn shift(&mut self, by: usize) {
        *self = match self.searched.checked_sub(by) {
            Some(searched) => Self { searched, ..*self },
            None => Self::default(),
        };
    }
}

impl Block {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(block) => block,
            Self::Shared(block) => block,
        }
    }

    /// What may be written to: nothing of a block that frames share.
    fn writable(&mut self) -> &mut [u8] {
        match self {
            Self::Own(block) => block,
            Self::Shared(_) => &mut [],
        }
    }

    fn capacity(&self) -> usize {
        match self {
            Self::Own(block) => block.capacity(),
            Self::Shared(block) => block.len(),
        }
    }
}

impl Default for Block {
    fn default() -> Self {
        Self::Own(Vec::new())
    }
}
