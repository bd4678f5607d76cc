//! Two connections of the core and the wires between them, on one thread, one step after the other.
//!
//! While there are decisions to take, anything may happen: safety is checked after every step. Then
//! nothing goes wrong any more, and both sides have to come to their ends.

use bytes::{Buf, Bytes};
use plimsoll::testing::Fault;
use plimsoll::{Connection, ConnectionState, Loss, WaterMarks, WriterState};

use super::choices::Choices;
use super::reader_model::{
    End, Outcome, Read, ReaderModel, ask, assert_same_state, most_held, wanted_behind,
};
use super::reads::some_read;
use super::wire::{Kind, Ran, Wire, byte_at, bytes_from};

/// The smallest block of a writer. Larger ones are twice as large as what was in them and the one before.
const SMALLEST_BLOCK: usize = 512;

/// Runs two endpoints until both have come to their ends.
///
/// # Panics
///
/// If bytes are lost, doubled or out of order, if more is held than may be, if a side sees a clean end
/// before the other has finished, or if they do not come to their ends once nothing goes wrong.
pub fn run(choices: Choices) -> Ran {
    let mut run = Run::new(choices);
    while !run.choices.are_over() {
        let side = run.choices.below(2);
        run.step(side);
    }
    run.come_to_an_end();
    run.ran.trace = run.choices.trace();
    run.ran
}

struct Run {
    choices: Choices,
    sides: [Side; 2],
    /// The wire that each side writes to.
    wires: [Wire; 2],
    ran: Ran,
}

struct Side {
    connection: Connection,
    model: ReaderModel,
    /// The read that waits.
    waiting: Option<Read>,
    /// How many bytes that read, or the one before it, has asked for by count.
    wanted: usize,
    /// Most bytes to receive at once.
    read_size: usize,
    /// How many turns this side still does not read in.
    slow_for: usize,
    /// How many bytes the writer has accepted, and how many of them it has sent.
    accepted: u64,
    sent: u64,
    /// How many bytes came off the wire, and how many the reader was given before this side closed.
    arrived: u64,
    received: u64,
    most_pending: usize,
    /// Whether this side has left the wires.
    is_gone: bool,
    /// Whether this side gave the connection up, or the network did.
    was_reset: bool,
}

impl Run {
    fn new(mut choices: Choices) -> Self {
        let sides = [(); 2].map(|()| Side::new(&mut choices));
        let wires = [(); 2].map(|()| Wire::new(&mut choices));
        Self {
            choices,
            sides,
            wires,
            ran: Ran::default(),
        }
    }

    /// Something happens to a side.
    fn step(&mut self, side: usize) {
        self.ran.steps += 1;
        let action = self.choices.below(22);
        self.choices.note((side * 22 + action) as u64);
        match action {
            0..=4 => self.receive(side),
            5..=8 => self.send(side),
            9..=12 => self.read(side),
            13..=16 => self.write(side),
            17 => self.give_up_waiting(side),
            18 => self.configure(side),
            19 => self.sides[side].slow_for = 6,
            _ => self.disturb(side),
        }
        self.check(side);
    }

    /// The driver receives once.
    fn receive(&mut self, side: usize) {
        let Self {
            choices,
            sides,
            wires,
            ran,
        } = self;
        let wire = &mut wires[1 - side];
        let this = &mut sides[side];
        if this.slow_for > 0 {
            this.slow_for -= 1;
            if this.slow_for == 0 && wire.is_full() {
                ran.faults.count(Kind::SlowReader);
            }
            return;
        }
        if !this.connection.reader.wants_read() || this.is_gone {
            return;
        }
        let unread = this.connection.reader.buffered().len();
        let room = this.connection.reader.input(this.read_size);
        assert!(!room.is_empty(), "room is never none");
        let answer = wire.read(room, choices, &mut ran.faults);
        choices.note(answer.unwrap_or(usize::MAX) as u64);
        match answer {
            Ok(count) => {
                let right = room[..count]
                    .iter()
                    .enumerate()
                    .all(|(place, byte)| *byte == byte_at(1 - side, this.arrived + place as u64));
                assert!(right, "side {side}: bytes were lost, doubled or exchanged");
                this.model.feed(&room[..count]);
                this.connection.reader.commit(count);
                this.arrived += count as u64;
                this.received += count as u64;
                ran.bytes += count as u64;
                if count == 0 {
                    this.connection.reader.feed_eof();
                    this.model.end.get_or_insert(End::Eof);
                    self.check_clean_end(side);
                }
            }
            Err(fault) => {
                this.connection.reader.commit(0);
                if let Fault::Lost(loss) = fault {
                    this.lose(loss);
                }
            }
        }
        self.check_bound(side, unread);
    }

