//! The native engine where there is none: every clock of it is refused.

use super::engine::{Engine, EngineConfig};
use super::window::{CpuSample, CpuStats};
use crate::clock::Clock;
use crate::error::Error;

/// Nobody has one.
pub(crate) enum NativeEngine {}

impl NativeEngine {
    pub(crate) fn start(clock: Clock, _config: &EngineConfig) -> Result<Self, Error> {
        Err(Error::ClockRefused {
            clock,
            reason: "it needs Linux on x86-64 or aarch64".to_owned(),
        })
    }
}

impl Engine for NativeEngine {
    fn clock(&self) -> Clock {
        match *self {}
    }

    fn unwinder(&self) -> &'static str {
        match *self {}
    }

    fn drain(&self) -> Result<Vec<CpuSample>, Error> {
        match *self {}
    }

    fn stats(&self) -> CpuStats {
        match *self {}
    }

    fn threads(&self) -> Result<Vec<CpuSample>, Error> {
        match *self {}
    }

    fn stop(&self) {
        match *self {}
    }
}

/// There is no ring.
pub(crate) fn ring_bytes() -> usize {
    0
}
