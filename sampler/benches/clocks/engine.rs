//! The samplers under test, and what each makes of a load.

use dial9_perf_self_profile as dial9;
use soakscope_sampler::{Clock, CpuSampler, CpuWindow};

use crate::loads::{
    self,
    judge::{self, Names, Seen},
};
use crate::seccomp::forbid;

/// One of the samplers under test.
pub(crate) enum Engine {
    Ours(Box<CpuSampler>, Vec<CpuWindow>),
    Pprof(pprof::ProfilerGuard<'static>, f64),
    Dial9(dial9::PerfSampler, Vec<(Vec<u64>, f64)>),
    Off,
}

/// What it made of a load: samples by function, seconds attributed, CPU
/// seconds of its own threads.
pub(crate) struct Profile {
    pub(crate) seen: Seen,
    pub(crate) attributed: f64,
    /// Where it has threads.
    pub(crate) own: Option<f64>,
}

impl Engine {
    pub(crate) fn start(name: &str, hz: u32) -> Engine {
        match name {
            "off" => Engine::Off,
            "pprof" => {
                let guard = pprof::ProfilerGuardBuilder::default()
                    .frequency(hz as i32)
                    .build()
                    .unwrap();
                Engine::Pprof(guard, f64::from(hz))
            }
            "dial9" | "dial9, no perf" => {
                if name != "dial9" {
                    // As in a container. Its timers have to be shown each thread.
                    forbid(&[libc::SYS_perf_event_open]);
                    let begin = || dial9::register_current_thread().unwrap();
                    let _ = loads::THREADS.set((begin, dial9::unregister_current_thread));
                }
                let config = dial9::SamplerConfig::default()
                    .event_source(dial9::EventSource::SwTaskClock)
                    .include_kernel(true)
                    .sampling(dial9::SamplingMode::FrequencyHz(u64::from(hz)));
                Engine::Dial9(dial9::PerfSampler::start(config).unwrap(), Vec::new())
            }
            ours => {
                let clock: Clock = ours.parse().unwrap();
                let sampler = CpuSampler::builder().clock(clock).frequency(hz).start();
                Engine::Ours(Box::new(sampler.unwrap()), Vec::new())
            }
        }
    }

    /// Reads the ring of one that overflows.
    pub(crate) fn keep_up(&mut self) {
        if matches!(self, Engine::Dial9(..)) {
            self.read();
        }
    }

    /// Reads what there is.
    pub(crate) fn read(&mut self) {
        match self {
            Engine::Ours(sampler, windows) => windows.push(sampler.drain().unwrap()),
            Engine::Dial9(sampler, samples) => sampler.for_each_sample(|sample| {
                // The reading itself is no part of the load.
                if sample.tid == std::process::id() {
                    return;
                }
                let stack = std::iter::once(sample.ip).chain(sample.callchain.iter().copied());
                samples.push((stack.collect(), sample.period as f64 / 1e9));
            }),
            Engine::Pprof(..) | Engine::Off => {}
        }
    }

    pub(crate) fn finish(mut self) -> Profile {
        self.read();
        let mut names = Names::new();
        let mut seen = Seen::default();
        match self {
            Engine::Ours(sampler, windows) => {
                eprintln!("{:?}", sampler.stats());
                eprintln!("by label {:.3?}", judge::by_label(&windows).weight);
                Profile {
                    seen: judge::by_stack(&windows),
                    attributed: windows
                        .iter()
                        .map(|w| w.stats.attributed.as_secs_f64())
                        .sum(),
                    own: Some(windows.iter().map(|w| w.cpu_excluded.as_secs_f64()).sum()),
                }
            }
            Engine::Dial9(_, samples) => {
                let mut attributed = 0.0;
                for (stack, weight) in samples {
                    attributed += weight;
                    if let Some(index) = names.of_stack(stack) {
                        seen.add(index, 1.0, weight);
                    }
                }
                Profile {
                    seen,
                    attributed,
                    own: None,
                }
            }
            Engine::Pprof(guard, hz) => {
                let report = guard.report().build_unresolved().unwrap();
                let mut attributed = 0.0;
                for (stack, count) in &report.data {
                    let (count, weight) = (*count as f64, *count as f64 / hz);
                    attributed += weight;
                    let stack = stack
                        .frames
                        .iter()
                        .map(|frame| (frame.ip() as u64).saturating_sub(1));
                    if let Some(index) = names.of_stack(stack) {
                        seen.add(index, count, weight);
                    }
                }
                Profile {
                    seen,
                    attributed,
                    own: None,
                }
            }
            Engine::Off => Profile {
                seen,
                attributed: 0.0,
                own: None,
            },
        }
    }
}
