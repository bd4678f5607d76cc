//! What a place notes of its connection, and a slot of its server, a bit each.

use std::ops::BitOr;

/// What a place notes, a bit each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Flags(pub(super) u16);

impl Flags {
    /// The server shuts down.
    pub(super) const SHUTS_DOWN: Self = Self(1);
    /// The core does not know of that yet.
    pub(super) const SHUTDOWN_UNTOLD: Self = Self(1 << 1);
    /// The server ends, and waits for nothing.
    pub(super) const CANCELLED: Self = Self(1 << 2);
    /// A command to close was not carried out yet.
    pub(super) const CLOSES: Self = Self(1 << 3);
    /// What is to be done to the core, besides an abort.
    pub(super) const ORDERS: Self = Self(Self::CLOSES.0 | Self::SHUTDOWN_UNTOLD.0);
    /// The core knows that the transport was aborted.
    pub(super) const CORE_KNOWS: Self = Self(1 << 4);
    pub(super) const OWNER_LEFT: Self = Self(1 << 5);
    pub(super) const SERVER_LEFT: Self = Self(1 << 6);
    /// The owner found something out, and is to be woken when it is back.
    pub(super) const OWNER_WAITS: Self = Self(1 << 7);
    /// The owner's thread is blocked until something is back.
    pub(super) const OWNER_BLOCKS: Self = Self(1 << 8);
    /// The transport has woken, of which the core does not know yet.
    pub(super) const WOKEN: Self = Self(1 << 9);
    /// A command was left while the core was out, of which its party has to hear.
    pub(super) const COMMANDED: Self = Self(1 << 10);
    /// As [`Says::has_output`].
    pub(super) const OUTPUT: Self = Self(1 << 11);
    /// As [`Says::has_unoffered_output`].
    pub(super) const UNOFFERED: Self = Self(1 << 12);
    /// As [`Says::is_closing`].
    pub(super) const CLOSING: Self = Self(1 << 13);
    /// As [`Says::has_ended`].
    pub(super) const ENDED: Self = Self(1 << 14);
    /// The owner has taken the connection over, and no command reaches it any more.
    pub(super) const TAKEN_OVER: Self = Self(1 << 15);

    /// Whether any of `flags` is set.
    pub(super) fn any(self, flags: Self) -> bool {
        self.0 & flags.0 != 0
    }

    pub(super) fn all(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    pub(super) fn set(&mut self, flag: Self, is_set: bool) {
        self.0 &= !flag.0;
        self.0 |= flag.0 * u16::from(is_set);
    }

    /// Clears a flag, and returns whether it was set.
    pub(super) fn take(&mut self, flag: Self) -> bool {
        let was_set = self.any(flag);
        self.set(flag, false);
        was_set
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The server's task is in its poll, after which it looks without being woken.
pub(super) const POLLS: u8 = 1;
/// Something has changed since the server's last look that it has to look at, or its waker was
/// taken.
pub(super) const CHANGED: u8 = 2;
/// The owner has put back output that is due, and not sent it itself since then.
pub(super) const DUE: u8 = 4;
/// The handler lets others run and goes on right after.
pub(super) const YIELDS: u8 = 8;
