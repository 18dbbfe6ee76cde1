//! Measures the process it runs in.
//!
//! [`resources`] reads what the process holds: memory, CPU, threads,
//! descriptors, sockets by state. [`HeapProfiler`] wraps the allocator: it
//! counts the live heap and samples, in [`heap`], which code holds it.
//!
//! [`CpuSampler`] records which code burns CPU time, on every thread from birth,
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

mod clock;
mod cpu;
mod error;
mod fork;
pub mod heap;
mod own_bytes;
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
mod own_files;
mod platform;
pub mod resources;
mod symbols;
mod text;
mod threads;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod unwind;
#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
#[path = "unwind/absent.rs"]
mod unwind;

pub use clock::{Clock, ClockChoice, UnknownClock};
#[cfg(all(
    feature = "testing",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub use cpu::time_handler;
pub use cpu::{CpuSample, CpuSampler, CpuSamplerBuilder, CpuStats, CpuWindow, InstantStats};
pub use error::{Error, Fallback};
pub use fork::{ClosedInChild, fork_generation, watch_forks};
pub use heap::{HeapProfiler, heap_allocated_bytes, heap_live_bytes};
pub use own_bytes::{OwnBytes, own_bytes};
pub use symbols::{Detail, Module, Resolved, SourceFrame, Symbolizer};
#[cfg(feature = "testing")]
pub use threads::in_signal_handler;
pub use threads::{
    Exclusion, ThreadClock, adopt_current_thread, exclude_current_thread, excluded_cpu_time, label,
    process_cpu_time, quiet_writes, set_label, spawn_own, thread_cpu_time,
};
