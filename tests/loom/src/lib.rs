//! The hand-over between the halves of a stream, the product's own file, through every interleaving of
//! its threads that interrupts each at most three times where it need not wait, and every order in which they may see
//! what the others did: whoever finds the value gone is told.
#![cfg(test)]

#[path = "../../../adapters/src/handover.rs"]
mod handover;
#[path = "../../../adapters/src/quiet.rs"]
mod quiet;
#[path = "../../../adapters/src/slot/mod.rs"]
mod slot;
#[path = "../../../adapters/src/waiters.rs"]
mod waiters;

mod connection;
mod parties;
mod sync;

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use handover::{Handover, Locked, Watcher, Word};
use loom::sync::atomic::AtomicBool;
use loom::sync::{Arc, Mutex, Notify};
use loom::thread;

/// A task that waits: as a reader, it is woken only if it has registered, and once for each time.
struct Waiter {
    registered: Mutex<bool>,
    woken: Notify,
    /// Whether there is something to take, as of the last time that the value was let go.
    has_some: AtomicBool,
}

impl Watcher<usize> for Arc<Waiter> {
    fn note(&self, value: &usize) {
        self.has_some.store(*value > 0, Relaxed);
    }

    fn try_again(&self) {
        if std::mem::take(&mut *self.registered.lock().unwrap()) {
            self.woken.notify();
        }
    }
}

type Shared = Arc<Handover<usize, Arc<Waiter>>>;

/// Takes all that there is, as often as it is told of some, until it has `wanted`. Loom fails if it waits
/// for ever.
fn read(waiter: &Waiter, shared: &Shared, wanted: usize) {
    let mut taken = 0;
    while taken < wanted {
        *waiter.registered.lock().unwrap() = true;
        match shared.leave_word(|&value| value > 0) {
            Word::Taken(mut value) => {
                // As sending does, without anything locked.
                taken += std::mem::take(&mut *value);
                drop(value);
                shared.take_word_back();
            }
            Word::Left | Word::Gone => waiter.woken.wait(),
        }
    }
}

/// What another thread does with the value.
#[derive(Clone, Copy)]
enum Act {
    /// Adds one, which is news.
    Write,
    /// Locks it, to no purpose.
    Look,
    /// Takes it away, to no purpose.
    Take,
}

/// Runs a reader that wants all that is written beside threads that act.
fn a_reader_beside(threads: &'static [&'static [Act]]) {
    let runs = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&runs);
    let mut model = loom::model::Builder::new();
    // How often a thread may be interrupted where it need not wait. Without a bound a model takes hours.
    model.preemption_bound = Some(3);
    let acts = threads.iter().copied().flatten();
    let writes = acts.filter(|act| matches!(act, Act::Write)).count();
    model.check(move || {
        counted.fetch_add(1, Relaxed);
        let waiter = Arc::new(Waiter {
            registered: Mutex::new(false),
            woken: Notify::new(),
            has_some: AtomicBool::new(false),
        });
        let shared = Arc::new(Handover::new(0, Arc::clone(&waiter)));
        let others: Vec<_> = threads
            .iter()
            .map(|acts| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    for act in *acts {
                        match act {
                            Act::Write => {
                                let mut value = shared.lock();
                                *value += 1;
                                Locked::tell(&mut value);
                            }
                            Act::Look => assert!(*shared.lock() <= writes),
                            Act::Take => assert!(*shared.take() <= writes),
                        }
                    }
                })
            })
            .collect();
        read(&waiter, &shared, writes);
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(*shared.lock(), 0);
        assert!(!waiter.has_some.load(Relaxed));
    });
    let runs = runs.load(Relaxed);
    let acts: usize = threads.iter().map(|acts| acts.len()).sum();
    writeln!(
        std::io::stdout(),
        "loom: {} besides the reader, {writes} writes of {acts} acts, {runs} interleavings",
        threads.len()
    )
    .unwrap();
}

#[test]
fn a_reader_that_waits_is_told_of_news() {
    a_reader_beside(&[&[Act::Write]]);
}

#[test]
fn a_reader_that_waits_again_is_told_again() {
    a_reader_beside(&[&[Act::Write, Act::Write]]);
}

#[test]
fn a_reader_that_finds_it_gone_is_told_when_it_is_back() {
    a_reader_beside(&[&[Act::Write, Act::Take, Act::Take]]);
}

#[test]
fn a_writer_that_finds_it_gone_goes_on_when_it_is_back() {
    a_reader_beside(&[&[Act::Write, Act::Look, Act::Write]]);
}

#[test]
fn two_that_find_it_gone_both_go_on() {
    a_reader_beside(&[&[Act::Write, Act::Take], &[Act::Look, Act::Write]]);
}
