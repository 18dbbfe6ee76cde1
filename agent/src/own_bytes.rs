//! What the agent itself holds on the heap, added up.
//!
//! Each structure that can hold more than some kilobytes says how much it does;
//! what a thread has for itself it publishes here. The sum is a column of the
//! timeline, and the judge takes its growth off the service's memory. A test
//! compares it with what an allocator counts.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use hdrhistogram::Histogram;
use soakscope_sampler::{Module, Resolved, SourceFrame};

/// What threads hold for themselves.
#[derive(Debug, Default)]
pub(crate) struct OwnBytes {
    /// Names of the CPU profile's addresses.
    pub(crate) cpu_names: AtomicUsize,
    /// Samples of the window that is being filled.
    pub(crate) cpu_window: AtomicUsize,
    /// Names of the heap profile's addresses.
    pub(crate) heap_names: AtomicUsize,
}

impl OwnBytes {
    pub(crate) fn sum(&self) -> usize {
        [&self.cpu_names, &self.cpu_window, &self.heap_names]
            .into_iter()
            .map(|bytes| bytes.load(Relaxed))
            .sum()
    }
}

/// A hash table's own block: a power of two of places, of which seven in eight
/// are used, and a byte beside each.
pub(crate) fn table<K, V, S>(map: &HashMap<K, V, S>) -> usize {
    match map.capacity() {
        0 => 0,
        capacity => (capacity * 8 / 7).next_power_of_two() * (size_of::<(K, V)>() + 1),
    }
}

/// A histogram's counts.
pub(crate) fn counts(histogram: &Histogram<u32>) -> usize {
    histogram.distinct_values() * size_of::<u32>()
}

/// Names of addresses, without the table that has them.
pub(crate) fn names(resolved: &Resolved) -> usize {
    let frames = resolved.frames.iter().map(|frame| {
        let file = frame.file.as_ref().map_or(0, String::capacity);
        frame.name.capacity() + frame.system_name.capacity() + file
    });
    resolved.frames.capacity() * size_of::<SourceFrame>() + frames.sum::<usize>()
}

/// Modules with their paths.
pub(crate) fn modules(modules: &[Module]) -> usize {
    let text = |module: &Module| {
        module.path.capacity() + module.build_id.as_ref().map_or(0, String::capacity)
    };
    size_of_val(modules) + modules.iter().map(text).sum::<usize>()
}
