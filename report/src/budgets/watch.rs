//! Takes in what is measured and keeps what each budget needs, and no more.

use std::collections::HashMap;

use hdrhistogram::Histogram;

use super::metric::Metric;
use super::outcome::{BudgetOutcome, Measured};
use super::stat::{Statistic, Values};
use super::{Budget, Budgets, Target};
use crate::number::WITHIN_95;
use crate::spans::Interval;
use crate::timeline::Timeline;

/// What spans of one name did in an interval that ended.
#[derive(Debug, Clone, Copy)]
pub struct SpanInterval<'a> {
    /// The name, as in `spans.csv`.
    pub name: &'a str,
    /// Whether they are requests: those count for the process, too.
    pub request: bool,
    /// The phase the interval is in; empty for none.
    pub phase: &'a str,
    /// When it ended, in minutes since the start of the run.
    pub elapsed_min: f64,
    /// How many ended.
    pub count: u64,
    /// How many of them failed.
    pub errors: u64,
    /// CPU time spent in them, in milliseconds.
    pub cpu_ms: Option<f64>,
    /// The standard error of `cpu_ms`; `None` if unknown.
    pub cpu_se_ms: Option<f64>,
    /// Bytes allocated in them, in MB of 1024² bytes.
    pub alloc_mb: Option<f64>,
    /// How long they took, in nanoseconds, where that is known here.
    pub durations_ns: Option<&'a Histogram<u32>>,
}

/// Budgets and what was measured for each. Its memory depends on the budgets
/// alone, not on how long it watches.
#[derive(Debug, Clone)]
pub struct Watch {
    budgets: Budgets,
    kept: Vec<Kept>,
    /// The last row, and its time.
    last_min: Option<f64>,
    /// Names of spans that were seen, for the nearest to one that was not.
    seen: Vec<String>,
}

/// What one budget keeps.
#[derive(Debug, Clone)]
struct Kept {
    values: Values,
    count: u64,
    errors: u64,
    /// CPU time or bytes, where known.
    sum: Option<f64>,
    /// The squares of its standard errors; of nothing while none is known.
    squares: Option<f64>,
    /// Time that was looked at.
    minutes: f64,
}

/// Names kept to find the nearest.
const MAX_SEEN: usize = 256;

impl Watch {
    /// A watch that has seen nothing.
    #[must_use]
    pub fn new(budgets: Budgets) -> Self {
        let kept = budgets.budgets.iter().map(|_| Kept {
            values: Values::new(),
            count: 0,
            errors: 0,
            sum: None,
            squares: None,
            minutes: 0.0,
        });
        Watch {
            kept: kept.collect(),
            budgets,
            last_min: None,
            seen: Vec::new(),
        }
    }

    /// The budgets.
    #[must_use]
    pub fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    /// Takes in a row of the timeline: its time in minutes, its phase (empty
    /// for none), and its columns by name.
    pub fn row(&mut self, elapsed_min: f64, phase: &str, column: impl Fn(&str) -> Option<f64>) {
        let step = self
            .last_min
            .map_or(0.0, |last| (elapsed_min - last).max(0.0));
        self.last_min = Some(elapsed_min);
        for (budget, kept) in self.budgets.budgets.iter().zip(&mut self.kept) {
            if !looked_at(&self.budgets, budget, elapsed_min, phase) {
                continue;
            }
            kept.minutes += step;
            if let Metric::Column(name) = &budget.metric
                && let Some(value) = column(name)
            {
                kept.values.add(value);
            }
        }
    }

    /// Takes in all of a timeline.
    pub fn timeline(&mut self, timeline: &Timeline) {
        let hours = timeline.elapsed_hours();
        // Column by column: each is looked up once, not for every row.
        let words = timeline.text("phase");
        for (budget, kept) in self.budgets.budgets.iter().zip(&mut self.kept) {
            let values = match &budget.metric {
                Metric::Column(name) => timeline.series(name),
                _ => None,
            };
            let mut last = self.last_min;
            // What a phase means is asked once for each that there is.
            let mut asked: HashMap<&str, bool> = HashMap::new();
            for (row, hour) in hours.iter().enumerate() {
                let minute = hour * 60.0;
                let step = last.map_or(0.0, |last| (minute - last).max(0.0));
                last = Some(minute);
                let phase = words.and_then(|words| words.get(row)).unwrap_or("");
                let wanted = *asked
                    .entry(phase)
                    .or_insert_with(|| is_wanted(&self.budgets, budget, phase));
                if !wanted || is_early(&self.budgets, budget, minute) {
                    continue;
                }
                kept.minutes += step;
                if let Some(value) = values.as_ref().and_then(|values| values.get(row)) {
                    kept.values.add(*value);
                }
            }
        }
        self.last_min = hours.last().map(|hour| hour * 60.0).or(self.last_min);
    }

