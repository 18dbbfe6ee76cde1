//! Pass, fail or inconclusive: the verdict on a run and how it came about.

use serde::Serialize;

use crate::budgets::{BudgetOutcome, LeakBudget, budgets_rule};
use crate::causes::{Cause, causes};
use crate::exit_code;
use crate::findings::Finding;
use crate::leaks::{LeakOptions, LeakReport, SeriesOutcome, SeriesVerdict, judge_timeline};
use crate::run::{Run, RunInfo, RunState, pretty};
use crate::timeline::Timeline;
use crate::trust::Trust;

/// The format of `verdict.json`.
const FORMAT: &str = "1.0";

/// A verdict. Too little data is inconclusive; it never passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict3 {
    /// It was judged and it held.
    Pass,
    /// It was judged and it was broken.
    Fail,
    /// It could not be judged.
    Inconclusive,
}

impl Verdict3 {
    /// The verdict as it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Verdict3::Pass => "pass",
            Verdict3::Fail => "fail",
            Verdict3::Inconclusive => "inconclusive",
        }
    }

    /// The verdict as a process' exit code; see [`exit_code`].
    #[must_use]
    pub fn exit_code(self) -> i32 {
        match self {
            Verdict3::Pass => exit_code::PASS,
            Verdict3::Fail => exit_code::FAIL,
            Verdict3::Inconclusive => exit_code::INCONCLUSIVE,
        }
    }

    /// Many verdicts in one: fail if one fails, else inconclusive if one is,
    /// else pass.
    #[must_use]
    pub fn all(verdicts: impl IntoIterator<Item = Verdict3>) -> Verdict3 {
        verdicts
            .into_iter()
            .fold(Verdict3::Pass, |all, one| match (all, one) {
                (Verdict3::Fail, _) | (_, Verdict3::Fail) => Verdict3::Fail,
                (Verdict3::Inconclusive, _) | (_, Verdict3::Inconclusive) => Verdict3::Inconclusive,
                _ => Verdict3::Pass,
            })
    }
}

/// The verdict on a run, as it is written to `verdict.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Verdict {
    /// The format of this document, `major.minor`.
    pub format: String,
    /// The service's name.
    pub service: String,
    /// How far the run got.
    pub state: RunState,
    /// The verdict.
    pub verdict: Verdict3,
    /// What a process that ends with this verdict returns.
    pub exit_code: i32,
    /// Each rule and what came of it.
    pub rules: Vec<RuleResult>,
    /// What has become of each budget; empty where there is none.
    pub budgets: Vec<BudgetOutcome>,
    /// What was found about each series.
    pub leaks: LeakReport,
    /// What was found in requests. It is told, not judged.
    pub findings: Vec<Finding>,
    /// The code that leaks, where memory does and heap profiles were taken.
    pub causes: Vec<Cause>,
    /// How far the measurements can be trusted.
    pub trust: Option<Trust>,
    /// What was missing, lost or unreadable, in sentences.
    pub notes: Vec<String>,
}

/// What came of one rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RuleResult {
    /// The rule, such as `leaks`.
    pub rule: String,
    /// What came of it.
    pub verdict: Verdict3,
    /// One sentence with the numbers.
    pub message: String,
}

impl RuleResult {
    /// A rule's result.
    #[must_use]
    pub fn new(rule: &str, verdict: Verdict3, message: String) -> Self {
        RuleResult {
            rule: rule.to_owned(),
            verdict,
            message,
        }
    }

    /// The same, but it fails nothing: the budgets say so.
    fn only_warning(mut self) -> Self {
        if self.verdict == Verdict3::Fail {
            self.verdict = Verdict3::Pass;
            self.message = format!("only a warning: {}", self.message);
        }
        self
    }
}

/// Judges a run. The live view and the offline report both do what this does.
#[must_use]
pub fn judge(run: &Run) -> Verdict {
    let leaks = judge_leaks(&run.info, &run.timeline, &LeakOptions::default());
    judge_with(run, leaks)
}

