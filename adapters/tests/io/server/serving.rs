//! The server, on every runtime: errors of a connection never end it, and it always ends in time.
#![cfg(all(
    feature = "tokio",
    feature = "async-std",
    feature = "smol",
    feature = "blocking"
))]

use std::future::{Future, pending};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use io_test_support::servers::{self, connect, eventually};
use io_test_support::{allow_descriptors, answer_lines};
use plimsoll_io::async_std::AsyncStd;
use plimsoll_io::blocking::Blocking;
use plimsoll_io::smol::Smol;
use plimsoll_io::tokio::Tokio;
use plimsoll_io::{
    ConnectError, ConnectOptions, DuplexStream, Error, Listener, Runtime, Server, ServerError,
    ServerOptions, StreamOptions, StreamReader, StreamWriter, Transport, duplex,
};

const LOCALHOST: &[&str] = &["127.0.0.1"];

/// Options of a server that does not wait for long for clients that keep their sides open.
fn quick() -> ServerOptions {
    ServerOptions::new().linger_timeout(Duration::from_millis(100))
}

/// Starts a server that answers lines.
async fn start<R: Runtime>(options: &ServerOptions) -> (Server<R>, SocketAddr) {
    servers::start::<R, _, _>(answer_lines, options).await
}

fn ask(mut client: &TcpStream, line: &str) -> String {
    client.write_all(line.as_bytes()).unwrap();
    let mut answer = vec![0; line.len()];
    client.read_exact(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

fn assert_ends(mut client: &TcpStream) {
    assert_eq!(
        client.read(&mut [0; 10]).unwrap(),
        0,
        "the end of the stream"
    );
}

async fn it_serves_until_it_is_closed<R: Runtime>() {
    let (server, address) = start::<R>(&quick()).await;
    assert!(server.is_serving());
    let client = connect(address);
    assert_eq!(ask(&client, "hello\n"), "hello\n");
    assert_eq!(server.connections(), 1);

    server.close();
    server.close();
    server.serve_forever().await;
    assert!(!server.is_serving());
    assert_eq!(
        ask(&client, "open connections go on\n"),
        "open connections go on\n"
    );
    eventually::<R>(|| TcpStream::connect(address).is_err()).await;

    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_ends(&client);
    drop(client);
    server.wait_closed().await;
    server.wait_closed().await;
    assert_eq!(server.connections(), 0);
    assert_eq!(server.statistics().accepted, 1);
    assert_eq!(server.local_addrs(), [address]);
}

async fn a_dropped_server_goes_on_accepting<R: Runtime>() {
    let (server, address) = start::<R>(&quick()).await;
    let client = connect(address);
    assert_eq!(ask(&client, "hello\n"), "hello\n");
    drop(server);
    assert_eq!(ask(&client, "still here\n"), "still here\n");
    assert_eq!(ask(&connect(address), "hello again\n"), "hello again\n");
}

/// However a handler ends, its connection is closed, after what it wrote was sent.
async fn t54_a_handlers_end_closes_its_connection<R: Runtime>() {
    async fn handler<T: Transport>(
        mut reader: StreamReader<T>,
        mut writer: StreamWriter<T>,
    ) -> Result<(), Error> {
        writer.write(b"last words\n")?;
        let end = reader.read_line().await?.content().to_vec();
        match &end[..] {
            b"panic" => panic!("as the peer has asked for"),
            b"fail" => Err(Error::Read(plimsoll_io::ReadError::LineTooLong {
                limit: 0,
            })),
            _ => Ok(()),
        }
    }
    let server = Server::<R>::start(handler, LOCALHOST, 0, &ServerOptions::new())
        .await
        .unwrap();
    for end in ["panic\n", "fail\n", "return\n", "panic\n", "return\n"] {
        let mut client = connect(server.local_addrs()[0]);
        client.write_all(end.as_bytes()).unwrap();
        let mut said = String::new();
        // A reset, that either of them meets.
        let ended = client.shutdown(std::net::Shutdown::Write);
        let ended = ended.and_then(|()| client.read_to_string(&mut said));
        if end == "panic\n" {
            assert!(ended.is_err(), "no clean end");
            continue;
        }
        ended.unwrap();
        assert_eq!(said, "last words\n");
    }
    eventually::<R>(|| server.connections() == 0).await;
    let statistics = server.statistics();
    assert_eq!(
        (statistics.accepted, statistics.panicked, statistics.failed),
        (5, 2, 1)
    );
}

/// A handler may also panic before it returns a future.
async fn t54_a_handler_that_panics_at_once_harms_no_one<R: Runtime>() {
    fn handler<T: Transport>(_: StreamReader<T>, _: StreamWriter<T>) -> std::future::Ready<()> {
        panic!("at once");
    }
    let server = Server::<R>::start(handler, LOCALHOST, 0, &ServerOptions::new())
        .await
        .unwrap();
    for _ in 0..3 {
        let client = connect(server.local_addrs()[0]);
        // A reset, that either of them meets.
        let ended = client.shutdown(std::net::Shutdown::Write);
        let ended = ended.and_then(|()| (&client).read(&mut [0]));
        assert!(ended.is_err(), "no clean end");
    }
    eventually::<R>(|| server.statistics().panicked == 3 && server.connections() == 0).await;
}

/// The server outlives a panic in what it tells.
async fn failures_are_told_with_the_peers_address<R: Runtime>() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let options = ServerOptions::new().on_error(move |error| {
        let (peer, is_line_too_long) = match error {
            ServerError::Failed { peer, error, .. } => (
                *peer,
                Some(error.is::<Error>() && error.to_string().contains("longer")),
            ),
            ServerError::Panicked { peer, .. } => (*peer, None),
            other => panic!("{other}"),
        };
        tell.lock().unwrap().push((peer.unwrap(), is_line_too_long));
        panic!("as a careless user's might");
    });
    async fn handler<T: Transport>(
        mut reader: StreamReader<T>,
        _: StreamWriter<T>,
    ) -> Result<(), Error> {
        assert!(reader.read_line().await?.content() != b"panic");
        Ok(())
    }
    let options = options.streams(StreamOptions::new().limit(5));
    let server = Server::<R>::start(handler, LOCALHOST, 0, &options);
    let server = server.await.unwrap();
    let mut expected = Vec::new();
    for (line, is_line_too_long) in [
        ("much too long\n", Some(Some(true))),
        ("fine\n", None),
        ("panic\n", Some(None)),
        ("much too long\n", Some(Some(true))),
    ] {
        let mut client = connect(server.local_addrs()[0]);
        let address = client.local_addr().unwrap();
        client.write_all(line.as_bytes()).unwrap();
        if line == "panic\n" {
            assert!(client.read(&mut [0]).is_err(), "no clean end");
            // It is told once the panic was caught.
            eventually::<R>(|| told.lock().unwrap().len() == 2).await;
        } else {
            client.shutdown(std::net::Shutdown::Write).unwrap();
            assert_ends(&client);
        }
        expected.extend(is_line_too_long.map(|failure| (address, failure)));
    }
    eventually::<R>(|| server.connections() == 0).await;
    assert_eq!(*told.lock().unwrap(), expected);
    assert_eq!(server.shutdown(Duration::from_secs(5)).await.aborted, 0);
}

/// The peer still sends when it is answered and closed: it must get the answer, not a reset.
async fn t51_a_last_answer_is_not_lost_to_a_reset<R: Runtime>() {
    async fn handler<T: Transport>(mut reader: StreamReader<T>, mut writer: StreamWriter<T>) {
        let _ = reader.read(1).await.unwrap();
        writer.write(b"that is enough\n").unwrap();
    }
    let server = Server::<R>::start(handler, LOCALHOST, 0, &ServerOptions::new())
        .await
        .unwrap();
    for goes_on in [false, true].repeat(10) {
        let mut client = connect(server.local_addrs()[0]);
        for _ in 0..4 {
            client.write_all(&[b'a'; 30_000]).unwrap();
        }
        if !goes_on {
            client.shutdown(std::net::Shutdown::Write).unwrap();
        }
        let mut said = String::new();
        client.read_to_string(&mut said).unwrap();
        assert_eq!(said, "that is enough\n");
        // Who never ends is not listened to for ever: more than what is dropped finds nobody.
        let more = (0..10_000).take_while(|_| goes_on && client.write_all(&[b'a'; 30_000]).is_ok());
        assert!(more.count() < 10_000);
    }
    eventually::<R>(|| server.connections() == 0).await;
    assert_eq!(server.shutdown(Duration::from_secs(10)).await.aborted, 0);
}

async fn two_thousand_clients_at_once<R: Runtime>() {
    const CLIENTS: usize = 2000;
    // Two descriptors for each; one runtime at a time, since all of them are too many.
    static TAKEN: AtomicBool = AtomicBool::new(false);
    for _ in 0..1200 {
        if !TAKEN.swap(true, Ordering::Relaxed) {
            break;
        }
        R::sleep(Duration::from_millis(50)).await;
    }
    allow_descriptors(2 * CLIENTS as u64 + 200);
    let (server, address) = start::<R>(&quick().backlog(1000)).await;
    let clients: Vec<TcpStream> = (0..CLIENTS).map(|_| connect(address)).collect();
    for (number, client) in clients.iter().enumerate() {
        let line = format!("client {number}\n");
        assert_eq!(ask(client, &line), line);
    }
    assert_eq!(server.connections(), CLIENTS);
    drop(clients);
    eventually::<R>(|| server.connections() == 0).await;
    assert_eq!(server.statistics().accepted, CLIENTS as u64);
    TAKEN.store(false, Ordering::Relaxed);
}

async fn connections_above_the_cap_wait<R: Runtime>() {
    let (server, address) = start::<R>(&quick().max_connections(2)).await;
    let (first, second) = (connect(address), connect(address));
    assert_eq!(ask(&first, "one\n"), "one\n");
    assert_eq!(ask(&second, "two\n"), "two\n");
    let mut third = connect(address);
    third.write_all(b"three\n").unwrap();
    R::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.connections(), 2);
    drop(first);
    let mut answer = [0; 6];
    third.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"three\n");

    // The cap is the server's, not each listener's.
    let listeners = (0..3).map(|_| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        R::tcp_listener(listener).unwrap()
    });
    let options = quick().max_connections(1);
    let server = Server::<R>::serve(listeners.collect(), answer_lines, &options);
    let addresses = server.local_addrs().iter();
    let clients: Vec<TcpStream> = addresses.map(|&address| connect(address)).collect();
    eventually::<R>(|| server.connections() == 1).await;
    R::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.connections(), 1);
    drop(clients);
}

