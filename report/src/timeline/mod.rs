//! A soak run's numbers over time, column by column.
//!
//! [`Timeline`] is what a `timeline.csv` says; [`TimelineWriter`] writes one.
//! Nothing here knows which columns mean what: that is for those who judge.

mod blocks;
mod calendar;
mod cells;
mod clock;
mod date_names;
mod date_parts;
mod dates;
mod facts;
mod filling;
mod finish;
mod header;
mod layout;
mod leaps;
mod long_tables;
mod losses;
mod numbers;
mod packed;
mod parse;
mod part;
mod phases;
mod prometheus;
mod scales;
mod sources;
mod text;
mod time_columns;
mod tool_tables;
mod units;
mod write;

use std::ops::Range;

pub use facts::{CellUnit, ColumnFacts};
pub(crate) use parse::count_lines;
pub use phases::PhaseSpan;
pub use text::TextColumn;
pub use write::{Cell, TimelineWriter};

use clock::Clock;
use losses::Losses;
use packed::Packed;

/// Series over time, stored by column: `f64` with NaN for a missing reading,
/// packed; words for `time` and `phase`.
///
/// Rows are in the order of time. A timeline comes from a CSV file
/// ([`Timeline::parse`]) or is built row by row ([`Timeline::new`], then
/// [`Timeline::push`]) while a run goes on.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    names: Vec<String>,
    columns: Vec<Column>,
    hours: Vec<f64>,
    losses: Losses,
    /// What was found in the cells of each column; none of a timeline that is
    /// built row by row.
    facts: Vec<ColumnFacts>,
    runs: Vec<Range<usize>>,
    /// The columns that the time was read from; none is the first.
    time: Vec<usize>,
}

#[derive(Debug, Clone)]
enum Column {
    Numbers(Packed),
    Text(TextColumn),
}

impl Timeline {
    /// An empty timeline with these columns. The first is the time; `time`
    /// and `phase` hold words and all others numbers.
    #[must_use]
    pub fn new(columns: &[String]) -> Self {
        // A series of the service's own may be called as one of the agent's.
        let columns = header::unique(columns.iter().cloned());
        Timeline {
            names: columns.clone(),
            columns: columns
                .iter()
                .enumerate()
                .map(|(index, name)| {
                    if index > 0 && holds_words(name) {
                        Column::Text(TextColumn::default())
                    } else {
                        Column::Numbers(Packed::default())
                    }
                })
                .collect(),
            ..Timeline::default()
        }
    }

    /// Appends a row, given as for [`TimelineWriter::row`]. The first cell is
    /// the elapsed time in the unit its column's name says; a row without one
    /// is not kept. Rows are expected in the order of time.
    pub fn push(&mut self, cells: &[Cell]) {
        let unit = self
            .names
            .first()
            .and_then(|name| Clock::elapsed_seconds(name));
        let hours = match (unit, cells.first()) {
            (Some(seconds), Some(Cell::Number(value))) if value.is_finite() => {
                value * seconds / 3600.0
            }
            _ => {
                self.losses.untimed_rows += 1;
                return;
            }
        };
        self.hours.push(hours);
        match self.runs.first_mut() {
            Some(run) => run.end = self.hours.len(),
            None => self.runs.push(0..1),
        }
        for (index, column) in self.columns.iter_mut().enumerate() {
            match (column, cells.get(index)) {
                (Column::Numbers(values), Some(Cell::Number(value))) if value.is_finite() => {
                    values.push(*value);
                }
                (Column::Numbers(values), _) => values.push(f64::NAN),
                (Column::Text(words), Some(Cell::Text(word))) => words.push(word),
                (Column::Text(words), _) => words.push(""),
            }
        }
    }

