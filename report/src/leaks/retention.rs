//! Resident memory that grows while the live heap does not.

use super::{SeriesOutcome, SeriesVerdict};

/// The live heap is flat if its own growth explains less than this part of
/// the resident memory's.
const FLAT: f64 = 0.3;

/// Beginnings of names of memory as the kernel counts it, which an allocator
/// that keeps what was freed makes grow.
const RESIDENT: &[&str] = &["rss", "pss", "uss", "private_dirty", "cgroup_anon", "swap"];

/// What the code freed and the allocator keeps is not leaked by the code.
pub(super) fn apply(series: &mut [SeriesVerdict]) {
    let heap = series
        .iter()
        .find(|series| series.name == "heap_live_mb" && series.slope_per_hour.is_some())
        .filter(|heap| heap.verdict != SeriesOutcome::Leak);
    let Some((heap_slope, heap_rise)) = heap.map(|heap| (heap.slope_per_hour, rise(heap))) else {
        return;
    };
    for series in series {
        if !RESIDENT.iter().any(|begin| series.name.starts_with(begin)) {
            continue;
        }
        let kept = match series.verdict {
            SeriesOutcome::Leak => {
                heap_slope.unwrap_or(0.0) < FLAT * series.slope_per_hour.unwrap_or(0.0)
            }
            // A burst that was freed: one step up, and no way down.
            SeriesOutcome::Step => rise(series) > 0.0 && heap_rise < FLAT * rise(series),
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

/// From the first quarter to the last; 0 where one is not known.
fn rise(series: &SeriesVerdict) -> f64 {
    match series.quarters[..] {
        [Some(first), .., Some(last)] => last - first,
        _ => 0.0,
    }
}
