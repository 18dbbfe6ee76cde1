//! What the roles need to know of a timeline, as far as its columns say it.

use std::ops::Range;

use super::{Clock, ColumnFacts, Timeline};

impl Timeline {
    /// What was found in the cells of a column.
    #[must_use]
    pub fn facts(&self, name: &str) -> ColumnFacts {
        if let Some(values) = self.series(name) {
            let readings = values.iter().filter(|value| value.is_finite()).count();
            return ColumnFacts {
                cells: readings,
                readings,
                ..ColumnFacts::default()
            };
        }
        let words = self.text(name);
        let mut cells = words.iter().flat_map(|words| words.iter()).flatten();
        let example = cells.next().map(|word| word.chars().take(40).collect());
        let count = cells.count() + usize::from(example.is_some());
        ColumnFacts {
            cells: count,
            readings: 0,
            unreadable: count,
            example,
            unit: None,
        }
    }

    /// The stretches of rows that are runs of their own.
    #[must_use]
    pub fn runs(&self) -> Vec<Range<usize>> {
        std::iter::once(0..self.len()).collect()
    }

    /// Which column is the time.
    pub(crate) fn time_column(&self) -> usize {
        let elsewhere = || {
            self.names
                .iter()
                .position(|name| name.starts_with("elapsed") && Clock::knows(name))
        };
        match self.names.first() {
            Some(first) if Clock::knows(first) => 0,
            _ => elsewhere().unwrap_or(0),
        }
    }
}
