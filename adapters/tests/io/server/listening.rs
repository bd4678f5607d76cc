//! What a server listens on and a client connects to, on every runtime: addresses that are not here,
//! paths, abstract names; and whose file is removed when.
#![cfg(unix)]

use std::ffi::OsString;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind, Read, Write};
#[cfg(target_os = "linux")]
use std::os::unix::ffi::OsStrExt;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use io_test_support::runtimes::run_tokio;
use io_test_support::servers::{LIMIT, connect, start};
use io_test_support::{answer_lines, on_each_runtime};
use plimsoll_io::async_std::AsyncStd;
use plimsoll_io::blocking::{self, Blocking};
use plimsoll_io::smol::Smol;
use plimsoll_io::tokio::Tokio;
use plimsoll_io::{ConnectOptions, Runtime, Server, ServerOptions, StreamPair};

/// A folder of its own, removed with all that is in it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("plimsoll-{}-paths-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    /// A path in it that ends in these bytes.
    fn path(&self, name: &[u8]) -> PathBuf {
        let mut path = self.0.clone().into_os_string().into_vec();
        path.push(b'/');
        path.extend(name);
        OsString::from_vec(path).into()
    }

    fn files(&self) -> usize {
        std::fs::read_dir(&self.0).unwrap().count()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn start_unix<R: Runtime>(path: &Path) -> io::Result<Server<R>> {
    Server::<R>::start_unix(answer_lines, path, &ServerOptions::new()).await
}

type UnixPair<R> = StreamPair<<R as Runtime>::Unix>;

async fn open_unix<R: Runtime>(path: &Path) -> io::Result<UnixPair<R>> {
    let options = ConnectOptions::new();
    let (reader, writer) = options.open_unix_connection::<R>(path).await?;
    Ok(StreamPair::reunite(reader, writer).unwrap())
}

/// Whether a server at this path answers.
async fn answers<R: Runtime>(path: &Path) -> bool {
    let Ok(mut client) = open_unix::<R>(path).await else {
        return false;
    };
    client.writer.write(b"hello\n").unwrap();
    client.reader.read_line().await.unwrap() == "hello\n"
}

async fn an_address_that_is_not_here_is_left_out<R: Runtime>() {
    // For documentation only: no machine has it.
    const NOT_HERE: &str = "192.0.2.1";
    let options = ServerOptions::new();
    for hosts in [[NOT_HERE, "127.0.0.1"], ["127.0.0.1", NOT_HERE]] {
        let server = Server::<R>::start(answer_lines, &hosts, 0, &options);
        let server = server.await.unwrap();
        let [address] = server.local_addrs() else {
            panic!("{:?}", server.local_addrs());
        };
        let mut client = connect(*address);
        client.write_all(b"hello\n").unwrap();
        let mut reply = [0; 6];
        client.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"hello\n");
        server.close();
    }
    let none = Server::<R>::start(answer_lines, &[NOT_HERE], 0, &options);
    let error = none.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
    assert!(error.to_string().contains(NOT_HERE), "{error}");
}

async fn a_path_that_no_socket_can_have_is_refused<R: Runtime>() {
    let folder = Folder::new();
    let longest = 107 - folder.path(b"").as_os_str().len();
    let refused = [
        folder.path(b"socket\0"),
        folder.path(b"socket\0.backup"),
        folder.path(b"\0"),
        folder.path(&vec![b'x'; longest + 1]),
        folder.path(&[b'x'; 1000]),
        PathBuf::new(),
    ];
    let cut = folder.path(b"socket");
    let server = start_unix::<R>(&cut).await.unwrap();
    for path in &refused {
        let errors = [
            open_unix::<R>(path).await.map(drop).unwrap_err(),
            R::connect_unix(path).await.map(drop).unwrap_err(),
            start_unix::<R>(path).await.map(drop).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{path:?}: {error}");
            assert!(!error.to_string().contains('\0'), "{error:?}");
        }
        assert_eq!(folder.files(), 1, "{path:?}");
    }
    assert!(answers::<R>(&cut).await);
    assert_eq!(server.statistics().accepted, 1);
    server.shutdown(LIMIT).await;
    for path in &refused {
        assert!(start_unix::<R>(path).await.is_err());
        assert_eq!(folder.files(), 0, "{path:?}");
    }
    if cfg!(target_os = "linux") {
        let path = folder.path(&vec![b'x'; longest]);
        let server = start_unix::<R>(&path).await.unwrap();
        assert!(answers::<R>(&path).await);
        server.shutdown(LIMIT).await;
    }
    assert_eq!(folder.files(), 0);
}

