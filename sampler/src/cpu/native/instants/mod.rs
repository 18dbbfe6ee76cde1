//! The `instants` clock: moments drawn at random, and who runs in them.
//!
//! A timer of CPU time expires on the kernel's tick, so that work which arrives
//! in step with it, as scheduled load does, is never seen, and its time is
//! charged to whatever runs at the tick. Here nothing is in step with anything:
//! on each CPU an *observer*, a thread of ours, sleeps to an instant drawn
//! uniformly at random in every interval, and sees who runs then. That thread is
//! sent a signal, on which it takes a sample of itself.
//!
//! # How an observer sees who runs
//!
//! [`Method::Displaced`]: it takes its CPU from that thread, and recognises it by
//! the moment of the switch ([`displaced`]). The signal finds the thread where it
//! was interrupted. What delays an observer is then what it is to see, so an
//! instant is dropped where it had to wait for longer than a system call lasts.
//!
//! [`Method::Moving`]: it sees whose CPU clocks move between two readings, which
//! are those of threads on **other** CPUs. What delays it is the state of its own
//! CPU, and it judges only others, so that its delays cannot select. The signal
//! lands some microseconds later; the thread's word is read at the instant
//! ([`words`]). This holds however many threads compete for the CPUs. With m
//! observers that draw an instant each m - 1 periods, a thread on an observer's
//! CPU is seen once a period, one on another CPU m ÷ (m - 1) times.
//!
//! Either way a thread is seen with a probability that is known, and its sample
//! stands for the time divided by it (Horvitz and Thompson, 1952).
//!
//! [`Method::Timers`]: where too many instants are dropped and CPU time is missing
//! from the samples, as with many threads on one CPU, the timers of threads serve
//! ([`TimerClock`]) until it is better; how long is counted. The observers go on
//! looking, without sampling, to see when that is.

mod counts;
mod cpus;
mod displaced;
mod masks_seen;
mod method;
mod observer;
mod random;
mod recent;
mod threads;
mod trial;
mod words;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::shared;
use super::signals;
use super::timer_clock::TimerClock;
use super::timers::TimerId;
use crate::clock::Clock;
use crate::cpu::window::InstantStats;
use crate::error::Error;
use crate::threads::own::spawn_own;
use counts::Counts;
use masks_seen::MasksSeen;
use method::Method;
use observer::{Observer, Post};
use recent::{Recent, Sums};
use threads::LastId;
use words::Words;

/// Threads' clocks read in a second by all observers, where there are so many
/// threads: 0.3 µs each.
const READINGS_PER_SECOND: u64 = 16_000;
/// Threads looked at in an instant at least.
const MIN_LOOKED_AT: u64 = 80;
/// How often it is judged how instants can be had.
const JUDGE_EVERY: Duration = Duration::from_millis(250);
/// Instants that must have been due before it is judged how many were dropped.
const ENOUGH: f64 = 100.0;
/// The share of instants dropped below which timers need not serve, and the one
/// above which they do, if CPU time is missing.
const FEW_DROPPED: f64 = 0.1;
const MANY_DROPPED: f64 = 0.2;
/// CPU time is missing where it is more than this share, and more than so many
/// deviations of what chance makes of it.
const MAX_MISSING: f64 = 0.1;
/// The same of time that instants dropped can explain, above which observers look
/// at other CPUs.
const MAX_ASTRAY: f64 = 0.08;
/// The same above which timers serve however few instants were dropped.
const MAX_BLIND: f64 = 0.7;
const DEVIATIONS: f64 = 2.5;
/// When the better method is tried again: after this time, and then twice as
/// long each time that it fails.
const RETRY: Duration = Duration::from_secs(10);
const MAX_RETRY: Duration = Duration::from_secs(600);
/// The share of a core that the program uses below which instants are rare, and
/// how rare.
const IDLE: f64 = 0.01;
const IDLE_STRIDE: u32 = 8;

