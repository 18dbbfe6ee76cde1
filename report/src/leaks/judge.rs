//! The verdict on one series.

use super::activity::Activity;
use super::candidates::{Candidate, Unit};
use super::ending::{BEYOND_DOUBT, last_of, until_still};
use super::evidence::{self, Evidence, HASTY_HOURS};
use super::observer::less_agent;
use super::settled::{LATEST_START, MIN_LEFT};
use super::shape::Form;
use super::window::{Point, quarters, span, steady};
use super::{LeakOptions, SeriesOutcome, SeriesVerdict, TimeToLimit, close_wait, readings, screen};
use crate::normal::quantile;
use crate::number::{duration, readable};
use crate::timeline::Timeline;
use crate::verdict::Verdict;

/// Idle time that is so much of the run is judged by itself, too: what leaks without
/// load leaks.
const LONG_IDLE: f64 = 0.3;

/// The rule that a series must have enough samples to be judged at all.
pub(super) const ENOUGH_DATA: &str = "enough-data";

/// What is left after a warm-up must hold this part of its rate to its end.
const EVEN: f64 = 0.75;

/// The second half must be this sure to have grown too.
const LATE_DOUBT: f64 = 0.15;

/// Unless most of the run is left: then this part will do.
const EVEN_MOSTLY: f64 = 0.4;
const MAX_LEFT: f64 = 0.8;

/// Growth along a curve must hold this part of its rate in the second half.
const CURVE_EVEN: f64 = 0.5;

/// The second half of what saturates must be this close to its line.
const ON_ITS_LINE: f64 = 0.1;

/// How likely it may be at most that what is left of a warm-up is its tail.
const SATURATES: f64 = 0.05;

/// Cycles that must be seen whole so many times.
const MIN_TURNS: f64 = 2.0;

/// A wave that swings by less than this part of the growth cannot be it.
const SWING: f64 = 0.25;

/// The rate of the last part must be this part of the whole's.
const LAST_RATE: f64 = 0.2;

/// The series must have risen by this part of what it would have at its last
/// rate.
const NET: f64 = 0.2;

/// Growth that fell back by this part of itself comes and goes.
const FALL: f64 = 0.4;

/// The part of the growth that a load must leave unexplained.
const LEFT_BY_LOAD: f64 = 0.6;

/// The tail left on either side of an interval of 95 %. The mixture's own 2.5 %
/// are a little too cautious: with these, 95 % were measured on the bench.
const TAIL: f64 = 0.035;

/// What is left of a constant by rounding.
const NOTHING: f64 = 1e-12;

/// A leak that this run would have shown nine times out of ten.
const POWER_TAIL: f64 = 0.1;

/// A series on its way to a verdict.
pub(super) struct Case<'a> {
    pub verdict: SeriesVerdict,
    evidence: Option<Evidence>,
    /// The same of a count until it stood still, where it did at the end.
    rising: Option<Evidence>,
    /// The same of a long time without load.
    idle: Option<Evidence>,
    unit: Unit,
    /// Whether several things take turns in it.
    takes_turns: bool,
    /// What was left when the load had ended.
    after: Option<f64>,
    options: &'a LeakOptions,
}

