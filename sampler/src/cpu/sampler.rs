//! The sampler: one per process, started by a builder, drained by windows.

use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::choice;
use super::engine::{Engine, EngineConfig};
use super::window::{CpuSample, CpuStats, CpuWindow};
use crate::clock::{Clock, ClockChoice};
use crate::error::{Error, Fallback};
use crate::fork::{fork_generation, watch_forks};
use crate::platform;
use crate::threads::excluded;

/// The highest frequency that can be asked for.
const MAX_FREQUENCY_HZ: u32 = 10_000;

/// Above the number of the process's generation while a [`CpuSampler`] of it is
/// alive: what a parent had is not a child's.
static RUNNING: AtomicU32 = AtomicU32::new(0);

/// Samples the stacks of this process's threads.
///
/// There can be one at a time, because signal dispositions belong to the
/// process. Dropping it stops it.
///
/// In a forked child it is inert: its threads are not there and its locks may
/// be held by them, so nothing is touched, not even by dropping it. The child
/// can start a sampler of its own.
pub struct CpuSampler {
    engine: ManuallyDrop<Box<dyn Engine>>,
    /// The generation of the process that started it.
    generation: u32,
    frequency_hz: u32,
    fallbacks: Vec<Fallback>,
    window: Mutex<WindowStart>,
    // Last, so that the process is free for another sampler only after the
    // engine has been dropped.
    _claim: Claim,
}

/// The right to be the process's sampler.
struct Claim;

impl Claim {
    fn take() -> Result<Self, Error> {
        watch_forks();
        let ours = fork_generation() + 1;
        let free = |owner| (owner != ours).then_some(ours);
        RUNNING
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, free)
            .map(|_| Claim)
            .map_err(|_| Error::AlreadyRunning)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // In a child the parent's claim may be what is dropped.
        let ours = fork_generation() + 1;
        let _ = RUNNING.compare_exchange(ours, 0, Ordering::AcqRel, Ordering::Acquire);
    }
}

/// What the counters showed when the current window began.
struct WindowStart {
    started: SystemTime,
    instant: Instant,
    cpu_used: Duration,
    cpu_excluded: Duration,
    stats: CpuStats,
}

impl WindowStart {
    fn now(stats: CpuStats) -> Self {
        WindowStart {
            started: SystemTime::now(),
            instant: Instant::now(),
            cpu_used: platform::process_cpu_time(),
            cpu_excluded: excluded::cpu_time(),
            stats,
        }
    }
}

/// Settings of a [`CpuSampler`]; every one has a default.
#[derive(Clone, Debug)]
pub struct CpuSamplerBuilder {
    frequency_hz: u32,
    clock: ClockChoice,
}

impl CpuSamplerBuilder {
    /// Samples per second of CPU time of each thread; 99 unless set.
    pub fn frequency(mut self, hz: u32) -> Self {
        self.frequency_hz = hz;
        self
    }

    /// The clock; [`ClockChoice::Auto`] unless set.
    pub fn clock(mut self, clock: impl Into<ClockChoice>) -> Self {
        self.clock = clock.into();
        self
    }

    /// Starts sampling every thread of the process, those to come included.
    ///
    /// # Errors
    ///
    /// [`Error::AlreadyRunning`] while another sampler lives;
    /// [`Error::InvalidSetting`] for a frequency of 0 or above 10,000;
    /// [`Error::ClockRefused`] when the one clock asked for cannot run here, or
    /// [`Error::NoClock`] when none can.
    pub fn start(self) -> Result<CpuSampler, Error> {
        if self.frequency_hz == 0 || self.frequency_hz > MAX_FREQUENCY_HZ {
            return Err(Error::InvalidSetting(format!(
                "a frequency of {} Hz is not between 1 and {MAX_FREQUENCY_HZ}",
                self.frequency_hz
            )));
        }
        let claim = Claim::take()?;
        crate::symbols::remember_files();
        let config = EngineConfig {
            frequency_hz: self.frequency_hz,
        };
        let mut fallbacks = Vec::new();
        let engine = match self.clock {
            ClockChoice::Only(clock) => choice::start(clock, &config)?,
            ClockChoice::Auto => choice::first_that_starts(&config, &mut fallbacks)?,
        };
        Ok(CpuSampler {
            engine: ManuallyDrop::new(engine),
            generation: fork_generation(),
            frequency_hz: self.frequency_hz,
            fallbacks,
            // After the engine, so that the cost of starting it is not taken
            // for time that it missed.
            window: Mutex::new(WindowStart::now(CpuStats::default())),
            _claim: claim,
        })
    }
}

