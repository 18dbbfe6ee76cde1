//! The right to be the one agent of this process.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Error;
use crate::process::Process;

/// One agent a process: its CPU sampler and its threads are process-wide. The
/// number of the process whose agent runs; a child finds its parent's here.
static RUNNING: AtomicU64 = AtomicU64::new(0);

/// Held by the one agent of this process; given back when dropped.
pub(crate) struct Claim(());

impl Claim {
    /// # Errors
    ///
    /// [`Error::AlreadyRunning`] while another agent of this process has it.
    pub(crate) fn take() -> Result<Self, Error> {
        let this = Process::current().number();
        let free = |owner| (owner != this).then_some(this);
        RUNNING
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, free)
            .map(|_| Self(()))
            .map_err(|_| Error::AlreadyRunning)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        RUNNING.store(0, Ordering::Release);
    }
}
