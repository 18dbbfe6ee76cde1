//! Requests by route: how many, how many failed, how long they took.
//!
//! The tracing layer records into a route; the ticker collects. Routes are
//! bounded: the first [`MOST_ROUTES`] names are kept apart, any further one is
//! counted as `<other>`. Durations go into HDR histograms of two significant
//! digits (within 1 %), from a microsecond to an hour.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use hdrhistogram::Histogram;

/// Route names kept apart.
const MOST_ROUTES: usize = 512;
/// The bucket of every further name.
pub(crate) const OTHER: &str = "<other>";

const LONGEST_US: u64 = 3_600_000_000;

/// Every route seen so far.
#[derive(Default)]
pub(crate) struct Requests {
    routes: RwLock<HashMap<String, Arc<Route>>>,
    in_flight: AtomicI64,
}

/// One route, e.g. `GET /orders/{user}`.
pub(crate) struct Route {
    name: String,
    duration: metrics::Histogram,
    failed: metrics::Counter,
    recent: Mutex<Recent>,
}

/// What was recorded since the last collection.
struct Recent {
    durations_us: Histogram<u64>,
    errors: u64,
    busy: Duration,
}

/// What happened between two collections, on one route or on all.
pub(crate) struct Interval {
    pub(crate) durations_us: Histogram<u64>,
    pub(crate) errors: u64,
    pub(crate) busy: Duration,
}

impl Requests {
    /// The route of a name, made with `make` where it is new.
    pub(crate) fn route(
        &self,
        name: &str,
        make: impl FnOnce(&str) -> (metrics::Histogram, metrics::Counter),
    ) -> Arc<Route> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(route) = routes.get(name) {
            return Arc::clone(route);
        }
        drop(routes);
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let name = if routes.len() < MOST_ROUTES || routes.contains_key(name) {
            name
        } else {
            OTHER
        };
        let route = routes
            .entry(name.to_owned())
            .or_insert_with_key(|name| Arc::new(Route::new(name, make(name))));
        Arc::clone(route)
    }

    pub(crate) fn opened(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn closed(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn in_flight(&self) -> i64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Takes what every route recorded since the last call, by route name.
    /// Routes on which nothing happened are left out.
    pub(crate) fn collect(&self) -> Vec<(String, Interval)> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let mut taken: Vec<_> = routes
            .values()
            .filter_map(|route| Some((route.name.clone(), route.take()?)))
            .collect();
        taken.sort_by(|a, b| a.0.cmp(&b.0));
        taken
    }

    /// Whether any request was ever seen: without, rates are unknown, not zero.
    pub(crate) fn any(&self) -> bool {
        !self
            .routes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }
}

impl Route {
    fn new(name: &str, (duration, failed): (metrics::Histogram, metrics::Counter)) -> Self {
        Self {
            name: name.to_owned(),
            duration,
            failed,
            recent: Mutex::new(Recent {
                durations_us: histogram(),
                errors: 0,
                busy: Duration::ZERO,
            }),
        }
    }

    /// Records one finished request; `busy` is the part of `took` in which the
    /// span was entered.
    pub(crate) fn record(&self, took: Duration, busy: Duration, error: bool) {
        self.duration.record(took.as_secs_f64());
        if error {
            self.failed.increment(1);
        }
        let mut recent = self.recent();
        let micros = u64::try_from(took.as_micros()).map_or(LONGEST_US, |us| us.min(LONGEST_US));
        // Grows as it needs, and the hour is far below what it can hold.
        let _ = recent.durations_us.record(micros);
        recent.errors += u64::from(error);
        recent.busy += busy;
    }

    fn take(&self) -> Option<Interval> {
        let mut recent = self.recent();
        if recent.durations_us.is_empty() {
            return None;
        }
        let mut interval = Interval::default();
        // The sum grows as it needs, so nothing can be out of range.
        let _ = interval.durations_us.add(&recent.durations_us);
        recent.durations_us.reset();
        interval.errors = std::mem::take(&mut recent.errors);
        interval.busy = std::mem::take(&mut recent.busy);
        Some(interval)
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Interval {
    fn default() -> Self {
        Self {
            durations_us: histogram(),
            errors: 0,
            busy: Duration::ZERO,
        }
    }
}

impl Interval {
    pub(crate) fn add(&mut self, other: &Interval) {
        let _ = self.durations_us.add(&other.durations_us);
        self.errors += other.errors;
        self.busy += other.busy;
    }

    pub(crate) fn count(&self) -> u64 {
        self.durations_us.len()
    }

    /// A quantile in milliseconds; `None` where nothing was recorded.
    pub(crate) fn quantile_ms(&self, quantile: f64) -> Option<f64> {
        let some = !self.durations_us.is_empty();
        some.then(|| self.durations_us.value_at_quantile(quantile) as f64 / 1_000.0)
    }
}

/// A histogram that starts small and grows with what it is given.
fn histogram() -> Histogram<u64> {
    // Two digits are a valid precision, which is all that `new` can refuse.
    let Ok(mut histogram) = Histogram::new(2) else {
        unreachable!("two significant digits are valid");
    };
    histogram.auto(true);
    histogram
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(_: &str) -> (metrics::Histogram, metrics::Counter) {
        (metrics::Histogram::noop(), metrics::Counter::noop())
    }

    #[test]
    fn names_beyond_the_bound_share_one_bucket() {
        let requests = Requests::default();
        for i in 0..100_000 {
            let route = requests.route(&format!("GET /{i}"), quiet);
            route.record(Duration::from_millis(1), Duration::ZERO, i % 2 == 0);
        }
        let taken = requests.collect();
        assert_eq!(taken.len(), MOST_ROUTES + 1);
        let other = taken.iter().find(|(name, _)| name == OTHER).expect("other");
        assert_eq!(other.1.count() as usize, 100_000 - MOST_ROUTES);
        assert!(requests.collect().is_empty(), "collected once");
    }

    #[test]
    fn quantiles_are_within_one_percent() {
        let requests = Requests::default();
        let route = requests.route("GET /", quiet);
        for ms in 1..=1000 {
            route.record(Duration::from_millis(ms), Duration::ZERO, false);
        }
        let (_, interval) = requests.collect().remove(0);
        for (quantile, exact) in [(0.5, 500.0), (0.95, 950.0), (0.99, 990.0)] {
            let got = interval.quantile_ms(quantile).expect("some");
            assert!((got - exact).abs() <= exact * 0.01, "{quantile}: {got}");
        }
    }
}
