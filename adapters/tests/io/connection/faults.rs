//! Every call that a connection makes of its transport fails, in every way. What has to come of it
//! is worked out from what the transport has answered: what it gave before it failed is read, a
//! loss is told with its cause and for good, nothing hangs or spins, and the transport is dropped
//! once, aborted if something was lost with it.

use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use io_test_support::executor::{Order, Ran, Tasks};
use io_test_support::scripted::{Lie, Scripted, ScriptedRead, ScriptedWrite};
use io_test_support::{Case, Random, report};
use plimsoll::testing::{Call, ScriptedPeer};
use plimsoll::{ConnectionError, Reader, Step, TransportError, WriteError};
use plimsoll_io::{
    Connection, ConnectionLost, Error, ReadError, ReadHalf, Sleep, StreamOptions, Transport,
    WaterMarks, WriteHalf,
};
use test_support::reader_model::{Outcome, Read, ReaderModel, Separators};

/// How many scripts for each session.
const PLANS: u64 = 40;

/// How a call fails.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Fails(TransportError),
    Lies(Lie),
    /// It would block, and says so instead of waiting, as a socket with a timeout of its own.
    GivesUp,
}

const LOSSES: [ConnectionError; 6] = [
    ConnectionError::Reset,
    ConnectionError::Aborted,
    ConnectionError::TimedOut,
    ConnectionError::Transport,
    ConnectionError::BrokenPipe,
    ConnectionError::NotConnected,
];

/// All troubles that such a call can have. A read of zero bytes is the end of the stream.
fn troubles(call: Call) -> Vec<Trouble> {
    let mut troubles = vec![
        Trouble::Fails(TransportError::WouldBlock),
        Trouble::Fails(TransportError::Interrupted),
        Trouble::GivesUp,
    ];
    troubles.extend(LOSSES.map(|loss| Trouble::Fails(loss.into())));
    if matches!(call, Call::Read | Call::Write) {
        troubles.push(Trouble::Lies(Lie::OneTooMany));
    }
    if call == Call::Write {
        troubles.push(Trouble::Lies(Lie::Zero));
    }
    troubles
}

/// What a transport has answered, and what became of it.
#[derive(Debug, Default)]
struct Log {
    calls: usize,
    received: Vec<u8>,
    sent: Vec<u8>,
    /// Whether something was written since the last flush.
    is_unflushed: bool,
    /// Whether the end of this side's stream was taken.
    has_sent_end: bool,
    /// Whether what is received from now on is discarded. Failures before everything is sent count.
    discards: bool,
    /// How many calls were made when this side began to close.
    closed_at: Option<usize>,
    /// How receiving has failed, and sending, first of all.
    read_failure: Option<io::ErrorKind>,
    send_failure: Option<io::ErrorKind>,
    has_received_zero: bool,
    /// Whether sending had failed before that.
    had_failed_to_send: bool,
    /// How often a call has given up waiting.
    gave_up: usize,
    aborts: usize,
    dropped_reads: usize,
    dropped_writes: usize,
}

/// What turns have shown of a transport's answers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Shown {
    received: usize,
    end: Option<Result<(), io::ErrorKind>>,
    write_loss: Option<io::ErrorKind>,
    has_sent_end: bool,
    gave_up: usize,
}

