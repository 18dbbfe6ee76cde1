//! The threads that are kept out of the profile, and the CPU time they used.
//!
//! The handler does not look here; it reads its own thread's word. This list
//! exists so that their time can be subtracted and their clocks never armed.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::fork::PerProcess;
use crate::platform;

struct Entry {
    token: u64,
    thread: platform::ThreadHandle,
    cpu_at_entry: Duration,
}

struct Registry {
    alive: Vec<Entry>,
    /// What exclusions that have ended used while they lasted.
    ended: Duration,
}

static REGISTRY: PerProcess<Mutex<Registry>> = PerProcess::new(|| {
    Mutex::new(Registry {
        alive: Vec::new(),
        ended: Duration::ZERO,
    })
});
static NEXT: AtomicU64 = AtomicU64::new(1);

fn registry() -> std::sync::MutexGuard<'static, Registry> {
    // A panic while the list was held leaves it whole: every change to it is
    // one call.
    REGISTRY
        .get()
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

pub(crate) fn enter() -> u64 {
    let thread = platform::ThreadHandle::current();
    let token = NEXT.fetch_add(1, Relaxed);
    let cpu_at_entry = thread.cpu_time().unwrap_or_default();
    registry().alive.push(Entry {
        token,
        thread,
        cpu_at_entry,
    });
    token
}

pub(crate) fn leave(token: u64) {
    let mut registry = registry();
    if let Some(index) = registry.alive.iter().position(|e| e.token == token) {
        let entry = registry.alive.swap_remove(index);
        // While another exclusion of the same thread lasts, the time goes on
        // being counted there, from the earlier of the two beginnings.
        match registry.alive.iter_mut().find(|e| e.thread == entry.thread) {
            Some(other) => other.cpu_at_entry = other.cpu_at_entry.min(entry.cpu_at_entry),
            None => registry.ended += used(&entry),
        }
    }
}

fn used(entry: &Entry) -> Duration {
    entry
        .thread
        .cpu_time()
        .unwrap_or(entry.cpu_at_entry)
        .saturating_sub(entry.cpu_at_entry)
}

/// CPU time used by excluded threads since the process began.
pub(crate) fn cpu_time() -> Duration {
    let registry = registry();
    let mut counted: Vec<platform::ThreadHandle> = Vec::with_capacity(registry.alive.len());
    let mut total = registry.ended;
    for entry in &registry.alive {
        // Entries are in no order after a removal: of one thread's, the
        // longest is the one that covers the others.
        if counted.contains(&entry.thread) {
            continue;
        }
        counted.push(entry.thread);
        total += registry
            .alive
            .iter()
            .filter(|e| e.thread == entry.thread)
            .map(used)
            .max()
            .unwrap_or_default();
    }
    total
}

/// Whether `matches` holds for an excluded thread.
pub(crate) fn any(matches: impl Fn(&platform::ThreadHandle) -> bool) -> bool {
    registry().alive.iter().any(|entry| matches(&entry.thread))
}

/// The ids of the threads that are excluded.
#[cfg(target_os = "linux")]
pub(crate) fn ids() -> Vec<u32> {
    let registry = registry();
    registry
        .alive
        .iter()
        .map(|entry| entry.thread.tid)
        .collect()
}

/// How many living threads are excluded.
pub(crate) fn threads() -> u64 {
    let registry = registry();
    let mut seen: Vec<platform::ThreadHandle> = Vec::with_capacity(registry.alive.len());
    for entry in &registry.alive {
        if !seen.contains(&entry.thread) {
            seen.push(entry.thread);
        }
    }
    seen.len() as u64
}
