//! One protocol, written without a network: checked over every chunking of its input, then served as
//! it is on four runtimes, and asked by a client.
//!
//! ```sh
//! cargo run --features testing --example protocol
//! ```

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use plimsoll::testing::{ScriptedPeer, assert_chunking_does_not_matter, drive};
use plimsoll::{Connection as Core, Event, Next, Protocol, ReadError, Step};
use plimsoll_io::async_std::AsyncStd;
use plimsoll_io::blocking::Blocking;
use plimsoll_io::smol::Smol;
use plimsoll_io::tokio::Tokio;
use plimsoll_io::{ConnectOptions, Runtime, Server, ServerOptions};

type BoxError = Box<dyn Error + Send + Sync>;

/// Keeps words: `SET name value`, `GET name`, `QUIT`. A client has 30 seconds for each line.
#[derive(Default)]
struct Store(HashMap<Vec<u8>, Vec<u8>>);

impl Protocol for Store {
    type Error = BoxError;

    fn advance(&mut self, core: &mut Core, event: Event) -> Result<Next, BoxError> {
        if matches!(event, Event::TimedOut | Event::ShuttingDown) {
            core.writer.write(b"BYE\n")?;
            return Ok(Next::Close);
        }
        loop {
            let line = match core.reader.read_line() {
                Ok(Step::Ready(line)) if line.is_empty() => return Ok(Next::Close),
                Ok(Step::Ready(line)) => line,
                Ok(Step::NeedInput) => return Ok(Next::TurnWithin(Duration::from_secs(30))),
                Err(ReadError::LineTooLong { .. }) => {
                    core.writer.write(b"TOO LONG\n")?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let mut words = line.trim_ascii().split(|byte| *byte == b' ');
            let reply = match (words.next(), words.next(), words.next()) {
                (Some(b"SET"), Some(name), Some(value)) => {
                    self.0.insert(name.to_vec(), value.to_vec());
                    b"OK"
                }
                (Some(b"GET"), Some(name), None) => match self.0.get(name) {
                    Some(value) => value.as_slice(),
                    None => b"NOTHING",
                },
                (Some(b"QUIT"), None, None) => return Ok(Next::Close),
                _ => b"WHAT?",
            };
            core.writer.write_all_vectored([reply, b"\n"])?;
        }
    }
}

/// A client is a protocol, too: it asks, and collects the replies.
fn ask(replies: &mut Vec<String>) -> impl Protocol<Error = BoxError> + '_ {
    move |core: &mut Core, event: Event| -> Result<Next, BoxError> {
        if event == Event::Started {
            core.writer.write(b"SET colour blue\nGET colour\nQUIT\n")?;
        }
        while let Step::Ready(line) = core.reader.read_line()? {
            if line.is_empty() {
                return Ok(Next::Close);
            }
            replies.push(line.to_str()?.trim_end().to_owned());
        }
        Ok(Next::Turn)
    }
}

/// Without a network: wherever packets end, the replies are the same.
fn check() -> u64 {
    assert_chunking_does_not_matter(b"SET a b\nGET a\nX\n", |chunks| {
        let mut peer = ScriptedPeer::new().sends_each(chunks);
        let driven = drive(&mut Core::new(), &mut peer, &mut Store::default());
        assert_eq!(peer.received(), b"OK\nb\nWHAT?\n");
        driven.expect("no error").state
    })
}

async fn serve_and_ask<R: Runtime>() -> Result<Vec<String>, BoxError> {
    let options = ServerOptions::new();
    let server = Server::<R>::start_protocol(Store::default, &["127.0.0.1"], 0, &options).await?;
    let port = server.local_addrs()[0].port();

    let mut replies = Vec::new();
    let mut client = ConnectOptions::new()
        .connect::<R>("127.0.0.1", port)
        .await?;
    client.run(&mut ask(&mut replies)).await?;

    server.shutdown(Duration::from_secs(5)).await;
    Ok(replies)
}

fn main() -> Result<(), BoxError> {
    println!("the same over {} chunkings", check());
    let on_tokio = tokio::runtime::Runtime::new()?.block_on(serve_and_ask::<Tokio>())?;
    println!("tokio: {}", on_tokio.join(", "));
    let on_smol = smol::block_on(serve_and_ask::<Smol>())?;
    println!("smol: {}", on_smol.join(", "));
    let on_async_std = async_std::task::block_on(serve_and_ask::<AsyncStd>())?;
    println!("async-std: {}", on_async_std.join(", "));
    let on_threads = plimsoll_io::blocking::block_on(serve_and_ask::<Blocking>())?;
    println!("blocking: {}", on_threads.join(", "));
    Ok(())
}
