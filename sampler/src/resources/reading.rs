//! The values of one reading. Bytes are bytes, CPU is time, counts are counts.

use std::fmt;
use std::io;
use std::time::Duration;

/// One reading of this process's memory, CPU, threads and descriptors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessReading {
    /// Resident set size.
    pub rss_bytes: Option<u64>,
    /// The highest resident set size so far.
    pub rss_peak_bytes: Option<u64>,
    /// Resident memory that no file backs: heap, stacks, private mappings.
    pub rss_anon_bytes: Option<u64>,
    /// Resident pages of mapped files.
    pub rss_file_bytes: Option<u64>,
    /// Resident shared memory.
    pub rss_shmem_bytes: Option<u64>,
    /// Address space.
    pub vms_bytes: Option<u64>,
    /// User and system CPU time of all threads since the process began.
    pub cpu: Option<Duration>,
    /// Living threads, the agent's own among them.
    pub threads: Option<u64>,
    /// Open descriptors, the agent's own among them.
    pub open_fds: Option<u64>,
    /// Page faults that needed no disk, since the process began.
    pub minor_faults: Option<u64>,
    /// Page faults that waited for a disk, since the process began.
    pub major_faults: Option<u64>,
    /// Context switches because a thread waited, since the process began.
    pub voluntary_switches: Option<u64>,
    /// Context switches because a thread's time was up, since the process began.
    pub involuntary_switches: Option<u64>,
}

/// What only a walk over all mappings counts exactly (`smaps_rollup`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryDetail {
    /// Resident memory, shared pages divided by how many processes share them.
    pub pss_bytes: Option<u64>,
    /// Resident pages of this process alone that were written to.
    pub private_dirty_bytes: Option<u64>,
    /// Memory that is swapped out.
    pub swap_bytes: Option<u64>,
}

/// What went to and came from storage, since the process began. Caches and
/// sockets are not in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiskIo {
    /// Bytes fetched from storage.
    pub read_bytes: Option<u64>,
    /// Bytes sent to storage, or to be sent to it.
    pub written_bytes: Option<u64>,
}

/// The process's cgroup (v2), other processes in it included. Counts and times
/// are since the cgroup was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cgroup {
    /// `memory.current`; it counts page cache.
    pub memory_bytes: Option<u64>,
    /// Memory that no file backs.
    pub anon_bytes: Option<u64>,
    /// Page cache and mapped files.
    pub file_bytes: Option<u64>,
    /// How often it went over `memory.high` and was slowed down.
    pub high_events: Option<u64>,
    /// How often it was about to go over `memory.max`.
    pub max_events: Option<u64>,
    /// Processes of it that were killed for want of memory.
    pub oom_kills: Option<u64>,
    /// Time in which its threads could have run and had no CPU quota left.
    pub throttled: Option<Duration>,
}

/// Time lost waiting, of the cgroup where that is known, or else of the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pressure {
    /// Waiting for a CPU.
    pub cpu: Option<Stall>,
    /// Waiting for memory.
    pub memory: Option<Stall>,
    /// Waiting for I/O.
    pub io: Option<Stall>,
}

/// Time lost waiting for one resource, since the machine or the cgroup began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stall {
    /// At least one task waited.
    pub some: Option<Duration>,
    /// No task could go on.
    pub full: Option<Duration>,
}

/// Limits that a growing series can run into.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// `RLIMIT_NOFILE`, soft.
    pub open_fds: Option<u64>,
    /// `RLIMIT_AS`, soft; `None` where unlimited.
    pub address_space_bytes: Option<u64>,
    /// cgroup v2 `memory.max`, the lowest from this cgroup up; `None` where
    /// unlimited or unknown.
    pub cgroup_memory_bytes: Option<u64>,
    /// Ports that outgoing connections to one address can choose from.
    pub ephemeral_ports: Option<u64>,
}

/// One of the series that every run has, which could not be read in a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// Its column in the timeline.
    pub series: &'static str,
    /// What it is read from.
    pub source: &'static str,
    /// What the system answered; `None` where it answered something that does
    /// not have the value in it.
    pub error: Option<io::ErrorKind>,
}

impl Missing {
    pub(super) fn new(
        series: &'static str,
        source: &'static str,
        error: Option<io::ErrorKind>,
    ) -> Self {
        Self {
            series,
            source,
            error,
        }
    }
}

/// `VmRSS of /proc/self/status: permission denied`
impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.error {
            Some(error) => write!(f, "{}: {error}", self.source),
            None => write!(f, "{}: not in it", self.source),
        }
    }
}
