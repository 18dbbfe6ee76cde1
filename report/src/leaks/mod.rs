//! Did anything leak? Judges every series of a timeline by itself.
//!
//! First each column gets its role by its words and values (`roles`, `meaning`,
//! `units`), and the lives of the process are separated (`lives`). What the agent
//! itself holds is taken off (`observer`), and of thousands of
//! series those that stand still are left out (`screen`). A series passes through
//! five steps: the rows of steady load are chosen
//! (`window`), reduced to the floor of each block so that a saw-tooth counts
//! by its bottom (`blocks`), relieved of what the load explains (`load`), and
//! fitted with a line, bends, steps and cycles (`shape`) under every noise that
//! could be behind it (`noise`). `settled` finds where a warm-up ends, `evidence`
//! takes it off and collects what is left; `judge` asks whether the growth is
//! certain, large enough to matter, and goes on to the end. `LEAKS.md` describes the
//! method in one page, with its sources, its limits and its measured error rates.

mod activity;
mod alike;
mod blocks;
mod candidates;
mod close_wait;
mod course;
mod ending;
mod evidence;
mod headline;
mod heap;
mod judge;
mod late_rise;
mod lives;
mod load;
mod meaning;
mod must_see;
mod noise;
mod observer;
mod options;
mod own;
mod readings;
mod retention;
mod role;
mod roles;
mod screen;
mod series;
mod settled;
mod several;
mod shape;
mod teeth;
mod things;
mod units;
mod unread;
mod vocabulary;
mod window;
mod words;

use serde::Serialize;

pub use lives::Life;
pub use must_see::MustSee;
pub use options::{Kind, LeakOptions, Material};
pub use role::{ColumnRole, Role};
pub use things::Thing;

use crate::causes::{Cause, HeapShot, causes_since, standing};
use crate::timeline::Timeline;
use crate::verdict::Verdict;

/// What was found about all series of a timeline.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LeakReport {
    /// Fail if a series leaks; else inconclusive if one could not be judged or
    /// if there was none to judge; else pass. Too few readings of one series
    /// do not matter where memory was judged.
    pub verdict: Verdict,
    /// What is to be said first, after the verdict: each thing that leaks; or
    /// the smallest leak that could not have hidden; or what is missing.
    pub headline: String,
    /// What leaks, each thing once.
    pub things: Vec<Thing>,
    /// What was found about each series, in the timeline's order. Where the file
    /// holds several lives of a process, each is a series: `rss_mb [life 2 of 3]`.
    pub series: Vec<SeriesVerdict>,
    /// What each column but the time was taken for, in the timeline's order.
    pub columns: Vec<ColumnRole>,
    /// The lives of the process in the timeline; empty where there is one.
    pub lives: Vec<Life>,
    /// Rows of the timeline.
    pub samples: usize,
    /// Hours from its first row to its last.
    pub hours: f64,
    /// The code that leaks, where memory does and there are heap profiles. In
    /// `verdict.json` it stands beside this.
    #[serde(skip)]
    pub causes: Vec<Cause>,
}

impl LeakReport {
    /// The same with causes of which more is known.
    pub(crate) fn with_causes(mut self, causes: Vec<Cause>) -> LeakReport {
        self.things = things::things(&self.series, &causes);
        self.causes = causes;
        if self.verdict == Verdict::Fail {
            self.headline = headline::failed(&self);
        }
        self
    }
}

/// What was found about one series.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SeriesVerdict {
    /// The column's name.
    pub name: String,
    /// Its unit: `MB` (1024² bytes) or empty for counts.
    pub unit: String,
    /// What it is doing.
    pub verdict: SeriesOutcome,
    /// Growth per hour after warm-up, in the unit.
    pub slope_per_hour: Option<f64>,
    /// Where the true slope lies with 95 % confidence.
    pub slope_interval: Option<[f64; 2]>,
    /// Growth per request, in the unit, where the timeline has
    /// `requests_per_s`.
    pub slope_per_request: Option<f64>,
    /// The smallest leak per hour that this run could have shown.
    pub detectable_per_hour: Option<f64>,
    /// The shape that fits best: `line`, `curve`, `bend`, `steps`, `line and step`,
    /// `line and cycle` or `saturating`.
    pub shape: Option<String>,
    /// The probability of growth like this where there is none, before it is
    /// corrected for the number of series and of looks.
    pub chance: Option<f64>,
    /// When a known limit is reached at this slope.
    pub time_to_limit: Option<TimeToLimit>,
    /// The floor of each quarter of the time judged.
    pub quarters: Vec<Option<f64>>,
    /// From when on the series was judged, in minutes of the run.
    pub judged_from_min: Option<f64>,
    /// Until when.
    pub judged_until_min: Option<f64>,
    /// Hours that the run must be long to see more, where it is known.
    pub next_look_hours: Option<f64>,
    /// How many samples were judged.
    pub samples: usize,
    /// The rule that decided.
    pub rule: String,
    /// One sentence with the numbers.
    pub explanation: String,
}

/// When a series that goes on growing as it does reaches its limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TimeToLimit {
    /// The limit, in the series' unit.
    pub limit: f64,
    /// Hours from the end of the run.
    pub hours: f64,
    /// Hours at the upper end of the slope's interval.
    pub earliest_hours: f64,
    /// Hours at its lower end; `None` if that is no growth.
    pub latest_hours: Option<f64>,
}

