//! Two connections lose, double and exchange no byte on faulty wires, and end once nothing goes wrong.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| plimsoll_fuzz::endpoints::run(data));
