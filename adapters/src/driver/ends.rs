//! How a connection that is driven comes to its ends, and what its slot is told of it.

use std::io;
use std::sync::Arc;

use plimsoll::{ConnectionError, Writer, WriterState};

use super::sides::Sides;
use super::{Driven, Ends, Offer, shared};
use crate::error::{ConnectionLost, loss_of};
use crate::slot::{Core, Pressure, Says};

impl<K: Sides> Driven<K> {
    /// Records that the transport failed where the core had asked for nothing.
    pub(crate) fn lose(&mut self, error: io::Error) {
        let was_lost = self.core.reading_error().is_some();
        self.fail(error, was_lost, K::lost);
    }

    /// Records that input failed that was discarded, since the system reports a loss once: what is
    /// left to be sent is lost.
    pub(crate) fn lose_output(&mut self, error: io::Error) {
        let was_lost = self.core.writer().connection_error().is_some();
        self.fail(error, was_lost, |core, loss| core.writer_mut().lost(loss));
    }

    /// Records a failure of the transport, which is the cause of the loss unless it `was_lost`
    /// before.
    fn fail(
        &mut self,
        error: io::Error,
        was_lost: bool,
        lose: impl FnOnce(&mut K, ConnectionError),
    ) {
        self.note_lost_output();
        lose(&mut self.core, loss_of(&error));
        if !was_lost {
            self.cause = Some(shared(error));
        }
        self.has_news = true;
    }

    /// Records that pending output, if there is some, is about to be lost.
    fn note_lost_output(&mut self) {
        let is_pending = !self.core.writer().is_flushed();
        self.ends.note(Ends::LOST_OUTPUT, is_pending);
    }

    /// Records that the owner has aborted the connection.
    pub(crate) fn abort(&mut self) {
        self.note_news(|core| core.lost(ConnectionError::Aborted));
    }

    /// Does something to the core, which is news if it changes anything.
    fn note_news(&mut self, change: impl FnOnce(&mut K)) {
        let before = self.core.stage();
        change(&mut self.core);
        self.has_news |= before != self.core.stage();
    }

    /// Whether the owner waits for the peer's end itself.
    pub(crate) fn lingers(&self) -> bool {
        self.ends.has(Ends::OWNER_LINGERS)
    }

    pub(crate) fn set_lingers(&mut self, lingers: bool) {
        self.ends.set(Ends::OWNER_LINGERS, lingers);
    }

    /// Holds output back from the server, which sends when the handler waits, or lets it go on.
    pub(crate) fn set_corked(&mut self, is_corked: bool) {
        self.ends.set(Ends::IS_CORKED, is_corked);
        self.note_due();
    }

    /// Whether output is held back from the server.
    pub(crate) fn is_corked(&self) -> bool {
        self.ends.has(Ends::IS_CORKED)
    }

    /// Whether the owner closes the connection, with a limit of its own.
    pub(crate) fn closes(&self) -> bool {
        self.ends.has(Ends::OWNER_CLOSES)
    }

    pub(crate) fn set_closes(&mut self, closes: bool) {
        self.ends.set(Ends::OWNER_CLOSES, closes);
    }

    /// Whether a loss took pending output with it.
    pub(crate) fn has_lost_output(&self) -> bool {
        self.ends.has(Ends::LOST_OUTPUT)
    }

    /// Whether there is nothing more to be received, or discarded.
    pub(crate) fn has_no_input(&self) -> bool {
        self.ends.has(Ends::NO_INPUT)
    }

    /// Records that the peer's stream has ended, whatever its bytes were for.
    pub(crate) fn note_no_input(&mut self) {
        self.ends.note(Ends::NO_INPUT, true);
    }

    /// Whether all was sent, and the end of the stream.
    pub(crate) fn has_ended(&self) -> bool {
        self.ends.has(Ends::SENT_END) || self.has_sent_end()
    }

    pub(super) fn has_sent_end(&self) -> bool {
        let state = self.core.writer().state();
        matches!(state, WriterState::Finished | WriterState::Closed)
    }

    /// Whether this side has closed the connection: nothing more is to be received, either.
    pub(crate) fn is_closing(&self) -> bool {
        let writer = self.core.writer().state();
        let is_closed = matches!(writer, WriterState::Closing | WriterState::Closed);
        is_closed && !self.core.expects_input()
    }

    /// Whether something is to be sent.
    pub(crate) fn has_output(&self) -> bool {
        self.offer != Offer::Opening
            && (self.core.writer().next_send().is_some() || self.holds_back)
    }

    /// A number that changes whenever something was received or sent.
    pub(crate) fn moves(&self) -> u16 {
        self.moves
    }

