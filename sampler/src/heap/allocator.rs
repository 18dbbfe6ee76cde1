//! The wrapper around an allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;

use super::account;
use super::blocks::BLOCKS;
use super::mark::{LARGE, may_be_sampled, sampled_layout};
use super::record::{record, restore};
use crate::sys::StackStart;

/// Wraps a global allocator: counts the bytes that are live, exactly, and
/// samples who holds them (see the [module](super)).
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
///
/// One word costs a thread's every allocation and one its every free; the
/// README has the figures. A sampled block of less than 128 KiB is allocated
/// at a page boundary, which costs up to 4 KiB of memory each; `realloc`
/// copies it.
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

    /// The allocator inside.
    pub const fn inner(&self) -> &A {
        &self.inner
    }
}

/// The layout that the inner allocator knows a block by, which is being freed
/// or moved, having taken it out of the table if it was sampled.
///
/// Before it is freed, not after: then the address may be another's.
#[inline(always)]
fn forget(block: *mut u8, layout: Layout) -> Layout {
    if may_be_sampled(block.addr(), layout.size()) {
        forget_if_sampled(block, layout)
    } else {
        layout
    }
}

#[cold]
#[inline(never)]
fn forget_if_sampled(block: *mut u8, layout: Layout) -> Layout {
    match BLOCKS.remove(block.addr()) {
        // A block is in the table only if it was allocated with this layout.
        Some(_) => sampled_layout(layout).unwrap_or(layout),
        None => layout,
    }
}

impl<A: GlobalAlloc> HeapProfiler<A> {
    /// An allocation whose countdown has run out.
    ///
    /// # Safety
    ///
    /// As `GlobalAlloc::alloc`.
    #[cold]
    #[inline(never)]
    unsafe fn alloc_due(&self, layout: Layout, zeroed: bool) -> *mut u8 {
        // SAFETY: the caller's duties for `layout` are passed on; one of
        // larger alignment has the same, non-zero size.
        let inner = |layout: Layout| unsafe {
            if zeroed {
                self.inner.alloc_zeroed(layout)
            } else {
                self.inner.alloc(layout)
            }
        };
        if let Some(weight) = account::due(layout.size())
            && let Some(sampled) = sampled_layout(layout)
        {
            let block = inner(sampled);
            if !block.is_null() {
                let start = StackStart::here();
                if record(&start, block.addr(), layout.size(), weight) || sampled == layout {
                    return block;
                }
                // SAFETY: `block` was just allocated with this layout.
                unsafe { self.inner.dealloc(block, sampled) };
            }
        }
        let block = inner(layout);
        if block.is_null() {
            account::unspend(layout.size());
        }
        block
    }

    /// A `realloc` of a block that may be sampled, or to one that is due.
    ///
    /// # Safety
    ///
    /// As `GlobalAlloc::realloc`.
    #[cold]
    #[inline(never)]
    unsafe fn realloc_due(
        &self,
        block: *mut u8,
        layout: Layout,
        new_size: usize,
        weight: Option<f64>,
    ) -> *mut u8 {
        // SAFETY: the caller vouches that the new size, rounded up to the
        // alignment, is no more than isize::MAX.
        let new = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        let at_page = layout.size() < LARGE
            && may_be_sampled(block.addr(), layout.size())
            && BLOCKS.has(block.addr());
        // A large sampled block lies like any other and can stay in place; a
        // small one must move, and so must what becomes one.
        let grows_in_place = !at_page && (weight.is_none() || new_size >= LARGE);
        let moved = if grows_in_place {
            let sampled = may_be_sampled(block.addr(), layout.size())
                .then(|| BLOCKS.remove(block.addr()))
                .flatten();
            // SAFETY: the caller's duties; `block` has `layout` in the inner
            // allocator, being no small sampled block.
            let moved = unsafe { self.inner.realloc(block, layout, new_size) };
            match (moved.is_null(), sampled, weight) {
                (true, Some(sampled), _) => restore(block.addr(), &sampled),
                (false, _, Some(weight)) => {
                    record(&StackStart::here(), moved.addr(), new_size, weight);
                }
                _ => {}
            }
            moved
        } else {
            // SAFETY: the caller's duties for the new block.
            let moved = unsafe { self.alloc_anew(&StackStart::here(), new, weight) };
            if !moved.is_null() {
                // SAFETY: both blocks are at least as long, and distinct. The
                // old one is freed with the layout it was allocated with.
                unsafe {
                    ptr::copy_nonoverlapping(block, moved, layout.size().min(new_size));
                    self.inner.dealloc(block, forget(block, layout));
                }
            }
            moved
        };
        if moved.is_null() {
            account::unspend(new_size);
        } else {
            account::freed(layout.size());
        }
        moved
    }

    /// A block that is sampled if `weight` says so and it can be.
    ///
    /// # Safety
    ///
    /// As `GlobalAlloc::alloc`.
    unsafe fn alloc_anew(
        &self,
        start: &StackStart,
        layout: Layout,
        weight: Option<f64>,
    ) -> *mut u8 {
        if let Some(weight) = weight
            && let Some(sampled) = sampled_layout(layout)
        {
            // SAFETY: as in `alloc_due`.
            let block = unsafe { self.inner.alloc(sampled) };
            if !block.is_null() {
                if record(start, block.addr(), layout.size(), weight) || sampled == layout {
                    return block;
                }
                // SAFETY: `block` was just allocated with this layout.
                unsafe { self.inner.dealloc(block, sampled) };
            }
        }
        // SAFETY: the caller's duties.
        unsafe { self.inner.alloc(layout) }
    }
}

// SAFETY: every block comes from the inner allocator, which upholds the
// contract, with the layout asked for or one of the same size and larger
// alignment; a block of the latter kind is in the table until it goes, and
// goes with the layout it came with. Nothing here panics or unwinds.
unsafe impl<A: GlobalAlloc> GlobalAlloc for HeapProfiler<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !account::spend(layout.size()) {
            // SAFETY: the caller's duties.
            return unsafe { self.alloc_due(layout, false) };
        }
        // SAFETY: the caller's duties are the inner allocator's.
        let block = unsafe { self.inner.alloc(layout) };
        if block.is_null() {
            account::unspend(layout.size());
        }
        block
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !account::spend(layout.size()) {
            // SAFETY: the caller's duties.
            return unsafe { self.alloc_due(layout, true) };
        }
        // SAFETY: the caller's duties are the inner allocator's.
        let block = unsafe { self.inner.alloc_zeroed(layout) };
        if block.is_null() {
            account::unspend(layout.size());
        }
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        account::freed(layout.size());
        let known_as = forget(block, layout);
        // SAFETY: the caller's duties; the layout is the one that the block
        // was allocated with.
        unsafe { self.inner.dealloc(block, known_as) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let weight = if account::spend(new_size) {
            None
        } else {
            account::due(new_size)
        };
        if weight.is_some() || may_be_sampled(block.addr(), layout.size()) {
            // SAFETY: the caller's duties.
            return unsafe { self.realloc_due(block, layout, new_size, weight) };
        }
        // SAFETY: the caller's duties are the inner allocator's; a block that
        // cannot be a sampled one has its own layout there.
        let moved = unsafe { self.inner.realloc(block, layout, new_size) };
        if moved.is_null() {
            account::unspend(new_size);
        } else {
            account::freed(layout.size());
        }
        moved
    }
}
