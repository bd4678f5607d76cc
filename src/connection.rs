//! Both halves of a connection, and the life that they share.
//!
//! The halves are independent: each may end alone, and a caller may lend them to different places.
//! What concerns both is here: closing, aborting, and losing the connection, what state they are in
//! together, and giving up the connection without losing a byte.
//!
//! Semantics follow the transport of CPython 3.13's asyncio, but for two things: a loss is told
//! from a clean end on both sides, and the state says when both directions have ended.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::error::Loss;
use crate::reader::Reader;
use crate::writer::{Writer, WriterState};

/// A reader and a writer for the two directions of one connection.
///
/// Its driver moves bytes between it and the transport:
///
/// | where | it | and tells by |
/// | --- | --- | --- |
/// | [`reader.wants_read()`](Reader::wants_read) | receives | [`feed`](Reader::feed) or [`input`](Reader::input) and [`commit`](Reader::commit); [`feed_eof`](Reader::feed_eof) |
/// | [`writer.wants_write()`](Writer::wants_write) | sends from [`output`](Writer::output) | its `advance` |
/// | [`writer.wants_shutdown()`](Writer::wants_shutdown) | ends the transport's write side | [`shutdown_done`](Writer::shutdown_done) |
/// | the transport fails | closes the transport | [`lost`](Self::lost) |
/// | [`state()`](Self::state) is `Closed` or `Lost` | closes the transport | |
///
/// # Examples
///
/// ```
/// use plimsoll::{Connection, Reader, WaterMarks};
///
/// let mut connection = Connection {
///     reader: Reader::with_limit(1024),
///     ..Connection::new()
/// };
/// connection.writer.set_water_marks(WaterMarks::with_high(4096));
/// ```
#[derive(Debug, Default)]
pub struct Connection {
    /// The receive half.
    pub reader: Reader,
    /// The send half.
    pub writer: Writer,
}

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// Neither stream has ended. (From [`Writer::finish`] until the end is sent, writes fail already.)
    Open,
    /// The peer has ended its stream; this side's goes on.
    HalfClosedRemote,
    /// This side has ended its stream; the peer's goes on.
    HalfClosedLocal,
    /// This side has closed, and something is still to be sent.
    Closing,
    /// This side has closed and everything is sent, or both streams have come to their end.
    ///
    /// Received bytes may still be buffered.
    Closed,
    /// The connection was lost, or aborted on this side, before that.
    Lost(Loss),
}

/// What a connection leaves behind: every byte that was received and not taken, or accepted and not
/// sent.
#[derive(Clone, Default, Eq, PartialEq)]
#[non_exhaustive]
#[must_use = "nobody else has these bytes"]
pub struct Parts {
    /// Bytes received and not read.
    pub unread: Bytes,
    /// Bytes accepted by the writer and not sent, in order.
    pub unsent: Vec<Bytes>,
    /// Whether the bytes that come next belong to a line that was too long, through its newline.
    pub dropping_line: bool,
}

impl Connection {
    /// Creates an open connection with default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Closes the connection, once what is pending is sent.
    ///
    /// What is buffered can still be read, behind it reads answer as at the end of the stream.
    /// Writes fail from now on. (asyncio accepts them while bytes are pending.)
    pub fn close(&mut self) {
        self.reader.close();
        self.writer.close();
    }

    /// Ends the connection at once, and drops what is pending.
    ///
    /// What is buffered can still be read, behind it reads fail, and so do writes. (After asyncio's
    /// `abort`, reads see a clean end, and `drain` succeeds.)
    pub fn abort(&mut self) {
        self.lost(Loss::Aborted);
    }

    /// Records that the connection was lost, and drops what is pending.
    ///
    /// What is buffered can still be read, behind it reads fail, and so do writes. The first loss
    /// counts, also if only one half was told of it; after a clean end of both streams there is none.
    #[doc(alias = "connection_lost")]
    pub fn lost(&mut self, loss: Loss) {
        let loss = match self.state() {
            ConnectionState::Closed => return,
            ConnectionState::Lost(first) => first,
            _ => loss,
        };
        self.reader.feed_lost(loss);
        self.writer.lost(loss);
    }

    /// Returns where the connection is in its life.
    ///
    /// A loss that only one half was told of counts for both; the other half may go on until
    /// [`lost`](Self::lost) is called, for instance to read what the peer sent before it was gone.
    pub fn state(&self) -> ConnectionState {
        if let Some(loss) = self.reader.loss() {
            return ConnectionState::Lost(loss);
        }
        match (self.writer.state(), self.reader.has_ended()) {
            (WriterState::Lost(loss), _) => ConnectionState::Lost(loss),
            (WriterState::Finished | WriterState::Closed, true) => ConnectionState::Closed,
            (WriterState::Finished | WriterState::Closed, false) => {
                ConnectionState::HalfClosedLocal
            }
            (WriterState::Closing, true) => ConnectionState::Closing,
            (WriterState::Open | WriterState::Finishing, true) => ConnectionState::HalfClosedRemote,
            (_, false) => ConnectionState::Open,
        }
    }

    /// Gives up the connection for the bytes that it holds, in both directions.
    pub fn into_parts(self) -> Parts {
        Parts {
            dropping_line: self.reader.is_dropping_line(),
            unread: self.reader.into_unread(),
            unsent: self.writer.into_unsent(),
        }
    }
}

impl core::fmt::Debug for Parts {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let unsent = self.unsent.iter().map(Bytes::len);
        f.debug_struct("Parts")
            .field("unread", &self.unread.len())
            .field("unsent", &unsent.fold(0, usize::saturating_add))
            .field("dropping_line", &self.dropping_line)
            .finish()
    }
}
