//! What both halves share: every order of the events that end a connection, or lose it.
//!
//! The model is a list of what has happened, and rules that look through it. It shares no code with
//! the crate, only the types of its results.

use bytes::Buf;
use plimsoll::ConnectionError::{Aborted, BrokenPipe, NotConnected, Reset, TimedOut, Transport};
use plimsoll::{
    Connection, ConnectionError, ConnectionState, Discarding, Parts, Progress, ReadError, Reader,
    SendAction, Separator, Step, TransportError, WaterMarks, WriteError, WriterState,
};
use test_support::parallel::count_in_parallel;
use test_support::report;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Event {
    Write,
    /// The call that is due succeeds; a write takes everything.
    Send,
    /// As `Send`, by a driver that advances the output and records the rest itself.
    SendByHand,
    /// The call that is due fails.
    SendFails(TransportError),
    /// A call fails, due or not.
    Fails(SendAction, TransportError),
    /// A write takes nothing, or one byte more than there is.
    TakesNothing,
    TakesTooMuch,
    /// Receives two bytes; zero; one byte more than there is room for.
    Receive,
    ReceiveZero,
    ReceiveTooMuch,
    ReceiveFails(TransportError),
    /// The end of the peer's stream, as a driver feeds it that has its own rules.
    FeedEof,
    Finish,
    Close,
    /// Only the writer is told.
    CloseWriter,
    Abort,
    /// A driver that has learnt of a loss says so.
    Lose(ConnectionError),
}

/// What has happened, as far as it counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fact {
    Written,
    Sent,
    Flushed,
    EndSent,
    Received,
    /// The peer's stream ended in order.
    Eof,
    Finished,
    ReaderClosed,
    WriterClosed,
    /// The half has learnt of a loss.
    WriterLost(ConnectionError),
    ReaderLost(ConnectionError),
}

const WORDS: &[u8] = b"first words";
const MORE: &[u8] = b"yz";
/// Two writes are more than the high mark.
const WRITE: &[u8] = b"ab";
const ROOM: usize = 8;

/// The life of a connection: what has happened, in order.
#[derive(Default)]
struct Life(Vec<Fact>);

impl Life {
    fn has(&self, fact: Fact) -> bool {
        self.0.contains(&fact)
    }

    /// How many writes came after the last fact of one of these kinds.
    fn since(&self, counted: Fact, resets: &[Fact]) -> usize {
        let recent = self.0.iter().rev();
        let recent = recent.take_while(|fact| !resets.contains(fact));
        recent.filter(|fact| **fact == counted).count()
    }

    /// The first cause that the writer has learnt of. That it is not connected is none.
    fn writer_loss(&self) -> Option<ConnectionError> {
        let losses = self.0.iter().filter_map(|fact| match fact {
            Fact::WriterLost(error) => Some(*error),
            _ => None,
        });
        let mut causes = losses.clone().filter(|error| *error != NotConnected);
        causes.next().or(losses.clone().next())
    }

    fn reader_loss(&self) -> Option<ConnectionError> {
        self.0.iter().find_map(|fact| match fact {
            Fact::ReaderLost(error) => Some(*error),
            _ => None,
        })
    }

    fn pending(&self) -> usize {
        match self.writer_loss() {
            Some(_) => 0,
            None => self.since(Fact::Written, &[Fact::Sent]) * WRITE.len(),
        }
    }

    fn next_send(&self) -> Option<SendAction> {
        let is_asked_to_end = self.has(Fact::Finished) || self.has(Fact::WriterClosed);
        if self.writer_loss().is_some() {
            None
        } else if self.pending() > 0 {
            Some(SendAction::Write)
        } else if self.since(Fact::Sent, &[Fact::Flushed, Fact::EndSent]) > 0 {
            Some(SendAction::Flush)
        } else if is_asked_to_end && !self.has(Fact::EndSent) {
            Some(SendAction::Shutdown)
        } else {
            None
        }
    }

    fn writer_state(&self) -> WriterState {
        let is_sent = self.has(Fact::EndSent);
        match self.writer_loss() {
            Some(error) => WriterState::Lost(error),
            None if self.has(Fact::WriterClosed) && is_sent => WriterState::Closed,
            None if self.has(Fact::WriterClosed) => WriterState::Closing,
            None if is_sent => WriterState::Finished,
            None if self.has(Fact::Finished) => WriterState::Finishing,
            None => WriterState::Open,
        }
    }

