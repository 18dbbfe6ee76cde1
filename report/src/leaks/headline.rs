//! What is to be said first: what leaks, what could have hidden, or what is
//! missing.

use super::must_see::{MustSee, rate};
use super::things::{is_heap, memory_rank};
use super::{LeakOptions, LeakReport, SeriesOutcome, SeriesVerdict};
use crate::number::{duration, readable};
use crate::verdict::Verdict;

/// A slow leak of memory that most people want to see, in MB an hour.
const WORTH_SEEING: f64 = 10.0;

/// The error of a slope falls with the length of a run to this power, where
/// the noise forgets what was before: more readings, and a longer lever.
const WITH_LENGTH: f64 = 1.5;

/// Series named in a sentence.
const NAMED: usize = 3;

/// The smallest leak of memory that could not have hidden.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Detectable {
    mb_per_hour: f64,
    /// Of the heap only: resident memory grew, and was explained by what the
    /// allocator keeps.
    heap_only: bool,
    /// How many hours it would take to see the one asked for.
    hours: f64,
}

/// Sets the headline, and makes a pass inconclusive where the leak that must be
/// seen could not have been.
pub(super) fn conclude(report: &mut LeakReport, options: &LeakOptions) {
    if report.verdict == Verdict::Pass
        && let Some(must_see) = options.must_see
        && let Some(lacks) = unseen(report, options, must_see)
    {
        report.verdict = Verdict::Inconclusive;
        report.headline = lacks;
        return;
    }
    report.headline = match report.verdict {
        Verdict::Fail => failed(report),
        Verdict::Pass => passed(report, options),
        Verdict::Inconclusive => missing(report),
    };
}

/// One sentence for all things that leak.
pub(super) fn failed(report: &LeakReport) -> String {
    let things = report.things.iter().map(|thing| thing.sentence.as_str());
    things.collect::<Vec<_>>().join("; ")
}

/// Why the leak that must be seen could not have been, if so.
fn unseen(report: &LeakReport, options: &LeakOptions, must_see: MustSee) -> Option<String> {
    let wanted = must_see.mb_per_hour();
    let wanted_rate = rate(wanted);
    let Some(found) = detectable(report, options, wanted) else {
        return Some(format!(
            "a leak of {wanted_rate} had to be seen, and no series of memory was judged"
        ));
    };
    let Detectable {
        mb_per_hour, hours, ..
    } = found;
    (mb_per_hour > wanted).then(|| {
        format!(
            "a leak of {wanted_rate} had to be seen, and one below {} could have hidden in {}; \
             run {}",
            rate(mb_per_hour),
            duration(report.hours),
            length(hours)
        )
    })
}

fn passed(report: &LeakReport, options: &LeakOptions) -> String {
    let wanted = options.must_see.map_or(WORTH_SEEING, MustSee::mb_per_hour);
    if let Some(found) = detectable(report, options, wanted) {
        let what = if found.heap_only {
            "no leak of the heap"
        } else {
            "no leak"
        };
        let said = format!(
            "{what} above {} could have hidden in {}",
            rate(found.mb_per_hour),
            duration(report.hours)
        );
        return if found.mb_per_hour > wanted {
            format!(
                "{said}; to see {} run {}",
                rate(wanted),
                length(found.hours)
            )
        } else {
            said
        };
    }
    let counts: Vec<String> = report
        .series
        .iter()
        .filter_map(|series| {
            let least = floor(series, report.hours)?;
            Some(format!("{} {}/h", readable(least), series.name))
        })
        .collect();
    if counts.is_empty() {
        return format!("{} series judged, none leaks", report.series.len());
    }
    format!(
        "no leak above {} could have hidden in {}; no series of memory was judged",
        few(&counts),
        duration(report.hours)
    )
}

