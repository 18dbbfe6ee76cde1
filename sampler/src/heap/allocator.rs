//! The wrapper around an allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;

use super::account;
use super::blocks::BLOCKS;
use super::mark::{lies_anywhere, may_be_sampled, offset, sampled_layout};
use super::record::{record, restore};
use crate::unwind::StackStart;

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
/// It costs a subtraction for each allocation and an addition for each free;
/// the README has the figures. A sampled block of less than 128 KiB takes a
/// page of memory more; `realloc` copies it.
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

/// What the inner allocator knows a block by, which is being freed or moved,
/// having taken it out of the table if it was sampled.
///
/// Before it is freed, not after: then the address may be another's.
#[inline(always)]
fn forget(block: *mut u8, layout: Layout) -> (*mut u8, Layout) {
    if may_be_sampled(block.addr(), layout) {
        forget_if_sampled(block, layout)
    } else {
        (block, layout)
    }
}

#[cold]
#[inline(never)]
fn forget_if_sampled(block: *mut u8, layout: Layout) -> (*mut u8, Layout) {
    match BLOCKS.remove(block.addr()) {
        // A block is in the table only if it was allocated with this layout,
        // and it lies so far into what came.
        Some(sampled) => (
            block.wrapping_sub(sampled.offset),
            sampled_layout(layout).unwrap_or(layout),
        ),
        None => (block, layout),
    }
}

impl<A: GlobalAlloc> HeapProfiler<A> {
    /// # Safety
    ///
    /// As `GlobalAlloc::alloc`.
    #[inline]
    unsafe fn inner_alloc(&self, layout: Layout, zeroed: bool) -> *mut u8 {
        // SAFETY: the caller's duties are the inner allocator's.
        unsafe {
            if zeroed {
                self.inner.alloc_zeroed(layout)
            } else {
                self.inner.alloc(layout)
            }
        }
    }

    /// A block that is sampled if it can be; it is on the callers of the
    /// function that `start` is in.
    ///
    /// # Safety
    ///
    /// As `GlobalAlloc::alloc`.
    unsafe fn alloc_sampled(
        &self,
        start: &StackStart,
        layout: Layout,
        zeroed: bool,
        weight: f64,
    ) -> *mut u8 {
        if let Some(sampled) = sampled_layout(layout) {
            // SAFETY: the caller's duties; this layout is no smaller.
            let given = unsafe { self.inner_alloc(sampled, zeroed) };
            if !given.is_null() {
                let offset = offset(layout, given.addr());
                // SAFETY: the layout asked for has room for the offset, which
                // is less than a page, and the block after it.
                let block = unsafe { given.add(offset) };
                let recorded = record(start, block.addr(), offset, layout.size(), weight);
                if recorded || sampled == layout {
                    return block;
                }
                // SAFETY: it was just allocated with this layout.
                unsafe { self.inner.dealloc(given, sampled) };
            }
        }
        // SAFETY: the caller's duties.
        unsafe { self.inner_alloc(layout, zeroed) }
    }

    /// An allocation whose countdown has run out.
    ///
    /// # Safety
    ///
    /// As `GlobalAlloc::alloc`.
    #[cold]
    #[inline(never)]
    unsafe fn alloc_due(&self, layout: Layout, zeroed: bool) -> *mut u8 {
        // SAFETY: the caller's duties.
        let block = unsafe {
            match account::due(layout.size()) {
                Some(weight) => self.alloc_sampled(&StackStart::here(), layout, zeroed, weight),
                None => self.inner_alloc(layout, zeroed),
            }
        };
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
        let start = StackStart::here();
        let looked_up = may_be_sampled(block.addr(), layout);
        // SAFETY: the caller vouches that the new size, rounded up to the
        // alignment, is no more than isize::MAX.
        let new = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        let inside = looked_up && !lies_anywhere(layout) && BLOCKS.has(block.addr());
        // A sampled block that lies like any other can stay in place; one that
        // lies inside another must move, and so must what becomes one.
        let grows_in_place = !inside && (weight.is_none() || lies_anywhere(new));
        let moved = if grows_in_place {
            let sampled = looked_up.then(|| BLOCKS.remove(block.addr())).flatten();
            // SAFETY: the caller's duties; `block` has `layout` in the inner
            // allocator, lying inside no other.
            let moved = unsafe { self.inner.realloc(block, layout, new_size) };
            match (moved.is_null(), sampled, weight) {
                (true, Some(sampled), _) => restore(block.addr(), &sampled),
                (false, _, Some(weight)) => {
                    record(&start, moved.addr(), 0, new_size, weight);
                }
                _ => {}
            }
            moved
        } else {
            // SAFETY: the caller vouches that the new size is not 0.
            let moved = unsafe {
                match weight {
                    Some(weight) => self.alloc_sampled(&start, new, false, weight),
                    None => self.inner.alloc(new),
                }
            };
            if !moved.is_null() {
                // SAFETY: both blocks are at least as long, and distinct. The
                // old one is freed as what it was allocated as.
                unsafe {
                    ptr::copy_nonoverlapping(block, moved, layout.size().min(new_size));
                    let (given, known_as) = forget(block, layout);
                    self.inner.dealloc(given, known_as);
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
}

// SAFETY: every block comes from the inner allocator, which upholds the
// contract, with the layout asked for or one that is a page larger, in which
// the block lies aligned as asked; a block of the latter kind is in the table
// until it goes, and goes as what it came. Nothing here panics or unwinds.
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
        let (given, known_as) = forget(block, layout);
        // SAFETY: the caller's duties; it is what the inner allocator gave,
        // with the layout that was asked for.
        unsafe { self.inner.dealloc(given, known_as) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let weight = if account::spend(new_size) {
            None
        } else {
            account::due(new_size)
        };
        if weight.is_some() || may_be_sampled(block.addr(), layout) {
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
