//! Every other Unix.

use std::time::Duration;

/// A thread of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadHandle {
    pub(crate) pthread: u64,
}

impl ThreadHandle {
    pub(crate) fn current() -> Self {
        ThreadHandle {
            // SAFETY: `pthread_self` has no preconditions.
            pthread: unsafe { libc::pthread_self() } as u64,
        }
    }

    /// CPU time of another thread is not to be had portably.
    pub(crate) fn cpu_time(&self) -> Option<Duration> {
        None
    }
}

/// There are no timers of ours.
pub(crate) fn process_timers_signal_who_runs() -> bool {
    false
}
