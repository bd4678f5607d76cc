//! Connecting and sleeping over async-io's reactor, which async-std, smol and the blocking sockets
//! share.

use std::io;
use std::net::SocketAddr;
#[cfg(any(feature = "smol", feature = "blocking"))]
use std::time::Duration;

#[cfg(any(feature = "smol", feature = "blocking"))]
use crate::clock::Sleep;

/// Waits for a time.
#[cfg(any(feature = "smol", feature = "blocking"))]
pub(crate) fn sleep(duration: Duration) -> Sleep {
    Box::pin(async move {
        async_io::Timer::after(duration).await;
    })
}

/// Connects a socket that does not block.
pub(crate) async fn connect(
    socket: std::net::TcpStream,
    address: SocketAddr,
) -> io::Result<std::net::TcpStream> {
    match socket2::SockRef::from(&socket).connect(&address.into()) {
        Err(error) if !is_in_progress(&error) => return Err(error),
        _ => {}
    }
    let stream = async_io::Async::new(socket)?;
    stream.writable().await?;
    match stream.get_ref().take_error()? {
        Some(error) => Err(error),
        None => stream.into_inner(),
    }
}

/// Whether a connection attempt goes on in the background.
fn is_in_progress(error: &io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(libc::EINPROGRESS) {
        return true;
    }
    error.kind() == io::ErrorKind::WouldBlock
}