/// Did anything leak? The part of a verdict that takes its time: who judges the
/// same run again and again keeps it for a while.
#[must_use]
pub fn judge_leaks(info: &RunInfo, timeline: &Timeline, options: &LeakOptions) -> LeakReport {
    let mut options = options.clone();
    for (name, limit) in &info.limits {
        if let Some(limit) = limit {
            options.limits.entry(name.clone()).or_insert(*limit);
        }
    }
    for (name, kind) in &info.tracked {
        options.kinds.entry(name.clone()).or_insert(*kind);
    }
    judge_timeline(timeline, &options)
}

/// [`judge`], where it is known what leaks.
#[must_use]
pub fn judge_with(run: &Run, leaks: LeakReport) -> Verdict {
    let mut rules: Vec<RuleResult> = match run.leak_budget {
        LeakBudget::Fail => vec![leaks_rule(&leaks)],
        LeakBudget::Warn => vec![leaks_rule(&leaks).only_warning()],
        LeakBudget::Off => Vec::new(),
    };
    rules.extend(budgets_rule(&run.budgets));
    rules.extend(unread_rule(run));
    let verdict = Verdict3::all(rules.iter().map(|rule| rule.verdict));
    let mut notes = run.notes.clone();
    notes.extend(run.info.trust.iter().flat_map(Trust::notes));
    Verdict {
        format: FORMAT.to_owned(),
        service: run.info.service.clone(),
        state: run.info.state,
        verdict,
        exit_code: verdict.exit_code(),
        rules,
        budgets: run.budgets.clone(),
        causes: causes_of(run, &leaks),
        leaks,
        findings: run.findings.clone(),
        trust: run.info.trust.clone(),
        notes,
    }
}

/// What could not be read is not taken for good.
fn unread_rule(run: &Run) -> Option<RuleResult> {
    let spans = run.unread_spans.iter().filter(|_| !run.budgets.is_empty());
    let unread: Vec<&str> = run.unread.iter().chain(spans).map(String::as_str).collect();
    (!unread.is_empty())
        .then(|| RuleResult::new("unread", Verdict3::Inconclusive, unread.join("; ")))
}

/// The causes of a leak of memory; none where memory does not leak.
fn causes_of(run: &Run, leaks: &LeakReport) -> Vec<Cause> {
    let leaks_memory =
        |series: &SeriesVerdict| series.unit == "MB" && series.verdict == SeriesOutcome::Leak;
    if leaks.series.iter().any(leaks_memory) {
        causes(&run.heap, &run.timeline)
    } else {
        Vec::new()
    }
}

/// The document `verdict.json`.
#[must_use]
pub fn verdict_json(verdict: &Verdict) -> String {
    pretty(verdict)
}

fn leaks_rule(leaks: &LeakReport) -> RuleResult {
    // Series of which the same is to be said are named together: a run that
    // is too short is so for all of them.
    let of = |wanted: Verdict3| {
        let mut said: Vec<(&str, Vec<&str>)> = Vec::new();
        let wanted = |series: &&SeriesVerdict| series.verdict.verdict() == wanted;
        for series in leaks.series.iter().filter(wanted) {
            match said
                .iter_mut()
                .find(|(what, _)| *what == series.explanation)
            {
                Some((_, names)) => names.push(&series.name),
                None => said.push((&series.explanation, vec![&series.name])),
            }
        }
        let sentences = said
            .iter()
            .map(|(what, names)| format!("{}: {what}", some_of(names)));
        sentences.collect::<Vec<_>>().join("; ")
    };
    let message = match leaks.verdict {
        Verdict3::Pass => format!("{} series judged, none leaks", leaks.series.len()),
        Verdict3::Inconclusive if leaks.series.is_empty() => {
            "there is no series to judge; a timeline with rss_mb or the like is needed".to_owned()
        }
        verdict => of(verdict),
    };
    RuleResult::new("leaks", leaks.verdict, message)
}

/// The first few of a list of names, and how many more there are.
fn some_of(names: &[&str]) -> String {
    const FEW: usize = 3;
    let first = names[..names.len().min(FEW)].join(", ");
    match names.len().saturating_sub(FEW) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
