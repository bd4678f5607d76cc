//! A layer that is put in place over pipes of every capacity, with the halves together and in two
//! tasks.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use io_test_support::pair;
use plimsoll::TransportError;
use plimsoll::testing::{Call, ScriptedPeer};
use plimsoll_io::{
    DuplexStream, Join, Layer, StreamOptions, StreamPair, StreamReader, StreamWriter, Transport,
    WaterMarks, duplex,
};
use smol::channel::{bounded, unbounded};

use super::*;
use io_test_support::executor::{Tasks, polled, yielded};
use io_test_support::plain_layer::Plain;
use io_test_support::read_halves::Steps;
use io_test_support::scripted::Scripted;
use io_test_support::toy_layer::{DATA, HELLO, PING, PONG, Toy};

#[test]
fn a_layer_is_put_in_place_over_a_pipe_of_any_capacity() {
    for (capacity, pings) in CAPACITIES.into_iter().flat_map(|c| [(c, false), (c, true)]) {
        in_each_order(|tasks| {
            let (client, server) = pair(capacity);
            let [ask_by, echo_by] = toys(pings);
            tasks.spawn("the client", async {
                ask(upgraded_client(client, ask_by).await).await;
            });
            tasks.spawn("the server", async {
                echo(upgraded_server(server, echo_by).await).await;
            });
        });
    }
}

/// A half with what goes to the other task.
type Given<H> = (smol::channel::Sender<H>, smol::channel::Receiver<H>);

/// Asks in two tasks, of which neither waits for the other, once a layer is in place.
fn ask_apart<'a>(
    tasks: &mut Tasks<'a>,
    upgraded: impl Future<Output = StreamPair<DuplexStream>> + 'a,
) {
    let (give, taken): Given<StreamWriter<DuplexStream>> = bounded(1);
    tasks.spawn("the client reads", async move {
        let (mut reader, writer) = upgraded.await.split();
        give.send(writer).await.unwrap();
        for round in 0..ROUNDS {
            assert_eq!(reader.read_line().await.unwrap(), line(round).as_str());
        }
        assert_eq!(reader.read_line().await.unwrap(), "last\n");
        assert_eq!(reader.read_line().await.unwrap(), "");
    });
    tasks.spawn("the client writes", async move {
        let mut writer = taken.recv().await.unwrap();
        for round in 0..ROUNDS {
            writer.write(line(round).as_bytes()).unwrap();
            writer.drain().await.unwrap();
        }
        writer.write(b"last\n").unwrap();
        writer.finish().await.unwrap();
    });
}

/// Answers in two tasks, once a layer is in place.
fn echo_apart<'a>(
    tasks: &mut Tasks<'a>,
    upgraded: impl Future<Output = StreamPair<DuplexStream>> + 'a,
) {
    let (give, taken): Given<StreamWriter<DuplexStream>> = bounded(1);
    let (pass_on, lines) = unbounded::<Vec<u8>>();
    tasks.spawn("the server reads", async move {
        let (mut reader, writer) = upgraded.await.split();
        give.send(writer).await.unwrap();
        loop {
            let line = reader.read_line().await.unwrap().to_vec();
            if line.is_empty() {
                break;
            }
            pass_on.send(line).await.unwrap();
        }
    });
    tasks.spawn("the server writes", async move {
        let mut writer = taken.recv().await.unwrap();
        while let Ok(line) = lines.recv().await {
            writer.write(&line).unwrap();
            writer.drain().await.unwrap();
        }
        writer.close().await.unwrap();
    });
}

#[test]
fn halves_that_are_split_under_a_layer_go_on_in_two_tasks() {
    for (capacity, pings) in CAPACITIES.into_iter().flat_map(|c| [(c, false), (c, true)]) {
        in_each_order(|tasks| {
            let (client, server) = pair(capacity);
            let [ask_by, echo_by] = toys(pings);
            ask_apart(tasks, upgraded_client(client, ask_by));
            echo_apart(tasks, upgraded_server(server, echo_by));
        });
    }
}

