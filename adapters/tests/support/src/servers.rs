//! A server on any runtime, and clients of the system's own sockets.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use plimsoll_io::{HandlerResult, Runtime, Server, ServerOptions, StreamReader, StreamWriter};

/// Much longer than anything takes that does not wait for ever.
pub const LIMIT: Duration = Duration::from_secs(20);

/// Waits, within the limit, until something holds.
pub async fn eventually<R: Runtime>(mut reached: impl FnMut() -> bool) {
    let began = Instant::now();
    while !reached() {
        assert!(began.elapsed() < LIMIT, "it never comes");
        R::sleep(Duration::from_millis(2)).await;
    }
}

/// Connects. Reads give up after the limit.
pub fn connect(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    client
}

/// Starts a server of pairs.
pub async fn start<R, H, F>(handler: H, options: &ServerOptions) -> (Server<R>, SocketAddr)
where
    R: Runtime,
    H: Fn(StreamReader<R::Tcp>, StreamWriter<R::Tcp>) -> F + Send + Sync + 'static,
    F: Future<Output: HandlerResult> + Send + 'static,
{
    let server = Server::<R>::start(handler, &["127.0.0.1"], 0, options);
    let server = server.await.unwrap();
    let address = server.local_addrs()[0];
    (server, address)
}
