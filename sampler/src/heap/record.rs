//! What happens to a block that is sampled.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use super::account::Busy;
use super::blocks::{BLOCKS, Block};
use super::{sites, stack, threads};
use crate::platform;
use crate::threads::state;
use crate::unwind::{self, StackStart};

/// Frames of ours at the innermost end of a stack: the one it begins at.
const OURS: usize = 1;

/// Samples taken, and the bytes they stand for.
pub(super) static SAMPLES: AtomicU64 = AtomicU64::new(0);
pub(super) static BYTES: AtomicU64 = AtomicU64::new(0);
/// Samples whose block could not be followed, and the bytes they stand for:
/// they are in what was allocated and not in what lives.
pub(super) static LOST: AtomicU64 = AtomicU64::new(0);
pub(super) static LOST_BYTES: AtomicU64 = AtomicU64::new(0);

/// See [`super::set_phase`].
pub(super) static PHASE: AtomicU32 = AtomicU32::new(0);

/// Records a sampled block, which nobody else knows of yet, as allocated by
/// the callers of the function that `start` is in; `false` where it cannot be
/// followed, so that nothing will be found when it is freed. It lies `offset`
/// into what the inner allocator gave.
#[cold]
#[inline(never)]
pub(super) fn record(
    start: &StackStart,
    address: usize,
    offset: usize,
    size: usize,
    weight: f64,
) -> bool {
    platform::keep_errno(|| {
        let _busy = Busy::new();
        stack::prepare_if_alone();
        // The allocating thread may stand on a coroutine's stack, which has no
        // room for this.
        unwind::on_private_stack(|| record_here(start, address, offset, size, weight))
            .unwrap_or_else(|| {
                SAMPLES.fetch_add(1, Relaxed);
                lost((size as f64 * weight) as u64);
                false
            })
    })
}

fn record_here(
    start: &StackStart,
    address: usize,
    offset: usize,
    size: usize,
    weight: f64,
) -> bool {
    let mut frames = [0; stack::MAX_FRAMES];
    let (depth, whole) = stack::walk(start, &mut frames);
    let callers = frames.get(OURS.min(depth)..depth).unwrap_or_default();
    let born_ms = platform::coarse_ms();
    let key = sites::Key {
        stack: callers,
        truncated: !whole,
        label: state::label(),
        thread: threads::mine(born_ms),
        phase: PHASE.load(Relaxed),
    };
    let site = sites::add(&key, size, weight);
    let bytes = (size as f64 * weight) as u64;
    SAMPLES.fetch_add(1, Relaxed);
    BYTES.fetch_add(bytes, Relaxed);
    let block = Block {
        size,
        offset,
        weight,
        site,
        born_ms,
    };
    let added = BLOCKS.add(address, &block);
    if !added {
        lost(bytes);
    }
    added
}

/// Puts a block back that was taken out and lives on.
#[cold]
pub(super) fn restore(address: usize, block: &Block) {
    if !BLOCKS.add(address, block) {
        lost((block.size as f64 * block.weight) as u64);
    }
}

fn lost(bytes: u64) {
    LOST.fetch_add(1, Relaxed);
    LOST_BYTES.fetch_add(bytes, Relaxed);
}
