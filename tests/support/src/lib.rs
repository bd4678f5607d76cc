//! What the tests of several crates share: naive models of the two halves, a simulated network for two
//! endpoints, the public functions of a source file, and ways to count.

pub mod campaign;
pub mod choices;
pub mod endpoints;
pub mod functions;
pub mod heap;
pub mod parallel;
pub mod random;
pub mod reader_model;
pub mod reads;
pub mod wire;
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