    /// Whether no more is expected of the peer, and nothing was lost.
    fn reading_has_ended(&self) -> bool {
        self.reader_loss().is_none() && (self.has(Fact::Eof) || self.has(Fact::ReaderClosed))
    }

    fn wants_read(&self) -> bool {
        self.reader_loss().is_none() && !self.reading_has_ended()
    }

    fn is_full(&self) -> bool {
        self.pending() > WRITE.len()
    }

    fn state(&self) -> ConnectionState {
        if let Some(error) = self.reader_loss().or(self.writer_loss()) {
            return ConnectionState::Lost(error);
        }
        match (self.has(Fact::EndSent), self.reading_has_ended()) {
            (true, true) => ConnectionState::Closed,
            (true, false) => ConnectionState::HalfClosedLocal,
            (false, true) if self.has(Fact::WriterClosed) => ConnectionState::Closing,
            (false, true) => ConnectionState::HalfClosedRemote,
            (false, false) => ConnectionState::Open,
        }
    }

    fn write_result(&self) -> Result<(), WriteError> {
        match self.writer_loss() {
            Some(error) => Err(WriteError::ConnectionLost(error)),
            None if self.has(Fact::WriterClosed) => Err(WriteError::Closed),
            None if self.has(Fact::Finished) => Err(WriteError::Finished),
            None => Ok(()),
        }
    }

    /// What can still be read: it was received before this side closed.
    fn unread(&self) -> Vec<u8> {
        let is_open = |fact: &&Fact| **fact != Fact::ReaderClosed;
        // Closing what has ended, or is lost, changes nothing.
        let taken = self.0.iter().take_while(is_open);
        let taken = taken.filter(|fact| **fact == Fact::Received).count();
        [WORDS, &MORE.repeat(taken)].concat()
    }

    fn lose_writer(&mut self, error: ConnectionError) {
        if self.writer_state() != WriterState::Closed {
            self.0.push(Fact::WriterLost(error));
        }
    }

    /// A receive has found a loss, which concerns both halves. Nothing is lost after a clean end.
    fn lose_both(&mut self, error: ConnectionError) {
        if self.state() != ConnectionState::Closed && self.reader_loss().is_none() {
            self.0.push(Fact::ReaderLost(error));
            self.lose_writer(error);
        }
    }

    fn send_failed(&mut self, action: SendAction, error: TransportError) -> Progress {
        match error {
            TransportError::WouldBlock => return Progress::Blocked,
            // Both directions have ended: nothing is left to be connected to.
            TransportError::Lost(NotConnected)
                if action == SendAction::Shutdown && self.has(Fact::Eof) =>
            {
                self.end_sent();
            }
            TransportError::Lost(error) => self.lose_writer(error),
            _ => return Progress::Interrupted,
        }
        Progress::Moved
    }

    fn end_sent(&mut self) {
        let is_asked = matches!(
            self.writer_state(),
            WriterState::Finishing | WriterState::Closing
        );
        if is_asked && self.pending() == 0 {
            self.0.push(Fact::EndSent);
        }
    }

    fn received(&mut self, result: Result<usize, TransportError>) -> Progress {
        match result {
            Ok(0) => match self.writer_loss() {
                None | Some(BrokenPipe | NotConnected) => self.eof(),
                // The send took the report of the loss away.
                Some(error) => self.lose_both(error),
            },
            // A closed reader keeps nothing, however much that is said to be.
            Ok(count) if count > ROOM && !self.has(Fact::ReaderClosed) => {
                self.lose_both(Transport);
            }
            Ok(_) => self.0.push(Fact::Received),
            Err(TransportError::Lost(error)) => self.lose_both(error),
            Err(TransportError::WouldBlock) => return Progress::Blocked,
            Err(_) => return Progress::Interrupted,
        }
        Progress::Moved
    }

    fn eof(&mut self) {
        self.0.push(Fact::Eof);
    }

    fn close_reader(&mut self) {
        if self.wants_read() {
            self.0.push(Fact::ReaderClosed);
        }
    }

    fn close_writer(&mut self) {
        if self.writer_loss().is_none() {
            self.0.push(Fact::WriterClosed);
        }
    }

