//! What a server's tasks share: how far it has come to its end, its connections, and who waits for
//! a change.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use plimsoll::ConnectionError;

use super::registry::{Client, LOOKS, Registry, Stage};
use super::statistics::Statistics;
use crate::error::ServerError;
#[cfg(unix)]
use crate::listen::SocketFile;
use crate::options::ServerOptions;
use crate::places::Places;
use crate::runtime::Runtime;
use crate::select::{Either, select};

/// What the server's tasks share.
#[derive(Default)]
pub(super) struct State {
    inner: Mutex<Inner>,
    /// The file of a Unix socket, until the server is closed, or its tasks are gone.
    #[cfg(unix)]
    file: Mutex<Option<SocketFile>>,
}

#[derive(Default)]
pub(super) struct Inner {
    pub(super) phase: Phase,
    /// Listeners that are accepting.
    pub(super) listeners: usize,
    pub(super) clients: Registry,
    pub(super) statistics: Statistics,
    /// Who waits for any change, by a number of its own. Handlers are not among them: there may be
    /// thousands, and every connection that comes or goes is a change.
    waiting: BTreeMap<u64, Waker>,
    next_waiting: u64,
    /// How often all connections were closed or aborted, and which was the last time of each.
    commands: u64,
    closed_at: Option<u64>,
    aborted_at: Option<u64>,
}

/// What is done to all connections.
#[derive(Clone, Copy, Debug)]
pub(super) enum ToAll {
    Close,
    Abort,
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

impl State {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    #[cfg(unix)]
    pub(super) fn keep_file(&self, file: Option<SocketFile>) {
        *lock(&self.file) = file;
    }

    #[cfg(unix)]
    pub(super) fn remove_file(&self) {
        let file = lock(&self.file).take();
        drop(file);
    }

    /// Makes a change, and wakes all who wait for one.
    pub(super) fn change<A>(&self, change: impl FnOnce(&mut Inner) -> A) -> A {
        let mut inner = self.lock();
        let result = change(&mut inner);
        let waiting = std::mem::take(&mut inner.waiting);
        drop(inner);
        waiting.into_values().for_each(Waker::wake);
        result
    }

    /// Counts an error of the system, and tells of it.
    pub(super) fn refused(&self, error: io::Error, options: &ServerOptions) {
        self.change(|inner| inner.statistics.accept_errors += 1);
        options.tell(ServerError::Accept { error });
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.change(|inner| inner.phase = inner.phase.max(phase));
        if phase == Phase::Cancelled {
            self.each_client(|client| client.cancel());
        }
    }

    /// Waits until `reached` says so.
    pub(super) fn until<F: Fn(&Inner) -> bool>(&self, reached: F) -> Until<'_, F> {
        Until {
            state: self,
            reached,
            key: None,
        }
    }

    /// Gives up connections that were idle for `limit`, until the server has come to its end.
    pub(super) async fn give_up_idle<R: Runtime>(&self, limit: Duration) {
        let is_over = |inner: &Inner| inner.listeners == 0 && inner.clients.is_empty();
        loop {
            let look = R::sleep((limit / u32::from(LOOKS)).max(Duration::from_millis(1)));
            if let Either::First(()) = select(pin!(self.until(is_over)), look).await {
                return;
            }
            let mut inner = self.lock();
            let idle = inner.clients.look_for_idle();
            drop(inner);
            idle.iter()
                .for_each(|client| client.abort(ConnectionError::TimedOut));
        }
    }

    /// How often all connections were closed or aborted: for [`register`](Self::register) of one
    /// that is accepted now.
    pub(super) fn commands(&self) -> u64 {
        self.lock().commands
    }

    /// Takes a place for a connection, if there is room. It was accepted after so many `commands`,
    /// and hears of those that have come since.
    pub(super) fn register(
        self: &Arc<Self>,
        client: Arc<dyn Client>,
        commands: u64,
        has_room: impl Fn(&Inner) -> bool,
    ) -> Option<Registered> {
        let address = address_of(&client);
        let is_later = |at: Option<u64>| at.is_some_and(|at| at > commands);
        let (key, phase, closed, aborted) = self.change(|inner| {
            if !has_room(inner) {
                return None;
            }
            inner.statistics.accepted += 1;
            let key = inner.clients.insert(Arc::clone(&client));
            let (closed, aborted) = (is_later(inner.closed_at), is_later(inner.aborted_at));
            Some((key, inner.phase, closed, aborted))
        })?;
        // What every other connection was told before.
        if phase >= Phase::ShuttingDown {
            client.shut_down();
        }
        if closed {
            client.close();
        }
        if aborted {
            client.abort(ConnectionError::Aborted);
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

    /// Closes or aborts every connection, also those that have been accepted and not registered.
    pub(super) fn tell_all(&self, what: ToAll) {
        let mut inner = self.lock();
        inner.commands += 1;
        let at = Some(inner.commands);
        match what {
            ToAll::Close => inner.closed_at = at,
            ToAll::Abort => inner.aborted_at = at,
        }
        drop(inner);
        self.each_client(|client| match what {
            ToAll::Close => client.close(),
            ToAll::Abort => client.abort(ConnectionError::Aborted),
        });
    }

    /// Does something to every connection, with nothing locked.
    pub(super) fn each_client(&self, act: impl Fn(&dyn Client)) {
        let inner = self.lock();
        let clients = inner.clients.clients();
        drop(inner);
        clients.iter().for_each(|client| act(&**client));
    }
}

/// A wait for a change. Dropping it leaves nothing behind.
pub(super) struct Until<'a, F> {
    state: &'a State,
    reached: F,
    key: Option<u64>,
}

impl<F: Fn(&Inner) -> bool + Unpin> Future for Until<'_, F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut inner = this.state.lock();
        let known = this.key.and_then(|key| inner.waiting.get(&key));
        let mut former = None;
        if !known.is_some_and(|known| known.will_wake(cx.waker())) && !(this.reached)(&inner) {
            drop(inner);
            let waker = cx.waker().clone();
            inner = this.state.lock();
            let key = *this.key.get_or_insert_with(|| {
                inner.next_waiting += 1;
                inner.next_waiting
            });
            former = inner.waiting.insert(key, waker);
        }
        let is_reached = (this.reached)(&inner);
        drop(inner);
        drop(former);
        if is_reached {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl<F> Drop for Until<'_, F> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let waker = self.state.lock().waiting.remove(&key);
            drop(waker);
        }
    }
}

/// Locks what a panic elsewhere cannot have left half-done.
fn lock<A>(mutex: &Mutex<A>) -> MutexGuard<'_, A> {
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
            inner.clients.remove(key)
        }));
    }
}

impl Registered {
    /// Records how far the connection has come.
    pub(super) fn enter(&self, stage: Stage) {
        self.state.change(|inner| {
            if inner.clients.get(self.key).map(address_of) == Some(self.address) {
                inner.clients.enter(self.key, stage);
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
