//! Listening by name: resolves, binds every address, and knows the file of a Unix socket as its
//! own.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

#[cfg(unix)]
use socket2::{Domain, SockAddr, Socket, Type};

use crate::error::cannot;
use crate::options::ServerOptions;
use crate::runtime::Runtime;

/// Listens on every address of `hosts`. An empty name stands for all interfaces.
///
/// Addresses that this machine does not have are left out, as long as one is left.
pub(crate) async fn tcp<R: Runtime>(
    hosts: &[&str],
    port: u16,
    options: &ServerOptions,
) -> io::Result<Vec<R::TcpListener>> {
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for host in hosts {
        let of_host = match *host {
            "" => vec![
                (Ipv6Addr::UNSPECIFIED, port).into(),
                (Ipv4Addr::UNSPECIFIED, port).into(),
            ],
            host => R::resolve(host, port)
                .await
                .map_err(|error| named(host, error))?,
        };
        for address in of_host {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    let mut listeners = Vec::new();
    let mut left_out = None;
    for address in addresses {
        match options.listen(address) {
            Ok(listener) => listeners.push(R::tcp_listener(listener)?),
            Err(error) if is_not_here(&error) => left_out = Some(named(address, error)),
            Err(error) => return Err(named(address, error)),
        }
    }
    match left_out {
        Some(error) if listeners.is_empty() => Err(error),
        None if listeners.is_empty() => Err(io::ErrorKind::InvalidInput.into()),
        _ => Ok(listeners),
    }
}

/// Whether this machine does not have the address, or not even its family.
fn is_not_here(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || error.kind() == io::ErrorKind::Unsupported
}

/// Adds to an error what could not be listened on.
fn named(what: impl std::fmt::Display, error: io::Error) -> io::Error {
    cannot(format_args!("listen on {what}"), error)
}

/// The file of a Unix socket that this process has made.
#[cfg(unix)]
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: std::path::PathBuf,
    /// Device and inode: another file may stand there later.
    identity: (u64, u64),
}

#[cfg(unix)]
impl SocketFile {
    /// Listens on `path`, where no file may be.
    pub(crate) fn listen<R: Runtime>(
        path: &std::path::Path,
        options: &ServerOptions,
    ) -> io::Result<(R::UnixListener, Self)> {
        let listen = || {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            socket.bind(&SockAddr::unix(path)?)?;
            // From here on a failure drops the file.
            let file = Self {
                identity: identity(path)?,
                path: path.to_owned(),
            };
            Ok((R::unix_listener(options.listen_on(socket)?)?, file))
        };
        listen().map_err(|error| named(path.display(), error))
    }
}

/// Removes the file, if it is still the one that was made.
#[cfg(unix)]
impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            // Whoever has removed it meanwhile has done what was to be done.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(unix)]
fn identity(path: &std::path::Path) -> io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}
