//! The scheduler of connection attempts, on a clock that the tests turn.
//!
//! First one test for each rule; then every small scenario against a model in closed form, and every
//! short sequence of calls, sensible or not, against the invariants.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use plimsoll_io::happy_eyeballs::{
    ATTEMPT_DELAY, Action, AttemptError, ConnectError, Scheduler, Timing, Verdict, interleave,
};

const V6: [&str; 3] = ["[2001:db8::1]:80", "[2001:db8::2]:80", "[2001:db8::3]:80"];
const V4: [&str; 3] = ["192.0.2.1:80", "192.0.2.2:80", "192.0.2.3:80"];

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
    texts.iter().map(|text| address(text)).collect()
}

fn ticks(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn timing(delay: Option<u64>, attempt: Option<u64>, total: Option<u64>) -> Timing {
    Timing {
        attempt_delay: delay.map(ticks),
        attempt_timeout: attempt.map(ticks),
        total_timeout: total.map(ticks),
    }
}

/// An answer of the scheduler, with times in ticks and errors told in words.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Told {
    Start(usize),
    Cancel(usize),
    Wait(Option<u64>),
    Won(usize),
    Failed(String),
}
use Told::{Cancel, Failed, Start, Wait, Won};

/// A scheduler, and the clock that it is told.
struct Clock {
    scheduler: Scheduler,
    addresses: Vec<SocketAddr>,
    start: Instant,
}

impl Clock {
    fn new(addresses: Vec<SocketAddr>, timing: Timing) -> Self {
        let start = Instant::now();
        Self {
            scheduler: Scheduler::new(addresses.clone(), timing, start),
            addresses,
            start,
        }
    }

    fn poll(&mut self, now: u64) -> Told {
        match self.scheduler.poll(self.start + ticks(now)) {
            Action::Start { attempt, address } => {
                assert_eq!(self.addresses[attempt], address);
                Start(attempt)
            }
            Action::Cancel { attempt } => Cancel(attempt),
            Action::Wait { until } => {
                Wait(until.map(|until| until.duration_since(self.start).as_secs()))
            }
            Action::Done(Ok(attempt)) => Won(attempt),
            Action::Done(Err(error)) => Failed(told(&error)),
        }
    }

    /// Polls until there is nothing left to do.
    fn settle(&mut self, now: u64) -> Vec<Told> {
        let mut actions = Vec::new();
        loop {
            actions.push(self.poll(now));
            if !matches!(actions.last(), Some(Start(_) | Cancel(_))) {
                return actions;
            }
        }
    }

    fn refused(&mut self, attempt: usize) {
        self.scheduler
            .failed(attempt, io::ErrorKind::ConnectionRefused.into());
    }

    fn error(&mut self, now: u64) -> ConnectError {
        match self.scheduler.poll(self.start + ticks(now)) {
            Action::Done(Err(error)) => error,
            action => panic!("{action:?}"),
        }
    }
}

/// One letter for each address: own failure, timed out, unfinished, not tried.
fn told(error: &ConnectError) -> String {
    let ConnectError::AllFailed { attempts } = error else {
        panic!("{error}");
    };
    let letters = attempts.iter().map(|(_, error)| match error {
        AttemptError::Failed(_) => 'f',
        AttemptError::TimedOut { .. } => 't',
        AttemptError::Unfinished { .. } => 'u',
        AttemptError::NotTried { .. } => 'n',
        error => panic!("{error}"),
    });
    letters.collect()
}

fn failed(letters: &str) -> Told {
    Failed(letters.to_owned())
}

#[test]
fn without_a_delay_each_attempt_waits_for_the_failure_of_the_former() {
    let mut clock = Clock::new(addresses(&V4), timing(None, None, None));
    assert_eq!(clock.settle(0), [Start(0), Wait(None)]);
    assert_eq!(clock.settle(1000), [Wait(None)]);
    clock.refused(0);
    assert_eq!(clock.settle(1000), [Start(1), Wait(None)]);
    clock.refused(1);
    assert_eq!(clock.settle(1000), [Start(2), Wait(None)]);
    clock.refused(2);
    assert_eq!(clock.settle(1000), [failed("fff")]);
}

