//! What CPython did, we do: replays transcripts of `asyncio`, and compares every result and state.
//!
//! The transcripts are the `.txt` files in `tests/vectors`, or in the folder that the environment
//! variable `PLIMSOLL_VECTORS` names. `tests/vectors/FORMAT.md` describes them. They are split into
//! fields by a [`Reader`]. A step that is not understood fails, like one that differs.
//!
//! Two things are told apart by us and not by CPython, so the replay translates. An incomplete read
//! leaves its bytes buffered, where CPython hands them out with the exception: they are taken next.
//! An overrun does not say whether its separator had arrived: the buffer shows it.

use std::path::{Path, PathBuf};

use bytes::Buf;
use plimsoll::{
    Connection, ConnectionError, ConnectionState, ReadError, Reader, Separator, Step, WaterMarks,
    WriteError, WriterState,
};
use test_support::report;

/// Longer than any field of a transcript.
const LONGEST_FIELD: usize = 64 * 1024 * 1024;

#[test]
fn cpython_agrees() {
    let named = std::env::var_os("PLIMSOLL_VECTORS");
    let folder = named.map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors"),
        PathBuf::from,
    );
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("the folder can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no transcripts in {}", folder.display());
    for file in files {
        replay_file(&file);
    }
}

fn replay_file(path: &Path) {
    let name = path
        .file_name()
        .expect("a file has a name")
        .to_string_lossy();
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let (mut scripts, mut steps) = (0, 0);
    let mut replay: Option<Replay> = None;
    for (number, fields) in (1..).zip(split(&text)) {
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let result = match (&fields[..], &mut replay) {
            ([], _) => {
                replay = None;
                Ok(())
            }
            (["script", opening @ ..], None) => {
                scripts += 1;
                Replay::open(opening).map(|opened| replay = Some(opened))
            }
            (step, Some(replay)) => {
                steps += 1;
                replay.step(step)
            }
            (_, None) => Err("a step before its script was opened".to_owned()),
        };
        if let Err(problem) = result {
            panic!("{name}, line {number}: {problem}\n  {}", fields.join(" "));
        }
    }
    assert!(steps > 0, "{name} holds no steps");
    report(&format!("parity {name}: {scripts} scripts, {steps} steps"));
}

/// Splits a transcript into the fields of each line; an empty line has none.
fn split(text: &[u8]) -> Vec<Vec<String>> {
    let ends = Separator::any([" ", "\n"]).expect("two separators");
    let mut reader = Reader::with_limit(LONGEST_FIELD);
    let mut lines = vec![Vec::new()];
    let last_newline = if text.ends_with(b"\n") {
        &b""[..]
    } else {
        b"\n"
    };
    for piece in text.chunks(4096).chain([last_newline]) {
        reader.feed(piece);
        while let Step::Ready(field) = reader.read_until(&ends).expect("no field is that long") {
            let line = lines.last_mut().expect("there is always a line");
            if !field.content().is_empty() {
                let field = std::str::from_utf8(field.content()).expect("transcripts are ASCII");
                line.push(field.to_owned());
            }
            if field.separator_index() == Some(1) {
                lines.push(Vec::new());
            }
        }
    }
    assert_eq!(reader.buffered(), b"", "everything was split");
    lines.pop();
    lines
}

/// A script on its way, and what it is played on.
enum Replay {
    Reader(Reader),
    Writer(Connection),
}

/// The fields of a step: what was called, what came of it, and the state afterwards.
struct Recorded<'a> {
    call: &'a [&'a str],
    /// Empty where none is recorded.
    result: &'a [&'a str],
    size: &'a str,
    flags: &'a str,
}

impl<'a> Recorded<'a> {
    fn new(step: &'a [&'a str]) -> Result<Self, String> {
        let [called @ .., "@", size, flags] = step else {
            return Err("no state at the end".to_owned());
        };
        let arrow = called.iter().position(|&field| field == "=>");
        let (call, result) = match arrow {
            Some(arrow) => (&called[..arrow], &called[arrow + 1..]),
            None => (called, &[][..]),
        };
        if arrow.is_some() && result.is_empty() {
            return Err("no result behind the arrow".to_owned());
        }
        Ok(Self {
            call,
            result,
            size,
            flags,
        })
    }

    /// Compares a step as recorded with what it came to here.
    fn compare(&self, result: &str, size: usize, flags: &str) -> Result<(), String> {
        let flags = if flags.is_empty() { "-" } else { flags };
        let here = format!("{result} @ {size} {flags}");
        let recorded = format!("{} @ {} {}", self.result.join(" "), self.size, self.flags);
        if here == recorded {
            return Ok(());
        }
        Err(format!("CPython: {recorded}\n  plimsoll: {here}"))
    }
}

impl Replay {
    fn open(fields: &[&str]) -> Result<Self, String> {
        match fields {
            [_name, "limit", limit] => {
                let mut reader = Reader::with_limit(number(limit)?);
                reader.set_max_read_exact(usize::MAX);
                Ok(Self::Reader(reader))
            }
            [_name] => {
                let mut connection = Connection::new();
                connection.writer.set_max_pending(usize::MAX);
                Ok(Self::Writer(connection))
            }
            _ => Err("a script that is opened in an unknown way".to_owned()),
        }
    }

