//! The one socket of all runtimes: as a transport, as two halves, and what it knows of addresses.
//!
//! What differs between runtimes is what [`Socket`] requires: how to wait, and the clock.

use std::borrow::Borrow;
use std::fmt;
use std::io::{self, IoSlice};
use std::net::Shutdown;
#[cfg(unix)]
use std::os::fd::{AsFd as AsSystemSocket, AsFd, BorrowedFd};
#[cfg(windows)]
use std::os::windows::io::{AsSocket as AsSystemSocket, AsSocket, BorrowedSocket};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use socket2::{SockAddr, SockRef};

use crate::clock::Sleep;
use crate::transport::{Addresses, ReadHalf, Transport, WriteHalf};

/// A connected stream socket of a runtime. Every such socket is a [`Transport`].
///
/// It says only what differs between runtimes. The halves of the transport are [`SocketRead`] and
/// [`SocketWrite`], which share the socket.
pub trait Socket: AsSystemSocket + Sized + Send + 'static {
    /// An address of its kind: that of `std::net`, or that of Unix sockets.
    type Address: Address;

    /// What [`as_ref`](AsRef::as_ref) of a half returns: the runtime's own socket.
    type Inner;

    /// The socket as both halves hold it: an `Arc` of it, or the socket itself if it can be cloned.
    type Shared: SharedSocket<Self>;

    /// Whether [`poll_readable`](Self::poll_readable) knows if receiving is worth trying before a
    /// receive had to wait.
    const KNOWS_READINESS: bool = false;

    /// Whether a write half that is dropped, of a connection that was neither ended nor aborted,
    /// ends the stream, while the read half may live on. If not, the stream ends when both halves
    /// are dropped.
    const ENDS_WHEN_WRITE_HALF_IS_DROPPED: bool = false;

    /// Returns the runtime's own socket.
    fn inner(&self) -> &Self::Inner;

    /// Receives into the front of `room`, which is not empty, and returns the number of bytes;
    /// waits while there are none. See [`ReadHalf::poll_read`].
    ///
    /// # Errors
    ///
    /// Those of the system.
    fn poll_recv(&self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Sends from the front of `slices`, none of which is empty, and returns the number of bytes;
    /// waits while the system takes none. See [`WriteHalf::poll_write`].
    ///
    /// # Errors
    ///
    /// Those of the system.
    fn poll_send(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;

    /// Waits until receiving is worth trying, if the runtime can tell; by default it is ready
    /// immediately. It is called after a receive had to wait, before the next one, and at any time
    /// if the runtime [knows](Self::KNOWS_READINESS). See [`ReadHalf::poll_readable`].
    ///
    /// # Errors
    ///
    /// Those of the runtime.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = cx;
        Poll::Ready(Ok(()))
    }

    /// Waits for `duration`, by the runtime's clock. Dropping it ends it. See [`Transport::sleep`],
    /// also for panics.
    fn sleep(duration: Duration) -> Sleep;

    /// Returns the time by the same clock as [`sleep`](Self::sleep).
    fn now() -> Instant {
        Instant::now()
    }

    /// Receives what the system has, without waiting. For [`poll_recv`](Self::poll_recv).
    ///
    /// # Errors
    ///
    /// Those of the system; [`WouldBlock`](io::ErrorKind::WouldBlock) if it has nothing.
    fn try_recv(&self, room: &mut [u8]) -> io::Result<usize> {
        #[cfg(unix)]
        {
            let (received, _) = rustix::net::recv(self, room, rustix::net::RecvFlags::empty())?;
            Ok(received)
        }
        #[cfg(not(unix))]
        {
            io::Read::read(&mut &*SockRef::from(self), room)
        }
    }

    /// Sends what the system takes, without waiting. For [`poll_send`](Self::poll_send).
    ///
    /// If the peer is gone it fails, whatever the action of SIGPIPE.
    ///
    /// # Errors
    ///
    /// Those of the system; [`WouldBlock`](io::ErrorKind::WouldBlock) if it takes nothing.
    fn try_send(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        #[cfg(unix)]
        let sent = match slices {
            // A plain send costs the system less.
            [slice] => rustix::net::send(self, slice, NO_SIGNAL)?,
            // Not `writev`, which takes no flags.
            _ => rustix::net::sendmsg(self, slices, &mut Default::default(), NO_SIGNAL)?,
        };
        #[cfg(not(unix))]
        let sent = SockRef::from(self).send_vectored(slices)?;
        Ok(sent)
    }
}

