//! A connection with one owner, who drives the core himself: no lock is taken for a line.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use plimsoll::{Connection as Core, ConnectionError, ReadError, Reader, Step, WriteError, Writer};

use crate::budget::Budget;
use crate::driver::{Driven, Memory, Sent};
use crate::either::{let_others_run, within};
use crate::error::{Error, Lost};
use crate::layered::Layered;
use crate::options::Options;
use crate::run::MakeLayer;
use crate::slot::{Command, Guard, Party, Slot};
use crate::stream::Parts;
use crate::transport::{Endpoint, Layer, Transport};

/// How long [`Connection::close`] tries to send pending output by default: 30 seconds.
pub const DEFAULT_CLOSE_TIMEOUT: Duration = crate::stream::CLOSE_WITHIN;

/// How long a transport may take to open, in a server and where a protocol starts a layer.
pub(crate) const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

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
/// use plimsoll_io::{Connection, Error, memory::Memory};
///
/// /// Replies to each line with itself.
/// async fn echo(mut connection: Connection<Memory>) -> Result<(), Error> {
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
/// let (here, there) = Memory::pair(1024);
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

/// Where a server counts its connections.
pub(crate) trait Places: Send + Sync {
    /// Frees the place of a connection that is no longer the server's, if it still has it. It is
    /// known by the address of its slot, since a key may be another's meanwhile.
    fn free(&self, key: u32, address: usize);
}

/// The core of a connection, lent by [`Connection::turn`]. It dereferences to a
/// [`plimsoll::Connection`], and gives it back when it is dropped.
///
/// Nothing is sent while it is held. If it is dropped by a panic, the connection is aborted. The
/// core is the connection's: do not put another in its place.
pub struct Turn<'a, T: Transport> {
    guard: Guard<'a, Driven, Layered<T>>,
}

impl<T: Transport> Connection<T> {
    /// Creates a connection over a transport, with default limits.
    pub fn new(transport: T) -> Self {
        Self::with_options(transport, &Options::new())
    }

    /// Creates a connection over a transport, with the limits in `options`.
    ///
    /// Of a TCP socket it [turns off](Transport::set_nodelay) Nagle's algorithm, as asyncio does.
    pub fn with_options(transport: T, options: &Options) -> Self {
        let _ = transport.set_nodelay(true);
        Self::connected(transport, options)
    }

    /// Creates a connection over a transport as it is.
    pub(crate) fn connected(transport: T, options: &Options) -> Self {
        let driven = Driven::new(options.connection(), options);
        Self::over(Layered::new(transport), driven, false)
    }

