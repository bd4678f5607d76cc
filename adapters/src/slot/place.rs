//! What rests, who has what is out, and what is left to be done to it.

use std::mem;
use std::task::Waker;

use plimsoll::ConnectionError;

use super::beside::Beside;
use super::flags::Flags;
use super::parties::{Core, Io, Party, Pressure, Says};
use crate::caught::caught;
use crate::sync::MutexGuard;

/// It is small, since idle connections have one each: see [`Flags`].
pub(super) struct Place<C, T, M> {
    /// Boxed, so that taking it out moves a pointer.
    pub(super) core: Option<Box<C>>,
    pub(super) transport: Option<Box<T>>,
    pub(super) wakers: [Option<Waker>; 2],
    /// Who has the core, or has leaked it. It is gone if it neither rests nor is out.
    pub(super) core_out: Option<Party>,
    pub(super) transport_out: Option<Party>,
    pub(super) flags: Flags,
    /// Why the transport was aborted, or is to be.
    pub(super) aborted: Option<ConnectionError>,
    /// What the core said when it was last put back, with some of the flags.
    pub(super) lost: Option<ConnectionError>,
    pub(super) moves: u16,
    /// What is kept for a reader of its own, if there is one.
    pub(super) beside: M,
}

/// What is left to be done to a core.
pub(super) struct Orders<E> {
    tells_shutdown: bool,
    /// To close it, or its output only.
    closes: Option<Closes>,
    /// How the input of a reader has ended.
    end: Option<E>,
    /// The owner has given the connection up.
    is_given_up: bool,
    aborted: Option<ConnectionError>,
}

#[derive(Clone, Copy)]
enum Closes {
    All,
    Output,
}

impl<E> Orders<E> {
    /// Carries them out, and returns what the core makes of the end of the input.
    pub(super) fn carry_out<C: Core<End = E>>(self, core: &mut C) -> Option<C::Ended> {
        if self.tells_shutdown {
            core.on_shutdown();
        }
        let ended = self.end.map(|end| core.end_input(end));
        match self.closes {
            Some(Closes::All) => core.close(),
            Some(Closes::Output) => core.close_output(),
            None => {}
        }
        if self.is_given_up {
            core.give_up();
        }
        if let Some(error) = self.aborted {
            core.lose(error);
        }
        ended
    }
}

/// A core and a transport, as far as there are.
pub(super) type Taken<C, T> = (Option<Box<C>>, Option<Box<T>>);

/// What is dropped, with nothing locked, when all have left.
pub(super) type Left<C, T> = (Taken<C, T>, Option<<T as Io>::Read>);

impl<C: Core, T: Io, M: Beside<C, T>> Place<C, T, M> {
    /// Notes what the core says.
    pub(super) fn note(&mut self, says: Says) {
        self.flags.set(Flags::OUTPUT, says.has_output);
        self.flags.set(Flags::UNOFFERED, says.has_unoffered_output);
        self.flags.set(Flags::CLOSING, says.is_closing);
        self.flags.set(Flags::ENDED, says.has_ended);
        (self.lost, self.moves) = (says.lost, says.moves);
    }

    /// Whether another party has something out.
    pub(super) fn is_out_of(&self, party: Party) -> bool {
        let has = |taken: Option<Party>| taken.is_some_and(|by| by != party);
        has(self.core_out) || has(self.transport_out)
    }

    /// Keeps the waker of a party that waits. Returns a former one, to be dropped with nothing
    /// locked.
    pub(super) fn register(&mut self, party: Party, waker: Waker) -> Option<Waker> {
        match party {
            Party::Owner => self.wakers[0].replace(waker),
            Party::Server => self.wakers[1].replace(waker),
            Party::Reader => self.beside.reading()?.waker.replace(waker),
        }
    }

    /// Whether those who had the connection have left: the owner, and a reader of its own.
    pub(super) fn have_owners_left(&self) -> bool {
        let reading = self.beside.peek();
        self.flags.any(Flags::OWNER_LEFT) && reading.is_none_or(|reading| reading.has_left)
    }

