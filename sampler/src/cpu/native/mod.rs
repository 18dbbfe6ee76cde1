//! The native engine of Linux: clocks that signal the thread that burns CPU
//! time, a handler that walks its stack, a ring, and a thread that drains it.
//!
//! | file | what |
//! |---|---|
//! | `handler` | the signal handler, and all that runs in it |
//! | `shared` | what the handler shares with the rest |
//! | `ring`, `record` | how samples travel |
//! | `aggregate`, `indexed` | samples added up, in bounded memory |
//! | `instants`, `perf_clock`, `timer_clock`, `wall_clock` | what makes the signals |
//! | `signals`, `directed`, `timers`, `tasks` | the kernel's interfaces |
//! | `masks`, `blocked` | threads that block our signal |
//! | `alternate_stacks` | alternate signal stacks for threads without one |

mod aggregate;
mod alternate_stacks;
mod blocked;
mod directed;
mod driver;
mod forked;
mod handler;
mod indexed;
mod instants;
mod masks;
mod perf_clock;
mod record;
mod ring;
mod shared;
pub(super) mod signals;
mod sync;
mod tasks;
mod timer_clock;
mod timers;
#[cfg(feature = "testing")]
mod timing;
mod wall_clock;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::cpu::engine::{Engine, EngineConfig};
use crate::cpu::window::{CpuSample, CpuStats};
use crate::error::Error;
use crate::fork::PerProcess;
use crate::platform::{self, SignalMask, private_stacks, sampling_signal};
use crate::threads::own::spawn_own;
use crate::unwind::{main_stack, published};
use aggregate::Aggregate;
use driver::Driver;
use record::{Kind, Record};
use ring::Ring;
use shared::{Cause, cookie, count};

#[cfg(feature = "testing")]
pub use timing::time_handler;

/// The drain thread wakes at least this often.
const DRAIN_EVERY: Duration = Duration::from_millis(100);
/// How often slow checks are made.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// Words of ring per processor: a tenth of a second at 1,000 samples per
/// second of 40 frames, twice over.
const RING_WORDS_PER_CPU: usize = 8 * 1024;
/// Warnings kept.
const MAX_WARNINGS: usize = 32;
/// Threads asked for their stacks at once, and how long they are waited for.
const DUMP_CHUNK: usize = 64;
const DUMP_PATIENCE: Duration = Duration::from_millis(100);

static NEXT_EPOCH: AtomicU32 = AtomicU32::new(1);

/// Reads the ring.
struct Consumer {
    aggregate: Aggregate,
    record: Vec<u64>,
    /// Timers that threads made for themselves, not yet told to the clock.
    armed: Vec<(u32, timers::TimerId)>,
    /// Stacks that were asked for.
    dumps: Vec<(u64, CpuSample)>,
}

struct Core {
    epoch: u32,
    consumer: Mutex<Consumer>,
    driver: Mutex<Driver>,
    warnings: Mutex<Vec<String>>,
    stopping: AtomicBool,
    /// The counters when this run began: they belong to the process.
    drops_before: Vec<u64>,
    excluded_before: u64,
}

pub(crate) struct NativeEngine {
    core: Arc<Core>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// One request for all stacks at a time; its number.
    dump: Mutex<u64>,
}

