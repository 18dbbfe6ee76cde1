//! What reading a file lost or repaired, for people.

use super::facts::{self, ColumnFacts};

#[derive(Debug, Clone, Default)]
pub(super) struct Losses {
    pub(super) truncated_rows: usize,
    pub(super) garbage_cells: usize,
    /// The first column with such a cell, and the cell.
    pub(super) garbage_example: Option<(String, String)>,
    pub(super) untimed_rows: usize,
    pub(super) reordered_rows: usize,
    /// Rows longer or wider than a row may be.
    pub(super) large_rows: usize,
    /// Rows with a time that are not held, as there are too many.
    pub(super) thinned_rows: usize,
    /// Rows of a tool's table that do not fit its header.
    pub(super) unused_rows: usize,
    /// Rows of tables after the first, where only one is read.
    pub(super) other_rows: usize,
    /// Words for which there was no room.
    pub(super) long_cells: usize,
    /// Whole sentences: readings that were chosen, leaps that were repaired.
    pub(super) notes: Vec<String>,
}

impl Losses {
    /// Counts the unreadable cells of a column of numbers.
    pub(super) fn garbage(&mut self, name: &str, facts: &ColumnFacts) {
        if facts.readings == 0 && facts.unreadable == facts.cells {
            // A column of words.
            return;
        }
        self.garbage_cells += facts.unreadable;
        if facts.unreadable > 0
            && self.garbage_example.is_none()
            && let Some(example) = &facts.example
        {
            self.garbage_example = Some((facts::example(name.as_bytes()), example.clone()));
        }
    }

    pub(super) fn sentences(&self) -> Vec<String> {
        let garbage = match &self.garbage_example {
            Some((name, example)) => format!(
                "timeline: cells that could not be read as numbers, taken as missing (such as {example:?} in \
                 {name:?})"
            ),
            None => {
                "timeline: cells that could not be read as numbers, taken as missing".to_owned()
            }
        };
        [
            (self.truncated_rows, "timeline: last row was cut off"),
            (self.garbage_cells, garbage.as_str()),
            (self.untimed_rows, "timeline: rows without a time, left out"),
            (
                self.reordered_rows,
                "timeline: rows out of order, sorted by time",
            ),
            (
                self.large_rows,
                "timeline: rows of more than 1 MB or 6,000 cells, left out",
            ),
            (
                self.thinned_rows,
                "timeline: rows left out evenly, as there are more than 14,000,000 cells; \
                 peaks between them are not seen",
            ),
            (
                self.unused_rows,
                "timeline: rows that do not fit the table's header or have no time, left out",
            ),
            (
                self.other_rows,
                "timeline: rows of other tables in the file, left out; write one table a file \
                 (such as sar -r alone)",
            ),
            (
                self.long_cells,
                "timeline: words beyond the first 16 MB, read as missing",
            ),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{what}: {count}"))
        .chain(self.notes.iter().cloned())
        .collect()
    }
}
