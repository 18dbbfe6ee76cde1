//! The heap profiler around glibc, as the program's allocator.

mod support;

use soakscope_sampler::HeapProfiler;
use support::heap;

#[global_allocator]
static ALLOC: HeapProfiler = HeapProfiler::system();

#[test]
fn everything_an_allocator_must_do() {
    heap::everything();
}
