//! Transports over a simulated link, that also lie, and a clock that goes on only when all else waits.

use std::cell::RefCell;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use plimsoll::{ConnectionError, TransportError};
use plimsoll_io::{ReadHalf, Sleep, Transport, WriteHalf};

use test_support::choices::Choices;
use test_support::wire::{Faults, Kind, Link, Medium, byte_at};

/// What carries a connection, and all that goes wrong with it.
#[derive(Clone, Debug)]
pub struct Network(Arc<Mutex<State>>);

#[derive(Debug)]
pub struct State {
    pub choices: Choices,
    pub faults: Faults,
    pub sides: [SideState; 2],
    pub link: Link,
    /// How many calls were made.
    pub calls: u64,
    /// How many of the last ones changed nothing, though nothing goes wrong any more.
    idle_calls: u64,
    /// The kinds of errors that no transport has to give, but any may.
    /// Whether nothing of that kind happens now.
    pub is_honest: bool,
}

/// What a network knows of one of its sides.
#[derive(Debug, Default)]
pub struct SideState {
    /// What was read and nobody has looked at.
    pub handed_out: Vec<u8>,
    /// How many bytes were read, and written.
    pub read: u64,
    pub written: u64,
    /// How reads ended: at a clean end, or with a loss.
    pub read_end: Option<Result<(), ConnectionError>>,
    /// The first loss that a call for its output has met, but for those that say nothing of the cause.
    pub send_loss: Option<ConnectionError>,
    /// Whether a call for its output has failed.
    pub write_failed: bool,
    /// Whether the side has ended its stream in order.
    pub has_finished: bool,
    /// Whether a transport has lied, or the side gave the connection up.
    pub was_lost: bool,
    /// How many halves of the transport were dropped.
    dropped: u8,
    /// Who waits, and whether the wire would let him go on, had the call not been held up.
    reader: Option<(Waker, Wait)>,
    writer: Option<(Waker, Wait)>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Wait {
    /// For the other side.
    Other,
    /// For nothing but time.
    Time,
}

/// One side's transport.
pub struct End {
    pub read: EndRead,
    pub write: EndWrite,
}

pub struct EndRead(Network, usize);

pub struct EndWrite(Network, usize);

/// Most calls in a row that change nothing. A stall takes some, and so do tasks that are polled for nothing.
const MOST_IDLE_CALLS: u64 = 1000;

/// Errors that no transport has to give, but any may.
const ERRORS: [io::ErrorKind; 3] = [
    io::ErrorKind::Other,
    io::ErrorKind::TimedOut,
    io::ErrorKind::UnexpectedEof,
];

/// What such an error is to a stream. A call that would block waits, and shows no error.
fn loss_of(kind: io::ErrorKind) -> Option<ConnectionError> {
    Some(match kind {
        io::ErrorKind::TimedOut => ConnectionError::TimedOut,
        io::ErrorKind::Interrupted => return None,
        _ => ConnectionError::Transport,
    })
}

/// Whether a loss that a send has met is why there is nothing more to receive.
fn says_why(error: ConnectionError) -> bool {
    !matches!(
        error,
        ConnectionError::BrokenPipe | ConnectionError::NotConnected
    )
}

impl Network {
    pub fn new(mut choices: Choices) -> Self {
        // No pipes: a stream keeps its write half when that has ended, and a pipe ends by being dropped.
        let media = [Medium::Tcp, Medium::Tcp, Medium::Unix];
        let link = Link::new(&mut choices, &media);
        CLOCK.with_borrow_mut(|clock| *clock = Clock::default());
        Self(Arc::new(Mutex::new(State {
            choices,
            faults: Faults::default(),
            sides: Default::default(),
            link,
            calls: 0,
            idle_calls: 0,
            is_honest: false,
        })))
    }

