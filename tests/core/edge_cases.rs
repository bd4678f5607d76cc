//! The corners of asyncio's behaviour that a new implementation gets wrong, one test each.
//!
//! Each was run on CPython 3.13. Where this crate departs from it on purpose, the test stands in
//! `departures.rs`; what belongs to sockets, tasks and servers is no business of the core.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Buf;
use plimsoll::{
    Connection, ConnectionError, ConnectionState, Discarding, FrameToken, LengthPrefix, LineEnding,
    Parts, Progress, ReadError, Reader, SendAction, Separator, SeparatorError, Step,
    TransportError, WaterMarks, WriteError, Writer, WriterState,
};
use test_support::reader_model::{ReaderModel, assert_same_state};

fn reader(limit: usize, input: &[u8]) -> Reader {
    let mut reader = Reader::with_limit(limit);
    reader.feed(input);
    reader
}

fn ended(limit: usize, input: &[u8]) -> Reader {
    let mut reader = reader(limit, input);
    reader.feed_eof();
    reader
}

fn separator(members: &[&str]) -> Separator {
    Separator::any(members).unwrap()
}

fn until(reader: &mut Reader, members: &[&str]) -> Result<Step<Vec<u8>>, ReadError> {
    Ok(reader
        .read_until(&separator(members))?
        .map(|frame| frame.to_vec()))
}

fn line(reader: &mut Reader) -> Result<Step<Vec<u8>>, ReadError> {
    Ok(reader.read_line()?.map(|frame| frame.to_vec()))
}

fn exact(reader: &mut Reader, count: usize) -> Result<Step<Vec<u8>>, ReadError> {
    Ok(reader.read_exact(count)?.map(|frame| frame.to_vec()))
}

fn some(reader: &mut Reader, max: usize) -> Result<Step<Vec<u8>>, ReadError> {
    Ok(reader.read(max)?.map(|frame| frame.to_vec()))
}

fn ready(bytes: &str) -> Result<Step<Vec<u8>>, ReadError> {
    Ok(Step::Ready(bytes.into()))
}

const WAITS: Result<Step<Vec<u8>>, ReadError> = Ok(Step::NeedInput);

fn overrun(limit: usize, consumed: usize) -> Result<Step<Vec<u8>>, ReadError> {
    Err(ReadError::LimitOverrun { limit, consumed })
}

fn incomplete(buffered: usize, expected: Option<usize>) -> Result<Step<Vec<u8>>, ReadError> {
    Err(ReadError::Incomplete { buffered, expected })
}

const TOO_LONG: Result<Step<Vec<u8>>, ReadError> = Err(ReadError::LineTooLong { limit: 3 });

#[test]
fn a_frame_of_exactly_the_limit_passes() {
    assert_eq!(until(&mut reader(3, b"abc\n"), &["\n"]), ready("abc\n"));
}

#[test]
fn one_byte_more_fails_stays_buffered_and_fails_again() {
    let mut reader = reader(3, b"abcd\nX");
    for _ in 0..3 {
        assert_eq!(until(&mut reader, &["\n"]), overrun(3, 4));
        assert_eq!(reader.buffered(), b"abcd\nX");
    }
}

#[test]
fn an_overrun_does_not_wait_for_the_separator() {
    assert_eq!(until(&mut reader(3, b"abcd"), &["\n"]), overrun(3, 4));
}

#[test]
fn an_overrun_leaves_room_for_the_beginning_of_a_separator() {
    let mut reader = reader(3, b"abcd");
    assert_eq!(until(&mut reader, &["\r\n"]), WAITS);
    reader.feed(b"\r");
    assert_eq!(until(&mut reader, &["\r\n"]), overrun(3, 4));
    assert_eq!(reader.buffered().len(), 5);
}

#[test]
fn a_separator_may_begin_at_the_limit_and_come_in_pieces() {
    let mut reader = reader(3, b"abc\r");
    assert_eq!(until(&mut reader, &["\r\n"]), WAITS);
    reader.feed(b"\n");
    assert_eq!(until(&mut reader, &["\r\n"]), ready("abc\r\n"));
}

#[test]
fn consumed_leaves_out_what_may_begin_a_separator() {
    let mut reader = reader(3, b"some dataAA");
    assert_eq!(until(&mut reader, &["AAA"]), overrun(3, 9));
    reader.feed(b"A");
    assert_eq!(until(&mut reader, &["AAA"]), overrun(3, 9));
    assert_eq!(exact(&mut reader, 9), ready("some data"));
    assert_eq!(until(&mut reader, &["AAA"]), ready("AAA"));
}

#[test]
fn separators_of_any_length_are_found_whole() {
    for len in [1, 2, 16, 127, 128, 254, Separator::MAX_LEN] {
        let separator = [&vec![b'-'; len - 1][..], b"!"].concat();
        let input = [b"content", &separator[..], b"rest"].concat();
        let built = Separator::new(&separator).unwrap();
        for cut in 0..input.len() {
            let mut reader = reader(10, &input[..cut]);
            let waits = reader.read_until(&built).unwrap().ready().is_none();
            assert_eq!(waits, cut < input.len() - 4);
            if !waits {
                continue;
            }
            reader.feed(&input[cut..]);
            let frame = reader.read_until(&built).unwrap().ready().unwrap();
            assert_eq!(
                (frame.content(), frame.separator_index()),
                (&b"content"[..], Some(0))
            );
            assert_eq!(frame.len(), 7 + len);
            let token = frame.without_separator().token();
            assert_eq!(reader.frame(token).into_bytes(), "content");
            assert_eq!(reader.buffered(), b"rest");
        }
    }
}

#[test]
fn consumed_of_a_strict_line_ends_before_its_line_break() {
    for (input, rest) in [
        (&b"too long\r\nnext\r\n"[..], ready("\r\n")),
        (
            b"too long\nnext\r\n",
            Err(ReadError::BareLineBreak { before: 0 }),
        ),
        (b"too long\r", WAITS),
    ] {
        let mut reader = reader(3, input);
        let strict = |reader: &mut Reader| {
            let frame = reader.read_until(&Separator::STRICT_CRLF)?;
            Ok(frame.map(|frame| frame.to_vec()))
        };
        assert_eq!(strict(&mut reader), overrun(3, 8));
        assert_eq!(exact(&mut reader, 8), ready("too long"));
        assert_eq!(strict(&mut reader), rest);
    }
}

#[test]
fn a_line_that_is_too_long_goes_with_its_newline() {
    let mut reader = reader(3, b"longline\nok\n");
    assert_eq!(line(&mut reader), TOO_LONG);
    assert_eq!(reader.buffered(), b"ok\n");
    assert_eq!(line(&mut reader), ready("ok\n"));
}

#[test]
fn after_the_last_frame_every_read_tells_of_the_end() {
    let mut reader = ended(8, b"abc\n");
    assert!(!reader.at_eof());
    assert_eq!(until(&mut reader, &["\n"]), ready("abc\n"));
    assert!(reader.at_eof());
    for _ in 0..2 {
        assert_eq!(until(&mut reader, &["\n"]), incomplete(0, None));
        assert_eq!(line(&mut reader), ready(""));
        assert_eq!(some(&mut reader, 1), ready(""));
        assert_eq!(exact(&mut reader, 1), incomplete(0, Some(1)));
    }
}

#[test]
fn the_limit_comes_before_the_end_of_the_stream() {
    let mut reader = ended(3, b"abcdef");
    for _ in 0..2 {
        assert_eq!(until(&mut reader, &["\n"]), overrun(3, 6));
        assert!(!reader.at_eof());
    }
}

#[test]
fn a_last_line_that_is_too_long_is_gone() {
    let mut reader = ended(3, b"abcdef");
    assert_eq!(line(&mut reader), TOO_LONG);
    assert_eq!(line(&mut reader), ready(""));
    assert!(reader.at_eof());
}

#[test]
fn too_few_bytes_at_the_end_are_an_error() {
    let mut reader = ended(8, b"abc");
    assert_eq!(exact(&mut reader, 4), incomplete(3, Some(4)));
    assert_eq!(some(&mut reader, 4), ready("abc"));
    assert_eq!(exact(&mut reader, 4), incomplete(0, Some(4)));
}

#[test]
fn an_incomplete_read_tells_what_it_was_waiting_for() {
    let mut reader = ended(8, b"abc");
    assert_eq!(
        exact(&mut reader, 5).unwrap_err().to_string(),
        "stream ended with 3 bytes left, expected 5"
    );
    assert_eq!(
        until(&mut reader, &["\n"]).unwrap_err().to_string(),
        "stream ended with 3 bytes left, in the middle of a frame"
    );
}

#[test]
fn exactly_enough_bytes_at_the_end_are_none() {
    assert_eq!(exact(&mut ended(8, b"abc"), 3), ready("abc"));
}

