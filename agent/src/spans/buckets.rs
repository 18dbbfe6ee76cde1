//! Durations counted in buckets, as a Prometheus histogram wants them.
//!
//! The buckets are finer than what is shown, and exposed at the bounds that a
//! family of metrics has; a bound is always one of the buckets' own.

/// Upper bounds of the buckets, in nanoseconds: those of both families below.
const BOUNDS_NS: [u64; 20] = [
    1_000,
    10_000,
    100_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    75_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    750_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    7_500_000_000,
    10_000_000_000,
];

/// OpenTelemetry's bounds for `http.server.request.duration`, in seconds.
pub(crate) const OF_REQUESTS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
/// Bounds for spans of any length, in seconds.
pub(crate) const OF_SPANS: [f64; 14] = [
    1e-6, 1e-5, 1e-4, 5e-4, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0,
];

#[derive(Debug, Clone, Default)]
pub(crate) struct Buckets {
    counts: [u64; BOUNDS_NS.len()],
    count: u64,
    sum_ns: u128,
}

impl Buckets {
    pub(crate) fn record(&mut self, ns: u64) {
        let bucket = BOUNDS_NS.partition_point(|bound| *bound < ns);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.count += 1;
        self.sum_ns += u128::from(ns);
    }

    pub(crate) fn add(&mut self, other: &Buckets) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.count += other.count;
        self.sum_ns += other.sum_ns;
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn sum_seconds(&self) -> f64 {
        self.sum_ns as f64 / 1e9
    }

    /// How many lasted at most this long.
    pub(crate) fn up_to(&self, seconds: f64) -> u64 {
        let ns = (seconds * 1e9).round() as u64;
        let buckets = BOUNDS_NS.partition_point(|bound| *bound <= ns);
        self.counts[..buckets].iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_counts_what_is_at_most_as_long() {
        let mut buckets = Buckets::default();
        for ms in [5, 6, 100, 20_000] {
            buckets.record(ms * 1_000_000);
        }
        let counts: Vec<u64> = OF_REQUESTS.map(|bound| buckets.up_to(bound)).to_vec();
        assert_eq!(counts, [1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3]);
        assert_eq!(buckets.count(), 4);
        assert!((buckets.sum_seconds() - 20.111).abs() < 1e-9);
    }

    #[test]
    fn every_bound_that_is_shown_is_a_bucket() {
        for bound in OF_REQUESTS.iter().chain(&OF_SPANS) {
            let ns = (bound * 1e9).round() as u64;
            assert!(BOUNDS_NS.contains(&ns), "{bound}");
        }
    }
}