    pub fn end(&self, side: usize) -> End {
        End {
            read: EndRead(self.clone(), side),
            write: EndWrite(self.clone(), side),
        }
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn below(&self, end: usize) -> usize {
        self.lock().choices.below(end)
    }

    /// Lets time pass. Tells whether that changed anything.
    pub fn pass_time(&self) -> bool {
        let mut state = self.lock();
        let deadline = state.choices.below(2) == 1;
        if deadline && ring(&mut state.faults) {
            return true;
        }
        for side in &mut state.sides {
            for slot in [&mut side.reader, &mut side.writer] {
                if let Some((waker, _)) = slot.take_if(|(_, wait)| *wait == Wait::Time) {
                    waker.wake();
                    return true;
                }
            }
        }
        // After a lie each side may wait for the other one to end. Otherwise somebody was not woken.
        let is_lost = state.is_lost();
        if is_lost && !(state.link.is_dead(0) && state.link.is_dead(1)) {
            let State { choices, link, .. } = &mut *state;
            link.lose(choices);
            state.wake_all();
            return true;
        }
        is_lost && ring(&mut state.faults)
    }

    /// The network loses the connection.
    pub fn reset(&self) {
        let mut state = self.lock();
        let State {
            choices,
            faults,
            link,
            ..
        } = &mut *state;
        link.reset(choices, faults);
        state.wake_all();
    }

    /// Makes a call, which `may_wait` for the other side, or only for time; whoever it concerns is
    /// woken behind it.
    fn call<A>(
        &self,
        cx: &Context<'_>,
        side: usize,
        is_read: bool,
        may_wait: Wait,
        make: impl FnOnce(&mut State) -> Result<A, Failure>,
    ) -> Poll<io::Result<A>> {
        let mut state = self.lock();
        state.calls += 1;
        let before = state.progress();
        let were_dead = [0, 1].map(|side| state.link.is_dead(side));
        let answer = make(&mut state);
        state.idle_calls = if state.choices.are_over() && before == state.progress() {
            state.idle_calls + 1
        } else {
            0
        };
        assert!(
            state.idle_calls < MOST_IDLE_CALLS,
            "calls that move nothing"
        );
        let noted = match &answer {
            Ok(_) => 0,
            Err(Failure::TransportError(fault)) => {
                1 + u64::from(*fault == TransportError::WouldBlock)
            }
            Err(Failure::Error(_)) => 3,
        };
        state
            .choices
            .note(noted << 8 | (side as u64) << 1 | u64::from(is_read));
        let natural = state.link.has_to_wait(side, is_read);
        let loss = match answer {
            Err(Failure::TransportError(TransportError::Lost(error))) => Some(error),
            Err(Failure::Error(kind)) => loss_of(kind),
            _ => None,
        };
        let this = &mut state.sides[side];
        if !is_read && this.send_loss.is_none() {
            this.send_loss = loss.filter(|error| says_why(*error));
        }
        this.write_failed |= !is_read && loss.is_some();
        if were_dead != [0, 1].map(|side| state.link.is_dead(side)) {
            state.wake_all();
        }
        let this = &mut state.sides[side];
        let slot = if is_read {
            &mut this.reader
        } else {
            &mut this.writer
        };
        *slot = None;
        match answer {
            Ok(answer) => {
                // There is room on the wire to this side, or something on the one from it.
                let other = &mut state.sides[1 - side];
                wake(if is_read {
                    &mut other.writer
                } else {
                    &mut other.reader
                });
                Poll::Ready(Ok(answer))
            }
            Err(Failure::TransportError(TransportError::WouldBlock)) => {
                let wait = if natural { may_wait } else { Wait::Time };
                *slot = Some((cx.waker().clone(), wait));
                Poll::Pending
            }
            Err(Failure::TransportError(TransportError::Interrupted)) => {
                Poll::Ready(Err(io::ErrorKind::Interrupted.into()))
            }
            Err(Failure::TransportError(TransportError::Lost(error))) => {
                Poll::Ready(Err(error.kind().into()))
            }
            Err(Failure::TransportError(other)) => panic!("{other} is new"),
            Err(Failure::Error(kind)) => Poll::Ready(Err(kind.into())),
        }
    }
}

/// Why a call came to nothing.
enum Failure {
    TransportError(TransportError),
    Error(io::ErrorKind),
}

impl From<TransportError> for Failure {
    fn from(fault: TransportError) -> Self {
        Self::TransportError(fault)
    }
}

impl SideState {
    /// Whether both halves of the transport were dropped.
    pub fn is_gone(&self) -> bool {
        self.dropped == 2
    }
}

impl State {
    /// A side gives its transport up.
    fn give_up(&mut self, side: usize) {
        self.sides[side].was_lost = true;
        self.link.abort(side, &mut self.choices, &mut self.faults);
        self.wake_all();
    }

