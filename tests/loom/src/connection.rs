//! The slot of a connection beside its three parties: the owner, the server's task, and others that
//! leave commands. A party that waits is woken, a command is carried out once, the state is dropped once.

use std::io::Write;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::{Mutex, Notify};
use loom::thread;
use plimsoll::ConnectionError;

use crate::slot::{Abort, Command, Core, Guard, Look, Party, Says, Slot};

/// A task that waits.
struct Task(Notify);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// Polls until it is ready. Loom fails if it waits for ever.
fn block_on<A>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<A>) -> A {
    let task = Arc::new(Task(Notify::new()));
    let waker = Waker::from(Arc::clone(&task));
    loop {
        if let Poll::Ready(answer) = poll(&mut Context::from_waker(&waker)) {
            return answer;
        }
        task.0.wait();
    }
}

/// A socket: how much it has room for, how much has arrived, and, as sockets do, the last waker of
/// each direction.
#[derive(Default)]
struct Socket {
    room: usize,
    input: usize,
    sent: usize,
    sends: Option<Waker>,
    receives: Option<Waker>,
    /// The peer's, which waits for what is sent.
    peer: Option<Waker>,
}

/// A connection's transport.
struct Transport {
    socket: Arc<Mutex<Socket>>,
    counts: Arc<Counts>,
}

impl Abort for Transport {
    fn abort(&mut self) {
        self.counts.aborted.fetch_add(1, Relaxed);
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.counts.dropped.fetch_add(1, Relaxed);
    }
}

impl Transport {
    /// Receives a byte, if one has arrived.
    fn receive(&mut self, waker: &Waker) -> bool {
        let mut socket = self.socket.lock().unwrap();
        let has_input = socket.input > 0;
        socket.input -= usize::from(has_input);
        socket.receives = (!has_input).then(|| waker.clone());
        has_input
    }
}

/// A connection's core.
struct Connection {
    /// How much was written and not sent.
    unsent: usize,
    /// Whether the socket was asked to take it.
    is_offered: bool,
    is_closed: bool,
    is_lost: bool,
    /// Whether the server has begun to shut down, which no turn has shown.
    has_news: bool,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    closed: AtomicUsize,
    lost: AtomicUsize,
    aborted: AtomicUsize,
    dropped: AtomicUsize,
}

impl Core for Connection {
    fn close(&mut self) {
        self.is_closed = true;
        self.counts.closed.fetch_add(1, Relaxed);
    }

    fn lose(&mut self, _: ConnectionError) {
        self.is_lost = true;
        self.unsent = 0;
        self.counts.lost.fetch_add(1, Relaxed);
    }

    fn on_wake(&mut self) {
        self.is_offered = false;
    }

    fn on_shutdown(&mut self) {
        self.has_news = true;
    }

    fn says(&self) -> Says {
        Says {
            lost: self.is_lost.then_some(ConnectionError::Aborted),
            has_output: self.unsent > 0,
            has_unoffered_output: self.unsent > 0 && !self.is_offered,
            is_closing: self.is_closed,
            has_ended: false,
            moves: self.unsent as u16,
        }
    }

    fn is_cut_off(&self) -> bool {
        self.unsent > 0 || self.is_lost
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.counts.dropped.fetch_add(1, Relaxed);
    }
}

impl Connection {
    fn write(&mut self, count: usize) {
        if !self.is_lost {
            self.unsent += count;
            self.is_offered = false;
        }
    }
}

/// Sends as far as there is room. A call that need not wait makes the socket forget the waker of one
/// that had to.
fn send(guard: &mut Guard<'_, Connection, Transport>, waker: &Waker) {
    let (core, Some(transport)) = guard.both() else {
        return;
    };
    let mut socket = transport.socket.lock().unwrap();
    let sent = core.unsent.min(socket.room);
    core.unsent -= sent;
    core.is_offered = true;
    socket.room -= sent;
    socket.sent += sent;
    socket.sends = (core.unsent > 0).then(|| waker.clone());
    let peer = if sent > 0 { socket.peer.take() } else { None };
    drop(socket);
    if let Some(peer) = peer {
        peer.wake();
    }
    if sent > 0 {
        guard.notify();
    }
}

