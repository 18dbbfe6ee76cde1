//! A run that is over, shown to a watch.

use std::collections::HashSet;

use super::watch::{SpanInterval, Watch};
use crate::spans::{SpanLog, rows};
use crate::timeline::Timeline;

impl Watch {
    /// Takes in all of a timeline.
    pub fn timeline(&mut self, timeline: &Timeline) {
        let phases = timeline.text("phase");
        for (row, hours) in timeline.elapsed_hours().iter().enumerate() {
            let phase = phases.and_then(|words| words.get(row)).unwrap_or("");
            self.row(hours * 60.0, phase, |name| {
                let value = timeline.series(name)?.get(row)?;
                value.is_finite().then_some(*value)
            });
        }
    }

    /// Takes in all of a `spans.csv` and, for percentiles, of a `spans.hlog`.
    pub fn span_files(&mut self, csv: &[u8], log: Option<&SpanLog>) {
        let mut requests = HashSet::new();
        rows(csv, |row| {
            let request = row.kind == "request";
            if request && !requests.contains(row.span) {
                requests.insert(row.span.to_owned());
            }
            let [count, errors, _, _, cpu_ms, _, alloc_mb] = row.numbers;
            let whole = |count: Option<f64>| count.unwrap_or(0.0) as u64;
            self.spans(&SpanInterval {
                name: row.span,
                request,
                phase: row.phase.unwrap_or(""),
                elapsed_min: row.elapsed_min,
                count: whole(count),
                errors: whole(errors),
                cpu_ms,
                alloc_mb,
                durations_ns: None,
            });
        });
        for (name, phase, elapsed_min, durations) in log.iter().flat_map(|log| log.intervals()) {
            self.spans(&SpanInterval {
                name,
                request: requests.contains(name),
                phase: phase.unwrap_or(""),
                elapsed_min,
                count: 0,
                errors: 0,
                cpu_ms: None,
                alloc_mb: None,
                durations_ns: Some(durations),
            });
        }
    }
}
