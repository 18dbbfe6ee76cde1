//! The values of one reading. Bytes are bytes, CPU is time, counts are counts.

use std::time::Duration;

/// One reading of this process's memory, CPU, threads and descriptors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessReading {
    /// Resident set size.
    pub rss_bytes: Option<u64>,
    /// Resident memory that no file backs: heap, stacks, private mappings.
    /// Where only `statm` is at hand this is resident minus shared, which
    /// counts written private file pages as anonymous, as the kernel does.
    pub rss_anon_bytes: Option<u64>,
    /// Resident pages of files and of shared memory.
    pub rss_file_bytes: Option<u64>,
    /// Address space.
    pub vms_bytes: Option<u64>,
    /// User and system CPU time of all threads since the process began.
    pub cpu: Option<Duration>,
    /// Living threads, the agent's own among them.
    pub threads: Option<u64>,
    /// Open descriptors, the agent's own among them.
    pub open_fds: Option<u64>,
}

/// Limits that a growing series can run into.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// `RLIMIT_NOFILE`, soft.
    pub open_fds: Option<u64>,
    /// `RLIMIT_AS`, soft; `None` where unlimited.
    pub address_space_bytes: Option<u64>,
    /// cgroup v2 `memory.max`; `None` where unlimited or unknown.
    pub cgroup_memory_bytes: Option<u64>,
}
