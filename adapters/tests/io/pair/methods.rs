//! Each method of a stream that does no more than pass something on, and what streams show of themselves.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use futures_core::Stream as _;
use plimsoll_io::{
    DuplexStream, Error, LineEnding, ReadError, StreamPair, StreamReader, StreamWriter, WaterMarks,
    WriteError,
};

fn pair() -> (StreamPair<DuplexStream>, StreamPair<DuplexStream>) {
    io_test_support::pair(100)
}

/// What a future comes to that need not wait.
fn now<A>(future: impl Future<Output = A>) -> A {
    let mut cx = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut cx) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("it has to wait"),
    }
}

/// What a peer gets of writes.
fn received(write: impl FnOnce(&mut StreamWriter<DuplexStream>) -> Result<(), Error>) -> Vec<u8> {
    let (mut here, mut there) = pair();
    write(&mut here.writer).unwrap();
    now(here.writer.close()).unwrap();
    now(there.reader.read_to_end(100)).unwrap().to_vec()
}

/// A reader to which this was sent, and then the end of the stream.
fn sent(text: &str) -> StreamReader<DuplexStream> {
    let (here, mut there) = pair();
    there.writer.write(text.as_bytes()).unwrap();
    now(there.writer.close()).unwrap();
    here.reader
}

#[test]
fn each_write_arrives() {
    assert_eq!(received(|writer| writer.write(b"bytes")), b"bytes");
    assert_eq!(
        received(|writer| writer.write_bytes("bytes".into())),
        b"bytes"
    );
    let parts: [&[u8]; 3] = [b"a", b"", b"bc"];
    assert_eq!(received(|writer| writer.write_all_vectored(&parts)), b"abc");
    assert_eq!(
        received(|writer| writer.write_line(b"line", LineEnding::CrLf)),
        b"line\r\n"
    );
    assert_eq!(
        received(|writer| writer.write_line(b"line", LineEnding::Lf)),
        b"line\n"
    );
    assert_eq!(received(|writer| write!(writer, "plain")), b"plain");
    assert_eq!(received(|writer| write!(writer, "{}, {}", 1, 2)), b"1, 2");
}

#[test]
fn limits_can_be_changed() {
    let mut reader = sent("1234\nrest");
    reader.set_limit(3);
    let too_long = now(reader.read_line()).unwrap_err();
    assert!(matches!(
        too_long,
        Error::Read(ReadError::LineTooLong { limit: 3 })
    ));
    reader.set_max_read_exact(2);
    let too_much = now(reader.read_exact(3)).unwrap_err();
    assert!(matches!(
        too_much,
        Error::Read(ReadError::CountTooLarge {
            requested: 3,
            max: 2
        })
    ));

    let (mut here, _there) = pair();
    here.writer.set_water_marks(WaterMarks::new(1, 0).unwrap());
    here.writer.set_max_pending(3);
    here.writer.write(b"1").unwrap();
    assert!(here.writer.is_writable());
    here.writer.write(b"2").unwrap();
    assert!(!here.writer.is_writable());
    let full = here.writer.write(b"34").unwrap_err();
    assert!(matches!(
        full,
        Error::Write(WriteError::Full { max: 3, .. })
    ));
}

#[test]
fn the_end_is_seen_behind_the_last_byte() {
    let mut reader = sent("last\n");
    assert!(!reader.at_eof());
    assert_eq!(now(reader.read(100)).unwrap(), "last\n");
    assert!(!reader.at_eof(), "nobody has asked for more yet");
    assert!(now(reader.read(100)).unwrap().is_empty());
    assert!(reader.at_eof());
}

#[test]
fn lines_come_one_by_one_until_the_end() {
    let mut reader = sent("one\ntwo\nlast");
    let mut lines = reader.read_lines();
    let mut next = || {
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(&mut lines).poll_next(&mut cx) {
            Poll::Ready(line) => line.map(Result::unwrap),
            Poll::Pending => panic!("everything has arrived"),
        }
    };
    assert_eq!(next().unwrap(), "one\n");
    assert_eq!(next().unwrap(), "two\n");
    assert_eq!(next().unwrap(), "last");
    assert_eq!(next(), None);
    assert_eq!(next(), None);
}

#[test]
fn what_is_shown_says_how_much_there_is() {
    let (mut here, mut there) = pair();
    there.writer.write(b"seven by\n").unwrap();
    now(there.writer.flush()).unwrap();
    assert_eq!(now(here.reader.read_exact(2)).unwrap(), "se");
    here.writer.write(b"pend").unwrap();
    let (reader, writer) = ("buffered: 7", "pending: 4");
    let shown = format!("{here:?}");
    assert!(shown.contains(reader) && shown.contains(writer), "{shown}");
    assert!(format!("{:?}", here.reader).contains(reader));
    assert!(format!("{:?}", here.writer).contains(writer));
    assert!(format!("{:?}", here.reader.read_lines()).contains(reader));

    let ((ours, _), (_, theirs)) = (here.split(), there.split());
    let stranger = StreamPair::reunite(ours, theirs).map(|_| ()).unwrap_err();
    assert!(format!("{stranger:?}").contains(reader));

    let (mut here, mut there) = pair();
    there.writer.write(b"seven by\n").unwrap();
    now(there.writer.flush()).unwrap();
    assert_eq!(now(here.reader.read_exact(2)).unwrap(), "se");
    here.writer.write(b"pend").unwrap();
    let shown = format!("{:?}", here.into_parts().unwrap());
    assert!(
        shown.contains("unread: 7") && shown.contains("unsent: 4"),
        "{shown}"
    );
}
