//! How much memory a piece of code took at most: an allocator that counts what
//! its own thread holds, so that tests beside it do not matter.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What one thread may hold. More than that is refused, which ends the test
/// rather than the machine.
const CAP: i64 = 2 << 30;

pub(crate) struct Counted;

thread_local! {
    static HELD: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

/// Whether there is room for so many bytes more, which are then counted.
fn count(bytes: i64) -> bool {
    // While a thread ends, its cells may be gone.
    HELD.try_with(|held| {
        let now = held.get() + bytes;
        if now > CAP {
            return false;
        }
        held.set(now);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(now)));
        true
    })
    .unwrap_or(true)
}

// SAFETY: every call goes to the system's allocator with the arguments it came
// with, or answers null, which any allocator may.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !count(layout.size() as i64) {
            return std::ptr::null_mut();
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !count(size as i64 - layout.size() as i64) {
            return std::ptr::null_mut();
        }
        // SAFETY: as the caller promises.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// The most that this thread held more than at the beginning, in bytes.
pub(crate) fn peak(code: impl FnOnce()) -> i64 {
    let before = HELD.get();
    PEAK.set(before);
    code();
    PEAK.get() - before
}
