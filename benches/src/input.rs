//! The lines, and the source from which every row receives them.

use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::ReadBuf;

/// Lines of letters and digits, of random length, each with `ending` behind it.
///
/// Lengths are spread evenly from half of `mean` to one and a half of it, `ending` not counted. The same
/// arguments give the same lines.
pub fn lines(mean: usize, ending: &[u8], total: usize) -> Vec<u8> {
    let mut random = Random(mean as u64);
    let mut lines = Vec::with_capacity(total + 2 * mean);
    while lines.len() < total {
        let len = mean / 2 + random.below(mean + 1);
        random.letters(len, &mut lines);
        lines.extend_from_slice(ending);
    }
    lines
}

/// So many lines of `len` bytes each, with their newlines. Each seed gives others.
pub fn equal_lines(seed: u64, len: usize, count: usize) -> Vec<u8> {
    let mut random = Random(seed);
    let mut lines = Vec::with_capacity(count * len);
    for _ in 0..count {
        random.letters(len - 1, &mut lines);
        lines.push(b'\n');
    }
    lines
}

/// SplitMix64: even enough for lengths and letters, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Appends so many letters and digits.
    fn letters(&mut self, count: usize, to: &mut Vec<u8>) {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-";
        let end = to.len() + count;
        while to.len() < end {
            let bits = self.next();
            let letters = (0..10).map(|place| ALPHABET[(bits >> (6 * place)) as usize % 64]);
            to.extend(letters.take(end - to.len()));
        }
    }
}

/// A peer that has always sent more: every read is filled, up to the size of a read.
///
/// It is the same for std, tokio and futures. None of its reads waits.
pub struct Source<'a> {
    rest: &'a [u8],
    read_size: usize,
}

impl<'a> Source<'a> {
    pub fn new(data: &'a [u8], read_size: usize) -> Self {
        Self {
            rest: data,
            read_size,
        }
    }

    fn receive(&mut self, room: usize) -> &'a [u8] {
        let (received, rest) = self
            .rest
            .split_at(room.min(self.read_size).min(self.rest.len()));
        self.rest = rest;
        received
    }
}

impl Read for Source<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let received = self.receive(room.len());
        room[..received.len()].copy_from_slice(received);
        Ok(received.len())
    }
}

impl tokio::io::AsyncRead for Source<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        room.put_slice(self.receive(room.remaining()));
        Poll::Ready(Ok(()))
    }
}

impl futures_util::AsyncRead for Source<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.read(room))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_arguments_give_the_same_lines() {
        assert_eq!(lines(8, b"\n", 1000), lines(8, b"\n", 1000));
        assert_ne!(lines(8, b"\n", 1000), lines(9, b"\n", 1000));
    }

    #[test]
    fn lines_have_lengths_around_the_mean_and_end_with_the_ending() {
        for mean in [8, 80, 1000] {
            let data = lines(mean, b"\r\n", 1000 * mean);
            let data = data.strip_suffix(b"\r\n").unwrap();
            let lengths: Vec<usize> = std::str::from_utf8(data)
                .unwrap()
                .split("\r\n")
                .map(|line| {
                    assert!(line.bytes().all(|byte| byte.is_ascii_graphic()));
                    line.len()
                })
                .collect();
            let (shortest, longest) =
                (lengths.iter().min().unwrap(), lengths.iter().max().unwrap());
            assert!(
                (mean / 2..mean * 6 / 10 + 1).contains(shortest),
                "{shortest}"
            );
            assert!(
                (mean * 14 / 10..=mean * 3 / 2).contains(longest),
                "{longest}"
            );
            let average = lengths.iter().sum::<usize>() / lengths.len();
            assert!(average.abs_diff(mean) <= mean / 20, "{average} for {mean}");
        }
    }

    #[test]
    fn equal_lines_have_one_length_and_differ_by_seed() {
        let lines = equal_lines(1, 32, 5);
        assert_eq!(lines.len(), 5 * 32);
        assert!(
            lines
                .chunks(32)
                .all(|line| line.iter().position(|&byte| byte == b'\n') == Some(31))
        );
        assert_ne!(lines[..32], lines[32..64]);
        assert_ne!(lines, equal_lines(2, 32, 5));
    }

    #[test]
    fn a_read_gives_no_more_than_its_size_and_the_room() {
        let data = lines(8, b"\n", 100);
        let mut source = Source::new(&data, 16);
        let mut room = [0; 32];
        assert_eq!(source.read(&mut room).unwrap(), 16);
        assert_eq!(source.read(&mut room[..7]).unwrap(), 7);
        assert_eq!(&room[..7], &data[16..23]);
        let mut rest = Vec::new();
        source.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, &data[23..]);
    }
}
