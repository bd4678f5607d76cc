//! A layer that is put over a live connection: in place, on every runtime, over pipes of every
//! capacity, with bytes that were received before.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use io_test_support::plain_layer::Plain;
use io_test_support::read_halves::{Counts, Late, Steps};
use io_test_support::runtimes::run_tokio;
use io_test_support::toy_layer::{DATA, HELLO, PING, PONG, Toy, push_record};
use plimsoll::{Connection as Core, Event, Next, Step};
use plimsoll_io::{
    Clock, Connection, ConnectionError, DuplexStream, Error, Join, Runtime, Server, ServerOptions,
    StreamOptions, Transport, duplex,
};

const CAPACITIES: [usize; 6] = [1, 2, 3, 64, 1000, 1 << 20];

async fn read_line<T: Transport>(connection: &mut Connection<T>) -> Result<Vec<u8>, Error> {
    connection
        .read_with(|reader| Ok(reader.read_line()?.map(|line| line.to_vec())))
        .await
}

async fn read_exact<T: Transport>(
    connection: &mut Connection<T>,
    count: usize,
) -> Result<Vec<u8>, Error> {
    connection
        .read_with(|reader| Ok(reader.read_exact(count)?.map(|exact| exact.to_vec())))
        .await
}

fn write<T: Transport>(connection: &mut Connection<T>, data: &[u8]) {
    connection.write_with(|writer| writer.write(data)).unwrap();
}

/// A client that upgrades after a reply in the clear, asks, and ends.
async fn upgrade_as_client<T: Transport>(mut client: Connection<T>, toy: Toy) {
    write(&mut client, b"STARTTLS\n");
    assert_eq!(read_line(&mut client).await.unwrap(), b"go\n");
    client.put_layer(toy).await.unwrap();
    client.open().await.unwrap();
    for round in 0..10 {
        let line = format!("line {round} {}\n", "x".repeat(round * 50));
        write(&mut client, line.as_bytes());
        assert_eq!(read_line(&mut client).await.unwrap(), line.as_bytes());
    }
    // What was written when the peer's end comes is still read.
    write(&mut client, b"last\n");
    client.finish().await.unwrap();
    assert_eq!(read_line(&mut client).await.unwrap(), b"last\n");
    assert_eq!(read_line(&mut client).await.unwrap(), b"");
}

async fn upgrade_as_server<T: Transport>(mut server: Connection<T>, toy: Toy) {
    assert_eq!(read_line(&mut server).await.unwrap(), b"STARTTLS\n");
    write(&mut server, b"go\n");
    server.put_layer(toy).await.unwrap();
    server.open().await.unwrap();
    loop {
        let line = read_line(&mut server).await.unwrap();
        if line.is_empty() {
            break;
        }
        write(&mut server, &line);
    }
    server.close().await.unwrap();
}

fn block_on<A>(future: impl Future<Output = A>) -> A {
    smol::block_on(smol::future::or(future, async {
        smol::Timer::after(Duration::from_secs(20)).await;
        panic!("it waits for ever")
    }))
}

#[test]
fn a_layer_is_put_in_place_over_a_pipe_of_any_capacity() {
    for capacity in CAPACITIES {
        for pings in [false, true] {
            let (here, there) = duplex(capacity);
            let mut toys = [Toy::client(), Toy::server()];
            if pings {
                toys = toys.map(Toy::pinging);
            }
            let [client, server] = toys;
            block_on(smol::future::zip(
                upgrade_as_client(Connection::new(here), client),
                upgrade_as_server(Connection::new(there), server),
            ));
        }
    }
}

/// A side that only reads sends what the layer owes its peer.
#[test]
fn a_read_sends_what_the_layer_has_to_reply() {
    for capacity in CAPACITIES {
        let (here, there) = duplex(capacity);
        let (mut asks, mut reads) = (Connection::new(here), Connection::new(there));
        block_on(async {
            asks.put_layer(Toy::client().pinging()).await.unwrap();
            reads.put_layer(Toy::server()).await.unwrap();
            let reading = async { read_line(&mut reads).await.unwrap() };
            let asking = async {
                asks.open().await.unwrap();
                // It has the reply before it has sent any data.
                let late = async {
                    smol::Timer::after(Duration::from_millis(5)).await;
                    Ok(Vec::new())
                };
                let _ = smol::future::or(read_line(&mut asks), late).await;
                write(&mut asks, b"data\n");
                asks.flush().await.unwrap();
            };
            let (line, ()) = smol::future::zip(reading, asking).await;
            assert_eq!(line, b"data\n");
        });
    }
}

