//! Every call that a session makes fails, in every way: waiting changes nothing, a loss is told, nothing hangs.

use std::future::Future;
use std::io;

use io_test_support::executor::{Order, Ran, Tasks};
use io_test_support::scripted::{Lie, Scripted, kind_of};
use io_test_support::session::{
    Cancel, EVERYTHING, Failure, Full, Halves, Outcome, SESSIONS, Session, WAYS,
};
use io_test_support::{Case, report};
use plimsoll::ConnectionError;
use plimsoll::TransportError;
use plimsoll::testing::{Call, ScriptedPeer};
use plimsoll_io::{Error, Separator, StreamPair, WriteError};

/// How many scripts for each session.
const PLANS: u64 = 24;

/// How a call fails.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    TransportError(TransportError),
    Lie(Lie),
}

const TROUBLES: [Trouble; 10] = [
    Trouble::TransportError(TransportError::WouldBlock),
    Trouble::TransportError(TransportError::Interrupted),
    Trouble::TransportError(TransportError::Lost(ConnectionError::Reset)),
    Trouble::TransportError(TransportError::Lost(ConnectionError::Aborted)),
    Trouble::TransportError(TransportError::Lost(ConnectionError::TimedOut)),
    Trouble::TransportError(TransportError::Lost(ConnectionError::Transport)),
    Trouble::TransportError(TransportError::Lost(ConnectionError::BrokenPipe)),
    Trouble::TransportError(TransportError::Lost(ConnectionError::NotConnected)),
    Trouble::Lie(Lie::Zero),
    Trouble::Lie(Lie::OneTooMany),
];

impl Trouble {
    /// Whether this can happen to such a call. A read of zero bytes is the end of the stream.
    fn befalls(self, call: Call) -> bool {
        match self {
            Self::TransportError(_) => true,
            Self::Lie(Lie::Zero) => call == Call::Write,
            Self::Lie(Lie::OneTooMany) => matches!(call, Call::Read | Call::Write),
        }
    }

    fn transport(self, peer: ScriptedPeer, number: usize) -> Scripted {
        match self {
            Self::TransportError(fault) => Scripted::new(peer.fail_call(number, fault)),
            Self::Lie(lie) => Scripted::lying(peer, Some((number, lie))),
        }
    }

    /// The loss and the cause that it must show as, if it is one.
    fn loss(self) -> Option<(ConnectionError, Option<io::ErrorKind>)> {
        match self {
            Self::TransportError(TransportError::Lost(loss)) => {
                // No transport reports an abort on this side; it means one on the way.
                let shown = match loss {
                    ConnectionError::Aborted => ConnectionError::Reset,
                    loss => loss,
                };
                Some((shown, Some(kind_of(TransportError::Lost(loss)))))
            }
            Self::TransportError(_) => None,
            Self::Lie(Lie::Zero) => {
                Some((ConnectionError::Transport, Some(io::ErrorKind::WriteZero)))
            }
            Self::Lie(Lie::OneTooMany) => {
                Some((ConnectionError::Transport, Some(io::ErrorKind::InvalidData)))
            }
        }
    }
}

/// A session, and what it came to without a failure.
struct Unharmed<'a> {
    session: &'a Session,
    reference: Outcome,
    /// The same, but the stream ends with a loss.
    reference_lost: Outcome,
    peer: ScriptedPeer,
    halves: Halves,
    full: Full,
    order: Order,
    seed: u64,
    calls: Vec<Call>,
    ran: Ran,
}

impl<'a> Unharmed<'a> {
    fn new(session: &'a Session, plan: u64, halves: Halves, full: Full) -> Self {
        // Strict, so that polls can be compared; the last plans hold up every call a little.
        let mut unharmed = Self {
            session,
            reference: session.reference(),
            reference_lost: session.reference_lost(),
            peer: session.peer(plan, usize::from(plan % 4 == 3)),
            halves,
            full,
            order: Order::Strict,
            seed: plan,
            calls: Vec::new(),
            ran: Ran::default(),
        };
        let transport = Scripted::new(unharmed.peer.clone());
        let (outcome, _, ran) = unharmed.run(&transport);
        assert_eq!(outcome, unharmed.reference);
        unharmed.calls = transport.lock().calls.clone();
        unharmed.ran = ran;
        unharmed
    }

    fn run(&self, transport: &Scripted) -> (Outcome, StreamPair<Scripted>, Ran) {
        let never = Cancel::never();
        self.session.run(
            transport,
            self.halves,
            self.full,
            self.order,
            &never,
            self.seed,
        )
    }

