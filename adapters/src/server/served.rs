//! The server's side of a connection: it sends while the handler waits, sees the owner leave,
//! closes, and waits for the peer's end. `docs/ownership.md` has the steps.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use plimsoll::ConnectionError;

use super::registry::Client;
use crate::clock::Sleep;
use crate::connection::{GIVEN_UP, poll_discard, poll_send_and_discard};
use crate::driver::{Driven, Sent, Sides};
use crate::error::ConnectionLost;
use crate::layered::Layered;
use crate::options::ServerOptions;
use crate::slot::{Beside, Command, Core, Look, Party, Slot};
use crate::transport::Transport;

/// How much a connection that has sent everything discards: more than what systems let be on its
/// way when the peer stops, so that only one that goes on sending is reset.
const LINGER_BYTES: usize = 16 * 1024 * 1024;

/// How often it waits again for as long, if something has come.
const LINGERS_AGAIN: u8 = 4;

/// How long to wait before sending again over a transport that has a timeout of its own.
const SEND_AGAIN: Duration = Duration::from_millis(50);

/// Where a connection rests, for its server.
type SharedSlot<K, T, M> = Arc<Slot<Driven<K>, Layered<T>, M>>;

/// The server's part of a connection.
pub(super) struct Served<K: Sides, T: Transport, M: Beside<Driven<K>, Layered<T>>> {
    slot: SharedSlot<K, T, M>,
    /// The transport's.
    waker: Waker,
    /// The waker that the slot has of the server's task, since the last look.
    registered: Option<Waker>,
    stage: Stage,
    /// How long a close may take.
    limit: Duration,
    /// For how long nothing may come then.
    linger_timeout: Duration,
    /// Whether the owner waits for the peer's end itself, and for as long as it likes.
    owner_lingers: bool,
    /// Ends when a stage has taken too long.
    late: Option<Sleep>,
    /// Ends when a transport is to be asked again that has given up waiting.
    again: Option<Sleep>,
    /// Whether the owner closes the connection, with a limit of its own.
    owner_closes: bool,
    /// Whether the handler of a pair has ended.
    handler_has_ended: bool,
    /// Whether its task runs.
    has_begun: bool,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// What is due is sent, until the owner has left or closed the connection.
    Serving,
    /// Everything is sent, and input is discarded meanwhile, so that the peer can read.
    Closing,
    /// Everything has left, and what the peer still sends is discarded. If nothing has come since
    /// the timer was set, or no time is left, it ends.
    Lingering {
        /// How many bytes more are discarded.
        most: usize,
        has_received: bool,
        /// How often it may wait again.
        again: u8,
    },
    Over(End),
}

/// How a connection came to its end, for the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// Closed, lost or leaked.
    Over,
    /// The owner has taken it over.
    TakenOver,
    /// The server ends, and waits for no handler.
    Cancelled,
}

/// What a look comes to.
enum Found {
    /// There is nothing to do, or not yet.
    Nothing,
    /// Others run first, and the task is woken.
    Yields,
    /// The transport has given up waiting, by a timeout of its own.
    GaveUp,
    /// The next stage begins.
    Begins(Stage),
    /// The server's part comes to its end.
    Ends(End),
    /// It has before.
    HasEnded(End),
}

impl<K: Sides, T: Transport, M: Beside<Driven<K>, Layered<T>>> Served<K, T, M> {
    /// The server's side of what rests in `slot`.
    pub(super) fn new(
        (slot, waker): (SharedSlot<K, T, M>, Waker),
        options: &ServerOptions,
    ) -> Self {
        Self {
            slot,
            waker,
            registered: None,
            stage: Stage::Serving,
            limit: options.closes_within(),
            linger_timeout: options.lingers_for(),
            owner_lingers: false,
            late: None,
            again: None,
            owner_closes: false,
            handler_has_ended: false,
            has_begun: false,
        }
    }

    pub(super) fn client(&self) -> Arc<dyn Client> {
        Arc::clone(&self.slot) as _
    }

