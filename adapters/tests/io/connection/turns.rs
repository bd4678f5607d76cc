//! A connection with one owner, over pipes of every capacity and the sockets of every runtime.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use io_test_support::once::Once;
use io_test_support::runtimes::run_tokio;
use io_test_support::toy_layer::Toy;
use plimsoll::{Event, Next, Step, WriteError};
use plimsoll_io::{
    Connection, ConnectionError, DuplexStream, Error, Join, ReadHalf, Server, ServerOptions,
    StreamOptions, Transport, WriteHalf, duplex,
};

type Result<T, E = Error> = std::result::Result<T, E>;

fn pair(capacity: usize) -> (Connection<DuplexStream>, Connection<DuplexStream>) {
    let (here, there) = duplex(capacity);
    (Connection::new(here), Connection::new(there))
}

async fn read_line<T: Transport>(connection: &mut Connection<T>) -> Result<Vec<u8>> {
    connection
        .read_with(|reader| Ok(reader.read_line()?.map(|line| line.to_vec())))
        .await
}

/// Replies to each line with itself.
async fn echo<T: Transport>(connection: &mut Connection<T>) -> Result<()> {
    while let Some(mut turn) = connection.turn().await {
        let core = &mut *turn;
        loop {
            match core.reader.read_line()? {
                Step::Ready(line) if line.is_empty() => {
                    core.close();
                    break;
                }
                Step::Ready(line) => core.writer.write(&line)?,
                Step::NeedInput => break,
            }
        }
    }
    Ok(())
}

#[test]
fn lines_are_echoed_through_a_pipe_of_any_capacity() {
    for capacity in [1, 2, 3, 7, 64, 1 << 20] {
        smol::block_on(async {
            let (mut client, mut server) = pair(capacity);
            let serving = smol::spawn(async move { echo(&mut server).await });
            for round in 0..20 {
                let line = format!("line {round} {}\n", "x".repeat(round * 7));
                client
                    .write_with(|writer| writer.write(line.as_bytes()))
                    .unwrap();
                assert_eq!(read_line(&mut client).await.unwrap(), line.as_bytes());
            }
            client.finish().await.unwrap();
            assert_eq!(read_line(&mut client).await.unwrap(), b"");
            serving.await.unwrap();
        });
    }
}

/// Both send more than the pipe holds before they read.
#[test]
fn two_peers_that_drain_before_they_read_come_to_their_ends() {
    const SIZE: usize = 50_000;

    async fn exchange(mut side: Connection<DuplexStream>) -> usize {
        side.write_with(|writer| writer.write(&[b'x'; SIZE]))
            .unwrap();
        side.drain().await.unwrap();
        let all =
            side.read_with(|reader| Ok::<_, Error>(reader.read_exact(SIZE)?.map(|all| all.len())));
        all.await.unwrap()
    }

    for capacity in [1, 100, 4096] {
        let (one, other) = pair(capacity);
        let both = smol::block_on(smol::future::zip(exchange(one), exchange(other)));
        assert_eq!(both, (SIZE, SIZE));
    }
}

#[test]
fn a_turn_shows_the_end_once_and_then_there_is_none() {
    smol::block_on(async {
        let (mut client, mut server) = pair(100);
        client
            .write_with(|writer| writer.write(b"last words"))
            .unwrap();
        client.close().await.unwrap();
        let mut seen = Vec::new();
        while let Some(mut turn) = server.turn().await {
            if let Ok(Step::Ready(bytes)) = turn.reader.read(100) {
                seen.extend_from_slice(&bytes);
            }
            if turn.reader.at_eof() {
                turn.close();
            }
        }
        assert_eq!(seen, b"last words");
        assert!(server.turn().await.is_none());
    });
}

#[test]
fn a_dropped_connection_with_pending_output_is_a_loss_for_its_peer() {
    smol::block_on(async {
        let (mut client, mut server) = pair(10);
        client
            .write_with(|writer| writer.write(&[b'x'; 100]))
            .unwrap();
        drop(client);
        let result = read_line(&mut server).await;
        assert!(
            matches!(result, Err(Error::ConnectionLost(_))),
            "{result:?}"
        );
    });
}

#[test]
fn an_abort_is_told_with_its_kind() {
    smol::block_on(async {
        let (mut client, _server) = pair(10);
        client.abort();
        let lost = client.lost().unwrap();
        assert_eq!(lost.kind, ConnectionError::Aborted);
        assert!(client.turn().await.is_some(), "a turn that shows it");
        assert!(client.turn().await.is_none());
        let refused = client.write_with(|writer| writer.write(b"late"));
        assert!(matches!(refused, Err(WriteError::ConnectionLost(_))));
        assert!(client.drain().await.is_err());
        assert!(client.into_parts().is_err());
    });
}

