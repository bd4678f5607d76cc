//! What ends a connection of a server, and how long that takes, where handler, server and peer each
//! have a say, on every runtime.

use std::future::pending;
use std::io::Read;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use bytes::Bytes;
use io_test_support::on_each_runtime;
use io_test_support::servers::{LIMIT, connect, eventually, start};
use plimsoll_io::{Connection, Error, Runtime, Server, ServerOptions, StreamReader, StreamWriter};

/// More than the system buffers for one connection.
const MUCH: usize = 32 << 20;

const SHORT: Duration = Duration::from_millis(50);

/// Returns what has come within a short time.
async fn within_a_short_time<R: Runtime>(client: &mut std::net::TcpStream) -> usize {
    R::sleep(SHORT).await;
    client.set_nonblocking(true).unwrap();
    let (mut room, mut count) = (vec![0; 1 << 20], 0);
    while let Ok(received @ 1..) = client.read(&mut room) {
        count += received;
    }
    client.set_nonblocking(false).unwrap();
    count
}

/// The server was sending when the handler corked, and the transport has room again.
async fn a_cork_holds_when_the_peer_reads<R: Runtime>() {
    let (corked, is_corked) = smol::channel::unbounded();
    let (uncork, may_uncork) = smol::channel::bounded::<()>(1);
    let handler = move |_: StreamReader<R::Tcp>, mut writer: StreamWriter<R::Tcp>| {
        let (corked, may_uncork) = (corked.clone(), may_uncork.clone());
        async move {
            writer.set_max_pending(2 * MUCH);
            writer.write(&vec![b'x'; MUCH]).unwrap();
            // The server sends what the system takes.
            R::sleep(SHORT).await;
            writer.cork();
            corked.send(writer.pending()).await.unwrap();
            let _ = may_uncork.recv().await;
            writer.uncork();
            pending::<()>().await;
        }
    };
    let (server, address) = start::<R, _, _>(handler, &ServerOptions::new()).await;
    let mut client = connect(address);
    let pending = is_corked.recv().await.unwrap();
    let sent = MUCH - pending;
    let mut received = 0;
    while received < sent {
        received += within_a_short_time::<R>(&mut client).await;
    }
    assert_eq!(received + within_a_short_time::<R>(&mut client).await, sent);
    drop(uncork);
    client.read_exact(&mut vec![0; MUCH - sent]).unwrap();
    server.shutdown(Duration::ZERO).await;
}

/// A cork holds output back, not its end.
async fn a_close_of_all_sends_what_is_corked<R: Runtime>() {
    let (corked, is_corked) = smol::channel::unbounded();
    let told = corked.clone();
    let of_pair = move |_: StreamReader<R::Tcp>, mut writer: StreamWriter<R::Tcp>| {
        let corked = corked.clone();
        async move {
            writer.cork();
            writer.write(b"last words").unwrap();
            corked.send(()).await.unwrap();
            pending::<()>().await;
        }
    };
    let of_owner = move |mut connection: Connection<R::Tcp>| {
        let corked = told.clone();
        async move {
            connection.cork();
            connection
                .write_with(|writer| writer.write(b"last words"))
                .unwrap();
            corked.send(()).await.unwrap();
            pending::<()>().await;
        }
    };
    let options = ServerOptions::new();
    let pairs = Server::<R>::start(of_pair, &["127.0.0.1"], 0, &options);
    let owners = Server::<R>::start_connections(of_owner, &["127.0.0.1"], 0, &options);
    for server in [pairs.await.unwrap(), owners.await.unwrap()] {
        let mut client = connect(server.local_addrs()[0]);
        is_corked.recv().await.unwrap();
        server.close_clients();
        let mut all = String::new();
        client.read_to_string(&mut all).unwrap();
        assert_eq!(all, "last words");
        server.shutdown(Duration::ZERO).await;
    }
}

