//! A listener that accepts one transport.

use std::future::pending;
use std::io;
use std::sync::{Mutex, PoisonError};

use plimsoll_io::{Listener, Transport};

/// Accepts one transport, and waits from then on.
pub struct Once<T>(Mutex<Option<T>>);

impl<T> Once<T> {
    pub fn new(transport: T) -> Self {
        Self(Mutex::new(Some(transport)))
    }
}

impl<T: Transport> Listener for Once<T> {
    type Transport = T;

    async fn accept(&self) -> io::Result<T> {
        let accepted = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match accepted {
            Some(transport) => Ok(transport),
            None => pending().await,
        }
    }
}
