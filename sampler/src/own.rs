//! The agent's own threads: who they are and what they cost.
//!
//! A thread that measures registers itself, and from then on it is left out of
//! CPU profiles and its CPU time is told apart from the service's.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

static OWN: Mutex<Own> = Mutex::new(Own {
    living: Vec::new(),
    ended: Duration::ZERO,
});

struct Own {
    living: Vec<u32>,
    ended: Duration,
}

/// Marks the current thread as the agent's own until dropped, which has to
/// happen on the same thread.
#[derive(Debug)]
#[must_use = "the thread counts as the agent's own only while this lives"]
pub struct OwnThread {
    id: u32,
    // Not Send: dropped where it was made.
    _here: std::marker::PhantomData<*const ()>,
}

impl OwnThread {
    /// Registers the current thread.
    pub fn register() -> Self {
        let id = thread_id();
        own().living.push(id);
        Self {
            id,
            _here: std::marker::PhantomData,
        }
    }
}

impl Drop for OwnThread {
    fn drop(&mut self) {
        let used = thread_cpu(self.id).unwrap_or_default();
        let mut own = own();
        own.living.retain(|&id| id != self.id);
        own.ended += used;
    }
}

pub(crate) fn cpu() -> Duration {
    let own = own();
    let living: Duration = own.living.iter().filter_map(|&id| thread_cpu(id)).sum();
    own.ended + living
}

pub(crate) fn threads() -> u64 {
    own().living.len() as u64
}

fn own() -> MutexGuard<'static, Own> {
    OWN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(target_os = "linux")]
fn thread_id() -> u32 {
    // SAFETY: gettid takes nothing and cannot fail.
    unsafe { libc::gettid() as u32 }
}

/// CPU time of one thread of this process, by the kernel's clock-id scheme for
/// threads (`CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED`, kernel
/// `include/linux/posix-timers_types.h`).
#[cfg(target_os = "linux")]
fn thread_cpu(id: u32) -> Option<Duration> {
    let clock = (!(id as libc::clockid_t) << 3) | 6;
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a live, writable timespec; a clock of a thread that
    // has ended is refused without effect.
    if unsafe { libc::clock_gettime(clock, &mut time) } != 0 {
        return None;
    }
    Some(Duration::new(
        u64::try_from(time.tv_sec).ok()?,
        u32::try_from(time.tv_nsec).ok()?,
    ))
}

#[cfg(not(target_os = "linux"))]
fn thread_id() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[cfg(not(target_os = "linux"))]
fn thread_cpu(_id: u32) -> Option<Duration> {
    None
}
