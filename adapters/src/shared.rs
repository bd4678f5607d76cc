//! What the parties of a connection share: the output, the transport's write side, their wakers.
//!
//! A plain mutex guards it, held for the moment in which bytes are queued. Whoever offers them to
//! the transport takes the output away meanwhile, and who would queue waits until it is back. The
//! reader's half takes it only when it has to wait for input, and does not wait for it: it leaves
//! word, and is woken when there is more to send, or the output is back. Only to say that the
//! transport failed does it wait.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Buf;
use plimsoll::{ConnectionError, Output, SendAction, TransportError, Writer, WriterState};

use crate::either::within;
use crate::error::{Lost, loss_of};
use crate::handover::{Handover, Locked, Taken, Watcher, Word};
use crate::transport::{Transport, WriteHalf};
use crate::waiters::{Party, Waiters};

/// How many parts of the output leave in one call at most.
const SLICES: usize = 64;

/// How often in a row a transport may be interrupted before other tasks have their turn.
const INTERRUPTIONS: usize = 64;

/// The shared part of a stream.
pub(crate) struct Shared<T: Transport> {
    /// The reader is the side that does not wait for it.
    sending: Handover<Sending<T::Write>, Arc<Waiters>>,
    /// The transport's read side, once the reader is gone.
    left: Mutex<Option<T::Read>>,
    /// How this side gave the connection up, if it did, however the output had come to its end
    /// before.
    given_up: OnceLock<ConnectionError>,
    /// How often something was received or sent; only that it changes means something.
    moves: AtomicUsize,
    /// Whether reads that find nothing buffered are told of the end of the stream.
    reading_ended: AtomicBool,
    /// Whether the server shuts down.
    shuts_down: AtomicBool,
    waiters: Arc<Waiters>,
    /// Wakes every waiter. The transport gets no other.
    waker: Waker,
}

/// The output, and where it goes.
pub(crate) struct Sending<W> {
    pub(crate) writer: Writer,
    /// `None` once the stream was taken apart.
    transport: Option<W>,
    /// Whether the transport's write side was ended in order.
    ended: bool,
    /// Whether a loss took bytes with it.
    dropped: bool,
    /// The transport's error that the writer's loss stands for, if it is one of a transport.
    cause: Option<Arc<io::Error>>,
}

/// The output, taken away to be sent.
type Outgoing<'a, T> = Taken<'a, Sending<<T as Transport>::Write>, Arc<Waiters>>;

/// What a read that has to wait finds when it has sent what it could.
pub(crate) enum BeforeRead {
    /// This side gave the connection up.
    GivenUp(Lost),
    /// More is pending than the high water mark allows.
    Full,
    NotFull,
    /// Somebody else has the output, and wakes the reader when it is back.
    Gone,
}

impl<T: Transport> Shared<T> {
    pub(crate) fn new(writer: Writer, transport: T::Write) -> Self {
        let waiters = Arc::new(Waiters::default());
        let sending = Sending {
            writer,
            transport: Some(transport),
            ended: false,
            dropped: false,
            cause: None,
        };
        Self {
            sending: Handover::new(sending, Arc::clone(&waiters)),
            left: Mutex::new(None),
            given_up: OnceLock::new(),
            moves: AtomicUsize::new(0),
            reading_ended: AtomicBool::new(false),
            shuts_down: AtomicBool::new(false),
            waker: Arc::clone(&waiters).into(),
            waiters,
        }
    }

