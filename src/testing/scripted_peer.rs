//! A peer that plays a script, and the transport to it.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::{Buf, Bytes, BytesMut};

use crate::error::{ConnectionError, TransportError};

/// A peer, and the transport to it, that play a script.
///
/// The script is a list of answers for each kind of call, which the driver of a protocol makes. A
/// call takes the next answer and never waits: a call that
/// [would block](TransportError::WouldBlock) may be repeated immediately, and gets the answer after
/// it.
///
/// When the script is over, reads get the end of the stream, writes are taken whole, and flushes
/// and shutdowns succeed. More may be added before that.
///
/// # Losses
///
/// It fails as a socket of Linux does. A [loss](TransportError::Lost) is reported once, to the call
/// that the script says. From then on nothing more arrives: reads return what the script still
/// sends, then zero; writes fail with [`BrokenPipe`](ConnectionError::BrokenPipe), shutdowns with
/// [`NotConnected`](ConnectionError::NotConnected). A `BrokenPipe` or `NotConnected` of the script
/// is no such report: writes go on failing with `BrokenPipe`, and reads go on as the script says,
/// up to a loss of their own.
///
/// [`over_pipes`](Self::over_pipes) makes it a pair of pipes instead, as to a child process: each
/// direction fails on its own, and the peer sees the end only when the write side is
/// [dropped](Self::drop_write_side).
///
/// # Examples
///
/// ```
/// use plimsoll::TransportError;
/// use plimsoll::testing::{Call, ScriptedPeer};
///
/// let mut peer = ScriptedPeer::new()
///     .sends(b"220 ready\r\n")
///     .fails(Call::Read, TransportError::WouldBlock)
///     .takes(3);
///
/// let mut room = [0; 64];
/// assert_eq!(peer.read(&mut room), Ok(11));
/// assert_eq!(peer.read(&mut room), Err(TransportError::WouldBlock));
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
    /// Errors of calls by their number, from zero.
    call_errors: Vec<(usize, TransportError)>,
    /// Most bytes that a write takes of which the script says nothing.
    takes_at_most: Option<usize>,
    is_pipes: bool,
    /// Why nothing more arrives. Over a socket it concerns both directions, and was reported.
    read_loss: Option<ConnectionError>,
    /// Why nothing more is taken.
    write_loss: Option<ConnectionError>,
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
    /// Send what is held back on the way.
    Flush,
    /// End this side's stream.
    Shutdown,
}

/// What the script says of one call.
#[derive(Clone, Debug)]
enum Answer {
    /// A read receives these bytes.
    Send(Bytes),
    /// A write takes at most so many bytes.
    Take(usize),
    Fail(TransportError),
    /// Nothing comes before time passes.
    Silence,
}

impl ScriptedPeer {
    /// Creates a peer with an empty script: it ends its stream immediately, and takes everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the transport two pipes instead of a socket.
    ///
    /// A loss concerns its direction only, and is reported each time. A shutdown succeeds, and the
    /// peer does not notice: a pipe ends when it is [dropped](Self::drop_write_side).
    pub fn over_pipes(self) -> Self {
        Self {
            is_pipes: true,
            ..self
        }
    }

    /// Adds to the script: the peer sends `bytes`, which arrive together. Empty ones change
    /// nothing.
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

    /// Adds to the script: the peer sends all `chunks`, which arrive one by one.
    pub fn sends_each(self, chunks: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        chunks.into_iter().fold(self, Self::sends)
    }

    /// Adds to the script: the peer sends nothing until the protocol's time is over, if it has any.
    ///
    /// [`drive`](super::drive) lets time pass then; other drivers see reads that would block.
    pub fn falls_silent(mut self) -> Self {
        self.reads.push_back(Answer::Silence);
        self
    }

    /// Adds to the script: a write is taken only as far as `count` bytes.
    ///
    /// With zero it returns zero, as a transport does that will take no more.
    pub fn takes(mut self, count: usize) -> Self {
        self.writes.push_back(Answer::Take(count));
        self
    }

    /// Sets how many bytes a write takes of which the script says nothing, at least one.
    pub fn takes_at_most(mut self, count: usize) -> Self {
        self.takes_at_most = Some(count.max(1));
        self
    }

    /// Adds to the script: a call of this kind fails.
    pub fn fails(mut self, call: Call, error: TransportError) -> Self {
        self.script(call).push_back(Answer::Fail(error));
        self
    }

    /// Makes the call with this number fail, of whatever kind it is; the first has number zero.
    ///
    /// The script goes on after it as if the call had not been made. A run without faults has the
    /// number of [`calls`](Self::calls), for a loop that fails each of them.
    pub fn fail_call(mut self, number: usize, error: TransportError) -> Self {
        self.call_errors.push((number, error));
        self
    }

