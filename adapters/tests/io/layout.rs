//! The order of the source files, of which each uses only those before it, and their sizes.

mod paths;
mod planted;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use paths::Crate;
use test_support::functions::sources;

/// The files, each of which uses only those before it. `lib` comes after all.
#[rustfmt::skip]
const ORDER: &[&str] = &[
    // What everything is made of.
    "sync",
    "caught",
    "error",
    "clock",
    "transport",
    "layer",
    "select",
    "budget",
    "spare_block",
    "options",
    "places",
    "parts",
    "duplex",
    "join",
    // What moves bytes rests in a slot.
    "slot/parties",
    "slot/flags",
    "slot/beside",
    "slot/place",
    "slot/mod",
    "slot/waking",
    "slot/guard",
    "slot/taking",
    "slot/ending",
    "slot/queue",
    "slot/reading",
    "slot/server_side",
    "layered",
    "receiving",
    "driver/sides",
    "driver/mod",
    "driver/ends",
    "driver/whole",
    // A connection with one owner.
    "connection/moving",
    "connection/mod",
    "connection/making",
    "connection/opening",
    "connection/turn",
    "connection/halves",
    "connection/sending",
    "connection/closing",
    "connection/asking",
    "run",
    // asyncio's pair.
    "stream/pair",
    "stream/receiver",
    "stream/reader",
    "stream/lines",
    "stream/writer",
    "stream/mod",
    "stream/layering",
    // What there is to connect and to listen with.
    "runtime",
    "runtime/socket",
    "unix_socket",
    "runtime/reactor",
    "runtime/futures",
    "happy_eyeballs",
    "connect",
    "listen",
    // The server.
    "server/statistics",
    "server/handler_result",
    "server/registry",
    "server/state",
    "server/catch_unwind",
    "server/served",
    "server/acceptor",
    "server/connection",
    "server/protocol",
    "server",
    // The runtimes.
    "runtime/async_std",
    "runtime/smol",
    "runtime/tokio",
    "blocking",
    "blocking/within",
    "blocking/reader",
    "blocking/writer",
    "blocking/connection",
    "blocking/connect",
    "blocking/server",
];

/// The arrows that go up all the same.
const UPWARDS: &[(&str, &str)] = &[];

/// The most lines of a file, all counted.
const MOST_LINES: usize = 500;

/// The files that have more all the same.
const LONG: &[&str] = &[];

/// The source files, by their names without `.rs`.
fn files() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = sources(&folder).into_iter().map(|path| {
        let name = path.strip_prefix(&folder).unwrap().with_extension("");
        let name = name.to_string_lossy().replace('\\', "/");
        (name, std::fs::read_to_string(path).unwrap())
    });
    files.collect()
}

/// The arrows to files that do not stand before the one that uses them.
fn upwards<'a>(files: &'a Crate, order: &[&str]) -> BTreeSet<(&'a str, &'a str)> {
    let place = |file: &str| order.iter().position(|name| *name == file);
    let mut found = BTreeSet::new();
    for (from, used) in files.arrows() {
        // The root names everything.
        if from == "lib" {
            continue;
        }
        for to in used {
            if place(to).is_none() || place(to) >= place(from) {
                found.insert((from, to));
            }
        }
    }
    found
}

#[test]
fn every_source_file_has_its_place_in_the_order() {
    let files = files();
    let found: BTreeSet<&str> = files.keys().map(String::as_str).collect();
    let placed: BTreeSet<&str> = ORDER.iter().copied().chain(["lib"]).collect();
    let without: Vec<_> = found.difference(&placed).collect();
    assert!(without.is_empty(), "without a place: {without:#?}");
    let gone: Vec<_> = placed.difference(&found).collect();
    assert!(gone.is_empty(), "gone: {gone:#?}");
    assert_eq!(placed.len(), ORDER.len() + 1, "a place each");
}

#[test]
fn a_file_uses_only_those_before_it() {
    let files = files();
    let files = Crate::new(files.iter().map(|(name, text)| (&**name, &**text)));
    let arrows: usize = files.arrows().values().map(BTreeSet::len).sum();
    assert!(arrows >= 200, "{arrows} arrows seen");
    let found = upwards(&files, ORDER);
    let known: BTreeSet<_> = UPWARDS.iter().copied().collect();
    let new: Vec<_> = found.difference(&known).collect();
    assert!(new.is_empty(), "these go up: {new:#?}");
    let gone: Vec<_> = known.difference(&found).collect();
    assert!(gone.is_empty(), "these go up no more: {gone:#?}");
}

#[test]
fn no_file_is_too_long() {
    let long: BTreeMap<_, _> = files()
        .into_iter()
        .map(|(name, text)| (name, text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .collect();
    assert!(long.keys().eq(LONG), "{long:#?}");
}
