//! Which code leaks: from the heap profiles of a run to the functions whose
//! old blocks grow, with how sure that is and what it costs.
//!
//! Every sampled block in a heap profile says when it was born. Of two
//! profiles the later shows which blocks of the time between survived, and how
//! many of those that were old already have gone. A cache that is full, a pool
//! or a service at rest loses as many old blocks as it gains; start-up and a
//! cache that fills gain in the beginning only. A leak gains in every part of
//! the run. A table that is never emptied is one block that is always young, and
//! is followed as a whole. `LEAKS.md` describes the method.
//!
//! | file | what |
//! |---|---|
//! | `survivors` | old blocks gained and lost between two profiles |
//! | `holdings` | the large blocks of each function at each profile |
//! | `tables` | those that double as they are filled |
//! | `standing` | the profiles of a service that was not torn down yet |
//! | `growing` | which of both go on to the end: evidence for a verdict |
//! | `chance` | how likely a growth is without a leak |
//! | `code` | the function that a stack is charged to |

mod chance;
mod code;
mod growing;
mod holdings;
mod standing;
mod survivors;
mod tables;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::columns::REQUESTS_PER_S;
use crate::profile::Profile;
use crate::spans::SpanTotal;
use crate::timeline::Timeline;
use chance::{fair_coin, rejected};
pub(crate) use growing::{Growing, HeapGrowth, Kind, heap_growth_to_the_end};
pub(crate) use standing::standing;
use survivors::{Growth, Half, Heaviest, growth};

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
    /// The route of the request that it was in, where known.
    pub route: Option<String>,
    /// Growth per hour, in bytes.
    pub bytes_per_hour: f64,
    /// What growth per hour is at least, with 95 % confidence. Causes are
    /// ranked by it.
    pub bytes_per_hour_low: f64,
    /// Growth per request, in bytes, where requests were counted: of those on
    /// the routes it was allocated on, where these are known, else of all.
    pub bytes_per_request: Option<f64>,
    /// What growth per request is at least, with 95 % confidence.
    pub bytes_per_request_low: Option<f64>,
    /// How many sampled blocks were gained, and how many old ones lost.
    pub gained: u64,
    /// See `gained`.
    pub lost: u64,
    /// The probability of this where old blocks do not grow in every part of
    /// the run; of a table, that it is larger each time by chance.
    pub chance: f64,
    /// A table that doubles as it is filled, as `HashMap` and `Vec` do.
    pub is_table: bool,
    /// The route whose requests `bytes_per_request` is per, where it is one.
    pub requests_of: Option<String>,
    /// The heaviest stack of it, innermost function first.
    pub stack: Vec<String>,
    /// Routes on which it was allocated, or spans, with their bytes.
    #[serde(skip)]
    pub(crate) routes: BTreeMap<String, f64>,
    /// From which second of the run to which it is.
    #[serde(skip)]
    pub(crate) seconds: [f64; 2],
    /// Whether it is charged to the requests on its routes.
    #[serde(skip)]
    pub(crate) is_charged: bool,
}

/// Routes with less than this part of a cause's bytes are not its own.
const OWN_ROUTE: f64 = 0.05;

impl Cause {
    /// Growth per request, where that is of the requests which made it.
    pub(crate) fn per_request(&self) -> Option<f64> {
        self.bytes_per_request
            .filter(|_| self.is_charged || self.routes.is_empty())
    }

    /// Charges it to the requests on its own routes: a login that leaks is per
    /// login, not per request. Counts are of the whole run; the part of them
    /// that was in the time judged is that of all requests.
    pub(crate) fn charge(&mut self, spans: &[SpanTotal], timeline: &Timeline) {
        let all: f64 = self.routes.values().sum();
        let own: Vec<&str> = self
            .routes
            .iter()
            .filter(|(_, bytes)| **bytes >= OWN_ROUTE * all)
            .map(|(route, _)| route.as_str())
            .collect();
        let of_own = spans
            .iter()
            .filter(|span| own.contains(&span.name.as_str()));
        let count: u64 = of_own.map(|span| span.count).sum();
        let (Some(first), Some(last)) = (
            timeline.elapsed_hours().first(),
            timeline.elapsed_hours().last(),
        ) else {
            return;
        };
        let [from, end] = self.seconds;
        let (first, last) = (first * 3600.0, last * 3600.0);
        let part = match (
            requests(timeline, from, end),
            requests(timeline, first, last),
        ) {
            (Some(part), Some(all)) => part / all,
            _ => (end - from) / (last - first).max(end - from),
        };
        let served = count as f64 * part.min(1.0);
        if served < 1.0 {
            return;
        }
        let per_request = |per_hour: f64| per_hour * (end - from) / 3600.0 / served;
        self.bytes_per_request = Some(per_request(self.bytes_per_hour));
        self.bytes_per_request_low = Some(per_request(self.bytes_per_hour_low));
        self.is_charged = true;
        self.requests_of = match own[..] {
            [route] => Some(route.to_owned()),
            _ => None,
        };
    }
}

