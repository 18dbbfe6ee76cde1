//! The rows of the run so far, in memory: what the live verdict is judged on,
//! and the newest values.
//!
//! All of its memory is taken when the columns are known, and written to, so
//! that it never grows afterwards: what grows in a service that is watched for
//! leaks is the service. Numbers are kept in seven digits. When there is no room
//! for a row, every other one goes and from then on only every other one is
//! kept, so the whole run stays covered at a coarser step; the more columns
//! there are, the sooner.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use soakscope_report::{Cell, Timeline, TimelineWriter, columns};

use crate::clock::rfc3339;

/// Columns of which a row keeps more than seven digits, or words.
const ELAPSED: &str = columns::ELAPSED_MIN.name;
const TIME: &str = columns::TIME.name;
const PHASE: &str = columns::PHASE.name;

/// Rows kept at most: an hour at one second.
const MAX_ROWS: usize = 3_600;
/// Rows kept at least, for a judgement to go by; of more columns than have room
/// in so many rows, the last are left out.
const MIN_ROWS: usize = 64;
/// Bytes of all rows together.
const MAX_BYTES: usize = 1_800_000;
/// Phases kept apart.
const MAX_PHASES: usize = 300;

#[derive(Debug, Default)]
pub(crate) struct History {
    rows: Mutex<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    columns: Vec<String>,
    /// Numbers by row, of so many of the columns.
    numbers: Box<[f32]>,
    width: usize,
    /// The rest of a row, beside its numbers.
    sides: Box<[Side]>,
    phases: Vec<String>,
    kept: usize,
    /// Of how many rows one is kept.
    step: u64,
    seen: u64,
    newest: Vec<f64>,
}

/// What of a row needs more than seven digits, or is words.
#[derive(Debug, Clone, Copy)]
struct Side {
    elapsed_min: f64,
    time_ms: i64,
    phase: u16,
}

impl Side {
    const EMPTY: Side = Side {
        elapsed_min: f64::NAN,
        time_ms: i64::MIN,
        phase: 0,
    };
}

impl History {
    /// Takes the memory for rows of these columns.
    pub(crate) fn start(&self, columns: &[String]) {
        let row_bytes = |width: usize| width * size_of::<f32>() + size_of::<Side>();
        let widest = (MAX_BYTES / MIN_ROWS - size_of::<Side>()) / size_of::<f32>();
        let width = columns.len().min(widest);
        let room = (MAX_BYTES / row_bytes(width)).min(MAX_ROWS);
        *self.lock() = Rows {
            columns: columns.to_vec(),
            // Neither is zero, so that the pages are there from now on.
            numbers: vec![f32::NAN; room * width].into_boxed_slice(),
            sides: vec![Side::EMPTY; room].into_boxed_slice(),
            width,
            phases: vec![String::new()],
            kept: 0,
            step: 1,
            seen: 0,
            newest: vec![f64::NAN; columns.len()],
        };
    }

    /// Adds a row, a cell for each column.
    pub(crate) fn push(&self, cells: &[Cell]) {
        let mut rows = self.lock();
        for index in 0..rows.newest.len() {
            rows.newest[index] = match cells.get(index) {
                Some(Cell::Number(value)) => *value,
                _ => f64::NAN,
            };
        }
        let due = rows.seen.is_multiple_of(rows.step.max(1));
        rows.seen += 1;
        if !due || rows.sides.is_empty() {
            return;
        }
        if rows.kept == rows.sides.len() {
            rows.thin();
            // This one is kept where the step that is doubled falls on it.
            if !(rows.seen - 1).is_multiple_of(rows.step) {
                return;
            }
        }
        let row = rows.kept;
        rows.kept += 1;
        let width = rows.width;
        for (index, cell) in cells.iter().enumerate().take(width) {
            rows.numbers[row * width + index] = match cell {
                Cell::Number(value) => *value as f32,
                _ => f32::NAN,
            };
        }
        let side = rows.side(cells);
        rows.sides[row] = side;
    }

    /// The newest value of a column; `None` where it is missing.
    pub(crate) fn newest(&self, column: &str) -> Option<f64> {
        let rows = self.lock();
        let index = rows.columns.iter().position(|name| name == column)?;
        rows.newest.get(index).copied().filter(|v| v.is_finite())
    }

