//! Do the samples give each route the CPU time that was measured in it?
//!
//! The CPU time of a route is had in two ways that know nothing of each other:
//! samples, each of which stands for some time, and the clocks of the threads
//! that ran its requests. Their shares by route differ by chance, and by no
//! more than [`Agreement::within`] says. Where they do, the samples do not land
//! where the time is spent, whatever the coverage of the profile.
//!
//! How much chance explains is reckoned from what is known of each route:
//!
//! - Samples: a Poisson count of weights, times [`DESIGN_EFFECT`], as weights
//!   are not all the same and threads that run at one instant are sampled
//!   together. Long requests add nothing to it: what was used is measured, not
//!   guessed from the rate of requests.
//! - Measurement: the standard errors of the rows, times the same, as some
//!   costs are far from normal.
//! - A request that an end of the run cuts is in one of the two alone.
//! - As many routes as are compared (Bonferroni).
//!
//! Routes that are too rare to be compared are pooled, by what a request of
//! them costs, since a clock that errs does so by that. Those whose measurement
//! stands on too little are pooled with `<no request>`: that is the process's
//! CPU time less all requests, so what they have too much it has too little.

use serde::{Deserialize, Serialize};

use super::{NO_REQUEST, SpanKind, SpanTotal};
use crate::normal::quantile;
use crate::number::readable;

/// How often, at most, a run whose samples are right is suspected: nominally,
/// as all else is on the safe side.
const FALSE_ALARMS: f64 = 0.005;

/// How much larger variances may be than those of independent samples of equal
/// weight: three threads that always run together, or weights as uneven.
const DESIGN_EFFECT: f64 = 3.0;

/// Samples that must be expected of a route to compare it alone.
const MIN_EXPECTED: f64 = 5.0;

/// Samples that are expected of rare routes that are compared together, and how
/// many such pools there are at most: many small ones would show nothing.
const POOLED_EXPECTED: f64 = 30.0;
const MAX_POOLS: f64 = 4.0;

/// Requests that must be measured of a route, if not all are: of fewer, the rare
/// costly one is too easily missed.
const MIN_MEASURED: u64 = 100;

/// A difference that matters, in points.
const MATERIAL: f64 = 2.0;

/// One that matters if it is half of the route's share or more.
const MATERIAL_OF_HALF: f64 = 0.5;

/// Whether samples and measured CPU time agree about routes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Agreement {
    /// How many routes were compared, pools of rare ones and what is outside
    /// of requests among them.
    pub routes: u64,
    /// The largest difference of the two shares, in points.
    pub largest_difference: f64,
    /// Where it is: a route, `<no request>`, or a pool in angle brackets.
    pub route: String,
    /// Its share of the CPU time by samples, in percent.
    pub sampled_share: f64,
    /// Its share by measurement, in percent.
    pub measured_share: f64,
    /// What chance explains of the difference, in points: in fewer than one in
    /// a hundred runs whose samples are right is any route further off.
    pub within: f64,
    /// The difference is larger than that, and it matters: two points, or half
    /// a point and half of the share.
    pub beyond_chance: bool,
}

impl Agreement {
    /// What was found, in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        let (points, within) = (readable(self.largest_difference), readable(self.within));
        if self.beyond_chance {
            format!(
                "samples and measured CPU time disagree by {points} points at {}, beyond chance, \
                 which explains {within}: samples say {} %, measurement {} %",
                self.route,
                readable(self.sampled_share),
                readable(self.measured_share),
            )
        } else {
            format!(
                "samples and measured CPU time agree within {points} points of each route's share; \
                 chance explains {within}"
            )
        }
    }

    /// Which figures to doubt, where there is a reason to.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        self.beyond_chance.then(|| {
            format!(
                "samples give {} {} % of the CPU time, measurement {} %, which is beyond chance: \
                 doubt how the flame graphs and functions divide CPU time; cpu_ms by route is \
                 measured and stands",
                self.route,
                readable(self.sampled_share),
                readable(self.measured_share),
            )
        })
    }
}

