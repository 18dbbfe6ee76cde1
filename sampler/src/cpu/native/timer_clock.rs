//! The `timer` clock: a CPU timer per thread, and one for the process.
//!
//! A thread's timer is made by whoever meets the thread first: the scan of
//! `/proc/self/task`, or the handler itself, when the process's timer expires
//! on a thread that has none yet.
//!
//! # Accounting from birth
//!
//! A thread's samples stand at `phase + n * period` of its own CPU time, with a
//! phase at random in (0, period], so that in expectation they account for
//! exactly its time, however short its life. The timer of a thread that was
//! born while the sampler ran is set by the thread's absolute CPU time: when it
//! is made late, its first signal says how many expiries have gone by already
//! and the sample carries their weight. (A thread that was there at the start
//! counts from the start.)
//!
//! The kernel looks at CPU timers only on its tick, and says with a signal how
//! many expiries it stands for. What a thread used after its last tick is never
//! seen: half a tick on average, which the first sample of a thread born under
//! the sampler carries on top. A thread that ends before any tick or scan met it
//! is missed, and shows in the coverage.
//!
//! # Two timers, no double counting
//!
//! The process timer's signal is put aside on threads that have their own. When
//! the system refuses a thread a timer, the process timer's samples count on
//! that thread, with the process's time since its last expiry as their weight:
//! coarse, but right in expectation.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::shared::{self, Cause, claims, cookie, count};
use super::timers::{self, First, Target, TimerId};
use super::{masks, signals, tasks, wall_clock};
use crate::clock::Clock;
use crate::error::{Error, Fallback};
use crate::platform;
use crate::threads::excluded;

/// A scan may take this share of the time until the next.
const SCAN_COST_SHARE: u32 = 50;
/// The time between scans while threads come, and while they do not.
const SCAN_SOON: Duration = Duration::from_millis(10);
const SCAN_LATER: Duration = Duration::from_millis(200);

pub(crate) struct TimerClock {
    epoch: u32,
    signal: libc::c_int,
    period: u64,
    /// Whether a process timer's signal goes to the thread that runs.
    meets_young: bool,
    process: Option<TimerId>,
    threads: HashMap<u32, TimerId>,
    /// Threads without a timer whose time so far is not to be accounted for.
    midlife: HashSet<u32>,
    /// Threads without a timer, because they block the signal or wait for it,
    /// with the CPU time up to which they were passed over.
    hidden: HashMap<u32, Duration>,
    /// Threads that blocked the signal in the last scan for the first time.
    suspected: HashSet<u32>,
    has_scanned: bool,
    /// CPU time that was passed over.
    unseen: Duration,
    next_scan: Instant,
    wait: Duration,
    /// Threads that could not be given a timer, cumulative.
    pub(crate) refused: u64,
}