impl CpuSampler {
    /// Settings to start one with.
    pub fn builder() -> CpuSamplerBuilder {
        CpuSamplerBuilder {
            frequency_hz: 99,
            clock: ClockChoice::Auto,
        }
    }

    /// Everything sampled since the last drain, or since the start.
    ///
    /// # Errors
    ///
    /// When the engine's data could not be read; the window then goes on.
    /// [`Error::Forked`] in a forked child.
    pub fn drain(&self) -> Result<CpuWindow, Error> {
        self.at_home()?;
        let mut window = self.window();
        let samples = self.engine.drain()?;
        Ok(self.close_window(&mut window, samples))
    }

    /// Whether this is the process that started it.
    fn at_home(&self) -> Result<(), Error> {
        if fork_generation() == self.generation {
            Ok(())
        } else {
            Err(Error::Forked)
        }
    }

    /// Counters since the start; none in a forked child.
    pub fn stats(&self) -> CpuStats {
        if self.at_home().is_err() {
            return CpuStats::default();
        }
        CpuStats {
            fallbacks: self.fallbacks.clone(),
            ..self.engine.stats()
        }
    }

    /// The clock in use; [`Clock::Off`] in a forked child.
    pub fn clock(&self) -> Clock {
        if self.at_home().is_err() {
            return Clock::Off;
        }
        self.engine.clock()
    }

    /// How stacks are walked: `"cfi"`, `"pprof"` or `"none"`.
    pub fn unwinder(&self) -> &'static str {
        self.engine.unwinder()
    }

    /// The frequency in use.
    pub fn frequency_hz(&self) -> u32 {
        self.frequency_hz
    }

    /// The stack of every thread that is not excluded, as it is now. Each
    /// sample has count 1 and no weight.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] on the `pprof` and `off` clocks,
    /// [`Error::Forked`] in a forked child.
    pub fn threads(&self) -> Result<CpuWindow, Error> {
        self.at_home()?;
        let now = WindowStart::now(CpuStats::default());
        let samples = self.engine.threads()?;
        Ok(CpuWindow {
            clock: self.clock(),
            unwinder: self.unwinder(),
            frequency_hz: self.frequency_hz,
            started: now.started,
            duration: now.instant.elapsed(),
            stats: CpuStats {
                samples: samples.len() as u64,
                truncated: samples.iter().filter(|s| s.truncated).count() as u64,
                ..CpuStats::default()
            },
            samples,
            cpu_used: Duration::ZERO,
            cpu_excluded: Duration::ZERO,
        })
    }

    /// Stops sampling and returns the last window.
    ///
    /// # Errors
    ///
    /// When the engine's data could not be read; it is stopped all the same.
    /// [`Error::Forked`] in a forked child.
    pub fn stop(self) -> Result<CpuWindow, Error> {
        self.at_home()?;
        self.engine.stop();
        self.drain()
    }

    fn window(&self) -> MutexGuard<'_, WindowStart> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close_window(&self, window: &mut WindowStart, samples: Vec<CpuSample>) -> CpuWindow {
        let next = WindowStart::now(self.stats());
        let last = std::mem::replace(window, next);
        CpuWindow {
            clock: self.clock(),
            unwinder: self.unwinder(),
            frequency_hz: self.frequency_hz,
            started: last.started,
            duration: window.instant.saturating_duration_since(last.instant),
            samples,
            cpu_used: window.cpu_used.saturating_sub(last.cpu_used),
            cpu_excluded: window.cpu_excluded.saturating_sub(last.cpu_excluded),
            stats: window.stats.since(&last.stats),
        }
    }
}

impl Drop for CpuSampler {
    fn drop(&mut self) {
        if self.at_home().is_ok() {
            self.engine.stop();
            // SAFETY: dropped here, once; the value is not used again.
            unsafe { ManuallyDrop::drop(&mut self.engine) };
        }
    }
}

impl std::fmt::Debug for CpuSampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CpuSampler")
            .field("clock", &self.clock())
            .field("unwinder", &self.unwinder())
            .field("frequency_hz", &self.frequency_hz)
            .finish_non_exhaustive()
    }
}
