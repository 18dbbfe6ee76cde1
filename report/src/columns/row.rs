//! One row of the timeline: the columns, in their order, with their values.
//!
//! A column is named where its value is given, so the two cannot come apart: the
//! header is the names of the first row.

use super::Column;
use crate::timeline::Cell;

/// Bytes in an MB.
const MB: f64 = 1024.0 * 1024.0;

/// The values of one tick, in the order of the columns.
#[derive(Debug, Default)]
pub struct TimelineRow {
    cells: Vec<(String, Cell)>,
}

impl TimelineRow {
    /// A number in the column's unit; digits that say nothing are left out.
    pub fn number(&mut self, column: &Column, value: Option<f64>) {
        let steps = column.unit.steps();
        let rounded = |value: f64| (value * steps).round() / steps;
        let cell = value.map_or(Cell::Empty, |value| Cell::Number(rounded(value)));
        self.cells.push((column.name.to_owned(), cell));
    }

    /// How many there are.
    pub fn count(&mut self, column: &Column, value: Option<u64>) {
        self.number(column, value.map(|count| count as f64));
    }

    /// Bytes, which become MB.
    pub fn bytes(&mut self, column: &Column, bytes: Option<u64>) {
        self.number(column, bytes.map(|bytes| bytes as f64 / MB));
    }

    /// Words.
    pub fn text(&mut self, column: &Column, value: String) {
        self.cells.push((column.name.to_owned(), Cell::Text(value)));
    }

    /// A series of the service's own, with all its digits.
    pub fn tracked(&mut self, name: &str, value: Option<f64>) {
        let cell = value.map_or(Cell::Empty, Cell::Number);
        self.cells.push((name.to_owned(), cell));
    }

    /// The header of a timeline that begins with this row.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        self.cells.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The numbers that are there, by column.
    #[must_use]
    pub fn numbers(&self) -> Vec<(String, f64)> {
        let number = |(name, cell): &(String, Cell)| match cell {
            Cell::Number(value) if value.is_finite() => Some((name.clone(), *value)),
            _ => None,
        };
        self.cells.iter().filter_map(number).collect()
    }

    /// The cells, for [`TimelineWriter`](crate::TimelineWriter).
    #[must_use]
    pub fn into_cells(self) -> Vec<Cell> {
        self.cells.into_iter().map(|(_, cell)| cell).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use super::*;

    #[test]
    fn numbers_have_the_digits_of_their_unit_and_missing_is_empty() {
        let mut row = TimelineRow::default();
        row.number(&ELAPSED_MIN, Some(1.234_567_8));
        row.bytes(&RSS_MB, Some(1_234_567));
        row.number(&CPU_PERCENT, Some(12.3456));
        row.count(&THREADS, None);
        row.tracked("tide", Some(0.123_456_789));
        assert_eq!(
            row.numbers(),
            [
                ("elapsed_min".to_owned(), 1.234_568),
                ("rss_mb".to_owned(), 1.177),
                ("cpu_percent".to_owned(), 12.35),
                ("tide".to_owned(), 0.123_456_789),
            ]
        );
        assert_eq!(row.columns().len(), 5);
        assert_eq!(row.into_cells()[3], Cell::Empty);
    }
}
