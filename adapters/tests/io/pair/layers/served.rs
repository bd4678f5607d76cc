//! A layer over a pair under a server, on every runtime.

use std::future::{Future, pending};
use std::net::SocketAddr;
use std::time::Duration;

use plimsoll_io::{
    Connection, Error, Runtime, Server, ServerOptions, StreamPair, StreamReader, StreamWriter,
};
use smol::channel::{Receiver, Sender, bounded, unbounded};

use super::*;
use io_test_support::on_each_runtime;
use io_test_support::servers::eventually;
use io_test_support::toy_layer::{DATA, HELLO, PING, PONG, Toy};

type Result<T, E = Error> = std::result::Result<T, E>;
type Reader<R> = StreamReader<<R as Runtime>::Tcp>;
type Writer<R> = StreamWriter<<R as Runtime>::Tcp>;

async fn in_time<R: Runtime>(test: impl Future<Output = ()>) {
    let _limit = Limit::start();
    smol::future::or(test, async {
        R::sleep(Duration::from_secs(20)).await;
        panic!("it waits for ever")
    })
    .await;
}

async fn start<R, H, F>(handler: H, options: &ServerOptions) -> (Server<R>, StreamPair<R::Tcp>)
where
    R: Runtime,
    H: Fn(Reader<R>, Writer<R>) -> F + Send + Sync + 'static,
    F: Future<Output: plimsoll_io::HandlerResult> + Send + 'static,
{
    let server = Server::<R>::start(handler, &["127.0.0.1"], 0, options);
    let server = server.await.unwrap();
    let client = StreamPair::new(connect::<R>(server.local_addrs()[0]).await);
    (server, client)
}

async fn connect<R: Runtime>(address: SocketAddr) -> R::Tcp {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    R::connect(socket.into(), address).await.unwrap()
}

/// A handler's pair, under a layer that has not greeted yet.
async fn secured<R: Runtime>(reader: Reader<R>, writer: Writer<R>) -> Result<StreamPair<R::Tcp>> {
    let mut stream = StreamPair::reunite(reader, writer).expect("halves of one connection");
    stream.put_layer(Toy::server()).await?;
    Ok(stream)
}

/// Ends a server that has nothing to wait for.
async fn shut_down_in_order<R: Runtime>(server: Server<R>) {
    let shutdown = server.shutdown(Duration::from_secs(10)).await;
    assert_eq!(shutdown.aborted, 0);
    let statistics = server.statistics();
    assert_eq!((statistics.failed, statistics.panicked), (0, 0));
}

async fn a_layer_is_put_in_place_in_a_handler_of_pairs<R: Runtime>() {
    in_time::<R>(async {
        let handler = async |reader: Reader<R>, writer: Writer<R>| {
            let stream = StreamPair::reunite(reader, writer).expect("halves of one connection");
            echo(upgraded_server(stream, Toy::server().pinging()).await).await;
        };
        let (server, client) = start::<R, _, _>(handler, &ServerOptions::new()).await;
        ask(upgraded_client(client, Toy::client().pinging()).await).await;
        shut_down_in_order(server).await;
    })
    .await;
}

/// A pair ends with its handler, which waits for both tasks.
async fn the_halves_of_a_handler_are_in_two_tasks_under_the_layer<R: Runtime>() {
    in_time::<R>(async {
        let handler = async |reader: Reader<R>, writer: Writer<R>| {
            let (mut reader, mut writer) = secured::<R>(reader, writer).await?.split();
            let (pass_on, lines) = unbounded::<Vec<u8>>();
            let (end, ended) = bounded::<()>(1);
            let reading = async move {
                loop {
                    let line = reader.read_line().await.unwrap().to_vec();
                    if line.is_empty() {
                        break;
                    }
                    pass_on.send(line).await.unwrap();
                }
            };
            let writing = async move {
                while let Ok(line) = lines.recv().await {
                    writer.write(&line).unwrap();
                    writer.drain().await.unwrap();
                }
                writer.close().await.unwrap();
                end.send(()).await.unwrap();
            };
            R::spawn(reading).unwrap();
            R::spawn(writing).unwrap();
            ended.recv().await.expect("a task that comes to its end");
            Ok::<_, Error>(())
        };
        let (server, mut client) = start::<R, _, _>(handler, &ServerOptions::new()).await;
        client.put_layer(Toy::client()).await.unwrap();
        ask(client).await;
        shut_down_in_order(server).await;
    })
    .await;
}

