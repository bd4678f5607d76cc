//! The slot of a pair beside its parties: the writer, the reader, the server's task, and others that leave
//! commands. They do what `stream/writer.rs`, `stream/receiver.rs` and `server/served.rs` do.

mod aborting;
mod ending;
mod parts;
mod pausing;
mod sending;
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

use plimsoll::ConnectionError;

use self::parts::{Counts, Output, Transport};
use crate::slot::{Command, Core, Guard, Party, Reading, Slot, ToRead, Wish};
use crate::socket::Socket;
use crate::tasks::{block_on, explore};

type Beside = Reading<Output, Transport>;
type PairSlot = Slot<Output, Transport, Beside>;
type PairGuard<'a> = Guard<'a, Output, Transport, Beside>;

/// What a model consists of.
struct Pair {
    slot: Arc<PairSlot>,
    /// The transport's waker.
    waker: Waker,
    socket: Socket,
    counts: Arc<Counts>,
    /// How many halves have come to their ends.
    ends: Arc<loom::sync::atomic::AtomicUsize>,
    /// The parties that have left, a bit each.
    left: Arc<AtomicUsize>,
}

impl Clone for Pair {
    fn clone(&self) -> Self {
        Self {
            slot: Arc::clone(&self.slot),
            waker: self.waker.clone(),
            socket: self.socket.clone(),
            counts: Arc::clone(&self.counts),
            ends: Arc::clone(&self.ends),
            left: Arc::clone(&self.left),
        }
    }
}

/// What a read comes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Read {
    Bytes,
    /// The peer's stream has ended in order.
    End,
    /// This side was closed.
    Closed,
    Lost(ConnectionError),
}

const ABORTED: Read = Read::Lost(ConnectionError::Aborted);
const RESET: Read = Read::Lost(ConnectionError::Reset);
const ABORT: Command = Command::Abort(ConnectionError::Aborted);

/// How a model begins.
#[derive(Clone, Copy)]
struct Start {
    room: usize,
    input: usize,
    /// What was written before.
    output: usize,
    has_server: bool,
    has_layer: bool,
}

/// A connection with room for so much, without a server.
const fn alone(room: usize) -> Start {
    Start {
        room,
        input: 0,
        output: 0,
        has_server: false,
        has_layer: false,
    }
}

/// The same, with one.
const fn served(room: usize) -> Start {
    Start {
        has_server: true,
        ..alone(room)
    }
}

impl Pair {
    fn new(start: Start) -> Self {
        let socket = Socket::new(start.room, start.input);
        let counts = Arc::new(Counts::default());
        let transport = Transport::new(&socket, &counts, start.has_layer);
        let slot = PairSlot::new(
            Output::new(start.output, &counts),
            transport,
            start.has_server,
        );
        Self {
            waker: Arc::clone(&slot).into(),
            slot,
            socket,
            counts,
            ends: Arc::default(),
            left: Arc::default(),
        }
    }

    /// Queues output.
    fn write(&self, count: usize) {
        self.slot.queue(|output| output.write(count));
    }

    /// Sends until all is sent, or lost.
    fn drain(&self) -> Result<(), ConnectionError> {
        let sent = block_on(|cx| {
            self.slot.poll(cx, |guard| {
                let sent = self.send(guard);
                match guard.peek().lost() {
                    Some(lost) => Poll::Ready(Err(lost)),
                    None => sent.map(Ok),
                }
            })
        });
        sent.unwrap_or(Err(ConnectionError::Aborted))
    }

    /// Sends what there is. Ready when nothing is left.
    fn send(&self, guard: &mut PairGuard<'_>) -> Poll<()> {
        match guard.both() {
            (output, Some(transport)) => output.send(transport, &self.waker),
            (_, None) => Poll::Ready(()),
        }
    }

    /// Ends this side's stream, and sends until that has left.
    fn close(&self) -> Result<(), ConnectionError> {
        self.slot.change(Output::close_output);
        self.drain()
    }

    /// Takes the output and its transport out, and puts them back, as who asks for an address does.
    fn look_at_transport(&self) {
        drop(self.slot.take());
    }

    fn abort(&self) {
        self.command(Command::GiveUp);
    }

    /// Reads until there is something.
    fn read(&self) -> Read {
        block_on(|cx| self.poll_read(cx, false))
    }