#[test]
fn parts_go_on_where_the_connection_stopped() {
    smol::block_on(async {
        let (mut client, mut server) = pair(1000);
        client
            .write_with(|writer| writer.write(b"UPGRADE\nearly"))
            .unwrap();
        client.flush().await.unwrap();
        assert_eq!(read_line(&mut server).await.unwrap(), b"UPGRADE\n");
        server.write_with(|writer| writer.write(b"unsent")).unwrap();
        let parts = server.into_parts().unwrap();
        assert_eq!(parts.unread, "early");
        assert_eq!(parts.unsent.concat(), b"unsent");
        let mut server = Connection::from_parts(parts, &StreamOptions::new());
        // What came with it is shown by a first turn.
        {
            let turn = server.turn().await.unwrap();
            assert_eq!(turn.reader.buffered(), b"early");
        }
        server.close().await.unwrap();
        let all = client
            .read_with(|reader| Ok::<_, Error>(reader.read_to_end(100)?.map(|all| all.to_vec())));
        assert_eq!(all.await.unwrap(), b"unsent");
    });
}

#[test]
fn a_protocol_is_run_as_it_is() {
    smol::block_on(async {
        let (mut client, mut server) = pair(3);
        let serving = async { server.run(&mut shouts).await.unwrap() };
        let asking = async {
            client
                .write_with(|writer| writer.write(b"hello\nworld\n"))
                .unwrap();
            assert_eq!(read_line(&mut client).await.unwrap(), b"HELLO\n");
            client.finish().await.unwrap();
            assert_eq!(read_line(&mut client).await.unwrap(), b"WORLD\n");
            assert_eq!(read_line(&mut client).await.unwrap(), b"");
        };
        smol::future::zip(serving, asking).await;
    });
}

#[test]
fn a_protocol_that_waits_for_a_time_only_is_told_when_it_has_passed() {
    let mut events = Vec::new();
    let mut waits =
        |connection: &mut plimsoll::Connection, event: Event| -> Result<Next, WriteError> {
            events.push(event);
            match event {
                Event::TimedOut => {
                    connection.writer.write(b"too slow\n")?;
                    Ok(Next::Close)
                }
                _ => Ok(Next::TurnWithin(Duration::from_millis(20))),
            }
        };
    smol::block_on(async {
        let (mut client, mut server) = pair(100);
        server.run(&mut waits).await.unwrap();
        assert_eq!(read_line(&mut client).await.unwrap(), b"too slow\n");
    });
    assert_eq!(events, [Event::Started, Event::TimedOut]);
}

/// A transport whose receives have these results, in order, and which takes all that is sent.
type Receives = Join<Script, Taken>;

