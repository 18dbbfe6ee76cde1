//! What the heap profiles say of the series of memory: they see which code holds
//! what, where a series sees a sum.
//!
//! A function that holds more and more to the end is a leak, whatever shape the
//! series took for; one that may still be filled makes a pass inconclusive.

use super::observer::less_agent;
use super::things::{is_heap, memory_rank};
use super::{LeakOptions, SeriesOutcome, SeriesVerdict, TimeToLimit, judge};
use crate::causes::{Growing, HeapGrowth, HeapShot, Kind, heap_growth_to_the_end};
use crate::columns::{REQUESTS_PER_S, RSS_ANON_MB, RSS_MB};
use crate::number::{duration, readable};
use crate::timeline::Timeline;
use crate::verdict::Verdict;

/// The rule that decides by heap profiles.
pub(super) const RULE: &str = "heap-profiles";

/// The heap must have grown by this part of what the functions hold more: what
/// one gains and another loses is no growth.
const NET: f64 = 0.5;
/// … and by this part where it is only in doubt: a table may have doubled between
/// the last reading and the last profile.
const NET_OF_DOUBT: f64 = 0.15;

/// Requests below this part of their usual rate are no load.
const IDLE: f64 = 0.05;

/// Readings of resident memory at every tick, the closest to the heap first.
const RESIDENT: [&str; 2] = [RSS_ANON_MB.name, RSS_MB.name];

const MB: f64 = (1 << 20) as f64;

/// Lets the profiles decide about the live heap, or about resident memory where
/// that is not known. Answers what they say.
pub(super) fn weigh(
    series: &mut [SeriesVerdict],
    timeline: &Timeline,
    shots: &[HeapShot],
    options: &LeakOptions,
) -> Option<HeapGrowth> {
    let [start, end] = loaded(timeline);
    let mut growth = heap_growth_to_the_end(shots, start, end)?;
    for function in &mut growth.functions {
        let last_third = start.min(growth.to) + (growth.to - start.min(growth.to)) * 2.0 / 3.0;
        if let Kind::Table { slows: false, .. } = function.kind {
            function.sure |= fills_pages(timeline, function.bytes / MB, [last_third, growth.to]);
        }
    }
    let ranked = series
        .iter_mut()
        .filter(|series| memory_rank(series).is_some() && series.rule != judge::ENOUGH_DATA)
        .min_by_key(|series| memory_rank(series));
    let Some(heap) = ranked else {
        return Some(growth);
    };
    let hours = (growth.to - growth.from) / 3600.0;
    let level = heap.quarters.first().copied().flatten().unwrap_or(0.0);
    let material = options.material_mb.growth(level, hours) * MB;
    let measured = if is_heap(heap) {
        measured(timeline, &heap.name, growth.from, growth.to).map(|mb| mb * MB)
    } else {
        None
    };
    let net = measured.unwrap_or(growth.bytes);
    let enough = |functions: &[&Growing], part: f64| {
        let held: f64 = functions.iter().map(|function| function.bytes).sum();
        held >= material && net >= material && net >= part * held
    };
    let sure: Vec<&Growing> = growth.functions.iter().filter(|f| f.sure).collect();
    let all: Vec<&Growing> = growth.functions.iter().collect();
    let passes = heap.verdict.verdict() == Verdict::Pass;
    let open = matches!(
        heap.verdict,
        SeriesOutcome::Warming | SeriesOutcome::Inconclusive
    );
    if enough(&sure, NET) && (passes || open) {
        let explanation = format!(
            "{} MB more in {}, from {} on, and {}",
            readable(net / MB),
            duration(hours),
            duration(growth.from / 3600.0),
            said(&sure)
        );
        heap.leak(net / MB / hours, growth.from / 60.0, options);
        heap.settle(SeriesOutcome::Leak, RULE, explanation);
    } else if enough(&all, NET_OF_DOUBT) && (passes || heap.verdict == SeriesOutcome::Warming) {
        let due = all.iter().filter_map(|function| match function.kind {
            Kind::Table { due, .. } => Some(due),
            Kind::Kept => None,
        });
        // What is kept shows after as long again.
        let due = due.fold(0.0, f64::max).max(growth.to * 1.25);
        let explanation = format!(
            "{} MB more in {}, and {}; whether that goes on is to be seen: run {} in all",
            readable(net / MB),
            duration(hours),
            said(&all),
            duration(1.3 * due / 3600.0)
        );
        heap.settle(SeriesOutcome::Inconclusive, RULE, explanation);
    }
    Some(growth)
}

