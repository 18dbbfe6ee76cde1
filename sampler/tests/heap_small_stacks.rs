//! A sampled allocation on a coroutine's small stack.

mod support;

use std::hint::black_box;

use soakscope_sampler::{HeapProfiler, heap};

#[global_allocator]
static ALLOC: HeapProfiler = HeapProfiler::system();

/// Words of the coroutine's stack: eight kilobytes.
const WORDS: usize = 1024;
/// What is left of them when it allocates is less than a stack of frames takes.
const FILLING: usize = 4096;

#[inline(never)]
fn fill_and_allocate() -> usize {
    let mut filling = [1u8; FILLING];
    black_box(&mut filling);
    let mut sum = 0;
    for size in 1..200 {
        let block = black_box(Vec::<u8>::with_capacity(64 * size));
        sum += black_box(block.capacity());
    }
    black_box(&mut filling);
    sum
}

#[test]
fn sampled_allocations_on_a_small_stack_are_recorded_and_harm_nothing() {
    heap::prepare();
    heap::set_interval(1024);
    let before = heap::stats().expect("it counts").samples;
    let threads = [(); 2].map(|()| {
        std::thread::spawn(|| {
            for _ in 0..20 {
                let mut coroutine = generator::Gn::<()>::new_scoped_opt(WORDS, |mut scope| {
                    for _ in 0..5 {
                        scope.yield_(fill_and_allocate());
                    }
                    generator::done!()
                });
                let mut turns = 0;
                while coroutine.resume().is_some() {
                    turns += 1;
                }
                assert_eq!(turns, 5);
            }
        })
    });
    for thread in threads {
        thread.join().expect("it ends well");
    }
    let samples = heap::stats().expect("it counts").samples - before;
    assert!(samples > 10_000, "{samples}");
}
