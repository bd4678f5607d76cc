//! Which address to try when, as RFC 8305 has it, with neither sockets nor a clock inside.
//!
//! [`interleave`] orders the addresses of a host. A [`Scheduler`] then says when to start which
//! attempt and when to cancel it; its driver does the connecting, reports what came of it, and
//! tells the time with each [`poll`](Scheduler::poll).
//!
//! The semantics are those of `asyncio.loop.create_connection`, with `happy_eyeballs_delay` and
//! `interleave`. Timeouts are an addition, as is an error that tells what befell each address;
//! other departures are named where they occur.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Error;

/// The delay between attempts that RFC 8305 recommends, in its section 5: 250 ms.
///
/// The same section asks for no less than 100 ms, or 10 ms at the very least, and at most 2 s.
pub const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Decides when to start and cancel the attempts to connect to one of several addresses.
///
/// An attempt is named by the place of its address in the list. Each address is tried once, in the
/// order of the list; the first success wins, and all other attempts are cancelled.
///
/// After each report, and whenever the time that [`Action::Wait`] names has come, poll until the
/// answer is `Wait` or [`Action::Done`]. Every call costs time linear in the number of addresses.
/// (asyncio's `staggered_race`, over the attempts of `loop.create_connection`.)
///
/// # Examples
///
/// ```
/// use plimsoll_io::happy_eyeballs::{Action, Scheduler, Timing, Verdict};
/// use std::time::Instant;
///
/// let addresses = vec!["[::1]:80".parse()?, "127.0.0.1:80".parse()?];
/// let now = Instant::now();
/// let mut scheduler = Scheduler::new(addresses, Timing::default(), now);
/// assert!(matches!(scheduler.poll(now), Action::Start { attempt: 0, .. }));
/// scheduler.failed(0, std::io::ErrorKind::ConnectionRefused.into());
/// assert!(matches!(scheduler.poll(now), Action::Start { attempt: 1, .. }));
/// assert_eq!(scheduler.succeeded(1), Verdict::Keep);
/// assert!(matches!(scheduler.poll(now), Action::Done(Ok(1))));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct Scheduler {
    /// Invariant: those that are untried stand behind all others.
    attempts: Vec<Attempt>,
    timing: Timing,
    /// When the total timeout is over.
    deadline: Option<Instant>,
    /// Invariant: `AtOnce` while nothing runs and nothing has won.
    next_start: NextStart,
}

/// How the attempts follow each other, and how long they may take.
///
/// The default is asyncio's: one attempt after the other, and no timeouts.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Timing {
    /// How long an attempt runs before the next one joins it; `None` to wait until it has failed.
    ///
    /// [`ATTEMPT_DELAY`] is a good choice. (asyncio's `happy_eyeballs_delay`.)
    pub attempt_delay: Option<Duration>,
    /// How long one attempt may take; `None` for as long as it likes.
    pub attempt_timeout: Option<Duration>,
    /// How long all attempts together may take, from the start time of the scheduler; `None` for as
    /// long as they like.
    pub total_timeout: Option<Duration>,
}

/// What the driver of a [`Scheduler`] has to do next. (asyncio's race does it itself.)
#[derive(Clone, Debug)]
#[must_use = "the scheduler takes it as done"]
pub enum Action {
    /// Start to connect, then poll again.
    Start {
        /// The name of the attempt.
        attempt: usize,
        /// Where to connect to.
        address: SocketAddr,
    },
    /// Abandon an attempt that has lost or timed out, then poll again.
    ///
    /// Reports about it are ignored from now on.
    Cancel {
        /// The name of the attempt.
        attempt: usize,
    },
    /// Do nothing until an attempt ends, or a time comes.
    Wait {
        /// When to poll again; `None` if only the end of an attempt changes anything.
        until: Option<Instant>,
    },
    /// Stop: one attempt has won, or all have failed, and none is running.
    ///
    /// Every later poll gives the same answer.
    Done(Result<usize, ConnectError>),
}