    /// A side drops its transport.
    fn close(&mut self, side: usize) {
        self.link.close(side, &mut self.choices, &mut self.faults);
        self.wake_all();
    }

    /// Whether something was lost, on whichever side.
    pub fn is_lost(&self) -> bool {
        [0, 1].into_iter().any(|side| {
            let of_link = self.link.is_dead(side) || self.link.was_cut_off(side);
            of_link || self.sides[side].was_lost
        })
    }

    /// Whether something of what a side was sent may be gone.
    pub fn was_cut_off(&self, side: usize) -> bool {
        self.link.was_cut_off(side) || self.sides.iter().any(|side| side.was_lost)
    }

    fn wake_all(&mut self) {
        for side in &mut self.sides {
            wake(&mut side.reader);
            wake(&mut side.writer);
        }
    }

    /// How far both sides have come.
    pub fn progress(&self) -> [(u64, u64, bool, bool); 2] {
        let of = |side: usize| {
            let this = &self.sides[side];
            (
                this.read,
                this.written,
                self.link.is_dead(side),
                self.link.has_end(side),
            )
        };
        [of(0), of(1)]
    }

    pub fn is_full_towards(&self, side: usize) -> bool {
        self.link.is_full(side)
    }

    /// Whether this call is one that goes wrong as none should.
    fn lies(&mut self) -> bool {
        let lies = !self.is_honest && self.choices.below(200) == 199;
        if lies {
            self.faults.count(Kind::Lie);
        }
        lies
    }
}

impl Transport for End {
    type Read = EndRead;
    type Write = EndWrite;

    fn split(self) -> (EndRead, EndWrite) {
        (self.read, self.write)
    }

    fn reunite(read: EndRead, write: EndWrite) -> Self {
        Self { read, write }
    }