/// Each byte asks for sixty-four; the client sends what it can before it takes an answer.
async fn a_client_that_takes_no_answers_is_not_listened_to<R: Runtime>() {
    const ANSWER: usize = 64;
    let most_pending = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&most_pending);
    let handler = move |mut reader: StreamReader<R::Tcp>, mut writer: StreamWriter<R::Tcp>| {
        let seen = Arc::clone(&seen);
        async move {
            while !reader.read_line().await?.is_empty() {
                writer.write(&[b'a'; ANSWER])?;
                seen.fetch_max(writer.pending(), Ordering::Relaxed);
            }
            Ok::<(), Error>(())
        }
    };
    // Limits that are chosen do not turn it off.
    let options = ServerOptions::new().streams(StreamOptions::new().read_size(4096));
    let server = Server::<R>::start(handler, LOCALHOST, 0, &options);
    let server = server.await.unwrap();
    let mut client = connect(server.local_addrs()[0]);
    client
        .set_write_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let mut asked = 0;
    while let Ok(count) = client.write(&[b'\n'; 4096]) {
        asked += count;
        if asked > 8 << 20 {
            break;
        }
    }
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let answered = io::copy(&mut client, &mut io::sink()).unwrap();
    assert_eq!(answered, (asked * ANSWER) as u64);
    let most_pending = most_pending.load(Ordering::Relaxed);
    assert!(most_pending > 64 * 1024, "the pause was needed");
    assert!(most_pending <= 64 * 1024 + 4096 * ANSWER, "{most_pending}");
    eventually::<R>(|| server.connections() == 0).await;
    assert_eq!(server.statistics().failed, 0);
}

