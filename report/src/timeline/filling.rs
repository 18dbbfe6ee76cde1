//! A timeline while a file is read into it: which columns are words, what the
//! time column means, and what to make of a file that ends in a row.

use std::borrow::Cow;

use super::facts::{self, ColumnFacts};
use super::finish::finished;
use super::header;
use super::numbers::Numbers;
use super::time_columns::TimeColumns;
use super::{Losses, TextColumn, Timeline, holds_words};
use crate::error::Error;
use crate::limits::{CELLS, COLUMNS, WORD_BYTES};
use crate::names::unguarded;
use crate::records::{OwnedRow, Row};

/// So many numbers in a row make a column of words one of numbers.
const NUMBERS_IN_A_ROW: usize = 64;

/// Headers within a file that are remembered.
const MAX_HEADERS: usize = 10_000;

/// A column while it fills.
pub(super) enum Filled {
    Numbers(Numbers),
    Words(Words),
}

/// A column of words while it fills.
pub(super) struct Words {
    pub(super) words: TextColumn,
    pub(super) facts: ColumnFacts,
    /// Whether it stays one of words whatever it holds.
    pub(super) fixed: bool,
    /// Numbers since the last word.
    numbers: usize,
}

/// The columns while they fill.
pub(super) struct Filling {
    pub(super) names: Vec<String>,
    pub(super) columns: Vec<Filled>,
    pub(super) hours: Vec<f64>,
    pub(super) losses: Losses,
    pub(super) time: TimeColumns,
    pub(super) delimiter: u8,
    /// Rows before which the header came again.
    pub(super) headers: Vec<usize>,
    /// The place in a row of each column, where a later header changed it.
    places: Option<Vec<Option<usize>>>,
    /// How many cells the last row had, if it was taken in.
    pub(super) last_width: Option<usize>,
    /// The most rows that are held.
    most_rows: usize,
    /// Of so many rows one is held: more where there are more than that.
    every: usize,
    /// Rows with a time so far.
    pub(super) timed: usize,
    /// Bytes of words so far.
    word_bytes: usize,
}