    /// Creates the connection of a handler, which the server is a party of.
    pub(crate) fn accepted(transport: T, options: &Options) -> Self {
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
    pub fn from_parts(parts: Parts<T>, options: &Options) -> Self {
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

    /// Waits until the transport can carry bytes, if it has to do something before: a handshake.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// - [`Error::Lost`] if that failed.
    /// - [`Error::TimedOut`] if the transport has given up waiting, by a timeout of its own:
    ///   another call goes on.
    pub async fn open(&mut self) -> Result<(), Error> {
        self.with_both(|guard, _| {
            let (driven, io) = guard.both();
            let Some(io) = io else {
                return Poll::Ready(driven.how_lost().map_or(Ok(()), |lost| Err(lost.into())));
            };
            if driven.is_closing() {
                return Poll::Ready(Err(taken()));
            }
            match ready!(driven.poll_open(io, &self.waker)) {
                Some(true) => Poll::Ready(Ok(())),
                Some(false) => Poll::Ready(Err(lost(driven))),
                None => Poll::Ready(Err(Error::TimedOut)),
            }
        })
        .await?
    }

    /// Waits as [`open`](Self::open) does, for `limit`; the connection is lost after it.
    pub(crate) async fn open_within(&mut self, limit: Duration) -> Result<(), Error> {
        let opening = async {
            loop {
                match self.open().await {
                    Err(Error::TimedOut) => let_others_run().await,
                    opened => return opened,
                }
            }
        };
        if let Some(opened) = within(T::sleep, limit, opening).await {
            return opened;
        }
        self.give_up(ConnectionError::TimedOut);
        Err(self.lost().map_or_else(taken, Error::Lost))
    }

    /// Aborts the connection for a reason of the crate's own.
    pub(crate) fn give_up(&self, loss: ConnectionError) {
        self.slot.command(Command::Abort(loss));
    }

    /// Sends pending output, waits until something has happened, and lends the core.
    ///
    /// What happens is input, the end or the loss of a direction, output that is no longer full
    /// after a turn that left it full, and a shutdown of the server. That output has left is no
    /// such thing. A turn should read all that it can: input that it leaves unread does not make
    /// the next one ready. `None` once a turn has shown the end and nothing more can come: the
    /// peer's stream has ended and all output is sent, or the connection was lost. A transport that
    /// gives up waiting, by a timeout of its own, makes a turn in which nothing has happened.
    ///
    /// Cancel-safe.
    pub async fn turn(&mut self) -> Option<Turn<'_, T>> {
        let (slot, waker) = (&*self.slot, &self.waker);
        poll_fn(move |cx| {
            let taken = ready!(poll_turn(slot, waker, cx));
            Poll::Ready(taken.map(Turn::new))
        })
        .await
    }

    /// Waits for the next turn, and returns what it would show. `None` if there is none.
    pub(crate) async fn happens(&self) -> Option<Happened> {
        poll_fn(|cx| {
            let taken = ready!(poll_turn(&self.slot, &self.waker, cx));
            Poll::Ready(taken.map(|mut guard| {
                let driven = guard.core();
                if driven.has_news() {
                    return Happened::News;
                }
                // No turn follows.
                driven.end_turn();
                Happened::Nothing
            }))
        })
        .await
    }

    /// Waits until somebody else has told the connection something, where nothing can move.
    pub(crate) async fn is_told(&self) {
        let told = self.with_both(|guard, _| match guard.core().has_news() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        });
        let _ = told.await;
    }

