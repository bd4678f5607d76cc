//! The echo server of the asyncio documentation, for `echo_client`. It serves until it is interrupted.
//!
//! ```sh
//! cargo run --example echo_server                              # on tokio
//! cargo run --example echo_server -- smol 127.0.0.1:9000       # on another runtime and address
//! ```

#[macro_use]
mod common;

use std::io::{Write, stdout};
use std::net::SocketAddr;
use std::process::ExitCode;

use common::{AsyncRuntime, Chosen, Result, as_in_python};
use plimsoll_io::{Server, ServerOptions, StreamReader, StreamWriter, blocking};

fn main() -> ExitCode {
    let (chosen, rest) = common::arguments();
    let runtime = chosen.unwrap_or(Chosen::Tokio);
    common::exit(match rest.as_slice() {
        [] => run(runtime, "127.0.0.1:8888"),
        [address] => run(runtime, address),
        _ => Err("usage: echo_server [tokio|async-std|smol|blocking] [HOST:PORT]".into()),
    })
}

fn run(runtime: Chosen, address: &str) -> Result<()> {
    let (host, port) = common::host_and_port(address)?;
    run_on!(runtime, serve(host, port), serve_blocking(host, port))
}

async fn serve<R: AsyncRuntime>(host: &str, port: u16) -> Result<()> {
    let server = Server::<R>::start(handle_echo::<R>, &[host], port, &options()).await?;
    print_addresses(server.local_addrs())?;
    server.serve_forever().await;
    Ok(())
}

async fn handle_echo<R: AsyncRuntime>(
    mut reader: StreamReader<R::Tcp>,
    mut writer: StreamWriter<R::Tcp>,
) -> Result<()> {
    let from = reader.peer_addr()?;
    let data = reader.read(100).await?;
    let message = std::str::from_utf8(&data)?.escape_debug();
    writeln!(stdout(), "Received '{message}' from {}", as_in_python(from))?;

    writeln!(stdout(), "Send: '{message}'")?;
    writer.write(&data)?;
    writer.drain().await?;

    writeln!(stdout(), "Close the connection")?;
    writer.close().await?;
    Ok(())
}

fn serve_blocking(host: &str, port: u16) -> Result<()> {
    let server = blocking::Server::start(handle_echo_blocking, &[host], port, &options())?;
    print_addresses(server.local_addrs())?;
    server.serve_forever();
    Ok(())
}

fn handle_echo_blocking(
    mut reader: blocking::StreamReader,
    mut writer: blocking::StreamWriter,
) -> Result<()> {
    let from = reader.peer_addr()?;
    let data = reader.read(100)?;
    let message = std::str::from_utf8(&data)?.escape_debug();
    writeln!(stdout(), "Received '{message}' from {}", as_in_python(from))?;

    writeln!(stdout(), "Send: '{message}'")?;
    writer.write(&data)?;
    writer.drain()?;

    writeln!(stdout(), "Close the connection")?;
    writer.close()?;
    Ok(())
}

/// The defaults, and a word on standard error about each handler that fails.
fn options() -> ServerOptions {
    ServerOptions::new().on_error(|error| eprintln!("{error}"))
}

fn print_addresses(addresses: &[SocketAddr]) -> std::io::Result<()> {
    let addresses: Vec<_> = addresses.iter().copied().map(as_in_python).collect();
    writeln!(stdout(), "Serving on {}", addresses.join(", "))
}
