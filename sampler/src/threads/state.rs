//! The few words of thread-local state that the signal handler reads.
//!
//! They are const-initialised atomics without a destructor, so reaching them
//! neither allocates nor registers anything: in a program (as opposed to a
//! library loaded later with `dlopen`) it is one instruction relative to the
//! thread pointer. They are atomics because a signal handler on the same
//! thread is another observer; `Relaxed` suffices, since both sides run on one
//! thread and no word guards another.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use super::excluded;
use crate::platform;

/// A thread's words.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
pub(crate) struct ThreadState {
    /// The context word: span, request, whatever the caller means by it.
    pub(crate) label: AtomicU64,
    /// How many [`Exclusion`]s are alive on this thread.
    pub(crate) excluded: AtomicU32,
    /// 1 while the handler runs on this thread.
    pub(crate) busy: AtomicU32,
    /// The run of the sampler that the words below belong to.
    pub(crate) epoch: AtomicU32,
    /// The kernel's thread id.
    pub(crate) tid: AtomicU32,
    /// 1 when the thread's CPU time so far is not all to be accounted for: some
    /// of it was excluded, or has been.
    pub(crate) midlife: AtomicU32,
    /// 1 once the thread's unseen end has been accounted for.
    pub(crate) met: AtomicU32,
    /// 1 once a sample has carried the thread's name.
    pub(crate) named: AtomicU32,
    /// The readable run of pages below the thread control block.
    pub(crate) run_low: AtomicU64,
    /// Its upper end; 0 while it is not known.
    pub(crate) run_high: AtomicU64,
    /// State of the random numbers.
    pub(crate) random: AtomicU64,
    /// The perf event whose signals count on this thread.
    pub(crate) perf_source: AtomicU64,
    /// Perf signals so far, in halves of a period.
    pub(crate) position: AtomicU64,
    /// The position that is sampled next.
    pub(crate) pick: AtomicU64,
}

thread_local! {
    static STATE: ThreadState = const {
        ThreadState {
            label: AtomicU64::new(0),
            excluded: AtomicU32::new(0),
            busy: AtomicU32::new(0),
            epoch: AtomicU32::new(0),
            tid: AtomicU32::new(0),
            midlife: AtomicU32::new(0),
            met: AtomicU32::new(0),
            named: AtomicU32::new(0),
            run_low: AtomicU64::new(0),
            run_high: AtomicU64::new(0),
            random: AtomicU64::new(0),
            perf_source: AtomicU64::new(0),
            position: AtomicU64::new(0),
            pick: AtomicU64::new(0),
        }
    };
}

/// Runs `f` on this thread's words.
#[inline(always)]
pub(crate) fn with<R>(f: impl FnOnce(&ThreadState) -> R) -> R {
    STATE.with(f)
}

/// Where the words of threads are, by the low bits of their ids. Of threads that
/// share them, the last one to be introduced has the place.
static PLACES: [AtomicU64; 4096] = [const { AtomicU64::new(0) }; 4096];

fn place(tid: u32) -> &'static AtomicU64 {
    &PLACES[tid as usize % PLACES.len()]
}

/// Has the words of the calling thread found from other threads. Makes one system
/// call, `gettid`; async-signal-safe.
#[cold]
pub(crate) fn introduce(state: &ThreadState) -> u32 {
    let tid = platform::gettid();
    state.tid.store(tid, Relaxed);
    let address = std::ptr::from_ref(state).expose_provenance() as u64;
    place(tid).store(address, Relaxed);
    tid
}

/// Where the words of a thread may be: they go when the thread does, and then
/// there may be those of another.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
pub(crate) fn address_of(tid: u32) -> Option<u64> {
    let address = place(tid).load(Relaxed);
    (address != 0).then_some(address)
}

/// Sets this thread's context word and returns the one before.
///
/// Every sample taken on this thread until the next call carries it. 0 means
/// none. The cost is a few moves; nothing is shared between threads.
#[inline]
pub fn set_label(word: u64) -> u64 {
    with(|state| {
        if state.tid.load(Relaxed) == 0 {
            introduce(state);
        }
        let previous = state.label.load(Relaxed);
        state.label.store(word, Relaxed);
        previous
    })
}

/// This thread's context word.
#[inline]
pub fn label() -> u64 {
    with(|state| state.label.load(Relaxed))
}

/// Whether the calling thread is inside the sampler's signal handler: for an
/// allocator that asserts that it is not.
#[cfg(feature = "testing")]
pub fn in_signal_handler() -> bool {
    with(|state| state.busy.load(Relaxed) != 0)
}

/// Keeps the thread that made it out of the profile while it lives.
///
/// Its CPU time is reported as [`CpuWindow::cpu_excluded`] instead, so that an
/// agent's own work is subtracted rather than hidden.
///
/// [`CpuWindow::cpu_excluded`]: crate::CpuWindow::cpu_excluded
#[must_use = "the thread is sampled again once this is dropped"]
#[derive(Debug)]
pub struct Exclusion {
    token: u64,
    /// Counts on the thread that made it, so it must stay there.
    _not_send: PhantomData<*const ()>,
}

/// Keeps the calling thread out of the profile until the result is dropped.
pub fn exclude_current_thread() -> Exclusion {
    with(|state| {
        state.midlife.store(1, Relaxed);
        state.excluded.fetch_add(1, Relaxed)
    });
    Exclusion {
        token: excluded::enter(),
        _not_send: PhantomData,
    }
}

impl Drop for Exclusion {
    fn drop(&mut self) {
        with(|state| state.excluded.fetch_sub(1, Relaxed));
        excluded::leave(self.token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_belongs_to_its_thread_and_nests_by_its_return_value() {
        assert_eq!(set_label(7), 0);
        assert_eq!(set_label(8), 7);
        std::thread::spawn(|| assert_eq!(label(), 0))
            .join()
            .expect("the other thread sees no label");
        assert_eq!(set_label(7), 8);
        assert_eq!(label(), 7);
    }

    #[test]
    fn exclusions_nest() {
        let outer = exclude_current_thread();
        let inner = exclude_current_thread();
        drop(outer);
        assert_eq!(with(|state| state.excluded.load(Relaxed)), 1);
        drop(inner);
        assert_eq!(with(|state| state.excluded.load(Relaxed)), 0);
    }
}
