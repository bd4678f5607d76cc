//! The example `line_echo` on every runtime, against a client in another language.
//!
//! `tests/line_echo/client.py` holds the scenarios. It needs Python 3, and nothing but its library.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use test_support::report;

/// Many times what the client takes: a client that has not ended by then never does.
const CLIENT_ENDS_WITHIN: Duration = Duration::from_secs(120);

#[test]
fn tokio_stands_the_client() {
    line_echo_stands_the_client("tokio");
}

#[test]
fn async_std_stands_the_client() {
    line_echo_stands_the_client("async-std");
}

#[test]
fn smol_stands_the_client() {
    line_echo_stands_the_client("smol");
}

#[test]
fn blocking_stands_the_client() {
    line_echo_stands_the_client("blocking");
}

fn line_echo_stands_the_client(runtime: &str) {
    if !python_is_here() {
        return report(&format!(
            "line_echo: {runtime}: skipped, there is no python3"
        ));
    }
    let mut server = Process::start(Command::new(line_echo()).args([runtime, "127.0.0.1:0"]));
    let address = server.address();

    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/line_echo/client.py");
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let mut client = Process::start(Command::new("python3").arg(client).args([host, port]));
    let (passed, transcript) = client.end_within(CLIENT_ENDS_WITHIN);

    assert!(passed, "{runtime}:\n{transcript}");
    assert!(server.is_running(), "{runtime}: the server has ended");
    let summary = transcript.lines().last().unwrap_or_default();
    report(&format!("line_echo: {runtime}: {summary}"));
}

fn python_is_here() -> bool {
    let version = Command::new("python3").arg("--version").output();
    match version {
        Ok(output) => output.status.success(),
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => panic!("python3: {error}"),
    }
}

/// The example's program, which stands beside this test's.
///
/// `cargo test` has just built it, unless it was told to build this test only: so it is built here. That
/// is the same build, and costs nothing where it has been done.
fn line_echo() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let test = std::env::current_exe().expect("the path of this test");
        let profile = test.ancestors().nth(2).expect("target/debug");
        let name = format!("line_echo{}", std::env::consts::EXE_SUFFIX);
        let program = profile.join("examples").join(name);
        if let Some(cargo) = std::env::var_os("CARGO") {
            let target = profile.parent().expect("target");
            // `cargo test` builds in the profile `test`, or in the one that it was told.
            let profile = match profile.file_name() {
                Some(debug) if debug == "debug" => OsStr::new("test"),
                name => name.expect("debug, or the name of a profile"),
            };
            let built = Command::new(cargo)
                .args(["build", "--quiet", "--workspace", "--all-features"])
                .args(["--example", "line_echo", "--profile"])
                .arg(profile)
                .arg("--target-dir")
                .arg(target)
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .status();
            assert!(built.is_ok_and(|status| status.success()), "no line_echo");
        }
        program
    })
}

/// A process that does not outlive the test.
struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self(child)
    }

    /// Reads the address that a server prints first.
    fn address(&mut self) -> SocketAddr {
        let stdout = self.0.stdout.as_mut().expect("a pipe");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        line.trim().parse().expect("the address of the server")
    }

    /// Waits for the end; tells whether it was a success, and what the process has printed.
    fn end_within(&mut self, limit: Duration) -> (bool, String) {
        let mut stdout = self.0.stdout.take().expect("a pipe");
        let printed = thread::spawn(move || {
            let mut printed = String::new();
            stdout.read_to_string(&mut printed).map(|_| printed)
        });
        let began = Instant::now();
        let in_time = loop {
            match self.0.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if began.elapsed() > limit => break None,
                None => thread::sleep(Duration::from_millis(10)),
            }
        };
        if in_time.is_none() {
            self.0.kill().unwrap();
        }
        let mut printed = printed.join().expect("a reader").unwrap();
        if in_time.is_none() {
            printed += &format!("no end after {limit:?}\n");
        }
        (in_time.is_some_and(|status| status.success()), printed)
    }

    fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It fails only where the process has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
