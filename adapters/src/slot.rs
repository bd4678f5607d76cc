//! Where a connection rests while no party uses it: its core and its transport, each in its place.
//!
//! For a poll a party takes both out, and puts them back after it. A turn keeps the core alone, so
//! that the transport can be aborted meanwhile. `docs/ownership.md` says who may do what when.
//!
//! | event | wakes |
//! | --- | --- |
//! | the transport is ready (the slot is its waker); after the poll, if it is out in one | owner; server, if it has something to do |
//! | a command was left, or carried out | owner, server |
//! | the owner puts back, and output is left that the transport was not offered | server |
//! | the server puts back, and the owner found something out | owner |
//! | a party puts back, after a change that it [notifies](Guard::notify) of | the other |
//! | the owner has closed the connection in a turn | server |
//! | a party leaves, or takes the connection over | the other |
//!
//! A server that is in its poll is not woken: it looks after the poll, if there is something to
//! see.
//!
//! The mutex guards moves of pointers and flags. Nothing else happens under it: no transport is
//! polled, no waker is cloned, dropped or woken, no user's value is dropped. `tests/loom` runs this
//! file through the interleavings of its threads.

use std::mem;
use std::ops::BitOr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};

use plimsoll::ConnectionError;

use crate::sync::{AtomicU8, Condvar, Mutex, MutexGuard, Ordering, PoisonError};

/// Who shares a connection. Each waits in one task at a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Party {
    /// The one with the `Connection`.
    Owner,
    /// The task of a server that has accepted the connection, and each caller that leaves a
    /// command.
    Server,
}

impl Party {
    /// What notes that it has left.
    fn left(self) -> Flags {
        match self {
            Self::Owner => Flags::OWNER_LEFT,
            Self::Server => Flags::SERVER_LEFT,
        }
    }
}

/// What a slot asks of a connection's core.
pub(crate) trait Core: Send + 'static {
    /// Closes the connection, once pending output is sent.
    fn close(&mut self);

    /// Records that the connection was lost.
    fn lose(&mut self, error: ConnectionError);

    /// Records that the transport has woken: output that it was offered before is due again.
    fn on_wake(&mut self);

    /// Records that the server shuts down, which the owner's next turn shows.
    fn on_shutdown(&mut self);

    /// Returns what the slot has to know.
    fn says(&self) -> Says;

    /// Returns `true` if the peer must not take the end of the transport for a clean end.
    fn is_cut_off(&self) -> bool;
}

/// What a core says when it is put back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Says {
    /// How the connection was lost, if nothing can move any more: the transport is of no use then.
    pub(crate) lost: Option<ConnectionError>,
    /// Whether something is to be sent.
    pub(crate) has_output: bool,
    /// Whether the transport was not offered some of it.
    pub(crate) has_unoffered_output: bool,
    /// Whether the connection was closed by this side.
    pub(crate) is_closing: bool,
    /// Whether all was sent, and the end of the stream.
    pub(crate) has_ended: bool,
    /// A number that changes whenever something was received or sent.
    pub(crate) moves: u16,
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
    /// Drop the handler where it waits, at the end of a server.
    Cancel,
}

/// A place for a connection, and for the wakers of those who wait for it.
pub(crate) struct Slot<C: Core, T: Abort> {
    place: Mutex<Place<C, T>>,
    /// Signalled when something is put back while the owner's thread is blocked for it.
    back: Condvar,
    /// [`POLLS`], [`CHANGED`] and [`DUE`].
    server: AtomicU8,
}

/// The server's task is in its poll, after which it looks without being woken.
const POLLS: u8 = 1;
/// Something has changed since the server's last look that it has to look at, or its waker was
/// taken.
const CHANGED: u8 = 2;
/// The owner has put back output that is due, and not sent it itself since then.
const DUE: u8 = 4;

