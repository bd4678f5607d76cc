//! Receiving into a reader: in room of the size that the peer fills, and in none while it is idle.

use std::io;
use std::mem;
use std::task::{Context, Poll};

use plimsoll::Reader;

use crate::budget::Budget;
use crate::options::StreamOptions;
use crate::spare_block;
use crate::transport::ReadHalf;

/// How a connection receives.
pub(crate) struct Receiving {
    /// The most that is received at once, in bytes.
    most_at_once: u32,
    reads: ReadSize,
    /// Whether the next receive probably has something to receive.
    expects_input: bool,
    /// How much is done before other tasks have a turn. (It stands here since idle connections are
    /// small, and there is room for it.)
    pub(crate) budget: Budget,
}

/// What a receive is for, and so where it goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Memory {
    /// A block of the thread, which goes back at the end of the turn.
    OfThread,
    /// Memory of the connection's own: no end is near.
    Own,
}

impl Receiving {
    pub(crate) fn new(options: &StreamOptions) -> Self {
        Self {
            most_at_once: u32::try_from(options.size_of_reads()).unwrap_or(u32::MAX),
            reads: ReadSize::default(),
            expects_input: false,
            budget: Budget::new(),
        }
    }

    /// Receives into the reader's room, which is to be committed. If that is pending, no memory is
    /// held for it.
    pub(crate) fn poll_read(
        &mut self,
        reader: &mut Reader,
        source: &mut impl ReadHalf,
        cx: &mut Context<'_>,
        memory: Memory,
    ) -> Poll<io::Result<usize>> {
        // After a wait there is probably input, and after a receive that left room there is not.
        let expects_input = mem::take(&mut self.expects_input) && memory == Memory::OfThread;
        if !expects_input {
            match self.poll_readable(source, cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    spare_block::reclaim(reader);
                    return Poll::Pending;
                }
            }
        }
        if memory == Memory::OfThread && reader.capacity() == 0 {
            spare_block::lend(reader);
        }
        let room = reader.input(self.reads.room(self.most_at_once));
        let size = room.len();
        match source.poll_read(cx, room) {
            Poll::Ready(Ok(received)) if received > size => {
                Poll::Ready(Err(io::ErrorKind::InvalidData.into()))
            }
            Poll::Ready(Ok(received)) => {
                self.expects_input = received == size;
                self.reads.adapt(received, size, self.most_at_once);
                Poll::Ready(Ok(received))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                reader.commit(0);
                spare_block::reclaim(reader);
                self.expects_input = true;
                Poll::Pending
            }
        }
    }

    fn poll_readable(
        &mut self,
        source: &mut impl ReadHalf,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let readable = source.poll_readable(cx);
        self.expects_input = readable.is_pending();
        readable
    }
}

/// How much room the next receive is given: about what the peer sends at once.
///
/// It is filled with zeros each time that the peer has something to say again.
#[derive(Default)]
struct ReadSize {
    doublings: u8,
}

impl ReadSize {
    /// Room for a first receive, and the least for any, in bytes.
    const LEAST: u32 = 1024;

    fn room(&self, most: u32) -> usize {
        let doubled = Self::LEAST.saturating_mul(1 << self.doublings);
        doubled.min(most) as usize
    }

    /// Takes note of what was received in room for `size` bytes.
    fn adapt(&mut self, received: usize, size: usize, most: u32) {
        let room = self.room(most);
        if received == size && room < most as usize {
            self.doublings += 1;
        } else if received < room / 4 {
            self.doublings = self.doublings.saturating_sub(1);
        }
    }
}
