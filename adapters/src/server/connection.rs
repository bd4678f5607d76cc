//! The server's side of a connection with one owner: it sends while the handler waits, sees the
//! owner leave, and closes. `docs/ownership.md` has the steps.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use plimsoll::ConnectionError;

use super::Outcome;
use super::acceptor::{Acceptor, Handle};
use super::linger::{LINGER_BYTES, LINGER_TIME};
use super::no_panic::{NoPanic, Panicked};
use super::state::{Client, Registered};
use crate::connection::{
    Connection, DISCARDED_AT_ONCE, OPEN_TIMEOUT, poll_discard, poll_send_and_discard,
};
use crate::driver::{Driven, Sent};
use crate::either::within;
use crate::error::{Lost, ServerError};
use crate::layered::Layered;
use crate::options::ServerOptions;
use crate::slot::{Command, Guard, Look, Party, Slot};
use crate::transport::{Sleep, Transport};

/// How long to wait before sending again over a transport that has a timeout of its own.
const SEND_AGAIN: Duration = Duration::from_millis(50);

/// A handler of connections.
pub(super) struct ConnectionHandler<H>(pub(super) H);

/// The server's part of a connection.
pub(super) struct Served<T: Transport> {
    slot: Arc<Slot<Driven, Layered<T>>>,
    /// The transport's.
    waker: Waker,
    /// The waker that the slot has of the server's task, since the last look.
    registered: Option<Waker>,
    /// Ends when a transport is to be asked again that has given up waiting.
    again: Option<Sleep>,
    /// Whether its task runs.
    has_begun: bool,
}

impl<T, H, F> Handle<T> for ConnectionHandler<H>
where
    T: Transport,
    H: Fn(Connection<T>) -> F + Send + Sync + 'static,
    F: Future<Output: Outcome> + Send + 'static,
{
    type Accepted = (Connection<T>, Served<T>);

    fn accept(transport: T, options: &ServerOptions) -> (Self::Accepted, Arc<dyn Client>) {
        let connection = Connection::accepted(transport, options.limits());
        let (slot, waker) = connection.shared();
        let client = Arc::clone(&slot) as _;
        let served = Served {
            slot,
            waker,
            registered: None,
            again: None,
            has_begun: false,
        };
        ((connection, served), client)
    }

    async fn handle(
        acceptor: Arc<Acceptor<Self>>,
        (mut connection, mut served): Self::Accepted,
        registered: Registered,
        peer: Option<SocketAddr>,
    ) {
        let (state, options) = (&acceptor.state, &acceptor.options);
        served.has_begun = true;
        let mut registered = Some(registered);
        let ended = {
            let mut handled = pin!(Some(async {
                connection.open_within(OPEN_TIMEOUT).await?;
                (acceptor.handler.0)(connection)
                    .await
                    .failure()
                    .map_or(Ok(()), Err)
            }));
            let mut handled = NoPanic::new(handled.as_mut());
            match served.send_while(&mut handled, &mut registered).await {
                None => handled.cancel().err().map(Err),
                ended => ended,
            }
        };
        let mut owes_reply = false;
        match ended {
            Some(Ok(Ok(()))) => owes_reply = true,
            Some(Ok(Err(error))) => {
                state.change(|inner| inner.statistics.failed += 1);
                options.tell(ServerError::Failed { peer, error });
            }
            Some(Err(Panicked)) => {
                state.change(|inner| inner.statistics.panicked += 1);
                served.abort();
                options.tell(ServerError::Panicked { peer });
            }
            None => served.abort(),
        }
        served.send_until_left().await;
        match served.close_within(options.closes_within()).await {
            Ok(()) => {
                if let Some(registered) = &registered {
                    registered.lingers();
                    served.linger().await;
                }
            }
            Err((lost, true)) if owes_reply => {
                state.change(|inner| inner.statistics.unsent += 1);
                options.tell(ServerError::Unsent { peer, lost });
            }
            // Its failure was told before, or everything had left.
            Err(_) => {}
        }
    }
}

impl<T: Transport> Served<T> {
    /// Waits for the end of a handler, and sends whenever that is pending. `None` if the handler is
    /// to be dropped where it waits. A connection that is no longer the server's gives up its
    /// place.
    async fn send_while<A>(
        &mut self,
        mut handled: impl Future<Output = A> + Unpin,
        registered: &mut Option<Registered>,
    ) -> Option<A> {
        poll_fn(|cx| {
            self.slot.begin_server_poll();
            if let Poll::Ready(ended) = Pin::new(&mut handled).poll(cx) {
                return Poll::Ready(Some(ended));
            }
            let is_registered = self.registered.as_ref();
            let is_registered = is_registered.is_some_and(|known| known.will_wake(cx.waker()));
            if !self.slot.end_server_poll() && is_registered && self.again.is_none() {
                return Poll::Pending;
            }
            match self.poll_send(cx) {
                Poll::Ready(Stage::Cancelled) => return Poll::Ready(None),
                Poll::Ready(Stage::TakenOver) => *registered = None,
                // The handler is not done, and keeps its place.
                Poll::Ready(Stage::Left | Stage::Gone) | Poll::Pending => {}
            }
            Poll::Pending
        })
        .await
    }

    /// Sends until the owner has left, has closed the connection, or has lost it.
    async fn send_until_left(&mut self) {
        poll_fn(|cx| self.poll_send(cx).map(drop)).await;
    }