impl Log {
    fn note_read(&mut self, room: &[u8], answer: &Poll<io::Result<usize>>) {
        self.calls += 1;
        let Poll::Ready(answer) = answer else {
            return;
        };
        match answer {
            Err(error) if self.discards && !self.has_sent_end => match error.kind() {
                io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => {}
                kind => self.fail_to_send(kind),
            },
            Ok(count) if self.discards && !self.has_sent_end && *count > room.len() => {
                self.fail_to_send(io::ErrorKind::InvalidData);
            }
            _ if self.discards => {}
            Ok(0) => {
                self.had_failed_to_send |= !self.has_received_zero && self.send_failure.is_some();
                self.has_received_zero = true;
            }
            Ok(count) if *count <= room.len() => self.received.extend_from_slice(&room[..*count]),
            Ok(_) => self.read_failure = Some(io::ErrorKind::InvalidData),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => self.gave_up += 1,
                kind => self.read_failure = Some(kind),
            },
        }
    }

    /// Takes note of a call for output, and tells whether it has succeeded.
    fn note_send<A>(&mut self, answer: &Poll<io::Result<A>>) -> bool {
        self.calls += 1;
        match answer {
            Poll::Pending => {}
            Poll::Ready(Ok(_)) => return true,
            Poll::Ready(Err(error)) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => self.gave_up += 1,
                kind => self.fail_to_send(kind),
            },
        }
        false
    }

    fn fail_to_send(&mut self, kind: io::ErrorKind) {
        self.send_failure.get_or_insert(kind);
    }

    /// How reading ends, as far as it has.
    fn end(&self) -> Option<Result<(), io::ErrorKind>> {
        match (self.read_failure, self.send_failure) {
            (Some(kind), _) => Some(Err(kind)),
            // The system reports a loss once: a send has met it.
            (None, Some(kind)) if self.had_failed_to_send && says_why(kind) => Some(Err(kind)),
            _ => self.has_received_zero.then_some(Ok(())),
        }
    }

    /// What a turn shows of it.
    fn shown(&self) -> Shown {
        Shown {
            received: self.received.len(),
            end: self.end(),
            write_loss: self.write_loss(),
            has_sent_end: self.has_sent_end,
            gave_up: self.gave_up,
        }
    }

    /// Why nothing can be sent any more.
    fn write_loss(&self) -> Option<io::ErrorKind> {
        let read = self.end().and_then(Result::err);
        match self.send_failure {
            Some(io::ErrorKind::NotConnected) => read.or(self.send_failure),
            failure => failure.or(read),
        }
    }

    /// How the connection was lost.
    fn loss(&self) -> Option<io::ErrorKind> {
        self.end().and_then(Result::err).or(self.write_loss())
    }
}

/// Whether an error of a send is why there is nothing more to receive.
fn says_why(kind: io::ErrorKind) -> bool {
    !matches!(
        kind,
        io::ErrorKind::BrokenPipe | io::ErrorKind::NotConnected
    )
}

/// The loss that a kind of error is. An abort on the way is a reset for those at its ends.
fn loss_of(kind: io::ErrorKind) -> ConnectionError {
    match kind {
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => ConnectionError::Reset,
        io::ErrorKind::TimedOut => ConnectionError::TimedOut,
        io::ErrorKind::BrokenPipe => ConnectionError::BrokenPipe,
        io::ErrorKind::NotConnected => ConnectionError::NotConnected,
        _ => ConnectionError::Transport,
    }
}

/// A scripted transport that is watched.
struct Watched {
    scripted: Scripted,
    watch: Watch,
}

#[derive(Clone)]
struct Watch {
    log: Arc<Mutex<Log>>,
    is_pipes: bool,
    /// The call that gives up, by its number.
    gives_up: Option<usize>,
}

struct WatchedRead(ScriptedRead, Watch);

/// The half is gone once it has ended, if it is the end of a pipe.
struct WatchedWrite(Option<ScriptedWrite>, Watch);

impl Watch {
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the next call gives up.
    fn gives_up(&self) -> bool {
        self.gives_up == Some(self.lock().calls)
    }
}

fn would_block<A>() -> Poll<io::Result<A>> {
    Poll::Ready(Err(io::ErrorKind::WouldBlock.into()))
}

impl Transport for Watched {
    type Read = WatchedRead;
    type Write = WatchedWrite;

    fn split(self) -> (WatchedRead, WatchedWrite) {
        let (read, write) = self.scripted.split();
        let watch = self.watch.clone();
        (
            WatchedRead(read, watch),
            WatchedWrite(Some(write), self.watch),
        )
    }

    fn reunite(_: WatchedRead, _: WatchedWrite) -> Self {
        panic!("nothing joins it")
    }

    /// No time passes.
    fn sleep(_: Duration) -> Sleep {
        Box::pin(std::future::pending())
    }
}

