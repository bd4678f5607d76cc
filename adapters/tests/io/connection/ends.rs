//! How a server ends the connections with one owner that it has accepted, on every runtime.

use std::future::pending;
use std::io::{self, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use io_test_support::on_each_runtime;
use io_test_support::once::Once;
use io_test_support::servers::{connect, eventually};
use plimsoll::{Event, Next};
use plimsoll_io::{
    Connection, Error, Join, ReadHalf, Runtime, Server, ServerOptions, StreamOptions, Transport,
    WriteHalf,
};

type Result<T, E = Error> = std::result::Result<T, E>;

/// More than the sockets between two processes take.
const MUCH: usize = 30 << 20;

/// Runs a client that blocks, in a thread.
async fn client<R: Runtime, V: Send + 'static>(run: impl FnOnce() -> V + Send + 'static) -> V {
    let running = thread::spawn(run);
    eventually::<R>(|| running.is_finished()).await;
    running.join().unwrap()
}

/// Asks, sends more when the reply is on its way, and reads late. Returns how much came.
fn uploads(address: SocketAddr) -> io::Result<usize> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    socket.set_recv_buffer_size(4096)?;
    socket.connect(&address.into())?;
    let mut client = TcpStream::from(socket);
    client.write_all(b"go\n")?;
    thread::sleep(Duration::from_millis(100));
    client.write_all(b"the rest of an upload")?;
    thread::sleep(Duration::from_millis(100));
    client.read_to_end(&mut Vec::new())
}

/// The last reply arrives, though its peer has sent something that was not read.
async fn a_protocol_that_closes_waits_for_its_peer<R: Runtime>() {
    const REPLY: usize = 200_000;
    fn refuse(core: &mut plimsoll::Connection, _: Event) -> Result<Next> {
        if !core.reader.read_line()?.is_ready() {
            return Ok(Next::Turn);
        }
        core.writer.write(&[b'x'; REPLY])?;
        Ok(Next::Close)
    }

    let options = ServerOptions::new();
    let server = Server::<R>::start_protocol(|| refuse, &["127.0.0.1"], 0, &options);
    let server = server.await.unwrap();
    let address = server.local_addrs()[0];
    let received = client::<R, _>(move || uploads(address)).await;
    assert_eq!(received.unwrap(), REPLY);
}

/// By `Next::Close`, and by a close of its own.
async fn a_close_of_a_protocol_ends_in_time<R: Runtime>() {
    for next in [Next::Close, Next::Turn] {
        let ends = move |core: &mut plimsoll::Connection, event: Event| -> Result<Next> {
            if event == Event::Started {
                core.writer.write(&vec![b'x'; MUCH])?;
                core.close();
            }
            Ok(next)
        };
        let options = ServerOptions::new()
            .close_timeout(Duration::from_millis(50))
            .streams(StreamOptions::new().max_pending(MUCH));
        let server = Server::<R>::start_protocol(move || ends, &["127.0.0.1"], 0, &options);
        let server = server.await.unwrap();
        let reads_nothing = connect(server.local_addrs()[0]);
        eventually::<R>(|| server.statistics().unsent == 1).await;
        eventually::<R>(|| server.connections() == 0).await;
        drop(reads_nothing);
    }
}

/// It is no longer the server's, whatever comes next.
async fn a_connection_that_was_taken_over_frees_its_place<R: Runtime>() {
    let taken = Arc::new(AtomicBool::new(false));
    let is_taken = Arc::clone(&taken);
    let handler = move |connection: Connection<R::Tcp>| {
        let taken = Arc::clone(&is_taken);
        async move {
            let _parts = connection.into_parts()?;
            taken.store(true, SeqCst);
            // In the same poll.
            thread::sleep(Duration::from_millis(50));
            pending::<Result<()>>().await
        }
    };
    let options = ServerOptions::new();
    let server = Server::<R>::start_connections(handler, &["127.0.0.1"], 0, &options);
    let server = server.await.unwrap();
    let _client = connect(server.local_addrs()[0]);
    eventually::<R>(|| taken.load(SeqCst)).await;
    assert_eq!(server.connections(), 0);
    server.abort_clients();
    let shutdown = server.shutdown(Duration::from_millis(20)).await;
    assert_eq!(shutdown.aborted, 0);
    server.wait_closed().await;
}

