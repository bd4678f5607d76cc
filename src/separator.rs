//! What ends a frame: one byte string, or the first to end of several.
//!
//! A [`Separator`] is built once, which prepares the search, and lent to every
//! [`read_until`](crate::Reader::read_until). It holds no position: how far a search has come is
//! kept by the reader, so that one separator serves any number of streams.

use alloc::sync::Arc;
use core::fmt;

use memchr::memmem;

/// A byte string that ends a frame, or a set of them.
///
/// Of a set, the string whose **end** comes first wins. Where two end at the same byte, the frame
/// names the longest of them, so that its content never ends in the first half of a separator
/// (`any(["\n", "\r\n"])` takes all of `\r\n` off); the limit is checked against the bytes before
/// the shortest, as asyncio does.
///
/// Cloning is cheap.
#[derive(Clone)]
pub struct Separator {
    patterns: Patterns,
}

#[derive(Clone)]
enum Patterns {
    One(Pattern),
    /// `\r\n`, before which neither of its bytes may stand alone.
    Strict(Pattern),
    /// Never empty.
    Any(Arc<[Pattern]>),
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

    /// A newline, `\n`. [`read_line`](crate::Reader::read_line) has it built in.
    pub const LF: Self = Self::byte(b'\n');
    /// A carriage return and a newline, `\r\n`.
    pub const CRLF: Self = Self::one(Pattern::Pair(*b"\r\n"));

    /// A carriage return and a newline, as [`CRLF`](Self::CRLF), before which neither stands alone.
    ///
    /// [`read_until`](crate::Reader::read_until) answers [`ReadError::BareLineBreak`] where one does, and
    /// takes nothing: what one hop takes for the end of a line and another for a part of it lets a
    /// peer smuggle a command or a message through (SMTP, HTTP).
    /// [`skip_until`](crate::Reader::skip_until) drops such bytes as it drops all others. (asyncio has
    /// none.)
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
        patterns: Patterns::Strict(Pattern::Pair(*b"\r\n")),
    };

    /// Creates a separator of a single byte.
    pub const fn byte(byte: u8) -> Self {
        Self::one(Pattern::Byte(byte))
    }

    /// Creates a separator of one byte string.
    ///
    /// # Errors
    ///
    /// [`SeparatorError`], where it is empty or longer than [`MAX_LEN`](Self::MAX_LEN).
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, SeparatorError> {
        Ok(Self::one(Pattern::new(0, bytes.as_ref())?))
    }

    /// Creates a separator that matches any of several byte strings.
    ///
    /// [`Frame::matched`](crate::Frame::matched) tells which of them did, by its place in this
    /// order. (asyncio takes a tuple, since Python 3.13, and does not tell.)
    ///
    /// # Errors
    ///
    /// [`SeparatorError`], where there is none, more than [`MAX_COUNT`](Self::MAX_COUNT), or one
    /// that is empty or longer than [`MAX_LEN`](Self::MAX_LEN).
    pub fn any<I>(members: I) -> Result<Self, SeparatorError>
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let mut patterns = alloc::vec::Vec::new();
        for (index, member) in members.into_iter().enumerate() {
            if index == Self::MAX_COUNT {
                return Err(SeparatorError::TooMany);
            }
            patterns.push(Pattern::new(index, member.as_ref())?);
        }
        if patterns.is_empty() {
            return Err(SeparatorError::NoneGiven);
        }
        Ok(Self {
            patterns: Patterns::Any(patterns.into()),
        })
    }

    /// Returns the byte string at `index`, counted from zero.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        self.patterns().get(index).map(Pattern::bytes)
    }

    const fn one(pattern: Pattern) -> Self {
        Self {
            patterns: Patterns::One(pattern),
        }
    }

    /// The byte strings to search for; at least one.
    #[inline]
    pub(crate) fn patterns(&self) -> &[Pattern] {
        match &self.patterns {
            Patterns::One(pattern) | Patterns::Strict(pattern) => core::slice::from_ref(pattern),
            Patterns::Any(patterns) => patterns,
        }
    }

    /// Whether it is [`STRICT_CRLF`](Self::STRICT_CRLF).
    #[inline]
    pub(crate) fn is_strict(&self) -> bool {
        matches!(self.patterns, Patterns::Strict(_))
    }

    /// Length of the longest byte string.
    pub(crate) fn max_len(&self) -> usize {
        self.patterns().iter().map(Pattern::len).max().unwrap_or(0)
    }
}

impl fmt::Debug for Separator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Separator")
            .field("count", &self.patterns().len())
            .field("max_len", &self.max_len())
            .finish()
    }
}

/// One byte string to search for, never empty.
#[derive(Clone)]
pub(crate) enum Pattern {
    Byte(u8),
    Pair([u8; 2]),
    /// Of any length; the searcher is linear whatever the bytes are.
    Long(Arc<memmem::Finder<'static>>),
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
            _ => Ok(Self::Long(Arc::new(
                memmem::Finder::new(bytes).into_owned(),
            ))),
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Byte(_) => 1,
            Self::Pair(_) => 2,
            Self::Long(finder) => finder.needle().len(),
        }
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Byte(byte) => core::slice::from_ref(byte),
            Self::Pair(pair) => pair,
            Self::Long(finder) => finder.needle(),
        }
    }
}

impl PartialEq for Pattern {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Byte(a), Self::Byte(b)) => a == b,
            (Self::Pair(a), Self::Pair(b)) => a == b,
            (Self::Long(a), Self::Long(b)) => Arc::ptr_eq(a, b) || a.needle() == b.needle(),
            _ => false,
        }
    }
}
