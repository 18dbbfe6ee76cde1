//! Writing a timeline: one line per tick, columns fixed by the header.

use crate::names::guarded;
use crate::number::{file_decimals, number};

/// One cell of a timeline row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A reading. One that is not finite is written as an empty cell.
    Number(f64),
    /// Words: the wall-clock time or the phase.
    Text(String),
    /// A reading that could not be taken.
    Empty,
}

impl From<Option<f64>> for Cell {
    fn from(value: Option<f64>) -> Self {
        value.map_or(Cell::Empty, Cell::Number)
    }
}

/// Formats the lines of a timeline. It owns the column list, so that a row can
/// neither be longer nor shorter than its header.
#[derive(Debug, Clone)]
pub struct TimelineWriter {
    columns: Vec<String>,
}

impl TimelineWriter {
    /// A writer of rows with these columns.
    #[must_use]
    pub fn new(columns: &[String]) -> Self {
        TimelineWriter {
            columns: columns.to_vec(),
        }
    }

    /// The columns' names, in order.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The header line, with its newline.
    #[must_use]
    pub fn header(&self) -> String {
        let mut line = String::new();
        for (index, column) in self.columns.iter().enumerate() {
            if index > 0 {
                line.push(',');
            }
            push_text(&mut line, column);
        }
        line.push('\n');
        line
    }

    /// One whole line with its newline, so that one `write` appends one row.
    ///
    /// Cells beyond the columns are left out and cells not given are empty:
    /// a row is always as wide as the header.
    #[must_use]
    pub fn row(&self, cells: &[Cell]) -> String {
        let mut line = String::with_capacity(self.columns.len() * 8);
        for index in 0..self.columns.len() {
            if index > 0 {
                line.push(',');
            }
            match cells.get(index) {
                Some(Cell::Number(value)) => line.push_str(&number(*value, file_decimals(*value))),
                Some(Cell::Text(text)) => push_text(&mut line, text),
                Some(Cell::Empty) | None => {}
            }
        }
        line.push('\n');
        line
    }
}

/// Appends a text cell, quoted where RFC 4180 asks for it and marked where a
/// spreadsheet would run it. Line breaks become spaces: a row is one line, or a
/// cut-off file could lose more than one row. A file with a zero byte is taken
/// for no text at all.
fn push_text(line: &mut String, text: &str) {
    let text = guarded(text)
        .replace(['\n', '\r'], " ")
        .replace('\0', "\u{fffd}");
    if text.contains([',', '"']) {
        line.push('"');
        line.push_str(&text.replace('"', "\"\""));
        line.push('"');
    } else {
        line.push_str(&text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer() -> TimelineWriter {
        TimelineWriter::new(&["elapsed_min".into(), "rss_mb".into(), "phase".into()])
    }

    #[test]
    fn missing_is_empty_never_zero() {
        let row = writer().row(&[
            Cell::Number(1.5),
            Cell::Number(f64::NAN),
            Cell::Text("steady".into()),
        ]);
        assert_eq!(row, "1.5,,steady\n");
        assert_eq!(
            writer().row(&[Cell::Number(2.0), Cell::Number(f64::INFINITY)]),
            "2,,\n"
        );
    }

    #[test]
    fn a_row_is_as_wide_as_the_header_and_one_line() {
        assert_eq!(writer().header(), "elapsed_min,rss_mb,phase\n");
        let cells = [
            Cell::Number(0.0),
            Cell::Empty,
            Cell::Text("a,\"b\"\nc".into()),
            Cell::Empty,
        ];
        assert_eq!(writer().row(&cells), "0,,\"a,\"\"b\"\" c\"\n");
    }
}
