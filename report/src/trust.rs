//! How far the measurements of a run can be trusted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::drops::DropCause;
use crate::limits::cut;
use crate::number::{number, plus_minus, readable};
use crate::spans::Agreement;

/// A profile that accounts for less of the CPU time is not to be relied on, nor
/// one that accounts for so many times of it.
const MIN_COVERAGE: f64 = 0.5;
const MAX_COVERAGE: f64 = 1.5;

/// Where less of the CPU time was sampled some of it was lost, whether or not
/// anybody counted it.
const WHOLE_COVERAGE: f64 = 0.95;

/// Bytes of a route's name that a picture has room for.
const ROUTE_BYTES: usize = 28;

/// CPU seconds of which a sample is to be expected, at 99 a second.
const SAMPLED_SECONDS: f64 = 0.1;

/// How far the measurements of a run can be trusted. What is unknown is `None`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Trust {
    /// What delivered the CPU samples.
    pub cpu_clock: Option<String>,
    /// What unwound the stacks.
    pub cpu_engine: Option<String>,
    /// CPU seconds the process used while profiled.
    pub cpu_seconds_used: Option<f64>,
    /// CPU seconds the samples account for, before they are scaled to anything.
    pub cpu_seconds_attributed: Option<f64>,
    /// Attributed ÷ used, from 0 to about 1. It says whether samples were lost,
    /// not whether they landed where the time was spent; that is what
    /// [`agreement`](Self::agreement) is about.
    pub coverage: Option<f64>,
    /// The 95 % interval of the coverage, half its width: 1.96 √Σw² ÷ used,
    /// where w is what each sample stands for.
    pub coverage_within: Option<f64>,
    /// How many CPU samples there are.
    pub cpu_samples: Option<u64>,
    /// Whether the samples give each route the CPU time that was measured in it.
    pub agreement: Option<Agreement>,
    /// What became of the moments at which a sample was due, where the clock is
    /// one that draws them.
    pub instants: Option<Instants>,
    /// What was lost, by cause: samples, rows, spans.
    pub drops: BTreeMap<String, u64>,
    /// CPU seconds the agent itself used.
    pub agent_cpu_seconds: Option<f64>,
    /// Memory the agent itself holds, in MB (1024² bytes).
    pub agent_memory_mb: Option<f64>,
    /// Threads of the agent.
    pub agent_threads: Option<u64>,
    /// Ticks of the timeline that were not taken.
    pub missed_ticks: u64,
}

/// Moments at which the running threads were looked at, or should have been.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Instants {
    /// How many were due.
    pub due: u64,
    /// How many were taken.
    pub taken: u64,
    /// How many were not, by cause.
    pub dropped: BTreeMap<String, u64>,
    /// Seconds for which samples of the per-thread timers stand instead.
    pub seconds_by_timers: f64,
}

impl Trust {
    /// The coverage in percent with its interval; `None` if unknown.
    fn coverage_percent(&self) -> Option<String> {
        let within = self.coverage_within.map(|within| within * 100.0);
        let percent = self.coverage? * 100.0;
        Some(match within {
            Some(_) => plus_minus(percent, within),
            // A decimal, as where it is certain.
            None => number(percent, 1),
        })
    }

    /// Whether samples fell where CPU time was spent, as far as is known. It
    /// stands wherever the coverage does, which does not say that.
    fn check(&self) -> String {
        match &self.agreement {
            Some(agreement) => agreement.in_words(),
            None => "where samples fell is not checked against measured CPU time".to_owned(),
        }
    }

    /// What of this a picture's subtitle has room for, which is one line: clock,
    /// coverage, and how it agrees with what was measured.
    pub(crate) fn subtitle(&self) -> Vec<String> {
        let mut parts = Vec::new();
        parts.extend(
            self.cpu_clock
                .as_ref()
                .map(|clock| format!("clock {clock}")),
        );
        if let Some(percent) = self.coverage_percent() {
            parts.extend(match &self.agreement {
                None => [
                    format!("{percent} % of CPU time sampled"),
                    "not checked against measured CPU time".to_owned(),
                ],
                Some(found) if found.beyond_chance => [
                    format!("{percent} % sampled"),
                    format!(
                        "doubt shares: {} is {} points off",
                        cut(&found.route, ROUTE_BYTES),
                        readable(found.largest_difference)
                    ),
                ],
                Some(found) => [
                    format!("{percent} % of CPU time sampled"),
                    format!(
                        "routes within {} points of measured CPU",
                        readable(found.largest_difference)
                    ),
                ],
            });
        }
        parts
    }

