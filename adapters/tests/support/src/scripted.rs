//! A transport over the core's scripted peer. It forgets whom to wake as early as a transport may.

use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use plimsoll::TransportError;
use plimsoll::testing::{Call, ScriptedPeer};
use plimsoll_io::{ReadHalf, Sleep, Transport, WriteHalf};

/// The transport, and whoever looks at what became of the peer.
#[derive(Clone, Debug)]
pub struct Scripted(Arc<Mutex<State>>);

#[derive(Debug)]
pub struct ScriptedRead(Scripted);

/// `None` once it was joined again.
#[derive(Debug)]
pub struct ScriptedWrite(Option<Scripted>);

#[derive(Debug)]
pub struct State {
    pub peer: ScriptedPeer,
    /// All calls, in order.
    pub calls: Vec<Call>,
    /// What the peer's reads have handed out.
    pub handed_out: Vec<u8>,
    /// The number of the first read that found the end of the stream.
    pub ended_at: Option<usize>,
    /// A call, by its number, and the count that it answers with instead of asking the peer.
    lie: Option<(usize, Lie)>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// A count that a transport should not answer with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lie {
    /// A write that takes nothing.
    Zero,
    /// One byte more than there is.
    OneTooMany,
}

impl Scripted {
    pub fn new(peer: ScriptedPeer) -> Self {
        Self::lying(peer, None)
    }

    /// A transport whose call with this number, from zero, answers with a count that cannot be.
    pub fn lying(peer: ScriptedPeer, lie: Option<(usize, Lie)>) -> Self {
        Self(Arc::new(Mutex::new(State {
            peer,
            calls: Vec::new(),
            handed_out: Vec::new(),
            ended_at: None,
            lie,
            reader: None,
            writer: None,
        })))
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic while it is locked")
    }

    /// Wakes who waits for one of the directions. Tells whether anybody did.
    pub fn fire(&self) -> bool {
        let mut state = self.lock();
        let waker = state.writer.take().or_else(|| state.reader.take());
        drop(state);
        waker.map(Waker::wake).is_some()
    }

    /// Wakes who waits for input. Tells whether anybody did.
    pub fn fire_reader(&self) -> bool {
        let waker = self.lock().reader.take();
        waker.map(Waker::wake).is_some()
    }

    /// Makes a call, and remembers its waker only if it has to wait.
    fn call<A>(
        &self,
        cx: &Context<'_>,
        call: Call,
        ask: impl FnOnce(&mut State, Option<Lie>) -> Result<A, TransportError>,
    ) -> Poll<io::Result<A>> {
        let mut state = self.lock();
        let number = state.calls.len();
        let lie = state
            .lie
            .filter(|(of, _)| *of == number)
            .map(|(_, lie)| lie);
        state.calls.push(call);
        let answer = ask(&mut state, lie);
        let waiting = match call {
            Call::Read => &mut state.reader,
            _ => &mut state.writer,
        };
        *waiting = None;
        match answer {
            Ok(answer) => Poll::Ready(Ok(answer)),
            Err(TransportError::WouldBlock) => {
                *waiting = Some(cx.waker().clone());
                Poll::Pending
            }
            Err(fault) => Poll::Ready(Err(kind_of(fault).into())),
        }
    }
}

/// What an operating system calls a fault.
pub fn kind_of(fault: TransportError) -> io::ErrorKind {
    match fault {
        TransportError::WouldBlock => io::ErrorKind::WouldBlock,
        TransportError::Interrupted => io::ErrorKind::Interrupted,
        TransportError::Lost(error) => error.kind(),
        other => panic!("{other} is new"),
    }
}

impl Transport for Scripted {
    type Read = ScriptedRead;
    type Write = ScriptedWrite;

    fn split(self) -> (ScriptedRead, ScriptedWrite) {
        (ScriptedRead(self.clone()), ScriptedWrite(Some(self)))
    }

    fn reunite(read: ScriptedRead, mut write: ScriptedWrite) -> Self {
        write.0 = None;
        read.0
    }

    /// No time passes in these tests.
    fn sleep(_: Duration) -> Sleep {
        Box::pin(std::future::pending())
    }
}

impl ReadHalf for ScriptedRead {
    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.call(cx, Call::Read, |state, lie| {
            if lie.is_some() {
                return Ok(room.len() + 1);
            }
            let received = state.peer.read(room)?;
            state.handed_out.extend_from_slice(&room[..received]);
            if received == 0 {
                state.ended_at.get_or_insert(state.calls.len() - 1);
            }
            Ok(received)
        })
    }
}

impl ScriptedWrite {
    fn transport(&self) -> &Scripted {
        self.0.as_ref().expect("it was not joined")
    }
}

/// The end of a pipe.
impl Drop for ScriptedWrite {
    fn drop(&mut self) {
        if let Some(Ok(mut state)) = self.0.as_ref().map(|transport| transport.0.lock()) {
            state.peer.drop_write_side();
        }
    }
}

impl WriteHalf for ScriptedWrite {
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        assert!(slices.iter().all(|slice| !slice.is_empty()));
        self.transport()
            .call(cx, Call::Write, |state, lie| match lie {
                Some(Lie::Zero) => Ok(0),
                Some(Lie::OneTooMany) => {
                    Ok(slices.iter().map(|slice| slice.len()).sum::<usize>() + 1)
                }
                None => {
                    let slices: Vec<&[u8]> = slices.iter().map(|slice| &**slice).collect();
                    state.peer.write(&slices)
                }
            })
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport()
            .call(cx, Call::Flush, |state, _| state.peer.flush())
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport()
            .call(cx, Call::Shutdown, |state, _| state.peer.shutdown())
    }
}
