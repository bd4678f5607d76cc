//! A driver without a network and without a clock.

use bytes::Buf;

use super::scripted_peer::ScriptedPeer;
use crate::connection::{Connection, ConnectionState};
use crate::error::{ConnectionError, TransportError};
use crate::protocol::{Event, Next, Protocol};
use crate::step::Progress;
use crate::writer::SendAction;

/// Runs a protocol over a connection to a scripted peer, to its end. As [`Driver::run`] of
/// [`Driver::default`].
///
/// # Errors
///
/// The protocol's, as it is returned.
///
/// # Examples
///
/// ```
/// use plimsoll::testing::{ScriptedPeer, drive};
/// use plimsoll::{Connection, Event, Next, ReadError, Step};
///
/// let mut peer = ScriptedPeer::new().sends(b"EH").sends(b"LO x\r\n").takes_at_most(1);
/// let mut protocol = |connection: &mut Connection, _: Event| -> Result<Next, ReadError> {
///     let Step::Ready(line) = connection.reader.read_line()? else { return Ok(Next::Turn) };
///     if line.is_empty() { return Ok(Next::Close) }
///     connection.writer.write(b"250 ok\r\n").unwrap();
///     Ok(Next::Turn)
/// };
/// drive(&mut Connection::new(), &mut peer, &mut protocol)?;
/// assert_eq!(peer.received(), b"250 ok\r\n");
/// # Ok::<(), ReadError>(())
/// ```
pub fn drive<P: Protocol>(
    connection: &mut Connection,
    peer: &mut ScriptedPeer,
    protocol: &mut P,
) -> Result<Driven, P::Error> {
    Driver::default().run(connection, peer, protocol)
}

/// How a protocol is driven over a scripted peer: what else happens while it waits.
///
/// A wait is a receive that is due: everything is sent that could be, and the protocol needs more
/// than it has. Each has a number, from zero. A run without anything else returns how many there
/// are, for a loop that lets something happen at each of them:
///
/// ```
/// use plimsoll::testing::{Driver, ScriptedPeer};
/// use plimsoll::{Connection, Event, Next, ReadError, Step};
///
/// // Reads a head and its body by two reads, and keeps the head across waits.
/// let run = |driver: Driver| {
///     let mut peer = ScriptedPeer::new().sends(b"3\n").sends(b"ab").sends(b"c");
///     let (mut seen, mut head) = (Vec::new(), false);
///     let mut protocol = |connection: &mut Connection, _: Event| -> Result<Next, ReadError> {
///         if !head && connection.reader.read_line()?.is_ready() {
///             head = true;
///         }
///         if head {
///             if let Step::Ready(body) = connection.reader.read_exact(3)? {
///                 seen.push(body.to_bytes());
///                 return Ok(Next::Close);
///             }
///         }
///         Ok(Next::Turn)
///     };
///     let driven = driver.run(&mut Connection::new(), &mut peer, &mut protocol);
///     (driven, seen)
/// };
/// let (driven, expected) = run(Driver::default());
/// for wait in 0..driven?.waits {
///     let (_, seen) = run(Driver { gives_up_at: Some(wait), ..Driver::default() });
///     assert_eq!(seen, expected, "wait {wait}");
/// }
/// # Ok::<(), ReadError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "nothing runs before `run`"]
pub struct Driver {
    /// Most bytes to receive at once: 16 KiB.
    pub read_size: usize,
    /// The wait that is given up: nothing is received, and the protocol is called. With
    /// [`TimedOut`](Event::TimedOut) if it waits for a time only, else with
    /// [`Moved`](Event::Moved), though nothing has.
    pub gives_up_at: Option<usize>,
    /// The wait at which the server begins to shut down.
    pub shuts_down_at: Option<usize>,
}

/// The end of a run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Driven {
    /// Where the connection is. Not at its end if the protocol stopped to read.
    pub state: ConnectionState,
    /// How many waits there were.
    pub waits: usize,
}

