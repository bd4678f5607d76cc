//! A value that is changed under a mutex, and taken out by a party that needs it for longer.
//!
//! So the mutex is never held for long. The one party that must not wait while the value is out
//! registers, and is woken when the value is back and has changed.
//!
//! `tests/loom` runs it through the interleavings of its threads.

use std::mem;
use std::ops::{Deref, DerefMut};

use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A value, and who waits for it.
pub(crate) struct Handover<A, W> {
    place: Mutex<Place<A>>,
    /// Signalled when the value is put back while threads wait.
    back: Condvar,
    watcher: W,
}

struct Place<A> {
    /// `None` while somebody has taken it. Boxed, so that to take it moves a pointer.
    value: Option<Box<A>>,
    /// How many threads are blocked until it is back.
    waiting: usize,
    word: Told,
}

/// What the side that leaves word is to be told of.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Told {
    Nothing,
    /// News.
    News,
    /// That the value is back, news or not.
    Back,
}

/// Who follows what becomes of the value.
pub(crate) trait Watcher<A> {
    /// Takes note of the value before others may change it.
    fn note(&self, value: &A);

    /// Lets the side that left word try again. Nothing is locked meanwhile.
    fn try_again(&self);
}

/// The value in its place, which is locked. It is held for a moment only.
pub(crate) struct Locked<'a, A, W: Watcher<A>> {
    /// `None` only while it is dropped.
    place: Option<MutexGuard<'a, Place<A>>>,
    handover: &'a Handover<A, W>,
    /// Whether the side that left word is to be told.
    is_news: bool,
}

/// The value while it is away from its place, and nothing is locked. Dropping it puts it back.
pub(crate) struct Taken<'a, A, W: Watcher<A>> {
    /// `None` only while it is dropped.
    value: Option<Box<A>>,
    handover: &'a Handover<A, W>,
}

/// What the side that leaves word comes to.
pub(crate) enum Word<'a, A, W: Watcher<A>> {
    /// The value was worth taking.
    Taken(Taken<'a, A, W>),
    /// It was not. Word is left.
    Left,
    /// Somebody else has taken it, and tells when it is back. Word is left.
    Gone,
}

impl<A, W: Watcher<A>> Handover<A, W> {
    /// Makes one that tells `watcher` when it is worth another try.
    pub(crate) fn new(value: A, watcher: W) -> Self {
        Self {
            place: Mutex::new(Place {
                value: Some(Box::new(value)),
                waiting: 0,
                word: Told::Nothing,
            }),
            back: Condvar::new(),
            watcher,
        }
    }

    /// Locks the value, once it is in its place.
    #[inline]
    pub(crate) fn lock(&self) -> Locked<'_, A, W> {
        Locked {
            place: Some(self.wait_for_value()),
            handover: self,
            is_news: false,
        }
    }

    /// Takes the value away, once it is in its place.
    pub(crate) fn take(&self) -> Taken<'_, A, W> {
        self.taken(self.wait_for_value().value.take())
    }

    /// Leaves word, to be told, once, of the next news, and takes the value if it `is_worth_it`.
    pub(crate) fn leave_word(&self, is_worth_it: impl FnOnce(&A) -> bool) -> Word<'_, A, W> {
        let mut place = self.place();
        let Some(value) = &place.value else {
            place.word = Told::Back;
            return Word::Gone;
        };
        let is_worth_it = is_worth_it(value);
        place.word = Told::News;
        match is_worth_it {
            true => Word::Taken(self.taken(place.value.take())),
            false => Word::Left,
        }
    }

    /// Takes the word back, as far as it was not passed on.
    pub(crate) fn take_word_back(&self) {
        self.place().word = Told::Nothing;
    }

    fn place(&self) -> MutexGuard<'_, Place<A>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    fn wait_for_value(&self) -> MutexGuard<'_, Place<A>> {
        let place = self.place();
        match place.value {
            Some(_) => place,
            None => self.wait(place),
        }
    }

    #[cold]
    fn wait<'a>(&'a self, mut place: MutexGuard<'a, Place<A>>) -> MutexGuard<'a, Place<A>> {
        place.waiting += 1;
        while place.value.is_none() {
            place = self
                .back
                .wait(place)
                .unwrap_or_else(PoisonError::into_inner);
        }
        place.waiting -= 1;
        place
    }

    fn taken(&self, value: Option<Box<A>>) -> Taken<'_, A, W> {
        Taken {
            value,
            handover: self,
        }
    }
}

impl<A, W: Watcher<A>> Locked<'_, A, W> {
    /// Lets the side that left word be told of a change, once this is dropped.
    pub(crate) fn tell(this: &mut Self) {
        this.is_news = true;
    }
}

impl<A, W: Watcher<A>> Deref for Locked<'_, A, W> {
    type Target = A;

    fn deref(&self) -> &A {
        let place = self.place.as_ref();
        place
            .and_then(|place| place.value.as_deref())
            .expect("it is in its place")
    }
}

impl<A, W: Watcher<A>> DerefMut for Locked<'_, A, W> {
    fn deref_mut(&mut self) -> &mut A {
        let place = self.place.as_mut();
        place
            .and_then(|place| place.value.as_deref_mut())
            .expect("it is in its place")
    }
}

/// Unlocks, and then passes on the word that was left.
impl<A, W: Watcher<A>> Drop for Locked<'_, A, W> {
    fn drop(&mut self) {
        let Some(mut place) = self.place.take() else {
            return;
        };
        if let Some(value) = &place.value {
            self.handover.watcher.note(value);
        }
        let tell = self.is_news && mem::replace(&mut place.word, Told::Nothing) != Told::Nothing;
        drop(place);
        if tell {
            self.handover.watcher.try_again();
        }
    }
}

impl<A, W: Watcher<A>> Deref for Taken<'_, A, W> {
    type Target = A;

    fn deref(&self) -> &A {
        self.value.as_deref().expect("it is taken")
    }
}

impl<A, W: Watcher<A>> DerefMut for Taken<'_, A, W> {
    fn deref_mut(&mut self) -> &mut A {
        self.value.as_deref_mut().expect("it is taken")
    }
}

/// Puts the value back, and tells all who found it gone.
impl<A, W: Watcher<A>> Drop for Taken<'_, A, W> {
    fn drop(&mut self) {
        let handover = self.handover;
        if let Some(value) = &self.value {
            handover.watcher.note(value);
        }
        let mut place = handover.place();
        place.value = self.value.take();
        let tell = place.word == Told::Back;
        if tell {
            place.word = Told::Nothing;
        }
        let is_awaited = place.waiting > 0;
        drop(place);
        if is_awaited {
            handover.back.notify_all();
        }
        if tell {
            handover.watcher.try_again();
        }
    }
}
