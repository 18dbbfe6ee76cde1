//! The dials of the leak test, with defaults that fit a minute and three days.

/// How series are judged.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LeakOptions {
    /// The seed of anything drawn at random; equal seeds, equal verdicts.
    pub seed: u64,
    /// The part of a run that counts as warm-up, from 0 to 1. Phases named
    /// `warmup…` extend it.
    pub warm_up: f64,
    /// Samples that a series must have after warm-up to be judged.
    pub least_samples: usize,
    /// Seconds that must be left after warm-up.
    pub least_seconds: f64,
    /// Growth that matters in a series of megabytes.
    pub material_mb: Material,
    /// Growth that matters in a series of things counted.
    pub material_count: Material,
}

/// Growth that is large enough to matter over the time judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Material {
    /// At least this much, in the series' unit.
    pub least: f64,
    /// And at least this share of the level it began at, from 0 to 1 …
    pub share: f64,
    /// … but never more than this much: 2 % of ten gigabytes is a leak too.
    pub most: f64,
}

impl Material {
    /// The growth that matters for a series that began at `level`.
    #[must_use]
    pub fn growth(&self, level: f64) -> f64 {
        self.least.max((self.share * level.abs()).min(self.most))
    }
}

impl Default for LeakOptions {
    fn default() -> Self {
        LeakOptions {
            seed: 0,
            warm_up: 0.2,
            least_samples: 20,
            least_seconds: 20.0,
            material_mb: Material {
                least: 5.0,
                share: 0.02,
                most: 8.0,
            },
            material_count: Material {
                least: 10.0,
                share: 0.1,
                most: 100.0,
            },
        }
    }
}
