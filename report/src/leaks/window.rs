//! Which samples of a series are judged: not warm-up, not spike, not cool-down.

use super::LeakOptions;
use super::floors::{Point, floors};
use super::slope::theil_sen;
use crate::timeline::Timeline;

/// Parts of the judged time that a settling series may take off, one after the
/// other. What is left must still be half.
const LATER_STARTS: [f64; 4] = [0.0, 0.15, 0.3, 0.5];

/// A second half that grows slower than this share of the first is settling.
const SETTLING: f64 = 0.6;

/// Once a series was seen to settle, what is left must be this even to count
/// as growth of another kind.
const EVEN: f64 = 0.8;

/// Samples of a column after warm-up, in the order of time, without those of
/// phases that are not steady load.
pub(super) fn steady(timeline: &Timeline, values: &[f64], options: &LeakOptions) -> Vec<Point> {
    let hours = timeline.elapsed_hours();
    let mut skipped = vec![false; hours.len()];
    let mut start = match (hours.first(), hours.last()) {
        (Some(first), Some(last)) => first + (last - first) * options.warm_up.clamp(0.0, 1.0),
        _ => return Vec::new(),
    };
    for phase in timeline.phases() {
        let name = phase.name.to_ascii_lowercase();
        let named = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
        if named(&["warmup", "warm-up", "warm_up"]) {
            start = start.max(phase.end_min / 60.0);
        }
        if named(&[
            "warm",
            "ramp",
            "spike",
            "cooldown",
            "cool-down",
            "cool_down",
        ]) {
            skipped[phase.rows].fill(true);
        }
    }
    hours
        .iter()
        .zip(values)
        .zip(skipped)
        .filter(|((hour, value), skipped)| **hour >= start && value.is_finite() && !skipped)
        .map(|((hour, value), _)| (*hour, *value))
        .collect()
}

/// Where a series has got to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Settling {
    /// From this sample on it grows evenly, or not at all.
    From(usize),
    /// It grows ever more slowly to the end.
    Never,
}

/// Finds the first start from which a series no longer slows down, or no
/// longer grows by what matters.
pub(super) fn settling(points: &[Point], material: f64) -> Settling {
    for share in LATER_STARTS {
        let start = (points.len() as f64 * share) as usize;
        let rest = &points[start..];
        let floors = floors(rest);
        let (first, second) = floors.split_at(floors.len() / 2);
        let (Some(whole), Some(first), Some(second)) =
            (theil_sen(&floors), theil_sen(first), theil_sen(second))
        else {
            return Settling::From(start);
        };
        let hours = span(rest);
        let grows = whole.per_hour * hours > material || rise(&floors) > material;
        let share_kept = if start == 0 { SETTLING } else { EVEN };
        let slows = second.per_hour < share_kept * first.per_hour;
        if !(grows && slows) {
            return Settling::From(start);
        }
    }
    Settling::Never
}

/// Hours from the first point to the last.
pub(super) fn span(points: &[Point]) -> f64 {
    match (points.first(), points.last()) {
        (Some(first), Some(last)) => last.0 - first.0,
        _ => 0.0,
    }
}

fn rise(floors: &[Point]) -> f64 {
    match (floors.first(), floors.last()) {
        (Some(first), Some(last)) => last.1 - first.1,
        _ => 0.0,
    }
}
