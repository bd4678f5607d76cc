//! How few calls of the transport many writes take, and how many are made in one turn.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use bytes::Bytes;
use io_test_support::once::Once;
use io_test_support::scripted::Scripted;
use plimsoll::TransportError;
use plimsoll::testing::{Call, ScriptedPeer};
use plimsoll_io::smol::Smol;
use plimsoll_io::{
    Connection, Error, Server, ServerOptions, StreamPair, StreamReader, StreamWriter,
};

/// Makes a thousand writes, each of them small unless `large` has bytes for it, and has them sent by a
/// drain. Returns in how many calls they left, and checks that they did.
fn calls_for_a_thousand_writes(large: impl Fn(usize) -> Option<Bytes>) -> usize {
    let transport = Scripted::new(ScriptedPeer::new());
    let mut stream = StreamPair::new(transport.clone());
    let mut written = Vec::new();
    for number in 0..1000 {
        match large(number) {
            Some(large) => {
                written.extend_from_slice(&large);
                stream.writer.write_bytes(large).unwrap();
            }
            None => {
                let small = format!("a small write, the one with the number {number}\n");
                written.extend_from_slice(small.as_bytes());
                stream.writer.write(small.as_bytes()).unwrap();
            }
        }
    }
    plimsoll_io::blocking::block_on(stream.writer.flush()).unwrap();
    assert_eq!(stream.writer.pending(), 0);
    let state = transport.lock();
    assert!(state.peer.received() == written);
    let writes = state.calls.iter().filter(|call| **call == Call::Write);
    writes.count()
}

#[test]
fn a_thousand_small_writes_leave_in_one_call() {
    assert_eq!(calls_for_a_thousand_writes(|_| None), 1);
}

#[test]
fn small_writes_with_large_ones_between_them_leave_in_one_call() {
    let large = Bytes::from(vec![b'x'; 5000]);
    let every = |step| {
        calls_for_a_thousand_writes(|number| (number % step == step / 2).then(|| large.clone()))
    };
    assert_eq!(every(40), 1, "25 of them, and 26 runs of small ones");
    assert!(every(2) <= 1000 / 50, "a call for each run would be 1,000");
}

#[test]
fn a_turn_ends_though_the_peer_always_takes_more() {
    let mut stream = StreamPair::new(Scripted::new(ScriptedPeer::new()));
    let drains = Cell::new(0);
    let mut endless = pin!(async {
        loop {
            stream.writer.write(b"tick\n").unwrap();
            stream.writer.drain().await.unwrap();
            drains.set(drains.get() + 1);
        }
    });
    let mut cx = Context::from_waker(Waker::noop());
    // A turn is 1,024, of which each call takes eight.
    for turn in 1..4 {
        assert!(endless.as_mut().poll(&mut cx).is_pending());
        assert_eq!(drains.get(), turn * 1024 / 8);
    }
}

#[test]
fn a_turn_ends_though_the_transport_is_interrupted_again_and_again() {
    let peer = (0..1000).fold(ScriptedPeer::new(), |peer, _| {
        peer.fails(Call::Write, TransportError::Interrupted)
    });
    let transport = Scripted::new(peer);
    let mut stream = StreamPair::new(transport.clone());
    stream.writer.write(b"output").unwrap();
    let mut flushed = pin!(stream.writer.flush());
    let mut cx = Context::from_waker(Waker::noop());
    let mut turns = 1;
    while flushed.as_mut().poll(&mut cx).is_pending() {
        turns += 1;
        assert!(turns <= 1000, "it gets nowhere");
    }
    assert!(turns >= 10, "{turns}");
    assert_eq!(transport.lock().peer.received(), b"output");
}

/// A read lets other tasks run after every 1,024 lines, with more of them at hand.
#[test]
fn replies_to_what_arrived_together_leave_together() {
    const LINES: usize = 5000;

    async fn echo_of_pair(
        mut reader: StreamReader<Scripted>,
        mut writer: StreamWriter<Scripted>,
    ) -> Result<(), Error> {
        loop {
            let line = reader.read_line().await?;
            if line.is_empty() {
                return Ok(());
            }
            writer.write(&line)?;
        }
    }

    async fn echo_of_one(mut connection: Connection<Scripted>) -> Result<(), Error> {
        loop {
            let line = connection.read_with(|reader| {
                let line = reader.read_line()?;
                Ok::<_, Error>(line.map(|line| line.to_bytes()))
            });
            let line = line.await?;
            if line.is_empty() {
                return Ok(());
            }
            connection.write_with(|writer| writer.write(&line))?;
        }
    }

    for is_pair in [true, false] {
        let transport = Scripted::new(ScriptedPeer::new().sends("ab\n".repeat(LINES)));
        let listeners = vec![Once::new(transport.clone())];
        let options = ServerOptions::new();
        let server = if is_pair {
            Server::<Smol>::serve(listeners, echo_of_pair, &options)
        } else {
            Server::<Smol>::serve_connections(listeners, echo_of_one, &options)
        };
        smol::block_on(async {
            while server.statistics().accepted == 0 || server.connections() > 0 {
                smol::future::yield_now().await;
            }
        });
        let state = transport.lock();
        assert_eq!(state.peer.received().len(), 3 * LINES);
        let count = |of| state.calls.iter().filter(|call| **call == of).count();
        let (reads, writes) = (count(Call::Read), count(Call::Write));
        assert!(
            writes <= reads,
            "is_pair: {is_pair}, {writes} after {reads}"
        );
    }
}
