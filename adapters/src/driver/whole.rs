//! A connection whose owner has both sides: its turns and its receives.

use std::task::{Context, Poll, Waker, ready};

use plimsoll::{Connection, ConnectionState, Progress};

use super::{Driven, Ends, kinds};
use crate::budget::Budget;
use crate::layered::Layered;
use crate::options::StreamOptions;
use crate::receiving::Memory;
use crate::spare_block;
use crate::transport::Transport;

impl Driven {
    pub(crate) fn new(core: Connection, options: &StreamOptions) -> Self {
        // What came with the connection.
        let has_news = !core.reader.buffered().is_empty();
        Self {
            has_news,
            ..Self::over(core, options)
        }
    }

    /// Receives once, as much as the transport has at hand. Ready with `false` if the transport has
    /// given up waiting.
    pub(crate) fn poll_receive<T: Transport>(
        &mut self,
        io: &mut Layered<T>,
        waker: &Waker,
        cx: &Context<'_>,
        memory: Memory,
    ) -> Poll<bool> {
        ready!(self.receiving.budget.poll_spend(Budget::CALL, cx));
        let on_wire = io.moves();
        let wire = &mut Context::from_waker(waker);
        let reader = &mut self.core.reader;
        let received = self.receiving.poll_read(reader, io, wire, memory);
        self.note_received(on_wire, io);
        let Poll::Ready(result) = received else {
            // The task waits, so others run anyway.
            self.receiving.budget.renew();
            return Poll::Pending;
        };
        let was_lost = self.core.reader.connection_error();
        let was_flushed = self.core.writer.is_flushed();
        let is_end = matches!(result, Ok(0));
        let (result, cause) = kinds(result);
        let progress = self.core.on_receive(result);
        self.ends.note(Ends::NO_INPUT, is_end);
        if self.core.reader.connection_error() != was_lost {
            self.cause = cause.or(self.cause.take());
            self.ends.note(Ends::LOST_OUTPUT, !was_flushed);
        }
        match progress {
            Progress::Moved => {
                self.moves = self.moves.wrapping_add(1);
                self.has_received = true;
                self.has_news = true;
            }
            Progress::Interrupted => {}
            Progress::Blocked => return Poll::Ready(false),
        }
        Poll::Ready(true)
    }

    /// Hands the core to the user for a turn. Whatever has happened so far is shown by it.
    pub(crate) fn begin_turn(&mut self) {
        self.has_news = false;
        self.note_due();
    }

    /// Records what the user left behind.
    pub(crate) fn end_turn(&mut self) {
        // Between turns a connection that has nothing unread holds no memory.
        spare_block::reclaim(&mut self.core.reader);
        self.was_full = self.core.writer.is_full();
        self.note_due();
    }

    /// Records that a read has seen all input so far.
    pub(crate) fn await_input(&mut self) {
        self.has_received = false;
    }

    /// Whether something came of a receive since [`await_input`](Self::await_input).
    pub(crate) fn has_received(&self) -> bool {
        self.has_received
    }

    /// Whether something has happened that no turn has shown.
    pub(crate) fn has_news(&self) -> bool {
        self.has_news
    }

    /// Whether nothing more can happen that the owner does not do.
    pub(crate) fn is_over(&self) -> bool {
        match self.core.state() {
            ConnectionState::Closed => true,
            // After a failed send the peer's last words may still come.
            ConnectionState::Lost(_) => !self.core.wants_read(),
            ConnectionState::HalfClosedRemote => !self.has_output(),
            _ => false,
        }
    }
}
