//! What a source file takes from others of its crate, as far as its paths name it.
//!
//! Paths are those that begin with `crate`, `super` or `self`, with a module of the file's own, or
//! with a name that a `use` has brought in. Calls of methods name no file, and are not seen.

use std::collections::{BTreeMap, BTreeSet};

/// A path from the root of the crate: `["server", "state", "State"]`.
type Segments = Vec<String>;

/// The files of a crate.
pub struct Crate {
    modules: BTreeMap<Segments, Module>,
}

/// A file, as its text has it.
#[derive(Default)]
struct Module {
    file: String,
    /// What its `use` declarations name, by the name that they give it.
    names: BTreeMap<String, Name>,
    uses: Vec<Use>,
    /// The paths that stand elsewhere: as they are written, each with the module around it.
    paths: Vec<(Segments, Segments)>,
    /// The names that stand alone, or first in a path.
    words: BTreeSet<String>,
}

struct Name {
    stands_for: Segments,
    is_exported: bool,
}

/// One name of a `use` declaration.
struct Use {
    /// As it is written.
    path: Segments,
    /// The module around it.
    within: Segments,
    /// What it is called there. `None` of `use a::*`.
    name: Option<String>,
    is_exported: bool,
}

impl Crate {
    /// Reads files, each by its name without `.rs` and its text: `server`, `slot/mod`, `lib`.
    pub fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut modules = BTreeMap::new();
        for (file, text) in files {
            let path = module_of(file);
            let mut module = Module {
                file: file.to_owned(),
                ..Module::default()
            };
            Parser {
                tokens: tokens(text),
                at: 0,
                module: &mut module,
                within: path.clone(),
            }
            .items();
            assert!(modules.insert(path, module).is_none(), "{file}: two files");
        }
        let mut this = Self { modules };
        this.name_all();
        this
    }

    /// Finds what the names of all `use` declarations stand for.
    fn name_all(&mut self) {
        let mut named = Vec::new();
        for (path, module) in &self.modules {
            for used in &module.uses {
                let target = self.rooted(module, &used.within, &used.path);
                if let (Some(name), Some(target)) = (&used.name, target) {
                    // `pub(crate) use a_macro;` names what is in the file itself.
                    if target.split_last() != Some((name, path)) {
                        let named_so = Name {
                            stands_for: target,
                            is_exported: used.is_exported,
                        };
                        named.push((path.clone(), name.clone(), named_so));
                    }
                }
            }
        }
        for (path, name, named_so) in named {
            let module = self.modules.get_mut(&path).expect("one of the files");
            module.names.insert(name, named_so);
        }
    }

    /// The files that each file uses, by its name.
    ///
    /// A file that exports what a file below its own folder has is a name for that file: it uses it
    /// only if the name stands elsewhere in it too. Who uses the name uses the file behind it.
    pub fn arrows(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut arrows = BTreeMap::new();
        for (path, module) in &self.modules {
            let mut used = BTreeSet::new();
            for import in &module.uses {
                let Some(target) = self.rooted(module, &import.within, &import.path) else {
                    continue;
                };
                let name = import.name.as_deref();
                assert!(name.is_some(), "{}: `use {target:?}::*`", module.file);
                let (file, owner) = self.file_of(path, &target);
                let is_below = owner.len() > path.len() && owner.starts_with(path);
                let is_spoken = name.is_some_and(|name| module.words.contains(name));
                if !(import.is_exported && is_below) || is_spoken {
                    used.insert(file);
                }
            }
            for (within, written) in &module.paths {
                if let Some(target) = self.rooted(module, within, written) {
                    used.insert(self.file_of(path, &target).0);
                }
            }
            used.remove(&*module.file);
            arrows.insert(&*module.file, used);
        }
        arrows
    }

    /// A path from the root of the crate; `None` for what is not of this crate.
    fn rooted(&self, module: &Module, within: &[String], written: &[String]) -> Option<Segments> {
        let mut base = within.to_vec();
        let mut rest = written;
        match rest.first()?.as_str() {
            "crate" => {
                base.clear();
                rest = &rest[1..];
            }
            "self" | "super" => {
                if rest[0] == "self" {
                    rest = &rest[1..];
                }
                while rest.first().is_some_and(|first| first == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
            }
            first => {
                let child = [&module_of(&module.file)[..], &[first.to_owned()]].concat();
                base = match module.names.get(first) {
                    _ if self.modules.contains_key(&child) => child,
                    Some(name) => name.stands_for.clone(),
                    None => return None,
                };
                rest = &rest[1..];
            }
        }
        base.extend_from_slice(rest);
        Some(base)
    }

    /// The file that has what a path from the root names, for who asks in a module, and the module
    /// that the file is.
    fn file_of(&self, asker: &[String], path: &[String]) -> (&str, Segments) {
        let mut path = path.to_vec();
        // Names of names: a circle of them would not compile.
        for _ in 0..100 {
            let (mut at, mut owner) = (0, Segments::new());
            while at < path.len() && self.modules.contains_key(&path[..=at]) {
                at += 1;
                owner = path[..at].to_vec();
            }
            let module = &self.modules[&owner];
            let name = path.get(at).and_then(|name| module.names.get(name));
            // What a module brings in for itself, others do not see.
            match name.filter(|name| name.is_exported || asker.starts_with(&owner)) {
                Some(name) => path = [&name.stands_for, &path[at + 1..]].concat(),
                None => return (&module.file, owner),
            }
        }
        panic!("{path:?} is a name for itself");
    }
}

