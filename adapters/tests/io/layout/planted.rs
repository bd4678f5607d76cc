//! Arrows that were planted for what looks for them.

use std::collections::BTreeSet;

use super::paths::Crate;
use super::upwards;

/// The files that `a` uses, of `b`, `c` and `d`, which have `X`, and `d/below`.
fn used_by(a: &str) -> Vec<String> {
    let files = Crate::new([
        ("lib", "mod a; mod b; mod c; mod d; pub use c::Exported;"),
        ("a", a),
        ("b", "pub struct X;"),
        ("c", "pub struct X; pub struct Exported;"),
        (
            "d/mod",
            "mod below; pub use self::below::Below; pub struct X;",
        ),
        ("d/below", "pub struct Below;"),
    ]);
    let arrows = files.arrows();
    arrows["a"].iter().map(|&file| file.to_owned()).collect()
}

#[test]
fn every_way_to_name_a_file_is_seen() {
    for (text, expected) in [
        ("use crate::b;", &["b"] as &[&str]),
        ("use crate::b::X;", &["b"]),
        ("pub(crate) use crate::b::X as Y;", &["b"]),
        ("use super::b::X;", &["b"]),
        ("use crate::{b, c::X};", &["b", "c"]),
        ("use crate::{b::{self, X as _}, d::{X,},};", &["b", "d/mod"]),
        ("use super::{b, d};", &["b", "d/mod"]),
        ("#[cfg(unix)]\nuse crate::b::X;", &["b"]),
        ("fn f(x: crate::b::X) {}", &["b"]),
        (
            "fn f() -> Vec<super::b::X> { Vec::<crate::c::X>::new() }",
            &["b", "c"],
        ),
        ("impl Iterator for <T as crate::b::X>::Y {}", &["b"]),
        ("const F: F = F { ..crate::b::X };", &["b"]),
        (
            r#"const C: &[char] = &['\'', '"', 'c']; fn f<'a>(_: X<'a, crate::b::X>) {}"#,
            &["b"],
        ),
        ("crate::b::made!(X);", &["b"]),
        ("macro_rules! m { () => { $crate::b::X } }", &["b"]),
        ("#[derive(crate::b::X)] struct Y;", &["b"]),
        (
            "mod inner { use super::super::b; fn f() { crate::c::X } }",
            &["b", "c"],
        ),
        ("fn f() { use crate::b::X; }", &["b"]),
        // By a name that was brought in.
        ("use crate::d; fn f() { d::Below }", &["d/below", "d/mod"]),
        (
            "use crate::d as e; fn f() { e::Below }",
            &["d/below", "d/mod"],
        ),
        // By another name of it.
        ("use crate::Exported;", &["c"]),
        ("use crate::d::Below;", &["d/below"]),
        ("fn f() { crate::d::Below::new() }", &["d/below"]),
    ] {
        assert_eq!(used_by(text), expected, "{text}");
    }
}

#[test]
fn what_names_no_file_is_not_seen() {
    for text in [
        "// use crate::b;",
        "/// As [`X`](crate::b::X).",
        "/* crate::b /* crate::c */ crate::d */",
        "const TEXT: &str = \"crate::b \\\" crate::c\";",
        "const TEXT: &str = r#\"crate::b \" crate::c\"#;",
        "const TEXT: &[u8] = br\"crate::b\\\";",
        "#[cfg(test)] mod tests { use crate::b; fn f() { { crate::c::X } } }",
        "#[cfg(test)] use crate::b;",
        "#[cfg(test)] #[allow(dead_code)] fn f(x: [u8; 2]) { crate::b::X }",
        "use b::X;",
        "use std::{b, c::X};",
        "use ::b::X;",
        "fn f() { ::b::X; self.b.c(); Self::b::X; b::X }",
        "pub(in crate::b) struct X;",
        "fn b() -> impl Send + use<> {}",
        "use self::Y; struct Y; mod inner { use super::Y; }",
        "macro_rules! m { () => {} } pub(crate) use m;",
    ] {
        assert_eq!(used_by(text), [""; 0], "{text}");
    }
    // What comes after it is.
    for text in [
        "#[cfg(test)] mod tests {} use crate::b;",
        "#[cfg(test)] use crate::c::{X}; use crate::b;",
        "/* */ use crate::b; // */",
        "const TEXT: &str = r##\"\"#\"##; use crate::b;",
        "const LETTER: char = '{'; mod inner {} use super::b;",
    ] {
        assert_eq!(used_by(text), ["b"], "{text}");
    }
}

#[test]
fn a_name_for_what_is_below_is_no_use_of_it() {
    let uses_below = |text: &str| {
        let files = Crate::new([
            ("lib", "mod a;"),
            ("a", text),
            ("a/below", "use crate::c::{self}; pub fn c() {}"),
            ("a/other", "use super::Below; use super::below;"),
            ("c", ""),
        ]);
        let arrows = files.arrows();
        assert_eq!(arrows["a/other"], BTreeSet::from(["a/below"]));
        assert!(!arrows["a"].contains("c"), "{text}");
        arrows["a"].contains("a/below")
    };
    assert!(!uses_below("pub use self::below::Below;"));
    assert!(!uses_below("pub(crate) use below::Below;"));
    assert!(uses_below("pub use self::below::Below; fn f(_: Below) {}"));
    assert!(uses_below(
        "pub use self::below::Below; use self::below::Other;"
    ));
    // A function may be called as a module that its file has brought in for itself.
    let exported = "mod below; pub use self::below::{Below, below, c}; fn c() { x.c(); y::c() }";
    assert!(!uses_below(exported));
}

#[test]
#[should_panic = "::*"]
fn a_use_that_does_not_say_what_it_names_is_refused() {
    used_by("use crate::b::*;");
}

#[test]
fn arrows_up_and_circles_are_found() {
    let files = [
        ("lib", "mod a; mod b; mod c; mod new; pub use a::A;"),
        ("a", "pub struct A;"),
        ("b", "use crate::a::A; use crate::c::C;"),
        ("c", "use crate::A; fn f() { crate::b::f() }"),
        ("new", ""),
    ];
    let files = Crate::new(files);
    let up = |order: &[&str]| Vec::from_iter(upwards(&files, order));
    assert_eq!(up(&["a", "b", "c", "new"]), [("b", "c")]);
    assert_eq!(up(&["a", "c", "b", "new"]), [("c", "b")]);
    assert_eq!(up(&["c", "b", "a"]), [("b", "a"), ("c", "a"), ("c", "b")]);
    // What has no place is not before anything.
    assert_eq!(up(&["b", "c"]), [("b", "a"), ("b", "c"), ("c", "a")]);
}
