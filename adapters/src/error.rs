//! What can go wrong over a transport: what the core reports, and the operating system's cause of a loss.

use std::fmt;
use std::io;
use std::sync::Arc;

use plimsoll::{Loss, ReadError, WriteError};

/// Why an operation of a stream failed. (asyncio has an exception for each.)
///
/// Errors are sticky where the connection is gone: asked again, an operation fails again. None holds a
/// byte of what the peer sent. As an [`io::Error`] it keeps the kind of the system's error, or has the
/// kind that fits best, and holds this one.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A read failed, and the connection goes on. What is left in the buffer, the variant says.
    /// (asyncio's `IncompleteReadError`, `LimitOverrunError`, and `readline`'s `ValueError`.)
    #[error(transparent)]
    Read(ReadError),
    /// A write was refused, and nothing of it was queued. What was pending stays pending. (asyncio's
    /// `RuntimeError` after `write_eof`; otherwise it drops or queues such a write.)
    #[error(transparent)]
    Write(WriteError),
    /// The connection was lost: what was pending is gone, and what is buffered can still be read.
    /// (asyncio's `ConnectionResetError`, and other errors of the system.)
    #[error(transparent)]
    Lost(#[from] Lost),
}

/// How a connection was lost, with the transport's error if there was one. (asyncio's
/// `connection_lost(exc)`, where an abort has no `exc`, as a clean end has none.)
#[derive(Clone, Debug)]
pub struct Lost {
    /// What kind of loss it was.
    pub loss: Loss,
    /// The transport's error. `None` where this side gave the connection up: it aborted, or a close took
    /// too long.
    pub cause: Option<Arc<io::Error>>,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection lost: {}", self.loss)?;
        match &self.cause {
            Some(cause) => write!(f, " ({})", cause.kind()),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Lost {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Read(ReadError::Incomplete { .. }) => io::ErrorKind::UnexpectedEof,
            Error::Read(_) => io::ErrorKind::InvalidData,
            Error::Write(_) => io::ErrorKind::InvalidInput,
            Error::Lost(lost) => match (&lost.cause, lost.loss) {
                (Some(cause), _) => cause.kind(),
                (None, Loss::Aborted) => io::ErrorKind::ConnectionAborted,
                (None, Loss::TimedOut) => io::ErrorKind::TimedOut,
                (None, _) => io::ErrorKind::ConnectionReset,
            },
        };
        Self::new(kind, error)
    }
}

/// Tells what kind of loss a transport's error is.
pub(crate) fn loss_of(error: &io::Error) -> Loss {
    match error.kind() {
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::NotConnected => Loss::Reset,
        io::ErrorKind::TimedOut => Loss::TimedOut,
        _ => Loss::Transport,
    }
}
