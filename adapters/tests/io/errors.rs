//! What the errors of streams are to those who know only `io::Error`.

use std::error::Error as _;
use std::io::ErrorKind;

use io_test_support::pair;
use plimsoll_io::blocking::block_on;
use plimsoll_io::{ConnectionError, Error, ReadError, WriteError};

#[test]
fn each_error_has_the_kind_that_a_socket_would_give() {
    let read = |error| std::io::Error::from(Error::Read(error)).kind();
    let write = |error| std::io::Error::from(Error::Write(error)).kind();
    let limit = 1;
    let of_data = [
        ReadError::LineTooLong { limit },
        ReadError::LimitOverrun { limit, consumed: 1 },
        ReadError::StreamTooLong { max: 1 },
        ReadError::BareLineBreak { before: 1 },
        ReadError::InvalidLength { length: 1 },
    ];
    for error in of_data {
        assert_eq!(read(error), ErrorKind::InvalidData);
    }
    let incomplete = ReadError::Incomplete {
        buffered: 1,
        expected: None,
    };
    assert_eq!(read(incomplete), ErrorKind::UnexpectedEof);
    let skipped = ReadError::SkipIncomplete { discarded: 1 };
    assert_eq!(read(skipped), ErrorKind::UnexpectedEof);
    let requested = 2;
    let cap = ReadError::CountTooLarge { requested, max: 1 };
    assert_eq!(read(cap), ErrorKind::InvalidInput);

    let timed_out = std::io::Error::from(Error::TimedOut);
    assert_eq!(timed_out.kind(), ErrorKind::TimedOut);

    assert_eq!(write(WriteError::Finished), ErrorKind::BrokenPipe);
    assert_eq!(write(WriteError::Closed), ErrorKind::BrokenPipe);
    let full = WriteError::Full {
        len: 1,
        pending: 1,
        max: 1,
    };
    assert_eq!(write(full), ErrorKind::QuotaExceeded);
    let lines = WriteError::NotOneLine { before: 1 };
    assert_eq!(write(lines), ErrorKind::InvalidInput);
    let overflow = WriteError::LengthOverflow { len: 1 };
    assert_eq!(write(overflow), ErrorKind::InvalidInput);

    for (loss, kind) in [
        (ConnectionError::Reset, ErrorKind::ConnectionReset),
        (ConnectionError::BrokenPipe, ErrorKind::BrokenPipe),
        (ConnectionError::NotConnected, ErrorKind::NotConnected),
        (ConnectionError::Aborted, ErrorKind::ConnectionAborted),
        (ConnectionError::TimedOut, ErrorKind::TimedOut),
        (ConnectionError::Transport, ErrorKind::Other),
    ] {
        assert_eq!(read(ReadError::ConnectionLost(loss)), kind);
        assert_eq!(write(WriteError::ConnectionLost(loss)), kind);
    }
}

#[test]
fn an_abort_keeps_its_kind() {
    let (mut here, _there) = pair(1);
    here.writer.abort();
    let error = std::io::Error::from(here.writer.write(b"late").unwrap_err());
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
}

#[test]
fn a_loss_names_its_cause_if_it_has_one() {
    let (mut here, mut there) = pair(1);
    there.writer.abort();
    drop(there);
    let Error::ConnectionLost(lost) = block_on(here.reader.read_line()).unwrap_err() else {
        panic!("the connection was reset");
    };
    let reset = ErrorKind::ConnectionReset;
    assert_eq!(
        lost.to_string(),
        format!("connection lost: reset by the peer ({reset})")
    );
    let source = lost.source().expect("the transport's error");
    let source: &std::io::Error = source.downcast_ref().expect("one of the system");
    assert_eq!(source.kind(), reset);

    let (mut here, _there) = pair(1);
    here.writer.abort();
    let Error::ConnectionLost(lost) = block_on(here.writer.flush()).unwrap_err() else {
        panic!("the connection was aborted");
    };
    assert_eq!(lost.to_string(), "connection lost: aborted on this side");
    assert!(lost.source().is_none());
}
