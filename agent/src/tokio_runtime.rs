//! The service's tokio runtime, as far as its stable metrics tell.

use std::time::{Duration, Instant};

use tokio::runtime::Handle;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RuntimeReading {
    pub(crate) alive_tasks: u64,
    pub(crate) global_queue: u64,
    /// Share of all workers' time spent polling tasks since the last reading.
    pub(crate) busy_percent: Option<f64>,
}

/// Reads one runtime, tick after tick.
#[derive(Debug)]
pub(crate) struct Runtime {
    handle: Handle,
    last: Option<(Instant, Duration)>,
}

impl Runtime {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle, last: None }
    }

    pub(crate) fn read(&mut self, now: Instant) -> RuntimeReading {
        let metrics = self.handle.metrics();
        let workers = metrics.num_workers();
        #[cfg(target_has_atomic = "64")]
        let busy = Some(
            (0..workers)
                .map(|worker| metrics.worker_total_busy_duration(worker))
                .sum::<Duration>(),
        );
        #[cfg(not(target_has_atomic = "64"))]
        let busy: Option<Duration> = None;
        let busy_percent = busy.zip(self.last).and_then(|(busy, (then, before))| {
            let possible = now.duration_since(then).as_secs_f64() * workers as f64;
            let used = busy.saturating_sub(before).as_secs_f64();
            (possible > 0.0).then(|| (used / possible * 100.0).min(100.0))
        });
        self.last = busy.map(|busy| (now, busy));
        RuntimeReading {
            alive_tasks: metrics.num_alive_tasks() as u64,
            global_queue: metrics.global_queue_depth() as u64,
            busy_percent,
        }
    }
}
