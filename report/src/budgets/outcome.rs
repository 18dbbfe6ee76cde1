//! What has become of a budget, in numbers and in a sentence.

use serde::Serialize;

use super::metric::Metric;
use super::nearest::nearest;
use super::{Bound, Budget, Comparison, Target};
use crate::number::{plus_minus, readable};
use crate::verdict::Verdict;

/// What has become of one budget.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BudgetOutcome {
    /// Which budget, such as `span "GET /orders/{user}" p99_ms`.
    pub budget: String,
    /// What came of it. One that only warns passes.
    pub verdict: Verdict,
    /// Whether the bound that warns was broken.
    pub warned: bool,
    /// What was measured; `None` if nothing was.
    pub value: Option<f64>,
    /// Half the 95 % interval of what was sampled; `None` of what is exact.
    pub within: Option<f64>,
    /// The bound that warns, such as `≤ 400`.
    pub warn: Option<String>,
    /// The bound that fails.
    pub fail: Option<String>,
    /// How many values or spans that is made of.
    pub basis: u64,
    /// One sentence with the numbers.
    pub message: String,
}

/// The value of a budget, and what it is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    pub(super) value: Option<f64>,
    /// Half its 95 % interval, where it has one.
    pub(super) within: Option<f64>,
    pub(super) basis: u64,
}

impl Measured {
    /// Whether the bound is so near that chance decides on which side the value
    /// is; and how many times as much it would take to know.
    fn is_near(&self, bound: Bound) -> Option<f64> {
        let (value, within) = (self.value?, self.within?);
        let ordered = !matches!(bound.comparison, Comparison::Equal | Comparison::Unequal);
        let distance = (value - bound.value).abs();
        (ordered && within > 0.0 && distance < within).then(|| (within / distance).powi(2))
    }
}

impl BudgetOutcome {
    pub(super) fn of(budget: &Budget, measured: &Measured, seen: &[String]) -> Self {
        let name = budget.name();
        let breaks = |bound: Option<Bound>| {
            bound.is_some_and(|bound| measured.value.is_some_and(|value| !bound.holds(value)))
        };
        let enough = measured.basis >= budget.statistic.least();
        let (failed, warned) = (breaks(budget.fail), breaks(budget.warn));
        let near = budget.fail.and_then(|bound| measured.is_near(bound));
        let verdict = match measured.value {
            None => Verdict::Inconclusive,
            Some(_) if !enough || near.is_some() => Verdict::Inconclusive,
            Some(_) if failed => Verdict::Fail,
            Some(_) => Verdict::Pass,
        };
        let message = match (measured.value, verdict) {
            (None, _) => format!("{name}: {}", unseen(budget, seen)),
            (Some(value), Verdict::Inconclusive) if enough => {
                let unit = budget.metric.unit(budget.statistic);
                let bound = budget.fail.map(|bound| bound.to_string());
                format!(
                    "{name} = {}{unit} is too near its budget {}{unit} to say ({} {}; {})",
                    plus_minus(value, measured.within),
                    bound.unwrap_or_default(),
                    measured.basis,
                    what(budget),
                    more(near.unwrap_or(f64::INFINITY)),
                )
            }
            (Some(_), Verdict::Inconclusive) => format!(
                "{name}: {} of at least {} {} seen",
                measured.basis,
                budget.statistic.least(),
                what(budget),
            ),
            (Some(value), _) => {
                let unit = budget.metric.unit(budget.statistic);
                let bound = match (failed, warned) {
                    (true, _) => budget.fail.map(|b| format!("broke its budget {b}{unit}")),
                    (false, true) => budget
                        .warn
                        .map(|b| format!("broke its warning at {b}{unit}")),
                    (false, false) => budget
                        .fail
                        .or(budget.warn)
                        .map(|b| format!("holds {b}{unit}")),
                };
                format!(
                    "{name} = {}{unit} {} ({} {})",
                    plus_minus(value, measured.within),
                    bound.unwrap_or_default(),
                    measured.basis,
                    what(budget)
                )
            }
        };
        BudgetOutcome {
            budget: name,
            verdict,
            warned: warned && enough,
            value: measured.value,
            within: measured.within.filter(|within| *within > 0.0),
            warn: budget.warn.map(|bound| bound.to_string()),
            fail: budget.fail.map(|bound| bound.to_string()),
            basis: measured.basis,
            message,
        }
    }
}

/// How much longer a run would have to be.
fn more(times: f64) -> String {
    if times < 1_000.0 {
        format!("it takes {} times as many", readable(times.ceil().max(2.0)))
    } else {
        "no run is long enough".to_owned()
    }
}

fn what(budget: &Budget) -> &'static str {
    match (&budget.metric, &budget.target) {
        (Metric::Column(_), _) => "readings",
        (_, Target::Process) => "requests",
        _ => "spans",
    }
}

fn unseen(budget: &Budget, seen: &[String]) -> String {
    let during = match &budget.phase {
        Some(phase) => format!(" in phase {phase:?}"),
        None => String::new(),
    };
    match (&budget.target, &budget.metric) {
        (Target::Span(name), _) if !seen.iter().any(|known| known == name) => {
            match nearest(name, seen.iter().map(String::as_str)) {
                Some(near) => format!("no such span was seen; did you mean {near:?}?"),
                None => "no such span was seen".to_owned(),
            }
        }
        (_, Metric::Column(column)) => format!("no reading of {column}{during}"),
        (_, Metric::Cpu) => format!("no CPU time was sampled{during}"),
        (_, Metric::Allocated) => format!("no allocations were sampled{during}"),
        (Target::Process, _) => format!("no request was seen{during}"),
        _ => format!("none ended{during}"),
    }
}
