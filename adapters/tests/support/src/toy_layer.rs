//! A layer as TLS is one, as small as it can be: records with a checksum, a handshake of two
//! flights, a trailer as the end, and a read that must write.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use plimsoll_io::{Layer, Wire};

/// What every byte of a record's body is XORed with.
const KEY: u8 = 0x5a;

/// The kinds of records: a byte, the body's length, its checksum, and the body.
pub const HELLO: u8 = 1;
pub const DATA: u8 = 2;
const END: u8 = 3;
/// Asks for a [`PONG`].
pub const PING: u8 = 4;
pub const PONG: u8 = 5;

/// The most bytes in a body.
const MOST: usize = 255;

/// One side of a toy session.
#[derive(Debug)]
pub struct Toy {
    is_client: bool,
    /// Received, and no whole record yet.
    incoming: Vec<u8>,
    /// Bodies of data, not read yet.
    data: VecDeque<u8>,
    /// To be sent.
    outgoing: Vec<u8>,
    has_greeted: bool,
    is_open: bool,
    has_peers_end: bool,
    has_sent_end: bool,
    pongs: usize,
}

impl Toy {
    pub fn client() -> Self {
        Self::new(true)
    }

    pub fn server() -> Self {
        Self::new(false)
    }

    fn new(is_client: bool) -> Self {
        Self {
            is_client,
            incoming: Vec::new(),
            data: VecDeque::new(),
            outgoing: Vec::new(),
            has_greeted: false,
            is_open: false,
            has_peers_end: false,
            has_sent_end: false,
            pongs: 0,
        }
    }

    /// A session that begins with a question to its peer, whose reply it waits for before it takes
    /// data to send.
    pub fn pinging(mut self) -> Self {
        self.pongs = 1;
        self
    }

    fn greet(&mut self) {
        if !std::mem::replace(&mut self.has_greeted, true) {
            push_record(&mut self.outgoing, HELLO, b"toy");
        }
    }

    /// Takes the whole records from what was received.
    fn take_records(&mut self) -> io::Result<()> {
        let invalid = || io::Error::new(io::ErrorKind::InvalidData, "invalid toy record");
        // Whatever begins a record wrongly is known at once.
        while let Some(kind) = self.incoming.first().copied() {
            if !(HELLO..=PONG).contains(&kind) || (kind == HELLO) == self.is_open {
                return Err(invalid());
            }
            let Some(&[kind, len, sum]) = self.incoming.first_chunk() else {
                return Ok(());
            };
            let Some(body) = self.incoming.get(3..3 + usize::from(len)) else {
                return Ok(());
            };
            let body: Vec<u8> = body.iter().map(|byte| byte ^ KEY).collect();
            if checksum(&body) != sum {
                return Err(invalid());
            }
            self.incoming.drain(..3 + body.len());
            match kind {
                HELLO => {
                    self.greet();
                    self.is_open = true;
                    if self.pongs > 0 {
                        push_record(&mut self.outgoing, PING, b"");
                    }
                }
                DATA => self.data.extend(body),
                END => self.has_peers_end = true,
                // Nothing follows its end, as in TLS.
                PING if self.has_sent_end => {}
                PING => push_record(&mut self.outgoing, PONG, b""),
                _ => self.pongs = self.pongs.saturating_sub(1),
            }
        }
        Ok(())
    }

    /// Sends what is to be sent.
    fn poll_push(&mut self, cx: &mut Context<'_>, wire: &mut Wire<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            let sent = ready!(wire.poll_write(cx, &[IoSlice::new(&self.outgoing)]))?;
            self.outgoing.drain(..sent);
        }
        Poll::Ready(Ok(()))
    }

    /// Receives once, and takes records. What they ask for is sent as far as possible.
    fn poll_pull(&mut self, cx: &mut Context<'_>, wire: &mut Wire<'_>) -> Poll<io::Result<()>> {
        let mut room = [0; 64];
        match ready!(wire.poll_read(cx, &mut room))? {
            0 => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "no toy trailer",
            ))),
            received => {
                self.incoming.extend_from_slice(&room[..received]);
                Poll::Ready(self.take_records())
            }
        }
    }
}

impl Layer for Toy {
    fn feed(&mut self, unread: &[u8]) {
        self.incoming.extend_from_slice(unread);
    }

    fn poll_open(&mut self, cx: &mut Context<'_>, wire: &mut Wire<'_>) -> Poll<io::Result<()>> {
        if self.is_client {
            self.greet();
        }
        self.take_records()?;
        loop {
            let pushed = self.poll_push(cx, wire)?;
            let may_not_pull = self.has_peers_end || self.data.len() > MOST;
            if self.is_open && (pushed.is_ready() || may_not_pull) {
                return pushed.map(Ok);
            }
            // Also where sending has to wait: the peer may do the same.
            ready!(self.poll_pull(cx, wire))?;
        }
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        wire: &mut Wire<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let _ = self.poll_open(cx, wire)?;
        while self.data.is_empty() && !self.has_peers_end {
            ready!(self.poll_pull(cx, wire))?;
        }
        let count = room.len().min(self.data.len());
        for (place, byte) in room.iter_mut().zip(self.data.drain(..count)) {
            *place = byte;
        }
        Poll::Ready(Ok(count))
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        wire: &mut Wire<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(cx, wire))?;
        // A record at a time.
        ready!(self.poll_push(cx, wire))?;
        let body: Vec<u8> = slices
            .iter()
            .flat_map(|slice| slice.iter())
            .copied()
            .take(MOST)
            .collect();
        push_record(&mut self.outgoing, DATA, &body);
        let _ = self.poll_push(cx, wire)?;
        Poll::Ready(Ok(body.len()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>, wire: &mut Wire<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_push(cx, wire))?;
        wire.poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>, wire: &mut Wire<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_open(cx, wire))?;
        if !std::mem::replace(&mut self.has_sent_end, true) {
            push_record(&mut self.outgoing, END, b"");
        }
        ready!(self.poll_flush(cx, wire))?;
        wire.poll_shutdown(cx)
    }

    fn holds_back(&self) -> bool {
        !self.outgoing.is_empty()
    }
}

pub fn push_record(records: &mut Vec<u8>, kind: u8, body: &[u8]) {
    let len = body.len().try_into().expect("a body of at most 255 bytes");
    records.extend([kind, len, checksum(body)]);
    records.extend(body.iter().map(|byte| byte ^ KEY));
}

fn checksum(body: &[u8]) -> u8 {
    body.iter().fold(1, |sum, byte| sum ^ byte.rotate_left(1))
}
