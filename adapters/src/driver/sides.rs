//! What a driver drives: a connection of the core, or what the two halves of a pair share of one.

use std::io;

use plimsoll::{
    Connection, ConnectionError, ConnectionState, Progress, Reader, SendAction, TransportError,
    Writer, WriterState,
};

/// The two sides of a connection, as far as a driver and the server have to know them.
pub(crate) trait Sides: Send + 'static {
    /// Whether an end that was sent stays one, however receiving is lost later: the halves of a
    /// pair come to their ends apart.
    const KEEPS_END: bool;

    fn writer(&self) -> &Writer;

    fn writer_mut(&mut self) -> &mut Writer;

    /// The reader, unless it belongs to a half of its own.
    fn reader_mut(&mut self) -> Option<&mut Reader>;

    /// As [`Connection::on_send`].
    fn on_send(&mut self, action: SendAction, result: Result<usize, io::ErrorKind>) -> Progress;

    /// Records that the input has ended, or that receiving was lost.
    fn end_input(&mut self, lost: Option<ConnectionError>);

    /// How receiving was lost, if it was.
    fn reading_error(&self) -> Option<ConnectionError>;

    /// Whether more input may come that somebody reads.
    fn expects_input(&self) -> bool;

    /// As [`Connection::close`].
    fn close(&mut self);

    /// As [`Connection::lost`].
    fn lost(&mut self, error: ConnectionError);

    /// What is news to an owner of both sides if it changes.
    fn stage(&self) -> (ConnectionState, bool);
}

impl Sides for Connection {
    const KEEPS_END: bool = false;

    #[inline]
    fn writer(&self) -> &Writer {
        &self.writer
    }

    #[inline]
    fn writer_mut(&mut self) -> &mut Writer {
        &mut self.writer
    }

    fn reader_mut(&mut self) -> Option<&mut Reader> {
        Some(&mut self.reader)
    }

    #[inline]
    fn on_send(&mut self, action: SendAction, result: Result<usize, io::ErrorKind>) -> Progress {
        Connection::on_send(self, action, result)
    }

    fn end_input(&mut self, lost: Option<ConnectionError>) {
        let _ = self.on_receive(lost.map_or(Ok(0), |error| Err(TransportError::Lost(error))));
    }

    #[inline]
    fn reading_error(&self) -> Option<ConnectionError> {
        self.reader.connection_error()
    }

    #[inline]
    fn expects_input(&self) -> bool {
        self.reader.wants_read() || self.reader.is_paused()
    }

    fn close(&mut self) {
        Connection::close(self);
    }

    fn lost(&mut self, error: ConnectionError) {
        Connection::lost(self, error);
    }

    fn stage(&self) -> (ConnectionState, bool) {
        (self.state(), self.wants_read())
    }
}

/// What the halves of a pair share of the core: the writer, and how the reader's input has ended.
/// The reader itself is the other half's alone.
pub(crate) struct Outgoing {
    pub(crate) writer: Writer,
    input: Input,
}

/// How the input of a pair stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Input {
    Open,
    Ended,
    /// This side has closed.
    Closed,
    ConnectionLost(ConnectionError),
}

impl Outgoing {
    pub(crate) fn new(writer: Writer) -> Self {
        Self {
            writer,
            input: Input::Open,
        }
    }

    /// Whether both sides have come to their ends in order, after which there is no loss.
    fn has_ended(&self) -> bool {
        let state = self.writer.state();
        matches!(state, WriterState::Finished | WriterState::Closed)
            && matches!(self.input, Input::Ended | Input::Closed)
    }
}

/// The rules are those of the core's [`Connection`].
impl Sides for Outgoing {
    const KEEPS_END: bool = true;

    #[inline]
    fn writer(&self) -> &Writer {
        &self.writer
    }

    #[inline]
    fn writer_mut(&mut self) -> &mut Writer {
        &mut self.writer
    }

    fn reader_mut(&mut self) -> Option<&mut Reader> {
        None
    }

    #[inline]
    fn on_send(&mut self, action: SendAction, result: Result<usize, io::ErrorKind>) -> Progress {
        let result = match (action, result) {
            // After the ends of both directions there is nothing left to be connected to.
            (SendAction::Shutdown, Err(io::ErrorKind::NotConnected))
                if self.input == Input::Ended =>
            {
                Ok(0)
            }
            (_, result) => result,
        };
        self.writer.on_send(action, result)
    }

    fn end_input(&mut self, lost: Option<ConnectionError>) {
        let first = self.writer.connection_error();
        let lost = lost.or(first.filter(|first| first.ends_both_directions()));
        match lost.filter(|_| !self.has_ended()) {
            Some(lost) => {
                self.input = Input::ConnectionLost(lost);
                self.writer.lost(lost);
            }
            None => self.input = Input::Ended,
        }
    }

    #[inline]
    fn reading_error(&self) -> Option<ConnectionError> {
        match self.input {
            Input::ConnectionLost(error) => Some(error),
            Input::Open | Input::Ended | Input::Closed => None,
        }
    }

    #[inline]
    fn expects_input(&self) -> bool {
        self.input == Input::Open
    }

    fn close(&mut self) {
        if self.input == Input::Open {
            self.input = Input::Closed;
        }
        self.writer.close();
    }

    fn lost(&mut self, error: ConnectionError) {
        if self.has_ended() {
            return;
        }
        let first = match (self.reading_error(), self.writer.connection_error()) {
            // That a send found it not connected says nothing of the cause.
            (None, Some(ConnectionError::NotConnected)) => None,
            (reading, writing) => reading.or(writing),
        };
        let error = first.unwrap_or(error);
        self.input = Input::ConnectionLost(error);
        self.writer.lost(error);
    }

    /// Its halves look for themselves.
    fn stage(&self) -> (ConnectionState, bool) {
        (ConnectionState::Open, false)
    }
}
