//! What observers counted lately, from which it is judged how instants can be had.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::counts::Counts;
use crate::platform;
use crate::threads::excluded;

/// What was counted loses half its weight in this many judgements.
const HALF_LIFE: f64 = 8.0;

/// What was counted lately: sums in which what is older weighs less.
pub(super) struct Recent {
    pub(super) judged: Instant,
    /// The counters at the last judgement.
    due: u64,
    taken: u64,
    sent: u64,
    used: Duration,
    /// The sums.
    pub(super) sums: Sums,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Sums {
    pub(super) due: f64,
    pub(super) dropped: f64,
    pub(super) sent: f64,
    pub(super) used: f64,
}

/// CPU time that threads which are not excluded have used so far.
fn used() -> Duration {
    let excluded = excluded::cpu_time();
    platform::process_cpu_time().saturating_sub(excluded)
}

impl Recent {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            judged: now,
            due: 0,
            taken: 0,
            sent: 0,
            used: used(),
            sums: Sums::default(),
        }
    }

    /// Adds what was counted since the last time; returns the share of a core
    /// that the program used.
    pub(super) fn judge(&mut self, now: Instant, lasted: Duration, counts: &Counts) -> f64 {
        let since = |last: &mut u64, now: u64| (now - std::mem::replace(last, now)) as f64;
        let due = since(&mut self.due, counts.due.load(Relaxed));
        let taken = since(&mut self.taken, counts.taken.load(Relaxed));
        let sent = since(&mut self.sent, counts.sent.load(Relaxed)) / 1e9;
        let used_now = used();
        let used = used_now.saturating_sub(self.used).as_secs_f64();
        self.used = used_now;
        self.judged = now;
        let fading = 0.5_f64.powf(1.0 / HALF_LIFE);
        let sums = &mut self.sums;
        for (sum, more) in [
            (&mut sums.due, due),
            (&mut sums.dropped, (due - taken).max(0.0)),
            (&mut sums.sent, sent),
            (&mut sums.used, used),
        ] {
            *sum = *sum * fading + more;
        }
        used / lasted.as_secs_f64().max(1e-3)
    }
}