    /// Both halves are told; the first loss counts.
    fn lose(&mut self, error: ConnectionError) {
        if self.state() == ConnectionState::Closed {
            return;
        }
        let error = match (self.reader_loss(), self.writer_loss()) {
            (Some(first), _) => first,
            // That a send found it not connected says nothing of the cause.
            (None, None | Some(NotConnected)) => error,
            (None, Some(first)) => first,
        };
        if self.reader_loss().is_none() {
            self.0.push(Fact::ReaderLost(error));
        }
        self.lose_writer(error);
    }
}

/// A connection and its model, side by side.
struct Run {
    connection: Connection,
    life: Life,
}

impl Run {
    fn new() -> Self {
        let mut connection = Connection::new();
        connection.reader.feed(WORDS);
        let marks = WaterMarks::new(WRITE.len(), 0).expect("marks in order");
        connection.writer.set_water_marks(marks);
        let life = Life::default();
        Self { connection, life }
    }

    /// Returns whether it could happen: a driver makes no call to send that is not due, and receives no
    /// more after the end.
    fn perform(&mut self, event: Event) -> bool {
        let Self { connection, life } = self;
        let due = life.next_send();
        let has_eof = life.has(Fact::Eof);
        match event {
            Event::Write => {
                let expected = life.write_result();
                if expected.is_ok() {
                    life.0.push(Fact::Written);
                }
                assert_eq!(connection.writer.write(WRITE), expected);
            }
            Event::Send | Event::SendByHand => {
                let Some(action) = due else { return false };
                let pending = connection.writer.pending();
                match action {
                    SendAction::Write => life.0.push(Fact::Sent),
                    SendAction::Flush => life.0.push(Fact::Flushed),
                    SendAction::Shutdown => life.end_sent(),
                }
                match (event, action) {
                    (Event::Send, _) => {
                        let progress = on_send(connection, action, Ok(pending));
                        assert_eq!(progress, Progress::Moved);
                    }
                    (_, SendAction::Write) => connection.writer.output().advance(pending),
                    (_, SendAction::Flush) => connection.writer.flush_done(),
                    (_, SendAction::Shutdown) => connection.writer.shutdown_done(),
                }
            }
            Event::SendFails(error) => {
                let Some(action) = due else { return false };
                let expected = life.send_failed(action, error);
                assert_eq!(on_send(connection, action, Err(error)), expected);
            }
            Event::Fails(action, error) => {
                let expected = life.send_failed(action, error);
                assert_eq!(on_send(connection, action, Err(error)), expected);
            }
            Event::TakesNothing | Event::TakesTooMuch => {
                if due != Some(SendAction::Write) {
                    return false;
                }
                let count = match event {
                    Event::TakesNothing => 0,
                    _ => life.pending() + 1,
                };
                life.lose_writer(Transport);
                let progress = on_send(connection, SendAction::Write, Ok(count));
                assert_eq!(progress, Progress::Moved);
            }
            Event::Receive => {
                if has_eof {
                    return false;
                }
                connection.reader.input(ROOM)[..MORE.len()].copy_from_slice(MORE);
                let expected = life.received(Ok(MORE.len()));
                assert_eq!(on_receive(connection, Ok(MORE.len())), expected);
            }
            Event::ReceiveZero | Event::ReceiveTooMuch | Event::ReceiveFails(_) => {
                if has_eof {
                    return false;
                }
                let room = connection.reader.input(ROOM).len();
                let result = match event {
                    Event::ReceiveZero => Ok(0),
                    Event::ReceiveFails(error) => Err(error),
                    _ => Ok(room + 1),
                };
                assert_eq!(on_receive(connection, result), life.received(result));
            }
            Event::FeedEof => {
                connection.reader.feed_eof();
                life.eof();
            }
            Event::Finish => {
                connection.writer.finish();
                if life.write_result().is_ok() {
                    life.0.push(Fact::Finished);
                }
            }
            Event::Close => {
                connection.close();
                life.close_reader();
                life.close_writer();
            }
            Event::CloseWriter => {
                connection.writer.close();
                life.close_writer();
            }
            Event::Abort => {
                connection.abort();
                life.lose(Aborted);
            }
            Event::Lose(error) => {
                connection.lost(error);
                life.lose(error);
            }
        }
        true
    }

