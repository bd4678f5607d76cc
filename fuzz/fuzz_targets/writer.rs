//! After any operations a writer answers, and is, what the naive model is, within its bound of memory.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| plimsoll_fuzz::writer::run(data));
