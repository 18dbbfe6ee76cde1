//! Whether the calling process is the one that an agent was started in.
//!
//! In a child that was forked off, the agent's threads are not there, its locks
//! may be held for good, and the run is the parent's. So an agent does nothing
//! there, and a new one can be started.

use soakscope_sampler::{fork_generation, watch_forks};

/// The process that an agent belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process {
    generation: u32,
    process: u32,
}

impl Process {
    /// The calling process.
    pub(crate) fn current() -> Self {
        watch_forks();
        Self {
            generation: fork_generation(),
            process: std::process::id(),
        }
    }

    /// Whether this is a child of it; costs one load.
    pub(crate) fn is_forked(self) -> bool {
        fork_generation() != self.generation
    }

    /// [`Process::is_forked`], also of a child that a bare system call made.
    pub(crate) fn is_elsewhere(self) -> bool {
        self.is_forked() || std::process::id() != self.process
    }

    /// A number that a child has another of, and is not 0.
    pub(crate) fn number(self) -> u64 {
        u64::from(self.process) << 32 | u64::from(self.generation)
    }
}