/// Compares the two, by the rows of requests and of what is outside of them.
/// `None` where nothing was measured, or there are too few samples to compare
/// two routes.
#[must_use]
pub fn agreement(spans: &[SpanTotal]) -> Option<Agreement> {
    let strata: Vec<Stratum> = spans.iter().filter_map(Stratum::of).collect();
    let totals = Totals::of(&strata)?;
    let compared = compared(strata, &totals);
    if compared.len() < 2 {
        return None;
    }
    let z = quantile(FALSE_ALARMS / 2.0 / compared.len() as f64);
    let found = compared
        .iter()
        .map(|stratum| totals.compare(stratum, z, compared.len()));
    found.max_by(|a, b| {
        let key = |found: &Agreement| (found.beyond_chance, found.largest_difference);
        let (a, b) = (key(a), key(b));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    })
}

/// What is compared as one: a route, or several.
#[derive(Debug, Default)]
struct Stratum {
    name: String,
    routes: u64,
    sampled_ms: f64,
    samples: f64,
    measured_ms: f64,
    /// Squares of the standard errors of the routes in it.
    variance: f64,
    /// CPU time of one request, the costliest route's.
    each_ms: f64,
    /// The process's CPU time outside of requests is in it.
    has_rest: bool,
    /// Its measurement stands on enough requests.
    is_known: bool,
}

impl Stratum {
    fn of(span: &SpanTotal) -> Option<Stratum> {
        let has_rest = span.kind == SpanKind::None.name();
        if !has_rest && span.kind != SpanKind::Request.name() {
            return None;
        }
        let some = |value: Option<f64>| value.filter(|value| value.is_finite() && *value > 0.0);
        let measured = span.cpu_measured;
        Some(Stratum {
            name: span.name.clone(),
            routes: 1,
            sampled_ms: some(span.cpu_sampled_ms).unwrap_or(0.0),
            samples: some(span.cpu_sampled_ms).map_or(0.0, |_| span.cpu_samples as f64),
            measured_ms: some(span.cpu_ms).unwrap_or(0.0),
            // That of the rest is the sum of the others'.
            variance: if has_rest {
                0.0
            } else {
                some(span.cpu_se_ms).map_or(0.0, |se| se * se)
            },
            each_ms: some(span.cpu_ms_each()).unwrap_or(0.0),
            has_rest,
            is_known: span.cpu_se_ms.is_some()
                && measured > 0
                && (measured >= span.count || measured >= MIN_MEASURED),
        })
    }

    fn take(&mut self, other: Stratum) {
        self.routes += other.routes;
        self.sampled_ms += other.sampled_ms;
        self.samples += other.samples;
        self.measured_ms += other.measured_ms;
        self.variance += other.variance;
        self.each_ms = self.each_ms.max(other.each_ms);
        self.has_rest |= other.has_rest;
    }

    /// What a sample in it stands for; none is as good as the others.
    fn weight(&self, usual: f64) -> f64 {
        if self.samples > 0.0 {
            (self.sampled_ms / self.samples).max(usual)
        } else {
            usual
        }
    }
}

/// What all of a run comes to.
struct Totals {
    sampled_ms: f64,
    measured_ms: f64,
    /// What a sample stands for, the larger ones counting for more.
    weight: f64,
    variance: f64,
    /// The measured total is that of the process's own clock.
    is_exact: bool,
}

impl Totals {
    fn of(strata: &[Stratum]) -> Option<Totals> {
        let sum = |of: fn(&Stratum) -> f64| strata.iter().map(of).sum::<f64>();
        let squares = |s: &Stratum| s.sampled_ms * s.sampled_ms / s.samples.max(1.0);
        let sampled_ms = sum(|s| s.sampled_ms);
        let totals = Totals {
            sampled_ms,
            measured_ms: sum(|s| s.measured_ms),
            weight: sum(squares) / sampled_ms,
            variance: sum(|s| s.variance),
            is_exact: strata.iter().any(|s| s.has_rest),
        };
        let is_some = |value: f64| value.is_finite() && value > 0.0;
        let some = [totals.sampled_ms, totals.measured_ms, totals.weight];
        let is_measured = strata.iter().any(|s| s.is_known);
        (is_measured && some.into_iter().all(is_some)).then_some(totals)
    }

