//! What was lost, counted by cause, and what the disk refused, in bytes.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use soakscope_report::DropCause;

/// Counts by cause. Losing something is rare, so a lock is good enough; it is
/// never taken in a signal handler or on a request's path.
#[derive(Debug, Default)]
pub(crate) struct Drops {
    counts: Mutex<BTreeMap<&'static str, Count>>,
    refused: Mutex<BTreeMap<&'static str, u64>>,
}

#[derive(Debug, Default)]
struct Count {
    now: u64,
    /// What it was when [`Drops::doubled`] last answered it.
    answered: u64,
}

/// What a refused write is counted under: bytes, which are kept and tried again,
/// so that they are not lost yet.
pub(crate) fn refusal(error: &std::io::Error) -> DropCause {
    use rustix::io::Errno;
    match Errno::from_io_error(error) {
        Some(Errno::FBIG) => DropCause::RefusedFileSizeLimit,
        Some(Errno::NOSPC) => DropCause::RefusedDiskFull,
        Some(Errno::DQUOT) => DropCause::RefusedQuota,
        Some(Errno::IO) => DropCause::RefusedIoError,
        Some(Errno::ROFS) => DropCause::RefusedReadOnly,
        Some(Errno::ACCESS | Errno::PERM) => DropCause::RefusedNoPermission,
        Some(Errno::MFILE | Errno::NFILE) => DropCause::RefusedNoDescriptor,
        _ if error.kind() == std::io::ErrorKind::NotFound => DropCause::RefusedDirectoryGone,
        _ => DropCause::RefusedOther,
    }
}

impl Drops {
    pub(crate) fn add(&self, cause: DropCause, count: u64) {
        if count > 0 {
            self.lock().entry(cause.name()).or_default().now += count;
        }
    }

    /// Replaces a count that somebody else accumulates.
    pub(crate) fn set(&self, cause: DropCause, count: u64) {
        self.set_named(cause.name(), count);
    }

    /// [`set`](Self::set) of CPU samples, by what the sampler calls the cause.
    pub(crate) fn set_samples(&self, cause: &'static str, count: u64) {
        let known = DropCause::from_name(cause);
        self.set_named(known.map_or(cause, DropCause::name), count);
    }

    fn set_named(&self, cause: &'static str, count: u64) {
        if count > 0 {
            self.lock().entry(cause).or_default().now = count;
        }
    }

    /// The disk refused a write of so many bytes.
    pub(crate) fn refuse(&self, error: &std::io::Error, bytes: usize) {
        let cause = refusal(error).name();
        *lock(&self.refused).entry(cause).or_default() += bytes as u64;
    }

    /// Causes whose count is the first, or twice what it was when they were last
    /// answered here.
    pub(crate) fn doubled(&self) -> Vec<(&'static str, u64)> {
        let mut doubled = Vec::new();
        for (cause, count) in self.lock().iter_mut() {
            if count.now >= count.answered.saturating_mul(2).max(1) {
                count.answered = count.now;
                doubled.push((*cause, count.now));
            }
        }
        doubled
    }

    pub(crate) fn by_cause(&self) -> BTreeMap<String, u64> {
        let counts = self.lock();
        let lost = counts.iter().map(|(cause, count)| (*cause, count.now));
        let refused = lock(&self.refused);
        let refused = refused.iter().map(|(cause, bytes)| (*cause, *bytes));
        lost.chain(refused)
            .map(|(cause, count)| (cause.to_owned(), count))
            .collect()
    }

    /// How many things were lost; what was refused is not among them.
    pub(crate) fn total(&self) -> u64 {
        self.lock().values().map(|count| count.now).sum()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Count>> {
        lock(&self.counts)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_answered_at_first_and_whenever_it_has_doubled() {
        let drops = Drops::default();
        let mut answered = Vec::new();
        for _ in 0..1_000 {
            drops.add(DropCause::SpanRows, 1);
            answered.extend(drops.doubled());
        }
        let counts: Vec<u64> = answered.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
        assert!(answered.iter().all(|(cause, _)| *cause == "span_rows"));
        drops.set(DropCause::Events, 0);
        drops.refuse(&std::io::ErrorKind::NotFound.into(), 7);
        assert_eq!(drops.doubled(), [], "neither is lost");
        drops.set_samples("ring full", 3);
        drops.set_samples("a cause of tomorrow", 2);
        assert_eq!(drops.doubled().len(), 2);
        assert_eq!(drops.total(), 1_005);
        assert_eq!(drops.by_cause()["bytes_refused_directory_gone"], 7);
    }
}
