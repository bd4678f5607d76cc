//! The lines of a reader, as a stream of the ecosystem's.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream as FuturesStream;

use super::reader::StreamReader;
use crate::error::Error;
use crate::transport::Transport;

impl<T: Transport> StreamReader<T> {
    /// Returns the lines as a [`futures_core::Stream`], each copied, with its newline.
    ///
    /// It ends at the end of the stream, and after a loss. A line that is too long is an item, an
    /// error, and the next item is the line after it. (`async for` in asyncio.)
    ///
    /// # Cancel safety
    ///
    /// Safe: no line lives in the stream.
    ///
    /// # Examples
    ///
    /// ```
    /// # use plimsoll_io::{Error, StreamPair, duplex};
    /// # smol::block_on(async {
    /// use smol::stream::StreamExt;
    ///
    /// let (client, server) = duplex(1024);
    /// let (mut client, mut server) = (StreamPair::new(client), StreamPair::new(server));
    /// client.writer.write(b"one\n\nlast")?;
    /// client.writer.close().await?;
    ///
    /// let mut lines = server.reader.read_lines();
    /// let mut seen = Vec::new();
    /// while let Some(line) = lines.next().await {
    ///     seen.push(line?);
    /// }
    /// assert_eq!(seen, ["one\n", "\n", "last"]);
    /// # Ok::<(), Error>(())
    /// # }).unwrap();
    /// ```
    #[doc(alias = "__aiter__")]
    pub fn read_lines(&mut self) -> Lines<'_, T> {
        Lines {
            reader: self,
            lost: false,
        }
    }
}

/// The lines of a [`StreamReader`], one by one. Dropping it loses none. See
/// [`StreamReader::read_lines`].
#[must_use = "lines are read when they are asked for"]
pub struct Lines<'a, T: Transport> {
    reader: &'a mut StreamReader<T>,
    lost: bool,
}

impl<T: Transport> FuturesStream for Lines<'_, T> {
    type Item = Result<Bytes, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.lost {
            return Poll::Ready(None);
        }
        let line = this.reader.poll_answer(cx, |reader| {
            Ok(reader.read_line()?.map(|line| line.to_bytes()))
        });
        line.map(|line| match line {
            Ok(line) if line.is_empty() => None,
            Err(Error::ConnectionLost(lost)) => {
                this.lost = true;
                Some(Err(Error::ConnectionLost(lost)))
            }
            line => Some(line),
        })
    }
}

impl<T: Transport> fmt::Debug for Lines<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lines").field(&self.reader).finish()
    }
}
