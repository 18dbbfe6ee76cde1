//! Judging a run: its leaks and its budgets, in one verdict with its rules.

use serde::Serialize;

use crate::budgets::{BudgetOutcome, LeakBudget};
use crate::causes::{Cause, HeapShot};
use crate::event::{Event, EventKind, LEAK};
use crate::findings::Finding;
use crate::leaks::{LeakOptions, LeakReport, judge_with_heap};
use crate::number::duration;
use crate::options::MUST_SEE;
use crate::run::{Run, RunInfo, RunState, pretty};
use crate::timeline::Timeline;
use crate::trust::Trust;
use crate::verdict::Verdict;

/// The format of `verdict.json`.
const FORMAT: &str = "1.0";

/// The verdict on a run, as it is written to `verdict.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RunVerdict {
    /// The format of this document, `major.minor`.
    pub format: String,
    /// The service's name.
    pub service: String,
    /// How far the run got.
    pub state: RunState,
    /// The verdict.
    pub verdict: Verdict,
    /// What a process that ends with this verdict returns.
    pub exit_code: i32,
    /// What is to be said first: what leaks, which budget broke, or what could
    /// have hidden.
    pub headline: String,
    /// Each rule and its result.
    pub rules: Vec<RuleResult>,
    /// What has become of each budget; empty where there is none.
    pub budgets: Vec<BudgetOutcome>,
    /// What was found about each series.
    pub leaks: LeakReport,
    /// What was found in requests. It is listed, not judged.
    pub findings: Vec<Finding>,
    /// The code that leaks, where memory does and heap profiles were taken.
    pub causes: Vec<Cause>,
    /// How far the measurements can be trusted.
    pub trust: Option<Trust>,
    /// What was missing, lost or unreadable, in sentences.
    pub notes: Vec<String>,
}

/// The result of one rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RuleResult {
    /// The rule, such as `leaks`.
    pub rule: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// One sentence with the numbers.
    pub message: String,
}

impl RuleResult {
    /// A rule's result.
    #[must_use]
    pub fn new(rule: &str, verdict: Verdict, message: String) -> Self {
        RuleResult {
            rule: rule.to_owned(),
            verdict,
            message,
        }
    }

    /// The same, but it fails nothing: the budgets say so.
    fn only_warning(mut self) -> Self {
        if self.verdict == Verdict::Fail {
            self.verdict = Verdict::Pass;
            self.message = format!("only a warning: {}", self.message);
        }
        self
    }
}

/// Judges a run. The live view and the offline report both do what this does.
#[must_use]
pub fn judge(run: &Run) -> RunVerdict {
    judge_by(run, &LeakOptions::default())
}

/// [`judge`] with options for the leak test.
#[must_use]
pub fn judge_by(run: &Run, options: &LeakOptions) -> RunVerdict {
    let leaks = judge_leaks(&run.info, &run.timeline, &run.heap, options);
    judge_with(run, leaks)
}

/// Did anything leak? The part of a verdict that takes its time: who judges the
/// same run again and again keeps it for a while.
///
/// Without heap profiles the series speak alone.
#[must_use]
pub fn judge_leaks(
    info: &RunInfo,
    timeline: &Timeline,
    heap: &[HeapShot],
    options: &LeakOptions,
) -> LeakReport {
    let mut options = options.clone();
    for (name, limit) in &info.limits {
        if let Some(limit) = limit {
            options.limits.entry(name.clone()).or_insert(*limit);
        }
    }
    if options.must_see.is_none() {
        let asked = info.config.get(MUST_SEE);
        options.must_see = asked.and_then(|asked| asked.parse().ok());
    }
    for (name, kind) in &info.tracked {
        options.kinds.entry(name.clone()).or_insert(*kind);
    }
    judge_with_heap(timeline, heap, &options)
}

