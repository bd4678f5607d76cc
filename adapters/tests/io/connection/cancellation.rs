//! A future of a connection that is dropped loses no byte: whenever that happens, and whatever is
//! done next, both sides come to the same. What each operation comes to is written down beside it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use io_test_support::executor::{Order, Tasks, polled, yielded};
use io_test_support::scripted::Scripted;
use io_test_support::toy_layer::Toy;
use io_test_support::{Case, report};
use plimsoll::testing::{Call, ScriptedPeer};
use plimsoll::{Reader, Step, TransportError};
use plimsoll_io::{
    Connection, DuplexStream, Error, Parts, ReadError, Separator, Sleep, StreamOptions, Transport,
    WaterMarks, duplex,
};

/// What is done with a connection, and what has to come of it.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// A read by a function over the reader.
    Read(How, Expected),
    /// Skips to behind a separator.
    Skip(&'static [u8]),
    /// Takes so many bytes, by turns.
    Turns(&'static [u8]),
    /// Takes all bytes up to the end, by turns.
    TurnsToEnd(&'static [u8]),
    /// Sends each line back, by turns, and closes in the turn that shows the end.
    Echo,
    Write(&'static [u8]),
    Drain,
    Flush,
    Ready,
    Finish,
    Close,
    Linger,
    Open,
    ClientLayer,
    ServerLayer,
}
use Act::*;

/// Bytes, or how the text of an error begins.
type Expected = Result<&'static [u8], &'static str>;

#[derive(Clone, Copy, Debug)]
enum How {
    /// So many bytes, in as many reads as it takes.
    Some(usize),
    Line,
    Until(&'static [u8]),
    Exact(usize),
    ToEnd,
    Peek(usize),
    /// A byte that counts the bytes behind it.
    Counted,
}

/// A future that is dropped after so many polls, and what is done then.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// Of which act, by its place; `None` of all, each time that it waits.
    at: Option<usize>,
    after: usize,
    then: Then,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Then {
    /// The same again.
    Retry,
    /// Other tasks run, then the same again.
    Yield,
    /// A turn is polled once, and held for a while if there is one.
    HeldTurn,
    /// A look at the input is polled once; what turns were to take, another read takes.
    Read,
    /// A drain is polled once.
    Drain,
    /// A `ready` and a flush are polled once each. An end is left to the flush alone.
    Flush,
    /// The connection is given up for its parts, and made anew of them.
    Parts,
}

const THEN: [Then; 7] = [
    Then::Retry,
    Then::Yield,
    Then::HeldTurn,
    Then::Read,
    Then::Drain,
    Then::Flush,
    Then::Parts,
];

/// How many futures were dropped, by what they did and what was done then.
type Dropped = RefCell<BTreeMap<(&'static str, Then), u64>>;

/// One side, while its acts are done.
struct Side<'a, T: Transport> {
    /// `None` only while it is made anew.
    connection: Option<Connection<T>>,
    options: StreamOptions,
    cut: Option<Cut>,
    dropped: &'a Dropped,
    /// Everything that was written.
    written: Vec<u8>,
    /// How many bytes were read or skipped by the connections before this one.
    read_before: u64,
    has_layer: bool,
}

/// A transport that can tell whether its connection has kept every byte.
trait Account: Transport {
    fn check(&self, written: &[u8], read: Option<u64>, unread: &[u8], unsent: &[u8]);
}

impl Account for Scripted {
    fn check(&self, written: &[u8], read: Option<u64>, unread: &[u8], unsent: &[u8]) {
        let state = self.lock();
        assert_eq!(
            [state.peer.received(), unsent].concat(),
            written,
            "sent, then unsent"
        );
        let Some(read) = read else {
            return;
        };
        assert_eq!(
            state.handed_out.len() as u64,
            read + unread.len() as u64,
            "received is read and unread"
        );
        assert!(state.handed_out.ends_with(unread));
    }
}

/// Pipes in memory, where no time passes.
struct Timeless(DuplexStream);

impl Transport for Timeless {
    type Read = <DuplexStream as Transport>::Read;
    type Write = <DuplexStream as Transport>::Write;

    fn split(self) -> (Self::Read, Self::Write) {
        self.0.split()
    }

    fn reunite(read: Self::Read, write: Self::Write) -> Self {
        Self(DuplexStream::reunite(read, write))
    }

    fn sleep(_: Duration) -> Sleep {
        Box::pin(std::future::pending())
    }
}

impl Account for Timeless {
    fn check(&self, written: &[u8], _: Option<u64>, _: &[u8], unsent: &[u8]) {
        assert!(written.ends_with(unsent));
    }
}

impl<'a, T: Account> Side<'a, T> {
    fn new(transport: T, options: StreamOptions, cut: Option<Cut>, dropped: &'a Dropped) -> Self {
        Self {
            connection: Some(Connection::with_options(transport, &options)),
            options,
            cut,
            dropped,
            written: Vec::new(),
            read_before: 0,
            has_layer: false,
        }
    }

    fn connection(&mut self) -> &mut Connection<T> {
        self.connection.as_mut().expect("a connection")
    }

    async fn run(&mut self, acts: &[Act]) {
        for (place, act) in acts.iter().enumerate() {
            let cut = self.cut.filter(|cut| cut.at.is_none_or(|at| at == place));
            let mut bytes = Vec::new();
            let result = self.act(*act, &mut bytes, cut).await;
            match (act, result) {
                (Read(_, Err(text)), Err(error)) => {
                    assert!(error.to_string().starts_with(text), "{act:?}: {error}");
                }
                (Read(_, Err(_)), Ok(())) => panic!("{act:?} does not fail: {bytes:?}"),
                (_, Err(error)) => panic!("{act:?}: {error}"),
                (Read(_, Ok(expected)) | Turns(expected) | TurnsToEnd(expected), Ok(())) => {
                    assert_eq!(bytes, *expected, "{act:?}");
                }
                (_, Ok(())) => assert!(bytes.is_empty()),
            }
        }
    }

    /// Does something, from its beginning as often as its future is dropped.
    async fn act(
        &mut self,
        act: Act,
        bytes: &mut Vec<u8>,
        mut cut: Option<Cut>,
    ) -> Result<(), Error> {
        loop {
            let after = cut.map_or(usize::MAX, |cut| cut.after);
            let connection = self.connection.as_mut().expect("a connection");
            let once = act.once(connection, bytes, &mut self.written);
            if let Some(done) = polled(once, after).await {
                self.has_layer |= matches!(act, ClientLayer | ServerLayer);
                return done;
            }
            let then = cut.expect("nothing else drops a future").then;
            *self
                .dropped
                .borrow_mut()
                .entry((act.name(), then))
                .or_default() += 1;
            cut = cut.filter(|cut| cut.at.is_none());
            if cut.is_some() {
                // What it waits for may be for another task to do.
                yielded().await;
            }
            if let Some(done) = self.go_on(act, bytes, then).await {
                return done;
            }
        }
    }

    /// What is done after a future was dropped. Present if that has done the act, too.
    async fn go_on(
        &mut self,
        act: Act,
        bytes: &mut Vec<u8>,
        then: Then,
    ) -> Option<Result<(), Error>> {
        let connection = self.connection.as_mut().expect("a connection");
        match then {
            Then::Retry => {}
            Then::Yield => yielded().await,
            Then::HeldTurn => {
                // Whatever it has shown, it takes nothing, and what was asked for stays.
                if let Some(Some(turn)) = polled(connection.turn(), 1).await {
                    yielded().await;
                    drop(turn);
                }
            }
            Then::Read => match act {
                Turns(expected) => {
                    let left = expected.len() - bytes.len();
                    let rest = read(connection, |reader| reader.read_exact(left)).await;
                    return Some(rest.map(|rest| bytes.extend(rest)));
                }
                TurnsToEnd(_) => {
                    let rest = read(connection, |reader| reader.read_to_end(EVERYTHING)).await;
                    return Some(rest.map(|rest| bytes.extend(rest)));
                }
                _ => {
                    drop(polled(read_of(connection, How::Peek(1)), 1).await);
                    // What else looks at the input finishes a skip; the same again is a second.
                    if matches!(act, Skip(_)) && !is_discarding(connection).await {
                        return Some(Ok(()));
                    }
                }
            },
            Then::Drain => drop(polled(connection.drain(), 1).await),
            // An end that was asked for stays asked for.
            Then::Flush if matches!(act, Finish | Close | Linger) => {
                return Some(connection.flush().await);
            }
            Then::Flush => {
                drop(polled(connection.ready(), 1).await);
                drop(polled(connection.flush(), 1).await);
            }
            Then::Parts => {
                // A layer's session is not taken apart.
                if self.has_layer {
                    return None;
                }
                let discards = matches!(act, Close | Linger);
                self.take_apart(discards).await;
                // What a skip has begun its parts go on with.
                if let Skip(_) = act {
                    return Some(Ok(()));
                }
            }
        }
        None
    }

    /// Gives the connection up for its parts, which have every byte, and makes another of them.
    async fn take_apart(&mut self, discards: bool) {
        let mut connection = self.connection.take().expect("a connection");
        let position = position(&mut connection).await;
        let parts = connection.into_parts().expect("it was not lost");
        self.read_before += position;
        self.check(&parts, discards);
        self.connection = Some(Connection::from_parts(parts, &self.options));
    }

    fn check(&self, parts: &Parts<T>, discards: bool) {
        let read = (!discards).then_some(self.read_before);
        let unsent = parts.unsent.concat();
        parts
            .transport
            .check(&self.written, read, &parts.unread, &unsent);
    }
}

/// More than any side is sent.
const EVERYTHING: usize = 1000;

impl Act {
    fn name(self) -> &'static str {
        match self {
            Read(How::Some(_), _) => "read",
            Read(How::Line, _) => "read_line",
            Read(How::Until(_), _) => "read_until",
            Read(How::Exact(_), _) => "read_exact",
            Read(How::ToEnd, _) => "read_to_end",
            Read(How::Peek(_), _) => "peek",
            Read(How::Counted, _) => "a function over the reader",
            Skip(_) => "skip_until",
            Turns(_) => "turns",
            TurnsToEnd(_) => "turns to the end",
            Echo => "an echo by turns",
            Write(_) => "write",
            Drain => "drain",
            Flush => "flush",
            Ready => "ready",
            Finish => "finish",
            Close => "close",
            Linger => "close_lingering",
            Open => "open",
            ClientLayer | ServerLayer => "put_layer",
        }
    }

    /// Does it, and adds to `bytes` what it takes. What it has taken there, it does not take again.
    async fn once<T: Transport>(
        self,
        connection: &mut Connection<T>,
        bytes: &mut Vec<u8>,
        written: &mut Vec<u8>,
    ) -> Result<(), Error> {
        match self {
            Read(How::Some(count), _) => {
                while bytes.len() < count {
                    let left = count - bytes.len();
                    let some = read(connection, |reader| reader.read(left)).await?;
                    if some.is_empty() {
                        break;
                    }
                    bytes.extend(some);
                }
            }
            Read(how, _) => bytes.extend(read_of(connection, how).await?),
            Skip(of) => {
                let separator = Separator::new(of).expect("a separator");
                let skip =
                    |reader: &mut Reader| Ok::<_, Error>(reader.skip_until(&separator)?.map(drop));
                connection.read_with(skip).await?;
            }
            Turns(expected) => loop {
                take_at_hand(connection, bytes, expected.len()).await?;
                if bytes.len() == expected.len() {
                    break;
                }
                let mut turn = connection.turn().await.expect("more is to come");
                take(&mut turn.reader, bytes, expected.len());
            },
            TurnsToEnd(_) => loop {
                if take_at_hand(connection, bytes, EVERYTHING).await? {
                    break;
                }
                // It is woken at the end, too.
                let mut turn = connection.turn().await.expect("the end was not shown");
                take(&mut turn.reader, bytes, EVERYTHING);
            },
            Echo => loop {
                // What a turn has shown that was dropped with its echo, or held for nothing.
                while let Some(line) = at_hand(connection, |reader| reader.read_line()).await? {
                    if line.is_empty() {
                        return connection.finish().await;
                    }
                    connection.write_with(|writer| writer.write(&line))?;
                    written.extend(line);
                }
                let Some(mut turn) = connection.turn().await else {
                    break;
                };
                let core = &mut *turn;
                while let Step::Ready(line) = core.reader.read_line()? {
                    if line.is_empty() {
                        core.close();
                        drop(turn);
                        for _ in 0..10 {
                            if connection.turn().await.is_none() {
                                return Ok(());
                            }
                        }
                        panic!("turns that show nothing");
                    }
                    core.writer.write(&line)?;
                    written.extend_from_slice(&line);
                }
            },
            Write(output) => {
                connection.write_with(|writer| writer.write(output))?;
                written.extend_from_slice(output);
            }
            Drain => connection.drain().await?,
            Flush => connection.flush().await?,
            Ready => connection.ready().await?,
            Finish => connection.finish().await?,
            Close => connection.close().await?,
            Linger => connection.close_lingering(Duration::from_secs(1)).await?,
            Open => connection.open().await?,
            ClientLayer => connection.put_layer(Toy::client()).await?,
            ServerLayer => connection.put_layer(Toy::server().pinging()).await?,
        }
        Ok(())
    }
}

/// Reads by a function that returns a frame.
async fn read<T: Transport>(
    connection: &mut Connection<T>,
    mut ask: impl FnMut(&mut Reader) -> Result<Step<plimsoll::Frame<'_>>, ReadError>,
) -> Result<Vec<u8>, Error> {
    connection
        .read_with(|reader| Ok(ask(reader)?.map(|frame| frame.to_vec())))
        .await
}

async fn read_of<T: Transport>(connection: &mut Connection<T>, how: How) -> Result<Vec<u8>, Error> {
    match how {
        How::Some(count) => read(connection, |reader| reader.read(count)).await,
        How::Line => read(connection, |reader| reader.read_line()).await,
        How::Until(of) => {
            let separator = Separator::new(of).expect("a separator");
            read(connection, |reader| reader.read_until(&separator)).await
        }
        How::Exact(count) => read(connection, |reader| reader.read_exact(count)).await,
        How::ToEnd => read(connection, |reader| reader.read_to_end(EVERYTHING)).await,
        How::Peek(count) => {
            connection
                .read_with(|reader| Ok(reader.peek(count)?.map(|bytes| bytes.to_vec())))
                .await
        }
        How::Counted => {
            let counted = |reader: &mut Reader| {
                let Step::Ready(&[count, ..]) = reader.peek(1)? else {
                    return Ok(Step::NeedInput);
                };
                let frame = reader.read_exact(1 + usize::from(count))?;
                Ok::<_, Error>(frame.map(|frame| frame.to_vec()))
            };
            connection.read_with(counted).await
        }
    }
}

/// Reads what is there, if the reader has it; it waits for nothing but its turn.
async fn at_hand<T: Transport>(
    connection: &mut Connection<T>,
    mut ask: impl FnMut(&mut Reader) -> Result<Step<plimsoll::Frame<'_>>, ReadError>,
) -> Result<Option<Vec<u8>>, Error> {
    connection
        .read_with(|reader| {
            Ok(Step::Ready(match ask(reader)? {
                Step::Ready(frame) => Some(frame.to_vec()),
                Step::NeedInput => None,
            }))
        })
        .await
}

/// Takes what is there, up to `len` bytes in all, and returns whether it is the end.
async fn take_at_hand<T: Transport>(
    connection: &mut Connection<T>,
    bytes: &mut Vec<u8>,
    len: usize,
) -> Result<bool, Error> {
    connection
        .read_with(|reader| {
            take(reader, bytes, len);
            Ok(Step::Ready(reader.at_eof()))
        })
        .await
}

fn take(reader: &mut Reader, bytes: &mut Vec<u8>, len: usize) {
    if let Ok(Step::Ready(some)) = reader.read(len - bytes.len()) {
        bytes.extend_from_slice(&some);
    }
}

async fn position<T: Transport>(connection: &mut Connection<T>) -> u64 {
    let ask = |reader: &mut Reader| Ok::<_, Error>(Step::Ready(reader.position()));
    connection.read_with(ask).await.expect("it reads nothing")
}

async fn is_discarding<T: Transport>(connection: &mut Connection<T>) -> bool {
    let ask = |reader: &mut Reader| Ok::<_, Error>(Step::Ready(reader.is_discarding()));
    connection.read_with(ask).await.expect("it reads nothing")
}

/// A connection to a peer that plays a script.
struct Session {
    name: &'static str,
    input: &'static [u8],
    limit: usize,
    acts: &'static [Act],
}

const fn session(
    name: &'static str,
    limit: usize,
    input: &'static [u8],
    acts: &'static [Act],
) -> Session {
    Session {
        name,
        input,
        limit,
        acts,
    }
}

const SESSIONS: [Session; 9] = [
    session(
        "lines",
        64,
        b"a\nbc\nd",
        &[
            Read(How::Line, Ok(b"a\n")),
            Write(b"reply"),
            Read(How::Line, Ok(b"bc\n")),
            Drain,
            Read(How::Line, Ok(b"d")),
            Read(How::Line, Ok(b"")),
            Finish,
        ],
    ),
    session(
        "a line that is too long",
        2,
        b"long\nx\n",
        &[
            Read(How::Line, Err("line")),
            Write(b"no"),
            Read(How::Line, Ok(b"x\n")),
            Read(How::ToEnd, Ok(b"")),
            Close,
        ],
    ),
    session(
        "parts of frames",
        64,
        b"a;\x02bc",
        &[
            Read(How::Peek(2), Ok(b"a;")),
            Read(How::Until(b";"), Ok(b"a;")),
            Write(b"1234567"),
            Ready,
            Read(How::Counted, Ok(b"\x02bc")),
            Flush,
            Read(How::Exact(1), Err("stream ended")),
            Close,
        ],
    ),
    session(
        "a skip",
        2,
        b"away--k",
        &[Skip(b"--"), Write(b"1"), Read(How::ToEnd, Ok(b"k")), Close],
    ),
    session(
        "turns, then reads",
        64,
        b"abcde",
        &[
            Write(b"greeting"),
            Turns(b"ab"),
            Read(How::Some(2), Ok(b"cd")),
            Write(b"more"),
            TurnsToEnd(b"e"),
            Finish,
            Close,
        ],
    ),
    session(
        "an end before the peer's",
        64,
        b"abcd",
        &[
            Write(b"question"),
            Finish,
            Read(How::Exact(2), Ok(b"ab")),
            TurnsToEnd(b"cd"),
            Linger,
        ],
    ),
    session("an echo", 64, b"a\nb\n", &[Open, Echo, Close]),
    session(
        "output",
        64,
        b"",
        &[
            Write(b"012345"),
            Ready,
            Write(b"6789"),
            Drain,
            Write(b"ab"),
            Flush,
            Write(b"last"),
            Close,
            Close,
        ],
    ),
    session(
        "a close that discards",
        64,
        b"unread",
        &[Write(b"bye"), Linger, Linger],
    ),
];

impl Session {
    fn options(&self) -> StreamOptions {
        let marks = WaterMarks::new(4, 1).expect("marks in order");
        StreamOptions::new().limit(self.limit).water_marks(marks)
    }

    /// The input in pieces, one for each bit of `cuts`, and output that leaves in parts of `takes`.
    /// Each call would block before it succeeds, and some are interrupted.
    fn peer(&self, cuts: usize, takes: usize) -> ScriptedPeer {
        let waits = |peer: ScriptedPeer, call| peer.fails(call, TransportError::WouldBlock);
        let mut peer = ScriptedPeer::new().takes_at_most(takes);
        let mut begin = 0;
        for end in 1..=self.input.len() {
            if end == self.input.len() || cuts >> (end - 1) & 1 == 1 {
                peer = waits(peer, Call::Read).sends(&self.input[begin..end]);
                begin = end;
            }
        }
        peer = waits(peer, Call::Read);
        for _ in 0..30 {
            peer = waits(peer, Call::Write).takes(takes);
        }
        for call in [Call::Flush, Call::Shutdown] {
            peer = waits(peer.fails(call, TransportError::Interrupted), call);
            peer = waits(waits(peer, call), call);
        }
        peer
    }

    /// Runs it, and looks at what the peer has got.
    fn run(&self, peer: ScriptedPeer, order: Order, cut: Option<Cut>, dropped: &Dropped) {
        let transport = Scripted::new(peer);
        let mut side = Side::new(transport.clone(), self.options(), cut, dropped);
        let mut tasks = Tasks::with_outside(|| transport.fire());
        tasks.spawn("the owner", side.run(self.acts));
        tasks.run(order, 7);
        let mut connection = side.connection.take().expect("a connection");
        assert!(connection.lost().is_none());
        let state = transport.lock();
        assert_eq!(state.peer.received(), side.written);
        assert!(state.peer.has_seen_end());
        // A flush alone discards nothing.
        let is_flushed = cut.is_some_and(|cut| cut.then == Then::Flush);
        let discards = matches!(self.acts.last(), Some(Linger)) && !is_flushed;
        assert!(self.input.starts_with(&state.handed_out));
        assert!(state.handed_out == self.input || !discards);
        drop(state);
        if let Ok(parts) = connection.into_parts() {
            assert!(parts.unread.is_empty() && parts.unsent.is_empty());
        }
    }
}

/// Drops each future of each act after each number of polls that it waits for, and then does each
/// thing; `run` is told where. Returns the number of runs.
fn sweep(acts: &[Act], dropped: &Dropped, mut run: impl FnMut(Option<Cut>)) -> u64 {
    let count = || dropped.borrow().values().sum::<u64>();
    let mut runs = 1;
    run(None);
    for at in 0..acts.len() {
        for then in THEN {
            for after in 1.. {
                let before = count();
                run(Some(Cut {
                    at: Some(at),
                    after,
                    then,
                }));
                runs += 1;
                if count() == before {
                    break; // It does not wait as long.
                }
            }
        }
    }
    runs
}

#[test]
fn a_future_dropped_anywhere_changes_nothing() {
    let dropped = Dropped::default();
    let mut runs = 0;
    for session in &SESSIONS {
        for cuts in 0..1 << session.input.len().saturating_sub(1) {
            for (takes, order) in [
                (1, Order::Strict),
                (3, Order::Strict),
                (100, Order::Strict),
                (2, Order::Random),
            ] {
                let peer = session.peer(cuts, takes);
                let case = |cut: &dyn std::fmt::Debug| {
                    let name = session.name;
                    Case(format!(
                        "{name}, cuts {cuts:b}, takes {takes}, {order:?}, {cut:?}"
                    ))
                };
                runs += sweep(session.acts, &dropped, |cut| {
                    let _case = case(&cut);
                    session.run(peer.clone(), order, cut, &dropped);
                });
                // A connection each of whose futures is dropped, whenever it waits.
                for (after, then) in [1, 2, 3]
                    .iter()
                    .flat_map(|after| THEN.map(|then| (*after, then)))
                {
                    let cut = Some(Cut {
                        at: None,
                        after,
                        then,
                    });
                    let _case = case(&cut);
                    session.run(peer.clone(), order, cut, &dropped);
                    runs += 1;
                }
            }
        }
    }
    let dropped = dropped.into_inner();
    let all: u64 = dropped.values().sum();
    report(&format!(
        "cancellation of connections: {runs} runs, {all} futures dropped"
    ));
    assert!(runs >= 100_000, "{runs} runs");
    assert!(all >= 120_000, "{all} futures dropped");
    // Without a layer, opening waits for nothing, and nothing puts one in place.
    assert_eq!(
        dropped.len(),
        16 * THEN.len(),
        "each act, then each: {dropped:?}"
    );
}

/// What two sides of a connection do.
struct Dialogue {
    name: &'static str,
    sides: [&'static [Act]; 2],
}

const DIALOGUES: [Dialogue; 5] = [
    Dialogue {
        name: "lines and an echo",
        sides: [
            &[
                Write(b"ab\ncdefg\n"),
                Drain,
                Read(How::Line, Ok(b"ab\n")),
                Turns(b"cdefg\n"),
                Write(b"h\n"),
                Ready,
                Finish,
                Read(How::Line, Ok(b"h\n")),
                Read(How::ToEnd, Ok(b"")),
                Close,
            ],
            &[Echo, Linger],
        ],
    },
    Dialogue {
        name: "both drain before they read",
        sides: [
            &[
                Write(b"question"),
                Drain,
                Read(How::Exact(6), Ok(b"answer")),
                Finish,
                TurnsToEnd(b"."),
                Linger,
            ],
            &[
                Write(b"answer"),
                Drain,
                TurnsToEnd(b"question"),
                Write(b"."),
                Linger,
            ],
        ],
    },
    Dialogue {
        name: "a close with output",
        sides: [
            &[Write(b"some output"), Close, Close],
            &[TurnsToEnd(b"some output"), Close],
        ],
    },
    Dialogue {
        name: "a layer after a reply",
        sides: [
            &[
                Write(b"TLS\n"),
                Flush,
                Read(How::Line, Ok(b"go\n")),
                ClientLayer,
                Open,
                Write(b"secret\n"),
                Drain,
                Turns(b"reply\n"),
                Finish,
                Read(How::ToEnd, Ok(b"")),
                Linger,
            ],
            &[
                Read(How::Line, Ok(b"TLS\n")),
                Write(b"go\n"),
                ServerLayer,
                Read(How::Line, Ok(b"secret\n")),
                Write(b"reply\n"),
                Flush,
                TurnsToEnd(b""),
                Linger,
            ],
        ],
    },
    Dialogue {
        name: "a layer without a reply",
        sides: [
            &[
                Write(b"TLS\n"),
                ClientLayer,
                Write(b"secret\n"),
                Finish,
                TurnsToEnd(b"secret\n"),
                Linger,
            ],
            &[
                Read(How::Line, Ok(b"TLS\n")),
                ServerLayer,
                Open,
                Echo,
                Linger,
            ],
        ],
    },
];

impl Dialogue {
    fn run(&self, capacity: usize, seed: u64, cuts: [Option<Cut>; 2], dropped: &Dropped) {
        let marks = WaterMarks::new(4, 0).expect("marks in order");
        let options = StreamOptions::new().limit(16).water_marks(marks);
        let (here, there) = duplex(capacity);
        let mut sides = [(here, cuts[0]), (there, cuts[1])]
            .map(|(end, cut)| Side::new(Timeless(end), options.clone(), cut, dropped));
        let mut tasks = Tasks::new();
        for (side, acts) in sides.iter_mut().zip(self.sides) {
            tasks.spawn("a side", side.run(acts));
        }
        tasks.run(Order::Strict, seed);
        for side in &mut sides {
            assert!(side.connection().lost().is_none());
        }
    }
}

#[test]
fn two_sides_that_drop_futures_understand_each_other() {
    let dropped = Dropped::default();
    let mut runs = 0;
    for dialogue in &DIALOGUES {
        let case = |capacity: usize, seed: u64, cuts: &[Option<Cut>; 2]| {
            Case(format!(
                "{}, capacity {capacity}, seed {seed}, {cuts:?}",
                dialogue.name
            ))
        };
        for capacity in [1, 2, 3, 5, 100] {
            for seed in 0..4 {
                for side in [0, 1] {
                    runs += sweep(dialogue.sides[side], &dropped, |cut| {
                        let mut cuts = [None; 2];
                        cuts[side] = cut;
                        let _case = case(capacity, seed, &cuts);
                        dialogue.run(capacity, seed, cuts, &dropped);
                    });
                }
                for after in [[1, 1], [1, 2], [2, 1], [3, 2]] {
                    for then in THEN.iter().flat_map(|one| THEN.map(|other| [*one, other])) {
                        let cuts = [0, 1].map(|side| {
                            Some(Cut {
                                at: None,
                                after: after[side],
                                then: then[side],
                            })
                        });
                        let _case = case(capacity, seed, &cuts);
                        dialogue.run(capacity, seed, cuts, &dropped);
                        runs += 1;
                    }
                }
            }
        }
    }
    let dropped = dropped.into_inner();
    let all: u64 = dropped.values().sum();
    report(&format!(
        "cancellation of two connections: {runs} runs, {all} futures dropped"
    ));
    assert!(runs >= 20_000, "{runs} runs");
    assert!(all >= 50_000, "{all} futures dropped");
    for act in ["open", "put_layer"] {
        for then in THEN {
            assert!(dropped.contains_key(&(act, then)), "{act}, {then:?}");
        }
    }
}
