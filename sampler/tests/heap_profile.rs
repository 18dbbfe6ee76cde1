//! Stacks, labels, ages and totals of a heap profile.

use std::alloc::Layout;
use std::hint::black_box;
use std::thread;
use std::time::Duration;

use soakscope_sampler::heap::{self, HeapProfile};
use soakscope_sampler::{Detail, HeapProfiler, Symbolizer, exclude_current_thread, set_label};

#[global_allocator]
static ALLOC: HeapProfiler = HeapProfiler::system();

const MB: u64 = 1 << 20;

#[inline(never)]
fn keep_small_blocks(bytes: usize) -> Vec<Vec<u8>> {
    let kept = (0..bytes / 256)
        .map(|n| black_box(vec![n as u8; 256]))
        .collect();
    // Not the last call: one that is has no frame of its caller's above it.
    black_box(kept)
}

/// Where it was allocated: label, thread and phase.
type Origin = (u64, String, u32);

/// Allocated and live bytes of stacks through a function, and where they are from.
fn through(profile: &HeapProfile, function: &str) -> (u64, u64, Vec<Origin>) {
    let mut symbols = Symbolizer::new().expect("names");
    let (mut allocated, mut origins) = (0, Vec::new());
    let mut inside = vec![false; profile.sites.len()];
    for (site, inside) in profile.sites.iter().zip(&mut inside) {
        *inside = site.stack.iter().any(|pc| {
            let frames = symbols.resolve(*pc, Detail::Names).frames;
            frames.iter().any(|frame| frame.name.contains(function))
        });
        if *inside {
            assert!(!site.truncated, "the stack is whole");
            allocated += site.allocated_bytes;
            origins.push((site.label, site.thread_name.clone(), site.phase));
        }
    }
    let live = profile.blocks.iter().filter(|block| inside[block.site]);
    let live = live
        .map(|block| block.size as f64 * block.weight)
        .sum::<f64>();
    origins.sort_unstable();
    origins.dedup();
    (allocated, live as u64, origins)
}

fn near(found: u64, truth: u64) -> bool {
    found.abs_diff(truth) < truth / 4
}

#[test]
fn a_profile_names_who_allocated_and_who_still_holds() {
    heap::prepare();
    heap::set_interval(64 * 1024);
    let holder = thread::Builder::new().name("holder".to_owned());
    let both = holder.spawn(|| {
        heap::draw_anew(7);
        set_label(77);
        let kept = keep_small_blocks(16 << 20);
        set_label(78);
        heap::set_phase(3);
        let dropped = keep_small_blocks(16 << 20);
        (kept, dropped)
    });
    let (kept, dropped) = both.expect("a thread").join().expect("it allocates");
    // Freed by another thread than allocated it.
    drop(dropped);
    let profile = heap::snapshot().expect("our allocator");
    let (allocated, live, origins) = through(&profile, "keep_small_blocks");
    assert!(near(allocated, 32 * MB), "allocated {allocated}");
    assert!(near(live, 16 * MB), "live {live}");
    let by = |label, phase| (label, "holder".to_owned(), phase);
    assert_eq!(origins, [by(77, 0), by(78, 3)]);
    let under = |label| {
        let found = profile.labels.iter().find(|found| found.label == label);
        found.map_or(0, |found| found.allocated_bytes)
    };
    assert!(near(under(77), 16 * MB), "{:?}", profile.labels);
    assert!(
        profile
            .blocks
            .iter()
            .all(|block| profile.clock.saturating_sub(block.born) < Duration::from_secs(60))
    );
    let stats = profile.stats;
    assert_eq!((stats.lost, stats.folded), (0, 0));
    assert!(stats.table_bytes < 8 << 20, "{}", stats.table_bytes);
    assert!(
        near(stats.estimated_live_bytes, stats.live_bytes),
        "{stats:?}"
    );
    drop(kept);
    let after = heap::snapshot().expect("our allocator");
    assert_eq!(through(&after, "keep_small_blocks").1, 0);

    // Two agents' worth of work that is not the service's.
    let own = thread::spawn(|| {
        let _own = exclude_current_thread();
        keep_small_blocks(16 << 20)
    });
    let own = own.join().expect("it allocates");
    let profile = heap::snapshot().expect("our allocator");
    assert_eq!(through(&profile, "keep_small_blocks").1, 0);
    assert!(profile.stats.live_bytes > 16 * MB, "counted all the same");
    drop(own);

    // Off is off for a thread from its next look on.
    heap::set_interval(0);
    let before = heap::stats().expect("our allocator").samples;
    thread::spawn(|| drop(keep_small_blocks(64 << 20)))
        .join()
        .expect("it allocates");
    assert_eq!(heap::stats().expect("our allocator").samples, before);
    heap::set_interval(512 * 1024);

    // The counters are exact.
    let count = || heap::stats().expect("our allocator").live_bytes;
    let before = count();
    let block = Layout::from_size_align(300_001, 64).expect("a layout");
    // Seen by others, or the compiler leaves both calls out.
    // SAFETY: the size is not 0.
    let pointer = black_box(unsafe { std::alloc::alloc_zeroed(block) });
    assert_eq!(count() - before, 300_001);
    // SAFETY: `pointer` was allocated with this layout.
    unsafe { std::alloc::dealloc(pointer, block) };
    assert_eq!(count(), before);
}