pub(crate) struct InstantsClock {
    epoch: u32,
    signal: libc::c_int,
    period: Duration,
    counts: Arc<Counts>,
    cpus: Vec<usize>,
    observers: Vec<JoinHandle<()>>,
    /// The best method that works here, and when it is tried again where it is
    /// not in force.
    best: Method,
    retry: Instant,
    pause: Duration,
    /// The timers that serve at this time.
    timers: Option<TimerClock>,
    timers_since: Instant,
    by_timers: Duration,
    recent: Recent,
    masks: Arc<MasksSeen>,
}

fn refused(reason: impl Into<String>) -> Error {
    Error::ClockRefused {
        clock: Clock::Instants,
        reason: reason.into(),
    }
}

impl InstantsClock {
    pub(crate) fn start(epoch: u32, period: Duration) -> Result<Self, Error> {
        let signal = signals::choose()
            .ok_or_else(|| refused("the program handles every signal that could be used"))?;
        signals::install_for_timers(signal)?;
        shared::BY_TIMERS.store(0, Relaxed);
        let cpus = allowed_cpus()?;
        let best = trial::run(&cpus, signal, epoch).map_err(refused)?;
        let now = Instant::now();
        let mut clock = InstantsClock {
            epoch,
            signal,
            period,
            counts: Arc::new(Counts::new(best)),
            cpus: Vec::new(),
            observers: Vec::new(),
            best,
            retry: now,
            pause: RETRY,
            timers: None,
            timers_since: now,
            by_timers: Duration::ZERO,
            recent: Recent::new(now),
            masks: Arc::new(MasksSeen::new(signal)),
        };
        clock.post_observers(cpus)?;
        Ok(clock)
    }

