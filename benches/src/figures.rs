//! What was measured, and the tables that it makes.

use crate::table::Table;

/// One measured value, and the cell of the table that it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    pub table: String,
    pub row: String,
    pub column: String,
    pub value: f64,
}

/// Everything that a run has measured, in the order of its tables.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures(Vec<Figure>);

impl Figures {
    pub fn add(&mut self, table: &str, row: &str, column: &str, value: f64) {
        self.0.push(Figure {
            table: table.into(),
            row: row.into(),
            column: column.into(),
            value,
        });
    }

    pub fn get(&self, table: &str, row: &str, column: &str) -> Option<f64> {
        let found = |figure: &&Figure| {
            figure.table == table && figure.row == row && figure.column == column
        };
        self.0.iter().find(found).map(|figure| figure.value)
    }

    /// The rows of one column, with their values.
    pub fn column(&self, table: &str, column: &str) -> Vec<(String, f64)> {
        let of_column = |figure: &&Figure| figure.table == table && figure.column == column;
        let figures = self.0.iter().filter(of_column);
        figures
            .map(|figure| (figure.row.clone(), figure.value))
            .collect()
    }

    /// Writes a line for each figure: table, row, column and value, with tabs between them.
    pub fn to_tsv(&self) -> String {
        let line = |figure: &Figure| {
            let Figure {
                table,
                row,
                column,
                value,
            } = figure;
            format!("{table}\t{row}\t{column}\t{value}\n")
        };
        self.0.iter().map(line).collect()
    }

    /// Reads what [`to_tsv`](Self::to_tsv) has written.
    ///
    /// # Errors
    ///
    /// The first line that is none of its own.
    pub fn from_tsv(text: &str) -> Result<Self, String> {
        let mut figures = Self::default();
        for line in text.lines() {
            let cells: Vec<&str> = line.split('\t').collect();
            match (cells.as_slice(), cells.last().map(|value| value.parse())) {
                ([table, row, column, _], Some(Ok(value))) => {
                    figures.add(table, row, column, value)
                }
                _ => return Err(format!("no figure: {line}")),
            }
        }
        Ok(figures)
    }

    pub fn tables(&self) -> Vec<Table> {
        let titles = distinct(self.0.iter().map(|figure| &figure.table));
        titles.into_iter().map(|title| self.table(&title)).collect()
    }

    fn table(&self, title: &str) -> Table {
        let of_table = || self.0.iter().filter(|figure| figure.table == title);
        let columns = distinct(of_table().map(|figure| &figure.column));
        let rows = distinct(of_table().map(|figure| &figure.row));
        let values = |row: &String| {
            let value = |column| self.get(title, row, column);
            columns.iter().map(|column| value(column)).collect()
        };
        Table {
            title: title.into(),
            rows: rows
                .into_iter()
                .map(|row| (row.clone(), values(&row)))
                .collect(),
            columns,
        }
    }
}

/// Each string once, in the order in which they first appear.
fn distinct<'a>(strings: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut distinct = Vec::new();
    for string in strings {
        if !distinct.contains(string) {
            distinct.push(string.clone());
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_cell_for_each_figure_and_gaps() {
        let mut figures = Figures::default();
        figures.add("first", "b", "8", 1.0);
        figures.add("first", "b", "80", 2.0);
        figures.add("second", "x", "8", 3.0);
        figures.add("first", "a", "80", 4.0);
        let tables = figures.tables();
        assert_eq!(tables.len(), 2);
        assert_eq!(tables[0].columns, ["8", "80"]);
        assert_eq!(
            tables[0].rows,
            [
                ("b".to_string(), vec![Some(1.0), Some(2.0)]),
                ("a".to_string(), vec![None, Some(4.0)]),
            ]
        );
        assert_eq!(figures.get("second", "x", "8"), Some(3.0));
        assert_eq!(figures.get("second", "x", "80"), None);
        assert_eq!(
            figures.column("first", "80"),
            [("b".to_string(), 2.0), ("a".to_string(), 4.0)]
        );
    }

    #[test]
    fn figures_come_back_from_a_file() {
        let mut figures = Figures::default();
        figures.add("a, title", "a: row", "64x64", 1.0 / 3.0);
        figures.add("a, title", "\\n", "8", 1e9);
        assert_eq!(Figures::from_tsv(&figures.to_tsv()), Ok(figures));
        for wrong in ["a\tb\t1", "a\tb\tc\td", "a\tb\tc\t1\t2"] {
            assert!(Figures::from_tsv(wrong).is_err(), "{wrong}");
        }
    }
}
