//! However a stream is cut, the same reads give the same frames, the same errors and the same rest.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| plimsoll_fuzz::cuts::run(data));
