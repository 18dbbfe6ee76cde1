//! The `perf` clock: a task-clock event per thread that exists at the start,
//! inherited by every thread they create.
//!
//! The event sends SIGTRAP to the thread itself, with high resolution. It is
//! removed on exec and not inherited by child processes.
//!
//! The kernel lets an unprivileged process count user time only
//! (`perf_event_paranoid` 2). A profile that leaves out system time would not
//! account for the time used, so this clock is refused then, and the timer
//! clock, which counts both, is the better one.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::shared::{self, Cause, cookie};
use super::signals::{self, Owner};
use super::tasks;
use crate::clock::Clock;
use crate::error::Error;
use crate::threads::excluded;

/// Signals per second of CPU time at least, as far as thinning can make them:
/// the time before an inherited event's first signal is to be short against a
/// thread's life, and a signal costs up to 30 µs in a virtual machine.
const SIGNALS_PER_SECOND: u64 = 400;
/// Descriptors are the service's: more threads than this use timers.
const MAX_EVENTS: usize = 256;

/// `struct perf_event_attr` of the kernel's `perf_event.h`, version 7.
#[repr(C)]
#[derive(Default)]
struct EventAttr {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    bp_type: u32,
    config1: u64,
    config2: u64,
    branch_sample_type: u64,
    sample_regs_user: u64,
    sample_stack_user: u32,
    clockid: i32,
    sample_regs_intr: u64,
    aux_watermark: u32,
    sample_max_stack: u16,
    _reserved_2: u16,
    aux_sample_size: u32,
    _reserved_3: u32,
    sig_data: u64,
}

const PERF_TYPE_SOFTWARE: u32 = 1;
const PERF_COUNT_SW_TASK_CLOCK: u64 = 1;
const INHERIT: u64 = 1 << 1;
const INHERIT_THREAD: u64 = 1 << 35;
const REMOVE_ON_EXEC: u64 = 1 << 36;
const SIGTRAP: u64 = 1 << 37;
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;

pub(crate) struct PerfClock {
    events: Vec<OwnedFd>,
}

fn refused(reason: impl Into<String>) -> Error {
    Error::ClockRefused {
        clock: Clock::Perf,
        reason: reason.into(),
    }
}

impl PerfClock {
    pub(crate) fn start(epoch: u32, frequency_hz: u32) -> Result<Self, Error> {
        if signals::owner(libc::SIGTRAP) == Owner::SomebodyElse {
            return Err(refused("the program handles SIGTRAP itself"));
        }
        if tasks::is_traced() {
            return Err(refused("a debugger is attached, and SIGTRAP is its signal"));
        }
        let thinning = thinning(frequency_hz);
        let period = 1_000_000_000 / (u64::from(frequency_hz) * thinning);
        signals::install(libc::SIGTRAP)?;
        shared::THINNING.store(thinning, Relaxed);

        let mut clock = PerfClock { events: Vec::new() };
        let mut known: Vec<u32> = Vec::new();
        // The second round finds threads whose parent was not yet armed when
        // they were born. One that was born to an armed parent gets a second
        // event; the handler heeds one event per thread.
        for _round in 0..2 {
            for tid in tasks::list() {
                if known.contains(&tid) || excluded::any(|thread| thread.tid == tid) {
                    continue;
                }
                known.push(tid);
                if clock.events.len() >= MAX_EVENTS {
                    return Err(refused(format!(
                        "more than {MAX_EVENTS} threads exist, and each takes a descriptor"
                    )));
                }
                let number = clock.events.len() as u64 + 1;
                match open(tid, period, cookie(epoch, Cause::Perf, number)) {
                    Ok(event) => clock.events.push(event),
                    // The thread has ended since it was listed.
                    Err(e) if e.raw_os_error() == Some(libc::ESRCH) => {}
                    Err(e) => return Err(refused(explain(&e))),
                }
            }
        }
        Ok(clock)
    }

    pub(crate) fn armed(&self) -> usize {
        self.events.len()
    }
}

fn explain(error: &io::Error) -> String {
    let hint = match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => {
            "; counting system time takes perf_event_paranoid below 2 or CAP_PERFMON"
        }
        Some(libc::EINVAL | libc::E2BIG) => "; sigtrap and inherit_thread take Linux 5.13",
        Some(libc::ENOENT | libc::ENOSYS) => "; this system has no perf events",
        _ => "",
    };
    format!("perf_event_open: {error}{hint}")
}

fn open(tid: u32, period: u64, sig_data: u64) -> io::Result<OwnedFd> {
    let attr = EventAttr {
        kind: PERF_TYPE_SOFTWARE,
        size: size_of::<EventAttr>() as u32,
        config: PERF_COUNT_SW_TASK_CLOCK,
        sample_period: period,
        flags: INHERIT | INHERIT_THREAD | REMOVE_ON_EXEC | SIGTRAP,
        sig_data,
        ..EventAttr::default()
    };
    const ANY_CPU: libc::c_long = -1;
    const NO_GROUP: libc::c_long = -1;
    // SAFETY: `attr` is a whole `perf_event_attr` of the size it names, and is
    // only read.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attr,
            tid as libc::c_long,
            ANY_CPU,
            NO_GROUP,
            PERF_FLAG_FD_CLOEXEC,
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Of how many signals one is kept. Two at least: then a short life's samples
/// fall anywhere in it, though its event begins with a whole period.
fn thinning(frequency_hz: u32) -> u64 {
    (SIGNALS_PER_SECOND / u64::from(frequency_hz)).max(2)
}

/// The time between two samples, at the period that was set.
pub(crate) fn sample_period(frequency_hz: u32) -> Duration {
    let thinning = thinning(frequency_hz);
    Duration::from_nanos(1_000_000_000 / (u64::from(frequency_hz) * thinning) * thinning)
}

impl Drop for PerfClock {
    fn drop(&mut self) {
        const PERF_EVENT_IOC_DISABLE: libc::Ioctl = 0x2401;
        for event in &self.events {
            // SAFETY: the descriptor is an open perf event; the request has no
            // argument in memory. Inherited events are disabled with it.
            unsafe { libc::ioctl(event.as_raw_fd(), PERF_EVENT_IOC_DISABLE, 0) };
        }
    }
}
