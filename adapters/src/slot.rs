//! Where a connection rests while no party uses it: its core and its transport, each in its place.
//!
//! For a poll a party takes both out, and puts them back after it. A turn keeps the core alone, so
//! that the transport can be aborted meanwhile. `docs/ownership.md` says who may do what when.
//!
//! | event | wakes |
//! | --- | --- |
//! | the transport is ready (the slot is its waker); after the poll, if it is out in one | owner, server |
//! | a command was left, or carried out | owner, server |
//! | the owner puts back, and output is left that the transport was not offered | server |
//! | the server puts back, and the owner found something out | owner |
//! | a party puts back, after a change that it [notifies](Guard::notify) of | the other |
//! | the owner has closed the connection in a turn | server |
//! | a party leaves, or takes the connection over | the other |
//!
//! The mutex guards moves of pointers and flags. Nothing else happens under it: no transport is
//! polled, no waker is cloned, dropped or woken, no user's value is dropped. `tests/loom` runs this
//! file through the interleavings of its threads.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use plimsoll::ConnectionError;

use crate::sync::{AtomicBool, Condvar, Mutex, MutexGuard, Ordering, PoisonError};

/// Who shares a connection. Each waits in one task at a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Party {
    /// The one with the `Connection`.
    Owner,
    /// The task of a server that has accepted the connection, and whoever leaves a command.
    Server,
}

/// What a slot asks of a connection's core.
pub(crate) trait Core: Send + 'static {
    /// Closes the connection, once pending output is sent.
    fn close(&mut self);

    /// Records that the connection was lost.
    fn lose(&mut self, error: ConnectionError);

    /// Returns how both directions were lost, if they were: the transport is of no use then.
    fn lost(&self) -> Option<ConnectionError>;

    /// Returns `true` if something is to be sent.
    fn has_output(&self) -> bool;

    /// Returns `true` if the transport was not offered some of it.
    fn has_unoffered_output(&self) -> bool;

    /// Returns `true` once the connection was closed by this side.
    fn is_closing(&self) -> bool;

    /// Returns `true` if all was sent, and the end of the stream.
    fn has_ended(&self) -> bool;

    /// Returns `true` if the peer must not take the end of the transport for a clean end.
    fn is_cut_off(&self) -> bool;

    /// Returns a number that changes whenever something was received or sent.
    fn moves(&self) -> usize;
}

/// What a slot asks of a transport.
pub(crate) trait Abort: Send + 'static {
    /// Makes the peer see, when this is dropped, that the connection did not end cleanly.
    fn abort(&mut self);
}

/// What others than the owner want to be done. Each is left once, and then holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Command {
    /// The server shuts down, which the owner may want to know.
    ShutDown,
    /// Close the connection, once pending output is sent.
    Close,
    /// Abort the connection, for this reason. The first counts.
    Abort(ConnectionError),
}

/// A place for a connection, and for the wakers of those who wait for it.
pub(crate) struct Slot<C: Core, T: Abort> {
    place: Mutex<Place<C, T>>,
    /// Signalled when something is put back while the owner's thread is blocked for it.
    back: Condvar,
    /// Whether the server's task is in its poll, after which it looks without being woken.
    server_polls: AtomicBool,
}

struct Place<C, T> {
    core: Rest<C>,
    transport: Rest<T>,
    shuts_down: bool,
    /// Whether a command to close was not carried out yet.
    closes: bool,
    /// Why the transport was aborted, or is to be.
    aborted: Option<ConnectionError>,
    /// Whether the core knows.
    core_knows: bool,
    wakers: [Option<Waker>; 2],
    /// Which parties have not left.
    present: [bool; 2],
    /// Whether the owner found something out, and is to be woken when it is back.
    owner_waits: bool,
    /// Whether the owner's thread is blocked until it is back.
    owner_blocks: bool,
    /// Whether the transport has woken since it was last taken out for a poll.
    has_woken: bool,
    /// What the core said when it was last put back.
    has_output: bool,
    has_unoffered_output: bool,
    is_closing: bool,
    moves: usize,
}