/// The handler's limit holds while it waits for the close, the server's once it has ended.
async fn a_handlers_limit_for_a_close_takes_the_place_of_the_servers<R: Runtime>() {
    const LONG: Duration = Duration::from_millis(400);
    const HOUR: Duration = Duration::from_secs(3600);
    for waits in [true, false] {
        let handler = move |mut reader: StreamReader<R::Tcp>, mut writer: StreamWriter<R::Tcp>| async move {
            assert!(reader.read_line().await.unwrap().is_empty());
            writer.set_max_pending(2 * MUCH);
            writer.write(&vec![b'x'; MUCH]).unwrap();
            let close = writer.close_timeout(if waits { LONG } else { HOUR });
            if waits {
                assert!(matches!(close.await, Err(Error::ConnectionLost(_))));
            } else {
                smol::future::or(async { drop(close.await) }, R::sleep(SHORT)).await;
            }
        };
        let options = ServerOptions::new().close_timeout(SHORT);
        let (server, address) = start::<R, _, _>(handler, &options).await;
        let began = Instant::now();
        let client = connect(address);
        client.shutdown(Shutdown::Write).unwrap();
        eventually::<R>(|| server.statistics().accepted == 1).await;
        eventually::<R>(|| server.connections() == 0).await;
        assert!(!waits || began.elapsed() >= LONG);
        server.shutdown(Duration::ZERO).await;
    }
}

/// The peer has its reply, and keeps its side open.
async fn a_server_need_not_linger<R: Runtime>() {
    let options = ServerOptions::new()
        .linger_timeout(Duration::ZERO)
        .max_connections(1);
    let greet = async |_, mut writer: StreamWriter<R::Tcp>| writer.write(b"hello\n");
    let (server, address) = start::<R, _, _>(greet, &options).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = connect(address);
        let mut all = String::new();
        client.read_to_string(&mut all).unwrap();
        assert_eq!(all, "hello\n");
        clients.push(client);
    }
    let shutdown = server.shutdown(LIMIT).await;
    assert_eq!((shutdown.aborted, shutdown.lingering), (0, 0));
}

/// The owner of bytes that panics when it is dropped.
struct Fragile(Vec<u8>);

impl AsRef<[u8]> for Fragile {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        panic!("when it is dropped");
    }
}

/// The party that leaves last drops pending output.
async fn output_that_panics_when_it_is_dropped_ends_its_connection_only<R: Runtime>() {
    for stays in [false, true] {
        let handler = move |_: StreamReader<R::Tcp>, mut writer: StreamWriter<R::Tcp>| async move {
            writer.set_max_pending(2 * MUCH);
            let fragile = Bytes::from_owner(Fragile(vec![b'x'; MUCH]));
            writer.write_bytes(fragile).unwrap();
            if stays { writer.flush().await } else { Ok(()) }
        };
        let (server, address) = start::<R, _, _>(handler, &ServerOptions::new()).await;
        for count in 1..=3 {
            let client = connect(address);
            eventually::<R>(|| server.statistics().accepted == count).await;
            R::sleep(Duration::from_millis(10)).await;
            server.abort_clients();
            eventually::<R>(|| server.connections() == 0).await;
            drop(client);
        }
        server.close();
        server.wait_closed().await;
    }
}

on_each_runtime!([
    a_close_of_all_sends_what_is_corked
    a_handlers_limit_for_a_close_takes_the_place_of_the_servers
    a_server_need_not_linger
    output_that_panics_when_it_is_dropped_ends_its_connection_only
]);

// A handler on a thread sends in its own calls.
on_each_runtime!(
    awaited_on_tokio,
    plimsoll_io::tokio::Tokio,
    io_test_support::runtimes::run_tokio,
    [a_cork_holds_when_the_peer_reads]
);
on_each_runtime!(
    awaited_on_smol,
    plimsoll_io::smol::Smol,
    ::smol::block_on,
    [a_cork_holds_when_the_peer_reads]
);
on_each_runtime!(
    awaited_on_async_std,
    plimsoll_io::async_std::AsyncStd,
    ::async_std::task::block_on,
    [a_cork_holds_when_the_peer_reads]
);
