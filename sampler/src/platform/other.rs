//! Every other Unix.

use std::time::Duration;

use super::NAME;

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

/// A number of the thread.
pub(crate) fn gettid() -> u32 {
    // SAFETY: `pthread_self` has no preconditions.
    let pthread = unsafe { libc::pthread_self() } as u64;
    (pthread >> 4) as u32
}

/// Threads have no names here.
pub(crate) fn thread_name() -> Option<[u64; NAME]> {
    None
}

/// There is nothing that only the first thread may do.
pub(crate) fn is_first_thread() -> bool {
    true
}

/// That a thread has gone is not to be known portably.
pub(crate) fn thread_exists(_tid: u32) -> bool {
    true
}

/// Runs `f`; none of what is called here sets errno.
pub(crate) fn keep_errno<R>(f: impl FnOnce() -> R) -> R {
    f()
}

/// Milliseconds of a clock that only goes forward.
pub(crate) fn coarse_ms() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for a write of one `timespec`.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000 + time.tv_nsec as u64 / 1_000_000
}

/// Takes one of these pending signals, which the calling thread blocks. What a
/// write raised is pending for this thread, so nobody else can take it first.
pub(crate) fn take_signal(set: &libc::sigset_t) {
    let mut taken = 0;
    // SAFETY: the set and the number are valid.
    unsafe { libc::sigwait(set, &mut taken) };
}

/// Which pages are in memory is not to be known portably.
pub(crate) fn resident_bytes(_begin: usize, _length: usize) -> usize {
    0
}
