//! What this process holds and has used: memory, CPU, threads, descriptors,
//! sockets, its cgroup, and the host around it.
//!
//! Every value is an `Option`: a reading that could not be taken is `None`,
//! never zero. Platform code is in `platform`; portable and host figures come from
//! the `sysinfo` crate. Nothing here keeps history or a schedule; [`Ticks`] only
//! leaves out of a tick what would cost more than its share.

mod host;
mod pace;
mod platform;
mod reading;
mod sockets;
mod tick;

pub use host::{Host, HostReading};
pub use pace::Pace;
pub use reading::{Cgroup, DiskIo, Limits, MemoryDetail, Missing, Pressure, ProcessReading, Stall};
pub use sockets::{SocketCounts, TcpState};
pub use tick::{TickReading, Ticks};

use crate::own_files;
use crate::threads::excluded;

/// Reads the resources of this process.
///
/// Holds one open descriptor per `/proc` file it reads, so that a reading is a
/// `pread` and allocates nothing. Not shared between threads: one reader, one
/// ticker.
#[derive(Debug)]
pub struct Resources {
    process: platform::Process,
}

impl Resources {
    /// Opens what later readings need. Never fails: a source that cannot be
    /// opened leaves its fields `None`.
    pub fn new() -> Self {
        Self {
            process: platform::Process::new(),
        }
    }

    /// Memory, CPU, threads and descriptors. Costs some microseconds on Linux
    /// and does not depend on how many sockets or descriptors are open (Linux
    /// 6.2 or later; before that the kernel cannot say how many descriptors
    /// are open without listing them).
    pub fn process(&mut self) -> ProcessReading {
        self.process.read()
    }

    /// The sockets this process holds open, by kind and TCP state.
    ///
    /// Asks each descriptor of our own (`getsockopt`), so sockets of other
    /// processes in the same network namespace are not counted. Costs about
    /// 0.2–0.9 µs per descriptor. `None` where the platform does not count them.
    pub fn sockets(&mut self) -> Option<SocketCounts> {
        self.process.sockets()
    }

    /// Which of the series that every run has are not in `reading` although
    /// the platform has them. Only when all is well does it not allocate.
    fn missing(&self, reading: &ProcessReading) -> Vec<Missing> {
        self.process.missing(reading)
    }

    /// Says that the sockets could not be read, where the platform has them.
    fn missing_sockets(&self) -> Option<Missing> {
        self.process.missing_sockets()
    }

    /// Exact memory by a walk over all mappings. Costs microseconds for each
    /// megabyte mapped, during which the service's own `mmap` calls may wait.
    pub fn memory_detail(&mut self) -> Option<MemoryDetail> {
        self.process.memory_detail()
    }

    /// Bytes from and to storage. Costs more the more threads there are.
    pub fn disk_io(&mut self) -> Option<DiskIo> {
        self.process.disk_io()
    }

    /// The cgroup (v2) that the process is in; the one it was in when the
    /// readings began.
    pub fn cgroup(&mut self) -> Option<Cgroup> {
        self.process.cgroup()
    }

    /// Time lost waiting for CPU, memory and I/O.
    pub fn pressure(&mut self) -> Option<Pressure> {
        self.process.pressure()
    }

    /// The limits in force now.
    pub fn limits(&self) -> Limits {
        self.process.limits()
    }

    /// Descriptors that this reader and a running sampler hold open.
    pub fn own_descriptors(&self) -> u64 {
        self.process.descriptors() + own_files::open()
    }

    /// CPU time used so far by threads while they were kept out of the profile
    /// ([`exclude_current_thread`](crate::exclude_current_thread)): the agent's own.
    pub fn own_cpu(&self) -> std::time::Duration {
        excluded::cpu_time()
    }

    /// Living threads that are kept out of the profile.
    pub fn own_threads(&self) -> u64 {
        excluded::threads()
    }
}

/// How long the machine was suspended since it started; `None` where the system
/// does not report it. The monotonic clock stands still meanwhile.
pub fn suspended() -> Option<std::time::Duration> {
    platform::suspended()
}

impl Default for Resources {
    fn default() -> Self {
        Self::new()
    }
}
