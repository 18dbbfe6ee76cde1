//! Which code leaks: from the heap profiles of a run to the functions whose
//! old blocks grow, with how sure that is and what it costs.
//!
//! Every sampled block in a heap profile says when it was born. Of two
//! profiles the later shows which blocks of the time between survived, and how
//! many of those that were old already have gone. A cache that is full, a pool
//! or a service at rest loses as many old blocks as it gains; start-up and a
//! cache that fills gain in the beginning only. A leak gains in every part of
//! the run. `LEAKS.md` tells the method in words.
//!
//! | file | what |
//! |---|---|
//! | `survivors` | old blocks gained and lost between two profiles |
//! | `chance` | how likely that is without a leak |
//! | `code` | the function that a stack is charged to |

mod chance;
mod code;
mod survivors;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::profile::Profile;
use crate::timeline::Timeline;
use chance::{fair_coin, rejected};
use survivors::{Growth, Half, growth};

/// Before this part of the time covered, a service is starting.
const WARM_UP: f64 = 0.25;
/// Blocks younger than this part of the time judged are left out: how many of
/// them will live is not known yet.
const YOUNG: f64 = 0.1;
/// Of the causes named, the share that may be wrong.
const FALSE_DISCOVERIES: f64 = 0.05;
/// The standard normal's 95 % point, for lower bounds.
const SURE: f64 = 1.645;

/// A heap profile and when in the run it was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct HeapShot {
    /// Seconds since the run began.
    pub seconds: f64,
    /// The profile; samples of blocks in use carry the number `born`, in
    /// seconds of the run.
    pub profile: Profile,
}

/// Code whose old blocks grow.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Cause {
    /// The innermost function of the stack that is not of a standard library.
    pub code: String,
    /// The span that allocated most of it, where known.
    pub span: Option<String>,
    /// Growth per hour, in bytes.
    pub bytes_per_hour: f64,
    /// What growth per hour is at least, with 95 % confidence. Causes are
    /// ranked by it.
    pub bytes_per_hour_low: f64,
    /// Growth per request, in bytes, where requests were counted.
    pub bytes_per_request: Option<f64>,
    /// What growth per request is at least, with 95 % confidence.
    pub bytes_per_request_low: Option<f64>,
    /// How many sampled blocks were gained, and how many old ones lost.
    pub gained: u64,
    /// See `gained`.
    pub lost: u64,
    /// The probability of this where old blocks do not grow in every part of
    /// the run.
    pub chance: f64,
    /// The heaviest stack of it, innermost function first.
    pub stack: Vec<String>,
}

/// Where a run is judged: the first profile after the start, one in the
/// middle, and the last.
fn stations(shots: &[HeapShot]) -> Option<[&HeapShot; 3]> {
    let last = shots.last()?;
    let base = shots
        .iter()
        .find(|shot| shot.seconds >= WARM_UP * last.seconds)?;
    let half_way = (base.seconds + last.seconds) / 2.0;
    let middle = shots
        .iter()
        .filter(|shot| shot.seconds > base.seconds && shot.seconds < last.seconds)
        .min_by(|a, b| {
            let off = |shot: &HeapShot| (shot.seconds - half_way).abs();
            off(a).total_cmp(&off(b))
        })?;
    Some([base, middle, last])
}

/// How old a block must be to count, in seconds.
fn old_age(base: &HeapShot, last: &HeapShot) -> f64 {
    YOUNG * (last.seconds - base.seconds)
}