    /// Starts an observer on each CPU that is to have one.
    fn post_observers(&mut self, allowed: Vec<usize>) -> Result<(), Error> {
        let cpus = cpus::of_observers(&allowed, self.best == Method::Displaced);
        let observers = cpus.len() as u64;
        let period = self.period.as_nanos() as u64;
        let others = observers.saturating_sub(1);
        publish_cpus(&cpus, allowed.len());
        let interval = match self.best {
            Method::Moving => period * others.max(1),
            Method::Displaced | Method::Timers => period,
        };
        let per_second = 1_000_000_000 / interval.max(1) * observers;
        let most = (READINGS_PER_SECOND / per_second.max(1)).max(MIN_LOOKED_AT);
        let words = Arc::new(Words::open());
        let last_id = Arc::new(LastId::open());
        self.counts.stop.store(false, Relaxed);
        self.counts.replan.store(false, Relaxed);
        let (ready, is_ready) = mpsc::channel();
        for (number, cpu) in cpus.iter().enumerate() {
            let post = Post {
                epoch: self.epoch,
                signal: self.signal,
                period,
                cpu: *cpu,
                others,
                most: most as usize,
                counts: Arc::clone(&self.counts),
                masks: Arc::clone(&self.masks),
                allowed: (number == 0).then(|| allowed.clone()),
                words: Arc::clone(&words),
                last_id: Arc::clone(&last_id),
            };
            let thread = thread::Builder::new()
                // The kernel keeps fifteen bytes of a name.
                .name(format!("soakscope-obs-{number:x}"))
                .stack_size(256 * 1024);
            let ready = ready.clone();
            let spawned = spawn_own(thread, move || match Observer::new(post) {
                Ok(observer) => {
                    let _ = ready.send(Ok(()));
                    drop(ready);
                    observer.run();
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            });
            match spawned {
                Ok(thread) => self.observers.push(thread),
                Err(error) => {
                    self.dismiss_observers();
                    return Err(refused(format!("spawning a thread: {error}")));
                }
            }
        }
        drop(ready);
        for answer in is_ready {
            if let Err(error) = answer {
                self.dismiss_observers();
                return Err(refused(error.to_string()));
            }
        }
        self.cpus = allowed;
        Ok(())
    }

    fn dismiss_observers(&mut self) {
        self.counts.stop.store(true, Relaxed);
        for observer in self.observers.drain(..) {
            let _ = observer.join();
        }
    }

    pub(crate) fn signal(&self) -> libc::c_int {
        self.signal
    }

    /// Threads that have a timer.
    pub(crate) fn armed(&self) -> usize {
        self.timers.as_ref().map_or(0, TimerClock::armed)
    }

    pub(crate) fn refused(&self) -> u64 {
        self.timers.as_ref().map_or(0, |timers| timers.refused)
    }

    pub(crate) fn adopt(&mut self, tid: u32, id: TimerId) {
        match &mut self.timers {
            Some(timers) => timers.adopt(tid, id),
            None => super::timers::delete(id),
        }
    }

    /// Threads that block the signal, as far as they were looked at.
    pub(crate) fn blocking(&self) -> usize {
        self.masks.blocking()
    }

    /// CPU time of threads that block the signal.
    pub(crate) fn unseen(&self) -> Duration {
        let by_timers = self
            .timers
            .as_ref()
            .map_or(Duration::ZERO, TimerClock::unseen);
        Duration::from_nanos(self.counts.blocked.load(Relaxed)) + by_timers
    }

    pub(crate) fn leave_alone(&mut self, threads: &[u32]) {
        if let Some(timers) = &mut self.timers {
            timers.leave_alone(threads);
        }
    }

    /// Instants so far.
    pub(crate) fn stats(&self) -> InstantStats {
        let counts = &self.counts;
        let now = self.timers.as_ref().map(|_| self.timers_since.elapsed());
        InstantStats {
            due: counts.due.load(Relaxed),
            taken: counts.taken.load(Relaxed),
            dropped: counts
                .dropped()
                .into_iter()
                .filter(|(_, count)| *count > 0)
                .collect(),
            by_timers: self.by_timers + now.unwrap_or_default(),
        }
    }

    /// Does what is due; the notes are for the user.
    pub(crate) fn tick(&mut self, now: Instant, notes: &mut Vec<String>) -> Option<Instant> {
        let judged = now.saturating_duration_since(self.recent.judged);
        if judged >= JUDGE_EVERY {
            self.judge(now, judged, notes);
        }
        if self.counts.replan.load(Relaxed) {
            self.post_anew(now, notes);
        }
        self.timers.as_mut().map(|timers| timers.tick(now))
    }

    /// Whether instants can be had, how, and how many there have to be.
    fn judge(&mut self, now: Instant, lasted: Duration, notes: &mut Vec<String>) {
        let share = self.recent.judge(now, lasted, &self.counts);
        let stride = if share < IDLE { IDLE_STRIDE } else { 1 };
        self.counts.stride.store(stride, Relaxed);
        let Sums {
            due,
            dropped,
            sent,
            used,
        } = self.recent.sums;
        if due < ENOUGH {
            return;
        }
        let dropped_time = dropped * self.period.as_secs_f64();
        let dropped = dropped / due;
        // Where threads wait for a CPU together with the observer, nobody runs at
        // the instants that it misses, and nothing is missing.
        let missing = used - sent;
        let chance = (used * self.period.as_secs_f64()).sqrt();
        let is_missing = missing > MAX_MISSING * used && missing > DEVIATIONS * chance;
        // Hardly anything is seen of a program that runs, and it is not for want
        // of instants.
        let is_blind = missing > MAX_BLIND * used
            && missing > 2.0 * DEVIATIONS * chance
            && dropped < MANY_DROPPED;
        let alone = self.cpus.len() < 2;
        let is_astray = |missing: f64, dropped_time: f64| {
            missing > MAX_ASTRAY * used
                && missing > DEVIATIONS * chance
                && dropped_time * 2.0 > missing
        };
        match self.counts.method.get() {
            // Where other processes want the CPU too, instants at which the program
            // runs are dropped more often than others. Of all instants they may be
            // few: an idle CPU drops none.
            Method::Displaced if !alone && is_astray(missing, dropped_time) => {
                self.retry = now + self.pause;
                self.pause = (self.pause * 2).min(MAX_RETRY);
                self.use_method(Method::Moving);
            }
            Method::Displaced | Method::Moving if dropped > MANY_DROPPED && is_missing => {
                let share = dropped * 100.0;
                let why = format!(
                    "{share:.0} % of the instants at which it is seen who runs were missed, as the \
                     CPUs are busy"
                );
                self.begin_timers(now, &why, notes);
            }
            Method::Displaced | Method::Moving if is_blind => {
                let why =
                    "who runs is not seen, as the system refuses what it allowed at the start";
                self.begin_timers(now, why, notes);
            }
            Method::Moving if self.best == Method::Displaced && now >= self.retry => {
                self.use_method(Method::Displaced);
            }
            Method::Timers if dropped < FEW_DROPPED && !is_blind => self.end_timers(now),
            _ => {}
        }
    }

    /// What was counted with another method is no measure of this one.
    fn use_method(&mut self, method: Method) {
        self.counts.method.set(method);
        self.recent.sums = Sums::default();
    }

    fn begin_timers(&mut self, now: Instant, why: &str, notes: &mut Vec<String>) {
        let mut refusals = Vec::new();
        match TimerClock::start_midway(self.epoch, self.signal, self.period, &mut refusals) {
            Ok(timers) => {
                if self.by_timers.is_zero() {
                    notes.push(format!(
                        "{why}; the timers of threads serve meanwhile, which see work in step with \
                         the kernel's tick too rarely"
                    ));
                }
                self.timers = Some(timers);
                self.timers_since = now;
                self.use_method(Method::Timers);
            }
            Err(error) => {
                shared::BY_TIMERS.store(0, Relaxed);
                notes.push(format!("{why}, and timers cannot serve: {error}"));
                self.recent.sums = Sums::default();
            }
        }
    }

    fn end_timers(&mut self, now: Instant) {
        let Some(mut timers) = self.timers.take() else {
            return;
        };
        timers.stop();
        self.by_timers += now.saturating_duration_since(self.timers_since);
        shared::BY_TIMERS.store(0, Relaxed);
        self.use_method(match self.usable() {
            Method::Displaced if self.cpus.len() > 1 => Method::Moving,
            method => method,
        });
    }

    /// Posts the observers anew, as the CPUs have changed.
    fn post_anew(&mut self, now: Instant, notes: &mut Vec<String>) {
        self.dismiss_observers();
        let posted = allowed_cpus().and_then(|allowed| self.post_observers(allowed));
        match posted {
            Ok(()) => self.use_method(self.usable()),
            Err(error) => {
                notes.push(format!("the CPUs of the process have changed: {error}"));
                if self.timers.is_none() {
                    self.begin_timers(now, "no CPU can be observed", notes);
                }
            }
        }
    }

    /// The best method with the CPUs of now, but that timers serve on.
    fn usable(&self) -> Method {
        match (self.timers.is_some(), self.cpus.len()) {
            (true, _) => Method::Timers,
            (false, 1) => Method::Displaced,
            (false, _) => self.best,
        }
    }

    pub(crate) fn stop(&mut self) {
        self.end_timers(Instant::now());
        self.dismiss_observers();
    }
}

impl Drop for InstantsClock {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The CPUs of the process's cpuset, asked from a thread of its own, whose mask
/// it changes.
fn allowed_cpus() -> Result<Vec<usize>, Error> {
    let asking = thread::Builder::new()
        .name("soakscope-cpus".to_owned())
        .stack_size(256 * 1024);
    spawn_own(asking, cpus::allowed)
        .map_err(|error| refused(format!("spawning a thread: {error}")))?
        .join()
        .unwrap_or_else(|_| Ok(Vec::new()))
        .map_err(|error| refused(format!("sched_getaffinity: {error}")))
}

/// Has handlers know which CPUs have an observer, so that a sample's weight is
/// that of where its thread is.
fn publish_cpus(observers: &[usize], allowed: usize) {
    for word in &shared::OBSERVED {
        word.store(0, Relaxed);
    }
    for cpu in observers {
        if let Some(word) = shared::OBSERVED.get(cpu / 64) {
            word.fetch_or(1 << (cpu % 64), Relaxed);
        }
    }
    // Where each CPU has one, nobody needs to look.
    let observers = observers.len() as u32;
    let others = if allowed > observers as usize {
        observers
    } else {
        0
    };
    shared::OBSERVERS.store(others, Relaxed);
}
