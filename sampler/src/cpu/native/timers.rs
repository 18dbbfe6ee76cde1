//! POSIX timers, by their raw system calls: the C library's wrappers allocate
//! and know nothing of another thread's clock.

use std::io;
use std::sync::atomic::Ordering::Relaxed;

use super::shared;
use crate::platform;

/// The kernel's id of a timer.
pub(crate) type TimerId = i32;

/// Whose CPU time a timer measures, and who gets its signal.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// One thread measures and gets it.
    Thread(u32),
    /// All threads measure; the one that runs when it expires gets it.
    Process,
}

/// When a timer expires first, in nanoseconds of its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum First {
    /// This long from now.
    After(u64),
    /// When the clock shows this. If it already shows more, the timer expires
    /// at once, and the signal says how many periods have gone by.
    At(u64),
}

/// Creates and starts a timer. Nanoseconds. Async-signal-safe.
pub(crate) fn create(
    target: Target,
    signal: libc::c_int,
    value: u64,
    first: First,
    period: u64,
) -> Result<TimerId, i32> {
    // SAFETY: all-zero is a valid `sigevent`.
    let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
    event.sigev_signo = signal;
    event.sigev_value.sival_ptr = std::ptr::without_provenance_mut(value as usize);
    let clock = match target {
        Target::Thread(tid) => {
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_notify_thread_id = tid as libc::c_int;
            platform::thread_cpu_clock(tid)
        }
        Target::Process => {
            event.sigev_notify = libc::SIGEV_SIGNAL;
            libc::CLOCK_PROCESS_CPUTIME_ID
        }
    };
    if shared::TIMERS_LEFT.fetch_sub(1, Relaxed) <= 0 {
        return Err(libc::EAGAIN);
    }
    let mut id: TimerId = 0;
    // SAFETY: `event` and `id` are valid for the read and the write that
    // timer_create makes of them.
    let created = unsafe {
        libc::syscall(
            libc::SYS_timer_create,
            clock as libc::c_long,
            &raw const event,
            &raw mut id,
        )
    };
    if created != 0 {
        return Err(errno());
    }
    let time = |nanoseconds: u64| libc::timespec {
        tv_sec: (nanoseconds / 1_000_000_000) as _,
        tv_nsec: (nanoseconds % 1_000_000_000) as libc::c_long,
    };
    let (flags, first) = match first {
        First::After(delay) => (0, delay),
        First::At(moment) => (libc::TIMER_ABSTIME, moment),
    };
    let schedule = libc::itimerspec {
        it_interval: time(period),
        // A first expiry of zero would mean never.
        it_value: time(first.max(1)),
    };
    // SAFETY: `schedule` is valid for a read; a null old value is allowed.
    let set = unsafe {
        libc::syscall(
            libc::SYS_timer_settime,
            id as libc::c_long,
            flags as libc::c_long,
            &raw const schedule,
            std::ptr::null_mut::<libc::itimerspec>(),
        )
    };
    if set != 0 {
        let why = errno();
        delete(id);
        return Err(why);
    }
    Ok(id)
}

/// Deletes a timer. Async-signal-safe.
pub(crate) fn delete(id: TimerId) {
    // SAFETY: an id that does not exist is refused; nothing is written.
    unsafe { libc::syscall(libc::SYS_timer_delete, id as libc::c_long) };
}

/// Whether the thread that a timer measures still lives.
pub(crate) fn is_live(id: TimerId) -> bool {
    // SAFETY: all-zero is a valid `itimerspec` to be written over.
    let mut left: libc::itimerspec = unsafe { std::mem::zeroed() };
    // SAFETY: `left` is valid for the write.
    let result =
        unsafe { libc::syscall(libc::SYS_timer_gettime, id as libc::c_long, &raw mut left) };
    // The timer of a thread that has gone is never due.
    result == 0 && (left.it_value.tv_sec != 0 || left.it_value.tv_nsec != 0)
}

fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}
