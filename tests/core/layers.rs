//! The order of the source files, what they must not name, and how small the objects are.

use std::path::Path;

use plimsoll::{Reader, Writer};
use test_support::functions::sources;
use test_support::report;

/// The modules, each of which uses only those before it.
const ORDER: [&str; 17] = [
    "step",
    "error",
    "separator",
    "search",
    "discard",
    "buffer",
    "frame",
    "length_prefix",
    "reader",
    "water_marks",
    "writer",
    "connection",
    "protocol",
    "testing/chunking",
    "testing/scripted_peer",
    "testing/driver",
    "testing/mod",
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

/// The exceptions, by module: data that other crates' traits, conversions and protocols need.
const ALLOWED: [(&str, &[&str]); 3] = [
    // `Buf::chunks_vectored` takes pairs of a pointer and a length by it.
    ("writer", &["std::io::IoSlice"]),
    ("error", &["std::io::ErrorKind", "std::io::Error"]),
    // How long a protocol waits is for its driver to measure.
    ("protocol", &["core::time::Duration"]),
];

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
    let mut found: Vec<String> = sources(&folder)
        .iter()
        .map(|path| {
            let module = path.strip_prefix(&folder).unwrap().with_extension("");
            module.to_string_lossy().replace('\\', "/")
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
        let code = code(module);
        let of_crate = code.split("crate::").skip(1).map(|used| (used, ""));
        let of_folder = code.split("super::").skip(1).map(|used| (used, "testing/"));
        for (used, folder) in of_crate.chain(of_folder) {
            let name: String = used
                .chars()
                .take_while(|letter| letter.is_ascii_lowercase() || *letter == '_')
                .collect();
            let used = format!("{folder}{name}");
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
        let mut code = code(module);
        for (allowed_in, names) in ALLOWED {
            if allowed_in == *module {
                for name in names {
                    code = code.replace(name, "");
                }
            }
        }
        for name in FORBIDDEN {
            assert!(!code.contains(name), "{module} names {name}");
        }
    }
}

#[test]
fn both_halves_fit_in_264_bytes() {
    let (mut reader, writer) = (size_of::<Reader>(), size_of::<Writer>());
    // What the tests count is not there for users.
    #[cfg(feature = "counters")]
    {
        reader -= size_of::<plimsoll::Costs>();
    }
    report(&format!(
        "sizes: reader {reader} bytes, writer {writer} bytes"
    ));
    assert!(reader + writer <= 264, "{reader} + {writer}");
}

#[test]
fn everything_can_move_between_threads() {
    fn is_send_and_sync<T: Send + Sync + 'static>() {}
    is_send_and_sync::<plimsoll::Connection>();
    is_send_and_sync::<plimsoll::Separator>();
    is_send_and_sync::<plimsoll::ReadError>();
    is_send_and_sync::<plimsoll::WriteError>();
    is_send_and_sync::<plimsoll::Parts>();
    is_send_and_sync::<plimsoll::LengthPrefix>();
}
