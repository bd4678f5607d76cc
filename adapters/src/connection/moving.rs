//! Sending and receiving in an order in which two peers cannot wait for each other for ever.

use std::io;
use std::task::{Context, Poll, Waker, ready};

use crate::budget::Budget;
use crate::driver::{Driven, Sent, Sides};
use crate::layered::Layered;
use crate::receiving::Memory;
use crate::slot::{Beside, Guard};
use crate::transport::{ReadHalf, Transport};

/// What came of waiting for something to move.
pub(super) enum Moved {
    Done,
    /// The transport has given up waiting, by a timeout of its own.
    TimedOut,
}

/// Sends, and receives whenever no output can move, until `is_done`, or the transport is gone.
pub(super) fn poll_move<T: Transport>(
    guard: &mut Guard<'_, Driven, Layered<T>>,
    waker: &Waker,
    cx: &Context<'_>,
    memory: Memory,
    is_done: impl Fn(&Driven) -> bool,
) -> Poll<Moved> {
    let (driven, Some(io)) = guard.both() else {
        return Poll::Ready(Moved::Done);
    };
    loop {
        let sent = driven.poll_send(io, waker, cx);
        if is_done(driven) {
            return Poll::Ready(Moved::Done);
        }
        if sent == Poll::Ready(Sent::TimedOut) {
            return Poll::Ready(Moved::TimedOut);
        }
        if sent.is_pending() && !driven.is_offered() {
            // Others run first. A receive might block, and its peer wait for what is to be sent.
            return Poll::Pending;
        }
        if !driven.core.wants_read() {
            // The peer may have to be read before it reads, also by a side that has closed.
            if sent.is_ready() || !driven.is_closing() {
                return Poll::Pending;
            }
            match ready!(discard_to_send(driven, io, waker, cx)) {
                Discarded::MaySend => continue,
                Discarded::TimedOut => return Poll::Ready(Moved::TimedOut),
            }
        }
        match driven.poll_receive(io, waker, cx, memory) {
            Poll::Ready(true) if is_done(driven) => return Poll::Ready(Moved::Done),
            Poll::Ready(true) => {}
            Poll::Ready(false) => return Poll::Ready(Moved::TimedOut),
            Poll::Pending if driven.may_send_after_receiving(io) => {
                let before = io.receives();
                match driven.poll_send(io, waker, cx) {
                    _ if is_done(driven) => return Poll::Ready(Moved::Done),
                    Poll::Ready(Sent::TimedOut) => return Poll::Ready(Moved::TimedOut),
                    // It has received something.
                    _ if before != io.receives() && driven.core.wants_read() => {}
                    _ => return Poll::Pending,
                }
            }
            Poll::Pending => return Poll::Pending,
        }
    }
}

/// Sends everything, and discards input while it waits: the peer may have to be read before it
/// reads.
pub(crate) fn poll_send_and_discard<K: Sides, T: Transport, M: Beside<Driven<K>, Layered<T>>>(
    guard: &mut Guard<'_, Driven<K>, Layered<T>, M>,
    waker: &Waker,
    cx: &Context<'_>,
) -> Poll<Sent> {
    let (driven, Some(io)) = guard.both() else {
        return Poll::Ready(Sent::All);
    };
    loop {
        if let Poll::Ready(sent) = driven.poll_send(io, waker, cx) {
            return Poll::Ready(sent);
        }
        if !driven.is_offered() {
            return Poll::Pending;
        }
        match discard_to_send(driven, io, waker, cx) {
            Poll::Ready(Discarded::MaySend) => {}
            // Output has its own way to go on.
            Poll::Ready(Discarded::TimedOut) | Poll::Pending => return Poll::Pending,
        }
    }
}

/// What came of discarding input while output cannot move.
enum Discarded {
    /// Output may move again, or was lost: a layer has received something, or the transport failed.
    MaySend,
    /// The transport has given up waiting for input, by a timeout of its own.
    TimedOut,
}

/// Discards the input that is there, since the peer may have to be read before it reads.
#[cold]
#[inline(never)]
fn discard_to_send<K: Sides, T: Transport>(
    driven: &mut Driven<K>,
    io: &mut Layered<T>,
    waker: &Waker,
    cx: &Context<'_>,
) -> Poll<Discarded> {
    if driven.has_no_input() || io.may_block() {
        return Poll::Pending;
    }
    let (before, mut most) = (io.moves(), usize::MAX);
    let read = Layered::poll_read;
    match poll_discard(io, waker, cx, driven.budget(), read, &mut most) {
        Poll::Ready(Err(error)) if error.kind() != io::ErrorKind::WouldBlock => {
            driven.lose_output(error);
            Poll::Ready(Discarded::MaySend)
        }
        Poll::Ready(Err(_)) if before == io.moves() => Poll::Ready(Discarded::TimedOut),
        discarded => {
            if let Poll::Ready(Ok(())) = discarded {
                driven.note_no_input();
            }
            if before == io.moves() {
                Poll::Pending
            } else {
                Poll::Ready(Discarded::MaySend)
            }
        }
    }
}

/// How much input that is discarded is received at once.
const DISCARDED_AT_ONCE: usize = 4096;

/// Discards what the peer still sends; ready at its end, after `most` bytes, or if a read would
/// block the thread.
///
/// # Errors
///
/// The transport's, also if it has given up waiting, by a timeout of its own.
pub(crate) fn poll_discard<T: Transport>(
    io: &mut Layered<T>,
    waker: &Waker,
    cx: &Context<'_>,
    budget: &mut Budget,
    read: impl Fn(&mut Layered<T>, &mut Context<'_>, &mut [u8]) -> Poll<io::Result<usize>>,
    most: &mut usize,
) -> Poll<io::Result<()>> {
    let mut room = [0; DISCARDED_AT_ONCE];
    while *most > 0 && !io.may_block() {
        ready!(budget.poll_spend(Budget::CALL, cx));
        match ready!(read(io, &mut Context::from_waker(waker), &mut room)) {
            Ok(0) => break,
            Ok(count) if count > room.len() => {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            Ok(count) => *most = most.saturating_sub(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
    Poll::Ready(Ok(()))
}