/// What becomes of a connection that an attempt has made. (asyncio cancels the other attempts,
/// which close theirs.)
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[must_use = "a connection that did not win has to be dropped"]
pub enum Verdict {
    /// It is the first: use it.
    Keep,
    /// Another was faster, or its attempt was cancelled: drop it.
    Drop,
}

/// Why no connection was made. Addresses and host are those that the caller asked for. (asyncio
/// raises an `OSError` of their texts, or with `all_errors` an `ExceptionGroup`.)
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The name of the host did not resolve.
    Unresolved {
        /// The name.
        host: String,
        /// What the resolver said.
        error: Arc<io::Error>,
    },
    /// The name of the host resolved to no address.
    NoAddress {
        /// The name.
        host: String,
    },
    /// None of the addresses could be connected to.
    AllFailed {
        /// Every address in the order of the list, with what befell it; empty if none was given.
        attempts: Vec<(SocketAddr, AttemptError)>,
    },
}

/// What befell one address. (asyncio keeps an exception for each.)
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttemptError {
    /// The attempt failed, refused by the peer for instance.
    #[error(transparent)]
    Failed(Arc<io::Error>),
    /// The attempt took longer than one may.
    #[error("timed out after {attempt_timeout:?}")]
    TimedOut {
        /// How long one attempt may take.
        attempt_timeout: Duration,
    },
    /// The attempt was still running when the time for all of them was over.
    #[error("unfinished at the total timeout of {total_timeout:?}")]
    Unfinished {
        /// How long all attempts together may take.
        total_timeout: Duration,
    },
    /// The time for all attempts was over before this one could start.
    #[error("not tried before the total timeout of {total_timeout:?}")]
    NotTried {
        /// How long all attempts together may take.
        total_timeout: Duration,
    },
}

/// Orders the addresses of a host so that families alternate, as in section 4 of RFC 8305.
///
/// The family of the first address goes first, with `first_family_count` addresses before the first
/// of the other family; 0 lets the families stand as they are. (asyncio's `interleave`.) Within a
/// family the order is kept. Duplicates are removed, which asyncio does not do.
pub fn interleave(mut addresses: Vec<SocketAddr>, first_family_count: usize) -> Vec<SocketAddr> {
    let mut seen = HashSet::new();
    addresses.retain(|address| seen.insert(*address));
    let (Some(first), Some(ahead)) = (addresses.first(), first_family_count.checked_sub(1)) else {
        return addresses;
    };
    let first_is_v6 = first.is_ipv6();
    let (first_family, other_family): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let (mut first_family, mut other_family) = (first_family.into_iter(), other_family.into_iter());
    let mut ordered: Vec<_> = first_family.by_ref().take(ahead).collect();
    while first_family.len() > 0 || other_family.len() > 0 {
        ordered.extend(first_family.next());
        ordered.extend(other_family.next());
    }
    ordered
}

impl Scheduler {
    /// Creates a scheduler for `addresses`, in their order, whose total timeout begins at `start`.
    /// (asyncio's race has no total timeout.)
    pub fn new(addresses: Vec<SocketAddr>, timing: Timing, start: Instant) -> Self {
        let attempts = addresses.into_iter().map(|address| Attempt {
            address,
            state: AttemptState::Untried,
        });
        Self {
            attempts: attempts.collect(),
            timing,
            deadline: later(start, timing.total_timeout),
            next_start: NextStart::AtOnce,
        }
    }

    /// Says what to do at the time `now`.
    ///
    /// What has timed out by then is cancelled, before another attempt starts.
    pub fn poll(&mut self, now: Instant) -> Action {
        if let Some(attempt) = self.cancel_one(now) {
            return Action::Cancel { attempt };
        }
        if let Some(winner) = self.winner() {
            return Action::Done(Ok(winner));
        }
        if let Some((attempt, address)) = self.start_one(now) {
            return Action::Start { attempt, address };
        }
        match self.failures() {
            Some(attempts) => Action::Done(Err(ConnectError::AllFailed { attempts })),
            None => Action::Wait {
                until: self.next_event(),
            },
        }
    }