struct Script(VecDeque<io::Result<&'static [u8]>>);

#[derive(Default)]
struct Taken(Vec<u8>);

impl ReadHalf for Script {
    fn poll_read(&mut self, _: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let received = self.0.pop_front().unwrap_or(Ok(b""));
        Poll::Ready(received.map(|bytes| {
            room[..bytes.len()].copy_from_slice(bytes);
            bytes.len()
        }))
    }
}

impl WriteHalf for Taken {
    fn poll_write(
        &mut self,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        io::Write::write_vectored(&mut self.0, slices).into()
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn receives(results: impl Into<VecDeque<io::Result<&'static [u8]>>>) -> Connection<Receives> {
    Connection::new(Join::new(Script(results.into()), Taken::default()))
}

/// As of a serial line, or a socket with a timeout of its own.
#[test]
fn a_transport_that_gives_up_waiting_is_no_loss() {
    let would_block = || Err(io::ErrorKind::WouldBlock.into());
    let mut connection = receives([Ok(&b"half"[..]), would_block(), Ok(b" a line\n")]);
    smol::block_on(async {
        connection
            .write_with(|writer| writer.write(b"sent all the same"))
            .unwrap();
        assert!(matches!(
            read_line(&mut connection).await,
            Err(Error::TimedOut)
        ));
        assert!(connection.lost().is_none());
        assert_eq!(read_line(&mut connection).await.unwrap(), b"half a line\n");
        let parts = connection.into_parts().unwrap();
        assert_eq!(parts.transport.into_halves().1.0, b"sent all the same");
    });
}

/// A pseudo-terminal's end, a reason of TLS.
#[test]
fn a_loss_tells_the_causes_own_text() {
    let cause = io::Error::other("the other side of the terminal is gone");
    let mut connection = receives([Ok(&b"last words"[..]), Err(cause)]);
    smol::block_on(async {
        let error = read_line(&mut connection).await.unwrap_err();
        assert!(matches!(error, Error::ConnectionLost(_)));
        let lost = connection.lost().unwrap();
        assert_eq!(lost.kind, ConnectionError::Transport);
        assert_eq!(
            lost.to_string(),
            "connection lost: transport failed (the other side of the terminal is gone)"
        );
    });
}

#[test]
fn a_transport_that_claims_more_than_there_was_room_for_is_lost() {
    struct Liar;
    impl ReadHalf for Liar {
        fn poll_read(&mut self, _: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(room.len() + 1))
        }
    }
    let mut connection = Connection::new(Join::new(Liar, Taken::default()));
    smol::block_on(async {
        assert!(matches!(
            read_line(&mut connection).await,
            Err(Error::ConnectionLost(_))
        ));
    });
}

/// The budget ends in between, and no read may block before the request has left.
#[cfg(feature = "blocking")]
#[test]
fn a_request_leaves_before_a_read_that_blocks() {
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    far.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let echo = std::thread::spawn(move || {
        let mut lines = std::io::BufReader::new(&far);
        let mut line = String::new();
        while std::io::BufRead::read_line(&mut lines, &mut line).unwrap() > 0 {
            std::io::Write::write_all(&mut &far, line.as_bytes()).unwrap();
            line.clear();
        }
    });
    let write = io::BufWriter::new(near.try_clone().unwrap());
    near.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let closing = near.try_clone().unwrap();
    let transport = plimsoll_io::blocking::join(near, write);
    let mut client = plimsoll_io::blocking::Connection::new(transport);
    for round in 0..500 {
        let line = format!("line {round}\n");
        client
            .write_with(|writer| writer.write(line.as_bytes()))
            .unwrap();
        let read = client
            .read_with(|reader| Ok::<_, Error>(reader.read_line()?.map(|line| line.to_vec())));
        assert_eq!(read.unwrap(), line.as_bytes());
    }
    closing.shutdown(std::net::Shutdown::Both).unwrap();
    echo.join().unwrap();
}

/// What is there of standard input, only a read could tell, which would wait for more.
#[cfg(feature = "blocking")]
#[test]
fn a_close_reads_nothing_that_blocks() {
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    let read = near.try_clone().unwrap();
    read.set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut here = plimsoll_io::blocking::Connection::new(plimsoll_io::blocking::join(read, near));
    here.write_with(|writer| writer.write(b"bye\n")).unwrap();
    let began = std::time::Instant::now();
    here.close().unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "it has waited");
    let mut sent = String::new();
    io::Read::read_to_string(&mut &far, &mut sent).unwrap();
    assert_eq!(sent, "bye\n");
}

/// As under the driver of `testing`: the time passes, though the peer has ended.
#[tokio::test(start_paused = true)]
async fn a_protocol_gets_its_time_after_the_end() {
    let (here, mut there) = tokio::io::duplex(64);
    let (read, write) = tokio::io::split(here);
    let mut connection = Connection::new(plimsoll_io::tokio::join(read, write));
    let mut events = Vec::new();
    let mut protocol = |core: &mut plimsoll::Connection, event| {
        events.push(event);
        let _ = core.reader.read(usize::MAX)?;
        Ok::<_, Error>(match event {
            Event::TimedOut => {
                core.writer.write(b"late\n")?;
                Next::Close
            }
            _ => Next::TurnWithin(Duration::from_secs(3)),
        })
    };
    tokio::io::AsyncWriteExt::shutdown(&mut there)
        .await
        .unwrap();
    connection.run(&mut protocol).await.unwrap();
    assert_eq!(events, [Event::Started, Event::Moved, Event::TimedOut]);
    let mut reply = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut there, &mut reply)
        .await
        .unwrap();
    assert_eq!(reply, b"late\n");
}

#[tokio::test]
async fn a_protocol_without_a_layer_is_never_secured() {
    let (here, there) = tokio::io::duplex(64);
    let (read, write) = tokio::io::split(here);
    let mut connection = Connection::new(plimsoll_io::tokio::join(read, write));
    let mut events = Vec::new();
    let mut protocol = |core: &mut plimsoll::Connection, event| {
        events.push((event, core.reader.connection_error().is_some()));
        Ok::<_, Error>(match event {
            Event::Started => Next::StartTls,
            _ => Next::Turn,
        })
    };
    connection.run(&mut protocol).await.unwrap();
    assert_eq!(events, [(Event::Started, false), (Event::Moved, true)]);
    drop(there);
}

