//! CPU samples: which code burns CPU time, on every thread.
//!
//! | file | what |
//! |---|---|
//! | `sampler` | what callers see: one sampler in a process |
//! | `choice` | which engine serves a clock, and which clock is tried first |
//! | `window` | what a sampler hands over |
//! | `engine` | what engines have in common |
//! | `native` | the engine of Linux: clocks, the signal handler, the drain |
//! | `no_native` | that engine where it cannot be |
//! | `pprof` | the portable engine |

mod choice;
mod engine;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod native;
#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
#[path = "no_native.rs"]
mod native;
#[cfg(any(feature = "pprof-engine", not(target_os = "linux")))]
mod pprof;
mod sampler;
mod window;

pub(crate) use native::ring_bytes;
#[cfg(all(
    feature = "testing",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub use native::time_handler;
pub use sampler::{CpuSampler, CpuSamplerBuilder};
pub use window::{CpuSample, CpuStats, CpuWindow, InstantStats};