impl<'a> Case<'a> {
    /// With `many` others, a series that stands still is not looked at further.
    /// Idle time before and after the load is no part of its trend.
    pub(super) fn open(
        timeline: &Timeline,
        candidate: &Candidate,
        options: &'a LeakOptions,
        many: bool,
        activity: Option<Activity>,
    ) -> Case<'a> {
        let factor = candidate.unit.factor();
        let values = less_agent(timeline, &candidate.name);
        let mut points: Vec<Point> = steady(timeline, &values, options)
            .into_iter()
            .map(|(hour, value)| (hour, value * factor))
            .collect();
        readings::leave_out_impossible(&mut points, candidate.unit);
        let mut after = None;
        let mut idle = None;
        if let Some(activity) = activity {
            let long = LONG_IDLE * span(&points);
            let part = |is_in: &dyn Fn(f64) -> bool| -> Vec<Point> {
                points
                    .iter()
                    .copied()
                    .filter(|point| is_in(point.0))
                    .collect()
            };
            let then = part(&|hour| hour > activity.until);
            after = last_of(then.iter());
            idle = [part(&|hour| hour < activity.from), then]
                .into_iter()
                .filter(|idle| span(idle) >= long && too_little(timeline, idle, options).is_none())
                .max_by(|a, b| span(a).total_cmp(&span(b)))
                .and_then(|idle| evidence::gather(timeline, candidate, &idle, options));
            points.retain(|point| activity.contains(point.0));
        }
        let mut verdict = SeriesVerdict {
            quarters: quarters(&points),
            judged_from_min: points.first().map(|point| point.0 * 60.0),
            judged_until_min: points.last().map(|point| point.0 * 60.0),
            samples: points.len(),
            ..SeriesVerdict::open(&candidate.name, candidate.unit.name())
        };
        if let Some(explanation) = close_wait::stuck(&candidate.name, &points) {
            verdict.settle(SeriesOutcome::Leak, close_wait::RULE, explanation);
        } else if let Some(needed) = too_little(timeline, &points, options) {
            verdict.settle(SeriesOutcome::Inconclusive, ENOUGH_DATA, needed);
            return Case::settled(verdict, candidate.unit, options);
        } else if many && screen::stands_still(&points) {
            let said = "it does not grow: its blocks are as often below earlier ones as above";
            verdict.settle(SeriesOutcome::Clean, screen::RULE, said.to_owned());
            return Case::settled(verdict, candidate.unit, options);
        }
        let evidence = evidence::gather(timeline, candidate, &points, options);
        if let Some(evidence) = &evidence {
            verdict.explain(evidence, options, candidate.unit);
            // Less than one step of its scale a run does not show.
            verdict.detectable_per_hour = verdict.detectable_per_hour.map(|rate| {
                let step = readings::resolution(&points, rate * evidence.hours);
                rate.max(step / evidence.hours)
            });
        } else if verdict.rule.is_empty() {
            let needed = "too few samples of different moments; run for longer".to_owned();
            verdict.settle(SeriesOutcome::Inconclusive, ENOUGH_DATA, needed);
        }
        let stands = (activity.is_none() && candidate.unit == Unit::Count)
            .then(|| until_still(&points))
            .flatten();
        let rising = stands
            .and_then(|rows| evidence::gather(timeline, candidate, &points[..rows], options))
            .filter(|rising| rising.chance <= BEYOND_DOUBT);
        Case {
            verdict,
            evidence,
            rising,
            idle,
            unit: candidate.unit,
            takes_turns: readings::take_turns(&points),
            after,
            options,
        }
    }

    /// One about which all is said.
    fn settled(verdict: SeriesVerdict, unit: Unit, options: &'a LeakOptions) -> Case<'a> {
        Case {
            verdict,
            evidence: None,
            rising: None,
            idle: None,
            unit,
            takes_turns: false,
            after: None,
            options,
        }
    }

    /// The probability of the growth by chance, if it is to be judged.
    pub(super) fn chance(&self) -> Option<f64> {
        let screened = self.verdict.rule == screen::RULE;
        let chance = self.evidence.as_ref().map(|evidence| evidence.chance);
        // It counts among those that were tested.
        chance.or(screened.then_some(1.0))
    }

    /// The verdict, where growth that has up to this chance is no chance.
    pub(super) fn close(mut self, alpha: f64) -> SeriesVerdict {
        if let Some(evidence) = &self.evidence
            && self.verdict.rule.is_empty()
        {
            self.verdict.decide(evidence, alpha);
            let undecided = self.verdict.verdict.verdict() == Verdict::Inconclusive;
            if undecided && let Some(rising) = &self.rising {
                let then = "; then it stood still to the end of the run, and none of it went: \
                            the load may have ended";
                self.verdict
                    .leaks_by(rising, self.options, alpha, self.unit, then);
            }
            if self.verdict.verdict == SeriesOutcome::Leak {
                self.verdict.gave_back(evidence, self.after, self.unit);
            }
            if let Some(idle) = &self.idle {
                let then = "; that was without load";
                self.verdict
                    .leaks_by(idle, self.options, alpha, self.unit, then);
            }
            if self.takes_turns && self.verdict.verdict.verdict() == Verdict::Pass {
                let said = "rows of one time differ by their place: several things take turns, and \
                            nothing says which row is of which; give each a column of its own";
                self.verdict.settle(
                    SeriesOutcome::Inconclusive,
                    readings::TURNS,
                    said.to_owned(),
                );
            }
        }
        self.verdict
    }
}

