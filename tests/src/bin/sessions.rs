//! The sessions service with the system's allocator below the heap profiler.

use std::process::ExitCode;

#[global_allocator]
static ALLOC: soakscope::HeapProfiler = soakscope::HeapProfiler::system();

fn main() -> ExitCode {
    soakscope_tests::sessions::main()
}
