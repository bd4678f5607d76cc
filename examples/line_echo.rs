//! A server that answers every line with itself, in the shape that is recommended for handlers.
//!
//! ```sh
//! cargo run --example line_echo -- tokio 127.0.0.1:7007
//! ```
//!
//! The handler writes without waiting, and drains only where too much is pending: a read that has to
//! wait sends what was written, so any number of answers leave at once, and a peer that does not read
//! is no longer read from. It prints the addresses that it listens on, one in a line; port 0 lets the
//! system choose.

#[macro_use]
mod common;

use std::io::{Write, stdout};
use std::net::SocketAddr;
use std::process::ExitCode;

use common::{AsyncRuntime, Chosen, Result};
use plimsoll_io::{
    Error, ReadError, Server, ServerOptions, StreamReader, StreamWriter, Transport, blocking,
};

fn main() -> ExitCode {
    let (chosen, rest) = common::arguments();
    common::exit(match (chosen, rest.as_slice()) {
        (Some(runtime), [address]) => run(runtime, address),
        _ => Err("usage: line_echo tokio|async-std|smol|blocking HOST:PORT".into()),
    })
}

fn run(runtime: Chosen, address: &str) -> Result<()> {
    let (host, port) = common::host_and_port(address)?;
    run_on!(runtime, serve(host, port), serve_blocking(host, port))
}

async fn serve<R: AsyncRuntime>(host: &str, port: u16) -> Result<()> {
    let options = ServerOptions::new();
    let server = Server::<R>::start(echo_lines, &[host], port, &options).await?;
    print_addresses(server.local_addrs())?;
    server.serve_forever().await;
    Ok(())
}

async fn echo_lines<T: Transport>(
    mut reader: StreamReader<T>,
    mut writer: StreamWriter<T>,
) -> std::result::Result<(), Error> {
    loop {
        match reader.read_line().await {
            Ok(line) if line.is_empty() => return writer.close().await, // the peer's stream has ended
            Ok(line) => writer.write(&line)?,
            Err(Error::Read(ReadError::LineTooLong { .. })) => writer.write(b"line too long\n")?,
            Err(error) => return Err(error),
        }
        if !writer.is_writable() {
            writer.drain().await?;
        }
    }
}

fn serve_blocking(host: &str, port: u16) -> Result<()> {
    let server = blocking::start_server(echo_lines_blocking, host, port)?;
    print_addresses(server.local_addrs())?;
    server.serve_forever();
    Ok(())
}

fn echo_lines_blocking(
    mut reader: blocking::StreamReader,
    mut writer: blocking::StreamWriter,
) -> std::result::Result<(), Error> {
    loop {
        match reader.read_line() {
            Ok(line) if line.is_empty() => return writer.close(),
            Ok(line) => writer.write(&line)?,
            Err(Error::Read(ReadError::LineTooLong { .. })) => writer.write(b"line too long\n")?,
            Err(error) => return Err(error),
        }
        if !writer.is_writable() {
            writer.drain()?;
        }
    }
}

/// Whoever started the server may be waiting for them.
fn print_addresses(addresses: &[SocketAddr]) -> std::io::Result<()> {
    let mut stdout = stdout().lock();
    for address in addresses {
        writeln!(stdout, "{address}")?;
    }
    stdout.flush()
}