#[test]
fn with_a_delay_the_next_attempt_joins_when_it_is_over() {
    let mut clock = Clock::new(addresses(&V4), timing(Some(2), None, None));
    assert_eq!(clock.settle(0), [Start(0), Wait(Some(2))]);
    assert_eq!(clock.settle(1), [Wait(Some(2))]);
    assert_eq!(clock.settle(2), [Start(1), Wait(Some(4))]);
    assert_eq!(clock.settle(3), [Wait(Some(4))]);
    assert_eq!(clock.settle(4), [Start(2), Wait(None)]);
}

#[test]
fn a_poll_that_comes_late_starts_one_attempt_and_not_all_that_were_due() {
    let mut clock = Clock::new(addresses(&V4), timing(Some(2), None, None));
    clock.settle(0);
    assert_eq!(clock.settle(9), [Start(1), Wait(Some(11))]);
}

#[test]
fn a_failure_starts_the_next_at_once_and_the_delay_anew() {
    let mut clock = Clock::new(addresses(&V4), timing(Some(5), None, None));
    clock.settle(0);
    clock.refused(0);
    assert_eq!(clock.settle(1), [Start(1), Wait(Some(6))]);
    assert_eq!(clock.settle(6), [Start(2), Wait(None)]);
}

#[test]
fn a_failure_of_an_earlier_attempt_starts_the_next_too() {
    let mut clock = Clock::new(addresses(&V4), timing(Some(5), None, None));
    clock.settle(0);
    clock.settle(5);
    clock.refused(0);
    assert_eq!(clock.settle(6), [Start(2), Wait(None)]);
}

#[test]
fn two_failures_between_polls_start_one_attempt() {
    let list = addresses(&[V4, V6].concat());
    let mut clock = Clock::new(list, timing(Some(5), None, None));
    clock.settle(0);
    clock.settle(5);
    clock.refused(0);
    clock.refused(1);
    assert_eq!(clock.settle(6), [Start(2), Wait(Some(11))]);
}

#[test]
fn a_success_cancels_the_rest_and_starts_no_more() {
    let mut clock = Clock::new(addresses(&V4), timing(Some(1), None, None));
    clock.settle(0);
    clock.settle(1);
    assert_eq!(clock.scheduler.succeeded(1), Verdict::Keep);
    assert_eq!(clock.settle(2), [Cancel(0), Won(1)]);
    assert_eq!(clock.settle(1000), [Won(1)], "the answer stays");
}

#[test]
fn of_two_successes_in_the_same_instant_the_second_is_dropped() {
    let mut clock = Clock::new(addresses(&V4), timing(Some(1), None, None));
    clock.settle(0);
    clock.settle(1);
    assert_eq!(clock.scheduler.succeeded(1), Verdict::Keep);
    assert_eq!(clock.scheduler.succeeded(0), Verdict::Drop);
    assert_eq!(clock.scheduler.succeeded(1), Verdict::Drop, "told twice");
    assert_eq!(clock.settle(1), [Won(1)], "what has ended is not cancelled");
}

#[test]
fn an_attempt_that_takes_too_long_is_cancelled_and_the_next_starts() {
    let mut clock = Clock::new(addresses(&V4[..2]), timing(None, Some(3), None));
    assert_eq!(clock.settle(0), [Start(0), Wait(Some(3))]);
    assert_eq!(clock.settle(2), [Wait(Some(3))]);
    assert_eq!(clock.settle(3), [Cancel(0), Start(1), Wait(Some(6))]);
    assert_eq!(clock.scheduler.succeeded(0), Verdict::Drop);
    assert_eq!(clock.settle(7), [Cancel(1), failed("tt")]);
}

#[test]
fn a_success_is_in_time_until_its_attempt_is_cancelled() {
    let mut clock = Clock::new(addresses(&V4[..2]), timing(Some(1), Some(3), Some(4)));
    clock.settle(0);
    clock.settle(1);
    assert_eq!(clock.poll(9), Cancel(0));
    assert_eq!(clock.scheduler.succeeded(0), Verdict::Drop);
    assert_eq!(clock.scheduler.succeeded(1), Verdict::Keep);
    assert_eq!(clock.settle(9), [Won(1)]);
}

