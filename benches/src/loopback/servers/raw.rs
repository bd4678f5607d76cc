//! The floor: bytes go back as they came, and nobody looks for lines.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub async fn echo(mut socket: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; super::READ_SIZE];
    loop {
        match socket.read(&mut buffer).await? {
            0 => return Ok(()),
            received => socket.write_all(&buffer[..received]).await?,
        }
    }
}
