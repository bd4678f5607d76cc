//! A layer that does nothing of its own.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use plimsoll_io::{Layer, Wire};

/// A layer that passes everything on, and asks again after the end.
pub struct Plain;

impl Layer for Plain {
    fn feed(&mut self, _: &[u8]) {}

    fn poll_open(&mut self, _: &mut Context<'_>, _: &mut Wire<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        wire: &mut Wire<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        wire.poll_read(cx, room)
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        wire: &mut Wire<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        wire.poll_write(cx, slices)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>, wire: &mut Wire<'_>) -> Poll<io::Result<()>> {
        wire.poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>, wire: &mut Wire<'_>) -> Poll<io::Result<()>> {
        wire.poll_shutdown(cx)
    }

    fn holds_back(&self) -> bool {
        false
    }
}
