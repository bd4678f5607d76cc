//! Instructions that a line takes, counted by valgrind's callgrind: the load of the machine does not change
//! them, and nor do its caches.
//!
//! Each count is a process: the benchmark runs itself again under callgrind, once with few passes over the
//! same lines and once with more. What both do, start and make the lines, is in neither's difference.

use std::hint::black_box;
use std::io;
use std::process::{Command, Stdio};

use crate::figures::Figures;
use crate::input;
use crate::memory::{self, LENGTHS};
use crate::rows::{LINES, Row};

/// The title of the table.
pub const INSTRUCTIONS: &str = "In memory, instructions a line, reads of 16 KiB, by length of line";

const READ_SIZE: usize = 16 << 10;
const INPUT: usize = 256 << 10;
const FEW: usize = 1;
const MANY: usize = 3;

/// Counts every row; says so and counts nothing where there is no valgrind.
pub fn measure(quick: bool, figures: &mut Figures) -> io::Result<()> {
    if !has_valgrind() {
        println!("instructions: skipped, there is no valgrind");
        return Ok(());
    }
    let lengths = match quick {
        true => &LENGTHS[..1],
        false => &LENGTHS[..],
    };
    for mean in lengths {
        let lines = memory::count_lines(&input::lines(*mean, b"\n", INPUT));
        for row in LINES {
            let more = count(row, *mean, MANY)? - count(row, *mean, FEW)?;
            let per_line = more as f64 / (lines * (MANY - FEW)) as f64;
            figures.add(INSTRUCTIONS, row.name, &mean.to_string(), per_line);
        }
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

fn count(row: &Row, mean: usize, passes: usize) -> io::Result<u64> {
    let output = Command::new("valgrind")
        // valgrind counts every turn of a string instruction, by which long copies are made otherwise.
        .env(
            "GLIBC_TUNABLES",
            "glibc.cpu.x86_rep_movsb_threshold=1073741824",
        )
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["read", row.name, &mean.to_string(), &passes.to_string()])
        .stdin(Stdio::null())
        .output()?;
    let report = String::from_utf8_lossy(&output.stderr);
    let collected = output
        .status
        .success()
        .then(|| collected(&report))
        .flatten();
    collected.ok_or_else(|| io::Error::other(format!("{}: valgrind said:\n{report}", row.name)))
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
