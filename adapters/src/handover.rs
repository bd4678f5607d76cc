//! A mutex that one side never waits for: it leaves word, and whoever has the mutex next passes it on.
//!
//! `tests/loom` runs it through every interleaving of its threads.

use std::ops::{Deref, DerefMut};

use crate::sync::{AtomicBool, Mutex, MutexGuard, Ordering, PoisonError, TryLockError};

/// A value that one side locks without waiting, and all others as they please.
pub(crate) struct Handover<A, W> {
    value: Mutex<A>,
    /// Whether the side that does not wait is to be told when somebody else has had the value.
    word: AtomicBool,
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
    /// Whether the side that leaves word has it.
    is_the_one_to_tell: bool,
}

impl<A, W: Watcher<A>> Handover<A, W> {
    /// Makes one that tells `watcher` when it is worth another try.
    pub(crate) fn new(value: A, watcher: W) -> Self {
        Self {
            value: Mutex::new(value),
            word: AtomicBool::new(false),
            watcher,
        }
    }

    pub(crate) fn lock(&self) -> Locked<'_, A, W> {
        let value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        self.locked(value, false)
    }

    /// Asks to be told, once, when somebody else unlocks the value from now on.
    ///
    /// What they did before shows in what [`Watcher::unlocking`] has noted, or by [`try_lock`](Self::try_lock).
    pub(crate) fn leave_word(&self) {
        // Of this swap and the one behind each unlock one comes first: either that unlock is seen here, or
        // the word is seen there.
        self.word.swap(true, Ordering::AcqRel);
    }

    /// Takes the word back, as far as nobody has seen it.
    pub(crate) fn take_word_back(&self) {
        self.word.store(false, Ordering::Relaxed);
    }

    /// Locks unless somebody else has locked. For the side that leaves word, and has left it.
    pub(crate) fn try_lock(&self) -> Option<Locked<'_, A, W>> {
        match self.value.try_lock() {
            Ok(value) => Some(self.locked(value, true)),
            Err(TryLockError::Poisoned(poisoned)) => Some(self.locked(poisoned.into_inner(), true)),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn locked<'a>(
        &'a self,
        value: MutexGuard<'a, A>,
        is_the_one_to_tell: bool,
    ) -> Locked<'a, A, W> {
        Locked {
            value: Some(value),
            handover: self,
            is_the_one_to_tell,
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
        let handover = self.handover;
        if let Some(value) = self.value.take() {
            handover.watcher.unlocking(&value);
        }
        if !self.is_the_one_to_tell && handover.word.swap(false, Ordering::AcqRel) {
            handover.watcher.try_again();
        }
    }
}
