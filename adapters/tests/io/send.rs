//! Over any transport, streams, their halves and every future of theirs may move between threads.
//!
//! What is asserted holds when this compiles; a transport is `Send`, and nothing more is asked of it.

use std::net::SocketAddr;
use std::time::Duration;

use io_test_support::answer_lines;
use io_test_support::pair;
use plimsoll_io::{
    ConnectOptions, DuplexStream, Lines, Parts, ReuniteError, Runtime, Separator, Server,
    ServerOptions, StreamPair, StreamReader, StreamWriter, Transport,
};

fn is_send<A: Send>() {}

fn moves<A: Send>(_: A) {}

fn types<T: Transport>() {
    is_send::<StreamPair<T>>();
    is_send::<StreamReader<T>>();
    is_send::<StreamWriter<T>>();
    is_send::<Lines<'_, T>>();
    is_send::<ReuniteError<T>>();
    is_send::<Parts<T>>();
}

fn reads<T: Transport>(reader: &mut StreamReader<T>) {
    moves(reader.read(1));
    moves(reader.read_line());
    moves(reader.read_until(&Separator::CRLF));
    moves(reader.read_exact(1));
    moves(reader.read_to_end(1));
    moves(reader.skip_until(&Separator::CRLF));
    moves(reader.peek(1));
    moves(reader.read_lines());
}

fn writes<T: Transport>(writer: &mut StreamWriter<T>) {
    moves(writer.drain());
    moves(writer.flush());
    moves(writer.finish());
    moves(writer.close());
    moves(writer.close_timeout(Duration::ZERO));
}

#[expect(dead_code, reason = "it is enough that it compiles")]
fn servers<R: Runtime>(server: &Server<R>, socket: std::net::TcpStream, address: SocketAddr) {
    fn is_shared<A: Send + Sync>(_: &A) {}
    is_shared(server);
    moves(server.wait_closed());
    moves(server.serve_forever());
    moves(server.shutdown(Duration::ZERO));
    let options = ServerOptions::new();
    moves(Server::<R>::start(
        answer_lines,
        &["localhost"],
        0,
        &options,
    ));
    #[cfg(unix)]
    moves(Server::<R>::start_unix(answer_lines, "socket", &options));
    moves(ConnectOptions::new().open_connection::<R>("localhost", 0));
    moves(R::connect(socket, address));
    moves(R::sleep(Duration::ZERO));
}

#[test]
fn everything_is_send_where_the_transport_is() {
    types::<DuplexStream>();
    let (here, _there) = pair(1);
    let (mut reader, mut writer) = here.split();
    reads(&mut reader);
    writes(&mut writer);
}
