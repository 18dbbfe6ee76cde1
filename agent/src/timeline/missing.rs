//! Series that every run has and that stop coming: said once, by name.

use soakscope_sampler::resources::Missing;

/// Remembers what was missing, so that it is said once and not at every tick.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    said: Vec<&'static str>,
}

impl Watch {
    /// Warnings for what was never missing before. Some series are not due at
    /// every tick, so that one is not missing now means nothing.
    pub(crate) fn look(&mut self, missing: &[Missing]) -> Vec<String> {
        let mut warnings = Vec::new();
        for missing in missing {
            if !self.said.contains(&missing.series) {
                self.said.push(missing.series);
                warnings.push(format!(
                    "the series {} cannot be read ({missing}); its cells stay empty until it can",
                    missing.series
                ));
            }
        }
        warnings
    }
}
