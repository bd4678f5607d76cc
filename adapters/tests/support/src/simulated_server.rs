//! A runtime and a listener within a simulation: its tasks run in one task of the executor's, each
//! polled only when it was woken.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Future, poll_fn, ready};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use plimsoll_io::{Addresses, Clock, Listener, ReadHalf, Runtime, Sleep, Transport, WriteHalf};

use crate::network::{End, EndRead, EndWrite};
use crate::once::Once;

/// The runtime. It has no sockets: its servers are given what they accept.
pub struct Simulated;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

thread_local! {
    /// What was spawned in the run on this thread, and not taken up.
    static SPAWNED: RefCell<Vec<Task>> = RefCell::default();
}

/// Wakes a task in the executor's.
struct Inner {
    is_woken: AtomicBool,
    outer: Arc<Mutex<Option<Waker>>>,
}

impl Wake for Inner {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Relaxed);
        let outer = self
            .outer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(outer) = outer {
            outer.wake();
        }
    }
}

/// Runs everything that is spawned, to its end.
pub async fn tasks() {
    let outer = Arc::new(Mutex::new(None));
    let mut tasks: Vec<(Task, Arc<Inner>)> = Vec::new();
    poll_fn(|cx| {
        *outer.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        loop {
            for task in SPAWNED.take() {
                let inner = Inner {
                    is_woken: AtomicBool::new(true),
                    outer: Arc::clone(&outer),
                };
                tasks.push((task, Arc::new(inner)));
            }
            let woken = |(_, inner): &(Task, Arc<Inner>)| inner.is_woken.load(Ordering::Relaxed);
            let Some(place) = tasks.iter().position(woken) else {
                break;
            };
            let (task, inner) = &mut tasks[place];
            inner.is_woken.store(false, Ordering::Relaxed);
            let waker = Waker::from(Arc::clone(inner));
            if task
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_ready()
            {
                drop(tasks.remove(place));
            }
        }
        if tasks.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

impl Clock for Simulated {
    fn sleep(duration: Duration) -> Sleep {
        End::sleep(duration)
    }

    fn now() -> Instant {
        End::now()
    }
}

impl Runtime for Simulated {
    type Tcp = End;
    type TcpListener = Once<End>;
    #[cfg(unix)]
    type Unix = Nothing;
    #[cfg(unix)]
    type UnixListener = Nothing;

    fn resolve(
        _: &str,
        _: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        ready(Err(io::ErrorKind::Unsupported.into()))
    }

    async fn connect(_: std::net::TcpStream, _: SocketAddr) -> io::Result<End> {
        Err(io::ErrorKind::Unsupported.into())
    }

    #[cfg(unix)]
    fn connect_unix(
        _: &std::path::Path,
    ) -> impl Future<Output = io::Result<Nothing>> + Send + 'static {
        ready(Err(io::ErrorKind::Unsupported.into()))
    }

    fn tcp_listener(_: std::net::TcpListener) -> io::Result<Once<End>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    #[cfg(unix)]
    fn unix_listener(_: std::os::unix::net::UnixListener) -> io::Result<Nothing> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        SPAWNED.with_borrow_mut(|spawned| spawned.push(Box::pin(task)));
        Ok(())
    }
}

/// A half of a network's end has no address.
macro_rules! without_address {
    ($half:ty, $address:ty) => {
        impl Addresses for $half {
            type Address = $address;

            fn local_addr(&self) -> io::Result<$address> {
                Err(io::ErrorKind::Unsupported.into())
            }

            fn peer_addr(&self) -> io::Result<$address> {
                Err(io::ErrorKind::Unsupported.into())
            }
        }
    };
}

without_address!(EndRead, SocketAddr);
without_address!(EndWrite, SocketAddr);
#[cfg(unix)]
without_address!(Nothing, std::os::unix::net::SocketAddr);

/// A Unix socket, of which there are none.
pub struct Nothing(Infallible);

impl Transport for Nothing {
    type Read = Self;
    type Write = Self;

    fn split(self) -> (Self, Self) {
        match self.0 {}
    }

    fn reunite(read: Self, _: Self) -> Self {
        read
    }
}

impl ReadHalf for Nothing {
    fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.0 {}
    }
}

impl WriteHalf for Nothing {
    fn poll_write(&mut self, _: &mut Context<'_>, _: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self.0 {}
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }
}

impl Listener for Nothing {
    type Transport = Self;

    async fn accept(&self) -> io::Result<Self> {
        match self.0 {}
    }
}
