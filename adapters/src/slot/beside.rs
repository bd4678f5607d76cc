//! What the slot of a pair keeps beside the rest, for its reader: the read half, and how the input
//! has ended. For one owner it is nothing.

use std::task::Waker;

use super::parties::{Core, Io, Pressure};

/// What is kept beside the core and the transport: nothing for one owner.
pub(crate) trait Beside<C: Core, T: Io>: Default + Send + 'static {
    /// Whether there is a reader of its own.
    const HAS_READER: bool;

    /// What is kept for it.
    fn reading(&mut self) -> Option<&mut Reading<C, T>>;

    /// What is kept for it, to look at.
    fn peek(&self) -> Option<&Reading<C, T>>;
}

impl<C: Core, T: Io> Beside<C, T> for () {
    const HAS_READER: bool = false;

    fn reading(&mut self) -> Option<&mut Reading<C, T>> {
        None
    }

    fn peek(&self) -> Option<&Reading<C, T>> {
        None
    }
}

/// What is kept for a reader.
pub(crate) struct Reading<C: Core, T: Io> {
    /// `None` while it is out, while it is with the transport, and once it is gone.
    pub(super) read: Option<T::Read>,
    /// Whether the reader has it.
    pub(super) is_out: bool,
    /// Whether something has happened meanwhile that the reader has to look at.
    pub(super) is_called: bool,
    pub(super) waker: Option<Waker>,
    /// The reader has found the core out, and is to be woken when it is back.
    pub(super) waits_for_core: bool,
    /// The server has found the read half out, and is to be woken when it is back.
    pub(super) server_waits: bool,
    pub(super) has_left: bool,
    /// Whether reads that find nothing buffered are told of the end of the stream.
    pub(super) is_closed: bool,
    /// Whether the writer has given the connection up, of which the core does not know yet.
    pub(super) is_given_up: bool,
    /// Whether the handler has ended, and with it the connection.
    pub(super) handler_has_ended: bool,
    /// What the core said when it was last changed.
    pub(super) pressure: Pressure,
    /// How the input has ended, until the core knows.
    pub(super) end: Option<C::End>,
    /// What the core has made of it.
    pub(super) ended: Option<C::Ended>,
    /// How often something was received; only that it changes means something.
    pub(super) moves: u16,
}

impl<C: Core, T: Io> Default for Reading<C, T> {
    fn default() -> Self {
        Self {
            read: None,
            is_out: false,
            is_called: false,
            waker: None,
            waits_for_core: false,
            server_waits: false,
            has_left: false,
            is_closed: false,
            is_given_up: false,
            handler_has_ended: false,
            pressure: Pressure::default(),
            end: None,
            ended: None,
            moves: 0,
        }
    }
}

impl<C: Core, T: Io> Beside<C, T> for Reading<C, T> {
    const HAS_READER: bool = true;

    fn reading(&mut self) -> Option<&mut Reading<C, T>> {
        Some(self)
    }

    fn peek(&self) -> Option<&Reading<C, T>> {
        Some(self)
    }
}