impl Driver {
    /// Runs a protocol over a connection to a scripted peer, until nothing can move any more.
    ///
    /// Calls that would block are repeated, and get the script's next answer. TLS, if the protocol
    /// asks for it, is established immediately, and what the peer sends from then on counts as
    /// decrypted; bytes that were received and not read would be an invalid handshake, so that the
    /// connection is [lost](ConnectionError::Transport).
    ///
    /// As in a server, output that has left is no event, unless the output was full. A protocol
    /// that fills it at every event never waits, and so is never done.
    ///
    /// # Errors
    ///
    /// The protocol's, as it is returned; the connection is aborted.
    pub fn run<P: Protocol>(
        self,
        connection: &mut Connection,
        peer: &mut ScriptedPeer,
        protocol: &mut P,
    ) -> Result<Driven, P::Error> {
        let mut waits: usize = 0;
        let mut event = Event::Started;
        loop {
            let next = protocol
                .advance(connection, event)
                .inspect_err(|_| connection.abort())?;
            if next == Next::Close {
                connection.close();
            }
            let has_news = sends_news(connection, peer);
            event = match next {
                Next::Close => {
                    // What is left to send is retried as long as the script holds it up.
                    while connection.next_send().is_some() {
                        send(connection, peer);
                    }
                    break;
                }
                Next::StartTls => {
                    while !connection.writer.is_flushed() {
                        send(connection, peer);
                    }
                    let is_open = connection.state() == ConnectionState::Open;
                    let has_plaintext = connection.reader.is_discarding()
                        || !connection.reader.buffered().is_empty();
                    if is_open && !has_plaintext {
                        Event::Secured
                    } else {
                        connection.lost(ConnectionError::Transport);
                        Event::Moved
                    }
                }
                _ if has_news => Event::Moved,
                _ => {
                    let number = waits;
                    waits = waits.saturating_add(1);
                    let happened = self.wait(number, connection, peer, next);
                    match (happened, next) {
                        (Some(event), _) => event,
                        // Time passes, also where nothing else can happen; once is enough.
                        (None, Next::TurnWithin(_)) if event != Event::TimedOut => Event::TimedOut,
                        _ => break,
                    }
                }
            };
        }
        Ok(Driven {
            state: connection.state(),
            waits,
        })
    }

    /// Receives once, or lets something else happen. `None` if nothing can move any more.
    fn wait(
        self,
        number: usize,
        connection: &mut Connection,
        peer: &mut ScriptedPeer,
        next: Next,
    ) -> Option<Event> {
        let timed_out = match next {
            Next::TurnWithin(_) => Event::TimedOut,
            _ => Event::Moved,
        };
        if self.gives_up_at == Some(number) {
            return Some(timed_out);
        }
        if self.shuts_down_at == Some(number) {
            return Some(Event::ShuttingDown);
        }
        loop {
            if !connection.wants_read() {
                // Output that is held up by the script may move at the next try.
                connection.next_send()?;
            } else if receive(connection, peer, self.read_size) {
                return Some(Event::Moved);
            }
            if peer.end_silence() {
                return Some(timed_out);
            }
            if sends_news(connection, peer) {
                return Some(Event::Moved);
            }
        }
    }
}

impl Default for Driver {
    fn default() -> Self {
        Self {
            read_size: 16 * 1024,
            gives_up_at: None,
            shuts_down_at: None,
        }
    }
}

/// Sends, and returns whether the protocol has to be called for it: there is room in output that
/// was full, or the write side has ended or was lost. That output has left is no reason.
fn sends_news(connection: &mut Connection, peer: &mut ScriptedPeer) -> bool {
    let stage = |connection: &Connection| {
        let writer = &connection.writer;
        (writer.state(), writer.connection_error())
    };
    let (was_full, before) = (connection.writer.is_full(), stage(connection));
    send(connection, peer);
    let has_room = was_full && !connection.writer.is_full();
    has_room || before != stage(connection)
}

/// Makes calls to send, until nothing is left or one would block. Returns whether anything moved.
fn send(connection: &mut Connection, peer: &mut ScriptedPeer) -> bool {
    let mut has_moved = false;
    while let Some(action) = connection.next_send() {
        let result = match action {
            SendAction::Write => peer.write(&[connection.writer.output().chunk()]),
            SendAction::Flush => peer.flush().map(|()| 0),
            SendAction::Shutdown => peer.shutdown().map(|()| {
                peer.drop_write_side();
                0
            }),
        };
        match connection.on_send(action, result) {
            Progress::Moved => has_moved = true,
            Progress::Interrupted => {}
            Progress::Blocked => break,
        }
    }
    has_moved
}

/// Makes a call to receive. Returns whether anything moved.
fn receive(connection: &mut Connection, peer: &mut ScriptedPeer, size: usize) -> bool {
    loop {
        let result: Result<usize, TransportError> = peer.read(connection.reader.input(size.max(1)));
        match connection.on_receive(result) {
            Progress::Moved => return true,
            Progress::Interrupted => {}
            Progress::Blocked => return false,
        }
    }
}
