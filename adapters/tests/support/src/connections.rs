//! Two connections with one owner each, of which a server may have accepted one: they take turns,
//! read and write by functions, give up what they wait for, close and abort.
//!
//! While there are decisions to take, anything may happen: what each read and each turn shows is
//! compared with what the model makes of the bytes that the transport has handed out. An owner
//! whose wait nobody ends is told so, and has to find that it could indeed do nothing. Then nothing
//! goes wrong any more, and all tasks have to end.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use plimsoll::{ConnectionError, ReadError, Reader, Step, Writer, WriterState};
use plimsoll_io::{Connection, Error, Server, ServerOptions, WriteError};

use crate::executor::{Order, Tasks, polled, yielded};
use crate::limits::Limits;
use crate::network::{End, Network};
use crate::once::Once;
use crate::simulated_server::{self as server, Simulated};
use test_support::choices::Choices;
use test_support::reader_model::{End as ModelEnd, Outcome, Read, ReaderModel, ask};
use test_support::reads::some_read;
use test_support::wire::{Kind, Medium, Ran, bytes_from};

/// Runs two connections until all tasks have ended.
///
/// # Panics
///
/// If bytes are lost, doubled or out of order, if a side sees a clean end before the other has
/// finished, if a wait goes on though it could end, or if the tasks do not end once nothing goes
/// wrong.
pub fn run(mut choices: Choices) -> Ran {
    let mut order = choices.of(&[Order::Strict, Order::Random]);
    let seed = choices.below(1 << 16) as u64;
    let is_served = choices.below(2) == 1;
    if is_served {
        // The server's tasks are polled only when they were woken anyway.
        order = Order::Strict;
    }
    let command = choices.of(&Command::ALL);
    let command_after = choices.below(30);
    let mut setups = [(); 2].map(|()| Setup::new(&mut choices));
    // Of two sides that do, neither might go on.
    setups[0].limits.pauses = choices.below(2) == 1;
    // A turn of what was closed discards nothing, which a side that pauses might wait for.
    setups[0].limits.pauses &= command != Command::Close;
    let network = Network::new(choices);
    let accepted: Arc<[AtomicU64; 2]> = Arc::default();
    let left: Arc<[AtomicBool; 2]> = Arc::default();
    let patience = Arc::new(Patience::new(network.clone(), order == Order::Strict));
    let owner = |side: usize| Owner {
        network: network.clone(),
        side,
        setup: setups[side],
        model: ReaderModel::new(setups[side].limits.limit),
        received: 0,
        begins: None,
        accepted: Arc::clone(&accepted),
        left: Arc::clone(&left),
        patience: Arc::clone(&patience),
        has_finished: false,
        most_wanted: 300,
        was_ended: false,
        was_closed: false,
        gave_up: false,
    };
    let mut tasks = Tasks::with_outside(|| network.pass_time() || patience.end());
    for side in [0, 1] {
        let options = setups[side].limits.options();
        if side == 1 && is_served {
            let owner = Mutex::new(Some(owner(side)));
            let handler = move |connection| {
                let owner = owner.lock().unwrap_or_else(PoisonError::into_inner).take();
                let mut owner = owner.expect("one connection");
                owner.was_ended = command != Command::Nothing;
                owner.was_closed = matches!(command, Command::Close | Command::ShutDown);
                owner.gave_up = matches!(command, Command::Abort | Command::ShutDown);
                async move {
                    owner.run(connection).await;
                    Ok::<_, Error>(())
                }
            };
            let options = ServerOptions::new().streams(options);
            let listener = Once::new(network.end(side));
            let server = Server::<Simulated>::serve_connections(vec![listener], handler, &options);
            tasks.spawn("the server's tasks", server::tasks());
            tasks.spawn("the server's owner", async move {
                while server.statistics().accepted == 0 {
                    yielded().await;
                }
                for _ in 0..command_after {
                    yielded().await;
                }
                match command {
                    Command::Nothing => {}
                    Command::Close => server.close_clients(),
                    Command::Abort => server.abort_clients(),
                    Command::ShutDown => drop(server.shutdown(Duration::from_secs(9)).await),
                }
                server.close();
                server.wait_closed().await;
                // A server catches what its handler has found.
                assert_eq!(server.statistics().panicked, 0);
            });
        } else {
            let connection = Connection::with_options(network.end(side), &options);
            tasks.spawn(format!("side {side}"), owner(side).run(connection));
        }
    }
    let polls = tasks.run(order, seed).polls;
    let state = network.lock();
    Ran {
        faults: state.faults,
        steps: polls + state.calls,
        bytes: state.sides.iter().map(|side| side.read).sum(),
        trace: state.choices.trace(),
    }
}

