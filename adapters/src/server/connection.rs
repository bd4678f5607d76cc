//! Handlers of connections with one owner: each is polled together with the server's side.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use super::Outcome;
use super::acceptor::{Acceptor, Handle};
use super::no_panic::{NoPanic, Panicked};
use super::served::{End, Served};
use super::state::{Client, Registered};
use crate::connection::{Connection, OPEN_TIMEOUT};
use crate::error::ServerError;
use crate::options::ServerOptions;
use crate::quiet::caught;
use crate::transport::Transport;

/// A handler of connections.
pub(super) struct ConnectionHandler<H>(pub(super) H);

impl<T, H, F> Handle<T> for ConnectionHandler<H>
where
    T: Transport,
    H: Fn(Connection<T>) -> F + Send + Sync + 'static,
    F: Future<Output: Outcome> + Send + 'static,
{
    type Accepted = (Connection<T>, Served<T>);

    fn accept(transport: T, options: &ServerOptions) -> (Self::Accepted, Arc<dyn Client>) {
        let connection = Connection::accepted(transport, options.limits());
        let served = Served::new(&connection, options.closes_within());
        let client = served.client();
        ((connection, served), client)
    }

    async fn handle(
        acceptor: Arc<Acceptor<Self>>,
        (mut connection, mut served): Self::Accepted,
        registered: Registered,
        peer: Option<SocketAddr>,
    ) {
        let (state, options) = (&acceptor.state, &acceptor.options);
        served.begin();
        connection.is_counted(Arc::clone(state) as _, registered.key);
        let mut registered = Some(registered);
        let tell_panic = || {
            state.change(|inner| inner.statistics.panicked += 1);
            options.tell(ServerError::Panicked { peer });
        };
        let mut lingers = false;
        let mut handled = pin!(Some(async {
            connection.open_within(OPEN_TIMEOUT).await?;
            (acceptor.handler.0)(connection)
                .await
                .failure()
                .map_or(Ok(()), Err)
        }));
        let mut handled = NoPanic::new(handled.as_mut());
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
            if let (Some(_), Some(registered)) = (owes_reply, &registered) {
                if served.lingers() && !lingers {
                    lingers = true;
                    registered.lingers();
                }
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
}
