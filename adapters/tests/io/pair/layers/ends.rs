//! What ends a pair under a layer: losses, aborts, closes, and giving it up for its parts.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::time::Duration;

use io_test_support::pair;
use plimsoll_io::{
    Connection, ConnectionError, Error, Join, Layer, ReadHalf, StreamOptions, StreamPair,
    Transport, WriteHalf,
};

use io_test_support::Case;
use io_test_support::executor::{polled, yielded};
use io_test_support::plain_layer::Plain;
use io_test_support::read_halves::Late;
use io_test_support::toy_layer::{DATA, HELLO, PING, Toy};

use super::*;

/// The calls that may meet a loss first.
#[derive(Clone, Copy, Debug)]
enum First {
    Open,
    Read,
    Drain,
}

/// The kin of CVE-2011-0411.
#[test]
fn a_command_injected_before_the_layer_is_no_command_after_it() {
    for first in [First::Open, First::Read, First::Drain] {
        let _case = Case(format!("{first:?}"));
        block_on(async {
            let (mut client, mut server) = pair(1000);
            client.writer.write(b"STARTTLS\nRSET\n").unwrap();
            client.writer.flush().await.unwrap();
            assert_eq!(server.reader.read_line().await.unwrap(), "STARTTLS\n");
            server.put_layer(Toy::server()).await.unwrap();
            match first {
                First::Open => assert_eq!(cause(server.open().await), "invalid toy record"),
                First::Read => {}
                First::Drain => {
                    server.writer.write(b"220 ready\n").unwrap();
                    assert_eq!(cause(server.writer.drain().await), "invalid toy record");
                }
            }
            let (reader, writer) = (&mut server.reader, &mut server.writer);
            assert_eq!(cause(reader.read_line().await), "invalid toy record");
            assert_eq!(cause(writer.write(b"late")), "invalid toy record");
            assert_eq!(cause(writer.flush().await), "invalid toy record");
            assert_eq!(cause(server.open().await), "invalid toy record");
        });
    }
}

#[test]
fn an_end_without_a_trailer_is_a_loss_after_all_data() {
    block_on(async {
        let (mut client, mut server) = layered(1000).await;
        zip(async { client.open().await.unwrap() }, async {
            server.open().await.unwrap();
        })
        .await;
        client.writer.write(b"whole\nhalf").unwrap();
        client.writer.flush().await.unwrap();
        // Its transport ends the stream, and nothing ends the session.
        drop(client);
        assert_eq!(server.reader.read_line().await.unwrap(), "whole\n");
        for _ in 0..2 {
            assert_eq!(cause(server.reader.read_line().await), "no toy trailer");
        }
        assert_eq!(server.reader.buffered(), b"half");
        assert_eq!(cause(server.writer.write(b"late")), "no toy trailer");
        assert_eq!(cause(server.writer.flush().await), "no toy trailer");
    });
}

/// It fails in a flush, which is no receive, and no write of the user's.
#[test]
fn a_reply_of_the_layer_that_cannot_be_sent_is_a_loss_of_both_halves() {
    block_on(async {
        let (mut peer, mut server) = pair(1000);
        server.put_layer(Toy::server()).await.unwrap();
        peer.writer.write(&record(HELLO, b"toy")).unwrap();
        peer.writer.flush().await.unwrap();
        assert!(polled(server.reader.read_line(), 1).await.is_none());
        let asked = [record(PING, b""), record(DATA, b"data\n")].concat();
        peer.writer.write(&asked).unwrap();
        peer.writer.flush().await.unwrap();
        assert_eq!(server.reader.read_line().await.unwrap(), "data\n");
        drop(peer);
        let told = cause(server.writer.flush().await);
        assert_eq!(told, io::Error::from(io::ErrorKind::BrokenPipe).to_string());
        assert_eq!(cause(server.reader.read_line().await), told);
    });
}

/// A protocol may not put one over another by mistake, and go on.
#[test]
fn a_second_layer_is_a_loss() {
    block_on(async {
        let (mut client, server) = layered(1000).await;
        const CAUSE: &str = "a second layer over a connection";
        assert_eq!(cause(client.put_layer(Toy::client()).await), CAUSE);
        assert_eq!(cause(client.reader.read_line().await), CAUSE);
        assert_eq!(cause(client.writer.write(b"late")), CAUSE);
        assert_eq!(cause(client.put_layer(Toy::client()).await), CAUSE);
        let mut server = server;
        let Err(Error::ConnectionLost(lost)) = server.reader.read_line().await else {
            panic!("its peer is gone");
        };
        assert_eq!(lost.kind, ConnectionError::Reset);
    });
}

/// The layer would find that it was cut off; so it is not put in place.
#[test]
fn no_layer_comes_after_the_end() {
    block_on(async {
        let (mut client, mut server) = pair(64);
        client.writer.write(b"bye\n").unwrap();
        client.writer.finish().await.unwrap();
        assert_eq!(server.reader.read_line().await.unwrap(), "bye\n");
        assert_eq!(server.reader.read_line().await.unwrap(), "");
        let put = server.put_layer(Toy::server()).await;
        assert!(matches!(put, Err(Error::ConnectionLost(_))), "{put:?}");
        assert!(server.writer.write(b"late").is_err());
    });
}

