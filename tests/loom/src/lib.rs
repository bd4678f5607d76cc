//! The hand-over between the halves of a stream, the product's own file, through every interleaving of
//! its threads, and every order in which they may see what the others did: whoever is refused is told.
#![cfg(test)]

#[path = "../../../adapters/src/handover.rs"]
mod handover;

mod sync;

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use handover::{Handover, Watcher};
use loom::sync::atomic::AtomicBool;
use loom::sync::{Arc, Mutex, Notify};
use loom::thread;

/// A task that waits: as a reader, it is woken only if it has registered, and once for each time.
struct Waiter {
    registered: Mutex<bool>,
    woken: Notify,
    /// Whether there is something to take, as of the last unlock.
    has_some: AtomicBool,
}

impl Watcher<usize> for Arc<Waiter> {
    fn unlocking(&self, value: &usize) {
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
        shared.leave_word();
        let has_some = waiter.has_some.load(Relaxed);
        match has_some.then(|| shared.try_lock()).flatten() {
            Some(mut value) => {
                taken += std::mem::take(&mut *value);
                shared.take_word_back();
            }
            None => waiter.woken.wait(),
        }
    }
}

/// Runs a reader that wants `writes` beside a thread that makes them, and one that locks without news.
fn a_reader_beside_others(writes: usize, looks: usize) {
    let runs = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&runs);
    let mut model = loom::model::Builder::new();
    // How often a thread may be interrupted where it need not wait: more make no other order of the few
    // atomics, only more of the same.
    model.preemption_bound = Some(3);
    model.check(move || {
        counted.fetch_add(1, Relaxed);
        let waiter = Arc::new(Waiter {
            registered: Mutex::new(false),
            woken: Notify::new(),
            has_some: AtomicBool::new(false),
        });
        let shared = Arc::new(Handover::new(0, Arc::clone(&waiter)));
        let writing = Arc::clone(&shared);
        let writer = thread::spawn(move || {
            for _ in 0..writes {
                *writing.lock_with_news() += 1;
            }
            for _ in 0..looks {
                assert!(*writing.lock() <= writes);
            }
        });
        read(&waiter, &shared, writes);
        writer.join().unwrap();
        assert_eq!(*shared.lock(), 0);
    });
    let runs = runs.load(Relaxed);
    writeln!(
        std::io::stdout(),
        "loom: a reader beside {writes} writes and {looks} looks, {runs} interleavings"
    )
    .unwrap();
}

#[test]
fn a_reader_that_waits_is_told_of_news() {
    a_reader_beside_others(1, 0);
}

#[test]
fn a_reader_that_waits_again_is_told_again() {
    a_reader_beside_others(2, 0);
}

#[test]
fn a_reader_that_is_refused_is_told() {
    a_reader_beside_others(1, 1);
}

#[test]
fn a_reader_that_is_refused_again_is_told_again() {
    a_reader_beside_others(1, 2);
}
