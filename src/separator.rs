//! What ends a frame: one byte string, or the first to end of several.
//!
//! A [`Separator`] is built once, which prepares the search, and lent to every
//! [`read_until`](crate::Reader::read_until). It holds no position: how far a search has come is
//! kept by the reader, so that one separator serves any number of streams.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use memchr::memmem;

/// A byte string that ends a frame, or a set of them.
///
/// Of a set, the string whose **end** comes first wins. Where two end at the same byte, the frame
/// names the longest of them, so that its content never ends in the first half of a separator
/// (`any(["\n", "\r\n"])` takes all of `\r\n` off).
///
/// The limit is checked against the bytes before the shortest, as asyncio does: with
/// `any(["\n", "\r\n"])` the `\r` of a line counts towards the limit. With
/// [`UNIVERSAL_NEWLINE`](Self::UNIVERSAL_NEWLINE) it does not.
///
/// Cloning is cheap, and allocates nothing.
#[derive(Clone, Eq, PartialEq)]
pub struct Separator {
    kind: Kind,
}

/// How a separator is searched for.
#[derive(Clone, Eq)]
pub(crate) enum Kind {
    One(Pattern),
    /// `\r\n`, before which neither of its bytes may stand alone.
    StrictCrlf,
    /// `\n`, `\r\n`, or a `\r` that no `\n` follows.
    UniversalNewline,
    /// Never empty. Sorted by length, the shortest first.
    Any(Arc<[Member]>),
}

/// One byte string of a set.
#[derive(Eq, PartialEq)]
pub(crate) struct Member {
    pub(crate) pattern: Pattern,
    /// Its place in the set, as the caller ordered it.
    pub(crate) index: usize,
}

/// Why a [`Separator`] was not built.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SeparatorError {
    /// A set without any byte string.
    #[error("separator set is empty")]
    NoneGiven,
    /// A byte string without any byte.
    #[error("separator number {index} is empty")]
    Empty {
        /// Its place in the set, from zero.
        index: usize,
    },
    /// A byte string of more than [`Separator::MAX_LEN`] bytes.
    #[error(
        "separator number {index} has {len} bytes, at most {} are allowed",
        Separator::MAX_LEN
    )]
    TooLong {
        /// Its place in the set, from zero.
        index: usize,
        /// Its length, in bytes.
        len: usize,
    },
    /// A set of more than [`Separator::MAX_COUNT`] byte strings.
    #[error("separator set has more than {} members", Separator::MAX_COUNT)]
    TooMany,
}

impl Separator {
    /// Most bytes in one byte string.
    pub const MAX_LEN: usize = 255;
    /// Most byte strings in a set.
    pub const MAX_COUNT: usize = 16;
    /// Most bytes in the byte string of a [constant](Self::from_static).
    pub const MAX_STATIC_LEN: usize = 14;

    /// A newline, `\n`. [`read_line`](crate::Reader::read_line) has it built in.
    pub const LF: Self = Self::byte(b'\n');
    /// A carriage return and a newline, `\r\n`.
    pub const CRLF: Self = Self::one(CRLF);
    /// An empty line after a line, `\r\n\r\n`: the end of the head of an HTTP message.
    pub const CRLF_CRLF: Self = Self::from_static(b"\r\n\r\n");

    /// A carriage return and a newline, as [`CRLF`](Self::CRLF), before which neither stands alone.
    ///
    /// If one does, [`read_until`](crate::Reader::read_until) fails with
    /// [`ReadError::BareLineBreak`] and takes nothing: what one hop takes for the end of a line and
    /// another for a part of it lets a peer smuggle a command or a message past the first (SMTP,
    /// HTTP). Operations that discard, discard such bytes as all others.
    ///
    /// [`ReadError::BareLineBreak`]: crate::ReadError::BareLineBreak
    ///
    /// ```
    /// use plimsoll::{ReadError, Reader, Separator, Step};
    ///
    /// let mut reader = Reader::new();
    /// reader.feed(b"DATA\r\n.\nMAIL FROM:<x>\r\n");
    /// assert_eq!(reader.read_until(&Separator::STRICT_CRLF)?.ready().unwrap().content(), b"DATA");
    ///
    /// let smuggled = reader.read_until(&Separator::STRICT_CRLF);
    /// assert_eq!(smuggled.unwrap_err(), ReadError::BareLineBreak { before: 1 });
    /// assert_eq!(reader.buffered(), b".\nMAIL FROM:<x>\r\n");
    /// # Ok::<(), ReadError>(())
    /// ```
    pub const STRICT_CRLF: Self = Self {
        kind: Kind::StrictCrlf,
    };

