//! How a series ends: what it did late, and what was left when the load was gone.

use super::candidates::Unit;
use super::evidence::Evidence;
use super::late_rise::{Course, HALF, LateRise};
use super::window::{Point, span};
use super::{LeakOptions, SeriesOutcome, SeriesVerdict};
use crate::columns::HEAP_LIVE_MB;
use crate::number::duration;

/// The rule of what goes when the load does.
pub(super) const REMAINS: &str = "remains";
/// A leak gives back less than this part of its growth after the load.
const GIVEN_BACK: f64 = 0.6;
/// Readings after the load that show what remains.
const MIN_AFTER: usize = 3;

/// A count may stand still for this part of the time at the end, as the load
/// that is not known may have ended, if it rose before with no more than this
/// chance.
const STOOD_STILL: f64 = 0.1;
pub(super) const BEYOND_DOUBT: f64 = 1e-6;

/// The rule of what rose at once and late, as a table does that doubles.
pub(super) const DOUBLING: &str = "doubling";

/// The level at the end of these points; `None` of too few.
pub(super) fn last_of<'a>(points: impl Iterator<Item = &'a Point>) -> Option<f64> {
    let values: Vec<f64> = points.map(|point| point.1).collect();
    let mut end = values.get(values.len() / 2..).unwrap_or_default().to_vec();
    if values.len() < MIN_AFTER {
        return None;
    }
    let middle = end.len() / 2;
    Some(*end.select_nth_unstable_by(middle, f64::total_cmp).1)
}

/// Rows until a series last rose above all before, where it then stood still for
/// a short while.
pub(super) fn until_still(points: &[Point]) -> Option<usize> {
    let mut highest = f64::NEG_INFINITY;
    let mut last = 0;
    for (row, point) in points.iter().enumerate() {
        if point.1 > highest {
            highest = point.1;
            last = row;
        }
    }
    let still = points.last()?.0 - points[last].0;
    (points.len() - last > MIN_AFTER && still <= STOOD_STILL * span(points)).then_some(last + 1)
}

impl SeriesVerdict {
    /// A pass that came too early: what rose late may rise again.
    pub(super) fn rose_late(&mut self, evidence: &Evidence, late: &LateRise) {
        let hours = evidence.watched_hours;
        let rise = self.amount(late.rise);
        if let Course::AtOnce(at) = late.course {
            // So long that the rise lies early enough in it.
            let (at, next) = (at * hours, at * hours / HALF);
            let explanation = format!(
                "it rose by {rise} after {}, and a table that is still filling doubles next \
                 after {}; run for {} to see that it does not",
                duration(at),
                duration(2.0 * at),
                duration(next),
            );
            self.next_look_hours = Some(next);
            self.settle(SeriesOutcome::Inconclusive, DOUBLING, explanation);
        } else {
            let next = 2.0 * hours;
            let explanation = format!(
                "it still rose by {rise} in the later half of {}; run for {} to see it settle",
                duration(hours),
                duration(next),
            );
            self.next_look_hours = Some(next);
            // The end of a curve may point anywhere: this is what it rose by.
            self.slope_per_hour = Some(late.rise_per_time() / hours);
            self.slope_interval = None;
            self.slope_per_request = None;
            self.settle(SeriesOutcome::Warming, "settled", explanation);
        }
    }

    /// Takes the verdict by a part of the run, if that is a leak.
    pub(super) fn leaks_by(
        &mut self,
        part: &Evidence,
        options: &LeakOptions,
        alpha: f64,
        unit: Unit,
        then: &str,
    ) {
        if self.verdict == SeriesOutcome::Leak {
            return;
        }
        let mut by_part = self.clone();
        by_part.explain(part, options, unit);
        by_part.decide(part, alpha);
        if by_part.verdict == SeriesOutcome::Leak {
            by_part.explanation.push_str(then);
            *self = by_part;
        }
    }

    /// What goes when the load does was in use.
    pub(super) fn gave_back(&mut self, evidence: &Evidence, after: Option<f64>, unit: Unit) {
        // Resident memory that was freed may stay.
        if unit != Unit::Count && self.name != HEAP_LIVE_MB.name {
            return;
        }
        let Some(after) = after else { return };
        let back = evidence.level - after;
        if back >= GIVEN_BACK * evidence.net {
            let explanation = format!(
                "{}; but {} of it went when the load ended, so it was in use",
                self.explanation,
                self.amount(back.min(evidence.net))
            );
            self.settle(SeriesOutcome::Clean, REMAINS, explanation);
        } else {
            let kept = self.amount(after - (evidence.level - evidence.net));
            self.explanation
                .push_str(&format!("; {kept} of it remained after the load"));
        }
    }
}
