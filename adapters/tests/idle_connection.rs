//! What the heap holds for a connection with one owner that is idle, counted by the allocator
//! itself.

#![cfg(feature = "tokio")]

use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream as TcpClient};
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::time::{Duration, Instant};

use plimsoll::Step;
use plimsoll_io::tokio::Tokio;
use plimsoll_io::{
    Clock, Connection, Error, Listener, Runtime, Server, ServerOptions, Sleep, Transport,
};
use tokio::net::TcpStream;

#[global_allocator]
static ALLOCATOR: test_support::heap::Counting = test_support::heap::Counting;

/// What tokio itself holds for connections: their tasks, and its part of their sockets.
static TOKIOS: AtomicIsize = AtomicIsize::new(0);

/// Tokio, which says what it holds.
struct Counted;

struct CountedListener(tokio::net::TcpListener);

impl Listener for CountedListener {
    type Transport = TcpStream;

    async fn accept(&self) -> io::Result<TcpStream> {
        let mut accepted = pin!(Listener::accept(&self.0));
        poll_fn(|cx| as_tokios(|| accepted.as_mut().poll(cx))).await
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        Listener::local_addr(&self.0)
    }
}

fn as_tokios<V>(work: impl FnOnce() -> V) -> V {
    let (value, heap) = test_support::heap::measure(work);
    TOKIOS.fetch_add(heap.held, Ordering::Relaxed);
    value
}

impl Clock for Counted {
    fn sleep(duration: Duration) -> Sleep {
        Tokio::sleep(duration)
    }

    fn now() -> Instant {
        Tokio::now()
    }
}

impl Runtime for Counted {
    type Tcp = TcpStream;
    type TcpListener = CountedListener;
    #[cfg(unix)]
    type Unix = <Tokio as Runtime>::Unix;
    #[cfg(unix)]
    type UnixListener = <Tokio as Runtime>::UnixListener;

    fn resolve(
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        Tokio::resolve(host, port)
    }

    fn connect(
        socket: std::net::TcpStream,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<TcpStream>> + Send + 'static {
        Tokio::connect(socket, address)
    }

    #[cfg(unix)]
    fn connect_unix(path: &Path) -> impl Future<Output = io::Result<Self::Unix>> + Send + 'static {
        Tokio::connect_unix(path)
    }

    fn tcp_listener(listener: std::net::TcpListener) -> io::Result<CountedListener> {
        Tokio::tcp_listener(listener).map(CountedListener)
    }

    #[cfg(unix)]
    fn unix_listener(listener: std::os::unix::net::UnixListener) -> io::Result<Self::UnixListener> {
        Tokio::unix_listener(listener)
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        as_tokios(|| Tokio::spawn(task))
    }
}

async fn echo<T: Transport>(mut connection: Connection<T>) -> Result<(), Error> {
    while let Some(mut turn) = connection.turn().await {
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

/// Reads by functions.
async fn echo_by_reads<T: Transport>(mut connection: Connection<T>) -> Result<(), Error> {
    loop {
        let line = connection
            .read_with(|reader| Ok::<_, Error>(reader.read_line()?.map(|line| line.to_bytes())));
        let line = line.await?;
        if line.is_empty() {
            return Ok(());
        }
        connection.write_with(|writer| writer.write_bytes(line))?;
        connection.ready().await?;
    }
}

/// Sends a line, and waits for its reply, in other tasks' time.
async fn exchange(client: &mut TcpClient) {
    const LEN: usize = 3000;
    let mut line = [b'x'; LEN];
    line[LEN - 1] = b'\n';
    client.write_all(&line).unwrap();
    let (mut reply, mut received) = ([0; LEN], 0);
    while received < LEN {
        match client.read(&mut reply[received..]) {
            Ok(count) => received += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tokio::time::sleep(Duration::from_micros(100)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(reply == line);
}

/// A server's connection, its slot and its place in the registry, after it has carried a line in
/// either direction: none of it is a buffer.
#[test]
fn an_idle_connection_takes_at_most_512_bytes() {
    measure("turns", echo);
    measure("reads", echo_by_reads);
}

fn measure<H, F>(by: &str, handler: H)
where
    H: Fn(Connection<TcpStream>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    const CONNECTIONS: usize = 400;
    /// After which what a thread keeps for all its connections is there, and tokio's own tables.
    const WARMED_UP_BY: usize = 60;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut clients = Vec::with_capacity(WARMED_UP_BY + CONNECTIONS);
    let options = ServerOptions::new();
    let server = Server::<Counted>::start_connections(handler, &["127.0.0.1"], 0, &options);
    let server = runtime.block_on(server).unwrap();
    let mut connect = async |count| {
        for _ in 0..count {
            // Its heap is the system's.
            let mut client = TcpClient::connect(server.local_addrs()[0]).unwrap();
            client.set_nonblocking(true).unwrap();
            exchange(&mut client).await;
            clients.push(client);
        }
    };
    runtime.block_on(connect(WARMED_UP_BY));
    let tokios = TOKIOS.load(Ordering::Relaxed);
    let ((), heap) = test_support::heap::measure(|| runtime.block_on(connect(CONNECTIONS)));
    assert_eq!(server.connections(), WARMED_UP_BY + CONNECTIONS);
    let tokios = TOKIOS.load(Ordering::Relaxed) - tokios;
    let each = (heap.held - tokios) / CONNECTIONS as isize;
    let of_tokio = tokios / CONNECTIONS as isize;
    println!("an idle connection by {by}: {each} bytes, and {of_tokio} of tokio's");
    // With the core's feature `counters`, which is for tests of costs, a reader counts as well.
    let of_counters = size_of::<plimsoll::Reader>() as isize - 160;
    assert!(0 < each && each - of_counters <= 512, "{each} bytes");
}