#[cfg(target_os = "linux")]
async fn an_abstract_socket_has_no_file<R: Runtime>() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixStream};

    let folder = Folder::new();
    let plain = folder.path(b"plain");
    let mut with_nuls = plain.as_os_str().as_bytes().to_vec();
    with_nuls.extend(b"\0\0inside\0");
    let mut longest = plain.as_os_str().as_bytes().to_vec();
    longest.resize(107, b'x');
    for name in [plain.as_os_str().as_bytes(), &with_nuls, &longest] {
        let mut path = b"\0".to_vec();
        path.extend(name);
        let path = PathBuf::from(OsString::from_vec(path));
        let refused = open_unix::<R>(&path).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);

        let server = start_unix::<R>(&path).await.unwrap();
        assert!(answers::<R>(&path).await);
        let client = open_unix::<R>(&path).await.unwrap();
        let peer = client.reader.peer_addr().unwrap();
        assert_eq!(peer.as_abstract_name(), Some(name));
        // The name is the one that the rest of the system knows.
        let address = SocketAddr::from_abstract_name(name).unwrap();
        UnixStream::connect_addr(&address).unwrap();

        let taken = start_unix::<R>(&path).await.unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AddrInUse);
        assert!(taken.to_string().contains(r"\0/"), "{taken}");
        // A file of the same name is no socket of the server's.
        if name == plain.as_os_str().as_bytes() {
            std::fs::write(&plain, "a file").unwrap();
        }
        drop(client);
        server.shutdown(LIMIT).await;
        eventually_refused::<R>(&path).await;
        assert_eq!(folder.files(), 1);
    }
    let mut path = b"\0".to_vec();
    path.extend([b'x'; 108]);
    let too_long = PathBuf::from(OsString::from_vec(path));
    for refused in [
        start_unix::<R>(&too_long).await.map(drop),
        open_unix::<R>(&too_long).await.map(drop),
    ] {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

#[cfg(not(target_os = "linux"))]
async fn an_abstract_socket_has_no_file<R: Runtime>() {
    let path = Path::new("\0name");
    let error = start_unix::<R>(path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let error = open_unix::<R>(path).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

/// Waits until nothing listens: a runtime may drop what listened a little later.
#[cfg(target_os = "linux")]
async fn eventually_refused<R: Runtime>(path: &Path) {
    let began = std::time::Instant::now();
    loop {
        match open_unix::<R>(path).await {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return,
            Err(error) => panic!("{error}"),
            Ok(_) => assert!(began.elapsed() < LIMIT, "it goes on"),
        }
        R::sleep(Duration::from_millis(2)).await;
    }
}

/// Says which runtime a process has to change its folder on.
const CHANGE_ON: &str = "PLIMSOLL_TEST_CHANGE_FOLDER_ON";

#[test]
fn a_relative_path_survives_a_change_of_folder() {
    for runtime in ["tokio", "async-std", "smol", "blocking"] {
        let folder = Folder::new();
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "server::listening::change_folder_if_told_to",
                "--exact",
                "--nocapture",
            ])
            .env(CHANGE_ON, runtime)
            .current_dir(&folder.0)
            .output()
            .unwrap();
        assert!(output.status.success(), "{runtime}: {output:?}");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("removed"), "{runtime}: {said}");
    }
}

/// The process that the test above starts. Otherwise it does nothing.
#[test]
fn change_folder_if_told_to() {
    let Ok(name) = std::env::var(CHANGE_ON) else {
        return;
    };
    match &*name {
        "tokio" => run_tokio(change_folder::<Tokio>()),
        "async-std" => async_std::task::block_on(change_folder::<AsyncStd>()),
        "smol" => smol::block_on(change_folder::<Smol>()),
        _ => blocking::block_on(change_folder::<Blocking>()),
    }
    println!("removed");
}

