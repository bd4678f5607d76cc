//! Whatever two hostile transports do, connections and the server give each byte once, in order, or tell of
//! the loss, and end.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| plimsoll_fuzz::connections::run(data));
