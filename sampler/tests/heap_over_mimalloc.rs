//! The heap profiler around mimalloc, as the program's allocator.

mod support;

use mimalloc::MiMalloc;
use soakscope_sampler::HeapProfiler;
use support::heap;

#[global_allocator]
static ALLOC: HeapProfiler<MiMalloc> = HeapProfiler::new(MiMalloc);

#[test]
fn everything_an_allocator_must_do() {
    heap::everything();
}
