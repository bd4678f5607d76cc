//! What can go wrong: one enum for each direction, and how a connection or a call to its transport
//! fails.
//!
//! Errors tell sizes and states, never what the peer sent. Each variant says what is left in the
//! buffer; after every one of them the object is usable as described there.

use core::fmt;

/// Why a read failed.
///
/// An error is data, not an event: where nothing was consumed, the same read fails again.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// A line is longer than the limit, its separator not counted.
    ///
    /// That line is discarded, up to and including its separator, wherever the separator arrives;
    /// the next read starts at the line after it. Each line that is too long fails once, as early
    /// as it is certain. (asyncio's `readline` raises `ValueError`.)
    #[error("line is longer than the limit of {limit} bytes")]
    LineTooLong {
        /// The limit in force, in bytes.
        limit: usize,
    },

    /// A frame is longer than the limit: no separator begins within its first `limit` bytes, nor
    /// right after them.
    ///
    /// Nothing was consumed. Go on with [`skip_until`](crate::Reader::skip_until), with a larger
    /// limit, or by taking the bytes with another read. (asyncio's `LimitOverrunError`.)
    #[doc(alias = "LimitOverrunError")]
    #[error("frame is longer than the limit of {limit} bytes")]
    LimitOverrun {
        /// The limit in force, in bytes.
        limit: usize,
        /// How many bytes precede the separator or, if none is there yet, how many cannot be part
        /// of one.
        ///
        /// These may be taken, and the separator is still found after them. (Of several separators
        /// that is true of the shortest. With [`STRICT_CRLF`](crate::Separator::STRICT_CRLF) a line
        /// break that stands alone counts as one. From [`read_with`](crate::Reader::read_with) it
        /// is all that is buffered.) The one number in a result that depends on packet boundaries,
        /// because the error does not wait for more.
        consumed: usize,
    },

    /// A carriage return or a newline stands alone, where only the two together end a line: see
    /// [`Separator::STRICT_CRLF`](crate::Separator::STRICT_CRLF).
    ///
    /// Nothing was consumed. Close the connection, or go on with another read:
    /// [`skip_until`](crate::Reader::skip_until) discards up to and including the next `\r\n`.
    #[error("carriage return or newline alone, {before} bytes into the line")]
    BareLineBreak {
        /// How many bytes precede it.
        before: usize,
    },

    /// The stream ended before the read was complete.
    ///
    /// What did arrive stays buffered, for any other read to take. (asyncio's
    /// `IncompleteReadError` takes these bytes along as `partial`.)
    #[doc(alias = "IncompleteReadError")]
    #[error("stream ended with {buffered} bytes left, {}", Expected(*.expected))]
    Incomplete {
        /// How many bytes are buffered. With none, the stream ended before the frame that this read
        /// was for: see [`is_clean_end`](Self::is_clean_end).
        buffered: usize,
        /// How many bytes the read was for; `None` if it was for a separator, or by a function of
        /// the caller's.
        expected: Option<usize>,
    },

    /// The stream ended before a [skip](crate::Reader::skip_until) was complete.
    ///
    /// Everything is consumed.
    #[error("stream ended in a skip, after {discarded} bytes of it")]
    SkipIncomplete {
        /// How many bytes this skip has discarded.
        discarded: u64,
    },

    /// The stream goes on past the `max` of a [`read_to_end`](crate::Reader::read_to_end).
    ///
    /// Nothing was consumed.
    #[error("stream is longer than {max} bytes")]
    StreamTooLong {
        /// The caller's bound, in bytes.
        max: usize,
    },

    /// A read is for more bytes at once than
    /// [`max_read_exact`](crate::Reader::set_max_read_exact) allows.
    ///
    /// Nothing was consumed, and the read did not wait.
    #[error("{requested} bytes requested at once, at most {max} are allowed")]
    CountTooLarge {
        /// How many bytes the read is for; `usize::MAX` also stands for more, and for what a length
        /// prefix says, which is the peer's.
        requested: usize,
        /// The bound in force, in bytes.
        max: usize,
    },

    /// A [length prefix](crate::LengthPrefix) says that its frame ends before the prefix does.
    ///
    /// Nothing was consumed.
    #[error("length prefix of {length} ends its frame too early")]
    InvalidLength {
        /// The number in the prefix: less than the negative
        /// [adjustment](crate::LengthPrefix::adjustment), of which the peer has no say.
        length: u64,
    },

    /// The connection was lost before the read was complete.
    ///
    /// What arrived before stays buffered, for [`read`](crate::Reader::read) to take.
    #[error("connection lost: {0}")]
    ConnectionLost(ConnectionError),
}