    /// Runs the session with one call that fails, and looks at what it comes to.
    fn fail(&self, number: usize, trouble: Trouble) {
        let transport = trouble.transport(self.peer.clone(), number);
        let (outcome, mut stream, ran) = self.run(&transport);
        let calls = transport.lock().calls.clone();
        assert!(
            ran.polls <= 10 * self.ran.polls && calls.len() <= 10 * self.calls.len(),
            "{} polls and {} calls",
            ran.polls,
            calls.len()
        );
        assert_eq!(
            calls[..=number],
            self.calls[..=number],
            "the same up to the failure"
        );
        let Some(loss) = trouble.loss() else {
            assert_eq!(outcome, self.reference);
            return;
        };

        assert!(self.reference.received.starts_with(&outcome.received));
        if calls[number] == Call::Read {
            assert_eq!(calls.len(), number + 1, "nothing is asked of what is lost");
            self.check_reads(&outcome, &mut stream, &transport, loss);
        } else {
            assert!(calls[number + 1..].iter().all(|call| *call == Call::Read));
            self.check_reads_after_a_write(&outcome, &transport, number, loss);
        }
        let has_ended = transport.lock().ended_at.is_some_and(|at| at < number);
        self.check_writes(&outcome, calls[number], loss, has_ended);
        let is_done =
            calls[number] == Call::Shutdown && loss.0 == ConnectionError::NotConnected && has_ended;
        if !is_done {
            check_that_it_stays(&mut stream, &transport, number, loss);
        }
    }

    /// Reads are those of the session up to the loss, and every byte before it can be had.
    fn check_reads(
        &self,
        outcome: &Outcome,
        stream: &mut StreamPair<Scripted>,
        transport: &Scripted,
        loss: (ConnectionError, Option<io::ErrorKind>),
    ) {
        let is_lost = |read: &Result<Vec<u8>, Failure>| matches!(read, Err(failure) if failure.lost.is_some());
        let before = outcome.reads.iter().take_while(|read| !is_lost(read));
        let before = before.count();
        assert_eq!(outcome.reads[..before], self.reference.reads[..before]);
        for failure in outcome.reads.iter().filter_map(|read| read.as_ref().err()) {
            assert!(failure.lost.is_none_or(|lost| lost == loss), "{failure:?}");
        }
        let is_read = |of: &&io_test_support::session::Operation| of.is_read();
        let operations = self.session.operations.iter().filter(is_read);
        let mut taken = Vec::new();
        for (operation, read) in operations.zip(&outcome.reads) {
            if let (true, Ok(bytes)) = (operation.takes(), read) {
                taken.extend_from_slice(bytes);
            }
        }
        let buffered = stream.reader.buffered().to_vec();
        if !buffered.is_empty() {
            let mut rest = Vec::new();
            let read = async {
                rest.extend_from_slice(&stream.reader.read(EVERYTHING).await?);
                Ok(())
            };
            alone(transport, read).expect("what came before the loss");
            assert_eq!(rest, buffered);
        }
        if self.session.takes_everything() {
            // A read that failed in the middle has its bytes; it is the only one that has.
            let handed_out = transport.lock().handed_out.clone();
            let in_between = handed_out.len() - taken.len() - buffered.len();
            assert!(in_between == 0 || self.session.name == "read");
            assert!(handed_out.starts_with(&taken) && handed_out.ends_with(&buffered));
        }
    }

    /// Reads go on up to the end of the stream, which is the write's loss unless it came first.
    fn check_reads_after_a_write(
        &self,
        outcome: &Outcome,
        transport: &Scripted,
        number: usize,
        loss: (ConnectionError, Option<io::ErrorKind>),
    ) {
        let ended_at = transport.lock().ended_at;
        if ended_at.is_none_or(|at| at < number) || !ends_both_directions(loss) {
            assert_eq!(outcome.reads, self.reference.reads, "reading goes on");
            return;
        }
        assert_eq!(outcome.reads.len(), self.reference_lost.reads.len());
        for (read, expected) in outcome.reads.iter().zip(&self.reference_lost.reads) {
            match (read, expected) {
                (Err(failure), Err(expected)) if expected.lost.is_some() => {
                    assert_eq!(failure.lost, Some(loss));
                }
                _ => assert_eq!(read, expected),
            }
        }
    }