    /// Lends the core as it is. `None` if it was leaked.
    pub(crate) fn turn_now(&mut self) -> Option<Turn<'_, T>> {
        self.slot.take().map(Turn::new)
    }

    /// Reads by a function over the reader, which is called again whenever input has arrived. See
    /// [`Reader::read_with`].
    ///
    /// A read that would block sends pending output first.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// Those of the function and of [`Reader::read_with`]. How the connection was lost,
    /// [`lost`](Self::lost) returns with the transport's error.
    pub async fn read_with<V, E: From<ReadError> + From<Error>>(
        &mut self,
        mut read: impl FnMut(&mut Reader) -> Result<Step<V>, E>,
    ) -> Result<V, E> {
        self.with_both(|guard, cx| {
            loop {
                ready!(guard.core().budget.poll_spend(1, cx));
                match guard.core().core.reader.read_with(&mut read)? {
                    Step::Ready(value) => return Poll::Ready(Ok(value)),
                    Step::NeedInput => {}
                }
                guard.core().await_input();
                match ready!(poll_move(
                    guard,
                    &self.waker,
                    cx,
                    Memory::Own,
                    Driven::has_received
                )) {
                    Moved::Done => {}
                    Moved::TimedOut => return Poll::Ready(Err(Error::TimedOut.into())),
                }
            }
        })
        .await?
    }

    /// Reads by a function over the reader, if that needs no input.
    #[cfg(feature = "blocking")]
    pub(crate) fn read_at_hand<V, E: From<ReadError>>(
        &mut self,
        read: impl FnMut(&mut Reader) -> Result<Step<V>, E>,
    ) -> Option<Result<V, E>> {
        let mut guard = self.slot.take()?;
        match guard.core().core.reader.read_with(read) {
            Ok(Step::NeedInput) => None,
            Ok(Step::Ready(value)) => Some(Ok(value)),
            Err(error) => Some(Err(error)),
        }
    }

    /// Writes by a function over the writer. What it queues is sent by the next call that moves
    /// bytes.
    ///
    /// It does not wait. While a server sends for the connection in another thread, it blocks for
    /// as long as that call of the system lasts.
    ///
    /// # Errors
    ///
    /// Those of the function.
    pub fn write_with<V, E: From<WriteError>>(
        &mut self,
        write: impl FnOnce(&mut Writer) -> Result<V, E>,
    ) -> Result<V, E> {
        match self.slot.take() {
            Some(mut guard) => {
                let result = write(&mut guard.core().core.writer);
                guard.core().end_turn();
                result
            }
            None => Err(WriteError::ConnectionLost(ConnectionError::Aborted).into()),
        }
    }

    /// Sends pending output until no more is pending than the low water mark, which is zero by
    /// default. Receives meanwhile, as long as the limits allow: two peers that both only drain
    /// come to their ends.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// - [`Error::Lost`]; pending output is gone.
    /// - [`Error::TimedOut`] if the transport has given up waiting, by a timeout of its own: what
    ///   is left stays pending, and another call goes on.
    pub async fn drain(&mut self) -> Result<(), Error> {
        // Without a low water mark nothing may be held back by the transport, either.
        self.send_until(|writer| {
            let low = writer.water_marks().low();
            low > 0 && writer.pending() <= low
        })
        .await
    }

    /// Sends all pending output, and what the transport holds back.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// As for [`drain`](Self::drain).
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.send_until(|_| false).await
    }

    /// Waits only while the output is [full](Writer::is_full). With `write_with`, the loop of a
    /// pipelining handler.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// As for [`drain`](Self::drain).
    pub async fn ready(&mut self) -> Result<(), Error> {
        // Below the mark nothing is sent, so that replies to pipelined requests leave together.
        let is_full = {
            let mut guard = self.slot.take().ok_or_else(taken)?;
            let driven = guard.core();
            if driven.core.writer.connection_error().is_some() {
                return Err(lost(driven));
            }
            driven.core.writer.is_full()
        };
        match is_full {
            true => self.send_until(|writer| !writer.is_full()).await,
            false => Ok(()),
        }
    }

    /// Ends this side's stream, once pending output is sent, and sends both. Reading goes on.
    /// (asyncio's `write_eof`.)
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// As for [`drain`](Self::drain).
    pub async fn finish(&mut self) -> Result<(), Error> {
        if let Some(mut guard) = self.slot.take() {
            guard.core().core.writer.finish();
        }
        self.flush().await
    }

    /// Closes the connection: sends pending output and the end of the stream within
    /// [`DEFAULT_CLOSE_TIMEOUT`], discards the input that is there, and drops the transport.
    ///
    /// Input that is there and unread would make the system reset the connection, which may destroy
    /// output that the peer has not read yet. (Not of a transport whose reads block, as those from
    /// standard input do.) What the peer sends later does so all the same: see
    /// [`close_lingering`](Self::close_lingering). A server that has accepted the connection does
    /// that for its handler, for two seconds. Buffered input can still be read.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// - [`Error::Lost`] if not all was sent, also because the time was up; the connection is
    ///   aborted then.
    /// - [`Error::TimedOut`] if the transport has given up waiting, by a timeout of its own. The
    ///   connection is closing, and another call goes on.
    pub async fn close(&mut self) -> Result<(), Error> {
        self.close_with(DEFAULT_CLOSE_TIMEOUT, None).await
    }

    /// Closes the connection on a thread, where no server goes on before the handler has ended.
    #[cfg(feature = "blocking")]
    pub(crate) async fn close_here(&mut self) -> Result<(), Error> {
        self.close().await?;
        self.slot.drop_transport();
        Ok(())
    }

    /// Closes the connection, and discards what the peer still sends, until its end or for `limit`.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// As for [`close`](Self::close).
    pub async fn close_lingering(&mut self, limit: Duration) -> Result<(), Error> {
        self.close_with(DEFAULT_CLOSE_TIMEOUT, Some(limit)).await
    }

    async fn close_with(&mut self, limit: Duration, linger: Option<Duration>) -> Result<(), Error> {
        if let Some(mut guard) = self.slot.take() {
            guard.core().core.close();
        }
        match within(T::sleep, limit, self.send_and_discard()).await {
            Some(Ok(Sent::All)) => {}
            Some(Ok(Sent::TimedOut)) => return Err(Error::TimedOut),
            Some(Err(error)) => return Err(error),
            None => self.give_up(ConnectionError::TimedOut),
        }
        if let Some(lost) = self.lost() {
            self.slot.drop_transport();
            return Err(lost.into());
        }
        if let Some(limit) = linger {
            let lingers = Lingers::begin(&self.slot);
            within(T::sleep, limit, self.discard(false)).await;
            drop(lingers);
        } else {
            self.discard(true).await;
            if self.slot.has_server() {
                // It waits for the peer's end, and drops the transport then.
                return Ok(());
            }
        }
        self.slot.drop_transport();
        Ok(())
    }

    /// Sends everything, and discards input while it waits.
    ///
    /// # Errors
    ///
    /// If the connection is gone, and there is nothing to send.
    async fn send_and_discard(&self) -> Result<Sent, Error> {
        self.with_both(|guard, cx| poll_send_and_discard(guard, &self.waker, cx))
            .await
    }

    /// Discards input: what is there, within a budget, or what comes until the peer's end.
    async fn discard(&self, only_what_is_there: bool) {
        let mut most = usize::MAX;
        let discarded = self.with_both(|guard, cx| {
            let (driven, Some(io)) = guard.both() else {
                return Poll::Ready(());
            };
            if only_what_is_there {
                // However much was done before.
                driven.budget.renew();
            }
            let budget = &mut driven.budget;
            let read = Layered::poll_discard;
            let ended = poll_discard(io, &self.waker, cx, budget, read, &mut most);
            match only_what_is_there {
                true => Poll::Ready(()),
                false => ended.map(drop),
            }
        });
        let _ = discarded.await;
    }

    /// Aborts the connection immediately: pending output is discarded, and the peer sees that the
    /// connection did not end cleanly, where the transport can show that. Buffered input can still
    /// be read.
    pub fn abort(&mut self) {
        if let Some(mut guard) = self.slot.take() {
            // What its owner gives up is not output that a server has to tell of.
            guard.core().abort();
        }
        self.give_up(ConnectionError::Aborted);
    }

    /// Puts a layer over the transport, after all pending output was sent. It gets the input that
    /// is unread. [`open`](Self::open) waits for its handshake.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// - [`Error::Lost`]; there is no layer then. The connection is lost, too, if there is a layer
    ///   already.
    /// - [`Error::TimedOut`] if the transport has given up waiting, by a timeout of its own, before
    ///   all output was sent: there is no layer, and another call goes on, with another one.
    pub async fn put_layer(&mut self, layer: impl Into<Box<dyn Layer>>) -> Result<(), Error> {
        let mut layer = Some(layer.into());
        self.with_both(|guard, cx| {
            let (driven, io) = guard.both();
            let (Some(io), None) = (io, driven.how_lost()) else {
                return Poll::Ready(Err(lost(driven)));
            };
            if io.has_layer() {
                driven.lose(io::Error::other("a second layer over a connection"));
                return Poll::Ready(Err(lost(driven)));
            }
            if let Sent::TimedOut = ready!(driven.poll_send(io, &self.waker, cx)) {
                return Poll::Ready(Err(Error::TimedOut));
            }
            if driven.how_lost().is_some() {
                return Poll::Ready(Err(lost(driven)));
            }
            // What comes next is the layer's, whatever it is.
            driven.core.reader.stop_discarding();
            let mut layer = layer.take().expect("polled after it was ready");
            if let Ok(Step::Ready(unread)) = driven.core.reader.read(usize::MAX) {
                layer.feed(&unread);
            }
            if driven.core.reader.at_eof() {
                // A layer says itself where its stream ends, and this one would be cut off.
                driven.lose(io::ErrorKind::UnexpectedEof.into());
                return Poll::Ready(Err(lost(driven)));
            }
            io.put_layer(layer);
            Poll::Ready(Ok(()))
        })
        .await?
    }

    /// Gives up the connection for its transport, and every byte that it holds. Nothing is sent.
    ///
    /// An end of the stream that was asked for and not sent is forgotten. A handler of a server
    /// takes the connection out of the server by it, which neither closes nor aborts it any more.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`] if the transport is gone: the connection was aborted, lost, or closed.
    /// Buffered input is gone with it; read it before.
    pub fn into_parts(mut self) -> Result<Parts<T>, Error> {
        let lost = self.lost();
        let allows = |driven: &Driven| !(driven.is_closing() && driven.has_ended());
        let Some((driven, io)) = self.slot.take_over(allows) else {
            return Err(lost.map_or_else(taken, Error::Lost));
        };
        if let Some((places, key)) = self.counted.take() {
            places.free(key, Arc::as_ptr(&self.slot).addr());
        }
        let (transport, layer) = io.into_parts();
        Ok(Parts::new(transport, layer, driven.core))
    }

    /// Returns how the connection was lost, with the transport's error, if it was.
    pub fn lost(&mut self) -> Option<Lost> {
        match self.slot.take() {
            Some(mut guard) => guard.core().how_lost(),
            // Its core was leaked.
            None => Some(GIVEN_UP),
        }
    }

    /// Returns `true` if the server that has accepted this connection shuts down.
    pub fn is_shutting_down(&self) -> bool {
        self.slot.is_shutting_down()
    }

    /// Waits until the server that has accepted this connection shuts down; for ever, if there is
    /// no server, or it does not. [`turn`](Self::turn) shows a shutdown, too.
    ///
    /// Cancel-safe.
    pub async fn shutting_down(&mut self) {
        let shutting_down = self.with_both(|guard, _| match guard.slot().is_shutting_down() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        });
        if shutting_down.await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Returns the address of this side.
    ///
    /// # Errors
    ///
    /// Those of the system; `NotConnected` if the transport is gone.
    pub fn local_addr(&mut self) -> io::Result<<T::Read as Endpoint>::Address>
    where
        T::Read: Endpoint,
    {
        self.with_read_half(Endpoint::local_addr)
    }

    /// Returns the address of the peer.
    ///
    /// # Errors
    ///
    /// As for [`local_addr`](Self::local_addr).
    pub fn peer_addr(&mut self) -> io::Result<<T::Read as Endpoint>::Address>
    where
        T::Read: Endpoint,
    {
        self.with_read_half(Endpoint::peer_addr)
    }

    fn with_read_half<V>(&mut self, ask: impl FnOnce(&T::Read) -> io::Result<V>) -> io::Result<V> {
        let guard = self.slot.take();
        match guard.and_then(|mut guard| Some(ask(guard.both().1?.read_half()))) {
            Some(answer) => answer,
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    async fn send_until(&self, enough: impl Fn(&Writer) -> bool) -> Result<(), Error> {
        self.with_both(|guard, cx| {
            let is_done = |driven: &Driven| {
                let writer = &driven.core.writer;
                let is_lost = writer.connection_error().is_some();
                is_lost || !driven.has_output() || enough(writer)
            };
            let waiting = poll_move(guard, &self.waker, cx, Memory::Own, is_done);
            match (guard.core().core.writer.connection_error(), waiting) {
                (Some(_), _) => Poll::Ready(Err(lost(guard.core()))),
                (None, Poll::Ready(Moved::TimedOut)) => Poll::Ready(Err(Error::TimedOut)),
                (None, Poll::Ready(Moved::Done)) => Poll::Ready(Ok(())),
                (None, Poll::Pending) => Poll::Pending,
            }
        })
        .await?
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

/// Lets the server know that the owner waits for the peer's end itself, until this is dropped.
struct Lingers<'a, T: Transport>(&'a Slot<Driven, Layered<T>>);

impl<'a, T: Transport> Lingers<'a, T> {
    fn begin(slot: &'a Slot<Driven, Layered<T>>) -> Self {
        if let Some(mut guard) = slot.take() {
            guard.core().set_lingers(true);
        }
        Self(slot)
    }
}

impl<T: Transport> Drop for Lingers<'_, T> {
    fn drop(&mut self) {
        if let Some(mut guard) = self.0.take() {
            guard.core().set_lingers(false);
        }
    }
}

/// What a turn shows.
pub(crate) enum Happened {
    News,
    /// Nothing: the transport has given up waiting, by a timeout of its own.
    Nothing,
}

/// What came of waiting for something to move.
enum Moved {
    Done,
    /// The transport has given up waiting, by a timeout of its own.
    TimedOut,
}

/// Waits until something has happened. `None` once nothing can happen any more.
fn poll_turn<'a, T: Transport>(
    slot: &'a Slot<Driven, Layered<T>>,
    waker: &Waker,
    cx: &Context<'_>,
) -> Poll<Option<Guard<'a, Driven, Layered<T>>>> {
    let Some(mut guard) = ready!(slot.poll_take(cx)) else {
        return Poll::Ready(None);
    };
    let waiting = poll_move(&mut guard, waker, cx, Memory::OfThread, Driven::has_news);
    let (driven, io) = guard.both();
    if !driven.has_news() {
        if driven.is_over() || io.is_none() {
            return Poll::Ready(None);
        }
        if waiting.is_pending() {
            guard.wait(cx);
            return Poll::Pending;
        }
    }
    Poll::Ready(Some(guard))
}

