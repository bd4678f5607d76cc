//! What a server counts.

/// What a server has seen so far. See [`Server::statistics`](crate::Server::statistics). (asyncio
/// has none: it logs.)
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Statistics {
    /// Connections accepted.
    pub accepted: u64,
    /// Times that the system refused to accept, or to start a task or thread for what was accepted.
    pub accept_errors: u64,
    /// Handlers that returned an error.
    pub failed: u64,
    /// Handlers that panicked.
    pub panicked: u64,
    /// Handlers that returned no error, and then something that they had written could not be sent.
    pub unsent: u64,
}

/// How [`Server::shutdown`](crate::Server::shutdown) went.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Shutdown {
    /// How many connections were aborted at the deadline: handlers that had not ended, and those
    /// whose output was not sent yet. Zero if every handler has ended in time.
    ///
    /// Connections that were lost before the deadline are not among them: what handlers had written
    /// and was not sent counts in [`Statistics::unsent`], theirs that failed in
    /// [`Statistics::failed`].
    pub aborted: usize,
    /// How many connections had sent everything, and were dropped at the deadline before their
    /// peers' ends were seen: what those have not read yet may be lost. They are not among the
    /// aborted.
    pub lingering: usize,
}
