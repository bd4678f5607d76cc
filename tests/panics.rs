//! What panics is what the documentation says: every operation in every state, against the `# Panics` sections
//! of the source.
//!
//! An operation that panics in any state without such a section fails, and so does a section of an operation that
//! panicked in none, and a public function of either half that is not called here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use io_test_support::plain_layer::Plain;
use plimsoll::{
    Connection, ConnectionError, Frame, LengthPrefix, LineEnding, ReadError, Reader, SendAction,
    Separator, Step, TransportError, WaterMarks, Writer,
};
use plimsoll_io::blocking::{self, Blocking};
use plimsoll_io::tokio::Tokio;
use plimsoll_io::{
    ConnectOptions, Runtime, Server, ServerOptions, StreamOptions, StreamPair, StreamReader,
    StreamWriter, Transport,
};
use plimsoll_io::{DuplexStream, duplex};
use test_support::functions::{functions, sources};
use test_support::report;

/// Operations that have been called, by file and name, and whether one returned, and one panicked.
#[derive(Default)]
struct Calls {
    seen: BTreeMap<String, [bool; 2]>,
    count: usize,
}

impl Calls {
    fn call(&mut self, name: &str, operation: impl FnOnce()) {
        let panicked = catch_unwind(AssertUnwindSafe(operation)).is_err();
        if !self.seen.contains_key(name) {
            self.seen.insert(name.to_owned(), [false; 2]);
        }
        let seen = self.seen.get_mut(name).expect("it was inserted");
        seen[usize::from(panicked)] = true;
        self.count += 1;
    }
}

/// Operations by name, some of them with several arguments.
type Operations<A> = &'static [(&'static str, fn(&mut A))];
/// The same, of those that consume what they are called on.
type LastOperations<A> = &'static [(&'static str, fn(A))];

/// A value that cannot be formatted.
struct Unprintable;

impl fmt::Display for Unprintable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Err(fmt::Error)
    }
}

/// Ends whatever an operation came to.
fn ignore<A>(_: A) {}

/// Polls a future once, and drops it.
fn poll<F: Future>(future: F) {
    let _ = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
}

/// All ways to choose one of each list.
fn one_of_each<A: Copy>(lists: &[&[A]]) -> Vec<Vec<A>> {
    lists.iter().fold(vec![vec![]], |chosen, list| {
        let longer = |chosen: &Vec<A>| {
            let chosen = chosen.clone();
            list.iter()
                .map(move |next| [&chosen[..], &[*next]].concat())
        };
        chosen.iter().flat_map(longer).collect()
    })
}

const LIMITS: [usize; 3] = [1, 64, usize::MAX];
const INPUTS: [&[u8]; 4] = [b"", b"a", b"line\nrest\r\n", &[b'x'; 300]];
const SIZES: [usize; 4] = [0, 1, 100, usize::MAX];

fn separators() -> [Separator; 6] {
    let several = Separator::any(["\n", "\r\n", "never"]).unwrap();
    let rest = Separator::new("rest").unwrap();
    let [strict, universal] = [Separator::STRICT_CRLF, Separator::UNIVERSAL_NEWLINE];
    let two_lines = Separator::CRLF_CRLF;
    [Separator::LF, strict, universal, two_lines, rest, several]
}

const PREFIXES: [LengthPrefix; 4] = [
    LengthPrefix::U8,
    LengthPrefix::U16_LE.offset(1).adjustment(-4),
    LengthPrefix::U32_BE.skip(0),
    LengthPrefix::U64_BE.adjustment(i64::MIN).skip(usize::MAX),
];

const ACTIONS: [SendAction; 3] = [SendAction::Write, SendAction::Flush, SendAction::Shutdown];

/// Results of calls to a transport, the last of which ends both directions.
const RESULTS: [Result<usize, TransportError>; 6] = [
    Err(TransportError::WouldBlock),
    Err(TransportError::Interrupted),
    Ok(1),
    Ok(usize::MAX),
    Err(TransportError::Lost(ConnectionError::NotConnected)),
    Err(TransportError::Lost(ConnectionError::Reset)),
];

