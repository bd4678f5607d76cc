//! The order of the source files, what they must not name, and how small the objects are.

mod common;

use std::path::Path;

use common::report;
use plimsoll::{Reader, Writer};

/// The modules, each of which uses only those before it.
const ORDER: [&str; 11] = [
    "step",
    "error",
    "separator",
    "cursor",
    "buffer",
    "frame",
    "reader",
    "water_marks",
    "writer",
    "connection",
    "testing",
];

/// What belongs to the drivers: transports, clocks, tasks.
const FORBIDDEN: [&str; 10] = [
    "std::",
    "core::task",
    "core::future",
    "core::time",
    "Future",
    "Waker",
    "Context",
    "async ",
    ".await",
    "Instant",
];

/// The one exception: [`bytes::Buf::chunks_vectored`] takes pairs of a pointer and a length by it.
const ALLOWED: &str = "std::io::IoSlice";

/// A source file without its comments.
fn code(module: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src")
        .join(module)
        .with_extension("rs");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let lines = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_source_file_has_its_place_in_the_order() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    let mut expected: Vec<String> = ORDER.iter().map(|name| (*name).to_owned()).collect();
    expected.push("lib".to_owned());
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn a_module_uses_only_those_above_it() {
    for (place, module) in ORDER.iter().enumerate() {
        for used in code(module).split("crate::").skip(1) {
            let used: String = used
                .chars()
                .take_while(|letter| letter.is_ascii_lowercase() || *letter == '_')
                .collect();
            let above = ORDER.iter().position(|name| *name == used);
            assert!(
                above.is_some_and(|above| above < place),
                "{module} uses {used}"
            );
        }
    }
}

#[test]
fn nothing_names_transports_clocks_or_tasks() {
    for module in ORDER.iter().chain(&["lib"]) {
        let code = code(module).replace(ALLOWED, "");
        for name in FORBIDDEN {
            assert!(!code.contains(name), "{module} names {name}");
        }
    }
}

#[test]
fn both_halves_fit_in_256_bytes() {
    let (mut reader, writer) = (size_of::<Reader>(), size_of::<Writer>());
    // What the tests count is not there for users.
    #[cfg(feature = "counters")]
    {
        reader -= size_of::<plimsoll::Costs>();
    }
    report(&format!(
        "sizes: reader {reader} bytes, writer {writer} bytes"
    ));
    assert!(reader + writer <= 256, "{reader} + {writer}");
}

#[test]
fn everything_can_move_between_threads() {
    fn is_send_and_sync<T: Send + Sync + 'static>() {}
    is_send_and_sync::<plimsoll::Connection>();
    is_send_and_sync::<plimsoll::Separator>();
    is_send_and_sync::<plimsoll::ReadError>();
    is_send_and_sync::<plimsoll::WriteError>();
}