#[test]
fn the_end_in_the_middle_of_a_separator_is_an_error() {
    let mut reader = ended(8, b"abAA");
    assert_eq!(until(&mut reader, &["AAA"]), incomplete(4, None));
    assert_eq!(reader.buffered(), b"abAA");
}

#[test]
fn a_loss_fails_also_reads_of_nothing() {
    let mut reader = Reader::new();
    reader.feed_lost(ConnectionError::Reset);
    assert_eq!(
        some(&mut reader, 0),
        Err(ReadError::ConnectionLost(ConnectionError::Reset))
    );
    assert_eq!(
        exact(&mut reader, 0),
        Err(ReadError::ConnectionLost(ConnectionError::Reset))
    );
    assert!(!reader.at_eof());
}

#[test]
fn a_read_of_nothing_takes_nothing_at_once() {
    let mut reader = Reader::new();
    assert_eq!(some(&mut reader, 0), ready(""));
    assert_eq!(exact(&mut reader, 0), ready(""));
    reader.feed(b"abc");
    assert_eq!(some(&mut reader, 0), ready(""));
    assert_eq!(exact(&mut reader, 0), ready(""));
    assert_eq!(reader.buffered(), b"abc");
}

#[test]
fn a_read_of_nothing_does_not_forget_what_another_waits_for() {
    let capacity = |reads: &[usize]| {
        let mut reader = Reader::with_limit(10);
        for &count in reads {
            let _ = exact(&mut reader, count);
        }
        reader.feed(&[b'a'; 30]);
        reader.capacity()
    };
    assert_eq!(capacity(&[1000]), 512);
    assert_eq!(capacity(&[1000, 0]), 512);
}

#[test]
fn reading_pauses_above_twice_the_limit_and_resumes_at_the_limit() {
    let mut reader = reader(4, b"12345678");
    assert!(reader.wants_read());
    reader.feed(b"9");
    assert!(reader.is_paused() && !reader.wants_read());
    assert_eq!(exact(&mut reader, 4), ready("1234"));
    assert!(reader.is_paused());
    assert_eq!(exact(&mut reader, 1), ready("5"));
    assert!(!reader.is_paused() && reader.wants_read());
}

#[test]
fn a_read_of_more_than_twice_the_limit_resumes_reading_each_time_it_waits() {
    let mut reader = reader(4, b"123456789");
    for _ in 0..2 {
        assert!(reader.is_paused());
        assert_eq!(exact(&mut reader, 20), WAITS);
        assert!(reader.wants_read());
        reader.feed(b"0");
    }
    assert!(reader.is_paused());
    assert_eq!(exact(&mut reader, 20), WAITS);
    reader.feed(b"123456789");
    assert_eq!(exact(&mut reader, 20), ready("12345678900123456789"));
}

#[test]
fn a_refused_or_incomplete_read_does_not_resume_reading() {
    let mut full = reader(1, b"abc");
    assert_eq!(until(&mut full, &["\n"]), overrun(1, 3));
    assert!(full.is_paused());
    let mut full = ended(1, b"abc");
    assert_eq!(exact(&mut full, 4), incomplete(3, Some(4)));
    assert!(full.is_paused());
    assert!(!full.wants_read(), "there is nothing more to read");
}

#[test]
fn bytes_taken_by_another_read_do_not_hide_a_separator() {
    let mut reader = reader(8, b"abc");
    assert_eq!(until(&mut reader, &["\n"]), WAITS);
    assert_eq!(some(&mut reader, 3), ready("abc"));
    reader.feed(b"x\n");
    assert_eq!(until(&mut reader, &["\n"]), ready("x\n"));
}

#[test]
#[should_panic(expected = "fed after the end")]
fn nothing_may_be_fed_after_the_end_not_even_nothing() {
    ended(8, b"abc").feed(b"");
}

#[test]
fn the_end_may_be_fed_twice() {
    let mut reader = ended(8, b"abc");
    reader.feed_eof();
    assert_eq!(line(&mut reader), ready("abc"));
}

#[test]
fn of_several_separators_the_first_to_end_wins() {
    assert_eq!(
        until(&mut reader(8, b"ABCDEFG"), &["DEF", "BCDE"]),
        ready("ABCDE")
    );
    let mut reader = reader(8, b"a\r\nb");
    assert_eq!(until(&mut reader, &["\r\n", "\r"]), ready("a\r"));
    assert_eq!(until(&mut reader, &["\r\n", "\n"]), ready("\n"));
}

#[test]
fn the_longest_separator_decides_how_early_an_overrun_is_certain() {
    let mut reader = reader(3, b"abcdefgh");
    let members = ["\n", "thirteen long"];
    assert_eq!(until(&mut reader, &members), WAITS);
    reader.feed(b"\n");
    assert_eq!(until(&mut reader, &members), overrun(3, 8));
}

#[test]
fn of_separators_that_end_together_the_shortest_decides_about_the_limit() {
    assert_eq!(
        until(&mut reader(3, b"some dataA"), &["A", "ome dataA"]),
        overrun(3, 9)
    );
}

#[test]
fn of_separators_that_end_together_the_longest_is_taken_off() {
    for (members, longest) in [(["\n", "\r\n"], 1), (["\r\n", "\n"], 0)] {
        let mut reader = reader(8, b"abc\r\n");
        let Ok(Step::Ready(frame)) = reader.read_until(&separator(&members)) else {
            panic!("a frame is there");
        };
        assert_eq!(frame.content(), b"abc");
        assert_eq!(frame.separator_index(), Some(longest));
    }
}

#[test]
fn separators_are_checked_when_they_are_built() {
    let any = |members: &[&[u8]]| Separator::any(members);
    assert_eq!(any(&[]).unwrap_err(), SeparatorError::NoneGiven);
    let empty = SeparatorError::Empty { index: 0 };
    assert_eq!(Separator::new("").unwrap_err(), empty);
    assert_eq!(any(&[b""]).unwrap_err(), empty);
    let second = SeparatorError::Empty { index: 1 };
    assert_eq!(any(&[b"a", b""]).unwrap_err(), second);

    let longest = vec![b'a'; Separator::MAX_LEN];
    assert_eq!(Separator::new(&longest).unwrap().get(0), Some(&longest[..]));
    let too_long = |index| SeparatorError::TooLong { index, len: 256 };
    assert_eq!(Separator::new([b'a'; 256]).unwrap_err(), too_long(0));
    let last = any(&[b"a", b"b", b"c", &[b'd'; 256]]);
    assert_eq!(last.unwrap_err(), too_long(3));
    assert!(any(&[&b"a"[..]; Separator::MAX_COUNT]).is_ok());
    let too_many = any(&[&b"a"[..]; Separator::MAX_COUNT + 1]);
    assert_eq!(too_many.unwrap_err(), SeparatorError::TooMany);
}

#[test]
fn bytes_and_the_end_that_come_together_complete_a_read() {
    let mut reader = Reader::new();
    assert_eq!(exact(&mut reader, 3), WAITS);
    reader.feed(b"ab");
    reader.feed(b"c");
    reader.feed_eof();
    assert_eq!(exact(&mut reader, 3), ready("abc"));
}

#[test]
fn bytes_and_a_loss_that_come_together_end_a_wait() {
    let mut reader = Reader::new();
    assert_eq!(line(&mut reader), WAITS);
    reader.feed(b"ab");
    reader.feed_lost(ConnectionError::Reset);
    assert_eq!(
        line(&mut reader),
        Err(ReadError::ConnectionLost(ConnectionError::Reset))
    );
    assert_eq!(exact(&mut reader, 2), ready("ab"));
    assert_eq!(
        exact(&mut reader, 2),
        Err(ReadError::ConnectionLost(ConnectionError::Reset))
    );
}

#[test]
fn a_read_that_is_given_up_leaves_its_bytes() {
    let mut reader = Reader::new();
    assert_eq!(exact(&mut reader, 2), WAITS);
    reader.feed(b"a");
    assert_eq!(exact(&mut reader, 2), WAITS);
    assert_eq!(reader.buffered(), b"a");
}

#[test]
fn the_writer_is_full_above_its_high_mark_only() {
    let mut writer = Writer::new();
    writer.set_water_marks(WaterMarks::new(100, 50).unwrap());
    writer.write(&[0; 100]).unwrap();
    assert!(writer.is_writable() && !writer.is_full());
    writer.write(&[0; 1]).unwrap();
    assert!(!writer.is_writable() && writer.is_full());
    writer.output().advance(50);
    assert!(!writer.is_writable(), "51 are above the low mark");
    writer.output().advance(1);
    assert!(writer.is_writable(), "however many wait for that");
    assert!(!writer.is_full());
    assert!(writer.pending() > 0, "writable, and still not empty");
}

#[test]
fn with_marks_of_zero_the_writer_is_writable_only_when_empty() {
    let mut writer = Writer::new();
    writer.set_water_marks(WaterMarks::new(0, 0).unwrap());
    writer.write(b"ab").unwrap();
    writer.output().advance(1);
    assert!(!writer.is_writable());
    writer.output().advance(1);
    assert!(writer.is_writable());
}

