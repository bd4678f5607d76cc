//! Read halves that a test gives to a transport: late ones, counting ones, scripted ones.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use plimsoll_io::ReadHalf;

/// A read half on which what comes is always there a moment after it was asked for.
pub struct Late<R>(pub R, pub bool);

impl<R: ReadHalf> ReadHalf for Late<R> {
    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        self.1 = !self.1;
        if self.1 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.0.poll_read(cx, room)
    }
}

/// A read half that counts how often it is asked.
pub struct Counts<R>(pub R, pub Arc<AtomicUsize>);

impl<R: ReadHalf> ReadHalf for Counts<R> {
    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.poll_read(cx, room)
    }
}

/// What a half receives, call by call; `None` is a call that waits. The next call takes its wake
/// back, as one of a level-triggered poller does that takes what is there before the poller looks.
pub struct Steps(pub VecDeque<Option<Vec<u8>>>);

impl ReadHalf for Steps {
    fn poll_read(&mut self, _: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.0.pop_front().flatten() {
            Some(bytes) => {
                room[..bytes.len()].copy_from_slice(&bytes);
                Poll::Ready(Ok(bytes.len()))
            }
            None => Poll::Pending,
        }
    }
}