    /// Sends what is due. Pending until the owner has left, or the connection is gone.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Stage> {
        match &mut self.registered {
            Some(known) => known.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        let sent = match self.slot.look(cx) {
            Look::Nothing => Poll::Pending,
            Look::Unoffered(mut guard) => self.send(&mut guard, cx),
            Look::Left(mut guard) => {
                let _ = self.send(&mut guard, cx);
                return Poll::Ready(Stage::Left);
            }
            Look::Gone => return Poll::Ready(Stage::Gone),
            Look::TakenOver => return Poll::Ready(Stage::TakenOver),
            Look::Cancelled => return Poll::Ready(Stage::Cancelled),
        };
        if sent == Poll::Ready(Sent::TimedOut) {
            self.again = Some(T::sleep(SEND_AGAIN));
        }
        let is_over = |again: &mut Sleep| again.as_mut().poll(cx).is_ready();
        if self.again.take_if(is_over).is_some() {
            // Such a transport wakes no task itself.
            self.waker.wake_by_ref();
        }
        Poll::Pending
    }

    /// Sends, and lets the owner know that something has moved.
    fn send(&self, guard: &mut Guard<'_, Driven, Layered<T>>, cx: &Context<'_>) -> Poll<Sent> {
        let (driven, Some(io)) = guard.both() else {
            return Poll::Pending;
        };
        let moves = driven.moves();
        let sent = driven.poll_send(io, &self.waker, cx);
        if moves != driven.moves() {
            guard.notify();
        }
        sent
    }

    /// Sends pending output and the end of the stream, while it discards input, or aborts the
    /// connection after `limit`.
    ///
    /// # Errors
    ///
    /// How the connection was lost, and whether pending output was lost with it.
    async fn close_within(&mut self, limit: Duration) -> Result<(), (Lost, bool)> {
        self.slot.command(Command::Close);
        match within(T::sleep, limit, self.send_and_discard()).await {
            Some(true) => return Ok(()),
            Some(false) => {}
            None => self.slot.command(Command::Abort(ConnectionError::TimedOut)),
        }
        let mut left = self.slot.take_resting();
        let driven = left.as_mut().map(|guard| guard.core());
        if driven.as_ref().is_some_and(|driven| driven.has_ended()) {
            return Ok(());
        }
        let has_lost_output = match &driven {
            Some(driven) => driven.has_lost_output(),
            None => self.slot.has_output(),
        };
        let lost = driven.and_then(|driven| driven.how_lost());
        drop(left);
        // Without a loss, the server has stopped waiting for it.
        self.abort();
        let aborted = Lost {
            loss: ConnectionError::Aborted,
            cause: None,
        };
        Err((lost.unwrap_or(aborted), has_lost_output))
    }

    /// Sends everything, while it discards input. Returns whether there is nothing left to do:
    /// all is sent, or the owner has taken the connection over.
    async fn send_and_discard(&mut self) -> bool {
        let mut room = Vec::new();
        loop {
            let sent = poll_fn(|cx| match self.slot.look(cx) {
                Look::Nothing => Poll::Pending,
                Look::Unoffered(mut guard) | Look::Left(mut guard) => {
                    let moves = guard.core().moves();
                    let sent = poll_send_and_discard(&mut guard, &self.waker, cx, &mut room);
                    if moves != guard.core().moves() {
                        guard.notify();
                    }
                    sent.map(|sent| match sent {
                        Sent::TimedOut => None,
                        Sent::All => Some(guard.core().has_ended()),
                    })
                }
                Look::TakenOver => Poll::Ready(Some(true)),
                Look::Gone | Look::Cancelled => Poll::Ready(Some(false)),
            });
            match sent.await {
                Some(sent) => return sent,
                // The transport has given up waiting by a timeout of its own, and wakes no task.
                None => T::sleep(SEND_AGAIN).await,
            }
        }
    }

    /// Discards what the peer still sends, until its end, for a while.
    async fn linger(&mut self) {
        let (mut room, mut most) = (vec![0; DISCARDED_AT_ONCE], LINGER_BYTES);
        let discarded = poll_fn(|cx| match self.slot.look(cx) {
            Look::Nothing => Poll::Pending,
            Look::Unoffered(mut guard) | Look::Left(mut guard) => {
                let (driven, Some(io)) = guard.both() else {
                    return Poll::Ready(());
                };
                let budget = &mut driven.budget;
                let read = Layered::poll_discard;
                poll_discard(io, &self.waker, cx, budget, read, &mut room, &mut most)
            }
            Look::Gone | Look::TakenOver | Look::Cancelled => Poll::Ready(()),
        });
        within(T::sleep, LINGER_TIME, discarded).await;
    }

    fn abort(&self) {
        self.slot.command(Command::Abort(ConnectionError::Aborted));
    }
}

/// How far a connection is for the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Left,
    Gone,
    TakenOver,
    Cancelled,
}

impl<T: Transport> Drop for Served<T> {
    fn drop(&mut self) {
        if !self.has_begun {
            // Its task could not be spawned, which its peer must not take for a reply.
            self.abort();
        }
        self.slot.leave(Party::Server);
    }
}

impl<T: Transport> Client for Slot<Driven, Layered<T>> {
    fn end_reading(&self) {
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
