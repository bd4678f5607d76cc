//! A simulated connection, with every fault that a transport may have, and what the system makes of it.
#![allow(
    dead_code,
    reason = "each simulation, and each fuzz target, uses a part of it"
)]

use std::collections::VecDeque;

use plimsoll::{ConnectionError, TransportError};

use crate::choices::Choices;
use crate::random::mix;

/// What can go wrong in a run, each of which a campaign has to have had often enough.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A read got fewer bytes than were there.
    ShortRead,
    /// A write took fewer bytes than there was room for.
    PartialWrite,
    /// A read would block though something was there.
    ReadBlocked,
    /// A write would block though there was room.
    WriteBlocked,
    Interruption,
    /// Nothing passed for a while.
    Stall,
    /// A direction ended while the other one went on.
    HalfClose,
    /// The connection was reset: by the network, or because a side gave it up.
    Reset,
    /// A loss was reported to a call that sends, so that receives return zero.
    HiddenLoss,
    /// A send found that the peer receives no more.
    BrokenPipe,
    /// A shutdown found nothing that it is connected to.
    NotConnected,
    /// A pipe ended because its writer was dropped.
    DroppedPipe,
    /// A read or another operation was given up while it waited.
    Cancellation,
    /// A side did not read until the wire to it was full.
    SlowReader,
    /// A count or an error that no transport should give.
    Lie,
    /// A side ran out of time.
    Deadline,
}

/// How often each kind of fault occurred.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Faults([u64; Faults::KINDS.len()]);

impl Faults {
    const KINDS: [(Kind, &'static str); 16] = [
        (Kind::ShortRead, "short reads"),
        (Kind::PartialWrite, "partial writes"),
        (Kind::ReadBlocked, "blocked reads"),
        (Kind::WriteBlocked, "blocked writes"),
        (Kind::Interruption, "interruptions"),
        (Kind::Stall, "stalls"),
        (Kind::HalfClose, "half-closes"),
        (Kind::Reset, "resets"),
        (Kind::HiddenLoss, "losses met by sends"),
        (Kind::BrokenPipe, "broken pipes"),
        (Kind::NotConnected, "shutdowns of nothing"),
        (Kind::DroppedPipe, "dropped pipes"),
        (Kind::Cancellation, "cancellations"),
        (Kind::SlowReader, "slow readers"),
        (Kind::Lie, "lies"),
        (Kind::Deadline, "deadlines"),
    ];

    pub fn count(&mut self, kind: Kind) {
        self.0[kind as usize] += 1;
    }

    pub fn add(&mut self, other: &Self) {
        for (sum, count) in self.0.iter_mut().zip(other.0) {
            *sum += count;
        }
    }

    /// The counts with their names, but for what cannot go wrong.
    pub fn counts(&self, never: &[Kind]) -> Vec<(&'static str, u64)> {
        let kinds = Self::KINDS.iter().filter(|(kind, _)| !never.contains(kind));
        kinds
            .map(|(kind, name)| (*name, self.0[*kind as usize]))
            .collect()
    }
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Ran {
    pub faults: Faults,
    /// How often something happened.
    pub steps: u64,
    /// How many bytes arrived.
    pub bytes: u64,
    /// Stands for everything that happened, in its order.
    pub trace: u64,
}

impl Ran {
    pub fn add(&mut self, other: &Self) {
        self.faults.add(&other.faults);
        self.steps += other.steps;
        self.bytes += other.bytes;
    }
}

/// What carries a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Medium {
    /// A socket over a network, as Linux has it: an error is reported once, and a reset is met by the
    /// call that comes first.
    Tcp,
    /// A socket of one machine: what a peer leaves unread resets the other side.
    Unix,
    /// Two pipes, each with an end and errors of its own. A pipe ends when its writer is dropped.
    Pipes,
}

/// The transports of both sides, and the two wires between them.
///
/// | a socket that was reset | before the peer's end had arrived | after it |
/// | --- | --- | --- |
/// | read | what had arrived, the reset, then zero | what had arrived, then zero |
/// | write | the reset, unless it was reported, then `BrokenPipe` | `BrokenPipe` |
/// | flush | the reset, unless it was reported | |
/// | shutdown | `NotConnected`; the reset stays to be reported | `NotConnected` |
#[derive(Debug)]
pub struct Link {
    medium: Medium,
    /// The wire that each side writes to.
    wires: [Wire; 2],
    sockets: [Socket; 2],
}

/// A side's end of both wires.
#[derive(Clone, Copy, Debug, Default)]
struct Socket {
    /// What has happened to it, and was not reported.
    error: Option<ConnectionError>,
    /// Whether it is connected no more.
    is_dead: bool,
    /// Whether a read has returned zero, at the end of the peer's stream.
    has_read_end: bool,
    /// Whether something of what it was sent may be gone.
    was_cut_off: bool,
}

/// One direction: bytes on their way, and what comes after them.
#[derive(Debug)]
struct Wire {
    in_flight: VecDeque<u8>,
    /// Most bytes on their way. Never zero.
    capacity: usize,
    /// Whether the writer has ended its stream.
    has_end: bool,
    /// Why nothing passes any more. Only of a pipe.
    failure: Option<ConnectionError>,
    /// How many calls in a row would still block.
    stalled_for: usize,
    /// Whether the reading side is gone.
    is_unread: bool,
}

impl Link {
    /// A connection over one of `media`.
    pub fn new(choices: &mut Choices, media: &[Medium]) -> Self {
        Self {
            medium: choices.of(media),
            wires: [(); 2].map(|()| Wire::new(choices)),
            sockets: [Socket::default(); 2],
        }
    }

