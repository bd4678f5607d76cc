//! A short run of each, to see that they work. The long ones are `scripts/soak`.
#![cfg(target_os = "linux")]

use std::io::Write;
use std::process::Command;

/// Prints a line that the harness does not capture.
fn report(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("standard output");
}

/// Runs the program, and returns the last line that it prints.
fn soak(arguments: &[&str]) -> String {
    let run = Command::new(env!("CARGO_BIN_EXE_soak"))
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    let printed = String::from_utf8(run.stdout).unwrap();
    let last = printed.lines().last().unwrap_or_default().to_owned();
    report(&last);
    last
}

#[test]
fn no_line_is_lost_or_out_of_order() {
    let said = soak(&["load", "--connections", "300", "--lines", "30007"]);
    assert!(said.starts_with("load: 300 connections at once, 30007 lines answered,"));
}

#[test]
fn what_comes_and_goes_leaves_nothing() {
    let said = soak(&["churn", "--minutes", "0.05"]);
    assert!(said.ends_with("connections in 3 s, flat"));
}
