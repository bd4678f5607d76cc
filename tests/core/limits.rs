//! `SECURITY.md` lists every limit of both crates, with its default.

use std::fmt::Debug;
use std::path::Path;

use plimsoll::{Reader, Separator, WaterMarks, Writer};
use plimsoll_io::{ConnectOptions, DEFAULT_CLOSE_TIMEOUT, ServerOptions, StreamOptions};

/// What options hold that bounds nothing.
const NO_LIMITS: [&str; 9] = [
    "streams",
    "timing",
    "reuse_address",
    "reuse_port",
    "keep_alive",
    "nodelay",
    "on_error",
    "local_addresses",
    "interleave",
];

/// The rows of the table: what sets a limit, and its default.
fn rows() -> Vec<(String, String)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("SECURITY.md");
    let text = std::fs::read_to_string(page).unwrap();
    let (_, table) = text.split_once("## Limits").unwrap();
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        (cells[0].trim_matches('`').into(), cells[2].into())
    })
    .collect()
}

/// A default of the table, as `Debug` shows it.
fn shown(default: &str) -> String {
    if let Some((high, low)) = default.split_once(", ") {
        let (high, low) = (shown(high), shown(low));
        return format!("WaterMarks {{ high: {high}, low: {low} }}");
    }
    let Some((number, unit)) = default.split_once(' ') else {
        return default.to_owned();
    };
    let times = |bytes: usize| (bytes * number.parse::<usize>().unwrap()).to_string();
    match unit {
        "bytes" => times(1),
        "KiB" => times(1 << 10),
        "MiB" => times(1 << 20),
        "s" | "ms" => format!("{number}{unit}"),
        _ => panic!("{default}"),
    }
}

#[test]
fn every_limit_stands_in_the_table_with_its_default() {
    let constants: [(&str, &dyn Debug); 7] = [
        ("Reader::set_limit", &Reader::DEFAULT_LIMIT),
        (
            "Reader::set_max_read_exact",
            &Reader::DEFAULT_MAX_READ_EXACT,
        ),
        ("Writer::set_water_marks", &WaterMarks::DEFAULT),
        ("Writer::set_max_pending", &Writer::DEFAULT_MAX_PENDING),
        ("Separator::MAX_LEN", &Separator::MAX_LEN),
        ("Separator::MAX_COUNT", &Separator::MAX_COUNT),
        ("DEFAULT_CLOSE_TIMEOUT", &DEFAULT_CLOSE_TIMEOUT),
    ];
    let options: [(&str, String); 3] = [
        ("StreamOptions", format!("{:?}", StreamOptions::new())),
        ("ConnectOptions", format!("{:?}", ConnectOptions::new())),
        ("ServerOptions", format!("{:?}", ServerOptions::new())),
    ];
    let rows = rows();
    for (name, default) in &rows {
        let value = shown(default);
        if let Some((_, constant)) = constants.iter().find(|(of, _)| of == name) {
            assert_eq!(format!("{constant:?}"), value, "{name}");
            continue;
        }
        let (of, field) = name.split_once("::").unwrap();
        let (_, options) = options.iter().find(|(name, _)| *name == of).unwrap();
        let values = match default.as_str() {
            "none" => vec!["None".to_owned(), usize::MAX.to_string()],
            "servers" => vec!["None".to_owned()],
            _ => vec![format!("Some({value})"), value],
        };
        let has = |value: &String| {
            let field = format!("{field}: {value}");
            options.contains(&(field.clone() + ",")) || options.contains(&(field + " }"))
        };
        assert!(values.iter().any(has), "{name} is not {default}: {options}");
    }
    assert!(options[2].1.contains("pause_reading_when_full: Some(true)"));

    for (name, _) in constants {
        assert!(rows.iter().any(|(row, _)| row == name), "{name} is missing");
    }
    for (of, shown) in options {
        let fields = shown
            .split([' ', '{'])
            .filter_map(|word| word.strip_suffix(':'));
        for field in fields {
            let listed = |of: &str| rows.iter().any(|(row, _)| *row == format!("{of}::{field}"));
            let known = NO_LIMITS.contains(&field) || ["high", "low"].contains(&field);
            assert!(
                known || listed(of) || listed("StreamOptions"),
                "{of}::{field} is missing"
            );
        }
    }
    assert_eq!(rows.len(), 21);
}
