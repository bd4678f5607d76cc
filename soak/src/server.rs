//! The server, in a process of its own, and the handle that the other process has on it.
//!
//! They talk over the server's standard input and output: it prints its port, answers each line with its
//! counts, and shuts down at the end.

use std::io::{BufRead, BufReader, Write};
use std::process::{self, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use plimsoll_io::tokio::{StreamReader, StreamWriter};
use plimsoll_io::{Error, ReadError, ServerOptions, StreamOptions};

/// The longest line that the server takes, newline not counted.
pub const LIMIT: usize = 1024;
/// The answer to a longer one.
pub const TOO_LONG: &[u8] = b"too long\n";
/// Lines that make the handler give the connection up, return, and panic.
pub const ABORT: &[u8] = b"abort\n";
pub const LEAVE: &[u8] = b"leave\n";
pub const PANIC: &[u8] = b"panic\n";

/// How long handlers have to end by themselves at the end.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(10);

async fn answer(mut reader: StreamReader, mut writer: StreamWriter) -> Result<(), Error> {
    loop {
        match reader.read_line().await {
            Ok(line) if line.is_empty() || *line == *LEAVE => return Ok(()),
            Ok(line) if *line == *ABORT => writer.abort(),
            // Without the words that a panic prints.
            Ok(line) if *line == *PANIC => std::panic::resume_unwind(Box::new("as asked for")),
            Ok(line) => writer.write(&line)?,
            Err(Error::Read(ReadError::LineTooLong { .. })) => writer.write(TOO_LONG)?,
            Err(error) => return Err(error),
        }
        if !writer.is_writable() {
            writer.drain().await?;
        }
    }
}

/// Serves until standard input ends.
pub async fn serve() {
    let options = ServerOptions::new()
        .streams(StreamOptions::new().limit(LIMIT))
        .backlog(4096);
    let server = plimsoll_io::tokio::Server::start(answer, &["127.0.0.1"], 0, &options)
        .await
        .expect("a server");
    println!("{}", server.local_addrs()[0].port());

    tokio::task::block_in_place(|| {
        for _ in std::io::stdin().lines() {
            let statistics = server.statistics();
            let (open, accepted) = (server.connections(), statistics.accepted);
            println!("{open} {accepted} {}", statistics.accept_errors);
        }
    });
    println!("{}", server.shutdown(SHUTDOWN_WITHIN).await.aborted);
}

/// The process of the server. It ends with its handle.
pub struct Server {
    process: process::Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    port: u16,
}

/// What the server says of itself.
pub struct Counts {
    pub open: usize,
    pub accepted: usize,
    pub accept_errors: usize,
}

impl Server {
    pub fn start() -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut process = Command::new(program)
            .arg("server")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let output = process.stdout.take().expect("it is piped");
        let mut server = Self {
            input: process.stdin.take(),
            output: BufReader::new(output),
            process,
            port: 0,
        };
        let [port] = server.numbers();
        server.port = port.try_into().expect("a port");
        server
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn counts(&mut self) -> Counts {
        let input = self.input.as_mut().expect("a server that runs");
        input.write_all(b"\n").expect("a server that runs");
        let [open, accepted, accept_errors] = self.numbers();
        Counts {
            open,
            accepted,
            accept_errors,
        }
    }

    /// Waits until no connection is open, and returns the counts of then.
    pub async fn idle(&mut self) -> Counts {
        for _ in 0..2000 {
            let counts = self.counts();
            if counts.open == 0 {
                return counts;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!(
            "connections are open after ten seconds: {}",
            self.counts().open
        );
    }

    /// Shuts the server down. None of its handlers may have to be aborted.
    pub fn stop(mut self) {
        self.input = None;
        assert_eq!(self.numbers(), [0], "handlers that had to be aborted");
        assert!(self.process.wait().expect("its end").success());
    }

    /// The next line of the server's output.
    fn numbers<const N: usize>(&mut self) -> [usize; N] {
        let mut line = String::new();
        self.output
            .read_line(&mut line)
            .expect("a server that runs");
        let numbers: Option<Vec<usize>> = line
            .split_whitespace()
            .map(|word| word.parse().ok())
            .collect();
        let numbers = numbers.and_then(|numbers| numbers.try_into().ok());
        numbers.unwrap_or_else(|| panic!("the server said {line:?}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended on its own.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a process holds: bytes of resident memory, and descriptors.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Held {
    pub resident: usize,
    pub descriptors: usize,
}

impl Held {
    /// Reads what Linux tells of the process.
    pub fn by(process: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("Linux");
        let kibibytes: Option<usize> = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|value| value.split_whitespace().next()?.parse().ok());
        let descriptors = std::fs::read_dir(format!("/proc/{process}/fd")).expect("Linux");
        Self {
            resident: 1024 * kibibytes.expect("a number of kibibytes"),
            descriptors: descriptors.count(),
        }
    }
    /// Waits until a process has as many descriptors as here, and returns what it holds then. A server takes the
    /// last words of a peer for up to two seconds, and does not count that connection any more.
    pub async fn again(self, process: u32) -> Self {
        let mut now = self;
        for _ in 0..1000 {
            now = Self::by(process);
            if now.descriptors == self.descriptors {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("not all were closed: {self:?}, and after ten seconds {now:?}");
    }
}
