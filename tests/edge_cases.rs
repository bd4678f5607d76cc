//! The corners of asyncio's behaviour that a new implementation gets wrong, one test each.
//!
//! Each was run on CPython 3.13. Where this crate departs from it on purpose, the test stands in
//! `departures.rs`; what belongs to sockets, tasks and servers is no business of the core.

use bytes::Buf;
use plimsoll::{
    Connection, ConnectionState, LineEnd, Loss, ReadError, Reader, Separator, SeparatorError, Step,
    WaterMarks, WriteError, Writer, WriterState,
};

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
                (frame.content(), frame.matched()),
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
        "stream ended with 3 bytes left, expected a separator"
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
    reader.feed_lost(Loss::Reset);
    assert_eq!(some(&mut reader, 0), Err(ReadError::Lost(Loss::Reset)));
    assert_eq!(exact(&mut reader, 0), Err(ReadError::Lost(Loss::Reset)));
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
        assert_eq!(frame.matched(), Some(longest));
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
    reader.feed_lost(Loss::Reset);
    assert_eq!(line(&mut reader), Err(ReadError::Lost(Loss::Reset)));
    assert_eq!(exact(&mut reader, 2), ready("ab"));
    assert_eq!(exact(&mut reader, 2), Err(ReadError::Lost(Loss::Reset)));
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
    assert!(writer.wants_write(), "writable, and still not empty");
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
    assert_eq!(connection.writer.write_vectored(&[]), refused);
    connection.reader.feed(b"still here\n");
    assert_eq!(line(&mut connection.reader), ready("still here\n"));
}

#[test]
fn empty_parts_do_not_keep_a_writer_from_closing() {
    let mut connection = Connection::new();
    connection.writer.write_vectored(&[b"hello", b""]).unwrap();
    connection.writer.write_bytes(bytes::Bytes::new()).unwrap();
    connection.close();
    connection.writer.output().advance(5);
    assert!(connection.writer.wants_shutdown());
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
    writer.set_cap(10);
    let code = 250; // literals would be text before it runs
    write!(writer, "{code}-OK").unwrap();
    assert_eq!(writer.output().chunk(), b"250-OK");
    let full = WriteError::Full {
        len: 5,
        pending: 6,
        cap: 10,
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
    assert!(writer.wants_write() && !writer.wants_shutdown());
    writer.shutdown_done();
    assert_eq!(writer.state(), WriterState::Finishing, "a byte is pending");
    writer.output().advance(4);
    assert!(!writer.wants_write() && writer.wants_shutdown());
    writer.shutdown_done();
    assert_eq!(writer.state(), WriterState::Finished);
    assert!(!writer.wants_shutdown());
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
    assert_eq!(line.matched(), Some(0));
}

#[test]
fn a_frame_loses_its_separator_once() {
    let mut reader = reader(8, b"one\r\n");
    let Ok(Step::Ready(frame)) = reader.read_until(&Separator::CRLF) else {
        panic!("a frame is there");
    };
    let frame = frame.without_separator();
    assert_eq!((frame.content(), frame.matched()), (&b"one"[..], Some(0)));
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
    let Connection { reader, writer } = Connection::new();
    assert_eq!((reader.limit(), reader.cap()), (65_536, 16_777_216));
    assert_eq!(writer.cap(), 16_777_216);
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
    reader.set_cap(usize::MAX);
    reader.feed(b"abc\r");
    assert_eq!(line(&mut reader), WAITS);
    assert_eq!(until(&mut reader, &["\r\n"]), WAITS);
    assert_eq!(exact(&mut reader, usize::MAX), WAITS);
    assert!(reader.wants_read());
    reader.feed(b"\n");
    assert_eq!(line(&mut reader), ready("abc\r\n"));

    let mut writer = Writer::new();
    writer.set_water_marks(WaterMarks::new(usize::MAX, usize::MAX).unwrap());
    writer.set_cap(usize::MAX);
    writer.write(b"abc").unwrap();
    assert!(writer.is_writable());
}

#[test]
fn a_line_is_queued_with_the_end_that_was_asked_for() {
    let mut writer = Writer::new();
    writer.write_line(b"NOOP", LineEnd::CrLf).unwrap();
    writer.write_line(b"", LineEnd::Lf).unwrap();
    writer.write_line(b"{}", LineEnd::Lf).unwrap();
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
        "Frame { len: 3, separator_len: 1, matched: Some(0) }"
    );
    let shown = format!("{reader:?}");
    for part in ["buffered: 2", "position: 3", "limit: 7"] {
        assert!(shown.contains(part), "{shown}");
    }

    let mut writer = Writer::new();
    writer.set_cap(77);
    writer.write(b"abc").unwrap();
    writer.finish();
    let shown = format!("{writer:?}");
    for part in ["pending: 3", "cap: 77", "full: false", "state: Finishing"] {
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