    /// The driver makes one call to send.
    fn send(&mut self, side: usize) {
        let Self {
            choices,
            sides,
            wires,
            ran,
        } = self;
        let peer_has_ended = wires[1 - side].has_ended();
        let (wire, this) = (&mut wires[side], &mut sides[side]);
        let writer = &mut this.connection.writer;
        if this.is_gone {
            return;
        }
        let answer = if writer.wants_write() {
            let mut output = writer.output();
            let mut slices = [std::io::IoSlice::new(&[]); 8];
            let filled = output.chunks_vectored(&mut slices);
            let slices = &slices[..filled];
            assert!(slices.iter().all(|slice| !slice.is_empty()));
            let bytes = slices.iter().flat_map(|slice| slice.iter().copied());
            let len = slices.iter().map(|slice| slice.len()).sum();
            let answer = wire.write(bytes, len, choices, &mut ran.faults);
            if let Ok(count) = answer {
                output.advance(count);
                this.sent += count as u64;
                let is_low = writer.pending() <= writer.water_marks().low();
                assert!(
                    !(is_low && writer.is_full()),
                    "side {side}: room at the low mark"
                );
            }
            answer
        } else if writer.wants_shutdown() {
            let answer = wire.shut_down(choices, &mut ran.faults);
            if answer.is_ok() {
                writer.shutdown_done();
                if !peer_has_ended {
                    ran.faults.count(Kind::HalfClose);
                }
            }
            answer.map(|()| 0)
        } else {
            return;
        };
        self.choices.note(answer.unwrap_or(usize::MAX) as u64);
        if let Err(Fault::Lost(loss)) = answer {
            // What the peer sent before it was gone may still come.
            self.sides[side].connection.writer.lost(loss);
        }
    }

    /// The user goes on with the read that waits, or begins one.
    fn read(&mut self, side: usize) {
        let read = match self.sides[side].waiting.take() {
            Some(read) => read,
            None => some_read(|end| self.choices.below(end)),
        };
        self.ask(side, read);
    }

    fn ask(&mut self, side: usize, read: Read) {
        let this = &mut self.sides[side];
        let outcome = ask(&mut this.connection.reader, &read);
        assert_eq!(outcome, this.model.read(&read), "side {side}: {read:?}");
        let waits = outcome == Outcome::NeedInput;
        let reader = &this.connection.reader;
        let is_idle = waits && reader.buffered().is_empty();
        assert!(
            !is_idle || reader.capacity() == 0,
            "side {side}: an idle reader holds nothing"
        );
        this.wanted = wanted_behind(this.wanted, &read, &outcome);
        self.choices.note(match &outcome {
            Outcome::Frame { bytes, .. } | Outcome::Peeked(bytes) => bytes.len() as u64,
            Outcome::Skipped(index) => 1 << 32 | *index as u64,
            Outcome::NeedInput => 2 << 32,
            Outcome::Failed(_) => 3 << 32,
        });
        this.waiting = waits.then_some(read);
    }

