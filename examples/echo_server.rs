//! The echo server of the asyncio documentation, for `echo_client`. It serves until it is interrupted.
//!
//! ```sh
//! cargo run --example echo_server                              # on tokio
//! cargo run --example echo_server -- smol 127.0.0.1:9000       # on another runtime and address
//! ```

mod common;

use std::net::SocketAddr;
use std::process::ExitCode;

use common::{AsyncRuntime, Chosen, Result, as_in_python};
use plimsoll_io::async_std::AsyncStd;
use plimsoll_io::smol::Smol;
use plimsoll_io::tokio::Tokio;
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
    match runtime {
        Chosen::Tokio => Tokio::block_on(serve::<Tokio>(host, port)),
        Chosen::AsyncStd => AsyncStd::block_on(serve::<AsyncStd>(host, port)),
        Chosen::Smol => Smol::block_on(serve::<Smol>(host, port)),
        Chosen::Blocking => serve_blocking(host, port),
    }
}

async fn serve<R: AsyncRuntime>(host: &str, port: u16) -> Result<()> {
    let options = ServerOptions::new();
    let server = Server::<R>::start(handle_echo::<R>, &[host], port, &options).await?;
    print_addresses(server.local_addrs());
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
    println!("Received '{message}' from {}", as_in_python(from));

    println!("Send: '{message}'");
    writer.write(&data)?;
    writer.drain().await?;

    println!("Close the connection");
    writer.close().await?;
    Ok(())
}

fn serve_blocking(host: &str, port: u16) -> Result<()> {
    let server = blocking::start_server(handle_echo_blocking, host, port)?;
    print_addresses(server.local_addrs());
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
    println!("Received '{message}' from {}", as_in_python(from));

    println!("Send: '{message}'");
    writer.write(&data)?;
    writer.drain()?;

    println!("Close the connection");
    writer.close()?;
    Ok(())
}

fn print_addresses(addresses: &[SocketAddr]) {
    let addresses: Vec<_> = addresses.iter().copied().map(as_in_python).collect();
    println!("Serving on {}", addresses.join(", "));
}
