//! The dials of the leak test, with defaults that fit a minute and three days.

use std::collections::BTreeMap;

use super::MustSee;

/// How series are judged.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LeakOptions {
    /// The seed of anything drawn at random; equal seeds, equal verdicts. The
    /// present method draws nothing.
    pub seed: u64,
    /// A part of the run that is left out unseen, from 0 to 1. None by default:
    /// the warm-up is found. Phases named `warmup…` are left out as well.
    pub warm_up: f64,
    /// Samples that a series must have to be judged.
    pub least_samples: usize,
    /// Seconds that they must span.
    pub least_seconds: f64,
    /// Growth that matters in a series of megabytes.
    pub material_mb: Material,
    /// Growth that matters in a series of things counted.
    pub material_count: Material,
    /// The probability of calling anything in a run that does not leak a leak,
    /// which is shared out among its series (Holm 1979).
    pub false_alarms: f64,
    /// How often the run has been judged so far, this time included, if its
    /// verdict is looked at while it goes on. Looks at hardly more than was seen
    /// before are hardly new chances: what counts is how often the run has
    /// doubled. The look with j = 1 + log₂ k may spend `false_alarms` ÷ 2j(j+1),
    /// which allows for the looks between. `None` is one look, at the end.
    pub looks: Option<u32>,
    /// Limits by the name of the series, or by `memory_mb` for every series of
    /// the process' memory: what is reached, and when, at the present slope.
    pub limits: BTreeMap<String, f64>,
    /// A leak of memory that the run must have been able to show: one that
    /// could not is inconclusive. `None` asks for nothing.
    pub must_see: Option<MustSee>,
}

/// Growth that is large enough to matter over the time judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Material {
    /// At least this much, in the series' unit …
    pub least: f64,
    /// … and in a short run, when allocators and caches still fill, this much …
    pub least_at_first: f64,
    /// … or, in one of a minute, when nearly all growth is that, this much.
    pub least_in_a_minute: f64,
    /// And at least this share of the level it began at, from 0 to 1 …
    pub share: f64,
    /// … but never more than this much by share: a small part of ten gigabytes
    /// is a leak too.
    pub most: f64,
}

/// Runs up to so many hours are short, and from so many on they are not.
const SHORT_HOURS: [f64; 2] = [0.05, 0.25];
const MINUTE_HOURS: f64 = 1.0 / 60.0;

impl Material {
    /// The growth that matters for a series that began at `level` and was
    /// watched for so many `hours`.
    #[must_use]
    pub fn growth(&self, level: f64, hours: f64) -> f64 {
        let [short, long] = SHORT_HOURS;
        let young = ((long - hours) / (long - short)).clamp(0.0, 1.0);
        let newborn = ((short - hours) / (short - MINUTE_HOURS)).clamp(0.0, 1.0);
        let at_first = newborn * (self.least_in_a_minute - self.least_at_first).max(0.0);
        let least = at_first + self.least + young * (self.least_at_first - self.least).max(0.0);
        least.max((self.share * level.abs()).min(self.most))
    }
}

impl LeakOptions {
    /// The false alarms that this look may spend.
    pub(super) fn alpha(&self) -> f64 {
        let look = f64::from(self.looks.unwrap_or(0));
        if look > 0.0 {
            let doublings = 1.0 + look.log2();
            self.false_alarms / (2.0 * doublings * (doublings + 1.0))
        } else {
            self.false_alarms
        }
    }

    /// The limit of a series, if one is known.
    pub(super) fn limit(&self, name: &str, is_memory: bool) -> Option<f64> {
        let named = self.limits.get(name);
        let shared = || is_memory.then(|| self.limits.get("memory_mb")).flatten();
        named.or_else(shared).copied().filter(|l| l.is_finite())
    }
}

impl Default for LeakOptions {
    fn default() -> Self {
        LeakOptions {
            seed: 0,
            warm_up: 0.0,
            least_samples: 20,
            least_seconds: 20.0,
            material_mb: Material {
                least: 1.0,
                least_at_first: 5.0,
                least_in_a_minute: 12.0,
                share: 0.005,
                most: 2.0,
            },
            material_count: Material {
                least: 2.0,
                least_at_first: 10.0,
                least_in_a_minute: 10.0,
                share: 0.01,
                most: 20.0,
            },
            false_alarms: 0.005,
            looks: None,
            limits: BTreeMap::new(),
            must_see: None,
        }
    }
}