/// What a server does to its connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Command {
    Nothing,
    Close,
    Abort,
    ShutDown,
}

impl Command {
    const ALL: [Self; 6] = [
        Self::Nothing,
        Self::Nothing,
        Self::Nothing,
        Self::Close,
        Self::Abort,
        Self::ShutDown,
    ];
}

/// The limits of a side, and how it ends.
#[derive(Clone, Copy, Debug)]
struct Setup {
    limits: Limits,
    /// Whether it closes in the end, or only finishes.
    closes: bool,
    /// Whether it leaves as soon as it may.
    leaves: bool,
}

impl Setup {
    fn new(choices: &mut Choices) -> Self {
        Self {
            limits: Limits::new(choices),
            closes: choices.below(4) == 3,
            leaves: choices.below(6) == 5,
        }
    }
}

/// Ends waits that nobody else will end, one at a time, and sees that they had to go on.
struct Patience {
    network: Network,
    /// Whether nobody is polled who was not woken.
    is_strict: bool,
    waiting: Mutex<[Option<Waker>; 2]>,
    has_ended: [AtomicBool; 2],
}

impl Patience {
    fn new(network: Network, is_strict: bool) -> Self {
        Self {
            network,
            is_strict,
            waiting: Mutex::default(),
            has_ended: Default::default(),
        }
    }

    fn put(&self, side: usize, waker: Option<Waker>) -> Option<Waker> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut waiting[side], waker)
    }

    /// Ends a wait. Tells whether there was one.
    fn end(&self) -> bool {
        let side = [0, 1]
            .into_iter()
            .find_map(|side| Some((side, self.put(side, None)?)));
        let Some((side, waker)) = side else {
            return false;
        };
        self.has_ended[side].store(true, Ordering::Relaxed);
        waker.wake();
        true
    }

    /// Waits for `operation`; `None` if nobody would have ended that.
    async fn wait<A>(&self, side: usize, operation: impl Future<Output = A>) -> Option<A> {
        let mut operation = pin!(operation);
        self.has_ended[side].store(false, Ordering::Relaxed);
        poll_fn(|cx| {
            let has_ended = self.has_ended[side].swap(false, Ordering::Relaxed);
            let is_checked = has_ended && self.is_strict;
            let before = self.network.lock().progress();
            self.network.lock().is_honest = is_checked;
            let answer = operation.as_mut().poll(cx);
            self.network.lock().is_honest = false;
            assert!(
                !is_checked || answer.is_pending(),
                "side {side} was not woken at its end"
            );
            if is_checked {
                let after = self.network.lock().progress();
                assert_eq!(before, after, "side {side} could move, and was not woken");
            }
            match answer {
                Poll::Ready(answer) => {
                    self.put(side, None);
                    Poll::Ready(Some(answer))
                }
                Poll::Pending if has_ended => Poll::Ready(None),
                Poll::Pending => {
                    self.put(side, Some(cx.waker().clone()));
                    Poll::Pending
                }
            }
        })
        .await
    }
}

/// Who owns a connection, and knows what has to come of it.
struct Owner {
    network: Network,
    side: usize,
    setup: Setup,
    model: ReaderModel,
    /// How many bytes the model was fed.
    received: u64,
    /// A read that was cancelled, and how many bytes the model was not fed yet that the reader had
    /// received when it last called the function.
    begins: Option<(usize, Read)>,
    /// How many bytes the writer of each side has accepted.
    accepted: Arc<[AtomicU64; 2]>,
    /// Which sides have dropped their connections without an end.
    left: Arc<[AtomicBool; 2]>,
    patience: Arc<Patience>,
    /// Whether it has ended its stream, or asked for it.
    has_finished: bool,
    /// The most bytes that a read has asked for.
    most_wanted: usize,
    /// Whether somebody else may end the connection, and close it first.
    was_ended: bool,
    was_closed: bool,
    /// Whether it was aborted, or may be: its peer need not be told if it has everything.
    gave_up: bool,
}

