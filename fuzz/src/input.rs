//! The bytes of a fuzzer, taken for numbers and for text.

/// Each text letter is one of these, so that what ends a frame occurs.
const LETTERS: [u8; 16] = *b"ab\r\nab\n;abc\r\n-dx";

/// How many of them a byte stands for: one, mostly.
const RUNS: [usize; 16] = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 20, 140];

/// What is left of the bytes.
#[derive(Clone, Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte, or zero.
    pub fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    /// A number below `end`, which is at most 256.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    pub fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// Up to so many letters.
    pub fn text(&mut self, count: usize) -> Vec<u8> {
        let mut text = Vec::new();
        while text.len() < count && !self.is_empty() {
            let byte = self.byte();
            let letter = LETTERS[usize::from(byte % 16)];
            let run = RUNS[usize::from(byte / 16)];
            text.resize(count.min(text.len() + run), letter);
        }
        text
    }
}
