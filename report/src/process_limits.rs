//! The limits of process and cgroup that `run.json` names, and the series that
//! each is the limit of.

use crate::columns::{CGROUP_MEMORY_MB, OPEN_FDS, VMS_MB};

/// A limit of the process or its cgroup, as a key of `limits` in `run.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProcessLimit {
    /// Open descriptors (`RLIMIT_NOFILE`).
    OpenFds,
    /// Address space in MB (`RLIMIT_AS`).
    AddressSpace,
    /// Memory of the cgroup in MB; of every series of the process's memory.
    CgroupMemory,
    /// Ports that outgoing connections to one address can choose from.
    EphemeralPorts,
}

/// Names of limits that are of every series of the process's memory: the one
/// that people set and format 1.0 wrote, and the one that runs have.
pub(crate) const OF_ALL_MEMORY: [&str; 2] = ["memory_mb", ProcessLimit::CgroupMemory.name()];

impl ProcessLimit {
    /// Every limit.
    pub const ALL: [ProcessLimit; 4] = [
        ProcessLimit::OpenFds,
        ProcessLimit::AddressSpace,
        ProcessLimit::CgroupMemory,
        ProcessLimit::EphemeralPorts,
    ];

    /// The key. That of a single series' limit is the series' name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ProcessLimit::OpenFds => OPEN_FDS.name,
            ProcessLimit::AddressSpace => VMS_MB.name,
            ProcessLimit::CgroupMemory => CGROUP_MEMORY_MB.name,
            ProcessLimit::EphemeralPorts => "ephemeral_ports",
        }
    }
}
