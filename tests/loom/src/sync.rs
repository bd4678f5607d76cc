//! What the product takes from std, with loom's atomics in it.
//!
//! The mutex is made here: loom's own is held and released in one step, so that nobody is ever refused.
//! As std's, it takes one atomic to lock and one to unlock, and may refuse on what is no longer true.

use std::ops::{Deref, DerefMut};
use std::sync::{LockResult, TryLockResult};
pub(crate) use std::sync::{PoisonError, TryLockError};

pub(crate) use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

pub(crate) struct Mutex<A> {
    locked: AtomicBool,
    value: std::sync::Mutex<A>,
}

pub(crate) struct MutexGuard<'a, A> {
    /// `None` only while it is dropped.
    value: Option<std::sync::MutexGuard<'a, A>>,
    locked: &'a AtomicBool,
}

impl<A> Mutex<A> {
    pub(crate) fn new(value: A) -> Self {
        Self {
            locked: AtomicBool::new(false),
            value: std::sync::Mutex::new(value),
        }
    }

    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, A>> {
        loop {
            match self.try_lock() {
                Err(TryLockError::WouldBlock) => thread::yield_now(),
                Ok(guard) => return Ok(guard),
                Err(TryLockError::Poisoned(poisoned)) => return Err(poisoned),
            }
        }
    }

    pub(crate) fn try_lock(&self) -> TryLockResult<MutexGuard<'_, A>> {
        self.locked
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .map_err(|_| TryLockError::WouldBlock)?;
        Ok(MutexGuard {
            value: Some(self.value.try_lock().expect("one at a time")),
            locked: &self.locked,
        })
    }
}

impl<A> Deref for MutexGuard<'_, A> {
    type Target = A;

    fn deref(&self) -> &A {
        self.value.as_ref().expect("it is locked")
    }
}

impl<A> DerefMut for MutexGuard<'_, A> {
    fn deref_mut(&mut self) -> &mut A {
        self.value.as_mut().expect("it is locked")
    }
}

impl<A> Drop for MutexGuard<'_, A> {
    fn drop(&mut self) {
        self.value = None;
        self.locked.store(false, Ordering::Release);
    }
}