enum Rest<V> {
    /// Boxed, so that taking it out moves a pointer.
    Here(Box<V>),
    /// Out with a party, or leaked by it.
    Out(Party),
    /// Taken over, aborted, or dropped.
    Gone,
}

/// What a party has taken out. Dropping it puts it back; while panicking, aborted.
pub(crate) struct Guard<'a, C: Core, T: Abort> {
    /// `None` only while the guard is dropped, or was taken apart.
    core: Option<Box<C>>,
    /// `None` if it was put back before, or aborted.
    transport: Option<Box<T>>,
    slot: &'a Slot<C, T>,
    party: Party,
    notifies: bool,
}

/// What the server finds.
pub(crate) enum Look<'a, C: Core, T: Abort> {
    /// Nothing for the server to do.
    Nothing,
    /// There is output that the transport was not offered.
    Unoffered(Guard<'a, C, T>),
    /// The owner has left, or has closed the connection.
    Left(Guard<'a, C, T>),
    /// The connection was aborted, taken over by the owner, or leaked.
    Gone,
}

impl<C: Core, T: Abort> Slot<C, T> {
    /// Makes a slot for the owner alone, or for the owner and a server.
    pub(crate) fn new(core: C, transport: T, has_server: bool) -> Arc<Self> {
        let place = Place {
            has_output: core.has_output(),
            has_unoffered_output: core.has_unoffered_output(),
            is_closing: core.is_closing(),
            moves: core.moves(),
            core: Rest::Here(Box::new(core)),
            transport: Rest::Here(Box::new(transport)),
            shuts_down: false,
            closes: false,
            aborted: None,
            core_knows: false,
            wakers: [None, None],
            present: [true, has_server],
            owner_waits: false,
            owner_blocks: false,
            has_woken: false,
        };
        Arc::new(Self {
            place: Mutex::new(place),
            back: Condvar::new(),
            server_polls: AtomicBool::new(false),
        })
    }

    /// Takes the connection out for a poll of the owner. `None` if it was taken over or leaked.
    ///
    /// The owner is woken when another poll may find more: see the [table](self).
    pub(crate) fn poll_take(&self, cx: &Context<'_>) -> Poll<Option<Guard<'_, C, T>>> {
        let waker = cx.waker().clone();
        let mut place = self.lock();
        let former = place.wakers[Party::Owner as usize].replace(waker);
        let taken = if place.is_out(Party::Server) {
            place.owner_waits = true;
            Poll::Pending
        } else {
            Poll::Ready(place.take_to_poll(Party::Owner))
        };
        drop(place);
        drop(former);
        taken.map(|taken| self.guard(Party::Owner, taken))
    }

    /// Takes the connection out for the owner, whose thread blocks while another party polls the
    /// transport. `None` if it was taken over or leaked.
    pub(crate) fn take(&self) -> Option<Guard<'_, C, T>> {
        let mut place = self.lock();
        while place.is_out(Party::Server) {
            place.owner_blocks = true;
            place = self
                .back
                .wait(place)
                .unwrap_or_else(PoisonError::into_inner);
        }
        place.owner_blocks = false;
        let taken = place.take(Party::Owner);
        drop(place);
        self.guard(Party::Owner, taken)
    }

    /// Records that the server's task is about to poll the handler. A [`look`](Self::look) follows,
    /// unless the handler has ended.
    pub(crate) fn begin_server_poll(&self) {
        self.server_polls.store(true, Ordering::Relaxed);
    }

    /// Lets the server look at the connection, and take it out if there is something to do.
    ///
    /// The server is woken when another look may find more: see the [table](self).
    pub(crate) fn look(&self, cx: &Context<'_>) -> Look<'_, C, T> {
        let waker = cx.waker().clone();
        let mut place = self.lock();
        // Under the lock: who puts something back later sees that the server has to be woken.
        self.server_polls.store(false, Ordering::Relaxed);
        let former = place.wakers[Party::Server as usize].replace(waker);
        let has_left = !place.present[Party::Owner as usize] || place.is_closing;
        let is_gone = matches!(place.core, Rest::Gone) || place.aborted.is_some();
        let taken = match !is_gone && (has_left || place.is_output_due()) {
            true => place.take_to_poll(Party::Server),
            false => None,
        };
        drop(place);
        drop(former);
        match self.guard(Party::Server, taken) {
            _ if is_gone => Look::Gone,
            Some(guard) if has_left => Look::Left(guard),
            Some(guard) => Look::Unoffered(guard),
            None => Look::Nothing,
        }
    }

    /// Leaves a command. It is carried out here on what rests, and on the rest when that is put back.
    pub(crate) fn command(&self, command: Command) {
        let mut place = self.lock();
        match command {
            Command::ShutDown => place.shuts_down = true,
            Command::Close => place.closes = true,
            Command::Abort(error) => {
                place.aborted.get_or_insert(error);
            }
        }
        let core = place.core.take(Party::Server);
        drop(place);
        self.put_back((core, None), Party::Server, false);
        let wakers = mem::take(&mut self.lock().wakers);
        wake(wakers);
    }

    /// Takes the connection over: both parties find it gone.
    ///
    /// # Errors
    ///
    /// `None` if it was aborted, taken over or leaked before.
    pub(crate) fn take_over(&self) -> Option<(Box<C>, Box<T>)> {
        let mut guard = self.take()?;
        let mut place = self.lock();
        if place.aborted.is_some() || guard.transport.is_none() {
            drop(place);
            return None;
        }
        (place.core, place.transport) = (Rest::Gone, Rest::Gone);
        let wakers = mem::take(&mut place.wakers);
        drop(place);
        wake(wakers);
        guard.core.take().zip(guard.transport.take())
    }

    /// Drops the transport, after the end of both directions.
    pub(crate) fn drop_transport(&self) {
        let Some(mut guard) = self.take() else {
            return;
        };
        let Some(transport) = guard.transport.take() else {
            return;
        };
        self.lock().transport = Rest::Gone;
        drop(guard);
        drop(transport);
    }

    /// Records that a party will not come back. The last one drops the connection.
    pub(crate) fn leave(&self, party: Party) {
        let mut place = self.lock();
        place.present[party as usize] = false;
        // A guard of the owner borrows it: this one was leaked.
        if party == Party::Owner && matches!(place.core, Rest::Out(Party::Owner)) {
            place.core = Rest::Gone;
            place.aborted.get_or_insert(ConnectionError::Aborted);
        }
        let is_over = place.present == [false, false] || matches!(place.core, Rest::Gone);
        let left = match is_over {
            true => place.take_rest(),
            false => (None, None),
        };
        let wakers = mem::take(&mut place.wakers);
        drop(place);
        end(left);
        wake(wakers);
    }

    /// Returns `true` if the server shuts down.
    pub(crate) fn is_shutting_down(&self) -> bool {
        self.lock().shuts_down
    }

    /// Returns a number that changes whenever something was received or sent, as of when the core
    /// was last put back.
    pub(crate) fn moves(&self) -> usize {
        self.lock().moves
    }

    fn guard(&self, party: Party, taken: Option<Taken<C, T>>) -> Option<Guard<'_, C, T>> {
        let (core, transport) = taken?;
        Some(Guard {
            core: Some(core),
            transport,
            slot: self,
            party,
            notifies: false,
        })
    }

    /// Carries out what was left to be done, puts back what is left then, and wakes.
    fn put_back(&self, taken: (Option<Box<C>>, Option<Box<T>>), party: Party, notifies: bool) {
        let (mut core, mut transport) = taken;
        let mut is_commanded = false;
        let mut place = loop {
            let says = core.as_deref().map(Says::of);
            let mut place = self.lock();
            if let Some(lost) = says.as_ref().and_then(|says| says.lost) {
                // Nothing can move any more, so the transport is of no use.
                place.aborted.get_or_insert(lost);
                place.core_knows = true;
            }
            let orders = match core {
                Some(_) => place.orders_for_core(),
                None => Orders::default(),
            };
            let is_aborted = place.aborted.is_some();
            if is_aborted && transport.is_none() {
                transport = place.transport.take(party);
            }
            if orders.is_empty() && !(is_aborted && transport.is_some()) {
                if let Some(says) = says {
                    place.has_output = says.has_output;
                    place.has_unoffered_output = says.has_unoffered_output;
                    place.is_closing = says.is_closing;
                    place.moves = says.moves;
                }
                break place;
            }
            if is_aborted {
                place.transport = Rest::Gone;
            }
            drop(place);
            is_commanded = true;
            // What the peer has got whole stays whole.
            let has_ended = core.as_ref().is_some_and(|core| core.has_ended());
            if let Some(core) = &mut core {
                orders.carry_out(&mut **core);
            }
            match transport.take_if(|_| is_aborted) {
                Some(transport) if has_ended => drop(transport),
                Some(transport) => abort(transport),
                None => {}
            }
        };
        // A transport that wakes while it is polled is heard now.
        let has_woken = place.has_woken && transport.is_some();
        if let Some(core) = core {
            place.core = Rest::Here(core);
        }
        if let Some(transport) = transport {
            place.transport = Rest::Here(transport);
        }
        let left = match place.present {
            [false, false] => place.take_rest(),
            _ => (None, None),
        };
        let owner_waits = mem::take(&mut place.owner_waits);
        let wakes = match party {
            _ if is_commanded || has_woken => [true, true],
            // The server's task looks after its poll without being woken.
            Party::Owner => {
                let server_looks = self.server_polls.load(Ordering::Relaxed);
                [
                    false,
                    !server_looks && (notifies || place.is_closing || place.is_output_due()),
                ]
            }
            Party::Server => [notifies || owner_waits, false],
        };
        let [owner, server] = &mut place.wakers;
        let wakers = [
            owner.take_if(|_| wakes[Party::Owner as usize]),
            server.take_if(|_| wakes[Party::Server as usize]),
        ];
        let is_awaited = place.owner_blocks;
        drop(place);
        end(left);
        if is_awaited {
            self.back.notify_all();
        }
        wake(wakers);
    }

    fn lock(&self) -> MutexGuard<'_, Place<C, T>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is left to be done to a core.
#[derive(Default)]
struct Orders {
    closes: bool,
    aborted: Option<ConnectionError>,
}

impl Orders {
    fn is_empty(&self) -> bool {
        !self.closes && self.aborted.is_none()
    }

    fn carry_out(self, core: &mut impl Core) {
        if self.closes {
            core.close();
        }
        if let Some(error) = self.aborted {
            core.lose(error);
        }
    }
}

/// What a core says, before it is put back.
struct Says {
    lost: Option<ConnectionError>,
    has_output: bool,
    has_unoffered_output: bool,
    is_closing: bool,
    moves: usize,
}

impl Says {
    fn of(core: &impl Core) -> Self {
        Self {
            lost: core.lost(),
            has_output: core.has_output(),
            has_unoffered_output: core.has_unoffered_output(),
            is_closing: core.is_closing(),
            moves: core.moves(),
        }
    }
}

/// A core, and a transport unless that was aborted.
type Taken<C, T> = (Box<C>, Option<Box<T>>);

impl<C, T> Place<C, T> {
    fn is_out(&self, party: Party) -> bool {
        self.core.is_out(party) || self.transport.is_out(party)
    }

    /// Whether there is output that the transport was not offered since it was written, or since the
    /// transport has woken.
    fn is_output_due(&self) -> bool {
        self.has_unoffered_output || self.has_output && self.has_woken
    }

    /// Takes both out, if the core rests, and the transport is not out.
    fn take(&mut self, party: Party) -> Option<Taken<C, T>> {
        if matches!(self.transport, Rest::Out(_)) {
            return None;
        }
        let core = self.core.take(party)?;
        Some((core, self.transport.take(party)))
    }

    /// Takes both out for a poll, which has to offer the transport all output.
    fn take_to_poll(&mut self, party: Party) -> Option<Taken<C, T>> {
        let taken = self.take(party)?;
        self.has_woken = false;
        Some(taken)
    }

    /// What is left to be done to the core, which whoever has it has to do.
    fn orders_for_core(&mut self) -> Orders {
        let knows = mem::replace(&mut self.core_knows, self.aborted.is_some());
        Orders {
            closes: mem::take(&mut self.closes),
            aborted: self.aborted.filter(|_| !knows),
        }
    }

    /// Takes out what rests, so that nothing is left.
    fn take_rest(&mut self) -> (Option<Box<C>>, Option<Box<T>>) {
        let core = self.core.take(Party::Server);
        let transport = self.transport.take(Party::Server);
        if core.is_some() {
            self.core = Rest::Gone;
        }
        if transport.is_some() {
            self.transport = Rest::Gone;
        }
        (core, transport)
    }
}

impl<V> Rest<V> {
    fn is_out(&self, party: Party) -> bool {
        matches!(self, Self::Out(with) if *with == party)
    }

    fn take(&mut self, party: Party) -> Option<Box<V>> {
        match mem::replace(self, Self::Out(party)) {
            Self::Here(value) => Some(value),
            other => {
                *self = other;
                None
            }
        }
    }
}

/// Aborts and drops a transport, whose panics concern nobody else.
fn abort<T: Abort>(mut transport: Box<T>) {
    let _ = catch_unwind(AssertUnwindSafe(|| {
        transport.abort();
        drop(transport);
    }));
}

/// Drops a connection that no party will come back to. Its peer takes that for a clean end only if
/// it is one.
fn end<C: Core, T: Abort>((core, transport): (Option<Box<C>>, Option<Box<T>>)) {
    if let Some(transport) = transport {
        match core.is_none_or(|core| core.is_cut_off()) {
            true => abort(transport),
            false => drop(transport),
        }
    }
}

/// The slot is the transport's waker: each party looks for itself what it can do.
impl<C: Core, T: Abort> Wake for Slot<C, T> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut place = self.lock();
        place.has_woken = true;
        if matches!(place.transport, Rest::Out(_)) {
            return;
        }
        let wakers = mem::take(&mut place.wakers);
        drop(place);
        wake(wakers);
    }
}

