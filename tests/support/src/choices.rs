//! Where the decisions of a simulated run come from: a seed, or the bytes of a fuzzer.
#![allow(
    dead_code,
    reason = "each simulation, and each fuzz target, uses a part of it"
)]

use crate::random::{Random, mix};

/// Decides what happens next, and takes note of what did.
///
/// It decides only so often. After that every decision is zero, which is never a fault: the run goes on
/// without any, to its end.
#[derive(Clone, Debug)]
pub struct Choices {
    source: Source,
    trace: u64,
}

#[derive(Clone, Debug)]
enum Source {
    Seed {
        random: Random,
        left: usize,
    },
    /// The next one is the last.
    Bytes(Vec<u8>),
}

impl Choices {
    /// Takes decisions from a seed: some dozens, or some hundreds.
    pub fn from_seed(seed: u64) -> Self {
        let mut random = Random(mix(seed));
        let most = [80, 300, 900][random.below(3)];
        let left = 20 + random.below(most);
        Self::new(Source::Seed { random, left })
    }

    /// Takes decisions from bytes, one or two for each.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self::new(Source::Bytes(bytes.iter().rev().copied().collect()))
    }

    fn new(source: Source) -> Self {
        Self { source, trace: 0 }
    }

    /// A number below `end`, which is not zero. Zero once there are no more decisions.
    pub fn below(&mut self, end: usize) -> usize {
        if self.are_over() {
            return 0;
        }
        let number = match &mut self.source {
            Source::Seed { random, left } => {
                *left -= 1;
                random.below(end)
            }
            Source::Bytes(bytes) => {
                let mut byte = || usize::from(bytes.pop().unwrap_or(0));
                let low = byte();
                let high = if end > 256 { byte() } else { 0 };
                (high * 256 + low) % end
            }
        };
        self.note(number as u64);
        number
    }

    /// One of `items`, of which the first is not a fault.
    pub fn of<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    /// Whether only zeros are left.
    pub fn are_over(&self) -> bool {
        match &self.source {
            Source::Seed { left, .. } => *left == 0,
            Source::Bytes(bytes) => bytes.is_empty(),
        }
    }

    /// Adds something that happened to the trace.
    pub fn note(&mut self, what: u64) {
        self.trace = mix(self.trace.rotate_left(1) ^ what);
    }

    /// A number that stands for all that was noted, in its order.
    pub fn trace(&self) -> u64 {
        self.trace
    }
}
