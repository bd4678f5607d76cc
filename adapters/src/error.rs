//! What can go wrong over a transport: what the core reports, and the operating system's cause of a loss.

use std::fmt;
use std::io;
use std::sync::Arc;

use plimsoll::{Loss, ReadError, WriteError};

/// Why an operation of a stream failed.
///
/// Errors are sticky where the connection is gone: asked again, an operation fails again.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A read failed, and the connection goes on. What is left in the buffer, the variant says.
    #[error(transparent)]
    Read(ReadError),
    /// A write was refused, and nothing of it was queued.
    #[error(transparent)]
    Write(WriteError),
    /// The connection was lost.
    #[error(transparent)]
    Lost(#[from] Lost),
}

/// How a connection was lost, with the transport's error if there was one.
#[derive(Clone, Debug)]
pub struct Lost {
    /// What kind of loss it was.
    pub loss: Loss,
    /// The transport's error. `None` where this side aborted.
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
