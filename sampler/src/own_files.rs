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

/// An open file that is counted.
#[derive(Debug)]
pub(crate) struct OwnFile {
    // Before the file, so that a child does not close another of its number.
    closed: Option<ClosedInChild>,
    file: File,
}

impl OwnFile {
    /// A forked child keeps it until it runs another program: there is room for
    /// few that are closed, and those have to be worth it.
    pub(crate) fn new(file: File) -> Self {
        OPEN.fetch_add(1, Relaxed);
        Self { closed: None, file }
    }

    /// One that a forked child must not have.
    pub(crate) fn closed_in_child(file: File) -> Self {
        let mut own = Self::new(file);
        own.closed = Some(ClosedInChild::new(own.file.as_raw_fd()));
        own
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fork::watch_forks;

    #[test]
    fn many_files_leave_the_places_to_those_that_a_child_must_not_have() {
        watch_forks();
        let null = || File::open("/dev/null").expect("it is there");
        let _many: Vec<OwnFile> = (0..50).map(|_| OwnFile::new(null())).collect();
        let own = OwnFile::closed_in_child(null());
        // SAFETY: the child makes one call that any process may make, and ends.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: as above.
            unsafe {
                let flags = libc::fcntl(own.as_raw_fd(), libc::F_GETFD);
                libc::_exit(i32::from(flags != -1));
            }
        }
        let mut status = 0;
        // SAFETY: `status` is valid for the write; the child is ours.
        let waited = unsafe { libc::waitpid(child, &mut status, 0) };
        assert_eq!((waited, status), (child, 0), "the child has the file");
    }
}