#[test]
fn lowered_marks_count_at_once_and_raised_ones_when_something_is_sent() {
    let mut writer = Writer::new();
    writer.write(&[0; 2000]).unwrap();
    writer.set_water_marks(WaterMarks::with_high(100));
    assert!(!writer.is_writable());
    writer.set_water_marks(WaterMarks::with_high(1_000_000));
    assert!(!writer.is_writable());
    writer.output().advance(1);
    assert!(writer.is_writable());
}

#[test]
fn water_marks_are_checked_when_they_are_built() {
    assert_eq!(
        WaterMarks::default(),
        WaterMarks::new(65536, 16384).unwrap()
    );
    assert_eq!(
        WaterMarks::with_high(100),
        WaterMarks::new(100, 25).unwrap()
    );
    let error = WaterMarks::new(1, 2).unwrap_err();
    assert_eq!((error.high, error.low), (1, 2));
}

#[test]
fn after_finish_writes_fail_and_reading_goes_on() {
    let mut connection = Connection::new();
    connection.writer.finish();
    connection.writer.finish();
    let refused = Err(WriteError::Finished);
    assert_eq!(connection.writer.write(b""), refused);
    assert_eq!(connection.writer.write_all_vectored([b""]), refused);
    connection.reader.feed(b"still here\n");
    assert_eq!(line(&mut connection.reader), ready("still here\n"));
}

#[test]
fn empty_parts_do_not_keep_a_writer_from_closing() {
    let mut connection = Connection::new();
    connection.writer.write_all_vectored(["hello", ""]).unwrap();
    connection.writer.write_bytes(bytes::Bytes::new()).unwrap();
    connection.close();
    connection.writer.output().advance(5);
    connection.writer.flush_done();
    assert_eq!(connection.next_send(), Some(SendAction::Shutdown));
    connection.writer.shutdown_done();
    assert_eq!(connection.state(), ConnectionState::Closed);
}

#[test]
fn what_is_buffered_can_be_read_after_close() {
    let mut connection = Connection::new();
    connection.reader.feed(b"data");
    connection.close();
    assert!(!connection.reader.wants_read());
    connection.reader.feed(b"too late");
    assert_eq!(some(&mut connection.reader, 9), ready("data"));
    assert_eq!(some(&mut connection.reader, 9), ready(""));
}

#[test]
fn the_end_of_the_peers_stream_leaves_writing_open() {
    let mut connection = Connection::new();
    connection.reader.feed_eof();
    assert!(connection.reader.at_eof());
    assert_eq!(connection.state(), ConnectionState::HalfClosedRemote);
    assert!(connection.writer.is_writable());
    connection.writer.write(b"reply").unwrap();
    assert_eq!(connection.writer.output().chunk(), b"reply");
}

#[test]
fn writing_sends_nothing_on_its_own() {
    let mut writer = Writer::new();
    writer.write(b"one, ").unwrap();
    writer.write(b"two").unwrap();
    assert_eq!(writer.pending(), 8);
    assert_eq!(writer.output().chunk(), b"one, two");
    assert_eq!(writer.pending(), 8);
}

#[test]
fn formatted_text_is_queued_whole_or_not_at_all() {
    let mut writer = Writer::new();
    writer.set_max_pending(10);
    let code = 250; // literals would be text before it runs
    write!(writer, "{code}-OK").unwrap();
    assert_eq!(writer.output().chunk(), b"250-OK");
    let full = WriteError::Full {
        len: 5,
        pending: 6,
        max: 10,
    };
    let number = 12345;
    assert_eq!(write!(writer, "{number}"), Err(full));
    assert_eq!(writer.pending(), 6);
    write!(writer, "\r\n").unwrap();
    assert_eq!(writer.pending(), 8);
}

#[test]
fn finish_ends_the_stream_behind_the_last_byte() {
    let mut writer = Writer::new();
    writer.write(b"last").unwrap();
    writer.finish();
    assert_eq!(writer.state(), WriterState::Finishing);
    assert_eq!(writer.next_send(), Some(SendAction::Write));
    writer.shutdown_done();
    assert_eq!(writer.state(), WriterState::Finishing, "a byte is pending");
    writer.output().advance(4);
    assert_eq!(writer.next_send(), Some(SendAction::Flush));
    writer.flush_done();
    assert_eq!(writer.next_send(), Some(SendAction::Shutdown));
    writer.shutdown_done();
    assert_eq!(writer.state(), WriterState::Finished);
    assert_eq!(writer.next_send(), None);
}

#[test]
fn a_paused_reader_gives_all_of_its_bytes_before_the_end() {
    let mut reader = reader(4, b"0123456789");
    assert!(reader.is_paused());
    assert!(!reader.at_eof());
    assert_eq!(some(&mut reader, 100), ready("0123456789"));
    assert!(reader.wants_read());
    reader.feed_eof();
    assert!(reader.at_eof());
}

#[test]
fn a_token_gives_its_frame_back() {
    let mut reader = reader(8, b"one\r\ntwo");
    let Ok(Step::Ready(line)) = reader.read_until(&Separator::CRLF) else {
        panic!("a line is there");
    };
    let token = line.without_separator().token();
    assert_eq!(reader.buffered(), b"two", "looking is allowed");
    let line = reader.frame(token);
    assert_eq!(line, "one");
    assert_eq!(line.separator_index(), Some(0));
}

#[test]
fn a_frame_loses_its_separator_once() {
    let mut reader = reader(8, b"one\r\n");
    let Ok(Step::Ready(frame)) = reader.read_until(&Separator::CRLF) else {
        panic!("a frame is there");
    };
    let frame = frame.without_separator();
    assert_eq!(
        (frame.content(), frame.separator_index()),
        (&b"one"[..], Some(0))
    );
    assert_eq!(frame.without_separator().to_vec(), b"one");
}

#[test]
fn a_frame_passes_for_its_bytes() {
    let mut reader = reader(8, b"one\n");
    let Ok(Step::Ready(frame)) = reader.read_line() else {
        panic!("a line is there");
    };
    assert!(frame == "one\n");
    assert!(frame != "one");
    assert_eq!(AsRef::<[u8]>::as_ref(&frame), b"one\n");
}

/// Takes a line, goes on with the reader, and then asks for the line.
fn late(go_on: impl FnOnce(&mut Reader)) {
    let mut reader = reader(8, b"one\n\n");
    let Ok(Step::Ready(line)) = reader.read_line() else {
        panic!("a line is there");
    };
    let token = line.token();
    go_on(&mut reader);
    let _ = reader.frame(token);
}

#[test]
#[should_panic(expected = "after the reader was used again")]
fn a_token_is_void_after_another_read() {
    late(|reader| assert!(reader.read_line().unwrap().is_ready()));
}

#[test]
#[should_panic(expected = "after the reader was used again")]
fn a_token_is_void_once_its_bytes_have_moved() {
    late(|reader| {
        // One byte is unread, so that it has to move.
        reader.feed(&[b'a'; 1000]);
    });
}

#[test]
#[should_panic(expected = "after the reader was used again")]
fn a_token_is_void_once_its_bytes_are_shared() {
    late(|reader| {
        let token = reader
            .read(1)
            .unwrap()
            .map(|frame| frame.token())
            .ready()
            .unwrap();
        drop(reader.frame(token).into_bytes());
    });
}

#[test]
fn room_that_was_not_used_changes_nothing() {
    let mut reader = reader(8, b"abc");
    assert_eq!(reader.input(10).len(), 10);
    assert_eq!(line(&mut reader), WAITS);
    reader.feed(b"\n");
    assert_eq!(line(&mut reader), ready("abc\n"));
}

#[test]
#[should_panic(expected = "6 bytes committed of 0")]
fn a_read_that_waits_takes_unused_room_back() {
    let mut reader = Reader::new();
    assert_eq!(reader.input(100).len(), 100);
    assert_eq!(line(&mut reader), WAITS);
    reader.commit(6);
}

#[test]
#[should_panic(expected = "50 bytes committed of 0")]
fn asking_for_no_room_takes_unused_room_back() {
    let mut reader = Reader::new();
    assert_eq!(reader.input(100).len(), 100);
    assert_eq!(reader.input(0).len(), 0);
    reader.commit(50);
}

#[test]
#[should_panic(expected = "5 bytes committed of 0")]
fn feeding_takes_unused_room_back() {
    let mut reader = Reader::new();
    assert_eq!(reader.input(100).len(), 100);
    reader.feed(b"abc");
    reader.commit(5);
}

