//! Where this crate departs from asyncio on purpose, one test each.
//!
//! `docs/asyncio.md` gives the reasons. Departures that concern tasks, sockets and servers belong to
//! the adapters.

use bytes::Buf;
use plimsoll::{
    Connection, ConnectionError, ConnectionState, ReadError, Reader, Separator, Step, WriteError,
    Writer, WriterState,
};

fn line(reader: &mut Reader) -> Result<Step<Vec<u8>>, ReadError> {
    Ok(reader.read_line()?.map(|frame| frame.to_vec()))
}

fn some(reader: &mut Reader) -> Result<Step<Vec<u8>>, ReadError> {
    Ok(reader.read(100)?.map(|frame| frame.to_vec()))
}

fn ready(bytes: &str) -> Result<Step<Vec<u8>>, ReadError> {
    Ok(Step::Ready(bytes.into()))
}

/// CPython gives out `in\n`, the rest of the long line, as a line.
#[test]
fn the_rest_of_a_long_line_is_no_line_wherever_its_newline_arrives() {
    let mut reader = Reader::with_limit(3);
    reader.feed(b"longl");
    assert_eq!(line(&mut reader), Err(ReadError::LineTooLong { limit: 3 }));
    assert!(reader.is_discarding());
    reader.feed(b"ong");
    assert_eq!(line(&mut reader), Ok(Step::NeedInput));
    assert_eq!(reader.capacity(), 0, "nothing is held of what is dropped");
    reader.feed(b"in\nok\n");
    assert!(!reader.is_discarding());
    assert_eq!(line(&mut reader), ready("ok\n"));
    assert_eq!(reader.position(), 14);
}

/// Whichever read comes next, it begins behind the newline.
#[test]
fn what_is_dropped_of_a_long_line_is_no_matter_of_the_next_read() {
    type Read = fn(&mut Reader) -> Option<Vec<u8>>;
    let reads: [Read; 4] = [
        |reader| reader.read(9).unwrap().map(|frame| frame.to_vec()).ready(),
        |reader| {
            reader
                .read_exact(2)
                .unwrap()
                .map(|frame| frame.to_vec())
                .ready()
        },
        |reader| reader.peek(2).unwrap().map(<[u8]>::to_vec).ready(),
        |reader| {
            let frame = reader.read_until(&Separator::byte(b'k')).unwrap();
            frame.map(|frame| frame.to_vec()).ready()
        },
    ];
    for read in reads {
        let mut reader = Reader::with_limit(3);
        reader.feed(b"too long");
        line(&mut reader).unwrap_err();
        reader.input(10)[..7].copy_from_slice(b" by far");
        reader.commit(7);
        assert_eq!(read(&mut reader), None);
        reader.feed(b"\nok");
        assert_eq!(read(&mut reader).as_deref(), Some(&b"ok"[..]));
    }
}

/// CPython raises before it looks at the buffer, and nothing gets at the bytes any more.
#[test]
fn buffered_bytes_come_before_a_loss() {
    let mut reader = Reader::new();
    reader.feed(b"unread\npart");
    reader.feed_eof();
    reader.feed_lost(ConnectionError::Reset);
    assert_eq!(line(&mut reader), ready("unread\n"));
    assert_eq!(
        line(&mut reader),
        Err(ReadError::ConnectionLost(ConnectionError::Reset))
    );
    assert_eq!(some(&mut reader), ready("part"));
    assert_eq!(
        some(&mut reader),
        Err(ReadError::ConnectionLost(ConnectionError::Reset))
    );
    reader.feed_lost(ConnectionError::TimedOut);
    assert_eq!(
        some(&mut reader),
        Err(ReadError::ConnectionLost(ConnectionError::TimedOut)),
        "the last one counts"
    );
}

/// CPython's `read(-1)` takes whatever comes, and loses it when cancelled.
#[test]
fn reading_to_the_end_is_bounded_and_loses_nothing_when_given_up() {
    let mut reader = Reader::with_limit(4);
    reader.feed(b"0123456789");
    let to_end =
        |reader: &mut Reader, max| reader.read_to_end(max).map(|step| step.map(|f| f.to_vec()));
    assert_eq!(
        to_end(&mut reader, 9),
        Err(ReadError::StreamTooLong { max: 9 })
    );
    assert_eq!(to_end(&mut reader, 10), Ok(Step::NeedInput));
    assert!(reader.wants_read(), "the limit does not hold it up");
    assert_eq!(reader.buffered(), b"0123456789");
    reader.feed_eof();
    assert_eq!(
        to_end(&mut reader, 10),
        Ok(Step::Ready(b"0123456789".to_vec()))
    );
    assert_eq!(to_end(&mut reader, 10), Ok(Step::Ready(Vec::new())));
}

