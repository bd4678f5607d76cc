//! The loop that all reads of a pair are: ask; if that needs input, send what is due, then receive.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use plimsoll::{ReadError, Reader, Step, TransportError};

use super::pair::PairSlot;
use crate::budget::Budget;
use crate::driver::Sent;
use crate::error::{Error, Lost, loss_of};
use crate::options::Options;
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
    lost: Option<Lost>,
    budget: Budget,
}

/// What a receive has come to.
type Received = io::Result<usize>;

impl Receiver {
    pub(super) fn new(reader: Reader, options: &Options) -> Self {
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
            ready!(self.budget.poll_spend(1, cx));
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
            match slot.look_to_read(cx, wish) {
                ToRead::Ended(None) | ToRead::Closed => self.reader.feed_eof(),
                ToRead::Ended(Some(lost)) => self.lose(lost),
                ToRead::Aborted(loss) => self.lose(Lost { loss, cause: None }),
                ToRead::Wait => match blocking_end.take() {
                    // It is no socket's, whose only report of a reset a send in progress may take.
                    Some(Ok(())) => self.reader.feed_eof(),
                    Some(Err(error)) => self.lose(of_transport(error)),
                    None => {
                        self.budget.renew();
                        return Poll::Pending;
                    }
                },
                ToRead::Receive(mut guard) => {
                    ready!(self.budget.poll_spend(Budget::CALL, cx));
                    let half = guard.half();
                    let received =
                        self.receiving
                            .poll_read(&mut self.reader, half, wire, Memory::Own);
                    match received {
                        Poll::Pending => {
                            self.budget.renew();
                            guard.wait(cx);
                            return Poll::Pending;
                        }
                        Poll::Ready(received) => match self.take_note(received) {
                            Note::Bytes => guard.received(),
                            Note::TimedOut => return Poll::Ready(Err(Error::TimedOut)),
                            Note::Interrupted => continue,
                            Note::End(end) => {
                                if guard.half().may_block() {
                                    blocking_end = Some(end.clone());
                                }
                                guard.end(end);
                                continue;
                            }
                        },
                    }
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
                    match driven.poll_receive_for(own, io, wire) {
                        Poll::Pending => {
                            if driven.may_send_after_receiving(io) {
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
                            self.budget.renew();
                            guard.wait(cx);
                            return Poll::Pending;
                        }
                        Poll::Ready(received) => match self.take_note(received) {
                            Note::Bytes => guard.received(),
                            Note::TimedOut => return Poll::Ready(Err(Error::TimedOut)),
                            Note::Interrupted => continue,
                            Note::End(end) => {
                                guard.end_input(end);
                                continue;
                            }
                        },
                    }
                }
            }
            return Poll::Ready(Ok(()));
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

    /// Records a loss, after which reads take what is buffered, and then fail.
    fn lose(&mut self, lost: Lost) {
        self.reader.feed_lost(lost.loss);
        self.lost = Some(lost);
    }

    /// Adds the transport's error to a loss.
    #[cold]
    fn explain(&self, error: ReadError) -> Error {
        match (error, &self.lost) {
            (ReadError::ConnectionLost(_), Some(lost)) => Error::Lost(lost.clone()),
            (ReadError::ConnectionLost(loss), None) => Error::Lost(Lost { loss, cause: None }),
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

fn of_transport(error: Arc<io::Error>) -> Lost {
    Lost {
        loss: loss_of(&error),
        cause: Some(error),
    }
}