async fn what_a_handler_aborts_is_not_unsent<R: Runtime>() {
    for in_turn in [false, true] {
        let handler = move |mut connection: Connection<R::Tcp>| async move {
            if in_turn {
                let mut turn = connection.turn().await.expect("input");
                turn.writer.write(b"half")?;
                turn.abort();
            } else {
                connection.write_with(|writer| writer.write(b"half"))?;
                connection.abort();
            }
            Ok::<(), Error>(())
        };
        let options = ServerOptions::new();
        let server = Server::<R>::start_connections(handler, &["127.0.0.1"], 0, &options);
        let server = server.await.unwrap();
        let mut client = connect(server.local_addrs()[0]);
        // Whichever meets it first: the system reports a reset once.
        let written = client.write_all(b"x");
        let ended = written.and_then(|()| client.read(&mut [0]));
        assert!(ended.is_err(), "a reset, not {ended:?}");
        eventually::<R>(|| server.connections() == 0).await;
        server.shutdown(Duration::from_secs(5)).await;
        assert_eq!(server.statistics().unsent, 0);
    }
}

/// Its owner may keep it for ever.
async fn a_closed_connection_does_not_keep_its_socket<R: Runtime>() {
    let (keeper, kept) = smol::channel::unbounded();
    let handler = move |connection: Connection<R::Tcp>| {
        let keeper = keeper.clone();
        async move { keeper.send(connection).await }
    };
    let options = ServerOptions::new().linger_timeout(Duration::from_millis(100));
    let server = Server::<R>::start_connections(handler, &["127.0.0.1"], 0, &options);
    let server = server.await.unwrap();
    let mut client = connect(server.local_addrs()[0]);
    let mut connection = kept.recv().await.unwrap();
    server.close_clients();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    // What is sent to a socket that is gone is answered by a reset.
    eventually::<R>(|| client.write_all(b"x").is_err()).await;
    eventually::<R>(|| server.connections() == 0).await;
    assert!(connection.turn().await.is_some(), "the end");
    assert!(connection.turn().await.is_none());
}

