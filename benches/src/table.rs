//! Tables for people, as text and as Markdown.

/// A table of figures, with gaps where nothing was measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub title: String,
    pub columns: Vec<String>,
    pub rows: Vec<(String, Vec<Option<f64>>)>,
}

impl Table {
    /// Lays the table out in columns of equal width for a terminal.
    pub fn to_text(&self) -> String {
        let cells = self.cells();
        let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max();
        let widths: Vec<usize> = (0..=self.columns.len())
            .map(|column| width(column).unwrap_or(0))
            .collect();
        let mut text = format!("{}\n", self.title);
        for row in &cells {
            text += &format!("  {:<width$}", row[0], width = widths[0]);
            for (cell, width) in row.iter().zip(&widths).skip(1) {
                text += &format!("  {cell:>width$}");
            }
            text += "\n";
        }
        text
    }

    /// Writes the table as Markdown, where the types in names are no tags.
    pub fn to_markdown(&self) -> String {
        let mut lines: Vec<String> = self
            .cells()
            .iter()
            .map(|row| format!("| {} |\n", row.join(" | ").replace('<', "&lt;")))
            .collect();
        lines.insert(
            1,
            format!("| --- |{}\n", " ---: |".repeat(self.columns.len())),
        );
        format!("{}:\n\n{}", self.title, lines.concat())
    }

    /// The head, then the rows, each with its name first.
    fn cells(&self) -> Vec<Vec<String>> {
        let head = [String::new()].into_iter().chain(self.columns.clone());
        let rows = self.rows.iter().map(|(name, values)| {
            let values = values
                .iter()
                .map(|value| value.map_or("-".into(), format_figure));
            [name.clone()].into_iter().chain(values).collect()
        });
        [head.collect()].into_iter().chain(rows).collect()
    }
}

/// Writes a figure as precisely as it can be read: three digits, and all of those before the point.
pub fn format_figure(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => {
            let digits = format!("{value:.0}");
            let first = (digits.len() - 1) % 3 + 1;
            let mut grouped = digits[..first].to_string();
            for start in (first..digits.len()).step_by(3) {
                grouped += &format!(",{}", &digits[start..start + 3]);
            }
            grouped
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table {
            title: "Nanoseconds a line".into(),
            columns: vec!["8".into(), "16000".into()],
            rows: vec![
                ("floor".into(), vec![Some(5.304), Some(1234.5)]),
                ("a slow<one>".into(), vec![Some(34.04), None]),
            ],
        }
    }

    #[test]
    fn text_is_in_columns() {
        let expected = [
            "Nanoseconds a line",
            "                  8  16000",
            "  floor        5.30  1,234",
            "  a slow<one>  34.0      -",
            "",
        ];
        assert_eq!(table().to_text(), expected.join("\n"));
    }

    #[test]
    fn markdown_has_a_head_and_a_rule() {
        let expected = [
            "Nanoseconds a line:",
            "",
            "|  | 8 | 16000 |",
            "| --- | ---: | ---: |",
            "| floor | 5.30 | 1,234 |",
            "| a slow&lt;one> | 34.0 | - |",
            "",
        ];
        assert_eq!(table().to_markdown(), expected.join("\n"));
    }

    #[test]
    fn figures_have_three_digits_and_groups() {
        for (value, text) in [
            (0.123, "0.12"),
            (9.876, "9.88"),
            (98.76, "98.8"),
            (987.6, "988"),
            (9876.0, "9,876"),
            (52_345_678.9, "52,345,679"),
        ] {
            assert_eq!(format_figure(value), text);
        }
    }
}