    /// Receives what a side was sent; zero at the end, and after a loss.
    pub fn read(
        &mut self,
        side: usize,
        room: &mut [u8],
        choices: &mut Choices,
        faults: &mut Faults,
    ) -> Result<usize, TransportError> {
        let (wire, socket) = (&mut self.wires[1 - side], &mut self.sockets[side]);
        if let Some(error) = wire.failure {
            return Err(error.into());
        }
        if wire.in_flight.is_empty() && !wire.has_end {
            return match socket.error.take() {
                Some(error) => Err(error.into()),
                None if socket.is_dead => Ok(0),
                None => Err(TransportError::WouldBlock),
            };
        }
        wire.hold_up(Kind::ReadBlocked, choices, faults)?;
        let most = room.len().min(wire.in_flight.len());
        let count = shortened(most, Kind::ShortRead, choices, faults);
        for (room, byte) in room.iter_mut().zip(wire.in_flight.drain(..count)) {
            *room = byte;
        }
        socket.has_read_end |= count == 0;
        Ok(count)
    }

    /// Sends the beginning of `bytes`, which are `len`.
    pub fn write(
        &mut self,
        side: usize,
        bytes: impl Iterator<Item = u8>,
        len: usize,
        choices: &mut Choices,
        faults: &mut Faults,
    ) -> Result<usize, TransportError> {
        self.report(side, faults)?;
        let (wire, socket) = (&mut self.wires[side], &self.sockets[side]);
        // Over a network a side learns that its peer is gone by the reply to what it sends.
        let is_unread = wire.is_unread && self.medium != Medium::Tcp;
        if socket.is_dead || wire.has_end || is_unread {
            faults.count(Kind::BrokenPipe);
            return Err(ConnectionError::BrokenPipe.into());
        }
        if wire.is_full() && !wire.is_unread {
            return Err(TransportError::WouldBlock);
        }
        wire.hold_up(Kind::WriteBlocked, choices, faults)?;
        if wire.is_unread {
            self.reset_side(side, choices);
            return Ok(len);
        }
        let most = len.min(wire.capacity - wire.in_flight.len());
        let count = shortened(most, Kind::PartialWrite, choices, faults);
        wire.in_flight.extend(bytes.take(count));
        Ok(count)
    }

    /// Sends what is held back, which is nothing; it may still meet a loss.
    pub fn flush(
        &mut self,
        side: usize,
        choices: &mut Choices,
        faults: &mut Faults,
    ) -> Result<(), TransportError> {
        self.report(side, faults)?;
        self.wires[side].hold_up(Kind::WriteBlocked, choices, faults)
    }

