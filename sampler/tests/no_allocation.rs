//! The handler never allocates: the allocator of this program would say so.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use soakscope_sampler::in_signal_handler;
use support::{CPU_CLOCKS, burn, start};

struct Watched;

static IN_HANDLER: AtomicU64 = AtomicU64::new(0);

fn watch() {
    if in_signal_handler() {
        IN_HANDLER.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: every call is handed to the system allocator as it is.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        watch();
        // SAFETY: the caller keeps the duties of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        watch();
        // SAFETY: the caller keeps the duties of `dealloc`.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

#[test]
fn nothing_is_allocated_in_the_handler() {
    for clock in CPU_CLOCKS {
        let Some(sampler) = start(clock, 999) else {
            continue;
        };
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        thread::spawn(|| {
                            let kept: Vec<_> = (0..2_000).map(|n| vec![n; 10]).collect();
                            burn(0.005);
                            kept.len()
                        })
                        .join()
                        .expect("it ends well");
                    }
                });
            }
        });
        let window = sampler.stop().expect("it stops");
        assert!(
            window.stats.attributed.as_secs_f64() > 0.1,
            "{clock}: {:?}",
            window.stats
        );
    }
    assert_eq!(IN_HANDLER.load(Ordering::Relaxed), 0);
}
