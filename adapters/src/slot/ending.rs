//! Commands that are left, parties that leave, and the end of what rests.

use super::Slot;
use super::beside::Beside;
use super::flags::Flags;
use super::parties::{Command, Core, Io, Party};
use super::place::{abort, discard, end};
use super::waking::{ALL, wake};
use plimsoll::ConnectionError;

impl<C: Core, T: Io, M: Beside<C, T>> Slot<C, T, M> {
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
            Command::Close | Command::End => place.flags.set(Flags::CLOSES, true),
            Command::Abort(error) => {
                place.aborted.get_or_insert(error);
            }
            Command::GiveUp => {
                place.aborted.get_or_insert(ConnectionError::Aborted);
                if let Some(reading) = place.beside.reading() {
                    reading.is_given_up = true;
                }
            }
        }
        if let Some(reading) = place.beside.reading() {
            reading.is_closed |= matches!(command, Command::ShutDown | Command::Close);
            reading.handler_has_ended |= command == Command::End;
        }
        if place.core_out.is_some() {
            place.flags.set(Flags::COMMANDED, true);
        }
        let core = place.take_core(Party::Server);
        drop(place);
        self.put_back((core, None), Party::Server, false, None);
        let wakers = self.take_wakers(&mut self.lock(), ALL);
        wake(wakers);
    }

    /// Takes the connection over, if the core `allows` it: both parties find it gone.
    ///
    /// # Errors
    ///
    /// `None` if not, or if it was aborted, taken over or leaked before.
    pub(crate) fn take_over(&self, allows: impl FnOnce(&C) -> bool) -> Option<(Box<C>, Box<T>)> {
        let mut guard = self.take_whole(Party::Owner)?;
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
        let wakers = self.take_wakers(&mut place, ALL);
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
        if is_cut_off {
            abort(transport)
        } else {
            discard(transport)
        }
    }

    /// Records that a party will not come back. The last one drops the connection.
    pub(crate) fn leave(&self, party: Party) {
        let mut place = self.lock();
        let mut former = None;
        match party {
            Party::Owner => place.flags.set(Flags::OWNER_LEFT, true),
            Party::Server => place.flags.set(Flags::SERVER_LEFT, true),
            Party::Reader => {
                if let Some(reading) = place.beside.reading() {
                    reading.has_left = true;
                    former = reading.waker.take();
                }
            }
        }
        // A guard of the owner borrows it: this one was leaked.
        if party == Party::Owner && place.core_out == Some(Party::Owner) {
            place.core_out = None;
            place.aborted.get_or_insert(ConnectionError::Aborted);
        }
        // A command that has the core out drops everything when it puts that back.
        let is_over = place.is_core_gone() || place.have_all_left() && place.core.is_some();
        let left = if is_over {
            place.take_rest()
        } else {
            ((None, None), None)
        };
        let wakers = self.take_wakers(&mut place, ALL);
        drop(place);
        drop(former);
        end(left);
        wake(wakers);
    }
}