impl TimeToLimit {
    /// `None` for a series that does not grow or is past its limit.
    fn of(limit: f64, level: f64, slope: f64, interval: [f64; 2]) -> Option<TimeToLimit> {
        let room = limit - level;
        (slope > 0.0 && room > 0.0).then(|| TimeToLimit {
            limit,
            hours: room / slope,
            earliest_hours: room / interval[1],
            latest_hours: (interval[0] > 0.0).then(|| room / interval[0]),
        })
    }
}

/// What a series is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SeriesOutcome {
    /// It does not grow, or not enough to matter.
    Clean,
    /// It grows, for certain, materially, and all the time.
    Leak,
    /// Resident memory grows while the live heap does not.
    Retention,
    /// It grew ever more slowly and has not settled yet.
    Warming,
    /// It rose once and stayed.
    Step,
    /// It follows a load that itself grew.
    LoadCorrelated,
    /// It cannot be decided.
    Inconclusive,
}

impl SeriesOutcome {
    /// The outcome as it is written in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            SeriesOutcome::Clean => "clean",
            SeriesOutcome::Leak => "leak",
            SeriesOutcome::Retention => "retention",
            SeriesOutcome::Warming => "warming",
            SeriesOutcome::Step => "step",
            SeriesOutcome::LoadCorrelated => "load-correlated",
            SeriesOutcome::Inconclusive => "inconclusive",
        }
    }

    /// What the outcome means for the run.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        match self {
            SeriesOutcome::Leak => Verdict::Fail,
            // Under a load that grows, a leak and a follower look the same.
            SeriesOutcome::Inconclusive
            | SeriesOutcome::Warming
            | SeriesOutcome::LoadCorrelated => Verdict::Inconclusive,
            SeriesOutcome::Clean | SeriesOutcome::Retention | SeriesOutcome::Step => Verdict::Pass,
        }
    }
}

/// Judges all series of a timeline that could leak.
///
/// Those are memory, connections, descriptors, threads, tasks, and every
/// column that is not known to be a rate, a time or a running counter; the
/// report says of each column what it was taken for.
#[must_use]
pub fn judge_timeline(timeline: &Timeline, options: &LeakOptions) -> LeakReport {
    judge_with_heap(timeline, &[], options)
}

/// [`judge_timeline`], where heap profiles have a word in it.
pub(crate) fn judge_with_heap(
    timeline: &Timeline,
    shots: &[HeapShot],
    options: &LeakOptions,
) -> LeakReport {
    let roles = roles::of(timeline, options);
    let mut lives = lives::of(timeline, &roles);
    let mut series = series::judge(timeline, &roles, &mut lives, options);
    if lives.len() < 2 {
        lives.clear();
    }
    let shots = standing(shots, timeline);
    // Heap profiles are of one process, and so is what they speak of.
    if lives.is_empty() {
        let growth = heap::weigh(&mut series, timeline, shots, options);
        retention::apply(&mut series, growth.as_ref());
    }
    let causes = causes_of(&series, shots, timeline);
    let mut report = LeakReport {
        verdict: overall(&series),
        headline: String::new(),
        things: things::things(&series, &causes),
        series,
        columns: roles.columns,
        lives: lives.into_iter().map(|part| part.life).collect(),
        samples: timeline.len(),
        hours: timeline.span_hours(),
        causes,
    };
    headline::conclude(&mut report, options);
    report
}

/// The causes of a leak of memory, over the time that it was judged and adding
/// up to no more than it grew; none where memory does not leak.
fn causes_of(series: &[SeriesVerdict], shots: &[HeapShot], timeline: &Timeline) -> Vec<Cause> {
    let leaking = series
        .iter()
        .filter(|series| series.verdict == SeriesOutcome::Leak && series.unit == "MB")
        .min_by_key(|series| things::memory_rank(series).unwrap_or(usize::MAX));
    let Some(leaking) = leaking else {
        return Vec::new();
    };
    let most = leaking.slope_per_hour.filter(|slope| *slope > 0.0);
    causes_since(
        shots,
        timeline,
        leaking.judged_from_min.map(|from| from * 60.0),
        most.map(|mb| mb * (1 << 20) as f64),
    )
}

/// The verdict on all series together. Memory must have been judged by one of
/// its readings; with that, a series of which there is too little (one that is
/// read at every tenth tick of a short run) does not hold up the others.
fn overall(series: &[SeriesVerdict]) -> Verdict {
    let too_little = |series: &SeriesVerdict| series.rule == judge::ENOUGH_DATA;
    let memory_was_judged = series.iter().any(|s| s.unit == "MB" && !too_little(s));
    let decisive: Vec<Verdict> = series
        .iter()
        .filter(|series| !(memory_was_judged && too_little(series)))
        .map(|series| series.verdict.verdict())
        .collect();
    if decisive.is_empty() {
        return Verdict::Inconclusive;
    }
    Verdict::all(decisive)
}

/// The names of the columns that are judged, in the timeline's order.
pub(crate) fn judged_columns(timeline: &Timeline) -> Vec<String> {
    let roles = roles::of(timeline, &LeakOptions::default());
    roles.judged.into_iter().map(|judged| judged.name).collect()
}