/// How the halves of a core are.
#[derive(Clone, Copy, Debug)]
struct Halves {
    read_loss: Option<ConnectionError>,
    /// Whether it was closed before its stream had ended, and how much was received before.
    is_closed: bool,
    received: u64,
    writer: WriterState,
    pending: usize,
}

impl Halves {
    fn of(reader: &Reader, writer: &Writer) -> Self {
        Self {
            is_closed: is_closed(reader),
            received: received(reader),
            read_loss: reader.connection_error(),
            writer: writer.state(),
            pending: writer.pending(),
        }
    }
}

impl Owner {
    async fn run(mut self, mut connection: Connection<End>) {
        while !self.network.lock().choices.are_over() {
            let act = self.network.below(32);
            match act {
                0..=7 => self.read(&mut connection).await,
                8..=14 => self.turn(&mut connection).await,
                15..=20 => {
                    let written = connection.write_with(|writer| {
                        self.write(writer);
                        Ok(())
                    });
                    written.unwrap_or_else(|error: Error| panic!("{error:?}"));
                }
                21..=23 => {
                    let sent = self.wait(connection.drain()).await;
                    self.check_sent(sent);
                }
                24 => {
                    let sent = self.wait(connection.flush()).await;
                    self.check_sent(sent);
                }
                25..=26 => {
                    let sent = self.wait(connection.ready()).await;
                    self.check_sent(sent);
                }
                27 => self.be_slow().await,
                28 | 29 => yielded().await,
                _ => match self.network.below(24) {
                    23 => {
                        self.gave_up = true;
                        connection.abort();
                    }
                    22 => self.network.reset(),
                    20 | 21 => {
                        self.has_finished = true;
                        let sent = self.wait(connection.finish()).await;
                        self.check_sent(sent);
                    }
                    19 => {
                        self.begin_close(&mut connection).await;
                        let sent = self.wait(connection.close()).await;
                        self.check_sent(sent);
                    }
                    18 => {
                        self.begin_close(&mut connection).await;
                        let limit = Duration::from_secs(1);
                        let sent = self.wait(connection.close_lingering(limit)).await;
                        self.check_sent(sent);
                    }
                    _ => {}
                },
            }
            self.look(&mut connection).await;
        }
        if self.setup.leaves {
            self.left[self.side].store(true, Ordering::Relaxed);
            return;
        }
        self.end(&mut connection).await;
    }

    /// Ends this side's stream, and takes turns to the end.
    async fn end(&mut self, connection: &mut Connection<End>) {
        let rest = Read::Some(64);
        self.look(connection).await;
        // What is there is news to nobody.
        loop {
            let at_hand = |reader: &mut Reader| Ok::<_, Error>(Step::Ready(ask(reader, &rest)));
            let outcome = connection.read_with(at_hand).await.expect("an outcome");
            assert_eq!(outcome, self.model.read(&rest), "side {}", self.side);
            if !is_some(&outcome) {
                break;
            }
        }
        if self.model.is_closed {
            // Turns would discard nothing, and the other side might wait for that.
            let closed = connection.close().await;
            self.check_sent(Some(closed));
        }
        self.has_finished = true;
        let finish = |writer: &mut Writer| {
            writer.finish();
            Ok::<_, Error>(())
        };
        connection.write_with(finish).expect("it cannot fail");
        let mut last = None;
        while let Some(mut turn) = connection.turn().await {
            let shuts_down = turn.is_shutting_down();
            let core = &mut *turn;
            let halves = Halves::of(&core.reader, &core.writer);
            self.feed(halves);
            let shown = (
                shuts_down,
                self.received,
                self.model.end,
                halves.writer,
                core.writer.is_full(),
            );
            assert_ne!(
                last.replace(shown),
                Some(shown),
                "side {}: a turn for nothing",
                self.side
            );
            loop {
                let outcome = ask(&mut core.reader, &rest);
                assert_eq!(outcome, self.model.read(&rest), "side {}", self.side);
                if !is_some(&outcome) {
                    break;
                }
            }
            if self.setup.closes && core.reader.at_eof() {
                core.close();
            }
        }
        self.look(connection).await;
        self.check_end();
    }

