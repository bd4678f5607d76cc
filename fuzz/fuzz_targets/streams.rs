//! Whatever two hostile transports do, streams give each byte once, in order, or tell of the loss, and end.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| plimsoll_fuzz::streams::run(data));