    /// The user writes, in one of three ways.
    fn write(&mut self, side: usize) {
        let len = match self.choices.below(16) {
            15 => 500 + self.choices.below(200),
            short => short,
        };
        let way = self.choices.below(3);
        let this = &mut self.sides[side];
        let data = bytes_from(side, this.accepted, len);
        let writer = &mut this.connection.writer;
        let (pending, state) = (writer.pending(), writer.state());
        let written = match way {
            0 => writer.write(&data),
            1 => writer.write_bytes(Bytes::from(data)),
            _ => {
                let (first, rest) = data.split_at(len / 3);
                writer.write_vectored(&[first, &[], rest])
            }
        };
        let expected = state == WriterState::Open && (len == 0 || pending + len <= writer.cap());
        assert_eq!(written.is_ok(), expected, "side {side}: {written:?}");
        if expected {
            this.accepted += len as u64;
            this.most_pending = this.most_pending.max(writer.pending());
        }
        self.choices.note(len as u64);
    }

    /// The user no longer waits, and will ask for something else.
    fn give_up_waiting(&mut self, side: usize) {
        if self.sides[side].waiting.take().is_some() {
            self.ran.faults.count(Kind::Cancellation);
        }
    }

    fn configure(&mut self, side: usize) {
        let size = [16, 1, 2, 100, 1000][self.choices.below(5)];
        let this = &mut self.sides[side];
        match self.choices.below(4) {
            0 => {
                this.connection.reader.set_limit(size);
                this.model.set_limit(size);
            }
            1 => this.read_size = size,
            2 => this
                .connection
                .writer
                .set_water_marks(WaterMarks::with_high(size)),
            _ => this.connection.writer.set_cap(size * 10),
        }
    }

    /// Something that happens seldom.
    fn disturb(&mut self, side: usize) {
        let this = &mut self.sides[side];
        match self.choices.below(64) {
            1..=8 => this.connection.writer.finish(),
            9 => {
                this.connection.close();
                this.model.end.get_or_insert(End::Closed);
            }
            10 => this.lose(Loss::Aborted),
            11 => self.reset(),
            _ => {}
        }
    }

    /// The network, or a side, ends the connection.
    fn reset(&mut self) {
        self.ran.faults.count(Kind::Reset);
        for (side, wire) in self.sides.iter_mut().zip(&mut self.wires) {
            side.was_reset = true;
            wire.reset();
        }
    }

    /// What must hold at any time.
    fn check(&mut self, side: usize) {
        let this = &mut self.sides[side];
        assert_same_state(&this.connection.reader, &this.model, this.received);
        let writer = &this.connection.writer;
        let pending = writer.pending();
        if !matches!(writer.state(), WriterState::Lost(_)) {
            assert_eq!(this.accepted, this.sent + pending as u64, "side {side}");
        }
        let slack = SMALLEST_BLOCK.max(2 * this.most_pending);
        assert!(writer.capacity() <= pending + slack, "side {side}");
        assert!(pending > 0 || writer.capacity() == 0, "side {side}");
        let ends_early = writer.wants_shutdown() && writer.wants_write();
        assert!(
            !ends_early,
            "side {side}: the end comes behind the last byte"
        );

        match this.connection.state() {
            ConnectionState::Closed if !this.is_gone => {
                this.is_gone = true;
                self.wires[1 - side].drop_reader();
            }
            ConnectionState::Lost(loss)
                if !this.is_gone && this.connection.reader.loss() == Some(loss) =>
            {
                // A driver closes the transport, and the peer sees that it was not in order.
                this.is_gone = true;
                self.wires[1 - side].drop_reader();
                if !matches!(
                    this.connection.writer.state(),
                    WriterState::Finished | WriterState::Closed
                ) {
                    self.reset();
                }
            }
            _ => {}
        }
        let (one, other) = (&self.sides[side], &self.sides[1 - side]);
        let on_the_way = self.wires[side].len() as u64;
        let lost = one.was_reset || other.is_gone;
        assert!(
            lost || one.sent == other.arrived + on_the_way,
            "nothing vanishes on the wire"
        );
    }

