//! Output is sent, by the party that can, and those who wait for that go on.

use std::task::Poll;

use super::{ABORTED, Pair, Read, Start, alone, beside, served};
use crate::slot::Party;
use crate::tasks::block_on;

fn all_is_sent(pair: &Pair) {
    assert_eq!(pair.socket.room(), 0);
    assert_eq!(pair.aborted(), 0);
}

/// Reads a byte, and leaves.
fn read_one(pair: &Pair) {
    assert_eq!(pair.read(), Read::Bytes);
    pair.end_half();
}

/// Writes, and waits for the reply of a peer that has got all there is room for.
fn ask(pair: &Pair, writes: usize) {
    for _ in 0..writes {
        pair.write(1);
    }
    pair.socket.await_full();
    pair.socket.peer(0, 1);
    pair.end_half();
}

#[test]
fn a_write_beside_a_read_is_sent_by_the_reader() {
    beside(
        "a write beside a read",
        alone(1),
        3,
        [|pair| ask(pair, 1), read_one],
        all_is_sent,
    );
}

/// The second may come between the reader's offer of the first and its receive.
#[test]
fn two_writes_beside_a_read_are_sent_by_the_reader() {
    beside(
        "two writes beside a read",
        alone(2),
        3,
        [|pair| ask(pair, 2), read_one],
        all_is_sent,
    );
}

#[test]
fn a_write_beside_a_read_that_receives_is_sent() {
    beside(
        "a write beside a receive",
        alone(1),
        3,
        [
            |pair| {
                pair.socket.await_receive();
                ask(pair, 1);
            },
            read_one,
        ],
        all_is_sent,
    );
}

#[test]
fn a_write_that_finds_no_room_is_sent_by_the_reader() {
    beside(
        "a write beside a read, without room",
        alone(0),
        2,
        [
            |pair| {
                pair.write(1);
                pair.socket.await_sent(1);
                pair.socket.peer(0, 1);
                pair.end_half();
            },
            read_one,
            |pair| pair.socket.peer(1, 0),
        ],
        all_is_sent,
    );
}

#[test]
fn a_read_offers_what_was_offered_before() {
    beside(
        "a read of a transport that takes more without a word",
        Start {
            output: 1,
            ..alone(0)
        },
        2,
        [
            |pair| {
                pair.begin_read();
                pair.socket.takes_more_quietly(1);
                assert_eq!(pair.read(), Read::Bytes);
            },
            |pair| {
                pair.socket.await_sent(1);
                pair.socket.peer(0, 1);
            },
        ],
        all_is_sent,
    );
}

/// It may find the output out, and then offers it when that is back.
#[test]
fn a_reader_that_finds_the_output_out_sends_it_later() {
    beside(
        "a read while the output is out",
        alone(1),
        3,
        [
            |pair| {
                pair.write(1);
                pair.look_at_transport();
                ask(pair, 0);
            },
            read_one,
        ],
        all_is_sent,
    );
}

/// It may find the core out, and then goes on when that is back.
#[test]
fn a_writer_that_blocks_goes_on() {
    beside(
        "a writer that may block",
        alone(2),
        3,
        [
            |pair| {
                pair.write(1);
                let _ = pair.slot.peek(|_| ());
                ask(pair, 1);
            },
            read_one,
        ],
        all_is_sent,
    );
}

#[test]
fn two_parties_that_block_both_go_on() {
    beside(
        "two that may block",
        served(1),
        2,
        [
            |pair| {
                pair.write(1);
                let _ = pair.slot.peek(|_| ());
            },
            |pair| {
                let _ = pair.slot.with_read_half(|_| ());
            },
            |pair| pair.serve_handler(|_| Poll::Ready(())),
        ],
        |_| {},
    );
}

#[test]
fn a_write_beside_a_read_and_a_server_is_sent() {
    beside(
        "a write beside a read and a server",
        served(1),
        2,
        [|pair| ask(pair, 1), read_one, Pair::serve],
        all_is_sent,
    );
}

/// Its task is woken without a change since its last look.
#[test]
fn a_server_that_lets_others_run_before_it_sends_goes_on() {
    beside(
        "a server that lets others run",
        served(1),
        3,
        [
            |pair| {
                pair.write(1);
                pair.socket.await_sent(1);
                pair.leave(Party::Owner);
                pair.leave(Party::Reader);
            },
            Pair::serve_late,
        ],
        all_is_sent,
    );
}

/// It is taken for the handler, whose poll the server's task may be in.
#[test]
fn a_read_of_another_task_that_yields_holds_no_output_back() {
    beside(
        "a read of another task that yields",
        served(1),
        3,
        [
            |pair| {
                pair.write(1);
                pair.slot.note_yield();
                pair.socket.await_sent(1);
                pair.leave(Party::Owner);
                pair.leave(Party::Reader);
            },
            Pair::serve,
        ],
        all_is_sent,
    );
}