impl ReadHalf for WatchedRead {
    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let answer = if self.1.gives_up() {
            would_block()
        } else {
            self.0.poll_read(cx, room)
        };
        self.1.lock().note_read(room, &answer);
        answer
    }
}

impl Drop for WatchedRead {
    fn drop(&mut self) {
        self.1.lock().dropped_reads += 1;
    }
}

impl WatchedWrite {
    fn half(&mut self) -> &mut ScriptedWrite {
        self.0.as_mut().expect("nothing is asked of what has ended")
    }
}

impl WriteHalf for WatchedWrite {
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let answer = if self.1.gives_up() {
            would_block()
        } else {
            self.half().poll_write(cx, slices)
        };
        let mut log = self.1.lock();
        if log.note_send(&answer) {
            let all: Vec<u8> = slices
                .iter()
                .flat_map(|slice| slice.iter().copied())
                .collect();
            match &answer {
                Poll::Ready(Ok(0)) => log.fail_to_send(io::ErrorKind::WriteZero),
                Poll::Ready(Ok(count)) if *count <= all.len() => {
                    log.sent.extend_from_slice(&all[..*count]);
                    log.is_unflushed = true;
                }
                _ => log.fail_to_send(io::ErrorKind::InvalidData),
            }
        }
        answer
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let answer = if self.1.gives_up() {
            would_block()
        } else {
            self.half().poll_flush(cx)
        };
        let mut log = self.1.lock();
        if log.note_send(&answer) {
            log.is_unflushed = false;
        }
        answer
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let answer = if self.1.gives_up() {
            would_block()
        } else {
            self.half().poll_shutdown(cx)
        };
        let mut log = self.1.lock();
        if let Poll::Ready(Err(error)) = &answer {
            // After both ends nothing is left to be connected to.
            if error.kind() == io::ErrorKind::NotConnected && log.has_received_zero {
                log.calls += 1;
                log.has_sent_end = true;
                return answer;
            }
        }
        if log.note_send(&answer) {
            log.has_sent_end = true;
            drop(log);
            if self.1.is_pipes {
                self.0 = None;
            }
        }
        answer
    }

    fn abort(&mut self) {
        self.1.lock().aborts += 1;
    }
}

impl Drop for WatchedWrite {
    fn drop(&mut self) {
        self.1.lock().dropped_writes += 1;
    }
}

/// What is done with a connection.
#[derive(Clone, Debug)]
enum Act {
    Read(Read),
    /// Takes turns until there are none, and closes at the end.
    Turns,
    Write(&'static [u8]),
    Drain,
    Flush,
    Ready,
    Finish,
    Close,
    Linger,
}

struct Session {
    name: &'static str,
    limit: usize,
    input: &'static [u8],
    acts: Vec<Act>,
}

fn sessions() -> Vec<Session> {
    use Act::{Close, Drain, Finish, Flush, Linger, Ready, Turns, Write};
    let session = |name, limit, input: &'static [u8], acts: Vec<Act>| Session {
        name,
        limit,
        input,
        acts,
    };
    let of = |bytes: &'static [u8]| Separators::new(&[bytes]);
    let line = || Act::Read(Read::Line);
    let to_end = || Act::Read(Read::ToEnd(100));
    vec![
        session(
            "lines",
            64,
            b"one\ntwo\nthr",
            vec![
                line(),
                Write(b"1\n"),
                line(),
                Write(b"2\n"),
                line(),
                line(),
                Finish,
            ],
        ),
        session(
            "lines that are too long",
            4,
            b"one\nmuch too long\ntwo\n",
            vec![line(), line(), Write(b"no\n"), line(), line(), Close],
        ),
        session(
            "other reads",
            8,
            b"until;exactskip this;peek and the end",
            vec![
                Act::Read(Read::Until(of(b";"))),
                Write(b"1"),
                Act::Read(Read::Exact(5)),
                Drain,
                Act::Read(Read::SkipUntil(of(b";"))),
                Write(b"2"),
                Act::Read(Read::Peek(4)),
                Act::Read(Read::Announced(of(b" "))),
                Act::Read(Read::Some(5)),
                Write(b"3"),
                to_end(),
                Close,
            ],
        ),
        session(
            "turns",
            64,
            b"some input\n",
            vec![Write(b"greeting"), Turns, Close],
        ),
        session(
            "a read, then turns",
            64,
            b"one\nmore",
            vec![Write(b"hello"), Flush, line(), Write(b"bye"), Turns],
        ),
        session(
            "output",
            64,
            b"",
            vec![
                Write(b"0123456789"),
                Ready,
                Write(b"more"),
                Drain,
                Flush,
                Write(b"last words"),
                Close,
                Close,
            ],
        ),
        session(
            "an end before the peer's",
            64,
            b"a late answer",
            vec![Write(b"question"), Finish, to_end(), Finish, Linger],
        ),
        session(
            "a close that lingers",
            64,
            b"never read",
            vec![Write(b"bye"), Linger],
        ),
    ]
}