/// What is done to a connection before each operation; of each list one, in this order.
const EARLIER: [&[fn(&mut Connection)]; 4] = [
    // Reads that wait, or drop a line; room that was handed out.
    &[
        |_| {},
        |connection| ignore(connection.reader.read_line()),
        |connection| ignore(connection.reader.read_exact(200)),
        |connection| ignore(connection.reader.input(8)),
        |connection| ignore(connection.reader.skip_until(&Separator::CRLF_CRLF)),
        |connection| ignore(connection.reader.skip_exact(500)),
    ],
    // The end of the peer's stream.
    &[
        |_| {},
        |connection| connection.reader.feed_eof(),
        |connection| connection.reader.feed_lost(ConnectionError::Reset),
        |connection| connection.close(),
        |connection| connection.abort(),
    ],
    // Output: none, small, and large beyond the high mark.
    &[
        |_| {},
        |connection| ignore(connection.writer.write(b"small")),
        |connection| {
            ignore(connection.writer.write(b"small"));
            ignore(
                connection
                    .writer
                    .write_bytes(Bytes::from(vec![b'x'; 100_000])),
            );
        },
    ],
    // The end of this side's stream.
    &[
        |_| {},
        |connection| connection.writer.finish(),
        |connection| {
            connection.writer.finish();
            let pending = connection.writer.pending();
            connection.writer.output().advance(pending);
            connection.writer.shutdown_done();
        },
        |connection| connection.writer.close(),
        |connection| connection.writer.lost(ConnectionError::TimedOut),
    ],
];

/// A frame by its token, after `between`.
fn frame_after(reader: &mut Reader, between: fn(&mut Reader)) {
    if let Ok(Step::Ready(frame)) = reader.read(2) {
        let token = frame.token();
        between(reader);
        let frame = reader.frame(token);
        let _ = (
            frame.content().len(),
            frame.separator_index(),
            frame.to_bytes(),
        );
        ignore(frame.into_bytes());
    }
}

const READER: Operations<Reader> = &[
    ("new", |reader| *reader = Reader::new()),
    ("with_limit", |_| {
        SIZES
            .iter()
            .skip(1)
            .for_each(|size| ignore(Reader::with_limit(*size)))
    }),
    ("with_limit", |_| ignore(Reader::with_limit(0))),
    ("set_limit", |reader| {
        SIZES
            .iter()
            .skip(1)
            .for_each(|size| reader.set_limit(*size))
    }),
    ("set_limit", |reader| reader.set_limit(0)),
    ("set_max_read_exact", |reader| {
        SIZES
            .iter()
            .for_each(|size| reader.set_max_read_exact(*size))
    }),
    ("feed", |reader| reader.feed(b"")),
    ("feed", |reader| reader.feed(b"more\n")),
    ("input", |reader| ignore(reader.input(0))),
    ("input", |reader| ignore(reader.input(5000))),
    ("commit", |reader| reader.commit(0)),
    ("commit", |reader| reader.commit(8)),
    ("commit", |reader| reader.commit(usize::MAX)),
    ("feed_eof", Reader::feed_eof),
    ("feed_lost", |reader| {
        reader.feed_lost(ConnectionError::Aborted)
    }),
    ("read", |reader| {
        SIZES.iter().for_each(|size| ignore(reader.read(*size)))
    }),
    ("read_line", |reader| {
        (0..3).for_each(|_| ignore(reader.read_line()))
    }),
    ("read_until", |reader| {
        separators()
            .iter()
            .for_each(|it| ignore(reader.read_until(it)))
    }),
    ("read_delimited", |reader| {
        separators()
            .iter()
            .for_each(|it| ignore(reader.read_delimited(it)))
    }),
    ("peek_until", |reader| {
        for separator in &separators() {
            if let Ok(Step::Ready(peeked)) = reader.peek_until(separator) {
                let _ = (peeked.content().len(), peeked.separator_index());
            }
        }
    }),
    ("consume", |reader| reader.consume(0)),
    ("consume", |reader| reader.consume(1)),
    ("consume", |reader| reader.consume(usize::MAX)),
    ("read_length_prefixed", |reader| {
        for prefix in PREFIXES {
            ignore(reader.read_length_prefixed(&prefix));
        }
    }),
    ("read_with", |reader| {
        ignore(reader.read_with(|reader| reader.read_exact(2).map(|step| step.map(|_| ()))))
    }),
    ("read_with", |reader| {
        ignore(reader.read_with(|reader| {
            ignore(reader.read(1)?);
            Ok::<Step<()>, ReadError>(Step::NeedInput)
        }))
    }),
    ("read_frame_with", |reader| {
        ignore(
            reader.read_frame_with(|reader| Ok::<_, ReadError>(reader.read(2)?.map(Frame::token))),
        )
    }),
    ("read_frame_with", |reader| {
        ignore(reader.read_frame_with(|reader| {
            let step = reader.read(2)?.map(Frame::token);
            ignore(reader.read_line());
            Ok::<_, ReadError>(step)
        }))
    }),
    ("skip_exact", |reader| {
        SIZES
            .iter()
            .for_each(|size| ignore(reader.skip_exact(*size as u64)))
    }),
    ("stop_discarding", Reader::stop_discarding),
    ("lend", |reader| ignore(reader.lend(Vec::with_capacity(9)))),
    ("reclaim", |reader| ignore(reader.reclaim())),
    ("on_receive", |reader| {
        ignore(reader.on_receive(Ok::<_, TransportError>(1), None))
    }),
    ("on_receive", |reader| {
        for result in RESULTS {
            ignore(reader.on_receive(result, Some(ConnectionError::Reset)));
        }
    }),
    ("read_exact", |reader| {
        SIZES
            .iter()
            .for_each(|size| ignore(reader.read_exact(*size)))
    }),
    ("read_exact", |reader| {
        reader.set_max_read_exact(usize::MAX);
        SIZES
            .iter()
            .for_each(|size| ignore(reader.read_exact(*size)));
    }),
    ("read_to_end", |reader| {
        SIZES
            .iter()
            .for_each(|size| ignore(reader.read_to_end(*size)))
    }),
    ("skip_until", |reader| {
        separators()
            .iter()
            .for_each(|it| ignore(reader.skip_until(it)))
    }),
    ("peek", |reader| {
        SIZES.iter().for_each(|size| ignore(reader.peek(*size)))
    }),
    ("frame", |reader| frame_after(reader, |_| {})),
    ("frame", |reader| {
        frame_after(reader, |reader| ignore(reader.read_line()))
    }),
    ("into_unread", |reader| {
        ignore(std::mem::take(reader).into_unread())
    }),
    ("buffered", |reader| ignore(reader.buffered())),
    ("at_eof", |reader| ignore(reader.at_eof())),
    ("wants_read", |reader| ignore(reader.wants_read())),
    ("is_paused", |reader| ignore(reader.is_paused())),
    ("is_discarding", |reader| ignore(reader.is_discarding())),
    ("discarding", |reader| ignore(reader.discarding())),
    ("limit", |reader| ignore(reader.limit())),
    ("max_read_exact", |reader| ignore(reader.max_read_exact())),
    ("position", |reader| ignore(reader.position())),
    ("capacity", |reader| ignore(reader.capacity())),
    ("connection_error", |reader| {
        ignore(reader.connection_error())
    }),
    #[cfg(feature = "counters")]
    ("costs", |reader| ignore(reader.costs())),
];

