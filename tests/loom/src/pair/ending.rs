//! The end of the input, closes from outside, and those who leave.

use std::task::{Context, Poll, Waker};

use super::{ABORTED, Pair, RESET, Read, Start, alone, beside, served};
use crate::slot::{Command, Party};
use crate::tasks::block_on;

fn drain(pair: &Pair) {
    pair.write(1);
    assert_eq!(pair.drain(), Ok(()));
    pair.end_half();
}

/// A read that is given up may have received the end.
fn read_to_the_end(pair: &Pair) {
    pair.begin_read();
    assert_eq!(pair.read(), Read::End);
    pair.end_half();
}

fn nothing_is_aborted(pair: &Pair) {
    assert_eq!(pair.aborted(), 0);
}

/// The core is told, which may be out for the drain, and the drain goes on.
#[test]
fn an_end_of_the_input_beside_a_drain_is_told() {
    beside(
        "the end of the input beside a drain",
        alone(0),
        2,
        [drain, read_to_the_end, |pair| {
            pair.socket.peer_ends();
            pair.socket.peer(1, 0);
        }],
        nothing_is_aborted,
    );
}

#[test]
fn an_end_of_the_input_beside_a_server_is_told() {
    beside(
        "the end of the input beside a server",
        served(1),
        2,
        [
            |pair| {
                pair.write(1);
                pair.socket.peer_ends();
                pair.end_half();
            },
            read_to_the_end,
            Pair::serve,
        ],
        nothing_is_aborted,
    );
}

#[test]
fn under_a_layer_an_end_of_the_input_is_told() {
    beside(
        "the end of the input under a layer",
        Start {
            has_layer: true,
            ..alone(0)
        },
        2,
        [drain, read_to_the_end, |pair| {
            pair.socket.peer_ends();
            pair.socket.peer(1, 0);
        }],
        nothing_is_aborted,
    );
}

/// The system reports it once, to a send or to a receive.
#[test]
fn a_reset_is_told_by_both_halves() {
    beside(
        "a reset beside a drain and a read",
        alone(0),
        2,
        [
            |pair| {
                pair.write(1);
                assert!(pair.drain().is_err());
                pair.end_half();
            },
            |pair| {
                assert_eq!(pair.read(), RESET);
                pair.end_half();
            },
            |pair| pair.socket.peer_resets(),
        ],
        |pair| assert_eq!(pair.aborted(), 1),
    );
}

#[test]
fn a_handlers_end_ends_a_read_in_another_thread() {
    beside(
        "the end of a handler beside a read",
        served(0),
        3,
        [
            |pair| {
                pair.serve_handler(|_| {
                    pair.write(1);
                    Poll::Ready(())
                });
            },
            |pair| {
                assert_eq!(pair.read(), ABORTED);
                pair.socket.peer(1, 0);
            },
        ],
        |pair| {
            assert!(pair.socket.has_sent_end());
            nothing_is_aborted(pair);
        },
    );
}

/// The peer sends before it reads, so what it sends has to be discarded.
#[test]
fn a_server_that_closes_waits_for_the_read_half() {
    beside(
        "a close by the server beside a receive",
        Start {
            input: 1,
            ..served(0)
        },
        2,
        [
            |pair| {
                pair.write(1);
                pair.end_and_linger();
            },
            |pair| {
                while pair.read() == Read::Bytes {}
            },
            |pair| {
                pair.socket.await_taken();
                pair.socket.peer(1, 0);
                pair.socket.peer_ends();
            },
        ],
        |pair| {
            assert_eq!(pair.socket.room(), 0);
            nothing_is_aborted(pair);
        },
    );
}

#[test]
fn a_close_from_outside_ends_a_read_and_the_output() {
    beside(
        "a close from outside beside a read",
        served(0),
        2,
        [
            |pair| {
                pair.command(Command::Close);
                pair.socket.await_end();
                pair.end_half();
            },
            |pair| {
                assert_eq!(pair.read(), Read::Closed);
                pair.end_half();
            },
            Pair::serve,
        ],
        nothing_is_aborted,
    );
}

#[test]
fn a_close_from_outside_beside_a_drain_is_carried_out() {
    beside(
        "a close from outside beside a drain",
        alone(0),
        2,
        [
            |pair| {
                pair.write(1);
                assert_eq!(pair.drain(), Ok(()));
                assert_eq!(pair.close(), Ok(()));
                pair.end_half();
            },
            |pair| {
                assert_eq!(pair.read(), Read::Closed);
                pair.end_half();
            },
            |pair| {
                pair.command(Command::Close);
                pair.socket.peer(1, 0);
            },
        ],
        |pair| {
            assert!(pair.socket.has_sent_end());
            nothing_is_aborted(pair);
        },
    );
}

#[test]
fn a_shutdown_ends_a_read_and_reaches_a_writer() {
    beside(
        "a shutdown beside a read",
        alone(0),
        2,
        [
            |pair| {
                block_on(|cx| pair.slot.poll_shutting_down(Party::Owner, cx));
                pair.end_half();
            },
            |pair| {
                assert_eq!(pair.read(), Read::Closed);
                pair.end_half();
            },
            |pair| pair.command(Command::ShutDown),
        ],
        nothing_is_aborted,
    );
}

fn look_and_leave(pair: &Pair) {
    drop(pair.slot.look(&Context::from_waker(Waker::noop())));
    pair.leave(Party::Server);
}

fn begin_a_read_and_leave(pair: &Pair) {
    pair.begin_read();
    pair.leave(Party::Reader);
}

#[test]
fn the_last_to_leave_drops_everything() {
    beside(
        "three that leave",
        served(0),
        3,
        [
            |pair| {
                pair.write(1);
                pair.leave(Party::Owner);
            },
            begin_a_read_and_leave,
            look_and_leave,
        ],
        |pair| assert_eq!(pair.aborted(), 1),
    );
}

/// A command may be the last to put something back.
#[test]
fn a_command_to_what_all_have_left_drops_everything() {
    beside(
        "three that leave beside a close",
        served(0),
        2,
        [
            |pair| pair.leave(Party::Owner),
            begin_a_read_and_leave,
            look_and_leave,
            |pair| pair.command(Command::Close),
        ],
        |_| {},
    );
}

#[test]
fn a_pair_that_is_taken_over_is_no_longer_the_servers() {
    beside(
        "a take-over of a pair beside an abort",
        served(1),
        2,
        [
            |pair| {
                pair.write(1);
                pair.begin_read();
                drop(pair.slot.take_over(|_| true));
                pair.leave(Party::Owner);
                pair.leave(Party::Reader);
            },
            Pair::serve,
            |pair| pair.command(super::ABORT),
        ],
        |_| {},
    );
}
