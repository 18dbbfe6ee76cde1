//! Linux.

use std::time::Duration;

use super::NAME;

/// A thread of this process, by both of its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadHandle {
    pub(crate) tid: u32,
    pub(crate) pthread: u64,
}

impl ThreadHandle {
    pub(crate) fn current() -> Self {
        ThreadHandle {
            tid: gettid(),
            // SAFETY: `pthread_self` has no preconditions.
            pthread: unsafe { libc::pthread_self() } as u64,
        }
    }

    /// CPU time the thread used since its birth; `None` once it has ended.
    pub(crate) fn cpu_time(&self) -> Option<Duration> {
        clock_time(thread_cpu_clock(self.tid))
    }
}

pub(crate) fn gettid() -> u32 {
    // SAFETY: `gettid` has no preconditions and cannot fail.
    unsafe { libc::syscall(libc::SYS_gettid) as u32 }
}

/// The calling thread's name; `None` where a filter refuses the call.
pub(crate) fn thread_name() -> Option<[u64; NAME]> {
    let mut name = [0u64; NAME];
    // SAFETY: PR_GET_NAME writes at most 16 bytes, which `name` has.
    let result = unsafe { libc::syscall(libc::SYS_prctl, libc::PR_GET_NAME, name.as_mut_ptr()) };
    (result == 0).then_some(name)
}

/// Whether the calling thread is the process's first.
pub(crate) fn is_first_thread() -> bool {
    gettid() == std::process::id()
}

/// Whether a thread of this process has this id.
pub(crate) fn thread_exists(tid: u32) -> bool {
    // SAFETY: signal 0 is never delivered; the call only looks.
    let result = unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), tid, 0) };
    // What is refused is there.
    // SAFETY: `__errno_location` always points at this thread's errno.
    result == 0 || unsafe { *libc::__errno_location() } != libc::ESRCH
}

/// Runs `f` and leaves errno as it was before.
pub(crate) fn keep_errno<R>(f: impl FnOnce() -> R) -> R {
    // SAFETY: `__errno_location` points at this thread's errno for as long as
    // the thread lives.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let saved = unsafe { *errno };
    let result = f();
    // SAFETY: as above.
    unsafe { *errno = saved };
    result
}

/// Waits for this long, or less. The standard library's sleep panics where a
/// filter refuses its call.
pub(crate) fn pause(time: Duration) {
    let time = libc::timespec {
        tv_sec: time.as_secs() as _,
        tv_nsec: time.subsec_nanos() as libc::c_long,
    };
    // SAFETY: no descriptors are given, and `time` is valid for the read.
    let waited = unsafe { libc::ppoll(std::ptr::null_mut(), 0, &raw const time, std::ptr::null()) };
    if waited != 0 {
        std::thread::yield_now();
    }
}

/// Milliseconds of a clock that only goes forward, read without a system call.
pub(crate) fn coarse_ms() -> u64 {
    let time = clock_time(libc::CLOCK_MONOTONIC_COARSE).unwrap_or_default();
    time.as_millis() as u64
}

/// The clock id of a thread's CPU time, as the kernel's
/// `include/linux/posix-timers.h` encodes it: the complemented thread id, the
/// per-thread flag (4) and the scheduler clock (2).
pub(crate) fn thread_cpu_clock(tid: u32) -> libc::clockid_t {
    ((!(tid as i32)) << 3) | 6
}

pub(crate) fn clock_time(clock: libc::clockid_t) -> Option<Duration> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for a write of one `timespec`.
    let ok = unsafe { libc::clock_gettime(clock, &mut time) } == 0;
    ok.then(|| Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// Major and minor number of the kernel's release.
pub(crate) fn kernel_version() -> (u32, u32) {
    // Not from `/proc`, which may be hidden.
    // SAFETY: all-zero is a valid `utsname`, which the call writes over with
    // texts that end in 0.
    let release = unsafe {
        let mut names: libc::utsname = std::mem::zeroed();
        libc::uname(&mut names);
        std::ffi::CStr::from_ptr(names.release.as_ptr())
            .to_string_lossy()
            .into_owned()
    };
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|n| n.parse::<u32>().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Whether a process timer's signal goes to the thread that runs when it
/// expires, as since Linux 6.4, instead of to the first thread.
pub(crate) fn process_timers_signal_who_runs() -> bool {
    kernel_version() >= (6, 4)
}

/// Takes one of these pending signals, which the calling thread blocks, without
/// waiting.
pub(crate) fn take_signal(set: &libc::sigset_t) {
    let at_once = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the set and the time are valid, and no information is asked for.
    unsafe { libc::sigtimedwait(set, std::ptr::null_mut(), &at_once) };
}

/// How many bytes of a range are in memory.
pub(crate) fn resident_bytes(begin: usize, length: usize) -> usize {
    const PAGE: usize = 4096;
    // SAFETY: it only returns a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let page = usize::try_from(page).unwrap_or(PAGE).max(PAGE);
    let first = begin & !(page - 1);
    let pages = (begin + length - first).div_ceil(page);
    let mut there = vec![0u8; pages];
    // SAFETY: `mincore` looks at the mappings of the range, not into them, and
    // writes a byte for each of its pages, which `there` has.
    let known =
        unsafe { libc::mincore(first as *mut libc::c_void, pages * page, there.as_mut_ptr()) };
    if known != 0 {
        return 0;
    }
    there.iter().filter(|byte| **byte & 1 == 1).count() * page
}
