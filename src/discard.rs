//! What a reader discards as it arrives: the rest of a frame that was rejected or skipped.
//!
//! It outlives the read that began it, so that the tail of a rejected frame never comes out as a
//! frame, whichever read comes next.
//!
//! ```text
//!            an over-long line, a skip that has to wait
//!   Nothing ──────────────────────────────────────────▶ active
//!      ▲  ▲                                               │ its end arrives
//!      │  └─────────────── an over-long line ─────────────┤
//!      │                                                  ▼
//!      └──── any read; the same skip, with its result ── done
//! ```

use alloc::boxed::Box;

use crate::separator::Separator;

/// What is being discarded, for a new owner of the stream to go on with. See
/// [`Parts`](crate::Parts).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Discarding {
    /// Everything up to and including the separator.
    Until(Separator),
    /// So many bytes.
    Count(u64),
}

/// The state of a reader's discard.
pub(crate) enum Discard {
    Nothing,
    /// Up to and including a newline. Needs no memory, unlike the others.
    Line,
    Until(Box<Until>),
    Count(Box<Count>),
}

pub(crate) struct Until {
    pub(crate) separator: Separator,
    /// Whether a skip began it. The end of it is its result, which the same skip returns.
    pub(crate) is_skip: bool,
    /// The separator that ended it, by its place in the set. Only of a skip.
    pub(crate) found: Option<usize>,
    /// How many bytes were discarded.
    pub(crate) discarded: u64,
}

pub(crate) struct Count {
    /// How many bytes the skip was for, by which it is known again; zero if it was no skip.
    pub(crate) total: u64,
    /// How many are to come.
    pub(crate) left: u64,
}

impl Discard {
    #[inline]
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    pub(crate) fn until(separator: &Separator, is_skip: bool) -> Self {
        if !is_skip && *separator == Separator::LF {
            return Self::Line;
        }
        Self::Until(Box::new(Until {
            separator: separator.clone(),
            is_skip,
            found: None,
            discarded: 0,
        }))
    }

    pub(crate) fn count(total: u64, left: u64) -> Self {
        Self::Count(Box::new(Count { total, left }))
    }

    /// Whether bytes that arrive belong to it.
    #[inline]
    pub(crate) fn is_active(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Line => true,
            Self::Until(until) => until.found.is_none(),
            Self::Count(count) => count.left > 0,
        }
    }

    /// How many bytes the skip that began it has discarded.
    pub(crate) fn discarded(&self) -> u64 {
        match self {
            Self::Nothing | Self::Line => 0,
            Self::Until(until) => until.discarded,
            Self::Count(count) => count.total.saturating_sub(count.left),
        }
    }

    /// What a new owner of the stream has to go on with.
    pub(crate) fn to_public(&self) -> Option<Discarding> {
        if !self.is_active() {
            return None;
        }
        match self {
            Self::Nothing => None,
            Self::Line => Some(Discarding::Until(Separator::LF)),
            Self::Until(until) => Some(Discarding::Until(until.separator.clone())),
            Self::Count(count) => Some(Discarding::Count(count.left)),
        }
    }
}

impl From<Discarding> for Discard {
    fn from(discarding: Discarding) -> Self {
        match discarding {
            Discarding::Until(separator) => Self::until(&separator, false),
            Discarding::Count(0) => Self::Nothing,
            Discarding::Count(left) => Self::count(0, left),
        }
    }
}
