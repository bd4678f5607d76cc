//! Tests of protocols, without a network: every way to cut an input, and a peer that plays a script.
//!
//! [`Cuts`] runs a protocol on the same input in many different pieces, and tells where its outcome
//! depends on them. [`ScriptedPeer`] stands in for a transport: it answers each call as its script
//! says, faults included, and records what it was sent. [`drive`] moves bytes between it and a
//! [`Connection`]. All of it is plain data: no I/O, no clock, and the same run every time.
//!
//! `Debug` shows bytes here, as nowhere else in the crate: the input of a test is its own.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use bytes::{Buf, Bytes, BytesMut};

use crate::connection::Connection;
use crate::error::Loss;

/// Which ways to cut an input a protocol is run on: the network's cuts must not show.
///
/// A short input is cut in every way, which for `n` bytes is `2^(n-1)`. A longer one is left whole,
/// then cut at every single place, at pairs of places, the nearest to each other first, byte by
/// byte, and at random places. Work on a long input is quadratic in its length.
///
/// # Examples
///
/// ```
/// use plimsoll::testing::Cuts;
/// use plimsoll::{Reader, Step};
///
/// let cases = Cuts::default().check(b"one\r\ntwo", |pieces| {
///     let (mut reader, mut lines) = (Reader::new(), Vec::new());
///     for piece in pieces {
///         reader.feed(piece);
///         while let Ok(Step::Ready(line)) = reader.read_line() {
///             lines.push(line.to_bytes());
///         }
///     }
///     (lines, reader.into_unread())
/// });
/// assert_eq!(cases, Ok(128));
///
/// // Whoever takes each piece for a line finds out.
/// let few = Cuts { samples: 100, seed: 7, ..Cuts::default() };
/// let difference = few.check(&[b'x'; 1000], |pieces| pieces.count()).unwrap_err();
/// assert_eq!(difference.cuts, [1]);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "nothing runs before `check`"]
pub struct Cuts {
    /// Length of the longest input that is cut in every way, in bytes: 16. More than 32 counts as 32.
    pub exhaustive_to: usize,
    /// Most pairs of cuts to try on a longer input: 4096.
    pub pairs: usize,
    /// How many random ways to try on a longer input: 1024.
    pub samples: usize,
    /// What the random ways come from: zero. The same seed gives the same ways.
    pub seed: u64,
}