    fn share(&self, stratum: &Stratum) -> f64 {
        stratum.measured_ms / self.measured_ms
    }

    /// Samples expected of a stratum, were all as heavy as the usual one.
    fn expected(&self, stratum: &Stratum) -> f64 {
        self.share(stratum) * self.sampled_ms / self.weight
    }

    fn compare(&self, stratum: &Stratum, z: f64, routes: usize) -> Agreement {
        let (share, weight) = (self.share(stratum), stratum.weight(self.weight));
        let other = 1.0 - share;
        // Of the share, by the delta method; the others' weights are the usual.
        let sampling = share * other * (other * weight + share * self.weight) / self.sampled_ms;
        let measuring = match (self.is_exact, stratum.has_rest) {
            (true, true) => self.variance - stratum.variance,
            (true, false) => stratum.variance,
            (false, _) => {
                other * other * stratum.variance
                    + share * share * (self.variance - stratum.variance)
            }
        };
        let measuring = measuring.max(0.0) / (self.measured_ms * self.measured_ms);
        let spread = z * (DESIGN_EFFECT * (sampling + measuring)).sqrt();
        // A count is skewed: its tail is longer than that of its spread.
        let skew = DESIGN_EFFECT * z * z / 6.0 * weight / self.sampled_ms;
        let cut = 2.0 * stratum.each_ms / self.measured_ms;
        let within = 100.0 * (spread + skew + cut);
        let sampled_share = 100.0 * stratum.sampled_ms / self.sampled_ms;
        let measured_share = 100.0 * share;
        let difference = (sampled_share - measured_share).abs();
        let matters = difference >= MATERIAL
            || difference >= MATERIAL_OF_HALF && difference >= measured_share / 2.0;
        let shown = |points: f64| (points * 100.0).round() / 100.0;
        Agreement {
            routes: routes as u64,
            largest_difference: shown(difference),
            route: stratum.name.clone(),
            sampled_share: shown(sampled_share),
            measured_share: shown(measured_share),
            within: shown(within),
            beyond_chance: difference > within && matters,
        }
    }
}

/// What of all can be compared: routes, pools of rare ones, and the rest.
fn compared(strata: Vec<Stratum>, totals: &Totals) -> Vec<Stratum> {
    let mut compared = Vec::new();
    let mut rare = Vec::new();
    let mut rest = Stratum::default();
    for stratum in strata {
        if stratum.has_rest || !stratum.is_known {
            rest.take(stratum);
        } else if totals.expected(&stratum) < MIN_EXPECTED {
            rare.push(stratum);
        } else {
            compared.push(stratum);
        }
    }
    // A cut request is part of the rest, whichever route it is on.
    let costliest = compared.iter().chain(&rare).map(|s| s.each_ms);
    rest.each_ms = costliest.fold(rest.each_ms, f64::max);
    rare.sort_by(|a, b| a.each_ms.total_cmp(&b.each_ms));
    let of_rare: f64 = rare.iter().map(|stratum| totals.expected(stratum)).sum();
    let enough = POOLED_EXPECTED.max(of_rare / MAX_POOLS);
    let mut pool = Stratum::default();
    for stratum in rare {
        pool.take(stratum);
        if totals.expected(&pool) >= enough {
            compared.push(named(std::mem::take(&mut pool)));
        }
    }
    if totals.expected(&pool) >= MIN_EXPECTED {
        compared.push(named(pool));
    } else {
        rest.take(pool);
    }
    if totals.expected(&rest) >= MIN_EXPECTED {
        rest.name = match (rest.has_rest, rest.routes) {
            (true, 1) => NO_REQUEST.to_owned(),
            (true, _) => "<no request and rare routes>".to_owned(),
            (false, _) => "<rare routes>".to_owned(),
        };
        compared.push(rest);
    }
    compared
}

fn named(mut pool: Stratum) -> Stratum {
    pool.name = format!("<{} rare routes>", pool.routes);
    pool
}

#[cfg(test)]
mod tests;
