//! The receive buffer: one block of contiguous bytes.
//!
//! Bytes are appended at the back and leave at the front. The block grows as bytes come, never on a
//! number that a peer claimed, and is freed once nothing is left in it, unless it is on loan:
//! then it waits for its owner. Bytes that left stay in place until more are appended, so that a
//! frame can lend them.
//!
//! What may be taken when, limits, searches, and the end of the stream are the reader's business.

use alloc::vec::Vec;
use core::mem;
use core::ops::Range;
use core::sync::atomic::{Ordering, compiler_fence};

use bytes::{Buf, Bytes, BytesMut};

/// Size of the smallest block, in bytes, where the ceiling allows it.
const SMALLEST_BLOCK: usize = 512;

/// A block this many times larger than what it has to hold is replaced by a smaller one.
const OVERSIZED: usize = 8;

/// Room for less than this part of the unread bytes is not worth moving them.
const LITTLE: usize = 8;

/// Bytes received and not yet taken.
pub(crate) struct ReceiveBuffer {
    block: Block,
    /// Where the unread bytes begin in `block`.
    ///
    /// Invariant: `start <= filled <= block.len()`.
    start: usize,
    /// Where the unread bytes end in `block`. What lies after is free.
    filled: usize,
    /// How many bytes after `filled` were handed out to be written.
    ///
    /// Invariant: `filled + offered <= block.len()`.
    offered: usize,
    /// Position in the stream of the block's first byte.
    base: u64,
    #[cfg(feature = "counters")]
    copied: u64,
}

/// Memory for bytes. Its length is what was ever written, its capacity what may be.
enum Block {
    Own {
        bytes: Vec<u8>,
        /// Whether it is on loan, and so kept when nothing is left in it.
        is_lent: bool,
    },
    /// The rest of a block whose beginning went out with frames that were taken without copying.
    Shared {
        rest: BytesMut,
        /// Size of the whole block, in bytes, all of which the rest keeps alive.
        size: usize,
    },
}

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "places are ordered as the invariants on `start`, `filled` and `offered` say"
)]
impl ReceiveBuffer {
    pub(crate) const fn new() -> Self {
        Self {
            block: Block::NONE,
            start: 0,
            filled: 0,
            offered: 0,
            base: 0,
            #[cfg(feature = "counters")]
            copied: 0,
        }
    }

    /// Appends a copy of `input`. The block grows to at most `ceiling` bytes if that suffices.
    pub(crate) fn append(&mut self, input: &[u8], ceiling: usize) {
        self.make_room(input.len(), input.len(), ceiling);
        self.block.append_at(self.filled, input);
        self.filled += input.len();
        self.offered = 0;
        self.count_copied(input.len());
    }

    /// Hands out room after the unread bytes, for [`commit`](Self::commit): `size` bytes, or what
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

    /// Returns how much spare room is handed out, in bytes.
    pub(crate) fn offered(&self) -> usize {
        self.offered
    }

    /// Takes back the spare room, of which `written` bytes were written, and keeps the first
    /// `kept`.
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

    /// Removes the first `len` unread bytes; there must be that many. They stay where they are
    /// until more are appended.
    #[inline]
    pub(crate) fn consume(&mut self, len: usize) {
        self.start += len;
    }

    /// Frees all memory that is not on loan, if nothing is unread. Returns whether nothing is.
    pub(crate) fn release_if_empty(&mut self) -> bool {
        if !self.is_empty() {
            return false;
        }
        self.rewind();
        if !self.block.is_lent() {
            self.block = Block::NONE;
        }
        true
    }

    /// Takes a block on loan.
    ///
    /// # Errors
    ///
    /// The block, if something is unread, or another one is on loan.
    pub(crate) fn lend(&mut self, mut block: Vec<u8>) -> Result<(), Vec<u8>> {
        if !self.is_empty() || self.block.is_lent() {
            return Err(block);
        }
        self.rewind();
        // Room is made of zeros, never of what another stream has left in it.
        block.clear();
        self.block = Block::Own {
            bytes: block,
            is_lent: true,
        };
        Ok(())
    }

