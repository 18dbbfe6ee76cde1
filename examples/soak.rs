//! A whole soak in one command: the shop with the agent in it, load from a second process, the verdict.
//!
//! ```text
//! cargo run --release --example soak
//! cargo run --release --example soak -- --leak memory --duration 2m
//! ```
//!
//! The exit code is the verdict's: 0 pass, 1 fail, 3 inconclusive; 2 when the soak could not run as asked.

use std::process::ExitCode;

#[global_allocator]
static ALLOC: soakscope::HeapProfiler<shop::Inner> = soakscope::HeapProfiler::new(shop::INNER);

fn main() -> ExitCode {
    shop::soak::main()
}