    /// Ends the stream of a socket after what is on its way. A pipe ends by being
    /// [dropped](Self::drop_writer).
    pub fn shut_down(
        &mut self,
        side: usize,
        choices: &mut Choices,
        faults: &mut Faults,
    ) -> Result<(), TransportError> {
        if self.sockets[side].is_dead && self.medium == Medium::Tcp {
            faults.count(Kind::NotConnected);
            return Err(ConnectionError::NotConnected.into());
        }
        self.wires[side].hold_up(Kind::WriteBlocked, choices, faults)?;
        self.wires[side].has_end |= self.medium != Medium::Pipes;
        Ok(())
    }

    /// Drops what a side writes to, which is the end of a pipe, in order or not.
    ///
    /// Half a socket cannot be dropped.
    pub fn drop_writer(&mut self, side: usize, in_order: bool, faults: &mut Faults) {
        if self.medium == Medium::Pipes && !self.wires[side].has_end {
            self.wires[side].has_end = true;
            self.sockets[1 - side].was_cut_off |= !in_order;
            faults.count(Kind::DroppedPipe);
        }
    }

    /// A side closes its transport after it has ended its stream, or as if it had.
    pub fn close(&mut self, side: usize, choices: &mut Choices, faults: &mut Faults) {
        self.drop_writer(side, true, faults);
        let has_unread = self.drop_reader(side);
        self.wires[side].has_end |= !self.sockets[side].is_dead;
        match self.medium {
            Medium::Tcp if has_unread => self.reset_side(1 - side, choices),
            Medium::Unix if has_unread => {
                // The peer still reads all that it was sent, then the reset takes the place of the end.
                let peer = &mut self.sockets[1 - side];
                peer.is_dead = true;
                if !peer.has_read_end {
                    peer.error = Some(ConnectionError::Reset);
                    peer.was_cut_off = true;
                    self.wires[side].has_end = false;
                }
            }
            _ => {}
        }
    }

    /// A side gives its transport up. Only over a network the peer can tell that from an end in order.
    pub fn abort(&mut self, side: usize, choices: &mut Choices, faults: &mut Faults) {
        if self.medium != Medium::Tcp {
            self.sockets[1 - side].was_cut_off |= !self.wires[side].has_end;
            return self.close(side, choices, faults);
        }
        self.drop_reader(side);
        self.sockets[side].is_dead = true;
        if !self.sockets[1 - side].is_dead {
            faults.count(Kind::Reset);
            self.reset_side(1 - side, choices);
        }
    }

    /// A side reads no more. Returns whether something is left unread.
    fn drop_reader(&mut self, side: usize) -> bool {
        let wire = &mut self.wires[1 - side];
        let has_unread = !wire.in_flight.is_empty();
        wire.is_unread = true;
        wire.in_flight.clear();
        has_unread
    }

    /// The network loses the connection, or a pipe breaks.
    pub fn reset(&mut self, choices: &mut Choices, faults: &mut Faults) {
        match self.medium {
            Medium::Tcp => self.lose(choices),
            // There is no network.
            Medium::Unix => return,
            Medium::Pipes => {
                let pipe = choices.below(2);
                self.wires[pipe].failure = Some(ConnectionError::Transport);
                for socket in &mut self.sockets {
                    socket.was_cut_off = true;
                }
            }
        }
        faults.count(Kind::Reset);
    }

    /// Both sides learn that the connection is lost.
    pub fn lose(&mut self, choices: &mut Choices) {
        self.reset_side(0, choices);
        self.reset_side(1, choices);
    }

    /// A side learns that the connection is lost. Some of what is on its way to it has arrived.
    fn reset_side(&mut self, side: usize, choices: &mut Choices) {
        let (wire, socket) = (&mut self.wires[1 - side], &mut self.sockets[side]);
        if socket.is_dead {
            return;
        }
        socket.is_dead = true;
        let len = wire.in_flight.len();
        let arrived = choices.below(len + 2).min(len);
        let has_end = arrived == len && wire.has_end && choices.below(2) == 1;
        if !has_end && !socket.has_read_end {
            wire.in_flight.truncate(arrived);
            wire.has_end = false;
            socket.was_cut_off = true;
            let errors = [ConnectionError::Reset, ConnectionError::TimedOut];
            socket.error = Some(choices.of(&errors));
        }
    }

