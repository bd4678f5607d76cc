//! How far the search for one byte string has come, so that no byte is looked at twice.
//!
//! Where frames are short, calling a search for each of them costs more than the search. So the search
//! for a byte goes by blocks of 64, and remembers where the block has it: one look finds many frames.
//! Past a block without any it leaves the rest to `memchr`, which is made for long ways.

use core::array;

use memchr::{memchr, memmem};

use crate::separator::Pattern;

/// How many bytes one look at a block covers.
const BLOCK: usize = u64::BITS as usize;

/// How many blocks are looked at before the rest is left to `memchr`.
const BLOCKS: usize = 2;

/// The bit of the last of 64 bytes.
const LAST: u64 = 1 << (BLOCK - 1);

/// The search for one byte string. Places count from the first byte of the buffer's memory.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cursor {
    /// The unread bytes before this place were looked at.
    ///
    /// Once bytes are taken it may lie before them; then nothing was.
    searched: usize,
    /// In which of the 64 bytes before `searched` a match may end. The highest bit is the last of them.
    ///
    /// Invariant: where a match lies within the unread bytes before `searched`, its last byte has its bit.
    /// Bits of bytes that were taken say nothing.
    ends: u64,
}

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "`start` and `searched` are at most `bytes.len()`; a bit of an unread byte stands for a place"
)]
impl Cursor {
    /// Finds the first match in `bytes[start..]`, as the count of bytes before it.
    #[inline]
    pub(crate) fn find(&mut self, pattern: &Pattern, bytes: &[u8], start: usize) -> Option<usize> {
        match pattern {
            Pattern::Byte(byte) => self.find_byte(*byte, bytes, start),
            Pattern::Pair(pair) => self.find_pair(*pair, bytes, start),
            Pattern::Long(finder) => self.find_long(finder, bytes, start),
        }
    }

    /// [`find`](Self::find) for a single byte.
    #[inline]
    pub(crate) fn find_byte(&mut self, byte: u8, bytes: &[u8], start: usize) -> Option<usize> {
        self.known_end(start)
            .or_else(|| self.look_for_byte(byte, bytes, start))
    }

    /// How many bytes were looked at to get here from `before`: those that are new, and for a search by
    /// `memmem` those that its first match may share with the bytes before.
    #[cfg(feature = "counters")]
    pub(crate) fn examined_since(&self, before: &Self, pattern: &Pattern, start: usize) -> usize {
        let overlap = match pattern {
            Pattern::Byte(_) | Pattern::Pair(_) => 0,
            Pattern::Long(finder) => finder.needle().len() - 1,
        };
        match self.searched > before.searched.max(start) {
            true => self.searched - before.searched.saturating_sub(overlap).max(start),
            false => 0,
        }
    }

    /// Follows the bytes when they move `by` places towards the front.
    pub(crate) fn shift(&mut self, by: usize) {
        *self = match self.searched.checked_sub(by) {
            Some(searched) => Self { searched, ..*self },
            None => Self::default(),
        };
    }

    /// The first unread byte whose bit is set, as the count of unread bytes before it.
    #[inline]
    pub(crate) fn known_end(&mut self, start: usize) -> Option<usize> {
        let mut ends = self.ends;
        while ends != 0 {
            let ahead = self.searched + ends.trailing_zeros() as usize;
            if let Some(before) = ahead.checked_sub(start + BLOCK) {
                self.ends = ends;
                return Some(before);
            }
            ends &= ends - 1; // it was taken
        }
        None
    }

    /// Goes on behind what was looked at, where no unread byte has its bit set.
    ///
    /// That the last bit alone is set says that the match before was far, and found by `memchr`. Then the
    /// next one is expected to be far, too, and blocks are looked at again once it was not.
    #[inline(never)]
    fn look_for_byte(&mut self, byte: u8, bytes: &[u8], start: usize) -> Option<usize> {
        let expected_far = self.ends == LAST;
        let mut from = self.searched.max(start);
        if !expected_far {
            for _ in 0..BLOCKS {
                let Some(block) = bytes[from..].first_chunk() else {
                    break;
                };
                from += BLOCK;
                let ends = places_of(byte, block);
                if ends != 0 {
                    (self.searched, self.ends) = (from, ends);
                    return self.known_end(start);
                }
            }
        }
        let skipped = memchr(byte, &bytes[from..]);
        let Some(end) = skipped.map(|skipped| from + skipped) else {
            (self.searched, self.ends) = (bytes.len(), 0);
            return None;
        };
        (self.searched, self.ends) = match bytes[end..].first_chunk() {
            Some(block) if expected_far && end - from < BLOCKS * BLOCK => {
                (end + BLOCK, places_of(byte, block))
            }
            _ => (end + 1, LAST),
        };
        Some(end - start)
    }

    /// Finds two adjacent bytes by the second, which in `\r\n` is the one that also stands alone.
    fn find_pair(&mut self, [first, second]: [u8; 2], bytes: &[u8], start: usize) -> Option<usize> {
        while let Some(end) = self.find_byte(second, bytes, start) {
            if end > 0 && bytes[start + end - 1] == first {
                return Some(end - 1);
            }
            self.ends &= !(1 << (BLOCK - (self.searched - (start + end))));
        }
        None
    }

    /// Finds a byte string of any length by a search that is linear whatever the bytes are.
    fn find_long(
        &mut self,
        finder: &memmem::Finder<'_>,
        bytes: &[u8],
        start: usize,
    ) -> Option<usize> {
        let overlap = finder.needle().len() - 1;
        if let Some(end) = self.known_end(start) {
            if end >= overlap {
                return Some(end - overlap);
            }
            // It began in bytes that were taken. Another may overlap it.
        }
        let from = self.searched.saturating_sub(overlap).max(start);
        let found = finder.find(&bytes[from..]);
        (self.searched, self.ends) = match found {
            Some(skipped) => (from + skipped + overlap + 1, LAST),
            None => (bytes.len(), 0),
        };
        Some(from - start + found?)
    }
}

/// The places of `byte` in `block`: the lowest bit is the first byte.
///
/// Written so that the compiler makes whole vectors of it: compare, give each match the bit of its place
/// in a group of eight, add each group up.
#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "places are below 64, and the bits of a group differ"
)]
fn places_of(byte: u8, block: &[u8; BLOCK]) -> u64 {
    let bits: [u8; BLOCK] = array::from_fn(|place| match block[place] == byte {
        true => 1 << (place % 8),
        false => 0,
    });
    let groups = array::from_fn(|group| bits[8 * group..][..8].iter().sum());
    u64::from_le_bytes(groups)
}