#[test]
fn a_handshake_that_came_early_is_not_lost() {
    for capacity in CAPACITIES {
        let (here, there) = duplex(capacity);
        let (mut client, mut server) = (Connection::new(here), Connection::new(there));
        block_on(async {
            let early = async {
                write(&mut client, b"PROXY\n");
                client.put_layer(Toy::client()).await.unwrap();
                write(&mut client, b"data right behind\n");
                client.flush().await.unwrap();
            };
            let late = async {
                assert_eq!(read_line(&mut server).await.unwrap(), b"PROXY\n");
                smol::Timer::after(Duration::from_millis(1)).await;
                server.put_layer(Toy::server()).await.unwrap();
                read_line(&mut server).await.unwrap()
            };
            let ((), line) = smol::future::zip(early, late).await;
            assert_eq!(line, b"data right behind\n");
        });
    }
}

/// The kin of CVE-2011-0411.
#[test]
fn a_command_injected_before_the_layer_is_no_command_after_it() {
    let (here, there) = duplex(1000);
    let (mut client, mut server) = (Connection::new(here), Connection::new(there));
    block_on(async {
        write(&mut client, b"STARTTLS\nRSET\n");
        client.flush().await.unwrap();
        assert_eq!(read_line(&mut server).await.unwrap(), b"STARTTLS\n");
        server.put_layer(Toy::server()).await.unwrap();
        let Err(Error::ConnectionLost(lost)) = server.open().await else {
            panic!("an invalid record");
        };
        assert_eq!(lost.cause.unwrap().to_string(), "invalid toy record");
        assert!(matches!(
            read_line(&mut server).await,
            Err(Error::ConnectionLost(_))
        ));
    });
}

#[test]
fn an_end_without_a_trailer_is_a_loss_after_all_data() {
    let (here, there) = duplex(1000);
    let (mut client, mut server) = (Connection::new(here), Connection::new(there));
    block_on(async {
        client.put_layer(Toy::client()).await.unwrap();
        server.put_layer(Toy::server()).await.unwrap();
        let (opened, accepted) = smol::future::zip(client.open(), server.open()).await;
        opened.unwrap();
        accepted.unwrap();
        write(&mut client, b"whole\nhalf");
        client.flush().await.unwrap();
        // Its transport ends the stream, and nothing ends the session.
        drop(client);
        assert_eq!(read_line(&mut server).await.unwrap(), b"whole\n");
        assert!(matches!(
            read_line(&mut server).await,
            Err(Error::ConnectionLost(_))
        ));
        let lost = server.lost().unwrap();
        assert_eq!(lost.cause.unwrap().to_string(), "no toy trailer");
    });
}

#[test]
fn a_handshake_that_is_given_up_goes_on_with_the_next_call() {
    for capacity in CAPACITIES {
        let (here, there) = duplex(capacity);
        let (mut client, mut server) = (Connection::new(here), Connection::new(there));
        block_on(async {
            client.put_layer(Toy::client()).await.unwrap();
            let gives_up = async {
                smol::Timer::after(Duration::from_millis(2)).await;
                None
            };
            let opening = async { Some(client.open().await) };
            assert!(smol::future::or(opening, gives_up).await.is_none());
            write(&mut client, b"hello\n");
            let asking = async { read_line(&mut client).await.unwrap() };
            let replying = async {
                server.put_layer(Toy::server()).await.unwrap();
                let line = read_line(&mut server).await.unwrap();
                write(&mut server, &line);
                server.flush().await.unwrap();
            };
            let (line, ()) = smol::future::zip(asking, replying).await;
            assert_eq!(line, b"hello\n");
        });
    }
}

#[test]
fn an_abort_ends_a_handshake() {
    let (here, there) = duplex(1);
    let (mut client, mut server) = (Connection::new(here), Connection::new(there));
    block_on(async {
        server.put_layer(Toy::server()).await.unwrap();
        client.abort();
        drop(client);
        assert!(matches!(server.open().await, Err(Error::ConnectionLost(_))));
    });
}

/// Both send more than the wire holds before they read.
#[test]
fn two_peers_that_drain_before_they_read_come_to_their_ends() {
    const SIZE: usize = 20_000;

    async fn exchange(mut side: Connection<DuplexStream>, toy: Toy) {
        side.put_layer(toy).await.unwrap();
        write(&mut side, &[b'x'; SIZE]);
        side.drain().await.unwrap();
        let all =
            side.read_with(|reader| Ok::<_, Error>(reader.read_exact(SIZE)?.map(|all| all.len())));
        assert_eq!(all.await.unwrap(), SIZE);
    }

    for capacity in CAPACITIES {
        let (here, there) = duplex(capacity);
        block_on(smol::future::zip(
            exchange(Connection::new(here), Toy::client()),
            exchange(Connection::new(there), Toy::server()),
        ));
    }
}

