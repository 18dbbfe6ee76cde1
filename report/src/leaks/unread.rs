//! What of a column could not be read: a green verdict on what was not looked at
//! is the worst there is.

use super::{SeriesOutcome, SeriesVerdict};
use crate::timeline::{ColumnFacts, Timeline};
use crate::verdict::Verdict;

/// The rule of columns that look like something held and could not be read.
pub(super) const RULE: &str = "unread";

/// So many cells may be garbage, and this part of all of them: a line that was
/// torn costs itself.
const TORN_CELLS: usize = 2;
const TORN_PART: f64 = 0.002;

/// Readings must reach from this part of the time to its end.
const COVERED: f64 = 0.8;

/// Of a column without a single reading.
pub(super) fn nothing(facts: &ColumnFacts) -> String {
    match &facts.example {
        Some(example) => format!(
            "its cells are not numbers (such as {example:?}); write plain numbers with the unit \
             in the column's name, or leave it out with --skip"
        ),
        None => "it has no reading at all; repair what writes it, or leave it out with --skip"
            .to_owned(),
    }
}

/// Of a column that was read in part.
pub(super) fn of(timeline: &Timeline, values: &[f64], facts: &ColumnFacts) -> Option<String> {
    let torn = TORN_CELLS.max((TORN_PART * facts.cells as f64) as usize);
    let hours = timeline.elapsed_hours();
    let at = |row: Option<usize>| row.and_then(|row| hours.get(row)).copied();
    let first = at(values.iter().position(|value| value.is_finite()))?;
    let last = at(values.iter().rposition(|value| value.is_finite()))?;
    let whole = timeline.span_hours();
    let covers = last - first >= COVERED * whole;
    let end = hours
        .last()
        .is_none_or(|end| end - last <= (1.0 - COVERED) * whole);
    if facts.unreadable > torn || facts.unreadable > 0 && !(covers && end) {
        let example = facts.example.as_deref().unwrap_or_default();
        return Some(format!(
            "{} of its {} cells are not numbers (such as {example:?}); write plain numbers with \
             the unit in the column's name, or leave it out with --skip",
            facts.unreadable, facts.cells
        ));
    }
    (!covers).then(|| {
        format!(
            "it has readings from minute {:.0} to {:.0} of {:.0} only; cut the file to where it \
             was read, or leave it out with --skip",
            first * 60.0,
            last * 60.0,
            whole * 60.0
        )
    })
}

/// A verdict on what could be read, where not all could: it is no pass.
pub(super) fn apply(series: &mut SeriesVerdict, sentence: &str) {
    if series.verdict.verdict() == Verdict::Pass || series.explanation.is_empty() {
        series.settle(SeriesOutcome::Inconclusive, RULE, sentence.to_owned());
    } else {
        series.explanation = format!("{}; {sentence}", series.explanation);
    }
}
