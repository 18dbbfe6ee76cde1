//! Publishing the module table to whoever walks stacks, and freeing old ones.
//!
//! The CPU sampler and the heap profiler use one table; it is there while one
//! of them does.

use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use super::shared;
use crate::fork::PerProcess;
use crate::unwind::modules::{LoaderVersion, ModuleTable, loader_version};

/// Tables waiting to be freed; more than this and no new one is made.
const MAX_RETIRED: usize = 4;

struct Tables {
    users: usize,
    version: LoaderVersion,
    /// Replaced while a handler might still have been reading them.
    // Boxed, because handlers hold the address.
    #[allow(clippy::vec_box)]
    retired: Vec<Box<ModuleTable>>,
}

static TABLES: PerProcess<Mutex<Tables>> = PerProcess::new(|| {
    Mutex::new(Tables {
        users: 0,
        version: LoaderVersion::NONE,
        retired: Vec::new(),
    })
});

fn lock() -> MutexGuard<'static, Tables> {
    TABLES.get().lock().unwrap_or_else(PoisonError::into_inner)
}

/// Distinguishes tables in the cache of rules; any number will do that the
/// last tables did not have.
fn next_generation() -> u16 {
    static GENERATION: AtomicU32 = AtomicU32::new(1);
    GENERATION.fetch_add(1, Ordering::Relaxed) as u16
}

/// Has the table of now shown to readers until [`release`].
pub(crate) fn acquire() {
    lock().acquire();
}

/// [`acquire`] unless somebody is at it; whether it did.
pub(crate) fn try_acquire() -> bool {
    let mut tables = match TABLES.get().try_lock() {
        Ok(tables) => tables,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return false,
    };
    tables.acquire();
    true
}

/// Frees what can be freed and, when asked to `look`, follows the loader.
/// Somebody else at it does the same.
pub(crate) fn maintain(look: bool) {
    if let Ok(mut tables) = TABLES.get().try_lock() {
        tables.maintain(look);
    }
}

/// Ends one use. `settled`: no handler is at work any more.
pub(crate) fn release(settled: bool) {
    let mut tables = lock();
    tables.users = tables.users.saturating_sub(1);
    if tables.users == 0 {
        tables.unpublish(settled);
    }
}

impl Tables {
    fn acquire(&mut self) {
        self.users += 1;
        if self.users == 1 {
            self.replace();
        } else {
            self.maintain(true);
        }
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
            // and the swap has taken this one out for good. Readers may still
            // be at it: it is kept until they are done.
            self.retired.push(unsafe { Box::from_raw(old) });
        }
    }

    fn maintain(&mut self, look: bool) {
        if !self.retired.is_empty() && shared::READERS.load(Ordering::SeqCst) == 0 {
            self.retired.clear();
        }
        let wanted = look && self.users > 0 && self.retired.len() < MAX_RETIRED;
        if wanted && loader_version() != self.version {
            self.replace();
        }
    }

    fn unpublish(&mut self, settled: bool) {
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