/// The same tests over the sockets of each runtime.
macro_rules! on_each_runtime {
    ($runtime:ident, $module:ident, $tests:ident, $run:expr, $sleep:expr) => {
        mod $tests {
            use plimsoll_io::$module::$runtime;

            use super::*;

            type Socket = <$runtime as plimsoll_io::Runtime>::Tcp;

            async fn connect(server: &Server<$runtime>) -> Connection<Socket> {
                let address = server.local_addrs()[0];
                let socket = Socket::connect(address).await.unwrap();
                Connection::new(socket)
            }

            async fn serve<H, F>(handler: H) -> Server<$runtime>
            where
                H: Fn(Connection<Socket>) -> F + Send + Sync + 'static,
                F: Future<Output = Result<()>> + Send + 'static,
            {
                let options = ServerOptions::new();
                Server::start_connections(handler, &["127.0.0.1"], 0, &options)
                    .await
                    .unwrap()
            }

            #[test]
            fn a_server_of_connections_echoes() {
                $run(async {
                    let server =
                        serve(|mut connection| async move { echo(&mut connection).await }).await;
                    let mut client = connect(&server).await;
                    for round in 0..10 {
                        let line = format!("line {round}\n");
                        client
                            .write_with(|writer| writer.write(line.as_bytes()))
                            .unwrap();
                        assert_eq!(read_line(&mut client).await.unwrap(), line.as_bytes());
                    }
                    client.close().await.unwrap();
                    let shutdown = server.shutdown(Duration::from_secs(5)).await;
                    assert_eq!(shutdown.aborted, 0);
                    assert_eq!(server.statistics().accepted, 1);
                });
            }

            #[test]
            fn output_is_sent_while_the_handler_waits_for_something_else() {
                $run(async {
                    let server = serve(|mut connection| async move {
                        connection.write_with(|writer| writer.write(b"220 ready\n"))?;
                        $sleep(Duration::from_secs(3600)).await;
                        Ok(())
                    })
                    .await;
                    let mut client = connect(&server).await;
                    assert_eq!(read_line(&mut client).await.unwrap(), b"220 ready\n");
                    let shutdown = server.shutdown(Duration::from_millis(50)).await;
                    assert_eq!(shutdown.aborted, 1);
                    assert!(matches!(
                        read_line(&mut client).await,
                        Err(Error::ConnectionLost(_))
                    ));
                });
            }

            /// More rounds than a budget lasts for.
            #[test]
            fn output_never_rests_while_the_handler_waits() {
                const ROUNDS: usize = 300;
                $run(async {
                    let (seen, heard) = smol::channel::bounded(1);
                    let server = serve(move |mut connection| {
                        let heard = heard.clone();
                        async move {
                            for _ in 0..ROUNDS {
                                connection.write_with(|writer| writer.write(b"tick\n"))?;
                                heard.recv().await.unwrap();
                            }
                            Ok(())
                        }
                    })
                    .await;
                    let mut client = connect(&server).await;
                    for _ in 0..ROUNDS {
                        assert_eq!(read_line(&mut client).await.unwrap(), b"tick\n");
                        seen.send(()).await.unwrap();
                    }
                    server.shutdown(Duration::from_secs(5)).await;
                });
            }

            #[test]
            fn a_shutdown_is_a_turn() {
                $run(async {
                    let server = serve(|mut connection| async move {
                        while let Some(turn) = connection.turn().await {
                            if turn.is_shutting_down() {
                                break;
                            }
                        }
                        Ok(())
                    })
                    .await;
                    let mut client = connect(&server).await;
                    client.write_with(|writer| writer.write(b"x")).unwrap();
                    client.flush().await.unwrap();
                    $sleep(Duration::from_millis(20)).await;
                    let shutdown = server.shutdown(Duration::from_secs(5)).await;
                    assert_eq!(shutdown.aborted, 0);
                });
            }

            #[test]
            fn an_idle_protocol_hears_of_a_shutdown() {
                fn patient(_: &mut plimsoll::Connection, event: Event) -> Result<Next, Error> {
                    Ok(match event {
                        Event::ShuttingDown => Next::Close,
                        _ => Next::Turn,
                    })
                }

                $run(async {
                    let options = ServerOptions::new();
                    let server =
                        Server::<$runtime>::start_protocol(|| patient, &["127.0.0.1"], 0, &options)
                            .await
                            .unwrap();
                    let mut client = connect(&server).await;
                    $sleep(Duration::from_millis(20)).await;
                    let shutdown = server.shutdown(Duration::from_secs(5)).await;
                    assert_eq!(shutdown.aborted, 0);
                    assert_eq!(read_line(&mut client).await.unwrap(), b"");
                });
            }

            /// Its transport gives up waiting by a timeout of its own, and wakes no task.
            #[test]
            fn output_is_offered_again_while_the_handler_waits() {
                $run(async {
                    let (taken, listener) = gives_up();
                    let handler = |mut connection: Connection<GivesUp>| async move {
                        connection.write_with(|writer| writer.write(b"220 ready\n"))?;
                        std::future::pending::<Result<()>>().await
                    };
                    let options = ServerOptions::new();
                    let serve = Server::<$runtime>::serve_connections;
                    let server = serve(vec![listener], handler, &options);
                    for _ in 0..1000 {
                        if *taken.lock().unwrap() == b"220 ready\n" {
                            break;
                        }
                        $sleep(Duration::from_millis(5)).await;
                    }
                    assert_eq!(*taken.lock().unwrap(), b"220 ready\n");
                    server.abort_clients();
                    server.shutdown(Duration::ZERO).await;
                });
            }

            /// Its handler is not done, and counts among those that there may be.
            #[test]
            fn a_lost_connection_keeps_its_place() {
                const MOST: usize = 2;
                $run(async {
                    static RUNNING: AtomicUsize = AtomicUsize::new(0);
                    let handler = |mut connection: Connection<Socket>| async move {
                        RUNNING.fetch_add(1, Relaxed);
                        let _ = read_line(&mut connection).await;
                        std::future::pending::<()>().await;
                    };
                    let options = ServerOptions::new().max_connections(MOST);
                    let start = Server::<$runtime>::start_connections;
                    let server = start(handler, &["127.0.0.1"], 0, &options).await.unwrap();
                    for _ in 0..5 {
                        let mut client = connect(&server).await;
                        client.abort();
                        drop(client);
                        $sleep(Duration::from_millis(20)).await;
                    }
                    assert!(RUNNING.load(Relaxed) <= MOST);
                    let shutdown = server.shutdown(Duration::from_millis(50)).await;
                    assert!(shutdown.aborted > 0, "they were waited for");
                    server.wait_closed().await;
                });
            }

            #[test]
            fn a_protocol_is_served() {
                $run(async {
                    let make = || shouts;
                    let options = ServerOptions::new();
                    let server =
                        Server::<$runtime>::start_protocol(make, &["127.0.0.1"], 0, &options)
                            .await
                            .unwrap();
                    let mut client = connect(&server).await;
                    client
                        .write_with(|writer| writer.write(b"hello\nworld\n"))
                        .unwrap();
                    client.finish().await.unwrap();
                    assert_eq!(read_line(&mut client).await.unwrap(), b"HELLO\n");
                    assert_eq!(read_line(&mut client).await.unwrap(), b"WORLD\n");
                    assert_eq!(read_line(&mut client).await.unwrap(), b"");
                    let shutdown = server.shutdown(Duration::from_secs(5)).await;
                    assert_eq!(shutdown.aborted, 0);
                });
            }

            #[test]
            fn a_handler_that_panics_does_not_end_cleanly_for_its_peer() {
                $run(async {
                    let server = serve(|mut connection| async move {
                        read_line(&mut connection).await?;
                        connection.write_with(|writer| writer.write(b"half an ans"))?;
                        connection.flush().await?;
                        panic!("in the middle of an answer");
                    })
                    .await;
                    let mut client = connect(&server).await;
                    client.write_with(|writer| writer.write(b"ask\n")).unwrap();
                    let result = read_line(&mut client).await;
                    assert!(
                        matches!(result, Err(Error::ConnectionLost(_))),
                        "{result:?}"
                    );
                    server.shutdown(Duration::from_secs(5)).await;
                    assert_eq!(server.statistics().panicked, 1);
                });
            }

            /// Unread input must not destroy what was sent.
            #[test]
            fn a_close_with_unread_input_delivers_everything() {
                $run(async {
                    let server = serve(|mut connection| async move {
                        connection.write_with(|writer| writer.write(b"greeting\n"))?;
                        connection.flush().await?;
                        let all = connection
                            .read_with(|reader| {
                                Ok::<_, Error>(reader.read_to_end(2 << 20)?.map(|all| all.len()))
                            })
                            .await?;
                        assert_eq!(all, 1 << 20);
                        Ok(())
                    })
                    .await;
                    let mut client = connect(&server).await;
                    $sleep(Duration::from_millis(20)).await;
                    client
                        .write_with(|writer| writer.write(&vec![b'x'; 1 << 20]))
                        .unwrap();
                    client.close().await.unwrap();
                    drop(client);
                    let shutdown = server.shutdown(Duration::from_secs(5)).await;
                    assert_eq!(shutdown.aborted, 0);
                    let statistics = server.statistics();
                    assert_eq!((statistics.failed, statistics.panicked), (0, 0));
                });
            }

            #[test]
            fn a_connection_that_moves_to_another_task_is_still_served() {
                $run(async {
                    let server = serve(|mut connection| async move {
                        let moved = async move {
                            let _ = echo(&mut connection).await;
                        };
                        <$runtime as plimsoll_io::Runtime>::spawn(moved).unwrap();
                        Ok(())
                    })
                    .await;
                    let mut client = connect(&server).await;
                    client
                        .write_with(|writer| writer.write(b"hello\n"))
                        .unwrap();
                    assert_eq!(read_line(&mut client).await.unwrap(), b"hello\n");
                    client.close().await.unwrap();
                    let shutdown = server.shutdown(Duration::from_secs(5)).await;
                    assert_eq!(shutdown.aborted, 0);
                });
            }

            #[test]
            fn a_connection_that_was_taken_over_is_not_the_servers() {
                $run(async {
                    let server = serve(|connection| async move {
                        let parts = connection.into_parts()?;
                        $sleep(Duration::from_millis(100)).await;
                        let mut connection = Connection::from_parts(parts, &StreamOptions::new());
                        connection.write_with(|writer| writer.write(b"still here\n"))?;
                        connection.close().await
                    })
                    .await;
                    let mut client = connect(&server).await;
                    $sleep(Duration::from_millis(20)).await;
                    let shutdown = server.shutdown(Duration::from_secs(5)).await;
                    assert_eq!(shutdown.aborted, 0);
                    assert_eq!(read_line(&mut client).await.unwrap(), b"still here\n");
                });
            }
        }
    };
}

