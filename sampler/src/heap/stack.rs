//! The stack of the allocating thread, where there is an unwinder.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::account::{self, Busy};
use crate::platform;
use crate::unwind::{self, StackStart};

/// Frames kept of one stack; what is beyond is cut off at the thread's end.
pub(super) const MAX_FRAMES: usize = 192;

static READY: AtomicBool = AtomicBool::new(false);

/// See [`super::prepare`].
pub(super) fn prepare() {
    if !READY.load(Relaxed) {
        let _busy = Busy::new();
        if unwind::prepare() {
            // A race prepares twice, which keeps the table for ever: as it is.
            READY.store(true, Relaxed);
        }
    }
}

/// Follows libraries that were loaded meanwhile.
pub(super) fn maintain() {
    prepare();
    let _busy = Busy::new();
    unwind::maintain();
}

/// [`prepare`] on the first thread.
///
/// Reading which modules are loaded takes the loader's lock. A thread that
/// allocates while it holds a lock of the service's might thus wait for one
/// that is in `dlopen` and wants that lock: only the first thread, which is
/// mostly alone when it is first sampled, prepares by itself; not so in a forked
/// child, where the loader's lock may be held by a thread that is not there.
#[inline]
pub(super) fn prepare_if_alone() {
    if !READY.load(Relaxed) && platform::is_first_thread() && !account::is_forked() {
        prepare();
    }
}

/// Walks the calling thread's stack from `start`: how many program counters
/// there are, innermost first, and whether they are all.
pub(super) fn walk(start: &StackStart, frames: &mut [u64; MAX_FRAMES]) -> (usize, bool) {
    unwind::stack_from(start, frames)
}