/// Sends, and receives whenever no output can move, until `is_done`, or the transport is gone.
fn poll_move<T: Transport>(
    guard: &mut Guard<'_, Driven, Layered<T>>,
    waker: &Waker,
    cx: &Context<'_>,
    memory: Memory,
    is_done: impl Fn(&Driven) -> bool,
) -> Poll<Moved> {
    let (driven, Some(io)) = guard.both() else {
        return Poll::Ready(Moved::Done);
    };
    loop {
        let sent = driven.poll_send(io, waker, cx);
        if is_done(driven) {
            return Poll::Ready(Moved::Done);
        }
        if sent == Poll::Ready(Sent::TimedOut) {
            return Poll::Ready(Moved::TimedOut);
        }
        if sent.is_pending() && !driven.is_offered() {
            // Others run first. A receive might block, and its peer wait for what is to be sent.
            return Poll::Pending;
        }
        if !driven.core.wants_read() {
            // The peer may have to be read before it reads, also by a side that has closed.
            if sent.is_ready() || !driven.is_closing() {
                return Poll::Pending;
            }
            match ready!(discard_to_send(driven, io, waker, cx)) {
                Discarded::MaySend => continue,
                Discarded::TimedOut => return Poll::Ready(Moved::TimedOut),
            }
        }
        match driven.poll_receive(io, waker, cx, memory) {
            Poll::Ready(true) if is_done(driven) => return Poll::Ready(Moved::Done),
            Poll::Ready(true) => {}
            Poll::Ready(false) => return Poll::Ready(Moved::TimedOut),
            // A layer may have to reply to what it has received; otherwise there is nothing new to
            // send.
            Poll::Pending if io.holds_back() => {
                return match driven.poll_send(io, waker, cx) {
                    _ if is_done(driven) => Poll::Ready(Moved::Done),
                    Poll::Ready(Sent::TimedOut) => Poll::Ready(Moved::TimedOut),
                    _ => Poll::Pending,
                };
            }
            Poll::Pending => return Poll::Pending,
        }
    }
}

