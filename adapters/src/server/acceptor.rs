//! Accepting: a task for each listener, and one for each connection, from its handler to its end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use plimsoll::ConnectionError;

use super::registry::Client;
use super::state::{Inner, Listening, Phase, Registered, State};
use crate::options::ServerOptions;
use crate::runtime::{Listener, Runtime};
use crate::select::{Either, select, yield_now};
use crate::transport::Transport;

/// How long to wait before accepting again when the system has refused, for instance for want of
/// descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// How many connections in a row may fail while they are accepted before that waits, too.
const FAILED_IN_A_ROW: u32 = 32;

/// How many connections in a row may be accepted without a wait before other tasks have their turn.
const ACCEPTS: u32 = 32;

/// A kind of handlers: what it makes of an accepted transport, and how it serves that.
pub(super) trait Handle<T: Transport>: Send + Sync + Sized + 'static {
    /// What a handler is to get, and what the server keeps of it.
    type Accepted: Send + 'static;

    fn accept(transport: T, options: &ServerOptions) -> (Self::Accepted, Arc<dyn Client>);

    /// Serves a connection, from its handler to its end.
    fn handle(
        acceptor: Arc<Acceptor<Self>>,
        accepted: Self::Accepted,
        registered: Registered,
        peer: Option<SocketAddr>,
    ) -> impl Future<Output = ()> + Send;
}

/// What every listener of a server does.
pub(super) struct Acceptor<H> {
    pub(super) state: Arc<State>,
    pub(super) handler: H,
    pub(super) options: ServerOptions,
}

impl<H> Acceptor<H> {
    pub(super) async fn accept<R, L>(self: Arc<Self>, listener: L, listening: Listening)
    where
        R: Runtime,
        L: Listener,
        H: Handle<L::Transport>,
    {
        let most = self.options.most_connections();
        let has_room =
            |inner: &Inner| inner.phase > Phase::Serving || inner.clients.places() < most;
        let mut failed_in_a_row = 0;
        let mut turn = 0;
        loop {
            turn = (turn + 1) % ACCEPTS;
            if turn == 0 {
                yield_now().await;
            }
            self.state.until(has_room).await;
            let closed = pin!(self.state.until(|inner| inner.phase > Phase::Serving));
            // Being closed comes first, so that nothing is accepted after it.
            let accepting = pin!(listener.accept_from());
            let Either::Second(accepted) = select(closed, accepting).await else {
                break;
            };
            match accepted {
                Ok((transport, peer)) => {
                    failed_in_a_row = 0;
                    let commands = self.state.commands();
                    // Not all systems let it be inherited from the listening socket.
                    let _ = transport.set_nodelay(self.options.sets_nodelay());
                    let (accepted, client) = H::accept(transport, &self.options);
                    // Another listener may take the last place meanwhile.
                    let registered = loop {
                        self.state.until(has_room).await;
                        let client = Arc::clone(&client);
                        if let Some(registered) = self.state.register(client, commands, has_room) {
                            break registered;
                        }
                    };
                    let handled = H::handle(Arc::clone(&self), accepted, registered, peer);
                    if let Err(error) = R::spawn(handled) {
                        // Nobody has served this peer, who must not take that for an answer.
                        client.abort(ConnectionError::Aborted);
                        drop(client);
                        self.state.refused(error, &self.options);
                        self.wait_to_accept_again::<R>().await;
                    }
                }
                Err(error) => {
                    failed_in_a_row += 1;
                    let goes_on =
                        concerns_one_connection(&error) && failed_in_a_row < FAILED_IN_A_ROW;
                    self.state.refused(error, &self.options);
                    if !goes_on {
                        failed_in_a_row = 0;
                        self.wait_to_accept_again::<R>().await;
                    }
                }
            }
        }
        drop(listener);
        drop(listening);
    }

    /// Waits until the system may have means again, or the server is closed.
    async fn wait_to_accept_again<R: Runtime>(&self) {
        let closed = pin!(self.state.until(|inner| inner.phase > Phase::Serving));
        select(closed, R::sleep(ACCEPT_AGAIN)).await;
    }
}

/// Whether a failed accept says something of one connection only, and the next may be tried at
/// once.
fn concerns_one_connection(error: &io::Error) -> bool {
    // Linux passes on what has happened to the connection in the network; see accept(2).
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(
        libc::ENETDOWN
        | libc::EPROTO
        | libc::ENOPROTOOPT
        | libc::EHOSTDOWN
        | libc::ENONET
        | libc::EHOSTUNREACH
        | libc::EOPNOTSUPP
        | libc::ENETUNREACH
        // A firewall forbids it.
        | libc::EPERM,
    ) = error.raw_os_error()
    {
        return true;
    }
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