/// Silent clients are given up, and those that take nothing; those that say something are not.
async fn clients_that_move_nothing_are_given_up<R: Runtime>() {
    async fn handler<T: Transport>(
        mut reader: StreamReader<T>,
        mut writer: StreamWriter<T>,
    ) -> Result<(), Error> {
        loop {
            match reader.read_line().await?.content() {
                b"" => return Ok(()),
                b"much" => writer.write(&[b'a'; 15 << 20])?,
                _ => writer.write(b"still here\n")?,
            }
            writer.drain().await?;
        }
    }
    let told = Arc::new(AtomicUsize::new(0));
    let tell = Arc::clone(&told);
    let options = quick().idle_timeout(Duration::from_secs(1));
    let options = options.on_error(move |error| {
        assert!(error.to_string().contains("timed out"), "{error}");
        tell.fetch_add(1, Ordering::Relaxed);
    });
    let server = Server::<R>::start(handler, LOCALHOST, 0, &options);
    let server = server.await.unwrap();
    let address = server.local_addrs()[0];
    let mut silent = connect(address);
    let mut deaf = connect(address);
    deaf.write_all(b"much\n").unwrap();
    let talking = connect(address);
    for _ in 0..80 {
        assert_eq!(ask(&talking, "still here\n"), "still here\n");
        R::sleep(Duration::from_millis(25)).await;
    }
    eventually::<R>(|| told.load(Ordering::Relaxed) == 2).await;
    assert!(silent.read(&mut [0]).is_err(), "a reset");
    assert!(io::copy(&mut deaf, &mut io::sink()).is_err(), "a reset");
    assert_eq!(ask(&talking, "still here\n"), "still here\n");
    drop(talking);
    assert_eq!(server.shutdown(Duration::from_secs(5)).await.aborted, 0);
}

