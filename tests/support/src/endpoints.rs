//! Two connections of the core and the wires between them, on one thread, one step after the other.
//!
//! While there are decisions to take, anything may happen: safety is checked after every step. Then
//! nothing goes wrong any more, and both sides have to come to their ends.

use bytes::{Buf, Bytes};
use plimsoll::{
    Connection, ConnectionError, ConnectionState, Progress, SendAction, TransportError, WaterMarks,
    WriterState,
};

use crate::choices::Choices;
use crate::reader_model::{
    End, MemoryBound, Outcome, Read, ReaderModel, ask, assert_same_state, most_held,
};
use crate::reads::some_read;
use crate::wire::{Kind, Link, Medium, Ran, byte_at, bytes_from};

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
    link: Link,
    ran: Ran,
}

struct Side {
    connection: Connection,
    model: ReaderModel,
    /// The read that waits.
    waiting: Option<Read>,
    /// Most bytes that the reader may hold, as of its last receive, and how that came about.
    most_held: usize,
    bound: MemoryBound,
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
    /// The first loss that a send was told of, but for those that say nothing of its cause.
    send_loss: Option<ConnectionError>,
    /// Whether this side has ended its stream in order.
    has_ended: bool,
    /// Whether this side has dropped its transport.
    is_gone: bool,
    /// Whether this side gave the connection up.
    has_given_up: bool,
}

impl Run {
    fn new(mut choices: Choices) -> Self {
        let sides = [(); 2].map(|()| Side::new(&mut choices));
        let media = [Medium::Tcp, Medium::Tcp, Medium::Unix, Medium::Pipes];
        let link = Link::new(&mut choices, &media);
        Self {
            choices,
            sides,
            link,
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
            link,
            ran,
        } = self;
        let this = &mut sides[side];
        if this.slow_for > 0 {
            this.slow_for -= 1;
            if this.slow_for == 0 && link.is_full(side) {
                ran.faults.count(Kind::SlowReader);
            }
            return;
        }
        if !this.connection.wants_read() || this.is_gone {
            return;
        }
        let unread = this.model.buffer.len();
        let limit = this.connection.reader.limit();
        let most = most_held(limit, this.model.wanted, unread, this.read_size);
        let position = this.connection.reader.position();
        this.most_held = this.bound.after_growth(most, unread, position);
        let room = this.connection.reader.input(this.read_size);
        assert!(!room.is_empty(), "room is never none");
        let result = link.read(side, room, choices, &mut ran.faults);
        choices.note(result.unwrap_or(usize::MAX) as u64);
        let received = &room[..result.unwrap_or(0)];
        let right = received
            .iter()
            .enumerate()
            .all(|(place, byte)| *byte == byte_at(1 - side, this.arrived + place as u64));
        assert!(right, "side {side}: bytes were lost, doubled or exchanged");
        this.model.feed(received);
        this.arrived += received.len() as u64;
        this.received += received.len() as u64;
        ran.bytes += received.len() as u64;
        let expected = match (result, this.send_loss) {
            // Its report was taken away by the send.
            (Ok(0), Some(error)) => Some(Err(error)),
            (Ok(0), None) => Some(Ok(())),
            (Err(TransportError::Lost(error)), _) => Some(Err(error)),
            _ => None,
        };
        let progress = this.connection.on_receive(result);
        assert_eq!(progress, progress_of(result), "side {side}");
        match expected {
            Some(Ok(())) => {
                this.model.feed_eof();
                assert!(this.connection.reader.connection_error().is_none());
                self.check_clean_end(side);
            }
            Some(Err(error)) => {
                this.model.feed_lost(error);
                assert_eq!(this.connection.state(), ConnectionState::Lost(error));
            }
            None => {}
        }
        self.check_bound(side);
    }