    fn sleep(duration: Duration) -> Sleep {
        let now = CLOCK.with_borrow(|clock| clock.now);
        Box::pin(Asleep(now + duration.as_millis() as u64))
    }
}

impl ReadHalf for EndRead {
    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let Self(network, side) = &*self;
        network.call(cx, *side, true, Wait::Other, |state| {
            assert!(!room.is_empty(), "room is never none");
            if state.lies() {
                state.sides[*side].was_lost = true;
                return match state.choices.below(ERRORS.len() + 2) {
                    0 => Ok(room.len() + 1),
                    1 => Ok(usize::MAX),
                    error => {
                        let kind = ERRORS[error - 2];
                        state.sides[*side].read_end = loss_of(kind).map(Err);
                        Err(Failure::Error(kind))
                    }
                };
            }
            let State {
                choices,
                faults,
                sides,
                link,
                ..
            } = state;
            let this = &mut sides[*side];
            let read = link.read(*side, room, choices, faults);
            if let Err(TransportError::Lost(loss)) = read {
                this.read_end = Some(Err(loss));
            }
            let count = read?;
            for (place, byte) in room[..count].iter().enumerate() {
                assert_eq!(
                    *byte,
                    byte_at(1 - *side, this.read + place as u64),
                    "side {side}"
                );
            }
            this.handed_out.extend_from_slice(&room[..count]);
            this.read += count as u64;
            if count == 0 {
                // The system has reported the loss to a send.
                this.read_end = Some(this.send_loss.map_or(Ok(()), Err));
            }
            Ok(count)
        })
    }
}

impl WriteHalf for EndWrite {
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self(network, side) = &*self;
        network.call(cx, *side, false, Wait::Other, |state| {
            assert!(!slices.is_empty() && slices.iter().all(|slice| !slice.is_empty()));
            let len: usize = slices.iter().map(|slice| slice.len()).sum();
            if state.lies() {
                state.sides[*side].was_lost = true;
                return match state.choices.below(ERRORS.len() + 3) {
                    0 => Ok(0),
                    1 => Ok(len + 1),
                    2 => Ok(usize::MAX),
                    error => Err(Failure::Error(ERRORS[error - 3])),
                };
            }
            let State {
                choices,
                faults,
                sides,
                link,
                ..
            } = state;
            let bytes = slices.iter().flat_map(|slice| slice.iter().copied());
            let count = link.write(*side, bytes, len, choices, faults)?;
            sides[*side].written += count as u64;
            Ok(count)
        })
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self(network, side) = &*self;
        network.call(cx, *side, false, Wait::Time, |state| {
            let State {
                choices,
                faults,
                link,
                ..
            } = state;
            Ok(link.flush(*side, choices, faults)?)
        })
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self(network, side) = &*self;
        network.call(cx, *side, false, Wait::Time, |state| {
            let State {
                choices,
                faults,
                sides,
                link,
                ..
            } = state;
            let is_first = !link.has_end(*side);
            let ended = link.shut_down(*side, choices, faults);
            // After the ends of both streams there is nothing left to be connected to.
            let not_connected = TransportError::Lost(ConnectionError::NotConnected);
            let is_done = ended == Err(not_connected) && sides[*side].read_end == Some(Ok(()));
            sides[*side].has_finished |= ended.is_ok() || is_done;
            ended?;
            if is_first {
                faults.count(Kind::HalfClose);
            }
            Ok(())
        })
    }

    fn abort(&mut self) {
        self.0.lock().give_up(self.1);
    }
}

impl Drop for EndRead {
    fn drop(&mut self) {
        drop_half(&self.0, self.1);
    }
}

impl Drop for EndWrite {
    fn drop(&mut self) {
        drop_half(&self.0, self.1);
    }
}

/// A socket is closed with its last half.
fn drop_half(network: &Network, side: usize) {
    let mut state = network.lock();
    state.sides[side].dropped += 1;
    if state.sides[side].dropped == 2 {
        state.close(side);
    }
}

fn wake(waiting: &mut Option<(Waker, Wait)>) {
    if let Some((waker, _)) = waiting.take() {
        waker.wake();
    }
}

thread_local! {
    /// Of the run on this thread.
    static CLOCK: RefCell<Clock> = RefCell::default();
}

#[derive(Default)]
struct Clock {
    now: u64,
    sleepers: Vec<(u64, Waker)>,
}

/// A sleep until a time on the clock.
struct Asleep(u64);

impl Future for Asleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        CLOCK.with_borrow_mut(|clock| {
            clock.sleepers.retain(|(until, _)| *until != self.0);
            if clock.now >= self.0 {
                return Poll::Ready(());
            }
            clock.sleepers.push((self.0, cx.waker().clone()));
            Poll::Pending
        })
    }
}

impl Drop for Asleep {
    fn drop(&mut self) {
        CLOCK.with_borrow_mut(|clock| clock.sleepers.retain(|(until, _)| *until != self.0));
    }
}

/// Goes on to when the first sleeper wakes. Tells whether there is one.
fn ring(faults: &mut Faults) -> bool {
    let waker = CLOCK.with_borrow_mut(|clock| {
        let first = clock.sleepers.iter().map(|(until, _)| *until).min()?;
        clock.now = first;
        let place = clock
            .sleepers
            .iter()
            .position(|(until, _)| *until == first)?;
        Some(clock.sleepers.swap_remove(place).1)
    });
    if let Some(waker) = waker {
        faults.count(Kind::Deadline);
        waker.wake();
        return true;
    }
    false
}