impl ReadError {
    /// Returns `true` if the stream ended in order, and no byte of what was to be read or skipped
    /// had arrived.
    ///
    /// A frame that is read in two steps, its head and then its body, can end between the two,
    /// where this is `true` as well. Read it in one: by
    /// [`read_length_prefixed`](crate::Reader::read_length_prefixed), or by a function for
    /// [`read_with`](crate::Reader::read_with) that looks at the head by
    /// [`peek`](crate::Reader::peek) or [`peek_until`](crate::Reader::peek_until) before it takes
    /// the whole. Of a frame that was too long, and that a cancelled
    /// [skip](crate::Reader::skip_until) discards, nothing counts as arrived.
    pub const fn is_clean_end(&self) -> bool {
        matches!(
            self,
            Self::Incomplete { buffered: 0, .. } | Self::SkipIncomplete { discarded: 0 }
        )
    }

    /// Returns how the connection was lost, if it was.
    pub const fn connection_error(&self) -> Option<ConnectionError> {
        match self {
            Self::ConnectionLost(error) => Some(*error),
            _ => None,
        }
    }

    /// Returns the kind that this error has as an [`std::io::Error`]: that of the standard
    /// library's sockets and readers, or the closest.
    ///
    /// | error | kind |
    /// | --- | --- |
    /// | [`Incomplete`](Self::Incomplete), [`SkipIncomplete`](Self::SkipIncomplete) | `UnexpectedEof` |
    /// | too long, [`BareLineBreak`](Self::BareLineBreak), [`InvalidLength`](Self::InvalidLength) | `InvalidData` |
    /// | [`CountTooLarge`](Self::CountTooLarge) | `InvalidInput` |
    /// | [`ConnectionLost`](Self::ConnectionLost) | that of [`ConnectionError::kind`] |
    #[cfg(feature = "std")]
    pub const fn kind(&self) -> std::io::ErrorKind {
        use std::io::ErrorKind;
        match self {
            Self::Incomplete { .. } | Self::SkipIncomplete { .. } => ErrorKind::UnexpectedEof,
            Self::LineTooLong { .. }
            | Self::LimitOverrun { .. }
            | Self::StreamTooLong { .. }
            | Self::BareLineBreak { .. }
            | Self::InvalidLength { .. } => ErrorKind::InvalidData,
            Self::CountTooLarge { .. } => ErrorKind::InvalidInput,
            Self::ConnectionLost(error) => error.kind(),
        }
    }
}

/// Why a write failed. Nothing of it was queued.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// [`finish`](crate::Writer::finish) was called before.
    #[error("write after the write side was finished")]
    Finished,

    /// [`close`](crate::Connection::close) was called before.
    #[error("write after the connection was closed")]
    Closed,

    /// The connection was lost. Pending output is gone.
    #[error("connection lost: {0}")]
    ConnectionLost(ConnectionError),

    /// The write would make more output pending than
    /// [`max_pending`](crate::Writer::set_max_pending) allows.
    ///
    /// What was pending before stays pending. A write larger than the bound never succeeds.
    #[error("write of {len} bytes on top of {pending} pending exceeds the bound of {max}")]
    Full {
        /// The length of the refused write, in bytes.
        len: usize,
        /// How many bytes were pending.
        pending: usize,
        /// The bound in force, in bytes.
        max: usize,
    },

    /// What was to be [one line](crate::Writer::write_line) has a carriage return, a newline or a
    /// NUL in it, after which the peer would read something else.
    #[error("line has a carriage return, a newline or a NUL after {before} bytes")]
    NotOneLine {
        /// How many bytes of it precede the first of these.
        before: usize,
    },

    /// The length of a frame does not fit into its [length prefix](crate::LengthPrefix).
    #[error("frame of {len} bytes does not fit its length prefix")]
    LengthOverflow {
        /// The length of the frame, without its prefix, in bytes.
        len: usize,
    },
}

impl WriteError {
    /// Returns how the connection was lost, if it was.
    pub const fn connection_error(&self) -> Option<ConnectionError> {
        match self {
            Self::ConnectionLost(error) => Some(*error),
            _ => None,
        }
    }

    /// Returns the kind that this error has as an [`std::io::Error`].
    ///
    /// | error | kind |
    /// | --- | --- |
    /// | [`Finished`](Self::Finished), [`Closed`](Self::Closed) | `BrokenPipe` |
    /// | [`Full`](Self::Full) | `QuotaExceeded` |
    /// | [`NotOneLine`](Self::NotOneLine), [`LengthOverflow`](Self::LengthOverflow) | `InvalidInput` |
    /// | [`ConnectionLost`](Self::ConnectionLost) | that of [`ConnectionError::kind`] |
    #[cfg(feature = "std")]
    pub const fn kind(&self) -> std::io::ErrorKind {
        use std::io::ErrorKind;
        match self {
            Self::Finished | Self::Closed => ErrorKind::BrokenPipe,
            Self::Full { .. } => ErrorKind::QuotaExceeded,
            Self::NotOneLine { .. } | Self::LengthOverflow { .. } => ErrorKind::InvalidInput,
            Self::ConnectionLost(error) => error.kind(),
        }
    }
}

