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
use std::time::Instant;

use self::allowance::Allowance;
use self::meter::Desk;
pub(crate) use self::meter::{Meter, Seat};
use self::routes::Routes;
use crate::own_bytes;

/// Desks of threads that ended are looked for when there are so many, and again
/// when there are twice as many as then were left.
const DESKS: usize = 256;

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