#[test]
fn long_bytes_are_queued_as_they_are_and_short_ones_are_copied() {
    for (len, copied) in [(511, true), (512, false)] {
        let data = bytes::Bytes::from(vec![b'a'; len]);
        let mut writer = Writer::new();
        writer.write(b"before").unwrap();
        writer.write_bytes(data.clone()).unwrap();
        let unsent = writer.into_unsent();
        let in_place = unsent.iter().any(|part| part.as_ptr() == data.as_ptr());
        assert_eq!(in_place, !copied, "{len} bytes");
        assert_eq!(unsent.concat().len(), 6 + len);
    }
}

#[test]
fn more_byte_strings_than_are_remembered_are_still_found() {
    let all: Vec<String> = (b'A'..=b'Z')
        .chain(b'a'..=b'z')
        .map(|l| format!("{}!", l as char))
        .collect();
    let mut reader = Reader::new();
    for round in 0..all.len() {
        reader.feed(b"..");
        for member in &all {
            assert_eq!(until(&mut reader, &[member]), WAITS);
        }
        reader.feed(all[round].as_bytes());
        let frame = format!("..{}", all[round]);
        assert_eq!(until(&mut reader, &[&all[round]]), ready(&frame));
    }
}

#[test]
#[should_panic(expected = "limit of zero")]
fn a_limit_of_zero_is_refused() {
    drop(Reader::with_limit(0));
}

#[test]
fn the_defaults_are_those_that_the_readme_names() {
    let connection = Connection::new();
    assert!(!connection.pauses_when_full);
    let Connection { reader, writer, .. } = connection;
    assert_eq!(
        (reader.limit(), reader.max_read_exact()),
        (65_536, 16_777_216)
    );
    assert_eq!(writer.max_pending(), 16_777_216);
    let marks = writer.water_marks();
    assert_eq!((marks.high(), marks.low()), (65_536, 16_384));
}

/// The search goes by blocks where frames are short, and by leaps where they are long.
#[test]
fn frames_are_found_whatever_the_lengths_of_those_before() {
    const LENGTHS: [usize; 8] = [0, 1, 62, 63, 64, 127, 128, 300];
    for ending in ["\n", "!", "\r\n", "\r\n\r\n"] {
        let separator = Separator::new(ending).unwrap();
        for number in 0..LENGTHS.len().pow(4) {
            let lengths = [1, 8, 64, 512].map(|place| LENGTHS[number / place % 8]);
            let mut reader = Reader::new();
            for length in lengths {
                reader.feed(&vec![b'a'; length]);
                reader.feed(ending.as_bytes());
            }
            reader.feed(&[b'a'; 64]);
            for length in lengths {
                let Ok(Step::Ready(frame)) = reader.read_until(&separator) else {
                    panic!("{lengths:?} and {ending:?}: a frame is there");
                };
                assert_eq!(frame.content().len(), length, "{lengths:?}, {ending:?}");
            }
            assert_eq!(reader.buffered(), [b'a'; 64]);
        }
    }
}

#[test]
fn frames_are_found_when_bytes_have_moved_behind_a_long_one() {
    let mut reader = reader(1000, &[&[b'a'; 300][..], b"\nb"].concat());
    assert_eq!(line(&mut reader).unwrap().ready().unwrap().len(), 301);
    // There is no room for these behind the others.
    reader.feed(&[b"\ncc\n", &[b'd'; 300][..]].concat());
    assert_eq!(line(&mut reader), ready("b\n"));
    assert_eq!(line(&mut reader), ready("cc\n"));
    assert_eq!(reader.buffered(), [b'd'; 300]);
}

#[test]
fn t55_the_largest_limits_work() {
    let mut reader = Reader::with_limit(usize::MAX);
    reader.set_max_read_exact(usize::MAX);
    reader.feed(b"abc\r");
    assert_eq!(line(&mut reader), WAITS);
    assert_eq!(until(&mut reader, &["\r\n"]), WAITS);
    assert_eq!(exact(&mut reader, usize::MAX), WAITS);
    assert!(reader.wants_read());
    reader.feed(b"\n");
    assert_eq!(line(&mut reader), ready("abc\r\n"));

    let mut writer = Writer::new();
    writer.set_water_marks(WaterMarks::new(usize::MAX, usize::MAX).unwrap());
    writer.set_max_pending(usize::MAX);
    writer.write(b"abc").unwrap();
    assert!(writer.is_writable());
}

#[test]
fn a_line_is_queued_with_the_end_that_was_asked_for() {
    let mut writer = Writer::new();
    writer.write_line(b"NOOP", LineEnding::CrLf).unwrap();
    writer.write_line(b"", LineEnding::Lf).unwrap();
    writer.write_line(b"{}", LineEnding::Lf).unwrap();
    assert_eq!(writer.output().chunk(), b"NOOP\r\n\n{}\n");
}

/// As `repr` of asyncio's reader does.
#[test]
fn debug_shows_sizes_and_states() {
    let mut reader = reader(7, b"ab\ncd");
    let Ok(Step::Ready(frame)) = reader.read_line() else {
        panic!("a line is there");
    };
    let shown = format!("{frame:?}");
    assert_eq!(
        shown,
        "Frame { len: 3, separator_len: 1, separator_index: Some(0) }"
    );
    let shown = format!("{reader:?}");
    for part in ["buffered: 2", "position: 3", "limit: 7"] {
        assert!(shown.contains(part), "{shown}");
    }

    let mut writer = Writer::new();
    writer.set_max_pending(77);
    writer.write(b"abc").unwrap();
    writer.finish();
    let shown = format!("{writer:?}");
    for part in [
        "pending: 3",
        "max_pending: 77",
        "is_full: false",
        "state: Finishing",
    ] {
        assert!(shown.contains(part), "{shown}");
    }

    let shown = format!("{:?}", separator(&["\r\n", "\n"]));
    assert_eq!(shown, "Separator { count: 2, max_len: 2 }");

    let mut connection = Connection::new();
    connection.reader.feed(b"abcd");
    connection.writer.write(b"abc").unwrap();
    let shown = format!("{:?}", connection.into_parts());
    for part in ["unread: 4", "unsent: 3"] {
        assert!(shown.contains(part), "{shown}");
    }
}

/// What may come to a reader, in any order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Arrival {
    Feed(&'static [u8]),
    Input,
    Commit,
    Received(Result<usize, TransportError>),
    Eof,
    Lost,
    Close,
}

impl Arrival {
    const ALL: [Self; 11] = [
        Self::Feed(b"a\n"),
        Self::Feed(b""),
        Self::Input,
        Self::Commit,
        Self::Received(Ok(1)),
        Self::Received(Ok(0)),
        Self::Received(Err(TransportError::WouldBlock)),
        Self::Received(Err(TransportError::Lost(ConnectionError::TimedOut))),
        Self::Eof,
        Self::Lost,
        Self::Close,
    ];

    /// Makes it arrive at both; the model knows what it means.
    fn at(self, connection: &mut Connection, model: &mut ReaderModel, received: &mut u64) {
        let reader = &mut connection.reader;
        let mut count = |input: &[u8]| {
            *received += if model.is_closed {
                0
            } else {
                input.len() as u64
            };
        };
        match self {
            Self::Feed(input) => {
                reader.feed(input);
                count(input);
                model.feed(input);
            }
            Self::Input => reader.input(1).fill(b'b'),
            Self::Commit => reader.commit(0),
            Self::Received(result) => {
                if !model.has_eof {
                    reader.input(1).fill(b'b');
                }
                let reader_is_lost = reader.connection_error().is_some();
                let progress = reader.on_receive(result, None);
                let is_blocked = result == Err(TransportError::WouldBlock);
                assert_eq!(progress == Progress::Blocked, is_blocked);
                match result {
                    Ok(0) => model.feed_eof(),
                    Ok(_) => {
                        count(b"b");
                        model.feed(b"b");
                    }
                    // The first loss counts.
                    Err(TransportError::Lost(_)) if reader_is_lost => {}
                    Err(TransportError::Lost(error)) => model.feed_lost(error),
                    Err(_) => {}
                }
            }
            Self::Eof => {
                reader.feed_eof();
                model.feed_eof();
            }
            Self::Lost => {
                reader.feed_lost(ConnectionError::Reset);
                model.feed_lost(ConnectionError::Reset);
            }
            Self::Close => {
                connection.close();
                model.close();
            }
        }
    }

    fn is_input(self) -> bool {
        !matches!(self, Self::Eof | Self::Lost | Self::Close)
    }
}

/// One rule, whatever else has ended the stream.
#[test]
fn input_panics_exactly_after_the_end_was_fed() {
    silence_panics();
    let mut panics = 0;
    for number in 0..Arrival::ALL.len().pow(4) {
        let mut connection = Connection::new();
        let mut model = ReaderModel::new(Reader::DEFAULT_LIMIT);
        let mut received = 0;
        let order = [1, 11, 121, 1331].map(|place| Arrival::ALL[number / place % 11]);
        for arrival in order {
            let must_panic = model.has_eof && arrival.is_input();
            let call = AssertUnwindSafe(|| {
                arrival.at(&mut connection, &mut model, &mut received);
            });
            let has_panicked = catch_unwind(call).is_err();
            assert_eq!(has_panicked, must_panic, "{arrival:?} of {order:?}");
            panics += usize::from(has_panicked);
            assert_same_state(&connection.reader, &model, received);
        }
    }
    assert!(panics > 5_000);
}