impl Session {
    fn options(&self) -> StreamOptions {
        let marks = WaterMarks::new(4, 0).expect("marks in order");
        StreamOptions::new().limit(self.limit).water_marks(marks)
    }

    /// A peer that sends the input in pieces, takes output in others, and holds up calls.
    fn peer(&self, plan: u64) -> ScriptedPeer {
        let mut random = Random(plan);
        let most = [0, 0, 1, 2][plan as usize % 4];
        let mut peer = ScriptedPeer::new();
        let mut hold_up = |mut peer: ScriptedPeer, call| {
            for _ in 0..random.below(most + 1) {
                peer = peer.fails(call, TransportError::WouldBlock);
            }
            peer
        };
        let mut pieces = Random(plan + 1000);
        let mut rest = self.input;
        while !rest.is_empty() {
            peer = hold_up(peer, Call::Read);
            let (piece, behind) = rest.split_at(1 + pieces.below(rest.len()));
            peer = peer.sends(piece);
            rest = behind;
        }
        peer = hold_up(peer, Call::Read);
        for _ in 0..6 {
            peer = hold_up(peer, Call::Write);
            peer = peer.takes(1 + pieces.below(8));
        }
        for call in [Call::Flush, Call::Shutdown] {
            peer = hold_up(peer, call);
            peer = hold_up(peer, call);
        }
        peer
    }
}

/// A run: a session over one transport, up to one of its acts.
struct Run<'a> {
    session: &'a Session,
    acts: usize,
    is_pipes: bool,
    order: Order,
    seed: u64,
}

impl Run<'_> {
    /// Runs it over a peer, of which one call may have trouble. Returns the peer's calls, and how
    /// many of them were made before this side closed.
    fn run(
        &self,
        peer: ScriptedPeer,
        trouble: Option<(usize, Trouble)>,
    ) -> (Vec<Call>, usize, Ran) {
        let peer = if self.is_pipes {
            peer.over_pipes()
        } else {
            peer
        };
        let mut gives_up = None;
        let scripted = match trouble {
            None => Scripted::new(peer),
            Some((number, Trouble::Fails(error))) => Scripted::new(peer.fail_call(number, error)),
            Some((number, Trouble::Lies(lie))) => Scripted::lying(peer, Some((number, lie))),
            Some((number, Trouble::GivesUp)) => {
                gives_up = Some(number);
                Scripted::new(peer)
            }
        };
        let watch = Watch {
            log: Arc::default(),
            is_pipes: self.is_pipes,
            gives_up,
        };
        let transport = Watched {
            scripted: scripted.clone(),
            watch: watch.clone(),
        };
        let mut owner = Owner {
            connection: Connection::with_options(transport, &self.session.options()),
            model: ReaderModel::new(self.session.limit),
            fed: 0,
            written: Vec::new(),
            watch: watch.clone(),
            has_closed: false,
        };
        let mut tasks = Tasks::with_outside(|| scripted.fire());
        tasks.spawn("the owner", async {
            for act in &self.session.acts[..self.acts] {
                owner.act(act).await;
            }
        });
        let ran = tasks.run(self.order, self.seed);
        let calls = scripted.lock().calls.clone();
        let closed_at = watch.lock().closed_at.unwrap_or(calls.len());
        // What is asked again: each in a task of its own.
        let mut tasks = Tasks::with_outside(|| scripted.fire());
        if self.acts == self.session.acts.len() {
            tasks.spawn("the owner, again", owner.ask_again());
        }
        tasks.run(self.order, self.seed);
        owner.drop_and_check();
        (calls, closed_at, ran)
    }
}