    /// Records that the connection's task runs.
    pub(super) fn begin(&mut self) {
        self.has_begun = true;
    }

    /// Records that the handler is about to be polled.
    pub(super) fn begin_handler(&self) {
        self.slot.begin_server_poll();
    }

    /// Returns whether nothing has changed since the last poll that the server has to look at,
    /// after a poll of the handler.
    pub(super) fn rests(&self, cx: &Context<'_>) -> bool {
        let has_changed = self.slot.end_server_poll(cx);
        let registered = self.registered.as_ref();
        let is_registered = registered.is_some_and(|known| known.will_wake(cx.waker()));
        let has_timers = self.late.is_some() || self.again.is_some();
        !has_changed && is_registered && !has_timers
    }

    /// Whether everything has left, and only the peer's end is waited for.
    pub(super) fn lingers(&self) -> bool {
        matches!(self.stage, Stage::Lingering { .. })
    }

    /// How the connection was lost, if output was lost with it: once both its owner and the server
    /// have come to their ends, as far as the core is at hand.
    pub(super) fn lost_output(&self) -> Option<ConnectionLost> {
        match self.slot.take_resting() {
            Some(mut guard) => {
                let driven = guard.core();
                let has_lost = driven.has_lost_output();
                has_lost.then(|| driven.how_lost().unwrap_or(GIVEN_UP))
            }
            None => self.slot.has_output().then_some(GIVEN_UP),
        }
    }

    /// Closes a pair, whose handler has ended.
    pub(super) fn end_pair(&mut self) {
        self.handler_has_ended = true;
        self.slot.command(Command::End);
    }

    /// Whether it was given up because it took too long.
    pub(super) fn has_timed_out(&self) -> bool {
        self.slot.aborted() == Some(ConnectionError::TimedOut)
    }

    pub(super) fn abort(&self) {
        self.abort_for(ConnectionError::Aborted);
    }

    fn abort_for(&self, loss: ConnectionError) {
        self.slot.command(Command::Abort(loss));
    }

