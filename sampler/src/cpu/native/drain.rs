//! The drain thread: it reads the ring, has the clock do its work, and makes the
//! slow checks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::aggregate::Aggregate;
use super::driver::Driver;
use super::record::{Kind, Record};
use super::ring::Ring;
use super::shared::{self, count};
use super::{alternate_stacks, blocked, tasks, timers};
use crate::clock::Clock;
use crate::cpu::window::CpuSample;
use crate::fork::PerProcess;
use crate::platform::{self, SignalMask};
use crate::unwind::published;

/// The drain thread wakes at least this often.
const DRAIN_EVERY: Duration = Duration::from_millis(100);
/// How often slow checks are made.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// Words of ring per processor: a tenth of a second at 1,000 samples per
/// second of 40 frames, twice over.
const RING_WORDS_PER_CPU: usize = 8 * 1024;
/// Warnings kept.
const MAX_WARNINGS: usize = 32;
/// A forked child has a ring of its own: in its copy of the parent's there may
/// be a record whose writer is not there to end it.
pub(super) static RING: PerProcess<Ring> = PerProcess::new(|| {
    let processors = thread::available_parallelism().map_or(1, |n| n.get());
    let words = (processors * RING_WORDS_PER_CPU).next_power_of_two();
    Ring::new(words.clamp(32 * 1024, 256 * 1024))
});

/// Reads the ring.
pub(super) struct Consumer {
    pub(super) aggregate: Aggregate,
    record: Vec<u64>,
    /// Timers that threads made for themselves, not yet known to the clock.
    armed: Vec<(u32, timers::TimerId)>,
    /// Stacks that were asked for.
    pub(super) dumps: Vec<(u64, CpuSample)>,
}

