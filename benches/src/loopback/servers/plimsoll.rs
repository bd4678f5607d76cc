//! plimsoll-io, in the shape that is recommended for handlers.

use std::io;

use plimsoll_io::Error;
use plimsoll_io::tokio::{StreamReader, StreamWriter, start_server};

pub async fn serve() -> io::Result<()> {
    let server = start_server(echo, "127.0.0.1", 0).await?;
    println!("{}", server.local_addrs()[0].port());
    server.serve_forever().await;
    Ok(())
}

async fn echo(mut reader: StreamReader, mut writer: StreamWriter) -> Result<(), Error> {
    loop {
        let line = reader.read_line().await?;
        if line.is_empty() {
            return Ok(());
        }
        writer.write(&line)?;
        if !writer.is_writable() {
            writer.drain().await?;
        }
    }
}
