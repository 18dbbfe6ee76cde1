//! What was lost, counted by cause, and what the disk refused, in bytes.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts by cause. Losing something is rare, so a lock is good enough; it is
/// never taken in a signal handler or on a request's path.
#[derive(Debug, Default)]
pub(crate) struct Drops {
    counts: Mutex<BTreeMap<&'static str, u64>>,
    refused: Mutex<BTreeMap<&'static str, u64>>,
}

/// What a refused write is counted under: bytes, which are kept and tried again,
/// so that they are not lost yet.
pub(crate) fn refusal(error: &std::io::Error) -> &'static str {
    use rustix::io::Errno;
    match Errno::from_io_error(error) {
        Some(Errno::FBIG) => "bytes_refused_file_size_limit",
        Some(Errno::NOSPC) => "bytes_refused_disk_full",
        Some(Errno::DQUOT) => "bytes_refused_quota",
        Some(Errno::IO) => "bytes_refused_io_error",
        Some(Errno::ROFS) => "bytes_refused_read_only",
        Some(Errno::ACCESS | Errno::PERM) => "bytes_refused_no_permission",
        Some(Errno::MFILE | Errno::NFILE) => "bytes_refused_no_descriptor",
        _ if error.kind() == std::io::ErrorKind::NotFound => "bytes_refused_directory_gone",
        _ => "bytes_refused_other",
    }
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

    /// The disk refused a write of so many bytes.
    pub(crate) fn refuse(&self, error: &std::io::Error, bytes: usize) {
        *lock(&self.refused).entry(refusal(error)).or_default() += bytes as u64;
    }

    pub(crate) fn by_cause(&self) -> BTreeMap<String, u64> {
        let mut all = self.lock().clone();
        all.extend(lock(&self.refused).iter());
        all.into_iter()
            .map(|(cause, count)| (cause.to_owned(), count))
            .collect()
    }

    /// How many things were lost; what was refused is not among them.
    pub(crate) fn total(&self) -> u64 {
        self.lock().values().sum()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, u64>> {
        lock(&self.counts)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
