//! What is written first: each line is sent at once, by a system call of its own.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

pub async fn echo(mut socket: TcpStream) -> io::Result<()> {
    let (read, mut write) = socket.split();
    let mut reader = BufReader::with_capacity(super::READ_SIZE, read);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).await? > 0 {
        write.write_all(&line).await?;
        line.clear();
    }
    Ok(())
}
