//! The answer of a read: done, or more input first.

/// What a read came to.
///
/// `NeedInput` is a promise. Nothing was consumed, and, unless settings are changed, asking again
/// gives the same answer until the peer's next bytes, or the end of its stream, are fed. So a caller
/// may feed more, give up, or ask a different question, and lose nothing.
/// ([`skip_until`](crate::Reader::skip_until) alone discards while it waits: that is its purpose.)
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[must_use = "`NeedInput` means that nothing was read"]
pub enum Step<T> {
    /// The operation finished, and the bytes it answers with have left the buffer.
    Ready(T),
    /// The operation needs bytes that have not been fed yet.
    NeedInput,
}

impl<T> Step<T> {
    /// Applies `f` to the answer, if there is one.
    #[inline]
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Step<U> {
        match self {
            Self::Ready(answer) => Step::Ready(f(answer)),
            Self::NeedInput => Step::NeedInput,
        }
    }

    /// Returns the answer, or `None` where more input is needed.
    #[inline]
    pub fn ready(self) -> Option<T> {
        match self {
            Self::Ready(answer) => Some(answer),
            Self::NeedInput => None,
        }
    }

    /// Tells whether the operation finished.
    #[inline]
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Ready(_))
    }
}
