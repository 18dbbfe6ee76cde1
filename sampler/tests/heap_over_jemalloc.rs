//! The heap profiler around jemalloc, as the program's allocator.

mod support;

use soakscope_sampler::HeapProfiler;
use support::heap;
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOC: HeapProfiler<Jemalloc> = HeapProfiler::new(Jemalloc);

#[test]
fn everything_an_allocator_must_do() {
    heap::everything();
}
