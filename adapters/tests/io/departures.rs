//! The departures of streams and servers from asyncio that no other test shows. `docs/asyncio.md` names
//! the test of each.
#![cfg(feature = "smol")]

use std::io::{self, Read};
use std::net::TcpListener;
use std::pin::pin;
use std::sync::mpsc;
use std::time::Duration;

use io_test_support::pair;
use plimsoll_io::smol::{StreamReader, StreamWriter, open_connection, start_server};
use plimsoll_io::{ConnectionError, Error, StreamPair};
use smol::block_on;
use smol::future::poll_once;

#[test]
fn a_write_is_not_sent_behind_the_callers_back() {
    block_on(async {
        let (mut here, mut there) = pair(100);
        here.writer.write(b"queued\n").unwrap();
        assert!(poll_once(there.reader.read_line()).await.is_none());
        assert_eq!(here.writer.pending(), 7);
        // A read that has to wait sends it first.
        assert!(poll_once(here.reader.read_line()).await.is_none());
        assert_eq!(here.writer.pending(), 0);
        assert_eq!(there.reader.read_line().await.unwrap(), "queued\n");
    });
}

#[test]
fn reading_goes_on_behind_a_close() {
    block_on(async {
        let (mut here, mut there) = pair(100);
        here.writer.close().await.unwrap();
        assert!(there.reader.read_line().await.unwrap().is_empty());
        there.writer.write(b"last words\n").unwrap();
        there.writer.close().await.unwrap();
        assert_eq!(here.reader.read_line().await.unwrap(), "last words\n");
        assert!(here.reader.read_line().await.unwrap().is_empty());
    });
}

#[test]
fn a_writer_that_has_finished_is_closing() {
    block_on(async {
        let (mut here, _there) = pair(100);
        assert!(!here.writer.is_closing());
        here.writer.finish().await.unwrap();
        assert!(here.writer.is_closing());
    });
}

#[test]
fn a_writer_that_is_dropped_with_bytes_pending_resets_the_connection() {
    block_on(async {
        let (mut here, mut there) = pair(100);
        here.writer.write(b"never sent").unwrap();
        drop(here);
        let lost = there.reader.read(100).await;
        assert!(
            matches!(lost, Err(Error::ConnectionLost(lost)) if lost.kind == ConnectionError::Reset)
        );

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (reader, mut writer) = open_connection("127.0.0.1", port).await.unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        writer.write(b"never sent").unwrap();
        drop((reader, writer));
        let lost = peer.read(&mut [0; 100]).unwrap_err();
        assert_eq!(lost.kind(), io::ErrorKind::ConnectionReset);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn the_peers_address_goes_with_the_connection() {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (mut reader, writer) = open_connection("127.0.0.1", address.port()).await.unwrap();
        assert_eq!(writer.peer_addr().unwrap(), address);
        let (peer, _) = listener.accept().unwrap();
        let peer = socket2::Socket::from(peer);
        peer.set_linger(Some(Duration::ZERO)).unwrap();
        drop(peer);
        assert!(matches!(
            reader.read(1).await,
            Err(Error::ConnectionLost(_))
        ));
        let gone = writer.peer_addr().unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::NotConnected);
    });
}

#[test]
fn a_server_that_is_not_waited_for_any_longer_goes_on() {
    async fn greet(_: StreamReader, mut writer: StreamWriter) {
        writer.write(b"hello\n").unwrap();
    }
    block_on(async {
        let server = start_server(greet, "127.0.0.1", 0).await.unwrap();
        assert!(poll_once(server.serve_forever()).await.is_none());
        assert!(server.is_serving());
        let port = server.local_addrs()[0].port();
        let (mut reader, _writer) = open_connection("127.0.0.1", port).await.unwrap();
        assert_eq!(reader.read_line().await.unwrap(), "hello\n");
    });
}

/// CPython raises `RuntimeError` for the second.
#[test]
fn any_number_of_tasks_may_wait_in_serve_forever() {
    block_on(async {
        let server = start_server(async |_, _| {}, "127.0.0.1", 0).await.unwrap();
        let (mut one, mut other) = (pin!(server.serve_forever()), pin!(server.serve_forever()));
        assert!(poll_once(&mut one).await.is_none());
        assert!(poll_once(&mut other).await.is_none());
        server.close();
        one.await;
        other.await;
    });
}

/// CPython drops the write, and raises `ConnectionResetError` for the drain.
#[test]
fn after_a_close_a_write_fails_and_a_drain_does_not() {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (_reader, mut writer) = open_connection("127.0.0.1", port).await.unwrap();
        let (peer, _) = listener.accept().unwrap();
        writer.write(b"all of it").unwrap();
        writer.close().await.unwrap();
        assert_eq!(io::read_to_string(peer).unwrap(), "all of it");
        let late = io::Error::from(writer.write(b"late").unwrap_err());
        assert_eq!(late.kind(), io::ErrorKind::BrokenPipe);
        writer.drain().await.unwrap();
    });
}

#[test]
fn a_connection_that_its_handler_has_taken_apart_outlives_it() {
    let (sender, taken) = mpsc::channel();
    let take = move |reader: StreamReader, writer: StreamWriter| {
        let sender = sender.clone();
        async move {
            let stream = StreamPair::reunite(reader, writer).unwrap();
            sender.send(stream.into_parts().unwrap()).unwrap();
        }
    };
    block_on(async {
        let server = start_server(take, "127.0.0.1", 0).await.unwrap();
        let port = server.local_addrs()[0].port();
        let (mut reader, _writer) = open_connection("127.0.0.1", port).await.unwrap();
        let parts = taken.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(server.shutdown(Duration::from_secs(10)).await.aborted, 0);
        let mut stream = StreamPair::new(parts.transport);
        stream.writer.write(b"still here\n").unwrap();
        stream.writer.close().await.unwrap();
        assert_eq!(reader.read_line().await.unwrap(), "still here\n");
    });
}
