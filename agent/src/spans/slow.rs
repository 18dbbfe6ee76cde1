//! Which requests are slow, and which of them have an event.
//!
//! Slow is what takes longer than a fixed time, or than a multiple of what 99
//! of 100 requests on the same route took so far. Each route has an event in
//! a while, all together so many in a run; the rest are counted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use quanta::Instant;

use super::interval::{Interval, sum_up};
use super::labels::MAX_NUMBER;
use crate::own_bytes;

/// So many times the route's own 99th percentile is slow.
const TIMES_P99: f64 = 3.0;
/// Requests after which a route's percentile is worth something.
const ENOUGH: u64 = 200;
/// Requests after which a route has a percentile at all.
const SOME: u64 = 100;
/// What ends sooner is slow on no route.
const NEVER_SLOW: Duration = Duration::from_millis(10);
/// Between two events of one route.
const PAUSE: Duration = Duration::from_secs(10);
/// Events of slow requests in a run.
const MAX_EVENTS: u64 = 1_000;

#[derive(Debug)]
pub(crate) struct Slow {
    fixed_ns: u64,
    /// By the number of a route's name; those of other names stay unused.
    limits_ns: Box<[AtomicU64]>,
    reported: Mutex<Reported>,
    durations: Mutex<HashMap<u32, Durations>>,
}

/// How long requests on a route took. A histogram takes some kilobytes, so a
/// name that a client invented and never repeats has none.
#[derive(Debug)]
enum Durations {
    /// So few that they are only counted.
    Few(u64),
    Many(Histogram<u32>),
}

#[derive(Debug, Default)]
struct Reported {
    by_route: HashMap<u32, Route>,
    events: u64,
    suppressed: u64,
}

#[derive(Debug, Default)]
struct Route {
    last: Option<Instant>,
    suppressed: u64,
}

/// Why a request is slow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) limit_ns: u64,
    /// Whether the limit comes from the route's own percentile.
    pub(crate) own: bool,
}

impl Slow {
    pub(crate) fn new(fixed: Duration) -> Self {
        Self {
            fixed_ns: nanos(fixed),
            limits_ns: (0..=MAX_NUMBER).map(|_| AtomicU64::new(u64::MAX)).collect(),
            reported: Mutex::default(),
            durations: Mutex::default(),
        }
    }

    /// Whether a request on this route is slow; costs one load.
    pub(crate) fn judge(&self, route: u32, took_ns: u64) -> Option<Verdict> {
        let own = self.limits_ns.get(route as usize);
        let own_ns = own.map_or(u64::MAX, |limit| limit.load(Ordering::Relaxed));
        let limit_ns = own_ns.min(self.fixed_ns);
        (took_ns > limit_ns).then_some(Verdict {
            limit_ns,
            own: own_ns < self.fixed_ns,
        })
    }

    /// Whether a slow request may have an event now; answers how many of its
    /// route had none since the last.
    pub(crate) fn turn(&self, route: u32, now: Instant) -> Option<u64> {
        let mut all = lock(&self.reported);
        let full = all.events >= MAX_EVENTS;
        let of = all.by_route.entry(route).or_default();
        let early = of.last.is_some_and(|last| now.duration_since(last) < PAUSE);
        if early || full {
            of.suppressed += 1;
            all.suppressed += 1;
            return None;
        }
        of.last = Some(now);
        let before = std::mem::take(&mut of.suppressed);
        all.events += 1;
        Some(before)
    }

    /// How many slow requests have no event.
    pub(crate) fn suppressed(&self) -> u64 {
        lock(&self.reported).suppressed
    }

    /// Forgets routes whose names gave way.
    pub(crate) fn forget(&self, gone: &[(u32, u32)]) {
        if gone.is_empty() {
            return;
        }
        let mut durations = lock(&self.durations);
        let mut reported = lock(&self.reported);
        for (route, _) in gone {
            if durations.remove(route).is_some()
                && let Some(limit) = self.limits_ns.get(*route as usize)
            {
                limit.store(u64::MAX, Ordering::Relaxed);
            }
            reported.by_route.remove(route);
        }
    }

