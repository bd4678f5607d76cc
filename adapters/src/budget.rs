//! Cooperative scheduling: how much a connection does without waiting before other tasks have a
//! turn.

use std::task::{Context, Poll};

/// What is left to be done before other tasks have a turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget(u16);

impl Budget {
    /// A result of a read costs one. Where several connections have input, each holds a block of it
    /// until it is through: so a budget lasts for a block of short lines.
    const FULL: u16 = 1024;

    /// What a call of the system costs.
    pub(crate) const CALL: u16 = 8;

    pub(crate) fn new() -> Self {
        Self(Self::FULL)
    }

    /// Spends `cost`, if there is so much left.
    #[inline]
    pub(crate) fn spend(&mut self, cost: u16) -> Option<()> {
        self.0 = self.0.checked_sub(cost)?;
        Some(())
    }

    /// Spends `cost`. If there is not so much left, it is pending once, and the task woken.
    #[inline]
    pub(crate) fn poll_spend(&mut self, cost: u16, cx: &Context<'_>) -> Poll<()> {
        match self.spend(cost) {
            Some(()) => Poll::Ready(()),
            None => {
                self.renew();
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    /// Whether nothing was spent since it began anew.
    pub(crate) fn is_new(self) -> bool {
        self.0 == Self::FULL
    }

    /// Begins anew, since the task waits anyway.
    pub(crate) fn renew(&mut self) {
        *self = Self::new();
    }
}
