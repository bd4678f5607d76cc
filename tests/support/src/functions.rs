//! The public functions of a source file, with their documentation.

use std::path::{Path, PathBuf};

/// A public function, as its source has it.
pub struct Function<'a> {
    pub line: usize,
    /// The type or trait that it belongs to; empty if it is free.
    pub owner: String,
    pub name: &'a str,
    pub docs: String,
    /// From `fn` to the body.
    pub signature: String,
    pub body: String,
}

/// The functions of a file that its users can call: those that are `pub`, those of a `pub trait`, and of those
/// that implement another trait the ones that document a panic.
///
/// It relies on rustfmt: an item ends at a line that is indented as its first one is.
pub fn functions(source: &str) -> Vec<Function<'_>> {
    let lines: Vec<&str> = source.lines().collect();
    let mut found = Vec::new();
    let mut docs = String::new();
    let mut trait_indent = None;
    let mut owner = String::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        if let Some(doc) = code.strip_prefix("///") {
            docs += doc.strip_prefix(' ').unwrap_or(doc);
            docs += "\n";
            continue;
        }
        if indent == 0 && (code.starts_with("impl") || code.starts_with("pub trait ")) {
            owner = owner_of(code);
        } else if *line == "}" {
            owner.clear();
        }
        if trait_indent == Some(indent) && code == "}" {
            trait_indent = None;
        }
        if code.starts_with("pub trait ") {
            trait_indent = Some(indent);
        }
        let of_trait = trait_indent.is_some_and(|outer| indent == outer + 4)
            || docs.lines().any(|line| line == "# Panics");
        let item = code
            .strip_prefix("pub ")
            .or(of_trait.then_some(code))
            .map(|item| item.strip_prefix("const ").unwrap_or(item));
        let named = item.and_then(|item| {
            item.strip_prefix("async ")
                .unwrap_or(item)
                .strip_prefix("fn ")
        });
        if let (Some(item), Some(named)) = (item, named) {
            let (signature, body) = parts(item, &lines[at + 1..], indent);
            found.push(Function {
                line: at + 1,
                owner: owner.clone(),
                name: named.split(['(', '<']).next().unwrap_or_default(),
                docs: std::mem::take(&mut docs),
                signature,
                body,
            });
        }
        // Attributes stand between an item and its documentation, on one line or on several.
        if !code.starts_with("#[") {
            docs.clear();
        }
    }
    found
}

/// What a block of functions belongs to: `impl<T: Transport> Stream<T> {`, `impl Buf for Output<'_> {`.
fn owner_of(block: &str) -> String {
    let mut depth = 0_usize;
    let plain: String = block
        .chars()
        .filter(|letter| {
            depth += usize::from(*letter == '<');
            let outside = depth == 0;
            depth -= usize::from(*letter == '>' && depth > 0);
            outside
        })
        .collect();
    let head = plain.split(['{', ':']).next().unwrap_or_default();
    head.split_whitespace()
        .last()
        .unwrap_or_default()
        .to_owned()
}

/// The signature and the body of a function that begins with `first`.
fn parts(first: &str, rest: &[&str], indent: usize) -> (String, String) {
    let mut lines = std::iter::once(first).chain(rest.iter().map(|line| line.trim_end()));
    let mut signature = String::new();
    for line in lines.by_ref() {
        signature += line.trim_start();
        signature += " ";
        if line.ends_with(['{', ';']) {
            break;
        }
    }
    if signature.ends_with("; ") {
        return (signature, String::new());
    }
    let end = " ".repeat(indent) + "}";
    let body = lines
        .take_while(|line| *line != end)
        .map(|line| line.split("//").next().unwrap_or_default());
    let body = body.collect::<Vec<_>>().join("\n");
    (signature, body)
}

/// All Rust files in a folder, and in those below it.
pub fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