    pub(crate) fn lock(&self) -> Locked<'_, Sending<T::Write>, Arc<Waiters>> {
        self.sending.lock()
    }

    /// Takes the output away for longer than a moment, so that the reader's half need not wait for
    /// it.
    pub(crate) fn take(&self) -> Outgoing<'_, T> {
        self.sending.take()
    }

    /// Queues output by `write`, and wakes a read that waits, to send it; unless nothing was
    /// queued.
    #[inline]
    pub(crate) fn queue<A>(&self, write: impl FnOnce(&mut Writer) -> A) -> A {
        let mut sending = self.sending.lock();
        let before = sending.progress();
        let written = write(&mut sending.writer);
        if sending.progress() != before {
            // A read that waits has left word, and is woken by the unlock.
            Locked::tell(&mut sending);
        }
        written
    }

    /// Sends as far as the transport takes it, for a read that has to wait.
    ///
    /// When this returns, `cx` is woken once there is more to send, the transport takes more, or
    /// the output is no longer [`Full`](BeforeRead::Full) or [`Gone`](BeforeRead::Gone).
    ///
    /// A failed write does not fail the read, as there may still be input. What it makes of the end
    /// of that input, [`poll_end_of_input`](Self::poll_end_of_input) returns.
    pub(crate) fn send_before_read(&self, cx: &Context<'_>) -> BeforeRead {
        self.waiters.register(Party::Reader, cx.waker());
        let found = match self.sending.leave_word(Sending::has_to_send) {
            Word::Taken(sending) => self.send_for_read(sending),
            Word::Left => BeforeRead::NotFull,
            Word::Gone => BeforeRead::Gone,
        };
        self.given_up().map_or(found, BeforeRead::GivenUp)
    }

    /// Sends as far as the transport takes it.
    fn send_for_read(&self, mut sending: Outgoing<'_, T>) -> BeforeRead {
        let before = sending.progress();
        let _ = sending.poll_send(&mut Context::from_waker(&self.waker));
        // A call that did not have to wait is one that the transport wakes nobody for.
        let moved = before != sending.progress();
        let is_full = sending.writer.is_full();
        drop(sending);
        if moved {
            self.note_move();
            self.waiters.wake_senders(Party::Reader);
        }
        match is_full {
            true => BeforeRead::Full,
            false => BeforeRead::NotFull,
        }
    }

    /// Sends for `party` until `enough` says so, or nothing is left to do.
    pub(crate) fn poll_send_until(
        &self,
        party: Party,
        cx: &Context<'_>,
        enough: impl Fn(&Writer) -> bool,
    ) -> Poll<Result<(), Lost>> {
        self.waiters.register(party, cx.waker());
        let mut sending = self.take();
        let was_full = sending.writer.is_full();
        let before = sending.progress();
        let sent_all = sending
            .poll_send(&mut Context::from_waker(&self.waker))
            .is_ready();
        let moved = before != sending.progress();
        if moved {
            self.note_move();
        }
        // A read may have paused until now. The transport has not had to wait, and wakes nobody.
        let read_may_go_on = was_full && !sending.writer.is_full();
        let lost = sending.lost();
        let is_enough = sent_all || enough(&sending.writer);
        drop(sending);
        if read_may_go_on || lost.is_some() {
            self.waiters.wake(Party::Reader);
        }
        if moved {
            self.waiters.wake_senders(party);
        }
        if lost.is_none() && !is_enough {
            return Poll::Pending;
        }
        self.waiters.stop_waiting(party);
        Poll::Ready(lost.map_or(Ok(()), Err))
    }

    /// Sends what is pending, then the end of the stream, or gives the connection up after `limit`.
    ///
    /// `party` is the one that waits.
    pub(crate) async fn close_within(&self, party: Party, limit: Duration) -> Result<(), Lost> {
        self.queue(|writer| writer.close());
        let sent = poll_fn(|cx| self.poll_send_until(party, cx, |_| false));
        match within(T::sleep, limit, sent).await {
            Some(sent) => sent,
            None => Err(self.abort(ConnectionError::TimedOut)),
        }
    }

    /// Records that something was received or sent.
    pub(crate) fn note_move(&self) {
        // Two halves that count at once count one, which is a change all the same.
        let moves = self.moves.load(Ordering::Relaxed).wrapping_add(1);
        self.moves.store(moves, Ordering::Relaxed);
    }

    /// How often something was received or sent, modulo the size of a `usize`.
    pub(crate) fn moves(&self) -> usize {
        self.moves.load(Ordering::Relaxed)
    }

    /// Tells whether the user should write more now.
    pub(crate) fn is_writable(&self) -> bool {
        !self.waiters.unwritable.load(Ordering::Relaxed)
    }

    /// Takes back the word of a read that has its answer: output that is queued from now on need
    /// not wake it.
    pub(crate) fn stop_waiting(&self) {
        self.sending.take_word_back();
    }

    /// Keeps the transport's read side for whoever closes the connection.
    pub(crate) fn leave(&self, read: T::Read) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(read);
    }

    /// Takes the transport's read side if the reader is gone.
    pub(crate) fn take_left(&self) -> Option<T::Read> {
        self.left
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Gives the connection up, and wakes every party. The first loss counts.
    pub(crate) fn abort(&self, loss: ConnectionError) -> Lost {
        let mut sending = self.take();
        sending.lose(loss);
        if let Some(transport) = &mut sending.transport {
            transport.abort();
        }
        // Whoever finds the connection given up must find the writer lost, and so not end its
        // stream.
        let loss = *self.given_up.get_or_init(|| loss);
        drop(sending);
        self.waker.wake_by_ref();
        Lost { loss, cause: None }
    }

    /// How this side gave the connection up, if it did.
    pub(crate) fn given_up(&self) -> Option<Lost> {
        let loss = *self.given_up.get()?;
        Some(Lost { loss, cause: None })
    }

    /// Whether this side aborted the connection.
    pub(crate) fn is_aborted(&self) -> bool {
        self.given_up.get() == Some(&ConnectionError::Aborted)
    }

    /// Whether a loss took bytes with it that were pending.
    pub(crate) fn has_dropped_output(&self) -> bool {
        self.lock().dropped
    }

    /// Lets reads that find nothing buffered see the end of the stream, whatever the peer does.
    pub(crate) fn end_reading(&self) {
        self.reading_ended.store(true, Ordering::Release);
        self.waiters.wake(Party::Reader);
    }

    /// Lets the handler know that the server shuts down.
    pub(crate) fn shut_down(&self) {
        self.shuts_down.store(true, Ordering::Release);
        self.end_reading();
        self.waiters.wake(Party::Writer);
    }

    pub(crate) fn is_shutting_down(&self) -> bool {
        self.shuts_down.load(Ordering::Acquire)
    }

    /// Waits until the server shuts down.
    pub(crate) fn poll_shutting_down(&self, party: Party, cx: &Context<'_>) -> Poll<()> {
        self.waiters.register(party, cx.waker());
        match self.is_shutting_down() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    pub(crate) fn has_ended_reading(&self) -> bool {
        self.reading_ended.load(Ordering::Acquire)
    }

    /// Returns how the connection was lost, if a receive of zero bytes is a loss and no end.
    ///
    /// Pending while another party sends: its call may return the only error that the system
    /// reports. The reader must have registered, and is woken once the call has returned.
    pub(crate) fn poll_end_of_input(&self) -> Poll<Option<Lost>> {
        match self.sending.leave_word(Sending::is_lost) {
            Word::Taken(sending) => Poll::Ready(sending.lost_to_reads()),
            Word::Left => Poll::Ready(None),
            Word::Gone => Poll::Pending,
        }
    }

    /// Records that a receive failed, and returns how the connection was lost.
    pub(crate) fn fail_receive(&self, error: io::Error) -> Lost {
        let lost = self.lock().fail_receive(error);
        self.waiters.wake_senders(Party::Reader);
        lost
    }
}

/// What was written and not sent is lost with the last half, or was with the connection: the peer
/// must not take that for a clean end.
impl<T: Transport> Drop for Shared<T> {
    fn drop(&mut self) {
        let mut sending = self.lock();
        if sending.is_cut_off() {
            if let Some(transport) = &mut sending.transport {
                transport.abort();
            }
        }
    }
}

impl<W: WriteHalf> Sending<W> {
    /// How the connection was lost, if it was.
    pub(crate) fn lost(&self) -> Option<Lost> {
        Some(Lost {
            loss: self.writer.connection_error()?,
            cause: self.cause.clone(),
        })
    }

    /// How the connection was lost, if that ends reading, too.
    fn lost_to_reads(&self) -> Option<Lost> {
        self.lost().filter(|lost| lost.loss.ends_both_directions())
    }

    /// The transport's write side, unless the stream was taken apart.
    pub(crate) fn transport(&self) -> Option<&W> {
        self.transport.as_ref()
    }

    /// Takes out the transport's write side and the writer.
    pub(crate) fn take_apart(&mut self) -> (Option<W>, Writer) {
        (self.transport.take(), mem::take(&mut self.writer))
    }

    /// Whether bytes were accepted, or may have been, that the peer will never get.
    fn is_cut_off(&self) -> bool {
        !self.ended && (!self.writer.is_flushed() || self.is_lost())
    }

    fn is_lost(&self) -> bool {
        self.writer.connection_error().is_some()
    }

    /// Whether there is something to do for the transport.
    fn has_to_send(&self) -> bool {
        self.transport.is_some() && self.writer.next_send().is_some()
    }

    /// How far sending has come: whatever a writer may wait for changes it.
    fn progress(&self) -> (usize, bool, WriterState) {
        let writer = &self.writer;
        (writer.pending(), writer.is_flushed(), writer.state())
    }

    fn lose(&mut self, loss: ConnectionError) {
        self.dropped |= !self.writer.is_flushed();
        self.writer.lost(loss);
    }

    /// Records that a write, a flush or a shutdown failed.
    fn fail_send(&mut self, error: io::Error) {
        self.lose(loss_of(&error));
        self.cause = Some(Arc::new(error));
    }

    fn fail_receive(&mut self, error: io::Error) -> Lost {
        // The first error counts, if it has ended both directions.
        if let Some(lost) = self.lost_to_reads() {
            return lost;
        }
        let lost = Lost {
            loss: loss_of(&error),
            cause: Some(Arc::new(error)),
        };
        let before = self.writer.connection_error();
        self.lose(lost.loss);
        if self.writer.connection_error() != before {
            self.cause.clone_from(&lost.cause);
        }
        lost
    }

    /// Sends what is pending, then the end of the stream if it is due; ready when neither is left.
    ///
    /// A failure makes the writer lost, and leaves nothing to do.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let alarm = Alarm(cx.waker());
        let sent = self.poll_steps(cx);
        mem::forget(alarm);
        sent
    }

    /// Does what the writer says, as long as there is something to do. A writer that is lost has
    /// nothing.
    fn poll_steps(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut interruptions = 0;
        while let (Some(transport), Some(action)) = (&mut self.transport, self.writer.next_send()) {
            let result = ready!(match action {
                SendAction::Write => offer(transport, cx, &self.writer.output()),
                SendAction::Flush => transport.poll_flush(cx).map_ok(|()| 0),
                SendAction::Shutdown => transport.poll_shutdown(cx).map_ok(|()| 0),
            });
            match result {
                Ok(count) => {
                    let _ = self.writer.on_send(action, Ok::<_, TransportError>(count));
                    self.ended |= action == SendAction::Shutdown;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    interruptions += 1;
                    if interruptions == INTERRUPTIONS {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
                Err(error) => self.fail_send(error),
            }
        }
        Poll::Ready(())
    }
}

/// Wakes who waits if the transport panics: it may have moved something, and will wake nobody.
struct Alarm<'a>(&'a Waker);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        self.0.wake_by_ref();
    }
}

