//! Memory of connections that wait: what each one keeps resident in its server, after traffic.

use std::fs;
use std::io;

use crate::figures::Figures;
use crate::loopback::child::Child;
use crate::loopback::load::{Load, Shape};
use crate::loopback::servers::{self, BY_HAND, FRAMED, PLIMSOLL};

/// The title of the table.
pub const IDLE: &str = "Resident memory of a server, bytes for each idle connection, after traffic";
const CONNECTIONS: usize = 10_000;
const QUICK_CONNECTIONS: usize = 100;
/// For everything but connections.
const OTHER_DESCRIPTORS: usize = 100;

/// Measures servers one after another. Their sockets' memory is the kernel's, and not counted.
///
/// # Panics
///
/// If plimsoll's connections hold half as much as those of a peer, or more.
///
/// # Errors
///
/// Where there is no `/proc`, or a server gave a wrong answer.
pub fn measure(quick: bool, figures: &mut Figures) -> io::Result<()> {
    let connections = if quick {
        QUICK_CONNECTIONS
    } else {
        CONNECTIONS.min(descriptors()?.saturating_sub(OTHER_DESCRIPTORS))
    };
    if connections < CONNECTIONS && !quick {
        println!("idle: only {connections} connections, for want of descriptors (ulimit -n)");
    }
    let mut least = f64::INFINITY;
    for name in [BY_HAND, FRAMED, PLIMSOLL] {
        let bytes = measure_server(&servers::start(name)?, connections)?;
        figures.add(IDLE, name, "bytes", bytes);
        assert!(
            name != PLIMSOLL || bytes < least / 2.0,
            "{bytes} bytes for a connection, of a peer {least}"
        );
        least = least.min(bytes);
    }
    Ok(())
}

fn measure_server(server: &Child, connections: usize) -> io::Result<f64> {
    // What the first connections of a process take is not the price of a connection.
    let warm = exchange_lines(server, QUICK_CONNECTIONS)?;
    let before = resident(server)?;
    let idle = exchange_lines(server, connections)?;
    let after = resident(server)?;
    warm.finish()?;
    idle.finish()?;
    Ok((after as f64 - before as f64) / connections as f64)
}

/// Opens connections, sends lines on each, and receives the answers: nothing is in flight then.
fn exchange_lines(server: &Child, connections: usize) -> io::Result<Load> {
    let mut load = Load::connect(
        server.port(),
        Shape {
            connections,
            in_flight: 64,
            line: 64,
        },
    )?;
    load.send()?;
    load.receive()?;
    Ok(load)
}

/// Resident memory, in bytes.
fn resident(server: &Child) -> io::Result<u64> {
    let kibibytes = number_after(&server.proc("status")?, "VmRSS:");
    Ok(1024 * kibibytes.ok_or(io::ErrorKind::InvalidData)?)
}

/// How many descriptors this process, and those that it starts, may have.
fn descriptors() -> io::Result<usize> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    // Where there is no limit, it says so in place of the number.
    Ok(number_after(&limits, "Max open files").map_or(usize::MAX, |limit| limit as usize))
}

fn number_after(text: &str, label: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_behind_their_label() {
        let text = "VmSize:\t  123 kB\nVmRSS:\t    4567 kB\nMax open files   1024   4096  files\n";
        assert_eq!(number_after(text, "VmRSS:"), Some(4567));
        assert_eq!(number_after(text, "Max open files"), Some(1024));
        assert_eq!(number_after(text, "VmSwap:"), None);
    }
}
