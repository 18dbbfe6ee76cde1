//! The service's tokio runtime, as its metrics show it: the stable ones,
//! and more of them where the service is compiled with `--cfg tokio_unstable`.

use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeMetrics};

use super::base::Bases;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RuntimeReading {
    pub(crate) alive_tasks: u64,
    pub(crate) global_queue: u64,
    /// Share of all workers' time spent polling tasks since the last reading.
    pub(crate) busy_percent: Option<f64>,
    /// `None` without `--cfg tokio_unstable`.
    pub(crate) unstable: Option<Unstable>,
}

/// What tokio reports only where it is compiled with `--cfg tokio_unstable`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unstable {
    pub(crate) blocking_threads: u64,
    /// Blocking work that waits for a thread.
    pub(crate) blocking_queue: u64,
    /// Tasks in the workers' own queues.
    pub(crate) local_queues: u64,
    /// Tasks that workers took from each other, since the runtime began.
    pub(crate) steals: u64,
    /// Tasks made to yield because their budget was used up, since then.
    pub(crate) forced_yields: u64,
}

/// Reads one runtime, tick after tick.
#[derive(Debug)]
pub(crate) struct Runtime {
    handle: Handle,
    last: Bases<Duration>,
}

impl Runtime {
    pub(crate) fn new(handle: Handle) -> Self {
        Self {
            handle,
            last: Bases::default(),
        }
    }

    pub(crate) fn read(&mut self, now: Instant, tick: Duration) -> RuntimeReading {
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
        let base = self.last.of(now, tick).copied();
        let busy_percent = busy.zip(base).and_then(|(busy, (then, before))| {
            let possible = now.duration_since(then).as_secs_f64() * workers as f64;
            let used = busy.saturating_sub(before).as_secs_f64();
            (possible > 0.0).then(|| (used / possible * 100.0).min(100.0))
        });
        if let Some(busy) = busy {
            self.last.push(now, busy);
        }
        RuntimeReading {
            alive_tasks: metrics.num_alive_tasks() as u64,
            global_queue: metrics.global_queue_depth() as u64,
            busy_percent,
            unstable: unstable(&metrics),
        }
    }
}

#[cfg(all(tokio_unstable, target_has_atomic = "64"))]
fn unstable(metrics: &RuntimeMetrics) -> Option<Unstable> {
    let workers = 0..metrics.num_workers();
    Some(Unstable {
        blocking_threads: metrics.num_blocking_threads() as u64,
        blocking_queue: metrics.blocking_queue_depth() as u64,
        local_queues: workers
            .clone()
            .map(|worker| metrics.worker_local_queue_depth(worker) as u64)
            .sum(),
        steals: workers
            .map(|worker| metrics.worker_steal_count(worker))
            .sum(),
        forced_yields: metrics.budget_forced_yield_count(),
    })
}

#[cfg(not(all(tokio_unstable, target_has_atomic = "64")))]
fn unstable(_: &RuntimeMetrics) -> Option<Unstable> {
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_unstable_readings_are_there_where_tokio_tells_them() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async { tokio::task::spawn_blocking(|| ()).await.unwrap() });
        let tick = Duration::from_secs(1);
        let reading = Runtime::new(runtime.handle().clone()).read(Instant::now(), tick);
        assert_eq!(reading.unstable.is_some(), cfg!(tokio_unstable));
        if let Some(unstable) = reading.unstable {
            // Threads stay for a while when their work is done.
            assert_eq!((unstable.blocking_threads, unstable.blocking_queue), (1, 0));
        }
    }
}