    /// Checks all that can be seen, twice: states and errors are no events.
    fn check(mut self) {
        let Self { connection, life } = &mut self;
        let unread = life.unread();
        assert_eq!(connection.reader.buffered(), unread);
        for pauses in [false, true] {
            connection.pauses_when_full = pauses;
            let is_paused = pauses && life.is_full();
            let wants_read = life.wants_read() && !is_paused;
            assert_eq!(connection.wants_read(), wants_read);
        }
        let frame = connection
            .reader
            .read(100)
            .map(|step| step.map(|frame| frame.to_vec()));
        assert_eq!(frame, Ok(Step::Ready(unread)), "received bytes survive");
        for _ in 0..2 {
            assert_eq!(connection.state(), life.state());
            assert_eq!(connection.next_send(), life.next_send());
            assert_eq!(connection.writer.state(), life.writer_state());
            assert_eq!(connection.writer.pending(), life.pending());
            assert_eq!(connection.writer.is_full(), life.is_full());
            assert_eq!(connection.writer.connection_error(), life.writer_loss());
            assert_eq!(connection.reader.connection_error(), life.reader_loss());
            assert_eq!(connection.reader.at_eof(), life.reading_has_ended());
            assert_eq!(
                connection.wants_read(),
                life.wants_read() && !life.is_full()
            );
            let after = connection
                .reader
                .read(100)
                .map(|step| step.map(|frame| frame.len()));
            match life.reader_loss() {
                Some(error) => assert_eq!(after, Err(ReadError::ConnectionLost(error))),
                None if life.reading_has_ended() => assert_eq!(after, Ok(Step::Ready(0))),
                None => assert_eq!(after, Ok(Step::NeedInput)),
            }
            if let Err(error) = life.write_result() {
                assert_eq!(connection.writer.write(WRITE), Err(error));
            }
        }
    }
}

fn on_send(
    connection: &mut Connection,
    action: SendAction,
    result: Result<usize, TransportError>,
) -> Progress {
    // As a driver does, which cannot send what it has not looked at.
    let _ = connection.writer.output();
    connection.on_send(action, result)
}

fn on_receive(connection: &mut Connection, result: Result<usize, TransportError>) -> Progress {
    connection.on_receive(result)
}

/// Shows the events of a life in which something is wrong.
struct Shown<'a>(&'a [Event]);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            report(&format!("connection: wrong after {:?}", self.0));
        }
    }
}

/// Runs these events, then each longer life that begins with them; returns how many lives.
fn explore(events: &mut Vec<Event>, alphabet: &[Event], longest: usize) -> u64 {
    let mut run = Run::new();
    let shown = Shown(events);
    if !shown.0.iter().all(|event| run.perform(*event)) {
        return 0;
    }
    run.check();
    drop(shown);
    let mut lives = 1;
    if events.len() < longest {
        for event in alphabet {
            events.push(*event);
            lives += explore(events, alphabet, longest);
            events.pop();
        }
    }
    lives
}

/// Tries all lives of up to `longest` events, or fewer by as many as `PLIMSOLL_FEWER_EVENTS` says.
fn try_all(what: &str, alphabet: &[Event], longest: usize, expected: u64) {
    let fewer = std::env::var("PLIMSOLL_FEWER_EVENTS").map_or(0, |fewer| fewer.parse().unwrap());
    Run::new().check();
    let lives = 1 + count_in_parallel(alphabet, |first| {
        explore(&mut vec![*first], alphabet, longest - fewer)
    });
    report(&format!("connection: {lives} {what}"));
    assert!(fewer > 0 || lives == expected, "{lives} {what}");
}

const fn lost(error: ConnectionError) -> TransportError {
    TransportError::Lost(error)
}

#[test]
fn every_order_of_calls_leads_where_it_should() {
    let alphabet = [
        Event::Write,
        Event::Send,
        Event::SendByHand,
        Event::FeedEof,
        Event::Finish,
        Event::Close,
        Event::CloseWriter,
        Event::Abort,
        Event::Lose(Reset),
    ];
    try_all("lives", &alphabet, 6, 220_357);
}

#[test]
fn every_order_of_losses_is_told_right() {
    let alphabet = [
        Event::Write,
        Event::Send,
        Event::SendFails(lost(Reset)),
        Event::SendFails(lost(BrokenPipe)),
        Event::SendFails(lost(NotConnected)),
        Event::Receive,
        Event::ReceiveZero,
        Event::ReceiveFails(lost(Reset)),
        Event::ReceiveFails(lost(TimedOut)),
        Event::Finish,
        Event::Close,
        Event::Abort,
    ];
    try_all("orders of losses", &alphabet, 7, 2_858_853);
}