    /// How sending was lost, if it was, with the transport's error.
    pub(crate) fn how_writer_was_lost(&self) -> Option<ConnectionLost> {
        Some(ConnectionLost {
            kind: self.core.writer().connection_error()?,
            cause: self.cause.clone(),
        })
    }

    /// How the connection was lost, if it was, with the transport's error.
    pub(crate) fn how_lost(&self) -> Option<ConnectionLost> {
        let reader = self.core.reading_error();
        Some(ConnectionLost {
            kind: reader.or(self.core.writer().connection_error())?,
            cause: self.cause.clone(),
        })
    }

    /// Writes, as the user of a pair does, by a call that needs no transport.
    #[inline]
    pub(crate) fn write<A>(&mut self, write: impl FnOnce(&mut Writer) -> A) -> A {
        let written = write(self.core.writer_mut());
        self.note_due();
        written
    }

    /// How far output has come: whatever a writer may wait for changes it.
    pub(crate) fn output_stage(&self) -> (usize, bool, WriterState) {
        let writer = self.core.writer();
        (writer.pending(), writer.is_flushed(), writer.state())
    }

    /// What a turn shows of the write side, besides room.
    pub(super) fn stage(&self) -> (WriterState, bool) {
        let writer = self.core.writer();
        (writer.state(), writer.connection_error().is_some())
    }
}

impl<K: Sides> Core for Driven<K> {
    type End = Result<(), Arc<io::Error>>;
    /// `None` if it has ended in order.
    type Ended = Option<ConnectionLost>;

    fn close(&mut self) {
        if self.offer == Offer::Opening {
            // There is nothing to end in order yet.
            return Core::lose(self, ConnectionError::Aborted);
        }
        self.note_news(K::close);
        self.note_due();
    }

    fn close_output(&mut self) {
        self.ends.set(Ends::IS_CORKED, false);
        self.core.writer_mut().close();
        self.note_due();
    }

    /// The first loss that ends both directions is told by both halves of a pair, with its cause.
    fn end_input(&mut self, end: Result<(), Arc<io::Error>>) -> Option<ConnectionLost> {
        if !self.core.expects_input() {
            // It was closed meanwhile.
            self.ends.note(Ends::NO_INPUT, true);
            return self
                .how_lost()
                .or(end.err().map(ConnectionLost::of_transport));
        }
        let first = self.how_writer_was_lost();
        let first = first.filter(|lost| lost.kind.ends_both_directions());
        let was_lost = self.core.writer().connection_error();
        let was_flushed = self.core.writer().is_flushed();
        let cause = end.err().filter(|_| first.is_none());
        self.ends.note(Ends::NO_INPUT, cause.is_none());
        self.core
            .end_input(cause.as_ref().map(|error| loss_of(error)));
        if self.core.writer().connection_error() != was_lost {
            self.cause.clone_from(&cause);
            self.ends.note(Ends::LOST_OUTPUT, !was_flushed);
        }
        let loss = self.core.reading_error()?;
        let cause = first.map_or(cause, |first| first.cause);
        Some(ConnectionLost { kind: loss, cause })
    }

    fn how_ended(&self) -> Option<ConnectionLost> {
        self.how_lost()
    }

    fn pressure(&self) -> Pressure {
        Pressure {
            is_full: self.core.writer().is_full(),
            is_unwritable: !self.core.writer().is_writable(),
            is_lost: self.core.writer().connection_error().is_some(),
        }
    }

    fn lose(&mut self, error: ConnectionError) {
        self.note_lost_output();
        self.note_news(|core| core.lost(error));
    }

    fn give_up(&mut self) {
        self.abort();
        // Also after the ends of both streams.
        self.core.writer_mut().lost(ConnectionError::Aborted);
    }

    fn on_wake(&mut self) {
        self.note_due();
    }

    fn on_shutdown(&mut self) {
        self.has_news = true;
    }

    fn says(&self) -> Says {
        let has_output = self.has_output();
        // Of a direction that was lost and one that has ended, nothing can move either.
        let lost_output = self.core.writer().connection_error();
        let lost = lost_output.filter(|_| !self.core.expects_input());
        Says {
            lost: self.core.reading_error().or(lost),
            has_output,
            has_unoffered_output: has_output && !self.is_offered() && !self.is_corked(),
            is_closing: self.is_closing(),
            has_ended: self.has_ended(),
            moves: self.moves,
        }
    }

    fn is_cut_off(&self) -> bool {
        let writer = self.core.writer();
        !self.has_ended() && (!writer.is_flushed() || writer.connection_error().is_some())
    }
}
