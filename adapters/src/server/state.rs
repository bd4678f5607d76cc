//! What a server's tasks share: how far it has come to its end, its connections, and who waits for
//! a change.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use plimsoll::ConnectionError;

use super::Statistics;
use super::registry::{LOOKS, Registry};
use crate::connection::Places;
use crate::either::{Either, either};
use crate::error::ServerError;
use crate::options::ServerOptions;
use crate::runtime::Runtime;
use crate::shared::Shared;
use crate::transport::Transport;

/// What the server's tasks share.
#[derive(Default)]
pub(super) struct State {
    inner: Mutex<Inner>,
}

#[derive(Default)]
pub(super) struct Inner {
    pub(super) phase: Phase,
    /// Listeners that are accepting.
    pub(super) listeners: usize,
    pub(super) clients: Registry,
    /// The tasks of pairs' handlers, by their connection, which wait for the phase `Cancelled` too.
    handlers: HashMap<u32, Waker>,
    pub(super) statistics: Statistics,
    /// Tasks that wait for any change. Handlers are not among them: there may be thousands, and
    /// every connection that comes or goes is a change.
    wakers: Vec<Waker>,
}

/// How far the server has come to its end. Each phase includes those before it.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Phase {
    #[default]
    Serving,
    /// No more connections are accepted.
    Closed,
    /// Reads see the end of the stream as soon as nothing is buffered.
    ShuttingDown,
    /// Handlers are dropped where they wait.
    Cancelled,
}

/// A connection, whatever its transport.
pub(super) trait Client: Send + Sync {
    fn end_reading(&self);
    fn close(&self);
    fn abort(&self, loss: ConnectionError);
    /// Drops the handler where it waits, of connections that do so themselves.
    fn cancel(&self) {}
    /// A number that changes whenever something was received or sent.
    fn moves(&self) -> u32;
}

impl<T: Transport> Client for Shared<T>
where
    Shared<T>: Send + Sync,
{
    fn end_reading(&self) {
        Shared::end_reading(self);
    }

    fn close(&self) {
        self.queue(|writer| writer.close());
        Shared::end_reading(self);
    }

    fn abort(&self, loss: ConnectionError) {
        Shared::abort(self, loss);
    }

    fn moves(&self) -> u32 {
        Shared::moves(self) as u32
    }
}

impl State {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// Makes a change, and wakes all who wait for one.
    pub(super) fn change<A>(&self, change: impl FnOnce(&mut Inner) -> A) -> A {
        let mut inner = self.lock();
        let result = change(&mut inner);
        let wakers = std::mem::take(&mut inner.wakers);
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
        result
    }

    /// Counts an error of the system, and tells of it.
    pub(super) fn refused(&self, error: io::Error, options: &ServerOptions) {
        self.change(|inner| inner.statistics.accept_errors += 1);
        options.tell(ServerError::Accept { error });
    }

    pub(super) fn enter(&self, phase: Phase) {
        let handlers = self.change(|inner| {
            inner.phase = inner.phase.max(phase);
            match inner.phase {
                Phase::Cancelled => std::mem::take(&mut inner.handlers),
                _ => HashMap::new(),
            }
        });
        handlers.into_values().for_each(Waker::wake);
        if phase == Phase::Cancelled {
            self.each_client(|client| client.cancel());
        }
    }

    /// Waits until `reached` says so.
    pub(super) fn until(&self, reached: impl Fn(&Inner) -> bool) -> impl Future<Output = ()> {
        poll_fn(move |cx| {
            let mut inner = self.lock();
            if reached(&inner) {
                return Poll::Ready(());
            }
            if !inner.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                inner.wakers.push(cx.waker().clone());
            }
            Poll::Pending
        })
    }

    /// Waits, in the task of a connection's handler, until handlers are dropped where they wait.
    pub(super) fn cancelled(&self, key: u32) -> impl Future<Output = ()> {
        poll_fn(move |cx| {
            let mut inner = self.lock();
            if inner.phase == Phase::Cancelled {
                return Poll::Ready(());
            }
            let known = inner.handlers.get(&key);
            if !known.is_some_and(|known| known.will_wake(cx.waker())) {
                inner.handlers.insert(key, cx.waker().clone());
            }
            Poll::Pending
        })
    }

    /// Gives up connections that were idle for `limit`, until the server has come to its end.
    pub(super) async fn give_up_idle<R: Runtime>(&self, limit: Duration) {
        let is_over = |inner: &Inner| inner.listeners == 0 && inner.clients.is_empty();
        loop {
            let look = R::sleep((limit / u32::from(LOOKS)).max(Duration::from_millis(1)));
            if let Either::First(()) = either(pin!(self.until(is_over)), look).await {
                return;
            }
            let mut inner = self.lock();
            let idle = inner.clients.look_for_idle();
            drop(inner);
            idle.iter()
                .for_each(|client| client.abort(ConnectionError::TimedOut));
        }
    }

    /// Takes a place for a connection, if there is room.
    pub(super) fn register(
        self: &Arc<Self>,
        client: Arc<dyn Client>,
        has_room: impl Fn(&Inner) -> bool,
    ) -> Option<Registered> {
        let address = address_of(&client);
        let (key, phase) = self.change(|inner| {
            if !has_room(inner) {
                return None;
            }
            inner.statistics.accepted += 1;
            Some((inner.clients.insert(Arc::clone(&client)), inner.phase))
        })?;
        // What every other connection was told before.
        if phase >= Phase::ShuttingDown {
            client.end_reading();
        }
        if phase >= Phase::Cancelled {
            client.cancel();
        }
        Some(Registered {
            state: Arc::clone(self),
            key,
            address,
        })
    }

    /// Does something to every connection, with nothing locked.
    pub(super) fn each_client(&self, act: impl Fn(&dyn Client)) {
        let inner = self.lock();
        let clients = inner.clients.clients();
        drop(inner);
        clients.iter().for_each(|client| act(&**client));
    }
}

/// Locks what a panic elsewhere cannot have left half-done.
pub(super) fn lock<A>(mutex: &Mutex<A>) -> MutexGuard<'_, A> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection's place in the server, given up when dropped, however its task ends.
pub(super) struct Registered {
    state: Arc<State>,
    pub(super) key: u32,
    /// Of the client, since the key may be another's once it was freed.
    address: usize,
}

/// What tells a client from all others.
fn address_of(client: &Arc<dyn Client>) -> usize {
    Arc::as_ptr(client).cast::<()>().addr()
}

impl Places for State {
    fn free(&self, key: u32, address: usize) {
        // What they hold is dropped with nothing locked.
        drop(self.change(|inner| {
            let known = inner.clients.get(key);
            if known.map(address_of) != Some(address) {
                return None;
            }
            let handler = inner.handlers.remove(&key);
            Some((inner.clients.remove(key), handler))
        }));
    }
}

impl Registered {
    /// Records that the connection is over but for the peer's input. It still takes its place.
    pub(super) fn lingers(&self) {
        self.state.change(|inner| {
            if inner.clients.get(self.key).map(address_of) == Some(self.address) {
                inner.clients.lingers(self.key);
            }
        });
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.state.free(self.key, self.address);
    }
}

/// A listener's part in the server, given up when dropped, however its task ends.
pub(super) struct Listening(Arc<State>);

impl Listening {
    pub(super) fn new(state: &Arc<State>) -> Self {
        state.change(|inner| inner.listeners += 1);
        Self(Arc::clone(state))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.change(|inner| inner.listeners -= 1);
    }
}
