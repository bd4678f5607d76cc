//! One direction of a simulated connection, with every fault that a transport may have.
#![allow(
    dead_code,
    reason = "each simulation, and each fuzz target, uses a part of it"
)]

use std::collections::VecDeque;

use plimsoll::Loss;
use plimsoll::testing::Fault;

use super::choices::Choices;
use super::random::mix;

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
    const KINDS: [(Kind, &'static str); 12] = [
        (Kind::ShortRead, "short reads"),
        (Kind::PartialWrite, "partial writes"),
        (Kind::ReadBlocked, "blocked reads"),
        (Kind::WriteBlocked, "blocked writes"),
        (Kind::Interruption, "interruptions"),
        (Kind::Stall, "stalls"),
        (Kind::HalfClose, "half-closes"),
        (Kind::Reset, "resets"),
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

/// One direction: bytes on their way, and what comes behind them.
#[derive(Debug)]
pub struct Wire {
    in_flight: VecDeque<u8>,
    /// Most bytes on their way. Never zero.
    capacity: usize,
    end: Option<End>,
    /// How many calls in a row would still block.
    stalled_for: usize,
    /// Whether nobody will read any more.
    is_unread: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Fin,
    Reset,
}

impl Wire {
    pub fn new(choices: &mut Choices) -> Self {
        Self {
            in_flight: VecDeque::new(),
            capacity: choices.of(&[64, 1, 7, 1000]),
            end: None,
            stalled_for: 0,
            is_unread: false,
        }
    }

    /// Takes bytes off the wire; zero at its end.
    pub fn read(
        &mut self,
        room: &mut [u8],
        choices: &mut Choices,
        faults: &mut Faults,
    ) -> Result<usize, Fault> {
        if self.end == Some(End::Reset) {
            return Err(Fault::Lost(Loss::Reset));
        }
        if self.in_flight.is_empty() && self.end.is_none() {
            return Err(Fault::WouldBlock);
        }
        self.hold_up(Kind::ReadBlocked, choices, faults)?;
        let most = room.len().min(self.in_flight.len());
        let count = shortened(most, Kind::ShortRead, choices, faults);
        for (room, byte) in room.iter_mut().zip(self.in_flight.drain(..count)) {
            *room = byte;
        }
        Ok(count)
    }

    /// Puts the beginning of `bytes`, which are `len`, on the wire.
    pub fn write(
        &mut self,
        bytes: impl Iterator<Item = u8>,
        len: usize,
        choices: &mut Choices,
        faults: &mut Faults,
    ) -> Result<usize, Fault> {
        if self.end.is_some() || self.is_unread {
            return Err(Fault::Lost(Loss::Reset));
        }
        if self.is_full() {
            return Err(Fault::WouldBlock);
        }
        self.hold_up(Kind::WriteBlocked, choices, faults)?;
        let most = len.min(self.capacity - self.in_flight.len());
        let count = shortened(most, Kind::PartialWrite, choices, faults);
        self.in_flight.extend(bytes.take(count));
        Ok(count)
    }

    /// Ends the stream behind what is on its way.
    pub fn shut_down(&mut self, choices: &mut Choices, faults: &mut Faults) -> Result<(), Fault> {
        self.hold_up(Kind::WriteBlocked, choices, faults)?;
        self.end.get_or_insert(End::Fin);
        Ok(())
    }

    /// Drops what is on its way, and makes both sides see a loss.
    pub fn reset(&mut self) {
        self.in_flight.clear();
        self.end = Some(End::Reset);
    }

    /// Ends the stream as a transport does that is dropped.
    pub fn drop_writer(&mut self) {
        self.end.get_or_insert(End::Fin);
    }

    /// What is on its way from now on reaches nobody, and writes fail.
    pub fn drop_reader(&mut self) {
        self.is_unread = true;
    }

    /// Makes room, so that what is left passes soon.
    pub fn widen(&mut self) {
        self.capacity = 1000;
    }

    pub fn is_full(&self) -> bool {
        self.in_flight.len() >= self.capacity
    }

    pub fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    pub fn is_reset(&self) -> bool {
        self.end == Some(End::Reset)
    }

    pub fn len(&self) -> usize {
        self.in_flight.len()
    }

    /// Whether a call that would block now may be made again with success, though nothing has moved.
    pub fn hold_up(
        &mut self,
        blocked: Kind,
        choices: &mut Choices,
        faults: &mut Faults,
    ) -> Result<(), Fault> {
        if self.stalled_for > 0 {
            self.stalled_for -= 1;
            return Err(Fault::WouldBlock);
        }
        let (kind, fault) = match choices.below(24) {
            20 | 21 => (blocked, Fault::WouldBlock),
            22 => (Kind::Interruption, Fault::Interrupted),
            23 => {
                self.stalled_for = choices.below(30);
                (Kind::Stall, Fault::WouldBlock)
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
