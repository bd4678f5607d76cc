//! A mutex that one side never waits for: it leaves word, and whoever has the mutex next passes it on.
//!
//! `tests/loom` runs it through every interleaving of its threads.

use std::ops::{Deref, DerefMut};

use crate::sync::{AtomicBool, Mutex, MutexGuard, Ordering, PoisonError, TryLockError};

/// A value that one side locks without waiting, and all others as they please.
pub(crate) struct Handover<A, W> {
    value: Mutex<A>,
    /// Whether the side that does not wait is to be told of news.
    word: AtomicBool,
    /// Whether it found the value locked, and is to be told when it no longer is, news or not.
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
    role: Role,
}

/// Whom whoever unlocks the value has to tell.
#[derive(Clone, Copy)]
enum Role {
    /// The side that left word, also if it was not refused.
    BringsNews,
    /// That side if it was refused.
    NoNews,
    /// Nobody: it is that side.
    LeftWord,
}

impl<A, W: Watcher<A>> Handover<A, W> {
    /// Makes one that tells `watcher` when it is worth another try.
    pub(crate) fn new(value: A, watcher: W) -> Self {
        Self {
            value: Mutex::new(value),
            word: AtomicBool::new(false),
            refused: AtomicBool::new(false),
            watcher,
        }
    }

    /// Locks.
    pub(crate) fn lock(&self) -> Locked<'_, A, W> {
        self.wait_for(Role::NoNews)
    }

    /// Locks for a change that the side that left word is to be told of.
    pub(crate) fn lock_with_news(&self) -> Locked<'_, A, W> {
        self.wait_for(Role::BringsNews)
    }

    fn wait_for(&self, role: Role) -> Locked<'_, A, W> {
        let value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        self.locked(value, role)
    }

    /// Asks to be told, once, of the next news.
    ///
    /// What was news before shows in what [`Watcher::unlocking`] has noted, or by [`try_lock`](Self::try_lock).
    pub(crate) fn leave_word(&self) {
        // Of this swap and the one behind each unlock one comes first: either that unlock is seen here, or
        // the word is seen there.
        self.word.swap(true, Ordering::AcqRel);
    }

    /// Takes the word back, as far as nobody has seen it.
    pub(crate) fn take_word_back(&self) {
        // A plain store would hide from the next `leave_word` what was swapped before it.
        self.word.swap(false, Ordering::AcqRel);
    }

    /// Locks unless somebody else has locked, who then tells. For the side that leaves word, and has left it.
    pub(crate) fn try_lock(&self) -> Option<Locked<'_, A, W>> {
        self.try_once().or_else(|| {
            self.refused.swap(true, Ordering::AcqRel);
            self.try_once()
        })
    }

    fn try_once(&self) -> Option<Locked<'_, A, W>> {
        let value = match self.value.try_lock() {
            Ok(value) => value,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(self.locked(value, Role::LeftWord))
    }

    fn locked<'a>(&'a self, value: MutexGuard<'a, A>, role: Role) -> Locked<'a, A, W> {
        Locked {
            value: Some(value),
            handover: self,
            role,
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
        let tell = match self.role {
            Role::BringsNews => handover.word.swap(false, Ordering::AcqRel),
            Role::NoNews => handover.refused.swap(false, Ordering::AcqRel),
            Role::LeftWord => false,
        };
        if tell {
            handover.watcher.try_again();
        }
    }
}
