//! A thread that sleeps to an instant drawn at random, and sees who runs then.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::super::directed;
use super::super::record::{self, FIXED, IN_KERNEL, Kind, TRUNCATED};
use super::super::shared::{self, Cause, cookie, count};
use super::counts::Counts;
use super::cpus;
use super::displaced::{Displaced, Found};
use super::masks_seen::MasksSeen;
use super::method::Method;
use super::random::Random;
use super::threads::{LastId, Seen, Thread, Threads};
use super::words::Words;
use crate::platform;

/// An observer that wakes later than this judges nothing.
const MAX_LATE: u64 = 2_000_000;
/// With more threads than this, some of which ran since the last instant, it
/// would take too long to ask of each whether it was displaced: 15 µs.
const MANY_THREADS: usize = 64;
/// It sleeps no longer than this at a time, to see that it is to stop.
const MAX_SLEEP: u64 = 50_000_000;
/// Instants whose time may be carried to later samples.
const MAX_UNPLACED: u64 = 50;
/// Masks of new threads that are read after an instant.
const NEW_MASKS: usize = 4;
/// How often the first observer looks whether the CPUs are still those of the
/// start.
const CPUS_EVERY: u64 = 5_000_000_000;

/// What an observer is made with.
pub(super) struct Post {
    pub(super) epoch: u32,
    pub(super) signal: libc::c_int,
    /// Nanoseconds that a thread stands for that is seen at an instant.
    pub(super) period: u64,
    pub(super) cpu: usize,
    /// Observers on other CPUs.
    pub(super) others: u64,
    /// Threads looked at in an instant at most.
    pub(super) most: usize,
    pub(super) counts: Arc<Counts>,
    pub(super) masks: Arc<MasksSeen>,
    /// The CPUs of the process, for the one observer that looks after them.
    pub(super) allowed: Option<Vec<usize>>,
    pub(super) words: Arc<Words>,
    pub(super) last_id: Arc<LastId>,
}

/// The observer at its post, on the calling thread.
pub(super) struct Observer {
    post: Post,
    threads: Threads,
    random: Random,
    displaced: Option<Displaced>,
    own_time: OwnTime,
    /// Nanoseconds of the program for which there is no sample yet.
    unplaced: u64,
}

/// The share of the time that the observer keeps its CPU from others. It sees who
/// runs only while it does not run itself, so that what it sees stands for the
/// rest.
struct OwnTime {
    since: u64,
    run: u64,
    share: f64,
}

impl OwnTime {
    /// How often it is measured, in nanoseconds.
    const EVERY: u64 = 500_000_000;

    /// The share of the time, given what the observer has run so far.
    fn share(&mut self, now: u64, run: u64) -> f64 {
        let passed = now.saturating_sub(self.since);
        if passed > Self::EVERY {
            let more = run.saturating_sub(self.run);
            if self.since != 0 {
                self.share = (more as f64 / passed as f64).clamp(0.0, 0.5);
            }
            self.since = now;
            self.run = run;
        }
        self.share
    }
}

impl Observer {
    /// # Errors
    ///
    /// What it needs and cannot have.
    pub(super) fn new(post: Post) -> io::Result<Self> {
        cpus::be_punctual();
        cpus::set([post.cpu])?;
        let mut observer = Self {
            threads: Threads::new(Arc::clone(&post.last_id), post.most),
            random: Random::new(),
            displaced: Displaced::open().ok(),
            own_time: OwnTime {
                since: 0,
                run: 0,
                share: 0.0,
            },
            unplaced: 0,
            post,
        };
        // Who is there already has not just run.
        observer.threads.look(0, &mut observer.random, |_, _| ())?;
        Ok(observer)
    }

    /// How it looks at this instant: where timers serve, as it would without.
    fn method(&self) -> Method {
        match self.post.counts.method.get() {
            Method::Timers if self.post.others > 0 => Method::Moving,
            Method::Displaced if self.post.others > 0 && self.threads.len() > MANY_THREADS => {
                Method::Moving
            }
            Method::Timers => Method::Displaced,
            method => method,
        }
    }

