//! Budgets: what a run may take, written down before it, and what came of it.
//!
//! [`Budgets::parse`] reads a budget file, [`Watch`] takes in what was measured
//! row by row and says at any time what has become of each budget. A service
//! that runs and a run that is over are judged by the same watch.

mod bound;
mod entry;
mod file;
mod metric;
mod nearest;
mod outcome;
mod replay;
mod stat;
mod value;
mod watch;

pub use bound::{Bound, Comparison};
pub use file::LeakBudget;
pub use outcome::BudgetOutcome;
pub(crate) use replay::SpanFiles;
pub use stat::Statistic;
pub use watch::{SpanInterval, Watch};

use metric::Metric;

/// Phases that no budget looks at unless it names them: a service that warms
/// up, or load that ramps up.
const RAMP_UPS: [&str; 6] = [
    "warmup", "warm-up", "warm_up", "rampup", "ramp-up", "ramp_up",
];

/// The budgets of a file, for one environment.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Budgets {
    /// Each budget, in the order of the file.
    pub budgets: Vec<Budget>,
    /// What a leak does to the verdict.
    pub leaks: LeakBudget,
    /// Minutes at the start of the run that are not looked at.
    pub ramp_up_min: f64,
    /// Phases that are not looked at.
    pub excluded_phases: Vec<String>,
}

impl Default for Budgets {
    fn default() -> Self {
        Budgets {
            budgets: Vec::new(),
            leaks: LeakBudget::Fail,
            ramp_up_min: 0.0,
            excluded_phases: RAMP_UPS.map(str::to_owned).to_vec(),
        }
    }
}

/// One thing measured and its bounds.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Budget {
    /// What it is about.
    pub target: Target,
    metric: Metric,
    statistic: Statistic,
    /// The only phase it looks at; `None` is all but [`except`](Self::except)
    /// and those excluded.
    pub phase: Option<String>,
    /// Phases that have a budget of their own for the same thing.
    pub except: Vec<String>,
    /// Beyond it the run is remarked on.
    pub warn: Option<Bound>,
    /// Beyond it the run fails.
    pub fail: Option<Bound>,
    /// The key of the file it came from.
    key: String,
}

/// What a budget is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// The process as a whole.
    Process,
    /// The spans of this name, such as `GET /orders/{user}`.
    Span(String),
    /// A column of the timeline, such as a series that the service tracks.
    Tracked(String),
}

impl Budget {
    /// Which budget this is, such as `span "GET /orders/{user}" p99_ms`.
    #[must_use]
    pub fn name(&self) -> String {
        let phase = match &self.phase {
            Some(phase) => format!("phase {phase:?} "),
            None => String::new(),
        };
        match &self.target {
            Target::Process => format!("{phase}process {}", self.measure()),
            Target::Span(span) => format!("{phase}span {span:?} {}", self.measure()),
            Target::Tracked(column) => {
                format!("{phase}tracked {column} {}", self.statistic.name())
            }
        }
    }

    /// What is measured: the key of the file, with the statistic where an
    /// expression names it.
    fn measure(&self) -> String {
        let usual = metric::of_key(&self.target, &self.key).map(|(_, usual)| usual);
        if usual == Some(self.statistic) && !self.key.ends_with("duration") {
            self.key.clone()
        } else {
            format!("{} {}", self.key, self.statistic.name())
        }
    }
}