/// The first flight of the peer is no input that a close may discard.
#[test]
fn a_close_ends_an_unfinished_handshake_first() {
    for capacity in CAPACITIES {
        let (here, there) = duplex(capacity);
        let closing = async {
            let (read, write_half) = here.split();
            let mut client = Connection::new(Join::new(Late(read, false), write_half));
            client.put_layer(Toy::client()).await.unwrap();
            write(&mut client, b"last words\n");
            client.close().await.unwrap();
        };
        let reading = async {
            let mut server = Connection::new(there);
            server.put_layer(Toy::server()).await.unwrap();
            assert_eq!(read_line(&mut server).await.unwrap(), b"last words\n");
            assert_eq!(read_line(&mut server).await.unwrap(), b"");
        };
        block_on(smol::future::zip(closing, reading));
    }
}

/// Its peer has ended its stream, and takes nothing.
#[test]
fn a_close_that_waits_under_a_layer_does_not_spin() {
    let (here, there) = duplex(16);
    let (read, write_half) = here.split();
    let reads = Arc::new(AtomicUsize::new(0));
    let mut closes = Connection::new(Join::new(Counts(read, Arc::clone(&reads)), write_half));
    let (_silent, end) = there.split();
    drop(end);
    block_on(async {
        closes.put_layer(Plain).await.unwrap();
        write(&mut closes, &[b'x'; 1000]);
        let closing = async { drop(closes.close().await) };
        let late = async {
            smol::Timer::after(Duration::from_millis(50)).await;
        };
        smol::future::or(closing, late).await;
    });
    let reads = reads.load(Ordering::Relaxed);
    assert!(reads < 10, "{reads} reads");
}

/// Polls a read once, after output was written that waits for the handshake. Returns the line that
/// was read, if any, and how much is pending then.
async fn read_once(steps: impl IntoIterator<Item = Option<Vec<u8>>>) -> (Option<Vec<u8>>, usize) {
    let (here, _there) = duplex(1000);
    let mut client = Connection::new(Join::new(
        Steps(steps.into_iter().collect()),
        here.split().1,
    ));
    client.put_layer(Toy::client()).await.unwrap();
    write(&mut client, b"question\n");
    let read = smol::future::poll_once(read_line(&mut client)).await;
    let pending = client.write_with(|writer| Ok::<_, Error>(writer.pending()));
    (read.map(Result::unwrap), pending.unwrap())
}

/// Nothing else would wake it.
#[test]
fn a_receive_that_ends_the_handshake_lets_output_leave() {
    let mut greeting = Vec::new();
    push_record(&mut greeting, HELLO, b"toy");
    // The send waits for it, and the receive after that finds it.
    let read = block_on(read_once([None, Some(greeting)]));
    assert_eq!(read, (None, 0));
}

/// The send that ends the handshake takes more from the wire than that.
#[test]
fn a_send_that_receives_lets_a_read_go_on() {
    let mut rest = Vec::new();
    push_record(&mut rest, HELLO, b"toy");
    let begin = rest.drain(..2).collect();
    push_record(&mut rest, DATA, b"reply\n");
    // The send's, the two of the receive, and the one of the send after it.
    let read = block_on(read_once([None, Some(begin), None, None, Some(rest)]));
    assert_eq!(read, (Some(b"reply\n".to_vec()), 0));
}

/// A connection that goes on has the layer too, with the records that it holds.
#[test]
fn parts_keep_the_layer() {
    for capacity in CAPACITIES {
        let (here, there) = duplex(capacity);
        let asking = async {
            let mut client = Connection::new(here);
            client.put_layer(Toy::client()).await.unwrap();
            for round in 0..10 {
                let line = format!("line {round}\n");
                write(&mut client, line.as_bytes());
                // Some is sent, and some not, in the clear or as a record.
                let _ = smol::future::poll_once(client.flush()).await;
                let parts = client.into_parts().unwrap();
                client = Connection::from_parts(parts, &StreamOptions::new());
                assert_eq!(read_line(&mut client).await.unwrap(), line.as_bytes());
            }
            let linger = Duration::from_secs(5);
            client.close_lingering(linger).await.unwrap();
        };
        let replying = async {
            let mut server = Connection::new(there);
            server.put_layer(Toy::server()).await.unwrap();
            loop {
                let line = read_line(&mut server).await.unwrap();
                if line.is_empty() {
                    break;
                }
                write(&mut server, &line);
                let _ = smol::future::poll_once(server.flush()).await;
                let parts = server.into_parts().unwrap();
                server = Connection::from_parts(parts, &StreamOptions::new());
            }
            server.close().await.unwrap();
        };
        block_on(smol::future::zip(asking, replying));
    }
}