    fn step(&mut self, step: &[&str]) -> Result<(), String> {
        let recorded = Recorded::new(step)?;
        match self {
            Self::Reader(reader) => {
                let result = read_step(reader, recorded.call)?;
                let paused = if reader.is_paused() { "p" } else { "" };
                let at_eof = if reader.at_eof() { "e" } else { "" };
                let flags = format!("{paused}{at_eof}");
                recorded.compare(&result, reader.buffered().len(), &flags)
            }
            Self::Writer(connection) => {
                let result = write_step(connection, recorded.call)?;
                let writer = &connection.writer;
                let flags = match (connection.state(), writer.state()) {
                    (ConnectionState::Closed | ConnectionState::Lost(_), _) => "c".to_owned(),
                    (_, state) => {
                        let paused = if writer.is_full() { "p" } else { "" };
                        let finished = state == WriterState::Finished;
                        format!("{paused}{}", if finished { "f" } else { "" })
                    }
                };
                recorded.compare(&result, writer.pending(), &flags)
            }
        }
    }
}

/// Makes a recorded call of a reader. Returns its result as a transcript would have it.
fn read_step(reader: &mut Reader, call: &[&str]) -> Result<String, String> {
    let answer = match call {
        ["feed", data] => {
            reader.feed(&bytes(data)?);
            return Ok(String::new());
        }
        ["eof"] => {
            reader.feed_eof();
            return Ok(String::new());
        }
        ["error"] => {
            reader.feed_lost(ConnectionError::Reset);
            return Ok(String::new());
        }
        ["read", max] => reader.read(number(max)?),
        ["read_exact", count] => reader.read_exact(number(count)?),
        ["read_line"] => reader.read_line(),
        ["read_until", members] => {
            let separator = separator(members)?;
            let answer = reader.read_until(&separator);
            if let Err(ReadError::LimitOverrun { consumed, .. }) = answer {
                let rest = &reader.buffered()[consumed..];
                let members = (0..).map_while(|index| separator.get(index));
                let found = members.into_iter().any(|member| rest.starts_with(member));
                let found = if found { "found" } else { "notfound" };
                return Ok(format!("overrun {consumed} {found}"));
            }
            answer
        }
        _ => return Err("an unknown operation".to_owned()),
    };
    match answer {
        Ok(Step::Ready(frame)) => Ok(format!("ok {}", hex(&frame))),
        Ok(Step::NeedInput) => Ok("pending".to_owned()),
        Err(ReadError::LineTooLong { .. }) => Ok("toolong".to_owned()),
        Err(ReadError::ConnectionLost(ConnectionError::Reset)) => Ok("error".to_owned()),
        Err(ReadError::Incomplete { buffered, expected }) => {
            let partial = match reader.read_to_end(buffered) {
                Ok(Step::Ready(partial)) => hex(&partial),
                other => return Err(format!("{other:?} behind an incomplete read")),
            };
            let expected = expected.map_or("-".to_owned(), |count| count.to_string());
            Ok(format!("incomplete {partial} {expected}"))
        }
        Err(other) => Err(format!("CPython has nothing like {other:?}")),
    }
}

/// Makes a recorded call of a writer, and shuts its transport down when it wants that.
fn write_step(connection: &mut Connection, call: &[&str]) -> Result<String, String> {
    let mut result = "";
    let writer = &mut connection.writer;
    match call {
        ["limits", high, low] => writer.set_water_marks(
            WaterMarks::new(number(high)?, number(low)?).map_err(|error| error.to_string())?,
        ),
        ["write", count] => match writer.write(&vec![b'a'; number(count)?]) {
            Ok(()) => {}
            Err(WriteError::Finished) => result = "finished",
            Err(other) => return Err(format!("CPython has nothing like {other:?}")),
        },
        ["sent", count] => {
            let (count, mut output) = (number(count)?, writer.output());
            if count > output.remaining() {
                return Err(format!("only {} bytes could be sent", output.remaining()));
            }
            output.advance(count);
        }
        ["finish"] => writer.finish(),
        ["close"] => connection.close(),
        ["abort"] => connection.abort(),
        _ => return Err("an unknown operation".to_owned()),
    }
    connection.writer.shutdown_done();
    Ok(result.to_owned())
}

fn number(field: &str) -> Result<usize, String> {
    let digits = Some(field).filter(|field| field.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| format!("{field} is no number"))
}

fn separator(field: &str) -> Result<Separator, String> {
    let members = field.split(',').map(bytes).collect::<Result<Vec<_>, _>>()?;
    let built = match &members[..] {
        [one] => Separator::new(one),
        several => Separator::any(several),
    };
    built.map_err(|error| error.to_string())
}

fn bytes(field: &str) -> Result<Vec<u8>, String> {
    if field == "." {
        return Ok(Vec::new());
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let byte = |pair: &[u8]| match *pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = field.as_bytes().chunks(2).map(byte).collect();
    bytes
        .filter(|bytes| !bytes.is_empty())
        .ok_or_else(|| "bytes that are not hex".to_owned())
}

fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return ".".to_owned();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
