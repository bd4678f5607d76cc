//! A socket, as systems have them, and its peer.

use std::mem;
use std::sync::Arc;
use std::task::{Poll, Waker};

use loom::sync::Mutex;
use plimsoll::ConnectionError;

use crate::tasks::block_on;

/// How much it has room for, how much has arrived, and the last waker of each direction: a call that need not
/// wait makes it forget the waker of one that had to.
#[derive(Default)]
struct State {
    room: usize,
    input: usize,
    sent: usize,
    /// Whether this side's stream was ended.
    has_sent_end: bool,
    input_has_ended: bool,
    is_reset: bool,
    /// Whether a call was told of that. It is told once.
    has_told_reset: bool,
    /// How often it was asked for input.
    receives: usize,
    to_send: Option<Waker>,
    /// Of a call to send that blocks its thread.
    blocked: Option<Waker>,
    to_receive: Option<Waker>,
    /// Of those who wait for what this side does: the peer, and models' threads.
    peers: Vec<Waker>,
}

#[derive(Clone, Default)]
pub(crate) struct Socket(Arc<Mutex<State>>);

/// What its calls fail with.
type Failed = ConnectionError;

impl Socket {
    pub(crate) fn new(room: usize, input: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            room,
            input,
            ..State::default()
        })))
    }

    /// Sends as far as there is room, and waits for more if that is not all.
    pub(crate) fn send(&self, count: usize, waker: &Waker) -> Result<usize, Failed> {
        let mut state = self.0.lock().unwrap();
        if state.is_reset {
            return Err(state.failure().unwrap_or(Failed::BrokenPipe));
        }
        let sent = count.min(state.room);
        state.room -= sent;
        state.sent += sent;
        state.to_send = (sent < count).then(|| waker.clone());
        let peers = mem::take(&mut state.peers);
        drop(state);
        peers.into_iter().for_each(Waker::wake);
        Ok(sent)
    }

    /// Ends this side's stream.
    pub(crate) fn end(&self) -> Result<(), Failed> {
        let mut state = self.0.lock().unwrap();
        if state.is_reset {
            return Err(state.failure().unwrap_or(Failed::NotConnected));
        }
        state.has_sent_end = true;
        let peers = mem::take(&mut state.peers);
        drop(state);
        peers.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Receives a byte, if one has arrived; none at the end of the stream.
    pub(crate) fn receive(&self, waker: &Waker) -> Poll<Result<usize, Failed>> {
        let mut state = self.0.lock().unwrap();
        state.receives += 1;
        let received = match state.input {
            0 if state.is_reset => Poll::Ready(state.failure().map_or(Ok(0), Err)),
            0 if state.input_has_ended => Poll::Ready(Ok(0)),
            0 => Poll::Pending,
            _ => Poll::Ready(Ok(1)),
        };
        state.input = state.input.saturating_sub(1);
        state.to_receive = received.is_pending().then(|| waker.clone());
        let peers = mem::take(&mut state.peers);
        drop(state);
        peers.into_iter().for_each(Waker::wake);
        received
    }

    /// It was aborted: who receives meanwhile may find an end.
    pub(crate) fn cut(&self) {
        self.change(|state| {
            state.input_has_ended = true;
            (false, false)
        });
    }

    /// The peer takes, so that there is room for as much, or sends.
    pub(crate) fn peer(&self, room: usize, input: usize) {
        self.change(|state| {
            state.room += room;
            state.input += input;
            (room > 0, input > 0)
        });
    }

    /// It comes to take more, without a word: only another call finds out.
    pub(crate) fn takes_more_quietly(&self, room: usize) {
        self.change(|state| {
            state.room += room;
            (false, false)
        });
    }

    /// The peer ends its stream.
    pub(crate) fn peer_ends(&self) {
        self.change(|state| {
            state.input_has_ended = true;
            (false, true)
        });
    }

    /// The peer resets the connection.
    pub(crate) fn peer_resets(&self) {
        self.change(|state| {
            state.is_reset = true;
            (true, true)
        });
    }

    /// Changes something, and wakes the calls to send or to receive that waited for that.
    fn change(&self, change: impl FnOnce(&mut State) -> (bool, bool)) {
        let mut state = self.0.lock().unwrap();
        let (sends, receives) = change(&mut state);
        let to_send = state.to_send.take_if(|_| sends);
        let to_receive = state.to_receive.take_if(|_| receives);
        let blocked = state.blocked.take_if(|_| sends);
        drop(state);
        [to_send, to_receive, blocked]
            .into_iter()
            .flatten()
            .for_each(Waker::wake);
    }

    /// Waits, as the peer, until so much was sent.
    pub(crate) fn await_sent(&self, count: usize) {
        self.wait(|state| state.sent >= count);
    }

    /// The same, until all that there was room for was.
    pub(crate) fn await_full(&self) {
        self.wait(|state| state.room == 0);
    }

    /// Waits, as the peer, until this side's stream has ended.
    pub(crate) fn await_end(&self) {
        self.wait(|state| state.has_sent_end);
    }

    /// Waits, as the peer, until this side has taken all that has arrived.
    pub(crate) fn await_taken(&self) {
        self.wait(|state| state.input == 0);
    }

    /// Waits, as a call that blocks its thread, until there is room.
    pub(crate) fn await_room(&self) {
        block_on(|cx| {
            let mut state = self.0.lock().unwrap();
            state.blocked = Some(cx.waker().clone());
            match state.room {
                0 => Poll::Pending,
                _ => Poll::Ready(()),
            }
        });
    }

    /// Waits until this side has asked for input.
    pub(crate) fn await_receive(&self) {
        self.wait(|state| state.receives > 0);
    }

    fn wait(&self, until: impl Fn(&State) -> bool) {
        block_on(|cx| self.poll(cx.waker(), &until));
    }

    /// Polls, as a handler that asks another one, whether so much was sent.
    pub(crate) fn poll_sent(&self, count: usize, waker: &Waker) -> Poll<()> {
        self.poll(waker, |state| state.sent >= count)
    }

    fn poll(&self, waker: &Waker, until: impl Fn(&State) -> bool) -> Poll<()> {
        let mut state = self.0.lock().unwrap();
        if until(&state) {
            return Poll::Ready(());
        }
        state.peers.push(waker.clone());
        Poll::Pending
    }

    /// How much room is left, once nothing moves.
    pub(crate) fn room(&self) -> usize {
        self.0.lock().unwrap().room
    }

    pub(crate) fn has_sent_end(&self) -> bool {
        self.0.lock().unwrap().has_sent_end
    }
}

impl State {
    /// The report of a reset, unless a call had it.
    fn failure(&mut self) -> Option<Failed> {
        let is_told = mem::replace(&mut self.has_told_reset, true);
        (!is_told).then_some(Failed::Reset)
    }
}
