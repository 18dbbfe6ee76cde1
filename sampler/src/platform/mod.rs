//! The operating system, behind the same signatures everywhere: the ground floor,
//! which knows nothing of samples. What a system does not have is an `Err` or
//! `None`, never a missing symbol.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;

#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(not(target_os = "linux"))]
pub(crate) use other::*;

pub(crate) mod maps;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(crate) mod private_stacks;
pub(crate) mod sampling_signal;
mod signal_mask;

use std::time::Duration;

pub(crate) use signal_mask::SignalMask;

/// Words of a thread's name: the kernel's 16 bytes.
pub(crate) const NAME: usize = 2;

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
