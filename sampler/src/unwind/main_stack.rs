//! Where the initial thread's stack is.

use std::sync::atomic::{AtomicU64, Ordering};

use super::memory::MainStack;
use crate::platform::maps::mappings;

static LOW: AtomicU64 = AtomicU64::new(0);
/// 0 while it is not known.
static HIGH: AtomicU64 = AtomicU64::new(0);

/// The initial thread's stack, once it was found.
pub(crate) fn known() -> Option<MainStack> {
    let high = HIGH.load(Ordering::Relaxed);
    (high != 0).then(|| MainStack {
        low: LOW.load(Ordering::Relaxed),
        high,
    })
}

/// Finds the initial thread's stack in `/proc/self/maps`.
pub(crate) fn find() {
    // The kernel keeps at least 128 MiB below this stack's top free of other
    // mappings; half of that is more than a stack limit of 8 MiB needs.
    const REACH: u64 = 64 << 20;
    let Ok(maps) = std::fs::read("/proc/self/maps") else {
        return;
    };
    let stack = mappings(&maps).find(|mapping| mapping.path == b"[stack]");
    if let Some(high) = stack.map(|stack| stack.end) {
        LOW.store(high.saturating_sub(REACH), Ordering::Relaxed);
        HIGH.store(high, Ordering::Relaxed);
    }
}