/// Who does a session, and knows what has to come of it.
struct Owner {
    connection: Connection<Watched>,
    model: ReaderModel,
    /// How much of what was received the model has.
    fed: usize,
    written: Vec<u8>,
    watch: Watch,
    has_closed: bool,
}

impl Owner {
    /// Tells the model what was received.
    fn feed(&mut self) {
        let log = self.watch.lock();
        self.model.feed(&log.received[self.fed..]);
        self.fed = log.received.len();
        if let (None, Some(end)) = (self.model.end, log.end()) {
            match end {
                Ok(()) => self.model.feed_eof(),
                Err(kind) => self.model.feed_lost(loss_of(kind)),
            }
        }
    }

    async fn act(&mut self, act: &Act) {
        match act {
            Act::Read(read) => loop {
                let gave_up = self.watch.lock().gave_up;
                let outcome = outcome_of(&mut self.connection, read).await;
                self.feed();
                let Ok(outcome) = outcome else {
                    assert_eq!(self.watch.lock().gave_up, gave_up + 1, "a timeout");
                    continue;
                };
                assert_eq!(outcome, self.model.read(read), "{read:?}");
                break;
            },
            Act::Turns => self.turns().await,
            Act::Write(output) => {
                let before = self.watch.lock().write_loss();
                let result = self.connection.write_with(|writer| writer.write(output));
                match before {
                    None => {
                        result.expect("nothing was lost");
                        self.written.extend_from_slice(output);
                    }
                    Some(kind) => {
                        assert_eq!(result, Err(WriteError::ConnectionLost(loss_of(kind))));
                    }
                }
            }
            act => loop {
                let gave_up = self.watch.lock().gave_up;
                if matches!(act, Act::Close | Act::Linger) {
                    self.model.close();
                    let mut log = self.watch.lock();
                    log.discards = true;
                    let calls = log.calls;
                    log.closed_at.get_or_insert(calls);
                }
                let connection = &mut self.connection;
                let result = match act {
                    Act::Drain => connection.drain().await,
                    Act::Flush => connection.flush().await,
                    Act::Ready => connection.ready().await,
                    Act::Finish => connection.finish().await,
                    Act::Close => connection.close().await,
                    _ => connection.close_lingering(Duration::from_secs(1)).await,
                };
                if let Err(Error::TimedOut) = result {
                    assert_eq!(self.watch.lock().gave_up, gave_up + 1, "a timeout");
                    continue;
                }
                self.feed();
                self.check(act, result);
                break;
            },
        }
    }

    /// What came of an operation that sends.
    fn check(&mut self, act: &Act, result: Result<(), Error>) {
        let log = self.watch.lock();
        let closes = matches!(act, Act::Close | Act::Linger);
        let loss = if closes {
            log.loss().filter(|_| !self.has_closed)
        } else {
            log.write_loss()
        };
        match (result, loss) {
            (Ok(()), None) => {
                let pending = self.written.len() - log.sent.len();
                let most = if matches!(act, Act::Ready) { 4 } else { 0 };
                assert!(pending <= most, "{act:?} leaves {pending} bytes");
                let ends = closes || matches!(act, Act::Finish);
                assert!(log.has_sent_end || !ends, "{act:?} sends the end");
                self.has_closed |= closes;
            }
            (Err(Error::ConnectionLost(lost)), Some(kind)) => assert_lost(&lost, kind),
            (result, loss) => panic!("{act:?}: {result:?}, lost by {loss:?}"),
        }
        // A write half that ended as a pipe does is inside of its own still.
        assert_eq!(log.dropped_writes, log.dropped_reads);
        assert!(
            !self.has_closed || log.dropped_writes == 1,
            "{act:?} drops the transport"
        );
    }

    /// How many bytes were written, and not sent.
    fn pending(&self) -> usize {
        self.written.len() - self.watch.lock().sent.len()
    }

