//! A reader and the model side by side: one operation after the other, then both are compared.

use plimsoll::{Connection, ConnectionError, Reader};

use crate::input::Input;
use test_support::reader_model::{
    End, MemoryBound, Outcome, Read, ReaderModel, ask, assert_same_state, most_held,
};
use test_support::reads::some_read;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let limit = input.of(&[16, 1, 2, 3, 5, 40, 600]);
    let mut run = Run {
        connection: Connection::new(),
        model: ReaderModel::new(limit),
        received: 0,
        bound: MemoryBound::default(),
        lent: None,
        read_size: 1 + input.below(48),
    };
    run.connection.reader.set_limit(limit);
    while !input.is_empty() {
        run.step(&mut input);
        assert_same_state(&run.connection.reader, &run.model, run.received);
    }
    let parts = run.connection.into_parts();
    assert_eq!(parts.unread, run.model.buffer);
    assert_eq!(parts.discarding, run.model.discarding());
}

struct Run {
    connection: Connection,
    model: ReaderModel,
    received: u64,
    bound: MemoryBound,
    /// The most that is held while a block is on loan.
    lent: Option<usize>,
    /// Most bytes to receive at once.
    read_size: usize,
}

impl Run {
    fn step(&mut self, input: &mut Input<'_>) {
        match input.below(64) {
            0..16 => self.receive(input),
            16..20 => self.feed(input),
            20 => self.lend(64 * input.below(4)),
            27 => self.reclaim(),
            28 => {
                self.connection.reader.stop_discarding();
                self.model.stop_discarding();
            }
            29 => self.hand_over(),
            30 if input.below(4) == 0 => self.end(End::Eof),
            21 => self.end(End::Closed),
            22 => self.end(End::Lost(ConnectionError::Reset)),
            23..26 => {
                let limit = 1 + input.below(40);
                self.connection.reader.set_limit(limit);
                self.model.set_limit(limit);
            }
            26 => {
                let cap = input.below(64);
                self.connection.reader.set_max_read_exact(cap);
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
        if self.model.has_eof {
            return;
        }
        let size = self.read_size;
        let room = reader.input(size);
        let text = input.text(input.clone().below(room.len() + 1));
        room[..text.len()].copy_from_slice(&text);
        reader.commit(text.len());
        self.has_grown(size);
        self.has_received(&text);
    }

    /// Feeds, wanted or not.
    fn feed(&mut self, input: &mut Input<'_>) {
        if self.model.has_eof {
            return;
        }
        let text = input.text(input.clone().below(256));
        self.connection.reader.feed(&text);
        if !self.model.is_closed {
            self.has_grown(text.len());
        }
        self.has_received(&text);
    }

    fn has_received(&mut self, text: &[u8]) {
        self.model.feed(text);
        if !self.model.is_closed {
            self.received += text.len() as u64;
        }
    }

    /// Checks what is held once room for `size` bytes was asked for.
    fn has_grown(&mut self, size: usize) {
        if size == 0 {
            return;
        }
        let model = &self.model;
        let most = most_held(model.limit, model.wanted, model.buffer.len(), size);
        let most = self.may_hold(most).max(self.lent.unwrap_or(0));
        if self.lent.is_some() {
            self.lent = Some(most);
        }
        let held = self.connection.reader.capacity();
        assert!(held <= most, "{held} > {most}");
    }

    fn may_hold(&mut self, most: usize) -> usize {
        let unread = self.model.buffer.len();
        let position = self.model.delivered + self.model.discarded;
        self.bound.after_growth(most, unread, position)
    }

    fn lend(&mut self, size: usize) {
        let block = Vec::with_capacity(size);
        let size = block.capacity();
        match self.connection.reader.lend(block) {
            Ok(()) => self.lent = Some(size),
            Err(block) => assert_eq!(block.capacity(), size),
        }
    }

    fn reclaim(&mut self) {
        let block = self.connection.reader.reclaim();
        assert_eq!(block.is_some(), self.lent.is_some());
        if block.is_some() {
            self.lent = None;
            let unread = self.model.buffer.len();
            assert_eq!(self.connection.reader.capacity(), unread);
            self.may_hold(unread);
        }
    }

    /// A new connection goes on with the stream, with the same settings.
    fn hand_over(&mut self) {
        let parts = std::mem::take(&mut self.connection).into_parts();
        assert_eq!(parts.unread, self.model.buffer);
        assert_eq!(parts.discarding, self.model.discarding());
        self.connection = Connection::from_parts(parts);
        let reader = &mut self.connection.reader;
        reader.set_limit(self.model.limit);
        reader.set_max_read_exact(self.model.cap);

        let mut model = ReaderModel::new(Reader::DEFAULT_LIMIT);
        model.discard = self.model.discard.take();
        model.feed(&self.model.buffer);
        model.set_limit(self.model.limit);
        model.cap = self.model.cap;
        self.received = self.model.buffer.len() as u64;
        (self.model, self.bound, self.lent) = (model, MemoryBound::default(), None);
        let fed = self.model.buffer.len();
        self.may_hold(most_held(Reader::DEFAULT_LIMIT, 0, 0, fed));
    }

    fn end(&mut self, end: End) {
        match end {
            End::Eof => {
                self.connection.reader.feed_eof();
                self.model.feed_eof();
            }
            End::Closed => {
                self.connection.close();
                self.model.close();
            }
            End::Lost(loss) => {
                self.connection.reader.feed_lost(loss);
                self.model.feed_lost(loss);
            }
        }
    }

    fn ask(&mut self, read: &Read) {
        let answer = ask(&mut self.connection.reader, read);
        assert_eq!(answer, self.model.read(read), "{read:?}");
        if answer == Outcome::NeedInput {
            let reader = &self.connection.reader;
            assert!(reader.wants_read(), "a read that waits wants input");
            let is_idle = self.model.buffer.is_empty() && self.lent.is_none();
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
        } else if let Outcome::Frame { bytes, .. } = &answer {
            // One of an odd length was taken without a copy, and its block with it.
            let is_kept = bytes.len() % 2 == 1 && !matches!(read, Read::PeekUntil(_));
            if let (true, Some(lent)) = (is_kept, self.lent) {
                self.lent = None;
                self.may_hold(lent);
            }
        }
    }
}
