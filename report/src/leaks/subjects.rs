//! Rows about different things in one file: `docker stats` of three containers,
//! a process table with a line for each of two processes.

use std::collections::BTreeMap;

use super::meaning::{is_pid, is_subject};
use super::words::words;
use crate::timeline::Timeline;

/// Different things in the rows of one file.
const MAX_SUBJECTS: usize = 64;

/// A word or a number in each row, for comparison.
pub(super) fn cells(timeline: &Timeline, name: &str) -> Vec<Option<String>> {
    if let Some(values) = timeline.series(name) {
        let said = |value: &f64| value.is_finite().then(|| value.to_string());
        return values.iter().map(said).collect();
    }
    let words = timeline.text(name);
    words
        .iter()
        .flat_map(|words| words.iter())
        .map(|word| word.map(str::to_owned))
        .collect()
}

/// The column whose values take turns, and the rows of each.
pub(super) fn subjects(timeline: &Timeline) -> Option<(String, Vec<(String, Vec<u32>)>)> {
    let time = timeline.time_column();
    let columns = timeline.columns().iter().enumerate();
    let named = columns.filter(|(index, name)| {
        let words = words(name);
        let other = || is_subject(&words) && timeline.text(name).is_some();
        *index != time && (is_pid(&words) || other())
    });
    named.into_iter().find_map(|(_, name)| {
        let cells = cells(timeline, name);
        let mut rows: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        let mut returns = 0;
        let mut before: Option<&str> = None;
        for (row, cell) in cells.iter().enumerate() {
            let Some(cell) = cell.as_deref() else {
                continue;
            };
            let known = rows.entry(cell).or_default();
            returns += usize::from(!known.is_empty() && before != Some(cell));
            known.push(row as u32);
            before = Some(cell);
            if rows.len() > MAX_SUBJECTS {
                return None;
            }
        }
        // Once each at least, all of them: they take turns.
        (rows.len() > 1 && returns >= rows.len()).then(|| {
            let all = rows.into_iter().map(|(cell, rows)| (cell.to_owned(), rows));
            (name.clone(), all.collect())
        })
    })
}