impl SeriesVerdict {
    /// One of which nothing is known yet.
    pub(super) fn open(name: &str, unit: &str) -> SeriesVerdict {
        SeriesVerdict {
            name: name.to_owned(),
            unit: unit.to_owned(),
            verdict: SeriesOutcome::Inconclusive,
            slope_per_hour: None,
            slope_interval: None,
            slope_per_request: None,
            detectable_per_hour: None,
            shape: None,
            chance: None,
            time_to_limit: None,
            quarters: vec![None; 4],
            judged_from_min: None,
            judged_until_min: None,
            samples: 0,
            next_look_hours: None,
            rule: String::new(),
            explanation: String::new(),
        }
    }

    pub(super) fn settle(&mut self, outcome: SeriesOutcome, rule: &str, explanation: String) {
        self.verdict = outcome;
        self.rule = rule.to_owned();
        self.explanation = explanation;
    }

    pub(super) fn amount(&self, value: f64) -> String {
        format!("{} {}", readable(value), self.unit)
            .trim()
            .to_owned()
    }

    /// The numbers, whatever the verdict will be.
    pub(super) fn explain(&mut self, evidence: &Evidence, options: &LeakOptions, unit: Unit) {
        let hours = evidence.hours;
        let slope = evidence.growth.mean() / hours;
        let rounded = |end: f64| if end.abs() < NOTHING { 0.0 } else { end };
        let interval = evidence.growth.interval(TAIL);
        let interval = interval.map(|end| rounded(end / hours));
        let certain = evidence.growth.interval(options.alpha())[1] - evidence.growth.mean();
        let powerful = certain + quantile(POWER_TAIL) * evidence.growth.error();
        self.slope_per_hour = Some(slope);
        self.slope_interval = Some(interval);
        self.slope_per_request = evidence.requests_per_hour.map(|requests| slope / requests);
        self.detectable_per_hour = Some(powerful.max(evidence.material) / hours);
        self.shape = Some(evidence.form.name().to_owned());
        self.chance = Some(evidence.chance);
        self.quarters.clone_from(&evidence.quarters);
        self.judged_from_min = Some(evidence.from_min);
        self.judged_until_min = Some(evidence.until_min);
        self.samples = evidence.samples;
        let is_memory = matches!(unit, Unit::Memory { .. });
        self.time_to_limit = options
            .limit(&self.name, is_memory)
            .and_then(|limit| TimeToLimit::of(limit, evidence.level, slope, interval));
    }