    /// The driver makes the call that is due.
    fn send(&mut self, side: usize) {
        let Self {
            choices,
            sides,
            link,
            ran,
        } = self;
        let this = &mut sides[side];
        let Some(action) = this.connection.next_send().filter(|_| !this.is_gone) else {
            return;
        };
        let peer_has_ended = link.has_end(side);
        let has_read_end = this.model.end == Some(End::Eof);
        let result = match action {
            SendAction::Write => {
                let output = this.connection.writer.output();
                let mut slices = [std::io::IoSlice::new(&[]); 8];
                let filled = output.chunks_vectored(&mut slices);
                let slices = &slices[..filled];
                assert!(slices.iter().all(|slice| !slice.is_empty()));
                let bytes = slices.iter().flat_map(|slice| slice.iter().copied());
                let len = slices.iter().map(|slice| slice.len()).sum();
                link.write(side, bytes, len, choices, &mut ran.faults)
            }
            SendAction::Flush => link.flush(side, choices, &mut ran.faults).map(|()| 0),
            SendAction::Shutdown => {
                assert_eq!(
                    this.accepted, this.sent,
                    "the end comes after the last byte"
                );
                link.shut_down(side, choices, &mut ran.faults).map(|()| 0)
            }
        };
        choices.note(result.unwrap_or(usize::MAX) as u64);
        let progress = this.connection.on_send(action, result);
        assert_eq!(progress, progress_of(result), "side {side}");
        let writer = &this.connection.writer;
        match (action, result) {
            (SendAction::Write, Ok(count)) => {
                this.sent += count as u64;
                let is_low = writer.pending() <= writer.water_marks().low();
                assert!(!(is_low && writer.is_full()), "room at the low mark");
            }
            (SendAction::Flush, Ok(_)) => assert!(writer.is_flushed()),
            (SendAction::Shutdown, Ok(_)) => {
                assert!(has_sent_its_end(writer.state()), "side {side}");
                this.has_ended = true;
                link.drop_writer(side, true, &mut ran.faults);
                if !peer_has_ended {
                    ran.faults.count(Kind::HalfClose);
                }
            }
            // Both directions have ended.
            (SendAction::Shutdown, Err(TransportError::Lost(ConnectionError::NotConnected)))
                if has_read_end =>
            {
                assert!(has_sent_its_end(writer.state()), "side {side}");
            }
            (_, Err(TransportError::Lost(error))) => {
                assert_eq!(writer.state(), WriterState::Lost(error), "side {side}");
                // What the peer sent before it was gone may still come.
                assert_eq!(
                    this.connection.wants_read(),
                    this.model.end.is_none() && !this.model.paused
                );
                let says_why = !matches!(
                    error,
                    ConnectionError::BrokenPipe | ConnectionError::NotConnected
                );
                this.send_loss = Some(error).filter(|_| says_why);
                link.drop_writer(side, false, &mut ran.faults);
            }
            _ => {}
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
        let is_idle = waits && this.model.buffer.is_empty();
        assert!(
            !is_idle || reader.capacity() == 0,
            "side {side}: an idle reader holds nothing"
        );
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
                writer.write_all_vectored([first, &[], rest])
            }
        };
        let expected =
            state == WriterState::Open && (len == 0 || pending + len <= writer.max_pending());
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
            _ => this.connection.writer.set_max_pending(size * 10),
        }
    }

    /// Something that happens seldom.
    fn disturb(&mut self, side: usize) {
        let this = &mut self.sides[side];
        match self.choices.below(64) {
            1..=8 => this.connection.writer.finish(),
            9 => {
                this.connection.close();
                this.model.close();
            }
            10 => this.lose(ConnectionError::Aborted),
            11 => self.link.reset(&mut self.choices, &mut self.ran.faults),
            // What comes first is then often the end of the stream.
            12..=14 => {
                this.connection.writer.finish();
                self.link.reset(&mut self.choices, &mut self.ran.faults);
            }
            _ => {}
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
        self.leave(side);
        let (one, other) = (&self.sides[side], &self.sides[1 - side]);
        let on_the_way = self.link.len(1 - side) as u64;
        let is_lost = self.link.was_cut_off(1 - side) || self.link.is_dead(side) || other.is_gone;
        assert!(
            is_lost || one.sent == other.arrived + on_the_way,
            "nothing vanishes on the wire"
        );
    }

    /// A driver drops a transport that it has nothing to do with any more.
    fn leave(&mut self, side: usize) {
        let this = &mut self.sides[side];
        let in_order = match this.connection.state() {
            ConnectionState::Closed => true,
            // What the peer has sent is still read after a failed send.
            ConnectionState::Lost(_) if this.model.end.is_some() => {
                has_sent_its_end(this.connection.writer.state())
            }
            _ => return,
        };
        if !this.is_gone {
            this.is_gone = true;
            let faults = &mut self.ran.faults;
            if in_order {
                self.link.close(side, &mut self.choices, faults);
            } else {
                self.link.abort(side, &mut self.choices, faults);
            }
        }
    }

    /// How much the reader may hold, once it has received.
    fn check_bound(&self, side: usize) {
        let this = &self.sides[side];
        let (held, most) = (this.connection.reader.capacity(), this.most_held);
        assert!(held <= most, "side {side}: {held} > {most}");
    }

    /// The end of the stream comes after all of it.
    fn check_clean_end(&self, side: usize) {
        let peer = &self.sides[1 - side];
        if self.link.was_cut_off(side) {
            // A pipe whose writer was given up, and a socket of one machine, look as if they had ended.
            assert_ne!(
                self.link.medium(),
                Medium::Tcp,
                "side {side}: a loss is no end"
            );
            return;
        }
        assert!(self.link.has_end(side), "side {side}: no end has arrived");
        assert!(
            peer.has_ended,
            "side {side}: a clean end, but the peer is {:?}",
            peer.connection
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
        self.link.widen();
        let left: u64 = self
            .sides
            .iter()
            .map(|side| side.accepted - side.sent)
            .sum();
        let on_the_way = self.link.len(0) + self.link.len(1);
        let unread = |side: &Side| side.connection.reader.buffered().len();
        let unread: usize = self.sides.iter().map(unread).sum();
        // One byte in each round, the longest stall, and some rounds to notice the end.
        let mut rounds = left + (on_the_way + unread) as u64 + 40;
        while !(0..2).all(|side| self.is_done(side)) {
            if rounds == 0 {
                // Two sides that have closed, and both have more to send than the wires hold, read no more.
                let states = [0, 1].map(|side| self.sides[side].connection.state());
                assert_eq!(states, [ConnectionState::Closing; 2], "no end is reached");
                self.sides[0].lose(ConnectionError::TimedOut);
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
            let is_lost = self.link.was_cut_off(side) || this.has_given_up;
            if !is_lost && this.model.end != Some(End::Closed) {
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
        let has_sent = this.connection.next_send().is_none();
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
        connection
            .writer
            .set_max_pending(choices.of(&[2000, 30, 700]));
        Self {
            connection,
            model: ReaderModel::new(limit),
            waiting: None,
            most_held: 0,
            bound: MemoryBound::default(),
            read_size: choices.of(&[32, 1, 5, 500]),
            slow_for: 0,
            accepted: 0,
            sent: 0,
            arrived: 0,
            received: 0,
            most_pending: 0,
            send_loss: None,
            has_ended: false,
            is_gone: false,
            has_given_up: false,
        }
    }

    /// This side gives the connection up.
    fn lose(&mut self, loss: ConnectionError) {
        self.has_given_up = true;
        self.connection.lost(loss);
        if let Some(first) = self.connection.reader.connection_error() {
            self.model.feed_lost(first);
        }
    }
}

fn has_sent_its_end(state: WriterState) -> bool {
    matches!(state, WriterState::Finished | WriterState::Closed)
}

fn progress_of(result: Result<usize, TransportError>) -> Progress {
    match result {
        Err(TransportError::WouldBlock) => Progress::Blocked,
        Err(TransportError::Interrupted) => Progress::Interrupted,
        _ => Progress::Moved,
    }
}
