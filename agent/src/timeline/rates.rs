//! Rates from totals that only grow, each since it was last read.
//!
//! A reading that is not taken at every tick still gives the right rate: it is
//! over the time since the reading before. A total that went back (a cgroup
//! made anew) gives none.

use std::collections::HashMap;
use std::time::Instant;

#[derive(Debug)]
pub(crate) struct Rates {
    now: Instant,
    last: HashMap<&'static str, (Instant, f64)>,
}

impl Rates {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
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
        let (then, before) = self.last.insert(name, (self.now, total))?;
        let seconds = self.now.saturating_duration_since(then).as_secs_f64();
        (seconds > 0.0 && total >= before).then(|| (total - before) / seconds)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_skipped_reading_leaves_the_next_rate_right() {
        let start = Instant::now();
        let mut rates = Rates::new(start);
        assert_eq!(rates.per_second("x", Some(10.0)), None, "nothing before");
        rates.at(start + Duration::from_secs(1));
        assert_eq!(rates.per_second("x", None), None);
        rates.at(start + Duration::from_secs(2));
        assert_eq!(rates.per_second("x", Some(30.0)), Some(10.0));
        rates.at(start + Duration::from_secs(3));
        assert_eq!(rates.per_second("x", Some(5.0)), None, "it began anew");
    }
}