    fn check_writes(
        &self,
        outcome: &Outcome,
        call: Call,
        loss: (ConnectionError, Option<io::ErrorKind>),
        has_ended: bool,
    ) {
        let writes = outcome.writes.iter().zip(&self.reference.writes);
        let mut lost = false;
        for (write, unharmed) in writes {
            match write {
                Err(failure) if failure.lost.is_some() => {
                    assert_eq!(failure.lost, Some(loss));
                    lost = true;
                }
                write => {
                    assert!(!lost, "a loss is for good");
                    assert_eq!(write, unharmed);
                }
            }
        }
        // Where the last operation was a read, none was left to tell of it; asked again, they do.
        let ends_with_a_read = self
            .session
            .operations
            .last()
            .is_some_and(|of| of.is_read());
        // After the ends of both directions there is nothing left to be connected to.
        let is_done = call == Call::Shutdown && loss.0 == ConnectionError::NotConnected;
        assert!(lost || call == Call::Read || ends_with_a_read || is_done && has_ended);
    }
}

/// Asked again, all operations that have failed fail again, with the same cause; and then again.
fn check_that_it_stays(
    stream: &mut StreamPair<Scripted>,
    transport: &Scripted,
    number: usize,
    loss: (ConnectionError, Option<io::ErrorKind>),
) {
    let state = transport.lock();
    let (call, ended_at, calls) = (state.calls[number], state.ended_at, state.calls.len());
    drop(state);
    let is_told_to_reads = ends_both_directions(loss) && ended_at.is_some_and(|at| at > number);
    let reads_are_lost = call == Call::Read || is_told_to_reads;
    if reads_are_lost && !stream.reader.buffered().is_empty() {
        // What came before the loss comes first.
        alone(transport, stream.reader.read(EVERYTHING)).unwrap();
    }
    // `finish` does not close: the loss is told still.
    let was_closed = matches!(
        stream.writer.write(b""),
        Err(Error::Write(WriteError::Closed))
    );
    assert!(!was_closed || call == Call::Read);
    for _ in 0..2 {
        let mut outcomes = Vec::new();
        let (reader, writer) = (&mut stream.reader, &mut stream.writer);
        if reads_are_lost {
            assert!(reader.buffered().is_empty());
            outcomes.push(alone(transport, reader.read(1)));
            outcomes.push(alone(transport, reader.read_line()));
            outcomes.push(alone(transport, reader.read_until(&Separator::CRLF)));
            outcomes.push(alone(transport, reader.read_exact(1)));
            outcomes.push(alone(transport, reader.read_to_end(9)));
            outcomes.push(alone(transport, reader.skip_until(&Separator::CRLF)));
            outcomes.push(alone(transport, reader.peek(1)));
        }
        // A write side that was closed in order cannot be lost any more.
        if !was_closed {
            outcomes.push(writer.write(b"x"));
            outcomes.push(alone(transport, writer.drain()));
            outcomes.push(alone(transport, writer.flush()));
            outcomes.push(alone(transport, writer.finish()));
            outcomes.push(alone(transport, writer.close()));
        }
        for outcome in outcomes {
            let failure = Failure::from(outcome.unwrap_err());
            assert_eq!(failure.lost, Some(loss), "{failure:?}");
        }
    }
    assert_eq!(
        transport.lock().calls.len(),
        calls,
        "the transport is left alone"
    );
}

/// Whether zero bytes received are no end in order after a send has failed like this.
fn ends_both_directions((_, cause): (ConnectionError, Option<io::ErrorKind>)) -> bool {
    !matches!(
        cause,
        Some(io::ErrorKind::BrokenPipe | io::ErrorKind::NotConnected)
    )
}

/// Runs one operation by itself, and leaves out what it took.
fn alone<A>(
    transport: &Scripted,
    operation: impl Future<Output = Result<A, Error>>,
) -> Result<(), Error> {
    let mut answer = None;
    let mut tasks = Tasks::with_outside(|| transport.fire());
    tasks.spawn("an operation", async {
        answer = Some(operation.await.map(drop));
    });
    tasks.run(Order::Strict, 0);
    answer.expect("a task that has run")
}

#[test]
fn t43_every_call_of_every_session_may_fail_in_every_way() {
    let (mut runs, mut expected): (u64, u64) = (0, 0);
    for session in &SESSIONS {
        for plan in 0..PLANS {
            for (halves, full) in WAYS {
                let unharmed = Unharmed::new(session, plan, halves, full);
                for (number, &call) in unharmed.calls.iter().enumerate() {
                    expected += match call {
                        Call::Write => 10,
                        Call::Read => 9,
                        _ => 8,
                    };
                    for trouble in TROUBLES.into_iter().filter(|of| of.befalls(call)) {
                        let _case = Case(format!(
                            "{}, plan {plan}, {halves:?}, {full:?}, {trouble:?} at call {number}, {call:?}",
                            session.name
                        ));
                        unharmed.fail(number, trouble);
                        runs += 1;
                    }
                }
            }
        }
    }
    report(&format!("faults: {runs} runs"));
    assert_eq!(runs, expected);
    assert!(runs >= 20_000, "{runs} runs");
}
