//! What the documentation of every public function has to say, in both crates, that the rows of tables are
//! of one length, and that each departure of streams and servers, and each threat, names its tests.

use std::path::Path;

use test_support::functions::{Function, functions, sources};
use test_support::report;

/// What is asked of the documentation of a function.
trait Documented {
    fn due(&self) -> Vec<&'static str>;
    fn missing(&self) -> Vec<&'static str>;
}

impl Documented for Function<'_> {
    /// The sections that the documentation has to have.
    fn due(&self) -> Vec<&'static str> {
        let returned = self.signature.rsplit("->").next().unwrap_or_default();
        let is_async = self.signature.starts_with("async ") || returned.contains("impl Future<");
        let due = [
            (
                "# Errors",
                self.signature.contains("->") && returned.contains("Result<"),
            ),
            ("# Cancel safety", is_async),
            // A method that asserts for others is named for it.
            ("# Panics", self.body.contains("assert")),
        ];
        due.into_iter()
            .filter_map(|(section, due)| due.then_some(section))
            .collect()
    }

    fn missing(&self) -> Vec<&'static str> {
        let mut due = self.due();
        if self.docs.trim().is_empty() {
            due.push("any documentation");
        }
        // Where a type explains cancel safety once, its methods say it in a word.
        let says = |section: &str, line: &str| {
            line == section || section == "# Cancel safety" && line.starts_with("Cancel-safe")
        };
        due.retain(|section| !self.docs.lines().any(|line| says(section, line)));
        due
    }
}

#[test]
fn every_public_function_says_its_errors_cancel_safety_and_panics() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut missing = Vec::new();
    for (crate_name, folder, at_least) in [
        ("plimsoll", "src", 80),
        ("plimsoll-io", "adapters/src", 130),
    ] {
        let (mut seen, mut sections) = (0, 0);
        for path in sources(&root.join(folder)) {
            let source = std::fs::read_to_string(&path).unwrap();
            for function in functions(&source) {
                seen += 1;
                sections += function.due().len();
                for section in function.missing() {
                    let place = path.strip_prefix(root).unwrap().display();
                    let Function { line, name, .. } = &function;
                    missing.push(format!("{place}:{line}: {name} lacks {section}"));
                }
            }
        }
        report(&format!(
            "documentation: {crate_name}: {seen} public functions, {sections} sections due"
        ));
        assert!(seen >= at_least, "{seen} functions of {crate_name} found");
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// A row that stands in another's table shows by the number of its cells.
#[test]
fn every_row_has_as_many_cells_as_its_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tables = 0;
    for file in [
        "README.md",
        "CONTRIBUTING.md",
        "docs/asyncio.md",
        "docs/proof.md",
    ] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let mut columns = None;
        for line in text.lines() {
            if !line.starts_with('|') {
                columns = None;
                continue;
            }
            let cells = line.trim_matches('|').split(" |").count();
            tables += usize::from(columns.is_none());
            assert_eq!(cells, *columns.get_or_insert(cells), "{file}: {line}");
        }
    }
    assert!(tables >= 6, "{tables} tables");
}

/// In `docs/asyncio.md` a row ends with its tests: `file`: `test`, `test`; `file`: `test`.
#[test]
fn every_departure_of_streams_and_servers_names_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("docs/asyncio.md")).unwrap();
    let (_, section) = text.split_once("## Streams and servers").unwrap();
    let rows: Vec<&str> = section
        .lines()
        .filter(|line| line.starts_with('|'))
        .skip(2)
        .collect();
    assert!(rows.len() >= 15, "{} rows", rows.len());
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" |").collect();
        assert_eq!(cells.len(), 4, "{row}");
        named_tests(&root.join("adapters/tests"), cells[3]);
    }
}

/// The tests that the cell of a table names, each of which is in the file that it names, too.
fn named_tests<'a>(folder: &Path, cell: &'a str) -> Vec<&'a str> {
    let mut names = Vec::new();
    for in_a_file in cell.split("; ") {
        let (file, tests) = in_a_file
            .split_once(": ")
            .unwrap_or_else(|| panic!("{cell}"));
        let file = file.trim().trim_matches('`');
        let source = std::fs::read_to_string(folder.join(file).with_extension("rs")).unwrap();
        for test in tests.trim().split(", ") {
            let name = test.trim_matches('`');
            let found = [format!("fn {name}("), format!("fn {name}<")];
            assert!(found.iter().any(|f| source.contains(f)), "{file}: {name}");
            names.push(name);
        }
    }
    names
}

/// In `docs/proof.md` each threat has a row, which names its tests as in `docs/asyncio.md`; and no test that
/// is named for a threat is missing there.
#[test]
fn every_threat_but_those_of_tls_names_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("docs/proof.md")).unwrap();
    let mut named = Vec::new();
    let rows = text.lines().filter(|line| line.starts_with("| T"));
    let mut numbers = Vec::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" |").collect();
        assert_eq!(cells.len(), 4, "{row}");
        let number: u8 = cells[0].trim().trim_matches('T').parse().unwrap();
        let tests = named_tests(root, cells[3]);
        let prefix = format!("t{number:02}_");
        assert!(tests.iter().all(|test| test.starts_with(&prefix)), "{row}");
        named.extend(tests);
        numbers.push(number);
    }
    assert!(numbers.into_iter().eq((1..=24).chain(38..=57)));

    let mut written = 0;
    for folder in ["tests", "adapters/tests"] {
        for path in sources(&root.join(folder)) {
            let source = std::fs::read_to_string(&path).unwrap();
            for line in source.lines() {
                let Some((_, name)) = line.split_once("fn t") else {
                    continue;
                };
                let number = name.split('_').next().unwrap_or_default();
                if number.len() == 2 && number.parse::<u8>().is_ok() {
                    let name = name.split(['(', '<']).next().unwrap_or_default();
                    assert!(named.contains(&&*format!("t{name}")), "t{name}");
                    written += 1;
                }
            }
        }
    }
    assert_eq!(written, named.len());
    report(&format!("threats: 44 rows, {written} tests"));
}

#[test]
fn what_is_missing_is_found() {
    let source = "
pub trait Open {
    /// Opens.
    fn open(&self) -> impl Future<Output = io::Result<Self>> + Send;

    /// Waits.
    ///
    /// # Errors
    ///
    /// None yet.
    #[must_use]
    fn poll(&mut self) -> Poll<io::Result<()>> {
        todo()
    }
}

impl Thing {
    /// Reads.
    ///
    /// # Errors
    ///
    /// Some.
    pub async fn read(
        &mut self,
    ) -> Result<(), Error>
    where
        Self: Sized,
    {
        self.wait().await
    }

    pub fn set(&mut self, size: usize) {
        assert!(size > 0);
    }

    /// Takes a function that may fail, and does not fail.
    pub const fn with(self, work: fn() -> Result<(), ()>) -> Self {
        self // no assert here
    }

    fn hidden(&self) -> Result<(), Error> {
        self.assert_open()
    }
}
";
    let missing: Vec<_> = functions(source)
        .iter()
        .map(|function| (function.name, function.missing()))
        .collect();
    let expected = [
        ("open", vec!["# Errors", "# Cancel safety"]),
        ("poll", vec![]),
        ("read", vec!["# Cancel safety"]),
        ("set", vec!["# Panics", "any documentation"]),
        ("with", vec![]),
    ];
    assert_eq!(missing, expected);
}
