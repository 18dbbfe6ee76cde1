//! CPU time by span and route.

use std::collections::HashMap;

use serde::Serialize;

use crate::profile::Profile;

/// What samples outside of any span are listed as.
const NO_SPAN: &str = "<no span>";

/// A span and its cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SpanCost {
    /// The span's name, as in `spans.csv`.
    pub name: String,
    /// What was sampled with no further span inside, in the unit of the value.
    /// All of these add up to the profile.
    #[serde(rename = "self")]
    pub own: i64,
    /// For a route, what was sampled in its requests and all spans inside; for
    /// any other span the same as `own`.
    pub cumulative: i64,
}

/// The spans of a profile, costliest first, for one of its sample types.
#[must_use]
pub fn top_spans(profile: &Profile, value_index: usize) -> Vec<SpanCost> {
    let mut own: HashMap<&str, i64> = HashMap::new();
    let mut routes: HashMap<&str, i64> = HashMap::new();
    for sample in &profile.samples {
        let value = sample.values.get(value_index).copied().unwrap_or(0);
        let add = |sum: &mut i64| *sum = sum.saturating_add(value);
        add(own
            .entry(sample.label("span").unwrap_or(NO_SPAN))
            .or_default());
        if let Some(route) = sample.label("route") {
            add(routes.entry(route).or_default());
            own.entry(route).or_default();
        }
    }
    let mut costs: Vec<SpanCost> = own
        .into_iter()
        .map(|(name, own)| SpanCost {
            name: name.to_owned(),
            own,
            cumulative: routes.get(name).copied().unwrap_or(own).max(own),
        })
        .filter(|cost| cost.cumulative != 0)
        .collect();
    costs.sort_by(|a, b| {
        let key = |cost: &SpanCost| (cost.cumulative, cost.own);
        key(b).cmp(&key(a)).then_with(|| a.name.cmp(&b.name))
    });
    costs
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
