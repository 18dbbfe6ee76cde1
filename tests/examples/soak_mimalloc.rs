//! The soak example with mimalloc below the heap profiler.

use std::process::ExitCode;

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOC: soakscope::HeapProfiler<MiMalloc> = soakscope::HeapProfiler::new(MiMalloc);

fn main() -> ExitCode {
    shop::soak::main()
}