/// Offers output to the transport. That it takes nothing, or more than there is, is an error.
fn offer<W: WriteHalf>(
    transport: &mut W,
    cx: &mut Context<'_>,
    output: &Output<'_>,
) -> Poll<io::Result<usize>> {
    let within = |taken: usize, offered: usize| match taken {
        0 => Err(io::ErrorKind::WriteZero.into()),
        taken if taken > offered => Err(io::ErrorKind::InvalidData.into()),
        taken => Ok(taken),
    };
    if output.chunk().len() == output.remaining() {
        let all = IoSlice::new(output.chunk());
        let taken = transport.poll_write(cx, &[all]);
        return taken.map(|taken| within(taken?, all.len()));
    }
    let mut slices = [IoSlice::new(&[]); SLICES];
    let filled = output.chunks_vectored(&mut slices);
    let slices = &slices[..filled];
    let offered = slices.iter().map(|slice| slice.len()).sum();
    let taken = transport.poll_write(cx, slices);
    taken.map(|taken| within(taken?, offered))
}

impl<W: WriteHalf> Watcher<Sending<W>> for Arc<Waiters> {
    #[inline]
    fn note(&self, sending: &Sending<W>) {
        let unwritable = !sending.writer.is_writable();
        if self.unwritable.load(Ordering::Relaxed) != unwritable {
            self.unwritable.store(unwritable, Ordering::Relaxed);
        }
    }

    fn try_again(&self) {
        Waiters::wake(self, Party::Reader);
    }
}
