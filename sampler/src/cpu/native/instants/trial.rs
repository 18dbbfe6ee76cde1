//! Whether the clock can work here: tried once, before it is chosen.
//!
//! A system may answer every call and still not do what is asked: a sandbox
//! that brings a running thread's clock up to date only now and then, or one
//! that keeps signals to itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::super::directed;
use super::super::shared::{Cause, cookie, count};
use super::cpus;
use super::displaced::Displaced;
use super::method::Method;
use crate::platform::{self, SignalMask};
use crate::threads::own::spawn_own;

/// A part of the trial takes no longer than this, on a machine however busy.
const PATIENCE: Duration = Duration::from_secs(2);
const ATTEMPTS: u32 = 7;
const MAX_DISPLACEMENTS: u32 = 100;
/// A signal that goes to another CPU within this time lands where the thread was
/// at the instant, near enough. In a virtual machine it takes longer, and a
/// thread that makes a system call meanwhile is caught there.
const SHORT_LAG: Duration = Duration::from_micros(4);
/// With more CPUs than this, too many observers would be needed.
const MAX_DISPLACING: usize = 16;
/// The kernel that lets a thread with a short time slice onto its CPU at once.
const SHORT_SLICES: (u32, u32) = (6, 12);

/// Has a thread of our own spin and another look at it; returns the best method
/// that works. The error names what does not work.
pub(super) fn run(cpus: &[usize], signal: libc::c_int, epoch: u32) -> Result<Method, String> {
    let (Some(first), Some(last)) = (cpus.first(), cpus.last()) else {
        return Err("it is not known on which CPUs threads may run".to_owned());
    };
    let here = with_spinner(*first, *first, signal, displaced);
    if cpus.len() == 1 {
        return here
            .and_then(|()| {
                with_spinner(*first, *first, signal, move |tid| {
                    arrives(tid, signal, epoch)
                })
            })
            .map(|_| Method::Displaced);
    }
    let lag = with_spinner(*last, *first, signal, move |tid| {
        moves(tid)?;
        arrives(tid, signal, epoch)
    });
    let few = cpus.len() <= MAX_DISPLACING && platform::kernel_version() >= SHORT_SLICES;
    match (lag, here) {
        (Ok(lag), _) if lag <= SHORT_LAG => Ok(Method::Moving),
        (Ok(_), Ok(())) if few => Ok(Method::Displaced),
        (Ok(_), _) => Ok(Method::Moving),
        (Err(error), _) => Err(error),
    }
}

/// Runs `look` on one CPU while a thread, which it is given, spins on another.
fn with_spinner<R: Send + 'static>(
    spins_on: usize,
    looks_on: usize,
    signal: libc::c_int,
    look: impl FnOnce(u32) -> Result<R, String> + Send + 'static,
) -> Result<R, String> {
    let spinning = Arc::new(AtomicU32::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let spinner = spawn_own(builder(), {
        let (spinning, stop) = (spinning.clone(), stop.clone());
        move || {
            // The thread that starts the clock may block all of them.
            SignalMask::unblock(signal);
            let _ = cpus::set([spins_on]);
            spinning.store(platform::gettid(), Ordering::SeqCst);
            while !stop.load(Ordering::SeqCst) {
                std::hint::spin_loop();
            }
        }
    });
    let spinner = spinner.map_err(|error| format!("spawning a thread: {error}"))?;
    let looker = spawn_own(builder(), move || {
        cpus::be_punctual();
        cpus::set([looks_on]).map_err(|error| format!("sched_setaffinity: {error}"))?;
        let patience = Instant::now() + PATIENCE;
        loop {
            match spinning.load(Ordering::SeqCst) {
                0 if Instant::now() > patience => {
                    return Err("a thread did not start in time".to_owned());
                }
                0 => platform::pause(Duration::from_micros(200)),
                tid => return look(tid),
            }
        }
    });
    let found = match looker {
        Ok(looker) => looker
            .join()
            .unwrap_or_else(|_| Err("the trial panicked".to_owned())),
        Err(error) => Err(format!("spawning a thread: {error}")),
    };
    stop.store(true, Ordering::SeqCst);
    let _ = spinner.join();
    found
}

fn builder() -> thread::Builder {
    thread::Builder::new()
        .name("soakscope-trial".to_owned())
        .stack_size(256 * 1024)
}

/// Whether the CPU clock of a thread that runs on another CPU moves.
fn moves(tid: u32) -> Result<(), String> {
    let patience = Instant::now() + PATIENCE;
    let clock = platform::thread_cpu_clock(tid);
    while Instant::now() < patience {
        let Some(before) = platform::clock_time(clock) else {
            return Err(format!(
                "clock_gettime of another thread: {}",
                std::io::Error::last_os_error()
            ));
        };
        if platform::clock_time(clock).is_some_and(|now| now > before) {
            return Ok(());
        }
        platform::pause(Duration::from_micros(500));
    }
    Err("the CPU clock of a thread that runs was not seen to move".to_owned())
}

/// Whether a thread on this CPU is recognised when it is displaced. Not each
/// time: where other processes want the CPU it may be theirs that is displaced.
fn displaced(tid: u32) -> Result<(), String> {
    let refused = |error: std::io::Error| format!("on one CPU: {error}");
    let mut own = Displaced::open().map_err(refused)?;
    let mut recognised = 0;
    for _ in 0..MAX_DISPLACEMENTS {
        own.goes();
        platform::pause(Duration::from_millis(1));
        if own.came().map_err(refused)? && own.is(tid).map_err(refused)?.is_some() {
            recognised += 1;
        }
        if recognised * 2 > ATTEMPTS {
            return Ok(());
        }
    }
    Err(format!(
        "on one CPU: a thread that an observer displaced was recognised {recognised} times of \
         {MAX_DISPLACEMENTS}"
    ))
}

/// How long a signal takes to arrive, at best. The spinning thread is excluded,
/// so that its handler only counts.
fn arrives(tid: u32, signal: libc::c_int, epoch: u32) -> Result<Duration, String> {
    let patience = Instant::now() + PATIENCE;
    let value = cookie(epoch, Cause::Instant, 0);
    let mut best = Duration::MAX;
    for _ in 0..ATTEMPTS {
        let before = count::EXCLUDED.load(Ordering::SeqCst);
        let sent = Instant::now();
        directed::send(signal, tid, value, None).map_err(|error| {
            let hint = if error.raw_os_error() == Some(libc::EAGAIN) {
                " (signals count against RLIMIT_SIGPENDING)"
            } else {
                ""
            };
            format!("rt_tgsigqueueinfo: {error}{hint}")
        })?;
        while count::EXCLUDED.load(Ordering::SeqCst) == before {
            if Instant::now() > patience {
                return Err("a signal sent to a thread did not arrive".to_owned());
            }
            // On one CPU it arrives only while this thread waits.
            thread::yield_now();
        }
        best = best.min(sent.elapsed());
    }
    Ok(best)
}
