//! What the two halves of a pair share.

use crate::driver::{Driven, Outgoing};
use crate::layered::Layered;
use crate::slot::{Reading, Slot};

/// Where it rests.
pub(super) type PairSlot<T> = Slot<Driven<Outgoing>, Layered<T>, PairReading<T>>;

/// What it keeps for the reader.
pub(crate) type PairReading<T> = Reading<Driven<Outgoing>, Layered<T>>;
