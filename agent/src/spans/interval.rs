//! What spans of one name did in a stretch of time.
//!
//! Durations go into HDR histograms of two significant digits over
//! nanoseconds: within 1 %, from below a microsecond to an hour.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::own_bytes::counts;

/// An hour; anything longer counts as that.
const MAX_NS: u64 = 3_600_000_000_000;

#[derive(Debug, Clone)]
pub(crate) struct Interval {
    durations_ns: Histogram<u32>,
    pub(crate) errors: u64,
    /// From opening to close.
    pub(crate) took: Duration,
    /// The part of it in which the span was entered.
    pub(crate) busy: Duration,
}

impl Default for Interval {
    fn default() -> Self {
        // Two digits are a valid precision, which is all that `new` can refuse.
        let Ok(mut durations_ns) = Histogram::new(2) else {
            unreachable!("two significant digits are valid");
        };
        durations_ns.auto(true);
        Self {
            durations_ns,
            errors: 0,
            took: Duration::ZERO,
            busy: Duration::ZERO,
        }
    }
}

impl Interval {
    pub(crate) fn record(&mut self, took_ns: u64, busy_ns: u64, error: bool) {
        // Grows as it needs, and the hour is far below what it can hold.
        let _ = self.durations_ns.record(took_ns.min(MAX_NS));
        self.errors += u64::from(error);
        self.took += Duration::from_nanos(took_ns);
        self.busy += Duration::from_nanos(busy_ns);
    }

    pub(crate) fn add(&mut self, other: &Interval) {
        sum_up(&mut self.durations_ns, &other.durations_ns);
        self.errors += other.errors;
        self.took += other.took;
        self.busy += other.busy;
    }

    /// Bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        counts(&self.durations_ns)
    }

    pub(crate) fn count(&self) -> u64 {
        self.durations_ns.len()
    }

    /// A quantile in milliseconds; `None` where nothing was recorded.
    pub(crate) fn quantile_ms(&self, quantile: f64) -> Option<f64> {
        let some = !self.durations_ns.is_empty();
        some.then(|| self.durations_ns.value_at_quantile(quantile) as f64 / 1e6)
    }

    pub(crate) fn durations_ns(&self) -> &Histogram<u32> {
        &self.durations_ns
    }
}

/// Adds the durations of `more` to `sum`, which must grow by itself. One or two
/// of them, as most names have in one tick, are found without a walk over all
/// buckets below them.
pub(crate) fn sum_up(sum: &mut Histogram<u32>, more: &Histogram<u32>) {
    // A histogram that grows by itself takes twice the room it needs: the one
    // that reaches further is copied, and the other added to it.
    if more.distinct_values() > sum.distinct_values() {
        let mut further = more.clone();
        further.auto(true);
        let _ = further.add(&*sum);
        *sum = further;
        return;
    }
    // The sum grows as it needs, so nothing can be out of range.
    match more.len() {
        0 => {}
        1 => {
            let _ = sum.record(more.max());
        }
        2 => {
            let _ = sum.record(more.min());
            let _ = sum.record(more.max());
        }
        _ => {
            let _ = sum.add(more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_has_what_its_parts_had_however_few() {
        let mut all = Interval::default();
        let mut sum = Interval::default();
        let mut random = 7_u64;
        for count in [0, 1, 2, 3, 2, 1, 50, 1, 0] {
            let mut part = Interval::default();
            for _ in 0..count {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let took = random >> (24 + random % 30);
                part.record(took, took / 2, false);
                all.record(took, took / 2, false);
            }
            sum.add(&part);
        }
        assert_eq!(sum.durations_ns, all.durations_ns);
        assert_eq!((sum.took, sum.busy), (all.took, all.busy));
    }

    #[test]
    fn quantiles_are_within_one_percent_over_six_decades() {
        let mut interval = Interval::default();
        let mut exact: Vec<u64> = Vec::new();
        let mut random = 0x9E37_79B9_7F4A_7C15_u64;
        for _ in 0..100_000 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            // Even over the decades from a microsecond to a second.
            let decades = (random >> 11) as f64 / (1_u64 << 53) as f64 * 6.0;
            let nanos = (1_000.0 * 10_f64.powf(decades)) as u64;
            interval.record(nanos, 0, false);
            exact.push(nanos);
        }
        exact.sort_unstable();
        for quantile in [0.001, 0.01, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0] {
            let rank = (quantile * exact.len() as f64).ceil() as usize;
            let truth = exact[rank.max(1) - 1] as f64 / 1e6;
            let got = interval.quantile_ms(quantile).expect("some");
            assert!(
                (got - truth).abs() <= truth * 0.01,
                "{quantile}: {got} {truth}"
            );
        }
    }
}
