//! Rates from totals that only grow, each since it was last read.
//!
//! A reading that is not taken at every tick still gives the right rate: it is
//! over the time since the reading before. Where that was just now, it is over
//! the time since the one before that (see [`base`](super::base)). A total that
//! went back (a cgroup made anew) gives none.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::base::Bases;

#[derive(Debug)]
pub(crate) struct Rates {
    tick: Duration,
    now: Instant,
    last: HashMap<&'static str, Bases<f64>>,
}

impl Rates {
    pub(crate) fn new(now: Instant, tick: Duration) -> Self {
        Self {
            tick,
            now,
            last: HashMap::new(),
        }
    }

    /// Sets the time of the readings that follow.
    pub(crate) fn at(&mut self, now: Instant) {
        self.now = now;
    }

    /// Growth per second since the total was last known; `None` the first
    /// time and where it is unknown now.
    pub(crate) fn per_second(&mut self, name: &'static str, total: Option<f64>) -> Option<f64> {
        let total = total?;
        let bases = self.last.entry(name).or_default();
        let newest = bases.iter().last().copied();
        if newest.is_some_and(|newest| total < newest) {
            bases.clear();
        }
        let base = bases.of(self.now, self.tick).copied();
        bases.push(self.now, total);
        let (then, before) = base?;
        let seconds = self.now.saturating_duration_since(then).as_secs_f64();
        (seconds > 0.0).then(|| (total - before) / seconds)
    }

    /// [`per_second`](Self::per_second) of a time, in percent: 100 is one
    /// second a second.
    pub(crate) fn percent(&mut self, name: &'static str, total: Option<Duration>) -> Option<f64> {
        self.per_second(name, total.map(|total| total.as_secs_f64() * 100.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skipped_reading_leaves_the_next_rate_right() {
        let start = Instant::now();
        let mut rates = Rates::new(start, Duration::from_secs(1));
        assert_eq!(rates.per_second("x", Some(10.0)), None, "nothing before");
        rates.at(start + Duration::from_secs(1));
        assert_eq!(rates.per_second("x", None), None);
        rates.at(start + Duration::from_secs(2));
        assert_eq!(rates.per_second("x", Some(30.0)), Some(10.0));
        rates.at(start + Duration::from_secs(3));
        assert_eq!(rates.per_second("x", Some(5.0)), None, "it began anew");
        rates.at(start + Duration::from_secs(4));
        assert_eq!(rates.per_second("x", Some(6.0)), Some(1.0));
    }

    #[test]
    fn a_reading_just_after_another_is_no_spike() {
        let start = Instant::now();
        let mut rates = Rates::new(start, Duration::from_secs(1));
        let mut at = |ms: u64, total: f64| {
            rates.at(start + Duration::from_millis(ms));
            rates.per_second("x", Some(total))
        };
        assert_eq!(at(0, 0.0), None);
        assert_eq!(at(1_000, 100.0), Some(100.0));
        assert_eq!(at(2_000, 200.0), Some(100.0));
        // Ten in five milliseconds would be two thousand a second.
        let ended = at(2_005, 210.0).expect("known");
        assert!((ended - 110.0 / 1.005).abs() < 1e-9, "{ended}");
        // The tick after that is over its own time again.
        assert_eq!(at(3_005, 310.0), Some(100.0));
    }
}
