//! The engine: its start, its stop, what it hands over.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::drain::{Core, RING, lock};
use super::driver::Driver;
use super::shared::{self, Cause, cookie, count};
use super::{directed, forked, tasks, wall_clock};
use crate::clock::Clock;
use crate::cpu::engine::{Engine, EngineConfig};
use crate::cpu::window::{CpuSample, CpuStats};
use crate::error::Error;
use crate::platform::{self, private_stacks, sampling_signal};
use crate::threads::own::spawn_own;
use crate::unwind::{main_stack, published};

/// Threads asked for their stacks at once, and how long they are waited for.
const DUMP_CHUNK: usize = 64;
const DUMP_PATIENCE: Duration = Duration::from_millis(100);

static NEXT_EPOCH: AtomicU32 = AtomicU32::new(1);

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

        let core = Arc::new(Core::new(epoch, record));
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
            // Those that cannot answer are listed without a stack.
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
