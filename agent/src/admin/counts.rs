//! What came to the admin server and was turned away, by cause.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why a connection was closed before its client was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// No whole header in time.
    Silent,
    /// It took too little of its answer in time.
    Slow,
    /// It had sent nothing, and a newer one needed the room.
    Evicted,
    /// All connections were at work.
    Full,
    /// The service needs its descriptors.
    Descriptors,
}

/// All causes, by their names in metrics.
const CAUSES: [(Cause, &str); 5] = [
    (Cause::Silent, "silent"),
    (Cause::Slow, "slow"),
    (Cause::Evicted, "evicted"),
    (Cause::Full, "full"),
    (Cause::Descriptors, "descriptors"),
];

#[derive(Debug, Default)]
pub(super) struct Counts {
    connections: AtomicU64,
    closed: [AtomicU64; CAUSES.len()],
}

impl Counts {
    pub(super) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn disconnected(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn closed(&self, cause: Cause) {
        self.closed[cause as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Connections that are open.
    pub(super) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Connections that were closed, by cause.
    pub(super) fn by_cause(&self) -> impl Iterator<Item = (&'static str, u64)> {
        CAUSES.iter().map(|(cause, name)| {
            let count = self.closed[*cause as usize].load(Ordering::Relaxed);
            (*name, count)
        })
    }
}
