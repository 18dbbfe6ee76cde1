//! The soak example with jemalloc below the heap profiler.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOC: soakscope::HeapProfiler<Jemalloc> = soakscope::HeapProfiler::new(Jemalloc);

fn main() -> ExitCode {
    shop::soak::main()
}
