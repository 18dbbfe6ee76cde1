//! What was lost, counted by cause.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts by cause. Losing something is rare, so a lock is good enough; it is
/// never taken in a signal handler or on a request's path.
#[derive(Debug, Default)]
pub(crate) struct Drops {
    counts: Mutex<BTreeMap<&'static str, u64>>,
}

impl Drops {
    pub(crate) fn add(&self, cause: &'static str, count: u64) {
        if count > 0 {
            *self.lock().entry(cause).or_default() += count;
        }
    }

    /// Replaces a count that somebody else accumulates.
    pub(crate) fn set(&self, cause: &'static str, count: u64) {
        if count > 0 {
            self.lock().insert(cause, count);
        }
    }

    pub(crate) fn by_cause(&self) -> BTreeMap<String, u64> {
        self.lock()
            .iter()
            .map(|(cause, count)| ((*cause).to_owned(), *count))
            .collect()
    }

    pub(crate) fn total(&self) -> u64 {
        self.lock().values().sum()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, u64>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
