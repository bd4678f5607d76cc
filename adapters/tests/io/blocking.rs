//! The face of the blocking sockets, method by method, and what threads may do to each other.
#![cfg(feature = "blocking")]

use std::io::{self, Read};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

#[cfg(unix)]
use plimsoll_io::blocking::open_unix_connection;
use plimsoll_io::blocking::{
    Async, FromRead, FromWrite, Server, StreamReader, StreamWriter, open_connection, start_server,
    streams,
};
use plimsoll_io::{
    ConnectOptions, ConnectionError, Error, Join, LineEnding, ReadError, Separator, ServerOptions,
    StreamOptions, WaterMarks, WriteError,
};

const LIMIT: Duration = Duration::from_secs(20);
/// More than any socket's buffers take, less than the cap.
const MUCH: usize = 12 << 20;

type Halves = (StreamReader, StreamWriter);

fn pair() -> (Halves, Halves) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (there, _) = listener.accept().unwrap();
    (
        streams(Async::new(here).unwrap(), &StreamOptions::new()),
        streams(Async::new(there).unwrap(), &StreamOptions::new()),
    )
}

/// Runs `work` in a thread of its own, which must end in time.
fn in_time<A: Send + 'static>(work: impl FnOnce() -> A + Send + 'static) -> A {
    let (done, ended) = mpsc::channel();
    thread::spawn(move || done.send(work()));
    ended.recv_timeout(LIMIT).expect("it ends in time")
}

#[test]
fn every_method_does_what_it_says() {
    let ((mut reader, mut writer), (mut their_reader, mut their_writer)) = pair();
    assert_eq!(
        reader.local_addr().unwrap(),
        their_reader.peer_addr().unwrap()
    );
    assert_eq!(
        writer.peer_addr().unwrap(),
        their_writer.local_addr().unwrap()
    );
    assert!(
        reader
            .with_transport(|socket| socket.as_ref().nodelay().is_ok())
            .unwrap()
    );
    assert!(
        writer
            .with_transport(|socket| socket.as_ref().nodelay().is_ok())
            .unwrap()
    );

    writer.set_water_marks(WaterMarks::new(4, 0).unwrap());
    writer.write(b"one\n").unwrap();
    assert!(writer.is_writable());
    writer.write_all_vectored(&[b"exact", b"un"]).unwrap();
    writer.write_line(b"til", LineEnding::CrLf).unwrap();
    write!(writer, "skipped {}\r\nsome", 1).unwrap();
    writer.write_bytes("rest of it".into()).unwrap();
    assert!(!writer.is_writable());
    assert_eq!(writer.pending(), 41);
    writer.set_max_pending(1);
    assert!(matches!(
        writer.write(b"x"),
        Err(Error::Write(WriteError::Full { .. }))
    ));
    writer.drain().unwrap();
    writer.flush().unwrap();
    assert_eq!(writer.pending(), 0);

    assert_eq!(their_reader.read_line().unwrap(), "one\n");
    assert_eq!(their_reader.peek(2).unwrap(), b"ex");
    assert!(their_reader.buffered().starts_with(b"exact"));
    assert_eq!(their_reader.read_exact(5).unwrap(), "exact");
    assert_eq!(
        their_reader.read_until(&Separator::CRLF).unwrap(),
        "until\r\n"
    );
    assert_eq!(their_reader.skip_until(&Separator::CRLF).unwrap(), 0);
    assert_eq!(their_reader.read(4).unwrap(), "some");
    their_reader.set_max_read_exact(1);
    assert!(matches!(
        their_reader.read_exact(2),
        Err(Error::Read(ReadError::CountTooLarge { .. }))
    ));
    assert!(!their_reader.at_eof());
    writer.finish().unwrap();
    assert!(writer.is_closing());
    assert_eq!(their_reader.read_to_end(100).unwrap(), "rest of it");
    assert!(their_reader.at_eof());

    their_writer.write(b"a\n\ntoo long\nb\nlast").unwrap();
    their_writer.close().unwrap();
    reader.set_limit(4);
    let lines: Vec<_> = reader.read_lines().map(Result::ok).collect();
    let expected = [Some("a\n"), Some("\n"), None, Some("b\n"), Some("last")];
    assert_eq!(lines, expected.map(|line| line.map(Into::into)));
    writer.abort();
    assert!(matches!(
        writer.write(b"late"),
        Err(Error::ConnectionLost(_))
    ));
}