async fn change_folder<R: Runtime>() {
    let first = std::env::current_dir().unwrap();
    std::fs::create_dir("other").unwrap();
    for path in ["socket", "./other/../socket"] {
        let server = start_unix::<R>(Path::new(path)).await.unwrap();
        assert!(first.join("socket").exists());
        std::env::set_current_dir("other").unwrap();
        // The same path is another file now.
        std::fs::create_dir_all("other").unwrap();
        std::fs::write(path, "another").unwrap();
        assert!(answers::<R>(&first.join("socket")).await);
        server.close();
        assert!(!first.join("socket").exists());
        assert_eq!(std::fs::read_to_string(path).unwrap(), "another");
        std::env::set_current_dir(&first).unwrap();
    }
}

/// Whatever its inode number is.
async fn an_old_server_leaves_the_file_of_a_new_one<R: Runtime>() {
    let folder = Folder::new();
    let path = folder.path(b"socket");
    for _ in 0..10 {
        let old = start_unix::<R>(&path).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        let new = start_unix::<R>(&path).await.unwrap();
        old.close();
        old.wait_closed().await;
        drop(old);
        assert!(answers::<R>(&path).await);
        new.shutdown(LIMIT).await;
        assert_eq!(folder.files(), 0);
    }
}

/// Once its listener is gone, nothing but the server keeps the inode from being used again.
#[test]
fn a_server_that_outlives_its_runtime_leaves_another_file() {
    let folder = Folder::new();
    let path = folder.path(b"socket");
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    for closes in [false, true] {
        for _ in 0..25 {
            let first = runtime();
            let old = first.block_on(start_unix::<Tokio>(&path)).unwrap();
            drop(first);
            assert!(path.exists());
            std::fs::remove_file(&path).unwrap();
            let second = runtime();
            let new = second.block_on(start_unix::<Tokio>(&path)).unwrap();
            let inode = std::fs::symlink_metadata(&path).unwrap().ino();
            if closes {
                old.close();
            }
            drop(old);
            assert!(second.block_on(answers::<Tokio>(&path)), "inode {inode}");
            second.block_on(new.shutdown(LIMIT));
            assert!(!path.exists());
        }
    }
}

/// A change of mode, owner or links is none of the file.
async fn a_file_whose_mode_was_changed_is_removed<R: Runtime>() {
    let folder = Folder::new();
    let path = folder.path(b"socket");
    let server = start_unix::<R>(&path).await.unwrap();
    R::sleep(Duration::from_millis(20)).await;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(answers::<R>(&path).await);
    server.close();
    assert_eq!(folder.files(), 0);
}

/// CPython raises `RuntimeError` for both.
async fn serve_forever_waits_for_a_close<R: Runtime>() {
    let (server, _) = start::<R, _, _>(async |_, _| {}, &ServerOptions::new()).await;
    let mut waits = [const { None }; 3].map(|_: Option<()>| Box::pin(server.serve_forever()));
    let mut poll_all = async || {
        poll_fn(|cx| {
            let polled = waits
                .iter_mut()
                .map(|wait| Pin::new(wait).poll(cx).is_ready());
            Poll::Ready(polled.filter(|is_ready| *is_ready).count())
        })
        .await
    };
    assert_eq!(poll_all().await, 0);
    server.close();
    assert_eq!(poll_all().await, 3);
    // It is closed, and says so without a wait.
    for _ in 0..3 {
        let mut again = pin!(server.serve_forever());
        let polled = poll_fn(|cx| Poll::Ready(again.as_mut().poll(cx))).await;
        assert!(polled.is_ready());
    }
    assert!(!server.is_serving());
    server.wait_closed().await;
    server.serve_forever().await;
}

on_each_runtime!([
    an_address_that_is_not_here_is_left_out
    a_path_that_no_socket_can_have_is_refused
    an_abstract_socket_has_no_file
    an_old_server_leaves_the_file_of_a_new_one
    a_file_whose_mode_was_changed_is_removed
    serve_forever_waits_for_a_close
]);
