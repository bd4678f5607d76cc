//! Handlers, of connections with one owner and of pairs: each is polled together with the server's
//! side of its connection.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use plimsoll::Connection as Core;

use super::acceptor::{Acceptor, Handle};
use super::catch_unwind::{CatchUnwind, Panicked};
use super::handler_result::HandlerResult;
use super::registry::{Client, Stage};
use super::served::{End, Served};
use super::state::Registered;
use crate::caught::caught;
use crate::connection::{Connection, OPEN_TIMEOUT};
use crate::driver::{Driven, Outgoing, Sides};
use crate::error::{Error, ServerError};
use crate::layered::Layered;
use crate::options::ServerOptions;
use crate::slot::Beside;
use crate::stream::{PairReading, StreamPair, StreamReader, StreamWriter};
use crate::transport::Transport;

/// A handler of connections.
pub(super) struct ConnectionHandler<H>(pub(super) H);

/// A handler of asyncio's pairs.
pub(super) struct PairHandler<H>(pub(super) H);

impl<T, H, F> Handle<T> for ConnectionHandler<H>
where
    T: Transport,
    H: Fn(Connection<T>) -> F + Send + Sync + 'static,
    F: Future<Output: HandlerResult> + Send + 'static,
{
    type Accepted = (Connection<T>, Served<Core, T, ()>);

    fn accept(transport: T, options: &ServerOptions) -> (Self::Accepted, Arc<dyn Client>) {
        let connection = Connection::accepted(transport, options.limits());
        let served = Served::new(connection.shared(), options);
        let client = served.client();
        ((connection, served), client)
    }

    async fn handle(
        acceptor: Arc<Acceptor<Self>>,
        (mut connection, served): Self::Accepted,
        registered: Registered,
        peer: Option<SocketAddr>,
    ) {
        connection.is_counted(Arc::clone(&acceptor.state) as _, registered.key);
        let handled = async {
            connection.open_within(OPEN_TIMEOUT).await?;
            Ok((acceptor.handler.0)(connection).await)
        };
        serve(&acceptor, handled, served, registered, peer).await;
    }
}

impl<T, H, F> Handle<T> for PairHandler<H>
where
    T: Transport,
    H: Fn(StreamReader<T>, StreamWriter<T>) -> F + Send + Sync + 'static,
    F: Future<Output: HandlerResult> + Send + 'static,
{
    type Accepted = (StreamPair<T>, Served<Outgoing, T, PairReading<T>>);

    fn accept(transport: T, options: &ServerOptions) -> (Self::Accepted, Arc<dyn Client>) {
        let stream = StreamPair::accepted(transport, options.limits());
        let served = Served::new(stream.shared(), options);
        let client = served.client();
        ((stream, served), client)
    }

    async fn handle(
        acceptor: Arc<Acceptor<Self>>,
        (mut stream, served): Self::Accepted,
        registered: Registered,
        peer: Option<SocketAddr>,
    ) {
        stream.is_counted(Arc::clone(&acceptor.state) as _, registered.key);
        let handled = async {
            stream.open_within(OPEN_TIMEOUT).await?;
            let (reader, writer) = stream.split();
            Ok((acceptor.handler.0)(reader, writer).await)
        };
        serve(&acceptor, handled, served, registered, peer).await;
    }
}

/// Polls a handler, and the server's side of its connection, until both have come to their ends.
async fn serve<H, K: Sides, T: Transport, M: Beside<Driven<K>, Layered<T>>>(
    acceptor: &Acceptor<H>,
    handled: impl Future<Output = Result<impl HandlerResult, Error>>,
    mut served: Served<K, T, M>,
    registered: Registered,
    peer: Option<SocketAddr>,
) {
    let (state, options) = (&acceptor.state, &acceptor.options);
    served.begin();
    let mut registered = Some(registered);
    let tell_panic = || {
        state.change(|inner| inner.statistics.panicked += 1);
        options.tell(ServerError::Panicked { peer });
    };
    let mut stage = Stage::Open;
    let mut handled = pin!(Some(async { handled.await?.failure().map_or(Ok(()), Err) }));
    let mut handled = CatchUnwind::new(handled.as_mut());
    // Whether the handler has ended, and what it wrote is to be sent.
    let mut owes_reply = None;
    let end = poll_fn(|cx| {
        if owes_reply.is_none() {
            served.begin_handler();
            match Pin::new(&mut handled).poll(cx) {
                Poll::Pending if served.rests(cx) => return Poll::Pending,
                Poll::Pending => {}
                Poll::Ready(Ok(Ok(()))) => owes_reply = Some(true),
                Poll::Ready(Ok(Err(error))) => {
                    owes_reply = Some(false);
                    state.change(|inner| inner.statistics.failed += 1);
                    options.tell(ServerError::Failed { peer, error });
                }
                Poll::Ready(Err(Panicked)) => {
                    owes_reply = Some(false);
                    served.abort();
                    tell_panic();
                }
            }
            if owes_reply.is_some() && M::HAS_READER {
                // One of its halves may live on in another task.
                served.end_pair();
            }
        }
        // The transport may panic in a call of the server's own: as if in the handler's.
        let end = caught(|| served.poll(cx)).unwrap_or_else(|| {
            served.abort();
            if owes_reply.is_none() {
                let _ = handled.cancel();
            }
            owes_reply = Some(false);
            tell_panic();
            Poll::Ready(End::Over)
        });
        match end {
            Poll::Ready(End::Cancelled) if owes_reply.is_none() => {
                owes_reply = Some(false);
                if handled.cancel().is_err() {
                    tell_panic();
                }
            }
            Poll::Ready(End::TakenOver) => registered = None,
            _ => {}
        }
        let reached = match (owes_reply, end) {
            (Some(_), Poll::Pending) if served.lingers() => Stage::Lingering,
            // Another may have its place, though the handler has not noticed.
            (None, Poll::Ready(_)) if served.has_timed_out() => Stage::Gone,
            _ => stage,
        };
        if let (Some(registered), true) = (&registered, stage != reached) {
            stage = reached;
            registered.enter(stage);
        }
        match owes_reply {
            Some(_) => end,
            None => Poll::Pending,
        }
    })
    .await;
    // A failure was told before.
    let is_ours = owes_reply == Some(true) && end != End::TakenOver;
    if let Some(lost) = served.lost_output().filter(|_| is_ours) {
        state.change(|inner| inner.statistics.unsent += 1);
        options.tell(ServerError::Unsent { peer, lost });
    }
}
