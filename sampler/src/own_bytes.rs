//! The memory that the measuring itself takes, for a report to subtract.

use crate::{cpu, heap, platform};

/// Bytes that the sampler holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnBytes {
    /// On the heap: the ring that samples travel through.
    pub heap: u64,
    /// Static tables of the heap profiler, as far as they are in memory: pages
    /// that were never written to take none.
    pub tables: u64,
}

/// Bytes that the sampler holds now. Costs some microseconds.
pub fn own_bytes() -> OwnBytes {
    OwnBytes {
        heap: cpu::ring_bytes() as u64,
        tables: heap::tables()
            .into_iter()
            .map(|(begin, length)| platform::resident_bytes(begin, length) as u64)
            .sum(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn pages_that_were_never_written_to_take_no_memory() {
        use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
        const PAGES: usize = 64;
        static TABLE: [AtomicU64; PAGES * 512] = [const { AtomicU64::new(0) }; PAGES * 512];
        let resident =
            || super::platform::resident_bytes(TABLE.as_ptr().addr(), size_of_val(&TABLE));
        let before = resident();
        for page in 0..PAGES / 2 {
            TABLE[page * 512].store(1, Relaxed);
        }
        let after = resident();
        let half = PAGES / 2 * 4096;
        assert!(before <= 3 * 4096, "{before}");
        assert!(
            after.abs_diff(before + half) <= 3 * 4096,
            "{before} {after}"
        );
    }
}