    /// Records that an attempt has made a connection, and says whether that is the one to keep.
    ///
    /// As long as an attempt has not been cancelled its success is in time, even if its timeout has
    /// passed since the last poll. Of an attempt that is not running, the connection is to be
    /// dropped.
    pub fn succeeded(&mut self, attempt: usize) -> Verdict {
        let won = self.winner().is_some();
        let Some(state) = self.running(attempt) else {
            return Verdict::Drop;
        };
        if won {
            *state = AttemptState::Lost;
            return Verdict::Drop;
        }
        *state = AttemptState::Won;
        Verdict::Keep
    }

    /// Records that an attempt has failed, so that the next one may start at once.
    ///
    /// Several failures between two polls start one attempt. (In asyncio only a failure of the
    /// attempt that started last starts the next.) A report about an attempt that is not running is
    /// ignored.
    pub fn failed(&mut self, attempt: usize, error: io::Error) {
        if let Some(state) = self.running(attempt) {
            *state = AttemptState::Failed(AttemptError::Failed(Arc::new(error)));
            self.next_start = NextStart::AtOnce;
        }
    }

    /// Ends the first attempt that has lost or timed out; if none has, those too late to start.
    fn cancel_one(&mut self, now: Instant) -> Option<usize> {
        let won = self.winner().is_some();
        let over = self.deadline.is_some_and(|deadline| deadline <= now);
        let total_timeout = self.timing.total_timeout.filter(|_| over);
        // A poll that comes late still tells which of the two timeouts was over first.
        let reached = self.deadline.map_or(now, |deadline| deadline.min(now));
        for (place, attempt) in self.attempts.iter_mut().enumerate() {
            let expired = match (&attempt.state, total_timeout) {
                (AttemptState::Running { deadline }, _) => deadline.is_some_and(|d| d <= reached),
                (AttemptState::Untried, Some(total_timeout)) => {
                    attempt.state = AttemptState::Failed(AttemptError::NotTried { total_timeout });
                    continue;
                }
                _ => continue,
            };
            let attempt_timeout = self.timing.attempt_timeout.filter(|_| expired);
            attempt.state = match (attempt_timeout, total_timeout) {
                _ if won => AttemptState::Lost,
                (Some(attempt_timeout), _) => {
                    AttemptState::Failed(AttemptError::TimedOut { attempt_timeout })
                }
                (None, Some(total_timeout)) => {
                    AttemptState::Failed(AttemptError::Unfinished { total_timeout })
                }
                (None, None) => continue,
            };
            self.next_start = NextStart::AtOnce;
            return Some(place);
        }
        None
    }

    /// Starts the first untried attempt, if it is due.
    fn start_one(&mut self, now: Instant) -> Option<(usize, SocketAddr)> {
        let due = match self.next_start {
            NextStart::AtOnce => true,
            NextStart::At(time) => time <= now,
            NextStart::AfterFailure => false,
        };
        let mut attempts = self.attempts.iter_mut().enumerate();
        let (place, attempt) = attempts
            .find(|(_, attempt)| matches!(attempt.state, AttemptState::Untried))
            .filter(|_| due)?;
        attempt.state = AttemptState::Running {
            deadline: later(now, self.timing.attempt_timeout),
        };
        self.next_start =
            later(now, self.timing.attempt_delay).map_or(NextStart::AfterFailure, NextStart::At);
        Some((place, attempt.address))
    }

    /// Returns the state of an attempt, if that is `Running`.
    fn running(&mut self, attempt: usize) -> Option<&mut AttemptState> {
        let state = &mut self.attempts.get_mut(attempt)?.state;
        matches!(state, AttemptState::Running { .. }).then_some(state)
    }

    fn winner(&self) -> Option<usize> {
        let mut attempts = self.attempts.iter();
        attempts.position(|attempt| matches!(attempt.state, AttemptState::Won))
    }