/// CPython hands the bytes out with the exception, and has forgotten them.
#[test]
fn an_incomplete_read_leaves_its_bytes_and_fails_again() {
    let mut reader = Reader::new();
    reader.feed(b"abc");
    reader.feed_eof();
    let incomplete = ReadError::Incomplete {
        buffered: 3,
        expected: Some(4),
    };
    for _ in 0..2 {
        assert_eq!(reader.read_exact(4).unwrap_err(), incomplete);
    }
    assert_eq!(some(&mut reader), ready("abc"));
}

/// A number of bytes is often the peer's word. CPython buffers any number.
#[test]
fn more_than_the_cap_is_not_waited_for() {
    let mut reader = Reader::new();
    let too_many = ReadError::CountTooLarge {
        requested: Reader::DEFAULT_MAX_READ_EXACT + 1,
        max: Reader::DEFAULT_MAX_READ_EXACT,
    };
    assert_eq!(
        reader
            .read_exact(Reader::DEFAULT_MAX_READ_EXACT + 1)
            .unwrap_err(),
        too_many
    );
    assert_eq!(
        reader.peek(Reader::DEFAULT_MAX_READ_EXACT + 1).unwrap_err(),
        too_many
    );
    assert_eq!(
        reader
            .read_exact(Reader::DEFAULT_MAX_READ_EXACT)
            .map(|step| step.is_ready()),
        Ok(false)
    );
}

/// CPython's limit is fixed for life.
#[test]
fn the_limit_can_change_from_call_to_call() {
    let mut reader = Reader::with_limit(3);
    reader.feed(b"longer\n");
    assert!(reader.is_paused());
    let overrun = ReadError::LimitOverrun {
        limit: 3,
        consumed: 6,
    };
    assert_eq!(reader.read_until(&Separator::LF).unwrap_err(), overrun);
    reader.set_limit(6);
    assert_eq!(line(&mut reader), Ok(Step::Ready(b"longer\n".to_vec())));
    reader.feed(b"seven");
    assert!(!reader.is_paused());
    reader.set_limit(2);
    assert!(reader.is_paused());
    reader.set_limit(5);
    assert!(!reader.is_paused());
}

/// The text of CPython's exception says it, and so depends on packets.
#[test]
fn an_overrun_does_not_say_whether_its_separator_has_arrived() {
    let overrun = ReadError::LimitOverrun {
        limit: 3,
        consumed: 6,
    };
    for (input, is_there) in [(&b"longer"[..], false), (b"longer\n", true)] {
        let mut reader = Reader::with_limit(3);
        reader.feed(input);
        assert_eq!(reader.read_until(&Separator::LF).unwrap_err(), overrun);
        assert_eq!(reader.buffered()[6..].starts_with(b"\n"), is_there);
    }
}

/// CPython raises what is stored before it looks at the limit.
#[test]
fn a_line_that_is_too_long_comes_before_a_loss() {
    let lost = Err(ReadError::ConnectionLost(ConnectionError::Reset));
    let lost_after = |input| {
        let mut reader = Reader::with_limit(3);
        reader.feed(input);
        reader.feed_lost(ConnectionError::Reset);
        reader
    };
    for input in [&b"longer\n"[..], b"longer"] {
        let mut reader = lost_after(input);
        assert_eq!(line(&mut reader), Err(ReadError::LineTooLong { limit: 3 }));
        assert_eq!(line(&mut reader), lost);

        let mut reader = lost_after(input);
        let overrun = reader.read_until(&Separator::LF).unwrap_err();
        assert!(matches!(overrun, ReadError::LimitOverrun { limit: 3, .. }));
        assert_eq!(some(&mut reader), Ok(Step::Ready(input.to_vec())));
        assert_eq!(some(&mut reader), lost);
    }
}

/// CPython has taken the bytes out of the buffer, and drops them with the exception.
#[test]
fn reading_to_the_end_keeps_its_bytes_when_the_connection_is_lost() {
    let mut reader = Reader::new();
    reader.feed(b"last ");
    assert_eq!(
        reader.read_to_end(100).map(|step| step.is_ready()),
        Ok(false)
    );
    reader.feed(b"words");
    reader.feed_lost(ConnectionError::Reset);
    let lost = ReadError::ConnectionLost(ConnectionError::Reset);
    assert_eq!(reader.read_to_end(100).unwrap_err(), lost);
    assert_eq!(some(&mut reader), ready("last words"));
    assert_eq!(some(&mut reader), Err(lost));
}

