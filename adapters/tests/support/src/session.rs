//! Sessions: lists of operations over a scripted peer, and what they come to.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;

use plimsoll::TransportError;
use plimsoll::testing::{Call, ScriptedPeer};
use plimsoll::{ConnectionError, Separator};
use plimsoll_io::{Error, StreamOptions, StreamPair, StreamReader, StreamWriter, WaterMarks};

use crate::Random;
use crate::executor::{Order, Ran, Tasks, polled, yielded};
use crate::scripted::Scripted;

/// More than any session receives.
pub const EVERYTHING: usize = 1 << 16;

/// What is done, in order, and what the peer sends meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    pub name: &'static str,
    pub limit: usize,
    pub input: &'static [u8],
    pub operations: &'static [Operation],
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operation {
    /// Reads until there are so many bytes, or the stream ends.
    Read(usize),
    ReadLine,
    ReadUntil(&'static [u8]),
    ReadExact(usize),
    ReadToEnd(usize),
    SkipUntil(&'static [u8]),
    Peek(usize),
    Write(&'static [u8]),
    Drain,
    Flush,
    Finish,
    Close,
}
use Operation::*;

const fn session(
    name: &'static str,
    limit: usize,
    input: &'static [u8],
    operations: &'static [Operation],
) -> Session {
    Session {
        name,
        limit,
        input,
        operations,
    }
}

/// Each operation alone, then several of them. All read everything and send everything in the end.
pub const SESSIONS: [Session; 22] = [
    session("read", 64, b"abcdefgh", &[Read(5), ReadToEnd(EVERYTHING)]),
    session("read at the end", 64, b"", &[Read(5), Read(5)]),
    session(
        "read_line",
        64,
        b"one\ntwo\nthr",
        &[ReadLine, ReadLine, ReadLine, ReadLine],
    ),
    session(
        "read_line, too long",
        4,
        b"one\nmuch too long\ntwo\n",
        &[ReadLine, ReadLine, ReadLine, ReadLine],
    ),
    session(
        "read_until",
        64,
        b"one\r\ntwo\rthree",
        &[
            ReadUntil(b"\r\n"),
            ReadUntil(b"\r\n"),
            ReadToEnd(EVERYTHING),
        ],
    ),
    session(
        "read_until, too long",
        4,
        b"one;and more;two;",
        &[
            ReadUntil(b";"),
            ReadUntil(b";"),
            SkipUntil(b";"),
            ReadUntil(b";"),
            ReadToEnd(EVERYTHING),
        ],
    ),
    session(
        "read_exact",
        64,
        b"abcdefgh",
        &[ReadExact(3), ReadExact(0), ReadExact(9), ReadExact(5)],
    ),
    session("read_to_end", 4, b"abcdefghijkl", &[ReadToEnd(EVERYTHING)]),
    session(
        "read_to_end, too long",
        4,
        b"abcdefgh",
        &[ReadToEnd(7), ReadToEnd(8)],
    ),
    session(
        "skip_until",
        4,
        b"something long--kept",
        &[SkipUntil(b"--"), ReadToEnd(EVERYTHING)],
    ),
    session(
        "skip_until the end",
        4,
        b"something long-",
        &[SkipUntil(b"--"), ReadToEnd(EVERYTHING)],
    ),
    session(
        "peek",
        64,
        b"abcdef",
        &[Peek(4), Peek(7), Peek(6), ReadToEnd(EVERYTHING)],
    ),
    session("drain", 64, b"", &[Write(b"some output"), Drain, Drain]),
    session("flush", 64, b"", &[Write(b"some output"), Flush, Flush]),
    session(
        "finish",
        64,
        b"late",
        &[
            Write(b"some output"),
            Finish,
            Write(b"no more"),
            ReadToEnd(EVERYTHING),
            Finish,
        ],
    ),
    session(
        "close",
        64,
        b"",
        &[Write(b"some output"), Close, Write(b"no more"), Close],
    ),
    session(
        "request and response",
        64,
        b"220 ready\r\n250 ok\r\n221 bye\r\n",
        &[
            ReadUntil(b"\r\n"),
            Write(b"HELO x\r\n"),
            ReadUntil(b"\r\n"),
            Write(b"QUIT\r\n"),
            Finish,
            ReadUntil(b"\r\n"),
            ReadToEnd(EVERYTHING),
            Close,
        ],
    ),
    session(
        "echo without a drain",
        64,
        b"one\ntwo\nthree\n",
        &[
            ReadLine,
            Write(b"one\n"),
            ReadLine,
            Write(b"two\n"),
            ReadLine,
            Write(b"three\n"),
            ReadLine,
            Close,
        ],
    ),
    session(
        "counted frames",
        64,
        b"\x03abc\x00\x05hello",
        &[
            Peek(1),
            ReadExact(1),
            ReadExact(3),
            Write(b"\x03"),
            Drain,
            ReadExact(1),
            ReadExact(0),
            ReadExact(1),
            Write(b"\x00"),
            ReadExact(5),
            ReadToEnd(EVERYTHING),
            Flush,
        ],
    ),
    session(
        "half-closed, then a long answer",
        8,
        b"one\ntwo\nthree\nmore than eight\nfour\n",
        &[
            Write(b"GET / HTTP/1.0\r\n"),
            Write(b"\r\n"),
            Finish,
            ReadLine,
            ReadLine,
            ReadLine,
            ReadLine,
            ReadLine,
            ReadToEnd(EVERYTHING),
        ],
    ),
    session(
        "many small writes",
        64,
        b"ok\n",
        &[
            Write(b"a"),
            Write(b"bc"),
            Drain,
            Write(b"def"),
            Write(b"ghij"),
            ReadLine,
            Write(b"klmno"),
            Flush,
            Write(b"last"),
            ReadToEnd(EVERYTHING),
            Close,
        ],
    ),
    session(
        "every read",
        6,
        b"line\nuntil;exactskip this away;peeked, read, and to the end",
        &[
            ReadLine,
            Write(b"1"),
            ReadUntil(b";"),
            Write(b"2"),
            ReadExact(5),
            Drain,
            SkipUntil(b";"),
            Write(b"3"),
            Peek(6),
            Read(14),
            Write(b"4"),
            ReadToEnd(EVERYTHING),
            Close,
        ],
    ),
];

/// What a session came to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Outcome {
    /// What each read came to, in order.
    pub reads: Vec<Result<Vec<u8>, Failure>>,
    /// What each operation of the writer came to, in order.
    pub writes: Vec<Result<(), Failure>>,
    /// What the peer has got.
    pub received: Vec<u8>,
    pub has_seen_end: bool,
}

/// An error in a form that compares.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    pub text: String,
    /// Present if the connection was lost, with the kind of the transport's error, if there was one.
    pub lost: Option<(ConnectionError, Option<io::ErrorKind>)>,
}

/// When futures are dropped.
#[derive(Debug)]
pub struct Cancel {
    /// After which poll, each time.
    pub after: usize,
    pub then: Then,
    /// How many were dropped, by operation.
    pub dropped: RefCell<BTreeMap<&'static str, u64>>,
}

/// What happens between a future that was dropped and the next one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Then {
    Retry,
    /// Other tasks get a turn.
    Yield,
    /// Another operation is polled once, and dropped.
    Other,
}