/// The module that a file is: `server/state` is `["server", "state"]`, `slot/mod` is `["slot"]`.
fn module_of(file: &str) -> Segments {
    let mut path: Segments = file.split('/').map(str::to_owned).collect();
    if matches!(path.last().map(String::as_str), Some("mod" | "lib")) {
        path.pop();
    }
    path
}

struct Parser<'a> {
    tokens: Vec<&'a str>,
    at: usize,
    module: &'a mut Module,
    within: Segments,
}

impl Parser<'_> {
    fn peek(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).copied().unwrap_or("")
    }

    /// Whether these tokens come next.
    fn sees(&self, tokens: &[&str]) -> bool {
        self.tokens[self.at..].starts_with(tokens)
    }

    /// Reads to the end of the block around it.
    fn items(&mut self) {
        let mut is_exported = false;
        while self.at < self.tokens.len() {
            let exported = std::mem::take(&mut is_exported);
            if self.sees(&["}"]) {
                return;
            } else if self.sees(&["{"]) {
                self.at += 1;
                self.items();
                self.at += 1;
            } else if self.sees(&["#", "[", "cfg", "(", "test", ")", "]"]) {
                self.at += 7;
                self.skip_item();
            } else if self.sees(&["pub"]) {
                self.at += 1;
                if self.sees(&["("]) {
                    self.skip_group();
                }
                is_exported = true;
            } else if self.sees(&["use"]) && self.peek(1) != "<" {
                self.at += 1;
                self.tree(&[], exported);
            } else if self.sees(&["mod"]) && self.peek(2) == "{" {
                self.within.push(self.peek(1).to_owned());
                self.at += 3;
                self.items();
                self.at += 1;
                self.within.pop();
            } else {
                self.path();
            }
        }
    }

    /// Reads a path, or one token that begins none.
    fn path(&mut self) {
        let before = self.at.checked_sub(1).map_or("", |at| self.tokens[at]);
        let first = self.at;
        self.at += 1;
        if !is_word(self.tokens[first]) || matches!(before, "::" | "." | "fn" | "mod") {
            return;
        }
        while self.peek(0) == "::" && is_word(self.peek(1)) {
            self.at += 2;
        }
        let path = self.tokens[first..self.at].iter().step_by(2);
        let path: Segments = path.map(|&word| word.to_owned()).collect();
        self.module.words.insert(path[0].clone());
        if path.len() > 1 {
            self.module.paths.push((self.within.clone(), path));
        }
    }

    /// Reads what a `use` names: a path, or several in braces.
    fn tree(&mut self, before: &[String], is_exported: bool) {
        let mut path = before.to_vec();
        if self.sees(&["::"]) {
            // Of another crate, whatever it is called here.
            path.push(String::new());
            self.at += 1;
        }
        loop {
            let token = self.peek(0).to_owned();
            self.at += 1;
            match &*token {
                "{" => {
                    while !self.sees(&["}"]) {
                        self.tree(&path, is_exported);
                        if self.sees(&[","]) {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "*" => {
                    self.add(path, None, is_exported);
                    return;
                }
                // `a::{self}` is `a`.
                "self" if !before.is_empty() => {}
                _ => path.push(token),
            }
            if self.sees(&["::"]) {
                self.at += 1;
                continue;
            }
            let mut name = path.last().cloned();
            if self.sees(&["as"]) {
                name = Some(self.peek(1).to_owned());
                self.at += 2;
            }
            self.add(path, name, is_exported);
            return;
        }
    }

    fn add(&mut self, path: Segments, name: Option<String>, is_exported: bool) {
        self.module.uses.push(Use {
            path,
            within: self.within.clone(),
            name,
            is_exported,
        });
    }

    /// Skips an item: to its block's end, or to its semicolon.
    fn skip_item(&mut self) {
        while self.at < self.tokens.len() {
            match self.peek(0) {
                ";" => {
                    self.at += 1;
                    return;
                }
                "{" => return self.skip_group(),
                "(" | "[" => self.skip_group(),
                _ => self.at += 1,
            }
        }
    }

    /// Skips from a bracket to the one that closes it.
    fn skip_group(&mut self) {
        let mut depth = 0;
        while self.at < self.tokens.len() {
            match self.peek(0) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// The words and signs of a source file, without comments and literals. `::` is one sign, and so is
/// `..`.
fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if let Some(length) = length_of_skipped(rest) {
            rest = &rest[length..];
            continue;
        } else if first.is_alphabetic() || first == '_' {
            word_length(rest)
        } else if rest.starts_with("::") || rest.starts_with("..") {
            2
        } else {
            first.len_utf8()
        };
        found.push(&rest[..length]);
        rest = &rest[length..];
    }
    found
}

/// How many bytes of space, comment, literal or lifetime stand first.
fn length_of_skipped(text: &str) -> Option<usize> {
    let mut chars = text.chars();
    let first = chars.next()?;
    let second = chars.next();
    match first {
        _ if first.is_whitespace() => Some(first.len_utf8()),
        '0'..='9' => Some(word_length(text)),
        '/' if second == Some('/') => Some(text.find('\n').unwrap_or(text.len())),
        '/' if second == Some('*') => Some(comment_length(text)),
        '"' => Some(quoted_length(text, '"')),
        '\'' => match second {
            Some('\\') => Some(quoted_length(text, '\'')),
            Some(second) if chars.next() == Some('\'') => Some(2 + second.len_utf8()),
            _ => Some(1 + word_length(&text[1..])),
        },
        'b' | 'c' if second == Some('"') => Some(1 + quoted_length(&text[1..], '"')),
        'b' if second == Some('\'') => Some(1 + quoted_length(&text[1..], '\'')),
        'r' => raw_length(text, 1),
        'b' | 'c' if second == Some('r') => raw_length(text, 2),
        _ => None,
    }
}

fn word_length(text: &str) -> usize {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.find(|letter| !is_part(letter)).unwrap_or(text.len())
}

/// Of a comment that may have others in it.
fn comment_length(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let (step, change) = match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (2, 1),
            [b'*', b'/', ..] => (2, -1),
            _ => (1, 0),
        };
        at += step;
        depth += change;
        if depth == 0 {
            break;
        }
    }
    at
}

/// Of a literal between two of `quote`, in which a backslash takes the next letter with it.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut letters = text.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        if letter == '\\' {
            letters.next();
        } else if letter == quote {
            return at + 1;
        }
    }
    text.len()
}

/// Of a raw string, whose first quote comes after a prefix and any number of `#`.
fn raw_length(text: &str, prefix: usize) -> Option<usize> {
    let after = &text[prefix..];
    let marks = after.len() - after.trim_start_matches('#').len();
    let body = after[marks..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(marks));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(prefix + marks + 1 + length)
}