#[test]
fn every_error_of_every_call_is_told_right() {
    let errors = [
        Reset,
        BrokenPipe,
        NotConnected,
        Aborted,
        TimedOut,
        Transport,
    ]
    .map(lost);
    let errors = [
        &errors[..],
        &[TransportError::WouldBlock, TransportError::Interrupted],
    ]
    .concat();
    let actions = [SendAction::Write, SendAction::Flush, SendAction::Shutdown];
    let mut alphabet = vec![
        Event::Write,
        Event::Send,
        Event::TakesNothing,
        Event::TakesTooMuch,
        Event::Receive,
        Event::ReceiveZero,
        Event::ReceiveTooMuch,
        Event::Finish,
        Event::Close,
        Event::CloseWriter,
        Event::Abort,
    ];
    alphabet.extend(errors.iter().map(|error| Event::ReceiveFails(*error)));
    for action in actions {
        alphabet.extend(errors.iter().map(|error| Event::Fails(action, *error)));
    }
    try_all("orders of all errors", &alphabet, 4, 2_581_664);
}

/// Makes the call that is due, with this result.
fn send(connection: &mut Connection, result: Result<usize, ConnectionError>) {
    let action = connection.next_send().expect("something is to be sent");
    let progress = connection.on_send(action, result);
    assert_eq!(progress, Progress::Moved);
}

fn receive(connection: &mut Connection, result: Result<&[u8], ConnectionError>) {
    assert!(connection.wants_read());
    let room = connection.reader.input(ROOM);
    let result = result.map(|bytes| {
        room[..bytes.len()].copy_from_slice(bytes);
        bytes.len()
    });
    assert_eq!(connection.on_receive(result), Progress::Moved);
}

/// A connection that has something to send.
fn writing() -> Connection {
    let mut connection = Connection::new();
    connection.writer.write(WRITE).unwrap();
    connection
}

/// Reads to the end of the stream.
fn rest(connection: &mut Connection) -> Result<Vec<u8>, ReadError> {
    match connection.reader.read_to_end(100)? {
        Step::Ready(frame) => Ok(frame.to_vec()),
        Step::NeedInput => panic!("the stream has not ended"),
    }
}

#[test]
fn after_a_reset_zero_is_the_loss() {
    for error in [Reset, TimedOut, Transport] {
        let mut connection = writing();
        send(&mut connection, Err(error));
        receive(&mut connection, Ok(b"half"));
        assert_eq!(connection.reader.buffered(), b"half");
        receive(&mut connection, Ok(b""));
        let lost = Err(ReadError::ConnectionLost(error));
        assert_eq!(rest(&mut connection), lost);
        assert_eq!(connection.reader.buffered(), b"half", "of no whole stream");
        assert_eq!(connection.state(), ConnectionState::Lost(error));
        assert!(!connection.wants_read());
    }
}

#[test]
fn a_reset_met_by_a_flush_counts_too() {
    let mut connection = writing();
    send(&mut connection, Ok(WRITE.len()));
    assert_eq!(connection.next_send(), Some(SendAction::Flush));
    send(&mut connection, Err(Reset));
    receive(&mut connection, Ok(b""));
    assert_eq!(rest(&mut connection), Err(ReadError::ConnectionLost(Reset)));
}

#[test]
fn a_broken_pipe_leaves_the_answer_its_end() {
    let mut connection = writing();
    send(&mut connection, Err(BrokenPipe));
    receive(&mut connection, Ok(b"the "));
    receive(&mut connection, Ok(b"answer"));
    receive(&mut connection, Ok(b""));
    assert_eq!(rest(&mut connection), Ok(b"the answer".to_vec()));
    assert!(connection.reader.at_eof());
    assert_eq!(connection.state(), ConnectionState::Lost(BrokenPipe));
}

#[test]
fn a_unix_socket_answers_before_its_reset() {
    let mut connection = writing();
    send(&mut connection, Err(BrokenPipe));
    receive(&mut connection, Ok(b"answer"));
    receive(&mut connection, Err(Reset));
    assert_eq!(connection.state(), ConnectionState::Lost(Reset));
    assert_eq!(rest(&mut connection), Err(ReadError::ConnectionLost(Reset)));
    assert_eq!(connection.reader.buffered(), b"answer");
}

