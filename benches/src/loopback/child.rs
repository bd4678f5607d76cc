//! A server in a process of its own, which ends with its handle.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::process::{self, Command, Stdio};
use std::time::Duration;

pub struct Child {
    process: process::Child,
    port: u16,
}

impl Child {
    /// Starts a server that prints its port, and waits for that.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = process.stdout.take();
        let mut child = Self { process, port: 0 };
        let mut port = String::new();
        BufReader::new(stdout.expect("it is piped")).read_line(&mut port)?;
        child.port = port.trim().parse().map_err(io::Error::other)?;
        Ok(child)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// How long its first thread, where servers do all of their work, has had a processor.
    pub fn processor_time(&self) -> io::Result<Duration> {
        let statistics = self.proc("schedstat")?;
        let nanoseconds = statistics
            .split(' ')
            .next()
            .and_then(|number| number.parse().ok());
        Ok(Duration::from_nanos(
            nanoseconds.ok_or(io::ErrorKind::InvalidData)?,
        ))
    }

    /// Reads what Linux tells of the process in a file of `/proc`.
    pub fn proc(&self, file: &str) -> io::Result<String> {
        fs::read_to_string(format!("/proc/{}/{file}", self.process.id()))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended on its own.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
