//! Moves bytes between a core and its transport, as the core says, and keeps what came of it.

use std::io::{self, IoSlice};
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Buf;
use plimsoll::{
    Connection, ConnectionError, ConnectionState, Output, Progress, SendAction, WriterState,
};

use crate::budget::Budget;
use crate::error::{Lost, loss_of};
use crate::layered::Layered;
use crate::options::Options;
use crate::slot::{Core, Says};
use crate::spare_block;
use crate::transport::Transport;

/// How many parts of the output leave in one call at most.
const SLICES: usize = 64;

/// A core, and what its transport has said.
pub(crate) struct Driven {
    pub(crate) core: Connection,
    /// The most that is received at once, in bytes.
    most_at_once: u32,
    reads: ReadSize,
    pub(crate) budget: Budget,
    /// The transport's error that the core's loss stands for, if it is one of a transport.
    cause: Option<Arc<io::Error>>,
    offer: Offer,
    /// Whether the transport holds bytes back that are no output of the core.
    holds_back: bool,
    ends: Ends,
    /// Whether the next receive probably has something to receive.
    expects_input: bool,
    /// Whether something has happened that no turn has shown.
    has_news: bool,
    /// Whether the last turn left the output full.
    was_full: bool,
    /// Whether something came of a receive since a read last asked for input.
    has_received: bool,
    moves: u16,
}

/// How a connection comes to its end, a bit each: it is small, since idle ones have one too.
#[derive(Clone, Copy, Debug, Default)]
struct Ends(u8);

impl Ends {
    /// A loss took pending output with it.
    const LOST_OUTPUT: u8 = 1;
    /// The peer's stream has ended, whatever its bytes were for.
    const NO_INPUT: u8 = 2;
    /// The owner waits for that itself.
    const OWNER_LINGERS: u8 = 4;

    fn has(self, end: u8) -> bool {
        self.0 & end != 0
    }

    fn note(&mut self, end: u8, has_come: bool) {
        self.0 |= end * u8::from(has_come);
    }

    fn set(&mut self, end: u8, is_set: bool) {
        self.0 = (self.0 & !end) | (end * u8::from(is_set));
    }
}

/// Whether the transport was asked to take all output since the user had the core.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Offer {
    /// It has to be opened first, and nothing else is asked of it.
    Opening,
    Due,
    Made,
}

/// What a receive is for, and so where it goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Memory {
    /// A block of the thread, which goes back at the end of the turn.
    OfThread,
    /// Memory of the connection's own: no end is near.
    Own,
}

/// How sending went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sent {
    /// Nothing is left to send, or sending was lost.
    All,
    /// The transport has given up waiting, by a timeout of its own. It wakes no one.
    TimedOut,
}

impl Driven {
    pub(crate) fn new(core: Connection, options: &Options) -> Self {
        Self {
            most_at_once: u32::try_from(options.size_of_reads()).unwrap_or(u32::MAX),
            reads: ReadSize::default(),
            budget: Budget::new(),
            cause: None,
            offer: Offer::Due,
            holds_back: false,
            ends: Ends::default(),
            expects_input: false,
            // What came with the connection.
            has_news: !core.reader.buffered().is_empty(),
            was_full: false,
            has_received: false,
            moves: 0,
            core,
        }
    }

    /// Asks nothing of the transport before it is open.
    pub(crate) fn opens_first(mut self) -> Self {
        self.offer = Offer::Opening;
        self
    }

