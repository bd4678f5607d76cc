//! Reads from one end of a connected socket pair what another task writes later, as in the asyncio
//! documentation: any socket that the program has opened itself makes a stream.
//!
//! ```sh
//! cargo run --example register_socket              # on every runtime in turn
//! cargo run --example register_socket -- smol      # on one
//! ```

#[cfg(unix)]
mod common;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    let (chosen, rest) = common::arguments();
    common::exit(match rest.as_slice() {
        [] => unix::run(chosen),
        _ => Err("usage: register_socket [tokio|async-std|smol|blocking]".into()),
    })
}

#[cfg(not(unix))]
fn main() {
    eprintln!("register_socket needs Unix sockets");
}

#[cfg(unix)]
mod unix {
    use std::io::{Write, stdout};
    use std::thread;
    use std::time::Duration;

    use plimsoll_io::async_std::AsyncStd;
    use plimsoll_io::smol::Smol;
    use plimsoll_io::tokio::Tokio;
    use plimsoll_io::{
        Error, Runtime, StreamOptions, StreamPair, StreamWriter, Transport, blocking,
    };

    use crate::common::{self, AsyncRuntime, Chosen, Result};

    /// How much later the other task writes.
    const LATER: Duration = Duration::from_millis(100);

    pub(crate) fn run(chosen: Option<Chosen>) -> Result<()> {
        common::on_each(chosen, |runtime| match runtime {
            Chosen::Tokio => Tokio::block_on(async {
                let (here, there) = tokio::net::UnixStream::pair()?;
                wait_for_data::<Tokio>(here, there).await
            }),
            Chosen::AsyncStd => AsyncStd::block_on(async {
                let (here, there) = async_std::os::unix::net::UnixStream::pair()?;
                wait_for_data::<AsyncStd>(here, there).await
            }),
            Chosen::Smol => Smol::block_on(async {
                let (here, there) = smol::net::unix::UnixStream::pair()?;
                wait_for_data::<Smol>(here, there).await
            }),
            Chosen::Blocking => {
                let (here, there) = std::os::unix::net::UnixStream::pair()?;
                wait_for_data_blocking(blocking::Async::new(here)?, blocking::Async::new(there)?)
            }
        })
    }

    async fn wait_for_data<R: Runtime>(here: R::Unix, there: R::Unix) -> Result<()> {
        let (mut reader, mut writer) = StreamPair::new(here).split();
        R::spawn(async {
            R::sleep(LATER).await;
            let (_reader, writer) = StreamPair::new(there).split();
            if let Err(error) = send_abc(writer).await {
                eprintln!("error: {error}");
            }
        })?;

        let data = reader.read(100).await?;
        writeln!(stdout(), "Received: {}", std::str::from_utf8(&data)?)?;
        writer.close().await?;
        Ok(())
    }

    async fn send_abc<T: Transport>(mut writer: StreamWriter<T>) -> std::result::Result<(), Error> {
        writer.write(b"abc")?;
        writer.close().await
    }

    fn wait_for_data_blocking<T: Transport>(here: T, there: T) -> Result<()> {
        let (mut reader, mut writer) = blocking::streams(here, &StreamOptions::new());
        let sender = thread::spawn(|| {
            thread::sleep(LATER);
            let (_reader, mut writer) = blocking::streams(there, &StreamOptions::new());
            writer.write(b"abc")?;
            writer.close()
        });

        let data = reader.read(100)?;
        writeln!(stdout(), "Received: {}", std::str::from_utf8(&data)?)?;
        writer.close()?;
        sender.join().expect("a sender that does not panic")?;
        Ok(())
    }
}
