//! The careful one: answers are gathered, and sent when there is nothing left to answer.
//!
//! It hangs where a part of a line stays in the read buffer and the peer waits for answers before it sends
//! the rest.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::TcpStream;

pub async fn echo(mut socket: TcpStream) -> io::Result<()> {
    let (read, write) = socket.split();
    let mut reader = BufReader::with_capacity(super::READ_SIZE, read);
    let mut writer = BufWriter::with_capacity(super::READ_SIZE, write);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).await? > 0 {
        writer.write_all(&line).await?;
        line.clear();
        if reader.buffer().is_empty() {
            writer.flush().await?;
        }
    }
    writer.flush().await
}
