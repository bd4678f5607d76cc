//! What fails in a server, or before it is one, and who gets to know.
#![cfg(all(unix, feature = "tokio"))]

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use plimsoll_io::memory::Memory;
use plimsoll_io::tokio::Tokio;
use plimsoll_io::{
    Error, Listener, Loss, Runtime, Server, ServerError, ServerOptions, Sleep, Stream,
    StreamReader, StreamWriter, Transport,
};

/// tokio, but for a Unix listener that it cannot watch, and for sleeps that are counted.
struct Refusing;

static SLEEPS: AtomicUsize = AtomicUsize::new(0);

impl Runtime for Refusing {
    type Tcp = <Tokio as Runtime>::Tcp;
    type TcpListener = <Tokio as Runtime>::TcpListener;
    type Unix = <Tokio as Runtime>::Unix;
    type UnixListener = <Tokio as Runtime>::UnixListener;

    fn resolve(
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        Tokio::resolve(host, port)
    }

    fn connect(
        socket: socket2::Socket,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Tcp>> + Send + 'static {
        Tokio::connect(socket, address)
    }

    fn connect_unix(path: &Path) -> impl Future<Output = io::Result<Self::Unix>> + Send + 'static {
        Tokio::connect_unix(path)
    }

    fn tcp_listener(listener: std::net::TcpListener) -> io::Result<Self::TcpListener> {
        Tokio::tcp_listener(listener)
    }

    fn unix_listener(_: std::os::unix::net::UnixListener) -> io::Result<Self::UnixListener> {
        Err(io::ErrorKind::OutOfMemory.into())
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        Tokio::spawn(task)
    }

    fn sleep(_: Duration) -> Sleep {
        SLEEPS.fetch_add(1, Ordering::SeqCst);
        Box::pin(tokio::task::yield_now())
    }
}

/// Answers each line, and ends with the peer's stream.
async fn answer_lines<T: Transport>(
    mut reader: StreamReader<T>,
    mut writer: StreamWriter<T>,
) -> Result<(), Error> {
    loop {
        let line = reader.read_line().await?;
        if line.is_empty() {
            return Ok(());
        }
        writer.write(&line)?;
    }
}

/// A folder for the file of a socket, removed with all that is in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("plimsoll-{}-{name}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn files(&self) -> usize {
        std::fs::read_dir(&self.0).unwrap().count()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_start_that_fails_leaves_no_file_behind() {
    let folder = Folder::new("no-file");
    let path = folder.0.join("socket");
    let options = ServerOptions::new();
    let error = Server::<Refusing>::start_unix(answer_lines, &path, &options)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
    assert!(error.to_string().contains("socket"), "{error}");
    assert_eq!(folder.files(), 0);
}

/// A listener that hands out what it is given, the last first, and then a connection never.
struct Given {
    listener: std::net::TcpListener,
    accepted: Mutex<Vec<io::Result<Memory>>>,
}

impl Given {
    fn new(accepted: Vec<io::Result<Memory>>) -> Self {
        Self {
            listener: std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
            accepted: Mutex::new(accepted),
        }
    }
}

impl Listener for Given {
    type Transport = Memory;

    async fn accept(&self) -> io::Result<Memory> {
        let accepted = self.accepted.lock().unwrap().pop();
        match accepted {
            Some(accepted) => accepted,
            None => std::future::pending().await,
        }
    }

    fn socket(&self) -> socket2::SockRef<'_> {
        (&self.listener).into()
    }
}

