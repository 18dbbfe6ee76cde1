//! The portable engine: the `pprof` crate.
//!
//! It samples with one timer for the process and hands out counts only, so a
//! sample's weight is its count ÷ the frequency, and what the crate drops is
//! unknown to it and to us; coverage is what shows it. It merges samples that
//! stopped in the same functions, so only the first one's exact addresses
//! remain.

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod sheltered;
#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
#[path = "unsheltered.rs"]
mod sheltered;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pprof::{ProfilerGuard, ProfilerGuardBuilder};

use super::engine::{Engine, EngineConfig};
use super::window::{CpuSample, CpuStats};
use crate::clock::Clock;
use crate::error::Error;
use crate::threads::excluded;

pub(crate) struct PprofEngine {
    config: EngineConfig,
    state: Mutex<State>,
}

struct State {
    guard: Option<ProfilerGuard<'static>>,
    /// Samples taken out of a guard that has been stopped.
    pending: Vec<CpuSample>,
    stats: CpuStats,
}

fn refused(source: &pprof::Error) -> Error {
    Error::ClockRefused {
        clock: Clock::Pprof,
        reason: source.to_string(),
    }
}

impl PprofEngine {
    pub(crate) fn start(config: EngineConfig) -> Result<Self, Error> {
        let guard = Self::guard(&config)?;
        Ok(PprofEngine {
            config,
            state: Mutex::new(State {
                guard: Some(guard),
                pending: Vec::new(),
                stats: CpuStats::default(),
            }),
        })
    }

    fn guard(config: &EngineConfig) -> Result<ProfilerGuard<'static>, Error> {
        if sheltered::is_taken() {
            return Err(Error::ClockRefused {
                clock: Clock::Pprof,
                reason: "the program handles SIGPROF itself".to_owned(),
            });
        }
        ProfilerGuardBuilder::default()
            .frequency(config.frequency_hz as i32)
            .build()
            .map_err(|e| refused(&e))
            .and_then(|guard| match sheltered::shelter() {
                Ok(()) => Ok(guard),
                Err(source) => Err(Error::System {
                    call: "giving the pprof engine's handler a stack of its own",
                    source,
                }),
            })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads out the running guard into `pending`.
    fn collect(&self, state: &mut State) -> Result<(), Error> {
        let Some(guard) = &state.guard else {
            return Ok(());
        };
        let report = guard.report().build_unresolved().map_err(|e| refused(&e))?;
        let period = Duration::from_secs(1) / self.config.frequency_hz;
        let handlers = sheltered::handlers();
        let mut names: HashMap<Vec<u8>, Arc<str>> = HashMap::new();
        for (key, count) in report.data {
            let count = count.max(0) as u64;
            if excluded::any(|thread| thread.pthread == key.thread_id) {
                state.stats.excluded += count;
                continue;
            }
            let frames: Vec<(u64, u64)> = key
                .frames
                .iter()
                .map(|f| (f.ip() as u64, f.symbol_address() as u64))
                .collect();
            let length = key.thread_name_length.min(key.thread_name.len());
            let name = key.thread_name[..length].split(|b| *b == 0).next();
            let name = name.unwrap_or_default();
            let thread_name = names
                .entry(name.to_vec())
                .or_insert_with(|| String::from_utf8_lossy(name).into())
                .clone();
            let sample = CpuSample {
                // The crate knows threads by their pthread_t, which is an
                // address: its page number keeps threads apart.
                thread_id: (key.thread_id >> 12) as u32,
                thread_name,
                label: 0,
                stack: interrupted_stack(&frames, handlers),
                truncated: frames.len() >= pprof::MAX_DEPTH,
                in_kernel: false,
                count,
                weight: saturating_times(period, count),
            };
            state.stats.samples += count;
            state.stats.attributed += sample.weight;
            state.stats.truncated += if sample.truncated { count } else { 0 };
            state.pending.push(sample);
        }
        Ok(())
    }
}

fn saturating_times(period: Duration, count: u64) -> Duration {
    Duration::from_nanos((period.as_nanos() as u64).saturating_mul(count))
}

/// Takes the handler's own frames off the top, and turns return addresses into
/// addresses of the call.
///
/// `frames` are (instruction pointer, start of its function). Above the
/// handler's frame there are the unwinder's, below it what calls it on a stack
/// of ours, then the trampoline that the kernel returns through, and below that
/// the interrupted code.
fn interrupted_stack(frames: &[(u64, u64)], handlers: (u64, u64)) -> Vec<u64> {
    let (handler, caller) = handlers;
    let first = frames
        .iter()
        .position(|(_, function)| *function == handler)
        .map_or(0, |index| {
            let called = frames.get(index + 1).is_some_and(|f| f.1 == caller);
            index + 2 + usize::from(called)
        });
    let frames = frames.get(first..).unwrap_or_default();
    frames
        .iter()
        .enumerate()
        .map(|(depth, (ip, _))| {
            if depth == 0 {
                *ip
            } else {
                ip.saturating_sub(1)
            }
        })
        .filter(|ip| *ip != 0 && *ip != u64::MAX)
        .collect()
}

impl Engine for PprofEngine {
    fn clock(&self) -> Clock {
        Clock::Pprof
    }

    fn unwinder(&self) -> &'static str {
        "pprof"
    }

    fn drain(&self) -> Result<Vec<CpuSample>, Error> {
        let mut state = self.state();
        self.collect(&mut state)?;
        // The crate can only start afresh by being stopped and started.
        if let Some(guard) = state.guard.take() {
            sheltered::stop(|| drop(guard));
            match Self::guard(&self.config) {
                Ok(guard) => state.guard = Some(guard),
                Err(error) => state.stats.warnings.push(error.to_string()),
            }
        }
        Ok(std::mem::take(&mut state.pending))
    }

    fn stats(&self) -> CpuStats {
        let mut stats = self.state().stats.clone();
        stats.threads_armed = 0;
        stats
    }

    fn threads(&self) -> Result<Vec<CpuSample>, Error> {
        Err(Error::Unsupported("thread stacks with the pprof engine"))
    }

    fn stop(&self) {
        let mut state = self.state();
        if let Err(error) = self.collect(&mut state) {
            state.stats.warnings.push(error.to_string());
        }
        if let Some(guard) = state.guard.take() {
            sheltered::stop(|| drop(guard));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handlers_frames_are_taken_off_and_calls_are_pointed_at() {
        let frames = [(9, 8), (101, 100), (300, 300), (401, 400), (501, 500)];
        assert_eq!(interrupted_stack(&frames, (100, 200)), [401, 500]);
        assert_eq!(interrupted_stack(&frames[3..], (100, 200)), [401, 500]);
        assert_eq!(interrupted_stack(&frames[..2], (100, 200)), [0u64; 0]);
        let called = [(101, 100), (201, 200), (300, 300), (401, 400), (501, 500)];
        assert_eq!(interrupted_stack(&called, (100, 200)), [401, 500]);
    }
}
