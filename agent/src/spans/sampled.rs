//! CPU time that samples stand for.

use soakscope_sampler::CpuSample;

/// Samples together.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Sampled {
    pub(crate) count: u64,
    /// Nanoseconds they stand for.
    pub(crate) ns: f64,
    /// The sum of the squares of what each stands for: the variance of `ns`, as
    /// each of them might as well have fallen elsewhere.
    pub(crate) squares: f64,
}

impl Sampled {
    /// Equal samples were added up; each has an even part of their weight.
    pub(crate) fn of(sample: &CpuSample) -> Self {
        let ns = sample.weight.as_nanos() as f64;
        Self {
            count: sample.count,
            ns,
            squares: ns * ns / sample.count.max(1) as f64,
        }
    }

    pub(crate) fn add(&mut self, more: &Self) {
        self.count += more.count;
        self.ns += more.ns;
        self.squares += more.squares;
    }
}
