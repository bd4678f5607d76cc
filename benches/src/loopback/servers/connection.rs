//! plimsoll-io, a connection with one owner, through its server.

use std::io;

use plimsoll::Step;
use plimsoll_io::tokio::Tokio;
use plimsoll_io::{Connection, Error, Server, ServerOptions};
use tokio::net::TcpStream;

pub async fn serve() -> io::Result<()> {
    let options = ServerOptions::new();
    let server = Server::<Tokio>::start_connections(echo, &["127.0.0.1"], 0, &options).await?;
    println!("{}", server.local_addrs()[0].port());
    server.serve_forever().await;
    Ok(())
}

async fn echo(mut connection: Connection<TcpStream>) -> Result<(), Error> {
    while let Some(mut turn) = connection.turn().await {
        let core = &mut *turn;
        while let Step::Ready(line) = core.reader.read_line()? {
            if line.is_empty() {
                core.close();
                break;
            }
            core.writer.write(&line)?;
        }
    }
    Ok(())
}