    /// How much the reader may hold, once it has received on top of `unread` bytes.
    fn check_bound(&self, side: usize, unread: usize) {
        let this = &self.sides[side];
        let reader = &this.connection.reader;
        let most = most_held(reader.limit(), this.wanted, unread, this.read_size);
        let held = reader.capacity();
        assert!(held <= most, "side {side}: {held} > {most}");
    }

    /// Whoever sees the end of the stream has seen all of it.
    fn check_clean_end(&self, side: usize) {
        let peer = &self.sides[1 - side];
        assert!(
            matches!(
                peer.connection.writer.state(),
                WriterState::Finished | WriterState::Closed
            ),
            "side {side}: a clean end, but the peer has not finished"
        );
        assert_eq!(
            self.sides[side].arrived, peer.accepted,
            "side {side}: the end came too early"
        );
    }

    /// Nothing goes wrong any more: both sides send what is left, finish, and read to the end.
    fn come_to_an_end(&mut self) {
        for side in &mut self.sides {
            side.slow_for = 0;
            side.read_size = 500;
            side.connection.writer.finish();
        }
        self.wires.iter_mut().for_each(Wire::widen);
        let left: u64 = self
            .sides
            .iter()
            .map(|side| side.accepted - side.sent)
            .sum();
        let on_the_way: usize = self.wires.iter().map(Wire::len).sum();
        let unread = |side: &Side| side.connection.reader.buffered().len();
        let unread: usize = self.sides.iter().map(unread).sum();
        // One byte in each round, the longest stall, and some rounds to notice the end.
        let mut rounds = left + (on_the_way + unread) as u64 + 40;
        while !(0..2).all(|side| self.is_done(side)) {
            if rounds == 0 {
                // Two sides that have closed, and both have more to send than the wires hold, read no more.
                let states = [0, 1].map(|side| self.sides[side].connection.state());
                assert_eq!(states, [ConnectionState::Closing; 2], "no end is reached");
                self.sides[0].lose(Loss::TimedOut);
                rounds = 40;
            }
            rounds -= 1;
            for side in 0..2 {
                self.send(side);
                self.receive(side);
                // A read that was begun must not be in the way of others.
                self.sides[side].waiting = None;
                self.ask(side, Read::Some(64));
                self.check(side);
                self.ran.steps += 1;
            }
        }
        for side in 0..2 {
            let (this, peer) = (&self.sides[side], &self.sides[1 - side]);
            if !this.was_reset && this.model.end != Some(End::Closed) {
                assert!(this.connection.reader.at_eof(), "side {side}: no clean end");
                assert_eq!(
                    this.received, peer.accepted,
                    "side {side}: everything arrives"
                );
            }
        }
    }

    fn is_done(&self, side: usize) -> bool {
        let this = &self.sides[side];
        let has_read = this.connection.reader.at_eof()
            || this
                .model
                .end
                .is_some_and(|end| matches!(end, End::Lost(_)));
        let has_sent =
            !this.connection.writer.wants_write() && !this.connection.writer.wants_shutdown();
        has_read && has_sent && this.connection.reader.buffered().is_empty()
    }
}

impl Side {
    fn new(choices: &mut Choices) -> Self {
        let limit = choices.of(&[16, 1, 5, 60, 200]);
        let mut connection = Connection::new();
        connection.reader.set_limit(limit);
        connection
            .writer
            .set_water_marks(WaterMarks::with_high(choices.of(&[40, 0, 600])));
        connection.writer.set_cap(choices.of(&[2000, 30, 700]));
        Self {
            connection,
            model: ReaderModel::new(limit),
            waiting: None,
            wanted: 0,
            read_size: choices.of(&[32, 1, 5, 500]),
            slow_for: 0,
            accepted: 0,
            sent: 0,
            arrived: 0,
            received: 0,
            most_pending: 0,
            is_gone: false,
            was_reset: false,
        }
    }

    /// The connection is lost; an abort on this side is nothing else.
    fn lose(&mut self, loss: Loss) {
        self.connection.lost(loss);
        if let Some(first) = self.connection.reader.loss() {
            self.model.end = Some(End::Lost(first));
        }
    }
}
