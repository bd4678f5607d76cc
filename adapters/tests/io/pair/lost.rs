//! How a connection was lost, asked of its halves without a read or a write, on every runtime.

use std::io::{ErrorKind, Write};
use std::net::TcpListener;
use std::time::Duration;

use io_test_support::on_each_runtime;
use plimsoll_io::{
    ConnectOptions, ConnectionError, ConnectionLost, Error, Runtime, StreamPair, blocking,
};
use socket2::SockRef;

/// A client, and a peer that is a socket of the system's.
async fn client_and_peer<R: Runtime>() -> (StreamPair<R::Tcp>, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let options = ConnectOptions::new();
    let opened = options.open_connection::<R>("127.0.0.1", port).await;
    let (reader, writer) = opened.unwrap();
    let stream = StreamPair::reunite(reader, writer).unwrap();
    (stream, listener.accept().unwrap().0)
}

fn reset(peer: std::net::TcpStream) {
    let linger = Some(Duration::ZERO);
    SockRef::from(&peer).set_linger(linger).unwrap();
}

fn kind_and_cause(lost: Option<ConnectionLost>) -> (ConnectionError, Option<ErrorKind>) {
    let lost = lost.expect("a loss");
    (lost.kind, lost.cause.map(|cause| cause.kind()))
}

async fn both_halves_say_how_the_connection_was_lost<R: Runtime>() {
    const RESET: (ConnectionError, Option<ErrorKind>) =
        (ConnectionError::Reset, Some(ErrorKind::ConnectionReset));
    // A read meets it, after the end of this side or before.
    for finishes in [false, true] {
        let (mut stream, mut peer) = client_and_peer::<R>().await;
        peer.write_all(b"last words\n").unwrap();
        if finishes {
            stream.writer.finish().await.unwrap();
        }
        assert_eq!(stream.reader.read_line().await.unwrap(), "last words\n");
        assert!(stream.reader.lost().is_none());
        assert!(stream.writer.lost().is_none());
        reset(peer);
        let failed = stream.reader.read_line().await.unwrap_err();
        assert!(matches!(failed, Error::ConnectionLost(_)), "{failed:?}");
        assert_eq!(kind_and_cause(stream.reader.lost()), RESET);
        assert_eq!(kind_and_cause(stream.writer.lost()), RESET, "{finishes}");
    }
    // A write meets it, and nothing is read.
    let (mut stream, mut peer) = client_and_peer::<R>().await;
    peer.write_all(b"last words\n").unwrap();
    reset(peer);
    let written = loop {
        stream.writer.write(b"more").unwrap();
        if let Err(error) = stream.writer.flush().await {
            break error;
        }
    };
    assert!(matches!(written, Error::ConnectionLost(_)), "{written:?}");
    let by_write = kind_and_cause(stream.writer.lost());
    assert_eq!(kind_and_cause(stream.reader.lost()), by_write);

    // An abort has no cause.
    let (mut stream, _peer) = client_and_peer::<R>().await;
    stream.writer.abort();
    let aborted = (ConnectionError::Aborted, None);
    assert_eq!(kind_and_cause(stream.reader.lost()), aborted);
    assert_eq!(kind_and_cause(stream.writer.lost()), aborted);

    // An end in order is no loss.
    let (mut stream, peer) = client_and_peer::<R>().await;
    stream.writer.close().await.unwrap();
    drop(peer);
    assert!(stream.reader.read_line().await.unwrap().is_empty());
    assert!(stream.reader.lost().is_none());
    assert!(stream.writer.lost().is_none());
}

/// While the other half waits in another task.
async fn a_half_is_asked_while_the_other_waits<R: Runtime>() {
    let (stream, peer) = client_and_peer::<R>().await;
    let (mut reader, writer) = stream.split();
    let (sender, read) = smol::channel::bounded(1);
    R::spawn(async move {
        let failed = reader.read_line().await.map(drop).unwrap_err();
        sender.send((failed, reader)).await.unwrap();
    })
    .unwrap();
    R::sleep(Duration::from_millis(10)).await;
    assert!(writer.lost().is_none());
    reset(peer);
    let (failed, reader) = read.recv().await.unwrap();
    assert!(matches!(failed, Error::ConnectionLost(_)), "{failed:?}");
    assert_eq!(kind_and_cause(reader.lost()), kind_and_cause(writer.lost()));
}

#[test]
fn blocking_halves_say_how_the_connection_was_lost() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (mut reader, mut writer) = blocking::open_connection("127.0.0.1", port).unwrap();
    let peer = listener.accept().unwrap().0;
    assert!(reader.lost().is_none() && writer.lost().is_none());
    reset(peer);
    assert!(reader.read_line().is_err());
    let (kind, _) = kind_and_cause(reader.lost());
    assert_eq!(kind, ConnectionError::Reset);
    assert_eq!(kind_and_cause(writer.lost()).0, kind);
    assert!(writer.write(b"late").is_err());
}

on_each_runtime!([
    both_halves_say_how_the_connection_was_lost
    a_half_is_asked_while_the_other_waits
]);
