//! After any operations a reader answers, and is, what the naive model is, within its bound of memory.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| plimsoll_fuzz::reader::run(data));