/// It is small, since idle connections have one each: see [`Flags`].
struct Place<C, T> {
    /// Boxed, so that taking it out moves a pointer.
    core: Option<Box<C>>,
    transport: Option<Box<T>>,
    wakers: [Option<Waker>; 2],
    /// Who has the core, or has leaked it. It is gone if it neither rests nor is out.
    core_out: Option<Party>,
    transport_out: Option<Party>,
    flags: Flags,
    /// Why the transport was aborted, or is to be.
    aborted: Option<ConnectionError>,
    /// What the core said when it was last put back, with some of the flags.
    lost: Option<ConnectionError>,
    moves: u16,
}

/// What a place notes, a bit each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Flags(u16);

impl Flags {
    /// The server shuts down.
    const SHUTS_DOWN: Self = Self(1);
    /// The core does not know of that yet.
    const SHUTDOWN_UNTOLD: Self = Self(1 << 1);
    /// The server ends, and waits for nothing.
    const CANCELLED: Self = Self(1 << 2);
    /// A command to close was not carried out yet.
    const CLOSES: Self = Self(1 << 3);
    /// What is to be done to the core, besides an abort.
    const ORDERS: Self = Self(Self::CLOSES.0 | Self::SHUTDOWN_UNTOLD.0);
    /// The core knows that the transport was aborted.
    const CORE_KNOWS: Self = Self(1 << 4);
    const OWNER_LEFT: Self = Self(1 << 5);
    const SERVER_LEFT: Self = Self(1 << 6);
    const ALL_LEFT: Self = Self(Self::OWNER_LEFT.0 | Self::SERVER_LEFT.0);
    /// The owner found something out, and is to be woken when it is back.
    const OWNER_WAITS: Self = Self(1 << 7);
    /// The owner's thread is blocked until something is back.
    const OWNER_BLOCKS: Self = Self(1 << 8);
    /// The transport has woken, of which the core does not know yet.
    const WOKEN: Self = Self(1 << 9);
    /// A command was left while the core was out, of which its party has to hear.
    const COMMANDED: Self = Self(1 << 10);
    /// As [`Says::has_output`].
    const OUTPUT: Self = Self(1 << 11);
    /// As [`Says::has_unoffered_output`].
    const UNOFFERED: Self = Self(1 << 12);
    /// As [`Says::is_closing`].
    const CLOSING: Self = Self(1 << 13);
    /// As [`Says::has_ended`].
    const ENDED: Self = Self(1 << 14);
    /// The owner has taken the connection over, and no command reaches it any more.
    const TAKEN_OVER: Self = Self(1 << 15);

    /// Whether any of `flags` is set.
    fn any(self, flags: Self) -> bool {
        self.0 & flags.0 != 0
    }