#[test]
fn the_total_timeout_ends_all_and_lists_what_was_not_tried() {
    let list = addresses(&[V6[0], V4[0], V6[1], V4[1]]);
    let mut clock = Clock::new(list, timing(Some(2), Some(3), Some(4)));
    clock.settle(0);
    clock.refused(0);
    assert_eq!(clock.settle(0), [Start(1), Wait(Some(2))]);
    assert_eq!(clock.settle(2), [Start(2), Wait(Some(3))]);
    assert_eq!(clock.settle(4), [Cancel(1), Cancel(2), failed("ftun")]);
    let error = clock.error(4);
    assert_eq!(
        error.to_string(),
        "could not connect: [2001:db8::1]:80 connection refused; 192.0.2.1:80 timed out after 3s; \
         [2001:db8::2]:80 unfinished at the total timeout of 4s; \
         192.0.2.2:80 not tried before the total timeout of 4s"
    );
    assert_eq!(error.kind(), io::ErrorKind::Other);
}

#[test]
fn a_late_poll_still_tells_which_timeout_was_over_first() {
    for (attempt_timeout, letters) in [(3, "tn"), (4, "tn"), (5, "un")] {
        let setting = timing(None, Some(attempt_timeout), Some(4));
        let mut clock = Clock::new(addresses(&V4[..2]), setting);
        clock.settle(0);
        assert_eq!(clock.settle(9), [Cancel(0), failed(letters)]);
    }
}

#[test]
fn a_total_timeout_of_zero_tries_nothing() {
    let mut clock = Clock::new(addresses(&V4), timing(Some(0), None, Some(0)));
    assert_eq!(clock.settle(0), [failed("nnn")]);
    assert_eq!(clock.error(0).kind(), io::ErrorKind::TimedOut);
}

#[test]
fn no_address_is_an_error_at_once() {
    let mut clock = Clock::new(Vec::new(), timing(None, None, None));
    assert_eq!(clock.settle(0), [failed("")]);
    let error = clock.error(0);
    assert_eq!(error.to_string(), "no address to connect to");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(error.source().is_none());
}

#[test]
fn times_beyond_the_clock_never_come() {
    let forever = Some(Duration::MAX);
    let timing = Timing {
        attempt_delay: forever,
        attempt_timeout: forever,
        total_timeout: forever,
    };
    let mut clock = Clock::new(addresses(&V4), timing);
    assert_eq!(clock.settle(0), [Start(0), Wait(None)]);
    clock.refused(0);
    assert_eq!(clock.settle(1), [Start(1), Wait(None)]);
}

#[test]
fn the_kind_is_the_common_one_and_the_source_the_first_of_the_system() {
    let mut clock = Clock::new(addresses(&V4[..2]), timing(None, Some(1), None));
    clock.settle(0);
    clock.refused(0);
    clock.settle(0);
    clock.refused(1);
    let error = io::Error::from(clock.error(0));
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    let error = error.downcast::<ConnectError>().unwrap();
    let source = error.source().unwrap();
    let source = source.downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.kind(), io::ErrorKind::ConnectionRefused);

    let mut clock = Clock::new(addresses(&V4[..2]), timing(None, Some(1), None));
    clock.settle(0);
    clock.settle(1);
    let unreachable = io::Error::new(io::ErrorKind::NetworkUnreachable, "no\nroute");
    clock.scheduler.failed(1, unreachable);
    let error = clock.error(1);
    assert_eq!(error.kind(), io::ErrorKind::Other);
    assert_eq!(error.source().unwrap().to_string(), "no\nroute");
    assert_eq!(
        error.to_string(),
        "could not connect: 192.0.2.1:80 timed out after 1s; 192.0.2.2:80 no route"
    );
}

#[test]
fn a_name_that_leads_nowhere_is_told_in_one_line() {
    let error = ConnectError::Unresolved {
        host: "no\nhost".to_owned(),
        error: io::Error::new(io::ErrorKind::TimedOut, "no\nanswer").into(),
    };
    assert_eq!(
        error.to_string(),
        r#"host "no\nhost" did not resolve: no answer"#
    );
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(error.source().unwrap().is::<io::Error>());
    let host = "example.org".to_owned();
    let error = ConnectError::NoAddress { host };
    assert_eq!(
        error.to_string(),
        r#"host "example.org" resolved to no address"#
    );
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(error.source().is_none());
}