    /// Waits until the transport can carry bytes. Ready with `None` if it has given up waiting,
    /// with `false` if it failed.
    pub(crate) fn poll_open<T: Transport>(
        &mut self,
        io: &mut Layered<T>,
        waker: &Waker,
    ) -> Poll<Option<bool>> {
        let before = io.moves();
        let opened = loop {
            match io.poll_open(&mut Context::from_waker(waker)) {
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                opened => break opened,
            }
        };
        self.note_received(before, io);
        match ready!(opened) {
            Ok(()) => {
                self.offer = Offer::Due;
                Poll::Ready(Some(true))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Ready(None),
            Err(error) => {
                self.lose(error);
                Poll::Ready(Some(false))
            }
        }
    }

    /// Notes whether something moved under a layer.
    fn note_wire<T: Transport>(&mut self, before: u32, io: &Layered<T>) {
        if before != io.moves() {
            self.moves = self.moves.wrapping_add(1);
        }
        self.holds_back = io.holds_back();
    }

    /// Notes the same of a call that receives, after which a layer may have a reply that the wire
    /// was not offered yet.
    fn note_received<T: Transport>(&mut self, before: u32, io: &Layered<T>) {
        self.note_wire(before, io);
        if before != io.moves() && self.holds_back {
            self.note_due();
        }
    }

    /// Sends as far as the transport takes it; ready when nothing is left to do. The transport gets
    /// `waker`; the task of `cx` is woken when it has to let others run.
    ///
    /// A failure is recorded in the core, and leaves nothing to do.
    #[inline]
    pub(crate) fn poll_send<T: Transport>(
        &mut self,
        io: &mut Layered<T>,
        waker: &Waker,
        cx: &Context<'_>,
    ) -> Poll<Sent> {
        if self.core.next_send().is_none() && !io.holds_back() {
            (self.offer, self.holds_back) = (Offer::Made, false);
            return Poll::Ready(Sent::All);
        }
        self.poll_send_output(io, waker, cx)
    }

    #[inline(never)]
    fn poll_send_output<T: Transport>(
        &mut self,
        io: &mut Layered<T>,
        waker: &Waker,
        cx: &Context<'_>,
    ) -> Poll<Sent> {
        let (before, on_wire) = (self.stage(), io.moves());
        self.offer = Offer::Made;
        let sent = self.poll_actions(io, waker, cx);
        self.note_wire(on_wire, io);
        self.has_news |= self.was_full && !self.core.writer.is_full() || before != self.stage();
        self.was_full &= self.core.writer.is_full();
        sent
    }

    fn poll_actions<T: Transport>(
        &mut self,
        io: &mut Layered<T>,
        waker: &Waker,
        cx: &Context<'_>,
    ) -> Poll<Sent> {
        let wire = &mut Context::from_waker(waker);
        loop {
            let Some(action) = self.core.next_send() else {
                if !io.holds_back() || self.core.writer.connection_error().is_some() {
                    return Poll::Ready(Sent::All);
                }
                ready!(self.poll_spend_on_sending(cx));
                match ready!(io.poll_flush(wire)) {
                    Ok(()) => return Poll::Ready(Sent::All),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        return Poll::Ready(Sent::TimedOut);
                    }
                    Err(error) => {
                        self.lose(error);
                        return Poll::Ready(Sent::All);
                    }
                }
            };
            ready!(self.poll_spend_on_sending(cx));
            let result = ready!(match action {
                SendAction::Write => offer(io, wire, &self.core.writer.output()),
                SendAction::Flush => io.poll_flush(wire).map_ok(|()| 0),
                SendAction::Shutdown => io.poll_shutdown(wire).map_ok(|()| 0),
            });
            let was_lost = self.core.writer.connection_error();
            let was_flushed = self.core.writer.is_flushed();
            let (result, cause) = kinds(result);
            match self.core.on_send(action, result) {
                Progress::Moved => self.moves = self.moves.wrapping_add(1),
                Progress::Interrupted => {}
                Progress::Blocked => return Poll::Ready(Sent::TimedOut),
            }
            if self.core.writer.connection_error() != was_lost {
                self.cause = cause;
                self.ends.note(Ends::LOST_OUTPUT, !was_flushed);
            }
        }
    }

    /// Whether the transport was asked to take all output. If not, sending waits for others to run,
    /// and its task is woken.
    pub(crate) fn is_offered(&self) -> bool {
        self.offer == Offer::Made
    }

    /// Records that output may have to be offered again.
    fn note_due(&mut self) {
        if self.offer == Offer::Made {
            self.offer = Offer::Due;
        }
    }

