//! How much room the transport is given: about what the peer sends at once; and how much is read in one turn.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use plimsoll_io::blocking::FromWrite;
use plimsoll_io::{Join, ReadHalf, StreamOptions, StreamPair};

/// A peer that always has more: all that there is room for, or so many bytes.
#[derive(Clone, Default)]
struct Peer(Arc<Mutex<Exchange>>);

#[derive(Default)]
struct Exchange {
    /// `None` fills the room.
    gives: Option<usize>,
    room: usize,
}

impl ReadHalf for Peer {
    fn poll_read(&mut self, _: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut exchange = self.0.lock().unwrap();
        exchange.room = room.len();
        Poll::Ready(Ok(exchange.gives.unwrap_or(room.len())))
    }
}

/// A stream, and the rooms that its reads give while the peer sends so much at a time.
struct Reads {
    peer: Peer,
    stream: StreamPair<Join<Peer, FromWrite<io::Sink>>>,
}

impl Reads {
    fn up_to(read_size: usize) -> Self {
        let peer = Peer::default();
        let transport = Join::new(peer.clone(), FromWrite(io::sink()));
        let stream =
            StreamPair::with_options(transport, &StreamOptions::new().read_size(read_size));
        Self { peer, stream }
    }

    fn rooms<const COUNT: usize>(&mut self, gives: Option<usize>) -> [usize; COUNT] {
        self.peer.0.lock().unwrap().gives = gives;
        std::array::from_fn(|_| {
            let read = self.stream.reader.read(usize::MAX);
            let received = plimsoll_io::blocking::block_on(read).unwrap().len();
            let room = self.peer.0.lock().unwrap().room;
            assert_eq!(received, gives.unwrap_or(room));
            room
        })
    }
}

#[test]
fn room_doubles_while_the_peer_fills_it() {
    let mut reads = Reads::up_to(10_000);
    assert_eq!(
        reads.rooms(None),
        [1024, 2048, 4096, 8192, 10_000, 10_000],
        "up to the read size"
    );
}

#[test]
fn room_halves_while_the_peer_leaves_more_than_three_quarters_of_it() {
    let mut reads = Reads::up_to(16_384);
    let _: [usize; 4] = reads.rooms(None);
    assert_eq!(reads.rooms(Some(4096)), [16_384, 16_384], "a quarter");
    assert_eq!(
        reads.rooms(Some(4095)),
        [16_384, 8192, 8192],
        "one byte less"
    );
    assert_eq!(reads.rooms(Some(1)), [8192, 4096, 2048, 1024, 1024]);
    assert_eq!(reads.rooms(None), [1024, 2048], "and doubles again");
}

#[test]
fn room_is_never_less_than_the_read_size_if_that_is_small() {
    let mut reads = Reads::up_to(100);
    assert_eq!(reads.rooms(None), [100, 100]);
    assert_eq!(reads.rooms(Some(1)), [100, 100]);
}

#[test]
fn a_turn_ends_though_the_peer_always_has_more() {
    let mut reads = Reads::up_to(1);
    let answers = Cell::new(0);
    let endless = pin!(async {
        loop {
            let answer = reads.stream.reader.read(1).await.unwrap();
            answers.set(answers.get() + answer.len());
        }
    });
    let mut cx = Context::from_waker(Waker::noop());
    assert!(endless.poll(&mut cx).is_pending());
    // A turn is 1,024, of which a receive takes eight, and the reader is asked three times: at once, before the
    // receive, and behind it.
    assert_eq!(answers.get(), 1024 / (8 + 3));
}