    fn all(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    fn set(&mut self, flag: Self, is_set: bool) {
        self.0 &= !flag.0;
        self.0 |= flag.0 * u16::from(is_set);
    }

    /// Clears a flag, and returns whether it was set.
    fn take(&mut self, flag: Self) -> bool {
        let was_set = self.any(flag);
        self.set(flag, false);
        was_set
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
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
    /// The connection was lost or leaked. The handler may not know yet.
    Gone,
    /// The owner has taken it over.
    TakenOver,
    /// The server ends, and waits for nothing.
    Cancelled,
}

impl<C: Core, T: Abort> Slot<C, T> {
    /// Makes a slot for the owner alone, or for the owner and a server.
    pub(crate) fn new(core: C, transport: T, has_server: bool) -> Arc<Self> {
        let mut place = Place {
            core: None,
            transport: Some(Box::new(transport)),
            wakers: [None, None],
            core_out: None,
            transport_out: None,
            flags: Flags(0),
            aborted: None,
            lost: None,
            moves: 0,
        };
        place.note(core.says());
        place.core = Some(Box::new(core));
        place.flags.set(Flags::SERVER_LEFT, !has_server);
        Arc::new(Self {
            place: Mutex::new(place),
            back: Condvar::new(),
            server: AtomicU8::new(CHANGED),
        })
    }

    /// Polls for the owner, with the connection out. `None` if it was taken over or leaked.
    ///
    /// If that is pending, the owner is woken when another poll may find more: see the
    /// [table](self).
    pub(crate) fn poll<A>(
        &self,
        cx: &Context<'_>,
        poll: impl FnOnce(&mut Guard<'_, C, T>) -> Poll<A>,
    ) -> Poll<Option<A>> {
        let Some(mut guard) = ready!(self.poll_take(cx)) else {
            return Poll::Ready(None);
        };
        match poll(&mut guard) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => {
                guard.wait(cx);
                Poll::Pending
            }
        }
    }

    /// Takes the connection out for a poll of the owner. `None` if it was taken over or leaked.
    ///
    /// A poll that is pending then has to put it back by [`Guard::wait`].
    pub(crate) fn poll_take(&self, cx: &Context<'_>) -> Poll<Option<Guard<'_, C, T>>> {
        let mut place = self.lock();
        if place.is_out(Party::Server) {
            drop(place);
            let waker = cx.waker().clone();
            place = self.lock();
            if place.is_out(Party::Server) {
                let former = place.wakers[Party::Owner as usize].replace(waker);
                place.flags.set(Flags::OWNER_WAITS, true);
                drop(place);
                drop(former);
                return Poll::Pending;
            }
        }
        let (taken, has_woken) = place.take_to_poll(Party::Owner);
        drop(place);
        Poll::Ready(self.guard(Party::Owner, taken, has_woken))
    }

    /// Takes the connection out for the owner, whose thread blocks while another party polls the
    /// transport. `None` if it was taken over or leaked.
    pub(crate) fn take(&self) -> Option<Guard<'_, C, T>> {
        let mut place = self.lock();
        while place.is_out(Party::Server) {
            place.flags.set(Flags::OWNER_BLOCKS, true);
            place = self
                .back
                .wait(place)
                .unwrap_or_else(PoisonError::into_inner);
        }
        place.flags.set(Flags::OWNER_BLOCKS, false);
        let taken = place.take(Party::Owner);
        drop(place);
        self.guard(Party::Owner, taken, false)
    }

    /// Takes the connection out for the server, if it rests.
    pub(crate) fn take_resting(&self) -> Option<Guard<'_, C, T>> {
        let taken = self.lock().take(Party::Server);
        self.guard(Party::Server, taken, false)
    }

    /// Records that the server's task is about to poll the handler.
    /// [`end_server_poll`](Self::end_server_poll) or a [`look`](Self::look) follows.
    pub(crate) fn begin_server_poll(&self) {
        self.server.fetch_or(POLLS, Ordering::Relaxed);
    }

    /// Records that the handler is pending. Returns `true` if the server has to [look](Self::look);
    /// otherwise nothing has changed for it since its last look, and its waker is still registered.
    pub(crate) fn end_server_poll(&self) -> bool {
        let ended = self
            .server
            .compare_exchange(POLLS, 0, Ordering::Relaxed, Ordering::Relaxed);
        ended.is_err()
    }

    /// Lets the server look at the connection, and take it out if there is something to do.
    ///
    /// The server is woken when another look may find more: see the [table](self).
    pub(crate) fn look(&self, cx: &Context<'_>) -> Look<'_, C, T> {
        let mut former = None;
        let mut place = self.lock();
        let known = place.wakers[Party::Server as usize].as_ref();
        if !known.is_some_and(|known| known.will_wake(cx.waker())) {
            drop(place);
            let waker = cx.waker().clone();
            place = self.lock();
            former = place.wakers[Party::Server as usize].replace(waker);
        }
        // Under the lock: a put back that comes later sees that the server has to be woken.
        self.server.store(0, Ordering::Relaxed);
        let has_left = place.flags.any(Flags::OWNER_LEFT | Flags::CLOSING);
        let is_taken_over = place.flags.any(Flags::TAKEN_OVER);
        let is_gone = place.is_core_gone() || place.aborted.is_some();
        let is_cancelled = place.flags.any(Flags::CANCELLED);
        let is_wanted = !is_gone && !is_cancelled && (has_left || place.is_output_due());
        let (taken, has_woken) = match is_wanted {
            true => place.take_to_poll(Party::Server),
            false => (None, false),
        };
        drop(place);
        drop(former);
        match self.guard(Party::Server, taken, has_woken) {
            _ if is_taken_over => Look::TakenOver,
            _ if is_cancelled => Look::Cancelled,
            _ if is_gone => Look::Gone,
            Some(guard) if has_left => Look::Left(guard),
            Some(guard) => Look::Unoffered(guard),
            None => Look::Nothing,
        }
    }

    /// Leaves a command. It is carried out here on what rests, and on the rest when that is put
    /// back.
    pub(crate) fn command(&self, command: Command) {
        let mut place = self.lock();
        match command {
            Command::ShutDown => {
                place
                    .flags
                    .set(Flags::SHUTS_DOWN | Flags::SHUTDOWN_UNTOLD, true);
            }
            Command::Cancel => place.flags.set(Flags::CANCELLED, true),
            Command::Close => place.flags.set(Flags::CLOSES, true),
            Command::Abort(error) => {
                place.aborted.get_or_insert(error);
            }
        }
        if place.core_out.is_some() {
            place.flags.set(Flags::COMMANDED, true);
        }
        let core = place.take_core(Party::Server);
        drop(place);
        self.put_back((core, None), Party::Server, false, None);
        let wakers = self.take_wakers(&mut self.lock(), [true, true]);
        wake(wakers);
    }

    /// Takes the connection over, if the core `allows` it: both parties find it gone.
    ///
    /// # Errors
    ///
    /// `None` if not, or if it was aborted, taken over or leaked before.
    pub(crate) fn take_over(&self, allows: impl FnOnce(&C) -> bool) -> Option<(Box<C>, Box<T>)> {
        let mut guard = self.take()?;
        if !allows(guard.core()) {
            return None;
        }
        let mut place = self.lock();
        if place.aborted.is_some() || guard.transport.is_none() {
            drop(place);
            return None;
        }
        (place.core_out, place.transport_out) = (None, None);
        place.flags.set(Flags::TAKEN_OVER, true);
        let wakers = self.take_wakers(&mut place, [true, true]);
        drop(place);
        wake(wakers);
        guard.core.take().zip(guard.transport.take())
    }

    /// Drops the transport, after the end of both directions; aborts it if this side's is not sent.
    pub(crate) fn drop_transport(&self) {
        let Some(mut guard) = self.take() else {
            return;
        };
        let Some(transport) = guard.transport.take() else {
            return;
        };
        self.lock().transport_out = None;
        let is_cut_off = guard.core().is_cut_off();
        drop(guard);
        match is_cut_off {
            true => abort(transport),
            false => drop(transport),
        }
    }

    /// Records that a party will not come back. The last one drops the connection.
    pub(crate) fn leave(&self, party: Party) {
        let mut place = self.lock();
        place.flags.set(party.left(), true);
        // A guard of the owner borrows it: this one was leaked.
        if party == Party::Owner && place.core_out == Some(Party::Owner) {
            place.core_out = None;
            place.aborted.get_or_insert(ConnectionError::Aborted);
        }
        let is_over = place.flags.all(Flags::ALL_LEFT) || place.is_core_gone();
        let left = match is_over {
            true => place.take_rest(),
            false => (None, None),
        };
        let wakers = self.take_wakers(&mut place, [true, true]);
        drop(place);
        end(left);
        wake(wakers);
    }

    /// Returns `true` if a server is a party, and has not left.
    pub(crate) fn has_server(&self) -> bool {
        !self.lock().flags.any(Flags::SERVER_LEFT)
    }

    /// Returns `true` if the server shuts down.
    pub(crate) fn is_shutting_down(&self) -> bool {
        self.lock().flags.any(Flags::SHUTS_DOWN)
    }

    /// Returns `true` if there was output to be sent when the core was last put back.
    pub(crate) fn has_output(&self) -> bool {
        self.lock().flags.any(Flags::OUTPUT)
    }

    /// Returns a number that changes whenever something was received or sent, as of when the core
    /// was last put back.
    pub(crate) fn moves(&self) -> u16 {
        self.lock().moves
    }

    fn guard(
        &self,
        party: Party,
        taken: Option<Taken<C, T>>,
        has_woken: bool,
    ) -> Option<Guard<'_, C, T>> {
        let (mut core, transport) = taken?;
        if let (Some(core), true) = (&mut core, has_woken) {
            core.on_wake();
        }
        Some(Guard {
            core,
            transport,
            slot: self,
            party,
            notifies: false,
        })
    }

    /// Carries out what was left to be done, puts back what is left then, and wakes. A `waker` is
    /// that of a party that waits from now on.
    #[inline]
    fn put_back(&self, taken: Taken<C, T>, party: Party, notifies: bool, waker: Option<Waker>) {
        let (Some(core), transport) = taken else {
            return self.put_back_changed(taken, party, notifies, waker);
        };
        let says = core.says();
        let mut place = self.lock();
        if party == Party::Server || notifies || !place.is_unchanged(says) {
            drop(place);
            return self.put_back_changed((Some(core), transport), party, notifies, waker);
        }
        place.note(says);
        place.put_down(Some(core), transport);
        let former = match waker {
            Some(waker) => place.wakers[Party::Owner as usize].replace(waker),
            None => None,
        };
        let woken = self.change_due(&mut place);
        drop(place);
        drop(former);
        if let Some(woken) = woken {
            woken.wake();
        }
    }

    /// Puts back after something has happened that the other party may have to know, or this one.
    #[cold]
    fn put_back_changed(
        &self,
        (mut core, mut transport): Taken<C, T>,
        party: Party,
        notifies: bool,
        waker: Option<Waker>,
    ) {
        let mut is_commanded = false;
        let mut place = loop {
            let says = core.as_ref().map(|core| core.says());
            let mut place = self.lock();
            if let Some(says) = says {
                place.note(says);
            }
            if !place.has_orders(core.is_some(), transport.is_some()) {
                break place;
            }
            is_commanded = true;
            carry_out(place, &mut core, &mut transport);
        };
        // A transport that wakes while it is polled is heard now.
        let has_woken = place.flags.any(Flags::WOKEN) && transport.is_some();
        is_commanded |= core.is_some() && place.flags.take(Flags::COMMANDED);
        place.put_down(core, transport);
        let left = match place.flags.all(Flags::ALL_LEFT) {
            true => place.take_rest(),
            false => (None, None),
        };
        let former = match waker {
            Some(waker) => place.wakers[party as usize].replace(waker),
            None => None,
        };
        let owner_waits = place.flags.take(Flags::OWNER_WAITS);
        let wakers = match party {
            _ if is_commanded || has_woken => self.take_wakers(&mut place, [true, true]),
            Party::Owner if notifies || place.flags.any(Flags::CLOSING) => {
                self.take_wakers(&mut place, [false, true])
            }
            Party::Owner => [None, self.change_due(&mut place)],
            Party::Server => {
                if place.is_output_due() {
                    // Its own task goes on with it, once others have run.
                    self.server.fetch_or(CHANGED, Ordering::Relaxed);
                }
                self.take_wakers(&mut place, [notifies || owner_waits, false])
            }
        };
        let is_awaited = place.flags.any(Flags::OWNER_BLOCKS);
        drop(place);
        drop(former);
        end(left);
        if is_awaited {
            self.back.notify_all();
        }
        wake(wakers);
    }

    /// Tells the server that the owner has left output that is due, or has sent it after all.
    fn change_due(&self, place: &mut Place<C, T>) -> Option<Waker> {
        let is_due = place.is_output_due();
        // It changes under the lock only.
        if (self.server.load(Ordering::Relaxed) & DUE != 0) == is_due {
            return None;
        }
        if !is_due {
            self.server.fetch_and(!DUE, Ordering::Relaxed);
            return None;
        }
        if self.server.fetch_or(DUE, Ordering::Relaxed) & POLLS != 0 {
            return None;
        }
        let [_, of_server] = self.take_wakers(place, [false, true]);
        of_server
    }

    /// Takes the wakers of the parties that have something to look at. A server in its poll looks
    /// after it without being woken.
    fn take_wakers(
        &self,
        place: &mut Place<C, T>,
        [owner, server]: [bool; 2],
    ) -> [Option<Waker>; 2] {
        let is_woken = server && self.server.fetch_or(CHANGED, Ordering::Relaxed) & POLLS == 0;
        let [of_owner, of_server] = &mut place.wakers;
        [of_owner.take_if(|_| owner), of_server.take_if(|_| is_woken)]
    }

    fn lock(&self) -> MutexGuard<'_, Place<C, T>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is left to be done to a core.
#[derive(Default)]
struct Orders {
    tells_shutdown: bool,
    closes: bool,
    aborted: Option<ConnectionError>,
}

impl Orders {
    fn carry_out(self, core: &mut impl Core) {
        if self.tells_shutdown {
            core.on_shutdown();
        }
        if self.closes {
            core.close();
        }
        if let Some(error) = self.aborted {
            core.lose(error);
        }
    }
}

/// A core and a transport, as far as there are.
type Taken<C, T> = (Option<Box<C>>, Option<Box<T>>);

impl<C, T> Place<C, T> {
    /// Notes what the core says.
    fn note(&mut self, says: Says) {
        self.flags.set(Flags::OUTPUT, says.has_output);
        self.flags.set(Flags::UNOFFERED, says.has_unoffered_output);
        self.flags.set(Flags::CLOSING, says.is_closing);
        self.flags.set(Flags::ENDED, says.has_ended);
        (self.lost, self.moves) = (says.lost, says.moves);
    }

    fn is_out(&self, party: Party) -> bool {
        self.core_out == Some(party) || self.transport_out == Some(party)
    }

    /// Whether there is output that the transport was not offered since it was written, or since
    /// the transport has woken.
    fn is_output_due(&self) -> bool {
        self.flags.any(Flags::UNOFFERED) || self.flags.all(Flags::OUTPUT | Flags::WOKEN)
    }

    /// Whether nothing has happened while the owner had the core that anyone has to be told of.
    fn is_unchanged(&self, says: Says) -> bool {
        const CHANGES: Flags = Flags(
            Flags::ORDERS.0
                | Flags::COMMANDED.0
                | Flags::WOKEN.0
                | Flags::OWNER_WAITS.0
                | Flags::OWNER_BLOCKS.0,
        );
        let is_over = says.is_closing || says.lost.is_some() || self.aborted.is_some();
        !self.flags.any(CHANGES) && !is_over
    }

    /// Whether the server has something to do when the transport is ready.
    fn concerns_server(&self) -> bool {
        self.flags
            .any(Flags::OUTPUT | Flags::CLOSING | Flags::OWNER_LEFT)
    }

    /// Whether something is to be done, with a core or a transport that is about to be put back.
    fn has_orders(&self, has_core: bool, has_transport: bool) -> bool {
        let is_aborted = self.aborted.is_some();
        is_aborted
            && (has_transport
                || self.transport.is_some()
                || has_core && !self.flags.any(Flags::CORE_KNOWS))
            || has_core && (self.flags.any(Flags::ORDERS) || self.lost.is_some() && !is_aborted)
    }

    /// Takes both out, if the core rests, and the transport is not out.
    fn take(&mut self, party: Party) -> Option<Taken<C, T>> {
        if self.transport_out.is_some() {
            return None;
        }
        let core = self.take_core(party)?;
        self.transport_out = self.transport.as_ref().map(|_| party);
        Some((Some(core), self.transport.take()))
    }

    /// Takes the core out, if it rests.
    fn take_core(&mut self, party: Party) -> Option<Box<C>> {
        let core = self.core.take()?;
        self.core_out = Some(party);
        Some(core)
    }

    /// Puts down what was taken out.
    #[inline]
    fn put_down(&mut self, core: Option<Box<C>>, transport: Option<Box<T>>) {
        if core.is_some() {
            (self.core, self.core_out) = (core, None);
        }
        if transport.is_some() {
            (self.transport, self.transport_out) = (transport, None);
        }
    }

    fn is_core_gone(&self) -> bool {
        self.core.is_none() && self.core_out.is_none()
    }

    /// Takes both out for a poll. Returns whether the core has to know that the transport has
    /// woken.
    fn take_to_poll(&mut self, party: Party) -> (Option<Taken<C, T>>, bool) {
        let taken = self.take(party);
        let has_woken = taken.is_some() && self.flags.take(Flags::WOKEN);
        (taken, has_woken)
    }

    /// What is left to be done to the core, by the party that has it.
    fn orders_for_core(&mut self) -> Orders {
        let knows = self.flags.any(Flags::CORE_KNOWS);
        self.flags.set(Flags::CORE_KNOWS, self.aborted.is_some());
        Orders {
            tells_shutdown: self.flags.take(Flags::SHUTDOWN_UNTOLD),
            closes: self.flags.take(Flags::CLOSES),
            aborted: self.aborted.filter(|_| !knows),
        }
    }

    /// Takes out what rests, so that nothing is left.
    fn take_rest(&mut self) -> Taken<C, T> {
        (self.core.take(), self.transport.take())
    }
}

/// Carries out what is to be done to what is out, and to a transport that rests. Nothing is locked
/// meanwhile.
#[cold]
fn carry_out<C: Core, T: Abort>(
    mut place: MutexGuard<'_, Place<C, T>>,
    core: &mut Option<Box<C>>,
    transport: &mut Option<Box<T>>,
) {
    let mut orders = Orders::default();
    if core.is_some() {
        if let Some(lost) = place.lost {
            // Nothing can move any more, so the transport is of no use.
            place.aborted.get_or_insert(lost);
            place.flags.set(Flags::CORE_KNOWS, true);
        }
        orders = place.orders_for_core();
    }
    let mut aborted = None;
    if place.aborted.is_some() {
        let resting = place.transport.take();
        aborted = transport.take().or(resting);
        place.transport_out = None;
    }
    // What the peer has got whole stays whole. An end stays one, also if the core is out in a turn.
    let was_ended = place.flags.any(Flags::ENDED);
    drop(place);
    let has_ended = was_ended || core.as_ref().is_some_and(|core| core.says().has_ended);
    if let Some(core) = core {
        // It drops what the user has queued, whose panic must not leave a party waiting.
        let _ = catch_unwind(AssertUnwindSafe(|| orders.carry_out(&mut **core)));
    }
    match aborted {
        Some(transport) if has_ended => drop(transport),
        Some(transport) => abort(transport),
        None => {}
    }
}

/// Aborts and drops a transport, whose panics end here.
fn abort<T: Abort>(mut transport: Box<T>) {
    let _ = catch_unwind(AssertUnwindSafe(|| {
        transport.abort();
        drop(transport);
    }));
}

/// Drops a connection that no party will come back to. Its peer takes that for a clean end only if
/// it is one.
fn end<C: Core, T: Abort>((core, transport): Taken<C, T>) {
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
        place.flags.set(Flags::WOKEN, true);
        if place.transport_out.is_some() {
            return;
        }
        if place.concerns_server() {
            let wakers = self.take_wakers(&mut place, [true, true]);
            drop(place);
            wake(wakers);
            return;
        }
        let waker = place.wakers[Party::Owner as usize].take();
        drop(place);
        if let Some(waker) = waker {
            waker.wake();
        }
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

    /// Puts everything back for a poll that is pending, and registers its party.
    pub(crate) fn wait(mut self, cx: &Context<'_>) {
        let waker = cx.waker().clone();
        let taken = (self.core.take(), self.transport.take());
        self.slot
            .put_back(taken, self.party, self.notifies, Some(waker));
    }

    /// Puts the transport back, and keeps the core, for a turn. It knows of all commands so far.
    pub(crate) fn put_back_transport(&mut self) {
        let mut place = self.slot.lock();
        let is_plain = !place
            .flags
            .any(Flags::ORDERS | Flags::WOKEN | Flags::OWNER_BLOCKS)
            && !place.flags.all(Flags::ALL_LEFT)
            && place.aborted.is_none();
        if is_plain && !self.notifies {
            place.put_down(None, self.transport.take());
            return;
        }
        drop(place);
        let notifies = mem::take(&mut self.notifies);
        let transport = self.transport.take();
        self.slot
            .put_back((None, transport), self.party, notifies, None);
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
        self.slot.put_back(taken, self.party, self.notifies, None);
    }
}