/// The server's task is in its poll meanwhile, and looks at nothing.
#[test]
fn a_handler_on_a_thread_has_its_output_sent_by_a_read_in_another() {
    beside(
        "a handler on a thread",
        served(1),
        2,
        [
            |pair| {
                pair.serve_handler(|_| {
                    ask(pair, 1);
                    pair.socket.await_taken();
                    Poll::Ready(())
                });
            },
            read_one,
        ],
        all_is_sent,
    );
}

#[test]
fn a_handler_that_reads_and_writes_in_its_task_has_its_output_sent() {
    beside(
        "a handler that reads and writes",
        served(1),
        2,
        [
            |pair| {
                let (mut has_read, mut has_written) = (false, false);
                pair.serve_handler(|cx| {
                    has_read = has_read || pair.poll_read(cx, false).is_ready();
                    if !has_written {
                        pair.write(1);
                        has_written = true;
                    }
                    let sent = pair.socket.poll_sent(1, cx.waker());
                    if !has_read || sent.is_pending() {
                        return Poll::Pending;
                    }
                    pair.leave(Party::Owner);
                    pair.leave(Party::Reader);
                    Poll::Ready(())
                });
            },
            |pair| {
                pair.socket.await_sent(1);
                pair.socket.peer(0, 1);
            },
        ],
        all_is_sent,
    );
}

/// Writes, drains, and leaves.
fn drain(pair: &Pair) {
    pair.write(2);
    assert_eq!(pair.drain(), Ok(()));
    pair.end_half();
}

/// Makes room for all, bit by bit.
fn take(pair: &Pair) {
    pair.socket.peer(1, 0);
    pair.socket.peer(1, 0);
}

#[test]
fn a_drain_beside_a_read_ends() {
    beside(
        "a drain beside a read",
        alone(0),
        2,
        [drain, read_one, |pair| {
            pair.socket.peer(1, 0);
            pair.socket.peer(1, 1);
        }],
        all_is_sent,
    );
}

/// The peer takes nothing before it was read.
#[test]
fn a_drain_that_blocks_in_a_call_keeps_no_read_waiting() {
    beside(
        "a call that blocks beside a read",
        Start {
            output: 1,
            ..alone(0)
        },
        2,
        [
            |pair| {
                let taken = block_on(|cx| pair.slot.poll_take(cx));
                pair.socket.await_room();
                assert!(pair.send(&mut taken.unwrap()).is_ready());
                pair.end_half();
            },
            read_one,
            |pair| {
                pair.socket.peer(0, 1);
                pair.socket.await_taken();
                pair.socket.peer(1, 0);
            },
        ],
        all_is_sent,
    );
}

/// The reader outlives the handler, in another thread.
fn read_to_the_end_of_the_handler(pair: &Pair) {
    assert_eq!(pair.read(), ABORTED);
}

#[test]
fn a_close_beside_a_read_ends_and_so_does_the_read() {
    beside(
        "a close by the server beside a read",
        served(0),
        2,
        [
            |pair| {
                pair.serve_handler(|_| {
                    pair.write(2);
                    Poll::Ready(())
                });
            },
            read_to_the_end_of_the_handler,
            take,
        ],
        all_is_sent,
    );
}

/// A connection of a server's, with output.
const WITH_OUTPUT: Start = Start {
    output: 2,
    ..served(1)
};

fn drain_only(pair: &Pair) {
    assert_eq!(pair.drain(), Ok(()));
}

/// The handler has given its halves to other threads, and ends.
fn close(pair: &Pair) {
    pair.serve_handler(|_| Poll::Ready(()));
}

#[test]
fn a_drain_and_a_close_both_end() {
    beside(
        "a drain and a close",
        WITH_OUTPUT,
        2,
        [close, drain_only, |pair| pair.socket.peer(1, 0)],
        all_is_sent,
    );
}

#[test]
fn a_drain_and_a_close_beside_a_read_end() {
    beside(
        "a drain, a close and a read",
        WITH_OUTPUT,
        2,
        [close, drain_only, |pair| {
            pair.socket.peer(1, 0);
            read_to_the_end_of_the_handler(pair);
        }],
        all_is_sent,
    );
}

const LAYERED: Start = Start {
    has_layer: true,
    ..alone(1)
};

#[test]
fn under_a_layer_a_write_beside_a_read_is_sent() {
    beside(
        "a write beside a read, under a layer",
        LAYERED,
        3,
        [|pair| ask(pair, 1), read_one],
        all_is_sent,
    );
}

#[test]
fn under_a_layer_a_drain_beside_a_read_ends() {
    beside(
        "a drain beside a read, under a layer",
        LAYERED,
        2,
        [drain, read_one, |pair| pair.socket.peer(1, 1)],
        all_is_sent,
    );
}