    /// Returns what befell each address, if every one has failed.
    fn failures(&self) -> Option<Vec<(SocketAddr, AttemptError)>> {
        let failures = self.attempts.iter().map(|attempt| match &attempt.state {
            AttemptState::Failed(error) => Some((attempt.address, error.clone())),
            _ => None,
        });
        failures.collect()
    }

    /// Returns the first time at which something is due, if no attempt ends before.
    fn next_event(&self) -> Option<Instant> {
        let times = self.attempts.iter().map(|attempt| match attempt.state {
            AttemptState::Running { deadline } => deadline,
            AttemptState::Untried => match self.next_start {
                NextStart::At(time) => Some(time),
                NextStart::AtOnce | NextStart::AfterFailure => None,
            },
            _ => None,
        });
        times.flatten().chain(self.deadline).min()
    }
}

impl ConnectError {
    /// Returns the kind that all failures have in common, or `Other` where they differ.
    ///
    /// Every timeout is `TimedOut`, an address that was not tried included. A name without an
    /// address is `NotFound`, and an empty list of addresses `InvalidInput`.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Unresolved { error, .. } => error.kind(),
            Self::NoAddress { .. } => io::ErrorKind::NotFound,
            Self::AllFailed { attempts } => {
                let mut kinds = attempts.iter().map(|(_, error)| error.kind());
                match kinds.next() {
                    None => io::ErrorKind::InvalidInput,
                    Some(first) if kinds.all(|kind| kind == first) => first,
                    Some(_) => io::ErrorKind::Other,
                }
            }
        }
    }
}

impl fmt::Display for ConnectError {
    /// Writes one line, whatever the host's name and the errors of the system hold.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved { host, error } => {
                write!(f, "host {host:?} did not resolve: {}", one_line(error))
            }
            Self::NoAddress { host } => write!(f, "host {host:?} resolved to no address"),
            Self::AllFailed { attempts } if attempts.is_empty() => {
                f.write_str("no address to connect to")
            }
            Self::AllFailed { attempts } => {
                let failures = attempts.iter();
                let failures: Vec<_> = failures
                    .map(|(address, error)| format!("{address} {}", one_line(error)))
                    .collect();
                write!(f, "could not connect: {}", failures.join("; "))
            }
        }
    }
}

impl std::error::Error for ConnectError {
    /// Returns the first error that came from the system, which is an [`io::Error`].
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let error = match self {
            Self::Unresolved { error, .. } => error,
            Self::NoAddress { .. } => return None,
            Self::AllFailed { attempts } => attempts.iter().find_map(|(_, error)| match error {
                AttemptError::Failed(error) => Some(error),
                _ => None,
            })?,
        };
        Some(&**error)
    }
}

impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> Self {
        Self::new(error.kind(), error)
    }
}

/// For handlers that connect to another server. The [`io::Error`] in it holds this one.
impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        Self::Io(Arc::new(error.into()))
    }
}

impl AttemptError {
    /// Returns the kind of the system's error, or `TimedOut`.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Failed(error) => error.kind(),
            _ => io::ErrorKind::TimedOut,
        }
    }
}

#[derive(Debug)]
struct Attempt {
    address: SocketAddr,
    state: AttemptState,
}

#[derive(Debug)]
enum AttemptState {
    Untried,
    Running {
        /// When its own timeout is over.
        deadline: Option<Instant>,
    },
    Failed(AttemptError),
    Won,
    /// Another has won.
    Lost,
}

/// When the next attempt may start.
#[derive(Debug)]
enum NextStart {
    AtOnce,
    At(Instant),
    AfterFailure,
}

/// Returns the time that far after another; `None` is never, as is a time that a clock cannot show.
fn later(time: Instant, wait: Option<Duration>) -> Option<Instant> {
    time.checked_add(wait?)
}

fn one_line(error: impl fmt::Display) -> String {
    error.to_string().replace(char::is_control, " ")
}
