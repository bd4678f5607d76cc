//! Who shares a connection, what they leave each other, and what a slot asks of what rests in it.

use plimsoll::ConnectionError;

/// Who shares a connection. Each waits in one task at a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Party {
    /// The one with the `Connection`, or a pair's writer.
    Owner,
    /// The task of a server that has accepted the connection, and each caller that leaves a
    /// command.
    Server,
    /// A pair's reader.
    Reader,
}

/// What others than the owner want to be done. Each is left once, and then holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Command {
    /// The server shuts down, which the owner may want to know.
    ShutDown,
    /// Close the connection, once pending output is sent. A reader of its own reads on until
    /// nothing is buffered.
    Close,
    /// The same, since the handler has ended: whatever is left of a pair, reads no more.
    End,
    /// Abort the connection, for this reason. The first counts.
    Abort(ConnectionError),
    /// Abort the connection, which its owner does not want any more.
    GiveUp,
    /// Drop the handler where it waits, at the end of a server.
    Cancel,
}

/// What a slot asks of a connection's core.
pub(crate) trait Core: Send + 'static {
    /// How the input of a reader of its own has ended, as its transport has it.
    type End: Send;
    /// The same, as the core has it.
    type Ended: Clone + Send;

    /// Closes the connection, once pending output is sent.
    fn close(&mut self);

    /// Closes its output, once all of it is sent. Input goes on.
    fn close_output(&mut self);

    /// Returns how it was lost, as a reader of its own is told.
    fn how_ended(&self) -> Self::Ended;

    /// Records that the input has ended that a reader of its own receives.
    fn end_input(&mut self, end: Self::End) -> Self::Ended;

    /// Returns what a reader of its own has to know.
    fn pressure(&self) -> Pressure;

    /// Records that the connection was lost.
    fn lose(&mut self, error: ConnectionError);

    /// Records that the owner has given the connection up: no output is lost that it still wants.
    fn give_up(&mut self);

    /// Records that the transport has woken: output that it was offered before is due again.
    fn on_wake(&mut self);

    /// Records that the server shuts down, which the owner's next turn shows.
    fn on_shutdown(&mut self);

    /// Returns what the slot has to know.
    fn says(&self) -> Says;

    /// Returns `true` if the peer must not take the end of the transport for a clean end.
    fn is_cut_off(&self) -> bool;
}

/// What a core says when it is put back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Says {
    /// How the connection was lost, if nothing can move any more: the transport is of no use then.
    pub(crate) lost: Option<ConnectionError>,
    /// Whether something is to be sent.
    pub(crate) has_output: bool,
    /// Whether the transport was not offered some of it.
    pub(crate) has_unoffered_output: bool,
    /// Whether the connection was closed by this side.
    pub(crate) is_closing: bool,
    /// Whether all was sent, and the end of the stream.
    pub(crate) has_ended: bool,
    /// A number that changes whenever something was received or sent.
    pub(crate) moves: u16,
}

/// What a slot asks of a transport.
pub(crate) trait Io: Send + 'static {
    /// The half to read from.
    type Read: Send;

    /// Makes the peer see, when this is dropped, that the connection did not end cleanly.
    fn abort(&mut self);

    /// Takes out the read half, unless a layer needs it, or it is out.
    fn take_read_half(&mut self) -> Option<Self::Read>;

    fn put_read_half(&mut self, read: Self::Read);

    fn read_half(&self) -> Option<&Self::Read>;
}

/// What a reader has to know of the output.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Pressure {
    /// Whether more is pending than the high water mark allows.
    pub(crate) is_full: bool,
    /// Whether the user should not write more.
    pub(crate) is_unwritable: bool,
    pub(crate) is_lost: bool,
}

impl Pressure {
    /// Whether a read that waits may go on, or come to its end, after it was `former`.
    pub(super) fn lets_read(self, former: Self) -> bool {
        former.is_full && !self.is_full || self.is_lost && !former.is_lost
    }
}
