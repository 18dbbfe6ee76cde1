//! The `timer` clock: a CPU timer per thread, and one for the process.
//!
//! A thread's timer is made by whoever meets the thread first: the scan of
//! `/proc/self/task`, or the handler itself, when the process's timer expires
//! on a thread that has none yet. That signal counts as a sample, too, so a
//! thread's time before it has a timer is accounted for in expectation, at the
//! process timer's rate, and its time afterwards by its own timer, whose first
//! expiry is at a random part of a period. No time is counted twice: the
//! process timer's signal is put aside on threads that have their own.
//!
//! The kernel looks at CPU timers only on its tick, and says with a signal how
//! many expiries it stands for; that is the sample's weight.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::shared::{self, Cause, claims, cookie};
use super::timers::{self, Target, TimerId};
use super::{signals, tasks};
use crate::error::{Error, Fallback};
use crate::{Clock, excluded};

/// A scan may take this share of the time until the next.
const SCAN_COST_SHARE: u32 = 50;
/// The time between scans while threads come, and while they do not.
const SCAN_SOON: Duration = Duration::from_millis(20);
const SCAN_LATER: Duration = Duration::from_millis(200);
/// Kernels before this send a process timer's signal to the first thread
/// instead of the one that runs.
const SIGNAL_GOES_TO_CURRENT: (u32, u32) = (6, 4);

pub(crate) struct TimerClock {
    epoch: u32,
    signal: libc::c_int,
    period: u64,
    process: Option<TimerId>,
    threads: HashMap<u32, TimerId>,
    next_scan: Instant,
    wait: Duration,
    /// Threads that could not be given a timer, cumulative.
    pub(crate) refused: u64,
}

fn refusal(why: i32) -> Error {
    let said = std::io::Error::from_raw_os_error(why);
    let hint = if why == libc::EAGAIN {
        " (timers count against RLIMIT_SIGPENDING)"
    } else {
        ""
    };
    Error::ClockRefused {
        clock: Clock::Timer,
        reason: format!("timer_create: {said}{hint}"),
    }
}

impl TimerClock {
    pub(crate) fn start(
        epoch: u32,
        period: Duration,
        warnings: &mut Vec<Fallback>,
    ) -> Result<Self, Error> {
        let signal = signals::for_timers().ok_or_else(|| Error::ClockRefused {
            clock: Clock::Timer,
            reason: "the program handles SIGPROF and every real-time signal".to_owned(),
        })?;
        signals::install(signal)?;
        shared::TIMER_SIGNAL.store(signal as u32, std::sync::atomic::Ordering::Relaxed);
        let period = period.as_nanos() as u64;
        let process = if kernel_version() >= SIGNAL_GOES_TO_CURRENT {
            let value = cookie(epoch, Cause::ProcessTimer, 0);
            match timers::create(Target::Process, signal, value, period, period) {
                Ok(id) => Some(id),
                Err(why) => return Err(refusal(why)),
            }
        } else {
            warnings.push(Fallback {
                clock: Clock::Timer,
                reason: "this kernel gives the process timer's signals to the first thread; \
                         threads count from when a scan finds them"
                    .to_owned(),
            });
            None
        };
        let mut clock = TimerClock {
            epoch,
            signal,
            period,
            process,
            threads: HashMap::new(),
            next_scan: Instant::now(),
            wait: SCAN_SOON,
            refused: 0,
        };
        if let Err(error) = clock.scan() {
            clock.stop();
            return Err(error);
        }
        Ok(clock)
    }

    /// Threads that have a timer.
    pub(crate) fn armed(&self) -> usize {
        self.threads.len()
    }

    pub(crate) fn signal(&self) -> libc::c_int {
        self.signal
    }

    /// A thread made its own timer.
    pub(crate) fn adopt(&mut self, tid: u32, id: TimerId) {
        if let Some(old) = self.threads.insert(tid, id) {
            timers::delete(old);
        }
        // Where one came there may be more.
        self.wait = SCAN_SOON;
    }

    /// Scans if it is time to; returns when the next scan is due.
    pub(crate) fn tick(&mut self, now: Instant) -> Instant {
        if now >= self.next_scan {
            // A refusal leaves threads to the process timer.
            if let Ok(came) = self.scan() {
                let wait = if came { SCAN_SOON } else { self.wait * 2 };
                self.wait = wait.clamp(SCAN_SOON, SCAN_LATER);
            }
            let cost = now.elapsed();
            self.next_scan = now + self.wait.max(cost * SCAN_COST_SHARE);
        }
        self.next_scan
    }

    /// Gives every thread a timer, and takes back those of threads that have
    /// gone. `Ok(true)` when there were new ones; an error when no thread at
    /// all can be given one.
    fn scan(&mut self) -> Result<bool, Error> {
        let alive = tasks::list();
        let mut seen: HashMap<u32, TimerId> = HashMap::with_capacity(alive.len());
        let mut came = false;
        let mut refusal_seen = None;
        for tid in alive {
            if let Some(id) = self.threads.remove(&tid) {
                if timers::is_live(id) {
                    seen.insert(tid, id);
                    continue;
                }
                // The number belongs to another thread by now.
                timers::delete(id);
                claims::release(tid);
            }
            if refusal_seen.is_some()
                || excluded::any(|thread| thread.tid == tid)
                || !claims::claim(tid)
            {
                continue;
            }
            let first = 1 + random() % self.period;
            let value = cookie(self.epoch, Cause::ThreadTimer, 0);
            match timers::create(Target::Thread(tid), self.signal, value, first, self.period) {
                Ok(id) => {
                    seen.insert(tid, id);
                    came = true;
                }
                Err(why) => {
                    claims::release(tid);
                    // EINVAL: the thread has ended since it was listed.
                    if why != libc::EINVAL && why != libc::ESRCH {
                        self.refused += 1;
                        refusal_seen = Some(why);
                    }
                }
            }
        }
        let gone = std::mem::replace(&mut self.threads, seen);
        for (tid, id) in gone {
            timers::delete(id);
            claims::release(tid);
        }
        match refusal_seen {
            Some(why) if self.threads.is_empty() => Err(refusal(why)),
            _ => Ok(came),
        }
    }

    /// Deletes every timer. Records of timers made by their threads must have
    /// been read before.
    pub(crate) fn stop(&mut self) {
        if let Some(id) = self.process.take() {
            timers::delete(id);
        }
        for (tid, id) in self.threads.drain() {
            timers::delete(id);
            claims::release(tid);
        }
    }
}

/// A number for a first expiry; need not be good, only not in step with the
/// program.
fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(Instant::now())
}

fn kernel_version() -> (u32, u32) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|n| n.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}
