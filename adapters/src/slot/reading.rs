//! What a pair's reader does: it takes the read half out alone, to receive, so that the writer can
//! go on meanwhile; the rest only to send what is due, or under a layer.

use std::mem;
use std::task::{Context, Waker};

use plimsoll::ConnectionError;

use super::Slot;
use super::beside::Beside;
use super::flags::Flags;
use super::guard::Guard;
use super::parties::{Command, Core, Io, Party};
use super::place::{Place, discard};

/// What a read that has to wait wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    /// Whether output was offered in this poll. Once is enough, or a busy writer would starve the
    /// reader.
    pub(crate) has_offered: bool,
    /// Whether nothing is received while the output is full.
    pub(crate) pauses: bool,
    /// Whether bytes are buffered.
    pub(crate) has_buffered: bool,
}

/// What a read that has to wait finds.
pub(crate) enum ToRead<'a, C: Core, T: Io, M: Beside<C, T>> {
    /// Output that is due, and what it takes to send it; under a layer, also to receive.
    Send(Guard<'a, C, T, M>),
    /// The read half, to receive.
    Receive(ReadGuard<'a, C, T, M>),
    /// The input has come to its end.
    Ended(C::Ended),
    /// The connection was aborted, or its handler has ended.
    Aborted(ConnectionError),
    /// No more is to be read than what is buffered.
    Closed,
    /// Nothing yet. The reader is woken when there may be.
    Wait,
}

/// The same, before anything is taken out.
enum Found<E> {
    Send,
    Receive { core_is_out: bool },
    Ended(E),
    Aborted(ConnectionError),
    Closed,
    Wait { core_is_out: bool },
}

impl<C: Core, T: Io, M: Beside<C, T>> Slot<C, T, M> {
    /// Looks what a read that has to wait is to do, and takes out what it takes.
    pub(crate) fn look_to_read(&self, cx: &Context<'_>, wish: Wish) -> ToRead<'_, C, T, M> {
        let mut waker = None;
        loop {
            let mut place = self.lock();
            let found = place.find_to_read(wish);
            match found {
                Found::Ended(ended) => return ToRead::Ended(ended),
                Found::Aborted(loss) => return ToRead::Aborted(loss),
                Found::Closed => return ToRead::Closed,
                Found::Send => {
                    let taken = place.take(Party::Reader);
                    drop(place);
                    if let Some(guard) = self.guard(Party::Reader, taken) {
                        return ToRead::Send(guard);
                    }
                }
                Found::Receive { core_is_out } => {
                    if let Some(reading) = place.beside.reading() {
                        reading.waits_for_core |= core_is_out;
                        (reading.is_out, reading.is_called) = (true, false);
                        let read = reading.read.take();
                        drop(place);
                        return ToRead::Receive(ReadGuard { read, slot: self });
                    }
                }
                Found::Wait { core_is_out } => {
                    let Some(waker) = waker.take() else {
                        drop(place);
                        waker = Some(cx.waker().clone());
                        continue;
                    };
                    if place.core.is_some() && place.is_output_due() {
                        // It has come to be due since the offer, and found no waker.
                        drop(place);
                        waker.wake();
                        return ToRead::Wait;
                    }
                    let former = place.beside.reading().and_then(|reading| {
                        reading.waits_for_core |= core_is_out;
                        reading.waker.replace(waker)
                    });
                    drop(place);
                    drop(former);
                    return ToRead::Wait;
                }
            }
        }
    }

    /// Lets `look` see the read half, once it is back. `None` if it is gone.
    pub(crate) fn with_read_half<A>(&self, look: impl FnOnce(&T::Read) -> A) -> Option<A> {
        let mut place = self.lock();
        if let Some(reading) = place
            .beside
            .reading()
            .filter(|reading| reading.read.is_some())
        {
            (reading.is_out, reading.is_called) = (true, false);
            let read = reading.read.take();
            drop(place);
            return Some(look(ReadGuard { read, slot: self }.half()));
        }
        drop(place);
        // A layer has it, or the server, which discards input.
        let mut guard = self.take_whole(Party::Reader)?;
        guard.both().1?.read_half().map(look)
    }

    /// Puts the read half back, after a receive with this outcome.
    fn put_back_read(&self, read: Option<T::Read>, outcome: Received<C::End>) {
        let mut place = self.lock();
        let is_gone = place.aborted.is_some() || place.have_all_left() || place.is_core_gone();
        let is_due = place.core.is_some() && place.is_output_due();
        let Some(reading) = place.beside.reading() else {
            return;
        };
        reading.is_out = false;
        let (mut left, mut refused) = (None, None);
        if is_gone {
            left = read
        } else {
            reading.read = read
        }
        // What has come to be due since the reader offered it, it offers now.
        let is_called = mem::take(&mut reading.is_called) || is_due;
        let waits_for_server = mem::take(&mut reading.server_waits);
        let mut former = None;
        let mut own = None;
        match outcome {
            Received::Nothing => former = reading.waker.take(),
            Received::Bytes => {
                reading.moves = reading.moves.wrapping_add(1);
                former = reading.waker.take();
            }
            Received::Waits(waker) if is_called => own = Some(waker),
            Received::Waits(waker) => former = reading.waker.replace(waker),
            Received::Ended(end) => {
                former = reading.waker.take();
                // Of what was aborted, that may be why.
                if is_gone {
                    refused = Some(end)
                } else {
                    reading.end = Some(end)
                }
            }
        }
        let settles = reading.end.is_some();
        let server = self.take_wakers(&mut place, [false, waits_for_server, false])[1].take();
        let core = if settles {
            place.take_core(Party::Reader)
        } else {
            None
        };
        drop(place);
        discard((left, refused));
        drop(former);
        if core.is_some() {
            self.put_back((core, None), Party::Reader, true, None);
        }
        [own, server].into_iter().flatten().for_each(Waker::wake);
    }
}

impl<C: Core, T: Io, M: Beside<C, T>> Place<C, T, M> {
    fn find_to_read(&self, wish: Wish) -> Found<C::Ended> {
        let Some(reading) = self.beside.peek() else {
            return Found::Aborted(ConnectionError::Aborted);
        };
        if let Some(ended) = &reading.ended {
            return Found::Ended(ended.clone());
        }
        if let Some(loss) = self.aborted {
            return Found::Aborted(loss);
        }
        let core_is_out = self.core.is_none() || self.transport.is_none();
        if reading.end.is_some() {
            // The core has to say what it is.
            return Found::Wait { core_is_out };
        }
        if reading.handler_has_ended {
            return Found::Aborted(ConnectionError::Aborted);
        }
        if reading.is_closed && !wish.has_buffered {
            return Found::Closed;
        }
        let has_read_half = reading.read.is_some();
        // A transport may have come to take more without a word.
        let has_output = self.flags.any(Flags::OUTPUT) && !wish.has_offered;
        if !core_is_out && (!has_read_half || has_output) {
            return Found::Send;
        }
        if !has_read_half || wish.pauses && (core_is_out || reading.pressure.is_full) {
            return Found::Wait { core_is_out };
        }
        Found::Receive { core_is_out }
    }
}

/// What came of a receive.
enum Received<E> {
    Nothing,
    Bytes,
    Waits(Waker),
    Ended(E),
}

/// The read half, while the reader receives. Dropping it puts it back.
pub(crate) struct ReadGuard<'a, C: Core, T: Io, M: Beside<C, T>> {
    /// `None` only once it was put back.
    read: Option<T::Read>,
    slot: &'a Slot<C, T, M>,
}

impl<C: Core, T: Io, M: Beside<C, T>> ReadGuard<'_, C, T, M> {
    pub(crate) fn half(&mut self) -> &mut T::Read {
        self.read.as_mut().expect("a read half that is out")
    }

    /// Puts it back after bytes were received.
    pub(crate) fn received(mut self) {
        let read = self.read.take();
        self.slot.put_back_read(read, Received::Bytes);
    }

    /// Puts it back for a poll that is pending, and registers the reader.
    pub(crate) fn wait(mut self, cx: &Context<'_>) {
        let waker = cx.waker().clone();
        let read = self.read.take();
        self.slot.put_back_read(read, Received::Waits(waker));
    }

    /// Puts it back at the end of the input, which the core is told of when it is back.
    pub(crate) fn end(mut self, end: C::End) {
        let read = self.read.take();
        self.slot.put_back_read(read, Received::Ended(end));
    }
}

/// While a panic unwinds, the connection is aborted: what the transport has done is not known.
impl<C: Core, T: Io, M: Beside<C, T>> Drop for ReadGuard<'_, C, T, M> {
    fn drop(&mut self) {
        if let Some(read) = self.read.take() {
            self.slot.put_back_read(Some(read), Received::Nothing);
            if std::thread::panicking() {
                self.slot.command(Command::Abort(ConnectionError::Aborted));
            }
        }
    }
}

impl<C: Core, T: Io, M: Beside<C, T>> Guard<'_, C, T, M> {
    /// Puts everything back at the end of the input, which the core is told of.
    pub(crate) fn end_input(self, end: C::End) {
        if let Some(reading) = self.slot.lock().beside.reading() {
            reading.end = Some(end);
        }
        drop(self);
    }

    /// Puts everything back after bytes were received.
    pub(crate) fn received(self) {
        if let Some(reading) = self.slot.lock().beside.reading() {
            reading.moves = reading.moves.wrapping_add(1);
        }
        drop(self);
    }
}
