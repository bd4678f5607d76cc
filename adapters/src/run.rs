//! Runs a protocol of the core over a connection: who calls it, and how time passes.

use std::time::Duration;

use plimsoll::{ConnectionError, Event, Next, Protocol};

use crate::connection::{Connection, GIVEN_UP, Happened, OPEN_TIMEOUT};
use crate::error::{ConnectionLost, Error};
use crate::layer::Layer;
use crate::select::{within, yield_now};
use crate::transport::Transport;

/// Why [`Connection::run`] ended a connection early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The protocol failed, with this error. The connection was aborted.
    #[error(transparent)]
    Protocol(Box<dyn std::error::Error + Send + Sync>),
    /// The protocol has closed the connection, and not all that it had written was sent.
    #[error(transparent)]
    Connection(#[from] Error),
}

impl<T: Transport> Connection<T> {
    /// Runs a protocol until it closes the connection or fails, or until nothing can happen any
    /// more.
    ///
    /// The same value runs under `plimsoll::testing`, without a network. Its
    /// [`Moved`](Event::Moved) comes with every [turn](Self::turn), its
    /// [`ShuttingDown`](Event::ShuttingDown) from the server that has accepted the connection, and
    /// [`StartTls`](Next::StartTls) starts what [`on_start_tls`](Self::on_start_tls) has set.
    ///
    /// Cancel-safe, as the connection is, but the protocol is called with
    /// [`Started`](Event::Started) again, if it is run again.
    ///
    /// # Errors
    ///
    /// - [`RunError::Protocol`], the protocol's own; the connection is aborted.
    /// - [`RunError::Connection`] if the protocol closes the connection, and that fails.
    pub async fn run<P>(&mut self, protocol: &mut P) -> Result<(), RunError>
    where
        P: Protocol<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let (mut next, mut last) = (None, Event::Started);
        let mut knows_of_shutdown = false;
        loop {
            let (event, turn) = match next {
                None => (Event::Started, self.turn_now()),
                Some(Next::TurnWithin(limit)) => match self.happens_within(limit, last).await {
                    Some(event) => (event, self.turn_now()),
                    None => return Ok(()),
                },
                Some(Next::StartTls) => {
                    let event = match self.start_tls().await {
                        Ok(()) => Event::Secured,
                        // The protocol finds the connection lost, and nothing more in the clear.
                        Err(_) => {
                            self.abort();
                            Event::Moved
                        }
                    };
                    (event, self.turn_now())
                }
                Some(Next::Close) => return Ok(self.close().await?),
                Some(_) => (Event::Moved, self.turn().await),
            };
            let Some(mut turn) = turn else {
                return Ok(());
            };
            last = event;
            let mut result = protocol.advance(&mut turn, event);
            // An event of its own, where the protocol would wait: what it does first comes first.
            let waits = matches!(result, Ok(Next::Turn | Next::TurnWithin(_)));
            if waits && !knows_of_shutdown && turn.is_shutting_down() {
                knows_of_shutdown = true;
                last = Event::ShuttingDown;
                result = protocol.advance(&mut turn, last);
            }
            next = match result {
                Ok(next) => Some(next),
                Err(error) => {
                    turn.abort();
                    return Err(RunError::Protocol(error.into()));
                }
            };
        }
    }

    /// Sets what makes the layer that a protocol starts by [`Next::StartTls`]. Without it, that is
    /// a loss of the connection.
    pub fn on_start_tls<L: Layer>(&mut self, make: impl Fn() -> L + Send + Sync + 'static) {
        self.make_layer = Some(Box::new(move || Box::new(make())));
    }

    /// Waits until something has happened, or has not for `limit`. `None` if nothing can happen any
    /// more, and that the time has passed is no news after `last`.
    async fn happens_within(&self, limit: Duration, last: Event) -> Option<Event> {
        let happens = async {
            loop {
                match self.happens().await {
                    Some(Happened::News) => return Some(Event::Moved),
                    // A timeout of the transport's own is not the protocol's.
                    Some(Happened::Nothing) => yield_now().await,
                    None if last == Event::TimedOut => return None,
                    // Time passes, also where nothing else can happen; once is enough.
                    None => self.is_told().await,
                }
            }
        };
        let happened = within(T::sleep, limit, happens).await;
        happened.unwrap_or(Some(Event::TimedOut))
    }

    async fn start_tls(&mut self) -> Result<(), Error> {
        if self.make_layer.is_none() {
            return Err(Error::ConnectionLost(GIVEN_UP));
        }
        let starting = async {
            // Each of the two may end at a timeout of the transport's own, and goes on then.
            let mut is_put = false;
            loop {
                let started = match (&self.make_layer, is_put) {
                    (Some(make), false) => {
                        let layer = make();
                        self.put_layer(layer).await
                    }
                    _ => self.open().await,
                };
                match started {
                    Ok(()) if is_put => return Ok(()),
                    Ok(()) => is_put = true,
                    Err(Error::TimedOut) => yield_now().await,
                    Err(error) => return Err(error),
                }
            }
        };
        let started = within(T::sleep, OPEN_TIMEOUT, starting).await;
        started.unwrap_or_else(|| {
            let loss = ConnectionError::TimedOut;
            self.give_up(loss);
            Err(Error::ConnectionLost(ConnectionLost {
                kind: loss,
                cause: None,
            }))
        })
    }
}
