//! What the inner allocator is asked for: the right layouts back, failures
//! passed on, and more blocks than there is room for. None of these wrappers is
//! installed; their methods are called. One test, because the tables and the
//! interval are the process's.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use soakscope_sampler::HeapProfiler;
use soakscope_sampler::heap;

/// Checks that every block comes back with the layout it went out with.
#[derive(Default)]
struct Checked {
    layouts: Mutex<HashMap<usize, Layout>>,
    fails: AtomicBool,
}

impl Checked {
    fn out(&self, block: *mut u8, layout: Layout) -> *mut u8 {
        let mut layouts = self.layouts.lock().expect("no panic");
        assert!(layouts.insert(block.addr(), layout).is_none());
        block
    }

    fn back(&self, block: *mut u8, layout: Layout) {
        let mut layouts = self.layouts.lock().expect("no panic");
        assert_eq!(layouts.remove(&block.addr()), Some(layout));
    }

    fn live(&self) -> usize {
        self.layouts.lock().expect("no panic").len()
    }
}

// SAFETY: all memory is the system allocator's.
unsafe impl GlobalAlloc for Checked {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.fails.load(Ordering::Relaxed) {
            return ptr::null_mut();
        }
        // SAFETY: the caller's duties.
        self.out(unsafe { System.alloc(layout) }, layout)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.back(block, layout);
        // SAFETY: the caller's duties.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if self.fails.load(Ordering::Relaxed) {
            return ptr::null_mut();
        }
        self.back(block, layout);
        let new = Layout::from_size_align(new_size, layout.align()).expect("a layout");
        // SAFETY: the caller's duties.
        self.out(unsafe { System.realloc(block, layout, new_size) }, new)
    }
}

/// Hands out addresses without memory behind them.
struct Nowhere(AtomicUsize);

// SAFETY: nothing here is ever read or written.
unsafe impl GlobalAlloc for Nowhere {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let size = layout.size().next_multiple_of(layout.align().max(16));
        let before = self.0.fetch_add(size + layout.align(), Ordering::Relaxed);
        ptr::without_provenance_mut(before.next_multiple_of(layout.align()))
    }

    unsafe fn dealloc(&self, _block: *mut u8, _layout: Layout) {}
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a layout")
}

fn live_blocks() -> usize {
    heap::stats().expect("it was used").blocks
}

#[test]
fn the_inner_allocator_is_used_as_it_must_be() {
    layouts_come_back_as_they_went();
    failures_are_passed_on_and_cost_nothing();
    more_blocks_than_room_are_counted();
}

fn layouts_come_back_as_they_went() {
    let checked = HeapProfiler::new(Checked::default());
    for interval in [1, 2_000, 100_000, 0] {
        heap::set_interval(interval);
        heap::draw_anew(interval);
        let sizes = [1, 100, 4096, 131_071, 131_072, 400_000];
        for (from, to) in sizes
            .iter()
            .flat_map(|a| sizes.iter().map(move |b| (*a, *b)))
        {
            for align in [1, 16, 4096, 8192] {
                let asked = layout(from, align);
                // SAFETY: no size is 0, and each block is used as its
                // `GlobalAlloc` says.
                unsafe {
                    let block = checked.alloc(asked);
                    block.write(77);
                    block.add(from - 1).write(if from == 1 { 77 } else { 99 });
                    let moved = checked.realloc(block, asked, to);
                    assert_eq!(moved.read(), 77);
                    if to >= from && from > 1 {
                        assert_eq!(moved.add(from - 1).read(), 99);
                    }
                    checked.dealloc(moved, layout(to, align));
                    let zeroed = checked.alloc_zeroed(asked);
                    assert_eq!((zeroed.read(), zeroed.add(from - 1).read()), (0, 0));
                    checked.dealloc(zeroed, asked);
                }
            }
        }
    }
    assert_eq!(checked.inner().live(), 0);
    assert_eq!(live_blocks(), 0);
    let huge = layout(isize::MAX as usize - 4096, 1);
    heap::set_interval(1);
    heap::draw_anew(1);
    // SAFETY: the size is not 0; nobody has so much memory.
    assert!(unsafe { HeapProfiler::system().alloc(huge) }.is_null());
}

fn failures_are_passed_on_and_cost_nothing() {
    let checked = HeapProfiler::new(Checked::default());
    for interval in [1, 0] {
        heap::set_interval(interval);
        heap::draw_anew(3);
        for size in [50, 200_000] {
            let asked = layout(size, 8);
            // SAFETY: as above; what fails leaves the block as it is.
            unsafe {
                let block = checked.alloc(asked);
                block.write(5);
                let before = heap::stats().expect("it was used");
                checked.inner().fails.store(true, Ordering::Relaxed);
                assert!(checked.alloc(asked).is_null());
                assert!(checked.alloc_zeroed(asked).is_null());
                for new_size in [10, 100, 300_000] {
                    assert!(checked.realloc(block, asked, new_size).is_null());
                }
                checked.inner().fails.store(false, Ordering::Relaxed);
                let after = heap::stats().expect("it was used");
                assert_eq!(after.live_bytes, before.live_bytes);
                assert_eq!(after.allocated_bytes, before.allocated_bytes);
                assert_eq!(after.blocks, before.blocks, "the block is still known");
                assert_eq!(block.read(), 5);
                checked.dealloc(block, asked);
            }
        }
        assert_eq!((checked.inner().live(), live_blocks()), (0, 0));
    }
}

fn more_blocks_than_room_are_counted() {
    let nowhere = HeapProfiler::new(Nowhere(AtomicUsize::new(1 << 40)));
    heap::set_interval(1);
    heap::draw_anew(4);
    let before = heap::stats().expect("it was used");
    let room = before.most_blocks;
    let asked = layout(1000, 8);
    let blocks: Vec<*mut u8> = (0..room + room / 4)
        // SAFETY: the size is not 0.
        .map(|_| unsafe { nowhere.alloc(asked) })
        .collect();
    let full = heap::stats().expect("it was used");
    let taken = full.samples - before.samples;
    assert_eq!(taken as usize, blocks.len(), "every byte was sampled");
    let lost = full.lost - before.lost;
    assert_eq!(lost as usize + full.blocks - before.blocks, blocks.len());
    assert!(
        lost as usize >= room / 4 && (lost as usize) < room / 3,
        "{lost}"
    );
    // Of all bytes ever sampled here, these are the lost ones.
    let bytes = before.samples * 200_000 + taken * 1_000;
    let least = lost as f64 * 1_000.0 / bytes as f64;
    assert!(
        full.lost_share > least && full.lost_share < 0.25,
        "{full:?}"
    );
    assert_eq!(
        full.live_bytes - before.live_bytes,
        1000 * blocks.len() as u64
    );
    for block in blocks {
        // SAFETY: each was allocated with this layout.
        unsafe { nowhere.dealloc(block, asked) };
    }
    assert_eq!(live_blocks(), before.blocks);
    heap::set_interval(512 * 1024);
}
