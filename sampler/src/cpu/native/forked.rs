//! The engine's statics in a process that was forked off.

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use super::alternate_stacks;
use super::shared::{self, claims};
use crate::fork::{fork_generation, watch_forks};
use crate::platform::{self, private_stacks};

/// Called in the child before `fork` returns: a signal that still arrives is
/// none of this process's.
extern "C" fn silence() {
    shared::EPOCH.store(0, Ordering::SeqCst);
}

/// Called before a sampler starts: in a child, what the parent's threads left
/// half written or claimed is made as new.
pub(super) fn begin() {
    static GENERATION: AtomicU32 = AtomicU32::new(0);
    static ONCE: Once = Once::new();
    watch_forks();
    ONCE.call_once(|| platform::at_fork_in_child(silence));
    let generation = fork_generation();
    if GENERATION.swap(generation, Ordering::Relaxed) != generation {
        claims::clear();
        private_stacks::reset_in_child();
        alternate_stacks::forget_in_child();
    }
}