/// A write half whose writes take as long as it is told, in a thread.
struct Gated<W>(W, mpsc::Sender<()>, mpsc::Receiver<()>);

impl<W: WriteHalf> WriteHalf for Gated<W> {
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.1.send(()).unwrap();
        self.2.recv().unwrap();
        self.0.poll_write(cx, slices)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_shutdown(cx)
    }
}

/// The read that has met it could not tell, since the core was out, and was given up.
#[test]
fn no_layer_comes_after_an_end_that_a_given_up_read_has_met() {
    let (here, there) = duplex(64);
    let (read, write) = here.split();
    let [(began, has_begun), (go_on, goes_on)] = [mpsc::channel(), mpsc::channel()];
    let write = Gated(write, began, goes_on);
    let (mut reader, mut writer) = StreamPair::new(Join::new(read, write)).split();
    let (_open, end) = there.split();
    drop(end);
    writer.write(b"last words\n").unwrap();
    let drains = std::thread::spawn(move || {
        block_on(async {
            writer.drain().await.unwrap();
            writer
        })
    });
    has_begun.recv().unwrap();
    assert!(block_on(polled(reader.read_line(), 1)).is_none());
    go_on.send(()).unwrap();
    let writer = drains.join().unwrap();
    let mut stream = StreamPair::reunite(reader, writer).unwrap();
    let put = block_on(stream.put_layer(Toy::server()));
    assert!(matches!(put, Err(Error::ConnectionLost(_))), "{put:?}");
}

#[test]
fn an_abort_of_the_peer_ends_a_handshake() {
    for opens in [false, true] {
        block_on(async {
            let (mut client, mut server) = pair(1);
            server.put_layer(Toy::server()).await.unwrap();
            let waiting = async {
                if opens {
                    server.open().await
                } else {
                    server.reader.read_line().await.map(drop)
                }
            };
            let aborting = async {
                yielded().await;
                client.writer.abort();
            };
            let (ended, ()) = smol::future::zip(waiting, aborting).await;
            let Err(Error::ConnectionLost(lost)) = ended else {
                panic!("{ended:?}");
            };
            assert_eq!(lost.kind, ConnectionError::Reset);
            assert_eq!(
                cause(server.writer.write(b"late")),
                cause(Err::<(), _>(lost.into()))
            );
        });
    }
}

#[test]
fn an_abort_by_the_writer_ends_a_handshake_that_the_reader_waits_for() {
    for capacity in CAPACITIES {
        in_each_order(|tasks| {
            let (here, mut there) = pair(capacity);
            let (give, taken) = smol::channel::bounded(1);
            tasks.spawn("the reader", async move {
                let mut here = here;
                here.put_layer(Toy::client()).await.unwrap();
                let (mut reader, writer) = here.split();
                give.send(writer).await.unwrap();
                for _ in 0..2 {
                    let Err(Error::ConnectionLost(lost)) = reader.read_line().await else {
                        panic!("it is aborted");
                    };
                    assert_eq!(lost.kind, ConnectionError::Aborted);
                }
            });
            tasks.spawn("the writer", async move {
                let mut writer = taken.recv().await.unwrap();
                for _ in 0..5 {
                    yielded().await;
                }
                writer.abort();
                assert!(matches!(
                    writer.flush().await,
                    Err(Error::ConnectionLost(_))
                ));
            });
            tasks.spawn("the peer", async move {
                let ended = there.reader.read_to_end(1000).await;
                let Err(Error::ConnectionLost(lost)) = ended else {
                    panic!("{ended:?}");
                };
                assert_eq!(lost.kind, ConnectionError::Reset);
            });
        });
    }
}

/// Also one that the reader waits for in another task.
#[test]
fn a_close_ends_an_unfinished_handshake_first() {
    for (capacity, reads) in CAPACITIES.into_iter().flat_map(|c| [(c, false), (c, true)]) {
        let _case = Case(format!("capacity {capacity}, {reads:?}"));
        in_each_order(|tasks| {
            let (here, mut server) = {
                let (here, there) = duplex(capacity);
                (here.split(), StreamPair::new(there))
            };
            let (give, taken) = smol::channel::bounded(1);
            tasks.spawn("it closes", async move {
                let mut client = StreamPair::new(Join::new(Late(here.0, false), here.1));
                client.put_layer(Toy::client()).await.unwrap();
                let (reader, mut writer) = client.split();
                give.send(reader).await.unwrap();
                writer.write(b"last words\n").unwrap();
                writer.close().await.unwrap();
            });
            tasks.spawn("its reader", async move {
                let mut reader = taken.recv().await.unwrap();
                if reads {
                    assert_eq!(reader.read_line().await.unwrap(), "reply\n");
                    assert_eq!(reader.read_line().await.unwrap(), "");
                }
            });
            tasks.spawn("its peer", async move {
                server.put_layer(Toy::server()).await.unwrap();
                assert_eq!(server.reader.read_line().await.unwrap(), "last words\n");
                assert_eq!(server.reader.read_line().await.unwrap(), "");
                if reads {
                    server.writer.write(b"reply\n").unwrap();
                    server.writer.close().await.unwrap();
                }
            });
        });
    }
}

