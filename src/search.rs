//! The search for separators: how far each has come, so that no byte is looked at twice.
//!
//! Places are positions in the stream, so what a search knows stays true wherever the bytes move in
//! memory. The bytes themselves, and what becomes of them, are the reader's business.
//!
//! Where frames are short, calling a search for each of them costs more than the search. So the
//! search for a byte goes by blocks of 64, and remembers where the block has it: one look finds
//! many frames. After a block without any it leaves the rest to `memchr`, which is made for long
//! ways.

use alloc::vec::Vec;
use core::array;

use memchr::memchr;

use crate::separator::{CRLF, Kind, Member, Needle, Pattern, Separator};

/// How many bytes one look at a block covers.
const BLOCK: usize = u64::BITS as usize;

/// How many blocks are looked at before the rest is left to `memchr`.
const BLOCKS: usize = 2;

/// The bit of the last of 64 bytes.
const LAST: u64 = 1 << (BLOCK - 1);

/// Stands for how many bytes a byte string begins with that was last searched for by `memmem`.
const UNKNOWN: u64 = u64::MAX;

/// Most byte strings, besides the newline, whose search is remembered: two of the largest sets.
const MAX_CURSORS: usize = 2 * Separator::MAX_COUNT;

/// Unread bytes, and where in the stream they begin.
pub(crate) struct Unread<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) position: u64,
    /// Whether no more bytes will follow.
    pub(crate) is_all: bool,
}

/// Where a separator was found, in bytes from the first unread one.
#[derive(Clone, Copy)]
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

/// What a search for a separator has found.
pub(crate) enum Found {
    Match(Match),
    /// A line break that stands alone after so many bytes, which [`Separator::STRICT_CRLF`]
    /// refuses.
    Bare(usize),
    Nothing,
}

/// All searches in one stream.
pub(crate) struct Searches {
    /// The search for newlines, which every reader needs.
    newline: Cursor,
    /// The searches for other byte strings, the most recent last.
    ///
    /// Invariant: at most [`MAX_CURSORS`], no byte string twice.
    others: Vec<(Pattern, Cursor)>,
    #[cfg(feature = "counters")]
    examined: u64,
}

impl Searches {
    pub(crate) const fn new() -> Self {
        Self {
            newline: Cursor::NEW,
            others: Vec::new(),
            #[cfg(feature = "counters")]
            examined: 0,
        }
    }

    /// Gives memory back, once nothing is unread.
    pub(crate) fn release(&mut self) {
        self.others = Vec::new();
    }

    /// Finds a newline in what was looked at already, as the count of unread bytes before it.
    #[inline]
    pub(crate) fn known_newline(&mut self, position: u64) -> Option<usize> {
        self.newline.known_end(position)
    }

    /// Finds the next newline after what was looked at, where [none is known](Self::known_newline).
    #[inline]
    pub(crate) fn look_for_newline(&mut self, unread: &Unread<'_>) -> Option<usize> {
        let before = self.newline.searched;
        let content = self
            .newline
            .look_for_byte(b'\n', unread.bytes, unread.position);
        self.count_examined(before.max(unread.position), self.newline.searched);
        content
    }

    /// Finds the next newline, as the count of unread bytes before it.
    #[inline]
    pub(crate) fn find_newline(&mut self, unread: &Unread<'_>) -> Option<usize> {
        self.known_newline(unread.position)
            .or_else(|| self.look_for_newline(unread))
    }

    /// Finds one byte string.
    #[inline]
    pub(crate) fn find_one(&mut self, pattern: &Pattern, unread: &Unread<'_>) -> Option<Match> {
        let content = self.find_pattern(pattern, unread, unread.bytes.len())?;
        Some(Match::of(pattern.len(), 0, content))
    }

