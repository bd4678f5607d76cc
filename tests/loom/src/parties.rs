//! The parties of a connection that send the same output: each is woken once it has left.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Wake, Waker};

use loom::sync::{Mutex, Notify};
use loom::thread;

use crate::handover::{Handover, Watcher, Word};
use crate::waiters::{
    Party::{self, Reader, Server, Writer},
    Waiters,
};

/// How much is to be sent. There is room for all but one, for which the peer makes room.
const OUTPUT: usize = 2;

/// A task's waker.
struct Task(Notify);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

impl Watcher<usize> for Arc<Waiters> {
    fn note(&self, output: &usize) {
        self.unwritable.store(*output > 0, Relaxed);
    }

    fn try_again(&self) {
        Waiters::wake(self, Reader);
    }
}

/// A connection, as `Shared` is one.
struct Connection {
    output: Handover<usize, Arc<Waiters>>,
    waiters: Arc<Waiters>,
    /// The room that the peer has made, and the waker of the last call that had to wait.
    transport: Mutex<(usize, Option<Waker>)>,
}

impl Connection {
    fn new() -> Self {
        let waiters = Arc::new(Waiters::default());
        Self {
            output: Handover::new(OUTPUT, Arc::clone(&waiters)),
            waiters,
            transport: Mutex::new((OUTPUT - 1, None)),
        }
    }

    /// Sends as far as there is room. Returns whether anything was sent. A call that need not wait
    /// makes the transport forget the waker of one that had to.
    fn send(&self, output: &mut usize) -> bool {
        let mut transport = self.transport.lock().unwrap();
        let (room, waker) = &mut *transport;
        let sent = (*output).min(*room);
        *output -= sent;
        *room -= sent;
        *waker = (*output > 0).then(|| Arc::clone(&self.waiters).into());
        sent > 0
    }

    /// Makes room, and wakes the call that waits for it, as far as it still does.
    fn make_room(&self) {
        self.transport.lock().unwrap().0 += 1;
        let waker = self.transport.lock().unwrap().1.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// As `Shared::poll_send_until`, and for the reader, one that pauses while there is output, as
    /// `Shared::send_before_read`: sends, and waits, until none is left. Loom fails if it waits for
    /// ever.
    fn send_all(&self, party: Party) {
        let task = Arc::new(Task(Notify::new()));
        let waker = Waker::from(Arc::clone(&task));
        loop {
            self.waiters.register(party, &waker);
            let taken = match party {
                Reader => match self.output.leave_word(|output| *output > 0) {
                    Word::Taken(taken) => Some(taken),
                    Word::Left => return,
                    Word::Gone => None,
                },
                Writer | Server => Some(self.output.take()),
            };
            if let Some(mut output) = taken {
                let was_left = *output > 0;
                let moved = self.send(&mut output);
                let is_left = *output > 0;
                drop(output);
                if party != Reader && was_left && !is_left {
                    Waiters::wake(&self.waiters, Reader);
                }
                if moved {
                    self.waiters.wake_senders(party);
                }
                if !is_left {
                    return self.waiters.stop_waiting(party);
                }
            }
            task.0.wait();
        }
    }
}

/// Runs parties that send, beside the peer that takes what they send.
fn all_end<const COUNT: usize>(parties: [Party; COUNT], preemptions: usize) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let mut model = loom::model::Builder::new();
    // As for the hand-over. These threads meet in more places.
    model.preemption_bound = Some(preemptions);
    model.check(move || {
        counted.fetch_add(1, Relaxed);
        let connection = Arc::new(Connection::new());
        let sending = parties.map(|party| {
            let connection = Arc::clone(&connection);
            thread::spawn(move || connection.send_all(party))
        });
        connection.make_room();
        for party in sending {
            party.join().unwrap();
        }
        assert_eq!(*connection.output.lock(), 0);
        assert!(!connection.waiters.unwritable.load(Relaxed));
    });
    let runs = runs.load(Relaxed);
    writeln!(std::io::stdout(), "loom: {parties:?}, {runs} interleavings").unwrap();
}

#[test]
fn a_drain_beside_a_read_ends() {
    all_end([Reader, Writer], 3);
}

#[test]
fn a_close_beside_a_read_ends() {
    all_end([Reader, Server], 3);
}

#[test]
fn a_drain_and_a_close_both_end() {
    all_end([Writer, Server], 3);
}

#[test]
fn a_drain_and_a_close_beside_a_read_end() {
    all_end([Reader, Writer, Server], 2);
}