    pub(crate) fn newest_all(&self) -> Vec<(String, f64)> {
        let rows = self.lock();
        let named = rows.columns.iter().zip(&rows.newest);
        named
            .filter(|(_, value)| value.is_finite())
            .map(|(name, value)| (name.clone(), *value))
            .collect()
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> u64 {
        let rows = self.lock();
        let names: usize = rows.columns.iter().map(String::capacity).sum();
        let bytes = size_of_val(&*rows.numbers)
            + size_of_val(&*rows.sides)
            + names
            + rows.columns.capacity() * size_of::<String>()
            + rows.newest.capacity() * size_of::<f64>();
        bytes as u64
    }

    /// The rows kept, as a timeline.
    pub(crate) fn timeline(&self) -> Timeline {
        let rows = self.lock();
        let mut timeline = Timeline::new(&rows.columns[..rows.width]);
        let mut cells = Vec::with_capacity(rows.width);
        for row in 0..rows.kept {
            rows.read(row, f64::from, &mut cells);
            timeline.push(&cells);
        }
        timeline
    }

    /// The rows kept, as CSV with a header.
    pub(crate) fn csv(&self) -> String {
        let rows = self.lock();
        let writer = TimelineWriter::new(&rows.columns[..rows.width]);
        let mut text = if rows.columns.is_empty() {
            String::new()
        } else {
            writer.header()
        };
        let mut cells = Vec::with_capacity(rows.width);
        // The shortest number that is the same in seven digits.
        let exact = |value: f32| value.to_string().parse().unwrap_or(f64::NAN);
        for row in 0..rows.kept {
            rows.read(row, exact, &mut cells);
            text.push_str(&writer.row(&cells));
        }
        text
    }

    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rows {
    /// Lets every other row go.
    fn thin(&mut self) {
        let left = self.kept.div_ceil(2);
        for row in 0..left {
            let from = row * 2;
            self.numbers
                .copy_within(from * self.width..(from + 1) * self.width, row * self.width);
            self.sides[row] = self.sides[from];
        }
        self.kept = left;
        self.step *= 2;
    }

    fn side(&mut self, cells: &[Cell]) -> Side {
        let mut side = Side::EMPTY;
        for (name, cell) in self.columns.iter().zip(cells) {
            match (name.as_str(), cell) {
                (ELAPSED, Cell::Number(value)) => side.elapsed_min = *value,
                (TIME, Cell::Text(time)) => {
                    let time = time.parse::<Timestamp>();
                    side.time_ms = time.map_or(i64::MIN, Timestamp::as_millisecond);
                }
                (PHASE, Cell::Text(phase)) => {
                    let known = self.phases.iter().position(|name| name == phase);
                    let number = known.unwrap_or_else(|| {
                        if self.phases.len() < MAX_PHASES {
                            self.phases.push(phase.clone());
                        }
                        self.phases.len() - 1
                    });
                    side.phase = number as u16;
                }
                _ => {}
            }
        }
        side
    }

    /// The cells of a row that is kept.
    fn read(&self, row: usize, number: impl Fn(f32) -> f64, cells: &mut Vec<Cell>) {
        let side = &self.sides[row];
        let numbers = &self.numbers[row * self.width..(row + 1) * self.width];
        cells.clear();
        for (name, value) in self.columns.iter().zip(numbers) {
            cells.push(match name.as_str() {
                ELAPSED => Cell::Number(side.elapsed_min),
                TIME => Timestamp::from_millisecond(side.time_ms)
                    .map_or(Cell::Empty, |time| Cell::Text(rfc3339(time))),
                PHASE => match self.phases.get(usize::from(side.phase)) {
                    Some(phase) if !phase.is_empty() => Cell::Text(phase.clone()),
                    _ => Cell::Empty,
                },
                _ if value.is_nan() => Cell::Empty,
                _ => Cell::Number(number(*value)),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(more: usize) -> Vec<String> {
        let first = ["elapsed_min", "time", "phase"].map(str::to_owned);
        let more = (0..more).map(|number| format!("series_{number}"));
        first.into_iter().chain(more).collect()
    }

    fn row(number: u32, more: usize) -> Vec<Cell> {
        let time = Timestamp::from_second(i64::from(number)).expect("a time");
        let first = [
            Cell::Number(f64::from(number)),
            Cell::Text(rfc3339(time)),
            Cell::Text(format!("phase-{}", number / 50_000)),
        ];
        let more = (0..more).map(|_| Cell::Number(f64::from(number) / 1_000.0));
        first.into_iter().chain(more).collect()
    }

    #[test]
    fn a_long_run_stays_covered_from_its_start_in_the_memory_it_began_with() {
        for more in [1, 70, 370, 5_000, 20_000] {
            let history = History::default();
            history.start(&columns(more));
            let began = history.bytes();
            let rows = if more > 1_000 { 1_000 } else { 20_000 };
            for number in 0..rows {
                history.push(&row(number, more));
            }
            assert_eq!(history.bytes(), began, "{more}");
            let held = history.lock();
            let bytes = size_of_val(&*held.numbers) + size_of_val(&*held.sides);
            assert!(bytes <= 2 << 20, "{bytes} for {more}");
            drop(held);
            let text = history.csv();
            let kept: Vec<u32> = text
                .lines()
                .skip(1)
                .map(|line| {
                    line.split(',')
                        .next()
                        .and_then(|n| n.parse().ok())
                        .expect("n")
                })
                .collect();
            assert!(
                (MIN_ROWS / 2..=MAX_ROWS).contains(&kept.len()),
                "{}",
                kept.len()
            );
            assert_eq!(kept[0], 0);
            assert!(kept.windows(2).all(|pair| pair[1] - pair[0] == kept[1]));
            assert!(*kept.last().expect("some") >= rows - kept[1]);
            let newest = history.newest(&format!("series_{}", more - 1));
            assert_eq!(newest, Some(f64::from(rows - 1) / 1_000.0));
        }
    }

    #[test]
    fn a_row_comes_back_as_it_was() {
        let history = History::default();
        history.start(&columns(3));
        let cells = vec![
            Cell::Number(4_319.983_333),
            Cell::Text("2026-01-31T12:00:00.250Z".to_owned()),
            Cell::Text("spike".to_owned()),
            Cell::Number(12_345.67),
            Cell::Empty,
            Cell::Number(0.015),
        ];
        history.push(&cells);
        let expected = TimelineWriter::new(&columns(3)).row(&cells);
        assert_eq!(history.csv().lines().nth(1), Some(expected.trim_end()));
        let timeline = history.timeline();
        assert!((timeline.elapsed_hours()[0] * 60.0 - 4_319.983_333).abs() < 1e-9);
        assert_eq!(
            timeline.text("phase").and_then(|words| words.get(0)),
            Some("spike")
        );
        assert!(timeline.series("series_1").expect("a column")[0].is_nan());
    }
}