    pub(super) fn have_all_left(&self) -> bool {
        self.flags.any(Flags::SERVER_LEFT) && self.have_owners_left()
    }

    /// Whether there is output that the transport was not offered since it was written, or since
    /// the transport has woken.
    pub(super) fn is_output_due(&self) -> bool {
        self.flags.any(Flags::UNOFFERED) || self.flags.all(Flags::OUTPUT | Flags::WOKEN)
    }

    /// Whether nothing has happened while a party had the core that another has to be told of.
    pub(super) fn is_unchanged(&self, says: Says, pressure: Option<Pressure>) -> bool {
        const CHANGES: Flags = Flags(
            Flags::ORDERS.0
                | Flags::COMMANDED.0
                | Flags::WOKEN.0
                | Flags::OWNER_WAITS.0
                | Flags::OWNER_BLOCKS.0,
        );
        let is_over = says.is_closing || says.lost.is_some() || self.aborted.is_some();
        let is_awaited = self.beside.peek().is_some_and(|reading| {
            reading.waits_for_core
                || reading.server_waits
                || reading.end.is_some()
                || pressure.is_some_and(|pressure| pressure.lets_read(reading.pressure))
        });
        !self.flags.any(CHANGES) && !is_over && !is_awaited
    }

    /// Whether a read that waits may go on now that output is under this pressure.
    pub(super) fn lets_read(&self, pressure: Pressure) -> bool {
        let reading = self.beside.peek();
        reading.is_some_and(|reading| pressure.lets_read(reading.pressure))
    }

    /// Whether the server has something to do when the transport is ready.
    pub(super) fn concerns_server(&self) -> bool {
        self.flags.any(Flags::OUTPUT | Flags::CLOSING) || self.have_owners_left()
    }

    /// Whether something is to be done, with a core or a transport that is about to be put back.
    pub(super) fn has_orders(&self, has_core: bool, has_transport: bool) -> bool {
        let is_aborted = self.aborted.is_some();
        is_aborted
            && (has_transport
                || self.transport.is_some()
                || has_core && !self.flags.any(Flags::CORE_KNOWS))
            || has_core
                && (self.flags.any(Flags::ORDERS)
                    || self.lost.is_some() && !is_aborted
                    || self
                        .beside
                        .peek()
                        .is_some_and(|reading| reading.end.is_some() || reading.is_given_up))
    }

    /// Takes both out, if the core rests, and the transport is not out. Returns with them whether
    /// the core has to know that the transport has woken.
    pub(super) fn take(&mut self, party: Party) -> Option<(Taken<C, T>, bool)> {
        if self.transport_out.is_some() {
            return None;
        }
        let core = self.take_core(party)?;
        self.transport_out = self.transport.as_ref().map(|_| party);
        let has_woken = self.flags.take(Flags::WOKEN);
        Some(((Some(core), self.transport.take()), has_woken))
    }

    /// Takes both out, and the read half with them, if that rests.
    pub(super) fn take_whole(&mut self, party: Party) -> Option<(Taken<C, T>, bool)> {
        let mut taken = self.take(party)?;
        if let Some(transport) = &mut taken.0.1 {
            self.give_read_half(transport);
        }
        Some(taken)
    }

    fn give_read_half(&mut self, transport: &mut T) {
        if let Some(read) = self.take_read_half() {
            transport.put_read_half(read);
        }
    }

    /// Takes the read half out, if it rests.
    fn take_read_half(&mut self) -> Option<T::Read> {
        self.beside.reading()?.read.take()
    }

    /// Takes the core out, if it rests.
    pub(super) fn take_core(&mut self, party: Party) -> Option<Box<C>> {
        let core = self.core.take()?;
        self.core_out = Some(party);
        Some(core)
    }

    /// Puts down what was taken out.
    #[inline]
    pub(super) fn put_down(&mut self, core: Option<Box<C>>, transport: Option<Box<T>>) {
        if core.is_some() {
            (self.core, self.core_out) = (core, None);
        }
        if let Some(mut transport) = transport {
            if let Some(reading) = self.beside.reading() {
                if !reading.is_out && reading.read.is_none() {
                    reading.read = transport.take_read_half();
                }
            }
            (self.transport, self.transport_out) = (Some(transport), None);
        }
    }

