//! Which blocks are looked up when they are freed, and the layout that a
//! sampled block is allocated with.

use std::alloc::Layout;

/// Small blocks that are sampled begin at a multiple of this.
const PAGE: usize = 4096;

/// From here on a block lies where the allocator puts it and is always looked
/// up: freeing as much costs far more than a lookup, and at a page boundary
/// `realloc` could not grow it in place. (glibc's `M_MMAP_THRESHOLD`.)
pub(super) const LARGE: usize = 128 * 1024;

/// Whether a block may have been sampled.
#[inline(always)]
pub(super) fn may_be_sampled(address: usize, size: usize) -> bool {
    address.is_multiple_of(PAGE) || size >= LARGE
}

/// The layout a sampled block is allocated and freed with; `None` where there
/// is none, at the end of the address space.
pub(super) fn sampled_layout(layout: Layout) -> Option<Layout> {
    if layout.size() >= LARGE {
        return Some(layout);
    }
    layout.align_to(PAGE).ok()
}