/// Idle clients are let go at once, busy ones when they are done, stuck ones at the deadline.
async fn t50_a_shutdown_ends_in_time<R: Runtime>() {
    async fn handler<R: Runtime, T: Transport>(
        mut reader: StreamReader<T>,
        mut writer: StreamWriter<T>,
        begun: Arc<AtomicUsize>,
    ) {
        while let Ok(line) = reader.read_line().await {
            if !line.is_empty() {
                begun.fetch_add(1, Ordering::Relaxed);
            }
            match line.content() {
                b"" => return,
                b"busy" => {
                    R::sleep(Duration::from_millis(300)).await;
                    writer.write(b"done\n").unwrap();
                }
                // Never ends: the peer does not read.
                _ => {
                    writer.write(&[b'a'; 15 << 20]).unwrap();
                    let _ = writer.drain().await;
                }
            }
        }
    }
    for (idle, busy, stuck) in [(10, 0, 0), (10, 10, 0), (100, 10, 10), (0, 0, 5)] {
        let options = ServerOptions::new();
        let begun = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&begun);
        let handler =
            move |reader, writer| handler::<R, R::Tcp>(reader, writer, Arc::clone(&count));
        let server = Server::<R>::start(handler, LOCALHOST, 0, &options);
        let server = server.await.unwrap();
        let address = server.local_addrs()[0];
        let clients = |count, line: &'static str| -> Vec<TcpStream> {
            let begin = |_| {
                let mut client = connect(address);
                client.write_all(line.as_bytes()).unwrap();
                client
            };
            (0..count).map(begin).collect()
        };
        let idle_ones = clients(idle, "");
        let busy_ones = clients(busy, "busy\n");
        let stuck_ones = clients(stuck, "stuck\n");
        eventually::<R>(|| server.connections() == idle + busy + stuck).await;
        // Until every handler has read what it got.
        eventually::<R>(|| begun.load(Ordering::Relaxed) == busy + stuck).await;

        let began = Instant::now();
        let limit = Duration::from_secs(3);
        let shutdown = server.shutdown(limit).await;
        let took = began.elapsed();
        assert_eq!(shutdown.aborted, stuck);
        // No assertion on speed: a deadline that is missed by seconds is no deadline.
        assert!(took < limit + Duration::from_secs(3), "{took:?}");
        for client in &idle_ones {
            assert_ends(client);
        }
        for mut client in &busy_ones {
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, "done\n");
        }
        for mut client in &stuck_ones {
            let gone = io::copy(&mut client, &mut io::sink()).map(|count| count < 15 << 20);
            assert!(gone.unwrap_or(true), "the rest was dropped");
        }
        eventually::<R>(|| server.connections() == 0).await;
    }
}

async fn all_clients_can_be_closed_or_aborted<R: Runtime>() {
    let (server, address) = start::<R>(&quick()).await;
    let client = connect(address);
    assert_eq!(ask(&client, "hello\n"), "hello\n");
    server.close();
    server.close_clients();
    assert_ends(&client);
    drop(client);
    server.wait_closed().await;

    let (server, address) = start::<R>(&quick()).await;
    let mut client = connect(address);
    assert_eq!(ask(&client, "hello\n"), "hello\n");
    server.abort_clients();
    let lost = client.read(&mut [0; 10]);
    assert!(lost.is_err(), "a reset, not {lost:?}");
    eventually::<R>(|| server.connections() == 0).await;
}

