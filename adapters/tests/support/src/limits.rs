//! The limits of a side, drawn.

use plimsoll::WaterMarks;
use plimsoll_io::StreamOptions;

use test_support::choices::Choices;

/// The limits of a side.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub limit: usize,
    pub read_size: usize,
    pub high: usize,
    pub low: usize,
    pub max_pending: usize,
    /// Whether nothing is received while too much is pending.
    pub pauses: bool,
}

impl Limits {
    pub fn new(choices: &mut Choices) -> Self {
        let high = choices.of(&[40, 0, 300]);
        Self {
            limit: choices.of(&[16, 1, 5, 60, 200]),
            read_size: choices.of(&[32, 1, 5, 500]),
            high,
            low: choices.below(high / 2 + 1),
            max_pending: choices.of(&[2000, 400, 30]),
            pauses: false,
        }
    }

    pub fn options(&self) -> StreamOptions {
        let marks = WaterMarks::new(self.high, self.low).expect("marks in order");
        StreamOptions::new()
            .limit(self.limit)
            .read_size(self.read_size)
            .water_marks(marks)
            .max_pending(self.max_pending)
            .pause_reading_when_full(self.pauses)
    }
}
