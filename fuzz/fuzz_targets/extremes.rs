//! Any limit, cap, mark, count and separator, up to the largest number, does what the naive models say.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| plimsoll_fuzz::extremes::run(data));