    /// A call that sends meets what has happened, which is reported once.
    fn report(&mut self, side: usize, faults: &mut Faults) -> Result<(), TransportError> {
        if let Some(error) = self.wires[side].failure {
            return Err(error.into());
        }
        // A socket of one machine keeps it for reads.
        if self.medium == Medium::Unix {
            return Ok(());
        }
        match self.sockets[side].error.take() {
            Some(error) => {
                faults.count(Kind::HiddenLoss);
                Err(error.into())
            }
            None => Ok(()),
        }
    }

    /// Makes room, so that what is left passes soon.
    pub fn widen(&mut self) {
        for wire in &mut self.wires {
            wire.capacity = 1000;
        }
    }

    pub fn medium(&self) -> Medium {
        self.medium
    }

    /// Whether the peer's stream, as it arrives at a side, has an end in order.
    pub fn has_end(&self, side: usize) -> bool {
        self.wires[1 - side].has_end
    }

    /// Whether a side has learnt of a loss, or will.
    pub fn was_cut_off(&self, side: usize) -> bool {
        self.sockets[side].was_cut_off
    }

    /// Whether a side is connected no more.
    pub fn is_dead(&self, side: usize) -> bool {
        self.sockets[side].is_dead
    }

    /// How many bytes are on their way to a side.
    pub fn len(&self, side: usize) -> usize {
        self.wires[1 - side].in_flight.len()
    }

    /// Whether no more passes to a side before it reads.
    pub fn is_full(&self, side: usize) -> bool {
        self.wires[1 - side].is_full()
    }

    /// Whether a call of a side has to wait for the other one.
    pub fn has_to_wait(&self, side: usize, is_read: bool) -> bool {
        let socket = &self.sockets[side];
        if socket.is_dead {
            return false;
        }
        if is_read {
            let wire = &self.wires[1 - side];
            wire.in_flight.is_empty() && !wire.has_end && wire.failure.is_none()
        } else {
            let wire = &self.wires[side];
            wire.is_full() && !wire.is_unread && wire.failure.is_none()
        }
    }
}

impl Wire {
    fn new(choices: &mut Choices) -> Self {
        Self {
            in_flight: VecDeque::new(),
            capacity: choices.of(&[64, 1, 7, 1000]),
            has_end: false,
            failure: None,
            stalled_for: 0,
            is_unread: false,
        }
    }

    fn is_full(&self) -> bool {
        self.in_flight.len() >= self.capacity
    }

    /// Whether a call that would block now may be made again with success, though nothing has moved.
    fn hold_up(
        &mut self,
        blocked: Kind,
        choices: &mut Choices,
        faults: &mut Faults,
    ) -> Result<(), TransportError> {
        if self.stalled_for > 0 {
            self.stalled_for -= 1;
            return Err(TransportError::WouldBlock);
        }
        let (kind, fault) = match choices.below(24) {
            20 | 21 => (blocked, TransportError::WouldBlock),
            22 => (Kind::Interruption, TransportError::Interrupted),
            23 => {
                self.stalled_for = choices.below(30);
                (Kind::Stall, TransportError::WouldBlock)
            }
            _ => return Ok(()),
        };
        faults.count(kind);
        Err(fault)
    }
}

/// All of `most`, or fewer, but never none of some.
fn shortened(most: usize, kind: Kind, choices: &mut Choices, faults: &mut Faults) -> usize {
    if most < 2 || choices.below(2) == 0 {
        return most;
    }
    let count = 1 + choices.below(most);
    if count < most {
        faults.count(kind);
    }
    count
}

/// The byte at a place of what a side sends: never periodic, and every few bytes something that ends a
/// frame.
pub fn byte_at(side: usize, place: u64) -> u8 {
    let letter = mix(place.wrapping_mul(2).wrapping_add(side as u64)) >> 60;
    b"aaabbbcd;ef\r\r\r\n\n"[letter as usize]
}

/// The bytes from a place on.
pub fn bytes_from(side: usize, place: u64, count: usize) -> Vec<u8> {
    (place..place + count as u64)
        .map(|place| byte_at(side, place))
        .collect()
}