/// For longer than a server would.
async fn a_handler_that_lingers_decides_for_how_long<R: Runtime>() {
    let handler = |mut connection: Connection<R::Tcp>| async move {
        connection.close_lingering(Duration::from_secs(60)).await
    };
    let options = ServerOptions::new().linger_timeout(Duration::from_millis(50));
    let server = Server::<R>::start_connections(handler, &["127.0.0.1"], 0, &options);
    let server = server.await.unwrap();
    let mut client = connect(server.local_addrs()[0]);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    R::sleep(Duration::from_millis(500)).await;
    // Had the server gone, the first of these would be answered by a reset.
    for _ in 0..3 {
        client.write_all(b"still here").unwrap();
        R::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(server.connections(), 1);
    drop(client);
    eventually::<R>(|| server.connections() == 0).await;
}

/// Of what its peer sends a handler reads on that has only closed its writer.
async fn a_writer_that_is_closed_ends_no_reading<R: Runtime>() {
    let (sender, received) = smol::channel::unbounded();
    let handler = move |mut connection: Connection<R::Tcp>| {
        let sender = sender.clone();
        async move {
            connection.write_with(|writer| {
                writer.close();
                Ok::<_, Error>(())
            })?;
            let all = connection.read_with(|reader| {
                Ok::<_, Error>(reader.read_to_end(1000)?.map(|all| all.to_vec()))
            });
            sender.send(all.await).await.unwrap();
            Ok::<(), Error>(())
        }
    };
    let options = ServerOptions::new();
    let server = Server::<R>::start_connections(handler, &["127.0.0.1"], 0, &options);
    let server = server.await.unwrap();
    let mut client = connect(server.local_addrs()[0]);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    R::sleep(Duration::from_millis(20)).await;
    client.write_all(b"a whole body").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(received.recv().await.unwrap().unwrap(), b"a whole body");
}

/// Of a handler that has returned, and a peer that takes nothing.
async fn output_that_a_deadline_cuts_off_is_unsent<R: Runtime>() {
    for holds_turn in [false, true] {
        let (sender, is_held) = smol::channel::unbounded();
        let (goes_on, is_aborted) = smol::channel::bounded::<()>(1);
        let handler = move |mut connection: Connection<R::Tcp>| {
            let (sender, is_aborted) = (sender.clone(), is_aborted.clone());
            async move {
                let mut turn = connection.turn().await.expect("input");
                turn.writer.write(&vec![b'x'; MUCH]).unwrap();
                sender.send(()).await.unwrap();
                if holds_turn {
                    let _ = is_aborted.recv().await;
                }
            }
        };
        let options = ServerOptions::new().streams(StreamOptions::new().max_pending(MUCH));
        let server = Server::<R>::start_connections(handler, &["127.0.0.1"], 0, &options);
        let server = server.await.unwrap();
        let mut client = connect(server.local_addrs()[0]);
        client.write_all(b"x").unwrap();
        is_held.recv().await.unwrap();
        if holds_turn {
            server.abort_clients();
            R::sleep(Duration::from_millis(20)).await;
            drop(goes_on);
        } else {
            let shutdown = server.shutdown(Duration::from_millis(20)).await;
            assert_eq!(shutdown.aborted, 1);
        }
        eventually::<R>(|| server.connections() == 0).await;
        assert_eq!(server.statistics().unsent, 1, "holds a turn: {holds_turn}");
    }
}

/// A close reaches a connection of which nothing more can be sent.
async fn a_connection_whose_output_was_lost_can_be_closed<R: Runtime>() {
    let (keeper, kept) = smol::channel::unbounded();
    let handler = move |connection: Connection<Join<Silent, Broken>>| {
        let keeper = keeper.clone();
        async move { keeper.send(connection).await }
    };
    let transport = Join::new(Silent, Broken);
    let options = ServerOptions::new();
    let server = Server::<R>::serve_connections(vec![Once::new(transport)], handler, &options);
    let mut connection = kept.recv().await.unwrap();
    connection.write_with(|writer| writer.write(b"x")).unwrap();
    assert!(connection.flush().await.is_err());
    server.close_clients();
    eventually::<R>(|| server.connections() == 0).await;
}

/// A write half whose peer reads no more.
struct Broken;

impl WriteHalf for Broken {
    fn poll_write(&mut self, _: &mut Context<'_>, _: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
    }
}

/// A read half on which nothing comes.
struct Silent;

impl ReadHalf for Silent {
    fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }
}

/// A transport that is opened late, once it has given up waiting, and notes what it was asked
/// before.
struct Late {
    has_given_up: bool,
    is_open: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<&'static str>>>,
}

impl Late {
    fn note<V>(&self, what: &'static str, answer: V) -> Poll<io::Result<V>> {
        if !self.is_open.load(SeqCst) {
            self.asked.lock().unwrap().push(what);
        }
        Poll::Ready(Ok(answer))
    }
}

impl WriteHalf for Late {
    fn poll_write(&mut self, _: &mut Context<'_>, _: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.note("write", 1)
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.note("flush", ())
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.note("shutdown", ())
    }

    fn holds_back(&self) -> bool {
        !self.is_open.load(SeqCst)
    }
}

impl Transport for Late {
    type Read = Silent;
    type Write = Self;

    fn split(self) -> (Silent, Self) {
        (Silent, self)
    }

    fn reunite(_: Silent, write: Self) -> Self {
        write
    }