    /// Receives what the peer has sent; returns how many bytes: zero at the end of its stream, or
    /// without room.
    ///
    /// # Errors
    ///
    /// [`TransportError`] if the script says so; nothing was received.
    pub fn read(&mut self, room: &mut [u8]) -> Result<usize, TransportError> {
        let answer = loop {
            match self.answer(Call::Read)? {
                // Once the connection is lost nothing is on its way that could be waited for.
                Some(Answer::Silence) if self.read_loss.is_some() => {}
                Some(Answer::Silence) => {
                    self.reads.push_front(Answer::Silence);
                    return Err(TransportError::WouldBlock);
                }
                answer => break answer,
            }
        };
        let Some(Answer::Send(mut bytes)) = answer else {
            return Ok(0);
        };
        let len = bytes.len().min(room.len());
        bytes.copy_to_slice(room.split_at_mut(len).0);
        if !bytes.is_empty() {
            self.reads.push_front(Answer::Send(bytes));
        }
        Ok(len)
    }

    /// Sends `slices`, one after the other; returns how many bytes the peer has taken of them.
    ///
    /// # Errors
    ///
    /// [`TransportError`] if the script says so, and [`ConnectionError::BrokenPipe`] after the end
    /// of this side's stream; nothing was sent.
    pub fn write(&mut self, slices: &[&[u8]]) -> Result<usize, TransportError> {
        let most = match self.answer(Call::Write)? {
            _ if self.has_seen_end => return Err(ConnectionError::BrokenPipe.into()),
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

    /// Sends what is held back on the way, which is nothing.
    ///
    /// # Errors
    ///
    /// [`TransportError`] if the script says so.
    pub fn flush(&mut self) -> Result<(), TransportError> {
        self.answer(Call::Flush).map(drop)
    }

    /// Ends this side's stream, over a socket. Doing it again changes nothing.
    ///
    /// # Errors
    ///
    /// [`TransportError`] if the script says so; the peer has not seen the end.
    pub fn shutdown(&mut self) -> Result<(), TransportError> {
        self.answer(Call::Shutdown)?;
        self.has_seen_end |= !self.is_pipes;
        Ok(())
    }

    /// Drops the write side: over pipes the peer sees the end of this side's stream, whatever was
    /// pending.
    pub fn drop_write_side(&mut self) {
        self.has_seen_end |= self.is_pipes;
    }

    /// Returns everything that the peer has taken.
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    /// Returns `true` if the peer has seen the end of this side's stream.
    pub fn has_seen_end(&self) -> bool {
        self.has_seen_end
    }

    /// Returns all calls that were made, in order, those that failed included.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// Ends a silence, if the script is at one. Returns whether it was.
    pub(super) fn end_silence(&mut self) -> bool {
        let is_silent = matches!(self.reads.front(), Some(Answer::Silence));
        if is_silent {
            self.reads.pop_front();
        }
        is_silent
    }

    /// Takes note of a call, and returns what the script says of it, if anything.
    fn answer(&mut self, call: Call) -> Result<Option<Answer>, TransportError> {
        let number = self.calls.len();
        self.calls.push(call);
        if let Some(error) = self.error_of_lost(call) {
            return Err(error.into());
        }
        let numbered = self.call_errors.iter().find(|(of, _)| *of == number);
        let answer = match numbered {
            Some((_, error)) => Some(Answer::Fail(*error)),
            None => loop {
                match self.script(call).pop_front() {
                    // A lost socket is ready: it neither blocks nor reports another loss.
                    Some(Answer::Fail(_)) if call == Call::Read && self.read_loss.is_some() => {}
                    answer => break answer,
                }
            },
        };
        let Some(Answer::Fail(error)) = answer else {
            return Ok(answer);
        };
        if let TransportError::Lost(error) = error {
            self.lose(call, error);
        }
        Err(error)
    }

    /// What a call fails with after a loss that was reported.
    fn error_of_lost(&self, call: Call) -> Option<ConnectionError> {
        match call {
            Call::Read => self.read_loss.filter(|_| self.is_pipes),
            Call::Write => self.write_loss,
            // A socket has nothing to flush.
            Call::Flush => self.write_loss.filter(|_| self.is_pipes),
            Call::Shutdown if self.is_pipes => None,
            Call::Shutdown => self.write_loss.map(|_| ConnectionError::NotConnected),
        }
    }

    /// Records a loss that a call reports.
    fn lose(&mut self, call: Call, error: ConnectionError) {
        if self.is_pipes {
            match call {
                Call::Read => self.read_loss = Some(error),
                _ => self.write_loss = Some(error),
            }
            return;
        }
        self.write_loss = Some(ConnectionError::BrokenPipe);
        if call == Call::Read || error.ends_both_directions() {
            self.read_loss = Some(error);
        }
    }

    fn script(&mut self, call: Call) -> &mut VecDeque<Answer> {
        match call {
            Call::Read => &mut self.reads,
            Call::Write => &mut self.writes,
            Call::Flush => &mut self.flushes,
            Call::Shutdown => &mut self.shutdowns,
        }
    }
}
