//! The operating system, behind the same signatures everywhere. What a system
//! does not have is an `Err` or `None`, never a missing symbol; no other module
//! chooses by operating system.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;

#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(not(target_os = "linux"))]
pub(crate) use other::*;

mod signal_mask;
pub(crate) use signal_mask::SignalMask;

use std::time::Duration;

use crate::Clock;
use crate::cpu::{Engine, EngineConfig};
use crate::error::Error;

/// Has `handler` called in every child that this process forks off.
pub(crate) fn at_fork_in_child(handler: extern "C" fn()) {
    // SAFETY: the handler is a function of this program and takes nothing.
    unsafe {
        libc::pthread_atfork(None, None, Some(handler));
    }
}

/// Closes a descriptor of the parent's in a child, from the handler of a fork.
pub(crate) fn close(descriptor: i32) {
    // SAFETY: whoever asks for it leaves the descriptor alone in a child.
    unsafe { libc::close(descriptor) };
}

/// Has signal handlers do nothing in a child that was just forked off.
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(crate) fn silence_handlers() {
    crate::native::forked::silence();
}

/// Has signal handlers do nothing in a child that was just forked off.
#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
pub(crate) fn silence_handlers() {}

/// Bytes of the ring that samples travel through.
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(crate) fn ring_bytes() -> usize {
    let ring = crate::native::shared::ring();
    ring.map_or(0, |ring| ring.capacity() * size_of::<u64>())
}

/// Bytes of the ring that samples travel through.
#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
pub(crate) fn ring_bytes() -> usize {
    0
}

/// The engine of a native clock.
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(crate) fn native_engine(clock: Clock, config: &EngineConfig) -> Result<Box<dyn Engine>, Error> {
    Ok(Box::new(crate::native::NativeEngine::start(clock, config)?))
}

/// The engine of a native clock.
#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
pub(crate) fn native_engine(
    clock: Clock,
    _config: &EngineConfig,
) -> Result<Box<dyn Engine>, Error> {
    Err(Error::ClockRefused {
        clock,
        reason: "it needs Linux on x86-64 or aarch64".to_owned(),
    })
}

/// The signal that a running sampler's timers send.
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(crate) fn sampling_signal() -> Option<libc::c_int> {
    crate::native::sampling_signal()
}

/// The signal that a running sampler's timers send.
#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
pub(crate) fn sampling_signal() -> Option<libc::c_int> {
    None
}

/// Whether the program handles the signal of the `pprof` crate itself.
#[cfg(all(
    feature = "pprof-engine",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(crate) fn pprof_is_taken() -> bool {
    crate::native::sheltered::is_taken()
}

/// Runs `stop`, in which the `pprof` crate resets its signal, and leaves the
/// program's handler as it is.
#[cfg(all(
    feature = "pprof-engine",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(crate) fn stop_pprof(stop: impl FnOnce()) {
    crate::native::sheltered::stop(stop);
}

/// Elsewhere nobody asks.
#[cfg(not(target_os = "linux"))]
pub(crate) fn pprof_is_taken() -> bool {
    false
}

/// Elsewhere as the crate does it.
#[cfg(not(target_os = "linux"))]
pub(crate) fn stop_pprof(stop: impl FnOnce()) {
    stop();
}

/// Has the handler of the `pprof` crate, which is installed, stand on a stack of
/// our own; its address, and that of what calls it.
#[cfg(all(
    feature = "pprof-engine",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(crate) fn shelter_pprof() -> std::io::Result<()> {
    crate::native::sheltered::shelter()
}

/// Where the handler of the `pprof` crate begins, and what calls it.
#[cfg(all(
    feature = "pprof-engine",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(crate) fn pprof_handlers() -> (u64, u64) {
    crate::native::sheltered::handlers()
}

/// Elsewhere it stays as the crate installs it.
#[cfg(not(target_os = "linux"))]
pub(crate) fn shelter_pprof() -> std::io::Result<()> {
    Ok(())
}

/// Where the handler of the `pprof` crate begins; nothing of ours calls it.
#[cfg(not(target_os = "linux"))]
pub(crate) fn pprof_handlers() -> (u64, u64) {
    unsafe extern "C" {
        fn perf_signal_handler(
            signal: libc::c_int,
            info: *mut libc::siginfo_t,
            context: *mut libc::c_void,
        );
    }
    (perf_signal_handler as *const () as u64, 0)
}

/// CPU time of the calling thread.
pub(crate) fn thread_cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for a write of one `timespec`.
    if unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) } != 0 {
        return Duration::ZERO;
    }
    Duration::new(time.tv_sec.max(0) as u64, time.tv_nsec.max(0) as u32)
}

/// User and system time of the whole process, dead threads included.
pub(crate) fn process_cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for a write of one `timespec`.
    if unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) } == 0 {
        return Duration::new(time.tv_sec.max(0) as u64, time.tv_nsec as u32);
    }
    // SAFETY: an all-zero `rusage` is a valid value of that plain C struct.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is valid for a write of one `rusage`.
    if unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) } != 0 {
        return Duration::ZERO;
    }
    let time = |t: libc::timeval| {
        Duration::from_secs(t.tv_sec.max(0) as u64) + Duration::from_micros(t.tv_usec.max(0) as u64)
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// Stacks of the calling thread.
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(miri)
))]
mod stacks {
    pub(crate) use crate::native::here::{
        capture as stack_from, maintain as maintain_stacks, on_private_stack,
        prepare as prepare_stacks,
    };

    /// Where a walk begins.
    pub(crate) type StackStart = crate::unwind::walk::Start<'static>;
}

/// Stacks of the calling thread: none.
#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(miri)
)))]
mod stacks {
    pub(crate) fn prepare_stacks() -> bool {
        true
    }

    pub(crate) fn maintain_stacks() {}

    /// Where a walk would begin.
    pub(crate) struct StackStart;

    impl StackStart {
        pub(crate) fn here() -> Self {
            StackStart
        }
    }

    pub(crate) fn on_private_stack<R>(work: impl FnOnce() -> R) -> Option<R> {
        Some(work())
    }

    pub(crate) fn stack_from(_start: &StackStart, _frames: &mut [u64]) -> (usize, bool) {
        (0, false)
    }
}

pub(crate) use stacks::{
    StackStart, maintain_stacks, on_private_stack, prepare_stacks, stack_from,
};
