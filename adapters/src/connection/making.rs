//! A connection is made of a transport, or of the parts of another one, and gives them back.

use std::sync::Arc;
use std::task::Waker;

use plimsoll::Connection as Core;

use super::{Connection, taken};
use crate::driver::Driven;
use crate::error::Error;
use crate::layered::Layered;
use crate::options::StreamOptions;
use crate::parts::Parts;
use crate::places::Places;
use crate::slot::Slot;
use crate::transport::Transport;

impl<T: Transport> Connection<T> {
    /// Creates a connection over a transport, with default limits.
    pub fn new(transport: T) -> Self {
        Self::with_options(transport, &StreamOptions::new())
    }

    /// Creates a connection over a transport, with the limits in `options`.
    ///
    /// Of a TCP socket it [turns off](Transport::set_nodelay) Nagle's algorithm, as asyncio does.
    pub fn with_options(transport: T, options: &StreamOptions) -> Self {
        let _ = transport.set_nodelay(true);
        Self::connected(transport, options)
    }

    /// Creates a connection over a transport as it is.
    pub(crate) fn connected(transport: T, options: &StreamOptions) -> Self {
        let driven = Driven::new(options.connection(), options);
        Self::over(Layered::new(transport), driven, false)
    }

    /// Creates the connection of a handler, which the server is a party of.
    pub(crate) fn accepted(transport: T, options: &StreamOptions) -> Self {
        let driven = Driven::new(options.connection(), options).opens_first();
        Self::over(Layered::new(transport), driven, true)
    }

    /// Sets where the server counts the connection.
    pub(crate) fn is_counted(&mut self, places: Arc<dyn Places>, key: u32) {
        self.counted = Some((places, key));
    }

    /// What the server shares with the owner, and the transport's waker.
    pub(crate) fn shared(&self) -> (Arc<Slot<Driven, Layered<T>>>, Waker) {
        (Arc::clone(&self.slot), self.waker.clone())
    }

    /// Creates a connection that goes on where another one stopped.
    pub fn from_parts(parts: Parts<T>, options: &StreamOptions) -> Self {
        let mut core_parts = plimsoll::Parts::default();
        core_parts.unread = parts.unread;
        core_parts.unsent = parts.unsent;
        core_parts.discarding = parts.discarding;
        core_parts.is_unflushed = parts.is_unflushed;
        let mut core = Core::from_parts(core_parts);
        options.apply_to(&mut core);
        let mut io = Layered::new(parts.transport);
        if let Some(layer) = parts.layer {
            io.put_layer(layer);
        }
        Self::over(io, Driven::new(core, options), false)
    }

    fn over(io: Layered<T>, driven: Driven, has_server: bool) -> Self {
        let slot = Slot::new(driven, io, has_server);
        Self {
            waker: Arc::clone(&slot).into(),
            slot,
            make_layer: None,
            counted: None,
        }
    }

    /// Gives up the connection for its transport, and every byte that it holds. Nothing is sent.
    ///
    /// An end of the stream that was asked for and not sent is forgotten. A handler of a server
    /// takes the connection out of the server by it, which neither closes nor aborts it any more.
    ///
    /// # Errors
    ///
    /// [`Error::ConnectionLost`] if the transport is gone: the connection was aborted, lost, or
    /// closed. Buffered input is gone with it; read it before.
    pub fn into_parts(mut self) -> Result<Parts<T>, Error> {
        let lost = self.lost();
        let allows = |driven: &Driven| !(driven.is_closing() && driven.has_ended());
        let over = self.slot.take_over(allows);
        let over = over.and_then(|(driven, io)| Some((driven, io.into_parts()?)));
        let Some((driven, (transport, layer))) = over else {
            return Err(lost.map_or_else(taken, Error::ConnectionLost));
        };
        if let Some((places, key)) = self.counted.take() {
            places.free(key, Arc::as_ptr(&self.slot).addr());
        }
        Ok(Parts::new(transport, layer, driven.core))
    }
}