/// Replies to each line with itself, in capitals.
fn shouts(connection: &mut plimsoll::Connection, _: Event) -> Result<Next, Error> {
    loop {
        match connection.reader.read_line()? {
            Step::Ready(line) if line.is_empty() => return Ok(Next::Close),
            Step::Ready(line) => connection.writer.write(&line.to_ascii_uppercase())?,
            Step::NeedInput => return Ok(Next::Turn),
        }
    }
}

async fn smol_sleep(duration: Duration) {
    smol::Timer::after(duration).await;
}

on_each_runtime!(
    Tokio,
    tokio,
    on_tokio,
    super::run_tokio,
    ::tokio::time::sleep
);
on_each_runtime!(Smol, smol, on_smol, ::smol::block_on, super::smol_sleep);
on_each_runtime!(
    AsyncStd,
    async_std,
    on_async_std,
    ::async_std::task::block_on,
    ::async_std::task::sleep
);
on_each_runtime!(
    Blocking,
    blocking,
    on_threads,
    plimsoll_io::blocking::block_on,
    super::smol_sleep
);

/// The same without `await`.
mod blocking {
    use std::time::{Duration, Instant};

    use plimsoll::Step;
    use plimsoll_io::blocking::{Connection, Server, connect};
    use plimsoll_io::{Error, ServerOptions, Transport, duplex};

