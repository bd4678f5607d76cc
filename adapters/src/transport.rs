//! What a transport must be able to do, to be driven: read, write, flush, end its write side.
//!
//! Sockets, pipes, standard streams, pairs in memory, TLS: anything that can be polled for these
//! four. No policy lives here. When to read, what to send, and what an error means is the drive
//! loop's.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::clock::{Clock, Sleep, ThreadClock};

/// Something that bytes come out of and go into, in two halves that may live in different tasks.
///
/// A half is polled by one task at a time. The write half is polled with a waker that reaches every
/// task that waits for it, so it need keep no more than the last one, as sockets do. A poll that is
/// pending has read or taken nothing: the task that waited may be dropped, and another ask for
/// something else. (asyncio's `Transport`, without a protocol that is called back.)
///
/// # Examples
///
/// A transport that has received a greeting, and keeps what it is told to send:
///
/// ```
/// use plimsoll_io::{Join, ReadHalf, StreamPair, WriteHalf};
/// use std::{io::{self, IoSlice}, task::{Context, Poll}};
///
/// struct Received(&'static [u8]);
/// struct Sent(Vec<u8>);
///
/// impl ReadHalf for Received {
///     fn poll_read(&mut self, _: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
///         Poll::Ready(io::Read::read(&mut self.0, room))
///     }
/// }
///
/// impl WriteHalf for Sent {
///     fn poll_write(
///         &mut self,
///         _: &mut Context<'_>,
///         slices: &[IoSlice<'_>],
///     ) -> Poll<io::Result<usize>> {
///         Poll::Ready(io::Write::write_vectored(&mut self.0, slices))
///     }
///
///     fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
///         Poll::Ready(Ok(()))
///     }
/// }
///
/// # smol::block_on(async {
/// let transport = Join::new(Received(b"220 ready\r\n"), Sent(Vec::new()));
/// let mut stream = StreamPair::new(transport);
/// assert_eq!(stream.reader.read_line().await?, "220 ready\r\n");
/// stream.writer.write(b"QUIT\r\n")?;
/// stream.writer.close().await?;
/// let (_, sent) = stream.into_parts()?.transport.into_halves();
/// assert_eq!(sent.0, b"QUIT\r\n");
/// # Ok::<(), plimsoll_io::Error>(())
/// # }).unwrap();
/// ```
pub trait Transport: Sized + Send + 'static {
    /// The half that bytes come out of.
    type Read: ReadHalf;
    /// The half that bytes go into.
    type Write: WriteHalf;

    /// Takes the transport apart.
    fn split(self) -> (Self::Read, Self::Write);

    /// Puts two halves of the same transport together again.
    fn reunite(read: Self::Read, write: Self::Write) -> Self;

    /// Waits for `duration`, by the runtime's clock; by a thread of its own where there is none,
    /// which ends when the wait is dropped. If the system has no thread for it, the wait is over
    /// immediately.
    ///
    /// # Panics
    ///
    /// Outside of its runtime, where the runtime is one that has to be entered, as tokio is.
    fn sleep(duration: Duration) -> Sleep {
        ThreadClock::sleep(duration)
    }

    /// Returns the time by the same clock as [`sleep`](Self::sleep).
    fn now() -> Instant {
        Instant::now()
    }

    /// Sets whether small writes leave immediately, instead of waiting for the reply to the one
    /// before (Nagle's algorithm). By default there is nothing to set. Connections that are made
    /// over a transport set it, as asyncio does; a server and a connect as their options say.
    ///
    /// # Errors
    ///
    /// Those of the system. They change nothing, and are ignored.
    fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        let _ = nodelay;
        Ok(())
    }

    /// Waits until the transport can carry bytes, before anything else is asked of it: a tunnel is
    /// dug, a greeting exchanged. A server waits for it in the connection's own task, before the
    /// handler runs, and for a limited time.
    ///
    /// # Errors
    ///
    /// Any is a loss. [`Interrupted`](io::ErrorKind::Interrupted) is retried, and
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) is a timeout of the transport's own, after which
    /// another call goes on.
    fn poll_open(
        read: &mut Self::Read,
        write: &mut Self::Write,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let _ = (read, write, cx);
        Poll::Ready(Ok(()))
    }
}

/// The half of a transport that bytes come out of. (asyncio's `ReadTransport`: not polling it is
/// its `pause_reading`.)
pub trait ReadHalf: Send + 'static {
    /// Reads into the front of `room`, which is not empty, and returns how many bytes it read.
    ///
    /// Zero is the end of the peer's stream, unless a write [failed](WriteHalf::poll_write).
    /// Asked again, it is zero again. Pending, it has read nothing.
    ///
    /// # Errors
    ///
    /// [`Interrupted`](io::ErrorKind::Interrupted) is tried again; every other error is a loss, and
    /// so is a number beyond the room.
    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Waits until a read is worth trying, where that can be known without a buffer to read into;
    /// ready immediately where it cannot. It keeps memory from being held for connections that are
    /// idle.
    ///
    /// # Errors
    ///
    /// As for [`poll_read`](Self::poll_read).
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = cx;
        Poll::Ready(Ok(()))
    }

    /// Returns `true` if a read blocks its thread until there is something, as one from standard
    /// input does. A close then discards no input, since it cannot know what is there.
    fn may_block(&self) -> bool {
        false
    }
}

/// The half of a transport that bytes go into. (asyncio's `WriteTransport`, which keeps a queue of
/// its own; here the [writer](crate::StreamWriter) has it.)
pub trait WriteHalf: Send + 'static {
    /// Writes from the front of `slices`, none of which is empty, and returns how many bytes it
    /// took. Pending, it has taken none.
    ///
    /// # Errors
    ///
    /// [`Interrupted`](io::ErrorKind::Interrupted) is tried again; every other error is a loss, and
    /// so is a write that takes nothing, or more than there was. What is pending is dropped then.
    ///
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe) and [`NotConnected`](io::ErrorKind::NotConnected)
    /// end this direction only. After any other error, zero bytes from [`ReadHalf::poll_read`] are
    /// the same loss.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Sends what the transport itself may have buffered.
    ///
    /// # Errors
    ///
    /// As for [`poll_write`](Self::poll_write).
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = cx;
        Poll::Ready(Ok(()))
    }

    /// Returns `true` if the transport holds back bytes that a [flush](Self::poll_flush) would
    /// send, other than those of a write, after which it is flushed anyway: the reply of a protocol
    /// beneath to what was received.
    fn holds_back(&self) -> bool {
        false
    }

    /// Ends the write side, so that the peer sees the end of the stream. Reading goes on. It is
    /// asked once everything is written and flushed. What ends only by being dropped, as a pipe
    /// does, is dropped here. (`write_eof`.)
    ///
    /// # Errors
    ///
    /// As for [`poll_write`](Self::poll_write).
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Gives the connection up: when both halves are dropped, the peer should see that it did not
    /// end cleanly. It does not wait. As provided it does nothing, for what cannot tell. (`abort`,
    /// which promises no reset.)
    fn abort(&mut self) {}
}

/// Half of a transport that has an address at either end. (asyncio's `get_extra_info`, for
/// `'sockname'` and `'peername'`.)
pub trait Addresses {
    /// An address of that kind.
    type Address;

    /// Returns the address on this side.
    ///
    /// # Errors
    ///
    /// Those of the system. They change nothing.
    fn local_addr(&self) -> io::Result<Self::Address>;

    /// Returns the peer's address.
    ///
    /// # Errors
    ///
    /// Those of the system, for instance once the connection is gone. They change nothing.
    fn peer_addr(&self) -> io::Result<Self::Address>;
}
