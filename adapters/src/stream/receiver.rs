//! The loop that all reads of a pair are: ask; if that needs input, send what is due, then receive.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use plimsoll::{ReadError, Reader, Step, TransportError};

use super::pair::{PairGuard, PairReadGuard, PairSlot};
use crate::budget::Budget;
use crate::driver::Sent;
use crate::error::{ConnectionLost, Error};
use crate::options::StreamOptions;
use crate::receiving::{Memory, Receiving};
use crate::slot::{ToRead, Wish};
use crate::transport::{ReadHalf, Transport};

/// What a pair's reader has to itself.
pub(super) struct Receiver {
    pub(super) reader: Reader,
    receiving: Receiving,
    /// Whether nothing is received while the output is full.
    pauses_when_full: bool,
    /// How the connection was lost, if reads were told.
    lost: Option<ConnectionLost>,
    budget: Budget,
}

/// What a receive has come to.
type Received = io::Result<usize>;

impl Receiver {
    pub(super) fn new(reader: Reader, options: &StreamOptions) -> Self {
        Self {
            reader,
            receiving: Receiving::new(options),
            pauses_when_full: options.pauses_when_full(),
            lost: None,
            budget: Budget::new(),
        }
    }

    /// Asks the reader for an answer that needs no input, as long as other tasks need not have
    /// their turn.
    #[inline]
    pub(super) fn answer_at_hand<A>(
        &mut self,
        ask: impl FnOnce(&mut Reader) -> Result<Step<A>, ReadError>,
    ) -> Option<Result<A, Error>> {
        self.budget.spend(1)?;
        match ask(&mut self.reader) {
            Ok(Step::Ready(answer)) => Some(Ok(answer)),
            Ok(Step::NeedInput) => None,
            Err(error) => Some(Err(self.explain(error))),
        }
    }

    /// Asks the reader until it has an answer, receiving while it has none.
    pub(super) fn poll_answer<T: Transport, A>(
        &mut self,
        slot: &PairSlot<T>,
        waker: &Waker,
        cx: &mut Context<'_>,
        mut ask: impl FnMut(&mut Reader) -> Result<Step<A>, ReadError>,
    ) -> Poll<Result<A, Error>> {
        loop {
            if self.budget.poll_spend(1, cx).is_pending() {
                slot.note_yield();
                return Poll::Pending;
            }
            match ask(&mut self.reader) {
                Ok(Step::Ready(answer)) => return Poll::Ready(Ok(answer)),
                Err(error) => return Poll::Ready(Err(self.explain(error))),
                Ok(Step::NeedInput) => ready!(self.poll_input(slot, waker, cx))?,
            }
        }
    }

    /// Sends what is due, and waits until the reader has more to say.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if the transport has given up waiting, by a timeout of its own.
    fn poll_input<T: Transport>(
        &mut self,
        slot: &PairSlot<T>,
        waker: &Waker,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let wire = &mut Context::from_waker(waker);
        let mut has_offered = false;
        // The end of a blocking half, until the core has said what it makes of it.
        let mut blocking_end = None;
        loop {
            let wish = Wish {
                has_offered,
                pauses: self.pauses_when_full,
                has_buffered: !self.reader.buffered().is_empty(),
            };
            let (received, mut out) = match slot.look_to_read(cx, wish) {
                ToRead::Ended(lost) => return self.end(lost),
                ToRead::Closed => return self.end(None),
                ToRead::Aborted(loss) => {
                    return self.end(Some(ConnectionLost {
                        kind: loss,
                        cause: None,
                    }));
                }
                ToRead::Wait => {
                    if let Some(end) = blocking_end.take() {
                        // It is no socket's, whose only report of a reset a send in progress may
                        // take.
                        return self.end(Result::err(end).map(ConnectionLost::of_transport));
                    }
                    self.budget.renew();
                    return Poll::Pending;
                }
                ToRead::Receive(mut guard) => {
                    ready!(self.budget.poll_spend(Budget::CALL, cx));
                    let (half, memory) = (guard.half(), Memory::Own);
                    let received = self
                        .receiving
                        .poll_read(&mut self.reader, half, wire, memory);
                    (received, Out::Half(guard))
                }
                ToRead::Send(mut guard) => {
                    let (driven, Some(io)) = guard.both() else {
                        continue; // it was aborted meanwhile
                    };
                    let before = driven.output_stage();
                    let sent = driven.poll_send(io, waker, cx);
                    has_offered = driven.is_offered();
                    let moved = before != driven.output_stage();
                    let waits_for_room = self.pauses_when_full && driven.core.writer.is_full();
                    let is_layered = io.has_layer();
                    if moved {
                        guard.notify();
                    }
                    if sent == Poll::Ready(Sent::TimedOut) {
                        return Poll::Ready(Err(Error::TimedOut));
                    }
                    if !has_offered || waits_for_room {
                        // Others run first: a receive might block, and its peer wait for this.
                        guard.wait(cx);
                        return Poll::Pending;
                    }
                    if !is_layered {
                        continue;
                    }
                    ready!(self.budget.poll_spend(Budget::CALL, cx));
                    let (driven, Some(io)) = guard.both() else {
                        continue;
                    };
                    let own = (&mut self.receiving, &mut self.reader);
                    let received = driven.poll_receive_for(own, io, wire);
                    if received.is_pending() && driven.may_send_after_receiving(io) {
                        let before = (driven.output_stage(), io.receives());
                        let _ = driven.poll_send(io, waker, cx);
                        let has_received = before.1 != io.receives();
                        if before.0 != driven.output_stage() {
                            guard.notify();
                        }
                        if has_received {
                            continue;
                        }
                    }
                    (received, Out::Whole(guard))
                }
            };
            let Poll::Ready(received) = received else {
                self.budget.renew();
                out.wait(cx);
                return Poll::Pending;
            };
            match self.take_note(received) {
                Note::Bytes => {
                    out.received();
                    return Poll::Ready(Ok(()));
                }
                Note::TimedOut => return Poll::Ready(Err(Error::TimedOut)),
                Note::Interrupted => {}
                Note::End(end) => {
                    if out.may_block() {
                        blocking_end = Some(end.clone());
                    }
                    out.end(end);
                }
            }
        }
    }