    pub(super) fn is_core_gone(&self) -> bool {
        self.core.is_none() && self.core_out.is_none()
    }

    /// What is left to be done to the core, by the party that has it.
    pub(super) fn orders_for_core(&mut self) -> Orders<C::End> {
        let knows = self.flags.any(Flags::CORE_KNOWS);
        self.flags.set(Flags::CORE_KNOWS, self.aborted.is_some());
        let mut reading = self.beside.reading();
        let closes = match &reading {
            Some(reading) if !reading.handler_has_ended => Closes::Output,
            _ => Closes::All,
        };
        Orders {
            tells_shutdown: self.flags.take(Flags::SHUTDOWN_UNTOLD),
            closes: self.flags.take(Flags::CLOSES).then_some(closes),
            is_given_up: reading
                .as_mut()
                .is_some_and(|reading| mem::take(&mut reading.is_given_up)),
            end: reading.and_then(|reading| reading.end.take()),
            aborted: self.aborted.filter(|_| !knows),
        }
    }

    /// Takes out what rests, so that nothing is left.
    pub(super) fn take_rest(&mut self) -> Left<C, T> {
        let (core, mut transport) = (self.core.take(), self.transport.take());
        if let Some(transport) = &mut transport {
            self.give_read_half(transport);
        }
        ((core, transport), self.take_read_half())
    }
}

/// Carries out what is to be done to what is out, and to a transport that rests. Nothing is locked
/// meanwhile.
#[cold]
pub(super) fn carry_out<C: Core, T: Io, M: Beside<C, T>>(
    mut place: MutexGuard<'_, Place<C, T, M>>,
    core: &mut Option<Box<C>>,
    transport: &mut Option<Box<T>>,
) -> Option<C::Ended> {
    let mut orders = None;
    let mut ends_reader = false;
    if core.is_some() {
        if let Some(lost) = place.lost {
            // Nothing can move any more, so the transport is of no use.
            place.aborted.get_or_insert(lost);
            place.flags.set(Flags::CORE_KNOWS, true);
            ends_reader = place
                .beside
                .peek()
                .is_some_and(|reading| reading.ended.is_none() && reading.end.is_none());
        }
        orders = Some(place.orders_for_core());
    }
    let mut aborted = None;
    if place.aborted.is_some() {
        let resting = place.transport.take();
        aborted = transport.take().or(resting);
        place.transport_out = None;
        if let Some(transport) = &mut aborted {
            place.give_read_half(transport);
        }
    }
    // What the peer has got whole stays whole. An end stays one, also if the core is out in a turn.
    let was_ended = place.flags.any(Flags::ENDED);
    drop(place);
    let has_ended = was_ended || core.as_ref().is_some_and(|core| core.says().has_ended);
    // It drops what the user has queued, whose panic must not leave a party waiting.
    let ended = core.as_mut().zip(orders).and_then(|(core, orders)| {
        caught(|| {
            let ended = orders.carry_out(&mut **core);
            ended.or_else(|| ends_reader.then(|| core.how_ended()))
        })
    });
    match aborted {
        Some(transport) if has_ended => discard(transport),
        Some(transport) => abort(transport),
        None => {}
    }
    ended.flatten()
}

/// Aborts and drops a transport, whose panics end here.
pub(super) fn abort<T: Io>(mut transport: Box<T>) {
    caught(|| {
        transport.abort();
        drop(transport);
    });
}

/// Drops what a user has brought, whose panics end here.
pub(super) fn discard<A>(dropped: A) {
    caught(|| drop(dropped));
}

/// Drops a connection that no party will come back to. Its peer takes that for a clean end only if
/// it is one.
pub(super) fn end<C: Core, T: Io>(((core, transport), read): Left<C, T>) {
    if let Some(transport) = transport {
        if core.as_ref().is_none_or(|core| core.is_cut_off()) {
            abort(transport)
        } else {
            discard(transport)
        }
    }
    discard(core);
    discard(read);
}
