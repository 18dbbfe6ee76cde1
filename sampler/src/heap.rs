//! The allocator wrapper: how many bytes are live on the heap.
//!
//! Counts every allocation exactly, in counters spread over cache lines so
//! that threads do not fight for one. The sum over the counters is right at
//! any moment in which no allocation is in flight; one counter alone means
//! nothing, since memory may be freed by another thread than asked for it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

const SHARDS: usize = 32;

/// One counter on a cache line (two, for adjacent-line prefetch) of its own.
#[repr(align(128))]
struct Shard {
    live_bytes: AtomicI64,
    allocated_bytes: AtomicU64,
}

static SHARD: [Shard; SHARDS] = [const {
    Shard {
        live_bytes: AtomicI64::new(0),
        allocated_bytes: AtomicU64::new(0),
    }
}; SHARDS];

static INSTALLED: AtomicBool = AtomicBool::new(false);
static NEXT_SHARD: AtomicU64 = AtomicU64::new(0);

thread_local! {
    // Const-initialised and without a destructor, so that reaching it neither
    // allocates nor fails while a thread ends.
    static MY_SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Wraps a global allocator and counts the bytes that are live.
///
/// ```
/// #[global_allocator]
/// static ALLOC: soakscope_sampler::HeapProfiler = soakscope_sampler::HeapProfiler::system();
///
/// let before = soakscope_sampler::heap_live_bytes().expect("the wrapper is installed");
/// let kept = vec![0u8; 1 << 20];
/// let after = soakscope_sampler::heap_live_bytes().expect("the wrapper is installed");
/// assert!(after - before >= 1 << 20);
/// drop(kept);
/// ```
#[derive(Debug)]
pub struct HeapProfiler<A = System> {
    inner: A,
}

impl HeapProfiler<System> {
    /// Wraps the system's allocator.
    pub const fn system() -> Self {
        Self::new(System)
    }
}

impl<A> HeapProfiler<A> {
    /// Wraps any allocator.
    pub const fn new(inner: A) -> Self {
        Self { inner }
    }
}

/// Bytes allocated and not yet freed; `None` unless a [`HeapProfiler`] is the
/// global allocator.
pub fn heap_live_bytes() -> Option<u64> {
    let sum = |shard: &Shard| shard.live_bytes.load(Ordering::Relaxed);
    installed().then(|| u64::try_from(SHARD.iter().map(sum).sum::<i64>()).unwrap_or(0))
}

/// Bytes allocated since the process began, freed or not; `None` unless a
/// [`HeapProfiler`] is the global allocator.
pub fn heap_allocated_bytes() -> Option<u64> {
    let sum = |shard: &Shard| shard.allocated_bytes.load(Ordering::Relaxed);
    installed().then(|| SHARD.iter().map(sum).sum())
}

fn installed() -> bool {
    INSTALLED.load(Ordering::Relaxed)
}

fn shard() -> &'static Shard {
    let index = MY_SHARD.get();
    if index < SHARDS {
        return &SHARD[index];
    }
    INSTALLED.store(true, Ordering::Relaxed);
    let index = NEXT_SHARD.fetch_add(1, Ordering::Relaxed) as usize % SHARDS;
    MY_SHARD.set(index);
    &SHARD[index]
}

fn grown(bytes: usize) {
    let shard = shard();
    shard.live_bytes.fetch_add(bytes as i64, Ordering::Relaxed);
    shard
        .allocated_bytes
        .fetch_add(bytes as u64, Ordering::Relaxed);
}

fn shrunk(bytes: usize) {
    shard()
        .live_bytes
        .fetch_sub(bytes as i64, Ordering::Relaxed);
}

// SAFETY: every method hands its arguments unchanged to the inner allocator,
// which upholds the contract, and returns what it returned; the counters
// neither allocate nor panic.
unsafe impl<A: GlobalAlloc> GlobalAlloc for HeapProfiler<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's duties are the inner allocator's.
        let block = unsafe { self.inner.alloc(layout) };
        if !block.is_null() {
            grown(layout.size());
        }
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's duties are the inner allocator's.
        let block = unsafe { self.inner.alloc_zeroed(layout) };
        if !block.is_null() {
            grown(layout.size());
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        shrunk(layout.size());
        // SAFETY: the caller's duties are the inner allocator's.
        unsafe { self.inner.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's duties are the inner allocator's.
        let moved = unsafe { self.inner.realloc(block, layout, new_size) };
        if !moved.is_null() {
            grown(new_size);
            shrunk(layout.size());
        }
        moved
    }
}