/// Keeps this thread's panics from being printed, of which there are thousands.
fn silence_panics() {
    let others = std::panic::take_hook();
    let silent = std::thread::current().id();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload().downcast_ref::<&str>().copied();
        let is_expected = message.is_some_and(|it| it.contains("after the end"));
        if std::thread::current().id() != silent || !is_expected {
            others(panic);
        }
    }));
}

/// The frame is too long, and the skip is cancelled half-way.
#[test]
fn the_tail_of_a_skipped_frame_is_no_frame() {
    const INPUT: &[u8] = b"####################$X*58\r\n$GPRMC,A*26\r\n";
    // Cut at 17, and everywhere else that the limit is exceeded.
    for cut in [17].into_iter().chain(17..26) {
        let mut reader = reader(15, &INPUT[..cut]);
        let result = reader.read_until(&Separator::CRLF);
        assert!(matches!(result, Err(ReadError::LimitOverrun { .. })));
        assert_eq!(reader.skip_until(&Separator::CRLF), Ok(Step::NeedInput));
        assert!(reader.is_discarding());

        reader.feed(&INPUT[cut..]);
        assert!(!reader.is_discarding());
        assert_eq!(reader.buffered(), b"$GPRMC,A*26\r\n");
        let frame = reader
            .read_until(&Separator::CRLF)
            .unwrap()
            .ready()
            .unwrap();
        assert_eq!(frame.content(), b"$GPRMC,A*26");
    }
}

#[test]
fn every_read_first_finishes_a_cancelled_skip() {
    type Finish = fn(&mut Reader) -> Option<Vec<u8>>;
    let reads: [Finish; 9] = [
        |reader| Some(reader.read(3).unwrap().ready()?.to_vec()),
        |reader| Some(reader.read_line().unwrap().ready()?.to_vec()),
        |reader| {
            Some(
                reader
                    .read_delimited(&Separator::LF)
                    .unwrap()
                    .ready()?
                    .to_vec(),
            )
        },
        |reader| Some(reader.read_until(&Separator::LF).unwrap().ready()?.to_vec()),
        |reader| Some(reader.peek_until(&Separator::LF).unwrap().ready()?.to_vec()),
        |reader| Some(reader.read_exact(3).unwrap().ready()?.to_vec()),
        |reader| Some(reader.peek(3).unwrap().ready()?.to_vec()),
        |reader| {
            let prefix = LengthPrefix::U8.adjustment(2 - i64::from(b'o')).skip(0);
            Some(
                reader
                    .read_length_prefixed(&prefix)
                    .unwrap()
                    .ready()?
                    .to_vec(),
            )
        },
        |reader| Some(reader.buffered().get(..3)?.to_vec()),
    ];
    type Skip = fn(&mut Reader) -> bool;
    let skips: [Skip; 3] = [
        |reader| reader.skip_until(&Separator::CRLF).unwrap().is_ready(),
        |reader| reader.skip_exact(12).unwrap().is_ready(),
        |reader| {
            reader
                .skip_until(&separator(&["l\r\n", "\r\n"]))
                .unwrap()
                .is_ready()
        },
    ];
    for read in reads {
        for skip in skips {
            let mut reader = reader(8, b"skipped");
            assert!(!skip(&mut reader));
            for byte in *b" al\r\n" {
                assert_eq!(read(&mut reader), None, "the tail is seen");
                reader.feed(&[byte]);
            }
            assert_eq!(read(&mut reader), None);
            reader.feed(b"ok\n");
            assert_eq!(read(&mut reader).unwrap(), b"ok\n");
        }
    }
}

#[test]
fn the_same_skip_resumes_and_returns_its_result() {
    let ends = separator(&["\n", "\r\n"]);
    let mut reader = reader(8, b"abc");
    assert_eq!(reader.skip_until(&ends), Ok(Step::NeedInput));
    reader.feed(b"def\r\nok\n");
    assert_eq!(reader.buffered(), b"ok\n");
    assert_eq!(reader.skip_until(&ends), Ok(Step::Ready(1)));
    assert_eq!(line(&mut reader), ready("ok\n"));

    assert_eq!(reader.skip_exact(5), Ok(Step::NeedInput));
    reader.feed(b"12345678");
    assert_eq!(reader.skip_exact(5), Ok(Step::Ready(())));
    assert_eq!(reader.buffered(), b"678");
    assert_eq!(reader.position(), 3 + 5 + 3 + 5);
}

#[test]
fn any_other_read_forgets_a_finished_skip() {
    let others: [fn(&mut Reader); 4] = [
        |reader| assert!(!reader.read_until(&Separator::CRLF).unwrap().is_ready()),
        |reader| assert!(reader.read_exact(usize::MAX).is_err()),
        |reader| assert_eq!(reader.skip_exact(0), Ok(Step::Ready(()))),
        |reader| reader.consume(1),
    ];
    for other in others {
        let mut reader = reader(8, b"a");
        assert_eq!(reader.skip_until(&Separator::LF), Ok(Step::NeedInput));
        reader.feed(b"\nbc");
        other(&mut reader);
        assert_eq!(reader.skip_until(&Separator::LF), Ok(Step::NeedInput));
    }
}

#[test]
fn a_stopped_discard_hands_out_the_tail() {
    let mut reader = reader(8, b"head\r");
    assert_eq!(reader.skip_until(&Separator::CRLF), Ok(Step::NeedInput));
    assert_eq!(reader.buffered(), b"");
    reader.stop_discarding();
    assert_eq!(reader.buffered(), b"\r");
    reader.feed(b"\ntail\r\n");
    assert_eq!(until(&mut reader, &["\r\n"]), ready("\r\n"));
    assert_eq!(until(&mut reader, &["\r\n"]), ready("tail\r\n"));
}

#[test]
fn a_discard_moves_to_the_next_owner() {
    let cancelled: [fn(&mut Reader); 3] = [
        |reader| assert!(!reader.skip_until(&Separator::CRLF).unwrap().is_ready()),
        |reader| assert!(reader.read_delimited(&Separator::CRLF).is_err()),
        |reader| assert!(!reader.skip_exact(10).unwrap().is_ready()),
    ];
    for cancel in cancelled {
        let mut connection = Connection::new();
        connection.reader.set_limit(5);
        connection.reader.feed(b"too long\r");
        cancel(&mut connection.reader);
        let parts = connection.into_parts();
        assert!(parts.unread == "\r" || parts.unread.is_empty());
        let mut connection = Connection::from_parts(parts);
        assert!(connection.reader.is_discarding());
        connection.reader.feed(b"\nok\r\n");
        assert_eq!(connection.reader.buffered(), b"ok\r\n");
    }
    let mut parts = Parts::default();
    parts.discarding = Some(Discarding::Count(0));
    assert!(!Connection::from_parts(parts).reader.is_discarding());
}

/// A head that ends with an empty line, and as many bytes as it says.
fn message(reader: &mut Reader) -> Result<Step<FrameToken>, ReadError> {
    let Step::Ready(head) = reader.peek_until(&Separator::CRLF_CRLF)? else {
        return Ok(Step::NeedInput);
    };
    let length = head.content().strip_prefix(b"Content-Length: ").unwrap();
    let length: usize = std::str::from_utf8(length).unwrap().parse().unwrap();
    let len = head.len() + length;
    Ok(reader.read_exact(len)?.map(|message| message.token()))
}

/// Each wait is cancelled, and something else is tried in between.
#[test]
fn a_cancelled_read_of_two_parts_loses_nothing() {
    const MESSAGE: &[u8] = b"Content-Length: 3\r\n\r\nabc";
    for cut in 0..MESSAGE.len() {
        let mut reader = reader(20, &MESSAGE[..cut]);
        for byte in &MESSAGE[cut..] {
            assert!(!reader.read_frame_with(message).unwrap().is_ready());
            assert!(!reader.peek(100).unwrap().is_ready());
            reader.feed(&[*byte]);
        }
        reader.feed(MESSAGE);
        for _ in 0..2 {
            let read = reader.read_frame_with(message).unwrap().ready().unwrap();
            assert_eq!(read, MESSAGE);
        }
        assert!(!reader.read_frame_with(message).unwrap().is_ready());
    }
}