#[test]
fn a_server_does_what_it_says() {
    let answer = |mut reader: StreamReader, mut writer: StreamWriter| -> Result<(), Error> {
        for line in reader.read_lines() {
            writer.write(&line?)?;
        }
        writer.close()
    };
    let server = start_server(answer, "127.0.0.1", 0).unwrap();
    let port = server.local_addrs()[0].port();
    assert!(server.is_serving());
    let (mut reader, mut writer) = open_connection("127.0.0.1", port).unwrap();
    writer.write(b"hello\n").unwrap();
    assert_eq!(reader.read_line().unwrap(), "hello\n");
    assert_eq!(server.connections(), 1);
    server.close_clients();
    assert!(reader.read_line().unwrap().is_empty());

    let (mut reader, mut writer) = open_connection("127.0.0.1", port).unwrap();
    writer.write(b"hello\n").unwrap();
    assert_eq!(reader.read_line().unwrap(), "hello\n");
    server.abort_clients();
    assert!(
        matches!(reader.read_line(), Err(Error::ConnectionLost(lost)) if lost.kind == ConnectionError::Reset)
    );
    server.close();
    server.serve_forever();
    server.wait_closed();
    assert_eq!(server.statistics().accepted, 2);
    assert_eq!(server.shutdown(LIMIT).aborted, 0);
}

