//! A measured request, and the threads that work on one.
//!
//! A thread works on the request of the innermost span that it is in, as its
//! samples say, too. When that changes its CPU clock is read: what it used since
//! is the request's that it leaves. A request inside another is another, so that
//! nothing is counted twice.
//!
//! What a thread works on is kept where others can see it: at the end of a
//! stretch of time they read its clock, so that a request which stays on one
//! thread for minutes has its time in the stretches in which it used it.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use soakscope_sampler::{ThreadClock, thread_cpu_time};

use super::Cpu;
use super::route::{Drawn, Stay};

/// A request that is measured.
#[derive(Debug)]
pub(crate) struct Meter {
    cpu: Arc<Cpu>,
    /// The number of its name.
    route: u32,
    drawn: Drawn,
    opened_at_tick: u64,
    /// What it used in the newest stretch in which it did, and which that is;
    /// its route's.
    used: AtomicU64,
    stretch: AtomicU64,
}

impl Meter {
    pub(super) fn new(cpu: Arc<Cpu>, route: u32, drawn: Drawn) -> Self {
        Self {
            opened_at_tick: cpu.allowance.tick(),
            cpu,
            route,
            drawn,
            used: AtomicU64::new(0),
            stretch: AtomicU64::new(drawn.stretch),
        }
    }

    /// It closed.
    pub(crate) fn ended(&self) {
        if let Some(route) = self.cpu.routes.get(self.route) {
            route.ended();
        }
    }

    fn leave_out(&self) {
        if let Some(route) = self.cpu.routes.get(self.route) {
            route.leave_out(self.drawn);
        }
    }

    fn stayed(&self, took: Duration, thin: u32) {
        let Some(route) = self.cpu.routes.get(self.route) else {
            return;
        };
        let stay = Stay {
            weight: self.drawn.weight,
            opened_in: self.drawn.stretch,
            took_ns: u64::try_from(took.as_nanos()).unwrap_or(u64::MAX),
            thin,
        };
        let young = self.opened_at_tick + 1 >= self.cpu.allowance.tick();
        route.stayed(stay, &self.used, &self.stretch, young);
    }
}

/// What a thread works on.
#[derive(Debug)]
pub(crate) struct Desk {
    /// Tells whose requests it may have.
    cpu: Arc<Cpu>,
    clock: ThreadClock,
    /// Locked by its thread when it changes, by others for a moment now and then.
    work: Mutex<Option<Work>>,
}

#[derive(Debug)]
struct Work {
    meter: Arc<Meter>,
    /// What the thread's clock said when it was last read.
    since: Duration,
    /// This stay stands for so many.
    thin: u32,
}

impl Desk {
    fn of_this_thread(cpu: &Arc<Cpu>) -> Self {
        Self {
            cpu: Arc::clone(cpu),
            clock: ThreadClock::current(),
            work: Mutex::default(),
        }
    }

    fn work(&self) -> MutexGuard<'_, Option<Work>> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters what was used until now, from another thread.
    pub(super) fn look(&self) {
        let mut work = self.work();
        let Some(work) = work.as_mut() else { return };
        let Some(now) = self.clock.read() else { return };
        self.cpu.allowance.spend();
        let took = now.saturating_sub(work.since);
        if took > Duration::ZERO {
            work.since = now;
            work.meter.stayed(took, work.thin);
        }
    }

    /// Puts `next` in the place of what was on it.
    fn change(&self, next: Option<(&Arc<Meter>, u32)>) {
        let mut work = self.work();
        if work.is_none() && next.is_none() {
            return;
        }
        let now = thread_cpu_time();
        self.cpu.allowance.spend();
        if let Some(left) = work.take() {
            let overhead = Duration::from_nanos(self.cpu.allowance.overhead_ns);
            let took = now.saturating_sub(left.since).saturating_sub(overhead);
            left.meter.stayed(took, left.thin);
        }
        *work = next.map(|(meter, thin)| Work {
            meter: Arc::clone(meter),
            since: now,
            thin,
        });
    }
}

/// A thread's desk, once it had a measured request.
#[derive(Debug)]
pub(crate) struct Seat(Option<Arc<Desk>>);

impl Seat {
    /// That of a thread that had none.
    pub(crate) const EMPTY: Self = Self(None);

    /// The thread leaves the request `from` for `to`; those that are not measured
    /// are `None`, and so is none.
    #[inline]
    pub(crate) fn pass(&mut self, from: Option<&Arc<Meter>>, to: Option<&Arc<Meter>>) {
        match (from, to) {
            (None, None) => {}
            (Some(from), Some(to)) if Arc::ptr_eq(from, to) => {}
            (_, to) => self.change(to),
        }
    }

    #[cold]
    fn change(&mut self, to: Option<&Arc<Meter>>) {
        // In a child that was forked off, what was its parent's is left alone.
        let to = to.filter(|meter| !meter.cpu.is_forked());
        if self.0.as_ref().is_some_and(|desk| desk.cpu.is_forked()) {
            std::mem::forget(self.0.take());
        }
        let next = to.and_then(|meter| {
            let thin = meter.cpu.allowance.thin(meter.opened_at_tick);
            if thin == 0 {
                meter.leave_out();
            }
            (thin > 0).then_some((meter, thin))
        });
        let other = |desk: &&Arc<Desk>| to.is_some_and(|meter| !Arc::ptr_eq(&meter.cpu, &desk.cpu));
        if let Some(desk) = self.0.as_ref().filter(other) {
            // That of another run.
            desk.change(None);
            self.0 = None;
        }
        if self.0.is_none()
            && let Some((meter, _)) = next
        {
            let desk = Arc::new(Desk::of_this_thread(&meter.cpu));
            meter.cpu.seat(&desk);
            self.0 = Some(desk);
        }
        if let Some(desk) = &self.0 {
            desk.change(next);
        }
    }
}

impl Drop for Seat {
    /// The thread ends, in a span whose guard was forgotten perhaps.
    fn drop(&mut self) {
        self.change(None);
    }
}
