//! What is made of many values: the mean, the highest, a percentile.

use hdrhistogram::Histogram;

/// What a budget compares with its bound.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Statistic {
    /// The mean.
    Mean,
    /// The lowest value.
    Min,
    /// The highest value.
    Max,
    /// The value that this share of all values does not exceed, 0 to 1.
    Quantile(f64),
    /// How many per second, or what share; what a rate is says its metric.
    Rate,
    /// How many.
    Count,
}

impl Statistic {
    /// As k6 writes it: `avg`, `min`, `max`, `med`, `p(95)`, `rate`, `count`.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Statistic::Mean => "avg".to_owned(),
            Statistic::Min => "min".to_owned(),
            Statistic::Max => "max".to_owned(),
            Statistic::Quantile(0.5) => "med".to_owned(),
            Statistic::Quantile(q) => {
                let percent = crate::number::number(q * 100.0, 3);
                format!("p({percent})")
            }
            Statistic::Rate => "rate".to_owned(),
            Statistic::Count => "count".to_owned(),
        }
    }

    /// How many values it takes to know it: a 99th percentile of twenty values
    /// is just the highest of them.
    pub(super) fn least(self) -> u64 {
        match self {
            // A share of whole numbers: 1 - 0.95 is a little off.
            Statistic::Quantile(q) if q < 1.0 => (1.0 / (1.0 - q) - 1e-6).ceil() as u64,
            _ => 1,
        }
    }
}

/// Fraction digits kept of a value: a thousandth.
const STEPS: f64 = 1_000.0;

/// The largest that is resolved: any more steps count as so many.
const MAX_STEPS: f64 = (1_u64 << 60) as f64;

fn steps(value: f64) -> u64 {
    (value * STEPS).round().clamp(0.0, MAX_STEPS) as u64
}

/// Values of which every [`Statistic`] is known: exact but for percentiles,
/// which are within 1 % (or a thousandth, if that is more). The memory it takes
/// does not grow with their number.
#[derive(Debug, Clone)]
pub(super) struct Values {
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
    spread: Histogram<u64>,
}

impl Values {
    pub(super) fn new() -> Self {
        let Ok(mut spread) = Histogram::new(2) else {
            unreachable!("two significant digits are valid");
        };
        spread.auto(true);
        Values {
            count: 0,
            sum: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            spread,
        }
    }

    /// Takes one value in; one that is not finite is none.
    pub(super) fn add(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.count += 1;
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        // Grows as it needs. Negative values count as zero.
        let _ = self.spread.record(steps(value));
    }

    /// Takes durations in nanoseconds in, each with its count, as milliseconds.
    pub(super) fn add_durations(&mut self, durations_ns: impl Iterator<Item = (u64, u64)>) {
        for (nanos, count) in durations_ns {
            let ms = nanos as f64 / 1e6;
            self.count = self.count.saturating_add(count);
            self.sum += ms * count as f64;
            self.min = self.min.min(ms);
            self.max = self.max.max(ms);
            let _ = self.spread.record_n(steps(ms), count);
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The statistic, if there is a value at all.
    pub(super) fn get(&self, statistic: Statistic) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        Some(match statistic {
            Statistic::Mean | Statistic::Rate => self.sum / self.count as f64,
            Statistic::Min => self.min,
            Statistic::Max => self.max,
            Statistic::Quantile(q) => self.spread.value_at_quantile(q) as f64 / STEPS,
            Statistic::Count => self.count as f64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_a_percent_and_the_rest_is_exact() {
        let mut values = Values::new();
        for value in 1..=10_000 {
            values.add(f64::from(value) / 7.0);
        }
        values.add(f64::NAN);
        assert_eq!(values.count(), 10_000);
        for q in [0.5, 0.95, 0.99] {
            let exact = (10_000.0 * q) / 7.0;
            let got = values.get(Statistic::Quantile(q)).expect("values");
            assert!((got - exact).abs() <= exact * 0.01, "{q}: {got} {exact}");
        }
        assert_eq!(values.get(Statistic::Min), Some(1.0 / 7.0));
        assert_eq!(values.get(Statistic::Max), Some(10_000.0 / 7.0));
        assert_eq!(Values::new().get(Statistic::Mean), None, "nothing is not 0");
    }

    #[test]
    fn a_percentile_needs_as_many_values_as_it_has_parts() {
        for (q, least) in [(0.5, 2), (0.95, 20), (0.99, 100), (0.999, 1_000)] {
            assert_eq!(Statistic::Quantile(q).least(), least);
        }
    }
}
