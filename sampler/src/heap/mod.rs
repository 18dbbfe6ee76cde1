//! The heap profiler: which code holds the heap, sampled by bytes.
//!
//! # Sampling
//!
//! Every thread counts down the bytes it allocates. The gaps are exponential
//! with the interval as their mean, so that bytes are sampled as by a Poisson
//! process: a block of size *s* is sampled with probability
//! 1 − exp(−*s*/interval), whatever was allocated before it, and stands for
//! 1 ÷ that many blocks (Horvitz and Thompson 1952). The gap is drawn anew
//! after each sampled block, of whatever size.
//!
//! # What an unsampled block costs
//!
//! One subtraction when it is allocated and one addition when it is freed, on
//! words that only its thread writes, and a test of the pointer: a sampled
//! block begins at a place in its page where ordinary small blocks seldom do,
//! and only a block that does is looked up, in a table that says exactly
//! whether it was sampled. Blocks of 128 KiB and more are looked up always and lie
//! where the allocator puts them, so that they can still grow in place.
//!
//! # Where it may run
//!
//! Nothing here takes a lock, allocates, or waits, so that it can be
//! interrupted by a signal or stopped by a `fork` anywhere; all memory is
//! static and bounded, [about 4 MB](HeapStats::table_bytes) if all of it is
//! used. Thread-local words have no destructor, so blocks may be freed while a
//! thread ends and allocated before `main`.
//!
//! | file | what |
//! |---|---|
//! | `allocator` | the wrapper around an allocator |
//! | `mark` | which pointers are looked up |
//! | `account` | the countdown, and exact totals of bytes |
//! | `record` | what happens to a sampled block |
//! | `stack` | the stack of the calling thread |
//! | `sites` | stacks, labels, threads, phases and what was allocated there |
//! | `threads` | names of threads |
//! | `blocks` | sampled blocks that live |
//! | `word_set` | a set of words without a lock |
//! | `snapshot` | all of it, taken out |

mod account;
mod allocator;
mod blocks;
mod mark;
mod record;
mod sites;
mod snapshot;
mod stack;
mod threads;
mod word_set;

#[cfg(feature = "testing")]
pub use account::draw_anew;
pub use account::{interval, set_interval};
pub use allocator::HeapProfiler;
pub use snapshot::{
    HeapBlock, HeapLabel, HeapProfile, HeapSite, HeapStats, allocated_by_label,
    heap_allocated_bytes, heap_live_bytes, snapshot, stats,
};

/// Gets ready to walk stacks: reads which modules are loaded.
///
/// [`snapshot`] does it, too, and a program's first thread when it is first
/// sampled. Called at a program's start it gives every sample of every thread
/// a stack.
pub fn prepare() {
    stack::prepare();
}

/// The static tables: where each begins, and its bytes.
pub(crate) fn tables() -> Vec<(usize, usize)> {
    let mut all = sites::tables().to_vec();
    all.extend([blocks::table(), account::table(), threads::table()]);
    all
}

/// Sets the number that every block sampled from now on keeps as its phase, of
/// whichever thread: warm-up, load, rest. 0 is none; 511 and above are one.
pub fn set_phase(number: u32) {
    record::PHASE.store(number, std::sync::atomic::Ordering::Relaxed);
}
