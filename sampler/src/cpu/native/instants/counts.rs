//! What the observers count, and what they are asked to do: shared between
//! them and whoever drains.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use super::super::shared::count;
use super::method::{InForce, Method};

/// Of all observers of a run.
pub(super) struct Counts {
    /// Instants drawn whose time has come.
    pub(super) due: AtomicU64,
    /// Instants at which threads were looked at.
    pub(super) taken: AtomicU64,
    /// The observer woke too late.
    pub(super) late: AtomicU64,
    /// The observer waited for its CPU, so that it cannot be said who ran at
    /// the instant.
    pub(super) delayed: AtomicU64,
    /// The observer was moved to another CPU than its own.
    pub(super) moved: AtomicU64,
    /// A system call that looks at threads was refused.
    pub(super) refused: AtomicU64,
    /// Nanoseconds for which threads were seen to run, also those that cannot be
    /// sent a signal.
    pub(super) sent: AtomicU64,
    /// Nanoseconds of threads that block the signal.
    pub(super) blocked: AtomicU64,
    /// Interval between instants, in intervals of the frequency asked for.
    pub(super) stride: AtomicU32,
    pub(super) method: InForce,
    /// The CPUs are not those of the start.
    pub(super) replan: AtomicBool,
    pub(super) stop: AtomicBool,
}

impl Counts {
    pub(super) fn new(method: Method) -> Self {
        Self {
            due: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            late: AtomicU64::new(0),
            delayed: AtomicU64::new(0),
            moved: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            blocked: AtomicU64::new(0),
            stride: AtomicU32::new(1),
            method: InForce::new(method),
            replan: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        }
    }

    pub(super) fn add(counter: &AtomicU64, more: u64) {
        counter.fetch_add(more, Relaxed);
    }

    /// Instants at which nothing was looked at, by cause.
    pub(super) fn dropped(&self) -> [(&'static str, u64); 4] {
        [
            ("late", self.late.load(Relaxed)),
            ("delayed", self.delayed.load(Relaxed)),
            ("moved", self.moved.load(Relaxed)),
            ("refused", self.refused.load(Relaxed)),
        ]
    }

    /// A thread was seen to run and cannot be sampled, as it blocks the signal.
    pub(super) fn blocked(&self, weight: u64, period: u64) {
        let before = self.blocked.fetch_add(weight, Relaxed);
        let samples = |time: u64| time / period.max(1);
        count::BLOCKED.fetch_add(samples(before + weight) - samples(before), Relaxed);
    }
}