    /// Takes turns until there are no more: a turn has shown why.
    async fn turns(&mut self) {
        let mut has_shown_end = false;
        // What the last turn has shown. Output that is full is less only once.
        let mut shown = Shown::default();
        let mut is_full = self.pending() > 4;
        // What was there before is news to nobody.
        let rest = Read::Some(1000);
        if !self.model.buffered().is_empty() {
            let outcome = outcome_of(&mut self.connection, &rest)
                .await
                .expect("it is there");
            self.feed();
            assert_eq!(outcome, self.model.read(&rest));
        }
        loop {
            let (watch, written) = (&self.watch, self.written.len());
            let has_room = || watch.lock().sent.len() == written;
            let turn = {
                let mut turn = pin!(self.connection.turn());
                poll_fn(|cx| {
                    let turn = turn.as_mut().poll(cx);
                    if turn.is_pending() {
                        assert_eq!(
                            watch.lock().shown(),
                            shown,
                            "a turn that has something to show"
                        );
                        assert!(!is_full || !has_room(), "a turn that has room to show");
                    }
                    turn
                })
                .await
            };
            let Some(mut turn) = turn else {
                break;
            };
            let now = watch.lock().shown();
            if shown == now {
                assert!(is_full && has_room(), "a turn that shows nothing");
            }
            is_full &= !has_room() && now.write_loss.is_none();
            shown = now;
            let log = self.watch.lock();
            self.model.feed(&log.received[self.fed..]);
            self.fed = log.received.len();
            let end = log.end();
            let loss = log.write_loss();
            drop(log);
            match (self.model.end, end) {
                (None, Some(Ok(()))) => self.model.feed_eof(),
                (None, Some(Err(kind))) => self.model.feed_lost(loss_of(kind)),
                _ => {}
            }
            let core = &mut *turn;
            assert_eq!(core.writer.connection_error(), loss.map(loss_of));
            test_support::reader_model::assert_same_state(
                &core.reader,
                &self.model,
                self.fed as u64,
            );
            let outcome = test_support::reader_model::ask(&mut core.reader, &rest);
            assert_eq!(outcome, self.model.read(&rest));
            has_shown_end |= end.is_some();
            if core.reader.at_eof() {
                core.close();
            }
        }
        assert!(has_shown_end);
        let log = self.watch.lock();
        assert!(log.end().is_some());
        self.has_closed = log.write_loss().is_none();
        assert!(!self.has_closed || log.has_sent_end && log.sent == self.written);
    }

    /// Asked again, all answers stay, and the transport is left alone.
    async fn ask_again(&mut self) {
        self.feed();
        let (end, loss, write_loss, calls) = {
            let log = self.watch.lock();
            (log.end(), log.loss(), log.write_loss(), log.calls)
        };
        let has_closed = self.has_closed;
        for _ in 0..2 {
            match (self.connection.lost(), loss) {
                (Some(lost), Some(kind)) => assert_lost(&lost, kind),
                (None, None) => {}
                (lost, loss) => panic!("{lost:?}, lost by {loss:?}"),
            }
            if end.is_some() || self.model.is_closed {
                for read in [Read::Some(1), Read::Line, Read::Exact(1), Read::Some(1000)] {
                    let outcome = outcome_of(&mut self.connection, &read).await;
                    assert_eq!(outcome.expect("no timeout"), self.model.read(&read));
                }
            }
            if let (Some(kind), false) = (write_loss, has_closed) {
                let refused = self.connection.write_with(|writer| writer.write(b"x"));
                let refused = refused.expect_err("a loss is for good");
                let is_told = refused == WriteError::ConnectionLost(loss_of(kind));
                assert!(is_told, "{refused:?}");
                for act in [Act::Drain, Act::Flush, Act::Ready, Act::Finish] {
                    self.act(&act).await;
                }
            }
            if end.is_some() && (write_loss.is_some() || self.watch.lock().has_sent_end) {
                // One may show what has happened.
                drop(self.connection.turn().await);
                assert!(self.connection.turn().await.is_none());
            }
        }
        if write_loss.is_some() && end.is_some() {
            assert_eq!(
                self.watch.lock().calls,
                calls,
                "nothing is asked of what is lost"
            );
        }
    }