/// Sends everything, and discards input while it waits: the peer may have to be read before it
/// reads.
pub(crate) fn poll_send_and_discard<T: Transport>(
    guard: &mut Guard<'_, Driven, Layered<T>>,
    waker: &Waker,
    cx: &Context<'_>,
) -> Poll<Sent> {
    let (driven, Some(io)) = guard.both() else {
        return Poll::Ready(Sent::All);
    };
    loop {
        if let Poll::Ready(sent) = driven.poll_send(io, waker, cx) {
            return Poll::Ready(sent);
        }
        if !driven.is_offered() {
            return Poll::Pending;
        }
        match discard_to_send(driven, io, waker, cx) {
            Poll::Ready(Discarded::MaySend) => {}
            // Output has its own way to go on.
            Poll::Ready(Discarded::TimedOut) | Poll::Pending => return Poll::Pending,
        }
    }
}

/// What came of discarding input while output cannot move.
enum Discarded {
    /// Output may move again, or was lost: a layer has received something, or the transport failed.
    MaySend,
    /// The transport has given up waiting for input, by a timeout of its own.
    TimedOut,
}

/// Discards the input that is there, since the peer may have to be read before it reads.
#[cold]
#[inline(never)]
fn discard_to_send<T: Transport>(
    driven: &mut Driven,
    io: &mut Layered<T>,
    waker: &Waker,
    cx: &Context<'_>,
) -> Poll<Discarded> {
    if driven.has_no_input() || io.may_block() {
        return Poll::Pending;
    }
    let (before, mut most) = (io.moves(), usize::MAX);
    let read = Layered::poll_read;
    match poll_discard(io, waker, cx, &mut driven.budget, read, &mut most) {
        Poll::Ready(Err(error)) if error.kind() != io::ErrorKind::WouldBlock => {
            driven.lose_output(error);
            Poll::Ready(Discarded::MaySend)
        }
        Poll::Ready(Err(_)) if before == io.moves() => Poll::Ready(Discarded::TimedOut),
        discarded => {
            if let Poll::Ready(Ok(())) = discarded {
                driven.note_no_input();
            }
            match before == io.moves() {
                true => Poll::Pending,
                false => Poll::Ready(Discarded::MaySend),
            }
        }
    }
}

