//! Where the length of a frame stands, for frames that begin with it.
//!
//! Plain data, and the arithmetic on a number that a peer has sent. Reading such a frame is the
//! reader's business, writing one the writer's.

/// How frames tell their length: a number of one to eight bytes in their head.
///
/// Without more settings a frame is the number, then as many bytes as it says, and what is read are
/// the bytes after the number:
///
/// ```
/// use plimsoll::{LengthPrefix, Reader, Step, Writer};
///
/// let mut reader = Reader::new();
/// reader.feed(b"\x00\x05hello\x00");
/// let Step::Ready(frame) = reader.read_length_prefixed(&LengthPrefix::U16_BE)? else { unreachable!() };
/// assert_eq!(frame, "hello");
/// assert_eq!(reader.buffered(), b"\x00", "the half of a head stays");
/// # Ok::<(), plimsoll::ReadError>(())
/// ```
///
/// | protocol | head | prefix |
/// | --- | --- | --- |
/// | length counts the payload | `length` | `LengthPrefix::U32_BE` |
/// | length counts itself, too | `length` | `LengthPrefix::U32_BE.adjustment(-4)` |
/// | a type of one byte comes first | `type length` | `LengthPrefix::U32_BE.offset(1)` |
/// | three bytes, then six of other fields that it does not count (HTTP/2) | `length ...` | `LengthPrefix::big_endian(3).adjustment(6).skip(0)` |
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct LengthPrefix {
    /// Bytes in the number. Invariant: one to eight.
    size: u8,
    is_little_endian: bool,
    /// How many bytes precede the number.
    offset: usize,
    /// What is added to the number for the count of the bytes after it.
    adjustment: i64,
    /// How many bytes of the head are left out of the frame; `None` for all of it.
    skip: Option<usize>,
}

impl LengthPrefix {
    /// One byte.
    pub const U8: Self = Self::big_endian(1);
    /// Two bytes, the most significant first.
    pub const U16_BE: Self = Self::big_endian(2);
    /// Two bytes, the least significant first.
    pub const U16_LE: Self = Self::little_endian(2);
    /// Four bytes, the most significant first.
    pub const U32_BE: Self = Self::big_endian(4);
    /// Four bytes, the least significant first.
    pub const U32_LE: Self = Self::little_endian(4);
    /// Eight bytes, the most significant first.
    pub const U64_BE: Self = Self::big_endian(8);
    /// Eight bytes, the least significant first.
    pub const U64_LE: Self = Self::little_endian(8);

    /// Creates a prefix of `size` bytes, the most significant first.
    ///
    /// # Panics
    ///
    /// If `size` is not between one and eight.
    pub const fn big_endian(size: usize) -> Self {
        assert!(1 <= size && size <= 8, "a length of one to eight bytes");
        Self {
            size: size as u8,
            is_little_endian: false,
            offset: 0,
            adjustment: 0,
            skip: None,
        }
    }

    /// Creates a prefix of `size` bytes, the least significant first.
    ///
    /// # Panics
    ///
    /// If `size` is not between one and eight.
    pub const fn little_endian(size: usize) -> Self {
        Self {
            is_little_endian: true,
            ..Self::big_endian(size)
        }
    }

    /// Sets how many bytes of the head precede the number: none by default.
    pub const fn offset(self, offset: usize) -> Self {
        Self { offset, ..self }
    }

    /// Sets what is added to the number to get how many bytes follow it: zero by default.
    ///
    /// Negative if the number counts bytes of the head, positive if it leaves out bytes after
    /// itself.
    pub const fn adjustment(self, adjustment: i64) -> Self {
        Self { adjustment, ..self }
    }

    /// Sets how many bytes at the beginning are left out of the frame: the head up to and including
    /// the number by default, zero for none.
    ///
    /// If head and frame together are shorter, nothing is left of them.
    pub const fn skip(self, count: usize) -> Self {
        Self {
            skip: Some(count),
            ..self
        }
    }

    /// How many bytes it takes to know the length.
    pub(crate) const fn head_len(&self) -> usize {
        self.offset.saturating_add(self.size as usize)
    }

    /// The number in a head, which has [`head_len`](Self::head_len) bytes.
    pub(crate) fn number_in(&self, head: &[u8]) -> u64 {
        let number = head.get(self.offset..).unwrap_or_default();
        let more = |value: u64, byte: &u8| (value << 8) | u64::from(*byte);
        if self.is_little_endian {
            number.iter().rev().fold(0, more)
        } else {
            number.iter().fold(0, more)
        }
    }

    /// How many bytes head and frame are together, for a number in the head; `None` if fewer than
    /// the head.
    pub(crate) fn total_len(&self, number: u64) -> Option<u64> {
        let after = if self.adjustment < 0 {
            number.checked_sub(self.adjustment.unsigned_abs())?
        } else {
            number.saturating_add(self.adjustment.unsigned_abs())
        };
        Some(after.saturating_add(self.head_len() as u64))
    }

    /// How many bytes of `total` are left out of the frame.
    pub(crate) fn skipped_of(&self, total: usize) -> usize {
        self.skip.unwrap_or(self.head_len()).min(total)
    }

    /// The head for a payload of `len` bytes, and how many bytes of it count; `None` if the length
    /// does not fit.
    pub(crate) fn head_for(&self, len: usize) -> Option<([u8; 8], usize)> {
        let number = i128::try_from(len)
            .ok()?
            .checked_sub(self.adjustment.into())?;
        let number = u64::try_from(number).ok()?;
        let size = usize::from(self.size);
        let unused = 8_usize.saturating_sub(size);
        if number.leading_zeros() < u8::BITS.saturating_mul(unused as u32) {
            return None;
        }
        let bytes = if self.is_little_endian {
            number.to_le_bytes()
        } else {
            let mut bytes = number.to_be_bytes();
            bytes.rotate_left(unused);
            bytes
        };
        Some((bytes, size))
    }
}
