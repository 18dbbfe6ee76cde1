//! CPU time by span and route.

use std::collections::HashMap;

use serde::Serialize;

use super::{SpanKind, SpanTotal};
use crate::profile::{Cost, Profile};

/// What samples outside of any span are listed as.
const NO_SPAN: &str = "<no span>";

/// A span and its cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SpanCost {
    /// The span's name, as in `spans.csv`.
    pub name: String,
    /// What was sampled with no further span inside, in the unit of the value.
    /// All of these add up to the profile.
    #[serde(rename = "self")]
    pub own: i64,
    /// For a route, what its requests and all spans inside cost; for any other
    /// span the same as `own`.
    pub cumulative: i64,
    /// The 95 % interval of `self`, half its width; `None` where the profile
    /// does not count its samples.
    pub self_within: Option<f64>,
    /// That of `cumulative`; 0 where it is measured to the last request.
    pub cumulative_within: Option<f64>,
    /// Samples in it and in the spans inside; `None` where they are not counted.
    pub samples: Option<u64>,
    /// Whether `cumulative` is measured by the threads' clocks, not sampled.
    pub measured: bool,
}

/// The spans of a profile, costliest first, for one of its sample types.
#[must_use]
pub fn top_spans(profile: &Profile, value_index: usize) -> Vec<SpanCost> {
    let counts = profile.value_index("samples");
    let mut own: HashMap<&str, Cost> = HashMap::new();
    let mut routes: HashMap<&str, Cost> = HashMap::new();
    let mut whole = Cost::default();
    for sample in &profile.samples {
        let value = sample.values.get(value_index).copied().unwrap_or(0);
        let cost = Cost::of(sample, value, counts);
        whole.add(cost);
        let span = sample.label("span").unwrap_or(NO_SPAN);
        own.entry(span).or_default().add(cost);
        if let Some(route) = sample.label("route") {
            routes.entry(route).or_default().add(cost);
            own.entry(route).or_default();
        }
    }
    let costs = own.into_iter().map(|(name, own)| {
        let cumulative = routes.get(name).copied();
        let cumulative = cumulative.filter(|route| route.value >= own.value);
        let cumulative = cumulative.unwrap_or(own);
        SpanCost {
            name: name.to_owned(),
            own: own.value,
            cumulative: cumulative.value,
            self_within: counts.map(|_| own.within(&whole)),
            cumulative_within: counts.map(|_| cumulative.within(&whole)),
            samples: counts.map(|_| cumulative.samples),
            measured: false,
        }
    });
    costliest_first(costs.filter(|cost| cost.cumulative != 0).collect())
}

fn costliest_first(mut costs: Vec<SpanCost>) -> Vec<SpanCost> {
    costs.sort_by(|a, b| {
        let key = |cost: &SpanCost| (cost.cumulative, cost.own);
        key(b).cmp(&key(a)).then_with(|| a.name.cmp(&b.name))
    });
    costs
}

/// The same spans by what was measured of them, in nanoseconds, where it was:
/// requests cost what their threads' clocks say, spans inside them what
/// `spans.csv` gives them of it, and all together is the process's CPU time.
/// What a route cost itself is its measured cost times the share sampled there.
/// `None` where nothing was measured.
#[must_use]
pub fn measured_spans(sampled: &[SpanCost], spans: &[SpanTotal]) -> Option<Vec<SpanCost>> {
    let known = |span: &&SpanTotal| {
        span.cpu_ms.is_some()
            && [SpanKind::Request.name(), SpanKind::None.name()].contains(&span.kind.as_str())
    };
    if !spans.iter().any(|span| span.is_measured()) {
        return None;
    }
    let mut costs: Vec<SpanCost> = Vec::new();
    for span in spans.iter().filter(known) {
        let outside = span.kind == SpanKind::None.name();
        let name = if outside { NO_SPAN } else { &span.name };
        let found = sampled.iter().find(|cost| cost.name == name);
        let nanos = |ms: f64| (ms * 1e6).round();
        let cumulative = nanos(span.cpu_ms.unwrap_or(0.0));
        let part = |value: f64| match found.filter(|cost| cost.cumulative > 0) {
            // The rest has spans in it that are in no request.
            Some(_) if outside => value.min(cumulative),
            Some(cost) => value * cumulative / cost.cumulative as f64,
            None => 0.0,
        };
        costs.push(SpanCost {
            name: span.name.clone(),
            own: part(found.map_or(0.0, |cost| cost.own as f64)) as i64,
            cumulative: cumulative as i64,
            self_within: found.and_then(|cost| cost.self_within).map(part),
            cumulative_within: span.cpu_within_ms().map(nanos),
            samples: Some(span.cpu_samples),
            measured: span.is_measured() || outside,
        });
    }
    for cost in sampled.iter().filter(|cost| cost.name != NO_SPAN) {
        if costs.iter().any(|listed| listed.name == cost.name) {
            continue;
        }
        let mut named = spans.iter().filter(|span| span.name == cost.name);
        let row = named.find_map(|span| Some((span, span.cpu_ms?)));
        costs.push(match row {
            Some((span, cpu_ms)) => {
                let nanos = (cpu_ms * 1e6).round() as i64;
                let within = span.cpu_within_ms().map(|ms| (ms * 1e6).round());
                SpanCost {
                    own: nanos,
                    cumulative: nanos,
                    self_within: within,
                    cumulative_within: within,
                    samples: Some(span.cpu_samples),
                    ..cost.clone()
                }
            }
            None => cost.clone(),
        });
    }
    costs.retain(|cost| cost.cumulative != 0);
    Some(costliest_first(costs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Label, ProfileBuilder};

    #[test]
    fn a_route_has_what_was_spent_in_the_spans_inside_it() {
        let mut builder = ProfileBuilder::cpu(0, 0, 1);
        let f = builder.function("f", "f", "f.rs", 1);
        let at = builder.location(None, 1, &[(f, 1)]);
        let route = || Label::text("route", "GET /a");
        for (span, value, labels) in [
            ("GET /a", 10, vec![route()]),
            ("query", 30, vec![route()]),
            ("query", 5, vec![]),
            ("", 7, vec![]),
        ] {
            let mut labels = labels;
            if !span.is_empty() {
                labels.push(Label::text("span", span));
            }
            builder.sample(&[at], &[1, value], labels);
        }
        let costs = top_spans(&builder.build(), 1);
        let rows: Vec<(&str, i64, i64)> = costs
            .iter()
            .map(|cost| (cost.name.as_str(), cost.own, cost.cumulative))
            .collect();
        assert_eq!(
            rows,
            [("GET /a", 10, 40), ("query", 35, 35), (NO_SPAN, 7, 7)]
        );
    }
}
