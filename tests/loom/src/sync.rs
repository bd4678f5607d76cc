//! What the product takes from std, with loom's in its place.

pub(crate) use std::sync::PoisonError;

pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU8, Ordering};
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