type TestSlot = Slot<Connection, Transport>;

/// What a model consists of.
struct Model {
    slot: Arc<TestSlot>,
    /// The transport's waker.
    waker: Waker,
    socket: Arc<Mutex<Socket>>,
    counts: Arc<Counts>,
}

impl Model {
    fn new(room: usize) -> Self {
        let socket = Arc::new(Mutex::new(Socket {
            room,
            ..Socket::default()
        }));
        let counts = Arc::new(Counts::default());
        let connection = Connection {
            unsent: 0,
            is_offered: true,
            is_closed: false,
            is_lost: false,
            has_news: false,
            counts: Arc::clone(&counts),
        };
        let transport = Transport {
            socket: Arc::clone(&socket),
            counts: Arc::clone(&counts),
        };
        let slot = Slot::new(connection, transport, true);
        Self {
            waker: Arc::clone(&slot).into(),
            slot,
            socket,
            counts,
        }
    }
}

impl Clone for Model {
    fn clone(&self) -> Self {
        Self {
            slot: Arc::clone(&self.slot),
            waker: self.waker.clone(),
            socket: Arc::clone(&self.socket),
            counts: Arc::clone(&self.counts),
        }
    }
}

impl Model {
    /// The peer takes, so that there is room for as much, or sends.
    fn peer(&self, room: usize, input: usize) {
        let mut socket = self.socket.lock().unwrap();
        socket.room += room;
        socket.input += input;
        let sends = if room > 0 { socket.sends.take() } else { None };
        let receives = if input > 0 {
            socket.receives.take()
        } else {
            None
        };
        drop(socket);
        for waker in [sends, receives].into_iter().flatten() {
            waker.wake();
        }
    }

    /// Waits, as the peer, until so much was sent.
    fn await_sent(&self, count: usize) {
        block_on(|cx| {
            let mut socket = self.socket.lock().unwrap();
            socket.peer = Some(cx.waker().clone());
            match socket.sent >= count {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        });
    }

    fn write(&self, count: usize) {
        self.slot.take().unwrap().core().write(count);
    }

    /// A turn of the owner: sends, then waits for input. `None` if the connection is at its end.
    fn turn(&self) -> Option<Guard<'_, Connection, Transport>> {
        block_on(|cx| {
            let mut guard = match self.slot.poll_take(cx) {
                Poll::Ready(Some(guard)) => guard,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            };
            send(&mut guard, &self.waker);
            let (core, transport) = guard.both();
            if core.is_lost || core.is_closed || mem::take(&mut core.has_news) {
                return Poll::Ready(None);
            }
            match transport.is_some_and(|transport| transport.receive(&self.waker)) {
                true => {
                    guard.put_back_transport();
                    Poll::Ready(Some(guard))
                }
                false => {
                    guard.wait(cx);
                    Poll::Pending
                }
            }
        })
    }

    /// Takes the connection out and puts it back, without a call of the transport.
    fn read_buffered(&self) {
        let taken = block_on(|cx| self.slot.poll_take(cx).map(drop));
        drop(taken);
    }

    /// The server's task. The handler is pending, since the owner is in another task. It sends
    /// whenever it can, and leaves when the owner has and all is sent, or the connection is gone.
    fn serve(&self) {
        let mut is_registered = false;
        block_on(|cx| {
            self.slot.begin_server_poll();
            if !self.slot.end_server_poll() && is_registered {
                return Poll::Pending;
            }
            is_registered = true;
            match self.slot.look(cx) {
                Look::Nothing => Poll::Pending,
                Look::Unoffered(mut guard) => {
                    send(&mut guard, &self.waker);
                    Poll::Pending
                }
                Look::Left(mut guard) => {
                    send(&mut guard, &self.waker);
                    match guard.core().unsent {
                        0 => Poll::Ready(()),
                        _ => Poll::Pending,
                    }
                }
                Look::Gone | Look::TakenOver | Look::Cancelled => Poll::Ready(()),
            }
        });
        self.slot.leave(Party::Server);
    }

