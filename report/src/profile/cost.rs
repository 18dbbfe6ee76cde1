//! What samples come to, and how sure it is.

use super::{Profile, Sample};
use crate::number::WITHIN_95;

/// The sum of some samples' values, with what its error is reckoned from.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    pub(crate) value: i64,
    pub(crate) samples: u64,
    /// Σw² over all samples, where w is what one stands for.
    squares: f64,
}

impl Cost {
    /// That of one row of a profile, which stands for `samples` of one weight;
    /// `counts` is where their number is.
    pub(crate) fn of(sample: &Sample, value: i64, counts: Option<usize>) -> Cost {
        let samples = counts.and_then(|index| sample.values.get(index));
        let samples = samples.map_or(0, |count| u64::try_from(*count).unwrap_or(0));
        let sum = value as f64;
        Cost {
            value,
            samples,
            squares: sum * sum / samples.max(1) as f64,
        }
    }

    pub(crate) fn add(&mut self, more: Cost) {
        self.value = self.value.saturating_add(more.value);
        self.samples = self.samples.saturating_add(more.samples);
        self.squares += more.squares;
    }

    /// That of all samples of a profile that have this value.
    pub(crate) fn whole(profile: &Profile, value_index: usize) -> Cost {
        let counts = profile.value_index("samples");
        let mut whole = Cost::default();
        for sample in &profile.samples {
            let value = sample.values.get(value_index).copied().unwrap_or(0);
            whole.add(Cost::of(sample, value, counts));
        }
        whole
    }

    /// How many samples of equal weight would be as sure; `None` of nothing.
    pub(crate) fn equal_samples(&self) -> Option<f64> {
        let value = self.value as f64;
        (self.squares > 0.0).then(|| value * value / self.squares)
    }

    /// Half the 95 % interval of this part of a whole, in the unit of the value.
    ///
    /// Where a sample falls is by chance, and the whole is known: of equal
    /// weights it is the binomial interval, of others its delta method.
    pub(crate) fn within(&self, whole: &Cost) -> f64 {
        if whole.value == 0 {
            return 0.0;
        }
        let share = (self.value as f64 / whole.value as f64).clamp(0.0, 1.0);
        let rest = 1.0 - share;
        let others = (whole.squares - self.squares).max(0.0);
        WITHIN_95 * (rest * rest * self.squares + share * share * others).sqrt()
    }
}