    /// Finds the one of a set that ends first.
    #[inline]
    pub(crate) fn find_first(&mut self, set: &[Member], unread: &Unread<'_>) -> Option<Match> {
        // Plain numbers, which stay in registers. The first is `usize::MAX` while none is found.
        let (mut end, mut content, mut separator_len, mut index) = (usize::MAX, 0, 0, 0);
        for member in set {
            // A longer one that ends after the best so far is of no interest.
            let within = end.min(unread.bytes.len());
            let Some(before) = self.find_pattern(&member.pattern, unread, within) else {
                continue;
            };
            let len = member.pattern.len();
            let ends_at = before.saturating_add(len);
            if ends_at < end {
                (end, content) = (ends_at, before);
            } else if ends_at > end || len == separator_len {
                continue;
            }
            // Where two end together, the longer names the separator, and it comes later in the
            // set.
            (separator_len, index) = (len, member.index);
        }
        (end != usize::MAX).then_some(Match {
            content,
            end,
            separator_len,
            index,
        })
    }

    /// Finds the separator that ends first.
    ///
    /// Looks at each byte at most twice for each byte string, whatever was searched for, appended
    /// and taken in between.
    pub(crate) fn find(&mut self, separator: &Separator, unread: &Unread<'_>) -> Found {
        let found = match separator.kind() {
            Kind::One(pattern) => self.find_one(pattern, unread),
            Kind::Any(set) => self.find_first(set, unread),
            Kind::StrictCrlf => return self.find_strict_crlf(unread),
            Kind::UniversalNewline => self.find_universal_newline(unread),
        };
        found.map_or(Found::Nothing, Found::Match)
    }

    /// Finds the separator that ends first, whatever precedes it: for bytes that are discarded.
    pub(crate) fn find_any_end(
        &mut self,
        separator: &Separator,
        unread: &Unread<'_>,
    ) -> Option<Match> {
        if let Kind::StrictCrlf = separator.kind() {
            return self.find_one(&CRLF, unread);
        }
        match self.find(separator, unread) {
            Found::Match(found) => Some(found),
            Found::Bare(_) | Found::Nothing => None,
        }
    }

    /// Finds `\r\n` where neither of its bytes stands alone before it.
    fn find_strict_crlf(&mut self, unread: &Unread<'_>) -> Found {
        let Some(content) = self.find_line_break(unread) else {
            return Found::Nothing;
        };
        match unread.bytes.get(content..) {
            Some([b'\r', b'\n', ..]) => Found::Match(Match::of(2, 0, content)),
            // The newline may follow. At the end of the stream the line is incomplete either way.
            Some([b'\r']) => Found::Nothing,
            _ => Found::Bare(content),
        }
    }

    fn find_universal_newline(&mut self, unread: &Unread<'_>) -> Option<Match> {
        let content = self.find_line_break(unread)?;
        let (len, index) = match unread.bytes.get(content..)? {
            [b'\n', ..] => (1, 0),
            [b'\r', b'\n', ..] => (2, 1),
            // Whether a newline follows is not known yet.
            [b'\r'] if !unread.is_all => return None,
            _ => (1, 2),
        };
        Some(Match::of(len, index, content))
    }

    /// Finds the first carriage return or newline, as the count of unread bytes before it.
    fn find_line_break(&mut self, unread: &Unread<'_>) -> Option<usize> {
        let newline = self.find_newline(unread);
        let carriage_return = self.find_one(&Pattern::Byte(b'\r'), unread);
        let carriage_return = carriage_return.map(|found| found.content);
        newline.into_iter().chain(carriage_return).min()
    }

    /// Finds a byte string that ends within the first `within` bytes, or a later one that is known.
    #[inline]
    fn find_pattern(
        &mut self,
        pattern: &Pattern,
        unread: &Unread<'_>,
        within: usize,
    ) -> Option<usize> {
        if matches!(pattern, Pattern::Byte(b'\n')) {
            return self.find_newline(unread);
        }
        match self.others.last() {
            Some((last, _)) if last.shares_search(pattern) => {}
            _ => self.bring_up(pattern),
        }
        let (_, cursor) = self.others.last_mut()?;
        let Unread {
            bytes, position, ..
        } = *unread;
        if let Pattern::Long(needle) = pattern {
            let (content, examined) = cursor.find_long(needle, bytes, position, within);
            self.count_examined(0, examined as u64);
            return content;
        }
        let before = cursor.searched.max(position);
        let content = match pattern {
            Pattern::Byte(byte) => cursor.find_byte(*byte, bytes, position),
            Pattern::Pair(pair) => cursor.find_pair(*pair, bytes, position),
            Pattern::Short(short) => cursor.find_short(short.bytes(), bytes, position),
            Pattern::Long(_) => None,
        };
        let searched = cursor.searched;
        self.count_examined(before, searched);
        content
    }

