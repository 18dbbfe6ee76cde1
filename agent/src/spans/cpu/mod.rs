//! CPU time by route, measured: the thread's CPU clock is read when a thread
//! begins and ends to work on a request.
//!
//! A reading costs half a microsecond or so, so not all requests are measured:
//! the first of a route always, then a random one of every k, with k so that all
//! readings together take one part in 2,000 of a core. [`sums`] has the
//! estimator and where it is from, [`route`] which requests are measured,
//! [`allowance`] how many may be, [`meter`] what happens on a thread.
//!
//! There are two who ask, the rows of `spans.csv` and the windows of the CPU
//! profile, each for stretches of its own. A stretch that is measured ends
//! whenever one of them asks, and is part of one of each.

mod allowance;
mod meter;
mod route;
mod routes;
mod sums;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use soakscope_sampler::fork_generation;

use self::allowance::Allowance;
use self::meter::Desk;
pub(crate) use self::meter::{Meter, Seat};
use self::routes::Routes;
use crate::own_bytes;

/// Desks of threads that ended are looked for when there are so many, and again
/// when there are twice as many as then were left.
const DESKS: usize = 256;

/// Less says nothing about how often requests come.
const MIN_TICK: Duration = Duration::from_millis(5);

/// CPU time of a route in a stretch of time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Measured {
    pub(crate) cpu_ns: f64,
    /// The square of its standard error; 0 where all requests were measured.
    pub(crate) variance: f64,
    /// Measured requests that ended.
    pub(crate) requests: u64,
}