    fn read_line<T: Transport>(connection: &mut Connection<T>) -> Result<Vec<u8>, Error> {
        connection.read_with(|reader| Ok(reader.read_line()?.map(|line| line.to_vec())))
    }

    fn echo(mut connection: Connection) -> Result<(), Error> {
        while let Some(mut turn) = connection.turn()? {
            let core = &mut *turn;
            while let Step::Ready(line) = core.reader.read_line()? {
                if line.is_empty() {
                    core.close();
                    break;
                }
                core.writer.write(&line)?;
            }
        }
        Ok(())
    }

    #[test]
    fn a_server_of_connections_echoes() {
        let server =
            Server::start_connections(echo, &["127.0.0.1"], 0, &ServerOptions::new()).unwrap();
        let port = server.local_addrs()[0].port();
        let mut client = connect("127.0.0.1", port).unwrap();
        client
            .write_with(|writer| writer.write(b"one\ntwo\n"))
            .unwrap();
        assert_eq!(read_line(&mut client).unwrap(), b"one\n");
        assert_eq!(read_line(&mut client).unwrap(), b"two\n");
        client.finish().unwrap();
        assert_eq!(read_line(&mut client).unwrap(), b"");
        let shutdown = server.shutdown(Duration::from_secs(5));
        assert_eq!(shutdown.aborted, 0);
    }

    #[test]
    fn a_call_ends_at_its_timeout_and_may_be_made_again() {
        let (here, there) = duplex(100);
        let (mut one, mut other) = (Connection::new(here), Connection::new(there));
        one.set_timeout(Some(Duration::from_millis(5)));
        other.write_with(|writer| writer.write(b"half")).unwrap();
        other.flush().unwrap();
        assert!(matches!(read_line(&mut one), Err(Error::TimedOut)));
        assert!(matches!(one.turn(), Ok(Some(_))), "half a line is news");
        assert!(matches!(one.turn(), Err(Error::TimedOut)));
        other
            .write_with(|writer| writer.write(b" a line\n"))
            .unwrap();
        other.flush().unwrap();
        assert_eq!(read_line(&mut one).unwrap(), b"half a line\n");
    }

