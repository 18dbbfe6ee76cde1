//! What was found in requests: statements that repeat, and slow ones.

use std::collections::HashMap;

use serde::Serialize;

use crate::event::{Event, EventKind};
use crate::limits::{FINDINGS, NAME_BYTES, cut};
use crate::number::{number, readable};

/// One thing that was found, on one route.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// `n_plus_one`, `duplicate` (the same statement with the same values) or
    /// `slow`.
    pub kind: String,
    /// The route, as in `spans.csv`.
    pub route: String,
    /// In how many requests it was found; of slow ones, those that have an event.
    pub requests: u64,
    /// The statement, with `?` for values.
    pub statement: Option<String>,
    /// How often it ran in one request, at most.
    pub count: Option<u64>,
    /// Where in the service, as far as it is known: file and line, or a span.
    pub location: Option<String>,
    /// Time in these statements, or of the slowest request.
    pub ms: f64,
}

impl Finding {
    /// One sentence with the numbers.
    #[must_use]
    pub fn sentence(&self) -> String {
        let requests = self.requests;
        let Some(statement) = &self.statement else {
            return format!(
                "{}: {requests} slow requests recorded, the slowest took {} ms",
                self.route,
                readable(self.ms)
            );
        };
        let what = match self.kind.as_str() {
            "duplicate" => "the same statement with the same values",
            _ => "one statement",
        };
        let place = self.location.as_ref();
        format!(
            "{}: {what} up to {} times in a request ({requests} requests, {} ms in all){}: {statement}",
            self.route,
            self.count.unwrap_or(0),
            number(self.ms, 1),
            place.map_or(String::new(), |place| format!(", at {place}"))
        )
    }
}

/// The findings among the events of a run, those that took longest first. What
/// an event said first and another summed up later is one finding.
#[must_use]
pub fn findings(events: &[Event]) -> Vec<Finding> {
    let mut all = Findings::default();
    for event in events {
        all.add(event);
    }
    all.finish()
}

/// Findings while events are read, in memory that does not grow with them.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    all: Vec<Finding>,
    /// Where each route and statement is.
    places: HashMap<(String, Option<String>), usize>,
    /// Events of routes and statements beyond those.
    beyond: u64,
}

impl Findings {
    /// Takes in an event, if it is of such a kind.
    pub(crate) fn add(&mut self, event: &Event) {
        let bounded = |text: &str| cut(text, NAME_BYTES).into_owned();
        let found = match event.known() {
            Some(EventKind::NPlusOne(found)) => Finding {
                kind: match found.same_parameters {
                    Some(true) => "duplicate".to_owned(),
                    _ => "n_plus_one".to_owned(),
                },
                route: bounded(&found.route),
                requests: found.requests,
                statement: Some(bounded(&found.statement)),
                count: Some(found.count),
                location: found.location.or(found.span).as_deref().map(bounded),
                ms: found.total_ms,
            },
            Some(EventKind::SlowSpan(slow)) => Finding {
                kind: "slow".to_owned(),
                route: bounded(slow.span.as_deref().unwrap_or_default()),
                requests: 1,
                statement: None,
                count: None,
                location: None,
                ms: slow.took_ms,
            },
            _ => return,
        };
        let key = (found.route.clone(), found.statement.clone());
        match self.places.get(&key) {
            // Sums replace what was found at first.
            Some(place) if found.statement.is_some() => self.all[*place] = found,
            Some(place) => {
                let known = &mut self.all[*place];
                known.requests = known.requests.saturating_add(1);
                known.ms = known.ms.max(found.ms);
            }
            None if self.all.len() < FINDINGS => {
                self.places.insert(key, self.all.len());
                self.all.push(found);
            }
            None => self.beyond += 1,
        }
    }

    /// What was left out, if anything was.
    pub(crate) fn note(&self) -> Option<String> {
        (self.beyond > 0).then(|| {
            format!(
                "findings: {} events of routes and statements beyond the first {FINDINGS} are left out",
                self.beyond
            )
        })
    }

    /// The findings, those that took longest first.
    pub(crate) fn finish(self) -> Vec<Finding> {
        let mut all = self.all;
        // Statements first: they name their cause.
        all.sort_by(|a, b| {
            let slow = |finding: &Finding| finding.statement.is_none();
            slow(a).cmp(&slow(b)).then(b.ms.total_cmp(&a.ms))
        });
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_replace_the_first_event_and_slow_requests_are_counted() {
        let event = |line: &str| -> Event { serde_json::from_str(line).unwrap() };
        let events = [
            event(r#"{"kind":"slow_span","span":"GET /a","took_ms":2000}"#),
            event(
                r#"{"kind":"n_plus_one","route":"GET /a","statement":"SELECT ?","count":6,"requests":1,"total_ms":3,"same_parameters":null,"location":"a.rs:7"}"#,
            ),
            event(r#"{"kind":"slow_span","span":"GET /a","took_ms":1500}"#),
            event(
                r#"{"kind":"n_plus_one","route":"GET /a","statement":"SELECT ?","count":20,"requests":9,"total_ms":44.04,"same_parameters":null,"location":"a.rs:7"}"#,
            ),
            event(
                r#"{"kind":"n_plus_one","route":"GET /b","statement":"SELECT ?","count":5,"requests":1,"total_ms":1,"same_parameters":true}"#,
            ),
        ];
        let found = findings(&events);
        let sentences: Vec<String> = found.iter().map(Finding::sentence).collect();
        assert_eq!(
            sentences,
            [
                "GET /a: one statement up to 20 times in a request (9 requests, 44 ms in all), at a.rs:7: SELECT ?",
                "GET /b: the same statement with the same values up to 5 times in a request (1 requests, 1 ms in all): SELECT ?",
                "GET /a: 2 slow requests recorded, the slowest took 2000 ms",
            ]
        );
    }
}