impl SeriesVerdict {
    /// The numbers of a leak that the profiles show.
    fn leak(&mut self, per_hour: f64, from_min: f64, options: &LeakOptions) {
        self.slope_per_hour = Some(per_hour);
        self.slope_interval = None;
        self.slope_per_request = None;
        self.judged_from_min = Some(from_min);
        let level = self.quarters.last().copied().flatten();
        self.time_to_limit =
            options
                .limit(&self.name, true)
                .zip(level)
                .and_then(|(limit, level)| {
                    TimeToLimit::of(limit, level, per_hour, [per_hour, per_hour])
                });
    }
}

/// What functions hold more, in words.
fn said(functions: &[&Growing]) -> String {
    const FEW: usize = 3;
    let words = functions.iter().take(FEW).map(|function| {
        let held = format!("{} holds {} MB more", function.code, readable(function.bytes / MB));
        match function.kind {
            Kind::Kept => held,
            Kind::Table { last, due, .. } => format!(
                "{held} in a table that grows as it is filled, last at {}, next at {} if it is filled on",
                duration(last / 3600.0),
                duration(due / 3600.0)
            ),
        }
    });
    words.collect::<Vec<_>>().join("; ")
}

/// By how much a series rose between two seconds of the run: from the floor
/// about the first to the least of the few readings before the last.
fn measured(timeline: &Timeline, name: &str, from: f64, to: f64) -> Option<f64> {
    /// About, in parts of the time between.
    const NEAR: f64 = 0.05;
    const FEW: usize = 3;
    let values = less_agent(timeline, name);
    let rows: Vec<(f64, f64)> = timeline
        .elapsed_hours()
        .iter()
        .zip(values.iter())
        .filter(|(_, value)| value.is_finite())
        .map(|(hour, value)| (*hour * 3600.0, *value))
        .collect();
    let least = |rows: &[(f64, f64)]| rows.iter().map(|row| row.1).reduce(f64::min);
    let near = NEAR * (to - from);
    let first = rows.partition_point(|row| row.0 < from - near);
    let after = rows.partition_point(|row| row.0 <= from + near);
    let end = rows.partition_point(|row| row.0 <= to);
    Some(least(&rows[end.saturating_sub(FEW)..end])? - least(&rows[first..after])?)
}

/// Whether resident memory grew all the time between two seconds as that of a
/// table does which is filled: its pages are touched one after the other.
fn fills_pages(timeline: &Timeline, table_mb: f64, [from, to]: [f64; 2]) -> bool {
    /// A table of small entries has all of its pages from the beginning.
    const OF_TABLE: f64 = 0.03;
    const MIN_MB: f64 = 2.0;
    /// Of the growth, in each of three parts of the time.
    const EACH: f64 = 0.15;
    let Some(name) = RESIDENT.iter().find(|name| timeline.has_readings(name)) else {
        return false;
    };
    let at = |part: f64| from + part * (to - from);
    let rises: Option<Vec<f64>> = (0..3)
        .map(|third| {
            let [from, to] = [third, third + 1].map(|third| at(f64::from(third) / 3.0));
            measured(timeline, name, from, to)
        })
        .collect();
    let Some(rises) = rises else { return false };
    let all: f64 = rises.iter().sum();
    all >= (OF_TABLE * table_mb).max(MIN_MB) && rises.iter().all(|rise| *rise >= EACH * all)
}

/// From which second to which there were requests; the whole run where that is
/// not known.
fn loaded(timeline: &Timeline) -> [f64; 2] {
    let whole = [0.0, f64::INFINITY];
    let Some(rates) = timeline.readings(REQUESTS_PER_S.name) else {
        return whole;
    };
    let mut known: Vec<f64> = rates.iter().copied().filter(|rate| *rate > 0.0).collect();
    if known.is_empty() {
        return whole;
    }
    let middle = known.len() / 2;
    let usual = *known.select_nth_unstable_by(middle, f64::total_cmp).1;
    let busy = |(_, rate): &(&f64, &f64)| **rate > IDLE * usual;
    let mut rows = timeline.elapsed_hours().iter().zip(&rates);
    let Some((first, _)) = rows.find(busy) else {
        return whole;
    };
    let last = rows.rfind(busy).map_or(*first, |(last, _)| *last);
    [first * 3600.0, last * 3600.0]
}