/// One run of the sampler, as the engine and its drain thread share it.
pub(super) struct Core {
    pub(super) epoch: u32,
    pub(super) consumer: Mutex<Consumer>,
    pub(super) driver: Mutex<Driver>,
    pub(super) warnings: Mutex<Vec<String>>,
    pub(super) stopping: AtomicBool,
    /// The counters when this run began: they belong to the process.
    pub(super) drops_before: Vec<u64>,
    pub(super) excluded_before: u64,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks stays usable after a panic elsewhere.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Core {
    /// A run without a clock yet. `record` is an empty buffer to read records into.
    pub(super) fn new(epoch: u32, record: Vec<u64>) -> Self {
        Core {
            epoch,
            consumer: Mutex::new(Consumer {
                aggregate: Aggregate::new(),
                record,
                armed: Vec::new(),
                dumps: Vec::new(),
            }),
            driver: Mutex::new(Driver::Idle),
            warnings: Mutex::new(Vec::new()),
            stopping: AtomicBool::new(false),
            drops_before: count::DROPS
                .iter()
                .map(|(_, c)| c.load(Ordering::Relaxed))
                .collect(),
            excluded_before: count::EXCLUDED.load(Ordering::Relaxed),
        }
    }

    /// Keeps a warning for whoever asks for the counters.
    pub(super) fn warn(&self, warning: String) {
        let mut warnings = lock(&self.warnings);
        if warnings.last() != Some(&warning) {
            if warnings.len() == MAX_WARNINGS {
                warnings.remove(0);
            }
            warnings.push(warning);
        }
    }

    /// Wakes the drain thread.
    pub(super) fn wake(&self) {
        shared::WAKE.store(1, Ordering::SeqCst);
        // SAFETY: the futex word is a static; waking touches nothing else.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                shared::WAKE.as_ptr(),
                libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
                1,
            );
        }
    }

    /// Sleeps until woken or until `until`.
    fn sleep(&self, until: Instant) {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = libc::timespec {
            tv_sec: left.as_secs() as _,
            tv_nsec: left.subsec_nanos() as libc::c_long,
        };
        // SAFETY: the futex word is a static and `timeout` lives through the
        // call. Spurious returns are harmless.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                shared::WAKE.as_ptr(),
                libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
                0,
                &raw const timeout,
            );
        }
    }

    /// What the drain thread does until the run stops.
    pub(super) fn run(&self) {
        let mut next_check = Instant::now();
        let mut blocked = blocked::Watch::default();
        // CPU time of the process when the signal was last seen to be ours.
        let mut looked = platform::process_cpu_time();
        while !self.stopping.load(Ordering::Acquire) {
            shared::WAKE.store(0, Ordering::SeqCst);
            let armed = self.empty_ring();
            let now = Instant::now();
            let due = {
                let mut driver = lock(&self.driver);
                driver.adopt(armed);
                let mut notes = Vec::new();
                let due = driver.tick(now, &mut notes);
                for note in notes {
                    self.warn(note);
                }
                due
            };
            let used = platform::process_cpu_time();
            let kept = lock(&self.driver).keep_signal(self.epoch);
            if let Some(note) = kept {
                let lost = used.saturating_sub(looked).as_nanos() as u64;
                let period = shared::PERIOD.load(Ordering::Relaxed).max(1);
                count::TAKEN.fetch_add(lost / period, Ordering::Relaxed);
                self.warn(note);
            }
            looked = used;
            // Not before there is a clock, and then at once.
            let check = now >= next_check && lock(&self.driver).signal().is_some();
            if check {
                next_check = now + CHECK_EVERY;
                if let Some(note) = lock(&self.driver).heed_debugger(self.epoch) {
                    self.warn(note);
                }
                self.look_for_blocked(&mut blocked);
                alternate_stacks::reclaim();
            }
            let met_unknown = published::UNKNOWN_CODE.swap(0, Ordering::Relaxed) != 0;
            published::maintain(check || met_unknown);
            if self.stopping.load(Ordering::Acquire) {
                break;
            }
            self.sleep(due.unwrap_or(now + DRAIN_EVERY).min(now + DRAIN_EVERY));
        }
    }

    fn look_for_blocked(&self, watch: &mut blocked::Watch) {
        let Some(signal) = lock(&self.driver).signal() else {
            return;
        };
        // This thread was there before the signal was chosen.
        SignalMask::unblock(signal);
        let period = Duration::from_nanos(shared::PERIOD.load(Ordering::Relaxed));
        let is_armed = |tid| match lock(&self.driver).clock() {
            Clock::Timer => shared::claims::is_claimed(tid),
            // Who blocks the signal is not sent it.
            Clock::Instants => false,
            _ => true,
        };
        let counted = lock(&self.driver).blocked();
        let found = watch.check(signal, period, is_armed, counted);
        lock(&self.driver).leave_alone(&found.leave);
        count::BLOCKED.fetch_add(found.lost, Ordering::Relaxed);
        if let Some(warning) = found.warning {
            self.warn(warning);
        }
    }

    /// Reads all records; returns the timers that threads made themselves.
    pub(super) fn empty_ring(&self) -> Vec<(u32, timers::TimerId)> {
        let mut consumer = lock(&self.consumer);
        consumer.empty(RING.get());
        std::mem::take(&mut consumer.armed)
    }

    /// Waits until every handler that may hold something of this run is done.
    pub(super) fn wait_for_handlers(&self) -> bool {
        let patience = Instant::now() + Duration::from_secs(2);
        while published::READERS.load(Ordering::SeqCst) != 0 {
            if Instant::now() > patience {
                return false;
            }
            platform::pause(Duration::from_micros(50));
        }
        true
    }
}

impl Consumer {
    /// Reads all records of the ring.
    pub(super) fn empty(&mut self, ring: &Ring) {
        let mut words = std::mem::take(&mut self.record);
        while ring.pop(&mut words) {
            let Some(record) = Record::parse(&words) else {
                continue;
            };
            match record.kind {
                Kind::Sample => self.aggregate.add(&record),
                Kind::Armed => self
                    .armed
                    .push((record.tid, record.weight as timers::TimerId)),
                Kind::Dump => {
                    self.aggregate.learn_name(&record);
                    let thread_name = tasks::name(record.tid)
                        .map_or_else(|| self.aggregate.name(record.tid), Into::into);
                    let sample = CpuSample {
                        thread_id: record.tid,
                        thread_name,
                        label: record.label,
                        stack: record.stack.to_vec(),
                        truncated: record.truncated,
                        in_kernel: record.in_kernel,
                        count: 1,
                        weight: Duration::ZERO,
                    };
                    self.dumps.push((record.weight, sample));
                }
            }
        }
        self.record = words;
    }
}
