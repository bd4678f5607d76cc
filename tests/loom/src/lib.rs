//! The hand-over between the halves of a stream, the product's own file, through every interleaving of
//! its threads, and every order in which they may see what the others did: whoever is refused is told.
#![cfg(test)]

#[path = "../../../adapters/src/handover.rs"]
mod handover;

mod sync;

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use handover::{Handover, Watcher};
use loom::sync::{Arc, Mutex, Notify};
use loom::thread;

/// A task that waits: as a reader, it is woken only if it has registered, and once for each time.
struct Waiter {
    registered: Mutex<bool>,
    woken: Notify,
}

impl Watcher<usize> for Arc<Waiter> {
    fn unlocking(&self, _: &usize) {}

    fn try_again(&self) {
        if std::mem::take(&mut *self.registered.lock().unwrap()) {
            self.woken.notify();
        }
    }
}

/// Runs a reader that needs the value once beside a thread that has it `times`; loom fails if the reader
/// waits for ever.
fn a_reader_beside_a_holder(times: usize) {
    let runs = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&runs);
    loom::model(move || {
        counted.fetch_add(1, Relaxed);
        let waiter = Arc::new(Waiter {
            registered: Mutex::new(false),
            woken: Notify::new(),
        });
        let shared = Arc::new(Handover::new(0, Arc::clone(&waiter)));
        let holding = Arc::clone(&shared);
        let holder = thread::spawn(move || {
            for _ in 0..times {
                *holding.lock() += 1;
            }
        });
        loop {
            *waiter.registered.lock().unwrap() = true;
            shared.leave_word();
            if let Some(mut value) = shared.try_lock() {
                *value += 1;
                break;
            }
            waiter.woken.wait();
        }
        holder.join().unwrap();
        assert_eq!(*shared.lock(), times + 1);
    });
    let runs = runs.load(Relaxed);
    writeln!(
        std::io::stdout(),
        "loom: locked {times} times beside a reader, {runs} interleavings"
    )
    .unwrap();
}

#[test]
fn a_reader_that_is_refused_is_told() {
    a_reader_beside_a_holder(1);
}

#[test]
fn a_reader_that_is_refused_again_is_told_again() {
    a_reader_beside_a_holder(2);
}
