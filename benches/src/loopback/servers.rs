//! A file for each way to answer every line with itself, all on tokio's current-thread runtime.
//!
//! Each server is a process: the benchmark runs itself again, with the server's name. It prints its port,
//! and ends when its standard input does, so that none is left behind.

mod by_hand;
mod connection;
mod framed;
mod plimsoll;
mod python;
mod raw;
mod write_all;

use std::future::Future;
use std::io::{self, Read};
use std::process::Command;

use tokio::net::{TcpListener, TcpStream};

use super::child::Child;

/// Most bytes that a server receives at once; what plimsoll-io does unless told otherwise.
const READ_SIZE: usize = 16 << 10;

pub const RAW: &str = "raw bytes";
pub const WRITE_ALL: &str = "BufReader, write_all a line";
pub const BY_HAND: &str = "BufReader, BufWriter, flushed when dry";
pub const FRAMED: &str = "Framed<LinesCodec>, send";
pub const PLIMSOLL: &str = "plimsoll";
pub const CONNECTION: &str = "plimsoll, connection";
pub const ASYNCIO: &str = "asyncio";
pub const UVLOOP: &str = "asyncio, uvloop";

const IN_RUST: [&str; 6] = [RAW, WRITE_ALL, BY_HAND, FRAMED, PLIMSOLL, CONNECTION];
/// And the event loop of each.
const IN_PYTHON: [(&str, &str); 2] = [(ASYNCIO, "asyncio"), (UVLOOP, "uvloop")];

/// All that can be measured here, and for the others why not.
pub fn all() -> Vec<Result<&'static str, String>> {
    let in_python = IN_PYTHON.map(|(name, event_loop)| match python::missing(event_loop) {
        None => Ok(name),
        Some(reason) => Err(format!("{name}: skipped, {reason}")),
    });
    IN_RUST.map(Ok).into_iter().chain(in_python).collect()
}

/// Starts a server in a process of its own.
pub fn start(name: &str) -> io::Result<Child> {
    let in_python = IN_PYTHON.iter().find(|(server, _)| *server == name);
    Child::start(&mut match in_python {
        Some((_, event_loop)) => python::command(event_loop),
        None => {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["serve", name]);
            command
        }
    })
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
            CONNECTION => connection::serve().await,
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
