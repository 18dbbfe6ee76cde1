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
        .find(|series| series.name == "heap_live_mb" && series.slope_per_hour.is_some());
    let Some((heap, heap_slope)) = heap.map(|heap| (heap.verdict, heap.slope_per_hour)) else {
        return;
    };
    if heap == SeriesOutcome::Leak {
        return;
    }
    for series in series {
        let resident = RESIDENT.iter().any(|begin| series.name.starts_with(begin));
        let leaks = series.verdict == SeriesOutcome::Leak;
        if resident
            && leaks
            && heap_slope.unwrap_or(0.0) < FLAT * series.slope_per_hour.unwrap_or(0.0)
        {
            let explanation = format!(
                "{}; the live heap did not grow, so the allocator keeps what was freed",
                series.explanation
            );
            series.settle(SeriesOutcome::Retention, "live-heap", explanation);
        }
    }
}