/// A listener whose every second accept fails.
struct Failing {
    listener: std::net::TcpListener,
    clients: Mutex<Vec<DuplexStream>>,
    calls: AtomicUsize,
}

impl Listener for Failing {
    type Transport = DuplexStream;

    async fn accept(&self) -> io::Result<DuplexStream> {
        let failure = match self.calls.fetch_add(1, Ordering::Relaxed) % 6 {
            0 => Some(io::ErrorKind::ConnectionAborted),
            2 => Some(io::ErrorKind::OutOfMemory),
            4 => Some(io::ErrorKind::Other),
            _ => None,
        };
        if let Some(failure) = failure {
            return Err(failure.into());
        }
        let client = self.clients.lock().unwrap().pop();
        match client {
            Some(client) => Ok(client),
            None => pending().await,
        }
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }
}

async fn t46_accept_errors_do_not_end_the_listener<R: Runtime>() {
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for _ in 0..6 {
        let (client, server) = duplex(100);
        here.push(client);
        there.push(server);
    }
    let listener = Failing {
        listener: std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
        clients: Mutex::new(there),
        calls: AtomicUsize::new(0),
    };
    let server = Server::<R>::serve(vec![listener], answer_lines, &ServerOptions::new());
    for client in here {
        let mut client = plimsoll_io::StreamPair::new(client);
        client.writer.write(b"hello\n").unwrap();
        client.writer.drain().await.unwrap();
        assert_eq!(client.reader.read_line().await.unwrap(), "hello\n");
    }
    let statistics = server.statistics();
    assert_eq!(statistics.accepted, 6);
    assert!(statistics.accept_errors >= 6);
    server.close();
    server.wait_closed().await;
}

#[cfg(unix)]
async fn t53_a_unix_socket_removes_its_own_file_only<R: Runtime>() {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("plimsoll-{}-{number}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("socket");
    let options = quick();

    let server = Server::<R>::start_unix(answer_lines, &path, &options)
        .await
        .unwrap();
    let transport = R::connect_unix(&path).await.unwrap();
    let mut client = plimsoll_io::StreamPair::with_options(transport, &StreamOptions::new());
    client.writer.write(b"hello\n").unwrap();
    assert_eq!(client.reader.read_line().await.unwrap(), "hello\n");
    let taken = Server::<R>::start_unix(answer_lines, &path, &options)
        .await
        .unwrap_err();
    assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    assert!(taken.to_string().contains("socket"), "{taken}");
    // Who may connect is what the umask says, as for any other socket.
    use std::os::unix::fs::PermissionsExt;
    let other = folder.join("other");
    let _other = std::os::unix::net::UnixListener::bind(&other).unwrap();
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&path), mode(&other));
    drop(client);
    server.shutdown(Duration::from_secs(10)).await;
    assert!(!path.exists());

    // A socket of the same name is another's, if it is another file.
    let former = Server::<R>::start_unix(answer_lines, &path, &options);
    let former = former.await.unwrap();
    std::fs::rename(&path, folder.join("elsewhere")).unwrap();
    let latter = Server::<R>::start_unix(answer_lines, &path, &options);
    let latter = latter.await.unwrap();
    former.shutdown(Duration::from_secs(10)).await;
    assert!(R::connect_unix(&path).await.is_ok());
    latter.shutdown(Duration::from_secs(10)).await;
    assert!(!path.exists());

    // Another file that stands there when the server closes stays.
    let server = Server::<R>::start_unix(answer_lines, &path, &options)
        .await
        .unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "somebody else's").unwrap();
    server.close();
    drop(server);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "somebody else's");
    let in_the_way = Server::<R>::start_unix(answer_lines, &path, &options)
        .await
        .unwrap_err();
    assert_eq!(in_the_way.kind(), io::ErrorKind::AddrInUse);
    std::fs::remove_dir_all(&folder).unwrap();
}

