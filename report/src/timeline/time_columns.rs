//! Where a table has its time: in one column, or a date in one and a time of
//! day in another.

use std::borrow::Cow;

use super::Clock;
use super::calendar::Calendar;
use super::date_parts::Order;
use super::dates;
use super::filling::{joined, text};
use super::header::no_header;
use crate::error::Error;
use crate::records::{OwnedRow, Row};

/// The columns of time, and their clock.
pub(super) struct TimeColumns {
    pub(super) clock: Clock,
    pub(super) column: usize,
    /// The time of day, where `column` has the date alone.
    day_time: Option<usize>,
    /// Whether the comma before the milliseconds splits the cell in two:
    /// `2026-01-05 10:00:00,123`.
    split: bool,
}

impl TimeColumns {
    /// Finds them by the names and the first rows.
    pub(super) fn find(names: &[String], sniffed: &[OwnedRow]) -> Result<TimeColumns, Error> {
        let width = names.len();
        let wider = |row: &&OwnedRow| {
            (width..row.row().len()).any(|i| row.row().get(i).is_some_and(|c| !c.is_empty()))
        };
        let wide = sniffed.iter().filter(wider).count();
        let cells = |column: usize| {
            sniffed
                .iter()
                .filter_map(move |record| text(record.row().get(column)?))
        };
        let clock_of = |index: usize| Clock::of(names.get(index)?, cells(index));
        // A time in the first column is the rule. A script that puts something
        // else there, but says "elapsed" further on, is understood too, and so
        // is a date wherever it stands.
        let elapsed = names
            .iter()
            .position(|name| name.starts_with("elapsed") && Clock::knows(name));
        let named = (1..width).filter(|index| Clock::is_named(&names[*index]));
        let others = (1..width).filter(|index| !Clock::knows(&names[*index]));
        let found = std::iter::once(0)
            .chain(elapsed)
            .chain(named)
            .chain(others)
            .find_map(|index| Some((index, clock_of(index)?)));
        let Some((column, mut clock)) = found else {
            let first = names.first().map_or("", String::as_str);
            let seen = cells(0).next().filter(|_| Clock::knows(first));
            let problem = match seen {
                Some(cell) => format!(
                    "the first column, {first:?}, holds {:?}, which is no time that is known; \
                     write it as 2026-01-05 10:00:00 or as seconds",
                    super::facts::example(cell.as_bytes())
                ),
                None => format!(
                    "the first column, {first:?}, is not a time; put one first and call it \
                     elapsed_min, elapsed_s, elapsed_h, or timestamp"
                ),
            };
            return Err(no_header(&problem));
        };
        if names[column].starts_with("(PDH-CSV") {
            // Windows writes these in one order, whatever its language.
            clock.calendar = Calendar::with(Order::MonthFirst);
        }
        let mut time = TimeColumns {
            clock,
            column,
            day_time: None,
            split: false,
        };
        if wide * 2 > sniffed.len() {
            time.split = time.is_split(sniffed, width);
            if !time.split {
                let most = sniffed.iter().map(|row| row.row().len()).max().unwrap_or(0);
                return Err(Error::Csv {
                    line: 2,
                    problem: format!(
                        "rows have {most} cells and the header names {width}; where the comma is a \
                         decimal mark, separate cells with semicolons or quote them, and name \
                         every column"
                    ),
                });
            }
        }
        if time.clock.is_of_dates() {
            time.pair(names, sniffed);
        }
        Ok(time)
    }

    /// Whether the second cell is always the milliseconds of the first.
    fn is_split(&self, sniffed: &[OwnedRow], width: usize) -> bool {
        self.clock.is_of_dates()
            && sniffed
                .iter()
                .filter(|row| row.row().len() > width)
                .all(|record| {
                    let row = record.row();
                    let second = row.get(self.column + 1).unwrap_or_default();
                    let first = row.get(self.column).and_then(text);
                    row.len() == width + 1
                        && matches!(second.len(), 3 | 6)
                        && second.iter().all(u8::is_ascii_digit)
                        && first.is_some_and(|cell| cell.matches(':').count() == 2)
                })
    }

    /// Finds the time of day to a column of dates, or the date to one of times.
    fn pair(&mut self, names: &[String], sniffed: &[OwnedRow]) {
        let most = |column: usize, is: &dyn Fn(&str) -> bool| {
            let place = self.place(column);
            let cells = sniffed
                .iter()
                .filter_map(|record| text(record.row().get(place)?));
            let (mut all, mut such) = (0, 0);
            for cell in cells {
                all += 1;
                such += usize::from(is(cell));
            }
            such * 2 > all
        };
        let date =
            |cell: &str| dates::parse(cell).is_some_and(|s| s.date.is_some() && s.time.is_none());
        let time = |cell: &str| dates::parse(cell).is_some_and(|s| s.date.is_none());
        let others = || {
            let beside = [self.column + 1, self.column.wrapping_sub(1)];
            beside
                .into_iter()
                .chain(0..names.len())
                .filter(|index| *index != self.column && *index < names.len())
        };
        if most(self.column, &date) {
            self.day_time = others().find(|index| most(*index, &time));
        } else if most(self.column, &time)
            && let Some(dates) = others().find(|index| most(*index, &date))
        {
            self.day_time = Some(self.column);
            self.column = dates;
        }
    }

    /// The place of a column in a row.
    pub(super) fn place(&self, column: usize) -> usize {
        column + usize::from(self.split && column > self.column)
    }

    /// Whether a column is one of them.
    pub(super) fn is(&self, column: usize) -> bool {
        column == self.column || Some(column) == self.day_time
    }

    /// Whether a column is one of them, and holds words.
    pub(super) fn is_words(&self, column: usize) -> bool {
        self.is(column) && self.clock.is_words()
    }

    /// What a row says of its time.
    pub(super) fn cell<'a>(
        &self,
        row: Row<'a>,
        places: Option<&[Option<usize>]>,
    ) -> Option<Cow<'a, str>> {
        let place = |column: usize| match places {
            None => Some(column),
            Some(places) => places.get(column).copied().flatten(),
        };
        let first = text(row.get(place(self.column)?)?)?;
        if self.split {
            let fraction = row.get(self.column + 1).and_then(text)?;
            return Some(joined(first, ",", Some(fraction)));
        }
        match self.day_time {
            None => Some(first.into()),
            Some(column) => {
                let second = text(row.get(place(column)?)?)?;
                Some(joined(first, " ", Some(second)))
            }
        }
    }
}
