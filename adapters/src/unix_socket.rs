//! Unix sockets that are bound or connected to a path, in one way for all runtimes.

use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use socket2::{Domain, SockAddr, Socket, Type};

/// Whether the system has sockets whose names are no files.
const HAS_ABSTRACT_NAMES: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Makes a socket, bound to `path`. Nothing is made if no socket can have that path.
pub(crate) fn bind(path: &Path) -> io::Result<Socket> {
    let address = address(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&address)?;
    Ok(socket)
}

/// Connects a socket that does not block. The call does not wait: it is connected, or it has
/// failed, with the kind `WouldBlock` if the server has no room for another connection.
#[cfg(any(
    feature = "tokio",
    feature = "async-std",
    feature = "smol",
    feature = "blocking"
))]
pub(crate) fn connect(path: &Path) -> io::Result<std::os::unix::net::UnixStream> {
    let address = address(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&address)?;
    Ok(socket.into())
}

/// Returns `true` if `path` is the name of an abstract socket, which is no file: if it begins with
/// a NUL, as in Python.
pub(crate) fn is_abstract(path: &Path) -> bool {
    HAS_ABSTRACT_NAMES && bytes(path).starts_with(b"\0")
}

/// Returns the address with this path.
///
/// # Errors
///
/// `InvalidInput` if the path is empty or too long, or has a NUL inside, where the system would cut
/// it. The name of an abstract socket may have any.
fn address(path: &Path) -> io::Result<SockAddr> {
    let problem = match bytes(path) {
        // Linux would choose a name.
        [] => "the path is empty",
        path_bytes if path_bytes.contains(&0) && !is_abstract(path) => "the path contains a NUL",
        _ => return SockAddr::unix(path),
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// Shows a path in an error, with each NUL escaped.
pub(crate) struct Shown<'a>(pub(crate) &'a Path);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.display().to_string().replace('\0', "\\0"))
    }
}
