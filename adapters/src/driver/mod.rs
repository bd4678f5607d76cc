//! Moves bytes between a core and its transport, as the core says, and keeps what came of it.

mod ends;
mod sides;
mod whole;

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Buf;
use plimsoll::{Connection, Output, Progress, Reader, SendAction};

pub(crate) use self::sides::{Outgoing, Sides};
use crate::budget::Budget;
use crate::layered::Layered;
use crate::options::StreamOptions;
use crate::receiving::{Memory, Receiving};
use crate::transport::Transport;

/// How many parts of the output leave in one call at most.
const SLICES: usize = 64;

/// A core, and what its transport has said.
pub(crate) struct Driven<K: Sides = Connection> {
    pub(crate) core: K,
    receiving: Receiving,
    /// The transport's error that the core's loss stands for, if it is one of a transport.
    cause: Option<Arc<io::Error>>,
    offer: Offer,
    /// Whether the transport holds bytes back that are no output of the core.
    holds_back: bool,
    ends: Ends,
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
    /// This side's stream was ended in order, whatever came after.
    const SENT_END: u8 = 8;
    /// The server does not send by itself.
    const IS_CORKED: u8 = 16;
    /// The owner closes the connection, with a limit of its own.
    const OWNER_CLOSES: u8 = 32;

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

/// How sending went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sent {
    /// Nothing is left to send, or sending was lost.
    All,
    /// The transport has given up waiting, by a timeout of its own. It wakes no one.
    TimedOut,
}

impl<K: Sides> Driven<K> {
    pub(crate) fn over(core: K, options: &StreamOptions) -> Self {
        Self {
            receiving: Receiving::new(options),
            cause: None,
            offer: Offer::Due,
            holds_back: false,
            ends: Ends::default(),
            has_news: false,
            was_full: false,
            has_received: false,
            moves: 0,
            core,
        }
    }

    /// How much is done before other tasks have a turn.
    pub(crate) fn budget(&mut self) -> &mut Budget {
        &mut self.receiving.budget
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
    /// was not offered yet, or take what it would not before: its handshake may be over.
    fn note_received<T: Transport>(&mut self, before: u32, io: &Layered<T>) {
        self.note_wire(before, io);
        if before != io.moves() {
            self.note_due();
        }
    }

    /// Whether there is something to send after a receive that waits, of which the last offer knew
    /// nothing. The wire may have nothing more to wake for.
    pub(crate) fn may_send_after_receiving<T: Transport>(&self, io: &Layered<T>) -> bool {
        io.holds_back() || !self.is_offered()
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
        if self.core.writer().next_send().is_none() && !io.holds_back() {
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
        self.has_news |= self.was_full && !self.core.writer().is_full() || before != self.stage();
        self.was_full &= self.core.writer().is_full();
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
            let Some(action) = self.core.writer().next_send() else {
                if !io.holds_back() || self.core.writer().connection_error().is_some() {
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
            // A flush of what holds nothing back makes no call.
            if action != SendAction::Flush || io.holds_back() {
                ready!(self.poll_spend_on_sending(cx));
            }
            let result = ready!(match action {
                SendAction::Write => offer(io, wire, &self.core.writer_mut().output()),
                SendAction::Flush => io.poll_flush(wire).map_ok(|()| 0),
                SendAction::Shutdown => io.poll_shutdown(wire).map_ok(|()| 0),
            });
            let was_lost = self.core.writer().connection_error();
            let was_flushed = self.core.writer().is_flushed();
            let (result, cause) = kinds(result);
            match self.core.on_send(action, result) {
                Progress::Moved => {
                    self.moves = self.moves.wrapping_add(1);
                    let is_end = action == SendAction::Shutdown && K::KEEPS_END;
                    self.ends
                        .note(Ends::SENT_END, is_end && self.has_sent_end());
                }
                // It has cost as much, and brought nothing.
                Progress::Interrupted => ready!(self.poll_spend_on_sending(cx)),
                Progress::Blocked => return Poll::Ready(Sent::TimedOut),
            }
            if self.core.writer().connection_error() != was_lost {
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
        let spent = self.receiving.budget.poll_spend(Budget::CALL, cx);
        if spent.is_pending() {
            self.note_due();
        }
        spent
    }

    /// Receives under a layer for a reader of its own, as [`Receiving::poll_read`] does.
    pub(crate) fn poll_receive_for<T: Transport>(
        &mut self,
        (receiving, reader): (&mut Receiving, &mut Reader),
        io: &mut Layered<T>,
        wire: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let on_wire = io.moves();
        let received = receiving.poll_read(reader, io, wire, Memory::Own);
        self.note_received(on_wire, io);
        received
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
    let taken = if output.chunk().len() == output.remaining() {
        io.poll_write(cx, &[IoSlice::new(output.chunk())])
    } else {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let filled = output.chunks_vectored(&mut slices);
        io.poll_write(cx, &slices[..filled])
    };
    match ready!(taken) {
        Ok(0) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        Ok(taken) if taken > output.remaining() => {
            Poll::Ready(Err(io::ErrorKind::InvalidData.into()))
        }
        taken => Poll::Ready(taken),
    }
}
