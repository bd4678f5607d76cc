//! What the two halves of a pair share.

use crate::driver::{Driven, Outgoing};
use crate::layered::Layered;
use crate::slot::{Guard, ReadGuard, Reading, Slot};

/// Where it rests.
pub(super) type PairSlot<T> = Slot<Driven<Outgoing>, Layered<T>, PairReading<T>>;

/// What it keeps for the reader.
pub(crate) type PairReading<T> = Reading<Driven<Outgoing>, Layered<T>>;

/// What is out of it, for a poll.
pub(super) type PairGuard<'a, T> = Guard<'a, Driven<Outgoing>, Layered<T>, PairReading<T>>;

/// Its read half, while the reader receives.
pub(super) type PairReadGuard<'a, T> = ReadGuard<'a, Driven<Outgoing>, Layered<T>, PairReading<T>>;
