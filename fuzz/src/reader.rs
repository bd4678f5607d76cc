//! A reader and the model side by side: one operation after the other, then both are compared.

use plimsoll::{Connection, Loss};

use crate::input::Input;
use crate::reader_model::{
    End, Outcome, Read, ReaderModel, ask, assert_same_state, most_held, wanted_behind,
};
use crate::reads::some_read;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let limit = input.of(&[16, 1, 2, 3, 5, 40, 600]);
    let mut run = Run {
        connection: Connection::new(),
        model: ReaderModel::new(limit),
        received: 0,
        wanted: 0,
        read_size: 1 + input.below(48),
    };
    run.connection.reader.set_limit(limit);
    while !input.is_empty() {
        run.step(&mut input);
        assert_same_state(&run.connection.reader, &run.model, run.received);
    }
    assert_eq!(run.connection.into_parts().unread, run.model.buffer);
}

struct Run {
    connection: Connection,
    model: ReaderModel,
    received: u64,
    /// How many bytes the read that waits has asked for by count.
    wanted: usize,
    /// Most bytes to receive at once.
    read_size: usize,
}

impl Run {
    fn step(&mut self, input: &mut Input<'_>) {
        match input.below(64) {
            0..16 => self.receive(input),
            16..20 => self.feed(input),
            20 => self.end(End::Eof),
            21 => self.end(End::Closed),
            22 => self.end(End::Lost(Loss::Reset)),
            23..26 => {
                let limit = 1 + input.below(40);
                self.connection.reader.set_limit(limit);
                self.model.set_limit(limit);
            }
            26 => {
                let cap = input.below(64);
                self.connection.reader.set_cap(cap);
                self.model.cap = cap;
            }
            _ => self.ask(&some_read(|end| input.below(end))),
        }
    }

    /// Receives as a driver does: only if that is wanted, into the room that it is given.
    fn receive(&mut self, input: &mut Input<'_>) {
        let reader = &mut self.connection.reader;
        if !reader.wants_read() {
            return;
        }
        let (unread, size, limit) = (reader.buffered().len(), self.read_size, reader.limit());
        let room = reader.input(size);
        let text = input.text(input.clone().below(room.len() + 1));
        room[..text.len()].copy_from_slice(&text);
        reader.commit(text.len());
        self.model.feed(&text);
        self.received += text.len() as u64;

        let most = most_held(limit, self.wanted, unread, size);
        let held = self.connection.reader.capacity();
        assert!(held <= most, "{held} > {most}");
    }

    /// Feeds, wanted or not.
    fn feed(&mut self, input: &mut Input<'_>) {
        if self.model.end == Some(End::Eof) {
            return;
        }
        let text = input.text(input.clone().below(256));
        self.connection.reader.feed(&text);
        self.model.feed(&text);
        if self.model.end != Some(End::Closed) {
            self.received += text.len() as u64;
        }
    }

    fn end(&mut self, end: End) {
        match end {
            End::Eof => self.connection.reader.feed_eof(),
            End::Closed => self.connection.close(),
            End::Lost(loss) => self.connection.reader.feed_lost(loss),
        }
        match end {
            End::Lost(_) => self.model.end = Some(end),
            _ => drop(self.model.end.get_or_insert(end)),
        }
    }

    fn ask(&mut self, read: &Read) {
        let answer = ask(&mut self.connection.reader, read);
        assert_eq!(answer, self.model.read(read), "{read:?}");
        self.wanted = wanted_behind(self.wanted, read, &answer);
        if answer == Outcome::NeedInput {
            let reader = &self.connection.reader;
            assert!(reader.wants_read(), "who waits for input must be given it");
            let is_idle = reader.buffered().is_empty();
            assert!(
                !is_idle || reader.capacity() == 0,
                "an idle reader holds nothing"
            );
            assert_eq!(
                ask(&mut self.connection.reader, read),
                answer,
                "asked again"
            );
            self.model.read(read);
        }
    }
}