/// Whether one task has both halves, or two have one each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Halves {
    Together,
    Apart,
}

/// Whether reads wait for output that is full.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Full {
    /// They do not.
    Reads,
    /// They do, and a few bytes are enough to fill it.
    Pauses,
}

/// In which ways each script is run.
pub const WAYS: [(Halves, Full); 4] = [
    (Halves::Together, Full::Reads),
    (Halves::Together, Full::Pauses),
    (Halves::Apart, Full::Reads),
    (Halves::Apart, Full::Pauses),
];

impl Cancel {
    pub fn new(after: usize, then: Then) -> Self {
        Self {
            after,
            then,
            dropped: RefCell::default(),
        }
    }

    pub fn never() -> Self {
        Self::new(usize::MAX, Then::Retry)
    }
}

impl Session {
    /// Runs all operations; those that fail do not keep others from being tried.
    pub fn run(
        &self,
        transport: &Scripted,
        halves: Halves,
        full: Full,
        order: Order,
        cancel: &Cancel,
        seed: u64,
    ) -> (Outcome, StreamPair<Scripted>, Ran) {
        let mut options = StreamOptions::new().limit(self.limit).read_size(32);
        if full == Full::Pauses {
            let marks = WaterMarks::new(2, 0).expect("marks in order");
            options = options.water_marks(marks).pause_reading_when_full(true);
        }
        let mut stream = StreamPair::with_options(transport.clone(), &options);
        let mut outcome = Outcome::default();
        let mut tasks = Tasks::with_outside(|| transport.fire());
        let (reader, writer) = (&mut stream.reader, &mut stream.writer);
        let (reads, writes) = (&mut outcome.reads, &mut outcome.writes);
        match halves {
            Halves::Together => tasks.spawn(self.name, async {
                for operation in self.operations {
                    if operation.is_read() {
                        reads.push(operation.read(reader, cancel).await)
                    } else {
                        writes.push(operation.write(writer, cancel).await)
                    }
                }
            }),
            Halves::Apart => {
                tasks.spawn("the reader's task", async {
                    for read in self.operations.iter().filter(|of| of.is_read()) {
                        reads.push(read.read(reader, cancel).await);
                    }
                });
                tasks.spawn("the writer's task", async {
                    for write in self.operations.iter().filter(|of| !of.is_read()) {
                        writes.push(write.write(writer, cancel).await);
                    }
                });
            }
        }
        let ran = tasks.run(order, seed);
        let state = transport.lock();
        outcome.received = state.peer.received().to_vec();
        outcome.has_seen_end = state.peer.has_seen_end();
        drop(state);
        (outcome, stream, ran)
    }