/// Bytes of the ring that samples travel through.
pub(crate) fn ring_bytes() -> usize {
    shared::ring().map_or(0, |ring| ring.capacity() * size_of::<u64>())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks stays usable after a panic elsewhere.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A forked child has a ring of its own: in its copy of the parent's there may
/// be a record whose writer is not there to end it.
static RING: PerProcess<Ring> = PerProcess::new(|| {
    let processors = thread::available_parallelism().map_or(1, |n| n.get());
    let words = (processors * RING_WORDS_PER_CPU).next_power_of_two();
    Ring::new(words.clamp(32 * 1024, 256 * 1024))
});

impl NativeEngine {
    pub(crate) fn start(clock: Clock, config: &EngineConfig) -> Result<Self, Error> {
        private_stacks::prepare().map_err(|source| Error::System {
            call: "mapping stacks for signal handlers",
            source,
        })?;
        forked::begin();
        let ring = RING.get();
        shared::publish_ring(ring);
        main_stack::find();
        let epoch = loop {
            let epoch = NEXT_EPOCH.fetch_add(1, Ordering::Relaxed);
            if epoch != 0 {
                break epoch;
            }
        };
        // Whatever an earlier run left behind is not this run's.
        let mut record = Vec::new();
        while ring.pop(&mut record) {}

        let core = Arc::new(Core {
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
        });
        // The thread is excluded before any clock could see it.
        let (ready, is_ready) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("soakscope-drain".to_owned())
            .stack_size(256 * 1024);
        let thread = spawn_own(thread, {
            let core = core.clone();
            move || {
                let _ = ready.send(());
                core.run();
            }
        })
        .map_err(|source| Error::System {
            call: "spawning the drain thread",
            source,
        })?;
        let _ = is_ready.recv();
        let engine = NativeEngine {
            core,
            thread: Mutex::new(Some(thread)),
            dump: Mutex::new(0),
        };
        published::acquire();
        shared::EPOCH.store(epoch, Ordering::SeqCst);
        // On an error the engine is dropped, which undoes all of the above.
        let mut notes = Vec::new();
        let driver = Driver::start(clock, epoch, config.frequency_hz, &mut notes)?;
        *lock(&engine.core.driver) = driver;
        for note in notes {
            engine.core.warn(note.to_string());
        }
        engine.core.wake();
        Ok(engine)
    }
}

impl Core {
    fn warn(&self, warning: String) {
        let mut warnings = lock(&self.warnings);
        if warnings.last() != Some(&warning) {
            if warnings.len() == MAX_WARNINGS {
                warnings.remove(0);
            }
            warnings.push(warning);
        }
    }

    fn wake(&self) {
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

    /// The drain thread.
    fn run(&self) {
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
    fn empty_ring(&self) -> Vec<(u32, timers::TimerId)> {
        let mut consumer = lock(&self.consumer);
        consumer.empty(RING.get());
        std::mem::take(&mut consumer.armed)
    }

    /// Waits until every handler that may hold something of this run is done.
    fn wait_for_handlers(&self) -> bool {
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
    fn empty(&mut self, ring: &Ring) {
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

impl Engine for NativeEngine {
    fn clock(&self) -> Clock {
        lock(&self.core.driver).clock()
    }

    fn unwinder(&self) -> &'static str {
        "cfi"
    }

    fn drain(&self) -> Result<Vec<CpuSample>, Error> {
        let mut consumer = lock(&self.core.consumer);
        consumer.empty(RING.get());
        Ok(consumer.aggregate.take(tasks::name))
    }

    fn stats(&self) -> CpuStats {
        let totals = lock(&self.core.consumer).aggregate.totals;
        let mut drops = BTreeMap::new();
        for ((cause, counter), before) in count::DROPS.iter().zip(&self.core.drops_before) {
            let lost = counter.load(Ordering::Relaxed).saturating_sub(*before);
            if lost > 0 {
                drops.insert(*cause, lost);
            }
        }
        let driver = lock(&self.core.driver);
        CpuStats {
            samples: totals.samples,
            attributed: Duration::from_nanos(totals.nanoseconds),
            drops,
            truncated: totals.truncated,
            folded: totals.folded,
            excluded: count::EXCLUDED
                .load(Ordering::Relaxed)
                .saturating_sub(self.core.excluded_before),
            threads_armed: driver.armed() as u64,
            threads_refused: driver.refused(),
            instants: driver.instants(),
            fallbacks: Vec::new(),
            warnings: lock(&self.core.warnings).clone(),
        }
    }

    fn threads(&self) -> Result<Vec<CpuSample>, Error> {
        let mut number = lock(&self.dump);
        *number += 1;
        let signal = wall_clock::prepare_signal()?;
        let value = cookie(self.core.epoch, Cause::Dump, *number);
        let mut answers = Vec::new();
        for chunk in wall_clock::sampled_threads().chunks(DUMP_CHUNK) {
            // A thread that blocks the signal or waits for it is not asked.
            let (mut asked, mut silent): (Vec<u32>, Vec<u32>) = chunk.iter().partition(|tid| {
                wall_clock::may_be_sent(signal, **tid)
                    && directed::send(signal, **tid, value, None).is_ok()
            });
            let patience = Instant::now() + DUMP_PATIENCE;
            while !asked.is_empty() && Instant::now() < patience {
                let mut consumer = lock(&self.core.consumer);
                consumer.empty(RING.get());
                for (answer, sample) in std::mem::take(&mut consumer.dumps) {
                    if answer == *number {
                        asked.retain(|tid| *tid != sample.thread_id);
                        answers.push(sample);
                    }
                }
                drop(consumer);
                if !asked.is_empty() {
                    platform::pause(Duration::from_micros(200));
                }
            }
            // Of those that cannot answer it is said that they are there.
            silent.append(&mut asked);
            answers.extend(silent.into_iter().filter_map(|tid| {
                Some(CpuSample {
                    thread_id: tid,
                    thread_name: tasks::name(tid)?.into(),
                    label: 0,
                    stack: Vec::new(),
                    truncated: true,
                    in_kernel: false,
                    count: 1,
                    weight: Duration::ZERO,
                })
            }));
        }
        Ok(answers)
    }

    fn stop(&self) {
        let Some(thread) = lock(&self.thread).take() else {
            return;
        };
        shared::EPOCH.store(0, Ordering::SeqCst);
        self.core.stopping.store(true, Ordering::Release);
        self.core.wake();
        let _ = thread.join();
        let settled = self.core.wait_for_handlers();
        // Timers made by their threads must be known before all are deleted.
        let armed = self.core.empty_ring();
        let mut driver = lock(&self.core.driver);
        driver.adopt(armed);
        driver.stop();
        // The next clock chooses anew: what was taken may be free again.
        sampling_signal::clear();
        published::release(settled);
    }
}

impl Drop for NativeEngine {
    fn drop(&mut self) {
        self.stop();
    }
}