/// What comes counts, though it is no data yet.
async fn a_record_that_comes_slowly_is_not_idle<R: Runtime>() {
    in_time::<R>(async {
        let handler = async |reader: Reader<R>, writer: Writer<R>| {
            let mut stream = secured::<R>(reader, writer).await?;
            let line = stream.reader.read_line().await?.to_vec();
            stream.writer.write(&line)
        };
        let options = ServerOptions::new().idle_timeout(Duration::from_millis(400));
        let (server, mut client) = start::<R, _, _>(handler, &options).await;
        let hello = record(HELLO, b"toy");
        let data = record(DATA, b"a line that comes slowly\n");
        for byte in [hello.clone(), data.clone()].concat() {
            client.writer.write(&[byte]).unwrap();
            client.writer.flush().await.unwrap();
            R::sleep(Duration::from_millis(30)).await;
        }
        let replied = client.reader.read_exact(hello.len()).await.unwrap();
        assert_eq!(replied, hello);
        assert_eq!(client.reader.read_exact(data.len()).await.unwrap(), data);
        drop(client);
        server.shutdown(Duration::from_secs(10)).await;
        assert_eq!(server.statistics().failed, 0);
    })
    .await;
}

/// It comes with data, for which alone the handler waits; or beside a read in another task.
async fn a_reply_of_the_layer_leaves_while_the_handler_waits_for_something_else<R: Runtime>() {
    for reads_on in [false, true] {
        in_time::<R>(async {
            let handler = move |reader: Reader<R>, writer: Writer<R>| async move {
                let (mut reader, _writer) = secured::<R>(reader, writer).await?.split();
                assert_eq!(reader.read_line().await?, "a line\n");
                if reads_on {
                    let reading = async move { drop(reader.read_line().await.map(drop)) };
                    R::spawn(reading).unwrap();
                }
                pending::<Result<()>>().await
            };
            let (server, mut client) = start::<R, _, _>(handler, &ServerOptions::new()).await;
            let hello = record(HELLO, b"toy");
            client.writer.write(&hello).unwrap();
            assert_eq!(client.reader.read_exact(hello.len()).await.unwrap(), hello);
            let (ping, pong) = (record(PING, b""), record(PONG, b""));
            let with_data = [ping.clone(), record(DATA, b"a line\n")].concat();
            // Behind its line only a read that goes on finds the second one.
            let asked = [with_data, ping];
            for asked in asked.iter().take(1 + usize::from(reads_on)) {
                client.writer.write(asked).unwrap();
                assert_eq!(client.reader.read_exact(pong.len()).await.unwrap(), pong);
            }
            server.shutdown(Duration::ZERO).await;
        })
        .await;
    }
}

/// Whether its handler waits for the greeting, or for something else.
async fn a_peer_that_never_greets_is_ended_by_the_idle_timeout<R: Runtime>() {
    for waits_for_it in [false, true] {
        in_time::<R>(async {
            let (tell, told): (Sender<bool>, Receiver<bool>) = unbounded();
            let (gate, opens) = bounded::<()>(1);
            let handler = move |reader: Reader<R>, writer: Writer<R>| {
                let (tell, opens) = (tell.clone(), opens.clone());
                async move {
                    let mut stream = secured::<R>(reader, writer).await?;
                    if !waits_for_it {
                        let _ = opens.recv().await;
                    }
                    let is_lost =
                        |result: Result<()>| matches!(result, Err(Error::ConnectionLost(_)));
                    for lost in [
                        is_lost(stream.open().await),
                        is_lost(stream.reader.read_line().await.map(drop)),
                        is_lost(stream.writer.write(b"late")),
                        is_lost(stream.writer.drain().await),
                    ] {
                        tell.send(lost).await.unwrap();
                    }
                    Ok::<_, Error>(())
                }
            };
            let options = ServerOptions::new().idle_timeout(Duration::from_millis(50));
            let (server, mut client) = start::<R, _, _>(handler, &options).await;
            let ended = client.reader.read_line().await.map(drop);
            assert!(matches!(ended, Err(Error::ConnectionLost(_))), "{ended:?}");
            eventually::<R>(|| server.connections() == 0).await;
            drop(gate);
            for _ in 0..4 {
                assert!(told.recv().await.unwrap(), "a call that does not fail");
            }
            server.shutdown(Duration::from_secs(10)).await;
        })
        .await;
    }
}

