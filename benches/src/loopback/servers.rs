//! A file for each way to answer every line with itself, all on tokio's current-thread runtime.
//!
//! Each server is a process: the benchmark runs itself again, with the server's name. It prints its port,
//! and ends when its standard input does, so that none is left behind.

mod by_hand;
mod framed;
mod plimsoll;
mod raw;
mod write_all;

use std::future::Future;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use tokio::net::{TcpListener, TcpStream};

use super::child::Child;

/// Most bytes that a server receives at once; what plimsoll-io does unless told otherwise.
const READ_SIZE: usize = 16 << 10;

pub const RAW: &str = "raw bytes";
pub const WRITE_ALL: &str = "BufReader, write_all a line";
pub const BY_HAND: &str = "BufReader, BufWriter, flushed when dry";
pub const FRAMED: &str = "Framed<LinesCodec>, send";
pub const PLIMSOLL: &str = "plimsoll";
pub const ASYNCIO: &str = "asyncio";
pub const UVLOOP: &str = "asyncio, uvloop";

/// All that can be measured here, and for the others why not.
pub fn all() -> Vec<Result<&'static str, String>> {
    let mut servers: Vec<_> = [RAW, WRITE_ALL, BY_HAND, FRAMED, PLIMSOLL].map(Ok).into();
    servers.push(match python("import asyncio") {
        true => Ok(ASYNCIO),
        false => Err(format!("{ASYNCIO}: skipped, there is no {PYTHON}")),
    });
    servers.push(match python("import uvloop") {
        true => Ok(UVLOOP),
        false => Err(format!("{UVLOOP}: skipped, {PYTHON} has no uvloop")),
    });
    servers
}

/// Starts a server in a process of its own.
pub fn start(name: &str) -> io::Result<Child> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/loopback/servers/asyncio_echo.py");
    match name {
        ASYNCIO => Child::start(Command::new(PYTHON).arg(script).arg("asyncio")),
        UVLOOP => Child::start(Command::new(PYTHON).arg(script).arg("uvloop")),
        _ => Child::start(Command::new(std::env::current_exe()?).args(["serve", name])),
    }
}

/// Is a server, until standard input ends.
pub fn serve(name: &str) -> io::Result<()> {
    std::thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match name {
            RAW => accept(raw::echo).await,
            WRITE_ALL => accept(write_all::echo).await,
            BY_HAND => accept(by_hand::echo).await,
            FRAMED => accept(framed::echo).await,
            PLIMSOLL => plimsoll::serve().await,
            _ => Err(io::Error::other(format!("no server is called {name}"))),
        }
    })
}

/// Runs `echo` on every connection, with the socket options that plimsoll-io sets.
async fn accept<F>(echo: fn(TcpStream) -> F) -> io::Result<()>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?.port());
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        tokio::spawn(echo(socket));
    }
}

const PYTHON: &str = "python3.13";

fn python(statement: &str) -> bool {
    let status = Command::new(PYTHON)
        .args(["-c", statement])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
