//! The clients of a round, and what they have in common with their servers.

use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use plimsoll_io::{
    ConnectOptions, Connection, Runtime, StreamOptions, StreamPair, StreamReader, StreamWriter,
    Transport, WaterMarks,
};
use socket2::{Domain, Socket, Type};

use super::pair::{self, Me};
use super::plan::{CLIENT, Form};
use super::record::Record;
use super::round::Run;
use super::single;
use super::watch::note_progress;
use io_test_support::Random;

/// What a client says first: the number of its connection.
pub const GREETING: usize = 17;

/// Where a server listens.
#[derive(Clone, Debug)]
pub enum At {
    Tcp(SocketAddr),
    /// With send buffers that are full soon, on both sides.
    Narrow(SocketAddr),
    Unix(PathBuf),
}

/// Makes a TCP socket that waits more often than others. (With small buffers to receive into, the
/// system waits by timers of its own.)
pub fn narrow_socket() -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_send_buffer_size(4096).unwrap();
    socket
}

pub fn some_options(random: &mut Random) -> StreamOptions {
    let mut options = StreamOptions::new();
    if random.below(3) == 0 {
        // Above the marks by more than the largest write.
        options = options.max_pending(256 << 10);
    }
    if random.below(3) == 0 {
        let high = random.below(64 << 10);
        let low = random.below(high + 1);
        options = options.water_marks(WaterMarks::new(high, low).unwrap());
    }
    if random.below(3) == 0 {
        options = options.read_size(1 + random.below(4000));
    }
    options
}

pub fn me(run: Run, record: &Arc<Record>, side: usize) -> Me<'_> {
    Me {
        random: record.plan.random(side, 2),
        is_on_threads: run.is_on_threads,
        record,
        side,
    }
}

/// Connects, and carries out the plan.
pub async fn be_client<R: Runtime>(run: Run, record: Arc<Record>, at: At) {
    let mut me = me(run, &record, CLIENT);
    let streams = some_options(&mut me.random);
    let options = ConnectOptions::new().streams(streams.clone());
    let is_pair = record.plan.sides[CLIENT].form != Form::Single;
    match (at, is_pair) {
        (At::Tcp(address), true) => {
            let (host, port) = ("127.0.0.1", address.port());
            let connected = options.open_connection::<R>(host, port).await;
            if let Some((reader, writer)) = unless_refused(&record, connected) {
                with_pair::<R, _>(me, reader, writer).await;
            }
        }
        (At::Tcp(address), false) => {
            let connected = options.connect::<R>("127.0.0.1", address.port()).await;
            if let Some(connection) = unless_refused(&record, connected) {
                with_connection::<R, _>(me, connection).await;
            }
        }
        (At::Narrow(address), _) => {
            let socket = narrow_socket();
            socket.set_nonblocking(true).unwrap();
            let connected = R::connect(socket.into(), address).await;
            if let Some(transport) = unless_refused(&record, connected) {
                over::<R, _>(me, transport, &streams).await;
            }
        }
        (At::Unix(path), _) => {
            let connected = loop {
                match R::connect_unix(&path).await {
                    // Too many wait to be accepted.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        R::sleep(Duration::from_millis(2)).await;
                    }
                    connected => break connected,
                }
            };
            if let Some(transport) = unless_refused(&record, connected) {
                over::<R, _>(me, transport, &streams).await;
            }
        }
    }
}

async fn over<R: Runtime, T: Transport>(me: Me<'_>, transport: T, options: &StreamOptions) {
    if me.plan().form == Form::Single {
        let connection = Connection::with_options(transport, options);
        return with_connection::<R, _>(me, connection).await;
    }
    let (reader, writer) = StreamPair::with_options(transport, options).split();
    with_pair::<R, _>(me, reader, writer).await;
}

async fn with_pair<R: Runtime, T: Transport>(
    me: Me<'_>,
    reader: StreamReader<T>,
    mut writer: StreamWriter<T>,
) {
    writer.write(&greeting(&me)).unwrap();
    pair::run::<R, T>(me, reader, writer).await;
}

async fn with_connection<R: Runtime, T: Transport>(me: Me<'_>, mut connection: Connection<T>) {
    let greeting = greeting(&me);
    let written = connection.write_with(|writer| writer.write(&greeting));
    written.unwrap();
    single::run::<R, T>(me, connection).await;
}

fn greeting(me: &Me<'_>) -> Vec<u8> {
    let greeting = format!("{:016x}\n", me.record.plan.number).into_bytes();
    assert_eq!(greeting.len(), GREETING);
    greeting
}

/// A server that was closed refuses its clients, and one that aborts them may do so before they
/// know that they are connected; no other does.
fn unless_refused<A, E: Debug>(record: &Record, connected: Result<A, E>) -> Option<A> {
    note_progress();
    if let Err(error) = &connected {
        let may_refuse = record.house.cuts.load(Ordering::SeqCst);
        assert!(may_refuse, "{error:?} of {record}");
    }
    connected.ok()
}