/// Lets a server accept what fails, and then a client, which is answered. Returns how often it slept.
async fn sleeps_over(failures: impl IntoIterator<Item = io::Error>) -> usize {
    let (client, accepted) = Memory::pair(100);
    let mut given: Vec<_> = failures.into_iter().map(Err).collect();
    let count = given.len();
    given.insert(0, Ok(accepted));
    let before = SLEEPS.load(Ordering::SeqCst);
    let told = Arc::new(AtomicUsize::new(0));
    let tell = Arc::clone(&told);
    let options = ServerOptions::new().on_error(move |error| {
        assert!(matches!(error, ServerError::Accept { .. }), "{error}");
        tell.fetch_add(1, Ordering::SeqCst);
    });
    let server = Server::<Refusing>::serve(vec![Given::new(given)], answer_lines, &options);
    let mut client = Stream::new(client);
    client.writer.write(b"hello\n").unwrap();
    assert_eq!(client.reader.read_line().await.unwrap(), "hello\n");
    assert_eq!(server.statistics().accept_errors, count as u64);
    assert_eq!(told.load(Ordering::SeqCst), count);
    SLEEPS.load(Ordering::SeqCst) - before
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn t46_an_accept_error_of_one_connection_keeps_no_other_waiting() {
    use rustix::io::Errno;

    let of_one = [
        Errno::NETDOWN,
        Errno::PROTO,
        Errno::NOPROTOOPT,
        Errno::HOSTDOWN,
        Errno::NONET,
        Errno::HOSTUNREACH,
        Errno::OPNOTSUPP,
        Errno::NETUNREACH,
        Errno::CONNABORTED,
        Errno::INTR,
    ];
    let errors = || of_one.iter().map(|&errno| io::Error::from(errno));
    assert_eq!(sleeps_over(errors()).await, 0);
    let of_all = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    assert_eq!(sleeps_over(of_all.map(io::Error::from)).await, 4);
    // Where no other ever succeeds, it is none of one connection's.
    let without_end = (0..32).flat_map(|_| errors());
    assert_eq!(sleeps_over(without_end).await, 10);
}

#[test]
#[should_panic(expected = "a server for no connections")]
fn a_server_for_no_connections_is_a_mistake() {
    let _ = ServerOptions::new().max_connections(0);
}

/// By tokio's clock, which here goes as fast as it can.
#[tokio::test(start_paused = true)]
async fn t49_an_idle_connection_is_given_up_within_a_quarter_more_of_its_time() {
    let limit = Duration::from_secs(600);
    let since_last_move = Arc::new(Mutex::new(Vec::new()));
    let measured = Arc::clone(&since_last_move);
    let handler = move |mut reader: StreamReader<Memory>, writer: StreamWriter<Memory>| {
        let measured = Arc::clone(&measured);
        async move {
            let mut last_move = tokio::time::Instant::now();
            let lost = loop {
                match reader.read(1).await {
                    Ok(byte) => assert_eq!(*byte, *b"."),
                    Err(error) => break error,
                }
                last_move = tokio::time::Instant::now();
            };
            assert!(matches!(lost, Error::Lost(lost) if lost.loss == Loss::TimedOut));
            measured.lock().unwrap().push(last_move.elapsed());
            drop(writer);
        }
    };
    let (clients, accepted): (Vec<_>, Vec<_>) = (0..10).map(|_| Memory::pair(100)).unzip();
    let given = Given::new(accepted.into_iter().rev().map(Ok).collect());
    let options = ServerOptions::new().idle_timeout(limit);
    let server = Server::<Tokio>::serve(vec![given], handler, &options);
    let talking = clients
        .into_iter()
        .enumerate()
        .map(|(number, client)| async move {
            let mut client = Stream::new(client);
            for _ in 0..5 * number {
                // Longer than from one look to the next, shorter than the limit.
                tokio::time::sleep(limit * (number as u32 + 10) / 20).await;
                client.writer.write(b".").unwrap();
                client.writer.drain().await.unwrap();
            }
            assert!(client.reader.read_line().await.is_err(), "given up");
        });
    let talking: Vec<_> = talking.map(tokio::spawn).collect();
    for client in talking {
        client.await.unwrap();
    }
    while server.connections() > 0 {
        tokio::task::yield_now().await;
    }
    let since_last_move = since_last_move.lock().unwrap();
    assert_eq!(since_last_move.len(), 10);
    let slack = Duration::from_millis(10);
    for time in &*since_last_move {
        assert!(
            *time + slack >= limit && *time <= limit * 5 / 4 + slack,
            "{time:?}"
        );
    }
}

#[test]
#[should_panic(expected = "an idle timeout of no time")]
fn an_idle_timeout_of_no_time_is_a_mistake() {
    let _ = ServerOptions::new().idle_timeout(Duration::ZERO);
}

/// asyncio's functions for Unix sockets, with the defaults and with options.
macro_rules! unix_face {
    ($runtime:ident, $feature:literal, $block_on:expr) => {
        #[cfg(feature = $feature)]
        #[test]
        fn $runtime() {
            use plimsoll_io::{Options, $runtime as on};

            let folder = Folder::new(stringify!($runtime));
            let path = folder.0.join("socket");
            $block_on(async {
                let server = on::start_unix_server(answer_lines, &path).await.unwrap();
                let (mut reader, mut writer) = on::open_unix_connection(&path).await.unwrap();
                writer.write(b"hello\n").unwrap();
                assert_eq!(reader.read_line().await.unwrap(), "hello\n");
                drop((reader, writer));
                server.close();

                let limits = Options::new().limit(3);
                let options = ServerOptions::new().streams(limits.clone());
                let server = on::start_unix_server_with(answer_lines, &path, &options);
                let _server = server.await.unwrap();
                let client = on::open_unix_connection_with(&path, &limits);
                let (mut reader, mut writer) = client.await.unwrap();
                writer.write(b"abc\nabcd\n").unwrap();
                assert_eq!(reader.read_line().await.unwrap(), "abc\n");
                assert!(reader.read_line().await.unwrap().is_empty());
            });
            assert_eq!(folder.files(), 0);
        }
    };
}

unix_face!(tokio, "tokio", |program| {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(program)
});
unix_face!(async_std, "async-std", async_std::task::block_on);
unix_face!(smol, "smol", smol::block_on);
