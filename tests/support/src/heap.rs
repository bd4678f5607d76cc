//! What this thread holds of the heap, counted by the allocator itself.
//!
//! Each thread counts its own, so that tests may run side by side. A test binary that counts makes
//! [`Counting`] its allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

pub struct Counting;

#[derive(Clone, Copy, Debug, Default)]
pub struct Heap {
    pub held: isize,
    pub peak: isize,
    pub allocations: usize,
}

thread_local! {
    static HEAP: Cell<Heap> = const { Cell::new(Heap { held: 0, peak: 0, allocations: 0 }) };
}

fn count(grown: isize, allocations: usize) {
    HEAP.with(|heap| {
        let mut counted = heap.get();
        counted.held += grown;
        counted.peak = counted.peak.max(counted.held);
        counted.allocations += allocations;
        heap.set(counted);
    });
}

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize, 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-(layout.size() as isize), 0);
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize, 1);
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// What `work` did to the heap: what it left there, the peak above the start, and how often it asked.
pub fn measure<T>(work: impl FnOnce() -> T) -> (T, Heap) {
    let before = HEAP.get();
    HEAP.set(Heap {
        peak: before.held,
        ..before
    });
    let result = work();
    let after = HEAP.get();
    let difference = Heap {
        held: after.held - before.held,
        peak: after.peak - before.held,
        allocations: after.allocations - before.allocations,
    };
    (result, difference)
}
