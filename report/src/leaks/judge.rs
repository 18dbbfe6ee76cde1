//! The verdict on one series.

use super::candidates::{Candidate, Unit};
use super::floors::{Point, floors, quarters};
use super::slope::{Slope, median, theil_sen};
use super::window::{Settling, settling, span, steady};
use super::{LeakOptions, SeriesOutcome, SeriesVerdict};
use crate::number::{duration, readable};
use crate::timeline::Timeline;

/// The rule that a series must have enough samples to be judged at all.
pub(super) const ENOUGH_DATA: &str = "enough-data";

/// Each quarter must rise by this share of the mean rise to count as growth
/// that goes on.
const EVEN_RISE: f64 = 0.3;

/// One rise of this share of the whole growth is a step.
const ONE_RISE: f64 = 0.6;

/// The load must itself have grown by this share to explain growth.
const LOAD_GROWTH: f64 = 0.25;

pub(super) fn series(
    timeline: &Timeline,
    candidate: &Candidate,
    options: &LeakOptions,
) -> SeriesVerdict {
    let factor = candidate.unit.factor();
    let values = timeline.series(&candidate.name).unwrap_or_default();
    let points: Vec<Point> = steady(timeline, values, options)
        .into_iter()
        .map(|(hour, value)| (hour, value * factor))
        .collect();
    let mut verdict = SeriesVerdict {
        name: candidate.name.clone(),
        unit: candidate.unit.name().to_owned(),
        verdict: SeriesOutcome::Inconclusive,
        slope_per_hour: None,
        slope_interval: None,
        detectable_per_hour: None,
        quarters: quarters(&points),
        judged_from_min: points.first().map(|point| point.0 * 60.0),
        samples: points.len(),
        rule: String::new(),
        explanation: String::new(),
    };
    if let Some(needed) = too_little(timeline, &points, options) {
        verdict.settle(SeriesOutcome::Inconclusive, ENOUGH_DATA, needed);
        return verdict;
    }
    let limits = match candidate.unit {
        Unit::Memory { .. } => &options.material_mb,
        Unit::Count => &options.material_count,
    };
    let material = limits.growth(verdict.quarters[0].unwrap_or(0.0));
    let (start, settled) = match settling(&points, material) {
        Settling::From(start) => (start, true),
        Settling::Never => (points.len() / 2, false),
    };
    let points = &points[start..];
    verdict.quarters = quarters(points);
    verdict.judged_from_min = points.first().map(|point| point.0 * 60.0);
    verdict.samples = points.len();
    let floors = floors(points);
    let Some(slope) = theil_sen(&floors) else {
        let needed = "all samples are of one moment; a trend needs time to pass".to_owned();
        verdict.settle(SeriesOutcome::Inconclusive, ENOUGH_DATA, needed);
        return verdict;
    };
    let hours = span(points);
    let floor = (slope.high - slope.low) / 2.0;
    verdict.slope_per_hour = Some(slope.per_hour);
    verdict.slope_interval = Some([slope.low, slope.high]);
    verdict.detectable_per_hour = Some(floor.max(material / hours));
    let judged = Judged {
        slope,
        hours,
        material,
        settled,
        load: load(timeline, points),
    };
    verdict.decide(&judged);
    verdict
}

/// What is known about the growth of a series.
struct Judged {
    slope: Slope,
    hours: f64,
    material: f64,
    settled: bool,
    /// By which share the load grew meanwhile, and how closely the series
    /// followed it, from -1 to 1.
    load: Option<(f64, f64)>,
}

impl SeriesVerdict {
    fn settle(&mut self, outcome: SeriesOutcome, rule: &str, explanation: String) {
        self.verdict = outcome;
        self.rule = rule.to_owned();
        self.explanation = explanation;
    }

