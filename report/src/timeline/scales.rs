//! One scale for a column whose cells carry different units, or units only
//! here and there.
//!
//! A script that writes `101.0` and from some row on `512 MB` may have changed
//! its mind about the unit or about what it writes. The two are put on one scale
//! where the column's name says which, or where they continue each other;
//! otherwise those that are fewer are not read.

use super::facts::{self, CellUnit};
use super::numbers::{Form, Numbers};
use super::units::bytes_of_name;

/// A reading on the other side of a change of form is at most so many times
/// larger or smaller: a service does not leap in the row in which a script
/// changes what it writes.
const MAX_RATIO: f64 = 1.25;

/// Changes of form that are looked at.
const MAX_CHANGES: usize = 64;

/// Puts all cells on one scale. The unit that they have then, and what to say.
pub(super) fn unite(numbers: &mut Numbers, name: &str) -> (Option<CellUnit>, String) {
    let shown = facts::example(name.as_bytes());
    let mut counts: Vec<(Option<CellUnit>, usize)> = Vec::new();
    let mut values = numbers.values.reader();
    for (rows, form) in numbers.stretches() {
        let readings = rows.filter(|row| values.get(*row).is_finite()).count();
        match counts.iter_mut().find(|(unit, _)| *unit == form.unit) {
            Some((_, count)) => *count += readings,
            None => counts.push((form.unit, readings)),
        }
    }
    counts.retain(|(_, count)| *count > 0);
    let mut others = counts.iter().filter_map(|(unit, _)| *unit);
    let (one, more) = (others.next(), others.next());
    let plain = counts.iter().any(|(unit, _)| unit.is_none());
    let Some(unit) = one else {
        return (
            None,
            format!("timeline: cells of {shown:?} with a unit are empty"),
        );
    };
    if more.is_none() && !plain {
        return (
            Some(unit),
            format!("timeline: {shown:?} has cells with units"),
        );
    }
    if more.is_none() {
        if unit == CellUnit::Percent {
            return (
                Some(unit),
                format!("timeline: cells of {shown:?} with and without %, read alike"),
            );
        }
        if unit == CellUnit::Bytes
            && let Some((unit, scale, by_name)) = scale(numbers, name)
        {
            let (changed, factor) = match unit {
                Some(_) => (None, scale),
                None => (Some(CellUnit::Bytes), 1.0 / scale),
            };
            multiply(numbers, |form| form.unit == changed, factor);
            let reason = if by_name {
                "as its name says"
            } else {
                "as they continue each other"
            };
            return (
                unit,
                format!(
                    "timeline: cells of {shown:?} with and without a unit, those without read \
                     as {} {reason}",
                    bytes_name(scale)
                ),
            );
        }
    }
    // Of a tie the first.
    let mut most = counts[0];
    for count in &counts[1..] {
        if count.1 > most.1 {
            most = *count;
        }
    }
    let left_out: usize = counts.iter().map(|(_, count)| count).sum::<usize>() - most.1;
    numbers.void(|form| form.unit != most.0);
    (
        most.0,
        format!(
            "timeline: cells of {shown:?} with and without a unit do not continue each other; \
             the fewer are not read: {left_out}"
        ),
    )
}

/// The unit of the cells without one, where it leads to a scale on which all
/// continue each other. Kept in the name's unit, if that says it.
fn scale(numbers: &Numbers, name: &str) -> Option<(Option<CellUnit>, f64, bool)> {
    if let Some(scale) = bytes_of_name(name) {
        return continues(numbers, scale).then_some((None, scale, true));
    }
    [1.0, 1024.0, 1_048_576.0, 1_073_741_824.0]
        .into_iter()
        .find(|scale| continues(numbers, *scale))
        .map(|scale| (Some(CellUnit::Bytes), scale, false))
}

/// Whether cells with and without a unit agree where one form follows the
/// other, if those without are in units of so many bytes.
fn continues(numbers: &Numbers, scale: f64) -> bool {
    let mut before: Option<(Form, f64)> = None;
    let (mut changes, mut breaks) = (0, 0);
    let mut values = numbers.values.reader();
    for (rows, form) in numbers.stretches() {
        let factor = if form.unit.is_none() { scale } else { 1.0 };
        let mut near = |rows: &mut dyn Iterator<Item = usize>| {
            let readings = rows.map(|row| values.get(row)).filter(|v| v.is_finite());
            let mut some: Vec<f64> = readings.take(5).collect();
            some.sort_by(f64::total_cmp);
            some.get(some.len() / 2).map(|value| value * factor)
        };
        let (Some(first), Some(last)) = (near(&mut rows.clone()), near(&mut rows.rev())) else {
            continue;
        };
        if let Some((earlier, level)) = before
            && earlier.unit != form.unit
        {
            changes += 1;
            // A fall may be a restart; both are at least of one order.
            let ratio = first / level;
            let agree = (1.0 / MAX_RATIO..=MAX_RATIO).contains(&ratio) || first == level;
            breaks += usize::from(!agree);
            if changes == MAX_CHANGES {
                break;
            }
        }
        before = Some((form, last));
    }
    changes > 0 && breaks * 4 <= changes
}

fn multiply(numbers: &mut Numbers, such: impl Fn(Form) -> bool, factor: f64) {
    let rows = numbers.rows_of(such);
    numbers.values.edit(&rows, |value| *value *= factor);
}

fn bytes_name(scale: f64) -> &'static str {
    match scale as u64 {
        1 => "bytes",
        1024 => "KB",
        1_048_576 => "MB",
        _ => "GB",
    }
}
