//! A limit of time for a test that may hang inside a poll, where no timer of its own is heard.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use io_test_support::report;

const LIMIT: Duration = Duration::from_secs(60);

/// Ends the process, and with it the test, unless it is dropped in time.
#[derive(Debug)]
pub(crate) struct Limit {
    _lives: Sender<()>,
}

impl Limit {
    pub(crate) fn start() -> Self {
        let test = thread::current().name().unwrap_or("a test").to_owned();
        let (lives, has_ended) = channel::<()>();
        thread::spawn(move || {
            if has_ended.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
                report(&format!("failed: {test} goes on for ever"));
                std::process::exit(101);
            }
        });
        Self { _lives: lives }
    }
}
