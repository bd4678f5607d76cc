//! The end of a connection that has sent everything: it drops what its peer still sends, for a
//! while.

use std::future::poll_fn;
use std::io;
use std::task::{Poll, ready};
use std::time::Duration;

use crate::either::within;
use crate::shared::Shared;
use crate::transport::{ReadHalf, Transport};

/// How much input, and for how long, a closing connection takes and drops, so that its peer is not
/// reset before it has read the last answer.
pub(super) const LINGER_BYTES: usize = 256 * 1024;
pub(super) const LINGER_TIME: Duration = Duration::from_secs(2);

/// Drops what the peer still sends, for a while.
pub(super) async fn linger<T: Transport>(shared: &Shared<T>) {
    let Some(mut read) = shared.take_left() else {
        return; // somebody still has the reader
    };
    let mut room = vec![0; 4096];
    let mut dropped = 0;
    let drained = poll_fn(|cx| {
        while dropped < LINGER_BYTES {
            match ready!(read.poll_read(cx, &mut room)) {
                Ok(0) => break,
                Ok(count) => dropped += count,
                // Counts as a byte, so that it comes to an end.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => dropped += 1,
                Err(_) => break,
            }
        }
        Poll::Ready(())
    });
    within(T::sleep, LINGER_TIME, drained).await;
}