/// A half that counts how often it is asked.
struct Counts<H>(H, Arc<AtomicUsize>);

impl<R: ReadHalf> ReadHalf for Counts<R> {
    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.poll_read(cx, room)
    }
}

impl<W: WriteHalf> WriteHalf for Counts<W> {
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.poll_write(cx, slices)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_shutdown(cx)
    }
}

/// Its peer takes nothing, and has ended its stream or says nothing. A read waits in another task.
#[test]
fn a_close_that_waits_under_a_layer_does_not_spin() {
    let layers: [fn() -> Box<dyn Layer>; 2] = [|| Plain.into(), || Toy::client().into()];
    for (layer, has_ended) in layers.into_iter().flat_map(|l| [(l, false), (l, true)]) {
        let (here, there) = duplex(2);
        let (read, write) = here.split();
        let calls = Arc::new(AtomicUsize::new(0));
        let mut stream = StreamPair::new(Join::new(
            Counts(read, Arc::clone(&calls)),
            Counts(write, Arc::clone(&calls)),
        ));
        let (_silent, end) = there.split();
        let _end = Some(end).filter(|_| !has_ended);
        block_on(async {
            stream.put_layer(layer()).await.unwrap();
            let (mut reader, mut writer) = stream.split();
            writer.write(&[b'x'; 1000]).unwrap();
            let tasks = smol::LocalExecutor::new();
            let reading = tasks.spawn(async move {
                let _ = reader.read_line().await;
                reader // is kept
            });
            let closing = tasks.spawn(async move { writer.close().await });
            tasks
                .run(smol::Timer::after(Duration::from_millis(30)))
                .await;
            drop((reading, closing));
        });
        let calls = calls.load(Ordering::Relaxed);
        assert!(calls < 20, "{calls} calls, ended: {has_ended}");
    }
}

/// What goes on has the layer too, with the records that it holds.
#[test]
fn parts_keep_the_layer() {
    for (capacity, polls) in CAPACITIES
        .into_iter()
        .flat_map(|c| [(c, 1), (c, 2), (c, 9)])
    {
        let _case = Case(format!("capacity {capacity}, {polls:?}"));
        in_each_order(|tasks| {
            let (client, server) = pair(capacity);
            tasks.spawn("it asks", async move {
                let mut client = upgraded_client(client, Toy::client()).await;
                for round in 0..3 {
                    client.writer.write(line(round).as_bytes()).unwrap();
                }
                assert_eq!(client.reader.read_line().await.unwrap(), line(0).as_str());
                // Some of the others is sent, and some not, in the clear or as a record.
                let _ = pressed(client.writer.flush(), polls).await;
                let _ = pressed(client.reader.peek(1000), polls).await;
                let parts = client.into_parts().unwrap();
                assert!(parts.layer.is_some());
                let mut client = Connection::from_parts(parts, &StreamOptions::new());
                client.write_with(|writer| writer.write(b"last\n")).unwrap();
                client.finish().await.unwrap();
                let expected = [line(1), line(2), "last\n".to_owned()].concat();
                let rest = client.read_with(|reader| {
                    Ok::<_, Error>(reader.read_to_end(1000)?.map(|rest| rest.to_vec()))
                });
                assert_eq!(rest.await.unwrap(), expected.as_bytes());
            });
            tasks.spawn("it answers", async {
                echo(upgraded_server(server, Toy::server()).await).await;
            });
        });
    }
}

/// A layer needs both halves of the transport, whatever is done with those of the pair.
#[test]
fn a_half_goes_on_under_a_layer_when_the_other_is_dropped() {
    for capacity in CAPACITIES {
        in_each_order(|tasks| {
            let (client, server) = pair(capacity);
            tasks.spawn("it writes", async move {
                let mut client = client;
                client.put_layer(Toy::client()).await.unwrap();
                let (reader, mut writer) = client.split();
                drop(reader);
                for round in 0..ROUNDS {
                    writer.write(line(round).as_bytes()).unwrap();
                    writer.drain().await.unwrap();
                }
                writer.finish().await.unwrap();
            });
            tasks.spawn("it reads", async move {
                let mut server = server;
                server.put_layer(Toy::server()).await.unwrap();
                let (mut reader, writer) = server.split();
                drop(writer);
                for round in 0..ROUNDS {
                    assert_eq!(reader.read_line().await.unwrap(), line(round).as_str());
                }
                assert_eq!(reader.read_line().await.unwrap(), "");
            });
        });
    }
}
