//! A line reader as it is often written, with the mistakes that it often has, to see that the tests can fail.

use std::collections::VecDeque;

use plimsoll::bytes::{Bytes, BytesMut};
use plimsoll::{Separator, Step};

use super::subject::{Answer, Ask, Failure, READ, Subject};

/// Looks for a newline in all that it has, whenever something came, and believes what peers say.
#[derive(Debug)]
pub struct Naive {
    buffer: BytesMut,
    limit: usize,
    /// What the future of a read by count has taken so far; it goes with the future.
    taken: BytesMut,
    output: VecDeque<Bytes>,
    is_over: bool,
    is_lost: bool,
    examined: u64,
    copied: u64,
}

impl Naive {
    /// The frame up to the first member of the set that is found anywhere.
    fn until(&mut self, separator: &Separator) -> Answer {
        for member in (0..).map_while(|index| separator.get(index)) {
            let mut windows = self.buffer.windows(member.len());
            let found = windows.position(|window| window == member);
            self.examined += found.unwrap_or(self.buffer.len()) as u64;
            if let Some(before) = found {
                return self.frame(before + member.len());
            }
        }
        self.rest()
    }

    fn frame(&mut self, len: usize) -> Answer {
        // Too long? Start afresh. The newline is one more than the limit.
        if len > self.limit + 1 {
            self.buffer.clear();
            return Answer::Failed(Failure::LineTooLong);
        }
        Answer::Whole(self.buffer.split_to(len).freeze())
    }

    /// There may be a last line without its end.
    fn rest(&mut self) -> Answer {
        match (self.is_lost, self.is_over, self.buffer.is_empty()) {
            (true, _, _) => Answer::Failed(Failure::Lost),
            (_, false, _) => Answer::Wait,
            (_, true, true) => Answer::End,
            (_, true, false) => Answer::Whole(self.buffer.split().freeze()),
        }
    }
}

impl Subject for Naive {
    fn new(limit: usize, _: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            limit,
            taken: BytesMut::new(),
            output: VecDeque::new(),
            is_over: false,
            is_lost: false,
            examined: 0,
            copied: 0,
        }
    }

    fn feed(&mut self, input: &[u8]) {
        self.copied += input.len() as u64;
        self.buffer.extend_from_slice(input);
    }

    fn receive(&mut self, input: &[u8]) {
        self.buffer.reserve(READ);
        self.feed(input);
    }

    fn feed_eof(&mut self) {
        self.is_over = true;
    }

    fn lose(&mut self) {
        self.buffer.clear();
        self.is_lost = true;
    }

    fn wants_read(&self) -> bool {
        true
    }

    fn ask(&mut self, ask: Ask<'_>) -> Answer {
        match ask {
            Ask::Line | Ask::StrictLine => self.until(&Separator::LF),
            Ask::Until(separator) => self.until(separator),
            Ask::Exact(count) => {
                self.taken.reserve(count - self.taken.len());
                let missing = (count - self.taken.len()).min(self.buffer.len());
                let more = self.buffer.split_to(missing);
                self.taken.extend_from_slice(&more);
                match self.taken.len() == count {
                    true => Answer::Whole(self.taken.split().freeze()),
                    false if self.is_lost => Answer::Failed(Failure::Lost),
                    false if self.is_over => Answer::Failed(Failure::Incomplete),
                    false => Answer::Wait,
                }
            }
            Ask::LengthPrefixed => {
                let Some(head) = self.buffer.first_chunk().copied() else {
                    return self.rest();
                };
                let len = u64::from_be_bytes(head) as usize;
                self.buffer.reserve(len);
                if self.buffer.len() - head.len() < len {
                    return Answer::Wait;
                }
                let frame = self.buffer.split_to(8 + len).split_off(8);
                Answer::Whole(frame.freeze())
            }
            Ask::Skip(separator) => match self.until(separator) {
                Answer::Wait => {
                    self.buffer.clear();
                    Answer::Wait
                }
                Answer::Whole(_) | Answer::Failed(Failure::LineTooLong) => {
                    Answer::Whole(Bytes::new())
                }
                other => other,
            },
            Ask::Some(_) if self.buffer.is_empty() => self.rest(),
            Ask::Some(max) => {
                let len = max.min(self.buffer.len());
                Answer::Whole(self.buffer.split_to(len).freeze())
            }
        }
    }

    fn ask_text(&mut self) -> Step<Option<String>> {
        // Text is easier to look for lines in.
        let text = String::from_utf8(self.buffer.to_vec()).unwrap();
        match text.split_once('\n') {
            Some((line, rest)) => {
                self.buffer = rest.into();
                Step::Ready(Some(format!("{line}\n")))
            }
            None => Step::NeedInput,
        }
    }

    fn complaint(&mut self, ask: Ask<'_>) -> String {
        let about = String::from_utf8_lossy(&self.buffer).into_owned();
        format!("{:?} of {about}", self.ask(ask))
    }

    fn cancel(&mut self) {
        self.taken.clear();
    }

    fn held(&self) -> usize {
        self.buffer.len()
    }

    fn into_rest(self) -> Vec<u8> {
        Vec::new() // the socket goes on, and the buffer was the reader's
    }

    fn costs(&self) -> (u64, u64) {
        (self.examined, self.copied)
    }

    fn write(&mut self, parts: &[&[u8]]) -> bool {
        let copies = parts.iter().map(|part| Bytes::copy_from_slice(part));
        self.output.extend(copies);
        !self.is_over
    }

    fn write_line(&mut self, line: &[u8]) -> bool {
        self.write(&[line, b"\r\n"])
    }

    fn finish(&mut self) {}

    fn pending(&self) -> usize {
        self.output.iter().map(Bytes::len).sum()
    }

    fn send(&mut self) -> Bytes {
        self.output.pop_front().unwrap_or_default()
    }
}