    /// Bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        let durations = lock(&self.durations);
        let histograms = durations
            .values()
            .map(|durations| match durations {
                Durations::Few(_) => 0,
                Durations::Many(histogram) => own_bytes::counts(histogram),
            })
            .sum::<usize>();
        let reported = own_bytes::table(&lock(&self.reported).by_route);
        size_of_val(&*self.limits_ns) + own_bytes::table(&durations) + histograms + reported
    }

    /// Learns how long requests on a route take.
    pub(crate) fn learn(&self, route: u32, interval: &Interval) {
        let mut all = lock(&self.durations);
        let known = all.entry(route).or_insert(Durations::Few(0));
        match known {
            Durations::Many(sum) => sum_up(sum, interval.durations_ns()),
            Durations::Few(count) if *count + interval.count() < SOME => {
                *count += interval.count();
            }
            Durations::Few(_) => {
                let mut first = interval.durations_ns().clone();
                first.auto(true);
                *known = Durations::Many(first);
            }
        }
        let Durations::Many(sum) = known else { return };
        if sum.len() >= ENOUGH {
            let limit = sum.value_at_quantile(0.99) as f64 * TIMES_P99;
            let limit_ns = (limit as u64).max(nanos(NEVER_SLOW));
            if let Some(known) = self.limits_ns.get(route as usize) {
                known.store(limit_ns, Ordering::Relaxed);
            }
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_route_is_measured_by_its_own_percentile() {
        let slow = Slow::new(Duration::from_secs(1));
        assert_eq!(slow.judge(1, 900 * MS), None, "nothing is known yet");
        assert!(slow.judge(1, 1_001 * MS).is_some_and(|v| !v.own));
        let mut interval = Interval::default();
        (0..ENOUGH).for_each(|_| interval.record(20 * MS, 0, false));
        slow.learn(1, &interval);
        assert_eq!(slow.judge(1, 59 * MS), None);
        let verdict = slow.judge(1, 62 * MS).expect("slow");
        assert!(
            verdict.own && verdict.limit_ns.abs_diff(60 * MS) < MS,
            "{verdict:?}"
        );
        assert_eq!(slow.judge(2, 62 * MS), None, "another route");
        let mut interval = Interval::default();
        (0..ENOUGH).for_each(|_| interval.record(MS / 100, 0, false));
        slow.learn(2, &interval);
        assert_eq!(slow.judge(2, 9 * MS), None, "too quick to be slow");
    }

    #[test]
    fn names_that_are_not_repeated_have_no_histogram() {
        let slow = Slow::new(Duration::from_secs(1));
        let mut once = Interval::default();
        once.record(MS, 0, false);
        for _ in 0..SOME - 1 {
            (1..600).for_each(|route| slow.learn(route, &once));
        }
        let many = || {
            let all = lock(&slow.durations);
            let many = all.values().filter(|of| matches!(of, Durations::Many(_)));
            (many.count(), all.len())
        };
        assert_eq!(many(), (0, 599));
        (0..=ENOUGH).for_each(|_| slow.learn(7, &once));
        assert_eq!(many(), (1, 599));
        assert!(slow.judge(7, 11 * MS).is_some_and(|verdict| verdict.own));
        slow.forget(&[(7, 600)]);
        assert_eq!(many(), (0, 598));
        assert_eq!(slow.judge(7, 11 * MS), None, "its name gave way");
    }

    #[test]
    fn few_have_an_event_and_the_rest_are_counted() {
        let slow = Slow::new(Duration::ZERO);
        let start = Instant::now();
        let events = (0..1_000_u64)
            .filter(|i| {
                slow.turn(1, start + Duration::from_millis(i * 100))
                    .is_some()
            })
            .count();
        assert_eq!((events, slow.suppressed()), (10, 990));
        assert_eq!(slow.turn(2, start), Some(0), "another route");
        let later = start + Duration::from_secs(1_000);
        assert_eq!(slow.turn(1, later), Some(99), "since its last event");
        for route in 10..10_000 {
            slow.turn(route, later);
        }
        assert_eq!(lock(&slow.reported).events, MAX_EVENTS);
    }
}
