//! What holds of it.

use std::sync::atomic::Ordering::Relaxed;

use loom::thread;
use plimsoll::ConnectionError;

use super::{Model, beside};
use crate::slot::{Command, Core};

fn all_is_sent(model: &Model) {
    assert_eq!(model.socket.room(), 0);
    assert_eq!(model.counts.aborted.load(Relaxed), 0);
}

#[test]
fn output_of_an_owner_in_another_task_is_sent() {
    beside(
        "an owner that writes and leaves",
        1,
        3,
        [
            |model| {
                model.write(1);
                model.write(1);
                model.leave();
            },
            Model::serve,
            |model| model.socket.peer(1, 0),
        ],
        all_is_sent,
    );
}

/// As one that asks a database: it waits for what the slot knows nothing of.
#[test]
fn output_is_sent_while_the_owner_waits_for_something_else() {
    beside(
        "an owner that waits for something else",
        0,
        2,
        [
            |model| {
                model.write(1);
                model.socket.await_sent(1);
                model.leave();
            },
            Model::serve,
            |model| model.socket.peer(1, 0),
        ],
        all_is_sent,
    );
}

/// The read takes what the transport has woken for, and offers it nothing.
#[test]
fn a_read_of_buffered_input_swallows_no_wake() {
    beside(
        "a read of what is buffered while the transport is ready again",
        0,
        2,
        [
            |model| {
                model.write(1);
                model.read_buffered();
                model.socket.await_sent(1);
                model.leave();
            },
            Model::serve,
            |model| model.socket.peer(1, 0),
        ],
        all_is_sent,
    );
}

#[test]
fn output_that_the_transport_would_not_take_is_sent_after_a_turn() {
    beside(
        "a turn while the transport is ready again",
        0,
        2,
        [
            |model| {
                model.write(1);
                drop(model.turn());
                model.socket.await_sent(1);
                model.leave();
            },
            Model::serve,
            |model| {
                model.socket.peer(0, 1);
                model.socket.peer(1, 0);
            },
        ],
        all_is_sent,
    );
}

#[test]
fn a_turn_is_woken_by_input_after_another_party_has_polled() {
    beside(
        "a turn beside a server that sends",
        0,
        2,
        [
            |model| {
                model.write(1);
                model.turn().unwrap().core().write(1);
                model.leave();
            },
            Model::serve,
            |model| {
                model.socket.peer(1, 0);
                model.socket.peer(1, 1);
            },
        ],
        all_is_sent,
    );
}

#[test]
fn a_turn_that_found_the_connection_out_looks_again() {
    beside(
        "a turn beside a server that cannot send",
        0,
        2,
        [
            |model| {
                model.write(1);
                drop(model.turn().unwrap());
                model.socket.peer(1, 0);
                model.leave();
            },
            Model::serve,
            |model| model.socket.peer(0, 1),
        ],
        all_is_sent,
    );
}

const ABORT: Command = Command::Abort(ConnectionError::Aborted);

#[test]
fn an_abort_reaches_owner_and_server() {
    beside(
        "an abort beside a turn",
        0,
        2,
        [
            |model| {
                model.write(1);
                assert!(model.turn().is_none());
                model.leave();
            },
            Model::serve,
            |model| model.command(ABORT),
        ],
        |model| {
            assert_eq!(model.counts.lost.load(Relaxed), 1);
            assert_eq!(model.counts.aborted.load(Relaxed), 1);
        },
    );
}

#[test]
fn an_abort_does_not_wait_for_a_turn() {
    beside(
        "an abort while a turn is held",
        0,
        2,
        [
            |model| {
                let turn = model.turn();
                // The transport's, while the core is in the turn.
                while model.counts.dropped.load(Relaxed) == 0 {
                    thread::yield_now();
                }
                drop(turn);
                assert!(model.turn().is_none());
                model.leave();
            },
            Model::serve,
            |model| {
                model.socket.peer(0, 1);
                model.command(ABORT);
            },
        ],
        |model| assert_eq!(model.counts.lost.load(Relaxed), 1),
    );
}

#[test]
fn an_abort_by_the_owner_in_a_turn_ends_the_transport() {
    beside(
        "an abort in a turn",
        0,
        2,
        [
            |model| {
                let mut turn = model.turn().unwrap();
                turn.core().lose(ConnectionError::Aborted);
                drop(turn);
                model.leave();
            },
            Model::serve,
            |model| model.socket.peer(0, 1),
        ],
        |model| assert_eq!(model.counts.aborted.load(Relaxed), 1),
    );
}

#[test]
fn a_turn_that_waits_hears_of_a_shutdown() {
    beside(
        "a shutdown beside a turn",
        0,
        2,
        [
            |model| {
                assert!(model.turn().is_none());
                model.leave();
            },
            Model::serve,
            |model| model.command(Command::ShutDown),
        ],
        |model| assert_eq!(model.counts.aborted.load(Relaxed), 0),
    );
}

#[test]
fn two_commands_are_each_carried_out_at_most_once() {
    beside(
        "a close and an abort",
        0,
        2,
        [
            |model| {
                assert!(model.turn().is_none());
                model.leave();
            },
            Model::serve,
            |model| model.command(Command::Close),
            |model| model.command(ABORT),
        ],
        |model| {
            // The owner leaves after the first, and then the core may be gone.
            let [closed, lost] = [&model.counts.closed, &model.counts.lost];
            let [closed, lost] = [closed.load(Relaxed), lost.load(Relaxed)];
            assert!(closed <= 1 && lost <= 1 && closed + lost >= 1);
        },
    );
}

#[test]
fn a_leaked_turn_keeps_no_party_waiting() {
    beside(
        "a leaked turn",
        0,
        2,
        [
            |model| {
                let turn = model.turn().unwrap();
                // The core is leaked, and counted all the same.
                model.counts.dropped.fetch_add(1, Relaxed);
                std::mem::forget(turn);
                assert!(model.slot.take().is_none());
                assert!(model.turn().is_none());
                model.leave();
            },
            Model::serve,
            |model| model.socket.peer(0, 1),
        ],
        |model| assert_eq!(model.counts.aborted.load(Relaxed), 1),
    );
}

#[test]
fn a_connection_that_is_taken_over_is_no_longer_the_servers() {
    beside(
        "a take-over beside an abort",
        1,
        2,
        [
            |model| {
                model.write(1);
                drop(model.slot.take_over(|_| true));
                model.leave();
            },
            Model::serve,
            |model| model.command(ABORT),
        ],
        |_| {},
    );
}