    pub(super) fn decide(&mut self, evidence: &Evidence, alpha: f64) {
        let growth = evidence.growth.mean();
        let slope = growth / evidence.hours;
        let [low, high] = self.slope_interval.unwrap_or([f64::NAN; 2]);
        let mut numbers = format!(
            "{}/h (95 % between {} and {}) over {}, quarters {}",
            self.amount(slope),
            readable(low),
            self.amount(high),
            duration(evidence.hours),
            self.quarters
                .iter()
                .map(|quarter| quarter.map_or("-".to_owned(), readable))
                .collect::<Vec<_>>()
                .join(" → "),
        );
        if evidence.taken_off > 0.0 {
            numbers.push_str(&format!(
                ", after a warm-up of {}",
                duration(evidence.taken_off * evidence.watched_hours)
            ));
        }
        let floor = self.amount(self.detectable_per_hour.unwrap_or(f64::NAN));
        let material = self.amount(evidence.material);
        let longer = duration(evidence.hours * 2.0);
        let certain = evidence.chance <= alpha;
        let too_short = evidence.left.is_some_and(|left| left < MIN_LEFT);
        let even = match evidence.left {
            Some(left) if left > MAX_LEFT => EVEN_MOSTLY,
            _ => EVEN,
        };
        let uneven = evidence.evenness < even || evidence.saturates > SATURATES;
        let slows = match evidence.form {
            _ if evidence.hours < HASTY_HOURS && (0.0..EVEN).contains(&evidence.evenness) => true,
            Form::Saturating(_) => (evidence.evenness - 1.0).abs() > ON_ITS_LINE,
            Form::LineAndStep(_) | Form::LineAndSteps(_) | Form::LineAndCycle(_) => {
                evidence.evenness < EVEN
            }
            Form::Curve if evidence.left.is_none() => {
                (0.0..CURVE_EVEN).contains(&evidence.evenness)
            }
            _ => evidence.left.is_some() && uneven,
        };
        // What began a moment ago, and what may be half a turn of something
        // that comes back, has not gone on for long enough.
        let young = match evidence.form {
            Form::LineAndCycle(turns) => turns < MIN_TURNS && evidence.swing > SWING * growth,
            _ => evidence.began > LATEST_START,
        };
        let steps = match &evidence.form {
            Form::Steps(at) => at.len(),
            Form::Ramp(..) => 1,
            Form::LineAndStep(_) if growth <= evidence.material => 1,
            Form::LineAndSteps(at) if growth <= evidence.material => at.len(),
            _ => 0,
        };
        let (outcome, rule, explanation) = if steps > 0 && evidence.climb > evidence.material {
            let times = match steps {
                1 => "once".to_owned(),
                steps => format!("in {steps} steps"),
            };
            let climb = self.amount(evidence.climb);
            (
                SeriesOutcome::Step,
                "steps",
                format!("{numbers}: changed {times}, by {climb} in all, and stayed level between"),
            )
        } else if let Some(load) = &evidence.load
            && evidence.net > evidence.material
            && !(certain && growth > evidence.material && load.rest >= LEFT_BY_LOAD)
        {
            (
                SeriesOutcome::LoadCorrelated,
                "load",
                format!(
                    "{numbers}: it followed {}, which grew by {} %; \
                     repeat at a steady load to separate the two",
                    load.name,
                    readable(load.grown * 100.0)
                ),
            )
        } else if certain
            && growth > evidence.material
            && evidence.net <= evidence.material
            && steps == 0
        {
            (
                SeriesOutcome::Inconclusive,
                "fell-first",
                format!(
                    "{numbers}: it fell, and grows for certain since, by more than the {material} \
                     that matters; run for at least {longer} more"
                ),
            )
        } else if growth.min(evidence.net) <= evidence.material || steps > 0 {
            (
                SeriesOutcome::Clean,
                "material-growth",
                format!(
                    "{numbers}: less than the {material} that would matter; \
                     a leak below {floor}/h could not have been seen"
                ),
            )
        } else if !certain && !too_short {
            (
                SeriesOutcome::Clean,
                "certain-growth",
                format!(
                    "{numbers}: no certain growth; a leak below {floor}/h could not have been seen"
                ),
            )
        } else if too_short || slows {
            (
                SeriesOutcome::Warming,
                "settled",
                format!(
                    "{numbers}: growing ever more slowly; run for at least {longer} more to see it settle"
                ),
            )
        } else if young
            || evidence.late_doubt > LATE_DOUBT
            || evidence.fall > FALL
            || evidence.last < LAST_RATE
            || evidence.net < NET * growth
            || !evidence.quarters_rise()
        {
            (
                SeriesOutcome::Inconclusive,
                "persistence",
                format!("{numbers}: grew, but not all the time; run for at least {longer} more"),
            )
        } else {
            (
                SeriesOutcome::Leak,
                "persistent-growth",
                format!(
                    "{numbers}: growth goes on to the end, is more than the {material} that \
                     matters, and by chance has a probability below {}",
                    readable(evidence.chance.max(0.0001))
                ),
            )
        };
        self.settle(outcome, rule, explanation);
        if self.verdict.verdict() == Verdict::Pass
            && let Some(late) = &evidence.late_rise
        {
            self.rose_late(evidence, late);
        }
    }
}

/// Why a series cannot be judged and how much more is needed, if so.
fn too_little(timeline: &Timeline, points: &[Point], options: &LeakOptions) -> Option<String> {
    let seconds = span(points) * 3600.0;
    let enough = points.len() >= options.least_samples && seconds >= options.least_seconds;
    if enough {
        return None;
    }
    let mut steps: Vec<f64> = timeline
        .elapsed_hours()
        .windows(2)
        .map(|pair| (pair[1] - pair[0]) * 3600.0)
        .filter(|step| *step > 0.0)
        .collect();
    steps.sort_by(f64::total_cmp);
    let step = steps.get(steps.len() / 2).copied().unwrap_or(1.0);
    // What is left out takes its share of what is added, too.
    let missing = (options.least_samples.saturating_sub(points.len()) as f64 * step)
        .max(options.least_seconds - seconds)
        / (1.0 - options.warm_up).max(0.1);
    Some(format!(
        "{} usable samples over {}, where {} over {} are needed; run for at least {} more",
        points.len(),
        duration(seconds / 3600.0),
        options.least_samples,
        duration(options.least_seconds / 3600.0),
        duration(missing.max(1.0) / 3600.0)
    ))
}
