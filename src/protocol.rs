//! A protocol as a state machine over a connection: what any driver can run, and any test.
//!
//! Who moves the bytes, and how time passes, are the driver's business: `testing::drive` has
//! neither a network nor a clock, and the crate `plimsoll-io` serves the same value on sockets.

use core::time::Duration;

use crate::connection::Connection;

/// A protocol that one side of a connection speaks.
///
/// A driver calls [`advance`](Self::advance) when something has happened, and does what it returns.
/// In between it sends the pending output, and receives while the connection
/// [wants to read](Connection::wants_read). A closure of the same shape is a protocol, too.
///
/// `advance` should do all that it can, and not stop after one message: a driver calls it again
/// only once something [has happened](Event::Moved). A read that returns `NeedInput` is the usual
/// reason to return, and output that is full another.
///
/// # Examples
///
/// ```
/// use plimsoll::{Connection, Event, Next, Protocol, ReadError, Step};
///
/// /// Replies to each line with itself, in capitals.
/// struct Shout;
///
/// impl Protocol for Shout {
///     type Error = Box<dyn std::error::Error>;
///
///     fn advance(&mut self, connection: &mut Connection, _: Event) -> Result<Next, Self::Error> {
///         loop {
///             match connection.reader.read_line() {
///                 Ok(Step::Ready(line)) if line.is_empty() => return Ok(Next::Close),
///                 Ok(Step::Ready(line)) => connection.writer.write(&line.to_ascii_uppercase())?,
///                 Ok(Step::NeedInput) => return Ok(Next::Turn),
///                 Err(ReadError::LineTooLong { .. }) => connection.writer.write(b"TOO LONG\n")?,
///                 Err(error) => return Err(error.into()),
///             }
///         }
///     }
/// }
///
/// let mut connection = Connection::new();
/// connection.reader.feed(b"hello\nwor");
/// assert_eq!(Shout.advance(&mut connection, Event::Moved).unwrap(), Next::Turn);
/// assert_eq!(connection.writer.pending(), 6);
/// assert_eq!(connection.reader.buffered(), b"wor");
/// ```
pub trait Protocol {
    /// Why the protocol gives a connection up.
    type Error;

    /// Takes note of an event, reads what is there, writes, and returns what it waits for.
    ///
    /// It may also end the connection itself, by [`Connection::close`] or [`Connection::abort`].
    ///
    /// # Errors
    ///
    /// The protocol's own. The driver then ends the connection, and calls no more.
    fn advance(&mut self, connection: &mut Connection, event: Event) -> Result<Next, Self::Error>;
}

impl<F, E> Protocol for F
where
    F: FnMut(&mut Connection, Event) -> Result<Next, E>,
{
    type Error = E;

    fn advance(&mut self, connection: &mut Connection, event: Event) -> Result<Next, E> {
        self(connection, event)
    }
}

/// Why a protocol is called.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The connection is established. The first event of each, and only once.
    Started,
    /// Input has arrived, a direction has ended or was lost, or output that was full no longer is.
    ///
    /// It may also come when nothing has happened. It need not come when output has left: a
    /// protocol that stops reading to let output leave waits until it was
    /// [full](crate::Writer::is_full).
    Moved,
    /// The time of the last [`Next::TurnWithin`] has passed, and nothing was received.
    TimedOut,
    /// The server shuts down: this connection should come to its end. Comes at most once.
    ShuttingDown,
    /// The TLS that the last [`Next::StartTls`] asked for is established.
    Secured,
}

/// What a protocol waits for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
#[must_use = "a driver does what it says"]
pub enum Next {
    /// For anything [to happen](Event::Moved).
    Turn,
    /// For anything to happen, or for so long without a byte received: then
    /// [`TimedOut`](Event::TimedOut) comes.
    TurnWithin(Duration),
    /// For TLS, after pending output is sent: then [`Secured`](Event::Secured) comes. Bytes that
    /// were received and not read are the beginning of the handshake.
    StartTls,
    /// For nothing: the connection is [closed](Connection::close), once pending output is sent, and
    /// the protocol is called no more.
    Close,
}
