//! A layer between a transport and its connection, and what it stands over.

use std::fmt;
use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use crate::transport::{ReadHalf, WriteHalf};

/// Something that stands between a transport and its connection, and turns the bytes of one into
/// those of the other: TLS, compression, a checksum. It can be put in place while the connection is
/// in use.
///
/// A call may read and write, whichever direction it is about: the wire wakes every task that waits
/// for the connection. A call that is pending has waited for the wire. What the layer has to send
/// of its own it keeps, reports by [`holds_back`](Self::holds_back), and sends in the next call.
pub trait Layer: Send + 'static {
    /// Takes the bytes that were received, and not read, before the layer was put in place.
    fn feed(&mut self, unread: &[u8]);

    /// Waits until the layer can carry bytes: a handshake. Other calls do the same first, if this
    /// was not called or was cancelled.
    ///
    /// # Errors
    ///
    /// As for [`Transport::poll_open`](crate::Transport::poll_open).
    fn poll_open(&mut self, cx: &mut Context<'_>, wire: &mut Wire<'_>) -> Poll<io::Result<()>>;

    /// As [`ReadHalf::poll_read`].
    ///
    /// # Errors
    ///
    /// As there.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        wire: &mut Wire<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>>;

    /// As [`WriteHalf::poll_write`].
    ///
    /// # Errors
    ///
    /// As there.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        wire: &mut Wire<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Sends what the layer holds back, and flushes the wire.
    ///
    /// # Errors
    ///
    /// As for [`WriteHalf::poll_flush`].
    fn poll_flush(&mut self, cx: &mut Context<'_>, wire: &mut Wire<'_>) -> Poll<io::Result<()>>;

    /// Sends the layer's own end, flushes, and ends the wire's write side.
    ///
    /// # Errors
    ///
    /// As for [`WriteHalf::poll_shutdown`].
    fn poll_shutdown(&mut self, cx: &mut Context<'_>, wire: &mut Wire<'_>) -> Poll<io::Result<()>>;

    /// As [`WriteHalf::holds_back`]; also during a handshake.
    fn holds_back(&self) -> bool;
}

impl<L: Layer> From<L> for Box<dyn Layer> {
    fn from(layer: L) -> Self {
        Box::new(layer)
    }
}

/// What a [`Layer`] stands over: the transport, which counts what moves.
pub struct Wire<'a> {
    read: &'a mut dyn ReadHalf,
    write: &'a mut dyn WriteHalf,
    moves: &'a mut Moves,
}

/// How often something was received and sent; only that it changes means something.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moves {
    pub(crate) received: u32,
    pub(crate) sent: u32,
}

impl fmt::Debug for Wire<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

impl<'a> Wire<'a> {
    /// `moves` changes whenever something was read or written.
    pub(crate) fn new(
        read: &'a mut dyn ReadHalf,
        write: &'a mut dyn WriteHalf,
        moves: &'a mut Moves,
    ) -> Self {
        Self { read, write, moves }
    }

    /// As [`ReadHalf::poll_read`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let moved = self.read.poll_read(cx, room);
        count(&mut self.moves.received, moved)
    }

    /// As [`WriteHalf::poll_write`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let moved = self.write.poll_write(cx, slices);
        count(&mut self.moves.sent, moved)
    }

    /// As [`WriteHalf::poll_flush`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write.poll_flush(cx)
    }

    /// As [`WriteHalf::poll_shutdown`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write.poll_shutdown(cx)
    }
}

/// Counts a call that need not wait.
fn count(moves: &mut u32, moved: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
    *moves = moves.wrapping_add(u32::from(moved.is_ready()));
    moved
}
