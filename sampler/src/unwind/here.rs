//! The stack of the calling thread, in ordinary code.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use super::memory::{KnownRun, Stack};
use super::walk::{Ended, Start, walk};
use super::{main_stack, published};
use crate::fork::watch_forks;
use crate::platform::private_stacks;
use crate::threads::state;

/// Where a walk begins.
pub(crate) type StackStart = Start<'static>;

/// Gets ready for [`stack_from`]; `false` if somebody is at it. Once it was
/// `true` it need not be called again.
pub(crate) fn prepare() -> bool {
    watch_forks();
    let ready = private_stacks::prepare().is_ok() && published::try_acquire();
    if ready {
        main_stack::find();
    }
    ready
}

/// Runs `work` on a stack of our own with all signals blocked, or here before
/// there are any; `None` where none is free.
pub(crate) fn on_private_stack<R>(work: impl FnOnce() -> R) -> Option<R> {
    if private_stacks::are_ready() {
        private_stacks::run(work)
    } else {
        Some(work())
    }
}

/// Follows the loader.
pub(crate) fn maintain() {
    published::maintain(true);
}

/// Writes the program counters of the calling thread into `frames`, innermost
/// first, beginning at `start`; their number, and whether the walk ended
/// at the thread's first frame. Takes no lock and allocates nothing. A signal
/// handler may interrupt it and use the same words.
#[inline(never)]
pub(crate) fn stack_from(start: &Start<'_>, frames: &mut [u64]) -> (usize, bool) {
    // Counted as a reader, as a handler is: see `published`.
    published::READERS.fetch_add(1, SeqCst);
    // SAFETY: tables are freed only after `READERS` was seen at 0 with the
    // pointer replaced, and this thread is counted there.
    let table = unsafe { published::MODULES.load(SeqCst).as_ref() };
    let walked = table.map(|table| {
        let mut stack = state::with(|thread| {
            let known = KnownRun {
                low: thread.run_low.load(Relaxed),
                high: thread.run_high.load(Relaxed),
            };
            let (stack, run) = Stack::new(start.sp, main_stack::known(), known);
            thread.run_low.store(run.low, Relaxed);
            thread.run_high.store(run.high, Relaxed);
            stack
        });
        walk(start, table, &published::RULES, &mut stack, frames)
    });
    published::READERS.fetch_sub(1, SeqCst);
    let Some(walked) = walked else {
        return (0, false);
    };
    if walked.unknown_code {
        published::UNKNOWN_CODE.store(1, Relaxed);
    }
    (walked.depth, walked.ended == Ended::Complete)
}
