//! The figures of a run, kept in `docs/`, and what is made of them there: tables and a chart.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use crate::chart;
use crate::figures::Figures;
use crate::machine;
use crate::ratios::RATIOS;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const FIGURES: &str = "performance.tsv";
const PAGE: &str = "performance.md";
const CHART: &str = "performance.svg";

/// The page between these lines is written here; the rest of it by people.
const BEGIN: &str =
    "<!-- From here on `cargo bench -p plimsoll-benches -- report` has written this. -->\n";
const END: &str = "<!-- To here. -->\n";

/// Keeps the figures in place of those of earlier runs.
pub fn save(figures: &Figures) -> Result<()> {
    let text = format!("# {}\n{}", machine::describe(), figures.to_tsv());
    Ok(fs::write(docs(FIGURES), text)?)
}

/// Writes the tables and the chart of the figures that were kept last.
pub fn write() -> Result<()> {
    let text = fs::read_to_string(docs(FIGURES))?;
    let (machine, rows) = text.split_once('\n').ok_or("no figures")?;
    let figures = Figures::from_tsv(rows)?;
    fs::write(docs(CHART), chart::draw(&figures)?)?;
    let page = fs::read_to_string(docs(PAGE))?;
    let generated = generated(machine.trim_start_matches("# "), &figures);
    Ok(fs::write(docs(PAGE), replace(&page, &generated)?)?)
}

fn docs(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../docs", name]
        .iter()
        .collect()
}

fn generated(machine: &str, figures: &Figures) -> String {
    let mut text =
        format!("\n![Bar chart of the figures below]({CHART})\n\nMeasured on {machine}.\n\n");
    for table in figures.tables() {
        text += &format!("{}\n", table.to_markdown());
    }
    text += "| ratio | value | target |\n| --- | ---: | --- |\n";
    for ratio in RATIOS {
        if let Some(value) = ratio.value(figures) {
            text += &format!("| `{}` | {value:.2} | {} |\n", ratio.name, ratio.target);
        }
    }
    text + "\n"
}

/// Puts `generated` between the two marks of `page`.
fn replace(page: &str, generated: &str) -> Result<String> {
    let (before, rest) = page.split_once(BEGIN).ok_or("the page has no begin mark")?;
    let (_, after) = rest.split_once(END).ok_or("the page has no end mark")?;
    Ok([before, BEGIN, generated, END, after].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let page = format!("before\n{BEGIN}old\n{END}after\n");
        let replaced = replace(&page, "new\n").unwrap();
        assert_eq!(replaced, format!("before\n{BEGIN}new\n{END}after\n"));
        assert_eq!(replace(&replaced, "new\n").unwrap(), replaced);
        assert!(replace("before\nafter\n", "new\n").is_err());
        assert!(replace(&format!("{END}{BEGIN}"), "new\n").is_err());
    }

    #[test]
    fn the_page_in_docs_has_the_marks() {
        let page = fs::read_to_string(docs(PAGE)).unwrap();
        replace(&page, "").unwrap();
    }
}