/// Both halves move bytes in the clear in tasks of their own before. Returns them joined.
fn rejoined<'a>(
    tasks: &mut Tasks<'a>,
    stream: StreamPair<DuplexStream>,
) -> impl Future<Output = StreamPair<DuplexStream>> + 'a {
    let (mut reader, mut writer) = stream.split();
    let (give_reader, readers): Given<StreamReader<DuplexStream>> = bounded(1);
    let (give_writer, writers): Given<StreamWriter<DuplexStream>> = bounded(1);
    tasks.spawn("a reader in the clear", async move {
        assert_eq!(reader.read_line().await.unwrap(), "hello\n");
        give_reader.send(reader).await.unwrap();
    });
    tasks.spawn("a writer in the clear", async move {
        writer.write(b"hello\n").unwrap();
        writer.drain().await.unwrap();
        give_writer.send(writer).await.unwrap();
    });
    async move {
        let writer = writers.recv().await.unwrap();
        let reader = readers.recv().await.unwrap();
        StreamPair::reunite(reader, writer).unwrap()
    }
}

#[test]
fn halves_that_were_joined_get_a_layer_and_are_split_again() {
    for capacity in CAPACITIES {
        in_each_order(|tasks| {
            let (client, server) = pair(capacity);
            let client = rejoined(tasks, client);
            let server = rejoined(tasks, server);
            ask_apart(tasks, async {
                upgraded_client(client.await, Toy::client().pinging()).await
            });
            echo_apart(tasks, async {
                upgraded_server(server.await, Toy::server()).await
            });
        });
    }
}

/// A side that only reads sends what the layer owes its peer, who speaks in records here.
#[test]
fn a_read_sends_what_the_layer_has_to_reply() {
    for capacity in CAPACITIES {
        in_each_order(|tasks| {
            let (mut peer, mut reads) = pair(capacity);
            tasks.spawn("it reads", async move {
                reads.put_layer(Toy::server()).await.unwrap();
                assert_eq!(reads.reader.read_line().await.unwrap(), "data\n");
                assert_eq!(reads.reader.read_line().await.unwrap(), "more\n");
            });
            tasks.spawn("its peer", async move {
                let hello = record(HELLO, b"toy");
                peer.writer.write(&hello).unwrap();
                assert_eq!(peer.reader.read_exact(hello.len()).await.unwrap(), hello);
                let (ping, pong) = (record(PING, b""), record(PONG, b""));
                for asked in [ping.clone(), [record(DATA, b"data\n"), ping].concat()] {
                    peer.writer.write(&asked).unwrap();
                    assert_eq!(peer.reader.read_exact(pong.len()).await.unwrap(), pong);
                }
                peer.writer.write(&record(DATA, b"more\n")).unwrap();
                peer.writer.flush().await.unwrap();
            });
        });
    }
}

#[test]
fn a_reply_of_the_layer_leaves_in_the_poll_that_receives_the_question() {
    block_on(async {
        let (mut peer, mut reads) = pair(1000);
        reads.put_layer(Toy::server()).await.unwrap();
        for (asked, reply) in [
            (record(HELLO, b"toy"), record(HELLO, b"toy")),
            (record(PING, b""), record(PONG, b"")),
        ] {
            peer.writer.write(&asked).unwrap();
            peer.writer.flush().await.unwrap();
            assert!(polled(reads.reader.read_line(), 1).await.is_none());
            let replied = polled(peer.reader.read_exact(reply.len()), 1).await;
            assert_eq!(replied.expect("a reply").unwrap(), reply);
        }
    });
}

/// A waker that remembers that it was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A read is polled once while a flush waits, over a transport that takes more by then, without a
/// word.
fn wakes_a_flush_by_a_read(peer: ScriptedPeer, layer: impl Into<Box<dyn Layer>>) {
    let mut stream = StreamPair::new(Scripted::new(peer));
    block_on(stream.put_layer(layer)).unwrap();
    block_on(stream.open()).unwrap();
    stream.writer.write(b"output").unwrap();
    let woken = Arc::<Woken>::default();
    let waker = Waker::from(Arc::clone(&woken));
    let flushed = pin!(stream.writer.flush()).poll(&mut Context::from_waker(&waker));
    assert!(flushed.is_pending());
    assert!(block_on(polled(stream.reader.read_line(), 1)).is_none());
    assert!(woken.0.load(Ordering::Relaxed));
    let flushed = block_on(polled(stream.writer.flush(), 1));
    flushed.expect("nothing left to send").unwrap();
}

const WOULD_BLOCK: TransportError = TransportError::WouldBlock;