impl Filling {
    pub(super) fn new(
        names: Vec<String>,
        sniffed: &[OwnedRow],
        rows: usize,
        delimiter: u8,
    ) -> Result<Filling, Error> {
        let time = TimeColumns::find(&names, sniffed)?;
        let cells = |column: usize| {
            let place = time.place(column);
            sniffed
                .iter()
                .filter_map(move |record| text(record.row().get(place)?))
        };
        let most_rows = (CELLS / (names.len() + 1)).max(2);
        let rows = rows.min(most_rows);
        let columns = names
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let of_time = time.is_words(index);
                let named = holds_words(name) && !time.is(index);
                let hint = super::units::Hint::of(name);
                let is_number = |cell: &str| {
                    cell.parse::<f64>().is_ok() || super::cells::read(cell, hint).is_some()
                };
                let words = cells(index).next().is_some() && !cells(index).any(is_number);
                if of_time || named || words && !time.is(index) {
                    Filled::Words(Words {
                        words: TextColumn::with_capacity(rows),
                        facts: ColumnFacts::default(),
                        fixed: of_time || named,
                        numbers: 0,
                    })
                } else {
                    Filled::Numbers(Numbers::new(name))
                }
            })
            .collect();
        Ok(Filling {
            names,
            columns,
            hours: Vec::with_capacity(rows),
            losses: Losses::default(),
            time,
            delimiter,
            headers: Vec::new(),
            places: None,
            last_width: None,
            most_rows,
            every: 1,
            timed: 0,
            word_bytes: 0,
        })
    }

    /// Adds columns that came up later, empty so far, up to these names.
    pub(super) fn widen(&mut self, names: &[String]) {
        for name in names.iter().skip(self.names.len()) {
            if self.names.len() >= COLUMNS.most as usize {
                return;
            }
            let mut numbers = Numbers::new(name);
            numbers.skip(self.hours.len());
            self.names.push(name.clone());
            self.columns.push(Filled::Numbers(numbers));
        }
        self.most_rows = (CELLS / (self.names.len() + 1)).max(2);
    }

    /// Takes a row in.
    pub(super) fn push(&mut self, row: Row<'_>) {
        self.last_width = None;
        let mut hours = None;
        if let Some(cell) = self.time.cell(row, self.places.as_deref()) {
            hours = self.time.clock.hours(&cell);
            if self.time.clock.calendar.turns() {
                for hour in &mut self.hours {
                    *hour = super::calendar::turned(*hour * 3600.0) / 3600.0;
                }
            }
        }
        let Some(hours) = hours else {
            if header::is_again(row, &self.names) {
                self.header(row);
            } else {
                self.losses.untimed_rows += 1;
            }
            return;
        };
        let number = self.timed;
        self.timed += 1;
        if !number.is_multiple_of(self.every) {
            return;
        }
        while self.hours.len() >= self.most_rows {
            self.thin();
        }
        if !number.is_multiple_of(self.every) {
            return;
        }
        self.last_width = Some(row.len());
        self.hours.push(hours);
        for (index, column) in self.columns.iter_mut().enumerate() {
            let place = match &self.places {
                None => Some(self.time.place(index)),
                Some(places) => places.get(index).copied().flatten(),
            };
            let cell = place.and_then(|place| row.get(place)).unwrap_or_default();
            match column {
                Filled::Numbers(numbers) => {
                    numbers.push(cell);
                }
                Filled::Words(words) => {
                    let fits = words.push(cell, &mut self.word_bytes, &self.names[index]);
                    self.losses.long_cells += usize::from(!fits);
                    if words.numbers >= NUMBERS_IN_A_ROW && !words.fixed {
                        *column = Filled::Numbers(words.numbers(&self.names[index]));
                    }
                }
            }
        }
    }

    /// Takes in a header that came again, perhaps with other columns.
    fn header(&mut self, row: Row<'_>) {
        if self.headers.len() < MAX_HEADERS && self.headers.last() != Some(&self.hours.len()) {
            self.headers.push(self.hours.len());
        }
        let again = header::names(row);
        if again == self.names && self.places.is_none() {
            return;
        }
        let mut all = self.names.clone();
        all.extend(
            again
                .iter()
                .filter(|name| !self.names.contains(name))
                .cloned(),
        );
        self.widen(&all);
        let place = |name: &String| again.iter().position(|other| other == name);
        self.places = Some(self.names.iter().map(place).collect());
    }

    /// Lets every second row go, so that there is room for as many again.
    fn thin(&mut self) {
        self.every *= 2;
        let mut row = 0_usize;
        self.hours.retain(|_| {
            row += 1;
            row % 2 == 1
        });
        for header in &mut self.headers {
            *header = header.div_ceil(2);
        }
        self.headers.dedup();
        self.word_bytes = 0;
        for column in &mut self.columns {
            match column {
                Filled::Numbers(numbers) => numbers.thin(),
                Filled::Words(words) => {
                    words.words.thin();
                    self.word_bytes += words.words.bytes();
                }
            }
        }
    }

    /// The finished timeline; `ended` is whether the file ends in a newline,
    /// `too_large` how many rows were passed over for their size.
    pub(super) fn finish(mut self, ended: bool, too_large: usize) -> Timeline {
        self.losses.large_rows = too_large;
        self.losses.thinned_rows = self.timed - self.hours.len();
        if !ended && let Some(width) = self.last_width {
            self.cut(width);
        }
        finished(self)
    }

    /// The file ends inside its last row. A row short of cells is dropped; of a
    /// row that has them all only the last cell is in doubt (`51` may have been
    /// `512`), so that one reads as missing.
    fn cut(&mut self, width: usize) {
        self.losses.truncated_rows = 1;
        let short = width < self.names.len() || self.names.len() == 1;
        if short {
            let rows = self.hours.len() - 1;
            self.hours.truncate(rows);
            for column in &mut self.columns {
                match column {
                    Filled::Numbers(numbers) => numbers.truncate(rows),
                    Filled::Words(words) => words.words.truncate(rows),
                }
            }
            return;
        }
        match self.columns.last_mut() {
            Some(Filled::Numbers(numbers)) => numbers.clear_last(),
            Some(Filled::Words(words)) => words.words.clear_last(),
            None => {}
        }
    }
}

impl Words {
    /// Takes a cell in. `false` if there is no room for it.
    fn push(&mut self, cell: &[u8], bytes: &mut usize, name: &str) -> bool {
        // An odd byte costs itself, not the word.
        let lossy = String::from_utf8_lossy(cell);
        let word = text(lossy.as_bytes()).map_or("", unguarded);
        if !word.is_empty() {
            self.facts.cells += 1;
            if !self.fixed && is_number(word, name) {
                self.facts.readings += 1;
                self.numbers += 1;
            } else {
                self.facts.unreadable += 1;
                self.facts
                    .example
                    .get_or_insert_with(|| facts::example(word.as_bytes()));
                self.numbers = 0;
            }
        }
        let more = if self.words.adds(word) { word.len() } else { 0 };
        let fits = *bytes + more <= WORD_BYTES;
        if fits {
            *bytes += more;
        }
        self.words.push(if fits { word } else { "" });
        fits
    }

    /// The same column as one of numbers.
    pub(super) fn numbers(&self, name: &str) -> Numbers {
        let mut numbers = Numbers::new(name);
        for word in self.words.iter() {
            numbers.push(word.unwrap_or("").as_bytes());
        }
        numbers
    }
}

/// Whether a word is a number. Most begin like none.
fn is_number(word: &str, name: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | '\u{2212}'))
        && (word.parse::<f64>().is_ok()
            || super::cells::read(word, super::units::Hint::of(name)).is_some())
}

/// A cell's words; `None` where it is empty or one of the ways to say so.
pub(super) fn text(cell: &[u8]) -> Option<&str> {
    const MISSING: [&str; 12] = [
        "nan", "na", "n/a", "#n/a", "none", "null", "nil", "-", "--", "---", "?", "inf",
    ];
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

/// Cells as one text, with what is between them.
pub(super) fn joined<'a>(first: &'a str, between: &str, second: Option<&str>) -> Cow<'a, str> {
    match second {
        None => first.into(),
        Some(second) => format!("{first}{between}{second}").into(),
    }
}