    /// Takes in durations alone, of an interval that was counted already.
    pub(super) fn durations(&mut self, interval: &Interval<'_>, request: bool) {
        self.remember(interval.span);
        let phase = interval.phase.unwrap_or("");
        for (budget, kept) in self.budgets.budgets.iter().zip(&mut self.kept) {
            if budget.metric == Metric::Duration
                && is_meant(budget, interval.span, request)
                && looked_at(&self.budgets, budget, interval.end_min, phase)
            {
                kept.values
                    .add_durations(interval.durations_ns.iter().copied());
            }
        }
    }

    fn remember(&mut self, name: &str) {
        if self.seen.len() < MAX_SEEN && !self.seen.iter().any(|seen| seen == name) {
            self.seen.push(name.to_owned());
        }
    }

    /// Takes in an interval of spans. Counts and durations of the same interval
    /// may come one after the other.
    pub fn spans(&mut self, interval: &SpanInterval<'_>) {
        self.remember(interval.name);
        for (budget, kept) in self.budgets.budgets.iter().zip(&mut self.kept) {
            if !is_meant(budget, interval.name, interval.request)
                || !looked_at(&self.budgets, budget, interval.elapsed_min, interval.phase)
            {
                continue;
            }
            kept.count = kept.count.saturating_add(interval.count);
            kept.errors = kept.errors.saturating_add(interval.errors);
            let more = match budget.metric {
                Metric::Cpu => interval.cpu_ms,
                Metric::Allocated => interval.alloc_mb,
                _ => None,
            };
            if let Some(more) = more {
                *kept.sum.get_or_insert(0.0) += more;
            }
            let error = match budget.metric {
                Metric::Cpu => interval.cpu_se_ms.filter(|_| more.is_some()),
                _ => None,
            };
            if let Some(error) = error {
                *kept.squares.get_or_insert(0.0) += error * error;
            }
            if let (Metric::Duration, Some(durations)) = (&budget.metric, interval.durations_ns) {
                let steps = durations.iter_recorded();
                kept.values.add_durations(
                    steps.map(|step| (step.value_iterated_to(), step.count_at_value().into())),
                );
            }
        }
    }

    /// What has become of each budget so far.
    #[must_use]
    pub fn outcomes(&self) -> Vec<BudgetOutcome> {
        let budgets = self.budgets.budgets.iter().zip(&self.kept);
        budgets
            .map(|(budget, kept)| BudgetOutcome::of(budget, &kept.measured(budget), &self.seen))
            .collect()
    }
}

fn is_meant(budget: &Budget, span: &str, request: bool) -> bool {
    match &budget.target {
        Target::Process => request,
        Target::Span(name) => name == span,
        Target::Tracked(_) => false,
    }
}

fn looked_at(budgets: &Budgets, budget: &Budget, elapsed_min: f64, phase: &str) -> bool {
    !is_early(budgets, budget, elapsed_min) && is_wanted(budgets, budget, phase)
}

/// Whether the service is still starting. A budget on a phase looks at all of it.
fn is_early(budgets: &Budgets, budget: &Budget, elapsed_min: f64) -> bool {
    budget.phase.is_none() && elapsed_min < budgets.ramp_up_min
}

fn is_wanted(budgets: &Budgets, budget: &Budget, phase: &str) -> bool {
    let is = |name: &String| name == phase;
    match &budget.phase {
        Some(only) => is(only),
        None => !budgets.excluded_phases.iter().any(is) && !budget.except.iter().any(is),
    }
}

impl Kept {
    fn measured(&self, budget: &Budget) -> Measured {
        let each = |sum: f64| sum / self.count as f64;
        let (value, basis) = match &budget.metric {
            Metric::Column(_) | Metric::Duration => {
                (self.values.get(budget.statistic), self.values.count())
            }
            Metric::ErrorRate => (Some(each(self.errors as f64)), self.count),
            Metric::Rate if budget.statistic == Statistic::Count => {
                (Some(self.count as f64), self.count)
            }
            Metric::Rate => {
                let seconds = self.minutes * 60.0;
                (
                    (seconds > 0.0).then(|| self.count as f64 / seconds),
                    self.count,
                )
            }
            Metric::Cpu | Metric::Allocated => (self.sum.map(each), self.count),
        };
        let within = self.squares.map(|sum| each(WITHIN_95 * sum.sqrt()));
        Measured {
            value: value.filter(|_| basis > 0),
            within: within.filter(|within| within.is_finite()),
            basis,
        }
    }
}
