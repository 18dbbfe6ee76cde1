//! Which samples of a series are judged: not those of a named warm-up, spike or
//! cool-down. A warm-up that nobody named is found later, by its shape.

use super::LeakOptions;
use crate::timeline::Timeline;

/// One sample: hours and value.
pub(super) type Point = (f64, f64);

/// Samples of a column in the order of time, without those of phases that are
/// not steady load.
pub(super) fn steady(timeline: &Timeline, values: &[f64], options: &LeakOptions) -> Vec<Point> {
    let hours = timeline.elapsed_hours();
    let mut skipped = vec![false; hours.len()];
    let mut start = match (hours.first(), hours.last()) {
        (Some(first), Some(last)) => first + (last - first) * options.warm_up.clamp(0.0, 1.0),
        _ => return Vec::new(),
    };
    // Row by row: there may be as many phases as rows.
    let words = timeline.text("phase");
    let mut last: Option<(&str, Load)> = None;
    for (row, hour) in hours.iter().enumerate() {
        let word = words.and_then(|words| words.get(row));
        if let Some((before, Load::WarmUp)) = last
            && word != Some(before)
        {
            // A warm-up ends where the next phase begins, if one does.
            start = start.max(if word.is_some() {
                *hour
            } else {
                hours[row - 1]
            });
        }
        last = word.map(|word| match last {
            Some((before, load)) if before == word => (word, load),
            _ => (word, Load::of(word)),
        });
        skipped[row] = last.is_some_and(|(_, load)| load != Load::Steady);
    }
    if let (Some((_, Load::WarmUp)), Some(end)) = (last, hours.last()) {
        start = start.max(*end);
    }
    hours
        .iter()
        .zip(values)
        .zip(skipped)
        .filter(|((hour, value), skipped)| **hour >= start && value.is_finite() && !skipped)
        .map(|((hour, value), _)| (*hour, *value))
        .collect()
}

/// What a phase's name says of its load.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Load {
    Steady,
    /// Nothing before its end is judged.
    WarmUp,
    /// It is left out.
    Unsteady,
}

impl Load {
    fn of(phase: &str) -> Load {
        let name = phase.to_ascii_lowercase();
        let named = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
        if named(&["warmup", "warm-up", "warm_up"]) {
            Load::WarmUp
        } else if named(&[
            "warm",
            "ramp",
            "spike",
            "cooldown",
            "cool-down",
            "cool_down",
        ]) {
            Load::Unsteady
        } else {
            Load::Steady
        }
    }
}

/// Hours from the first point to the last.
pub(super) fn span(points: &[Point]) -> f64 {
    match (points.first(), points.last()) {
        (Some(first), Some(last)) => last.0 - first.0,
        _ => 0.0,
    }
}

/// The floor of each quarter of the samples: its lowest tenth, so that one
/// false reading does not stand for a quarter.
pub(super) fn quarters(points: &[Point]) -> Vec<Option<f64>> {
    let at = |quarter: usize| quarter * points.len() / 4;
    (0..4)
        .map(|quarter| {
            let mut values: Vec<f64> = points[at(quarter)..at(quarter + 1)]
                .iter()
                .map(|point| point.1)
                .collect();
            let place = values.len() / 10;
            (!values.is_empty()).then(|| *values.select_nth_unstable_by(place, f64::total_cmp).1)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quarters_shrug_off_one_false_reading() {
        let mut points: Vec<Point> = (0..40).map(|n| (n as f64, 50.0)).collect();
        points[25].1 = 0.0;
        assert_eq!(quarters(&points), [Some(50.0); 4]);
        assert_eq!(quarters(&[]), [None; 4]);
    }
}