    fn decide(&mut self, judged: &Judged) {
        let amount = |value: f64| {
            format!("{} {}", readable(value), self.unit)
                .trim()
                .to_owned()
        };
        let rises: Vec<f64> = self
            .quarters
            .windows(2)
            .filter_map(|pair| Some(pair[1]? - pair[0]?))
            .collect();
        let growth: f64 = rises.iter().sum();
        let by_slope = judged.slope.per_hour * judged.hours;
        let numbers = format!(
            "{}/h (99 % between {} and {}) over {} after warm-up, quarters {}",
            amount(judged.slope.per_hour),
            readable(judged.slope.low),
            amount(judged.slope.high),
            duration(judged.hours),
            self.quarters
                .iter()
                .map(|quarter| quarter.map_or("-".to_owned(), readable))
                .collect::<Vec<_>>()
                .join(" → "),
        );
        let floor = amount(self.detectable_per_hour.unwrap_or(f64::NAN));
        let material = amount(judged.material);
        let mean_rise = growth / rises.len().max(1) as f64;
        let goes_on = rises.len() == 3 && rises.iter().all(|rise| *rise >= EVEN_RISE * mean_rise);
        let steepest = rises.iter().copied().fold(0.0, f64::max);

        let (outcome, rule, explanation) = if growth.max(by_slope) <= judged.material {
            (
                SeriesOutcome::Clean,
                "material-growth",
                format!(
                    "{numbers}: less than the {material} that would matter; \
                     a leak below {floor}/h could not have been seen"
                ),
            )
        } else if !judged.settled {
            (
                SeriesOutcome::Warming,
                "settled",
                format!(
                    "{numbers}: growing ever more slowly; run for at least {} more to see it settle",
                    duration(judged.hours * 2.0)
                ),
            )
        } else if steepest >= ONE_RISE * growth && !goes_on {
            (
                SeriesOutcome::Step,
                "persistence",
                format!("{numbers}: rose once by {} and stayed", amount(steepest)),
            )
        } else if judged.slope.low <= 0.0 {
            (
                SeriesOutcome::Clean,
                "certain-growth",
                format!(
                    "{numbers}: no certain growth; a leak below {floor}/h could not have been seen"
                ),
            )
        } else if !goes_on {
            (
                SeriesOutcome::Inconclusive,
                "persistence",
                format!(
                    "{numbers}: grew, but not in every quarter; run for at least {} more",
                    duration(judged.hours)
                ),
            )
        } else if let Some((grown, follows)) = judged.load
            && grown >= LOAD_GROWTH
            && follows >= 0.9
        {
            (
                SeriesOutcome::LoadCorrelated,
                "load",
                format!(
                    "{numbers}: it followed the load, which grew by {} %; \
                     repeat at a steady load to tell the two apart",
                    readable(grown * 100.0)
                ),
            )
        } else {
            (
                SeriesOutcome::Leak,
                "persistent-growth",
                format!(
                    "{numbers}: grew in every quarter, by more than the {material} that matters"
                ),
            )
        };
        self.settle(outcome, rule, explanation);
    }
}

/// Resident memory that grows while the live heap does not is kept by the
/// allocator, not leaked by the code.
pub(super) fn retention(series: &mut [SeriesVerdict]) {
    let heap_is_flat = series
        .iter()
        .any(|s| s.name == "heap_live_mb" && s.verdict == SeriesOutcome::Clean);
    if !heap_is_flat {
        return;
    }
    for series in series {
        if series.name.starts_with("rss") && series.verdict == SeriesOutcome::Leak {
            let explanation = format!(
                "{}; the live heap did not grow, so the allocator keeps what was freed",
                series.explanation
            );
            series.settle(SeriesOutcome::Retention, "live-heap", explanation);
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
    let steps: Vec<f64> = timeline
        .elapsed_hours()
        .windows(2)
        .map(|pair| (pair[1] - pair[0]) * 3600.0)
        .filter(|step| *step > 0.0)
        .collect();
    let mut sorted = steps;
    sorted.sort_by(f64::total_cmp);
    let step = median(&sorted).unwrap_or(1.0);
    // Warm-up takes its share of what is added, too.
    let missing = (options.least_samples.saturating_sub(points.len()) as f64 * step)
        .max(options.least_seconds - seconds)
        / (1.0 - options.warm_up).max(0.1);
    Some(format!(
        "{} usable samples over {} after warm-up, where {} over {} are needed; \
         run for at least {} more",
        points.len(),
        duration(seconds / 3600.0),
        options.least_samples,
        duration(options.least_seconds / 3600.0),
        duration(missing.max(1.0) / 3600.0)
    ))
}

/// By how much the load grew over the time judged, and its rank correlation
/// with the series.
fn load(timeline: &Timeline, points: &[Point]) -> Option<(f64, f64)> {
    let values = timeline.readings("requests_per_s")?;
    let (from, to) = (points.first()?.0, points.last()?.0);
    let loads: Vec<Point> = timeline
        .elapsed_hours()
        .iter()
        .zip(values)
        .filter(|(hour, value)| **hour >= from && **hour <= to && value.is_finite())
        .map(|(hour, value)| (*hour, *value))
        .collect();
    let mean = |points: &[Point]| points.iter().map(|p| p.1).sum::<f64>() / points.len() as f64;
    let blocks = 8;
    if loads.len() < blocks || points.len() < blocks {
        return None;
    }
    let means = |points: &[Point]| -> Vec<f64> {
        let at = |block: usize| block * points.len() / blocks;
        (0..blocks)
            .map(|b| mean(&points[at(b)..at(b + 1)]))
            .collect()
    };
    let (load, level) = (means(&loads), means(points));
    let first = load[..2].iter().sum::<f64>() / 2.0;
    let last = load[blocks - 2..].iter().sum::<f64>() / 2.0;
    let grown = if first > 0.0 { last / first - 1.0 } else { 0.0 };
    Some((grown, concordance(&load, &level)))
}

/// Kendall's tau: pairs in the same order less pairs in the opposite, of all.
fn concordance(a: &[f64], b: &[f64]) -> f64 {
    let (mut score, mut pairs) = (0.0, 0.0);
    for i in 0..a.len() {
        for j in i + 1..a.len() {
            pairs += 1.0;
            let product = (a[j] - a[i]) * (b[j] - b[i]);
            if product != 0.0 {
                score += product.signum();
            }
        }
    }
    if pairs > 0.0 { score / pairs } else { 0.0 }
}