    fn leave(&self) {
        self.slot.leave(Party::Owner);
    }

    fn command(&self, command: Command) {
        self.slot.command(command);
    }
}

/// Runs threads beside each other, then checks what came of it.
fn beside<const COUNT: usize>(
    name: &'static str,
    room: usize,
    preemptions: usize,
    threads: [fn(&Model); COUNT],
    check: fn(&Model),
) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(move || {
        counted.fetch_add(1, Relaxed);
        let model = Model::new(room);
        let others: Vec<_> = threads[1..]
            .iter()
            .map(|run| {
                let (run, model) = (*run, model.clone());
                thread::spawn(move || run(&model))
            })
            .collect();
        threads[0](&model);
        for other in others {
            other.join().unwrap();
        }
        check(&model);
        let dropped = model.counts.dropped.load(Relaxed);
        assert_eq!(dropped, 2, "core and transport are dropped");
    });
    let runs = runs.load(Relaxed);
    writeln!(std::io::stdout(), "loom: {name}, {runs} interleavings").unwrap();
}

fn all_is_sent(model: &Model) {
    assert_eq!(model.socket.lock().unwrap().room, 0);
    assert_eq!(model.counts.aborted.load(Relaxed), 0);
}

#[test]
fn output_of_an_owner_in_another_task_is_sent() {
    beside(
        "an owner that writes and leaves",
        1,
        3,
        [
            |model| {
                model.write(1);
                model.write(1);
                model.leave();
            },
            Model::serve,
            |model| model.peer(1, 0),
        ],
        all_is_sent,
    );
}

/// As one that asks a database: it waits for what the slot knows nothing of.
#[test]
fn output_is_sent_while_the_owner_waits_for_something_else() {
    beside(
        "an owner that waits for something else",
        0,
        2,
        [
            |model| {
                model.write(1);
                model.await_sent(1);
                model.leave();
            },
            Model::serve,
            |model| model.peer(1, 0),
        ],
        all_is_sent,
    );
}

/// The read takes what the transport has woken for, and offers it nothing.
#[test]
fn a_read_of_buffered_input_swallows_no_wake() {
    beside(
        "a read of what is buffered while the transport is ready again",
        0,
        2,
        [
            |model| {
                model.write(1);
                model.read_buffered();
                model.await_sent(1);
                model.leave();
            },
            Model::serve,
            |model| model.peer(1, 0),
        ],
        all_is_sent,
    );
}

#[test]
fn output_that_the_transport_would_not_take_is_sent_after_a_turn() {
    beside(
        "a turn while the transport is ready again",
        0,
        2,
        [
            |model| {
                model.write(1);
                drop(model.turn());
                model.await_sent(1);
                model.leave();
            },
            Model::serve,
            |model| {
                model.peer(0, 1);
                model.peer(1, 0);
            },
        ],
        all_is_sent,
    );
}

#[test]
fn a_turn_is_woken_by_input_after_another_party_has_polled() {
    beside(
        "a turn beside a server that sends",
        0,
        2,
        [
            |model| {
                model.write(1);
                model.turn().unwrap().core().write(1);
                model.leave();
            },
            Model::serve,
            |model| {
                model.peer(1, 0);
                model.peer(1, 1);
            },
        ],
        all_is_sent,
    );
}