/// What could not be judged, and what it takes.
fn missing(report: &LeakReport) -> String {
    if report.series.is_empty() {
        return "there is no series to judge; a timeline with rss_mb or the like is needed"
            .to_owned();
    }
    let mut said: Vec<(&str, Vec<String>)> = Vec::new();
    let mut open: Vec<&SeriesVerdict> = report
        .series
        .iter()
        .filter(|series| series.verdict.verdict() == Verdict::Inconclusive)
        .collect();
    open.sort_by_key(|series| memory_rank(series).unwrap_or(usize::MAX));
    for series in open {
        let what = gist(&series.explanation);
        match said.iter_mut().find(|(known, _)| *known == what) {
            Some((_, names)) => names.push(series.name.clone()),
            None => said.push((what, vec![series.name.clone()])),
        }
    }
    let more = said.len().saturating_sub(NAMED);
    let mut sentences: Vec<String> = said
        .iter()
        .take(NAMED)
        .map(|(what, names)| format!("{}: {what}", few(names)))
        .collect();
    if more > 0 {
        sentences.push(format!("and {more} more"));
    }
    sentences.join("; ")
}

/// An explanation without the numbers it begins with.
fn gist(explanation: &str) -> &str {
    match explanation.split_once(": ") {
        Some((numbers, gist)) if numbers.contains("quarters") => gist,
        _ => explanation,
    }
}

/// The first few of many, and how many more.
fn few(names: &[String]) -> String {
    let first = names[..names.len().min(NAMED)].join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// What of a series that passes could have hidden, by the hour: what its noise
/// hides, and what it made a step of.
fn floor(series: &SeriesVerdict, hours: f64) -> Option<f64> {
    if series.verdict.verdict() != Verdict::Pass {
        return None;
    }
    let step = match (series.verdict, &series.quarters[..]) {
        (SeriesOutcome::Step, [Some(first), .., Some(last)]) => (last - first) / hours,
        _ => 0.0,
    };
    Some(series.detectable_per_hour?.max(step)).filter(|least| least.is_finite())
}

/// The smallest leak that could not have hidden: what leaks from the heap shows
/// on the live heap, where that is known, and anything shows on resident memory,
/// of whose readings the quietest counts.
fn detectable(report: &LeakReport, options: &LeakOptions, wanted: f64) -> Option<Detectable> {
    let memory = |series: &&SeriesVerdict| series.unit == "MB" && memory_rank(series).is_some();
    let known = report.series.iter().any(|series| memory(&series));
    let all = || {
        let series = report.series.iter();
        series.filter(move |series| series.unit == "MB" && (!known || memory(series)))
    };
    let value = |series: &&SeriesVerdict| floor(series, report.hours);
    let heap = all().filter(|series| is_heap(series));
    let heap = heap.filter_map(|series| Some((value(&series)?, series)));
    let heap = heap.max_by(|a, b| a.0.total_cmp(&b.0));
    let excused = |series: &&SeriesVerdict| series.verdict == SeriesOutcome::Retention;
    let heap_only = heap.is_some() && all().any(|series| excused(&series));
    let resident = all().filter(|series| !is_heap(series) && !excused(series) && !heap_only);
    let resident = resident.filter_map(|series| Some((value(&series)?, series)));
    let resident = resident.min_by(|a, b| a.0.total_cmp(&b.0));
    let both = [heap, resident];
    let both = both.iter().flatten();
    let mb_per_hour = both.clone().map(|(value, _)| *value).reduce(f64::max)?;
    let hours = both
        .map(|(value, series)| needed(report.hours, *value, series, options, wanted))
        .fold(0.0, f64::max);
    Some(Detectable {
        mb_per_hour,
        heap_only,
        hours,
    })
}

/// How many hours it takes to see a leak of `wanted` by a series that shows one
/// of `value` in so many `hours`.
fn needed(
    hours: f64,
    value: f64,
    series: &SeriesVerdict,
    options: &LeakOptions,
    wanted: f64,
) -> f64 {
    let level = series.quarters.last().copied().flatten().unwrap_or(0.0);
    let mut length = hours.max(1.0 / 3600.0);
    let shows = |length: f64| {
        let noise = value * (hours / length).powf(WITH_LENGTH);
        noise.max(options.material_mb.growth(level, length) / length)
    };
    // Both fall, so that a hundred years are reached in some 400 steps.
    while shows(length) > wanted && length < 876_000.0 {
        length *= 1.05;
    }
    length
}

/// A length of time, rounded up to what one would type.
fn length(hours: f64) -> String {
    let minutes = hours * 60.0;
    let step = match minutes {
        m if m < 10.0 => 1.0,
        m if m < 60.0 => 5.0,
        m if m < 600.0 => 30.0,
        m if m < 6_000.0 => 60.0,
        _ => 1_440.0,
    };
    duration((minutes / step).ceil() * step / 60.0)
}