    fn poll_open(_: &mut Silent, write: &mut Self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if write.is_open.load(SeqCst) {
            return Poll::Ready(Ok(()));
        }
        if !std::mem::replace(&mut write.has_given_up, true) {
            return Poll::Ready(Err(io::ErrorKind::WouldBlock.into()));
        }
        let (is_open, waker) = (Arc::clone(&write.is_open), cx.waker().clone());
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            is_open.store(true, SeqCst);
            waker.wake();
        });
        Poll::Pending
    }
}

async fn nothing_is_asked_of_a_transport_before_it_is_open<R: Runtime>() {
    for closes in [false, true] {
        let (is_open, asked) = (Arc::default(), Arc::default());
        let transport = Late {
            has_given_up: false,
            is_open: Arc::clone(&is_open),
            asked: Arc::clone(&asked),
        };
        let handler = async |connection: Connection<Late>| drop(connection);
        let options = ServerOptions::new();
        let server = Server::<R>::serve_connections(vec![Once::new(transport)], handler, &options);
        eventually::<R>(|| server.connections() == 1).await;
        if closes {
            server.close_clients();
        }
        eventually::<R>(|| server.connections() == 0).await;
        assert_eq!(server.statistics().failed, u64::from(closes));
        assert!(
            asked.lock().unwrap().is_empty(),
            "closes: {closes}, {asked:?}"
        );
    }
}

/// A write half that panics.
struct Fragile;

impl WriteHalf for Fragile {
    fn poll_write(&mut self, _: &mut Context<'_>, _: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        panic!("a transport's");
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

async fn a_panic_of_the_transport_counts_as_the_handlers<R: Runtime>() {
    for by_handler in [false, true] {
        let told = Arc::new(Mutex::new(0));
        let tell = Arc::clone(&told);
        let options = ServerOptions::new().on_error(move |_| *tell.lock().unwrap() += 1);
        let handler = move |mut connection: Connection<_>| async move {
            connection.write_with(|writer| writer.write(b"x"))?;
            if by_handler {
                connection.flush().await?;
            }
            connection
                .read_with(|reader| Ok::<_, Error>(reader.read_exact(1)?.map(drop)))
                .await
        };
        let transport = Join::new(Silent, Fragile);
        let server = Server::<R>::serve_connections(vec![Once::new(transport)], handler, &options);
        eventually::<R>(|| server.statistics().panicked == 1).await;
        eventually::<R>(|| server.connections() == 0).await;
        assert_eq!(server.statistics().failed, 0);
        assert_eq!(*told.lock().unwrap(), 1);
    }
}

/// The frames of a handler that blocks, of which a whole run is one poll.
#[test]
fn a_connection_that_was_taken_over_on_a_thread_frees_its_place() {
    use plimsoll_io::blocking;

    let (ends, end) = smol::channel::bounded::<()>(1);
    let handler = move |connection: blocking::Connection| {
        let _parts = connection.into_parts()?;
        let _ = end.recv_blocking();
        Ok::<(), Error>(())
    };
    let server =
        blocking::Server::start_connections(handler, &["127.0.0.1"], 0, &ServerOptions::new())
            .unwrap();
    let _client = connect(server.local_addrs()[0]);
    let counted = || (server.statistics().accepted, server.connections());
    blocking::block_on(eventually::<blocking::Blocking>(|| counted() == (1, 0)));
    let shutdown = server.shutdown(Duration::from_millis(20));
    assert_eq!(shutdown.aborted, 0);
    drop(ends);
}

on_each_runtime!([
    a_protocol_that_closes_waits_for_its_peer
    a_close_of_a_protocol_ends_in_time
    a_connection_that_was_taken_over_frees_its_place
    what_a_handler_aborts_is_not_unsent
    a_closed_connection_does_not_keep_its_socket
    a_handler_that_lingers_decides_for_how_long
    a_writer_that_is_closed_ends_no_reading
    output_that_a_deadline_cuts_off_is_unsent
    a_connection_whose_output_was_lost_can_be_closed
    nothing_is_asked_of_a_transport_before_it_is_open
    a_panic_of_the_transport_counts_as_the_handlers
]);