/// How much input that is discarded is received at once.
const DISCARDED_AT_ONCE: usize = 4096;

/// Discards what the peer still sends; ready at its end, after `most` bytes, or if a read would
/// block the thread.
///
/// # Errors
///
/// The transport's, also if it has given up waiting, by a timeout of its own.
pub(crate) fn poll_discard<T: Transport>(
    io: &mut Layered<T>,
    waker: &Waker,
    cx: &Context<'_>,
    budget: &mut Budget,
    read: impl Fn(&mut Layered<T>, &mut Context<'_>, &mut [u8]) -> Poll<io::Result<usize>>,
    most: &mut usize,
) -> Poll<io::Result<()>> {
    let mut room = [0; DISCARDED_AT_ONCE];
    while *most > 0 && !io.may_block() {
        ready!(budget.poll_spend(Budget::CALL, cx));
        match ready!(read(io, &mut Context::from_waker(waker), &mut room)) {
            Ok(0) => break,
            Ok(count) if count > room.len() => {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            Ok(count) => *most = most.saturating_sub(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
    Poll::Ready(Ok(()))
}

/// How a connection was lost that this side has given up.
pub(crate) const GIVEN_UP: Lost = Lost {
    loss: ConnectionError::Aborted,
    cause: None,
};

/// What calls of a connection fail with that is gone, or whose core was leaked with a turn.
fn taken() -> Error {
    Error::Lost(GIVEN_UP)
}

/// How a connection was lost.
fn lost(driven: &Driven) -> Error {
    driven.how_lost().map_or_else(taken, Error::Lost)
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

impl<'a, T: Transport> Turn<'a, T> {
    fn new(mut guard: Guard<'a, Driven, Layered<T>>) -> Self {
        guard.put_back_transport();
        guard.core().begin_turn();
        Self { guard }
    }

    /// Returns `true` if the server that has accepted the connection shuts down.
    pub fn is_shutting_down(&self) -> bool {
        self.guard.slot().is_shutting_down()
    }
}

impl<T: Transport> Deref for Turn<'_, T> {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.guard.peek().core
    }
}

impl<T: Transport> DerefMut for Turn<'_, T> {
    fn deref_mut(&mut self) -> &mut Core {
        &mut self.guard.core().core
    }
}

impl<T: Transport> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        self.guard.core().end_turn();
    }
}

impl<T: Transport> fmt::Debug for Turn<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Turn").field(&**self).finish()
    }
}
