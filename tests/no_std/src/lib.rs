//! A library without `std`, with a panic handler of its own.
//!
//! If plimsoll or anything below it linked `std`, there would be two panic handlers, and the compiler
//! would refuse: a build without features alone does not show that.
#![no_std]

use core::alloc::{GlobalAlloc, Layout};

use plimsoll::{Connection, Step};

/// Takes one line of `input` and queues it; returns how many bytes are then pending.
#[unsafe(no_mangle)]
pub extern "C" fn echo_a_line(input: [u8; 16]) -> usize {
    let mut connection = Connection::new();
    connection.reader.feed(&input);
    match connection.reader.read_line() {
        Ok(Step::Ready(line)) if connection.writer.write(&line).is_ok() => {}
        _ => connection.abort(),
    }
    connection.writer.pending()
}

/// Has no memory to give: this library is built, never run.
struct Nothing;

// SAFETY: a null pointer is always a valid answer, and nothing is ever given back.
unsafe impl GlobalAlloc for Nothing {
    unsafe fn alloc(&self, _layout: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _memory: *mut u8, _layout: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Nothing = Nothing;

#[panic_handler]
fn halt(_panic: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