    #[test]
    fn a_timeout_of_zero_does_what_needs_no_wait() {
        let (here, there) = duplex(100);
        let (mut one, mut other) = (Connection::new(here), Connection::new(there));
        one.set_timeout(Some(Duration::ZERO));
        let start = Instant::now();
        assert!(matches!(read_line(&mut one), Err(Error::TimedOut)));
        other.write_with(|writer| writer.write(b"line\n")).unwrap();
        other.flush().unwrap();
        assert_eq!(read_line(&mut one).unwrap(), b"line\n");
        assert!(start.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_layer_is_put_in_place_within_the_timeout() {
        use io_test_support::toy_layer::Toy;

        let (here, _there) = duplex(4);
        let mut full = Connection::new(here);
        full.set_timeout(Some(Duration::from_millis(5)));
        full.write_with(|writer| writer.write(b"more than four"))
            .unwrap();
        assert!(matches!(
            full.put_layer(Toy::client()),
            Err(Error::TimedOut)
        ));
    }

    #[test]
    fn parts_go_on_where_the_connection_stopped() {
        let (here, there) = duplex(100);
        let (mut one, mut other) = (Connection::new(here), Connection::new(there));
        other
            .write_with(|writer| writer.write(b"one\ntwo\n"))
            .unwrap();
        other.flush().unwrap();
        assert_eq!(read_line(&mut one).unwrap(), b"one\n");
        let parts = one.into_parts().unwrap();
        assert_eq!(parts.unread, "two\n");
    }
}

/// A transport on which nothing comes, and whose first writes give up.
type GivesUp = Join<Silent, TakesLater>;

struct Silent;

impl ReadHalf for Silent {
    fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }
}

struct TakesLater {
    failures: usize,
    taken: Arc<Mutex<Vec<u8>>>,
}

impl WriteHalf for TakesLater {
    fn poll_write(
        &mut self,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.failures > 0 {
            self.failures -= 1;
            return Poll::Ready(Err(io::ErrorKind::WouldBlock.into()));
        }
        io::Write::write_vectored(&mut *self.taken.lock().unwrap(), slices).into()
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What is taken of such a transport, and where it is accepted.
fn gives_up() -> (Arc<Mutex<Vec<u8>>>, Once<GivesUp>) {
    let taken = Arc::default();
    let write = TakesLater {
        failures: 2,
        taken: Arc::clone(&taken),
    };
    let transport = Join::new(Silent, write);
    (taken, Once::new(transport))
}

/// How the first writes fail; what is sent then is taken.
struct Sends {
    failures: VecDeque<io::ErrorKind>,
    taken: Vec<u8>,
    log: Arc<Mutex<Vec<&'static str>>>,
}

impl WriteHalf for Sends {
    fn poll_write(
        &mut self,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.failures.pop_front() {
            Some(kind) => Poll::Ready(Err(kind.into())),
            None => io::Write::write_vectored(&mut self.taken, slices).into(),
        }
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.log.lock().unwrap().push("end");
        Poll::Ready(Ok(()))
    }

    fn abort(&mut self) {
        self.log.lock().unwrap().push("abort");
    }
}

impl Drop for Sends {
    fn drop(&mut self) {
        self.log.lock().unwrap().push("drop");
    }
}

/// A connection with output, the first write of which fails, and what becomes of its transport.
fn fails_to_send(kind: io::ErrorKind) -> (Connection<Join<Script, Sends>>, Sent) {
    let log = Sent::default();
    let mut connection = Connection::new(Join::new(
        Script(VecDeque::new()),
        Sends {
            failures: [kind].into(),
            taken: Vec::new(),
            log: Arc::clone(&log),
        },
    ));
    connection
        .write_with(|writer| writer.write(b"last words"))
        .unwrap();
    (connection, log)
}

type Sent = Arc<Mutex<Vec<&'static str>>>;

#[test]
fn a_close_that_fails_drops_the_transport() {
    let (mut connection, log) = fails_to_send(io::ErrorKind::BrokenPipe);
    smol::block_on(connection.close()).unwrap_err();
    let log = log.lock().unwrap().clone();
    assert_eq!(log, ["abort", "drop"]);
}

#[test]
fn a_close_that_gives_up_loses_nothing_silently() {
    let (mut connection, log) = fails_to_send(io::ErrorKind::WouldBlock);
    let closed = smol::block_on(connection.close());
    let log = log.lock().unwrap().clone();
    assert!(
        closed.is_err() || log.contains(&"end"),
        "{closed:?}, {log:?}"
    );
}

/// Its peer has everything, and the end.
#[test]
fn an_abort_while_a_turn_is_held_leaves_an_end_that_was_sent() {
    let log = Sent::default();
    let transport = Join::new(
        Script([Ok(&b"input"[..])].into()),
        Sends {
            failures: VecDeque::new(),
            taken: Vec::new(),
            log: Arc::clone(&log),
        },
    );
    let (held, is_held) = smol::channel::bounded(1);
    let (aborted, is_aborted) = smol::channel::bounded::<()>(1);
    let handler = move |mut connection: Connection<Join<Script, Sends>>| {
        let (held, is_aborted) = (held.clone(), is_aborted.clone());
        async move {
            connection.finish().await?;
            let turn = connection.turn().await;
            held.send(()).await.unwrap();
            let _ = is_aborted.recv().await;
            drop(turn);
            assert!(connection.turn().await.is_some(), "the loss");
            Ok::<_, Error>(())
        }
    };
    let listener = Once::new(transport);
    let serve = Server::<plimsoll_io::smol::Smol>::serve_connections;
    let server = serve(vec![listener], handler, &ServerOptions::new());
    smol::block_on(async {
        is_held.recv().await.unwrap();
        server.abort_clients();
        let sent = log.lock().unwrap().clone();
        assert_eq!(sent, ["end", "drop"]);
        drop(aborted);
        server.close();
        server.wait_closed().await;
        assert_eq!(server.statistics().panicked, 0);
    });
}

#[test]
fn a_close_after_a_leaked_turn_fails() {
    let (mut here, _there) = pair(10);
    smol::block_on(async {
        here.write_with(|writer| writer.write(b"never sent"))
            .unwrap();
        here.write_with(|writer| {
            writer.finish();
            Ok::<_, WriteError>(())
        })
        .unwrap();
        std::mem::forget(here.turn().await);
        assert!(here.flush().await.is_err());
        assert!(here.close().await.is_err());
        assert!(here.lost().is_some());
    });
}

/// A read half that has input for some reads, and counts them.
struct Floods(Arc<AtomicUsize>);

impl ReadHalf for Floods {
    fn poll_read(&mut self, _: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(match self.0.fetch_add(1, Relaxed) {
            0..3 => room.len(),
            _ => 0,
        }))
    }
}

/// Whatever is left of the budget: input that is there would make a reset of the end.
#[test]
fn a_close_discards_what_is_there_however_much_was_done_before() {
    smol::block_on(async {
        for reads_before in 0..1100 {
            let reads = Arc::new(AtomicUsize::new(0));
            let mut connection =
                Connection::new(Join::new(Floods(Arc::clone(&reads)), Taken::default()));
            for _ in 0..reads_before {
                let nothing = connection.read_with(|_| Ok::<_, Error>(Step::Ready(())));
                nothing.await.unwrap();
            }
            connection.close().await.unwrap();
            assert_eq!(reads.load(Relaxed), 4, "after {reads_before} reads");
        }
    });
}

/// A write half that keeps everything until it is flushed, the first time in vain.
struct Keeps {
    kept: Vec<u8>,
    flushed: Arc<Mutex<Vec<u8>>>,
    flushes: usize,
}

impl WriteHalf for Keeps {
    fn poll_write(
        &mut self,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        io::Write::write_vectored(&mut self.kept, slices).into()
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushes += 1;
        if self.flushes == 1 {
            return Poll::Pending;
        }
        self.flushed.lock().unwrap().append(&mut self.kept);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn what_was_written_and_not_flushed_goes_on_with_the_parts() {
    let flushed = Arc::new(Mutex::new(Vec::new()));
    let mut connection = Connection::new(Join::new(
        Silent,
        Keeps {
            kept: Vec::new(),
            flushed: Arc::clone(&flushed),
            flushes: 0,
        },
    ));
    smol::block_on(async {
        connection
            .write_with(|writer| writer.write(b"hello"))
            .unwrap();
        assert!(smol::future::poll_once(connection.flush()).await.is_none());
        let parts = connection.into_parts().unwrap();
        let mut connection = Connection::from_parts(parts, &StreamOptions::new());
        connection.flush().await.unwrap();
    });
    assert_eq!(*flushed.lock().unwrap(), b"hello");
}

/// The peer sends first, and reads later.
#[test]
fn a_close_in_a_turn_discards_as_a_close_does() {
    const SIZE: usize = 1000;
    let (here, there) = duplex(16);
    let mut closes = Connection::new(here);
    let closing = async {
        let mut turn = closes.turn().await.expect("input");
        turn.writer.write(&[b'x'; SIZE]).unwrap();
        turn.close();
        drop(turn);
        while closes.turn().await.is_some() {}
    };
    let peer = async {
        let (mut read, mut write) = there.split();
        let (data, mut sent, mut received) = ([b'u'; SIZE], 0, 0);
        while sent < SIZE {
            let slices = [IoSlice::new(&data[sent..])];
            sent += poll_fn(|cx| write.poll_write(cx, &slices)).await.unwrap();
        }
        loop {
            match poll_fn(|cx| read.poll_read(cx, &mut [0; 64]))
                .await
                .unwrap()
            {
                0 => break,
                count => received += count,
            }
        }
        assert_eq!(received, SIZE);
    };
    let late = async {
        smol::Timer::after(Duration::from_secs(20)).await;
        panic!("it waits for ever");
    };
    let both = async {
        smol::future::zip(closing, peer).await;
    };
    smol::block_on(smol::future::or(both, late));
}

/// A paused reader is not closed with its writer: what the peer sends stays the stream's.
#[test]
fn a_writer_that_is_closed_discards_nothing() {
    let (here, there) = duplex(16);
    let mut closes = Connection::with_options(here, &StreamOptions::new().limit(8).read_size(4));
    let sent: Vec<u8> = (0..100).collect();
    let closing = async {
        closes
            .write_with(|writer| {
                writer.write(&[b'x'; 1000])?;
                writer.close();
                Ok::<_, Error>(())
            })
            .unwrap();
        closes.flush().await.unwrap();
        let mut received = Vec::new();
        loop {
            let byte = closes
                .read_with(|reader| Ok::<_, Error>(reader.read(1)?.map(|byte| byte.to_vec())))
                .await
                .unwrap();
            if byte.is_empty() {
                break received;
            }
            received.extend(byte);
        }
    };
    let peer = async {
        let mut peer = Connection::new(there);
        peer.write_with(|writer| writer.write(&sent)).unwrap();
        peer.finish().await.unwrap();
        let all =
            peer.read_with(|reader| Ok::<_, Error>(reader.read_to_end(1000)?.map(|all| all.len())));
        assert_eq!(all.await.unwrap(), 1000);
    };
    let (received, ()) = smol::block_on(smol::future::zip(closing, peer));
    assert_eq!(received, sent);
}

/// Once its end was shown, a connection that is given up has nothing more to show.
#[test]
fn an_abort_after_the_end_is_no_turn() {
    let (mut here, mut there) = pair(100);
    smol::block_on(async {
        there.close().await.unwrap();
        let mut turn = here.turn().await.expect("the end");
        turn.close();
        drop(turn);
        while here.turn().await.is_some() {}
        here.abort();
        assert!(here.turn().await.is_none());
    });
}

#[test]
fn a_layer_comes_after_all_output() {
    let (mut connection, _) = fails_to_send(io::ErrorKind::WouldBlock);
    let put = smol::block_on(connection.put_layer(Toy::client()));
    let parts = connection.into_parts().unwrap();
    assert!(put.is_err() || parts.unsent.is_empty(), "{put:?}");
}