async fn connecting_says_what_went_wrong<R: Runtime>() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = unused.local_addr().unwrap().port();
    drop(unused);
    let options = ConnectOptions::new().total_timeout(Duration::from_secs(10));
    let refused = options
        .open_connection::<R>("127.0.0.1", port)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert!(
        refused.to_string().contains(&format!("127.0.0.1:{port}")),
        "{refused}"
    );

    let unknown = options
        .open_connection::<R>("no-such-host.invalid", 1)
        .await
        .unwrap_err();
    assert!(
        matches!(unknown, ConnectError::Unresolved { .. }),
        "{unknown:?}"
    );
    assert!(
        unknown.to_string().contains("no-such-host.invalid"),
        "{unknown}"
    );

    // A server whose backlog is full does not answer.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    full.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into())
        .unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    let mut waiting = Vec::new();
    while let Ok(client) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        waiting.push(client);
    }
    let options = options.attempt_timeout(Duration::from_millis(200));
    let slow = options
        .open_connection::<R>("127.0.0.1", address.port())
        .await
        .unwrap_err();
    assert_eq!(slow.kind(), io::ErrorKind::TimedOut);
    assert!(slow.to_string().contains(&address.to_string()), "{slow}");
}

async fn connecting_uses_what_it_was_told<R: Runtime>() {
    let (server, address) = start::<R>(&quick()).await;
    // Elsewhere than on Linux the loopback has one address, and it is the one that is taken
    // unasked.
    let local = Ipv4Addr::new(127, 0, 0, if cfg!(target_os = "linux") { 2 } else { 1 });
    let options = ConnectOptions::new()
        .local_address((local, 0).into())
        .streams(StreamOptions::new().limit(3));
    let (mut reader, mut writer) = options
        .open_connection::<R>("localhost", address.port())
        .await
        .unwrap();
    assert_eq!(reader.peer_addr().unwrap(), address);
    assert_eq!(writer.peer_addr().unwrap(), address);
    let here = reader.local_addr().unwrap();
    assert_eq!(here.ip(), local);
    assert_eq!(writer.local_addr().unwrap(), here);
    writer.write(b"long\nok\n").unwrap();
    assert!(reader.read_line().await.is_err());
    assert_eq!(reader.read_line().await.unwrap(), "ok\n");
    drop((reader, writer, server));
}

async fn addresses_in_use_are_named<R: Runtime>() {
    let options = ServerOptions::new();
    let (_server, address) = start::<R>(&options).await;
    let taken = Server::<R>::start(answer_lines, LOCALHOST, address.port(), &options).await;
    let taken = taken.unwrap_err();
    assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    assert!(taken.to_string().contains(&address.to_string()), "{taken}");

    let shared = ServerOptions::new().reuse_port(true);
    let (_first, address) = start::<R>(&shared).await;
    let second = Server::<R>::start(answer_lines, LOCALHOST, address.port(), &shared).await;
    assert_eq!(second.unwrap().local_addrs(), [address]);
}

type Scenario = fn() -> Pin<Box<dyn Future<Output = ()> + Send>>;

fn run_all<R: Runtime>(on: &str, block_on: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>)) {
    let mut count = 0;
    macro_rules! scenarios {
        ($($scenario:ident)*) => {$(
            let scenario: Scenario = || Box::pin($scenario::<R>());
            block_on(scenario());
            count += 1;
        )*};
    }
    scenarios! {
        it_serves_until_it_is_closed
        a_dropped_server_goes_on_accepting
        t54_a_handlers_end_closes_its_connection
        t54_a_handler_that_panics_at_once_harms_no_one
        failures_are_told_with_the_peers_address
        t51_a_last_answer_is_not_lost_to_a_reset
        two_thousand_clients_at_once
        connections_above_the_cap_wait
        a_client_that_takes_no_answers_is_not_listened_to
        clients_that_move_nothing_are_given_up
        t50_a_shutdown_ends_in_time
        all_clients_can_be_closed_or_aborted
        t46_accept_errors_do_not_end_the_listener
        t53_a_unix_socket_removes_its_own_file_only
        connecting_says_what_went_wrong
        connecting_uses_what_it_was_told
        addresses_in_use_are_named
    }
    writeln!(io::stdout().lock(), "server scenarios on {on}: {count}").unwrap();
}

#[test]
fn tokio() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    run_all::<Tokio>("tokio", |scenario| runtime.block_on(scenario));
}

#[test]
fn async_std() {
    run_all::<AsyncStd>("async-std", async_std::task::block_on);
}

#[test]
fn smol() {
    run_all::<Smol>("smol", smol::block_on);
}

#[test]
fn blocking() {
    run_all::<Blocking>("blocking", |scenario| {
        plimsoll_io::blocking::block_on(scenario)
    });
}
