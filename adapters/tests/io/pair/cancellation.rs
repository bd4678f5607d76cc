//! A future that is dropped loses no byte: whenever that happens, both sides end up with the same.

use std::collections::BTreeMap;

use io_test_support::executor::Order;
use io_test_support::scripted::Scripted;
use io_test_support::session::{Cancel, SESSIONS, Then, WAYS};
use io_test_support::{Case, report};

/// How many scripts for each session.
const PLANS: u64 = 80;

/// After which polls futures are dropped.
const AFTER: [usize; 5] = [1, 2, 3, 4, 5];

const THEN: [Then; 3] = [Then::Retry, Then::Yield, Then::Other];

#[test]
fn t42_an_operation_that_is_dropped_and_retried_comes_to_the_same() {
    let mut runs: u64 = 0;
    let mut dropped: BTreeMap<(&str, usize), u64> = BTreeMap::new();
    for session in &SESSIONS {
        let expected = session.reference();
        for plan in 0..PLANS {
            for (halves, full) in WAYS {
                for after in AFTER {
                    for then in THEN {
                        let _case = Case(format!(
                            "{}, plan {plan}, {halves:?}, {full:?}, dropped after poll {after}, {then:?}",
                            session.name
                        ));
                        let transport = Scripted::new(session.peer(plan, 5));
                        let cancel = Cancel::new(after, then);
                        let order = match plan % 2 {
                            0 => Order::Strict,
                            _ => Order::Random,
                        };
                        let (outcome, stream, _) =
                            session.run(&transport, halves, full, order, &cancel, plan);
                        assert_eq!(outcome, expected);
                        let parts = stream.into_parts().unwrap();
                        assert!(parts.unread.is_empty() && parts.unsent.is_empty());
                        for (operation, count) in cancel.dropped.take() {
                            *dropped.entry((operation, after)).or_default() += count;
                        }
                        runs += 1;
                    }
                }
            }
        }
    }
    let all: u64 = dropped.values().sum();
    report(&format!("cancellation: {runs} runs, {all} futures dropped"));
    assert_eq!(
        runs,
        SESSIONS.len() as u64 * PLANS * (WAYS.len() * AFTER.len() * THEN.len()) as u64
    );
    assert!(runs >= 20_000);
    assert_eq!(
        dropped.len(),
        11 * AFTER.len(),
        "every operation, after every poll: {dropped:?}"
    );
}

#[test]
fn a_session_without_cancellations_comes_to_the_same_on_every_plan() {
    for session in &SESSIONS {
        let expected = session.reference();
        for plan in 0..PLANS {
            let _case = Case(format!("{}, plan {plan}", session.name));
            for (halves, full) in WAYS {
                for order in [Order::Strict, Order::Random] {
                    let transport = Scripted::new(session.peer(plan, 3));
                    let never = Cancel::never();
                    let (outcome, ..) = session.run(&transport, halves, full, order, &never, plan);
                    assert_eq!(outcome, expected);
                }
            }
        }
    }
}
