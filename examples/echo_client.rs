//! The echo client of the asyncio documentation, for `echo_server`.
//!
//! ```sh
//! cargo run --example echo_client                              # on every runtime in turn
//! cargo run --example echo_client -- smol 127.0.0.1:9000       # on one, to another address
//! ```

#[macro_use]
mod common;

use std::io::{Write, stdout};
use std::process::ExitCode;

use common::{AsyncRuntime, Chosen, Result};
use plimsoll_io::{ConnectOptions, blocking};

const MESSAGE: &str = "Hello World!";

fn main() -> ExitCode {
    let (chosen, rest) = common::arguments();
    common::exit(match rest.as_slice() {
        [] => run(chosen, "127.0.0.1:8888"),
        [address] => run(chosen, address),
        _ => Err("usage: echo_client [tokio|async-std|smol|blocking] [HOST:PORT]".into()),
    })
}

fn run(chosen: Option<Chosen>, address: &str) -> Result<()> {
    let (host, port) = common::host_and_port(address)?;
    common::on_each(chosen, |runtime| {
        run_on!(runtime, echo(host, port), echo_blocking(host, port))
    })
}

async fn echo<R: AsyncRuntime>(host: &str, port: u16) -> Result<()> {
    let options = ConnectOptions::new();
    let (mut reader, mut writer) = options.open_connection::<R>(host, port).await?;

    writeln!(stdout(), "Send: '{MESSAGE}'")?;
    writer.write(MESSAGE.as_bytes())?;
    writer.drain().await?;

    let data = reader.read(100).await?;
    writeln!(stdout(), "Received: '{}'", std::str::from_utf8(&data)?)?;

    writeln!(stdout(), "Close the connection")?;
    writer.close().await?;
    Ok(())
}

fn echo_blocking(host: &str, port: u16) -> Result<()> {
    let (mut reader, mut writer) = blocking::open_connection(host, port)?;

    writeln!(stdout(), "Send: '{MESSAGE}'")?;
    writer.write(MESSAGE.as_bytes())?;
    writer.drain()?;

    let data = reader.read(100)?;
    writeln!(stdout(), "Received: '{}'", std::str::from_utf8(&data)?)?;

    writeln!(stdout(), "Close the connection")?;
    writer.close()?;
    Ok(())
}
