//! A connection with one owner, who drives the core himself: no lock is taken for a line.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use plimsoll::ConnectionError;

pub(crate) use self::moving::{poll_discard, poll_send_and_discard};
pub(crate) use self::opening::{OPEN_TIMEOUT, again_and_again, poll_open, poll_put_layer};
pub(crate) use self::turn::Happened;
pub use self::turn::Turn;
use crate::driver::{Driven, Sides};
use crate::error::{ConnectionLost, Error};
use crate::layer::Layer;
use crate::layered::Layered;
pub(crate) use crate::places::Places;
use crate::slot::{Command, Guard, Party, Slot};
use crate::transport::Transport;

// In this order, since the documentation of the type has its methods in it.
mod making;

mod opening;

mod turn;

mod halves;

mod sending;

mod closing;

mod asking;

mod moving;

/// A [connection of the core](plimsoll::Connection), and the transport that moves its bytes.
///
/// [`turn`](Self::turn) is the loop of a protocol: it sends pending output, receives, and lends the
/// core. [`read_with`](Self::read_with) and [`write_with`](Self::write_with) run a function over
/// one half. Sizes are in bytes.
///
/// Bytes move in [`turn`](Self::turn), [`read_with`](Self::read_with), [`drain`](Self::drain),
/// [`flush`](Self::flush), [`ready`](Self::ready), [`finish`](Self::finish) and
/// [`close`](Self::close), each of which sends pending output, and receives while it waits.
///
/// Dropping it drops the transport. If output is pending then, or the connection was lost, the peer
/// sees that it did not end cleanly, where the transport can show that.
///
/// # Cancel safety
///
/// Every future may be dropped while it waits. Nothing received or written is lost, and an end that
/// was asked for stays asked for. Of a `read_with`, this holds as far as its function takes nothing
/// before it needs more input. Two reads in a row are not one read: dropped between a head and its
/// body, both in one function are.
///
/// # Examples
///
/// ```
/// use plimsoll::Step;
/// use plimsoll_io::{Connection, Error, DuplexStream, duplex};
///
/// /// Replies to each line with itself.
/// async fn echo(mut connection: Connection<DuplexStream>) -> Result<(), Error> {
///     while let Some(mut turn) = connection.turn().await {
///         let core = &mut *turn; // reader and writer can be borrowed apart
///         while let Step::Ready(line) = core.reader.read_line()? {
///             if line.is_empty() {
///                 break;
///             }
///             core.writer.write(&line)?;
///         }
///         if core.reader.at_eof() {
///             core.close();
///         }
///     }
///     Ok(())
/// }
///
/// # smol::block_on(async {
/// let (here, there) = duplex(1024);
/// let mut client = Connection::new(here);
/// client.write_with(|writer| writer.write(b"hello\n"))?;
/// client.finish().await?;
/// echo(Connection::new(there)).await?;
/// let line = client
///     .read_with(|reader| Ok::<_, Error>(reader.read_line()?.map(|line| line.to_bytes())))
///     .await?;
/// assert_eq!(line, "hello\n");
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
pub struct Connection<T: Transport> {
    slot: Arc<Slot<Driven, Layered<T>>>,
    /// The transport's, which is the slot. Made once, so that a transport can tell that it is the
    /// same.
    waker: Waker,
    pub(crate) make_layer: Option<MakeLayer>,
    /// Where the server that has accepted it counts it, and by which key.
    counted: Option<(Arc<dyn Places>, u32)>,
}

impl<T: Transport> Connection<T> {
    /// Aborts the connection for a reason of the crate's own.
    pub(crate) fn give_up(&self, loss: ConnectionError) {
        self.slot.command(Command::Abort(loss));
    }

    /// Polls with core and transport, until that is ready.
    ///
    /// # Errors
    ///
    /// If the core was leaked with a turn.
    async fn with_both<A>(
        &self,
        mut poll: impl FnMut(&mut Guard<'_, Driven, Layered<T>>, &Context<'_>) -> Poll<A>,
    ) -> Result<A, Error> {
        poll_fn(|cx| {
            let answer = self.slot.poll(cx, |guard| poll(guard, cx));
            answer.map(|answer| answer.ok_or_else(taken))
        })
        .await
    }
}

/// Makes the layer that a protocol starts by [`Next::StartTls`](plimsoll::Next::StartTls).
pub(crate) type MakeLayer = Box<dyn Fn() -> Box<dyn Layer> + Send + Sync>;

/// How a connection was lost that this side has given up.
pub(crate) const GIVEN_UP: ConnectionLost = ConnectionLost {
    kind: ConnectionError::Aborted,
    cause: None,
};

/// What calls of a connection fail with that is gone, or whose core was leaked with a turn.
fn taken() -> Error {
    Error::ConnectionLost(GIVEN_UP)
}

/// How a connection was lost.
fn lost<K: Sides>(driven: &Driven<K>) -> Error {
    driven.how_lost().map_or_else(taken, Error::ConnectionLost)
}

/// The owner leaves. While a panic unwinds, what it has written may be half of something.
impl<T: Transport> Drop for Connection<T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.abort();
        }
        self.slot.leave(Party::Owner);
    }
}

impl<T: Transport> fmt::Debug for Connection<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}