const WRITER: Operations<Writer> = &[
    ("new", |writer| *writer = Writer::new()),
    ("set_water_marks", |writer| {
        SIZES
            .iter()
            .for_each(|size| writer.set_water_marks(WaterMarks::with_high(*size)));
    }),
    ("set_max_pending", |writer| {
        SIZES.iter().for_each(|size| writer.set_max_pending(*size))
    }),
    ("write", |writer| {
        INPUTS.iter().for_each(|data| ignore(writer.write(data)))
    }),
    ("write_bytes", |writer| {
        ignore(writer.write_bytes(Bytes::new()));
        ignore(writer.write_bytes(Bytes::from(vec![0; 1000])));
    }),
    ("write_all_vectored", |writer| {
        ignore(writer.write_all_vectored(INPUTS))
    }),
    ("write_all_vectored", |writer| {
        ignore(writer.write_all_vectored([[]; 2]))
    }),
    ("write_length_prefixed", |writer| {
        for prefix in PREFIXES {
            ignore(writer.write_length_prefixed(&prefix, &[b'x'; 300]));
        }
    }),
    ("write_line", |writer| {
        let write = |data: &&[u8]| ignore(writer.write_line(data, LineEnding::CrLf));
        INPUTS.iter().for_each(write);
    }),
    ("write_fmt", |writer| ignore(write!(writer, "{}", 1))),
    ("write_fmt", |writer| {
        ignore(write!(writer, "{Unprintable}"))
    }),
    ("finish", Writer::finish),
    ("close", Writer::close),
    ("abort", Writer::abort),
    ("lost", |writer| writer.lost(ConnectionError::Reset)),
    ("flush_done", Writer::flush_done),
    ("shutdown_done", Writer::shutdown_done),
    ("on_send", |writer| {
        for action in ACTIONS {
            for result in RESULTS {
                ignore(writer.on_send(action, result));
            }
        }
    }),
    ("lend", |writer| {
        ignore(writer.lend(BytesMut::with_capacity(9)))
    }),
    ("reclaim", |writer| ignore(writer.reclaim())),
    ("connection_error", |writer| {
        ignore(writer.connection_error())
    }),
    ("output", |writer| {
        let output = writer.output();
        let mut slices = [std::io::IoSlice::new(&[]); 2];
        let _ = (
            output.remaining(),
            output.chunk().len(),
            output.chunks_vectored(&mut slices),
        );
    }),
    ("into_unsent", |writer| {
        ignore(std::mem::take(writer).into_unsent())
    }),
    ("pending", |writer| ignore(writer.pending())),
    ("is_writable", |writer| ignore(writer.is_writable())),
    ("is_full", |writer| ignore(writer.is_full())),
    ("next_send", |writer| ignore(writer.next_send())),
    ("is_flushed", |writer| ignore(writer.is_flushed())),
    ("state", |writer| ignore(writer.state())),
    ("water_marks", |writer| ignore(writer.water_marks())),
    ("max_pending", |writer| ignore(writer.max_pending())),
    ("capacity", |writer| ignore(writer.capacity())),
];

