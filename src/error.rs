//! What can go wrong: one enum for each direction, and the reasons why a connection is lost.
//!
//! Errors tell sizes and states, never what the peer sent. Each variant says what is left in the
//! buffer; after every one of them the object is usable as described there.

/// Why a read failed.
///
/// An error is data, not an event: where nothing was consumed, asking the same again fails again.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// A line is longer than the limit, its newline not counted.
    ///
    /// That line is gone, through its newline, wherever the newline arrives; the next read starts
    /// at the line after it. Each line that is too long fails once, as early as it is certain.
    /// (asyncio's `readline` raises `ValueError`.)
    #[error("line is longer than the limit of {limit} bytes")]
    LineTooLong {
        /// The limit in force, in bytes.
        limit: usize,
    },

    /// A frame is longer than the limit: no separator begins within its first `limit` bytes, nor
    /// right behind them.
    ///
    /// Nothing was consumed. Go on with [`skip_until`](crate::Reader::skip_until), with a larger
    /// limit, or by taking the bytes with another read. (asyncio's `LimitOverrunError`.)
    #[doc(alias = "LimitOverrunError")]
    #[error("frame is longer than the limit of {limit} bytes")]
    LimitOverrun {
        /// The limit in force, in bytes.
        limit: usize,
        /// How many bytes precede the separator, or if none is there yet, can hold none.
        ///
        /// These may be taken, and the separator is still found behind them. (Of several separators
        /// that is true of the shortest. With [`STRICT_CRLF`](crate::Separator::STRICT_CRLF) a line
        /// break that stands alone counts as one.) The one number in an outcome that depends on how
        /// the network cut the stream, because the error does not wait for more.
        consumed: usize,
    },

    /// A carriage return or a newline stands alone, where only the two together end a line: see
    /// [`Separator::STRICT_CRLF`](crate::Separator::STRICT_CRLF).
    ///
    /// Nothing was consumed. Close the connection, or go on with another read:
    /// [`skip_until`](crate::Reader::skip_until) drops through the next `\r\n`.
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
        /// How many bytes are buffered.
        buffered: usize,
        /// How many bytes were asked for; `None` where a separator was.
        expected: Option<usize>,
    },

    /// The stream goes on past the most that [`read_to_end`](crate::Reader::read_to_end) may take.
    ///
    /// Nothing was consumed.
    #[error("stream is longer than {max} bytes")]
    StreamTooLong {
        /// The most that the caller asked for, in bytes.
        max: usize,
    },

    /// More bytes were asked for at once than the reader's cap allows.
    ///
    /// Nothing was consumed, and nothing was waited for.
    #[error("{requested} bytes asked for at once, at most {cap} are allowed")]
    CapExceeded {
        /// How many bytes were asked for.
        requested: usize,
        /// The cap in force, in bytes.
        cap: usize,
    },

    /// The connection was lost before the read was complete.
    ///
    /// What arrived before stays buffered, for [`read`](crate::Reader::read) to take.
    #[error("connection lost: {0}")]
    Lost(Loss),
}

/// Why a write failed. Nothing of it was queued.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// [`finish`](crate::Writer::finish) was called before.
    #[error("write after the write side was finished")]
    Finished,

    /// [`close`](crate::Writer::close) was called before.
    #[error("write after the connection was closed")]
    Closed,

    /// The connection was lost. What was pending is gone.
    #[error("connection lost: {0}")]
    Lost(Loss),

    /// The write would put more bytes in the queue than the hard cap allows.
    ///
    /// What was pending before stays pending. A write larger than the cap never succeeds.
    #[error("write of {len} bytes on top of {pending} pending exceeds the cap of {cap}")]
    Full {
        /// The length of the refused write, in bytes.
        len: usize,
        /// How many bytes were pending.
        pending: usize,
        /// The cap in force, in bytes.
        cap: usize,
    },

    /// What was to be [one line](crate::Writer::write_line) has a carriage return, a newline or a NUL in
    /// it, behind which the peer would read something else.
    #[error("line has a carriage return, a newline or a NUL behind {before} bytes")]
    NotOneLine {
        /// How many bytes of it precede the first of these.
        before: usize,
    },
}

/// Why a connection came to an end that was not a clean one.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Loss {
    /// The peer reset the connection, or is gone.
    #[error("reset by the peer")]
    Reset,
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

/// Says what an incomplete read was waiting for.
struct Expected(Option<usize>);

impl core::fmt::Display for Expected {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            Some(count) => write!(f, "expected {count}"),
            None => f.write_str("expected a separator"),
        }
    }
}
