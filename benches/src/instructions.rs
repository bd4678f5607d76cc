//! Instructions that a line or a write takes, counted by valgrind's callgrind: the load of the machine does not
//! change them, and nor do its caches.
//!
//! Each count is a process: the benchmark runs itself again under callgrind, once with few passes over the
//! same lines and once with more. What both do, start and make the lines, is in neither's difference.

use std::hint::black_box;
use std::io;
use std::process::{Command, Stdio};

use bytes::Bytes;
use plimsoll::Writer;

use crate::figures::Figures;
use crate::input;
use crate::memory::{self, LENGTHS};
use crate::rows::LINES;

/// The title of the table.
pub const INSTRUCTIONS: &str = "In memory, instructions a line, reads of 16 KiB, by length of line";

pub const QUEUED: &str =
    "Instructions that a write of 32 bytes takes, by parts of the queue before it";

/// Parts that are queued before the writes that are counted.
const PARTS: [usize; 2] = [8, 8_000];
/// In each pass.
const WRITES: usize = 1_000;
const READ_SIZE: usize = 16 << 10;
const INPUT: usize = 256 << 10;
const FEW: usize = 1;
const MANY: usize = 3;

/// Counts every row; says so and counts nothing where there is no valgrind.
///
/// # Panics
///
/// If a write takes more behind a long queue than behind a short one.
pub fn measure(quick: bool, figures: &mut Figures) -> io::Result<()> {
    if !has_valgrind() {
        println!("instructions: skipped, there is no valgrind");
        return Ok(());
    }
    let lengths = if quick { &LENGTHS[..1] } else { &LENGTHS[..] };
    for mean in lengths {
        let lines = memory::count_lines(&input::lines(*mean, b"\n", INPUT));
        for row in LINES {
            let pass = count_pass(&["read", row.name, &mean.to_string()])?;
            let per_line = pass / lines as f64;
            figures.add(INSTRUCTIONS, row.name, &mean.to_string(), per_line);
        }
    }
    let mut writes = Vec::new();
    for parts in PARTS {
        let per_write = count_pass(&["write", &parts.to_string()])? / WRITES as f64;
        figures.add(QUEUED, "plimsoll", &parts.to_string(), per_write);
        writes.push(per_write);
    }
    assert!(
        writes[1] < 1.01 * writes[0],
        "{writes:?} instructions behind {PARTS:?} parts"
    );
    Ok(())
}

/// What is counted: so many passes of writes behind a queue of so many parts.
pub fn write(parts: usize, passes: usize) -> io::Result<()> {
    let mut writer = Writer::new();
    for _ in 0..parts {
        let part = Bytes::from_static(&[b'x'; 1024]);
        writer.write_bytes(part).map_err(io::Error::other)?;
    }
    for _ in 0..passes * WRITES {
        let small = black_box(b"a small write of 32 bytes, or so");
        writer.write(small).map_err(io::Error::other)?;
    }
    Ok(())
}

/// What is counted: so many passes over the lines.
pub fn read(row: &str, mean: usize, passes: usize) -> io::Result<()> {
    let row = LINES.iter().find(|other| other.name == row);
    let row = row.ok_or(io::ErrorKind::NotFound)?;
    let data = input::lines(mean, b"\n", INPUT);
    for _ in 0..passes {
        black_box(row.run(black_box(&data), READ_SIZE));
    }
    Ok(())
}

/// What a pass takes of the work that these words command.
fn count_pass(work: &[&str]) -> io::Result<f64> {
    let more = count(work, MANY)? - count(work, FEW)?;
    Ok(more as f64 / (MANY - FEW) as f64)
}

fn count(work: &[&str], passes: usize) -> io::Result<u64> {
    let output = Command::new("valgrind")
        // valgrind counts every turn of a string instruction, by which long copies are made otherwise.
        .env(
            "GLIBC_TUNABLES",
            "glibc.cpu.x86_rep_movsb_threshold=1073741824",
        )
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(work)
        .arg(passes.to_string())
        .stdin(Stdio::null())
        .output()?;
    let report = String::from_utf8_lossy(&output.stderr);
    let collected = output
        .status
        .success()
        .then(|| collected(&report))
        .flatten();
    collected.ok_or_else(|| io::Error::other(format!("{work:?}: valgrind said:\n{report}")))
}

/// The number in callgrind's line `==12== Collected : 3456`.
fn collected(report: &str) -> Option<u64> {
    let (_, number) = report.split_once("Collected : ")?;
    number.lines().next()?.trim().parse().ok()
}

fn has_valgrind() -> bool {
    let version = Command::new("valgrind")
        .arg("--version")
        .stdin(Stdio::null())
        .output();
    version.is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_in_the_report() {
        let report = "==12== Events    : Ir\n==12== Collected : 3456\n==12==\n";
        assert_eq!(collected(report), Some(3456));
        assert_eq!(collected("==12== Events    : Ir\n"), None);
    }
}
