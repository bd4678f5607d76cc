//! Runs what every fuzz target runs, on the committed corpus.

use std::fs;
use std::io::Write;
use std::path::Path;

type Body = fn(&[u8]);

const TARGETS: [(&str, Body); 7] = [
    ("cuts", plimsoll_fuzz::cuts::run),
    ("reader", plimsoll_fuzz::reader::run),
    ("writer", plimsoll_fuzz::writer::run),
    ("connections", plimsoll_fuzz::connections::run),
    ("endpoints", plimsoll_fuzz::endpoints::run),
    ("extremes", plimsoll_fuzz::extremes::run),
    ("streams", plimsoll_fuzz::streams::run),
];

/// Fewest files for each target, so that a corpus that went missing shows.
const FEWEST: usize = 20;

/// Most bytes of the whole corpus.
const MOST_BYTES: usize = 2 << 20;

#[test]
fn the_corpus_finds_nothing() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut folders: Vec<_> = fs::read_dir(&corpus)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    folders.sort();
    let mut names = TARGETS.map(|(name, _)| name);
    names.sort_unstable();
    assert_eq!(folders, names);

    let mut total = 0;
    for (name, run) in TARGETS {
        let (mut files, mut bytes) = (0, 0);
        for entry in fs::read_dir(corpus.join(name)).unwrap() {
            let path = entry.unwrap().path();
            let data = fs::read(&path).unwrap();
            let case = Case(path.display().to_string());
            run(&data);
            drop(case);
            files += 1;
            bytes += data.len();
        }
        report(&format!("corpus: {name}, {files} files, {bytes} bytes"));
        assert!(files >= FEWEST, "{name}: {files} files");
        total += bytes;
    }
    assert!(total < MOST_BYTES, "{total} bytes");
}

/// Tells of a file that fails.
struct Case(String);

impl Drop for Case {
    fn drop(&mut self) {
        if std::thread::panicking() {
            report(&format!("failed: {}", self.0));
        }
    }
}

/// Prints a line that the harness does not capture.
fn report(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("standard output");
}