fn advance(writer: &mut Writer, more: usize) {
    let count = writer.pending() + more;
    writer.output().advance(count);
}

const CONNECTION: Operations<Connection> = &[
    ("new", |connection| *connection = Connection::new()),
    ("close", Connection::close),
    ("abort", Connection::abort),
    ("lost", |connection| {
        connection.lost(ConnectionError::TimedOut)
    }),
    ("state", |connection| ignore(connection.state())),
    ("next_send", |connection| ignore(connection.next_send())),
    ("wants_read", |connection| ignore(connection.wants_read())),
    ("on_send", |connection| {
        for action in ACTIONS {
            for result in RESULTS {
                ignore(connection.on_send(action, result));
            }
        }
    }),
    ("on_receive", |connection| {
        ignore(connection.on_receive(Ok::<_, TransportError>(0)))
    }),
    ("on_receive", |connection| {
        for result in RESULTS {
            ignore(connection.on_receive(result));
        }
    }),
    ("into_parts", |connection| {
        ignore(std::mem::take(connection).into_parts())
    }),
    ("from_parts", |connection| {
        let parts = std::mem::take(connection).into_parts();
        ignore(Connection::from_parts(parts));
    }),
];

/// Calls every operation of the core in every state. Returns how many states there were.
fn core(calls: &mut Calls) -> usize {
    let mut states = 0;
    let choices = one_of_each(&EARLIER);
    for limit in LIMITS {
        for input in INPUTS {
            for done in &choices {
                let state = || {
                    let mut connection = Connection {
                        reader: Reader::with_limit(limit),
                        ..Connection::new()
                    };
                    connection.reader.feed(input);
                    done.iter().for_each(|step| step(&mut connection));
                    connection
                };
                states += 1;
                for (name, operation) in READER {
                    let mut reader = state().reader;
                    calls.call(&format!("src/reader.rs: Reader::{name}"), || {
                        operation(&mut reader)
                    });
                }
                for (name, operation) in WRITER {
                    let mut writer = state().writer;
                    calls.call(&format!("src/writer.rs: Writer::{name}"), || {
                        operation(&mut writer)
                    });
                }
                for more in [0, 1] {
                    let mut writer = state().writer;
                    calls.call("src/writer.rs: Output::advance", || {
                        advance(&mut writer, more)
                    });
                }
                for (name, operation) in CONNECTION {
                    let mut connection = state();
                    let name = format!("src/connection.rs: Connection::{name}");
                    calls.call(&name, || operation(&mut connection));
                }
            }
        }
    }
    states
}

type StreamStep = fn(&mut StreamPair<DuplexStream>);
type PeerStep = fn(&mut Option<StreamPair<DuplexStream>>);

const PEERS: [PeerStep; 4] = [
    |_| {},
    |peer| poll(peer.as_mut().unwrap().writer.finish()),
    |peer| peer.as_mut().unwrap().writer.abort(),
    |peer| ignore(peer.take()),
];

