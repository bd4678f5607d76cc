//! A block of memory for each thread, into which its connections receive in turn.
//!
//! A connection that has nothing unread gives the block back, so that neither an idle connection
//! holds memory nor a busy one allocates any.

use std::cell::Cell;

use plimsoll::Reader;

/// Larger blocks are not kept: one frame may have needed it, and all others not.
const LARGEST: usize = 64 * 1024;

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends the block to a reader that holds no memory.
#[inline]
pub(crate) fn lend(reader: &mut Reader) {
    // While the thread ends, it has none.
    if let Ok(block) = SPARE.try_with(Cell::take) {
        if let Err(block) = reader.lend(block) {
            keep(block);
        }
    }
}

/// Takes the block back. What is unread moves to memory of its own size.
#[inline]
pub(crate) fn reclaim(reader: &mut Reader) {
    if let Some(block) = reader.reclaim() {
        keep(block);
    }
}

fn keep(block: Vec<u8>) {
    if block.capacity() <= LARGEST {
        // What another connection of the thread has brought back is as good.
        let _ = SPARE.try_with(|spare| spare.set(block));
    }
}