    /// Nanoseconds between two instants of one observer.
    fn interval(&self, method: Method) -> u64 {
        match method {
            Method::Moving => self.post.period * self.post.others.max(1),
            Method::Displaced | Method::Timers => self.post.period,
        }
    }

    /// Observes until it is to stop.
    pub(super) fn run(mut self) {
        let mut slot = now();
        let mut looked_at_cpus = slot;
        while !self.post.counts.stop.load(Relaxed) {
            let stride = u64::from(self.post.counts.stride.load(Relaxed).max(1));
            let method = self.method();
            let length = self.interval(method) * stride;
            let due = slot + self.random.below(length);
            slot += length;
            if let (Method::Displaced, Some(displaced)) = (method, &mut self.displaced) {
                displaced.goes();
            }
            if !self.sleep_until(due) {
                return;
            }
            let woke = now();
            // Slots that went by while it was kept from running.
            let missed = woke.saturating_sub(slot) / length;
            slot += missed * length;
            let counts = &self.post.counts;
            Counts::add(&counts.due, 1 + missed);
            if missed > 0 || woke.saturating_sub(due) > MAX_LATE {
                Counts::add(&counts.late, 1 + missed);
                continue;
            }
            if cpus::current() != Some(self.post.cpu) {
                Counts::add(&counts.moved, 1);
                counts.replan.store(true, Relaxed);
                continue;
            }
            if woke.saturating_sub(looked_at_cpus) > CPUS_EVERY {
                looked_at_cpus = woke;
                self.look_at_cpus();
                // It stood elsewhere for a moment.
                slot = slot.max(now());
                Counts::add(&counts.late, 1);
                continue;
            }
            let weight = self.post.period * stride;
            let taken = match method {
                Method::Displaced => self.look_here(woke, weight),
                Method::Moving | Method::Timers => self.look_elsewhere(woke, weight),
            };
            let counter = match taken {
                Ok(true) => &self.post.counts.taken,
                Ok(false) => &self.post.counts.delayed,
                Err(_) => &self.post.counts.refused,
            };
            Counts::add(counter, 1);
            for tid in (0..NEW_MASKS).map_while(|_| self.threads.next_new()) {
                let now_ms = woke / 1_000_000;
                if self.post.masks.known(tid, now_ms).is_none() {
                    self.post.masks.look(tid, now_ms);
                }
            }
        }
    }

    /// Has observers posted anew where the CPUs have changed.
    fn look_at_cpus(&self) {
        let Some(before) = &self.post.allowed else {
            return;
        };
        let now = cpus::allowed();
        let is_back = cpus::set([self.post.cpu]).is_ok();
        if !is_back || now.is_ok_and(|now| now != *before) {
            self.post.counts.replan.store(true, Relaxed);
        }
    }

    /// Sees who runs on other CPUs.
    fn look_elsewhere(&mut self, now: u64, weight: u64) -> io::Result<bool> {
        let now_ms = now / 1_000_000;
        let post = &self.post;
        let show = |thread: &mut Thread, seen: Seen| {
            if seen.runs {
                let word = post.words.of(thread.tid);
                post.sample(thread, now_ms, (seen.weight(weight), 0), word);
            }
        };
        self.threads
            .look(now_ms, &mut self.random, show)
            .map(|()| true)
    }