/// Keeps a send to a peer that is gone from raising SIGPIPE. Apple's sockets have an option
/// instead, which is set when they are made.
#[cfg(unix)]
const NO_SIGNAL: rustix::net::SendFlags = {
    #[cfg(not(target_vendor = "apple"))]
    {
        rustix::net::SendFlags::NOSIGNAL
    }
    #[cfg(target_vendor = "apple")]
    {
        rustix::net::SendFlags::empty()
    }
};

/// Makes a call of the system that does not wait, and waits if it would have to.
#[cfg(any(feature = "tokio", feature = "smol", feature = "blocking"))]
pub(crate) fn poll_call(
    mut call: impl FnMut() -> io::Result<usize>,
    mut wait: impl FnMut() -> Poll<io::Result<()>>,
) -> Poll<io::Result<usize>> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(wait())?,
            done => return Poll::Ready(done),
        }
    }
}

/// The half of a socket that bytes come out of.
#[derive(Debug)]
pub struct SocketRead<S: Socket> {
    socket: S::Shared,
    /// Whether the last receive had to wait. The next one waits for the socket before it calls the
    /// system: that takes note of what has ended the wait, and saves a call if nothing has.
    waits: bool,
}

/// The half of a socket that bytes go into.
///
/// Aborted, the socket resets the connection when both halves are dropped.
#[derive(Debug)]
pub struct SocketWrite<S: Socket> {
    socket: S::Shared,
    /// Whether dropping it ends the stream.
    ends: bool,
}

impl<S: Socket> Transport for S {
    type Read = SocketRead<S>;
    type Write = SocketWrite<S>;

    fn split(self) -> (SocketRead<S>, SocketWrite<S>) {
        let socket = S::Shared::from(self);
        let write = SocketWrite {
            socket: socket.clone(),
            ends: S::ENDS_WHEN_WRITE_HALF_IS_DROPPED,
        };
        let read = SocketRead {
            socket,
            waits: false,
        };
        (read, write)
    }

    fn reunite(read: SocketRead<S>, mut write: SocketWrite<S>) -> Self {
        write.ends = false;
        drop(write);
        read.socket.unshare()
    }

    fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        if <S::Address as sealed::Address>::IS_TCP {
            SockRef::from(self).set_tcp_nodelay(nodelay)
        } else {
            Ok(())
        }
    }

    fn sleep(duration: Duration) -> Sleep {
        <S as Socket>::sleep(duration)
    }

    fn now() -> Instant {
        <S as Socket>::now()
    }
}

impl<S: Socket> ReadHalf for SocketRead<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.waits {
            ready!(self.socket().poll_readable(cx))?;
        }
        let received = self.socket().poll_recv(cx, room);
        self.waits = received.is_pending();
        received
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.waits || S::KNOWS_READINESS {
            ready!(self.socket().poll_readable(cx))?;
            self.waits = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Socket> WriteHalf for SocketWrite<S> {
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.socket().poll_send(cx, slices)
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = SockRef::from(self.socket()).shutdown(Shutdown::Write);
        self.ends &= ended.is_err();
        Poll::Ready(ended)
    }

    fn abort(&mut self) {
        self.ends = false;
        // A failure concerns a connection that is gone already.
        let _ = SockRef::from(self.socket()).set_linger(Some(Duration::ZERO));
    }
}

impl<S: Socket> Drop for SocketWrite<S> {
    fn drop(&mut self) {
        if self.ends {
            // A failure concerns a connection that is gone already.
            let _ = SockRef::from(self.socket()).shutdown(Shutdown::Write);
        }
    }
}

impl<S: Socket> SocketRead<S> {
    fn socket(&self) -> &S {
        self.socket.borrow()
    }
}

impl<S: Socket> SocketWrite<S> {
    fn socket(&self) -> &S {
        self.socket.borrow()
    }
}

impl<S: Socket> Addresses for SocketRead<S> {
    type Address = S::Address;

