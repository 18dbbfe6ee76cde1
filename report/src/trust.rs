//! How far the measurements of a run can be trusted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::spans::Agreement;

/// How far the measurements of a run can be trusted. What is unknown is `None`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Trust {
    /// What delivered the CPU samples.
    pub cpu_clock: Option<String>,
    /// What unwound the stacks.
    pub cpu_engine: Option<String>,
    /// CPU seconds the process used while profiled.
    pub cpu_seconds_used: Option<f64>,
    /// CPU seconds the samples account for, before they are scaled to anything.
    pub cpu_seconds_attributed: Option<f64>,
    /// Attributed ÷ used, from 0 to about 1. It says whether samples were lost,
    /// not whether they landed where the time was spent; that is what
    /// [`agreement`](Self::agreement) is about.
    pub coverage: Option<f64>,
    /// The 95 % interval of the coverage, half its width: 1.96 √Σw² ÷ used,
    /// where w is what each sample stands for.
    pub coverage_within: Option<f64>,
    /// How many CPU samples there are.
    pub cpu_samples: Option<u64>,
    /// Whether the samples give each route the CPU time that was measured in it.
    pub agreement: Option<Agreement>,
    /// What became of the moments at which a sample was due, where the clock is
    /// one that draws them.
    pub instants: Option<Instants>,
    /// What was lost, by cause: samples, rows, spans.
    pub drops: BTreeMap<String, u64>,
    /// CPU seconds the agent itself used.
    pub agent_cpu_seconds: Option<f64>,
    /// Memory the agent itself holds, in MB (1024² bytes).
    pub agent_memory_mb: Option<f64>,
    /// Threads of the agent.
    pub agent_threads: Option<u64>,
    /// Ticks of the timeline that were not taken.
    pub missed_ticks: u64,
}

/// Moments at which the running threads were looked at, or should have been.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Instants {
    /// How many were due.
    pub due: u64,
    /// How many were taken.
    pub taken: u64,
    /// How many were not, by cause.
    pub dropped: BTreeMap<String, u64>,
    /// Seconds for which samples of the per-thread timers stand instead.
    pub seconds_by_timers: f64,
}