    /// Sees who ran on this CPU; `false` where that cannot be said.
    ///
    /// An observer that was not let in at once knows that a thread of the program
    /// ran, and not where it was: that time goes to the next sample.
    fn look_here(&mut self, now: u64, weight: u64) -> io::Result<bool> {
        let Some(displaced) = &mut self.displaced else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let in_time = displaced.came()?;
        let own = self.own_time.share(now, displaced.run());
        let weight = (weight as f64 * (1.0 - own)).round() as u64;
        let now_ms = now / 1_000_000;
        let post = &self.post;
        let unplaced = &mut self.unplaced;
        let mut result = Ok(in_time);
        let mut is_found = false;
        let show = |thread: &mut Thread, seen: Seen| {
            // One whose clock moves now is on another CPU.
            if is_found || seen.runs {
                return;
            }
            let found = match displaced.is(thread.tid) {
                Ok(Some(found)) => found,
                Ok(None) => return,
                Err(error) => {
                    result = Err(error);
                    return;
                }
            };
            is_found = true;
            let weight = seen.weight(weight);
            if !in_time {
                *unplaced = (*unplaced + weight).min(MAX_UNPLACED * weight);
                return;
            }
            // No more than as much again, so that no sample stands for many.
            let carried = (*unplaced).min(weight);
            *unplaced -= carried;
            match found {
                // It has not gone on since, so its word is that of the instant.
                Found::Runnable => post.sample(thread, now_ms, (weight, carried), None),
                Found::Asleep => post.record(thread, (weight, carried)),
            }
        };
        self.threads.look(now_ms, &mut self.random, show)?;
        result
    }

    /// Sleeps; `false` when it is to stop.
    fn sleep_until(&self, due: u64) -> bool {
        loop {
            if self.post.counts.stop.load(Relaxed) {
                return false;
            }
            let now = now();
            if now >= due {
                return true;
            }
            let until = due.min(now + MAX_SLEEP);
            let time = libc::timespec {
                tv_sec: (until / 1_000_000_000) as _,
                tv_nsec: (until % 1_000_000_000) as libc::c_long,
            };
            // SAFETY: `time` is valid for the read; what is left is not asked.
            let result = unsafe {
                libc::clock_nanosleep(
                    libc::CLOCK_MONOTONIC,
                    libc::TIMER_ABSTIME,
                    &raw const time,
                    std::ptr::null_mut(),
                )
            };
            if result != 0 && result != libc::EINTR {
                // A filter refuses it: slower, but it must not spin.
                platform::pause(std::time::Duration::from_nanos(until.saturating_sub(now)));
            }
        }
    }
}

impl Post {
    /// Has a thread take a sample of itself, unless it blocks the signal. The time
    /// is that of this instant, and what is carried to it.
    fn sample(
        &self,
        thread: &Thread,
        now_ms: u64,
        (weight, carried): (u64, u64),
        word: Option<u64>,
    ) {
        Counts::add(&self.counts.sent, weight);
        if self.counts.method.get() == Method::Timers {
            return;
        }
        let known = self.masks.known(thread.tid, now_ms);
        let blocks = match known {
            Some(seen) if !(seen.blocks && seen.is_old) => seen.blocks,
            // What blocked it may have done so only while it was born.
            _ => self.masks.look(thread.tid, now_ms),
        };
        if blocks {
            self.counts.blocked(weight + carried, self.period);
        } else {
            let value = cookie(self.epoch, Cause::Instant, weight + carried);
            match directed::send(self.signal, thread.tid, value, word) {
                Ok(()) => {}
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                Err(_) => Counts::add(&count::UNSENT, 1),
            }
        }
        if known.is_some_and(|seen| seen.is_old && !seen.blocks) {
            self.masks.look(thread.tid, now_ms);
        }
    }

    /// Records a thread that went to sleep as the observer came: it was in the
    /// kernel, and a signal would wake it.
    fn record(&self, thread: &Thread, (weight, carried): (u64, u64)) {
        Counts::add(&self.counts.sent, weight);
        if self.counts.method.get() == Method::Timers {
            return;
        }
        let header = record::header(FIXED, Kind::Sample, TRUNCATED | IN_KERNEL, thread.tid);
        let word = self.words.of(thread.tid).unwrap_or(0);
        let pushed = shared::ring().map(|ring| ring.push(&[&[header, weight + carried, word]]));
        if !matches!(pushed, Some(Ok(_))) {
            Counts::add(&count::RING_FULL, 1);
        }
    }
}

/// Nanoseconds of the clock that instants are of.
fn now() -> u64 {
    let time = platform::clock_time(libc::CLOCK_MONOTONIC).unwrap_or_default();
    time.as_secs() * 1_000_000_000 + u64::from(time.subsec_nanos())
}
