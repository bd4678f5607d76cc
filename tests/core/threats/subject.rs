//! What the threats ask of a stream, of the product and of the naive one alike.

use bytes::{Buf, Bytes};
use plimsoll::{
    Connection, ConnectionError, Frame, LengthPrefix, LineEnding, ReadError, Reader, Separator,
    Step, Writer, bytes,
};

/// Most bytes that a driver receives at once.
pub const READ: usize = 16 * 1024;

#[derive(Clone, Copy, Debug)]
pub enum Ask<'a> {
    Line,
    /// A line that ends with `\r\n`, in which neither byte stands alone.
    StrictLine,
    Until(&'a Separator),
    Exact(usize),
    /// A frame after its length, eight bytes.
    LengthPrefixed,
    /// Everything up to and including the separator is discarded. Whole is nothing.
    Skip(&'a Separator),
    Some(usize),
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// All of what was asked for, with what ends it.
    Whole(Bytes),
    /// A last line without its newline.
    Partial(Bytes),
    End,
    Wait,
    Failed(Failure),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// The line was too long, and is dropped.
    LineTooLong,
    /// The frame is too long, and stays.
    Overrun,
    BareLineBreak,
    Incomplete,
    /// More was asked for than is allowed.
    TooMuch,
    Lost,
}

pub trait Subject: std::fmt::Debug + Sized {
    /// With a limit for lines, and a cap for pending output.
    fn new(limit: usize, cap: usize) -> Self;

    fn feed(&mut self, input: &[u8]);
    /// Receives `input` into room for [`READ`] bytes, as drivers do.
    fn receive(&mut self, input: &[u8]);
    fn feed_eof(&mut self);
    fn lose(&mut self);
    fn wants_read(&self) -> bool;

    fn ask(&mut self, ask: Ask<'_>) -> Answer;
    /// A line as text; `None` in it where it is none.
    fn ask_text(&mut self) -> Step<Option<String>>;
    /// What the error of such a call says, both ways.
    fn complaint(&mut self, ask: Ask<'_>) -> String;
    /// Gives up the read that waits.
    fn cancel(&mut self);
    fn held(&self) -> usize;
    /// What was received and not taken, for whoever takes over.
    fn into_rest(self) -> Vec<u8>;

    /// Bytes that searches have looked at, and bytes copied.
    fn costs(&self) -> (u64, u64);

    /// Whether all of it was accepted.
    fn write(&mut self, parts: &[&[u8]]) -> bool;
    fn write_line(&mut self, line: &[u8]) -> bool;
    fn finish(&mut self);
    fn pending(&self) -> usize;
    /// The next bytes to send, all taken by the transport.
    fn send(&mut self) -> Bytes;
}

/// The product.
#[derive(Debug)]
pub struct Product(Connection);

impl Product {
    fn try_ask(&mut self, ask: Ask<'_>) -> Result<Step<Frame<'_>>, ReadError> {
        let reader = &mut self.0.reader;
        match ask {
            Ask::Line => reader.read_line(),
            Ask::StrictLine => reader.read_until(&Separator::STRICT_CRLF),
            Ask::Until(separator) => reader.read_until(separator),
            Ask::Exact(count) => reader.read_exact(count),
            Ask::LengthPrefixed => reader.read_length_prefixed(&LengthPrefix::U64_BE),
            Ask::Skip(separator) => match reader.skip_until(separator)? {
                Step::Ready(_) => reader.read_exact(0),
                Step::NeedInput => Ok(Step::NeedInput),
            },
            Ask::Some(max) => reader.read(max),
        }
    }
}

impl Subject for Product {
    fn new(limit: usize, cap: usize) -> Self {
        let mut writer = Writer::new();
        writer.set_max_pending(cap);
        let mut connection = Connection::new();
        connection.reader = Reader::with_limit(limit);
        connection.writer = writer;
        Self(connection)
    }

    fn feed(&mut self, input: &[u8]) {
        self.0.reader.feed(input);
    }

    fn receive(&mut self, input: &[u8]) {
        let reader = &mut self.0.reader;
        reader.input(READ)[..input.len()].copy_from_slice(input);
        reader.commit(input.len());
    }

    fn feed_eof(&mut self) {
        self.0.reader.feed_eof();
    }

    fn lose(&mut self) {
        self.0.lost(ConnectionError::Reset);
    }

    fn wants_read(&self) -> bool {
        self.0.reader.wants_read()
    }

    fn ask(&mut self, ask: Ask<'_>) -> Answer {
        match self.try_ask(ask) {
            Ok(Step::NeedInput) => Answer::Wait,
            Ok(Step::Ready(frame)) => match (ask, frame.separator_index()) {
                (Ask::Line | Ask::Some(_), None) if frame.is_empty() => Answer::End,
                (Ask::Line, None) => Answer::Partial(frame.to_bytes()),
                _ => Answer::Whole(frame.to_bytes()),
            },
            Err(error) => Answer::Failed(match error {
                ReadError::LineTooLong { .. } => Failure::LineTooLong,
                ReadError::LimitOverrun { .. } => Failure::Overrun,
                ReadError::BareLineBreak { .. } => Failure::BareLineBreak,
                ReadError::Incomplete { .. } => Failure::Incomplete,
                ReadError::CountTooLarge { .. } => Failure::TooMuch,
                ReadError::ConnectionLost(_) => Failure::Lost,
                other => panic!("{other}"),
            }),
        }
    }

    fn ask_text(&mut self) -> Step<Option<String>> {
        let line = self.0.reader.read_line().expect("short lines");
        line.map(|line| Some(std::str::from_utf8(&line).ok()?.to_owned()))
    }

    fn complaint(&mut self, ask: Ask<'_>) -> String {
        let error = self.try_ask(ask).expect_err("a complaint");
        format!("{error} {error:?}")
    }

    fn cancel(&mut self) {}

    fn held(&self) -> usize {
        self.0.reader.buffered().len()
    }

    fn into_rest(self) -> Vec<u8> {
        self.0.into_parts().unread.to_vec()
    }

    fn costs(&self) -> (u64, u64) {
        let costs = self.0.reader.costs();
        (costs.examined, costs.copied)
    }

    fn write(&mut self, parts: &[&[u8]]) -> bool {
        self.0.writer.write_all_vectored(parts).is_ok()
    }

    fn write_line(&mut self, line: &[u8]) -> bool {
        self.0.writer.write_line(line, LineEnding::CrLf).is_ok()
    }

    fn finish(&mut self) {
        self.0.writer.finish();
    }

    fn pending(&self) -> usize {
        self.0.writer.pending()
    }

    fn send(&mut self) -> Bytes {
        let sent = Bytes::copy_from_slice(self.0.writer.output().chunk());
        self.0.writer.output().advance(sent.len());
        sent
    }
}