    /// Any line ending: `\n` (index 0), `\r\n` (1), or a `\r` alone (2). None ends two lines.
    ///
    /// A `\r` that has nothing after it yet may be the first half of `\r\n`, so its line is
    /// complete when the next byte arrives, or the end of the stream. A peer that ends lines with
    /// `\r` alone and waits for a reply before it goes on is never answered: such a protocol needs
    /// `Separator::byte(b'\r')`.
    ///
    /// ```
    /// use plimsoll::{Reader, Separator, Step};
    ///
    /// let mut reader = Reader::new();
    /// reader.feed(b"unix\nwindows\r\nclassic\rlast");
    /// reader.feed_eof();
    /// let mut lines = Vec::new();
    /// while let Step::Ready(line) = reader.read_delimited(&Separator::UNIVERSAL_NEWLINE)? {
    ///     if line.is_empty() { break }
    ///     lines.push(String::from_utf8_lossy(line.content()).into_owned());
    /// }
    /// assert_eq!(lines, ["unix", "windows", "classic", "last"]);
    /// # Ok::<(), plimsoll::ReadError>(())
    /// ```
    pub const UNIVERSAL_NEWLINE: Self = Self {
        kind: Kind::UniversalNewline,
    };

    /// Creates a separator of a single byte.
    pub const fn byte(byte: u8) -> Self {
        Self::one(Pattern::Byte(byte))
    }

    /// Creates a separator of one short byte string, also in a constant.
    ///
    /// # Panics
    ///
    /// If `bytes` is empty or longer than [`MAX_STATIC_LEN`](Self::MAX_STATIC_LEN). In a constant
    /// that is an error of compilation.
    ///
    /// ```
    /// use plimsoll::Separator;
    ///
    /// const END_OF_DATA: Separator = Separator::from_static(b"\r\n.\r\n");
    /// # assert_eq!(END_OF_DATA.get(0), Some(&b"\r\n.\r\n"[..]));
    /// ```
    pub const fn from_static(bytes: &'static [u8]) -> Self {
        assert!(!bytes.is_empty(), "separator is empty");
        assert!(
            bytes.len() <= Self::MAX_STATIC_LEN,
            "separator is too long for a constant"
        );
        Self::one(match bytes {
            [byte] => Pattern::Byte(*byte),
            [first, second] => Pattern::Pair([*first, *second]),
            _ => Pattern::Short(Short::new(bytes)),
        })
    }

    /// Creates a separator of one byte string.
    ///
    /// # Errors
    ///
    /// [`SeparatorError`] if it is empty or longer than [`MAX_LEN`](Self::MAX_LEN).
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, SeparatorError> {
        Ok(Self::one(Pattern::new(0, bytes.as_ref())?))
    }

    /// Creates a separator that matches any of several byte strings.
    ///
    /// [`Frame::separator_index`](crate::Frame::separator_index) returns which of them did, by its
    /// place in this order. (asyncio takes a tuple, since Python 3.13, and does not tell.)
    ///
    /// # Errors
    ///
    /// [`SeparatorError`] if there is none, more than [`MAX_COUNT`](Self::MAX_COUNT), or one that
    /// is empty or longer than [`MAX_LEN`](Self::MAX_LEN).
    pub fn any<I>(members: I) -> Result<Self, SeparatorError>
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let mut set = Vec::new();
        for (index, member) in members.into_iter().enumerate() {
            if index == Self::MAX_COUNT {
                return Err(SeparatorError::TooMany);
            }
            let pattern = Pattern::new(index, member.as_ref())?;
            set.push(Member { pattern, index });
        }
        if set.is_empty() {
            return Err(SeparatorError::NoneGiven);
        }
        if let (1, Some(only)) = (set.len(), set.last()) {
            return Ok(Self::one(only.pattern.clone()));
        }
        // The end of a short one bounds the search for longer ones: see `Searches::find`.
        set.sort_by_key(|member| member.pattern.len());
        Ok(Self {
            kind: Kind::Any(set.into()),
        })
    }

    /// Returns the byte string at `index`, counted from zero.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        match (&self.kind, index) {
            (Kind::One(pattern), 0) => Some(pattern.bytes()),
            (Kind::StrictCrlf, 0) | (Kind::UniversalNewline, 1) => Some(b"\r\n"),
            (Kind::UniversalNewline, 0) => Some(b"\n"),
            (Kind::UniversalNewline, 2) => Some(b"\r"),
            (Kind::Any(set), _) => {
                let member = set.iter().find(|member| member.index == index)?;
                Some(member.pattern.bytes())
            }
            _ => None,
        }
    }

    const fn one(pattern: Pattern) -> Self {
        Self {
            kind: Kind::One(pattern),
        }
    }

    #[inline]
    pub(crate) fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Length of the longest byte string.
    pub(crate) fn max_len(&self) -> usize {
        match &self.kind {
            Kind::One(pattern) => pattern.len(),
            Kind::StrictCrlf | Kind::UniversalNewline => 2,
            Kind::Any(set) => set.last().map_or(0, |longest| longest.pattern.len()),
        }
    }

    fn count(&self) -> usize {
        match &self.kind {
            Kind::One(_) | Kind::StrictCrlf => 1,
            Kind::UniversalNewline => 3,
            Kind::Any(set) => set.len(),
        }
    }
}

