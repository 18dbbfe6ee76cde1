//! One tick: every reading that is due.

use std::time::{Duration, Instant};

use super::{
    Cgroup, DiskIo, Limits, MemoryDetail, Pace, Pressure, ProcessReading, Resources, SocketCounts,
    sys,
};

/// Shares of one core. Together with the readings of every tick they stay
/// below 2 %.
const SOCKETS: f64 = 0.01;
const OTHERS: f64 = 0.002;
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
    /// Opens what the readings need.
    pub fn new() -> Self {
        Self {
            resources: Resources::new(),
            sockets: Pace::new(SOCKETS, Duration::ZERO),
            memory: Pace::new(OTHERS, RARELY),
            disk_io: Pace::new(OTHERS, Duration::ZERO),
            cgroup: Pace::new(OTHERS, Duration::ZERO),
            pressure: Pace::new(OTHERS, Duration::ZERO),
            limits: Pace::new(OTHERS, RARELY),
        }
    }

    /// Takes the readings that are due at `now`.
    pub fn read(&mut self, now: Instant) -> TickReading {
        let resources = &mut self.resources;
        TickReading {
            process: resources.process(),
            sockets: paced(&mut self.sockets, now, || resources.sockets()),
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
/// the system tells, so that waiting for a processor is not taken for cost.
fn paced<T>(pace: &mut Pace, now: Instant, read: impl FnOnce() -> Option<T>) -> Option<T> {
    if !pace.due(now) {
        return None;
    }
    let (cpu, wall) = (sys::thread_cpu(), Instant::now());
    let value = read();
    let cost = cpu
        .zip(sys::thread_cpu())
        .map_or_else(|| wall.elapsed(), |(a, b)| b.saturating_sub(a));
    pace.took(now, cost);
    value
}
