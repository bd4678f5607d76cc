//! Every way to cut an input: packet boundaries must not matter.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

/// Which ways to cut an input a protocol is run on: packet boundaries must not matter.
///
/// A short input is cut in every way, which for `n` bytes is `2^(n-1)`. A longer one is left whole,
/// then cut at every single place, at pairs of places, the nearest to each other first, byte by
/// byte, and at random places. Work on a long input is quadratic in its length.
///
/// # Examples
///
/// ```
/// use plimsoll::testing::Chunking;
/// use plimsoll::{Reader, Step};
///
/// let cases = Chunking::default().check(b"one\r\ntwo", |chunks| {
///     let (mut reader, mut lines) = (Reader::new(), Vec::new());
///     for chunk in chunks {
///         reader.feed(chunk);
///         while let Ok(Step::Ready(line)) = reader.read_line() {
///             lines.push(line.to_bytes());
///         }
///     }
///     (lines, reader.into_unread())
/// });
/// assert_eq!(cases, Ok(128));
///
/// // A protocol that takes each chunk for a line is found out.
/// let few = Chunking { samples: 100, seed: 7, ..Chunking::default() };
/// let mismatch = few.check(&[b'x'; 1000], |chunks| chunks.count()).unwrap_err();
/// assert_eq!(mismatch.cuts, [1]);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "nothing runs before `check`"]
pub struct Chunking {
    /// Length of the longest input that is cut in every way, in bytes: 16. More than 32 counts as
    /// 32.
    pub exhaustive_to: usize,
    /// Most pairs of cuts to try on a longer input: 4096.
    pub pairs: usize,
    /// How many random ways to try on a longer input: 1024.
    pub samples: usize,
    /// What the random ways come from: zero. The same seed gives the same ways.
    pub seed: u64,
}

/// Runs a protocol on the ways to cut `input` that [`Chunking`] tries by default; returns how many.
///
/// # Panics
///
/// If one of them has another outcome than the whole input. The message shows both, and the chunks.
///
/// # Examples
///
/// ```
/// use plimsoll::testing::{ScriptedPeer, assert_chunking_does_not_matter, drive};
/// use plimsoll::{Connection, Event, Next, ReadError, Step};
///
/// let mut echo = |connection: &mut Connection, _: Event| -> Result<Next, ReadError> {
///     while let Step::Ready(line) = connection.reader.read_line()? {
///         if line.is_empty() { return Ok(Next::Close) }
///         connection.writer.write(&line).unwrap();
///     }
///     Ok(Next::Turn)
/// };
/// assert_chunking_does_not_matter(b"one\ntwo\n", |chunks| {
///     let mut peer = ScriptedPeer::new().sends_each(chunks);
///     let driven = drive(&mut Connection::new(), &mut peer, &mut echo);
///     (driven.map(|driven| driven.state), peer.received().to_vec(), peer.has_seen_end())
/// });
/// ```
#[track_caller]
pub fn assert_chunking_does_not_matter<T: PartialEq + fmt::Debug>(
    input: &[u8],
    run: impl FnMut(Chunks<'_>) -> T,
) -> u64 {
    let (cases, failure) = match Chunking::default().check(input, run) {
        Ok(cases) => (cases, String::new()),
        Err(mismatch) => (0, mismatch.to_string()),
    };
    assert!(failure.is_empty(), "{failure}");
    cases
}

impl Chunking {
    /// Runs a protocol on one way after the other to cut `input`; returns how many it was.
    ///
    /// The first run gets `input` in one chunk, and sets the outcome that all others must have.
    /// What may depend on packet boundaries should be left out of it, such as `consumed` of
    /// [`ReadError::LimitOverrun`](crate::ReadError::LimitOverrun). A panic in `run` is passed on,
    /// and the cuts are not shown; with a `Result` as the outcome they are.
    ///
    /// # Errors
    ///
    /// [`Mismatch`], for the first way that differs, after leaving out the cuts that do not matter.
    pub fn check<T: PartialEq>(
        self,
        input: &[u8],
        mut run: impl FnMut(Chunks<'_>) -> T,
    ) -> Result<u64, Mismatch<T>> {
        let expected = run(Chunks::new(input, &[]));
        let mut differs = |cuts: &[usize]| {
            let outcome = run(Chunks::new(input, cuts));
            (outcome != expected).then_some(outcome)
        };
        let mut cases: u64 = 1;
        for cuts in self.ways(input.len()) {
            if let Some(found) = differs(&cuts) {
                let (cuts, found) = shrink(cuts, found, differs);
                let input = Bytes::copy_from_slice(input);
                return Err(Mismatch {
                    input,
                    cuts,
                    expected,
                    found,
                });
            }
            cases = cases.saturating_add(1);
        }
        Ok(cases)
    }

    /// The ways to cut `len` bytes, each as the places of its cuts, but for the one without any.
    fn ways(self, len: usize) -> Box<dyn Iterator<Item = Vec<usize>>> {
        let places = 1..len;
        if len <= self.exhaustive_to.clamp(1, 32) {
            // In these numbers the bit of each place says whether to cut there.
            let ways = (2..1_u64.wrapping_shl(len as u32)).step_by(2);
            let is_cut = |way: u64, place: usize| way.wrapping_shr(place as u32) & 1 == 1;
            return Box::new(
                ways.map(move |way| places.clone().filter(|&place| is_cut(way, place)).collect()),
            );
        }
        let pairs = places.clone().flat_map(move |distance| {
            let pair = move |first: usize| vec![first, first.saturating_add(distance)];
            (1..len.saturating_sub(distance)).map(pair)
        });
        let mut random = Random(self.seed);
        let singles = places.clone().map(|place| vec![place]);
        let samples = (0..self.samples).map(move |_| random.cuts(len));
        Box::new(
            singles
                .chain(pairs.take(self.pairs))
                .chain([places.collect()])
                .chain(samples),
        )
    }
}

impl Default for Chunking {
    fn default() -> Self {
        Self {
            exhaustive_to: 16,
            pairs: 4096,
            samples: 1024,
            seed: 0,
        }
    }
}

/// The chunks of an input, in order. None is empty; of an empty input there is none.
#[derive(Clone, Debug)]
pub struct Chunks<'a> {
    rest: &'a [u8],
    /// How many bytes of the input are before `rest`.
    position: usize,
    cuts: core::slice::Iter<'a, usize>,
}

impl<'a> Chunks<'a> {
    /// Cuts `input` at the places in `cuts`, each the number of bytes before it, in ascending
    /// order.
    ///
    /// A cut that is out of order, or not inside of the input, is none.
    pub fn new(input: &'a [u8], cuts: &'a [usize]) -> Self {
        Self {
            rest: input,
            position: 0,
            cuts: cuts.iter(),
        }
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let left = self.rest.len();
        let mut lens = self
            .cuts
            .by_ref()
            .map(|cut| cut.saturating_sub(self.position));
        let len = lens.find(|len| (1..left).contains(len)).unwrap_or(left);
        let (chunk, rest) = self.rest.split_at(len);
        self.rest = rest;
        self.position = self.position.saturating_add(len);
        Some(chunk).filter(|chunk| !chunk.is_empty())
    }
}

/// A protocol had another outcome because its input was cut. Displays the chunks and both.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Mismatch<T> {
    /// The input, whole.
    pub input: Bytes,
    /// Where it was cut, for [`Chunks::new`] to replay. Without any one of these cuts, it did not
    /// differ.
    ///
    /// Empty if the outcome changes from run to run though nothing is cut.
    pub cuts: Vec<usize>,
    /// The outcome for the whole input.
    pub expected: T,
    /// The outcome for these chunks of it.
    pub found: T,
}