/// Runs a protocol on the ways to cut `input` that [`Cuts`] tries by default; returns how many.
///
/// # Panics
///
/// If one of them has another outcome than the whole input. The message shows both, and the pieces.
///
/// # Examples
///
/// ```
/// use plimsoll::testing::{ScriptedPeer, assert_cuts_do_not_matter, drive};
/// use plimsoll::{Connection, Step};
///
/// assert_cuts_do_not_matter(b"one\ntwo\n", |pieces| {
///     let mut peer = ScriptedPeer::new().sends_each(pieces);
///     drive(&mut Connection::new(), &mut peer, |connection| {
///         while let Ok(Step::Ready(line)) = connection.reader.read_line() {
///             if line.is_empty() { return connection.close() }
///             connection.writer.write(&line).unwrap();
///         }
///     });
///     (peer.received().to_vec(), peer.has_seen_end())
/// });
/// ```
#[track_caller]
pub fn assert_cuts_do_not_matter<T: PartialEq + fmt::Debug>(
    input: &[u8],
    run: impl FnMut(Pieces<'_>) -> T,
) -> u64 {
    let (cases, failure) = match Cuts::default().check(input, run) {
        Ok(cases) => (cases, String::new()),
        Err(difference) => (0, difference.to_string()),
    };
    assert!(failure.is_empty(), "{failure}");
    cases
}

impl Cuts {
    /// Runs a protocol on one way after the other to cut `input`; returns how many it was.
    ///
    /// The first run gets `input` in one piece, and sets the outcome that all others must come to.
    /// What may depend on the network should be left out of it, such as `consumed` of
    /// [`ReadError::LimitOverrun`](crate::ReadError::LimitOverrun). A panic in `run` goes through
    /// without a word on the cuts; a `Result` as the outcome gets them reported.
    ///
    /// # Errors
    ///
    /// [`Difference`], for the first way that differs, after leaving out the cuts that do not matter.
    pub fn check<T: PartialEq>(
        self,
        input: &[u8],
        mut run: impl FnMut(Pieces<'_>) -> T,
    ) -> Result<u64, Difference<T>> {
        let expected = run(Pieces::new(input, &[]));
        let mut differs = |cuts: &[usize]| {
            let outcome = run(Pieces::new(input, cuts));
            (outcome != expected).then_some(outcome)
        };
        let mut cases: u64 = 1;
        for cuts in self.ways(input.len()) {
            if let Some(found) = differs(&cuts) {
                let (cuts, found) = shrink(cuts, found, differs);
                let input = Bytes::copy_from_slice(input);
                return Err(Difference {
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

impl Default for Cuts {
    fn default() -> Self {
        Self {
            exhaustive_to: 16,
            pairs: 4096,
            samples: 1024,
            seed: 0,
        }
    }
}

/// The pieces of an input, in order. None is empty; of an empty input there is none.
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    rest: &'a [u8],
    /// How many bytes of the input are before `rest`.
    position: usize,
    cuts: core::slice::Iter<'a, usize>,
}

impl<'a> Pieces<'a> {
    /// Cuts `input` at the places in `cuts`, each the number of bytes before it, in ascending order.
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

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let left = self.rest.len();
        let mut lens = self
            .cuts
            .by_ref()
            .map(|cut| cut.saturating_sub(self.position));
        let len = lens.find(|len| (1..left).contains(len)).unwrap_or(left);
        let (piece, rest) = self.rest.split_at(len);
        self.rest = rest;
        self.position = self.position.saturating_add(len);
        Some(piece).filter(|piece| !piece.is_empty())
    }
}

/// A protocol came to another outcome because its input was cut. Displays the pieces and both.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Difference<T> {
    /// The input, whole.
    pub input: Bytes,
    /// Where it was cut, for [`Pieces::new`] to replay. Without any one of these cuts, it did not differ.
    ///
    /// Empty if the outcome changes from run to run though nothing is cut.
    pub cuts: Vec<usize>,
    /// What the whole input came to.
    pub expected: T,
    /// What these pieces of it came to.
    pub found: T,
}

impl<T: fmt::Debug> fmt::Display for Difference<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Most bytes to show of each end of a piece.
        const SHOWN: usize = 24;
        write!(
            f,
            "the outcome depends on how the input is cut\n  cuts:   {:?}",
            self.cuts
        )?;
        for piece in Pieces::new(&self.input, &self.cuts) {
            let (head, rest) = piece.split_at(piece.len().min(SHOWN));
            let (hidden, tail) = rest.split_at(rest.len().saturating_sub(SHOWN));
            write!(f, "\n  piece:  \"{}", head.escape_ascii())?;
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

impl<T: fmt::Debug> core::error::Error for Difference<T> {}

/// A peer, and the transport to it, that play a script.
///
/// The script is a list of answers for each kind of call, which whoever drives the protocol makes. A
/// call takes the next answer and never waits: a call that [would block](Fault::WouldBlock) may be
/// made again at once, and goes on behind it. A [loss](Fault::Lost) is final for its direction: for
/// reads, or for writes, flushes and shutdowns.
///
/// When the script is over, reads get the end of the stream, writes are taken whole, and flushes and
/// shutdowns succeed. More may be added before that.
///
/// # Examples
///
/// ```
/// use plimsoll::testing::{Call, Fault, ScriptedPeer};
///
/// let mut peer = ScriptedPeer::new()
///     .sends(b"220 ready\r\n")
///     .fails(Call::Read, Fault::WouldBlock)
///     .takes(3);
///
/// let mut room = [0; 64];
/// assert_eq!(peer.read(&mut room), Ok(11));
/// assert_eq!(peer.read(&mut room), Err(Fault::WouldBlock));
/// assert_eq!(peer.read(&mut room), Ok(0), "the end of the stream");
/// assert_eq!(peer.write(&[b"QU", b"IT\r\n"]), Ok(3));
/// assert_eq!(peer.received(), b"QUI");
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a script does nothing on its own"]
pub struct ScriptedPeer {
    reads: VecDeque<Answer>,
    writes: VecDeque<Answer>,
    flushes: VecDeque<Answer>,
    shutdowns: VecDeque<Answer>,
    /// Faults of calls by their number, from zero.
    call_faults: Vec<(usize, Fault)>,
    /// Most bytes that a write takes of which the script says nothing.
    takes_at_most: Option<usize>,
    read_loss: Option<Loss>,
    write_loss: Option<Loss>,
    received: BytesMut,
    has_seen_end: bool,
    calls: Vec<Call>,
}

/// A kind of call to a transport.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Call {
    /// Receive.
    Read,
    /// Send.
    Write,
    /// Send on what is held back on the way.
    Flush,
    /// End this side's stream.
    Shutdown,
}

/// Why a call to a transport did nothing.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The call would have to wait.
    #[error("would block")]
    WouldBlock,
    /// The call was interrupted, and is to be made again.
    #[error("interrupted")]
    Interrupted,
    /// The connection is lost, for good.
    #[error("connection lost: {0}")]
    Lost(Loss),
}

/// What the script says of one call.
#[derive(Clone, Debug)]
enum Answer {
    /// A read receives these bytes.
    Send(Bytes),
    /// A write takes at most so many bytes.
    Take(usize),
    Fail(Fault),
}

impl ScriptedPeer {
    /// Creates a peer with an empty script: it ends its stream at once, and takes everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds to the script: the peer sends `bytes`, which arrive at once. Empty ones change nothing.
    ///
    /// A read with less room leaves the rest to the next one.
    pub fn sends(mut self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = Bytes::copy_from_slice(bytes.as_ref());
        self.reads.extend(
            Some(bytes)
                .filter(|bytes| !bytes.is_empty())
                .map(Answer::Send),
        );
        self
    }

    /// Adds to the script: the peer sends all `pieces`, which arrive one by one.
    pub fn sends_each(self, pieces: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        pieces.into_iter().fold(self, Self::sends)
    }

    /// Adds to the script: a write is taken only as far as `count` bytes.
    ///
    /// With zero it answers zero, as a transport does that will take no more.
    pub fn takes(mut self, count: usize) -> Self {
        self.writes.push_back(Answer::Take(count));
        self
    }

    /// Changes how many bytes a write takes of which the script says nothing, at least one.
    pub fn takes_at_most(mut self, count: usize) -> Self {
        self.takes_at_most = Some(count.max(1));
        self
    }

    /// Adds to the script: a call of this kind fails.
    pub fn fails(mut self, call: Call, fault: Fault) -> Self {
        self.script(call).push_back(Answer::Fail(fault));
        self
    }

    /// Makes the call with this number fail, of whatever kind it is; the first has number zero.
    ///
    /// The script goes on behind it as if the call had not been made. A run without faults tells how many
    /// [`calls`](Self::calls) there are, for a loop that fails each of them.
    pub fn fail_call(mut self, number: usize, fault: Fault) -> Self {
        self.call_faults.push((number, fault));
        self
    }

    /// Receives what the peer has sent; returns how many bytes: zero at the end of its stream,
    /// or without room.
    ///
    /// # Errors
    ///
    /// [`Fault`], where the script says so; nothing was received.
    pub fn read(&mut self, room: &mut [u8]) -> Result<usize, Fault> {
        let Some(Answer::Send(mut bytes)) = self.answer(Call::Read)? else {
            return Ok(0);
        };
        let len = bytes.len().min(room.len());
        bytes.copy_to_slice(room.split_at_mut(len).0);
        if !bytes.is_empty() {
            self.reads.push_front(Answer::Send(bytes));
        }
        Ok(len)
    }

    /// Sends `slices`, one behind the other; returns how many bytes the peer has taken of them.
    ///
    /// # Errors
    ///
    /// [`Fault`], where the script says so, and [`Loss::Reset`] behind the end of this side's stream;
    /// nothing was sent.
    pub fn write(&mut self, slices: &[&[u8]]) -> Result<usize, Fault> {
        let most = match self.answer(Call::Write)? {
            _ if self.has_seen_end => return Err(Fault::Lost(Loss::Reset)),
            Some(Answer::Take(count)) => count,
            _ => self.takes_at_most.unwrap_or(usize::MAX),
        };
        let before = self.received.len();
        for slice in slices {
            let taken = self.received.len().saturating_sub(before);
            let left = most.saturating_sub(taken);
            self.received.extend(slice.iter().take(left));
        }
        Ok(self.received.len().saturating_sub(before))
    }

    /// Sends on what is held back on the way, which is nothing.
    ///
    /// # Errors
    ///
    /// [`Fault`], where the script says so.
    pub fn flush(&mut self) -> Result<(), Fault> {
        self.answer(Call::Flush).map(drop)
    }

    /// Ends this side's stream. Doing it again changes nothing.
    ///
    /// # Errors
    ///
    /// [`Fault`], where the script says so; the peer has not seen the end.
    pub fn shutdown(&mut self) -> Result<(), Fault> {
        self.answer(Call::Shutdown)?;
        self.has_seen_end = true;
        Ok(())
    }

    /// Returns everything that the peer has taken.
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    /// Tells whether the peer has seen the end of this side's stream.
    pub fn has_seen_end(&self) -> bool {
        self.has_seen_end
    }

    /// Returns all calls that were made, in order, those that failed included.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// Takes note of a call, and what the script says of it, if anything.
    fn answer(&mut self, call: Call) -> Result<Option<Answer>, Fault> {
        let number = self.calls.len();
        self.calls.push(call);
        let fault = self
            .call_faults
            .iter()
            .find(|(of, _)| *of == number)
            .map(|(_, fault)| *fault);
        let answer = match (*self.loss(call), fault) {
            (Some(loss), _) => Some(Answer::Fail(Fault::Lost(loss))),
            (None, Some(fault)) => Some(Answer::Fail(fault)),
            (None, None) => self.script(call).pop_front(),
        };
        let Some(Answer::Fail(fault)) = answer else {
            return Ok(answer);
        };
        if let Fault::Lost(loss) = fault {
            *self.loss(call) = Some(loss);
        }
        Err(fault)
    }

    fn script(&mut self, call: Call) -> &mut VecDeque<Answer> {
        match call {
            Call::Read => &mut self.reads,
            Call::Write => &mut self.writes,
            Call::Flush => &mut self.flushes,
            Call::Shutdown => &mut self.shutdowns,
        }
    }

    /// The loss of the direction that a call belongs to.
    fn loss(&mut self, call: Call) -> &mut Option<Loss> {
        match call {
            Call::Read => &mut self.read_loss,
            Call::Write | Call::Flush | Call::Shutdown => &mut self.write_loss,
        }
    }
}

/// Moves bytes between a connection and its peer until it would have to wait, or all is done.
///
/// `protocol` is called at first and after each move, to read what is there and to write; it should
/// change nothing when nothing is new. What is pending is sent before more is received. An
/// interrupted call is made again, and a loss is told to the connection. Where the peer would block it
/// returns; another call goes on from there.
///
/// # Examples
///
/// ```
/// use plimsoll::testing::{ScriptedPeer, drive};
/// use plimsoll::{Connection, Step};
///
/// let mut peer = ScriptedPeer::new().sends(b"EH").sends(b"LO x\r\n").takes_at_most(1);
/// drive(&mut Connection::new(), &mut peer, |connection| match connection.reader.read_line() {
///     Ok(Step::Ready(line)) if line.is_empty() => connection.close(),
///     Ok(Step::Ready(_)) => connection.writer.write(b"250 ok\r\n").unwrap(),
///     _ => {}
/// });
/// assert_eq!(peer.received(), b"250 ok\r\n");
/// ```
pub fn drive(
    connection: &mut Connection,
    peer: &mut ScriptedPeer,
    mut protocol: impl FnMut(&mut Connection),
) {
    loop {
        protocol(connection);
        let moved = match send(connection, peer) {
            Ok(false) | Err(Fault::WouldBlock) => receive(connection, peer),
            sent => sent,
        };
        match moved {
            Ok(true) | Err(Fault::Interrupted) => {}
            Ok(false) | Err(Fault::WouldBlock) => return,
            Err(Fault::Lost(loss)) => connection.lost(loss),
        }
    }
}

/// Makes one call to send what is pending, or the end behind it. Returns whether there was any.
fn send(connection: &mut Connection, peer: &mut ScriptedPeer) -> Result<bool, Fault> {
    let writer = &mut connection.writer;
    if writer.wants_write() {
        match peer.write(&[writer.output().chunk()])? {
            0 => return Err(Fault::Lost(Loss::Transport)),
            sent => writer.output().advance(sent),
        }
    } else if writer.wants_shutdown() {
        peer.shutdown()?;
        writer.shutdown_done();
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// Makes one call to receive, if the connection wants it. Returns whether it does.
fn receive(connection: &mut Connection, peer: &mut ScriptedPeer) -> Result<bool, Fault> {
    let reader = &mut connection.reader;
    if !reader.wants_read() {
        return Ok(false);
    }
    let answer = peer.read(reader.input(16 * 1024));
    reader.commit(answer.unwrap_or(0));
    if answer? == 0 {
        reader.feed_eof();
    }
    Ok(true)
}

/// Leaves out cuts as long as the outcome differs: first all at once, at last one by one.
fn shrink<T>(
    mut cuts: Vec<usize>,
    mut found: T,
    mut differs: impl FnMut(&[usize]) -> Option<T>,
) -> (Vec<usize>, T) {
    let mut count = cuts.len();
    loop {
        let (before, mut kept) = (cuts.len(), 0);
        while kept < cuts.len() {
            let behind = cuts.iter().skip(kept.saturating_add(count));
            let fewer: Vec<usize> = cuts.iter().take(kept).chain(behind).copied().collect();
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
    /// Some places to cut `len` bytes at, for pieces that are short in some results and long in others.
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
