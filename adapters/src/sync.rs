//! What the slot, `handover` and `waiters` are made of. Their models in `tests/loom` have a module of
//! this name too, with loom's in their place.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