    /// Reads once, or gives it up.
    async fn read(&mut self, connection: &mut Connection<End>) {
        let read = some_read(|end| self.network.below(end));
        self.note(&read);
        // A read that has to wait may begin to discard, which goes on without it.
        let mut begun = self.model.clone();
        let first = begun.read(&read);
        let mut received = None;
        let network = self.network.clone();
        let outcome = connection.read_with(|reader| {
            received = Some(network.lock().sides[self.side].handed_out.len());
            Ok::<_, Error>(match ask(reader, &read) {
                Outcome::NeedInput => Step::NeedInput,
                outcome => Step::Ready(outcome),
            })
        });
        let outcome = self.wait(outcome).await;
        match (&outcome, received) {
            (None, Some(received)) => self.begins = Some((received, read.clone())),
            (Some(_), Some(_)) => self.model = begun,
            (_, None) => {}
        }
        self.look_before(connection).await;
        let outcome = match outcome {
            None => return,
            Some(Ok(outcome)) => outcome,
            Some(Err(Error::Read(error))) => Outcome::Failed(error),
            Some(Err(Error::ConnectionLost(lost))) => {
                Outcome::Failed(ReadError::ConnectionLost(lost.kind))
            }
            Some(Err(other)) => panic!("side {}: {other:?}", self.side),
        };
        let expected = match first {
            Outcome::NeedInput => self.model.read(&read),
            first => first,
        };

        assert_eq!(outcome, expected, "side {}: {read:?}", self.side);
    }

    /// Takes a turn, reads in it, and may write and close.
    async fn turn(&mut self, connection: &mut Connection<End>) {
        match self.wait(connection.turn()).await {
            None => return,
            Some(Some(mut turn)) => return self.use_turn(&mut turn),
            Some(None) => {}
        }
        let halves = self.look(connection).await;
        let is_lost = matches!(halves.writer, WriterState::Lost(_));
        let is_flushed = |writer: &mut Writer| Ok::<_, Error>(writer.is_flushed());
        let is_flushed = connection.write_with(is_flushed).unwrap();
        let has_sent = is_flushed && halves.writer != WriterState::Finishing;
        // What is lost has no turn before there is room for what is still on its way.
        let ask = |reader: &mut Reader| Ok::<_, Error>(Step::Ready(reader.is_paused()));
        let is_paused = connection.read_with(ask).await.expect("it reads nothing");
        let has_ended = self.model.end.is_some() || is_lost && is_paused;
        assert!(has_ended && (is_lost || has_sent), "side {}", self.side);
    }

    fn use_turn(&mut self, core: &mut plimsoll::Connection) {
        self.feed(Halves::of(&core.reader, &core.writer));
        self.check(&core.reader);
        for _ in 0..self.network.below(4) {
            let read = some_read(|end| self.network.below(end));
            self.note(&read);
            let outcome = ask(&mut core.reader, &read);
            assert_eq!(
                outcome,
                self.model.read(&read),
                "side {}: {read:?}",
                self.side
            );
        }
        if self.network.below(2) == 1 {
            self.write(&mut core.writer);
        }
        match self.network.below(64) {
            61 | 62 => {
                self.has_finished = true;
                core.writer.finish();
            }
            63 => {
                self.has_finished = true;
                core.close();
                self.model.close();
            }
            _ => {}
        }
    }

    fn note(&mut self, read: &Read) {
        // A length of two letters, at most.
        if matches!(read, Read::LengthPrefixed(_)) {
            self.most_wanted = 1 << 15;
        }
    }

    /// Writes some bytes, which are refused only for a reason.
    fn write(&self, writer: &mut Writer) {
        let len = match self.network.below(16) {
            15 => self.network.below(700),
            short => short,
        };
        let accepted = &self.accepted[self.side];
        let data = bytes_from(self.side, accepted.load(Ordering::Relaxed), len);
        let pending = writer.pending();
        match writer.write(&data) {
            Ok(()) => drop(accepted.fetch_add(len as u64, Ordering::Relaxed)),
            Err(WriteError::Full { .. }) => {
                assert!(
                    len > 0 && pending + len > self.setup.limits.max_pending,
                    "side {}",
                    self.side
                );
            }
            Err(WriteError::ConnectionLost(loss)) => {
                assert!(self.is_lost(), "side {}: {loss:?}", self.side);
            }
            Err(WriteError::Finished | WriteError::Closed) => {
                assert!(self.has_finished || self.was_ended, "side {}", self.side);
            }
            Err(other) => panic!("side {}: {other:?}", self.side),
        }
    }