#[test]
fn a_failed_shutdown_gives_way_to_its_cause() {
    let mut connection = Connection::new();
    connection.writer.finish();
    send(&mut connection, Err(NotConnected));
    assert_eq!(connection.writer.state(), WriterState::Lost(NotConnected));
    receive(&mut connection, Ok(b"data"));
    receive(&mut connection, Err(Reset));
    assert_eq!(connection.writer.state(), WriterState::Lost(Reset));
    assert_eq!(connection.state(), ConnectionState::Lost(Reset));
    assert_eq!(rest(&mut connection), Err(ReadError::ConnectionLost(Reset)));
}

#[test]
fn a_failed_shutdown_leaves_the_answer_readable() {
    let mut connection = Connection::new();
    connection.writer.finish();
    send(&mut connection, Err(NotConnected));
    receive(&mut connection, Ok(b"data"));
    receive(&mut connection, Ok(b""));
    assert_eq!(rest(&mut connection), Ok(b"data".to_vec()));
    assert_eq!(connection.state(), ConnectionState::Lost(NotConnected));
}

#[test]
fn a_shutdown_after_both_ends_is_done() {
    for closes in [false, true] {
        let mut connection = Connection::new();
        receive(&mut connection, Ok(b""));
        if closes {
            connection.close();
        } else {
            connection.writer.finish();
        }
        send(&mut connection, Err(NotConnected));
        assert_eq!(connection.state(), ConnectionState::Closed);
        assert_eq!(rest(&mut connection), Ok(vec![]));
    }

    // Before the peer's end it is a loss, and so is any other error.
    for (has_eof, error) in [(false, NotConnected), (true, BrokenPipe), (true, Reset)] {
        let mut connection = Connection::new();
        if has_eof {
            receive(&mut connection, Ok(b""));
        }
        connection.writer.finish();
        send(&mut connection, Err(error));
        assert_eq!(connection.state(), ConnectionState::Lost(error));
    }
}

#[test]
fn a_write_after_both_ends_is_a_loss() {
    let mut connection = writing();
    receive(&mut connection, Ok(b""));
    send(&mut connection, Err(NotConnected));
    assert_eq!(connection.writer.state(), WriterState::Lost(NotConnected));
    assert!(connection.reader.at_eof(), "the peer's end stays in order");
}

#[test]
fn counts_that_cannot_be_are_losses() {
    for count in [0, WRITE.len() + 1, usize::MAX] {
        let mut connection = writing();
        send(&mut connection, Ok(count));
        assert_eq!(connection.state(), ConnectionState::Lost(Transport));
        assert_eq!(connection.next_send(), None);
        receive(&mut connection, Ok(b""));
        assert_eq!(
            rest(&mut connection),
            Err(ReadError::ConnectionLost(Transport))
        );
    }

    let mut connection = writing();
    let room = connection.reader.input(ROOM).len();
    assert_eq!(on_receive(&mut connection, Ok(room + 1)), Progress::Moved);
    assert_eq!(connection.state(), ConnectionState::Lost(Transport));
    assert_eq!(connection.writer.state(), WriterState::Lost(Transport));
    assert_eq!(connection.reader.buffered(), b"", "none of it is trusted");
}

#[test]
fn a_loss_of_one_half_counts_for_both() {
    let mut connection = Connection::new();
    connection.writer.lost(TimedOut);
    assert_eq!(connection.state(), ConnectionState::Lost(TimedOut));
    assert!(connection.wants_read(), "the peer's last words may come");
    assert_eq!(connection.writer.state(), WriterState::Lost(TimedOut));

    connection.abort();
    assert_eq!(connection.state(), ConnectionState::Lost(TimedOut));
    assert_eq!(connection.reader.connection_error(), Some(TimedOut));

    let mut connection = writing();
    connection.reader.feed_lost(Transport);
    assert_eq!(connection.state(), ConnectionState::Lost(Transport));
    connection.lost(Reset);
    assert_eq!(connection.state(), ConnectionState::Lost(Transport));
    assert_eq!(connection.writer.state(), WriterState::Lost(Transport));
    assert_eq!(connection.writer.pending(), 0);
}

#[test]
fn a_full_output_pauses_reading_where_set() {
    let mut connection = writing();
    connection
        .writer
        .set_water_marks(WaterMarks::new(1, 0).unwrap());
    assert!(connection.writer.is_full() && connection.wants_read());
    connection.pauses_when_full = true;
    assert!(!connection.wants_read());
    send(&mut connection, Ok(WRITE.len()));
    assert!(connection.wants_read());
    // A loss discards the output; the peer's last words may still come.
    connection.writer.write(WRITE).unwrap();
    assert!(!connection.wants_read());
    send(&mut connection, Err(BrokenPipe));
    assert!(connection.wants_read());
}

