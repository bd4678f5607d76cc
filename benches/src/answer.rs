//! What a row makes of its lines, and the answer that it must come to.

/// Takes the lines of a row, one after another, and sums them up.
pub trait Tally: Default {
    fn line(&mut self, line: &[u8]);
    fn answer(self) -> Answer;
}

/// What a row came to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Answer {
    pub lines: u64,
    pub checksum: u64,
}

/// Counts lines, and adds up their lengths: next to no work, for runs that are timed.
#[derive(Default)]
pub struct Lengths(Answer);

impl Lengths {
    /// Takes a line of which only the length is known.
    #[inline]
    pub fn length(&mut self, len: usize) {
        self.0.lines += 1;
        self.0.checksum += len as u64;
    }
}

impl Tally for Lengths {
    #[inline]
    fn line(&mut self, line: &[u8]) {
        self.length(line.len());
    }

    fn answer(self) -> Answer {
        self.0
    }
}

/// Hashes every byte of every line, and where it ends (FNV-1a).
pub struct Contents(Answer);

impl Default for Contents {
    fn default() -> Self {
        Self(Answer {
            lines: 0,
            checksum: 0xcbf2_9ce4_8422_2325,
        })
    }
}

impl Tally for Contents {
    fn line(&mut self, line: &[u8]) {
        /// No byte: it marks the end of a line.
        const END: u64 = 256;
        self.0.lines += 1;
        for byte in line.iter().map(|&byte| u64::from(byte)).chain([END]) {
            self.0.checksum = (self.0.checksum ^ byte).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn answer(self) -> Answer {
        self.0
    }
}

/// Whether the lines of a row have their newline.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Newline {
    Kept,
    TakenOff,
}

/// The answer to `data`, found by splitting it.
pub fn expected<T: Tally>(data: &[u8], newline: Newline) -> Answer {
    let mut tally = T::default();
    for line in data.split_inclusive(|&byte| byte == b'\n') {
        tally.line(match newline {
            Newline::Kept => line,
            Newline::TakenOff => line.strip_suffix(b"\n").unwrap_or(line),
        });
    }
    tally.answer()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_summed_with_or_without_newlines() {
        let with = expected::<Lengths>(b"one\n\nthree\n", Newline::Kept);
        let without = expected::<Lengths>(b"one\n\nthree\n", Newline::TakenOff);
        assert_eq!((with.lines, with.checksum), (3, 11));
        assert_eq!((without.lines, without.checksum), (3, 8));
    }

    #[test]
    fn contents_tell_a_byte_an_order_and_an_end_apart() {
        let answer = |data| expected::<Contents>(data, Newline::TakenOff);
        assert_eq!(answer(b"ab\ncd\n"), answer(b"ab\ncd\n"));
        for other in [b"ab\ncx\n", b"cd\nab\n", b"a\nbcd\n"] {
            assert_ne!(answer(b"ab\ncd\n"), answer(other));
        }
    }
}