/// By the runtime's clock, which does not wait here.
#[tokio::test(start_paused = true)]
async fn a_handshake_that_hangs_ends_in_time() {
    let (here, there) = tokio::io::duplex(64);
    let (read, write) = tokio::io::split(here);
    let mut connection = Connection::new(plimsoll_io::tokio::join(read, write));
    connection.on_start_tls(Toy::server);
    let mut losses = Vec::new();
    let mut protocol = |core: &mut Core, event| {
        losses.extend(core.reader.connection_error());
        Ok::<_, Error>(match event {
            Event::Started => Next::StartTls,
            _ => Next::Turn,
        })
    };
    let began = tokio::time::Instant::now();
    connection.run(&mut protocol).await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(10));
    assert_eq!(losses, [ConnectionError::TimedOut]);
    drop(there);
}

/// The layer would find that it was cut off; so it is not put in place.
#[test]
fn no_layer_comes_after_the_end() {
    let (here, there) = duplex(64);
    block_on(async {
        let (mut client, mut server) = (Connection::new(here), Connection::new(there));
        write(&mut client, b"bye\n");
        client.finish().await.unwrap();
        assert_eq!(read_line(&mut server).await.unwrap(), b"bye\n");
        assert_eq!(read_line(&mut server).await.unwrap(), b"");
        let put = server.put_layer(Toy::server()).await;
        assert!(matches!(put, Err(Error::ConnectionLost(_))), "{put:?}");
    });
}

/// A protocol that asks for a layer, and echoes under it.
fn secured(core: &mut Core, event: Event) -> Result<Next, Error> {
    if event == Event::Secured {
        core.writer.write(b"220 secured\n")?;
    }
    loop {
        match core.reader.read_line()? {
            Step::NeedInput => return Ok(Next::Turn),
            Step::Ready(line) if line.is_empty() => return Ok(Next::Close),
            Step::Ready(line) if line == "STARTTLS\n" => {
                core.writer.write(b"go\n")?;
                return Ok(Next::StartTls);
            }
            Step::Ready(line) => core.writer.write(&line)?,
        }
    }
}

/// What a client of [`secured`] sees.
async fn ask_secured<T: Transport>(mut client: Connection<T>) {
    write(&mut client, b"in the clear\nSTARTTLS\n");
    assert_eq!(read_line(&mut client).await.unwrap(), b"in the clear\n");
    assert_eq!(read_line(&mut client).await.unwrap(), b"go\n");
    client.put_layer(Toy::client()).await.unwrap();
    client.open().await.unwrap();
    assert_eq!(read_line(&mut client).await.unwrap(), b"220 secured\n");
    write(&mut client, b"secret\n");
    assert_eq!(read_line(&mut client).await.unwrap(), b"secret\n");
    client
        .close_lingering(Duration::from_secs(5))
        .await
        .unwrap();
}

async fn serve_secured<R: Runtime>() -> (Server<R>, std::net::SocketAddr) {
    let handler = |mut connection: Connection<R::Tcp>| async move {
        connection.on_start_tls(Toy::server);
        connection.run(&mut secured).await
    };
    let options = ServerOptions::new();
    let server = Server::<R>::start_connections(handler, &["127.0.0.1"], 0, &options)
        .await
        .unwrap();
    let address = server.local_addrs()[0];
    (server, address)
}

async fn serve_upgrades<R: Runtime>() -> (Server<R>, std::net::SocketAddr) {
    let handler = |connection: Connection<R::Tcp>| async move {
        upgrade_as_server(connection, Toy::server()).await;
    };
    let options = ServerOptions::new();
    let server = Server::<R>::start_connections(handler, &["127.0.0.1"], 0, &options)
        .await
        .unwrap();
    let address = server.local_addrs()[0];
    (server, address)
}