    /// How far the numbers can be trusted, one fact each.
    pub(crate) fn facts(&self) -> Vec<String> {
        let mut facts = Vec::new();
        let engine = [&self.cpu_clock, &self.cpu_engine].into_iter().flatten();
        let engine: Vec<&str> = engine.map(String::as_str).collect();
        if !engine.is_empty() {
            facts.push(format!("CPU profile by {}", engine.join(" and ")));
        }
        let samples = self.cpu_samples.map(|samples| format!("{samples} samples"));
        if let Some(percent) = self.coverage_percent() {
            let seconds = match (self.cpu_seconds_attributed, self.cpu_seconds_used) {
                (Some(attributed), Some(used)) => format!(
                    " ({} of {} CPU seconds)",
                    readable(attributed),
                    readable(used)
                ),
                _ => String::new(),
            };
            let samples = samples.map_or_else(String::new, |samples| format!(", {samples}"));
            facts.push(format!(
                "profile coverage {percent} %{seconds}{samples}: how much of the CPU time is \
                 sampled, not whether samples fell where it was spent"
            ));
            facts.push(self.check());
        } else {
            facts.extend(samples);
        }
        facts.extend(self.instants.as_ref().map(Instants::in_words));
        let agent = [
            self.agent_cpu_seconds
                .map(|s| format!("{} CPU seconds", readable(s))),
            self.agent_memory_mb
                .map(|mb| format!("{} MB", readable(mb))),
            self.agent_threads.map(|n| format!("{n} threads")),
        ];
        let agent: Vec<String> = agent.into_iter().flatten().collect();
        if !agent.is_empty() {
            facts.push(format!("the agent itself took {}", agent.join(", ")));
        }
        let drops = self.drops.values().copied().chain([self.missed_ticks]);
        if drops.fold(0, u64::saturating_add) == 0 {
            let dropped = |instants: &Instants| instants.dropped.values().any(|count| *count > 0);
            facts.push(match self.unsampled() {
                None if self.instants.as_ref().is_some_and(dropped) => {
                    "nothing else was lost".to_owned()
                }
                None => "nothing was lost".to_owned(),
                Some(share) => format!(
                    "{} % of the CPU time has no samples, for a reason that nothing counted; \
                     nothing else was lost",
                    readable(share * 100.0)
                ),
            });
        }
        facts
    }

    /// The share of the CPU time that has no samples, where that is more than
    /// chance makes it.
    fn unsampled(&self) -> Option<f64> {
        if self.is_blind() {
            return Some(1.0);
        }
        let coverage = self.coverage?;
        (coverage + self.coverage_within.unwrap_or(0.0) < WHOLE_COVERAGE).then_some(1.0 - coverage)
    }

    /// CPU time was used, and there is no sample of it.
    fn is_blind(&self) -> bool {
        let used = self.cpu_seconds_used.unwrap_or(0.0);
        let none = self.cpu_samples == Some(0) || self.cpu_seconds_attributed == Some(0.0);
        used >= SAMPLED_SECONDS && none
    }

    /// What makes figures doubtful and what was lost, in sentences.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let coverage = self.coverage.map(|coverage| (coverage, coverage * 100.0));
        match coverage {
            _ if self.is_blind() => notes.push(format!(
                "there is no CPU sample, though {} CPU seconds were used: flame graphs and \
                 functions are empty for want of samples (threads that block the profiler's \
                 signal have none), not for want of work",
                readable(self.cpu_seconds_used.unwrap_or(0.0))
            )),
            Some((coverage, percent)) if coverage < MIN_COVERAGE => notes.push(format!(
                "the profile accounts for {percent:.0} % of the CPU time; do not rely on its \
                 proportions"
            )),
            Some((coverage, percent)) if coverage > MAX_COVERAGE => notes.push(format!(
                "the profile accounts for {percent:.0} % of the CPU time, which is more than \
                 there was; do not rely on it"
            )),
            _ => {}
        }
        notes.extend(self.agreement.as_ref().and_then(Agreement::warning));
        for (cause, count) in self.drops.iter().filter(|(_, count)| **count > 0) {
            let known = DropCause::from_name(cause);
            notes.push(match (known, known.and_then(DropCause::refusal)) {
                (Some(DropCause::SignalBlocked), _) => format!(
                    "lost: {count} samples of threads that block the profiler's signal \
                     ({cause}); their CPU time is in no flame graph and no function"
                ),
                (_, Some(why)) => {
                    format!("the disk refused {count} bytes when they were first written ({why})")
                }
                _ => format!("lost: {count} ({cause})"),
            });
        }
        if self.missed_ticks > 0 {
            notes.push(format!("ticks not taken: {}", self.missed_ticks));
        }
        notes
    }
}

impl Instants {
    /// What became of them, in words.
    fn in_words(&self) -> String {
        let mut text = format!("{} of {} instants taken", self.taken, self.due);
        let dropped = self.dropped.iter().filter(|(_, count)| **count > 0);
        let dropped: Vec<String> = dropped
            .map(|(cause, count)| format!("{count} {}", cause.replace('_', " ")))
            .collect();
        if !dropped.is_empty() {
            text.push_str(&format!("; dropped: {}", dropped.join(", ")));
        }
        if self.seconds_by_timers > 0.0 {
            text.push_str(&format!(
                "; for {} s the threads' own timers sampled instead",
                readable(self.seconds_by_timers)
            ));
        }
        text
    }
}
