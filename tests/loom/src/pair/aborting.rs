//! An abort reaches all parties, wherever each is, and each part of the connection, once.

use std::sync::atomic::Ordering::Relaxed;

use plimsoll::ConnectionError;

use super::{ABORT, ABORTED, Pair, Read, Start, alone, beside, served};
use crate::slot::Command;

fn drain(pair: &Pair) {
    pair.write(1);
    assert_eq!(pair.drain(), Err(ConnectionError::Aborted));
}

fn read(pair: &Pair) {
    assert_eq!(pair.read(), ABORTED);
}

fn is_aborted(pair: &Pair) {
    assert_eq!(pair.counts.lost.load(Relaxed), 1);
    assert_eq!(pair.aborted(), 1);
}

#[test]
fn an_abort_reaches_a_drain_and_a_read() {
    beside(
        "an abort beside a drain and a read",
        alone(0),
        2,
        [drain, read, |pair| pair.command(ABORT)],
        is_aborted,
    );
}

#[test]
fn an_abort_reaches_a_drain_a_read_and_a_server() {
    beside(
        "an abort beside a drain, a read and a server",
        served(0),
        1,
        [drain, read, Pair::serve, |pair| pair.command(ABORT)],
        is_aborted,
    );
}

#[test]
fn an_abort_reaches_a_drain_and_a_server() {
    beside(
        "an abort beside a drain and a server",
        served(0),
        2,
        [
            |pair| {
                drain(pair);
            },
            Pair::serve,
            |pair| pair.command(ABORT),
        ],
        is_aborted,
    );
}

#[test]
fn an_abort_reaches_a_read_and_a_server() {
    beside(
        "an abort beside a read and a server",
        Start {
            output: 1,
            ..served(0)
        },
        2,
        [
            |pair| {
                read(pair);
            },
            Pair::serve,
            |pair| pair.command(ABORT),
        ],
        is_aborted,
    );
}

#[test]
fn an_abort_reaches_a_read_that_pauses() {
    beside(
        "an abort beside a read that pauses",
        alone(0),
        2,
        [
            |pair| {
                pair.write(2);
            },
            |pair| {
                assert_eq!(pair.read_paused(), ABORTED);
            },
            |pair| pair.command(ABORT),
        ],
        is_aborted,
    );
}

#[test]
fn under_a_layer_an_abort_reaches_a_drain_and_a_read() {
    beside(
        "an abort under a layer",
        Start {
            has_layer: true,
            ..alone(0)
        },
        2,
        [drain, read, |pair| pair.command(ABORT)],
        is_aborted,
    );
}

#[test]
fn an_abort_by_the_writer_reaches_a_read() {
    beside(
        "an abort by the writer",
        served(1),
        2,
        [
            |pair| {
                pair.write(1);
                pair.abort();
            },
            read,
            Pair::serve,
        ],
        |pair| assert_eq!(pair.aborted(), 1),
    );
}

/// A command has the core out for a moment, and what is received meanwhile may be the abort's own end.
#[test]
fn an_abort_beside_another_command_is_told_as_one() {
    beside(
        "an abort beside another command and a read",
        alone(0),
        3,
        [
            read,
            |pair| pair.command(Command::Cancel),
            |pair| {
                pair.command(ABORT);
            },
        ],
        is_aborted,
    );
}

/// It waits for no handler.
#[test]
fn a_server_that_is_cancelled_leaves() {
    beside(
        "a cancelled server beside a read",
        served(1),
        2,
        [
            Pair::serve,
            |pair| {
                pair.write(1);
                pair.command(Command::Cancel);
            },
            read,
        ],
        |_| {},
    );
}

/// It may have received the end before.
#[test]
fn an_abort_beside_the_end_of_the_input_is_told_as_one_of_them() {
    beside(
        "an abort beside the end of the input",
        alone(0),
        2,
        [
            |pair| {
                pair.socket.peer_ends();
            },
            |pair| {
                let read = pair.read();
                assert!([ABORTED, Read::End].contains(&read));
                assert_eq!(pair.read(), read, "what was told stays");
            },
            |pair| pair.command(ABORT),
        ],
        |_| {},
    );
}

#[test]
fn an_abort_and_an_end_of_the_handler_are_carried_out() {
    beside(
        "an abort beside an end of the handler",
        served(0),
        2,
        [
            |pair| {
                pair.write(1);
                pair.command(Command::End);
                pair.serve();
            },
            read,
            |pair| pair.command(ABORT),
        ],
        |pair| assert_eq!(pair.aborted(), 1),
    );
}