    /// Gives a block on loan back, without bytes, unless frames share it. What is unread moves to a
    /// block of its own size, out of a shared one if it is little.
    pub(crate) fn reclaim(&mut self) -> Option<Vec<u8>> {
        match &self.block {
            Block::Own { is_lent: true, .. } => {}
            // What the frames have taken pays for the move.
            Block::Shared { size, .. } if self.len() <= size / OVERSIZED => {}
            _ => return None,
        }
        let own = Block::Own {
            bytes: self.unread().to_vec(),
            is_lent: false,
        };
        let unread = self.len();
        let former = mem::replace(&mut self.block, own);
        self.moved_towards_front(self.start);
        (self.start, self.filled, self.offered) = (0, unread, 0);
        self.count_copied(unread);
        match former {
            Block::Own { mut bytes, .. } => {
                bytes.clear();
                Some(bytes)
            }
            Block::Shared { .. } => None,
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
        // Keeps the frame in registers. It would be copied by loads that are wider than the stores
        // before, for which processors have to wait.
        compiler_fence(Ordering::SeqCst);
        self.filled -= taken.end;
        self.start -= taken.end;
        self.base += taken.end as u64;
        frame
    }

    #[cold]
    fn share_first(&mut self, taken: Range<usize>) -> Bytes {
        if let Block::Own { bytes, .. } = &mut self.block {
            let size = bytes.capacity();
            let rest = BytesMut::from(Bytes::from(mem::take(bytes)));
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

    /// Position in the stream of the first unread byte.
    #[inline]
    pub(crate) fn position(&self) -> u64 {
        self.base + self.start as u64
    }

    /// Size of the memory held for bytes, used or not.
    pub(crate) fn capacity(&self) -> usize {
        self.block.size()
    }

    /// Returns how many bytes were copied into the buffer, or within it.
    #[cfg(feature = "counters")]
    pub(crate) fn copied(&self) -> u64 {
        self.copied
    }

    /// Makes the block have room for `size` more bytes after `filled`, or for as few as `least` if
    /// it has reached `ceiling`.
    ///
    /// Unread bytes are moved only where that is paid for: by as many that were taken since the
    /// block began, or by growth, to a block of twice the size, past the ceiling of a quarter more.
    /// At the ceiling neither may hold. Then they are moved when the room is used up, which the
    /// ceiling that the caller sets makes rare, and growth makes rare where it does not.
    fn make_room(&mut self, size: usize, least: usize, ceiling: usize) {
        if self.is_empty() {
            self.rewind();
            // How large a block on loan is, is for its owner to say.
            if self.block.is_lent() && self.block.capacity() >= size {
                return;
            }
        }
        let unread = self.len();
        let needed = unread.saturating_add(size);
        let held = self.block.size();
        let taken = self.start + (held - self.block.capacity());
        let room = self.block.capacity() - self.filled;
        // Room that is used up soon would make the bytes move again soon.
        let little = unread / LITTLE;
        let most = if needed <= ceiling && ceiling - unread >= little {
            ceiling
        } else {
            needed.saturating_add(needed / 4)
        };
        let is_paid = unread <= taken;
        let may_shrink = is_paid && !self.block.is_lent();
        let oversized =
            may_shrink && (held > most || held / OVERSIZED > needed.max(SMALLEST_BLOCK));
        let moving_pays = is_paid && needed <= held;
        let target = if oversized {
            SMALLEST_BLOCK.min(most).max(needed)
        } else if moving_pays {
            held
        } else {
            let doubled = held.saturating_mul(2).max(SMALLEST_BLOCK);
            doubled.min(most).max(needed)
        };
        let grows = target > held;
        let growth_pays = grows && target - held >= little;
        if !oversized && (room >= size || (!moving_pays && !growth_pays && room >= least)) {
            return;
        }
        match &mut self.block {
            Block::Own { bytes, .. } if !oversized && !grows => {
                bytes.copy_within(self.start..self.filled, 0);
            }
            Block::Own { bytes, .. } if !oversized && self.start == 0 => {
                // The allocator may find room after the block, or map its pages elsewhere.
                bytes.reserve_exact(target - bytes.len());
            }
            old => {
                let mut bytes = Vec::with_capacity(target);
                bytes.extend_from_slice(&old.bytes()[self.start..self.filled]);
                let is_lent = old.is_lent();
                *old = Block::Own { bytes, is_lent };
            }
        }
        self.count_copied(unread);
        self.moved_towards_front(self.start);
        self.filled = unread;
        self.start = 0;
    }

    /// Forgets bytes that were taken, once none is unread, and the room that was handed out.
    fn rewind(&mut self) {
        self.moved_towards_front(self.start);
        self.start = 0;
        self.filled = 0;
        self.offered = 0;
    }

    /// Records that all bytes in the block are `by` places nearer to its front.
    fn moved_towards_front(&mut self, by: usize) {
        self.base += by as u64;
    }

    #[inline]
    fn count_copied(&mut self, _bytes: usize) {
        #[cfg(feature = "counters")]
        {
            self.copied += _bytes as u64;
        }
    }
}

impl Block {
    const NONE: Self = Self::Own {
        bytes: Vec::new(),
        is_lent: false,
    };

    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own { bytes, .. } => bytes,
            Self::Shared { rest, .. } => rest,
        }
    }

    /// Whether it is on loan, and so kept when nothing is left in it.
    fn is_lent(&self) -> bool {
        matches!(self, Self::Own { is_lent: true, .. })
    }

    /// How many bytes it has room for, from the first that it shows.
    fn capacity(&self) -> usize {
        match self {
            Self::Own { bytes, .. } => bytes.capacity(),
            Self::Shared { rest, .. } => rest.capacity(),
        }
    }

    /// How much memory it holds.
    fn size(&self) -> usize {
        match self {
            Self::Own { bytes, .. } => bytes.capacity(),
            Self::Shared { size, .. } => *size,
        }
    }

    /// Writes `input` after the first `len` bytes.
    fn append_at(&mut self, len: usize, input: &[u8]) {
        match self {
            Self::Own { bytes, .. } => {
                bytes.truncate(len);
                bytes.extend_from_slice(input);
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
                Self::Own { bytes, .. } => bytes.resize(len, 0),
                Self::Shared { rest, .. } => rest.resize(len, 0),
            }
        }
        match self {
            Self::Own { bytes, .. } => bytes,
            Self::Shared { rest, .. } => rest,
        }
    }
}
