//! The loop that all reads are: ask; if that needs input, send what is pending, then receive.

use std::io;
use std::task::{Context, Poll, ready};

use plimsoll::{ReadError, Reader, Step, TransportError};

use crate::error::{Error, Lost};
use crate::options::Options;
use crate::shared::{BeforeRead, Shared};
use crate::transport::{ReadHalf, Transport};

/// How much a stream does without waiting before it lets other tasks have their turn: an answer
/// counts one.
///
/// Where several streams have input, each keeps a block of it until it is through: a turn should
/// last for a block.
pub(crate) const TURN: u16 = 1024;

/// What a call of the system counts.
pub(crate) const CALL: u16 = 8;

/// The receive half of a stream.
pub(crate) struct Receiver<R> {
    pub(crate) reader: Reader,
    pub(crate) transport: R,
    reads: ReadSize,
    /// Whether nothing is received while the output is full.
    pauses_when_full: bool,
    /// How the connection was lost, if it was.
    lost: Option<Lost>,
    /// How much is left of a [`TURN`].
    turn: u16,
}

/// How much room the next receive is given: about what the peer sends at once.
///
/// A block for it is made, and filled with zeros, each time that the peer has something to say
/// again.
struct ReadSize {
    next: usize,
    most: usize,
}

impl ReadSize {
    /// Room for a first receive, and the least for any, in bytes.
    const LEAST: usize = 1024;

    fn up_to(most: usize) -> Self {
        Self {
            next: Self::LEAST.min(most),
            most,
        }
    }

    /// Takes note of what was received in room for `size` bytes.
    fn adapt(&mut self, received: usize, size: usize) {
        if received == size {
            self.next = self.next.saturating_mul(2).min(self.most);
        } else if received < self.next / 4 {
            self.next = (self.next / 2).max(Self::LEAST).min(self.most);
        }
    }
}

impl<R: ReadHalf> Receiver<R> {
    pub(crate) fn new(reader: Reader, transport: R, options: &Options) -> Self {
        Self {
            reader,
            transport,
            reads: ReadSize::up_to(options.size_of_reads()),
            pauses_when_full: options.pauses_when_full(),
            lost: None,
            turn: TURN,
        }
    }

    /// Asks the reader for an answer that needs no input, as long as other tasks need not have
    /// their turn.
    #[inline]
    pub(crate) fn answer_at_hand<A>(
        &mut self,
        ask: impl FnOnce(&mut Reader) -> Result<Step<A>, ReadError>,
    ) -> Option<Result<A, Error>> {
        self.turn = self.turn.checked_sub(1)?;
        match ask(&mut self.reader) {
            Ok(Step::Ready(answer)) => Some(Ok(answer)),
            Ok(Step::NeedInput) => None,
            Err(error) => Some(Err(self.explain(error))),
        }
    }

    /// Asks the reader until it has an answer, receiving while it has none.
    pub(crate) fn poll_answer<T, A>(
        &mut self,
        shared: &Shared<T>,
        cx: &mut Context<'_>,
        mut ask: impl FnMut(&mut Reader) -> Result<Step<A>, ReadError>,
    ) -> Poll<Result<A, Error>>
    where
        T: Transport<Read = R>,
    {
        let mut waited = false;
        let answer = loop {
            if self.turn == 0 {
                self.turn = TURN;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.turn -= 1;
            match ask(&mut self.reader) {
                Ok(Step::Ready(answer)) => break Ok(answer),
                Err(error) => break Err(self.explain(error)),
                Ok(Step::NeedInput) => {}
            }
            waited = true;
            let may_not_receive = match shared.send_before_read(cx) {
                BeforeRead::GivenUp(given_up) => {
                    self.lose(given_up);
                    continue;
                }
                // Whoever has the output may find it full.
                BeforeRead::Full | BeforeRead::Gone => self.pauses_when_full,
                BeforeRead::NotFull => false,
            };
            if shared.has_ended_reading() && self.reader.buffered().is_empty() {
                self.reader.feed_eof();
            } else if may_not_receive {
                self.turn = TURN;
                return Poll::Pending;
            } else {
                self.turn = self.turn.saturating_sub(CALL);
                ready!(self.poll_receive(shared, cx));
            }
        };
        if waited {
            shared.stop_waiting();
        }
        Poll::Ready(answer)
    }

    /// Receives once, and tells the reader what came of it.
    fn poll_receive<T>(&mut self, shared: &Shared<T>, cx: &mut Context<'_>) -> Poll<()>
    where
        T: Transport<Read = R>,
    {
        let (received, lost) = match self.poll_read(cx) {
            Poll::Ready(Ok(0)) => match shared.poll_end_of_input() {
                Poll::Ready(lost) => (Poll::Ready(Ok(0)), lost),
                // Receives again once the write's outcome is known: it decides what zero means.
                Poll::Pending => (Poll::Pending, None),
            },
            received => (received, None),
        };
        // Another thread may have given the connection up meanwhile, and that may be why this has
        // ended.
        if let (Poll::Ready(Ok(0) | Err(_)), Some(given_up)) = (&received, shared.given_up()) {
            self.lose(given_up);
            return Poll::Ready(());
        }
        match received {
            Poll::Ready(Ok(count)) => {
                // What zero means, the core decides by how sending was lost, if it was.
                let send_error = lost.as_ref().map(|lost| lost.loss);
                let received = Ok::<_, TransportError>(count);
                let _ = self.reader.on_receive(received, send_error);
                if count == 0 {
                    self.lost = lost;
                } else {
                    shared.note_move();
                }
            }
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Poll::Ready(Err(error)) => {
                let lost = shared.fail_receive(error);
                self.lose(lost);
            }
            Poll::Pending => {
                self.reader.commit(0);
                self.turn = TURN;
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    /// Records a loss, after which reads take what is buffered, and then fail.
    fn lose(&mut self, lost: Lost) {
        self.reader.feed_lost(lost.loss);
        self.lost = Some(lost);
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        ready!(self.transport.poll_readable(cx))?;
        let room = self.reader.input(self.reads.next);
        let size = room.len();
        let received = ready!(self.transport.poll_read(cx, room))?;
        if received > size {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        self.reads.adapt(received, size);
        Poll::Ready(Ok(received))
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
