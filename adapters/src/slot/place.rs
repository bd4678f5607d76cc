//! What rests, who has what is out, and what is left to be done to it.

use std::task::Waker;

use plimsoll::ConnectionError;

use super::flags::Flags;
use super::{Abort, Core, Party, Says};
use crate::quiet::caught;
use crate::sync::MutexGuard;

/// It is small, since idle connections have one each: see [`Flags`].
pub(super) struct Place<C, T> {
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
}

/// What is left to be done to a core.
#[derive(Default)]
pub(super) struct Orders {
    tells_shutdown: bool,
    closes: bool,
    aborted: Option<ConnectionError>,
}

impl Orders {
    pub(super) fn carry_out(self, core: &mut impl Core) {
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
pub(super) type Taken<C, T> = (Option<Box<C>>, Option<Box<T>>);

impl<C, T> Place<C, T> {
    /// Notes what the core says.
    pub(super) fn note(&mut self, says: Says) {
        self.flags.set(Flags::OUTPUT, says.has_output);
        self.flags.set(Flags::UNOFFERED, says.has_unoffered_output);
        self.flags.set(Flags::CLOSING, says.is_closing);
        self.flags.set(Flags::ENDED, says.has_ended);
        (self.lost, self.moves) = (says.lost, says.moves);
    }

    pub(super) fn is_out(&self, party: Party) -> bool {
        self.core_out == Some(party) || self.transport_out == Some(party)
    }

    /// Whether there is output that the transport was not offered since it was written, or since
    /// the transport has woken.
    pub(super) fn is_output_due(&self) -> bool {
        self.flags.any(Flags::UNOFFERED) || self.flags.all(Flags::OUTPUT | Flags::WOKEN)
    }

    /// Whether nothing has happened while the owner had the core that anyone has to be told of.
    pub(super) fn is_unchanged(&self, says: Says) -> bool {
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
    pub(super) fn concerns_server(&self) -> bool {
        self.flags
            .any(Flags::OUTPUT | Flags::CLOSING | Flags::OWNER_LEFT)
    }

    /// Whether something is to be done, with a core or a transport that is about to be put back.
    pub(super) fn has_orders(&self, has_core: bool, has_transport: bool) -> bool {
        let is_aborted = self.aborted.is_some();
        is_aborted
            && (has_transport
                || self.transport.is_some()
                || has_core && !self.flags.any(Flags::CORE_KNOWS))
            || has_core && (self.flags.any(Flags::ORDERS) || self.lost.is_some() && !is_aborted)
    }

    /// Takes both out, if the core rests, and the transport is not out.
    pub(super) fn take(&mut self, party: Party) -> Option<Taken<C, T>> {
        if self.transport_out.is_some() {
            return None;
        }
        let core = self.take_core(party)?;
        self.transport_out = self.transport.as_ref().map(|_| party);
        Some((Some(core), self.transport.take()))
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
        if transport.is_some() {
            (self.transport, self.transport_out) = (transport, None);
        }
    }

    pub(super) fn is_core_gone(&self) -> bool {
        self.core.is_none() && self.core_out.is_none()
    }

    /// Takes both out for a poll. Returns whether the core has to know that the transport has
    /// woken.
    pub(super) fn take_to_poll(&mut self, party: Party) -> (Option<Taken<C, T>>, bool) {
        let taken = self.take(party);
        let has_woken = taken.is_some() && self.flags.take(Flags::WOKEN);
        (taken, has_woken)
    }

    /// What is left to be done to the core, by the party that has it.
    pub(super) fn orders_for_core(&mut self) -> Orders {
        let knows = self.flags.any(Flags::CORE_KNOWS);
        self.flags.set(Flags::CORE_KNOWS, self.aborted.is_some());
        Orders {
            tells_shutdown: self.flags.take(Flags::SHUTDOWN_UNTOLD),
            closes: self.flags.take(Flags::CLOSES),
            aborted: self.aborted.filter(|_| !knows),
        }
    }

    /// Takes out what rests, so that nothing is left.
    pub(super) fn take_rest(&mut self) -> Taken<C, T> {
        (self.core.take(), self.transport.take())
    }
}

/// Carries out what is to be done to what is out, and to a transport that rests. Nothing is locked
/// meanwhile.
#[cold]
pub(super) fn carry_out<C: Core, T: Abort>(
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
        caught(|| orders.carry_out(&mut **core));
    }
    match aborted {
        Some(transport) if has_ended => drop(transport),
        Some(transport) => abort(transport),
        None => {}
    }
}

/// Aborts and drops a transport, whose panics end here.
pub(super) fn abort<T: Abort>(mut transport: Box<T>) {
    caught(|| {
        transport.abort();
        drop(transport);
    });
}

/// Drops a connection that no party will come back to. Its peer takes that for a clean end only if
/// it is one.
pub(super) fn end<C: Core, T: Abort>((core, transport): Taken<C, T>) {
    if let Some(transport) = transport {
        match core.is_none_or(|core| core.is_cut_off()) {
            true => abort(transport),
            false => drop(transport),
        }
    }
}
