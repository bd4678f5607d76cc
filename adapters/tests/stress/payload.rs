//! What a connection carries: bytes that follow from their place, so that each can be checked
//! wherever it turns up.

use test_support::random::mix;

/// What ends a frame of the payload, for reads and for skips. The last is rare, and for skips only.
pub const SEPARATORS: [&[&[u8]]; 4] = [&[b"\n"], &[b";"], &[b";", b"\n"], &[b"\n;"]];

/// The bytes of one direction of a connection, without end. A newline is one of 256 of them, so
/// that lines are of any length.
#[derive(Clone, Copy, Debug)]
pub struct Payload(u64);

impl Payload {
    /// What `sender`, one of the two sides, sends.
    pub fn new(seed: u64, connection: u64, sender: usize) -> Self {
        Self(mix(seed ^ mix(2 * connection + sender as u64 + 1)))
    }

    pub fn byte(self, at: u64) -> u8 {
        (mix(self.0.wrapping_add(at / 8)) >> (8 * (at % 8))) as u8
    }

    pub fn bytes(self, from: u64, len: usize) -> Vec<u8> {
        (from..from + len as u64).map(|at| self.byte(at)).collect()
    }

    /// Where the bytes that should stand at `from` are others.
    pub fn first_difference(self, from: u64, bytes: &[u8]) -> Option<u64> {
        let places = from..from + bytes.len() as u64;
        let mut pairs = places.zip(bytes);
        pairs
            .find(|&(at, &byte)| self.byte(at) != byte)
            .map(|(at, _)| at)
    }

    /// Behind which byte the first of several separators ends, and which of them that is.
    pub fn separator_after(self, from: u64, members: &[&[u8]]) -> (u64, usize) {
        let is_at = |at: u64, member: &[u8]| (at..).zip(member).all(|(at, &b)| self.byte(at) == b);
        for at in from.. {
            if let Some(index) = members.iter().position(|member| is_at(at, member)) {
                return (at + members[index].len() as u64, index);
            }
        }
        unreachable!("a payload has no end")
    }
}
