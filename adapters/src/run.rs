//! Runs a protocol of the core over a connection: who calls it, and how time passes.

use std::time::Duration;

use plimsoll::{Event, Next, Protocol};

use crate::connection::{Connection, OPEN_TIMEOUT};
use crate::either::within;
use crate::error::Error;
use crate::transport::{Layer, Transport};

/// Makes the layer that a protocol starts by [`Next::StartTls`].
pub(crate) type MakeLayer = Box<dyn Fn() -> Box<dyn Layer> + Send + Sync>;

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
        let mut is_told = false;
        let mut next = Next::Turn;
        let mut is_started = false;
        let mut last = Event::Started;
        loop {
            let (turn, event) = match next {
                _ if !is_started => (self.turn_now(), Event::Started),
                Next::TurnWithin(limit) => match self.happens_within(limit).await {
                    Some(true) => (self.turn_now(), Event::Moved),
                    Some(false) if last == Event::TimedOut => return Ok(()),
                    // Time passes, also where nothing else can happen; once is enough.
                    Some(false) => {
                        T::sleep(limit).await;
                        (self.turn_now(), Event::TimedOut)
                    }
                    None => (self.turn_now(), Event::TimedOut),
                },
                Next::StartTls => {
                    let event = match self.start_tls().await {
                        Ok(()) => Event::Secured,
                        // The protocol finds the connection lost, and nothing more in the clear.
                        Err(_) => {
                            self.abort();
                            Event::Moved
                        }
                    };
                    (self.turn_now(), event)
                }
                Next::Close => return Ok(self.close().await?),
                _ => (self.turn().await, Event::Moved),
            };
            is_started = true;
            last = event;
            let Some(mut turn) = turn else {
                return Ok(());
            };
            let mut result = protocol.advance(&mut turn, event);
            let tells = !is_told && turn.is_shutting_down();
            if tells && !matches!(result, Ok(Next::Close) | Err(_)) {
                is_told = true;
                result = protocol.advance(&mut turn, Event::ShuttingDown);
            }
            next = match result {
                Ok(next) => next,
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

    /// Waits for the next turn, and returns whether there is one; `None` if `limit` passes before.
    async fn happens_within(&self, limit: Duration) -> Option<bool> {
        within(T::sleep, limit, self.happens()).await
    }

    async fn start_tls(&mut self) -> Result<(), Error> {
        let Some(make) = &self.make_layer else {
            return Err(Error::TimedOut);
        };
        let layer = make();
        match within(T::sleep, OPEN_TIMEOUT, self.put_layer(layer)).await {
            Some(put) => put?,
            None => return Err(Error::TimedOut),
        }
        self.open_within(OPEN_TIMEOUT).await
    }
}
