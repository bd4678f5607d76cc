//! A connection as its user sees it: a reader and a writer, as in asyncio, over any transport.
//!
//! Bytes move in [`drain`](StreamWriter::drain), [`flush`](StreamWriter::flush),
//! [`finish`](StreamWriter::finish), [`close`](StreamWriter::close), and in reads that have to
//! wait, which first send what was written. Nothing else runs behind the caller's back.

mod layering;
mod lines;
mod pair;
mod reader;
mod receiver;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use plimsoll::Connection;

pub use self::lines::Lines;
pub(crate) use self::pair::PairReading;
use self::pair::PairSlot;
pub use self::reader::StreamReader;
use self::receiver::Receiver;
pub use self::writer::StreamWriter;
use crate::connection::GIVEN_UP;
use crate::driver::{Driven, Outgoing};
use crate::error::Error;
use crate::layered::Layered;
use crate::options::StreamOptions;
use crate::parts::Parts;
use crate::places::Places;
use crate::slot::Slot;
use crate::transport::Transport;

/// The two halves of a connection, together. (asyncio hands out a pair, and has no type for it.)
///
/// # Examples
///
/// ```
/// # use plimsoll_io::{StreamPair, duplex};
/// # smol::block_on(async {
/// let (here, there) = duplex(1024);
/// let (mut here, mut there) = (StreamPair::new(here), StreamPair::new(there));
/// here.writer.write(b"UPGRADE\nearly")?;
/// here.writer.drain().await?;
/// assert_eq!(there.reader.read_line().await?, "UPGRADE\n");
///
/// // The halves may go to two tasks, and come back.
/// let (reader, writer) = there.split();
/// let there = StreamPair::reunite(reader, writer).expect("halves of the same connection");
///
/// // Another protocol takes over, with every byte that this one has not read.
/// let parts = there.into_parts()?;
/// assert_eq!(parts.unread, "early");
/// # Ok::<(), plimsoll_io::Error>(())
/// # }).unwrap();
/// ```
pub struct StreamPair<T: Transport> {
    /// The half to read from.
    pub reader: StreamReader<T>,
    /// The half to write to.
    pub writer: StreamWriter<T>,
}

/// Two halves that were to be joined belong to different connections. Both are in it, as they were.
/// (asyncio does not join halves.)
#[derive(thiserror::Error)]
#[error("the two halves belong to different connections")]
pub struct ReuniteError<T: Transport>(pub StreamReader<T>, pub StreamWriter<T>);

impl<T: Transport> StreamPair<T> {
    /// Makes a stream of a connected transport, with the default limits. (asyncio's
    /// `open_connection(sock=…)`.)
    pub fn new(transport: T) -> Self {
        Self::with_options(transport, &StreamOptions::new())
    }

    /// Makes a stream of a connected transport, with the limits in `options`. (As
    /// [`new`](Self::new), with `limit=…` and more.)
    ///
    /// Of a TCP socket it [turns off](Transport::set_nodelay) Nagle's algorithm, as asyncio does.
    pub fn with_options(transport: T, options: &StreamOptions) -> Self {
        let _ = transport.set_nodelay(true);
        Self::connected(transport, options)
    }

    /// Makes a stream of a transport as it is.
    pub(crate) fn connected(transport: T, options: &StreamOptions) -> Self {
        Self::over(transport, options, |driven| driven, false)
    }

    /// Makes the stream of a handler, which the server is a party of.
    pub(crate) fn accepted(transport: T, options: &StreamOptions) -> Self {
        Self::over(transport, options, Driven::opens_first, true)
    }

    fn over(
        transport: T,
        options: &StreamOptions,
        prepare: impl FnOnce(Driven<Outgoing>) -> Driven<Outgoing>,
        has_server: bool,
    ) -> Self {
        let core = options.connection();
        let driven = prepare(Driven::over(Outgoing::new(core.writer), options));
        let slot = Slot::new(driven, Layered::new(transport), has_server);
        let waker = Waker::from(Arc::clone(&slot));
        Self {
            reader: StreamReader {
                receiver: Receiver::new(core.reader, options),
                slot: Arc::clone(&slot),
                waker: waker.clone(),
            },
            writer: StreamWriter {
                slot,
                waker,
                counted: None,
            },
        }
    }

    /// Sets where the server counts the connection.
    pub(crate) fn is_counted(&mut self, places: Arc<dyn Places>, key: u32) {
        self.writer.counted = Some((places, key));
    }

    /// What the server shares with the halves, and the transport's waker.
    pub(crate) fn shared(&self) -> (Arc<PairSlot<T>>, Waker) {
        (Arc::clone(&self.writer.slot), self.writer.waker.clone())
    }

    /// Takes the two halves apart, for two tasks or threads. They share the connection, which is
    /// gone when both are dropped. (asyncio hands out the pair.)
    pub fn split(self) -> (StreamReader<T>, StreamWriter<T>) {
        (self.reader, self.writer)
    }

    /// Puts two halves together again.
    ///
    /// # Errors
    ///
    /// [`ReuniteError`], with both halves in it, if they belong to different connections.
    pub fn reunite(
        reader: StreamReader<T>,
        writer: StreamWriter<T>,
    ) -> Result<Self, Box<ReuniteError<T>>> {
        if Arc::ptr_eq(&reader.slot, &writer.slot) {
            Ok(Self { reader, writer })
        } else {
            Err(Box::new(ReuniteError(reader, writer)))
        }
    }

    /// Gives up the stream for its transport and every byte that it holds, at once and without a
    /// copy.
    ///
    /// Nothing is sent. An end of the stream that was asked for and not sent is forgotten, and
    /// after a loss nothing is left to send. A server's handler that does this takes the connection
    /// out of the server, which neither closes, aborts nor counts it any more.
    ///
    /// # Errors
    ///
    /// [`Error::ConnectionLost`] if the transport is gone: the connection was lost or aborted, or a
    /// server has closed it. Buffered input is gone with it; read it before.
    ///
    /// # Panics
    ///
    /// If one of the halves was exchanged for that of another connection.
    pub fn into_parts(mut self) -> Result<Parts<T>, Error> {
        self.assert_is_one();
        let slot = &self.writer.slot;
        let lost = slot.peek(Driven::how_lost).flatten();
        let taken = slot.take_over(|_| true);
        let taken = taken.and_then(|(driven, io)| Some((driven, io.into_parts()?)));
        let Some((driven, (transport, layer))) = taken else {
            return Err(Error::ConnectionLost(lost.unwrap_or(GIVEN_UP)));
        };
        if let Some((places, key)) = self.writer.counted.take() {
            places.free(key, Arc::as_ptr(&self.writer.slot).addr());
        }
        let mut core = Connection::new();
        core.reader = std::mem::take(&mut self.reader.receiver.reader);
        core.writer = driven.core.writer;
        Ok(Parts::new(transport, layer, core))
    }

    fn assert_is_one(&self) {
        assert!(
            Arc::ptr_eq(&self.reader.slot, &self.writer.slot),
            "two halves of the same connection"
        );
    }
}

impl<T: Transport> fmt::Debug for StreamPair<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamPair")
            .field("reader", &self.reader)
            .field("writer", &self.writer)
            .finish()
    }
}

impl<T: Transport> fmt::Debug for ReuniteError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReuniteError")
            .field(&self.0)
            .field(&self.1)
            .finish()
    }
}
