//! What every way of sampling has in common.

use super::window::{CpuSample, CpuStats};
use crate::clock::Clock;
use crate::error::Error;

/// A running engine. Dropping it stops it.
pub(crate) trait Engine: Send + Sync {
    fn clock(&self) -> Clock;
    fn unwinder(&self) -> &'static str;
    /// Takes everything sampled since the last call.
    fn drain(&self) -> Result<Vec<CpuSample>, Error>;
    /// Counters since the engine started.
    fn stats(&self) -> CpuStats;
    /// The stack of every thread that is not excluded, now.
    fn threads(&self) -> Result<Vec<CpuSample>, Error>;
    /// Stops the clock; what was sampled can still be drained.
    fn stop(&self);
}

/// What an engine is started with.
#[derive(Clone, Debug)]
pub(crate) struct EngineConfig {
    pub(crate) frequency_hz: u32,
}

/// The engine of [`Clock::Off`].
pub(crate) struct OffEngine;

impl Engine for OffEngine {
    fn clock(&self) -> Clock {
        Clock::Off
    }

    fn unwinder(&self) -> &'static str {
        "none"
    }

    fn drain(&self) -> Result<Vec<CpuSample>, Error> {
        Ok(Vec::new())
    }

    fn stats(&self) -> CpuStats {
        CpuStats::default()
    }

    fn threads(&self) -> Result<Vec<CpuSample>, Error> {
        Err(Error::Unsupported("thread stacks with the CPU clock off"))
    }

    fn stop(&self) {}
}