/// Timers count against the user's limit on queued signals (RLIMIT_SIGPENDING),
/// as do the program's own timers and signals: a quarter of it stays theirs.
fn leave_a_reserve() {
    let left = masks::queued().map_or(i64::MAX, |(queued, limit)| limit - limit / 4 - queued);
    shared::TIMERS_LEFT.store(left, Relaxed);
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
        let signal = signals::choose().ok_or_else(|| Error::ClockRefused {
            clock: Clock::Timer,
            reason: "the program handles every signal that could be used".to_owned(),
        })?;
        signals::install_for_timers(signal)?;
        shared::MIDWAY.store(0, Relaxed);
        Self::with_signal(epoch, signal, period, warnings)
    }

    /// Starts in the place of a clock that ran until now, and accounted for the
    /// time of all threads.
    pub(crate) fn start_midway(
        epoch: u32,
        signal: libc::c_int,
        period: Duration,
        warnings: &mut Vec<Fallback>,
    ) -> Result<Self, Error> {
        shared::MIDWAY.store(1, Relaxed);
        Self::with_signal(epoch, signal, period, warnings)
    }

    fn with_signal(
        epoch: u32,
        signal: libc::c_int,
        period: Duration,
        warnings: &mut Vec<Fallback>,
    ) -> Result<Self, Error> {
        let midlife: HashSet<u32> = tasks::list().into_iter().collect();
        if midlife.is_empty() {
            // Which threads are old enough to count from now cannot be known,
            // nor which have none yet.
            return Err(Error::ClockRefused {
                clock: Clock::Timer,
                reason: "the threads of this process cannot be listed: /proc/self/task is hidden"
                    .to_owned(),
            });
        }
        shared::BY_TIMERS.store(1, Relaxed);
        let period = period.as_nanos() as u64;
        shared::TICK.store(tick(), Relaxed);
        // At every tick, so that a young thread is met at its first.
        shared::PROCESS_PERIOD.store((tick() / 2).min(period), Relaxed);
        let meets_young = platform::process_timers_signal_who_runs();
        if !meets_young {
            warnings.push(Fallback {
                clock: Clock::Timer,
                reason: "this kernel gives the process timer's signals to the first thread; \
                         threads count from when a scan finds them"
                    .to_owned(),
            });
        }
        let mut clock = TimerClock {
            epoch,
            signal,
            period,
            meets_young,
            process: None,
            threads: HashMap::new(),
            midlife,
            hidden: HashMap::new(),
            suspected: HashSet::new(),
            has_scanned: false,
            unseen: Duration::ZERO,
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
        leave_a_reserve();
        let alive = tasks::list();
        if alive.is_empty() {
            // No longer to be had: new threads arm themselves when the process
            // timer meets them.
            return Ok(false);
        }
        let mut seen: HashMap<u32, TimerId> = HashMap::with_capacity(alive.len());
        let mut came = false;
        let mut refusal_seen = None;
        let mut hidden = HashMap::new();
        let mut suspected = HashSet::new();
        self.midlife.retain(|tid| alive.contains(tid));
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
            if excluded::any(|thread| thread.tid == tid) {
                self.midlife.insert(tid);
                continue;
            }
            if refusal_seen.is_some() || claims::is_claimed(tid) {
                continue;
            }
            if self.is_hidden(tid) {
                // A thread blocks all signals when it is born and when it ends; at
                // the start none is being born.
                let certain = self.hidden.contains_key(&tid)
                    || self.suspected.contains(&tid)
                    || !self.has_scanned;
                // It may be blocked only while it is born, or while our handler
                // runs on it: look again soon.
                came |= !self.hidden.contains_key(&tid);
                if certain {
                    hidden.insert(tid, self.pass_over(tid));
                } else {
                    suspected.insert(tid);
                }
                continue;
            }
            if self.hidden.contains_key(&tid) {
                self.pass_over(tid);
            }
            // One that is left is for the process, which covers all others.
            let last = shared::TIMERS_LEFT.load(Relaxed) <= 1;
            if last && self.meets_young && self.process.is_none() {
                self.refused += 1;
                refusal_seen = Some(libc::EAGAIN);
                self.midlife.insert(tid);
                continue;
            }
            if !claims::claim(tid) {
                continue;
            }
            let phase = 1 + random() % self.period;
            let (first, from_birth) = if self.midlife.contains(&tid) {
                (First::After(phase), 0)
            } else {
                (First::At(phase), shared::FROM_BIRTH)
            };
            let value = cookie(self.epoch, Cause::ThreadTimer, from_birth);
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
                        self.midlife.insert(tid);
                    }
                }
            }
        }
        let unlisted = std::mem::replace(&mut self.threads, seen);
        for (tid, id) in unlisted {
            // A listing made while threads come and go may miss one.
            if timers::is_live(id) {
                self.threads.insert(tid, id);
                continue;
            }
            timers::delete(id);
            claims::release(tid);
        }
        match refusal_seen {
            Some(why) if self.threads.is_empty() => return Err(refusal(why)),
            _ => {}
        }
        self.hidden = hidden;
        self.suspected = suspected;
        self.has_scanned = true;
        if !self.hidden.is_empty() || self.threads.is_empty() {
            self.stop_process_timer();
        } else {
            self.start_process_timer()?;
        }
        Ok(came)
    }

    /// Whether a signal for this thread would wait, or be received with
    /// `sigwait` as if it were for it.
    fn is_hidden(&self, tid: u32) -> bool {
        !wall_clock::may_be_sent(self.signal, tid)
    }

    /// Counts a thread's CPU time so far as lost, and as not to be accounted for
    /// later; returns it.
    fn pass_over(&mut self, tid: u32) -> Duration {
        let Some(used) = platform::clock_time(platform::thread_cpu_clock(tid)) else {
            return Duration::ZERO;
        };
        // A thread that was there at the start counts from then.
        let from = match self.hidden.get(&tid) {
            Some(before) => *before,
            None if self.midlife.contains(&tid) => used,
            None => Duration::ZERO,
        };
        let more = used.saturating_sub(from);
        if !more.is_zero() {
            self.midlife.insert(tid);
        }
        let period = u128::from(self.period.max(1));
        let samples = |time: Duration| (time.as_nanos() / period) as u64;
        let lost = samples(self.unseen + more) - samples(self.unseen);
        self.unseen += more;
        count::BLOCKED.fetch_add(lost, Relaxed);
        used
    }

    /// CPU time of threads that block the signal.
    pub(crate) fn unseen(&self) -> Duration {
        self.unseen
    }

    /// The timer of the whole process, unless it runs. While a thread blocks
    /// the signal it must not: what expires while that thread runs would be
    /// given to another, or to whoever waits with `sigwait`.
    fn start_process_timer(&mut self) -> Result<(), Error> {
        if self.process.is_some() || !self.meets_young {
            return Ok(());
        }
        let often = shared::PROCESS_PERIOD.load(Relaxed);
        let value = cookie(self.epoch, Cause::ProcessTimer, 0);
        let first = First::After(often);
        let made = timers::create(Target::Process, self.signal, value, first, often);
        self.process = Some(made.map_err(refusal)?);
        Ok(())
    }

    fn stop_process_timer(&mut self) {
        if let Some(id) = self.process.take() {
            timers::delete(id);
        }
    }

    /// Takes back the timers of threads that have come to block the signal;
    /// the scan gives them new ones once they do not.
    pub(crate) fn leave_alone(&mut self, threads: &[u32]) {
        for tid in threads {
            if let Some(id) = self.threads.remove(tid) {
                timers::delete(id);
                claims::release(*tid);
                self.midlife.insert(*tid);
                let used = self.pass_over(*tid);
                self.hidden.insert(*tid, used);
                self.stop_process_timer();
            }
        }
    }

    /// Deletes every timer. Records of timers made by their threads must have
    /// been read before.
    pub(crate) fn stop(&mut self) {
        self.stop_process_timer();
        for tid in self.hidden.keys().copied().collect::<Vec<_>>() {
            self.pass_over(tid);
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

/// The kernel's tick, as the resolution of the clock that it updates.
fn tick() -> u64 {
    const USUAL: u64 = 4_000_000;
    let mut resolution = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `resolution` is valid for the write of a `timespec`.
    let result = unsafe { libc::clock_getres(libc::CLOCK_MONOTONIC_COARSE, &mut resolution) };
    match u64::try_from(resolution.tv_nsec) {
        Ok(tick) if result == 0 && (100_000..=10_000_000).contains(&tick) => tick,
        _ => USUAL,
    }
}