const STREAM_EARLIER: [&[StreamStep]; 3] = [
    &[
        |_| {},
        |stream| poll(stream.reader.read_line()),
        |stream| poll(stream.reader.peek(1000)),
    ],
    &[
        |_| {},
        |stream| ignore(stream.writer.write(b"small")),
        |stream| {
            ignore(stream.writer.write_bytes(Bytes::from(vec![b'x'; 100_000])));
            poll(stream.writer.drain());
        },
    ],
    &[
        |_| {},
        |stream| poll(stream.writer.finish()),
        |stream| poll(stream.writer.close()),
        |stream| stream.writer.abort(),
    ],
];

const STREAM_READER: Operations<StreamReader<DuplexStream>> = &[
    ("lost", |reader| ignore(reader.lost())),
    ("read", |reader| {
        SIZES.iter().for_each(|size| poll(reader.read(*size)))
    }),
    ("read_line", |reader| {
        (0..3).for_each(|_| poll(reader.read_line()))
    }),
    ("read_until", |reader| {
        separators()
            .iter()
            .for_each(|it| poll(reader.read_until(it)))
    }),
    ("read_exact", |reader| {
        SIZES.iter().for_each(|size| poll(reader.read_exact(*size)))
    }),
    ("read_to_end", |reader| {
        SIZES
            .iter()
            .for_each(|size| poll(reader.read_to_end(*size)))
    }),
    ("skip_until", |reader| {
        separators()
            .iter()
            .for_each(|it| poll(reader.skip_until(it)))
    }),
    ("peek", |reader| {
        SIZES.iter().for_each(|size| poll(reader.peek(*size)))
    }),
    ("read_lines", |reader| {
        poll(smol::stream::StreamExt::next(&mut reader.read_lines()))
    }),
    ("set_limit", |reader| {
        SIZES
            .iter()
            .skip(1)
            .for_each(|size| reader.set_limit(*size))
    }),
    ("set_limit", |reader| reader.set_limit(0)),
    ("set_max_read_exact", |reader| {
        SIZES
            .iter()
            .for_each(|size| reader.set_max_read_exact(*size))
    }),
    ("buffered", |reader| ignore(reader.buffered())),
    ("at_eof", |reader| ignore(reader.at_eof())),
    ("is_shutting_down", |reader| {
        ignore(reader.is_shutting_down())
    }),
    ("with_transport", |reader| {
        ignore(reader.with_transport(|_| ()))
    }),
];

const STREAM_WRITER: Operations<StreamWriter<DuplexStream>> = &[
    ("lost", |writer| ignore(writer.lost())),
    ("write", |writer| {
        INPUTS.iter().for_each(|data| ignore(writer.write(data)))
    }),
    ("write_bytes", |writer| {
        ignore(writer.write_bytes(Bytes::from(vec![0; 1000])))
    }),
    ("write_all_vectored", |writer| {
        ignore(writer.write_all_vectored(&INPUTS))
    }),
    ("write_line", |writer| {
        let write = |data: &&[u8]| ignore(writer.write_line(data, LineEnding::CrLf));
        INPUTS.iter().for_each(write);
    }),
    ("write_fmt", |writer| ignore(write!(writer, "{}", 1))),
    ("write_fmt", |writer| {
        ignore(write!(writer, "{Unprintable}"))
    }),
    ("drain", |writer| poll(writer.drain())),
    ("flush", |writer| poll(writer.flush())),
    ("finish", |writer| poll(writer.finish())),
    ("close", |writer| poll(writer.close())),
    ("close_timeout", |writer| {
        poll(writer.close_timeout(Duration::ZERO))
    }),
    ("cork", StreamWriter::cork),
    ("uncork", StreamWriter::uncork),
    ("abort", StreamWriter::abort),
    ("is_shutting_down", |writer| {
        ignore(writer.is_shutting_down())
    }),
    ("shutting_down", |writer| poll(writer.shutting_down())),
    ("is_closing", |writer| ignore(writer.is_closing())),
    ("is_writable", |writer| ignore(writer.is_writable())),
    ("pending", |writer| ignore(writer.pending())),
    ("set_water_marks", |writer| {
        SIZES
            .iter()
            .for_each(|size| writer.set_water_marks(WaterMarks::with_high(*size)));
    }),
    ("set_max_pending", |writer| {
        SIZES.iter().for_each(|size| writer.set_max_pending(*size))
    }),
    ("with_transport", |writer| {
        ignore(writer.with_transport(|_| ()))
    }),
];