    /// Tells the reader what came of a receive, unless that is its end.
    fn take_note(&mut self, received: Received) -> Note {
        match received {
            Ok(count @ 1..) => {
                let _ = self.reader.on_receive(Ok::<_, TransportError>(count), None);
                return Note::Bytes;
            }
            _ => self.reader.commit(0),
        }
        match received {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Note::Interrupted,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Note::TimedOut,
            Err(error) => Note::End(Err(Arc::new(error))),
            Ok(_) => Note::End(Ok(())),
        }
    }

    /// Records the end of the input. After a loss reads take what is buffered, and then fail.
    fn end(&mut self, lost: Option<ConnectionLost>) -> Poll<Result<(), Error>> {
        match lost {
            None => self.reader.feed_eof(),
            Some(lost) => {
                self.reader.feed_lost(lost.kind);
                self.lost = Some(lost);
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Returns how the connection was lost, if reads have met that.
    pub(super) fn lost(&self) -> Option<ConnectionLost> {
        self.lost.clone()
    }

    /// Adds the transport's error to a loss.
    #[cold]
    fn explain(&self, error: ReadError) -> Error {
        match (error, &self.lost) {
            (ReadError::ConnectionLost(_), Some(lost)) => Error::ConnectionLost(lost.clone()),
            (ReadError::ConnectionLost(loss), None) => Error::ConnectionLost(ConnectionLost {
                kind: loss,
                cause: None,
            }),
            (error, _) => Error::Read(error),
        }
    }
}

/// What there is to note of a receive.
enum Note {
    Bytes,
    Interrupted,
    /// The transport has given up waiting, by a timeout of its own.
    TimedOut,
    End(Result<(), Arc<io::Error>>),
}

/// What is out while the reader receives.
enum Out<'a, T: Transport> {
    /// Its half alone.
    Half(PairReadGuard<'a, T>),
    /// Everything, under a layer.
    Whole(PairGuard<'a, T>),
}

impl<T: Transport> Out<'_, T> {
    fn may_block(&mut self) -> bool {
        match self {
            Self::Half(guard) => guard.half().may_block(),
            // The core knows of the end at once.
            Self::Whole(_) => false,
        }
    }

    fn wait(self, cx: &Context<'_>) {
        match self {
            Self::Half(guard) => guard.wait(cx),
            Self::Whole(guard) => guard.wait(cx),
        }
    }

    fn received(self) {
        match self {
            Self::Half(guard) => guard.received(),
            Self::Whole(guard) => guard.received(),
        }
    }

    fn end(self, end: Result<(), Arc<io::Error>>) {
        match self {
            Self::Half(guard) => guard.end(end),
            Self::Whole(guard) => guard.end_input(end),
        }
    }
}