#[test]
fn the_default_is_that_of_asyncio_and_the_delay_that_of_the_rfc() {
    assert_eq!(Timing::default(), timing(None, None, None));
    assert_eq!(ATTEMPT_DELAY, Duration::from_millis(250));
}

#[test]
fn everything_can_move_between_threads() {
    fn is_send_and_sync<T: Send + Sync + 'static>() {}
    is_send_and_sync::<Scheduler>();
    is_send_and_sync::<ConnectError>();
}

/// Asserts how addresses are interleaved that are written as family and number: `6a 4a 6b`.
fn assert_interleaved(listed: &str, first_family_count: usize, expected: &str) {
    let parse = |text: &str| -> Vec<SocketAddr> {
        let names = text.split_whitespace().map(str::as_bytes);
        let places = names.map(|name| (name[0], usize::from(name[1] - b'a')));
        places
            .map(|(family, place)| address(if family == b'6' { V6[place] } else { V4[place] }))
            .collect()
    };
    assert_eq!(
        interleave(parse(listed), first_family_count),
        parse(expected),
        "{listed} with {first_family_count}"
    );
}

#[test]
fn families_alternate_and_the_first_one_leads() {
    assert_interleaved("6a 6b 6c 4a 4b 4c", 1, "6a 4a 6b 4b 6c 4c");
    assert_interleaved("4a 4b 4c 6a 6b 6c", 1, "4a 6a 4b 6b 4c 6c");
    assert_interleaved("6a 6b 6c 4a 4b 4c", 2, "6a 6b 4a 6c 4b 4c");
    assert_interleaved("4a 4b 4c 6a 6b 6c", 2, "4a 4b 6a 4c 6b 6c");
    assert_interleaved("6a 6b 6c 4a 4b", 3, "6a 6b 6c 4a 4b");
    assert_interleaved("6a 6b 4a 4b", 9, "6a 6b 4a 4b");
    assert_interleaved("6a 4a 4b 4c", 1, "6a 4a 4b 4c");
    assert_interleaved("6a 4a 4b 4c", usize::MAX, "6a 4a 4b 4c");
}

#[test]
fn a_single_family_keeps_its_order() {
    for count in 0..4 {
        assert_interleaved("6b 6a 6c", count, "6b 6a 6c");
        assert_interleaved("4c 4a", count, "4c 4a");
        assert_interleaved("", count, "");
    }
}

#[test]
fn duplicates_go_and_a_count_of_zero_does_no_more() {
    assert_interleaved("6a 6a 6b 4a 6b 4a", 1, "6a 4a 6b");
    assert_interleaved("6b 6a 6b 4a 4a 6c", 0, "6b 6a 4a 6c");
    assert_eq!(
        interleave(addresses(&["192.0.2.1:80", "192.0.2.1:81"]), 1).len(),
        2,
        "another port is another address"
    );
}

/// What an attempt comes to, so many ticks after its start.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Succeeds(u64),
    Fails(u64),
    Hangs,
}

#[derive(Clone, Copy, Debug)]
struct Scenario {
    fates: [Fate; 3],
    delay: Option<u64>,
    attempt_timeout: Option<u64>,
    total_timeout: Option<u64>,
}

/// What happened, and when: the starts, and the end if there was one.
#[derive(Debug, Eq, PartialEq)]
struct Course {
    starts: Vec<u64>,
    end: Option<(u64, Told)>,
}

const NEVER: u64 = u64::MAX;
/// Later than anything that happens in a scenario.
const HORIZON: u64 = 30;