/// Wakes two parties, once if they wait in the same task.
fn wake(wakers: [Option<Waker>; 2]) {
    match wakers {
        [Some(one), Some(other)] if one.will_wake(&other) => one.wake(),
        wakers => wakers.into_iter().flatten().for_each(Waker::wake),
    }
}

impl<'a, C: Core, T: Abort> Guard<'a, C, T> {
    pub(crate) fn slot(&self) -> &'a Slot<C, T> {
        self.slot
    }

    /// The core.
    pub(crate) fn core(&mut self) -> &mut C {
        self.core.as_deref_mut().expect("a core that is out")
    }

    /// The core, to look at.
    pub(crate) fn peek(&self) -> &C {
        self.core.as_deref().expect("a core that is out")
    }

    /// Both, as far as the transport was not aborted or put back.
    pub(crate) fn both(&mut self) -> (&mut C, Option<&mut T>) {
        let core = self.core.as_deref_mut().expect("a core that is out");
        (core, self.transport.as_deref_mut())
    }

    /// Wakes the other party when this is put back.
    pub(crate) fn notify(&mut self) {
        self.notifies = true;
    }

    /// Puts the transport back, and keeps the core, for a turn. It knows of all commands so far.
    pub(crate) fn put_back_transport(&mut self) {
        let notifies = mem::take(&mut self.notifies);
        let transport = self.transport.take();
        self.slot.put_back((None, transport), self.party, notifies);
        let orders = self.slot.lock().orders_for_core();
        orders.carry_out(self.core());
    }
}

impl<C: Core, T: Abort> Drop for Guard<'_, C, T> {
    fn drop(&mut self) {
        if self.core.is_none() && self.transport.is_none() {
            return; // taken over
        }
        if std::thread::panicking() {
            if let Some(core) = &mut self.core {
                core.lose(ConnectionError::Aborted);
            }
        }
        let taken = (self.core.take(), self.transport.take());
        self.slot.put_back(taken, self.party, self.notifies);
    }
}
