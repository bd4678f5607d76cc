//! Protocols of the core as a server and a client run them: which events come when.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use io_test_support::on_each_runtime;
use io_test_support::toy_layer::{HELLO, Toy, push_record};
use plimsoll::{Event, Next};
use plimsoll_io::blocking::{self, FromRead, FromWrite};
use plimsoll_io::{Connection, Error, Join, Runtime, Server, ServerOptions};

type Result<T, E = Error> = std::result::Result<T, E>;

async fn connect<R: Runtime>(server: &Server<R>) -> Connection<R::Tcp> {
    let address = server.local_addrs()[0];
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    Connection::new(R::connect(socket.into(), address).await.unwrap())
}

/// The peer has ended its stream, and the protocol only lets time pass.
async fn a_shutdown_comes_while_only_time_passes<R: Runtime>() {
    let patient = |core: &mut plimsoll::Connection, event: Event| -> Result<Next> {
        Ok(match event {
            Event::ShuttingDown => {
                core.writer.write(b"bye\n")?;
                Next::Close
            }
            Event::TimedOut => Next::Close,
            _ => Next::TurnWithin(Duration::from_secs(60)),
        })
    };
    let options = ServerOptions::new();
    let server = Server::<R>::start_protocol(move || patient, &["127.0.0.1"], 0, &options);
    let server = server.await.unwrap();
    let mut client = connect(&server).await;
    client.finish().await.unwrap();
    while server.connections() == 0 {
        R::sleep(Duration::from_millis(2)).await;
    }
    R::sleep(Duration::from_millis(20)).await;
    let shutdown = server.shutdown(Duration::from_secs(20)).await;
    assert_eq!(shutdown.aborted, 0);
    let line = client
        .read_with(|reader| Ok::<_, Error>(reader.read_line()?.map(|line| line.to_vec())))
        .await;
    assert_eq!(line.unwrap(), b"bye\n");
}

/// It begins while the protocol is about to ask for a layer, which comes first.
async fn a_shutdown_comes_after_the_layer_that_was_asked_for<R: Runtime>() {
    let asks = Arc::new(AtomicBool::new(false));
    let events: Arc<Mutex<Vec<Event>>> = Arc::default();
    let (has_asked, log) = (Arc::clone(&asks), Arc::clone(&events));
    let handler = move |mut connection: Connection<R::Tcp>| {
        let (asks, events) = (Arc::clone(&asks), Arc::clone(&events));
        async move {
            connection.on_start_tls(Toy::server);
            let mut protocol = |core: &mut plimsoll::Connection, event: Event| -> Result<Next> {
                events.lock().unwrap().push(event);
                match event {
                    Event::Secured => {
                        core.writer.write(b"secured\n")?;
                        return Ok(Next::Turn);
                    }
                    Event::ShuttingDown => return Ok(Next::Close),
                    _ => {}
                }
                if !core.reader.read_line()?.is_ready() {
                    return Ok(Next::Turn);
                }
                core.writer.write(b"go\n")?;
                asks.store(true, SeqCst);
                // The shutdown comes now.
                thread::sleep(Duration::from_millis(100));
                Ok(Next::StartTls)
            };
            connection.run(&mut protocol).await
        }
    };
    let options = ServerOptions::new();
    let server = Server::<R>::start_connections(handler, &["127.0.0.1"], 0, &options);
    let server = server.await.unwrap();
    let mut client = connect(&server).await;
    let asking = async {
        let read_line = |reader: &mut plimsoll::Reader| {
            Ok::<_, Error>(reader.read_line()?.map(|line| line.to_vec()))
        };
        client.write_with(|writer| writer.write(b"STARTTLS\n"))?;
        assert_eq!(client.read_with(read_line).await?, b"go\n");
        client.put_layer(Toy::client()).await?;
        assert_eq!(client.read_with(read_line).await?, b"secured\n");
        assert_eq!(client.read_with(read_line).await?, b"");
        Ok::<(), Error>(())
    };
    let shutting_down = async {
        while !has_asked.load(SeqCst) {
            R::sleep(Duration::from_millis(2)).await;
        }
        server.shutdown(Duration::from_secs(20)).await
    };
    let (asked, shutdown) = smol::future::zip(asking, shutting_down).await;
    asked.unwrap();
    assert_eq!(shutdown.aborted, 0);
    let log = log.lock().unwrap();
    assert_eq!(log[..3], [Event::Started, Event::Moved, Event::Secured]);
    assert_eq!(log.last(), Some(&Event::ShuttingDown));
}

/// As a serial line, or a socket with a timeout of its own.
struct Impatient;

impl Read for Impatient {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        thread::sleep(Duration::from_millis(5));
        Err(io::ErrorKind::WouldBlock.into())
    }
}

#[test]
fn a_timeout_of_the_transports_own_is_not_the_protocols() {
    const LIMIT: Duration = Duration::from_millis(50);
    let mut connection =
        blocking::Connection::new(Join::new(FromRead(Impatient), FromWrite(Vec::new())));
    let mut events = Vec::new();
    let mut protocol = |_: &mut plimsoll::Connection, event: Event| -> Result<Next> {
        events.push(event);
        Ok(match event {
            Event::Started => Next::TurnWithin(LIMIT),
            _ => Next::Close,
        })
    };
    let began = Instant::now();
    connection.run(&mut protocol).unwrap();
    assert_eq!(events, [Event::Started, Event::TimedOut]);
    assert!(began.elapsed() >= LIMIT);
}

/// Gives up waiting at every second call.
struct Halting(bool);

impl Write for Halting {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0 = !self.0;
        if self.0 {
            Err(io::ErrorKind::WouldBlock.into())
        } else {
            Ok(data.len())
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_layer_is_started_over_a_transport_with_a_timeout_of_its_own() {
    let mut greeting = Vec::new();
    push_record(&mut greeting, HELLO, b"toy");
    let mut connection = blocking::Connection::new(Join::new(
        FromRead(io::Cursor::new(greeting)),
        FromWrite(Halting(false)),
    ));
    connection.on_start_tls(Toy::server);
    let mut events = Vec::new();
    let mut protocol = |core: &mut plimsoll::Connection, event: Event| -> Result<Next> {
        events.push(event);
        if event != Event::Started {
            return Ok(Next::Close);
        }
        core.writer.write(b"go\n")?;
        Ok(Next::StartTls)
    };
    let _ = connection.run(&mut protocol);
    assert_eq!(events, [Event::Started, Event::Secured]);
}

on_each_runtime!([
    a_shutdown_comes_while_only_time_passes
    a_shutdown_comes_after_the_layer_that_was_asked_for
]);