/// Two threads a side, and each side's reader finds much to send before it can wait.
#[test]
fn readers_that_send_do_not_keep_each_other_from_reading() {
    in_time(|| {
        let (here, there) = pair();
        let mut threads = Vec::new();
        for (mut reader, mut writer) in [here, there] {
            writer.write(&vec![7; MUCH]).unwrap();
            threads.push(thread::spawn(move || {
                let mut received = 0;
                while received < MUCH {
                    received += reader.read(1 << 16).unwrap().len();
                }
            }));
            threads.push(thread::spawn(move || {
                thread::sleep(Duration::from_millis(50));
                writer.drain().unwrap();
                thread::sleep(Duration::from_millis(500));
            }));
        }
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_close_keeps_its_deadline_while_a_reader_sends_and_ends_in_a_reset() {
    let ((mut reader, mut writer), (mut their_reader, _their_writer)) = pair();
    writer.write(&vec![7; MUCH]).unwrap();
    let reading = thread::spawn(move || reader.read(1).map(|_| ()));
    thread::sleep(Duration::from_millis(200));
    let closed = in_time(move || writer.close_timeout(Duration::from_millis(200)));
    assert!(
        matches!(closed, Err(Error::ConnectionLost(lost)) if lost.kind == ConnectionError::TimedOut)
    );
    assert!(matches!(
        reading.join().unwrap(),
        Err(Error::ConnectionLost(_))
    ));
    let mut received = 0;
    let lost = loop {
        match their_reader.read(1 << 16) {
            Ok(data) => {
                assert!(!data.is_empty(), "a clean end after {received} bytes");
                received += data.len();
            }
            Err(error) => break error,
        }
    };
    assert!(matches!(lost, Error::ConnectionLost(lost) if lost.kind == ConnectionError::Reset));
}

#[test]
fn clients_that_do_not_read_do_not_hold_up_the_server() {
    static WRITTEN: AtomicUsize = AtomicUsize::new(0);
    let stuck = |mut reader: StreamReader, mut writer: StreamWriter| {
        writer.write(&vec![7; MUCH]).unwrap();
        WRITTEN.fetch_add(1, Ordering::Relaxed);
        let _ = reader.read(1);
    };
    let server = start_server(stuck, "127.0.0.1", 0).unwrap();
    let address = server.local_addrs()[0];
    let _clients: Vec<_> = (0..50)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    while WRITTEN.load(Ordering::Relaxed) < 50 {
        thread::sleep(Duration::from_millis(10));
    }
    thread::sleep(Duration::from_millis(200));
    in_time(move || {
        server.close_clients();
        let shutdown = server.shutdown(Duration::from_millis(300));
        assert_eq!(shutdown.aborted, 50);
    });
}

#[cfg(unix)]
#[test]
fn unix_sockets_have_the_same_face() {
    use plimsoll_io::blocking::{UnixReader, UnixWriter, open_unix_connection, start_unix_server};

    fn answer_lines(mut reader: UnixReader, mut writer: UnixWriter) -> Result<(), Error> {
        loop {
            let line = reader.read_line()?;
            if line.is_empty() {
                return Ok(());
            }
            writer.write(&line)?;
        }
    }

    let path = std::env::temp_dir().join(format!("plimsoll-{}-blocking", std::process::id()));
    let server = start_unix_server(answer_lines, &path).unwrap();
    let (mut reader, mut writer) = open_unix_connection(&path).unwrap();
    writer.write(b"hello\n").unwrap();
    assert_eq!(reader.read_line().unwrap(), "hello\n");
    server.close();

    let limits = StreamOptions::new().limit(3);
    let options = ServerOptions::new().streams(limits.clone());
    let server = Server::start_unix(answer_lines, &path, &options).unwrap();
    let (mut reader, mut writer) = ConnectOptions::new()
        .streams(limits)
        .open_unix_blocking(&path)
        .unwrap();
    writer.write(b"abc\nabcd\n").unwrap();
    assert_eq!(reader.read_line().unwrap(), "abc\n");
    assert!(reader.read_line().unwrap().is_empty());
    server.close();
    assert!(!path.exists());
}

#[test]
fn a_call_that_times_out_loses_nothing_and_may_be_made_again() {
    let ((mut reader, mut writer), (mut their_reader, mut their_writer)) = pair();
    let short = Some(Duration::from_millis(30));
    reader.set_timeout(short);
    their_writer.write(b"half a ").unwrap();
    their_writer.flush().unwrap();
    assert!(matches!(reader.read_line(), Err(Error::TimedOut)));
    assert!(matches!(
        reader.read_lines().next(),
        Some(Err(Error::TimedOut))
    ));
    assert_eq!(reader.buffered(), b"half a ");
    reader.set_timeout(Some(LIMIT));
    their_writer.write(b"line\n").unwrap();
    their_writer.flush().unwrap();
    assert_eq!(reader.read_line().unwrap(), "half a line\n");
    // What is there is taken without any time at all.
    reader.set_timeout(Some(Duration::ZERO));
    assert!(matches!(reader.read(1), Err(Error::TimedOut)));

    writer.set_timeout(short);
    let much = vec![b'x'; MUCH];
    writer.write(&much).unwrap();
    assert!(matches!(writer.drain(), Err(Error::TimedOut)));
    assert!(matches!(writer.flush(), Err(Error::TimedOut)));
    assert!(matches!(writer.finish(), Err(Error::TimedOut)));
    writer.set_timeout(None);
    let took = in_time(move || {
        let taking = thread::spawn(move || their_reader.read_to_end(MUCH).unwrap().to_vec());
        writer.finish().unwrap();
        taking.join().unwrap()
    });
    assert!(took == much);
}

#[test]
fn streams_and_servers_of_any_socket_take_options() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let limits = StreamOptions::new().limit(3);
    let options = ServerOptions::new().streams(limits.clone());
    let answer = |mut reader: StreamReader, mut writer: StreamWriter| {
        let is_too_long = reader.read_line().is_err();
        writer.write(if is_too_long {
            b"too long\n"
        } else {
            b"fine\n"
        })
    };
    let server = Server::serve(vec![Async::new(listener).unwrap()], answer, &options);
    assert_eq!(server.local_addrs(), [address]);
    let socket = TcpStream::connect(address).unwrap();
    let (mut reader, mut writer) = streams(Async::new(socket).unwrap(), &limits);
    writer.write(b"abcd\n").unwrap();
    assert!(matches!(
        reader.read_line(),
        Err(Error::Read(ReadError::LineTooLong { limit: 3 }))
    ));
    server.shutdown(LIMIT);
}

#[cfg(unix)]
#[test]
fn without_any_time_a_read_takes_all_that_is_there() {
    // More reads than are made in a row, which is when a task would let others have their turn.
    let there: Vec<u8> = (0..2000).map(|number| number as u8).collect();
    for timeout in [Duration::ZERO, LIMIT] {
        let (near, mut far) = std::os::unix::net::UnixStream::pair().unwrap();
        io::Write::write_all(&mut far, &there).unwrap();
        let options = StreamOptions::new().read_size(1);
        let (mut reader, _writer) = streams(Async::new(near).unwrap(), &options);
        reader.set_timeout(Some(timeout));
        assert_eq!(reader.read_exact(2000).unwrap(), there);
        reader.set_timeout(Some(Duration::ZERO));
        assert!(matches!(reader.read(1), Err(Error::TimedOut)));
    }
}

#[cfg(unix)]
#[test]
fn an_error_of_connecting_to_a_unix_socket_names_the_path() {
    let path = std::env::temp_dir().join("no such folder/socket");
    let error = open_unix_connection(&path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    let text = format!("cannot connect to {}: ", path.display());
    assert!(error.to_string().starts_with(&text), "{error}");
}

/// A source that never waits, and never ends.
struct Endless;

impl Read for Endless {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        room.fill(b'x');
        Ok(room.len())
    }
}

#[test]
fn without_any_time_a_read_that_never_waits_ends_too() {
    let skipped = in_time(|| {
        let transport = Join::new(FromRead(Endless), FromWrite(io::sink()));
        let (mut reader, _writer) = streams(transport, &StreamOptions::new());
        reader.set_timeout(Some(Duration::ZERO));
        reader.skip_until(&Separator::CRLF)
    });
    assert!(matches!(skipped, Err(Error::TimedOut)));
}