/// [`judge`], where it is known what leaks.
#[must_use]
pub fn judge_with(run: &Run, leaks: LeakReport) -> RunVerdict {
    let leaks = charged(run, leaks);
    let mut rules: Vec<RuleResult> = match run.leak_budget {
        LeakBudget::Fail => vec![leaks_rule(&leaks)],
        LeakBudget::Warn => vec![leaks_rule(&leaks).only_warning()],
        LeakBudget::Off => Vec::new(),
    };
    rules.extend(budgets_rule(&run.budgets));
    rules.extend(unread_rule(run));
    let verdict = Verdict::all(rules.iter().map(|rule| rule.verdict));
    let mut notes = run.notes.clone();
    notes.extend(taken_back(&run.events, &leaks));
    notes.extend(run.info.trust.iter().flat_map(Trust::notes));
    RunVerdict {
        format: FORMAT.to_owned(),
        service: run.info.service.clone(),
        state: run.info.state,
        verdict,
        exit_code: verdict.exit_code(),
        headline: headline(verdict, &rules),
        rules,
        budgets: run.budgets.clone(),
        causes: leaks.causes.clone(),
        leaks,
        findings: run.findings.clone(),
        trust: run.info.trust.clone(),
        notes,
    }
}

/// All budgets as one rule of the verdict; `None` where there is no budget.
#[must_use]
pub fn budgets_rule(outcomes: &[BudgetOutcome]) -> Option<RuleResult> {
    if outcomes.is_empty() {
        return None;
    }
    let verdict = Verdict::all(outcomes.iter().map(|outcome| outcome.verdict));
    let of = |wanted: Verdict| {
        let said = outcomes.iter().filter(|outcome| outcome.verdict == wanted);
        let said: Vec<&str> = said.map(|outcome| outcome.message.as_str()).collect();
        said.join("; ")
    };
    let message = match verdict {
        Verdict::Pass => {
            let warned: Vec<&str> = outcomes
                .iter()
                .filter(|outcome| outcome.warned)
                .map(|outcome| outcome.message.as_str())
                .collect();
            match warned.as_slice() {
                [] => format!("{} hold", outcomes.len()),
                some => format!(
                    "{} hold, with warnings: {}",
                    outcomes.len(),
                    some.join("; ")
                ),
            }
        }
        verdict => of(verdict),
    };
    Some(RuleResult::new("budgets", verdict, message))
}

/// What could not be read is not taken for good.
fn unread_rule(run: &Run) -> Option<RuleResult> {
    let spans = run.unread_spans.iter().filter(|_| !run.budgets.is_empty());
    let unread: Vec<&str> = run.unread.iter().chain(spans).map(String::as_str).collect();
    (!unread.is_empty())
        .then(|| RuleResult::new("unread", Verdict::Inconclusive, unread.join("; ")))
}

/// Causes by the requests on their routes, where these were counted.
fn charged(run: &Run, leaks: LeakReport) -> LeakReport {
    if run.spans.is_empty() || leaks.causes.is_empty() {
        return leaks;
    }
    let mut causes = leaks.causes.clone();
    for cause in &mut causes {
        cause.charge(&run.spans, &run.timeline);
    }
    leaks.with_causes(causes)
}

/// What was said to leak while the run went on, where that is not the verdict
/// at its end.
fn taken_back(events: &[Event], leaks: &LeakReport) -> Option<String> {
    if leaks.verdict == Verdict::Fail {
        return None;
    }
    let mut said = events.iter().rev().filter(|event| event.kind == LEAK);
    let (elapsed_min, leak) = said.find_map(|event| match event.known() {
        Some(EventKind::Leak(leak)) => Some((event.elapsed_min, leak)),
        _ => None,
    })?;
    let headline = leak.headline;
    Some(format!(
        "{} into the run it was said to leak ({headline}); at the end that is {}, because: {}",
        duration(elapsed_min / 60.0),
        leaks.verdict.name(),
        leaks.headline
    ))
}

/// The message of the first rule that came to the verdict.
fn headline(verdict: Verdict, rules: &[RuleResult]) -> String {
    let decisive = rules.iter().find(|rule| rule.verdict == verdict);
    let decisive = decisive.or_else(|| rules.first());
    decisive.map_or_else(
        || "nothing was judged".to_owned(),
        |rule| match rule.rule.as_str() {
            LEAKS => rule.message.clone(),
            name => format!("{name}: {}", rule.message),
        },
    )
}

/// The document `verdict.json`.
#[must_use]
pub fn verdict_json(verdict: &RunVerdict) -> String {
    pretty(verdict)
}

/// The name of the rule that nothing leaks.
const LEAKS: &str = "leaks";

fn leaks_rule(leaks: &LeakReport) -> RuleResult {
    RuleResult::new(LEAKS, leaks.verdict, leaks.headline.clone())
}
