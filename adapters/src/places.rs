//! What a connection tells the server that counts it.

/// Where a server counts its connections.
pub(crate) trait Places: Send + Sync {
    /// Frees the place of a connection that is no longer the server's, if it still has it. It is
    /// known by the address of its slot, since a key may be another's meanwhile.
    fn free(&self, key: u32, address: usize);
}