/// Where a run is judged: a profile at which the time judged begins, one in the
/// middle, and the last.
fn stations(shots: &[HeapShot], from: Option<f64>) -> Option<[&HeapShot; 3]> {
    let last = shots.last()?;
    let from = from.unwrap_or(0.0).max(WARM_UP * last.seconds);
    // However late that is, three are the least of which anything can be said.
    let latest = shots.len().checked_sub(3)?;
    let base = shots
        .iter()
        .position(|shot| shot.seconds >= from)
        .map_or(latest, |base| base.min(latest));
    let base = &shots[base];
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
/// (Tarone 1990). A table that doubles as it is filled, and is not overdue to
/// double again, is named by that.
#[must_use]
pub fn causes(shots: &[HeapShot], timeline: &Timeline) -> Vec<Cause> {
    causes_since(shots, timeline, None, None)
}

/// [`causes`] from a second of the run on, which together explain no more than
/// so many bytes an hour: what is measured of the whole heap is surer than the
/// sum of samples.
pub(crate) fn causes_since(
    shots: &[HeapShot],
    timeline: &Timeline,
    from: Option<f64>,
    most_per_hour: Option<f64>,
) -> Vec<Cause> {
    let Some([base, middle, last]) = stations(shots, from) else {
        return Vec::new();
    };
    let old = old_age(base, last);
    let tables = growing::tables(shots, base.seconds);
    let large: BTreeSet<&str> = tables.keys().map(String::as_str).collect();
    let halves = [
        growth(&Half::new(base, middle, old), &large),
        growth(&Half::new(middle, last, old), &large),
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
    let mut found: BTreeMap<&str, Found> = BTreeMap::new();
    for ((code, [first, second], chance), named) in judged.into_iter().zip(named) {
        let heaviest = second.heaviest.as_ref().or(first.heaviest.as_ref());
        let kept = Found {
            bytes: first.bytes() + second.bytes(),
            variance: first.variance + second.variance,
            gained: (first.gained + second.gained).round() as u64,
            lost: (first.lost + second.lost).round() as u64,
            chance,
            is_table: false,
            heaviest: heaviest.cloned(),
        };
        if named && kept.low() > 0.0 {
            found.insert(code, kept);
        }
    }
    for (code, placed) in &tables {
        let table = placed.table;
        if table.is_full(last.seconds) {
            continue;
        }
        let table = Found {
            bytes: table.bytes,
            variance: table.variance,
            gained: table.jumps,
            lost: 0,
            chance: fair_coin(table.jumps, 0),
            is_table: true,
            heaviest: placed.heaviest.clone(),
        };
        let known = found.remove(code.as_str());
        found.insert(code, table.with(known));
    }
    let seconds = last.seconds - base.seconds;
    let requests = requests(timeline, base.seconds, last.seconds);
    let sum: f64 = found.values().map(|found| found.bytes).sum();
    let most = most_per_hour.map_or(f64::INFINITY, |most| most * seconds / 3600.0);
    let share = if sum > most { most / sum } else { 1.0 };
    let mut causes: Vec<Cause> = found
        .into_iter()
        .map(|(code, found)| found.cause(code, share, [base.seconds, last.seconds], requests))
        .filter(|cause| cause.bytes_per_hour_low > 0.0)
        .collect();
    causes.sort_by(|a, b| b.bytes_per_hour_low.total_cmp(&a.bytes_per_hour_low));
    causes
}

/// A cause in the making: growth in bytes, not yet by the hour.
struct Found {
    bytes: f64,
    variance: f64,
    gained: u64,
    lost: u64,
    chance: f64,
    is_table: bool,
    heaviest: Option<Heaviest>,
}

impl Found {
    /// At least, with 95 % confidence.
    fn low(&self) -> f64 {
        (self.bytes - SURE * self.variance.sqrt()).max(0.0)
    }

    /// A table and what is kept beside it by the same function, which is often
    /// what the table holds.
    fn with(self, kept: Option<Found>) -> Found {
        let Some(kept) = kept else {
            return self;
        };
        let (heavier, lighter) = if kept.bytes > self.bytes {
            (kept, self)
        } else {
            (self, kept)
        };
        Found {
            bytes: heavier.bytes + lighter.bytes,
            variance: heavier.variance + lighter.variance,
            gained: heavier.gained + lighter.gained,
            lost: heavier.lost + lighter.lost,
            chance: heavier.chance.min(lighter.chance),
            is_table: true,
            heaviest: heavier.heaviest.or(lighter.heaviest),
        }
    }

    fn cause(self, code: &str, share: f64, [from, end]: [f64; 2], requests: Option<f64>) -> Cause {
        let (bytes, low) = (share * self.bytes, share * self.low());
        let hours = (end - from) / 3600.0;
        let heaviest = self.heaviest.unwrap_or_default();
        Cause {
            code: code.to_owned(),
            bytes_per_hour: bytes / hours,
            bytes_per_hour_low: low / hours,
            bytes_per_request: requests.map(|requests| bytes / requests),
            bytes_per_request_low: requests.map(|requests| low / requests),
            gained: self.gained,
            lost: self.lost,
            chance: self.chance,
            is_table: self.is_table,
            requests_of: None,
            span: heaviest.span,
            route: heaviest.route,
            stack: heaviest.stack,
            routes: heaviest.routes,
            seconds: [from, end],
            is_charged: false,
        }
    }
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
    let rates = timeline.series(REQUESTS_PER_S.name)?;
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