    /// The same, by a reader that receives nothing while the output is full.
    fn read_paused(&self) -> Read {
        block_on(|cx| self.poll_read(cx, true))
    }

    /// A read that is given up if it has to wait.
    fn begin_read(&self) {
        let _ = self.poll_read(&mut Context::from_waker(Waker::noop()), false);
    }

    fn poll_read(&self, cx: &mut Context<'_>, pauses: bool) -> Poll<Read> {
        let mut has_offered = false;
        loop {
            let wish = Wish {
                has_offered,
                pauses,
                has_buffered: false,
            };
            let read = match self.slot.look_to_read(cx, wish) {
                ToRead::Ended(ended) => ended.map_or(Read::End, Read::Lost),
                ToRead::Closed => Read::Closed,
                ToRead::Aborted(lost) => Read::Lost(lost),
                ToRead::Wait => return Poll::Pending,
                ToRead::Receive(mut guard) => match guard.half().receive(&self.waker) {
                    Poll::Pending => {
                        guard.wait(cx);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(1..)) => {
                        guard.received();
                        Read::Bytes
                    }
                    Poll::Ready(end) => {
                        guard.end(end.map(drop));
                        continue;
                    }
                },
                ToRead::Send(mut guard) => {
                    if guard.both().1.is_none() {
                        continue; // it was aborted meanwhile
                    }
                    let before = guard.peek().stage();
                    let _ = self.send(&mut guard);
                    if before != guard.peek().stage() {
                        guard.notify();
                    }
                    has_offered = true;
                    let Some(received) = self.receive_under_a_layer(&mut guard, pauses) else {
                        continue;
                    };
                    match received {
                        Poll::Pending => {
                            guard.wait(cx);
                            return Poll::Pending;
                        }
                        Poll::Ready(Ok(1..)) => {
                            guard.received();
                            Read::Bytes
                        }
                        Poll::Ready(end) => {
                            guard.end_input(end.map(drop));
                            continue;
                        }
                    }
                }
            };
            return Poll::Ready(read);
        }
    }

    /// `None` if there is none.
    fn receive_under_a_layer(
        &self,
        guard: &mut PairGuard<'_>,
        pauses: bool,
    ) -> Option<Poll<Result<usize, ConnectionError>>> {
        let (output, Some(transport)) = guard.both() else {
            return None;
        };
        if !transport.has_layer() {
            return None;
        }
        if pauses && output.pressure().is_full {
            return Some(Poll::Pending);
        }
        transport.receive(&self.waker)
    }

    fn leave(&self, party: Party) {
        self.left.fetch_or(1 << party as usize, Relaxed);
        self.slot.leave(party);
    }

    /// Ends one half. The last leaves for both: a party that leaves wakes all, which would hide that one was not
    /// woken before.
    fn end_half(&self) {
        if self.ends.fetch_add(1, loom::sync::atomic::Ordering::AcqRel) > 0 {
            self.leave(Party::Owner);
            self.leave(Party::Reader);
        }
    }

    fn command(&self, command: Command) {
        self.slot.command(command);
    }

    fn aborted(&self) -> usize {
        self.counts.aborted.load(Relaxed)
    }
}

/// Runs threads beside each other, has the parties leave that have not, then checks what came of it, and that
/// nothing rests any more.
fn beside<const COUNT: usize>(
    name: &'static str,
    start: Start,
    preemptions: usize,
    threads: [fn(&Pair); COUNT],
    check: fn(&Pair),
) {
    let make = move || Pair::new(start);
    explore(name, preemptions, make, threads, move |pair| {
        let dropped = [&pair.counts.transports, &pair.counts.read_halves];
        if pair.aborted() > 0 {
            let dropped = dropped.map(|count| count.load(Relaxed));
            assert_eq!(
                dropped, [1; 2],
                "what was aborted is dropped before all leave"
            );
        }
        for party in [Party::Owner, Party::Reader, Party::Server] {
            if pair.left.load(Relaxed) & 1 << party as usize == 0 {
                pair.leave(party);
            }
        }
        check(pair);
        assert!(pair.aborted() <= 1, "aborted once");
        let counts = [
            &pair.counts.outputs,
            &pair.counts.transports,
            &pair.counts.read_halves,
        ];
        let dropped = counts.map(|count| count.load(Relaxed));
        assert_eq!(dropped, [1; 3], "each part is dropped once");
    });
}
