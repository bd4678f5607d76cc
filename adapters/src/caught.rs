//! Calls of what users have brought, whose panics end here.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs something that may panic. `None` if it has.
///
/// What it has seen half-done must not be looked at afterwards.
pub(crate) fn caught<A>(run: impl FnOnce() -> A) -> Option<A> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(value) => Some(value),
        Err(payload) => {
            // A payload may panic as well when it is dropped, and what that leaves behind, too.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                mem::forget(payload);
            }
            None
        }
    }
}
