//! What whoever walks a stack shares, in statics, because a signal handler has no
//! other way to reach it: the module table of now, and the rules found so far.
//!
//! The CPU sampler and the heap profiler use one table; it is there while one
//! of them does.
//!
//! # Readers
//!
//! Whoever walks counts itself into `READERS` before it looks at anything here and
//! out when it is done. Whoever has unpublished something (a module table, or the
//! epoch of the CPU sampler) may free it once it has seen `READERS` at 0 afterwards,
//! because one who starts later cannot find it any more. Both sides use `SeqCst`:
//! the reader's increment must not be passed by its load of the pointer, nor the
//! owner's swap by its load of the count.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError, TryLockError};

use super::cache::RuleCache;
use super::modules::{LoaderVersion, ModuleTable, loader_version};
use crate::fork::{PerProcess, watch_forks};
use crate::platform;

/// Who walks a stack now, signal handlers among them.
pub(crate) static READERS: AtomicU64 = AtomicU64::new(0);
/// The modules; null while nobody uses them.
pub(crate) static MODULES: AtomicPtr<ModuleTable> = AtomicPtr::new(ptr::null_mut());
/// Unwind rules by address.
pub(crate) static RULES: RuleCache = RuleCache::new();
/// Set by a walk that met code of no known module.
pub(crate) static UNKNOWN_CODE: AtomicU32 = AtomicU32::new(0);

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

/// In a forked child, the threads that were walking are not there.
fn forget_readers_in_children() {
    extern "C" fn forget() {
        READERS.store(0, Ordering::SeqCst);
    }
    static ONCE: Once = Once::new();
    watch_forks();
    ONCE.call_once(|| platform::at_fork_in_child(forget));
}

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
    forget_readers_in_children();
    lock().acquire();
}

/// [`acquire`] unless somebody is at it; whether it did.
pub(crate) fn try_acquire() -> bool {
    forget_readers_in_children();
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
        let old = MODULES.swap(table, Ordering::SeqCst);
        if !old.is_null() {
            // SAFETY: only pointers from `Box::into_raw` are ever published,
            // and the swap has taken this one out for good. Readers may still
            // be at it: it is kept until they are done.
            self.retired.push(unsafe { Box::from_raw(old) });
        }
    }

    fn maintain(&mut self, look: bool) {
        if !self.retired.is_empty() && READERS.load(Ordering::SeqCst) == 0 {
            self.retired.clear();
        }
        let wanted = look && self.users > 0 && self.retired.len() < MAX_RETIRED;
        if wanted && loader_version() != self.version {
            self.replace();
        }
    }

    fn unpublish(&mut self, settled: bool) {
        self.swap(ptr::null_mut());
        if settled && READERS.load(Ordering::SeqCst) == 0 {
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
