//! The echo client and server of the asyncio documentation, in one process, on every runtime.
//!
//! ```sh
//! cargo run --example echo              # tokio, async-std, smol and blocking sockets in turn
//! cargo run --example echo -- smol      # one of them
//! ```
//!
//! The program is here twice: once for the runtimes whose functions are awaited, and once for blocking
//! sockets, where it is the same without `await`.

#[macro_use]
mod common;

use std::io::{Write, stdout};
use std::process::ExitCode;
use std::time::Duration;

use common::{AsyncRuntime, Chosen, Result};
use plimsoll_io::{
    ConnectOptions, Error, Server, ServerOptions, StreamReader, StreamWriter, Transport, blocking,
};

const MESSAGE: &str = "Hello World!";

/// How long the server's handlers may take to end.
const AT_MOST: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let (chosen, rest) = common::arguments();
    common::exit(match rest.as_slice() {
        [] => common::on_each(chosen, run),
        _ => Err("usage: echo [tokio|async-std|smol|blocking]".into()),
    })
}

fn run(runtime: Chosen) -> Result<()> {
    run_on!(runtime, client_and_server(), client_and_server_blocking())
}

async fn client_and_server<R: AsyncRuntime>() -> Result<()> {
    let options = ServerOptions::new();
    let server = Server::<R>::start(echo_once, &["127.0.0.1"], 0, &options).await?;
    let port = server.local_addrs()[0].port();

    let (mut reader, mut writer) = ConnectOptions::new()
        .open_connection::<R>("127.0.0.1", port)
        .await?;
    writeln!(stdout(), "Send: '{MESSAGE}'")?;
    writer.write(MESSAGE.as_bytes())?;

    let data = reader.read(100).await?; // sends what was written, then waits
    writeln!(stdout(), "Received: '{}'", std::str::from_utf8(&data)?)?;

    writeln!(stdout(), "Close the connection")?;
    writer.close().await?;
    drop((reader, writer));

    server.shutdown(AT_MOST).await;
    Ok(())
}

async fn echo_once<T: Transport>(
    mut reader: StreamReader<T>,
    mut writer: StreamWriter<T>,
) -> std::result::Result<(), Error> {
    let data = reader.read(100).await?;
    writer.write(&data)?;
    writer.close().await
}

fn client_and_server_blocking() -> Result<()> {
    let server = blocking::start_server(echo_once_blocking, "127.0.0.1", 0)?;
    let port = server.local_addrs()[0].port();

    let (mut reader, mut writer) = blocking::open_connection("127.0.0.1", port)?;
    writeln!(stdout(), "Send: '{MESSAGE}'")?;
    writer.write(MESSAGE.as_bytes())?;

    let data = reader.read(100)?;
    writeln!(stdout(), "Received: '{}'", std::str::from_utf8(&data)?)?;

    writeln!(stdout(), "Close the connection")?;
    writer.close()?;
    drop((reader, writer));

    server.shutdown(AT_MOST);
    Ok(())
}

fn echo_once_blocking(
    mut reader: blocking::StreamReader,
    mut writer: blocking::StreamWriter,
) -> std::result::Result<(), Error> {
    let data = reader.read(100)?;
    writer.write(&data)?;
    writer.close()
}
