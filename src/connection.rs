//! Both halves of a connection, and the life that they share.
//!
//! The halves are independent: each may end alone, and a caller may lend them to different places.
//! What concerns both is here: what a driver does next, how the end of the stream is told from a
//! loss, closing, aborting, and giving up the connection without losing a byte.
//!
//! Semantics follow the transport of CPython 3.13's asyncio, with two exceptions: a loss is told
//! from a clean end on both sides, and the state says when both directions have ended.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::discard::Discarding;
use crate::error::{ConnectionError, TransportError};
use crate::reader::Reader;
use crate::step::Progress;
use crate::writer::{SendAction, Writer, WriterState};

/// A reader and a writer for the two directions of one connection, and what their driver does next.
///
/// A driver moves bytes between a connection and its transport, in one order:
///
/// 1. **Send** while [`next_send`](Self::next_send) returns something to do: write the pending
///    output, flush, end the write side. Record each result by [`on_send`](Self::on_send).
/// 2. When nothing is left to send, or sending would block, **receive** if
///    [`wants_read`](Self::wants_read) returns `true`. Record the result by
///    [`on_receive`](Self::on_receive).
/// 3. Once [`state`](Self::state) is `Closed`, or nothing is left to do, drop the transport.
///
/// ```
/// # use std::io::{Read, Write};
/// use plimsoll::{Connection, Progress, SendAction};
/// use plimsoll::bytes::Buf;
///
/// /// Sends the pending output, then receives once.
/// fn turn<S>(connection: &mut Connection, socket: &mut S, end: impl Fn(&mut S) -> std::io::Result<()>)
/// where
///     S: Read + Write,
/// {
///     while let Some(action) = connection.next_send() {
///         let result = match action {
///             SendAction::Write => socket.write(connection.writer.output().chunk()),
///             SendAction::Flush => socket.flush().map(|()| 0),
///             SendAction::Shutdown => end(socket).map(|()| 0),
///         };
///         if connection.on_send(action, result) == Progress::Blocked {
///             break;
///         }
///     }
///     if connection.wants_read() {
///         let result = socket.read(connection.reader.input(16 * 1024));
///         let _ = connection.on_receive(result); // whatever it was, look at the connection again
///     }
/// }
/// # let mut connection = Connection::new();
/// # connection.writer.write(b"hello")?;
/// # connection.writer.finish();
/// # turn(&mut connection, &mut std::io::Cursor::new(vec![]), |_| Ok(()));
/// # assert_eq!(connection.state(), plimsoll::ConnectionState::Closed);
/// # Ok::<(), plimsoll::WriteError>(())
/// ```
///
/// # Ends and losses
///
/// A system reports the loss of a socket once, to the call that comes first, and then receives zero
/// bytes, as at the end of the stream. So what zero means depends on what both directions saw:
///
/// | a send failed with | zero bytes received are | because |
/// | --- | --- | --- |
/// | nothing | the end | |
/// | [`BrokenPipe`](ConnectionError::BrokenPipe) | the end | the peer had ended its stream before |
/// | [`NotConnected`](ConnectionError::NotConnected) | the end | a loss would still be reported |
/// | anything else | that loss | the report was taken away |
///
/// A failed send never keeps bytes from being received: the peer's last words may still be there. A
/// shutdown that finds the transport not connected, after the peer's stream has ended, is done:
/// both directions have ended.
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
    /// Whether nothing is received while the output is [full](Writer::is_full): `false` by default.
    ///
    /// For servers, whose clients may send requests without reading the replies. Two peers that
    /// both do this may wait for each other.
    pub pauses_when_full: bool,
}

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// Neither stream has ended. (From [`Writer::finish`] until the end is sent, writes fail
    /// already.)
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
    Lost(ConnectionError),
}

/// What a connection leaves behind: every byte that was received and not taken, or accepted and not
/// sent.
#[derive(Clone, Default, Eq, PartialEq)]
#[non_exhaustive]
#[must_use = "nothing else has these bytes"]
pub struct Parts {
    /// Bytes received and not read. While a discard goes on, those that may begin its separator.
    pub unread: Bytes,
    /// Bytes accepted by the writer and not sent, in order.
    pub unsent: Vec<Bytes>,
    /// What is discarded of the bytes that come next, `unread` first: the rest of a line that was
    /// too long, or of a skip that has not finished.
    pub discarding: Option<Discarding>,
    /// Whether the transport was not flushed since it last took bytes: it may hold some back.
    pub is_unflushed: bool,
}

impl Connection {
    /// Creates an open connection with default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an open connection with default limits that goes on where another one stopped.
    ///
    /// ```
    /// use plimsoll::{Connection, Parts};
    ///
    /// let mut parts = Parts::default();
    /// parts.unread = "read with the head of the upgrade".into();
    /// let mut connection = Connection::from_parts(parts);
    /// assert_eq!(connection.reader.buffered(), b"read with the head of the upgrade");
    /// ```
    ///
    /// A skip that had to wait goes on by itself, as every discard: it is not to be called again.
    ///
    /// All of `unsent` is pending then, also if that is more than a new writer
    /// [takes](Writer::set_max_pending).
    pub fn from_parts(parts: Parts) -> Self {
        let mut connection = Self::new();
        connection.reader.resume(&parts.unread, parts.discarding);
        connection.writer.resume(parts.unsent, parts.is_unflushed);
        connection
    }