    /// The transport is dropped once, and aborted if something was lost, or is now.
    fn drop_and_check(self) {
        let has_closed = self.has_closed;
        drop(self.connection);
        let log = self.watch.lock();
        assert_eq!(
            [log.dropped_reads, log.dropped_writes],
            [1, 1],
            "dropped once"
        );
        let is_pending = log.sent != self.written || log.is_unflushed;
        let is_cut_off = is_pending && !log.has_sent_end || log.loss().is_some() && !has_closed;
        assert_eq!(log.aborts, usize::from(is_cut_off), "{log:?}");
        assert!(self.written.starts_with(&log.sent));
    }
}

fn assert_lost(lost: &ConnectionLost, kind: io::ErrorKind) {
    assert_eq!(lost.kind, loss_of(kind));
    let cause = lost.cause.as_ref().map(|cause| cause.kind());
    // A count that cannot be is no error of the transport's.
    let is_lie = matches!(kind, io::ErrorKind::InvalidData | io::ErrorKind::WriteZero);
    assert!(
        cause == Some(kind) || is_lie && cause.is_none(),
        "{cause:?}, not {kind}"
    );
}

/// What a read came to, in the form of the model.
///
/// # Errors
///
/// If the transport has given up waiting.
async fn outcome_of(connection: &mut Connection<Watched>, read: &Read) -> Result<Outcome, ()> {
    let ask = |reader: &mut Reader| {
        Ok::<_, Error>(match test_support::reader_model::ask(reader, read) {
            Outcome::NeedInput => Step::NeedInput,
            outcome => Step::Ready(outcome),
        })
    };
    match connection.read_with(ask).await {
        Ok(outcome) => Ok(outcome),
        Err(Error::TimedOut) => Err(()),
        Err(Error::Read(error)) => Ok(Outcome::Failed(error)),
        Err(Error::ConnectionLost(lost)) => {
            Ok(Outcome::Failed(ReadError::ConnectionLost(lost.kind)))
        }
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn every_call_of_a_connection_fails_in_every_way() {
    let mut runs: u64 = 0;
    for session in &sessions() {
        for plan in 0..PLANS {
            for is_pipes in [false, true] {
                for order in [Order::Strict, Order::Random] {
                    let name = session.name;
                    let of = |acts| Run {
                        session,
                        acts,
                        is_pipes,
                        order,
                        seed: plan,
                    };
                    // The owner leaves after each act.
                    for acts in 0..session.acts.len() {
                        let _case = Case(format!("{name}, {plan}, {is_pipes}, {order:?}, {acts}"));
                        of(acts).run(session.peer(plan), None);
                        runs += 1;
                    }
                    let run = of(session.acts.len());
                    let case = |trouble: &dyn std::fmt::Debug| {
                        Case(format!(
                            "{name}, plan {plan}, pipes {is_pipes}, {order:?}, {trouble:?}"
                        ))
                    };
                    let _case = case(&"unharmed");
                    let (calls, closed_at, unharmed) = run.run(session.peer(plan), None);
                    for (number, call) in calls.iter().enumerate() {
                        for trouble in troubles(*call) {
                            // What a close makes of this is not settled.
                            if matches!(trouble, Trouble::GivesUp) && number >= closed_at {
                                continue;
                            }
                            let _case = case(&(number, call, trouble));
                            let trouble = Some((number, trouble));
                            let (failed, _, ran) = run.run(session.peer(plan), trouble);
                            runs += 1;
                            let most = 10 * unharmed.polls + 100;
                            assert!(ran.polls <= most, "{} polls", ran.polls);
                            assert!(failed.len() <= 10 * calls.len() + 100);
                            if order == Order::Strict {
                                assert_eq!(failed[..number], calls[..number]);
                            }
                        }
                    }
                }
            }
        }
    }
    report(&format!("faults of connections: {runs} runs"));
    assert!(runs >= 150_000, "{runs} runs");
}