    /// Moves the search for `pattern` to the end.
    #[inline(never)]
    fn bring_up(&mut self, pattern: &Pattern) {
        let known = |(known, _): &(Pattern, Cursor)| known.shares_search(pattern);
        match self.others.iter().position(known) {
            Some(place) => {
                if let Some(moved) = self.others.get_mut(place..) {
                    moved.rotate_left(1);
                }
            }
            None => {
                if self.others.len() == MAX_CURSORS {
                    self.others.remove(0);
                }
                self.others.push((pattern.clone(), Cursor::NEW));
            }
        }
    }

    /// Returns how many bytes searches have looked at.
    #[cfg(feature = "counters")]
    pub(crate) fn examined(&self) -> u64 {
        self.examined
    }

    #[inline]
    fn count_examined(&mut self, _from: u64, _to: u64) {
        #[cfg(feature = "counters")]
        {
            self.examined = self.examined.saturating_add(_to.saturating_sub(_from));
        }
    }
}

impl Match {
    #[inline]
    fn of(separator_len: usize, index: usize, content: usize) -> Self {
        Self {
            content,
            end: content.saturating_add(separator_len),
            separator_len,
            index,
        }
    }
}

/// The search for one byte string.
#[derive(Clone, Copy)]
struct Cursor {
    /// The unread bytes before this position were looked at.
    ///
    /// Once bytes are taken it may lie before them; then nothing was.
    searched: u64,
    /// In which of the 64 bytes before `searched` a match may end. The highest bit is the last of
    /// them.
    ///
    /// Invariant: where a match lies within the unread bytes before `searched`, its last byte has
    /// its bit. Bits of bytes that were taken say nothing.
    ///
    /// In a search for a [`Needle`] it is a number instead: how many of the bytes before `searched`
    /// it begins with, at most, or [`UNKNOWN`]. All of it is a match. They may have been taken
    /// since.
    ends: u64,
}

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "`searched` is at most the position after the last byte; a bit of an unread byte stands for a place"
)]
impl Cursor {
    const NEW: Self = Self {
        searched: 0,
        ends: 0,
    };

    /// The first unread byte whose bit is set, as the count of unread bytes before it.
    #[inline]
    fn known_end(&mut self, position: u64) -> Option<usize> {
        let mut ends = self.ends;
        // The position is known last, so what does not depend on it is computed apart.
        let block = self.searched.wrapping_sub(BLOCK as u64);
        while ends != 0 {
            let found = block.wrapping_add(u64::from(ends.trailing_zeros()));
            if let Some(before) = found.checked_sub(position) {
                self.ends = ends;
                return Some(before as usize);
            }
            ends &= ends - 1; // it was taken
        }
        None
    }

    /// How many unread bytes were looked at.
    #[inline]
    fn looked_at(&self, position: u64) -> usize {
        self.searched.saturating_sub(position) as usize
    }

    #[inline]
    fn find_byte(&mut self, byte: u8, bytes: &[u8], position: u64) -> Option<usize> {
        self.known_end(position)
            .or_else(|| self.look_for_byte(byte, bytes, position))
    }

    /// Goes on after what was looked at, where no unread byte has its bit set.
    ///
    /// That the last bit alone is set says that the match before was far, and found by `memchr`.
    /// Then the next one is expected to be far, too, and blocks are looked at again once it was
    /// not.
    #[inline(never)]
    fn look_for_byte(&mut self, byte: u8, bytes: &[u8], position: u64) -> Option<usize> {
        let expected_far = self.ends == LAST;
        let mut from = self.looked_at(position);
        if !expected_far {
            for _ in 0..BLOCKS {
                let Some(block) = bytes[from..].first_chunk() else {
                    break;
                };
                from += BLOCK;
                let ends = places_of(byte, block);
                if ends != 0 {
                    (self.searched, self.ends) = (position + from as u64, ends);
                    return self.known_end(position);
                }
            }
        }
        let skipped = memchr(byte, &bytes[from..]);
        let Some(end) = skipped.map(|skipped| from + skipped) else {
            (self.searched, self.ends) = (position + bytes.len() as u64, 0);
            return None;
        };
        let (searched, ends) = match bytes[end..].first_chunk() {
            Some(block) if expected_far && end - from < BLOCKS * BLOCK => {
                (end + BLOCK, places_of(byte, block))
            }
            _ => (end + 1, LAST),
        };
        (self.searched, self.ends) = (position + searched as u64, ends);
        Some(end)
    }

