//! Waits that are given up: by a timer, by another future that is ready, by a signal.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use plimsoll_io::Runtime;
use smol::channel::{Receiver, Sender};

use super::watch::COUNTS;
use io_test_support::Random;

/// Raised once, for any number of tasks.
#[derive(Clone, Debug)]
pub struct Signal {
    raiser: Sender<()>,
    raised: Receiver<()>,
}

impl Signal {
    pub fn new() -> Self {
        let (raiser, raised) = smol::channel::bounded(1);
        Self { raiser, raised }
    }

    pub fn raise(&self) {
        self.raiser.close();
    }

    pub fn is_raised(&self) -> bool {
        self.raised.is_closed()
    }
}

/// What ends every wait of a party.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// The halves are to come together again.
    pub back: Option<Signal>,
    /// The connection is to be left as it is.
    pub leave: Option<Signal>,
    /// The same, at a time.
    pub deadline: Option<Instant>,
}

impl Signals {
    pub fn may_come(&self) -> bool {
        self.back.is_some() || self.leave.is_some() || self.deadline.is_some()
    }

    pub fn is_leaving(&self) -> bool {
        let is_late = self.deadline.is_some_and(|at| Instant::now() >= at);
        is_late || self.leave.as_ref().is_some_and(Signal::is_raised)
    }

    pub fn is_back(&self) -> bool {
        self.back.as_ref().is_some_and(Signal::is_raised)
    }

    /// Waits until one of them has come.
    async fn any<R: Runtime>(&self) {
        let raised = |signal: Option<Signal>| async move {
            match signal {
                Some(signal) => drop(signal.raised.recv().await),
                None => pending().await,
            }
        };
        let late = async {
            match self.deadline {
                Some(at) => R::sleep(at.saturating_duration_since(Instant::now())).await,
                None => pending().await,
            }
        };
        let told = smol::future::or(raised(self.back.clone()), raised(self.leave.clone()));
        smol::future::or(told, late).await;
    }
}

/// How long something is waited for.
#[derive(Clone, Copy, Debug)]
pub enum Patience {
    Endless,
    /// So many polls; with one it is given up if it is not ready, as beside something that is.
    Polls(usize),
    Time(Duration),
}

impl Patience {
    /// Mostly endless.
    pub fn any(random: &mut Random) -> Self {
        match random.below(16) {
            0 => Self::Polls(1 + random.below(3)),
            1 => Self::time(random),
            _ => Self::Endless,
        }
    }

    /// Whatever the peer does.
    pub fn short(random: &mut Random) -> Self {
        match random.below(2) {
            0 => Self::Polls(1),
            _ => Self::time(random),
        }
    }

    pub fn time(random: &mut Random) -> Self {
        Self::Time(Duration::from_micros(random.below(6000) as u64))
    }
}

/// What a wait came to.
#[derive(Debug)]
pub enum Waited<A> {
    Done(A),
    GivenUp,
    Signalled,
}

/// Waits for something, and drops it if that takes too long.
pub async fn wait<R: Runtime, A>(
    patience: Patience,
    signals: &Signals,
    operation: impl Future<Output = A>,
) -> Waited<A> {
    let mut operation = pin!(operation);
    let mut signalled = pin!(async {
        if signals.may_come() {
            signals.any::<R>().await
        } else {
            pending().await
        }
    });
    let (mut polls, mut timer) = match patience {
        Patience::Endless => (usize::MAX, None),
        Patience::Polls(polls) => (polls, None),
        Patience::Time(time) => (usize::MAX, Some(R::sleep(time))),
    };
    let waited = poll_fn(|cx| {
        if let Poll::Ready(answer) = operation.as_mut().poll(cx) {
            return Poll::Ready(Waited::Done(answer));
        }
        polls -= 1;
        let is_late = |timer: &mut plimsoll_io::Sleep| timer.as_mut().poll(cx).is_ready();
        if polls == 0 || timer.as_mut().is_some_and(is_late) {
            return Poll::Ready(Waited::GivenUp);
        }
        signalled.as_mut().poll(cx).map(|()| Waited::Signalled)
    })
    .await;
    if !matches!(waited, Waited::Done(_)) {
        COUNTS.given_up.add(1);
    }
    waited
}
