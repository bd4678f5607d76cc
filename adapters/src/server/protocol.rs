//! A protocol of the core as a handler.

use std::future::Future;
use std::pin::Pin;

use plimsoll::Protocol;

use super::handler_result::BoxError;
use crate::connection::Connection;
use crate::run::RunError;
use crate::transport::Transport;

/// A handler's future that runs a protocol.
type Run = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// A handler that runs a protocol.
pub(super) fn protocol_handler<T, M, P>(
    make: M,
) -> impl Fn(Connection<T>) -> Run + Send + Sync + 'static
where
    T: Transport,
    M: Fn() -> P + Send + Sync + 'static,
    P: Protocol<Error: Into<BoxError>> + Send + 'static,
{
    move |mut connection| {
        let mut protocol = make();
        Box::pin(async move {
            match connection.run(&mut protocol).await {
                Ok(()) => Ok(()),
                Err(RunError::Protocol(error)) => Err(error),
                // What was not sent, the server sees for itself.
                Err(RunError::Connection(_)) => Ok(()),
            }
        })
    }
}