    /// Lets others run, if the budget is used up: then the transport was not offered all output.
    fn poll_spend_on_sending(&mut self, cx: &Context<'_>) -> Poll<()> {
        let spent = self.budget.poll_spend(Budget::CALL, cx);
        if spent.is_pending() {
            self.note_due();
        }
        spent
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
        ready!(self.budget.poll_spend(Budget::CALL, cx));
        let on_wire = io.moves();
        let received = self.poll_read(io, &mut Context::from_waker(waker), memory);
        self.note_received(on_wire, io);
        let Poll::Ready(result) = received else {
            // The task waits, so others run anyway.
            self.budget.renew();
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

    /// Receives into the reader. If that is pending, no memory is held for it.
    fn poll_read<T: Transport>(
        &mut self,
        io: &mut Layered<T>,
        cx: &mut Context<'_>,
        memory: Memory,
    ) -> Poll<io::Result<usize>> {
        // After a wait there is probably input, and after a receive that left room there is not.
        let expects_input = mem::take(&mut self.expects_input) && memory == Memory::OfThread;
        if !expects_input {
            match self.poll_readable(io, cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    spare_block::reclaim(&mut self.core.reader);
                    return Poll::Pending;
                }
            }
        }
        let reader = &mut self.core.reader;
        if memory == Memory::OfThread && reader.capacity() == 0 {
            spare_block::lend(reader);
        }
        let room = reader.input(self.reads.room(self.most_at_once));
        let size = room.len();
        match io.poll_read(cx, room) {
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

    fn poll_readable<T: Transport>(
        &mut self,
        io: &mut Layered<T>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let readable = io.poll_readable(cx);
        self.expects_input = readable.is_pending();
        readable
    }

    /// Records that the transport failed where the core had asked for nothing.
    pub(crate) fn lose(&mut self, error: io::Error) {
        let was_lost = self.core.reader.connection_error().is_some();
        self.fail(error, was_lost, Connection::lost);
    }

    /// Records that input failed that was discarded, since the system reports a loss once: what is
    /// left to be sent is lost.
    pub(crate) fn lose_output(&mut self, error: io::Error) {
        let was_lost = self.core.writer.connection_error().is_some();
        self.fail(error, was_lost, |core, loss| core.writer.lost(loss));
    }

    /// Records a failure of the transport, which is the cause of the loss unless it `was_lost`
    /// before.
    fn fail(
        &mut self,
        error: io::Error,
        was_lost: bool,
        lose: impl FnOnce(&mut Connection, ConnectionError),
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
        let is_pending = !self.core.writer.is_flushed();
        self.ends.note(Ends::LOST_OUTPUT, is_pending);
    }

    /// Records that the owner has aborted the connection.
    pub(crate) fn abort(&mut self) {
        self.note_news(Connection::abort);
    }

    /// Does something to the core, which is news if it changes anything.
    fn note_news(&mut self, change: impl FnOnce(&mut Connection)) {
        let before = (self.core.state(), self.core.wants_read());
        change(&mut self.core);
        self.has_news |= before != (self.core.state(), self.core.wants_read());
    }

    /// Whether the owner waits for the peer's end itself.
    pub(crate) fn lingers(&self) -> bool {
        self.ends.has(Ends::OWNER_LINGERS)
    }

    pub(crate) fn set_lingers(&mut self, lingers: bool) {
        self.ends.set(Ends::OWNER_LINGERS, lingers);
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

    /// Whether all was sent, and the end of the stream.
    pub(crate) fn has_ended(&self) -> bool {
        let state = self.core.writer.state();
        matches!(state, WriterState::Finished | WriterState::Closed)
    }

    /// Whether this side has closed the connection: nothing more is to be received, either.
    pub(crate) fn is_closing(&self) -> bool {
        let writer = self.core.writer.state();
        let is_closed = matches!(writer, WriterState::Closing | WriterState::Closed);
        is_closed && !self.expects_more()
    }

    /// Whether the reader may come to have more.
    fn expects_more(&self) -> bool {
        self.core.reader.wants_read() || self.core.reader.is_paused()
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

    /// Whether something is to be sent.
    pub(crate) fn has_output(&self) -> bool {
        self.offer != Offer::Opening && (self.core.next_send().is_some() || self.holds_back)
    }

    /// A number that changes whenever something was received or sent.
    pub(crate) fn moves(&self) -> u16 {
        self.moves
    }

    /// How the connection was lost, if it was, with the transport's error.
    pub(crate) fn how_lost(&self) -> Option<Lost> {
        let reader = self.core.reader.connection_error();
        Some(Lost {
            loss: reader.or(self.core.writer.connection_error())?,
            cause: self.cause.clone(),
        })
    }

    /// What a turn shows of the write side, besides room.
    fn stage(&self) -> (WriterState, bool) {
        let writer = &self.core.writer;
        (writer.state(), writer.connection_error().is_some())
    }
}

impl Core for Driven {
    fn close(&mut self) {
        if self.offer == Offer::Opening {
            // There is nothing to end in order yet.
            return Core::lose(self, ConnectionError::Aborted);
        }
        self.note_news(Connection::close);
        self.note_due();
    }

    fn lose(&mut self, error: ConnectionError) {
        self.note_lost_output();
        self.note_news(|core| core.lost(error));
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
        let lost_output = self.core.writer.connection_error();
        let lost = lost_output.filter(|_| !self.expects_more());
        Says {
            lost: self.core.reader.connection_error().or(lost),
            has_output,
            has_unoffered_output: has_output && !self.is_offered(),
            is_closing: self.is_closing(),
            has_ended: self.has_ended(),
            moves: self.moves,
        }
    }

    fn is_cut_off(&self) -> bool {
        let writer = &self.core.writer;
        !self.has_ended() && (!writer.is_flushed() || writer.connection_error().is_some())
    }
}

/// Splits a failure of a transport into what the core is told, and what is kept for the user.
#[inline]
fn kinds(result: io::Result<usize>) -> (Result<usize, io::ErrorKind>, Option<Arc<io::Error>>) {
    match result {
        Ok(count) => (Ok(count), None),
        Err(error) => (Err(error.kind()), Some(shared(error))),
    }
}

#[cold]
fn shared(error: io::Error) -> Arc<io::Error> {
    Arc::new(error)
}

/// Offers output to the transport.
fn offer<T: Transport>(
    io: &mut Layered<T>,
    cx: &mut Context<'_>,
    output: &Output<'_>,
) -> Poll<io::Result<usize>> {
    if output.chunk().len() == output.remaining() {
        return io.poll_write(cx, &[IoSlice::new(output.chunk())]);
    }
    let mut slices = [IoSlice::new(&[]); SLICES];
    let filled = output.chunks_vectored(&mut slices);
    io.poll_write(cx, &slices[..filled])
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
    const LEAST: u32 = 512;

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
