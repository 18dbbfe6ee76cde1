//! Which blocks are looked up when they are freed, and how a sampled block
//! comes to be one of them.
//!
//! A sampled block begins at a certain place in its page, 16 bytes past the
//! middle: allocators lay blocks of one size side by side from a page's start,
//! so only those whose size is an odd multiple of 16 ever come to lie there,
//! one in 256. (The start itself is where every second block of 2 KiB lies.)
//!
//! It does not get there by its own alignment: what is freed is handed out
//! again, ordinary blocks would come to lie there, too, and soon every free
//! would be a lookup (glibc's per-thread cache does just that). Instead a page
//! more is asked for and the block begins inside. What the inner allocator gets
//! back begins where it always did.
//!
//! Large blocks, and those aligned to more than 16 bytes, lie where the
//! allocator puts them and are always looked up.

use std::alloc::Layout;

const PAGE: usize = 4096;
const PLACE: usize = PAGE / 2 + 16;

/// From this size on a block is looked up always: freeing as much costs far
/// more than a lookup, and inside another block it could not grow in place.
/// (glibc's `M_MMAP_THRESHOLD`.)
const LARGE: usize = 128 * 1024;

/// Whether a block lies where the allocator puts it even if it is sampled.
#[inline(always)]
pub(super) fn lies_anywhere(layout: Layout) -> bool {
    layout.size() >= LARGE || layout.align() > 16
}

/// Whether a block may have been sampled.
#[inline(always)]
pub(super) fn may_be_sampled(address: usize, layout: Layout) -> bool {
    address % PAGE == PLACE || lies_anywhere(layout)
}

/// The layout that the inner allocator is asked for a sampled block with;
/// `None` where there is none, at the end of the address space.
pub(super) fn sampled_layout(layout: Layout) -> Option<Layout> {
    if lies_anywhere(layout) {
        return Some(layout);
    }
    Layout::from_size_align(layout.size() + PAGE, layout.align()).ok()
}

/// How far into what [`sampled_layout`] got the block begins: less than a
/// page, to an address that is aligned as the layout asks.
pub(super) fn offset(layout: Layout, address: usize) -> usize {
    if lies_anywhere(layout) {
        return 0;
    }
    PLACE.wrapping_sub(address) % PAGE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sampled_block_lies_where_it_is_looked_for() {
        for align in [1, 8, 16, 32, 2048, 8192] {
            let layout = Layout::from_size_align(100, align).expect("a layout");
            assert_eq!(sampled_layout(layout) == Some(layout), align > 16);
            for address in (65_536..75_000).step_by(align) {
                let block = address + offset(layout, address);
                assert!(block.is_multiple_of(align) && block < address + PAGE);
                assert!(may_be_sampled(block, layout));
            }
        }
        let ordinary = Layout::from_size_align(131_071, 16).expect("a layout");
        assert!(!may_be_sampled(65_536, ordinary));
        let large = Layout::from_size_align(131_072, 1).expect("a layout");
        assert!(may_be_sampled(65_536, large));
    }
}
