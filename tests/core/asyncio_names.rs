//! Every name of asyncio's streams and servers has a row in `docs/asyncio.md`: each function, each
//! method, and each of their parameters.
//!
//! A row names in its first cell, as code, what it is about. A parameter stands there beside the
//! function or method that it belongs to. `tests/asyncio_names/3.13.txt` holds the names of CPython 3.13,
//! which are always checked. Those of the Python of this machine are checked as well, from 3.11 to 3.13.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use test_support::report;

/// What `tests/asyncio_names/signatures.py` prints under CPython 3.13.
const CPYTHON_3_13: &str = include_str!("../asyncio_names/3.13.txt");

#[test]
fn every_name_of_cpython_3_13_has_a_row() {
    let names = Names::of(CPYTHON_3_13);
    assert_eq!(names.missing(&documentation()), [""; 0]);
    let (count, parameters) = names.counts();
    assert!(count >= 40 && parameters >= 80);
    report(&format!(
        "asyncio names: {}: {count} names, {parameters} parameters",
        names.python
    ));
}

#[test]
fn every_name_of_this_python_has_a_row() {
    if !python_is_recent() {
        return report("asyncio names: skipped, there is no python3 from 3.11 to 3.13");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/asyncio_names/signatures.py");
    let output = Command::new("python3").arg(script).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let names = Names::of(&printed);
    let checked_in = Names::of(CPYTHON_3_13);
    if names.python == checked_in.python && cfg!(target_os = "linux") {
        assert_eq!(names, checked_in);
    }
    assert_eq!(names.missing(&documentation()), [""; 0], "{}", names.python);
    let (count, parameters) = names.counts();
    report(&format!(
        "asyncio names: {}, on this machine: {count} names, {parameters} parameters",
        names.python
    ));
}

#[test]
fn what_is_missing_is_found() {
    let names = Names::of(
        "# Python\nopen host port\nReader.read n\nReader.readline\nReader.close\nReader.limit\n",
    );
    let text = "
`Reader.close` is no row.

| asyncio | plimsoll |
| --- | --- |
| `open(host)`, Reader.readline | `open(host, port)` |
| `Reader.readline(n)` | `Reader.read`, `Reader.close` |
| `Reader.limit` | none |
";
    let expected = ["open port", "Reader.read", "Reader.read n", "Reader.close"];
    assert_eq!(names.missing(text), expected);
}

/// The names that a Python has.
#[derive(Debug, Eq, PartialEq)]
struct Names<'a> {
    python: &'a str,
    /// The name of a function, method or property, and those of its parameters.
    all: Vec<(&'a str, Vec<&'a str>)>,
}

impl<'a> Names<'a> {
    /// Takes them from what `tests/asyncio_names/signatures.py` printed.
    fn of(printed: &'a str) -> Self {
        let mut lines = printed.lines();
        let python = lines.next().and_then(|line| line.strip_prefix("# "));
        let words = lines.map(str::split_whitespace);
        Self {
            python: python.expect("the name of the Python"),
            all: words
                .map(|mut words| (words.next().expect("a name"), words.collect()))
                .collect(),
        }
    }

    /// How many names there are, and how many parameters.
    fn counts(&self) -> (usize, usize) {
        let parameters = self.all.iter().map(|(_, parameters)| parameters.len());
        (self.all.len(), parameters.sum())
    }

    /// What no row of `text` is about: names, and names with one of their parameters.
    fn missing(&self, text: &str) -> Vec<String> {
        let cells: Vec<Vec<&str>> = text.lines().filter_map(code_of_first_cell).collect();
        let is_named = |words: &[&str]| {
            let named = |word| move |code: &&str| has_word(code, word);
            cells
                .iter()
                .any(|cell| words.iter().all(|word| cell.iter().any(named(word))))
        };
        let mut missing = Vec::new();
        for (name, parameters) in &self.all {
            if !is_named(&[name]) {
                missing.push((*name).to_owned());
            }
            for parameter in parameters {
                if !is_named(&[name, parameter]) {
                    missing.push(format!("{name} {parameter}"));
                }
            }
        }
        missing
    }
}

/// What stands in backticks in the first cell of a row; `None` of any other line.
fn code_of_first_cell(line: &str) -> Option<Vec<&str>> {
    let cell = line.strip_prefix("| ")?.split(" |").next()?;
    Some(cell.split('`').skip(1).step_by(2).collect())
}

/// Whether `word` is in `code`, and no part of a longer name.
fn has_word(code: &str, word: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.match_indices(word).any(|(at, _)| {
        !code[..at].ends_with(is_part) && !code[at + word.len()..].starts_with(is_part)
    })
}

fn documentation() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/asyncio.md");
    std::fs::read_to_string(path).unwrap()
}

/// Whether there is a Python from 3.11 to 3.13. What a later one adds, a later version has to say.
fn python_is_recent() -> bool {
    let version = match Command::new("python3").arg("--version").output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => return false,
        Err(error) => panic!("python3: {error}"),
    };
    let minor = version.strip_prefix("Python 3.").unwrap_or_default();
    let minor = minor.split('.').next().unwrap_or_default();
    minor
        .parse()
        .is_ok_and(|minor: u32| (11..=13).contains(&minor))
}
