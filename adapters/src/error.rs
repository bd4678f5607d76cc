//! What can go wrong over a transport: what the core reports, and the operating system's cause of a
//! loss.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use plimsoll::{
    ConnectionError, ReadError, SeparatorError, TransportError, WaterMarksError, WriteError,
};

/// Why an operation of a stream failed. (asyncio has an exception for each.)
///
/// Errors are sticky where the connection is gone: asked again, an operation fails again. None
/// holds a byte of what the peer sent. As an [`io::Error`] it keeps the kind of the system's error,
/// or has the kind that fits best, and holds this one. Of the two with the kind `TimedOut`,
/// [`TimedOut`](Self::TimedOut) may be asked again, and a [`ConnectionLost`](Self::ConnectionLost)
/// is permanent: `io::Error::get_ref` and a downcast to this type tell them apart.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A read failed, and the connection goes on. What is left in the buffer, the variant says.
    /// (asyncio's `IncompleteReadError`, `LimitOverrunError`, and `readline`'s `ValueError`.)
    #[error(transparent)]
    Read(ReadError),
    /// A write was refused, and nothing of it was queued. What was pending stays pending.
    /// (asyncio's `RuntimeError` after `write_eof`; otherwise it drops or queues such a write.)
    #[error(transparent)]
    Write(WriteError),
    /// The connection was lost: what was pending is gone, and what is buffered can still be read.
    /// (asyncio's `ConnectionResetError`, and other errors of the system.)
    #[error(transparent)]
    ConnectionLost(#[from] ConnectionLost),
    /// A call of a blocking stream took longer than its timeout. The connection goes on, and no
    /// byte is lost: the call may be made again.
    #[error("timed out")]
    TimedOut,
    /// The system failed at something that is no read or write of this connection, such as
    /// [`peer_addr`](crate::StreamReader::peer_addr). The connection goes on.
    ///
    /// `?` converts every [`io::Error`] to this variant, unless it holds an error of this type:
    /// that is returned.
    #[error(transparent)]
    Io(Arc<io::Error>),
    /// A separator was not built. The connection goes on.
    #[error(transparent)]
    Separator(#[from] SeparatorError),
    /// Water marks were not built. The connection goes on.
    #[error(transparent)]
    WaterMarks(#[from] WaterMarksError),
}

/// An error of this type that `error` holds, or [`Error::Io`].
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        error
            .downcast::<Self>()
            .unwrap_or_else(|error| Self::Io(Arc::new(error)))
    }
}

/// A loss without its cause, which the core does not know.
impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::ConnectionLost(loss) => ConnectionLost {
                kind: loss,
                cause: None,
            }
            .into(),
            error => Self::Read(error),
        }
    }
}

/// A loss without its cause, which the core does not know.
impl From<WriteError> for Error {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::ConnectionLost(loss) => ConnectionLost {
                kind: loss,
                cause: None,
            }
            .into(),
            error => Self::Write(error),
        }
    }
}

/// How a connection was lost, with the transport's error if there was one. (asyncio's
/// `connection_lost(exc)`, where an abort has no `exc`, as a clean end has none.)
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionLost {
    /// What kind of loss it was.
    pub kind: ConnectionError,
    /// The transport's error. `None` where this side gave the connection up: it aborted, or a close
    /// took too long.
    pub cause: Option<Arc<io::Error>>,
}

impl fmt::Display for ConnectionLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection lost: {}", self.kind)?;
        match &self.cause {
            Some(cause) => write!(f, " ({cause})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConnectionLost {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// What went wrong in a server, which goes on. See
/// [`ServerOptions::on_error`](crate::ServerOptions::on_error).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The system refused to accept a connection, or to start the task or thread of its handler.
    #[error("cannot accept a connection: {error}")]
    #[non_exhaustive]
    Accept {
        /// The system's error.
        error: io::Error,
    },
    /// A handler returned an error.
    #[error("the handler{} failed: {error}", For(.peer))]
    #[non_exhaustive]
    Failed {
        /// The peer's address when it was accepted. `None` where it has none, as over a Unix
        /// socket.
        peer: Option<SocketAddr>,
        /// What the handler returned.
        error: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A handler panicked. What it said, and where, the process's panic hook was told.
    #[error("the handler{} panicked", For(.peer))]
    #[non_exhaustive]
    Panicked {
        /// As in [`Failed`](Self::Failed).
        peer: Option<SocketAddr>,
    },
    /// A handler returned no error, but something that it had written could not be sent: the peer
    /// was gone, or took too long, or the connection was aborted before everything had left.
    #[error("what the handler{} wrote was not sent: {lost}", For(.peer))]
    #[non_exhaustive]
    Unsent {
        /// As in [`Failed`](Self::Failed).
        peer: Option<SocketAddr>,
        /// How the connection was lost.
        lost: ConnectionLost,
    },
}

/// Says whose handler it was.
struct For<'a>(&'a Option<SocketAddr>);

impl fmt::Display for For<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(peer) => write!(f, " for {peer}"),
            None => Ok(()),
        }
    }
}

/// The kind is what sockets of the standard library would give, or what comes closest.
///
/// | error | kind |
/// | --- | --- |
/// | the stream has ended too early | `UnexpectedEof` |
/// | what the peer sent is too long, or a line break alone | `InvalidData` |
/// | more was asked for than the cap of reads, or more than one line was written as one | `InvalidInput` |
/// | a write after `finish` or `close` | `BrokenPipe` |
/// | a write beyond the cap of writes | `QuotaExceeded` |
/// | a timeout of a blocking stream | `TimedOut` |
/// | an error of the system that is no loss | its own |
/// | a separator or water marks that were not built | `InvalidInput` |
/// | a loss | its cause's; without one `ConnectionReset`, `ConnectionAborted`, `TimedOut` or `Other` |
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Read(error) => error.kind(),
            Error::Write(error) => error.kind(),
            Error::TimedOut => io::ErrorKind::TimedOut,
            Error::Io(error) => error.kind(),
            Error::Separator(_) | Error::WaterMarks(_) => io::ErrorKind::InvalidInput,
            Error::ConnectionLost(lost) => match &lost.cause {
                Some(cause) => cause.kind(),
                None => lost.kind.kind(),
            },
        };
        Self::new(kind, error)
    }
}

/// An error of the system, and what could not be done.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what}: {error}")]
struct Cannot {
    what: String,
    #[source]
    error: io::Error,
}

/// Adds to an error of the system what could not be done. It keeps its kind, and is the new one's
/// source.
pub(crate) fn cannot(what: fmt::Arguments<'_>, error: io::Error) -> io::Error {
    let what = what.to_string();
    io::Error::new(error.kind(), Cannot { what, error })
}

/// Returns what a transport was asked, which is not connected if it is gone.
pub(crate) fn unless_gone<A>(asked: Option<io::Result<A>>) -> io::Result<A> {
    asked.unwrap_or_else(|| Err(io::ErrorKind::NotConnected.into()))
}

impl ConnectionLost {
    /// A loss by an error of the transport.
    pub(crate) fn of_transport(error: Arc<io::Error>) -> Self {
        Self {
            kind: loss_of(&error),
            cause: Some(error),
        }
    }
}

/// Returns what kind of loss a transport's error is.
pub(crate) fn loss_of(error: &io::Error) -> ConnectionError {
    match TransportError::from(error.kind()) {
        TransportError::Lost(error) => error,
        // A transport that waits is pending, and one that is interrupted was asked again.
        _ => ConnectionError::Transport,
    }
}
