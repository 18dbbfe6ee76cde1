//! Stretches of a run that the load generator or the service named.

use super::TextColumn;
use crate::limits::PHASES;

/// A stretch of consecutive rows with the same phase.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PhaseSpan {
    /// The phase's name.
    pub name: String,
    /// Its first row, in minutes since the start of the run.
    pub start_min: f64,
    /// Where the next phase begins, or the last row, in minutes.
    pub end_min: f64,
    /// Its rows: from the first to the one after the last.
    pub rows: std::ops::Range<usize>,
}

/// Rows without a phase belong to none.
pub(super) fn spans(hours: &[f64], words: &TextColumn) -> Vec<PhaseSpan> {
    let mut spans: Vec<PhaseSpan> = Vec::new();
    for (row, (word, &hour)) in words.iter().zip(hours).enumerate() {
        let minute = hour * 60.0;
        let Some(word) = word else { continue };
        match spans.last_mut() {
            Some(last) if last.rows.end == row && last.name == word => {
                last.rows.end = row + 1;
                last.end_min = minute;
            }
            last => {
                if let Some(last) = last
                    && last.rows.end == row
                {
                    last.end_min = minute;
                }
                if spans.len() == PHASES {
                    break;
                }
                spans.push(PhaseSpan {
                    name: word.to_owned(),
                    start_min: minute,
                    end_min: minute,
                    rows: row..row + 1,
                });
            }
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_ends_where_the_next_begins() {
        let mut words = TextColumn::default();
        for word in ["", "warmup", "warmup", "steady", "", "steady"] {
            words.push(word);
        }
        let hours: Vec<f64> = (0..6).map(|n| n as f64 / 60.0).collect();
        let spans = spans(&hours, &words);
        let short: Vec<_> = spans
            .iter()
            .map(|s| (s.name.as_str(), s.start_min.round(), s.end_min.round()))
            .collect();
        assert_eq!(
            short,
            [
                ("warmup", 1.0, 3.0),
                ("steady", 3.0, 3.0),
                ("steady", 5.0, 5.0)
            ]
        );
    }
}