    /// What is received from now on is discarded.
    async fn begin_close(&mut self, connection: &mut Connection<End>) {
        self.look(connection).await;
        self.has_finished = true;
        self.model.close();
    }

    /// Waits, or gives it up.
    async fn wait<A>(&self, operation: impl Future<Output = A>) -> Option<A> {
        let give_up_after = match self.network.below(4) {
            3 => 1 + self.network.below(3),
            _ => usize::MAX,
        };
        let outcome = polled(self.patience.wait(self.side, operation), give_up_after).await;
        self.patience.put(self.side, None);
        let outcome = outcome.flatten();
        if outcome.is_none() {
            self.network.lock().faults.count(Kind::Cancellation);
        }
        outcome
    }

    fn check_sent(&self, sent: Option<Result<(), Error>>) {
        match sent {
            None | Some(Ok(())) => {}
            Some(Err(Error::ConnectionLost(lost))) => {
                assert!(self.is_lost(), "side {}: {lost:?}", self.side);
            }
            Some(Err(other)) => panic!("side {}: {other:?}", self.side),
        }
    }

    /// Tells the model what has happened, and compares everything that can be seen.
    async fn look(&mut self, connection: &mut Connection<End>) -> Halves {
        let halves = self.look_before(connection).await;
        let check = |reader: &mut Reader| {
            self.check(reader);
            Ok::<_, Error>(Step::Ready(()))
        };
        connection.read_with(check).await.expect("it reads nothing");
        halves
    }

    /// Tells the model what has happened.
    async fn look_before(&mut self, connection: &mut Connection<End>) -> Halves {
        let ask = |reader: &mut Reader| {
            let halves = (
                reader.connection_error(),
                is_closed(reader),
                received(reader),
            );
            Ok::<_, Error>(Step::Ready(halves))
        };
        let (read_loss, is_closed, received) =
            connection.read_with(ask).await.expect("it reads nothing");
        let ask = |writer: &mut Writer| Ok::<_, Error>((writer.state(), writer.pending()));
        let (writer, pending) = connection.write_with(ask).expect("it writes nothing");
        let halves = Halves {
            read_loss,
            is_closed,
            received,
            writer,
            pending,
        };
        self.feed(halves);
        halves
    }

    fn feed(&mut self, halves: Halves) {
        let mut state = self.network.lock();
        let this = &mut state.sides[self.side];

        let mut handed_out = std::mem::take(&mut this.handed_out);
        let (read_end, written) = (this.read_end, this.written);
        let write_failed = this.write_failed;
        drop(state);
        let is_lost = self.is_lost();
        let was_closed = halves.is_closed || self.was_closed && halves.read_loss.is_some();
        if was_closed && !self.model.is_closed {
            // What came after somebody else's close was discarded.
            assert!(self.was_closed, "side {}", self.side);
            let before = halves.received.saturating_sub(self.received);
            handed_out.truncate(before as usize);
        }
        if !self.model.is_closed {
            let mut after = handed_out.as_slice();
            if let Some((received, read)) = self.begins.take() {
                let (before, rest) = after.split_at(received.min(after.len()));
                self.model.feed(before);
                assert_eq!(self.model.read(&read), Outcome::NeedInput);
                after = rest;
            }
            self.model.feed(after);
            self.received += handed_out.len() as u64;
        }
        if halves.is_closed {
            self.model.close();
        }
        match (self.model.end, read_end) {
            // The loss of a send takes the place of the end.
            (None, Some(Ok(()))) if halves.read_loss.is_none() => self.model.feed_eof(),
            (None, Some(Err(loss))) => self.model.feed_lost(loss),
            _ => {}
        }
        if matches!(halves.writer, WriterState::Closing | WriterState::Closed) {
            assert!(self.has_finished || self.was_ended, "side {}", self.side);
            self.model.close();
        }
        match halves.read_loss {
            Some(loss) if self.model.end != Some(ModelEnd::Lost(loss)) => {
                // This side has given the connection up, the transport has lied about a count, or
                // the output was lost before.
                assert!(is_lost, "side {}: {loss:?}", self.side);
                let is_told = loss != ConnectionError::Reset || write_failed;
                assert!(is_told, "side {}: {loss:?}", self.side);
                self.model.feed_lost(loss);
            }
            _ => {}
        }
        let accepted = self.accepted[self.side].load(Ordering::Relaxed);
        let is_whole = accepted == written + halves.pending as u64;
        assert!(
            is_lost || is_whole,
            "side {}: accepted {accepted}, sent {written}, {halves:?}",
            self.side
        );
        assert!(
            halves.pending <= self.setup.limits.max_pending,
            "side {}",
            self.side
        );
    }

