//! Files that the sampler holds open for itself.

use std::fs::File;
use std::ops::Deref;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::fork::ClosedInChild;

static OPEN: AtomicU64 = AtomicU64::new(0);

/// How many there are: they are the observer's, not the service's.
pub(crate) fn open() -> u64 {
    OPEN.load(Relaxed)
}

/// An open file that is counted, and closed in a forked child.
#[derive(Debug)]
pub(crate) struct OwnFile {
    // Before the file, so that a child does not close another of its number.
    _closed: ClosedInChild,
    file: File,
}

impl OwnFile {
    pub(crate) fn new(file: File) -> Self {
        OPEN.fetch_add(1, Relaxed);
        Self {
            _closed: ClosedInChild::new(file.as_raw_fd()),
            file,
        }
    }
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Relaxed);
    }
}

impl Deref for OwnFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}