#[test]
fn a_read_that_sends_under_a_layer_wakes_a_writer_that_waits() {
    let peer = ScriptedPeer::new()
        .fails(Call::Read, WOULD_BLOCK)
        .fails(Call::Write, WOULD_BLOCK);
    wakes_a_flush_by_a_read(peer, Plain);
}

/// The reply leaves behind what the writer waits for.
#[test]
fn a_read_that_sends_a_reply_of_the_layer_wakes_a_writer_that_waits() {
    let peer = ScriptedPeer::new()
        .sends(record(HELLO, b"toy"))
        .sends(record(PING, b""))
        .fails(Call::Read, WOULD_BLOCK)
        .fails(Call::Read, WOULD_BLOCK)
        .takes(100);
    // Two in the flush, and three in the read, until it has the question.
    let peer = (0..5).fold(peer, |peer, _| peer.fails(Call::Write, WOULD_BLOCK));
    wakes_a_flush_by_a_read(peer, Toy::server());
}

#[test]
fn a_read_that_pauses_when_the_output_is_full_pauses_under_a_layer() {
    block_on(async {
        let (here, there) = duplex(64);
        let options = StreamOptions::new()
            .pause_reading_when_full(true)
            .water_marks(WaterMarks::new(100, 0).unwrap());
        let (mut pauses, mut peer) = (
            StreamPair::with_options(here, &options),
            StreamPair::new(there),
        );
        pauses.put_layer(Plain).await.unwrap();
        pauses.writer.write(&[b'x'; 1000]).unwrap();
        peer.writer.write(b"question\n").unwrap();
        peer.writer.flush().await.unwrap();
        for _ in 0..3 {
            let read = polled(pauses.reader.read_line(), 1).await;
            assert!(read.is_none(), "its output is full");
        }
        let reading = async {
            assert_eq!(pauses.reader.read_line().await.unwrap(), "question\n");
        };
        let taking = async {
            assert_eq!(peer.reader.read_exact(1000).await.unwrap(), [b'x'; 1000]);
        };
        zip(reading, taking).await;
    });
}

#[test]
fn a_handshake_that_came_early_is_not_lost() {
    for capacity in CAPACITIES {
        block_on(async {
            let (mut client, mut server) = pair(capacity);
            client.writer.write(b"PROXY\n").unwrap();
            let early = async {
                client.put_layer(Toy::client()).await.unwrap();
                client.writer.write(b"data right behind\n").unwrap();
                client.writer.flush().await.unwrap();
            };
            let late = async {
                // The client's greeting is on the wire, as far as there is room.
                yielded().await;
                assert_eq!(server.reader.read_line().await.unwrap(), "PROXY\n");
                let is_early = !server.reader.buffered().is_empty();
                assert_eq!(is_early, capacity >= 64);
                server.put_layer(Toy::server()).await.unwrap();
                assert_eq!(
                    server.reader.read_line().await.unwrap(),
                    "data right behind\n"
                );
            };
            zip(early, late).await;
        });
    }
}

/// Polls a read once, after output was written that waits for the handshake. Returns the line that
/// was read, if any, and how much is pending then.
async fn read_once(steps: impl IntoIterator<Item = Option<Vec<u8>>>) -> (Option<Vec<u8>>, usize) {
    let (here, _there) = duplex(1000);
    let mut client = StreamPair::new(Join::new(
        Steps(steps.into_iter().collect()),
        here.split().1,
    ));
    client.put_layer(Toy::client()).await.unwrap();
    client.writer.write(b"question\n").unwrap();
    let read = smol::future::poll_once(client.reader.read_line()).await;
    let read = read.map(|line| line.unwrap().to_vec());
    (read, client.writer.pending())
}

/// Nothing else would wake it.
#[test]
fn a_receive_that_ends_the_handshake_lets_output_leave() {
    // The send waits for it, and the receive after that finds it.
    let read = block_on(read_once([None, Some(record(HELLO, b"toy"))]));
    assert_eq!(read, (None, 0));
}

/// The send that ends the handshake takes more from the wire than that.
#[test]
fn a_send_that_receives_lets_a_read_go_on() {
    let mut rest = record(HELLO, b"toy");
    let begin = rest.drain(..2).collect();
    rest.extend(record(DATA, b"reply\n"));
    // The send's, the two of the receive, and the one of the send after it.
    let read = block_on(read_once([None, Some(begin), None, None, Some(rest)]));
    assert_eq!(read, (Some(b"reply\n".to_vec()), 0));
}
