//! A connection within the process: two pipes of bounded size, for tests, on any runtime or none.
//!
//! It behaves as a socket does: a full pipe makes the writer wait, the end of the stream goes one
//! way, a half that is dropped shows on the other side, and only the last waker is remembered.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::transport::{ReadHalf, Transport, WriteHalf};

/// One end of a connection in memory. Dropping it ends it: the other end reads what is on its way,
/// then the end of the stream, and its writes fail.
#[derive(Debug)]
pub struct DuplexStream {
    read: DuplexRead,
    write: DuplexWrite,
}

/// The side of a [`DuplexStream`] that bytes come out of. Once it is dropped, the other end's
/// writes fail.
#[derive(Debug)]
pub struct DuplexRead(Arc<Mutex<Pipe>>);

/// The side of a [`DuplexStream`] that bytes go into. Once it is dropped, the other end's reads
/// come to the end of the stream, behind what is on its way; after an abort to a reset, at once.
#[derive(Debug)]
pub struct DuplexWrite {
    to: Arc<Mutex<Pipe>>,
    /// The pipe in the other direction, which an abort breaks, too.
    from: Arc<Mutex<Pipe>>,
}

#[derive(Debug)]
struct Pipe {
    bytes: VecDeque<u8>,
    /// Most bytes in the pipe.
    capacity: usize,
    /// What the reader finds behind the last byte.
    end: Option<End>,
    /// How the reader is gone, if it is.
    unread: Option<End>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Clean,
    Reset,
}

/// Creates two transports that are connected to each other, as tokio's `duplex`.
///
/// At most `capacity` bytes are on their way in each direction; a writer waits while there are as
/// many.
///
/// ```
/// # use plimsoll_io::{StreamPair, duplex};
/// # smol::block_on(async {
/// let (client, server) = duplex(1024);
/// let (mut client, mut server) = (StreamPair::new(client), StreamPair::new(server));
/// client.writer.write(b"PING\r\n")?;
/// client.writer.drain().await?;
/// assert_eq!(server.reader.read_line().await?, "PING\r\n");
/// # Ok::<(), plimsoll_io::Error>(())
/// # }).unwrap();
/// ```
///
/// # Panics
///
/// If `capacity` is zero.
pub fn duplex(capacity: usize) -> (DuplexStream, DuplexStream) {
    assert!(capacity > 0, "a pipe of zero bytes");
    let pipe = || {
        Arc::new(Mutex::new(Pipe {
            bytes: VecDeque::new(),
            capacity,
            end: None,
            unread: None,
            reader: None,
            writer: None,
        }))
    };
    let (one, other) = (pipe(), pipe());
    let end = |from: &Arc<_>, to: &Arc<_>| DuplexStream {
        read: DuplexRead(Arc::clone(from)),
        write: DuplexWrite {
            to: Arc::clone(to),
            from: Arc::clone(from),
        },
    };
    (end(&one, &other), end(&other, &one))
}

impl Transport for DuplexStream {
    type Read = DuplexRead;
    type Write = DuplexWrite;

    fn split(self) -> (DuplexRead, DuplexWrite) {
        (self.read, self.write)
    }

    fn reunite(read: DuplexRead, write: DuplexWrite) -> Self {
        Self { read, write }
    }
}

impl ReadHalf for DuplexRead {
    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut pipe = lock(&self.0);
        if pipe.bytes.is_empty() {
            return match pipe.end {
                Some(End::Clean) => Poll::Ready(Ok(0)),
                Some(End::Reset) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                None => {
                    pipe.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            };
        }
        let count = pipe.bytes.read(room)?;
        wake(pipe, |pipe| &mut pipe.writer);
        Poll::Ready(Ok(count))
    }
}

impl WriteHalf for DuplexWrite {
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut pipe = lock(&self.to);
        if pipe.unread == Some(End::Reset) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if pipe.unread.is_some() || pipe.end.is_some() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = pipe.capacity - pipe.bytes.len();
        if room == 0 {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let mut left = room;
        for slice in slices {
            let taken = slice.len().min(left);
            pipe.bytes.extend(&slice[..taken]);
            left -= taken;
        }
        let count = room - left;
        wake(pipe, |pipe| &mut pipe.reader);
        Poll::Ready(Ok(count))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end(End::Clean);
        Poll::Ready(Ok(()))
    }

    fn abort(&mut self) {
        self.end(End::Reset);
        leave(&self.from, End::Reset);
    }
}

impl DuplexWrite {
    /// Ends the pipe, unless it has ended. A reset drops what is on its way.
    fn end(&self, end: End) {
        let mut pipe = lock(&self.to);
        if pipe.end.is_none() {
            pipe.end = Some(end);
            if end == End::Reset {
                pipe.bytes.clear();
            }
            wake(pipe, |pipe| &mut pipe.reader);
        }
    }
}

impl Drop for DuplexWrite {
    fn drop(&mut self) {
        self.end(End::Clean);
    }
}

impl Drop for DuplexRead {
    fn drop(&mut self) {
        leave(&self.0, End::Clean);
    }
}

/// Records that a pipe's reader is gone.
fn leave(pipe: &Mutex<Pipe>, how: End) {
    let mut pipe = lock(pipe);
    pipe.unread.get_or_insert(how);
    wake(pipe, |pipe| &mut pipe.writer);
}

fn lock(pipe: &Mutex<Pipe>) -> MutexGuard<'_, Pipe> {
    pipe.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes a side, with the pipe no longer locked.
fn wake(mut pipe: MutexGuard<'_, Pipe>, side: impl FnOnce(&mut Pipe) -> &mut Option<Waker>) {
    let waker = side(&mut pipe).take();
    drop(pipe);
    if let Some(waker) = waker {
        waker.wake();
    }
}
