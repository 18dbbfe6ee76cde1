//! The rows of the run so far, in memory and bounded: what the live verdict is
//! judged on, and the newest values.
//!
//! When full, every other row goes and from then on only every other row is
//! kept, so the whole run stays covered at a coarser step.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Rows kept at most: an hour at one second.
const MOST: usize = 3_600;

#[derive(Debug, Default)]
pub(crate) struct History {
    rows: Mutex<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    header: String,
    lines: Vec<Box<str>>,
    bytes: usize,
    /// Of how many rows one is kept.
    step: u64,
    seen: u64,
    newest: Vec<(String, f64)>,
}

impl History {
    pub(crate) fn start(&self, header: String) {
        let mut rows = self.lock();
        rows.header = header;
        rows.step = 1;
    }

    /// Adds a row: its line and its numbers by column.
    pub(crate) fn push(&self, line: String, numbers: Vec<(String, f64)>) {
        let mut rows = self.lock();
        rows.newest = numbers;
        if rows.seen.is_multiple_of(rows.step.max(1)) {
            rows.bytes += line.len();
            rows.lines.push(line.into_boxed_str());
        }
        rows.seen += 1;
        if rows.lines.len() > MOST {
            let mut index = 0;
            rows.lines.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            rows.step *= 2;
            rows.bytes = rows.lines.iter().map(|line| line.len()).sum();
        }
    }

    /// The newest value of a column; `None` where it is missing.
    pub(crate) fn newest(&self, column: &str) -> Option<f64> {
        self.lock()
            .newest
            .iter()
            .find(|(name, _)| name == column)
            .map(|(_, value)| *value)
    }

    pub(crate) fn newest_all(&self) -> Vec<(String, f64)> {
        self.lock().newest.clone()
    }

    /// Bytes of the rows kept.
    pub(crate) fn bytes(&self) -> u64 {
        let rows = self.lock();
        (rows.bytes + rows.lines.capacity() * size_of::<Box<str>>()) as u64
    }

    /// The rows kept, as CSV with a header.
    pub(crate) fn csv(&self) -> String {
        let rows = self.lock();
        let mut text = rows.header.clone();
        text.extend(rows.lines.iter().map(|line| &**line));
        text
    }

    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_stays_covered_from_its_start() {
        let history = History::default();
        history.start("n\n".to_owned());
        let many = 100_000;
        for i in 0..many {
            history.push(format!("{i}\n"), vec![("n".to_owned(), f64::from(i))]);
        }
        let text = history.csv();
        let kept: Vec<u32> = text
            .lines()
            .skip(1)
            .map(|n| n.parse().expect("n"))
            .collect();
        assert!(kept.len() <= MOST + 1);
        assert_eq!(kept[0], 0);
        assert!(kept.windows(2).all(|pair| pair[1] - pair[0] == kept[1]));
        assert!(*kept.last().expect("some") >= many - kept[1]);
        assert_eq!(history.newest("n"), Some(f64::from(many - 1)));
    }
}
