//! What the server does as a party of its own, on every runtime: what it tells handlers, what it
//! keeps of them, and how it ends.

use std::future::{Future, pending};
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::panic::panic_any;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use io_test_support::on_each_runtime;
use io_test_support::servers::{connect, eventually, start};
use plimsoll_io::{
    Connection, DuplexStream, Error, Listener, Runtime, Server, ServerError, ServerOptions,
    StreamPair, StreamReader, StreamWriter, Transport, duplex,
};
use socket2::SockRef;

type Result<T, E = Error> = std::result::Result<T, E>;

/// A waker, of which can be told how many there are.
struct Counted;

impl Wake for Counted {
    fn wake(self: Arc<Self>) {}
}

/// Of a wait that is given up nothing is left.
async fn a_wait_that_is_given_up_leaves_no_waker<R: Runtime>() {
    let (server, _) = start::<R, _, _>(async |_, _| {}, &ServerOptions::new()).await;
    let counted = Arc::new(Counted);
    let waker = Waker::from(Arc::clone(&counted));
    let mut cx = Context::from_waker(&waker);
    for _ in 0..10 {
        assert!(pin!(server.serve_forever()).poll(&mut cx).is_pending());
        assert!(pin!(server.wait_closed()).poll(&mut cx).is_pending());
    }
    // This one, and the one here.
    assert_eq!(Arc::strong_count(&counted), 2);
    server.close();
    server.wait_closed().await;
}

/// As in asyncio.
async fn a_server_that_is_dropped_goes_on_serving<R: Runtime>() {
    let greet = async |_, mut writer: StreamWriter<R::Tcp>| writer.write(b"hello\n");
    let (server, address) = start::<R, _, _>(greet, &ServerOptions::new()).await;
    drop(server);
    for _ in 0..3 {
        let mut all = String::new();
        connect(address).read_to_string(&mut all).unwrap();
        assert_eq!(all, "hello\n");
    }
}

/// Accepts one transport, once it may.
struct Once<T>(Mutex<Option<T>>, smol::channel::Receiver<()>);

impl<T: Transport> Listener for Once<T> {
    type Transport = T;

    async fn accept(&self) -> io::Result<T> {
        let _ = self.1.recv().await;
        let accepted = self.0.lock().unwrap().take();
        match accepted {
            Some(transport) => Ok(transport),
            None => pending().await,
        }
    }
}

/// One that has no place yet is aborted, too.
async fn an_abort_of_all_reaches_what_has_no_place_yet<R: Runtime>() {
    for aborts in [false, true] {
        let (clients, accepted): (Vec<_>, Vec<_>) = (0..2).map(|_| duplex(100)).unzip();
        let (gate, may_accept) = smol::channel::bounded::<()>(1);
        let once = |one| Once(Mutex::new(Some(one)), may_accept.clone());
        let listeners = accepted.into_iter().map(once);
        let waits = async |mut reader: StreamReader<DuplexStream>,
                           _: StreamWriter<DuplexStream>| {
            reader.read_line().await.map(drop)
        };
        let options = ServerOptions::new().max_connections(1);
        let server = Server::<R>::serve(listeners.collect(), waits, &options);
        // Both wait to accept, and there is room for one of them.
        R::sleep(Duration::from_millis(10)).await;
        drop(gate);
        eventually::<R>(|| server.connections() == 1).await;
        R::sleep(Duration::from_millis(10)).await;
        server.close();
        if aborts {
            server.abort_clients()
        } else {
            server.close_clients()
        }
        server.wait_closed().await;
        for client in clients {
            let mut client = StreamPair::new(client);
            let ended = client.reader.read_line().await.map(|line| line.is_empty());
            if aborts {
                assert!(matches!(ended, Err(Error::ConnectionLost(_))), "{ended:?}")
            } else {
                assert!(matches!(ended, Ok(true)), "{ended:?}")
            }
        }
    }
}