impl fmt::Debug for Separator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Separator")
            .field("count", &self.count())
            .field("max_len", &self.max_len())
            .finish()
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::One(a), Self::One(b)) => a == b,
            (Self::StrictCrlf, Self::StrictCrlf) => true,
            (Self::UniversalNewline, Self::UniversalNewline) => true,
            // Mostly a clone of the same set.
            (Self::Any(a), Self::Any(b)) => Arc::ptr_eq(a, b) || a == b,
            _ => false,
        }
    }
}

/// The byte string of [`Separator::CRLF`].
pub(crate) const CRLF: Pattern = Pattern::Pair(*b"\r\n");

/// One byte string to search for, never empty.
#[derive(Clone)]
pub(crate) enum Pattern {
    Byte(u8),
    Pair([u8; 2]),
    /// Three bytes or more, of a constant.
    Short(Short),
    /// Of any length; the search is linear whatever the bytes are.
    Long(Arc<Needle>),
}

/// A byte string of any length, prepared for the search.
pub(crate) struct Needle {
    finder: memmem::Finder<'static>,
    /// For each count of bytes from the beginning, less one: how many bytes these begin with that
    /// they also end with, and that are not all of them.
    borders: Box<[u8]>,
}

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a border is shorter than what it is of, and that no longer than the byte string"
)]
impl Needle {
    /// Prepares a byte string that is not empty, nor longer than [`Separator::MAX_LEN`].
    fn new(bytes: &[u8]) -> Self {
        let mut needle = Self {
            finder: memmem::Finder::new(bytes).into_owned(),
            borders: alloc::vec![0; bytes.len()].into(),
        };
        let mut border = 0;
        for (place, byte) in bytes.iter().enumerate().skip(1) {
            border = needle.extended(border, *byte);
            needle.borders[place] = border;
        }
        needle
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.finder.needle()
    }

    #[inline]
    pub(crate) fn find(&self, haystack: &[u8]) -> Option<usize> {
        self.finder.find(haystack)
    }

    /// The most bytes fewer than `count` that the first `count` bytes both begin and end with.
    #[inline]
    pub(crate) fn border(&self, count: u8) -> u8 {
        self.borders[usize::from(count) - 1]
    }

    /// How many bytes of it have been seen, if so many had been, fewer than all, and `byte`
    /// follows.
    #[inline]
    pub(crate) fn extended(&self, mut count: u8, byte: u8) -> u8 {
        loop {
            if self.bytes()[usize::from(count)] == byte {
                return count + 1;
            }
            if count == 0 {
                return 0;
            }
            count = self.border(count);
        }
    }
}

/// A byte string that needs no memory of its own.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct Short {
    /// Zeros after the first `len` bytes.
    bytes: [u8; Separator::MAX_STATIC_LEN],
    /// Invariant: at most [`Separator::MAX_STATIC_LEN`].
    len: u8,
}

impl Short {
    #[expect(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "evaluated where a constant is, and the caller has checked the length"
    )]
    const fn new(from: &[u8]) -> Self {
        let mut bytes = [0; Separator::MAX_STATIC_LEN];
        let mut at = 0;
        while at < from.len() {
            bytes[at] = from[at];
            at += 1;
        }
        Self {
            bytes,
            len: from.len() as u8,
        }
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or(&self.bytes)
    }
}

impl Pattern {
    fn new(index: usize, bytes: &[u8]) -> Result<Self, SeparatorError> {
        match bytes {
            [] => Err(SeparatorError::Empty { index }),
            [byte] => Ok(Self::Byte(*byte)),
            [first, second] => Ok(Self::Pair([*first, *second])),
            _ if bytes.len() > Separator::MAX_LEN => Err(SeparatorError::TooLong {
                index,
                len: bytes.len(),
            }),
            _ => Ok(Self::Long(Arc::new(Needle::new(bytes)))),
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Byte(_) => 1,
            Self::Pair(_) => 2,
            Self::Short(short) => short.len.into(),
            Self::Long(needle) => needle.bytes().len(),
        }
    }

    /// Whether a search for the one goes on where that for the other stopped.
    #[inline]
    pub(crate) fn shares_search(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Byte(a), Self::Byte(b)) => a == b,
            (Self::Pair(a), Self::Pair(b)) => a == b,
            (Self::Short(a), Self::Short(b)) => a == b,
            (Self::Long(a), Self::Long(b)) => Arc::ptr_eq(a, b) || a.bytes() == b.bytes(),
            // Searches for a short and for a long one remember different things.
            _ => false,
        }
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Byte(byte) => core::slice::from_ref(byte),
            Self::Pair(pair) => pair,
            Self::Short(short) => short.bytes(),
            Self::Long(needle) => needle.bytes(),
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        // A constant and what was built of the same bytes are the same.
        self.shares_search(other) || self.bytes() == other.bytes()
    }
}

impl Eq for Pattern {}
