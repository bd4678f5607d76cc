//! A transport together with the layer that may stand over it: what a connection polls.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use crate::layer::{Layer, Moves, Wire};
use crate::slot::Io;
use crate::transport::{ReadHalf, Transport, WriteHalf};

/// Both halves of a transport, and a layer over them once one was put in place.
pub(crate) struct Layered<T: Transport> {
    /// `None` while a pair's reader has it, or it rests in the slot for that.
    read: Option<T::Read>,
    write: T::Write,
    /// Boxed, since most connections have none.
    over: Option<Box<Over>>,
}

struct Over {
    layer: Box<dyn Layer>,
    /// How often something moved under the layer; only that it changes means something.
    moves: Moves,
}

impl<T: Transport> Layered<T> {
    pub(crate) fn new(transport: T) -> Self {
        let (read, write) = transport.split();
        Self {
            read: Some(read),
            write,
            over: None,
        }
    }

    /// Puts a layer in place. There is at most one.
    pub(crate) fn put_layer(&mut self, layer: Box<dyn Layer>) {
        self.over = Some(Box::new(Over {
            layer,
            moves: Moves::default(),
        }));
    }

    pub(crate) fn has_layer(&self) -> bool {
        self.over.is_some()
    }

    /// The transport, and the layer with what it holds. `None` without the read half.
    pub(crate) fn into_parts(self) -> Option<(T, Option<Box<dyn Layer>>)> {
        let transport = T::reunite(self.read?, self.write);
        Some((transport, self.over.map(|over| over.layer)))
    }

    pub(crate) fn write_half(&self) -> &T::Write {
        &self.write
    }

    /// A number that changes whenever something moved under the layer.
    pub(crate) fn moves(&self) -> u32 {
        let over = self.over.as_ref();
        over.map_or(0, |over| over.moves.received.wrapping_add(over.moves.sent))
    }

    /// The same, of what was received.
    pub(crate) fn receives(&self) -> u32 {
        self.over.as_ref().map_or(0, |over| over.moves.received)
    }

    /// Waits until bytes can be carried. Asked again, it is ready again.
    pub(crate) fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.layered() {
            Some((layer, mut wire)) => layer.poll_open(cx, &mut wire),
            None => match &mut self.read {
                Some(read) => T::poll_open(read, &mut self.write, cx),
                None => Poll::Pending,
            },
        }
    }

    /// Reads what the peer still sends to be discarded, as it comes, without the layer.
    pub(crate) fn poll_discard(
        &mut self,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.read {
            Some(read) => read.poll_read(cx, room),
            None => Poll::Pending,
        }
    }

    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.layered() {
            Some((layer, mut wire)) => layer.poll_write(cx, &mut wire, slices),
            None => self.write.poll_write(cx, slices),
        }
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.layered() {
            Some((layer, mut wire)) => layer.poll_flush(cx, &mut wire),
            None => self.write.poll_flush(cx),
        }
    }

    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.layered() {
            Some((layer, mut wire)) => layer.poll_shutdown(cx, &mut wire),
            None => self.write.poll_shutdown(cx),
        }
    }

    pub(crate) fn holds_back(&self) -> bool {
        match &self.over {
            Some(over) => over.layer.holds_back(),
            None => self.write.holds_back(),
        }
    }

    fn layered(&mut self) -> Option<(&mut dyn Layer, Wire<'_>)> {
        let Over { layer, moves } = self.over.as_deref_mut()?;
        let wire = Wire::new(self.read.as_mut()?, &mut self.write, moves);
        Some((&mut **layer, wire))
    }
}

/// What a connection receives from.
impl<T: Transport> ReadHalf for Layered<T> {
    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.layered() {
            Some((layer, mut wire)) => layer.poll_read(cx, &mut wire, room),
            None => self.poll_discard(cx, room),
        }
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.over {
            // It may have bytes that the transport has given it.
            Some(_) => Poll::Ready(Ok(())),
            None => match &mut self.read {
                Some(read) => read.poll_readable(cx),
                None => Poll::Pending,
            },
        }
    }

    fn may_block(&self) -> bool {
        self.read.as_ref().is_some_and(ReadHalf::may_block)
    }
}

impl<T: Transport> Io for Layered<T> {
    type Read = T::Read;

    fn abort(&mut self) {
        self.write.abort();
    }

    fn take_read_half(&mut self) -> Option<T::Read> {
        self.read.take_if(|_| self.over.is_none())
    }

    fn put_read_half(&mut self, read: T::Read) {
        self.read = Some(read);
    }

    fn read_half(&self) -> Option<&T::Read> {
        self.read.as_ref()
    }
}
