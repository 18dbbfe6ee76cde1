//! A soak run's numbers over time, column by column.
//!
//! [`Timeline`] is what a `timeline.csv` says; [`TimelineWriter`] writes one.
//! Nothing here knows which columns mean what: that is for those who judge.

mod clock;
mod facts;
mod filling;
mod minimal;
mod parse;
mod part;
mod phases;
mod text;
mod write;

pub use facts::{CellUnit, ColumnFacts};
pub(crate) use parse::count_lines;
pub use phases::PhaseSpan;
pub use text::TextColumn;
pub use write::{Cell, TimelineWriter};

use clock::Clock;

/// Series over time, stored by column: `f64` with NaN for a missing reading,
/// words for `time` and `phase`.
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
}

#[derive(Debug, Clone)]
enum Column {
    Numbers(Vec<f64>),
    Text(TextColumn),
}

#[derive(Debug, Clone, Copy, Default)]
struct Losses {
    truncated_rows: usize,
    garbage_cells: usize,
    untimed_rows: usize,
    reordered_rows: usize,
    /// Rows longer or wider than a row may be.
    large_rows: usize,
    /// Rows with a time that are not held, as there are too many.
    thinned_rows: usize,
    /// Words for which there was no room.
    long_cells: usize,
}

impl Timeline {
    /// An empty timeline with these columns. The first is the time; `time`
    /// and `phase` hold words and all others numbers.
    #[must_use]
    pub fn new(columns: &[String]) -> Self {
        Timeline {
            names: columns.to_vec(),
            columns: columns
                .iter()
                .enumerate()
                .map(|(index, name)| {
                    if index > 0 && holds_words(name) {
                        Column::Text(TextColumn::default())
                    } else {
                        Column::Numbers(Vec::new())
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
        let clock = self.names.first().and_then(|name| Clock::of(name, None));
        let hours = match (clock, cells.first()) {
            (Some(Clock::Elapsed { seconds }), Some(Cell::Number(value))) if value.is_finite() => {
                value * seconds / 3600.0
            }
            _ => {
                self.losses.untimed_rows += 1;
                return;
            }
        };
        self.hours.push(hours);
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
    #[must_use]
    pub fn series(&self, name: &str) -> Option<&[f64]> {
        match self.column(name)? {
            Column::Numbers(values) => Some(values),
            Column::Text(_) => None,
        }
    }

    /// [`Timeline::series`], but only if at least one reading is there.
    #[must_use]
    pub fn readings(&self, name: &str) -> Option<&[f64]> {
        self.series(name)
            .filter(|values| values.iter().any(|v| v.is_finite()))
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
        let Losses {
            truncated_rows,
            garbage_cells,
            untimed_rows,
            reordered_rows,
            large_rows,
            thinned_rows,
            long_cells,
        } = self.losses;
        [
            (truncated_rows, "timeline: last row was cut off"),
            (
                garbage_cells,
                "timeline: cells that are not numbers, read as missing",
            ),
            (untimed_rows, "timeline: rows without a time, left out"),
            (
                reordered_rows,
                "timeline: rows out of order, sorted by time",
            ),
            (
                large_rows,
                "timeline: rows of more than 1 MB or 6,000 cells, left out",
            ),
            (
                thinned_rows,
                "timeline: rows left out evenly, as there are more than 14,000,000 cells; \
                 peaks between them are not seen",
            ),
            (
                long_cells,
                "timeline: words beyond the first 16 MB, read as missing",
            ),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{what}: {count}"))
        .collect()
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
