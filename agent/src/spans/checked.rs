//! Samples compared with measurement while the run goes on: do they give each
//! route the CPU time that was measured in it?

use std::collections::BTreeMap;

use soakscope_report::{Agreement, NO_REQUEST, SpanKind, SpanTotal, agreement};

use super::costs::{Cost, Key};
use super::labels::Kind;

/// Samples of the first look that may warn. The next is at twice as many, and at
/// the end of the run: who looks at every row of three days sees by chance what
/// is once in a hundred runs.
const FIRST_LOOK: u64 = 200;
/// A difference that is as many times the one warned of is warned of again.
const MUCH_WORSE: f64 = 2.0;

/// Sums of the run by route. Names are bounded, and so is this.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    routes: BTreeMap<String, (u64, Cost)>,
    no_request: Cost,
    looked_at: u64,
    /// The difference that was warned of, in points.
    warned: Option<f64>,
}

impl Checked {
    /// Takes in a row of a span: how many ended, and at what cost.
    pub(crate) fn row(&mut self, name: &Key, count: u64, cost: &Cost) {
        if name.0 != Kind::Request {
            return;
        }
        if let Some((sum, costs)) = self.routes.get_mut(&name.1) {
            *sum += count;
            costs.add(cost);
        } else {
            self.routes.insert(name.1.clone(), (count, *cost));
        }
    }

    /// Takes in the row of what was in no request.
    pub(crate) fn no_request(&mut self, cost: &Cost) {
        self.no_request.add(cost);
    }

    /// Whether they agree, and what to warn of.
    pub(crate) fn look(&mut self, is_last: bool) -> (Option<Agreement>, Option<String>) {
        let routes = self.routes.iter();
        let mut all: Vec<SpanTotal> = routes
            .map(|(name, (count, cost))| total(name, SpanKind::Request, *count, cost))
            .collect();
        all.push(total(NO_REQUEST, SpanKind::None, 0, &self.no_request));
        let found = agreement(&all);
        let samples = all.iter().map(|total| total.cpu_samples).sum::<u64>();
        let is_due = samples >= FIRST_LOOK && samples >= self.looked_at.saturating_mul(2);
        if !(is_due || is_last) {
            return (found, None);
        }
        self.looked_at = samples;
        let warning = found.as_ref().and_then(|found| {
            let apart = found.largest_difference;
            let said = |before: f64| apart < before * MUCH_WORSE;
            let warning = found.warning().filter(|_| !self.warned.is_some_and(said))?;
            self.warned = Some(apart);
            Some(warning)
        });
        (found, warning)
    }

    /// Bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        let entries = self.routes.keys();
        let held = entries.map(|name| name.capacity() + size_of::<(String, (u64, Cost))>());
        held.sum()
    }
}

fn total(name: &str, kind: SpanKind, count: u64, cost: &Cost) -> SpanTotal {
    let mut total = SpanTotal::default();
    total.name = name.to_owned();
    total.kind = kind.name().to_owned();
    total.count = count;
    total.cpu_ms = cost.cpu_ms;
    total.cpu_measured = cost.measured.unwrap_or(0);
    total.cpu_se_ms = cost.se_ms;
    total.cpu_samples = cost.samples.unwrap_or(0);
    total.cpu_sampled_ms = cost.sampled_ms;
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of a run in which so much was measured and sampled of two routes.
    fn rows(checked: &mut Checked, measured: [f64; 2], samples: [u64; 2]) {
        for (name, (ms, samples)) in ["GET /a", "GET /b"]
            .iter()
            .zip(measured.iter().zip(samples))
        {
            let cost = Cost {
                cpu_ms: Some(*ms),
                se_ms: Some(0.0),
                measured: Some(100),
                samples: Some(samples),
                sampled_ms: Some(samples as f64 * 10.0),
            };
            checked.row(&(Kind::Request, (*name).to_owned()), 100, &cost);
        }
        checked.no_request(&Cost {
            cpu_ms: Some(1.0),
            ..Cost::default()
        });
    }

    #[test]
    fn samples_that_land_elsewhere_are_warned_of_once_and_again_when_it_is_much_worse() {
        let mut checked = Checked::default();
        let mut warnings = Vec::new();
        for row in 0..40 {
            let samples = if row < 30 { [150, 50] } else { [2_000, 0] };
            rows(&mut checked, [1_000.0, 1_000.0], samples);
            let (found, warning) = checked.look(row == 39);
            let found = found.expect("enough of both");
            assert!(found.beyond_chance, "{found:?}");
            warnings.extend(warning.map(|warning| (row, warning)));
        }
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].1.contains("GET /"), "{warnings:?}");
        // 25 points first; it becomes 49 and more.
        for row in 0..2_000 {
            rows(&mut checked, [1_000.0, 1_000.0], [2_000, 0]);
            let warning = checked.look(row == 1_999).1;
            warnings.extend(warning.map(|warning| (row, warning)));
        }
        assert!(warnings.len() <= 2, "{warnings:?}");
    }

    #[test]
    fn samples_that_land_where_the_time_is_spent_are_not_warned_of() {
        let mut checked = Checked::default();
        for row in 0..100 {
            rows(&mut checked, [700.0, 300.0], [70, 30]);
            let (found, warning) = checked.look(row == 99);
            assert!(!found.expect("enough of both").beyond_chance);
            assert_eq!(warning, None);
        }
    }

    #[test]
    fn without_samples_there_is_nothing_to_hold_against() {
        let mut checked = Checked::default();
        rows(&mut checked, [700.0, 300.0], [0, 0]);
        assert_eq!(checked.look(true), (None, None));
    }
}