#[test]
fn a_function_that_waits_for_ever_fails() {
    fn more(_: &mut Reader) -> Result<Step<()>, ReadError> {
        Ok(Step::NeedInput)
    }
    let mut full = reader(3, b"abcdefg");
    let overrun = ReadError::LimitOverrun {
        limit: 3,
        consumed: 7,
    };
    assert_eq!(full.read_with(more), Err(overrun));
    assert!(full.is_paused());
    // The end changes nothing, so that it does not matter when it arrives.
    full.feed_eof();
    assert_eq!(full.read_with(more), Err(overrun));
    full.feed_lost(ConnectionError::Reset);
    assert_eq!(full.read_with(more), Err(overrun));

    let mut ended = reader(3, b"abcdef");
    ended.feed_eof();
    assert_eq!(
        ended.read_with(more),
        incomplete(6, None).map(|_| Step::NeedInput)
    );
    ended.feed_lost(ConnectionError::Reset);
    let lost = ReadError::ConnectionLost(ConnectionError::Reset);
    assert_eq!(ended.read_with(more), Err(lost));

    // One that makes a read of the reader wait has resumed reading.
    let mut full = reader(3, b"abcdefg");
    let waits = |reader: &mut Reader| Ok::<_, ReadError>(reader.peek(8)?.map(|_| ()));
    assert_eq!(full.read_with(waits), Ok(Step::NeedInput));
    assert!(full.wants_read());
}

#[cfg(feature = "testing")]
#[test]
#[should_panic(expected = "has consumed something and then needs input")]
fn a_function_must_not_consume_before_it_waits() {
    let mut reader = reader(100, b"Content-Length: 3\r\n\r\nab");
    let _ = reader.read_with(|reader| {
        let head = reader.read_until(&Separator::CRLF_CRLF)?;
        assert!(head.is_ready());
        Ok::<_, ReadError>(reader.read_exact(3)?.map(|_| ()))
    });
}

#[test]
fn a_function_may_skip_before_it_waits() {
    let mut reader = reader(100, b"to be skipped");
    let mut skip = |reader: &mut Reader| reader.skip_exact(20);
    assert_eq!(reader.read_with(&mut skip), Ok(Step::NeedInput));
    reader.feed(b" later");
    assert_eq!(reader.read_with(&mut skip), Ok(Step::NeedInput));
    reader.feed(b"!?");
    assert_eq!(reader.read_with(&mut skip), Ok(Step::Ready(())));
    assert_eq!(reader.buffered(), b"?");
}

/// In a set, the carriage return counts as a part of the line.
#[test]
fn a_carriage_return_counts_unless_newlines_are_universal() {
    let either = separator(&["\n", "\r\n"]);
    for (input, of_set) in [(&b"abc\n"[..], true), (b"abc\r\n", false)] {
        let result = reader(3, input)
            .read_until(&either)
            .map(|step| step.is_ready());
        assert_eq!(result.is_ok(), of_set);
        let mut reader = reader(3, input);
        let result = reader.read_until(&Separator::UNIVERSAL_NEWLINE);
        assert_eq!(result.unwrap().ready().unwrap().content(), b"abc");
    }
    let mut reader = reader(3, b"abcd\r\n");
    let result = reader.read_until(&Separator::UNIVERSAL_NEWLINE);
    assert_eq!(
        result.map(|step| step.map(|frame| frame.to_vec())),
        overrun(3, 4)
    );
}

#[test]
fn no_line_ending_ends_two_lines() {
    const INPUT: &[u8] = b"a\n\rb\r\n\r\n\n\r\r\nc\r";
    let expected = [
        ("a", Some(0)),
        ("", Some(2)),
        ("b", Some(1)),
        ("", Some(1)),
        ("", Some(0)),
        ("", Some(2)),
        ("", Some(1)),
        ("c", Some(2)),
    ];
    for size in 1..=INPUT.len() {
        let mut reader = Reader::with_limit(1);
        let mut chunks = INPUT.chunks(size);
        let mut lines = Vec::new();
        loop {
            match reader
                .read_delimited(&Separator::UNIVERSAL_NEWLINE)
                .unwrap()
            {
                Step::Ready(line) if line.is_empty() => break,
                Step::Ready(line) => {
                    lines.push((
                        String::from_utf8(line.content().to_vec()).unwrap(),
                        line.separator_index(),
                    ));
                }
                Step::NeedInput => match chunks.next() {
                    Some(chunk) => reader.feed(chunk),
                    None => reader.feed_eof(),
                },
            }
        }
        let lines: Vec<_> = lines
            .iter()
            .map(|(line, index)| (&line[..], *index))
            .collect();
        assert_eq!(lines, expected, "{size} bytes at once");
    }
}

/// What ended before its head, in it, and after it.
#[test]
fn a_clean_end_is_told_from_a_truncated_frame() {
    const FRAME: &[u8] = b"\x00\x02ab";
    fn two_parts(reader: &mut Reader) -> Result<Step<FrameToken>, ReadError> {
        let Step::Ready(head) = reader.peek(2)? else {
            return Ok(Step::NeedInput);
        };
        let len = 2 + usize::from(head[1]);
        Ok(reader.read_exact(len)?.map(|frame| frame.token()))
    }
    for arrived in 0..FRAME.len() {
        let mut reader = ended(8, &FRAME[..arrived]);
        let errors = [
            reader
                .read_length_prefixed(&LengthPrefix::U16_BE)
                .unwrap_err(),
            reader.read_frame_with(two_parts).unwrap_err(),
            reader.read_until(&Separator::byte(b'b')).unwrap_err(),
            reader.read_exact(4).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(
                error.is_clean_end(),
                arrived == 0,
                "{arrived} bytes: {error}"
            );
            assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
        }
        // Two reads are not one: after the head has been taken, the next frame is the body.
        if arrived == 2 {
            assert!(reader.read_exact(2).unwrap().is_ready());
            assert!(reader.read_exact(2).unwrap_err().is_clean_end());
        }
    }
    let mut lost = Reader::new();
    lost.feed_lost(ConnectionError::Reset);
    assert!(!lost.read_exact(1).unwrap_err().is_clean_end());
    let too_long = reader(1, b"abc").read_line().unwrap_err();
    assert!(!too_long.is_clean_end());
}

#[test]
fn a_last_strict_line_has_no_carriage_return_alone() {
    let strict = |reader: &mut Reader| {
        let line = reader.read_delimited(&Separator::STRICT_CRLF)?;
        Ok(line.map(|line| line.to_vec()))
    };
    let bare = |before| Err(ReadError::BareLineBreak { before });
    assert_eq!(strict(&mut reader(3, b"abc\r")), WAITS);
    assert_eq!(strict(&mut ended(3, b"abc\r")), bare(3));
    assert_eq!(strict(&mut ended(3, b"ab\nc")), bare(2));
    assert_eq!(strict(&mut ended(3, b"abc")), ready("abc"));
    assert_eq!(strict(&mut ended(3, b"abcd\r")), TOO_LONG);
}

#[test]
fn a_discarded_strict_line_leaves_reading_paused() {
    let mut reader = reader(2, b"abc\nabc\r\n0123456789");
    assert!(reader.is_paused());
    let result = reader.read_delimited(&Separator::STRICT_CRLF);
    assert_eq!(result.unwrap_err(), ReadError::LineTooLong { limit: 2 });
    assert_eq!(reader.buffered(), b"0123456789");
    assert!(reader.is_paused(), "more than twice the limit is left");
}

#[test]
fn a_delimited_line_may_lack_its_separator_at_the_end() {
    let crlf = |reader: &mut Reader| {
        let line = reader.read_delimited(&Separator::CRLF)?;
        Ok(line.map(|line| (line.content().to_vec(), line.separator_index())))
    };
    let mut reader = ended(4, b"one\r\nmuch too long\r\n\r\nlast");
    let line = |line: &str, index| Ok(Step::Ready((line.into(), index)));
    assert_eq!(crlf(&mut reader), line("one", Some(0)));
    assert_eq!(crlf(&mut reader), Err(ReadError::LineTooLong { limit: 4 }));
    assert_eq!(crlf(&mut reader), line("", Some(0)));
    for last in ["last", "", ""] {
        assert_eq!(crlf(&mut reader), line(last, None));
    }
}

#[test]
fn a_frame_that_is_shown_stays() {
    let mut reader = reader(8, b"$5\r\nhello\r\n");
    let head = reader
        .peek_until(&Separator::CRLF)
        .unwrap()
        .ready()
        .unwrap();
    assert_eq!(
        (head.content(), head.separator_index()),
        (&b"$5"[..], Some(0))
    );
    assert!(head == "$5\r\n" && head.as_ref().len() == 4);
    let shown = format!("{head:?}");
    assert_eq!(
        shown,
        "Peeked { len: 4, separator_len: 2, separator_index: Some(0) }"
    );
    reader.consume(4);
    assert_eq!(exact(&mut reader, 5), ready("hello"));
    reader.consume(0);
    reader.consume(2);
    assert_eq!((reader.buffered(), reader.position()), (&b""[..], 11));
}

#[test]
#[should_panic(expected = "4 bytes consumed of 3 buffered")]
fn no_more_than_is_buffered_can_be_consumed() {
    reader(8, b"abc").consume(4);
}

