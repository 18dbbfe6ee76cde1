//! Memory kept for every request: an audit journal that nobody ever trims.

use std::sync::{Mutex, PoisonError};

/// What one entry keeps, in bytes. At the default rate of the soak it makes about 50 MB in two minutes.
const CONTEXT_BYTES: usize = 6 * 1024;

#[derive(Debug)]
struct Entry {
    _request: u64,
    _route: Box<str>,
    _context: Vec<u8>,
}

/// Everything that was ever asked, in case somebody wants to know.
#[derive(Debug, Default)]
pub(super) struct Journal {
    entries: Mutex<Vec<Entry>>,
}

impl Journal {
    /// Appends the request with its context. This is the leak: nothing removes it.
    #[inline(never)]
    pub(super) fn remember_request_forever(&self, request: u64, route: &str) {
        // Written, not only reserved: pages that were never touched would not be resident.
        let context = vec![request.to_le_bytes()[0] | 1; CONTEXT_BYTES];
        let entry = Entry {
            _request: request,
            _route: route.into(),
            _context: context,
        };
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(entry);
    }

    pub(super) fn held(&self) -> usize {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}
