//! A read that receives nothing while the output is full goes on when it no longer is.

use super::{Pair, RESET, Read, Start, alone, beside};

/// A connection whose peer has sent a byte.
const WITH_INPUT: Start = Start {
    input: 1,
    ..alone(0)
};

fn read_one(pair: &Pair) {
    assert_eq!(pair.read_paused(), Read::Bytes);
    pair.end_half();
}

fn all_is_sent(pair: &Pair) {
    assert_eq!(pair.socket.room(), 0);
    assert_eq!(pair.aborted(), 0);
}

#[test]
fn a_read_that_pauses_sends_itself() {
    beside(
        "a read that pauses",
        Start {
            output: 2,
            ..WITH_INPUT
        },
        2,
        [
            |pair| {
                pair.socket.await_sent(1);
                assert_eq!(pair.drain(), Ok(()));
                pair.end_half();
            },
            read_one,
            |pair| {
                pair.socket.peer(1, 0);
                pair.socket.peer(1, 0);
            },
        ],
        all_is_sent,
    );
}

#[test]
fn a_read_that_pauses_goes_on_beside_a_drain() {
    beside(
        "a read that pauses beside a drain",
        WITH_INPUT,
        2,
        [
            |pair| {
                pair.write(2);
                assert_eq!(pair.drain(), Ok(()));
                pair.end_half();
            },
            read_one,
            |pair| pair.socket.peer(2, 0),
        ],
        all_is_sent,
    );
}

/// A transport may have come to take more without a word.
#[test]
fn a_read_that_pauses_goes_on_after_a_drain() {
    beside(
        "a read that pauses, and a drain",
        WITH_INPUT,
        3,
        [
            |pair| {
                pair.write(2);
                pair.socket.takes_more_quietly(2);
                assert_eq!(pair.drain(), Ok(()));
                pair.end_half();
            },
            read_one,
        ],
        all_is_sent,
    );
}

/// It may find the output out, and then offers it when that is back.
#[test]
fn a_read_that_pauses_and_finds_the_output_out_sends_it_later() {
    beside(
        "a read that pauses while the output is out",
        alone(1),
        3,
        [
            |pair| {
                pair.write(2);
                pair.look_at_transport();
                pair.socket.await_sent(1);
                pair.socket.peer(1, 1);
                assert_eq!(pair.drain(), Ok(()));
                pair.end_half();
            },
            read_one,
        ],
        all_is_sent,
    );
}

#[test]
fn a_read_that_pauses_goes_on_after_the_server_has_sent() {
    beside(
        "a read that pauses, and a server",
        Start {
            has_server: true,
            ..WITH_INPUT
        },
        2,
        [
            |pair| {
                pair.write(2);
                pair.socket.takes_more_quietly(3);
                pair.write(1);
                pair.end_half();
            },
            read_one,
            Pair::serve,
        ],
        all_is_sent,
    );
}

#[test]
fn a_read_that_pauses_hears_of_a_reset() {
    beside(
        "a read that pauses, and a reset",
        alone(0),
        2,
        [
            |pair| {
                pair.write(2);
                assert!(pair.drain().is_err());
                pair.end_half();
            },
            |pair| {
                assert_eq!(pair.read_paused(), RESET);
                pair.end_half();
            },
            |pair| pair.socket.peer_resets(),
        ],
        |_| {},
    );
}