/// The course of a scenario in closed form, with no state and no clock.
///
/// Within a tick reports come before polls, so what ends at the very tick of its timeout is in time.
fn expected(scenario: &Scenario) -> Course {
    let total = scenario.total_timeout.unwrap_or(NEVER);
    // When each attempt would start and end, if none of them ever won.
    let (mut starts, mut ends) = (Vec::<u64>::new(), Vec::<(u64, char)>::new());
    for (place, fate) in scenario.fates.iter().enumerate() {
        let start = match place.checked_sub(1) {
            None => 0,
            Some(former) => {
                let failures = (0..place).filter(|&other| ends[other].1 != 's');
                failures
                    .map(|other| (other, ends[other].0))
                    .filter(|&(other, end)| other == former || end > starts[former])
                    .map(|(_, end)| end)
                    .chain([starts[former].saturating_add(scenario.delay.unwrap_or(NEVER))])
                    .min()
                    .unwrap_or(NEVER)
            }
        };
        let start = if start >= total { NEVER } else { start };
        let (own_end, letter) = match *fate {
            Fate::Succeeds(wait) => (start.saturating_add(wait), 's'),
            Fate::Fails(wait) => (start.saturating_add(wait), 'f'),
            Fate::Hangs => (NEVER, 'u'),
        };
        let timeout = start.saturating_add(scenario.attempt_timeout.unwrap_or(NEVER));
        let end = match () {
            () if start == NEVER => (total, 'n'),
            () if own_end <= timeout.min(total) && letter != 'u' => (own_end, letter),
            () if timeout <= total && timeout != NEVER => (timeout, 't'),
            () => (total, 'u'),
        };
        starts.push(start);
        ends.push(end);
    }
    let successes = (0..3).filter(|&place| ends[place].1 == 's');
    let winner = successes.min_by_key(|&place| (ends[place].0, place));
    let end = match winner {
        Some(winner) => Some((ends[winner].0, Won(winner))),
        None => {
            let last = ends.iter().map(|end| end.0).max();
            last.filter(|&last| last != NEVER)
                .map(|last| (last, Failed(ends.iter().map(|end| end.1).collect())))
        }
    };
    let won = end.as_ref().filter(|_| winner.is_some());
    let before_the_end = |place: usize| {
        won.is_none_or(|(end, _)| Some(place) <= winner || starts[place] < *end)
            && starts[place] != NEVER
    };
    Course {
        starts: (0..3)
            .filter(|&place| before_the_end(place))
            .map(|place| starts[place])
            .collect(),
        end,
    }
}

/// Drives a scenario, and asserts what must hold in any. Polls at each tick, or when told to.
fn drive(scenario: &Scenario, at_each_tick: bool) -> Course {
    let setting = timing(
        scenario.delay,
        scenario.attempt_timeout,
        scenario.total_timeout,
    );
    let mut clock = Clock::new(addresses(&V4), setting);
    let mut now = 0;
    let mut starts: Vec<u64> = Vec::new();
    let mut running: Vec<usize> = Vec::new();
    let mut last_failure = None;
    let mut kept = None;
    let end = loop {
        for attempt in running.clone() {
            let ended = |wait| starts[attempt] + wait == now;
            match scenario.fates[attempt] {
                Fate::Succeeds(wait) if ended(wait) => {
                    let verdict = clock.scheduler.succeeded(attempt);
                    assert_eq!(verdict == Verdict::Keep, kept.is_none(), "in time, it wins");
                    kept = kept.or(Some(attempt));
                }
                Fate::Fails(wait) if ended(wait) => {
                    clock.refused(attempt);
                    last_failure = Some(starts.len());
                }
                _ => continue,
            }
            running.retain(|&other| other != attempt);
        }
        match clock.poll(now) {
            Start(attempt) => {
                assert_eq!(attempt, starts.len(), "each once, in order");
                assert!(kept.is_none());
                assert!(scenario.total_timeout.is_none_or(|total| now < total));
                let failed_between = last_failure == Some(attempt);
                let rested = starts.last().is_none_or(|&former| {
                    scenario.delay.is_some_and(|delay| now - former >= delay)
                });
                assert!(rested || failed_between, "started too early");
                assert!(
                    scenario.delay.is_some() || running.is_empty(),
                    "two at once"
                );
                starts.push(now);
                running.push(attempt);
            }
            Cancel(attempt) => {
                assert!(running.contains(&attempt), "only what runs is cancelled");
                running.retain(|&other| other != attempt);
                last_failure = Some(starts.len());
            }
            Wait(until) => {
                assert!(until.is_none_or(|until| until > now), "waits for the past");
                assert!(!running.is_empty(), "waits for nothing");
                let ends = running
                    .iter()
                    .filter_map(|&attempt| match scenario.fates[attempt] {
                        Fate::Succeeds(wait) | Fate::Fails(wait) => Some(starts[attempt] + wait),
                        Fate::Hangs => None,
                    });
                let next = ends.chain(until).min();
                now = match next {
                    _ if at_each_tick => now + 1,
                    Some(next) => next,
                    None => HORIZON,
                };
                if now >= HORIZON {
                    assert_eq!(next, None, "something was still to come");
                    break None;
                }
            }
            done => {
                assert!(running.is_empty(), "none is left running");
                assert!(scenario.total_timeout.is_none_or(|total| now <= total));
                assert_eq!(
                    kept,
                    match done {
                        Won(winner) => Some(winner),
                        _ => None,
                    }
                );
                assert_eq!(clock.poll(now), done, "the answer stays");
                break Some((now, done));
            }
        }
    };
    Course { starts, end }
}

