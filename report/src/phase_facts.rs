//! The few numbers by which phases of a run differ.

use serde::Serialize;

use crate::columns::{CPU_PERCENT, Column, ERRORS_PER_S, LATENCY_P99_MS, REQUESTS_PER_S, RSS_MB};
use crate::timeline::Timeline;

/// What a phase did. `None` is not measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PhaseFacts {
    /// Its name; of the last one `whole run`.
    pub name: String,
    /// Its first row, in minutes of the run.
    pub start_min: f64,
    /// Its last row.
    pub end_min: f64,
    /// Resident memory in the first row that has it, MB.
    pub rss_mb_start: Option<f64>,
    /// Resident memory in the last row that has it, MB.
    pub rss_mb_end: Option<f64>,
    /// Mean over the phase; 100 is one core.
    pub cpu_percent: Option<f64>,
    /// Mean over the phase.
    pub requests_per_s: Option<f64>,
    /// Mean over the phase.
    pub errors_per_s: Option<f64>,
    /// Median of the ticks' 99th percentiles: what a typical tick was like.
    pub latency_p99_ms: Option<f64>,
}

impl PhaseFacts {
    /// The phases in order, and the whole run last.
    pub(crate) fn of(timeline: &Timeline) -> Vec<PhaseFacts> {
        let Some(last) = timeline.elapsed_hours().last() else {
            return Vec::new();
        };
        let first = timeline.elapsed_hours()[0];
        let facts = |name: &str, start_min, end_min, rows: std::ops::Range<usize>| {
            let part = |column: &Column| {
                let mut values = timeline.series_in(column.name, rows.clone());
                values.retain(|value| value.is_finite());
                values
            };
            let rss = part(&RSS_MB);
            PhaseFacts {
                name: name.to_owned(),
                start_min,
                end_min,
                rss_mb_start: rss.first().copied(),
                rss_mb_end: rss.last().copied(),
                cpu_percent: mean(&part(&CPU_PERCENT)),
                requests_per_s: mean(&part(&REQUESTS_PER_S)),
                errors_per_s: mean(&part(&ERRORS_PER_S)),
                latency_p99_ms: median(part(&LATENCY_P99_MS)),
            }
        };
        let mut all: Vec<PhaseFacts> = timeline
            .phases()
            .into_iter()
            .map(|phase| facts(&phase.name, phase.start_min, phase.end_min, phase.rows))
            .collect();
        all.push(facts(
            "whole run",
            first * 60.0,
            last * 60.0,
            0..timeline.len(),
        ));
        all
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_has_its_own_numbers_and_missing_ones_stay_missing() {
        let csv = b"elapsed_min,rss_mb,phase,cpu_percent\n0,10,a,\n1,12,a,\n2,20,b,50\n3,,b,70\n";
        let facts = PhaseFacts::of(&Timeline::parse(csv).unwrap());
        assert_eq!(facts.len(), 3);
        assert_eq!(
            (facts[0].rss_mb_start, facts[0].rss_mb_end),
            (Some(10.0), Some(12.0))
        );
        assert_eq!(
            (facts[0].cpu_percent, facts[1].cpu_percent),
            (None, Some(60.0))
        );
        assert_eq!(facts[2].rss_mb_end, Some(20.0));
        assert_eq!(facts[2].latency_p99_ms, None);
    }
}