/// The code that leaks, the surest bytes first; none where fewer than three
/// profiles cover the time after the start.
///
/// Two halves of the run must each gain more old blocks than they lose. If
/// they did not grow, each change would be a gain or a loss with equal
/// probability; the larger of the two one-sided binomial probabilities is the
/// function's (an intersection-union test, Berger 1982). Functions are named
/// so that of those named a twentieth is wrong on average (Benjamini and
/// Hochberg 1995), leaving out those with too few blocks to be named at all
/// (Tarone 1990).
#[must_use]
pub fn causes(shots: &[HeapShot], timeline: &Timeline) -> Vec<Cause> {
    let Some([base, middle, last]) = stations(shots) else {
        return Vec::new();
    };
    let old = old_age(base, last);
    let halves = [
        growth(&Half::new(base, middle, old)),
        growth(&Half::new(middle, last, old)),
    ];
    let mut all: BTreeMap<&str, [Option<&Growth>; 2]> = BTreeMap::new();
    for (number, half) in halves.iter().enumerate() {
        for (code, growth) in half {
            all.entry(code).or_default()[number] = Some(growth);
        }
    }
    let judged: Vec<(&str, [&Growth; 2], f64)> = all
        .into_iter()
        .filter_map(|(code, [first, second])| {
            let halves = [first?, second?];
            let chance = |growth: &Growth, gained: f64| {
                fair_coin(gained.round() as u64, growth.lost.round() as u64)
            };
            let could_be = |growth: &&Growth| {
                let flips = (growth.gained + growth.lost).round() as u64;
                fair_coin(flips, 0) <= FALSE_DISCOVERIES
            };
            let worst = halves
                .iter()
                .map(|growth| chance(growth, growth.gained))
                .fold(0.0, f64::max);
            halves.iter().all(could_be).then_some((code, halves, worst))
        })
        .collect();
    let chances: Vec<f64> = judged.iter().map(|(_, _, chance)| *chance).collect();
    let named = rejected(&chances, FALSE_DISCOVERIES);
    let hours = (last.seconds - base.seconds) / 3600.0;
    let requests = requests(timeline, base.seconds, last.seconds);
    let mut causes: Vec<Cause> = judged
        .into_iter()
        .zip(named)
        .filter(|(_, named)| *named)
        .map(|((code, [first, second], chance), _)| {
            let bytes = first.bytes() + second.bytes();
            let deviation = (first.variance + second.variance).sqrt();
            let low = (bytes - SURE * deviation).max(0.0);
            let heaviest = second.heaviest.as_ref().or(first.heaviest.as_ref());
            Cause {
                code: code.to_owned(),
                span: heaviest.and_then(|heaviest| heaviest.span.clone()),
                bytes_per_hour: bytes / hours,
                bytes_per_hour_low: low / hours,
                bytes_per_request: requests.map(|requests| bytes / requests),
                bytes_per_request_low: requests.map(|requests| low / requests),
                gained: (first.gained + second.gained).round() as u64,
                lost: (first.lost + second.lost).round() as u64,
                chance,
                stack: heaviest.map_or_else(Vec::new, |heaviest| heaviest.stack.clone()),
            }
        })
        .filter(|cause| cause.bytes_per_hour_low > 0.0)
        .collect();
    causes.sort_by(|a, b| b.bytes_per_hour_low.total_cmp(&a.bytes_per_hour_low));
    causes
}

/// What the heap holds at the end and did not at the first profile after the
/// start, the youngest blocks of both left out.
///
/// `None` where there are not two such profiles, or they are not of one kind.
#[must_use]
pub fn heap_growth(shots: &[HeapShot]) -> Option<Profile> {
    let last = shots.last()?;
    let base = shots
        .iter()
        .find(|shot| shot.seconds >= WARM_UP * last.seconds)
        .filter(|base| base.seconds < last.seconds)?;
    let old = old_age(base, last);
    let survivors = |shot: &HeapShot| {
        let cut = shot.seconds - old;
        let is_old = |born: i64| survivors::is_before(born, cut);
        shot.profile
            .filter(|sample| sample.number(survivors::BORN).is_some_and(is_old))
    };
    survivors(last).subtract(&survivors(base)).ok()
}

/// Requests served between two seconds of the run; `None` where none were
/// counted.
fn requests(timeline: &Timeline, from: f64, to: f64) -> Option<f64> {
    let rates = timeline.series("requests_per_s")?;
    let seconds: Vec<f64> = timeline
        .elapsed_hours()
        .iter()
        .map(|hours| hours * 3600.0)
        .collect();
    // A row's rate is of the time since the row before.
    let served: f64 = seconds
        .windows(2)
        .zip(rates.iter().skip(1))
        .filter(|(row, rate)| row[1] > from && row[1] <= to && rate.is_finite())
        .map(|(row, rate)| rate * (row[1] - row[0]))
        .sum();
    (served >= 1.0).then_some(served)
}

#[cfg(test)]
mod tests;
