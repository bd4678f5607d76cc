//! What the tests of several crates share: a scripted transport, sessions over it, executors, a server's
//! handler, and a simulated network for two connections.

pub mod connections;
pub mod executor;
pub mod limits;
pub mod network;
pub mod once;
pub mod plain_layer;
pub mod read_halves;
#[cfg(feature = "runtimes")]
pub mod runtimes;
#[cfg(feature = "testing")]
pub mod scripted;
#[cfg(feature = "runtimes")]
pub mod servers;
#[cfg(feature = "testing")]
pub mod session;
pub mod simulated_server;
pub mod streams;
pub mod toy_layer;

use std::sync::{Mutex, MutexGuard, PoisonError};

use plimsoll_io::{DuplexStream, Error, StreamPair, StreamReader, StreamWriter, Transport, duplex};

pub use test_support::random::Random;
pub use test_support::report;

/// Makes two pairs that are connected to each other in memory.
pub fn pair(capacity: usize) -> (StreamPair<DuplexStream>, StreamPair<DuplexStream>) {
    let (here, there) = duplex(capacity);
    (StreamPair::new(here), StreamPair::new(there))
}

/// Answers each line, and ends with the peer's stream.
pub async fn answer_lines<T: Transport>(
    mut reader: StreamReader<T>,
    mut writer: StreamWriter<T>,
) -> Result<(), Error> {
    loop {
        let line = reader.read_line().await?;
        if line.is_empty() {
            return Ok(());
        }
        writer.write(&line)?;
    }
}

/// Raises the limit on descriptors, which often is 1024, as far as that is allowed.
#[cfg(unix)]
pub fn allow_descriptors(count: u64) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < count) {
        limit.current = limit
            .maximum
            .map_or(Some(count), |most| Some(count.min(most)));
        setrlimit(Resource::Nofile, limit).unwrap();
    }
}

/// Lets one test of a process run at a time, where what it counts is the process's.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Prints what was run when a test panics in the middle of it.
#[derive(Debug)]
pub struct Case(pub String);

impl Drop for Case {
    fn drop(&mut self) {
        if std::thread::panicking() {
            report(&format!("failed: {}", self.0));
        }
    }
}