    /// Goes on as far as the transport lets it. Ready once the connection is over, which may become
    /// [`Cancelled`](End::Cancelled) later.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        match &mut self.registered {
            Some(known) => known.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        loop {
            match self.look(cx) {
                Found::Nothing => {}
                Found::Yields => return Poll::Pending,
                Found::GaveUp => self.again = Some(T::sleep(SEND_AGAIN)),
                Found::Begins(stage) => {
                    self.stage = stage;
                    self.late = None;
                    continue;
                }
                Found::Ends(end) => return Poll::Ready(self.end(end)),
                Found::HasEnded(end) => return Poll::Ready(end),
            }
            if !self.is_late(cx) {
                return Poll::Pending;
            }
        }
    }

    /// Does what there is to do in this stage.
    fn look(&mut self, cx: &Context<'_>) -> Found {
        let (mut guard, has_left) = match (self.slot.look(cx), self.stage) {
            (Look::Cancelled, _) => return Found::Ends(End::Cancelled),
            (_, Stage::Over(end)) => return Found::HasEnded(end),
            (Look::Nothing, _) => return Found::Nothing,
            (Look::Unoffered(guard), _) => (guard, false),
            (Look::Left(guard), _) => (guard, true),
            (Look::TakenOver, _) => {
                self.stage = Stage::Over(End::TakenOver);
                return Found::HasEnded(End::TakenOver);
            }
            (Look::Gone, _) => return Found::Ends(End::Over),
        };
        let moves = guard.core().moves();
        let sent = match &mut self.stage {
            Stage::Serving if has_left => {
                guard.core().close();
                // A read that waits has an end to see.
                guard.notify();
                return Found::Begins(Stage::Closing);
            }
            // The transport's wake is no reason to send.
            Stage::Serving if guard.core().is_corked() => Poll::Pending,
            Stage::Serving => {
                let (driven, io) = guard.both();
                io.map_or(Poll::Pending, |io| driven.poll_send(io, &self.waker, cx))
            }
            Stage::Closing => {
                self.owner_closes = guard.core().closes();
                poll_send_and_discard(&mut guard, &self.waker, cx)
            }
            Stage::Lingering {
                most, has_received, ..
            } => {
                let (driven, Some(io)) = guard.both() else {
                    return Found::Ends(End::Over);
                };
                self.owner_lingers = driven.lingers();
                if self.owner_lingers {
                    return Found::Nothing;
                }
                let (budget, read) = (driven.budget(), Layered::poll_discard);
                let before = *most;
                let discarded = poll_discard(io, &self.waker, cx, budget, read, most);
                let has_moved = *most < before;
                *has_received |= has_moved;
                return match discarded {
                    Poll::Ready(_) => Found::Ends(End::Over),
                    // It is not quiet, and the task goes on.
                    Poll::Pending if has_moved && driven.budget().is_new() => Found::Yields,
                    Poll::Pending => Found::Nothing,
                };
            }
            Stage::Over(end) => return Found::HasEnded(*end),
        };
        if moves != guard.core().moves() {
            guard.notify();
        }
        match (self.stage, sent) {
            (_, Poll::Ready(Sent::TimedOut)) => Found::GaveUp,
            (Stage::Closing, Poll::Ready(Sent::All)) => {
                if guard.core().has_ended() {
                    return Found::Begins(Stage::Lingering {
                        most: LINGER_BYTES,
                        has_received: false,
                        again: LINGERS_AGAIN,
                    });
                }
                Found::Ends(End::Over)
            }
            _ => Found::Nothing,
        }
    }

    /// Polls the timers. Returns whether one of them has ended a stage.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let mut has_passed = |sleep: &mut Sleep| sleep.as_mut().poll(cx).is_ready();
        if self.again.take_if(&mut has_passed).is_some() {
            // Such a transport wakes no task itself.
            self.waker.wake_by_ref();
        }
        let limit = match self.stage {
            Stage::Closing if self.owner_closes && !self.handler_has_ended => return false,
            Stage::Closing => self.limit,
            Stage::Lingering { .. } if !self.owner_lingers => self.linger_timeout,
            Stage::Lingering { .. } | Stage::Serving | Stage::Over(_) => return false,
        };
        let late = self.late.get_or_insert_with(|| T::sleep(limit));
        if !has_passed(late) {
            return false;
        }
        self.late = None;
        match &mut self.stage {
            Stage::Lingering {
                has_received,
                again,
                ..
            } if *has_received && *again > 0 => {
                *again -= 1;
                *has_received = false;
            }
            Stage::Closing => self.abort_for(ConnectionError::TimedOut),
            _ => drop(self.end(End::Over)),
        }
        true
    }

    /// Ends the server's part, and the transport with it. What was sent whole stays whole.
    fn end(&mut self, end: End) -> End {
        if !matches!(self.stage, Stage::Over(_)) {
            self.abort();
        }
        self.stage = Stage::Over(end);
        (self.late, self.again) = (None, None);
        end
    }
}

impl<K: Sides, T: Transport, M: Beside<Driven<K>, Layered<T>>> Drop for Served<K, T, M> {
    fn drop(&mut self) {
        if !self.has_begun {
            // Its task could not be spawned, which its peer must not take for a reply.
            self.abort();
        }
        self.slot.leave(Party::Server);
    }
}

impl<K, T, M> Client for Slot<Driven<K>, Layered<T>, M>
where
    K: Sides,
    T: Transport,
    M: Beside<Driven<K>, Layered<T>>,
{
    fn shut_down(&self) {
        self.command(Command::ShutDown);
    }

    fn close(&self) {
        self.command(Command::Close);
    }

    fn abort(&self, loss: ConnectionError) {
        self.command(Command::Abort(loss));
    }

    fn cancel(&self) {
        self.command(Command::Cancel);
    }

    fn moves(&self) -> u32 {
        Slot::moves(self).into()
    }
}
