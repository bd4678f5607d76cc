//! Listening by name: resolves, binds every address, and knows the file of a Unix socket as its
//! own.

#[cfg(unix)]
use std::fs::{File, Metadata};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
#[cfg(unix)]
use std::os::unix::fs::MetadataExt;
#[cfg(unix)]
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::time::SystemTime;

use crate::error::cannot;
use crate::options::ServerOptions;
use crate::runtime::Runtime;
#[cfg(unix)]
use crate::unix_socket;

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
    listen_on_each(&addresses, |address| {
        R::tcp_listener(options.listen(address)?)
    })
}

/// Calls `listen` for each address. Leaves out the addresses that are not here, as long as one is
/// left.
fn listen_on_each<L>(
    addresses: &[SocketAddr],
    listen: impl Fn(SocketAddr) -> io::Result<L>,
) -> io::Result<Vec<L>> {
    let mut listeners = Vec::new();
    let mut left_out = None;
    for &address in addresses {
        match listen(address) {
            Ok(listener) => listeners.push(listener),
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

/// Returns `true` if this machine does not have the address, or its kernel not even the family.
fn is_not_here(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.kind() == io::ErrorKind::Unsupported
        || error.raw_os_error() == Some(NO_SUCH_FAMILY)
}

/// `EAFNOSUPPORT`, for which the standard library has no kind.
const NO_SUCH_FAMILY: i32 = {
    #[cfg(unix)]
    {
        libc::EAFNOSUPPORT
    }
    #[cfg(not(unix))]
    {
        10047
    }
};

/// Adds to an error what could not be listened on.
fn named(what: impl std::fmt::Display, error: io::Error) -> io::Error {
    cannot(format_args!("listen on {what}"), error)
}

/// Listens on the Unix socket `path`, where no file may be. An abstract socket has no file.
#[cfg(unix)]
pub(crate) fn unix<R: Runtime>(
    path: &Path,
    options: &ServerOptions,
) -> io::Result<(R::UnixListener, Option<SocketFile>)> {
    let listen = || {
        let (socket, file) = if unix_socket::is_abstract(path) {
            (unix_socket::bind(path)?, None)
        } else {
            let absolute = std::path::absolute(path)?;
            let socket = unix_socket::bind(path)?;
            // From here on a failure drops the file.
            (socket, Some(SocketFile::made_at(absolute)?))
        };
        Ok((R::unix_listener(options.listen_on(socket)?)?, file))
    };
    listen().map_err(|error| named(unix_socket::Shown(path), error))
}

/// The file of a Unix socket that this process has made. Dropping it removes the file, if it is
/// still the same one.
///
/// Between the comparison and the removal another process may replace the file. The system has no
/// call that does both.
#[cfg(unix)]
#[derive(Debug)]
pub(crate) struct SocketFile {
    /// Absolute, since the process may change its folder.
    path: PathBuf,
    identity: Identity,
    /// The file itself, whose inode number cannot be used again while this is open.
    _held: Option<File>,
}

#[cfg(unix)]
impl SocketFile {
    fn made_at(path: PathBuf) -> io::Result<Self> {
        let held = hold(&path);
        let metadata = match &held {
            Some(held) => held.metadata()?,
            None => std::fs::symlink_metadata(&path)?,
        };
        Ok(Self {
            path,
            identity: Identity::of(&metadata),
            _held: held,
        })
    }
}

#[cfg(unix)]
impl Drop for SocketFile {
    fn drop(&mut self) {
        let metadata = std::fs::symlink_metadata(&self.path);
        if metadata.is_ok_and(|metadata| Identity::of(&metadata) == self.identity) {
            // If it fails, the file was removed meanwhile.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// What tells a file from all others that stand at the same path later.
#[cfg(unix)]
#[derive(Debug, Eq, PartialEq)]
struct Identity {
    device: u64,
    /// Where the file is not held open, its number may be used again once it is gone.
    inode: u64,
    /// When the file was made; on file systems that do not know, when it was last written to, which
    /// never happens to a socket. Not when it was changed: that is also a change of its mode.
    made: Option<SystemTime>,
}

#[cfg(unix)]
impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            made: metadata.created().or_else(|_| metadata.modified()).ok(),
        }
    }
}

/// Opens a file for nothing but holding it, if the system can and descriptors are left.
#[cfg(unix)]
fn hold(path: &Path) -> Option<File> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let mut options = File::options();
        options.custom_flags(libc::O_PATH | libc::O_NOFOLLOW);
        options.read(true).open(path).ok()
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = path;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> [SocketAddr; 2] {
        [
            (Ipv6Addr::LOCALHOST, 1).into(),
            (Ipv4Addr::LOCALHOST, 1).into(),
        ]
    }

    fn not_here() -> Vec<io::Error> {
        let mut errors = vec![
            io::ErrorKind::AddrNotAvailable.into(),
            io::ErrorKind::Unsupported.into(),
            io::Error::from_raw_os_error(NO_SUCH_FAMILY),
        ];
        #[cfg(unix)]
        errors.extend([
            rustix::io::Errno::AFNOSUPPORT.into(),
            rustix::io::Errno::ADDRNOTAVAIL.into(),
        ]);
        errors
    }

    #[test]
    fn a_missing_family_is_left_out() {
        for index in 0..2 {
            let missing = addresses()[index];
            for error in not_here() {
                let error = std::cell::Cell::new(Some(error));
                let listeners = listen_on_each(&addresses(), |address| {
                    if address == missing {
                        Err(error.take().unwrap())
                    } else {
                        Ok(address)
                    }
                });
                assert_eq!(listeners.unwrap(), [addresses()[1 - index]]);
            }
        }
    }

    #[test]
    fn an_error_names_an_address_if_none_is_here() {
        for error in not_here() {
            let kind = error.kind();
            let errors = std::cell::RefCell::new(vec![error, not_here().remove(2)]);
            let failed = listen_on_each(&addresses(), |_| -> io::Result<()> {
                Err(errors.borrow_mut().pop().unwrap())
            });
            let failed = failed.unwrap_err();
            assert_eq!(failed.kind(), kind);
            assert!(failed.to_string().contains("127.0.0.1:1"), "{failed}");
        }
    }

    #[test]
    fn other_errors_end_the_start() {
        let failed = listen_on_each(&addresses(), |address| {
            if address.is_ipv6() {
                Ok(())
            } else {
                Err(io::ErrorKind::AddrInUse.into())
            }
        });
        let failed = failed.unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::AddrInUse);
        assert!(failed.to_string().contains("127.0.0.1:1"), "{failed}");
    }
}
