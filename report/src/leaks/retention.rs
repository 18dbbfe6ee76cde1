//! Resident memory that grows while the live heap does not.

use super::things::is_heap;
use super::{SeriesOutcome, SeriesVerdict, ending, screen};
use crate::causes::HeapGrowth;

/// The live heap is flat if its own growth explains less than this part of
/// the resident memory's.
const FLAT: f64 = 0.3;

/// Beginnings of names of memory as the kernel counts it, which an allocator
/// that keeps what was freed makes grow.
const RESIDENT: &[&str] = &["rss", "pss", "uss", "private_dirty", "cgroup_anon", "swap"];

/// What the code freed and the allocator keeps is not leaked by the code. Where
/// the live heap is not a series, its profiles say whether it grew.
pub(super) fn apply(series: &mut [SeriesVerdict], growth: Option<&HeapGrowth>) {
    let Some((heap_slope, heap_rise)) = heap_growth(series, growth) else {
        return;
    };
    for series in series {
        if !RESIDENT.iter().any(|begin| series.name.starts_with(begin)) {
            continue;
        }
        let flat_by_rise = || rise(series) > 0.0 && heap_rise < FLAT * rise(series);
        let kept = match series.verdict {
            // The heap may have risen under a load, and be back where it was.
            SeriesOutcome::Leak => {
                let slope = series.slope_per_hour;
                slope.is_some_and(|slope| heap_slope < FLAT * slope) || flat_by_rise()
            }
            // A burst that was freed: one step up, and no way down.
            SeriesOutcome::Step => flat_by_rise(),
            // Jumps that grow, of what the heap does not hold.
            SeriesOutcome::Inconclusive if series.rule == ending::DOUBLING => flat_by_rise(),
            _ => false,
        };
        if kept {
            let explanation = format!(
                "{}; the live heap did not grow with it, so the allocator keeps what was freed",
                series.explanation
            );
            series.settle(SeriesOutcome::Retention, "live-heap", explanation);
        }
    }
}

/// By how much an hour the live heap grew, and by how much in all; `None` where
/// that is not known, or it leaks.
fn heap_growth(series: &[SeriesVerdict], growth: Option<&HeapGrowth>) -> Option<(f64, f64)> {
    if let Some(heap) = series.iter().find(|series| is_heap(series)) {
        // What it grew by under load it gave back.
        if heap.rule == ending::REMAINS {
            return Some((0.0, 0.0));
        }
        // One that was seen to stand still was not fitted.
        let slope = match heap.rule.as_str() {
            screen::RULE => Some(0.0),
            _ => heap.slope_per_hour,
        };
        if let Some(slope) = slope {
            return (heap.verdict != SeriesOutcome::Leak).then(|| (slope, rise(heap)));
        }
    }
    let growth = growth.filter(|growth| growth.functions.iter().all(|function| !function.sure))?;
    let mb = growth.bytes / (1 << 20) as f64;
    Some((mb / ((growth.to - growth.from) / 3600.0), mb))
}

/// From the first quarter to the last; 0 where one is not known.
fn rise(series: &SeriesVerdict) -> f64 {
    match series.quarters[..] {
        [Some(first), .., Some(last)] => last - first,
        _ => 0.0,
    }
}
