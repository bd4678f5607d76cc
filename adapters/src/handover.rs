//! A mutex that one side never waits for: it leaves word, and whoever holds the mutex passes it on.
//!
//! `tests/loom` runs it through every interleaving of its threads.

use std::ops::{Deref, DerefMut};

use crate::sync::{AtomicBool, Mutex, MutexGuard, Ordering, PoisonError, TryLockError, fence};

/// A value that one side locks without waiting, and all others as they please.
pub(crate) struct Handover<A, W> {
    value: Mutex<A>,
    /// Whether the side that does not wait found the value locked, and is to be told when it no longer is.
    refused: AtomicBool,
    waiter: W,
}

/// The side that does not wait.
pub(crate) trait Refused {
    /// Lets it try again. Nothing is locked meanwhile.
    fn try_again(&self);
}

/// The value while it is locked.
pub(crate) struct Locked<'a, A, W: Refused> {
    /// `None` only while it is dropped.
    value: Option<MutexGuard<'a, A>>,
    handover: &'a Handover<A, W>,
}

impl<A, W: Refused> Handover<A, W> {
    /// Makes one that tells `waiter` when it is worth another try.
    pub(crate) fn new(value: A, waiter: W) -> Self {
        Self {
            value: Mutex::new(value),
            refused: AtomicBool::new(false),
            waiter,
        }
    }

    pub(crate) fn lock(&self) -> Locked<'_, A, W> {
        self.locked(self.value.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Locks unless somebody else has locked, who then tells the waiter when that is over.
    pub(crate) fn lock_or_leave_word(&self) -> Option<Locked<'_, A, W>> {
        self.try_lock().or_else(|| {
            self.refused.store(true, Ordering::Relaxed);
            // With the fence behind each unlock: that is seen here, or the word left above is seen there.
            fence(Ordering::SeqCst);
            self.try_lock()
        })
    }

    fn try_lock(&self) -> Option<Locked<'_, A, W>> {
        match self.value.try_lock() {
            Ok(value) => Some(self.locked(value)),
            Err(TryLockError::Poisoned(poisoned)) => Some(self.locked(poisoned.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn locked<'a>(&'a self, value: MutexGuard<'a, A>) -> Locked<'a, A, W> {
        Locked {
            value: Some(value),
            handover: self,
        }
    }
}

impl<A, W: Refused> Deref for Locked<'_, A, W> {
    type Target = A;

    fn deref(&self) -> &A {
        self.value.as_ref().expect("it is locked")
    }
}

impl<A, W: Refused> DerefMut for Locked<'_, A, W> {
    fn deref_mut(&mut self) -> &mut A {
        self.value.as_mut().expect("it is locked")
    }
}

/// Unlocks, and then passes on the word that was left.
impl<A, W: Refused> Drop for Locked<'_, A, W> {
    fn drop(&mut self) {
        self.value = None;
        fence(Ordering::SeqCst);
        let refused = &self.handover.refused;
        if refused.load(Ordering::Relaxed) && refused.swap(false, Ordering::Relaxed) {
            self.handover.waiter.try_again();
        }
    }
}
