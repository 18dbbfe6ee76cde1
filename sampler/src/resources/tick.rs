//! One tick: every reading that is due.

use std::time::{Duration, Instant};

use super::{
    Cgroup, DiskIo, Limits, MemoryDetail, Missing, Pace, Pressure, ProcessReading, Resources,
    SocketCounts, platform,
};

/// How much of one core all readings may take where nothing else is said.
const SHARE: f64 = 0.02;
/// Parts of that share. With the readings of every tick they make the whole.
const SOCKETS: f64 = 0.5;
const OTHERS: f64 = 0.1;
/// Steps of what changes little or holds up the service's own memory calls.
const RARELY: Duration = Duration::from_secs(30);

/// What was read in one tick. What was not due, or cannot be known here, is
/// `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TickReading {
    /// Read at every tick.
    pub process: ProcessReading,
    /// Our sockets by kind and state.
    pub sockets: Option<SocketCounts>,
    /// Exact memory; every 30 s at most.
    pub memory: Option<MemoryDetail>,
    /// Storage.
    pub disk_io: Option<DiskIo>,
    /// The cgroup.
    pub cgroup: Option<Cgroup>,
    /// Time lost waiting.
    pub pressure: Option<Pressure>,
    /// Limits; every 30 s at most.
    pub limits: Option<Limits>,
    /// Of resident memory, CPU, threads, descriptors and connections, those
    /// that were due and could not be read.
    pub missing: Vec<Missing>,
}

/// Takes the readings of each tick, and the dear ones of them less often: none
/// takes more than its share of a core, whatever the size of the process.
#[derive(Debug)]
pub struct Ticks {
    resources: Resources,
    sockets: Pace,
    memory: Pace,
    disk_io: Pace,
    cgroup: Pace,
    pressure: Pace,
    limits: Pace,
}

impl Ticks {
    /// Readings that may take 2 % of one core together.
    pub fn new() -> Self {
        Self::with_share(SHARE)
    }

    /// Readings that may take this share of one core (above 0) together.
    pub fn with_share(share: f64) -> Self {
        let (sockets, others) = (share * SOCKETS, share * OTHERS);
        Self {
            resources: Resources::new(),
            sockets: Pace::new(sockets, Duration::ZERO),
            memory: Pace::new(others, RARELY),
            disk_io: Pace::new(others, Duration::ZERO),
            cgroup: Pace::new(others, Duration::ZERO),
            pressure: Pace::new(others, Duration::ZERO),
            limits: Pace::new(others, RARELY),
        }
    }

    /// Takes the readings that are due at `now`.
    pub fn read(&mut self, now: Instant) -> TickReading {
        let resources = &mut self.resources;
        let process = resources.process();
        let mut missing = resources.missing(&process);
        let sockets_due = self.sockets.due(now);
        let sockets = paced(&mut self.sockets, now, || resources.sockets());
        if sockets_due && sockets.is_none() {
            missing.extend(resources.missing_sockets());
        }
        TickReading {
            process,
            sockets,
            missing,
            memory: paced(&mut self.memory, now, || resources.memory_detail()),
            disk_io: paced(&mut self.disk_io, now, || resources.disk_io()),
            cgroup: paced(&mut self.cgroup, now, || resources.cgroup()),
            pressure: paced(&mut self.pressure, now, || resources.pressure()),
            limits: paced(&mut self.limits, now, || Some(resources.limits())),
        }
    }

    /// The readings one by one.
    pub fn resources(&mut self) -> &mut Resources {
        &mut self.resources
    }
}

impl Default for Ticks {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads if it is due, and notes the CPU time that took: of this thread where
/// the system reports it, so that waiting for a processor is not taken for cost.
fn paced<T>(pace: &mut Pace, now: Instant, read: impl FnOnce() -> Option<T>) -> Option<T> {
    if !pace.due(now) {
        return None;
    }
    let (cpu, wall) = (platform::thread_cpu(), Instant::now());
    let value = read();
    let cost = cpu
        .zip(platform::thread_cpu())
        .map_or_else(|| wall.elapsed(), |(a, b)| b.saturating_sub(a));
    pace.took(now, cost);
    value
}