    /// Finds two adjacent bytes by the second, which in `\r\n` is the one that also stands alone.
    fn find_pair(
        &mut self,
        [first, second]: [u8; 2],
        bytes: &[u8],
        position: u64,
    ) -> Option<usize> {
        while let Some(end) = self.find_byte(second, bytes, position) {
            if end > 0 && bytes[end - 1] == first {
                return Some(end - 1);
            }
            self.reject(end, position);
        }
        None
    }

    /// Finds a few adjacent bytes by the last of them.
    fn find_short(&mut self, pattern: &[u8], bytes: &[u8], position: u64) -> Option<usize> {
        let last = *pattern.last()?;
        while let Some(end) = self.find_byte(last, bytes, position) {
            let before = &bytes[..=end];
            if before.ends_with(pattern) {
                return Some(before.len() - pattern.len());
            }
            self.reject(end, position);
        }
        None
    }

    /// Records that no match ends at the unread byte `end`, whose bit is set.
    #[inline]
    fn reject(&mut self, end: usize, position: u64) {
        let distance = self.searched - (position + end as u64);
        self.ends &= !(1 << (BLOCK as u64 - distance));
    }

    /// Finds a byte string of any length, within the first `within` bytes unless a match is known.
    /// Returns also how many bytes it has looked at, each at most twice in all searches together.
    ///
    /// What the needle has begun with is remembered, so that nothing is looked at again for the
    /// next bytes, or since a match began in bytes that were taken. Where it has not begun,
    /// `memmem` goes on, which is faster.
    fn find_long(
        &mut self,
        needle: &Needle,
        bytes: &[u8],
        position: u64,
        within: usize,
    ) -> (Option<usize>, usize) {
        let len = needle.bytes().len();
        let first = self.looked_at(position);
        let mut again = 0;
        let mut begun = 0;
        if self.ends == UNKNOWN {
            // It matters only for bytes that were not taken.
            let tail = &bytes[first.saturating_sub(len - 1)..first];
            for byte in tail {
                begun = needle.extended(begun, *byte);
            }
            again = tail.len();
        } else {
            begun = self.ends as u8;
        }
        while usize::from(begun) > first {
            begun = needle.border(begun);
        }
        let mut at = first;
        let mut is_known = true;
        while at < within && usize::from(begun) < len {
            // What is looked at again, here and after it, is paid for by as many other bytes.
            let pays = begun == 0 || at - first >= len;
            if !pays || within - at < len {
                begun = needle.extended(begun, bytes[at]);
                at += 1;
                continue;
            }
            let from = at - usize::from(begun);
            again += usize::from(begun);
            if let Some(skipped) = needle.find(&bytes[from..within]) {
                at = from + skipped + len;
                begun = len as u8;
            } else {
                at = within;
                is_known = false;
            }
        }
        self.searched = position + at as u64;
        self.ends = if is_known { begun.into() } else { UNKNOWN };
        let is_whole = usize::from(begun) == len;
        (is_whole.then(|| at - len), at - first + again)
    }
}

/// The places of `byte` in `block`: the lowest bit is the first byte.
///
/// Written so that the compiler makes whole vectors of it: compare, give each match the bit of its
/// place in a group of eight, add each group up.
#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "places are below 64, and the bits of a group differ"
)]
fn places_of(byte: u8, block: &[u8; BLOCK]) -> u64 {
    let bits: [u8; BLOCK] = array::from_fn(|place| {
        if block[place] == byte {
            1 << (place % 8)
        } else {
            0
        }
    });
    let groups = array::from_fn(|group| bits[8 * group..][..8].iter().sum());
    u64::from_le_bytes(groups)
}
