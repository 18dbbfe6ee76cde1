//! A load of known truth under a clock, in a process of its own, and what its
//! profile may be off by.

use std::time::{Duration, Instant};

use soakscope_sampler::{Clock, CpuSampler, CpuWindow};

use super::loads::judge::{self, Judgement};
use super::loads::{Load, cpus};

/// Standard errors that chance may explain.
pub const CHANCE: f64 = 4.5;
/// Points that a share may be off by on top of chance, by the label that a
/// thread had at the instant.
pub const POINTS: f64 = 0.5;
/// The same by the stack that is found when the signal lands: in a virtual
/// machine that is microseconds later, and a short function has ended.
pub const POINTS_BY_STACK: f64 = 2.0;
/// What unscaled coverage may be off by on top of chance.
pub const COVERAGE: f64 = 0.05;
/// A run ends without its samples when a machine is this busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A profile against the truth.
pub struct Measured {
    pub load: String,
    pub by_stack: Judgement,
    pub by_label: Judgement,
    pub coverage: f64,
    pub windows: Vec<CpuWindow>,
}

/// A sampler on `clock` while `load` runs, from its first step to its last.
pub struct Measuring {
    name: String,
    sampler: CpuSampler,
    load: Load,
    windows: Vec<CpuWindow>,
}

impl Measuring {
    pub fn start(clock: Clock, hz: u32, load: &str) -> Self {
        let sampler = CpuSampler::builder()
            .clock(clock)
            .frequency(hz)
            .start()
            .unwrap_or_else(|error| panic!("{clock}: {error}"));
        Measuring::of(sampler, load, Load::start(load))
    }

    /// The same of a sampler and a load that run already.
    pub fn of(sampler: CpuSampler, name: &str, load: Load) -> Self {
        Measuring {
            name: name.to_owned(),
            sampler,
            load,
            windows: Vec::new(),
        }
    }

    /// Lets it run until there are `samples` more, and closes the window.
    pub fn run(&mut self, samples: u64) -> &CpuWindow {
        let wanted = self.sampler.stats().samples + samples;
        let patience = Instant::now() + PATIENCE;
        while self.sampler.stats().samples < wanted && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(20));
        }
        let window = self.sampler.drain().expect("a running sampler drains");
        self.windows.push(window);
        self.windows.last().expect("there is one")
    }

    pub fn finish(mut self) -> Measured {
        let done = self.load.finish();
        let last = self.sampler.stop().expect("a running sampler stops");
        self.windows.push(last);
        Measured {
            load: self.name,
            by_stack: judge::by_stack(&self.windows).against(&done.spent, POINTS_BY_STACK),
            by_label: judge::by_label(&self.windows).against(&done.spent, POINTS),
            coverage: judge::coverage(&self.windows),
            windows: self.windows,
        }
    }
}

/// `samples` of `load`, at 999 Hz.
pub fn measure(clock: Clock, load: &str, samples: u64) -> Measured {
    let mut measuring = Measuring::start(clock, 999, load);
    measuring.run(samples);
    measuring.finish()
}

/// What coverage of so many samples may be off by.
pub fn coverage_within(samples: f64) -> f64 {
    COVERAGE + CHANCE / samples.sqrt()
}

impl Measured {
    pub fn show(&self) {
        for (how, judged) in [("stack", self.by_stack), ("label", self.by_label)] {
            eprintln!(
                "{}, {} CPUs, by {how}: {:.1} points, {:.1} standard errors of {:.1}; coverage {:.3}; {} samples",
                self.load,
                cpus().len(),
                judged.points,
                judged.errors,
                judged.error,
                self.coverage,
                judged.samples,
            );
        }
        if let Some(window) = self.windows.last() {
            eprintln!("{:?}", window.stats);
        }
    }

    /// Asserts that shares are right within chance.
    pub fn assert_shares(&self) {
        self.show();
        for judged in [self.by_stack, self.by_label] {
            assert!(
                judged.samples > 100.0 && judged.beyond < CHANCE,
                "{}: {judged:?}",
                self.load
            );
        }
    }

    /// Asserts that unscaled coverage is right within chance, or lower by what
    /// was reported as dropped: other processes want the CPU, too.
    pub fn assert_coverage(&self) {
        let samples: u64 = self.windows.iter().map(|w| w.stats.samples).sum();
        let within = coverage_within(samples as f64);
        let least = 1.0 - within - 2.0 * dropped(&self.windows);
        assert!(
            (least..1.0 + within).contains(&self.coverage),
            "{}: {} of {samples} samples, at least {least}",
            self.load,
            self.coverage
        );
    }
}

/// The share of instants at which nothing was seen.
pub fn dropped(windows: &[CpuWindow]) -> f64 {
    let instants = windows.iter().filter_map(|w| w.stats.instants.as_ref());
    let (due, taken) = instants.fold((0, 0), |(due, taken), instants| {
        (due + instants.due, taken + instants.taken)
    });
    (due - taken) as f64 / (due as f64).max(1.0)
}