/// The system has told its address with the connection.
async fn a_peer_that_was_gone_when_it_was_accepted_has_an_address<R: Runtime>() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = connect(listener.local_addr().unwrap());
    let address = client.local_addr().unwrap();
    SockRef::from(&client)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(client);
    let (sender, told) = smol::channel::unbounded();
    let options = ServerOptions::new().on_error(move |error| {
        let ServerError::Failed { peer, .. } = error else {
            panic!("{error}");
        };
        sender.try_send(*peer).unwrap();
    });
    let reads = async |mut reader: StreamReader<R::Tcp>, _: StreamWriter<R::Tcp>| {
        reader.read_line().await.map(drop)
    };
    listener.set_nonblocking(true).unwrap();
    let listeners = vec![R::tcp_listener(listener).unwrap()];
    let server = Server::<R>::serve(listeners, reads, &options);
    assert_eq!(told.recv().await.unwrap(), Some(address));
    server.close();
}

/// A handler tells a shutdown from its peer's end, and can wait for it.
async fn a_handler_hears_of_a_shutdown<R: Runtime>() {
    let says_goodbye = async |mut reader: StreamReader<R::Tcp>,
                              mut writer: StreamWriter<R::Tcp>| {
        let is_end = reader.read_line().await?.is_empty();
        writer.write(if is_end && reader.is_shutting_down() {
            &b"421 shutting down\n"[..]
        } else {
            &b"500 what?\n"[..]
        })
    };
    let waits = async |_: StreamReader<R::Tcp>, mut writer: StreamWriter<R::Tcp>| {
        assert!(!writer.is_shutting_down());
        writer.shutting_down().await;
        writer.write(b"421 shutting down\n")
    };
    let (one, first) = start::<R, _, _>(says_goodbye, &ServerOptions::new()).await;
    let (other, second) = start::<R, _, _>(waits, &ServerOptions::new()).await;
    let owns = async |mut connection: Connection<R::Tcp>| {
        connection.shutting_down().await;
        connection.write_with(|writer| writer.write(b"421 shutting down\n"))
    };
    let options = ServerOptions::new();
    let third = Server::<R>::start_connections(owns, &["127.0.0.1"], 0, &options);
    let third = third.await.unwrap();
    for (server, address) in [
        (&one, first),
        (&other, second),
        (&third, third.local_addrs()[0]),
    ] {
        let mut client = connect(address);
        eventually::<R>(|| server.connections() == 1).await;
        R::sleep(Duration::from_millis(10)).await;
        let shutdown = server.shutdown(Duration::from_secs(20)).await;
        assert_eq!(shutdown.aborted, 0);
        let mut reply = String::new();
        client.read_to_string(&mut reply).unwrap();
        assert_eq!(reply, "421 shutting down\n");
    }
}