#[test]
fn parts_hold_every_byte_of_both_directions() {
    let mut connection = Connection::new();
    connection.reader.feed(b"STARTTLS\r\nINJECTED");
    assert!(connection.reader.read_line().unwrap().is_ready());
    connection.writer.write(b"220 ").unwrap();
    let body = vec![b'x'; 1000];
    connection.writer.write_bytes(body.clone().into()).unwrap();
    connection.writer.write(b"\r\n").unwrap();
    let expected = [b"220 ", &body[..], b"\r\n"].concat();
    // Interrupted at each byte of the output.
    for sent in 0..=expected.len() {
        let parts = connection.into_parts();
        assert_eq!(parts.unread, "INJECTED");
        assert_eq!(parts.unsent.concat(), expected[sent..]);
        assert_eq!(parts.discarding, None);
        assert_eq!(parts.is_unflushed, sent > 0);
        connection = Connection::from_parts(parts);
        assert_eq!(connection.reader.buffered(), b"INJECTED");
        if sent < expected.len() {
            assert_eq!(connection.next_send(), Some(SendAction::Write));
            send(&mut connection, Ok(1));
        }
    }
    assert_eq!(connection.writer.pending(), 0);
    // What was taken before the last interruption may still be held back.
    assert_eq!(connection.next_send(), Some(SendAction::Flush));
}

#[test]
fn parts_beyond_the_bound_stay_pending() {
    let mut parts = Parts::default();
    parts.unsent = vec![vec![0; 16 * 1024 * 1024].into(), "".into(), vec![0].into()];
    let mut connection = Connection::from_parts(parts);
    let (len, pending, max) = (1, 16 * 1024 * 1024 + 1, 16 * 1024 * 1024);
    assert_eq!(connection.writer.pending(), pending);
    assert!(connection.writer.is_full());
    let full = WriteError::Full { len, pending, max };
    assert_eq!(connection.writer.write(b"x"), Err(full));
    send(&mut connection, Ok(pending));
    assert!(!connection.writer.is_full());
}

/// Gives a reader up after every byte, and goes on with another: what it is to read, and to discard.
fn handed_over_at_every_byte(
    begin: impl Fn(&mut Reader),
    discarding: &Discarding,
    rest: &[u8],
    next: &[u8],
) {
    for cut in 0..rest.len() {
        let mut connection = Connection::new();
        begin(&mut connection.reader);
        connection.writer.write(WRITE).unwrap();
        connection.reader.feed(&rest[..cut]);
        let parts = connection.into_parts();
        if !matches!(discarding, Discarding::Count(_)) {
            assert_eq!(parts.discarding.as_ref(), Some(discarding), "cut at {cut}");
        }
        assert_eq!(parts.unsent.concat(), WRITE);

        let mut connection = Connection::from_parts(parts);
        assert!(connection.reader.is_discarding());
        connection.reader.feed(&rest[cut..]);
        assert!(!connection.reader.is_discarding());
        assert_eq!(connection.reader.buffered(), next, "cut at {cut}");
        assert_eq!(connection.writer.pending(), WRITE.len());
    }
}

#[test]
fn parts_go_on_with_a_discarded_line() {
    let too_long = |reader: &mut Reader| {
        reader.set_limit(3);
        reader.feed(b"too long");
        assert!(reader.read_line().is_err());
    };
    let discarding = Discarding::Until(Separator::LF);
    handed_over_at_every_byte(too_long, &discarding, b" a line\n", b"");
}

#[test]
fn parts_go_on_with_a_cancelled_skip() {
    let separator = Separator::CRLF;
    let skip = |reader: &mut Reader| {
        reader.feed(b"####\r");
        assert_eq!(reader.skip_until(&separator), Ok(Step::NeedInput));
    };
    let discarding = Discarding::Until(separator.clone());
    handed_over_at_every_byte(skip, &discarding, b"$X*58\r\r\n", b"");

    let skip = |reader: &mut Reader| {
        reader.feed(b"####");
        assert_eq!(reader.skip_exact(10), Ok(Step::NeedInput));
    };
    let discarding = Discarding::Count(6);
    handed_over_at_every_byte(skip, &discarding, b"######", b"");
}