impl Measured {
    pub(crate) fn add(&mut self, more: &Self) {
        self.cpu_ns += more.cpu_ns;
        self.variance += more.variance;
        self.requests += more.requests;
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consumer {
    /// The rows of `spans.csv`.
    Rows = 0,
    /// The windows of the CPU profile.
    Profile = 1,
}

/// By the numbers of the routes' names.
pub(crate) type ByRoute = HashMap<u32, Measured>;

/// What is measured of all routes.
#[derive(Debug)]
pub(crate) struct Cpu {
    /// The process it is in, by its number of forks.
    generation: u32,
    allowance: Allowance,
    routes: Routes,
    desks: Mutex<Desks>,
    /// What each of those who ask has not had.
    waiting: Mutex<[ByRoute; 2]>,
    ticked: Mutex<Instant>,
}

#[derive(Debug)]
struct Desks {
    all: Vec<Weak<Desk>>,
    look_at: usize,
}

impl Cpu {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            generation: fork_generation(),
            allowance: Allowance::new(),
            routes: Routes::default(),
            desks: Mutex::new(Desks {
                all: Vec::new(),
                look_at: DESKS,
            }),
            waiting: Mutex::default(),
            ticked: Mutex::new(Instant::now()),
        })
    }

    /// A request of this route opens; answers with what it is measured, if it is.
    pub(crate) fn open(self: &Arc<Self>, route: u32) -> Option<Arc<Meter>> {
        let drawn = self.routes.get(route)?.open(&self.allowance)?;
        Some(Arc::new(Meter::new(Arc::clone(self), route, drawn)))
    }

    /// Whether this is a child of the process it is in: locks of the parent's may
    /// be held for good there.
    fn is_forked(&self) -> bool {
        self.generation != fork_generation()
    }

    /// Whether requests are measured: the system has such a clock.
    pub(crate) fn measures(&self) -> bool {
        self.allowance.measures()
    }

    /// The run is over, and nothing is measured any more.
    pub(crate) fn stop(&self) {
        self.allowance.stop();
    }

    /// Shares out what may be read until the next tick.
    pub(crate) fn tick(&self, now: Instant) {
        let since = {
            let mut ticked = lock(&self.ticked);
            let since = now.saturating_duration_since(*ticked);
            if since < MIN_TICK {
                return;
            }
            *ticked = now;
            since
        };
        let allowed = self.allowance.refill(since);
        let routes: Vec<_> = self
            .routes
            .all()
            .filter_map(|(_, route)| Some((route, route.need(since.as_secs_f64())?)))
            .collect();
        let needs: Vec<f64> = routes.iter().map(|(_, need)| *need).collect();
        let shared = allowance::shared(allowed.readings, &needs);
        for ((route, _), k) in routes.iter().zip(shared) {
            route.set(k);
        }
    }

    /// What was measured since this one last asked. What was under a number that
    /// is `gone` is there once more, and then no more.
    pub(crate) fn take(&self, consumer: Consumer, gone: &[(u32, u32)]) -> ByRoute {
        self.look_at_desks();
        let mut waiting = lock(&self.waiting);
        for (number, route) in self.routes.all() {
            if let Some(stretch) = route.cut() {
                let measured = Measured {
                    cpu_ns: stretch.estimate.cpu_ns,
                    variance: stretch.estimate.variance,
                    requests: stretch.ended,
                };
                for waits in waiting.iter_mut() {
                    waits.entry(number).or_default().add(&measured);
                }
            }
        }
        for (number, _) in gone {
            if let Some(route) = self.routes.known(*number) {
                route.forget();
            }
        }
        std::mem::take(&mut waiting[consumer as usize])
    }

    /// Enters what threads used of requests that they go on working on.
    fn look_at_desks(&self) {
        let desks: Vec<Arc<Desk>> = {
            let desks = lock(&self.desks);
            desks.all.iter().filter_map(Weak::upgrade).collect()
        };
        for desk in desks {
            desk.look();
        }
    }

    fn seat(&self, desk: &Arc<Desk>) {
        let mut desks = lock(&self.desks);
        if desks.all.len() >= desks.look_at {
            desks.all.retain(|desk| desk.strong_count() > 0);
            desks.look_at = (desks.all.len() * 2).max(DESKS);
        }
        desks.all.push(Arc::downgrade(desk));
    }

    /// Bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        /// Of a thread that had a measured request.
        const A_DESK: usize = size_of::<Desk>() + size_of::<Weak<Desk>>() + 16;
        let desks = lock(&self.desks).all.capacity() * A_DESK;
        let waiting = lock(&self.waiting)
            .iter()
            .map(own_bytes::table)
            .sum::<usize>();
        self.routes.bytes() + desks + waiting
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use soakscope_sampler::thread_cpu_time;

    use super::*;

    fn stay(seat: &mut Seat, meter: Option<&Arc<Meter>>, work: impl FnOnce()) {
        seat.pass(None, meter);
        work();
        seat.pass(meter, None);
    }

    fn spin(time: Duration) {
        let end = thread_cpu_time() + time;
        while thread_cpu_time() < end {}
    }

    /// Of one route or of many, of short requests or of ones that come and go.
    #[test]
    fn a_burst_of_requests_costs_a_few_seconds_of_what_is_allowed() {
        for (routes, stays) in [(1, 1), (100, 1), (3, 1_000)] {
            let cpu = Cpu::new();
            let mut seat = Seat::EMPTY;
            for number in 0..200_000 / stays {
                let meter = cpu.open(number % routes + 1);
                for _ in 0..stays {
                    stay(&mut seat, meter.as_ref(), || {});
                }
                if let Some(meter) = meter {
                    meter.ended();
                }
            }
            let spent = cpu.allowance.readings() as f64 / cpu.allowance.per_second();
            let first = f64::from(routes) * 4.0 / cpu.allowance.per_second();
            assert!(
                spent < 6.0 + first,
                "{routes} routes, {stays} stays: {spent} s"
            );
        }
    }

    #[test]
    fn each_who_asks_has_all_of_it_for_stretches_of_its_own() {
        let cpu = Cpu::new();
        let mut seat = Seat::EMPTY;
        let mut begin = thread_cpu_time();
        let mut sums = [Measured::default(); 2];
        let mut truth = Duration::ZERO;
        for (round, consumer) in [
            Consumer::Rows,
            Consumer::Rows,
            Consumer::Profile,
            Consumer::Rows,
        ]
        .into_iter()
        .enumerate()
        {
            let meter = cpu.open(7).expect("all are measured");
            // It is on this thread while somebody asks.
            seat.pass(None, Some(&meter));
            spin(Duration::from_millis(3));
            let taken = cpu.take(consumer, &[]);
            assert_eq!(taken.len(), 1, "round {round}");
            sums[consumer as usize].add(&taken[&7]);
            spin(Duration::from_millis(1));
            seat.pass(Some(&meter), None);
            meter.ended();
            truth += thread_cpu_time() - begin;
            begin = thread_cpu_time();
        }
        for consumer in [Consumer::Rows, Consumer::Profile] {
            let rest = cpu.take(consumer, &[]);
            sums[consumer as usize].add(&rest[&7]);
            let sum = sums[consumer as usize];
            assert_eq!((sum.requests, sum.variance), (4, 0.0));
            let (cpu_ms, truth_ms) = (sum.cpu_ns / 1e6, truth.as_secs_f64() * 1e3);
            assert!(
                cpu_ms >= 16.0 && cpu_ms <= truth_ms,
                "{cpu_ms} of {truth_ms}"
            );
            assert!(cpu.take(consumer, &[]).is_empty(), "it was taken");
        }
    }

    #[test]
    fn threads_that_end_leave_nothing_behind_and_what_they_used_is_kept() {
        let cpu = Cpu::new();
        let meter = cpu.open(1).expect("the first");
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    let mut seat = Seat::EMPTY;
                    seat.pass(None, Some(&meter));
                    spin(Duration::from_millis(1));
                });
            }
        });
        meter.ended();
        let taken = cpu.take(Consumer::Rows, &[]);
        assert!(taken[&1].cpu_ns >= 20e6, "{taken:?}");
        let alive = lock(&cpu.desks)
            .all
            .iter()
            .filter_map(Weak::upgrade)
            .count();
        assert_eq!(alive, 0);
        drop(meter);
        // The numbers of names that gave way are forgotten.
        cpu.take(Consumer::Rows, &[(1, 2)]);
        assert!(cpu.open(1).is_none());
    }

    /// As where one run follows another, or a request of one calls into the other.
    #[test]
    fn what_is_of_two_runs_goes_to_each() {
        let (ours, other) = (Cpu::new(), Cpu::new());
        let mut seat = Seat::EMPTY;
        let outer = ours.open(1).expect("the first");
        let inner = other.open(1).expect("the first");
        for _ in 0..3 {
            seat.pass(None, Some(&outer));
            spin(Duration::from_millis(1));
            seat.pass(Some(&outer), Some(&inner));
            spin(Duration::from_millis(2));
            seat.pass(Some(&inner), Some(&outer));
            spin(Duration::from_millis(1));
            seat.pass(Some(&outer), None);
            spin(Duration::from_millis(5));
        }
        for cpu in [ours, other] {
            let used = cpu.take(Consumer::Rows, &[])[&1].cpu_ns / 1e6;
            assert!((6.0..9.0).contains(&used), "{used} ms");
        }
    }

    #[test]
    fn after_the_end_of_a_run_nothing_is_measured() {
        let cpu = Cpu::new();
        assert!(cpu.measures() && cpu.open(1).is_some());
        cpu.stop();
        assert!(!cpu.measures() && cpu.open(1).is_none() && cpu.open(2).is_none());
    }
}
