//! tokio-util's `Framed`, with `send`, which flushes after each line.

use std::io;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_util::codec::{Framed, LinesCodec};

pub async fn echo(socket: TcpStream) -> io::Result<()> {
    let mut framed = Framed::with_capacity(socket, LinesCodec::new(), super::READ_SIZE);
    while let Some(line) = framed.next().await {
        let line = line.map_err(io::Error::other)?;
        framed.send(line).await.map_err(io::Error::other)?;
    }
    Ok(())
}