#[test]
fn a_turn_that_found_the_connection_out_looks_again() {
    beside(
        "a turn beside a server that cannot send",
        0,
        2,
        [
            |model| {
                model.write(1);
                drop(model.turn().unwrap());
                model.peer(1, 0);
                model.leave();
            },
            Model::serve,
            |model| model.peer(0, 1),
        ],
        all_is_sent,
    );
}

const ABORT: Command = Command::Abort(ConnectionError::Aborted);

#[test]
fn an_abort_reaches_owner_and_server() {
    beside(
        "an abort beside a turn",
        0,
        2,
        [
            |model| {
                model.write(1);
                assert!(model.turn().is_none());
                model.leave();
            },
            Model::serve,
            |model| model.command(ABORT),
        ],
        |model| {
            assert_eq!(model.counts.lost.load(Relaxed), 1);
            assert_eq!(model.counts.aborted.load(Relaxed), 1);
        },
    );
}

#[test]
fn an_abort_does_not_wait_for_a_turn() {
    beside(
        "an abort while a turn is held",
        0,
        2,
        [
            |model| {
                let turn = model.turn();
                // The transport's, while the core is in the turn.
                while model.counts.dropped.load(Relaxed) == 0 {
                    thread::yield_now();
                }
                drop(turn);
                assert!(model.turn().is_none());
                model.leave();
            },
            Model::serve,
            |model| {
                model.peer(0, 1);
                model.command(ABORT);
            },
        ],
        |model| assert_eq!(model.counts.lost.load(Relaxed), 1),
    );
}

#[test]
fn an_abort_by_the_owner_in_a_turn_ends_the_transport() {
    beside(
        "an abort in a turn",
        0,
        2,
        [
            |model| {
                let mut turn = model.turn().unwrap();
                turn.core().lose(ConnectionError::Aborted);
                drop(turn);
                model.leave();
            },
            Model::serve,
            |model| model.peer(0, 1),
        ],
        |model| assert_eq!(model.counts.aborted.load(Relaxed), 1),
    );
}

#[test]
fn a_turn_that_waits_hears_of_a_shutdown() {
    beside(
        "a shutdown beside a turn",
        0,
        2,
        [
            |model| {
                assert!(model.turn().is_none());
                model.leave();
            },
            Model::serve,
            |model| model.command(Command::ShutDown),
        ],
        |model| assert_eq!(model.counts.aborted.load(Relaxed), 0),
    );
}

#[test]
fn two_commands_are_each_carried_out_at_most_once() {
    beside(
        "a close and an abort",
        0,
        2,
        [
            |model| {
                assert!(model.turn().is_none());
                model.leave();
            },
            Model::serve,
            |model| model.command(Command::Close),
            |model| model.command(ABORT),
        ],
        |model| {
            // The owner leaves after the first, and then the core may be gone.
            let [closed, lost] = [&model.counts.closed, &model.counts.lost];
            let [closed, lost] = [closed.load(Relaxed), lost.load(Relaxed)];
            assert!(closed <= 1 && lost <= 1 && closed + lost >= 1);
        },
    );
}

#[test]
fn a_leaked_turn_keeps_no_party_waiting() {
    beside(
        "a leaked turn",
        0,
        2,
        [
            |model| {
                let turn = model.turn().unwrap();
                // The core is leaked, and counted all the same.
                model.counts.dropped.fetch_add(1, Relaxed);
                std::mem::forget(turn);
                assert!(model.slot.take().is_none());
                assert!(model.turn().is_none());
                model.leave();
            },
            Model::serve,
            |model| model.peer(0, 1),
        ],
        |model| assert_eq!(model.counts.aborted.load(Relaxed), 1),
    );
}

#[test]
fn a_connection_that_is_taken_over_is_no_longer_the_servers() {
    beside(
        "a take-over beside an abort",
        1,
        2,
        [
            |model| {
                model.write(1);
                drop(model.slot.take_over(|_| true));
                model.leave();
            },
            Model::serve,
            |model| model.command(ABORT),
        ],
        |_| {},
    );
}
