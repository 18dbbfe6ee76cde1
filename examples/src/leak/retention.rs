//! Memory the program has freed and the allocator keeps.
//!
//! A supplier's catalogue is read into very many small records in one go, and nearly all are dropped at once.
//! The few that are kept lie scattered over the whole range, so glibc, which gives memory back only from the end
//! of an arena, gives nothing back: resident memory stays high while the live heap is as small as before. Such a
//! step is no leak, and a good verdict says so.

use std::sync::{Mutex, PoisonError};

/// Records in the catalogue; with [`RECORD_BYTES`], 96 MB.
const RECORDS: usize = 96 * 1024;
/// Small enough that no record gets a mapping of its own.
const RECORD_BYTES: usize = 1024;
/// One record in this many is kept: one for each 32 KiB.
const KEPT_ONE_IN: usize = 32;

/// The records that were kept.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    kept: Mutex<Vec<Box<[u8]>>>,
}

impl Catalogue {
    /// Reads the catalogue and drops nearly all of it. This is the fault: the survivors pin what was freed.
    #[inline(never)]
    pub(super) fn import_in_one_burst(&self) {
        let records: Vec<Box<[u8]>> = (0..RECORDS)
            .map(|n| vec![n.to_le_bytes()[0] | 1; RECORD_BYTES].into_boxed_slice())
            .collect();
        let kept = records.into_iter().step_by(KEPT_ONE_IN);
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(kept);
    }

    pub(super) fn held(&self) -> usize {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}
