//! Hundreds of connections at once, whose sides do whatever their users may do, and a third place
//! that ends them meanwhile: every byte is checked, nothing hangs, and nothing is left.
//!
//! Each runtime has a process of its own, whose descriptors, tasks and threads are counted: this
//! test binary again, told by the environment. `PLIMSOLL_TEST_STRESS=600` has it run for so many
//! seconds on each, `PLIMSOLL_TEST_SEED=7` has it draw other plans. How tasks and threads take
//! turns no seed repeats.
#![cfg(all(
    target_os = "linux",
    feature = "tokio",
    feature = "async-std",
    feature = "smol",
    feature = "blocking"
))]

mod client;
mod halves;
mod pair;
mod payload;
mod plan;
mod reads;
mod record;
mod round;
mod single;
mod waits;
mod watch;
mod writes;

use std::process::Command;
use std::str::FromStr;
use std::time::{Duration, Instant};

use io_test_support::{allow_descriptors, report};
use plimsoll_io::Runtime;
use plimsoll_io::async_std::AsyncStd;
use plimsoll_io::blocking::Blocking;
use plimsoll_io::smol::Smol;
use plimsoll_io::tokio::Tokio;
use round::{Before, Run, round};
use watch::COUNTS;

/// For how many seconds on each runtime, if not for the usual time.
const SECONDS: &str = "PLIMSOLL_TEST_STRESS";
const USUALLY: u64 = 2;

/// How long threads that have nothing to do, and servers that see their peers leave, may go on.
const SETTLES: Duration = Duration::from_secs(1);

/// What the plans are drawn from.
const SEED: &str = "PLIMSOLL_TEST_SEED";

/// Names the runtime, in the process that is to run on it.
const STRESS_ON: &str = "PLIMSOLL_TEST_STRESS_ON";

/// A number from the environment.
fn number<N: FromStr>(variable: &str) -> Option<N> {
    let value = std::env::var(variable).ok()?;
    let Ok(number) = value.parse() else {
        panic!("{variable}={value} is no number");
    };
    Some(number)
}

#[test]
fn connections_come_to_their_ends_whatever_becomes_of_them() {
    for runtime in ["tokio", "smol", "async-std", "blocking"] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["run_if_told_to", "--exact", "--nocapture"])
            .env(STRESS_ON, runtime)
            .env("SMOL_THREADS", "3")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{runtime}: {said}{told}");
        let counted = said.lines().find(|line| line.starts_with("stress: "));
        report(counted.expect("what was done"));
    }
}

/// The process that the test above starts. Otherwise it does nothing.
#[test]
fn run_if_told_to() {
    match std::env::var(STRESS_ON).as_deref() {
        Ok("tokio") => {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(4)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(rounds::<Tokio>("tokio", 500));
        }
        Ok("smol") => smol::block_on(rounds::<Smol>("smol", 500)),
        Ok("async-std") => async_std::task::block_on(rounds::<AsyncStd>("async-std", 500)),
        Ok("blocking") => plimsoll_io::blocking::block_on(rounds::<Blocking>("blocking", 200)),
        Ok(other) => panic!("no runtime {other}"),
        Err(_) => {}
    }
}

async fn rounds<R: Runtime>(on: &str, clients: u64) {
    let seconds = number(SECONDS).unwrap_or(USUALLY);
    let seed = number(SEED).unwrap_or(1);
    watch::begin(format!(
        "stress: seed {seed} failed on {on}; again: {STRESS_ON}={on} {SEED}={seed} \
         {SECONDS}={seconds} cargo test -p plimsoll-io --all-features --test stress run_if_told_to"
    ));
    allow_descriptors(4096);
    let mut run = Run {
        seed,
        clients: 8,
        is_on_threads: on == "blocking",
    };
    // What a runtime opens when it is first used stays open.
    round::<R>(run, 0, Before::UNKNOWN).await;
    R::sleep(SETTLES).await;
    let before = Before::now();
    let (began, limit) = (Instant::now(), Duration::from_secs(seconds));
    let mut rounds = 0;
    run.clients = clients;
    while began.elapsed() < limit {
        rounds += 1;
        round::<R>(run, rounds, before).await;
    }
    let counts = &COUNTS;
    report(&format!(
        "stress: {on}, {rounds} rounds, {} connections, {} MB, {} clean ends, {} losses, \
         {} waits given up, {} moves to another task, {} panics, {} commands by others, \
         {} leaks, {} of halves",
        counts.connections.get(),
        counts.bytes.get() >> 20,
        counts.ends.get(),
        counts.losses.get(),
        counts.given_up.get(),
        counts.moved.get(),
        counts.panics.get(),
        counts.commands.get(),
        counts.leaked.get(),
        counts.leaked_halves.get(),
    ));
}
