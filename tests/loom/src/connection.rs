//! The slot of a connection with one owner beside its three parties: the owner, the server's task, and others
//! that leave commands.

mod claims;

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Poll, Waker};

use plimsoll::ConnectionError;

use crate::slot::{Command, Core, Guard, Io, Look, Party, Pressure, Says, Slot};
use crate::socket::Socket;
use crate::tasks::{block_on, explore};

/// A connection's transport.
struct Transport {
    socket: Socket,
    counts: Arc<Counts>,
}

/// One owner has both halves.
impl Io for Transport {
    type Read = ();

    fn abort(&mut self) {
        self.counts.aborted.fetch_add(1, Relaxed);
    }

    fn take_read_half(&mut self) -> Option<()> {
        None
    }

    fn put_read_half(&mut self, (): ()) {}

    fn read_half(&self) -> Option<&()> {
        None
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.counts.dropped.fetch_add(1, Relaxed);
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
    type End = ();
    type Ended = ();

    fn close(&mut self) {
        self.is_closed = true;
        self.counts.closed.fetch_add(1, Relaxed);
    }

    fn close_output(&mut self) {
        unreachable!("that is a pair's");
    }

    fn end_input(&mut self, (): ()) {
        unreachable!("that is a pair's");
    }

    fn how_ended(&self) {
        unreachable!("that is a pair's");
    }

    fn pressure(&self) -> Pressure {
        Pressure::default()
    }

    fn lose(&mut self, _: ConnectionError) {
        self.is_lost = true;
        self.unsent = 0;
        self.counts.lost.fetch_add(1, Relaxed);
    }

    fn give_up(&mut self) {}

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

/// Sends as far as there is room.
fn send(guard: &mut Guard<'_, Connection, Transport>, waker: &Waker) {
    let (core, Some(transport)) = guard.both() else {
        return;
    };
    core.is_offered = true;
    let sent = transport.socket.send(core.unsent, waker);
    let sent = sent.expect("a socket that is not reset");
    core.unsent -= sent;
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
    socket: Socket,
    counts: Arc<Counts>,
}

impl Model {
    fn new(room: usize) -> Self {
        let socket = Socket::new(room, 0);
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
            socket: socket.clone(),
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
            socket: self.socket.clone(),
            counts: Arc::clone(&self.counts),
        }
    }
}

impl Model {
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
            let received = transport.map(|transport| transport.socket.receive(&self.waker));
            if received.is_some_and(|received| received.is_ready()) {
                    guard.put_back_transport();
                    Poll::Ready(Some(guard))
                } else {
                    guard.wait(cx);
                    Poll::Pending
                }
        })
    }

    /// Takes the connection out and puts it back, without a call of the transport.
    fn read_buffered(&self) {
        block_on(|cx| self.slot.poll_take(cx).map(drop));
    }

    /// The server's task. The handler is pending, since the owner is in another task. It sends
    /// whenever it can, and leaves when the owner has and all is sent, or the connection is gone.
    fn serve(&self) {
        let mut is_registered = false;
        block_on(|cx| {
            self.slot.begin_server_poll();
            if !self.slot.end_server_poll(cx) && is_registered {
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
    let make = move || Model::new(room);
    explore(name, preemptions, make, threads, move |model| {
        check(model);
        let dropped = model.counts.dropped.load(Relaxed);
        assert_eq!(dropped, 2, "core and transport are dropped");
    });
}