    /// Returns what a driver has to do next to send; `None` if there is nothing to do.
    ///
    /// Output is written first, then what the transport holds back is flushed, then the write side
    /// is ended if that was asked for. While it returns an action, the driver makes that call.
    #[inline]
    pub fn next_send(&self) -> Option<SendAction> {
        self.writer.next_send()
    }

    /// Returns `true` if a driver should receive now, once no output can move.
    ///
    /// It should not while reading is [paused](Reader::is_paused), nor, if so
    /// [set](Self::pauses_when_full), while the output is full, nor once the stream has ended, was
    /// closed or was lost.
    #[inline]
    pub fn wants_read(&self) -> bool {
        self.reader.wants_read() && !(self.pauses_when_full && self.writer.is_full())
    }

    /// Records the result of a call to send, of the [`next_send`](Self::next_send) that asked for
    /// it: for a write how many bytes were taken, for the others any number.
    ///
    /// On a failure the writer is [lost](WriterState::Lost), and receiving goes on. A write that
    /// takes nothing, or more than there was, is a failure of the transport.
    pub fn on_send(
        &mut self,
        action: SendAction,
        result: Result<usize, impl Into<TransportError>>,
    ) -> Progress {
        let not_connected = TransportError::Lost(ConnectionError::NotConnected);
        let result = match result.map_err(Into::into) {
            // After the ends of both directions there is nothing left to be connected to.
            Err(error)
                if error == not_connected
                    && action == SendAction::Shutdown
                    && self.reader.has_eof() =>
            {
                Ok(0)
            }
            result => result,
        };
        self.writer.on_send(action, result)
    }

    /// Records the result of a call that received into the room that [`Reader::input`] has given:
    /// how many bytes, zero at the end of the stream.
    ///
    /// What zero means after a failed send, the [table](Self#ends-and-losses) says. A failure is a
    /// loss of the connection: buffered bytes can still be read, and pending output is discarded.
    /// Each half keeps its first loss, and after `Closed` there is none. More bytes than there was
    /// room for are a failure of the transport.
    ///
    /// # Panics
    ///
    /// If the end of the stream was recorded before.
    pub fn on_receive(&mut self, result: Result<usize, impl Into<TransportError>>) -> Progress {
        let was_closed = self.state() == ConnectionState::Closed;
        let progress = self
            .reader
            .on_receive(result, self.writer.connection_error());
        match self.reader.connection_error() {
            // Everything is sent, and nothing more was to be received.
            Some(_) if was_closed => self.reader.disregard_loss(),
            Some(error) => self.writer.lost(error),
            None => {}
        }
        progress
    }

    /// Closes the connection, once pending output is sent.
    ///
    /// What is buffered can still be read, after it reads return the end of the stream. Writes fail
    /// from now on. (asyncio accepts them while bytes are pending.)
    pub fn close(&mut self) {
        self.reader.close();
        self.writer.close();
    }

    /// Ends the connection immediately, and discards pending output.
    ///
    /// What is buffered can still be read, after it reads fail, and so do writes. (After asyncio's
    /// `abort`, reads see a clean end, and `drain` succeeds.)
    pub fn abort(&mut self) {
        self.lost(ConnectionError::Aborted);
    }

    /// Records that the connection was lost, and discards pending output.
    ///
    /// What is buffered can still be read, after it reads fail, and so do writes. The first loss
    /// counts, also if only one half was told of it, unless that was
    /// [`NotConnected`](ConnectionError::NotConnected), which is no cause; after a clean end of
    /// both streams there is none.
    #[doc(alias = "connection_lost")]
    pub fn lost(&mut self, error: ConnectionError) {
        if self.state() == ConnectionState::Closed {
            return;
        }
        let first = match (
            self.reader.connection_error(),
            self.writer.connection_error(),
        ) {
            // That a send found it not connected says nothing of the cause.
            (None, Some(ConnectionError::NotConnected)) => None,
            (reader, writer) => reader.or(writer),
        };
        let error = first.unwrap_or(error);
        self.reader.feed_lost(error);
        self.writer.lost(error);
    }

    /// Returns where the connection is in its life.
    ///
    /// A loss that only one half was told of counts for both, the reader's before the writer's; the
    /// other half may go on until
    /// [`lost`](Self::lost) is called, for instance to read what the peer sent before it was gone.
    pub fn state(&self) -> ConnectionState {
        if let Some(error) = self.reader.connection_error() {
            return ConnectionState::Lost(error);
        }
        match (self.writer.state(), self.reader.has_ended()) {
            (WriterState::Lost(error), _) => ConnectionState::Lost(error),
            (WriterState::Finished | WriterState::Closed, true) => ConnectionState::Closed,
            (WriterState::Finished | WriterState::Closed, false) => {
                ConnectionState::HalfClosedLocal
            }
            (WriterState::Closing, true) => ConnectionState::Closing,
            (WriterState::Open | WriterState::Finishing, true) => ConnectionState::HalfClosedRemote,
            (_, false) => ConnectionState::Open,
        }
    }

    /// Returns the bytes that the connection holds, in both directions, without a copy, and drops
    /// it.
    pub fn into_parts(self) -> Parts {
        Parts {
            discarding: self.reader.discarding(),
            is_unflushed: self.writer.is_unflushed(),
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
            .field("discarding", &self.discarding)
            .field("is_unflushed", &self.is_unflushed)
            .finish()
    }
}
