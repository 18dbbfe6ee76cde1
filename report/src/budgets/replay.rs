//! A run that is over, shown to a watch.

use std::collections::HashSet;
use std::io::BufRead;

use super::watch::{SpanInterval, Watch};
use crate::limits::{BUDGET_STEPS, SPANS};
use crate::spans::{Interval, Row, SpanKind, intervals, rows, sampling_error_ms};

/// The span files of a run, shown to a watch as they are read: `spans.csv`
/// first, which says what is a request.
pub(crate) struct SpanFiles {
    watch: Watch,
    requests: HashSet<String>,
    /// What it took so far; see [`BUDGET_STEPS`].
    steps: u64,
}

impl SpanFiles {
    pub(crate) fn new(watch: Watch) -> Self {
        SpanFiles {
            watch,
            requests: HashSet::new(),
            steps: 0,
        }
    }

    /// Takes in a row of `spans.csv`.
    pub(crate) fn row(&mut self, row: &Row<'_>) {
        let request = row.kind == SpanKind::Request.name();
        if request && self.requests.len() < SPANS && !self.requests.contains(&*row.span) {
            self.requests.insert(row.span.clone().into_owned());
        }
        let [
            count,
            errors,
            _,
            _,
            cpu_ms,
            _,
            alloc_mb,
            _,
            se_ms,
            samples,
            _,
        ] = row.numbers;
        let whole = |count: Option<f64>| count.unwrap_or(0.0) as u64;
        // What is not measured is known by its samples.
        let sampled = || sampling_error_ms(cpu_ms?, whole(samples));
        let cpu_se_ms = se_ms.or_else(sampled);
        if !self.goes_on(1) {
            return;
        }
        self.watch.spans(&SpanInterval {
            name: &row.span,
            request,
            phase: row.phase.as_deref().unwrap_or(""),
            elapsed_min: row.elapsed_min,
            count: whole(count),
            errors: whole(errors),
            cpu_ms,
            cpu_se_ms,
            alloc_mb,
            durations_ns: None,
        });
    }

    /// Takes in an interval of `spans.hlog`.
    pub(crate) fn interval(&mut self, interval: &Interval<'_>) {
        let request = self.requests.contains(interval.span);
        if !self.goes_on(interval.durations_ns.len() as u64) {
            return;
        }
        self.watch.durations(interval, request);
    }

    fn goes_on(&mut self, values: u64) -> bool {
        let budgets = self.watch.budgets().budgets.len() as u64;
        self.steps = self.steps.saturating_add(values.saturating_mul(budgets));
        self.steps <= BUDGET_STEPS
    }

    /// What was left out, if anything was.
    pub(crate) fn note(&self) -> Option<String> {
        (self.steps > BUDGET_STEPS).then(|| {
            format!(
                "budgets: judged by the spans before {BUDGET_STEPS} steps, budgets times values; \
                 keep fewer budgets on spans to have all"
            )
        })
    }

    pub(crate) fn finish(self) -> Watch {
        self.watch
    }
}

impl Watch {
    /// Takes in all of a `spans.csv` and, for percentiles, of a `spans.hlog`.
    pub fn span_files(&mut self, csv: impl BufRead, log: Option<impl BufRead>) {
        let watch = std::mem::replace(self, Watch::new(super::Budgets::default()));
        let mut files = SpanFiles::new(watch);
        rows(csv, |row| files.row(row));
        if let Some(log) = log {
            intervals(log, |interval| files.interval(interval));
        }
        *self = files.finish();
    }
}