    /// The outcome where all input arrives at once, and all output leaves at once.
    pub fn reference(&self) -> Outcome {
        self.outcome_with(ScriptedPeer::new().sends(self.input))
    }

    /// As [`reference`](Self::reference), but the stream ends with a loss.
    pub fn reference_lost(&self) -> Outcome {
        let lost = TransportError::Lost(ConnectionError::Reset);
        self.outcome_with(
            ScriptedPeer::new()
                .sends(self.input)
                .fails(Call::Read, lost),
        )
    }

    fn outcome_with(&self, peer: ScriptedPeer) -> Outcome {
        let transport = Scripted::new(peer);
        self.run(
            &transport,
            Halves::Together,
            Full::Reads,
            Order::Strict,
            &Cancel::never(),
            0,
        )
        .0
    }

    /// A peer that sends the input in random pieces and takes output in others.
    ///
    /// Every call fails up to `most` times before it succeeds, in a way that is no failure.
    pub fn peer(&self, seed: u64, most: usize) -> ScriptedPeer {
        let mut random = Random(seed);
        let mut peer = ScriptedPeer::new();
        let hold_up = |mut peer: ScriptedPeer, random: &mut Random, call| {
            for _ in 0..random.below(most + 1) {
                let fault = match random.below(6) {
                    0 => TransportError::Interrupted,
                    _ => TransportError::WouldBlock,
                };
                peer = peer.fails(call, fault);
            }
            peer
        };
        let longest = 1 + random.below(self.input.len() + 1);
        let mut rest = self.input;
        while !rest.is_empty() {
            peer = hold_up(peer, &mut random, Call::Read);
            let (piece, behind) = rest.split_at(rest.len().min(1 + random.below(longest)));
            peer = peer.sends(piece);
            rest = behind;
        }
        peer = hold_up(peer, &mut random, Call::Read);
        let longest = 1 + random.below(12);
        for _ in 0..12 {
            peer = hold_up(peer, &mut random, Call::Write);
            peer = peer.takes(1 + random.below(longest));
        }
        for call in [Call::Flush, Call::Shutdown] {
            for _ in 0..3 {
                peer = hold_up(peer, &mut random, call);
            }
        }
        peer
    }