/// The same over the sockets of each runtime.
macro_rules! on_each_runtime {
    ($tests:ident, $runtime:ty, $run:expr) => {
        mod $tests {
            use super::*;

            type Socket = <$runtime as Runtime>::Tcp;

            async fn connect(address: std::net::SocketAddr) -> Connection<Socket> {
                let domain = socket2::Domain::for_address(address);
                let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).unwrap();
                socket.set_nonblocking(true).unwrap();
                let socket = <$runtime as Runtime>::connect(socket.into(), address).await;
                Connection::new(socket.unwrap())
            }

            #[test]
            fn a_layer_is_put_in_place_over_a_socket() {
                $run(async {
                    let (server, address) = serve_upgrades::<$runtime>().await;
                    upgrade_as_client(connect(address).await, Toy::client().pinging()).await;
                    let shutdown = server.shutdown(Duration::from_secs(5)).await;
                    assert_eq!(shutdown.aborted, 0);
                    assert_eq!(server.statistics().panicked, 0);
                });
            }

            #[test]
            fn a_protocol_starts_a_layer() {
                $run(async {
                    let (server, address) = serve_secured::<$runtime>().await;
                    ask_secured(connect(address).await).await;
                    let shutdown = server.shutdown(Duration::from_secs(5)).await;
                    assert_eq!(shutdown.aborted, 0);
                    assert_eq!(server.statistics().failed, 0);
                });
            }

            /// What comes counts, though it is no data yet.
            #[test]
            fn a_record_that_comes_slowly_is_not_idle() {
                $run(async {
                    let handler = |mut connection: Connection<Socket>| async move {
                        connection.put_layer(Toy::server()).await?;
                        let line = read_line(&mut connection).await?;
                        write(&mut connection, &line);
                        connection.flush().await
                    };
                    let options = ServerOptions::new().idle_timeout(Duration::from_millis(400));
                    let server =
                        Server::<$runtime>::start_connections(handler, &["127.0.0.1"], 0, &options)
                            .await
                            .unwrap();
                    let mut client = connect(server.local_addrs()[0]).await;
                    let mut records = Vec::new();
                    push_record(&mut records, HELLO, b"toy");
                    push_record(&mut records, DATA, b"a line that comes slowly\n");
                    for byte in records {
                        write(&mut client, &[byte]);
                        client.flush().await.unwrap();
                        <$runtime as Clock>::sleep(Duration::from_millis(30)).await;
                    }
                    let some = |reader: &mut plimsoll::Reader| {
                        Ok::<_, Error>(reader.read(100)?.map(|some| some.len()))
                    };
                    assert!(client.read_with(some).await.unwrap() > 0);
                    assert_eq!(server.statistics().failed, 0);
                });
            }

            /// It comes with data, for which alone the handler waits.
            #[test]
            fn a_reply_of_the_layer_leaves_while_the_handler_waits() {
                $run(async {
                    let handler = |mut connection: Connection<Socket>| async move {
                        connection.put_layer(Toy::server()).await?;
                        read_line(&mut connection).await?;
                        std::future::pending::<Result<(), Error>>().await
                    };
                    let options = ServerOptions::new();
                    let server =
                        Server::<$runtime>::start_connections(handler, &["127.0.0.1"], 0, &options)
                            .await
                            .unwrap();
                    let mut client = connect(server.local_addrs()[0]).await;
                    let [mut hello, mut records] = [Vec::new(), Vec::new()];
                    push_record(&mut hello, HELLO, b"toy");
                    write(&mut client, &hello);
                    assert_eq!(read_exact(&mut client, hello.len()).await.unwrap(), hello);
                    push_record(&mut records, PING, b"");
                    push_record(&mut records, DATA, b"a line\n");
                    write(&mut client, &records);
                    let mut reply = Vec::new();
                    push_record(&mut reply, PONG, b"");
                    assert_eq!(read_exact(&mut client, reply.len()).await.unwrap(), reply);
                    server.shutdown(Duration::ZERO).await;
                });
            }

            #[test]
            fn a_peer_that_never_greets_is_aborted_by_its_idle_timeout() {
                $run(async {
                    let handler = |mut connection: Connection<Socket>| async move {
                        connection.put_layer(Toy::server()).await?;
                        connection.open().await
                    };
                    let options = ServerOptions::new().idle_timeout(Duration::from_millis(50));
                    let server =
                        Server::<$runtime>::start_connections(handler, &["127.0.0.1"], 0, &options)
                            .await
                            .unwrap();
                    let mut client = connect(server.local_addrs()[0]).await;
                    assert!(matches!(
                        read_line(&mut client).await,
                        Err(Error::ConnectionLost(_))
                    ));
                });
            }
        }
    };
}

on_each_runtime!(on_tokio, plimsoll_io::tokio::Tokio, run_tokio);
on_each_runtime!(on_smol, plimsoll_io::smol::Smol, smol::block_on);
on_each_runtime!(
    on_async_std,
    plimsoll_io::async_std::AsyncStd,
    async_std::task::block_on
);
on_each_runtime!(
    on_threads,
    plimsoll_io::blocking::Blocking,
    plimsoll_io::blocking::block_on
);