#[test]
fn every_small_scenario_runs_as_in_the_model_however_often_it_is_polled() {
    let fates: Vec<Fate> = (0..5)
        .flat_map(|wait| [Fate::Succeeds(wait), Fate::Fails(wait)])
        .chain([Fate::Hangs])
        .collect();
    let times = |upto: u64| [None].into_iter().chain((0..=upto).map(Some));
    let mut count = 0;
    for choice in 0..fates.len().pow(3) {
        let fates = [0, 1, 2].map(|place| fates[choice / fates.len().pow(place) % fates.len()]);
        for delay in times(3) {
            for attempt_timeout in times(4) {
                for total_timeout in times(7) {
                    let scenario = Scenario {
                        fates,
                        delay,
                        attempt_timeout,
                        total_timeout,
                    };
                    let expected = expected(&scenario);
                    assert_eq!(drive(&scenario, false), expected, "{scenario:?}");
                    assert_eq!(drive(&scenario, true), expected, "{scenario:?}");
                    count += 1;
                }
            }
        }
    }
    assert_eq!(count, 11 * 11 * 11 * 5 * 6 * 9);
}

/// Stale names, names that never were, reports in any order, a clock that runs backwards.
#[test]
fn every_short_sequence_of_calls_is_defined() {
    const LENGTH: u32 = 6;
    const OPERATIONS: u32 = 9;
    let settings = [
        timing(None, None, None),
        timing(Some(0), None, Some(2)),
        timing(Some(1), Some(1), None),
        timing(Some(1), Some(2), Some(1)),
        timing(None, Some(0), Some(1)),
    ];
    for sequence in 0..OPERATIONS.pow(LENGTH) {
        for setting in settings {
            let mut clock = Clock::new(addresses(&V4[..2]), setting);
            let (mut started, mut running, mut kept) = (0, Vec::new(), None);
            let mut done = None;
            for place in 0..LENGTH {
                let operation = sequence / OPERATIONS.pow(place) % OPERATIONS;
                let attempt = (operation % 3) as usize;
                let was_running = running.contains(&attempt);
                match operation / 3 {
                    0 => match clock.poll(u64::from(operation)) {
                        Start(attempt) => {
                            assert_eq!(attempt, started);
                            assert_eq!((kept, &done), (None, &None));
                            started += 1;
                            running.push(attempt);
                        }
                        Cancel(attempt) => {
                            assert!(running.contains(&attempt));
                            running.retain(|&other| other != attempt);
                        }
                        Wait(_) => assert!(!running.is_empty() && kept.is_none()),
                        end => {
                            assert!(running.is_empty());
                            assert_eq!(matches!(end, Won(_)), kept.is_some());
                            assert_eq!(*done.get_or_insert(end.clone()), end);
                        }
                    },
                    1 => {
                        let verdict = clock.scheduler.succeeded(attempt);
                        let wins = was_running && kept.is_none();
                        assert_eq!(verdict == Verdict::Keep, wins);
                        kept = kept.or(wins.then_some(attempt));
                        running.retain(|&other| other != attempt);
                    }
                    _ => {
                        clock.refused(attempt);
                        running.retain(|&other| other != attempt);
                    }
                }
            }
        }
    }
}