const STREAM: LastOperations<StreamPair<DuplexStream>> = &[
    ("split", |stream| ignore(stream.split())),
    ("reunite", |stream| {
        ignore(StreamPair::reunite(stream.reader, stream.writer))
    }),
    ("reunite", |stream| {
        ignore(StreamPair::reunite(
            stream.reader,
            StreamPair::new(duplex(1).0).writer,
        ))
    }),
    ("into_parts", |stream| ignore(stream.into_parts())),
    ("into_parts", |stream| {
        ignore(exchanged(stream).into_parts())
    }),
    ("open", |mut stream| poll(stream.open())),
    ("open", |stream| poll(exchanged(stream).open())),
    ("put_layer", |mut stream| {
        poll(stream.put_layer(Plain));
        poll(stream.put_layer(Plain));
    }),
    ("put_layer", |stream| {
        poll(exchanged(stream).put_layer(Plain))
    }),
];

/// A stream with the writer of another connection.
fn exchanged(stream: StreamPair<DuplexStream>) -> StreamPair<DuplexStream> {
    StreamPair {
        reader: stream.reader,
        writer: StreamPair::new(duplex(1).0).writer,
    }
}

/// Calls every operation of streams in every state, in memory. Returns how many states there were.
fn streams(calls: &mut Calls) -> usize {
    const FOLDER: &str = "adapters/src/stream";
    let mut states = 0;
    let choices = one_of_each(&STREAM_EARLIER);
    for limit in LIMITS {
        for (input, pauses) in INPUTS
            .iter()
            .flat_map(|input| [(input, false), (input, true)])
        {
            for (peer_step, done) in PEERS
                .iter()
                .flat_map(|it| choices.iter().map(move |done| (it, done)))
            {
                let state = || {
                    let options = StreamOptions::new()
                        .limit(limit)
                        .pause_reading_when_full(pauses);
                    let (here, there) = duplex(1000);
                    let mut stream = StreamPair::with_options(here, &options);
                    let mut peer = Some(StreamPair::new(there));
                    let writer = &mut peer.as_mut().unwrap().writer;
                    ignore(writer.write(input));
                    poll(writer.flush());
                    peer_step(&mut peer);
                    done.iter().for_each(|step| step(&mut stream));
                    (stream, peer)
                };
                states += 1;
                for (name, operation) in STREAM_READER {
                    let (mut stream, _peer) = state();
                    let file = match *name {
                        "read_lines" => "lines",
                        _ => "reader",
                    };
                    calls.call(&format!("{FOLDER}/{file}.rs: StreamReader::{name}"), || {
                        operation(&mut stream.reader)
                    });
                }
                for (name, operation) in STREAM_WRITER {
                    let (mut stream, _peer) = state();
                    calls.call(&format!("{FOLDER}/writer.rs: StreamWriter::{name}"), || {
                        operation(&mut stream.writer)
                    });
                }
                for (name, operation) in STREAM {
                    let (stream, _peer) = state();
                    let file = match *name {
                        "open" | "put_layer" => "layering",
                        _ => "mod",
                    };
                    let name = format!("{FOLDER}/{file}.rs: StreamPair::{name}");
                    calls.call(&name, || operation(stream));
                }
            }
        }
    }
    states
}

/// What is built with a number that may be zero.
fn settings(calls: &mut Calls) {
    for number in [1, 0] {
        let options = "adapters/src/options.rs: StreamOptions";
        calls.call(&format!("{options}::limit"), || {
            ignore(StreamOptions::new().limit(number))
        });
        calls.call(&format!("{options}::read_size"), || {
            ignore(StreamOptions::new().read_size(number))
        });
        let options = "adapters/src/options.rs: ServerOptions";
        calls.call(&format!("{options}::max_connections"), || {
            ignore(ServerOptions::new().max_connections(number));
        });
        calls.call(&format!("{options}::idle_timeout"), || {
            ignore(ServerOptions::new().idle_timeout(Duration::from_secs(number as u64)));
        });
        calls.call("adapters/src/duplex.rs: ::duplex", || {
            ignore(duplex(number))
        });
        let prefix = "src/length_prefix.rs: LengthPrefix";
        calls.call(&format!("{prefix}::big_endian"), || {
            ignore(LengthPrefix::big_endian(number))
        });
        calls.call(&format!("{prefix}::little_endian"), || {
            ignore(LengthPrefix::little_endian(9 * (1 - number) + 8 * number));
        });
        calls.call("src/separator.rs: Separator::from_static", || {
            ignore(Separator::from_static(&b"\r\n"[..2 * number]));
        });
        let reader = "adapters/src/blocking/reader.rs";
        let writer = "adapters/src/blocking/writer.rs";
        calls.call(&format!("{reader}: StreamReader::set_limit"), || {
            blocking::streams(duplex(1).0, &StreamOptions::new())
                .0
                .set_limit(number);
        });
        calls.call(&format!("{writer}: StreamWriter::write_fmt"), || {
            let mut writer = blocking::streams(duplex(1).0, &StreamOptions::new()).1;
            match number {
                0 => ignore(write!(writer, "{Unprintable}")),
                _ => ignore(write!(writer, "{number}")),
            }
        });
    }
    calls.call("adapters/src/stream/mod.rs: StreamPair::new", || {
        ignore(StreamPair::new(duplex(1).0))
    });
    calls.call(
        "adapters/src/stream/mod.rs: StreamPair::with_options",
        || {
            ignore(StreamPair::with_options(duplex(1).0, &StreamOptions::new()));
        },
    );
}