#[test]
#[should_panic(expected = "1 bytes consumed of 0 buffered")]
fn what_is_discarded_cannot_be_consumed() {
    let mut reader = reader(8, b"abc\r");
    assert_eq!(reader.skip_until(&Separator::CRLF), Ok(Step::NeedInput));
    reader.consume(1);
}

#[test]
fn a_line_ending_is_left_out_once() {
    for (input, text, index) in [
        ("text\r\n", "text", Some(0)),
        ("text\n", "text", Some(0)),
        ("text\r\r\n", "text\r", Some(0)),
        ("\n", "", Some(0)),
        ("text\r", "text\r", None),
    ] {
        let mut reader = ended(8, input.as_bytes());
        let line = reader.read_line().unwrap().ready().unwrap();
        let token = line.without_line_ending().token();
        let line = reader.frame(token);
        assert_eq!((line.to_str(), line.separator_index()), (Ok(text), index));
        assert_eq!(line.content(), text.as_bytes());
        assert_eq!(line.into_bytes(), text);
    }
    let mut reader = reader(8, b"a\xff\n");
    let line = reader.read_line().unwrap().ready().unwrap();
    assert_eq!(line.to_str().unwrap_err().valid_up_to(), 1);
}

#[test]
fn a_constant_separator_finds_what_a_built_one_finds() {
    const BYTES: [&[u8]; 4] = [b"\n", b"ab", b"aab", b"abcabcabcabcab"];
    const STATIC: [Separator; 4] = [
        Separator::from_static(BYTES[0]),
        Separator::from_static(BYTES[1]),
        Separator::from_static(BYTES[2]),
        Separator::from_static(BYTES[3]),
    ];
    const TEXT: &[u8] = b"aaab\nabcabcabcabcabcababab\naab";
    for (constant, bytes) in STATIC.iter().zip(BYTES) {
        let built = Separator::new(bytes).unwrap();
        assert_eq!((constant, &built), (&built, constant));
        assert_eq!(constant.get(0), Some(bytes));
        for size in 1..TEXT.len() {
            let frames = |separator: &Separator| {
                let mut reader = Reader::new();
                let mut frames = Vec::new();
                for chunk in TEXT.chunks(size) {
                    reader.feed(chunk);
                    while let Step::Ready(frame) = reader.read_until(separator).unwrap() {
                        frames.push(frame.to_vec());
                    }
                }
                frames
            };
            assert_eq!(frames(constant), frames(&built), "{size} bytes at once");
        }
    }
    assert_eq!(Separator::CRLF_CRLF, Separator::new("\r\n\r\n").unwrap());
    assert_eq!(separator(&["\r\n"]), Separator::CRLF, "a set of one");
    assert_ne!(Separator::STRICT_CRLF, Separator::CRLF);
}

#[test]
#[should_panic(expected = "too long for a constant")]
fn a_constant_separator_is_short() {
    drop(Separator::from_static(
        &[b'a'; Separator::MAX_STATIC_LEN + 1],
    ));
}

#[test]
#[should_panic(expected = "separator is empty")]
fn a_constant_separator_is_not_empty() {
    drop(Separator::from_static(b""));
}

#[test]
fn a_block_is_lent_only_while_nothing_is_buffered() {
    let mut reader = reader(8, b"abc");
    let block = Vec::with_capacity(100);
    let address = block.as_ptr();
    let refused = reader.lend(block).unwrap_err();
    assert_eq!((refused.as_ptr(), refused.capacity()), (address, 100));
    assert_eq!(reader.reclaim(), None);

    reader.consume(3);
    reader.lend(refused).unwrap();
    reader.feed(b"def");
    assert_eq!(
        reader.capacity(),
        100,
        "a loan is not exchanged for a smaller block"
    );
    let block = reader.reclaim().unwrap();
    assert_eq!((block.as_ptr(), block.capacity()), (address, 100));
    assert_eq!((reader.buffered(), reader.capacity()), (&b"def"[..], 3));
    assert_eq!(reader.reclaim(), None);
}

#[test]
fn a_frame_kept_without_a_copy_keeps_the_loan() {
    let mut reader = Reader::new();
    reader.lend(Vec::with_capacity(100)).unwrap();
    reader.feed(b"one\ntwo\n");
    let one = reader.read_line().unwrap().ready().unwrap().into_bytes();
    assert_eq!(reader.reclaim(), None);
    assert_eq!(line(&mut reader), ready("two\n"));
    assert_eq!(one, "one\n");
}

#[test]
fn a_loan_that_frames_keep_is_left_to_them() {
    let mut reader = Reader::new();
    reader.lend(Vec::with_capacity(100)).unwrap();
    reader.feed(&[&[b'x'; 89][..], b"\n", b"two"].concat());
    let one = reader.read_line().unwrap().ready().unwrap().into_bytes();
    assert_eq!(reader.capacity(), 100);
    assert_eq!(reader.reclaim(), None);
    assert_eq!((reader.buffered(), reader.capacity()), (&b"two"[..], 3));
    assert_eq!(one.len(), 90);
    reader.feed(b"\n");
    assert_eq!(line(&mut reader), ready("two\n"));
}

#[test]
#[should_panic(expected = "1 bytes committed of 0")]
fn a_reclaimed_block_takes_its_room_along() {
    let mut reader = Reader::new();
    reader.lend(Vec::with_capacity(100)).unwrap();
    assert_eq!(reader.input(10).len(), 10);
    assert!(reader.reclaim().is_some());
    reader.commit(1);
}

/// The number is from the peer, and head and frame count.
#[test]
fn the_bound_of_counts_includes_the_head() {
    let mut reader = reader(8, b"\x05hello");
    reader.set_max_read_exact(5);
    let too_large = ReadError::CountTooLarge {
        requested: usize::MAX,
        max: 5,
    };
    let result = reader.read_length_prefixed(&LengthPrefix::U8);
    assert_eq!(result.unwrap_err(), too_large);
    reader.set_max_read_exact(6);
    let frame = reader.read_length_prefixed(&LengthPrefix::U8).unwrap();
    assert_eq!(frame.ready().unwrap(), "hello");
}

/// Reads so many bytes as the first says, by what is buffered alone.
fn counted(reader: &mut Reader) -> Result<Step<bytes::Bytes>, ReadError> {
    let Some((count, rest)) = reader.buffered().split_first() else {
        return Ok(Step::NeedInput);
    };
    if rest.len() < usize::from(*count) {
        return Ok(Step::NeedInput);
    }
    let len = 1 + usize::from(*count);
    Ok(reader.read_exact(len)?.map(|frame| frame.to_bytes()))
}

#[test]
fn a_function_over_buffered_bytes_ignores_packet_boundaries() {
    // More than twice the limit comes at once; what is left of it is less, and not yet a frame.
    let input = b"\x07aaaaaaa\x0dbbbbbbbbbbbbb\x02cc";
    for piece in 1..=input.len() {
        let mut reader = Reader::with_limit(8);
        let mut frames = Vec::new();
        for piece in input.chunks(piece) {
            reader.feed(piece);
            while let Step::Ready(frame) = reader.read_with(counted).unwrap() {
                frames.push(frame);
            }
            assert!(reader.wants_read());
        }
        assert_eq!(frames.len(), 3, "{piece}");
        assert_eq!(frames.concat(), input, "{piece}");
    }

    // A frame of more than twice the limit is more than such a function gets to see.
    let mut reader = Reader::with_limit(8);
    reader.feed(b"\x20");
    reader.feed(&[b'x'; 16]);
    let overrun = ReadError::LimitOverrun {
        limit: 8,
        consumed: 17,
    };
    assert_eq!(reader.read_with(counted), Err(overrun));
    assert_eq!(reader.buffered().len(), 17);
}

#[test]
fn an_error_of_the_system_tells_what_it_says_of_the_connection() {
    use ConnectionError::{BrokenPipe, NotConnected, Reset, TimedOut, Transport};
    use TransportError::{Interrupted, Lost, WouldBlock};
    use std::io::{Error, ErrorKind};

    for (kind, error) in [
        (ErrorKind::WouldBlock, WouldBlock),
        (ErrorKind::Interrupted, Interrupted),
        (ErrorKind::ConnectionReset, Lost(Reset)),
        (ErrorKind::ConnectionAborted, Lost(Reset)),
        (ErrorKind::BrokenPipe, Lost(BrokenPipe)),
        (ErrorKind::NotConnected, Lost(NotConnected)),
        (ErrorKind::TimedOut, Lost(TimedOut)),
        (ErrorKind::PermissionDenied, Lost(Transport)),
    ] {
        assert_eq!(TransportError::from(Error::from(kind)), error);
    }
}

