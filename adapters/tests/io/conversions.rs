//! What `?` converts in a handler that returns an `Error`, on every runtime, and back.

use std::error::Error as _;
use std::io::{self, ErrorKind, Read};
use std::net::TcpListener;

use io_test_support::on_each_runtime;
use io_test_support::servers::{connect, eventually, start};
use plimsoll_io::{
    ConnectError, ConnectOptions, ConnectionError, ConnectionLost, Error, ReadError, Runtime,
    Separator, SeparatorError, ServerOptions, StreamReader, StreamWriter, WaterMarks,
    WaterMarksError, WriteError, blocking,
};

type Result<T, E = Error> = std::result::Result<T, E>;

/// Each `?` converts another error.
async fn asks_for_everything<R: Runtime>(
    reader: StreamReader<R::Tcp>,
    mut writer: StreamWriter<R::Tcp>,
) -> Result<()> {
    let addresses = [
        reader.peer_addr()?,
        reader.local_addr()?,
        writer.peer_addr()?,
        writer.local_addr()?,
    ];
    let separator = Separator::any([&b"\n"[..], b"\r\n"])?;
    writer.set_water_marks(WaterMarks::new(100, 50)?);
    let mut core = plimsoll::Connection::new();
    core.writer.write(b"of the core")?;
    core.reader.feed(b"one\r\ntwo");
    let _ = core.reader.read_until(&separator)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let options = ConnectOptions::new();
    options.open_connection::<R>("127.0.0.1", port).await?;
    writeln!(writer, "{}", addresses[0])
}

async fn a_handler_may_ask_for_everything<R: Runtime>() {
    let (server, address) = start::<R, _, _>(asks_for_everything::<R>, &ServerOptions::new()).await;
    let mut client = connect(address);
    let mut reply = String::new();
    client.read_to_string(&mut reply).unwrap();
    assert_eq!(reply, format!("{}\n", client.local_addr().unwrap()));
    eventually::<R>(|| server.connections() == 0).await;
    assert_eq!(server.statistics().failed, 0);
    server.close();
}

/// It fails, and the connection goes on.
async fn an_address_is_asked_of_what_is_gone<R: Runtime>() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let options = ConnectOptions::new();
    let opened = options.open_connection::<R>("127.0.0.1", port).await;
    let (reader, mut writer) = opened.unwrap();
    writer.abort();
    let asks = |reader: &StreamReader<R::Tcp>| -> Result<_> { Ok(reader.peer_addr()?) };
    let error = asks(&reader).unwrap_err();
    assert!(matches!(&error, Error::Io(error) if error.kind() == ErrorKind::NotConnected));
    assert_eq!(io::Error::from(error).kind(), ErrorKind::NotConnected);
}

/// With threads.
#[test]
fn a_blocking_handler_may_ask_for_everything() {
    fn asks(reader: blocking::StreamReader, mut writer: blocking::StreamWriter) -> Result<()> {
        let peer = reader.peer_addr()?;
        writer.local_addr()?;
        Separator::any([&b"\n"[..]])?;
        writer.set_water_marks(WaterMarks::new(100, 50)?);
        let mut core = plimsoll::Connection::new();
        core.writer.write(b"of the core")?;
        core.reader.feed(b"line\n");
        let _ = core.reader.read_line()?;
        writeln!(writer, "{peer}")
    }
    let server = blocking::start_server(asks, "127.0.0.1", 0).unwrap();
    let mut client = connect(server.local_addrs()[0]);
    let mut reply = String::new();
    client.read_to_string(&mut reply).unwrap();
    assert_eq!(reply, format!("{}\n", client.local_addr().unwrap()));
    server.close();
}

#[test]
fn an_error_of_the_system_keeps_kind_text_and_source() {
    #[derive(Debug, thiserror::Error)]
    #[error("why")]
    struct Why;
    #[derive(Debug, thiserror::Error)]
    #[error("what")]
    struct What(#[source] Why);

    let error = Error::from(io::Error::new(ErrorKind::AddrInUse, What(Why)));
    assert_eq!(error.to_string(), "what");
    assert!(error.source().unwrap().is::<Why>());
    let converted = io::Error::from(error.clone());
    assert_eq!(converted.kind(), ErrorKind::AddrInUse);
    assert_eq!(converted.to_string(), "what");
    assert!(converted.source().unwrap().is::<Why>());
    let held: &Error = converted.get_ref().unwrap().downcast_ref().unwrap();
    let Error::Io(held) = held else {
        panic!("{held:?}");
    };
    assert!(held.get_ref().unwrap().is::<What>());

    let code = rustix::io::Errno::NOBUFS.raw_os_error();
    let Error::Io(error) = Error::from(io::Error::from_raw_os_error(code)) else {
        panic!("another error");
    };
    assert_eq!(error.raw_os_error(), Some(code));
}

#[test]
fn an_error_that_was_converted_becomes_itself_again() {
    let limit = 3;
    let line = Error::Read(ReadError::LineTooLong { limit });
    assert!(matches!(
        Error::from(io::Error::from(line)),
        Error::Read(ReadError::LineTooLong { limit: 3 })
    ));
    let lost = Error::from(ReadError::ConnectionLost(ConnectionError::Aborted));
    assert!(matches!(
        Error::from(io::Error::from(lost)),
        Error::ConnectionLost(ConnectionLost {
            kind: ConnectionError::Aborted,
            ..
        })
    ));
    let twice = Error::from(io::Error::from(Error::from(io::Error::from(
        ErrorKind::NotConnected,
    ))));
    assert!(matches!(twice, Error::Io(error) if error.get_ref().is_none()));
}

#[test]
fn what_was_not_built_is_invalid_input() {
    let separator = Separator::any([] as [&[u8]; 0]).unwrap_err();
    let marks = WaterMarks::new(1, 2).unwrap_err();
    let errors = [Error::from(separator), Error::from(marks)];
    assert!(matches!(
        errors[0],
        Error::Separator(SeparatorError::NoneGiven)
    ));
    assert!(matches!(
        errors[1],
        Error::WaterMarks(WaterMarksError {
            high: 1,
            low: 2,
            ..
        })
    ));
    for error in errors {
        let text = error.to_string();
        let error = io::Error::from(error);
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn a_failed_attempt_to_connect_converts_as_a_whole() {
    let host = "nowhere".to_owned();
    let error = Error::from(ConnectError::NoAddress { host });
    assert!(error.to_string().contains("nowhere"), "{error}");
    let Error::Io(error) = error else {
        panic!("{error:?}");
    };
    assert!(error.get_ref().unwrap().is::<ConnectError>());
}

#[test]
fn a_loss_of_the_core_is_a_loss() {
    fn write() -> Result<()> {
        Err(WriteError::ConnectionLost(ConnectionError::Reset))?
    }
    assert!(matches!(write(), Err(Error::ConnectionLost(_))));
}

on_each_runtime!([
    a_handler_may_ask_for_everything
    an_address_is_asked_of_what_is_gone
]);
