//! A server that runs out of descriptors waits, without spinning, and goes on when there are some again.
//!
//! Each runtime's server is a process of its own with a low limit: this test binary again, told by the
//! environment to serve.
#![cfg(all(
    unix,
    feature = "tokio",
    feature = "async-std",
    feature = "smol",
    feature = "blocking"
))]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use io_test_support::answer_lines;
use plimsoll_io::async_std::AsyncStd;
use plimsoll_io::blocking::Blocking;
use plimsoll_io::smol::Smol;
use plimsoll_io::tokio::Tokio;
use plimsoll_io::{Runtime, Server, ServerOptions};

/// Names the runtime to serve on, in the process that serves.
const SERVE_ON: &str = "PLIMSOLL_TEST_SERVES_ON";

/// Fewer descriptors than clients.
const DESCRIPTORS: usize = 64;
const CLIENTS: usize = 150;

/// Serves until standard input ends; then tells how often accepting failed.
async fn serve<R: Runtime>() {
    let options = ServerOptions::new().backlog(1000);
    let server = Server::<R>::start(answer_lines, &["127.0.0.1"], 0, &options)
        .await
        .unwrap();
    println!("address {}", server.local_addrs()[0]);
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    println!("accept errors {}", server.statistics().accept_errors);
}

/// The process that serves: does nothing in the one that tests.
#[test]
fn serve_if_told_to() {
    match std::env::var(SERVE_ON).as_deref() {
        Ok("tokio") => {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(serve::<Tokio>());
        }
        Ok("async-std") => async_std::task::block_on(serve::<AsyncStd>()),
        Ok("smol") => smol::block_on(serve::<Smol>()),
        Ok("blocking") => plimsoll_io::blocking::block_on(serve::<Blocking>()),
        Ok(other) => panic!("no runtime {other}"),
        Err(_) => {}
    }
}

struct Serving {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Serving {
    fn start(runtime: &str) -> Self {
        let mut process = Command::new("sh")
            .arg("-c")
            .arg(format!(
                "ulimit -n {DESCRIPTORS}; exec \"$0\" serve_if_told_to --exact --nocapture"
            ))
            .arg(std::env::current_exe().unwrap())
            .env(SERVE_ON, runtime)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { process, output }
    }

    /// What the process says behind `name`.
    fn says(&mut self, name: &str) -> String {
        let mut line = String::new();
        while self.output.read_line(&mut line).unwrap() > 0 {
            if let Some((_, said)) = line.split_once(name) {
                return said.trim().to_owned();
            }
            line.clear();
        }
        panic!("the server ended without a word of {name}");
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn t47_a_server_without_descriptors_waits_and_recovers() {
    for runtime in ["tokio", "async-std", "smol", "blocking"] {
        let began = Instant::now();
        let mut server = Serving::start(runtime);
        let address: SocketAddr = server.says("address ").parse().unwrap();

        let mut clients: Vec<TcpStream> = (0..CLIENTS)
            .map(|_| {
                let mut client = TcpStream::connect(address).unwrap();
                client
                    .set_read_timeout(Some(Duration::from_secs(20)))
                    .unwrap();
                client.write_all(b"hello\n").unwrap();
                client
            })
            .collect();
        std::thread::sleep(Duration::from_secs(1));

        // As those that are served leave, the others get their turn.
        for mut client in clients.drain(..) {
            let mut answer = [0; 6];
            client.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"hello\n");
        }

        drop(server.process.stdin.take());
        let errors: u64 = server.says("accept errors ").parse().unwrap();
        assert!(errors > 0, "{runtime}: it did run out of descriptors");
        // Ten a second; spinning makes millions.
        let seconds = began.elapsed().as_secs() + 1;
        assert!(errors <= 20 * seconds, "{runtime}: {errors} attempts");
        writeln!(
            std::io::stdout(),
            "descriptors on {runtime}: {errors} accept errors"
        )
        .unwrap();
    }
}