/// What has to be used within a runtime: on tokio's outside of it, and on one that has not to be entered.
fn outside_of_a_runtime(calls: &mut Calls) {
    async fn handler<T: Transport>(_: StreamReader<T>, _: StreamWriter<T>) {}
    /// A protocol that says nothing.
    fn closes(_: &mut Connection, _: plimsoll::Event) -> Result<plimsoll::Next, ReadError> {
        Ok(plimsoll::Next::Close)
    }
    fn of<R: Runtime>(calls: &mut Calls, server: &Server<R>, runtime: &tokio::runtime::Runtime) {
        let listener = || {
            let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
            listener.set_nonblocking(true).unwrap();
            listener
        };
        let of_runtime = "adapters/src/runtime.rs: Runtime";
        calls.call(&format!("{of_runtime}::spawn"), || {
            ignore(R::spawn(async {}))
        });
        calls.call("adapters/src/clock.rs: Clock::sleep", || {
            poll(R::sleep(Duration::ZERO))
        });
        calls.call(&format!("{of_runtime}::tcp_listener"), || {
            ignore(R::tcp_listener(listener()))
        });
        #[cfg(unix)]
        calls.call(&format!("{of_runtime}::unix_listener"), || {
            let (socket, _) = std::os::unix::net::UnixStream::pair().unwrap();
            socket.set_nonblocking(true).unwrap();
            ignore(R::unix_listener(std::os::fd::OwnedFd::from(socket).into()));
        });
        calls.call("adapters/src/transport.rs: Transport::sleep", || {
            poll(R::Tcp::sleep(Duration::ZERO));
        });
        calls.call(
            "adapters/src/connect.rs: ConnectOptions::open_connection",
            || {
                let (host, port) = ("127.0.0.1", listener().local_addr().unwrap().port());
                poll(ConnectOptions::new().open_connection::<R>(host, port));
            },
        );
        calls.call("adapters/src/connect.rs: ConnectOptions::connect", || {
            let (host, port) = ("127.0.0.1", listener().local_addr().unwrap().port());
            let options = ConnectOptions::new();
            poll(options.connect::<R>(host, port));
        });
        let start = "adapters/src/server.rs: Server";
        let options = ServerOptions::new();
        let host = &["127.0.0.1"];
        calls.call(&format!("{start}::start_connections"), || {
            let handler = |_: plimsoll_io::Connection<R::Tcp>| async {};
            poll(Server::<R>::start_connections(handler, host, 0, &options));
        });
        calls.call(&format!("{start}::start_protocol"), || {
            poll(Server::<R>::start_protocol(|| closes, host, 0, &options));
        });
        let listening = || {
            let inside = runtime.enter();
            let listener = R::tcp_listener(listener()).unwrap();
            ignore(inside);
            vec![listener]
        };
        calls.call(&format!("{start}::serve_connections"), || {
            let handler = |_: plimsoll_io::Connection<R::Tcp>| async {};
            ignore(Server::<R>::serve_connections(
                listening(),
                handler,
                &options,
            ));
        });
        calls.call(&format!("{start}::serve_protocol"), || {
            ignore(Server::<R>::serve_protocol(
                listening(),
                || closes,
                &options,
            ));
        });
        calls.call(&format!("{start}::start"), || {
            poll(Server::<R>::start(
                handler::<R::Tcp>,
                &["127.0.0.1"],
                0,
                &options,
            ));
        });
        #[cfg(unix)]
        calls.call(&format!("{start}::start_unix"), || {
            let path = std::env::temp_dir().join(format!("plimsoll-panics-{}", std::process::id()));
            poll(Server::<R>::start_unix(handler::<R::Unix>, path, &options));
        });
        calls.call(&format!("{start}::serve"), || {
            let serve = Server::<R>::serve::<R::TcpListener, _, _>;
            ignore(serve(listening(), handler::<R::Tcp>, &options));
        });
        calls.call(&format!("{start}::shutdown"), || {
            poll(server.shutdown(Duration::ZERO))
        });
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (of_tokio, socket, _peer) = runtime.block_on(async {
        let options = ServerOptions::new();
        // It has a connection, so that its shutdown has to wait.
        let waits = |reader: StreamReader<_>, writer: StreamWriter<_>| async move {
            std::future::pending::<()>().await;
            ignore((reader, writer));
        };
        let server = Server::<Tokio>::start(waits, &["127.0.0.1"], 0, &options)
            .await
            .unwrap();
        let address = server.local_addrs()[0];
        let peer = tokio::net::TcpStream::connect(address).await.unwrap();
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let accepted = listener.accept().await.unwrap();
        (server, socket, (peer, accepted))
    });
    of::<Tokio>(calls, &of_tokio, &runtime);
    let options = ServerOptions::new();
    let start = Server::<Blocking>::start(handler, &["127.0.0.1"], 0, &options);
    of::<Blocking>(calls, &blocking::block_on(start).unwrap(), &runtime);

    // A close that has to wait.
    let mut writer = StreamPair::new(socket).writer;
    writer.write_bytes(Bytes::from(vec![0; 16 << 20])).unwrap();
    for _ in 0..2 {
        calls.call(
            "adapters/src/stream/writer.rs: StreamWriter::close_timeout",
            || {
                poll(writer.close_timeout(Duration::from_secs(1)));
            },
        );
        calls.call("adapters/src/stream/writer.rs: StreamWriter::close", || {
            poll(writer.close())
        });
    }
}

#[test]
fn what_panics_is_what_the_documentation_says() {
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let mut calls = Calls::default();
    let states = [core(&mut calls), streams(&mut calls)];
    settings(&mut calls);
    outside_of_a_runtime(&mut calls);
    set_hook(hook);

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut documented = BTreeSet::new();
    let mut public = BTreeSet::new();
    for path in [
        sources(&root.join("src")),
        sources(&root.join("adapters/src")),
    ]
    .concat()
    {
        let source = std::fs::read_to_string(&path).unwrap();
        let file = path.strip_prefix(root).unwrap().display().to_string();
        for function in functions(&source) {
            let name = format!("{file}: {}::{}", function.owner, function.name);
            if function.docs.lines().any(|line| line == "# Panics") {
                documented.insert(name.clone());
            }
            public.insert(name);
        }
    }
    // What asserts for a test panics for a living.
    documented.retain(|name| !name.starts_with("src/testing/"));

    let panicked: BTreeSet<String> = calls
        .seen
        .iter()
        .filter(|(_, [_, panicked])| *panicked)
        .map(|(name, _)| name.clone())
        .collect();
    let undocumented: Vec<_> = panicked.difference(&documented).collect();
    assert!(
        undocumented.is_empty(),
        "without `# Panics`: {undocumented:#?}"
    );
    let never: Vec<_> = documented.difference(&panicked).collect();
    assert!(never.is_empty(), "`# Panics`, and did not: {never:#?}");
    let always = calls.seen.iter().filter(|(_, [returned, _])| !returned);
    let always: Vec<_> = always.map(|(name, _)| name).collect();
    assert!(always.is_empty(), "panicked in every state: {always:#?}");

    let of_halves = [
        "src/reader.rs: Reader::",
        "src/writer.rs: Writer::",
        "src/connection.rs: Connection::",
        "adapters/src/stream/",
    ];
    let not_called = public.iter().filter(|name| {
        // Addresses are those of sockets.
        let known = name.ends_with("_addr") || calls.seen.contains_key(*name);
        !known && of_halves.iter().any(|of| name.starts_with(of))
    });
    let not_called: Vec<_> = not_called.collect();
    assert!(not_called.is_empty(), "not called: {not_called:#?}");
    report(&format!(
        "panics: {} operations, {} calls, {} states of connections, {} of streams, {} operations may panic",
        calls.seen.len(),
        calls.count,
        states[0],
        states[1],
        panicked.len()
    ));
}
