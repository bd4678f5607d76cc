//! What a connection leaves behind when it is given up for its transport.

use std::fmt;

use bytes::Bytes;
use plimsoll::Discarding;

use crate::layer::Layer;

/// What a connection leaves behind: the transport, and every byte that it holds in either
/// direction. See [`StreamPair::into_parts`](crate::StreamPair::into_parts).
#[must_use = "these bytes are nowhere else"]
#[non_exhaustive]
pub struct Parts<T> {
    /// The transport, with whatever of the output it has taken.
    pub transport: T,
    /// The layer over it, with whatever it holds: input that it has received and not passed on,
    /// output that it has not sent. `None` if there is none.
    pub layer: Option<Box<dyn Layer>>,
    /// Bytes received and not read.
    pub unread: Bytes,
    /// Bytes written and not sent, in order.
    pub unsent: Vec<Bytes>,
    /// What is discarded of the bytes that come next, `unread` first: the rest of a line that was
    /// too long, or of a skip that was cancelled.
    pub discarding: Option<Discarding>,
    /// Whether the transport was not flushed since it last took bytes: it may hold some back.
    pub is_unflushed: bool,
}

impl<T> Parts<T> {
    pub(crate) fn new(
        transport: T,
        layer: Option<Box<dyn Layer>>,
        core: plimsoll::Connection,
    ) -> Self {
        let parts = core.into_parts();
        Self {
            transport,
            layer,
            unread: parts.unread,
            unsent: parts.unsent,
            discarding: parts.discarding,
            is_unflushed: parts.is_unflushed,
        }
    }
}

impl<T> fmt::Debug for Parts<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("has_layer", &self.layer.is_some())
            .field("unread", &self.unread.len())
            .field("unsent", &self.unsent.iter().map(Bytes::len).sum::<usize>())
            .field("discarding", &self.discarding)
            .finish_non_exhaustive()
    }
}
