//! What the slot is made of. Its models in `tests/loom` have a module of this name too, with loom's
//! in its place.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
