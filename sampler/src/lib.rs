//! Measures the process it runs in.
//!
//! [`resources`] reads what the process holds: memory, CPU, threads,
//! descriptors, sockets by state. [`HeapProfiler`] wraps the allocator: it
//! counts the live heap and samples, in [`heap`], which code holds it.
//!
//! [`CpuSampler`] says which code burns CPU time, on every thread from birth,
//! from an ordinary release build, and accounts for the time: how much of what
//! the kernel charged is in the profile, and what was dropped and why.
//! [`Symbolizer`] turns its program counters into names and lines, away from
//! the hot path.
//!
//! # Duties of the caller
//!
//! - Start at most one [`CpuSampler`] at a time, from the program itself rather
//!   than from a library loaded with `dlopen`.
//! - An alternate signal stack must have room for one signal more than the
//!   program's own handlers need (`getauxval(AT_MINSIGSTKSZ)` bytes).
//! - Call [`CpuSampler::drain`] now and then, say every ten seconds.
//!
//! # What it is not
//!
//! No kernel stacks, no hardware counters, no other process, no bytecode
//! languages. Writing profiles in some format is for another crate.
//!
//! # Example
//!
//! ```
//! use soakscope_sampler::{CpuSampler, Detail, Symbolizer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sampler = CpuSampler::builder().frequency(99).start()?;
//! let busy: u64 = (0..5_000_000u64).fold(0, |sum, n| sum ^ n.wrapping_mul(n));
//! let window = sampler.stop()?;
//!
//! let mut symbols = Symbolizer::new()?;
//! for sample in &window.samples {
//!     for pc in &sample.stack {
//!         let frames = symbols.resolve(*pc, Detail::Names).frames;
//!         println!("{:?} below {frames:?}", sample.weight);
//!     }
//! }
//! # assert_ne!(busy, 1);
//! # Ok(())
//! # }
//! ```

mod cpu;
mod error;
mod excluded;
mod fork;
pub mod heap;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod native;
mod own_bytes;
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
mod own_files;
mod own_threads;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod private_stacks;
pub mod resources;
mod symbols;
mod sys;
mod text;
mod thread_cpu;
mod thread_name;
mod thread_state;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod unwind;

pub use cpu::{
    Clock, ClockChoice, CpuSample, CpuSampler, CpuSamplerBuilder, CpuStats, CpuWindow,
    InstantStats, UnknownClock,
};
pub use error::{Error, Fallback};
pub use fork::{ClosedInChild, fork_generation, watch_forks};
pub use heap::{HeapProfiler, heap_allocated_bytes, heap_live_bytes};
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[doc(hidden)]
pub use native::time_handler;
pub use own_bytes::{OwnBytes, own_bytes};
pub use own_threads::{adopt_current_thread, quiet_writes, spawn_own};
pub use symbols::{Detail, Module, Resolved, SourceFrame, Symbolizer};
pub use thread_cpu::{ThreadClock, excluded_cpu_time, process_cpu_time, thread_cpu_time};
#[doc(hidden)]
pub use thread_state::in_signal_handler;
pub use thread_state::{Exclusion, exclude_current_thread, label, set_label};
