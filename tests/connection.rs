//! The life that both halves share: every order of the events that can end it.

mod common;

use common::report;
use plimsoll::{
    Connection, ConnectionState, Loss, Parts, ReadError, Step, WriteError, WriterState,
};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Event {
    Write,
    /// The transport takes everything, and the end of the stream behind it.
    Send,
    Eof,
    Finish,
    Close,
    /// Only the writer is told.
    CloseWriter,
    Abort,
    Lost,
}

const EVENTS: [Event; 8] = [
    Event::Write,
    Event::Send,
    Event::Eof,
    Event::Finish,
    Event::Close,
    Event::CloseWriter,
    Event::Abort,
    Event::Lost,
];

/// The life of a connection as a list of what has happened.
#[derive(Default)]
struct Life {
    pending: bool,
    /// The reader expects no more: of the peer, or since this side has closed.
    reading_ended: bool,
    finished: bool,
    writer_closed: bool,
    end_sent: bool,
    loss: Option<Loss>,
}

impl Life {
    fn state(&self) -> ConnectionState {
        match (self.loss, self.end_sent, self.reading_ended) {
            (Some(loss), ..) => ConnectionState::Lost(loss),
            (None, true, true) => ConnectionState::Closed,
            (None, true, false) => ConnectionState::HalfClosedLocal,
            (None, false, true) if self.writer_closed => ConnectionState::Closing,
            (None, false, true) => ConnectionState::HalfClosedRemote,
            (None, false, false) => ConnectionState::Open,
        }
    }

    fn lose(&mut self, loss: Loss) {
        if !matches!(
            self.state(),
            ConnectionState::Closed | ConnectionState::Lost(_)
        ) {
            self.loss = Some(loss);
            self.pending = false;
        }
    }

    fn write(&mut self) -> Result<(), WriteError> {
        match self.loss {
            // A writer that is done with its stream cannot lose it any more.
            Some(_) if self.writer_closed && self.end_sent => Err(WriteError::Closed),
            Some(loss) => Err(WriteError::Lost(loss)),
            None if self.writer_closed => Err(WriteError::Closed),
            None if self.finished => Err(WriteError::Finished),
            None => {
                self.pending = true;
                Ok(())
            }
        }
    }

    fn perform(&mut self, connection: &mut Connection, event: Event) {
        match event {
            Event::Write => assert_eq!(connection.writer.write(b"ab"), self.write()),
            Event::Send => {
                let pending = connection.writer.pending();
                bytes::Buf::advance(&mut connection.writer.output(), pending);
                connection.writer.shutdown_done();
                self.pending = false;
                self.end_sent |= (self.finished || self.writer_closed) && self.loss.is_none();
            }
            Event::Eof => {
                connection.reader.feed_eof();
                self.reading_ended |= self.loss.is_none();
            }
            Event::Finish => {
                connection.writer.finish();
                self.finished |= !self.writer_closed && self.loss.is_none();
            }
            Event::Close => {
                connection.close();
                self.writer_closed |= self.loss.is_none();
                self.reading_ended |= self.loss.is_none();
            }
            Event::CloseWriter => {
                connection.writer.close();
                self.writer_closed |= self.loss.is_none();
            }
            Event::Abort => {
                connection.abort();
                self.lose(Loss::Aborted);
            }
            Event::Lost => {
                connection.lost(Loss::Reset);
                self.lose(Loss::Reset);
            }
        }
    }
}

#[test]
fn every_order_of_events_leads_where_it_should() {
    let mut lives = 0;
    for number in 0..EVENTS.len().pow(6) {
        let mut connection = Connection::new();
        connection.reader.feed(b"last words");
        let mut life = Life::default();
        for place in 0..6 {
            let event = EVENTS[number / EVENTS.len().pow(place) % EVENTS.len()];
            life.perform(&mut connection, event);
            assert_eq!(connection.state(), life.state());
            assert_eq!(connection.writer.wants_write(), life.pending);
            let goes_on = life.loss.is_none() && !life.reading_ended;
            assert_eq!(connection.reader.wants_read(), goes_on);
        }
        let words = connection
            .reader
            .read(100)
            .unwrap()
            .map(|frame| frame.to_vec());
        assert_eq!(
            words,
            Step::Ready(b"last words".to_vec()),
            "received bytes survive"
        );
        let behind = connection
            .reader
            .read(100)
            .map(|step| step.map(|frame| frame.len()));
        match life.loss {
            Some(loss) => assert_eq!(behind, Err(ReadError::Lost(loss))),
            None if life.reading_ended => assert_eq!(behind, Ok(Step::Ready(0))),
            None => assert_eq!(behind, Ok(Step::NeedInput)),
        }
        lives += 1;
    }
    report(&format!("connection: {lives} lives"));
    assert_eq!(lives, 262_144);
}

#[test]
fn a_loss_that_one_half_was_told_of_counts_for_both() {
    let mut connection = Connection::new();
    connection.writer.lost(Loss::TimedOut);
    assert_eq!(connection.state(), ConnectionState::Lost(Loss::TimedOut));
    assert!(
        connection.reader.wants_read(),
        "what the peer sent may still come"
    );
    assert_eq!(connection.writer.state(), WriterState::Lost(Loss::TimedOut));

    connection.abort();
    assert_eq!(
        connection.state(),
        ConnectionState::Lost(Loss::TimedOut),
        "the first counts"
    );
    assert_eq!(connection.reader.loss(), Some(Loss::TimedOut));

    let mut connection = Connection::new();
    connection.writer.write(b"pending").unwrap();
    connection.reader.feed_lost(Loss::Transport);
    assert_eq!(connection.state(), ConnectionState::Lost(Loss::Transport));
    connection.lost(Loss::Reset);
    assert_eq!(
        connection.state(),
        ConnectionState::Lost(Loss::Transport),
        "the first counts"
    );
    assert_eq!(
        connection.writer.state(),
        WriterState::Lost(Loss::Transport)
    );
    assert_eq!(connection.writer.pending(), 0);
}

#[test]
fn parts_hold_every_byte_of_both_directions() {
    let mut connection = Connection::new();
    connection.reader.feed(b"STARTTLS\r\nINJECTED");
    assert!(connection.reader.read_line().unwrap().is_ready());
    connection.writer.write(b"220 ").unwrap();
    connection
        .writer
        .write_bytes(vec![b'x'; 1000].into())
        .unwrap();
    connection.writer.write(b"\r\n").unwrap();
    bytes::Buf::advance(&mut connection.writer.output(), 2);

    let Parts {
        unread,
        unsent,
        dropping_line,
        ..
    } = connection.into_parts();
    assert_eq!(unread, "INJECTED");
    assert_eq!(
        unsent.concat(),
        [&b"0 "[..], &[b'x'; 1000], b"\r\n"].concat()
    );
    assert!(!dropping_line);
}

#[test]
fn parts_tell_of_a_line_that_is_being_dropped() {
    let mut connection = Connection::new();
    connection.reader.set_limit(3);
    connection.reader.feed(b"too long");
    connection.writer.write(b"pending").unwrap();
    assert!(connection.reader.read_line().is_err());
    let parts = connection.into_parts();
    assert!(parts.dropping_line && parts.unread.is_empty());
    assert_eq!(parts.unsent.concat(), b"pending");
}