/// However a connection was made.
async fn nagles_algorithm_is_off<R: Runtime>()
where
    <R::Tcp as Transport>::Write: AsSystemSocket,
{
    let is_off = |writer: &StreamWriter<R::Tcp>| {
        writer
            .with_transport(|half| SockRef::from(half).tcp_nodelay().unwrap())
            .unwrap()
    };
    for nodelay in [true, false] {
        let (sender, seen) = smol::channel::unbounded();
        let handler = move |_: StreamReader<R::Tcp>, writer: StreamWriter<R::Tcp>| {
            sender.try_send(is_off(&writer)).unwrap();
            async {}
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let listeners = vec![R::tcp_listener(listener).unwrap()];
        let options = ServerOptions::new().nodelay(nodelay);
        let server = Server::<R>::serve(listeners, handler, &options);
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        socket.set_nonblocking(true).unwrap();
        let client = R::connect(socket.into(), address).await.unwrap();
        assert_eq!(seen.recv().await.unwrap(), nodelay);
        let client = StreamPair::new(client);
        assert!(is_off(&client.writer));
        server.close();
    }
}

#[cfg(unix)]
use std::os::fd::AsFd as AsSystemSocket;
#[cfg(windows)]
use std::os::windows::io::AsSocket as AsSystemSocket;

/// It is no longer the server's.
async fn a_pair_that_was_taken_over_frees_its_place<R: Runtime>() {
    let (sender, taken) = smol::channel::unbounded();
    let handler = move |reader: StreamReader<R::Tcp>, writer: StreamWriter<R::Tcp>| {
        let sender = sender.clone();
        async move {
            let stream = StreamPair::reunite(reader, writer).unwrap();
            let parts = stream.into_parts().unwrap();
            sender.send(parts).await.unwrap();
            pending::<()>().await;
        }
    };
    let (server, address) = start::<R, _, _>(handler, &ServerOptions::new()).await;
    let mut client = connect(address);
    let parts = taken.recv().await.unwrap();
    assert_eq!(server.connections(), 0);
    let shutdown = server.shutdown(Duration::from_secs(20)).await;
    assert_eq!(shutdown.aborted, 0);
    let mut stream = StreamPair::new(parts.transport);
    stream.writer.write(b"still here\n").unwrap();
    stream.writer.close().await.unwrap();
    let mut all = String::new();
    client.read_to_string(&mut all).unwrap();
    assert_eq!(all, "still here\n");
}

/// Half an answer is none.
async fn a_panic_of_a_handler_is_no_clean_end<R: Runtime>() {
    let panics = async |_: StreamReader<R::Tcp>, mut writer: StreamWriter<R::Tcp>| -> Result<()> {
        writer.write(b"half an ans")?;
        writer.drain().await?;
        panic!("in the middle of it");
    };
    let (server, address) = start::<R, _, _>(panics, &ServerOptions::new()).await;
    let mut client = connect(address);
    let ended = client.read_to_end(&mut Vec::new());
    assert!(ended.is_err(), "{ended:?}");
    eventually::<R>(|| server.statistics().panicked == 1).await;
    server.close();
}

/// What panics when it is dropped, as an error and as what a panic carries.
#[derive(Debug, thiserror::Error)]
#[error("fragile")]
struct Fragile;

impl Drop for Fragile {
    fn drop(&mut self) {
        panic!("when it is dropped");
    }
}

async fn what_panics_when_it_is_dropped_ends_its_connection_only<R: Runtime>() {
    let handler = async |mut reader: StreamReader<R::Tcp>, _: StreamWriter<R::Tcp>| match reader
        .read_line()
        .await
        .unwrap()[0]
    {
        b'e' => Err(Fragile),
        b'p' => panic_any(Fragile),
        _ => Ok(()),
    };
    for tells in [false, true] {
        let options = if tells {
            ServerOptions::new().on_error(|_| panic_any(Fragile))
        } else {
            ServerOptions::new()
        };
        let (server, address) = start::<R, _, _>(handler, &options).await;
        for line in ["error\n", "panic\n", "\n"] {
            let mut client = connect(address);
            client.write_all(line.as_bytes()).unwrap();
            let _ = client.read_to_end(&mut Vec::new());
            eventually::<R>(|| server.connections() == 0).await;
        }
        let statistics = server.statistics();
        assert_eq!((statistics.failed, statistics.panicked), (1, 1));
        server.close();
        server.wait_closed().await;
    }
}

on_each_runtime!([
    a_wait_that_is_given_up_leaves_no_waker
    a_server_that_is_dropped_goes_on_serving
    an_abort_of_all_reaches_what_has_no_place_yet
    a_peer_that_was_gone_when_it_was_accepted_has_an_address
    a_handler_hears_of_a_shutdown
    nagles_algorithm_is_off
    a_pair_that_was_taken_over_frees_its_place
    a_panic_of_a_handler_is_no_clean_end
    what_panics_when_it_is_dropped_ends_its_connection_only
]);
