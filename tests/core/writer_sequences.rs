//! Every short sequence of writer operations against the naive model.
//!
//! Six operations of ten, in six settings of water marks and bound; after each one the result, the
//! pending bytes, the next call to send, the state, and the bounds are compared.

use bytes::{Buf, Bytes, BytesMut};
use plimsoll::{ConnectionError, Progress, SendAction, Writer};
use test_support::parallel::count_in_parallel;
use test_support::report;
use test_support::writer_model::{WriterModel, assert_same_state, writer_like};

const LENGTH: u32 = 6;
const OPERATIONS: u64 = 10;
/// Long enough for the queue to keep it as it is.
const LONG: usize = 600;
/// Size of the one block that holds the short writes of a sequence.
const SLACK: usize = 512;
/// Size of a block on loan.
const LOAN: usize = 64;

/// High mark, low mark, cap.
const SETTINGS: [(usize, usize, usize); 6] = [
    (0, 0, usize::MAX),
    (1, 0, usize::MAX),
    (3, 2, usize::MAX),
    (3, 3, 3),
    (600, 4, 1203),
    (65536, 16384, 0),
];

struct Run {
    writer: Writer,
    model: WriterModel,
    /// The bytes of the stream, taken in turn, so that a misplaced one shows.
    letters: std::iter::Cycle<std::ops::RangeInclusive<u8>>,
    long: Bytes,
    is_lent: bool,
}

impl Run {
    fn new((high, low, cap): (usize, usize, usize), long: &Bytes) -> Self {
        let model = WriterModel::new(high, low, cap);
        Self {
            writer: writer_like(&model),
            model,
            letters: (b'a'..=b'z').cycle(),
            long: long.clone(),
            is_lent: false,
        }
    }

    fn perform(&mut self, operation: u64) {
        match operation {
            0 => {
                let data = self.letters(1);
                assert_eq!(self.writer.write(&data), self.model.write(&data));
            }
            1 => {
                let data = self.letters(3);
                let parts = [&data[..2], &[], &data[2..]];
                assert_eq!(
                    self.writer.write_all_vectored(&parts),
                    self.model.write(&data)
                );
            }
            2 => {
                let data = self.long.clone();
                assert_eq!(
                    self.writer.write_bytes(data.clone()),
                    self.model.write(&data)
                );
            }
            3 => self.send_by_hand(),
            4 => self.send(),
            5 => {
                self.writer.finish();
                self.model.finish();
            }
            6 => {
                self.writer.close();
                self.model.close();
            }
            7 => self.lend_or_reclaim(),
            8 => {
                self.writer.lost(ConnectionError::Reset);
                self.model.lose(ConnectionError::Reset);
            }
            _ => {
                let Some(action) = self.model.next_send() else {
                    return;
                };
                let error = ConnectionError::NotConnected;
                let progress = self.writer.on_send(action, Err(error));
                assert_eq!(progress, Progress::Moved);
                self.model.lose(error);
            }
        }
        assert_same_state(&mut self.writer, &self.model);
        let bound = self.writer.pending() + SLACK + if self.is_lent { LOAN } else { 0 };
        assert!(
            self.writer.capacity() <= bound,
            "{} > {bound}",
            self.writer.capacity()
        );
        let idle = self.writer.pending() == 0 && !self.is_lent;
        assert!(
            !idle || self.writer.capacity() == 0,
            "an idle writer holds nothing"
        );
    }

    fn lend_or_reclaim(&mut self) {
        if self.is_lent {
            let block = self.writer.reclaim().expect("a block that is on loan");
            assert!(block.is_empty() && block.capacity() >= LOAN);
            self.is_lent = false;
        } else {
            assert!(self.writer.reclaim().is_none());
            let is_taken = self.writer.lend(BytesMut::with_capacity(LOAN)).is_ok();
            assert_eq!(is_taken, self.model.pending.is_empty());
            self.is_lent = is_taken;
        }
    }

    fn letters(&mut self, count: usize) -> Vec<u8> {
        self.letters.by_ref().take(count).collect()
    }

    /// A driver that does without `on_send`: one byte, then a flush, then the end of the stream. Each
    /// changes nothing where it is not due.
    fn send_by_hand(&mut self) {
        let count = self.model.pending.len().min(1);
        self.writer.output().advance(count);
        self.model.sent(count);
        if count == 0 {
            self.writer.flush_done();
            self.model.flush_done();
        }
        self.writer.shutdown_done();
        self.model.shutdown_done();
    }

    /// The call that is due succeeds; a write takes everything.
    fn send(&mut self) {
        let Some(action) = self.model.next_send() else {
            return;
        };
        let pending = self.writer.output().remaining();
        let progress = self
            .writer
            .on_send(action, Ok::<_, ConnectionError>(pending));
        assert_eq!(progress, Progress::Moved);
        match action {
            SendAction::Write => self.model.sent(pending),
            SendAction::Flush => self.model.flush_done(),
            SendAction::Shutdown => self.model.shutdown_done(),
        }
    }
}

#[test]
fn every_sequence_of_operations_agrees_with_the_model() {
    let long: Bytes = (b'A'..=b'Z').cycle().take(LONG).collect();
    let sequences: Vec<u64> = (0..OPERATIONS.pow(LENGTH)).collect();
    let runs = count_in_parallel(&sequences, |sequence| {
        for setting in SETTINGS {
            let mut run = Run::new(setting, &long);
            for place in 0..LENGTH {
                run.perform(sequence / OPERATIONS.pow(place) % OPERATIONS);
            }
        }
        SETTINGS.len() as u64
    });
    report(&format!("writer sequences: {runs} runs"));
    assert_eq!(runs, 1_000_000 * 6);
}