    /// What must hold whenever it is looked at.
    fn check(&self, reader: &Reader) {
        let (side, model) = (self.side, &self.model);
        assert_eq!(reader.buffered(), model.buffered(), "side {side}");
        // What a skip leaves at the end depends on whether a close or a loss came first.
        let is_told = !self.was_ended || !matches!(model.end, Some(ModelEnd::Lost(_)));
        let position = model.delivered + model.discarded;
        assert!(!is_told || reader.position() == position, "side {side}");
        let loss = match model.end {
            Some(ModelEnd::Lost(loss)) => Some(loss),
            _ => None,
        };
        assert_eq!(reader.connection_error(), loss, "side {side}");
        let has_ended = matches!(model.end, Some(ModelEnd::Eof | ModelEnd::Closed));
        let is_at_end = has_ended && model.buffered().is_empty();
        assert_eq!(reader.at_eof(), is_at_end, "side {side}");
        let bound =
            (2 * self.setup.limits.limit).max(self.most_wanted) + self.setup.limits.read_size;
        assert!(reader.buffered().len() <= bound, "side {side}");
    }

    /// Everything has arrived, unless the connection was lost or this side had closed it.
    fn check_end(&self) {
        let state = self.network.lock();
        let (this, peer) = (&state.sides[self.side], &state.sides[1 - self.side]);
        let was_cut_off = self.gave_up || state.was_cut_off(self.side);
        // A socket of one machine ends the same if its side gave it up.
        let is_told = !was_cut_off || state.link.medium() == Medium::Tcp;
        if self.model.end == Some(ModelEnd::Eof) && is_told {
            // A connection that is dropped with nothing to send ends in order, too.
            let has_left = self.left[1 - self.side].load(Ordering::Relaxed);
            let accepted = self.accepted[1 - self.side].load(Ordering::Relaxed);
            assert!(
                peer.has_finished || has_left && accepted == peer.written,
                "side {}: a clean end of what was cut off over {:?}",
                self.side,
                state.link
            );
            assert_eq!(this.read, peer.written, "side {}", self.side);
        }
        if !was_cut_off && !self.model.is_closed {
            assert_eq!(self.model.end, Some(ModelEnd::Eof), "side {}", self.side);
            let accepted = self.accepted[1 - self.side].load(Ordering::Relaxed);
            assert_eq!(
                this.read, accepted,
                "side {}: everything arrives",
                self.side
            );
        }
    }

    /// Whether something was lost, or may be because the other side is gone.
    fn is_lost(&self) -> bool {
        let state = self.network.lock();
        self.gave_up || state.is_lost() || state.sides[1 - self.side].is_gone()
    }

    /// Does not read until the wire is full, or for some time.
    async fn be_slow(&self) {
        for _ in 0..20 {
            yielded().await;
            let mut state = self.network.lock();
            if state.is_full_towards(self.side) {
                return state.faults.count(Kind::SlowReader);
            }
        }
    }
}

/// How much a reader has taken in.
fn received(reader: &Reader) -> u64 {
    reader.position() + reader.buffered().len() as u64
}

/// Whether a reader was closed before its stream had ended.
fn is_closed(reader: &Reader) -> bool {
    format!("{reader:?}").contains("end: Some(Closed)")
}

/// Whether a read took something.
fn is_some(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Frame { bytes, .. } if !bytes.is_empty())
}
