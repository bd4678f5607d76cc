//! What rests in the slot of a pair.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Poll, Waker};

use plimsoll::ConnectionError;

use crate::slot::{Core, Io, Pressure, Says};
use crate::socket::Socket;

/// How often each part was dropped, the transport aborted, and the core told of a loss.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) outputs: AtomicUsize,
    pub(super) transports: AtomicUsize,
    pub(super) read_halves: AtomicUsize,
    pub(super) aborted: AtomicUsize,
    pub(super) lost: AtomicUsize,
}

/// The half of a transport to read from.
pub(super) struct ReadHalf {
    socket: Socket,
    counts: Arc<Counts>,
}

impl ReadHalf {
    pub(super) fn receive(&mut self, waker: &Waker) -> Poll<Result<usize, ConnectionError>> {
        self.socket.receive(waker)
    }
}

impl Drop for ReadHalf {
    fn drop(&mut self) {
        self.counts.read_halves.fetch_add(1, Relaxed);
    }
}

/// A transport, with its read half while that is not with the reader.
pub(super) struct Transport {
    socket: Socket,
    read: Option<ReadHalf>,
    has_layer: bool,
    counts: Arc<Counts>,
}

impl Transport {
    pub(super) fn new(socket: &Socket, counts: &Arc<Counts>, has_layer: bool) -> Self {
        Self {
            socket: socket.clone(),
            read: Some(ReadHalf {
                socket: socket.clone(),
                counts: Arc::clone(counts),
            }),
            has_layer,
            counts: Arc::clone(counts),
        }
    }

    pub(super) fn has_layer(&self) -> bool {
        self.has_layer
    }

    /// `None` without the read half.
    pub(super) fn receive(
        &mut self,
        waker: &Waker,
    ) -> Option<Poll<Result<usize, ConnectionError>>> {
        self.read.as_mut().map(|read| read.receive(waker))
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.counts.transports.fetch_add(1, Relaxed);
    }
}

impl Io for Transport {
    type Read = ReadHalf;

    fn abort(&mut self) {
        self.socket.cut();
        self.counts.aborted.fetch_add(1, Relaxed);
    }

    fn take_read_half(&mut self) -> Option<ReadHalf> {
        self.read.take_if(|_| !self.has_layer)
    }

    fn put_read_half(&mut self, read: ReadHalf) {
        assert!(self.read.replace(read).is_none(), "a second read half");
    }

    fn read_half(&self) -> Option<&ReadHalf> {
        self.read.as_ref()
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stream {
    Open,
    /// It is to be ended.
    Closing,
    Ended,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Input {
    Open,
    Ended,
    /// This side has closed.
    Closed,
    Lost(ConnectionError),
}

/// The core of a pair: its output, and how its input stands.
pub(super) struct Output {
    /// How much was written and not sent.
    unsent: usize,
    /// Whether the socket was asked to take it.
    is_offered: bool,
    stream: Stream,
    lost: Option<ConnectionError>,
    input: Input,
    moves: u16,
    counts: Arc<Counts>,
}

/// More than so much is full.
const MARK: usize = 1;

impl Output {
    pub(super) fn new(unsent: usize, counts: &Arc<Counts>) -> Self {
        Self {
            unsent,
            is_offered: false,
            stream: Stream::Open,
            lost: None,
            input: Input::Open,
            moves: 0,
            counts: Arc::clone(counts),
        }
    }

    pub(super) fn write(&mut self, count: usize) {
        if self.lost.is_none() && self.stream == Stream::Open {
            self.unsent += count;
            self.is_offered = false;
        }
    }

    /// Sends what there is. Ready when nothing is left.
    pub(super) fn send(&mut self, transport: &mut Transport, waker: &Waker) -> Poll<()> {
        self.is_offered = true;
        while self.has_output() {
            let sent = match self.unsent {
                0 => transport.socket.end().map(|()| 0),
                unsent => transport.socket.send(unsent, waker),
            };
            match sent {
                Ok(_) if self.unsent == 0 => self.stream = Stream::Ended,
                Ok(sent) => {
                    self.unsent -= sent;
                    self.moves += u16::from(sent > 0);
                    if self.unsent > 0 {
                        return Poll::Pending;
                    }
                }
                Err(lost) => self.lose_output(lost),
            }
        }
        Poll::Ready(())
    }

    pub(super) fn lose_output(&mut self, lost: ConnectionError) {
        self.lost.get_or_insert(lost);
        self.unsent = 0;
    }

    pub(super) fn lost(&self) -> Option<ConnectionError> {
        self.lost
    }

    /// Whatever a writer may wait for changes it.
    pub(super) fn stage(&self) -> (usize, bool) {
        (self.unsent, self.has_output())
    }

    pub(super) fn moves(&self) -> u16 {
        self.moves
    }

    pub(super) fn has_ended(&self) -> bool {
        self.stream == Stream::Ended
    }

    fn has_output(&self) -> bool {
        self.lost.is_none() && (self.unsent > 0 || self.stream == Stream::Closing)
    }

    fn reading_error(&self) -> Option<ConnectionError> {
        match self.input {
            Input::Lost(lost) => Some(lost),
            _ => None,
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.counts.outputs.fetch_add(1, Relaxed);
    }
}

/// The rules are those of `Driven<Outgoing>`.
impl Core for Output {
    type End = Result<(), ConnectionError>;
    /// `None` if it has ended in order.
    type Ended = Option<ConnectionError>;

    fn close(&mut self) {
        if self.input == Input::Open {
            self.input = Input::Closed;
        }
        self.close_output();
    }

    fn close_output(&mut self) {
        if self.stream == Stream::Open {
            self.stream = Stream::Closing;
            self.is_offered = false;
        }
    }

    fn how_ended(&self) -> Option<ConnectionError> {
        self.reading_error().or(self.lost)
    }

    fn end_input(&mut self, end: Result<(), ConnectionError>) -> Option<ConnectionError> {
        if self.input != Input::Open {
            return self.reading_error().or(self.lost);
        }
        let first = self.lost.filter(|lost| lost.ends_both_directions());
        match first.or(end.err()) {
            Some(lost) => {
                self.input = Input::Lost(lost);
                self.lose_output(lost);
            }
            None => self.input = Input::Ended,
        }
        self.reading_error()
    }

    fn pressure(&self) -> Pressure {
        Pressure {
            is_full: self.unsent > MARK,
            is_unwritable: self.unsent > MARK,
            is_lost: self.lost.is_some(),
        }
    }

    fn lose(&mut self, error: ConnectionError) {
        self.counts.lost.fetch_add(1, Relaxed);
        if self.has_ended() && matches!(self.input, Input::Ended | Input::Closed) {
            return;
        }
        let lost = self.reading_error().or(self.lost).unwrap_or(error);
        self.input = Input::Lost(lost);
        self.lose_output(lost);
    }

    fn give_up(&mut self) {}

    fn on_wake(&mut self) {
        self.is_offered = false;
    }

    fn on_shutdown(&mut self) {}

    fn says(&self) -> Says {
        let lost = self.lost.filter(|_| self.input != Input::Open);
        Says {
            lost: self.reading_error().or(lost),
            has_output: self.has_output(),
            has_unoffered_output: self.has_output() && !self.is_offered,
            is_closing: self.stream != Stream::Open && self.input != Input::Open,
            has_ended: self.has_ended(),
            moves: self.moves,
        }
    }

    fn is_cut_off(&self) -> bool {
        !self.has_ended() && (self.has_output() || self.lost.is_some())
    }
}
