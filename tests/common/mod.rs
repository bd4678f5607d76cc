//! What several test binaries share: naive models of the two halves, and a way to report counts.
#![allow(
    dead_code,
    reason = "each test binary compiles this anew and uses a part of it"
)]

pub mod reader_model;
pub mod writer_model;

use std::io::Write;

/// Prints a line that the test harness does not capture, so that a run that did nothing shows.
pub fn report(line: &str) {
    writeln!(std::io::stdout().lock(), "{line}").expect("standard output takes a line");
}

/// All strings of `len` letters over `alphabet`.
pub fn strings(alphabet: &'static [u8], len: usize) -> impl Iterator<Item = Vec<u8>> {
    (0..alphabet.len().pow(len as u32)).map(move |number| {
        let digits = (0..len as u32).map(|place| number / alphabet.len().pow(place));
        digits
            .map(|digit| alphabet[digit % alphabet.len()])
            .collect()
    })
}

/// Runs `work` on all of `items` in as many threads as there are cores; returns the sum of its counts.
pub fn count_in_parallel<T: Sync>(items: &[T], work: impl Fn(&T) -> u64 + Sync) -> u64 {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|first| {
                let work = &work;
                scope.spawn(move || {
                    items
                        .iter()
                        .skip(first)
                        .step_by(threads)
                        .map(work)
                        .sum::<u64>()
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .sum()
    })
}
