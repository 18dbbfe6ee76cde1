//! A timeline while a file is read into it: which columns are words, what the
//! time column means, and what to make of a file that ends in a row.

use super::parse::no_header;
use super::{Clock, Column, Losses, TextColumn, Timeline, holds_words};
use crate::error::Error;
use crate::limits::{CELLS, WORD_BYTES};
use crate::names::unguarded;
use crate::records::{OwnedRow, Row};

/// The columns while they fill.
pub(super) struct Filling {
    timeline: Timeline,
    clock: Clock,
    clock_column: usize,
    /// How many cells the last row had, if it was taken in.
    last_width: Option<usize>,
    /// The most rows that are held.
    most_rows: usize,
    /// Of so many rows one is held: more where there are more than that.
    every: usize,
    /// Rows with a time so far.
    timed: usize,
    /// Bytes of words so far.
    word_bytes: usize,
}

impl Filling {
    pub(super) fn new(
        names: Vec<String>,
        sniffed: &[OwnedRow],
        rows: usize,
    ) -> Result<Filling, Error> {
        let cells = |column: usize| {
            sniffed
                .iter()
                .filter_map(move |record| text(record.row().get(column)?))
        };
        let clock_of = |index: usize| Clock::of(names.get(index)?, cells(index).next());
        // A time in the first column is the rule. A script that puts something
        // else there, but says "elapsed" further on, is understood too.
        let elsewhere = names
            .iter()
            .position(|name| name.starts_with("elapsed") && Clock::knows(name));
        let found = clock_of(0)
            .map(|clock| (0, clock))
            .or_else(|| elsewhere.and_then(|index| Some((index, clock_of(index)?))));
        let Some((clock_column, clock)) = found else {
            let first = names.first().map_or("", String::as_str);
            return Err(no_header(&format!(
                "the first column, {first:?}, is not a time; put one first and call it \
                 elapsed_min, elapsed_s, elapsed_h, or timestamp"
            )));
        };
        let most_rows = (CELLS / (names.len() + 1)).max(2);
        let rows = rows.min(most_rows);
        let columns = names
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let words = holds_words(name) && index != clock_column
                    || matches!(clock, Clock::Date) && index == clock_column
                    || (cells(index).next().is_some()
                        && cells(index).all(|cell| cell.parse::<f64>().is_err()));
                if words {
                    Column::Text(TextColumn::with_capacity(rows))
                } else {
                    Column::Numbers(Vec::with_capacity(rows))
                }
            })
            .collect();
        Ok(Filling {
            timeline: Timeline {
                names,
                columns,
                hours: Vec::with_capacity(rows),
                losses: Losses::default(),
            },
            clock,
            clock_column,
            last_width: None,
            most_rows,
            every: 1,
            timed: 0,
            word_bytes: 0,
        })
    }

    /// Takes a row in.
    pub(super) fn push(&mut self, row: Row<'_>) {
        self.last_width = None;
        let hours = row
            .get(self.clock_column)
            .and_then(text)
            .and_then(|cell| self.clock.hours(cell));
        let Some(hours) = hours else {
            self.timeline.losses.untimed_rows += 1;
            return;
        };
        let number = self.timed;
        self.timed += 1;
        if !number.is_multiple_of(self.every) {
            return;
        }
        if self.timeline.hours.len() == self.most_rows {
            self.thin();
            if !number.is_multiple_of(self.every) {
                return;
            }
        }
        self.last_width = Some(row.len());
        let timeline = &mut self.timeline;
        timeline.hours.push(hours);
        for (index, column) in timeline.columns.iter_mut().enumerate() {
            let cell = row.get(index).unwrap_or_default();
            match column {
                Column::Numbers(values) => values.push(float(cell).unwrap_or_else(|| {
                    timeline.losses.garbage_cells += usize::from(text(cell).is_some());
                    f64::NAN
                })),
                Column::Text(words) => {
                    // An odd byte costs itself, not the word.
                    let lossy = String::from_utf8_lossy(cell);
                    let word = text(lossy.as_bytes()).map_or("", unguarded);
                    let more = if words.adds(word) { word.len() } else { 0 };
                    let fits = self.word_bytes + more <= WORD_BYTES;
                    if fits {
                        self.word_bytes += more;
                    }
                    timeline.losses.long_cells += usize::from(!fits);
                    words.push(if fits { word } else { "" });
                }
            }
        }
    }

    /// Lets every second row go, so that there is room for as many again.
    fn thin(&mut self) {
        self.every *= 2;
        let timeline = &mut self.timeline;
        let even = |values: &mut Vec<f64>| {
            let mut row = 0_usize;
            values.retain(|_| {
                row += 1;
                row % 2 == 1
            });
        };
        even(&mut timeline.hours);
        self.word_bytes = 0;
        for column in &mut timeline.columns {
            match column {
                Column::Numbers(values) => even(values),
                Column::Text(words) => {
                    words.thin();
                    self.word_bytes += words.bytes();
                }
            }
        }
    }

    /// The finished timeline; `ended` is whether the file ends in a newline,
    /// `too_large` how many rows were passed over for their size.
    pub(super) fn finish(mut self, ended: bool, too_large: usize) -> Timeline {
        self.timeline.losses.large_rows = too_large;
        self.timeline.losses.thinned_rows = self.timed - self.timeline.hours.len();
        if !ended && let Some(width) = self.last_width {
            self.cut(width);
        }
        self.sort();
        if self.clock.is_absolute()
            && let Some(&first) = self.timeline.hours.first()
        {
            for hour in &mut self.timeline.hours {
                *hour -= first;
            }
        }
        for column in &mut self.timeline.columns {
            match column {
                Column::Numbers(values) => values.shrink_to_fit(),
                Column::Text(words) => words.shrink(),
            }
        }
        self.timeline.hours.shrink_to_fit();
        self.timeline
    }

    /// The file ends inside its last row. A row short of cells is dropped; of a
    /// row that has them all only the last cell is in doubt (`51` may have been
    /// `512`), so that one reads as missing.
    fn cut(&mut self, width: usize) {
        let timeline = &mut self.timeline;
        timeline.losses.truncated_rows = 1;
        let short = width < timeline.names.len() || timeline.names.len() == 1;
        if short {
            let rows = timeline.hours.len() - 1;
            timeline.hours.truncate(rows);
            for column in &mut timeline.columns {
                match column {
                    Column::Numbers(values) => values.truncate(rows),
                    Column::Text(words) => words.truncate(rows),
                }
            }
            return;
        }
        match timeline.columns.last_mut() {
            Some(Column::Numbers(values)) => {
                if let Some(last) = values.last_mut() {
                    *last = f64::NAN;
                }
            }
            Some(Column::Text(words)) => words.clear_last(),
            None => {}
        }
    }

    /// Puts rows in the order of time; rows of the same time keep theirs.
    fn sort(&mut self) {
        let timeline = &mut self.timeline;
        let late = timeline.hours.windows(2).filter(|w| w[1] < w[0]).count();
        if late == 0 {
            return;
        }
        timeline.losses.reordered_rows = late;
        let hours = &timeline.hours;
        let mut order: Vec<u32> = (0..hours.len() as u32).collect();
        order.sort_by(|a, b| hours[*a as usize].total_cmp(&hours[*b as usize]));
        let sorted = |values: &[f64]| -> Vec<f64> {
            order.iter().map(|row| values[*row as usize]).collect()
        };
        timeline.hours = sorted(hours);
        for column in &mut timeline.columns {
            match column {
                Column::Numbers(values) => *values = sorted(values),
                Column::Text(words) => words.reorder(&order),
            }
        }
    }
}

/// A cell's words; `None` where it is empty or one of the ways to say so.
fn text(cell: &[u8]) -> Option<&str> {
    const MISSING: [&str; 7] = ["nan", "na", "n/a", "none", "null", "-", "inf"];
    let cell = std::str::from_utf8(cell).ok()?;
    let missing = cell.is_empty()
        || cell.len() <= 4 && MISSING.iter().any(|word| cell.eq_ignore_ascii_case(word));
    (!missing).then_some(cell)
}

/// A cell's number; `None` where it is missing, infinite or none.
pub(super) fn float(cell: &[u8]) -> Option<f64> {
    if cell.is_empty() {
        return None;
    }
    std::str::from_utf8(cell)
        .ok()?
        .parse::<f64>()
        .ok()
        .filter(|value| value.is_finite())
}
