//! What a sampler hands over: stacks with their weights, and how far to trust
//! them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::clock::Clock;
use crate::error::Fallback;

/// Everything sampled between two drains.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CpuWindow {
    /// The clock that sampled it.
    pub clock: Clock,
    /// How stacks were walked: `"cfi"` or `"pprof"`.
    pub unwinder: &'static str,
    /// Samples per second of CPU time (of wall time for [`Clock::Wall`]).
    pub frequency_hz: u32,
    /// When the window began.
    pub started: SystemTime,
    /// How long it lasted.
    pub duration: Duration,
    /// The samples, equal ones added up.
    pub samples: Vec<CpuSample>,
    /// CPU time the whole process used in the window, by `getrusage`.
    pub cpu_used: Duration,
    /// The part of `cpu_used` that belongs to excluded threads.
    pub cpu_excluded: Duration,
    /// The counters of this window alone.
    pub stats: CpuStats,
}

impl CpuWindow {
    /// CPU time attributed to stacks ÷ CPU time used by the threads that were
    /// to be sampled. `None` when nothing was used, or on a clock that does
    /// not measure CPU time.
    pub fn coverage(&self) -> Option<f64> {
        if matches!(self.clock, Clock::Wall | Clock::Off) {
            return None;
        }
        let used = self.cpu_used.checked_sub(self.cpu_excluded)?;
        if used.is_zero() {
            return None;
        }
        Some(self.stats.attributed.as_secs_f64() / used.as_secs_f64())
    }
}

/// One distinct stack of one thread under one label.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CpuSample {
    /// The kernel's thread id. The `pprof` clock knows only an opaque number.
    pub thread_id: u32,
    /// The thread's name, `""` when it had gone before it could be asked.
    pub thread_name: Arc<str>,
    /// The word set by [`set_label`](crate::set_label); 0 for none.
    pub label: u64,
    /// Program counters, innermost first. `stack[0]` is the interrupted
    /// instruction; callers already point inside their call instruction.
    pub stack: Vec<u64>,
    /// The walk stopped before the thread's first frame.
    pub truncated: bool,
    /// The thread was in a system call, made at `stack[0]`. Known on x86-64, for
    /// clocks of CPU time.
    pub in_kernel: bool,
    /// How many times it was seen.
    pub count: u64,
    /// How much time it stands for.
    pub weight: Duration,
}

/// Counters of a sampler, since its start or over one window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CpuStats {
    /// Samples recorded.
    pub samples: u64,
    /// Time the recorded samples stand for.
    pub attributed: Duration,
    /// Samples lost, by cause. A cause that never struck is absent.
    pub drops: BTreeMap<&'static str, u64>,
    /// Recorded samples whose stack does not reach the thread's start.
    pub truncated: u64,
    /// Recorded samples whose stack was not kept because too many different
    /// ones came in one window; their time is kept, per thread.
    pub folded: u64,
    /// Signals that arrived on excluded threads and were put aside.
    pub excluded: u64,
    /// Threads with a clock of their own now.
    pub threads_armed: u64,
    /// Attempts to give a thread its own timer that the system refused; the
    /// process's timer covers such threads.
    pub threads_refused: u64,
    /// Instants at which threads were looked at, on [`Clock::Instants`].
    pub instants: Option<InstantStats>,
    /// Clocks tried before the one in use, and why they were refused.
    pub fallbacks: Vec<Fallback>,
    /// What went wrong without stopping the sampler, newest last; bounded.
    pub warnings: Vec<String>,
}

/// Instants drawn by [`Clock::Instants`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstantStats {
    /// Drawn, and their time has come.
    pub due: u64,
    /// At which threads were looked at.
    pub taken: u64,
    /// At which none were, by cause: `late`, the observing thread woke too late;
    /// `delayed`, it had to wait for its CPU; `moved`, it was taken
    /// off its CPU; `refused`, the system refused a call.
    pub dropped: BTreeMap<&'static str, u64>,
    /// How long the timers of threads served, as too many were dropped.
    pub by_timers: Duration,
}

impl InstantStats {
    fn since(&self, earlier: &InstantStats) -> InstantStats {
        InstantStats {
            due: self.due.saturating_sub(earlier.due),
            taken: self.taken.saturating_sub(earlier.taken),
            dropped: counts_since(&self.dropped, &earlier.dropped),
            by_timers: self.by_timers.saturating_sub(earlier.by_timers),
        }
    }
}

/// What was counted after `earlier`, by cause.
fn counts_since(
    now: &BTreeMap<&'static str, u64>,
    earlier: &BTreeMap<&'static str, u64>,
) -> BTreeMap<&'static str, u64> {
    let before = |cause| earlier.get(cause).copied().unwrap_or(0);
    now.iter()
        .map(|(cause, count)| (*cause, count.saturating_sub(before(*cause))))
        .filter(|(_, count)| *count > 0)
        .collect()
}

impl CpuStats {
    /// All drops together.
    pub fn dropped(&self) -> u64 {
        self.drops.values().sum()
    }

    /// What was counted after `earlier` was taken.
    pub(crate) fn since(&self, earlier: &CpuStats) -> CpuStats {
        CpuStats {
            samples: self.samples.saturating_sub(earlier.samples),
            attributed: self.attributed.saturating_sub(earlier.attributed),
            drops: counts_since(&self.drops, &earlier.drops),
            truncated: self.truncated.saturating_sub(earlier.truncated),
            folded: self.folded.saturating_sub(earlier.folded),
            excluded: self.excluded.saturating_sub(earlier.excluded),
            threads_refused: self.threads_refused.saturating_sub(earlier.threads_refused),
            instants: self.instants.as_ref().map(|now| {
                let before = earlier.instants.clone().unwrap_or_default();
                now.since(&before)
            }),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_counts_only_what_came_after_the_last() {
        let earlier = CpuStats {
            samples: 10,
            attributed: Duration::from_secs(1),
            drops: BTreeMap::from([("ring full", 3)]),
            ..CpuStats::default()
        };
        let now = CpuStats {
            samples: 15,
            attributed: Duration::from_secs(3),
            drops: BTreeMap::from([("ring full", 3), ("handler re-entered", 2)]),
            ..CpuStats::default()
        };
        let window = now.since(&earlier);
        assert_eq!(window.samples, 5);
        assert_eq!(window.attributed, Duration::from_secs(2));
        assert_eq!(window.drops, BTreeMap::from([("handler re-entered", 2)]));
        assert_eq!(window.dropped(), 2);
    }
}