    fn local_addr(&self) -> io::Result<S::Address> {
        local_addr(self.socket())
    }

    fn peer_addr(&self) -> io::Result<S::Address> {
        peer_addr(self.socket())
    }
}

impl<S: Socket> Addresses for SocketWrite<S> {
    type Address = S::Address;

    fn local_addr(&self) -> io::Result<S::Address> {
        local_addr(self.socket())
    }

    fn peer_addr(&self) -> io::Result<S::Address> {
        peer_addr(self.socket())
    }
}

fn local_addr<S: Socket>(socket: &S) -> io::Result<S::Address> {
    sealed::Address::from_system(SockRef::from(socket).local_addr()?)
}

fn peer_addr<S: Socket>(socket: &S) -> io::Result<S::Address> {
    sealed::Address::from_system(SockRef::from(socket).peer_addr()?)
}

/// To look at the socket, or to set its options. Bytes that are read from it are lost.
impl<S: Socket> AsRef<S::Inner> for SocketRead<S> {
    fn as_ref(&self) -> &S::Inner {
        self.socket().inner()
    }
}

/// To look at the socket, or to set its options. Bytes that are written to it may overtake others.
impl<S: Socket> AsRef<S::Inner> for SocketWrite<S> {
    fn as_ref(&self) -> &S::Inner {
        self.socket().inner()
    }
}

#[cfg(unix)]
impl<S: Socket> AsFd for SocketRead<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket().as_fd()
    }
}

#[cfg(unix)]
impl<S: Socket> AsFd for SocketWrite<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket().as_fd()
    }
}

#[cfg(windows)]
impl<S: Socket> AsSocket for SocketRead<S> {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        self.socket().as_socket()
    }
}

#[cfg(windows)]
impl<S: Socket> AsSocket for SocketWrite<S> {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        self.socket().as_socket()
    }
}

/// A socket as both halves of a transport hold it.
pub trait SharedSocket<S>: Borrow<S> + From<S> + Clone + fmt::Debug + Send + 'static {
    /// Returns the socket. [`Transport::reunite`] calls it once no other half holds the socket.
    fn unshare(self) -> S;
}

impl<S: Socket + fmt::Debug + Sync> SharedSocket<S> for Arc<S> {
    fn unshare(self) -> S {
        Arc::into_inner(self).expect("two halves of the same socket")
    }
}

impl<S: Socket + Clone + fmt::Debug> SharedSocket<S> for S {
    fn unshare(self) -> S {
        self
    }
}

/// The address of a socket: `std::net::SocketAddr`, or that of a Unix socket. No other type is one.
pub trait Address: sealed::Address {}

impl<A: sealed::Address> Address for A {}

mod sealed {
    use std::io;

    use socket2::SockAddr;

    /// What makes an address of the system's.
    pub trait Address: Sized {
        /// Whether its sockets are TCP's.
        const IS_TCP: bool;

        /// Converts an address of the system's.
        ///
        /// # Errors
        ///
        /// [`Unsupported`](io::ErrorKind::Unsupported) if it is of another kind.
        fn from_system(address: SockAddr) -> io::Result<Self>;
    }
}

impl sealed::Address for std::net::SocketAddr {
    const IS_TCP: bool = true;

    fn from_system(address: SockAddr) -> io::Result<Self> {
        let address = address.as_socket();
        address.ok_or_else(|| io::ErrorKind::Unsupported.into())
    }
}

#[cfg(unix)]
impl sealed::Address for std::os::unix::net::SocketAddr {
    const IS_TCP: bool = false;

    fn from_system(address: SockAddr) -> io::Result<Self> {
        if let Some(address) = address.as_unix() {
            return Ok(address);
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(name) = address.as_abstract_namespace() {
            #[cfg(target_os = "android")]
            use std::os::android::net::SocketAddrExt;
            #[cfg(target_os = "linux")]
            use std::os::linux::net::SocketAddrExt;
            return Self::from_abstract_name(name);
        }
        // The address of a socket that was not bound, as those of clients are.
        if address.is_unnamed() {
            Self::from_pathname("")
        } else {
            Err(io::ErrorKind::Unsupported.into())
        }
    }
}
