//! What a connection knows of itself, of its server and of its transport.

use std::io;
use std::task::Poll;

use super::{Connection, GIVEN_UP};
use crate::error::{ConnectionLost, unless_gone};
use crate::slot::Io;
use crate::transport::{Addresses, Transport};

impl<T: Transport> Connection<T> {
    /// Returns how the connection was lost, with the transport's error, if it was.
    pub fn lost(&mut self) -> Option<ConnectionLost> {
        match self.slot.take() {
            Some(mut guard) => guard.core().how_lost(),
            // Its core was leaked.
            None => Some(GIVEN_UP),
        }
    }

    /// Returns `true` if the server that has accepted this connection shuts down.
    pub fn is_shutting_down(&self) -> bool {
        self.slot.is_shutting_down()
    }

    /// Waits until the server that has accepted this connection shuts down; for ever, if there is
    /// no server, or it does not. [`turn`](Self::turn) shows a shutdown, too.
    ///
    /// Cancel-safe.
    pub async fn shutting_down(&mut self) {
        let shutting_down = self.with_both(|guard, _| {
            if guard.slot().is_shutting_down() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        if shutting_down.await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Returns the address of this side.
    ///
    /// # Errors
    ///
    /// Those of the system; `NotConnected` if the transport is gone.
    pub fn local_addr(&mut self) -> io::Result<<T::Read as Addresses>::Address>
    where
        T::Read: Addresses,
    {
        self.with_read_half(Addresses::local_addr)
    }

    /// Returns the address of the peer.
    ///
    /// # Errors
    ///
    /// As for [`local_addr`](Self::local_addr).
    pub fn peer_addr(&mut self) -> io::Result<<T::Read as Addresses>::Address>
    where
        T::Read: Addresses,
    {
        self.with_read_half(Addresses::peer_addr)
    }

    fn with_read_half<V>(&mut self, ask: impl FnOnce(&T::Read) -> io::Result<V>) -> io::Result<V> {
        let guard = self.slot.take();
        unless_gone(guard.and_then(|mut guard| Some(ask(guard.both().1?.read_half()?))))
    }
}
