//! The ways to see who runs at an instant.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// A way to see who runs at an instant, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Method {
    /// The observer takes its CPU from who runs there, and recognises that
    /// thread by the moment of the switch. The sample is of the very instruction
    /// that was interrupted.
    Displaced = 0,
    /// The observer sees which clocks of threads on other CPUs move. The sample is
    /// of some microseconds later, when the signal has gone there.
    Moving = 1,
    /// Neither can be had: timers of threads serve.
    Timers = 2,
}

/// The method in force, which observers ask at each instant.
pub(super) struct InForce(AtomicU8);

impl InForce {
    pub(super) fn new(method: Method) -> Self {
        Self(AtomicU8::new(method as u8))
    }

    pub(super) fn set(&self, method: Method) {
        self.0.store(method as u8, Relaxed);
    }

    pub(super) fn get(&self) -> Method {
        match self.0.load(Relaxed) {
            0 => Method::Displaced,
            1 => Method::Moving,
            _ => Method::Timers,
        }
    }
}