#[test]
fn an_error_has_the_kind_of_the_standard_library() {
    use std::io::{Error, ErrorKind};

    for (error, kind) in [
        (ConnectionError::Reset, ErrorKind::ConnectionReset),
        (ConnectionError::BrokenPipe, ErrorKind::BrokenPipe),
        (ConnectionError::NotConnected, ErrorKind::NotConnected),
        (ConnectionError::Aborted, ErrorKind::ConnectionAborted),
        (ConnectionError::TimedOut, ErrorKind::TimedOut),
        (ConnectionError::Transport, ErrorKind::Other),
    ] {
        assert_eq!(Error::from(error).kind(), kind);
        let read = ReadError::ConnectionLost(error);
        assert_eq!(read.connection_error(), Some(error));
        assert_eq!(Error::from(read).kind(), kind);
        let write = WriteError::ConnectionLost(error);
        assert_eq!(write.connection_error(), Some(error));
        assert_eq!(Error::from(write).kind(), kind);
    }

    for (error, kind) in [
        (WriteError::Finished, ErrorKind::BrokenPipe),
        (WriteError::Closed, ErrorKind::BrokenPipe),
        (
            WriteError::LengthOverflow { len: 300 },
            ErrorKind::InvalidInput,
        ),
    ] {
        assert_eq!(error.connection_error(), None);
        assert_eq!(Error::from(error).kind(), kind);
    }
    let incomplete = ReadError::Incomplete {
        buffered: 1,
        expected: None,
    };
    assert_eq!(incomplete.connection_error(), None);
    assert_eq!(Error::from(incomplete).kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn what_is_peeked_at_is_text_and_bytes() {
    let mut reader = reader(100, b"GET /\r\n\xff\r\n");
    let Ok(Step::Ready(line)) = reader.peek_until(&Separator::CRLF) else {
        panic!("a line is there");
    };
    assert_eq!(line.to_str(), Ok("GET /\r\n"));
    assert!(line == "GET /\r\n" && line != "GET /");
    let len = line.len();
    reader.consume(len);
    let Ok(Step::Ready(line)) = reader.peek_until(&Separator::CRLF) else {
        panic!("a second one, too");
    };
    assert!(line.to_str().is_err());
}

#[test]
fn consuming_nothing_leaves_a_skip_as_it_is() {
    let mut reader = reader(100, b"to skip");
    assert_eq!(reader.skip_exact(10), Ok(Step::NeedInput));
    reader.feed(b"ped and the rest");
    reader.consume(0);
    assert_eq!(reader.skip_exact(10), Ok(Step::Ready(())));
    assert_eq!(reader.buffered(), b" and the rest");
}

#[test]
fn separators_are_equal_if_their_byte_strings_and_rules_are() {
    // However they are made.
    for bytes in [&b"\n"[..], b"\r\n", b"\r\n.\r\n"] {
        let separator = Separator::new(bytes).unwrap();
        assert_eq!(Separator::any(&[bytes]).unwrap(), separator);
    }
    assert_eq!(Separator::from_static(b"\n"), Separator::byte(b'\n'));
    assert_eq!(
        Separator::from_static(b"\r\n"),
        Separator::new(b"\r\n").unwrap()
    );
    let any = || Separator::any(&["ab", "b"]).unwrap();
    assert_eq!(any(), any());
    assert_ne!(any(), Separator::any(&["ab", "c"]).unwrap());
    assert_ne!(Separator::CRLF, Separator::STRICT_CRLF);
}

#[test]
fn a_separator_gives_back_its_byte_strings() {
    let strings = |separator: &Separator| -> Vec<Vec<u8>> {
        let bytes = (0..4).filter_map(|index| separator.get(index));
        bytes.map(<[u8]>::to_vec).collect()
    };
    assert_eq!(strings(&Separator::STRICT_CRLF), [b"\r\n"]);
    let universal = strings(&Separator::UNIVERSAL_NEWLINE);
    assert_eq!(universal, [&b"\n"[..], b"\r\n", b"\r"]);
    assert_eq!(
        strings(&Separator::any(&["ab", "b"]).unwrap()),
        [&b"ab"[..], b"b"]
    );
}

/// tokio's `write_buf` advances the buffer itself, and returns by how much.
#[test]
fn what_the_output_was_advanced_by_is_removed_once() {
    let mut writer = Writer::new();
    writer.write(b"0123456789").unwrap();
    writer.output().advance(4);
    let progress = writer.on_send(SendAction::Write, Ok::<_, TransportError>(4));
    assert_eq!(progress, Progress::Moved);
    assert_eq!(writer.output().chunk(), b"456789");
    // The next call is a new one.
    let progress = writer.on_send(SendAction::Write, Ok::<_, TransportError>(3));
    assert_eq!(progress, Progress::Moved);
    assert_eq!(writer.output().chunk(), b"789");
    writer.output().advance(3);
    let progress = writer.on_send(SendAction::Write, Ok::<_, TransportError>(3));
    assert_eq!(progress, Progress::Moved);
    assert_eq!(writer.next_send(), Some(SendAction::Flush));
}

#[test]
fn a_block_on_loan_to_a_writer_comes_back_whole() {
    let mut writer = Writer::new();
    let mut block = bytes::BytesMut::with_capacity(16 * 1024);
    for _ in 0..4 {
        writer.lend(block).unwrap();
        writer.write(&[b'x'; 5000]).unwrap();
        let kept = bytes::Bytes::from(vec![b'y'; 1000]);
        writer.write_bytes(kept).unwrap();
        block = writer.reclaim().unwrap();
        assert!(block.capacity() >= 16 * 1024, "{}", block.capacity());
        assert_eq!(writer.pending(), 6000);
        while let Some(action) = writer.next_send() {
            let pending = writer.output().remaining();
            let _ = writer.on_send(action, Ok::<_, TransportError>(pending));
        }
    }
}

#[test]
fn what_arrives_after_a_close_is_discarded_whatever_room_it_had() {
    let mut connection = Connection::new();
    connection.writer.write(b"bye").unwrap();
    let _ = connection.reader.input(100);
    connection.close();
    let progress = connection.on_receive(Ok::<_, TransportError>(3));
    assert_eq!(progress, Progress::Moved);
    assert_eq!(connection.writer.pending(), 3);
    assert_eq!(connection.state(), ConnectionState::Closing);
}

#[test]
fn the_cause_of_a_loss_takes_the_place_of_not_connected() {
    let mut connection = Connection::new();
    connection.writer.finish();
    let not_connected = TransportError::Lost(ConnectionError::NotConnected);
    let _ = connection.on_send(SendAction::Shutdown, Err(not_connected));
    connection.lost(ConnectionError::Reset);
    let lost = ConnectionState::Lost(ConnectionError::Reset);
    assert_eq!(connection.state(), lost);
    assert_eq!(
        connection.writer.connection_error(),
        Some(ConnectionError::Reset)
    );
}

#[test]
fn a_token_keeps_what_a_frame_leaves_out() {
    let mut reader = Reader::new();
    reader.set_max_read_exact(100_000);
    reader.feed(b"body");
    reader.feed(&[b'\n'; 70_000]);
    let mut frame = reader.read_exact(70_004).unwrap().ready().unwrap();
    while frame.ends_with(b"\n") {
        frame = frame.without_line_ending();
    }
    let token = frame.token();
    assert_eq!(reader.frame(token), "body");
}

#[test]
fn a_new_owner_goes_on_with_a_skip_by_itself() {
    let mut connection = Connection::new();
    connection.reader.feed(b"head ");
    assert_eq!(
        connection.reader.skip_until(&Separator::CRLF),
        Ok(Step::NeedInput)
    );
    let mut connection = Connection::from_parts(connection.into_parts());
    connection.reader.feed(b"tail\r\nnext\r\n");
    let next = connection.reader.read_until(&Separator::CRLF).unwrap();
    assert_eq!(next.ready().unwrap(), "next\r\n");
}

#[cfg(feature = "testing")]
#[test]
fn a_function_must_not_go_on_after_a_skip_that_it_had_to_wait_for() {
    fn skips_then_reads(reader: &mut Reader) -> Result<Step<Vec<u8>>, ReadError> {
        if !reader.skip_until(&Separator::LF)?.is_ready() {
            return Ok(Step::NeedInput);
        }
        Ok(reader.read_line()?.map(|line| line.to_vec()))
    }
    let mut reader = reader(100, b"sk");
    assert_eq!(reader.read_with(skips_then_reads), Ok(Step::NeedInput));
    reader.feed(b"ip\non");
    let panics = catch_unwind(AssertUnwindSafe(|| reader.read_with(skips_then_reads)));
    assert!(panics.is_err(), "the skip is claimed, and the read waits");

    // A line that was too long is no loss of a byte that the function has.
    let mut reader = Reader::with_limit(4);
    reader.feed(b"too long\nab");
    let lines = |reader: &mut Reader| loop {
        match reader.read_line() {
            Err(ReadError::LineTooLong { .. }) => {}
            Ok(step) => return Ok::<_, ReadError>(step.map(|line| line.to_vec())),
            Err(error) => return Err(error),
        }
    };
    assert_eq!(reader.read_with(lines), Ok(Step::NeedInput));
}
