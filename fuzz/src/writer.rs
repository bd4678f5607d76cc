//! A writer and the model side by side: one operation after the other, then both are compared.

use bytes::{Buf, Bytes, BytesMut};
use plimsoll::{ConnectionError, WaterMarks, Writer};

use crate::input::Input;
use test_support::writer_model::{WriterModel, assert_same_state, writer_like};

/// Around these sizes the queue changes its ways.
const SIZES: [usize; 8] = [1, 0, 3, 17, 500, 511, 512, 700];

/// The smallest block. Larger ones are twice as large as what was in them and the one before.
const SMALLEST_BLOCK: usize = 512;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let high = input.of(&[0, 1, 3, 600, 1500]);
    let model = WriterModel::new(high, high / 4, input.of(&[1600, 0, 5, 1100]));
    let mut run = Run {
        writer: writer_like(&model),
        model,
        place: 0,
        most_pending: 0,
        lent: None,
    };
    while !input.is_empty() {
        run.step(&mut input);
        run.check();
    }
    assert_eq!(run.writer.into_unsent().concat(), run.model.pending);
}

struct Run {
    writer: Writer,
    model: WriterModel,
    /// How many bytes were written, or refused.
    place: usize,
    most_pending: usize,
    /// The size of the block on loan.
    lent: Option<usize>,
}

impl Run {
    fn step(&mut self, input: &mut Input<'_>) {
        match input.below(64) {
            0..12 => {
                let data = self.bytes(input);
                assert_eq!(self.writer.write(&data), self.model.write(&data));
            }
            12..20 => {
                let data = self.bytes(input);
                let written = self.writer.write_bytes(Bytes::copy_from_slice(&data));
                assert_eq!(written, self.model.write(&data));
            }
            20..26 => {
                let data = self.bytes(input);
                let (first, rest) = data.split_at(input.below(256).min(data.len()));
                let written = self.writer.write_all_vectored([first, &[], rest]);
                assert_eq!(written, self.model.write(&data));
            }
            26..50 => {
                let sent = match input.below(4) {
                    0 => usize::MAX,
                    _ => input.of(&SIZES) + input.below(3),
                };
                let sent = sent.min(self.model.pending.len());
                self.writer.output().advance(sent);
                self.model.sent(sent);
            }
            50 => {
                self.writer.flush_done();
                self.model.flush_done();
            }
            51 => self.lend_or_reclaim(64 * input.below(32)),
            52..55 => {
                self.writer.shutdown_done();
                self.model.shutdown_done();
            }
            55..58 => {
                let high = input.of(&SIZES) + input.below(4);
                let low = input.below(high + 1);
                let marks = WaterMarks::new(high, low).expect("marks in order");
                self.writer.set_water_marks(marks);
                self.model.set_marks(high, low);
            }
            58 => {
                let cap = input.of(&SIZES) * 4;
                self.writer.set_max_pending(cap);
                self.model.cap = cap;
            }
            59 | 60 => {
                self.writer.finish();
                self.model.finish();
            }
            61 | 62 => {
                self.writer.close();
                self.model.close();
            }
            _ => {
                self.writer.lost(ConnectionError::Reset);
                self.model.lose(ConnectionError::Reset);
            }
        }
    }

    fn lend_or_reclaim(&mut self, size: usize) {
        if let Some(lent) = self.lent.take() {
            let block = self.writer.reclaim().expect("a block that is on loan");
            assert!(block.is_empty() && block.capacity() >= lent);
        } else {
            let block = BytesMut::with_capacity(size);
            let size = block.capacity();
            let is_taken = self.writer.lend(block).is_ok();
            assert_eq!(is_taken, self.model.pending.is_empty());
            self.lent = is_taken.then_some(size);
        }
    }

    /// Bytes that show when some are lost, doubled or exchanged.
    fn bytes(&mut self, input: &mut Input<'_>) -> Vec<u8> {
        let len = input.of(&SIZES) + input.below(3);
        let bytes = (self.place..self.place + len).map(|place| (place % 251) as u8);
        self.place += len;
        bytes.collect()
    }

    fn check(&mut self) {
        assert_same_state(&mut self.writer, &self.model);
        let (pending, held) = (self.writer.pending(), self.writer.capacity());
        self.most_pending = self.most_pending.max(pending);
        let lent = self.lent.unwrap_or(0);
        let bound = pending + SMALLEST_BLOCK.max(2 * self.most_pending) + lent;
        assert!(held <= bound, "{held} > {bound}");
        let is_idle = pending == 0 && self.lent.is_none();
        assert!(!is_idle || held == 0, "an idle writer holds nothing");
    }
}
