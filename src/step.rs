//! The answer of a read: done, or more input first.

/// The result of a read that did not fail.
///
/// `NeedInput` is a promise. Nothing was consumed, and, unless settings are changed, the same read
/// returns the same until the peer's next bytes, or the end of its stream, are fed. So a caller may
/// feed more, cancel the read, or try a different one, and lose nothing. (Only
/// [`skip_until`](crate::Reader::skip_until) and [`skip_exact`](crate::Reader::skip_exact) discard
/// while they wait: that is their purpose.)
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[must_use = "`NeedInput` means that nothing was read"]
pub enum Step<T> {
    /// The operation finished. What it took has left the buffer.
    Ready(T),
    /// The operation needs bytes that have not been fed yet.
    NeedInput,
}

impl<T> Step<T> {
    /// Applies `f` to the value of `Ready`.
    #[inline]
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Step<U> {
        match self {
            Self::Ready(value) => Step::Ready(f(value)),
            Self::NeedInput => Step::NeedInput,
        }
    }

    /// Returns the value of `Ready`, or `None` if more input is needed.
    #[inline]
    pub fn ready(self) -> Option<T> {
        match self {
            Self::Ready(value) => Some(value),
            Self::NeedInput => None,
        }
    }

    /// Returns `true` if the operation finished.
    #[inline]
    pub const fn is_ready(&self) -> bool {
        matches!(self, Self::Ready(_))
    }
}

/// The effect of a call to a transport, once its result was recorded.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[must_use = "a call that would block is not to be repeated immediately"]
pub enum Progress {
    /// Something was recorded: bytes that moved, a flush, the end of a direction, or a loss. What
    /// is to be done next may be something else now.
    Moved,
    /// The call was interrupted, and nothing has changed. It may be repeated immediately.
    Interrupted,
    /// The call would block, and nothing has changed.
    Blocked,
}
