//! A mutex that one side never waits for: it leaves word, and whoever holds the mutex passes it on.
//!
//! `tests/loom` runs it through every interleaving of its threads.

use std::ops::{Deref, DerefMut};

use crate::sync::{AtomicBool, Mutex, MutexGuard, Ordering, PoisonError, TryLockError};

/// A value that one side locks without waiting, and all others as they please.
pub(crate) struct Handover<A, W> {
    value: Mutex<A>,
    /// Whether the side that does not wait found the value locked, and is to be told when it no longer is.
    refused: AtomicBool,
    watcher: W,
}

/// Who follows what becomes of the value.
pub(crate) trait Watcher<A> {
    /// Takes note of the value before it is unlocked.
    fn unlocking(&self, value: &A);

    /// Lets the side that does not wait try again. Nothing is locked meanwhile.
    fn try_again(&self);
}

/// The value while it is locked.
pub(crate) struct Locked<'a, A, W: Watcher<A>> {
    /// `None` only while it is dropped.
    value: Option<MutexGuard<'a, A>>,
    handover: &'a Handover<A, W>,
}

impl<A, W: Watcher<A>> Handover<A, W> {
    /// Makes one that tells `watcher` when it is worth another try.
    pub(crate) fn new(value: A, watcher: W) -> Self {
        Self {
            value: Mutex::new(value),
            refused: AtomicBool::new(false),
            watcher,
        }
    }

    pub(crate) fn lock(&self) -> Locked<'_, A, W> {
        self.locked(self.value.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Locks unless somebody else has locked, who then tells the watcher when that is over.
    pub(crate) fn lock_or_leave_word(&self) -> Option<Locked<'_, A, W>> {
        self.try_lock().or_else(|| {
            // Of this swap and the one behind each unlock one comes first: either that unlock is seen
            // here, or the word is seen there.
            self.refused.swap(true, Ordering::AcqRel);
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

impl<A, W: Watcher<A>> Deref for Locked<'_, A, W> {
    type Target = A;

    fn deref(&self) -> &A {
        self.value.as_ref().expect("it is locked")
    }
}

impl<A, W: Watcher<A>> DerefMut for Locked<'_, A, W> {
    fn deref_mut(&mut self) -> &mut A {
        self.value.as_mut().expect("it is locked")
    }
}

/// Unlocks, and then passes on the word that was left.
impl<A, W: Watcher<A>> Drop for Locked<'_, A, W> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            self.handover.watcher.unlocking(&value);
        }
        if self.handover.refused.swap(false, Ordering::AcqRel) {
            self.handover.watcher.try_again();
        }
    }
}