/// How a connection came to an end that was not a clean one.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The peer, or the network, reset the connection.
    #[error("reset by the peer")]
    Reset,
    /// The peer receives no more: it has closed its end. What it sent before can still be read, and
    /// may end in order.
    #[error("the peer receives no more")]
    BrokenPipe,
    /// The transport found that it is not connected any more. How that came about, the next receive
    /// tells.
    #[error("not connected")]
    NotConnected,
    /// The connection was aborted on this side.
    #[error("aborted on this side")]
    Aborted,
    /// The peer did not answer in time.
    #[error("timed out")]
    TimedOut,
    /// The transport failed in another way.
    #[error("transport failed")]
    Transport,
}

impl ConnectionError {
    /// Returns `true` if, after a send failed with this error, a receive of zero bytes is a loss
    /// rather than the end of the stream.
    ///
    /// A system reports what has happened to a socket once, to the call that comes first. After a
    /// send has taken the report away, a receive returns zero, as at the end of the stream. Only
    /// two errors say nothing of the peer's stream: those that mean that it had ended before, or
    /// that leave the report in place.
    pub const fn ends_both_directions(self) -> bool {
        !matches!(self, Self::BrokenPipe | Self::NotConnected)
    }

    /// Returns the kind of the standard library's error that means the same.
    #[cfg(feature = "std")]
    pub const fn kind(self) -> std::io::ErrorKind {
        use std::io::ErrorKind;
        match self {
            Self::Reset => ErrorKind::ConnectionReset,
            Self::BrokenPipe => ErrorKind::BrokenPipe,
            Self::NotConnected => ErrorKind::NotConnected,
            Self::Aborted => ErrorKind::ConnectionAborted,
            Self::TimedOut => ErrorKind::TimedOut,
            Self::Transport => ErrorKind::Other,
        }
    }
}

/// Why a call to a transport moved nothing.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The call would have to wait.
    #[error("would block")]
    WouldBlock,
    /// The call was interrupted, and is to be repeated.
    #[error("interrupted")]
    Interrupted,
    /// The connection is lost, permanently.
    #[error("connection lost: {0}")]
    Lost(ConnectionError),
}

impl From<ConnectionError> for TransportError {
    fn from(error: ConnectionError) -> Self {
        Self::Lost(error)
    }
}

/// What a transport's error says of its connection.
///
/// `ConnectionAborted` is a loss on the way, so it is a [`Reset`](ConnectionError::Reset).
/// `TimedOut` is what the system reports if the peer does not answer. A timeout that the caller has
/// set on a call, where it has this kind, is to be passed on as
/// [`WouldBlock`](TransportError::WouldBlock).
#[cfg(feature = "std")]
impl From<std::io::ErrorKind> for TransportError {
    fn from(kind: std::io::ErrorKind) -> Self {
        use std::io::ErrorKind;
        Self::Lost(match kind {
            ErrorKind::WouldBlock => return Self::WouldBlock,
            ErrorKind::Interrupted => return Self::Interrupted,
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => ConnectionError::Reset,
            ErrorKind::BrokenPipe => ConnectionError::BrokenPipe,
            ErrorKind::NotConnected => ConnectionError::NotConnected,
            ErrorKind::TimedOut => ConnectionError::TimedOut,
            _ => ConnectionError::Transport,
        })
    }
}

#[cfg(feature = "std")]
impl From<std::io::Error> for TransportError {
    fn from(error: std::io::Error) -> Self {
        error.kind().into()
    }
}

#[cfg(feature = "std")]
impl From<ReadError> for std::io::Error {
    fn from(error: ReadError) -> Self {
        Self::new(error.kind(), error)
    }
}

#[cfg(feature = "std")]
impl From<WriteError> for std::io::Error {
    fn from(error: WriteError) -> Self {
        Self::new(error.kind(), error)
    }
}

#[cfg(feature = "std")]
impl From<ConnectionError> for std::io::Error {
    fn from(error: ConnectionError) -> Self {
        Self::new(error.kind(), error)
    }
}

/// Says what an incomplete read was waiting for.
struct Expected(Option<usize>);

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(count) => write!(f, "expected {count}"),
            None => f.write_str("in the middle of a frame"),
        }
    }
}