    /// Whether what is read is all that was received.
    pub fn takes_everything(&self) -> bool {
        let drops = |operation: &Operation| matches!(operation, SkipUntil(_));
        !self.operations.iter().any(drops) && !self.operations.contains(&ReadLine)
    }

    pub fn closes(&self) -> bool {
        self.operations.contains(&Close)
    }
}

impl Operation {
    pub fn is_read(self) -> bool {
        !matches!(self, Write(_) | Drain | Flush | Finish | Close)
    }

    /// Whether it takes what it returns.
    pub fn takes(self) -> bool {
        self.is_read() && !matches!(self, Peek(_) | SkipUntil(_))
    }

    fn name(self) -> &'static str {
        match self {
            Read(_) => "read",
            ReadLine => "read_line",
            ReadUntil(_) => "read_until",
            ReadExact(_) => "read_exact",
            ReadToEnd(_) => "read_to_end",
            SkipUntil(_) => "skip_until",
            Peek(_) => "peek",
            Write(_) => "write",
            Drain => "drain",
            Flush => "flush",
            Finish => "finish",
            Close => "close",
        }
    }

    async fn read(
        self,
        reader: &mut StreamReader<Scripted>,
        cancel: &Cancel,
    ) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        loop {
            let future = self.read_once(reader, &mut bytes);
            if let Some(done) = polled(future, cancel.after).await {
                return done.map(|()| bytes).map_err(Failure::from);
            }
            *cancel.dropped.borrow_mut().entry(self.name()).or_default() += 1;
            match cancel.then {
                Then::Retry => {}
                Then::Yield => yielded().await,
                // Another read first finishes what the skip has begun. The same one again is a second.
                Then::Other if matches!(self, SkipUntil(_)) => {
                    if reader.peek(1).await.is_ok() {
                        return Ok(bytes);
                    }
                }
                Then::Other => drop(polled(reader.peek(1), 1).await),
            }
        }
    }

    async fn read_once(
        self,
        reader: &mut StreamReader<Scripted>,
        bytes: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let separator = |bytes| Separator::new(bytes).expect("a separator");
        match self {
            Read(count) => {
                while bytes.len() < count {
                    let frame = reader.read(count - bytes.len()).await?;
                    if frame.is_empty() {
                        break;
                    }
                    bytes.extend_from_slice(&frame);
                }
            }
            ReadLine => bytes.extend_from_slice(&reader.read_line().await?),
            ReadUntil(of) => bytes.extend_from_slice(&reader.read_until(&separator(of)).await?),
            ReadExact(count) => bytes.extend_from_slice(&reader.read_exact(count).await?),
            ReadToEnd(max) => bytes.extend_from_slice(&reader.read_to_end(max).await?),
            SkipUntil(of) => drop(reader.skip_until(&separator(of)).await?),
            Peek(count) => bytes.extend_from_slice(reader.peek(count).await?),
            other => unreachable!("{other:?} is no read"),
        }
        Ok(())
    }

    async fn write(
        self,
        writer: &mut StreamWriter<Scripted>,
        cancel: &Cancel,
    ) -> Result<(), Failure> {
        loop {
            let future = async {
                match self {
                    Write(data) => writer.write(data),
                    Drain => writer.drain().await,
                    Flush => writer.flush().await,
                    Finish => writer.finish().await,
                    Close => writer.close().await,
                    other => unreachable!("{other:?} is a read"),
                }
            };
            if let Some(done) = polled(future, cancel.after).await {
                return done.map_err(Failure::from);
            }
            *cancel.dropped.borrow_mut().entry(self.name()).or_default() += 1;
            match cancel.then {
                Then::Retry => {}
                Then::Yield => yielded().await,
                Then::Other => drop(polled(writer.drain(), 1).await),
            }
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let lost = match &error {
            Error::ConnectionLost(lost) => {
                Some((lost.kind, lost.cause.as_ref().map(|cause| cause.kind())))
            }
            _ => None,
        };
        Self {
            text: error.to_string(),
            lost,
        }
    }
}