/// After an overrun CPython leaves it to the user to get past the frame.
#[test]
fn a_frame_that_is_too_long_can_be_skipped_in_bounded_memory() {
    let crlf = &Separator::CRLF;
    let mut reader = Reader::with_limit(3);
    reader.feed(b"too long\r");
    assert!(matches!(
        reader.read_until(crlf),
        Err(ReadError::LimitOverrun { .. })
    ));
    assert_eq!(reader.skip_until(crlf), Ok(Step::NeedInput));
    assert_eq!(reader.buffered(), b"", "what is discarded is not seen");
    assert_eq!(reader.position(), 8, "a carriage return is held");
    for turn in 1..=1000 {
        reader.feed(b"and more, and");
        assert_eq!(reader.skip_until(crlf), Ok(Step::NeedInput));
        assert_eq!(
            reader.position(),
            9 + 13 * turn - 1,
            "no more than a byte is held"
        );
    }
    reader.feed(b" more\r\nok\r\n");
    assert_eq!(reader.skip_until(crlf), Ok(Step::Ready(0)));
    assert_eq!(line(&mut reader), ready("ok\r\n"));

    reader.feed(b"no end");
    reader.feed_eof();
    for _ in 0..2 {
        let incomplete = reader.skip_until(crlf).unwrap_err();
        assert_eq!(incomplete, ReadError::SkipIncomplete { discarded: 6 });
        assert!(!incomplete.is_clean_end());
    }
    assert!(reader.at_eof());
}

/// CPython drops a write after a loss, and after `close` sends or drops it.
#[test]
fn a_write_after_the_end_is_an_error() {
    let mut writer = Writer::new();
    writer.write(b"pending").unwrap();
    writer.close();
    assert_eq!(writer.write(b"late"), Err(WriteError::Closed));
    assert_eq!(writer.output().chunk(), b"pending");

    let mut writer = Writer::new();
    writer.lost(ConnectionError::Reset);
    assert_eq!(
        writer.write(b"late"),
        Err(WriteError::ConnectionLost(ConnectionError::Reset))
    );
    assert_eq!(
        writer.write_bytes("late".into()),
        Err(WriteError::ConnectionLost(ConnectionError::Reset))
    );
}

/// CPython queues without bound.
#[test]
fn a_write_beyond_the_cap_is_refused_whole() {
    let mut writer = Writer::new();
    writer.set_max_pending(10);
    writer.write(b"0123456").unwrap();
    let full = |len| {
        Err(WriteError::Full {
            len,
            pending: 7,
            max: 10,
        })
    };
    assert_eq!(writer.write(b"0123"), full(4));
    assert_eq!(writer.write_all_vectored(&[b"01", b"23"]), full(4));
    assert_eq!(writer.write_bytes(vec![0; 600].into()), full(600));
    assert_eq!(writer.pending(), 7);
    writer.write(b"").unwrap();
    writer.write(b"789").unwrap();
    assert_eq!(writer.output().chunk(), b"0123456789");
    assert_eq!(Writer::new().max_pending(), 16 << 20);
}

/// After CPython's `abort` reads see a clean end and `drain` succeeds.
#[test]
fn an_abort_is_no_clean_end_on_either_side() {
    let mut connection = Connection::new();
    connection.reader.feed(b"ab");
    connection.writer.write(b"pending").unwrap();
    connection.abort();
    assert_eq!(
        connection.state(),
        ConnectionState::Lost(ConnectionError::Aborted)
    );
    assert_eq!(connection.writer.pending(), 0);
    assert!(!connection.writer.is_writable());
    let lost = ReadError::ConnectionLost(ConnectionError::Aborted);
    assert_eq!(connection.reader.read_exact(5).unwrap_err(), lost);
    assert_eq!(some(&mut connection.reader), ready("ab"));
    assert_eq!(some(&mut connection.reader), Err(lost));
    assert_eq!(
        connection.writer.state(),
        WriterState::Lost(ConnectionError::Aborted)
    );

    let mut alone = Writer::new();
    alone.write(b"pending").unwrap();
    alone.abort();
    assert_eq!(alone.state(), WriterState::Lost(ConnectionError::Aborted));
    assert_eq!(alone.pending(), 0);
}

/// In CPython nothing tells that both directions have ended: `is_closing` stays false.
#[test]
fn two_clean_ends_close_a_connection() {
    let mut connection = Connection::new();
    connection.writer.finish();
    connection.writer.shutdown_done();
    assert_eq!(connection.state(), ConnectionState::HalfClosedLocal);
    connection.reader.feed(b"bye\n");
    connection.reader.feed_eof();
    assert_eq!(connection.state(), ConnectionState::Closed);
    connection.lost(ConnectionError::Reset);
    assert_eq!(
        connection.state(),
        ConnectionState::Closed,
        "too late to matter"
    );
    assert_eq!(line(&mut connection.reader), ready("bye\n"));
    assert_eq!(line(&mut connection.reader), ready(""));
}