/// The handler says goodbye under the layer, in the end of its handshake if it was not over.
async fn a_shutdown_ends_a_read_under_a_layer<R: Runtime>() {
    for has_greeted in [false, true] {
        in_time::<R>(async {
            let (tell, reads) = bounded::<()>(1);
            let handler = move |reader: Reader<R>, writer: Writer<R>| {
                let tell = tell.clone();
                async move {
                    let mut stream = secured::<R>(reader, writer).await?;
                    if has_greeted {
                        stream.open().await?;
                    }
                    tell.send(()).await.unwrap();
                    assert_eq!(stream.reader.read_line().await?, "");
                    assert!(stream.reader.is_shutting_down());
                    stream.writer.write(b"421 shutting down\n")
                }
            };
            let (server, mut client) = start::<R, _, _>(handler, &ServerOptions::new()).await;
            client.put_layer(Toy::client()).await.unwrap();
            if has_greeted {
                client.open().await.unwrap();
            }
            reads.recv().await.unwrap();
            // It waits by then.
            R::sleep(Duration::from_millis(10)).await;
            let saying_goodbye = async {
                let reader = &mut client.reader;
                assert_eq!(reader.read_line().await.unwrap(), "421 shutting down\n");
                assert_eq!(reader.read_line().await.unwrap(), "");
                client.writer.close().await.unwrap();
                drop(client);
            };
            zip(shut_down_in_order(server), saying_goodbye).await;
        })
        .await;
    }
}

/// The peer's first flight is no input that the server may discard.
async fn the_end_of_a_handler_ends_an_unfinished_handshake_first<R: Runtime>() {
    in_time::<R>(async {
        let handler = async |reader: Reader<R>, writer: Writer<R>| {
            let mut stream = secured::<R>(reader, writer).await?;
            stream.writer.write(b"last words\n")
        };
        let (server, mut client) = start::<R, _, _>(handler, &ServerOptions::new()).await;
        R::sleep(Duration::from_millis(10)).await;
        client.put_layer(Toy::client()).await.unwrap();
        let reader = &mut client.reader;
        assert_eq!(reader.read_line().await.unwrap(), "last words\n");
        assert_eq!(reader.read_line().await.unwrap(), "");
        drop(client);
        shut_down_in_order(server).await;
    })
    .await;
}

/// A handler gives its connection up to one owner, with the layer.
async fn a_pair_under_a_layer_is_taken_over_from_its_server<R: Runtime>() {
    in_time::<R>(async {
        let (give, taken) = bounded(1);
        let handler = move |reader: Reader<R>, writer: Writer<R>| {
            let give = give.clone();
            async move {
                let mut stream = secured::<R>(reader, writer).await?;
                assert_eq!(stream.reader.read_line().await?, "one\n");
                stream.writer.write(b"two\n")?;
                give.send(stream.into_parts()?).await.unwrap();
                Ok::<_, Error>(())
            }
        };
        let (server, mut client) = start::<R, _, _>(handler, &ServerOptions::new()).await;
        client.put_layer(Toy::client()).await.unwrap();
        client.writer.write(b"one\n").unwrap();
        let (going_on, has_read) = (
            async {
                let parts = taken.recv().await.unwrap();
                shut_down_in_order(server).await;
                let mut connection =
                    Connection::from_parts(parts, &plimsoll_io::StreamOptions::new());
                connection
                    .write_with(|writer| writer.write(b"three\n"))
                    .unwrap();
                connection.close().await.unwrap();
            },
            async {
                let reader = &mut client.reader;
                assert_eq!(reader.read_line().await.unwrap(), "two\n");
                assert_eq!(reader.read_line().await.unwrap(), "three\n");
                assert_eq!(reader.read_line().await.unwrap(), "");
            },
        );
        zip(going_on, has_read).await;
    })
    .await;
}

on_each_runtime!([
    a_layer_is_put_in_place_in_a_handler_of_pairs
    the_halves_of_a_handler_are_in_two_tasks_under_the_layer
    a_record_that_comes_slowly_is_not_idle
    a_reply_of_the_layer_leaves_while_the_handler_waits_for_something_else
    a_peer_that_never_greets_is_ended_by_the_idle_timeout
    a_shutdown_ends_a_read_under_a_layer
    the_end_of_a_handler_ends_an_unfinished_handshake_first
    a_pair_under_a_layer_is_taken_over_from_its_server
]);
