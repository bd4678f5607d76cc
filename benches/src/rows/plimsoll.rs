//! plimsoll's reader, its lines looked at in place, shared, and copied.

use std::hint::black_box;
use std::io::Read;
use std::sync::LazyLock;

use plimsoll::{Frame, ReadError, Reader, Separator, Step};

use crate::answer::{Answer, Tally};
use crate::input::Source;

/// `read_line`: lines lent.
pub fn borrowed<T: Tally>(data: &[u8], read_size: usize) -> Answer {
    drive(data, read_size, Reader::read_line, |tally: &mut T, line| {
        tally.line(&line);
    })
}

/// `read_line` and `into_bytes`: a `Bytes` that shares the block of the read.
pub fn shared<T: Tally>(data: &[u8], read_size: usize) -> Answer {
    drive(data, read_size, Reader::read_line, |tally: &mut T, line| {
        tally.line(&black_box(line.into_bytes()));
    })
}

/// `read_line` and `to_bytes`: a `Bytes` of its own for each line.
pub fn copied<T: Tally>(data: &[u8], read_size: usize) -> Answer {
    drive(data, read_size, Reader::read_line, |tally: &mut T, line| {
        tally.line(&black_box(line.to_bytes()));
    })
}

/// `read_until` a newline: lines lent.
pub fn until_newline<T: Tally>(data: &[u8], read_size: usize) -> Answer {
    until::<T>(&Separator::LF, data, read_size)
}

/// `read_until` either of two bytes, of which one never comes.
pub fn until_any<T: Tally>(data: &[u8], read_size: usize) -> Answer {
    static ANY: LazyLock<Separator> =
        LazyLock::new(|| Separator::any(["\n", "\0"]).expect("two separators"));
    until::<T>(&ANY, data, read_size)
}

/// `read_until` a carriage return and a newline.
pub fn until_crlf<T: Tally>(data: &[u8], read_size: usize) -> Answer {
    until::<T>(&Separator::CRLF, data, read_size)
}

fn until<T: Tally>(separator: &Separator, data: &[u8], read_size: usize) -> Answer {
    drive(
        data,
        read_size,
        |reader| reader.read_until(separator),
        |tally: &mut T, line| tally.line(&line),
    )
}

fn drive<T: Tally>(
    data: &[u8],
    read_size: usize,
    read: impl Fn(&mut Reader) -> Result<Step<Frame<'_>>, ReadError>,
    mut take: impl FnMut(&mut T, Frame<'_>),
) -> Answer {
    let mut source = Source::new(data, read_size);
    let mut reader = Reader::new();
    let mut tally = T::default();
    loop {
        match read(&mut reader) {
            Ok(Step::Ready(line)) if line.is_empty() => return tally.answer(),
            Ok(Step::Ready(line)) => take(&mut tally, line),
            Ok(Step::NeedInput) => {
                let room = reader.input(read_size);
                match source.read(room).expect("a source without errors") {
                    0 => reader.feed_eof(),
                    received => reader.commit(received),
                }
            }
            // How `read_until` tells that the stream has ended between two frames.
            Err(ReadError::Incomplete { buffered: 0, .. }) => return tally.answer(),
            Err(error) => panic!("{error}"),
        }
    }
}