impl<T: fmt::Debug> fmt::Display for Mismatch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Most bytes to show of each end of a chunk.
        const SHOWN: usize = 24;
        write!(
            f,
            "the outcome depends on how the input is cut\n  cuts:   {:?}",
            self.cuts
        )?;
        for chunk in Chunks::new(&self.input, &self.cuts) {
            let (head, rest) = chunk.split_at(chunk.len().min(SHOWN));
            let (hidden, tail) = rest.split_at(rest.len().saturating_sub(SHOWN));
            write!(f, "\n  chunk:  \"{}", head.escape_ascii())?;
            if !hidden.is_empty() {
                write!(f, "\" and {} bytes and \"", hidden.len())?;
            }
            write!(f, "{}\"", tail.escape_ascii())?;
        }
        write!(
            f,
            "\n  gave:   {:?}\n  whole:  {:?}",
            self.found, self.expected
        )
    }
}

impl<T: fmt::Debug> core::error::Error for Mismatch<T> {}

/// Leaves out cuts as long as the outcome differs: first all of them, in the end one by one.
fn shrink<T>(
    mut cuts: Vec<usize>,
    mut found: T,
    mut differs: impl FnMut(&[usize]) -> Option<T>,
) -> (Vec<usize>, T) {
    let mut count = cuts.len();
    loop {
        let (before, mut kept) = (cuts.len(), 0);
        while kept < cuts.len() {
            let after = cuts.iter().skip(kept.saturating_add(count));
            let fewer: Vec<usize> = cuts.iter().take(kept).chain(after).copied().collect();
            match differs(&fewer) {
                Some(outcome) => (cuts, found) = (fewer, outcome),
                None => kept = kept.saturating_add(count),
            }
        }
        if count <= 1 && cuts.len() == before {
            return (cuts, found);
        }
        count = (count / 2).max(1);
    }
}

/// The generator SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    /// Some places to cut `len` bytes at, for chunks that are short in some results and long in
    /// others.
    fn cuts(&mut self, len: usize) -> Vec<usize> {
        let bits = usize::BITS.saturating_sub(len.leading_zeros());
        let longest = len.wrapping_shr(self.below(bits as usize) as u32);
        let mut places = vec![];
        let mut place = self.below(longest).saturating_add(1);
        while place < len {
            places.push(place);
            place = place.saturating_add(self.below(longest)).saturating_add(1);
        }
        places
    }

    /// A number below `end`, or zero.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let mixed = mixed ^ (mixed >> 31);
        mixed.checked_rem(end as u64).unwrap_or(0) as usize
    }
}
