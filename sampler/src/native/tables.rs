//! Publishing the module table to handlers, and freeing old ones.

use std::ptr;
use std::sync::atomic::Ordering;

use super::shared;
use crate::unwind::modules::{LoaderVersion, ModuleTable, loader_version};

/// Tables waiting to be freed; more than this and no new one is made.
const MAX_RETIRED: usize = 4;

pub(crate) struct Tables {
    version: LoaderVersion,
    /// Replaced while a handler might still have been reading them.
    // Boxed, because handlers hold the address.
    #[allow(clippy::vec_box)]
    retired: Vec<Box<ModuleTable>>,
}

/// Distinguishes tables in the cache of rules; any number will do that the
/// last tables did not have.
fn next_generation() -> u16 {
    use std::sync::atomic::AtomicU32;
    static GENERATION: AtomicU32 = AtomicU32::new(1);
    GENERATION.fetch_add(1, Ordering::Relaxed) as u16
}

impl Tables {
    /// Reads the loader's list and shows it to handlers.
    pub(crate) fn publish() -> Tables {
        let mut tables = Tables {
            version: LoaderVersion::default(),
            retired: Vec::new(),
        };
        tables.replace();
        tables
    }

    fn replace(&mut self) {
        let table = Box::new(ModuleTable::read(next_generation()));
        self.version = table.version;
        self.swap(Box::into_raw(table));
    }

    fn swap(&mut self, table: *mut ModuleTable) {
        let old = shared::MODULES.swap(table, Ordering::SeqCst);
        if !old.is_null() {
            // SAFETY: only pointers from `Box::into_raw` are ever published,
            // and the swap has taken this one out for good. Handlers may still
            // read it: it is kept until they are done.
            self.retired.push(unsafe { Box::from_raw(old) });
        }
    }

    /// Frees what can be freed and, when asked to `look`, follows the loader.
    pub(crate) fn maintain(&mut self, look: bool) {
        if !self.retired.is_empty() && shared::READERS.load(Ordering::SeqCst) == 0 {
            self.retired.clear();
        }
        if look && self.retired.len() < MAX_RETIRED && loader_version() != self.version {
            self.replace();
        }
    }

    /// Takes the table back. `settled`: no handler is at work any more.
    pub(crate) fn unpublish(&mut self, settled: bool) {
        self.swap(ptr::null_mut());
        if settled && shared::READERS.load(Ordering::SeqCst) == 0 {
            self.retired.clear();
        } else {
            // A handler that never ended (its thread is stopped by a debugger,
            // say) may still look: leaving the table costs a few kilobytes.
            for table in self.retired.drain(..) {
                Box::leak(table);
            }
        }
    }
}