    /// The columns' names, in the file's order.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.names
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hours.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hours.is_empty()
    }

    /// The numbers of a column, one per row, NaN where missing. `None` if there
    /// is no such column or it holds words.
    ///
    /// They are kept packed, and unpacked for who asks: ask once, and do not
    /// hold those of all columns.
    #[must_use]
    pub fn series(&self, name: &str) -> Option<Vec<f64>> {
        Some(self.numbers(name)?.to_vec())
    }

    /// [`Timeline::series`], but only if at least one reading is there.
    #[must_use]
    pub fn readings(&self, name: &str) -> Option<Vec<f64>> {
        let values = self.numbers(name)?;
        values.has_readings().then(|| values.to_vec())
    }

    /// The numbers of a column in some rows, as far as there are such.
    pub(crate) fn series_in(&self, name: &str, rows: Range<usize>) -> Vec<f64> {
        let Some(values) = self.numbers(name) else {
            return Vec::new();
        };
        let mut reader = values.reader();
        let rows = rows.start..rows.end.min(values.len());
        rows.map(|row| reader.get(row)).collect()
    }

    /// Whether a column holds numbers, and at least one reading is there.
    #[must_use]
    pub fn has_readings(&self, name: &str) -> bool {
        self.numbers(name).is_some_and(Packed::has_readings)
    }

    /// The words of a column. `None` if there is no such column or it holds
    /// numbers.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&TextColumn> {
        match self.column(name)? {
            Column::Text(words) => Some(words),
            Column::Numbers(_) => None,
        }
    }

    /// The time of each row in hours since the start of the run (or since the
    /// first row, where the file has only dates).
    #[must_use]
    pub fn elapsed_hours(&self) -> &[f64] {
        &self.hours
    }

    /// Hours from the first row to the last; 0 with fewer than two rows.
    #[must_use]
    pub fn span_hours(&self) -> f64 {
        match (self.hours.first(), self.hours.last()) {
            (Some(first), Some(last)) => last - first,
            _ => 0.0,
        }
    }

    /// The phases, in order: each a stretch of rows with one word in `phase`.
    /// Of very many the first 4,096.
    #[must_use]
    pub fn phases(&self) -> Vec<PhaseSpan> {
        match self.text("phase") {
            Some(words) => phases::spans(&self.hours, words),
            None => Vec::new(),
        }
    }

    /// Rows lost because the file ends in the middle of them, or kept without
    /// their last cell for that reason. At most one.
    #[must_use]
    pub fn truncated_rows(&self) -> usize {
        self.losses.truncated_rows
    }

    /// Cells that should hold a number and hold something else. They read as
    /// missing.
    #[must_use]
    pub fn garbage_cells(&self) -> usize {
        self.losses.garbage_cells
    }

    /// Rows left out because their time cell is empty or not a time.
    #[must_use]
    pub fn untimed_rows(&self) -> usize {
        self.losses.untimed_rows
    }

    /// Rows that came before an earlier one in the file and were sorted in.
    #[must_use]
    pub fn reordered_rows(&self) -> usize {
        self.losses.reordered_rows
    }

    /// What reading the file lost or repaired, one sentence each, for people.
    #[must_use]
    pub fn losses(&self) -> Vec<String> {
        self.losses.sentences()
    }

    /// The stretches of rows that are runs of their own: time began again in
    /// the file. Each is put after the one before with a gap of one tick. Of one
    /// run, one range.
    #[must_use]
    pub fn runs(&self) -> &[Range<usize>] {
        &self.runs
    }

    /// Whether the time was read from this column.
    pub(crate) fn is_time(&self, column: usize) -> bool {
        match &self.time[..] {
            [] => column == 0,
            time => time.contains(&column),
        }
    }

    /// How much of a column could be read, whether it holds numbers or words.
    #[must_use]
    pub fn facts(&self, name: &str) -> ColumnFacts {
        let index = self.names.iter().position(|column| column == name);
        if let Some(facts) = index.and_then(|index| self.facts.get(index)) {
            return facts.clone();
        }
        let mut facts = ColumnFacts::default();
        match index.and_then(|index| self.columns.get(index)) {
            Some(Column::Numbers(values)) => {
                facts.readings = values.iter().filter(|value| value.is_finite()).count();
                facts.cells = facts.readings;
            }
            Some(Column::Text(words)) => {
                facts.cells = words.iter().flatten().count();
                facts.unreadable = facts.cells;
            }
            None => {}
        }
        facts
    }

    fn numbers(&self, name: &str) -> Option<&Packed> {
        match self.column(name)? {
            Column::Numbers(values) => Some(values),
            Column::Text(_) => None,
        }
    }

    fn column(&self, name: &str) -> Option<&Column> {
        let index = self.names.iter().position(|column| column == name)?;
        self.columns.get(index)
    }
}

/// Columns that hold words by their name alone.
fn holds_words(name: &str) -> bool {
    matches!(name, "time" | "phase")
}
