//! Statements that repeat within requests, by route: each is an event when it is
//! found, and another with its sums when the run ends.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use soakscope_report::NPlusOneEvent;

use super::statements::Repeat;
use crate::journal::ms;

/// Findings kept; further ones are counted.
const MAX_FINDINGS: usize = 100;

#[derive(Debug, Default)]
pub(crate) struct Findings(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    found: HashMap<(u32, Box<str>), Finding>,
    no_room: u64,
}

/// One template on one route.
#[derive(Debug, Default, Clone)]
struct Finding {
    route: String,
    requests: u64,
    most: u32,
    statements: u64,
    total_ns: u64,
    same_values: Option<bool>,
    span: &'static str,
    place: Option<String>,
}

impl Findings {
    /// A template repeated in a request. Answers the event where it is the first
    /// time.
    pub(crate) fn add(&self, number: u32, route: &str, repeat: &Repeat) -> Option<NPlusOneEvent> {
        let mut inner = self.lock();
        let key = (number, repeat.template.text.clone());
        if !inner.found.contains_key(&key) && inner.found.len() >= MAX_FINDINGS {
            inner.no_room += 1;
            return None;
        }
        let finding = inner.found.entry(key).or_insert_with(|| Finding {
            route: route.to_owned(),
            same_values: repeat.same_values,
            span: repeat.place.span,
            place: repeat
                .place
                .file
                .map(|file| format!("{file}:{}", repeat.place.line.unwrap_or(0))),
            ..Finding::default()
        });
        finding.requests += 1;
        finding.most = finding.most.max(repeat.count);
        finding.statements += u64::from(repeat.count);
        finding.total_ns += repeat.total_ns;
        if finding.same_values != repeat.same_values {
            // Now and then other values: it is no mere duplicate.
            finding.same_values = finding.same_values.and(Some(false));
        }
        (finding.requests == 1).then(|| finding.event(&repeat.template.text))
    }

    /// The events of all findings that came again since their first.
    pub(crate) fn sums(&self) -> Vec<NPlusOneEvent> {
        let inner = self.lock();
        let again = inner.found.iter().filter(|(_, found)| found.requests > 1);
        let mut again: Vec<_> = again.collect();
        again.sort_by(|a, b| b.1.total_ns.cmp(&a.1.total_ns).then_with(|| a.0.cmp(b.0)));
        again
            .into_iter()
            .map(|((_, template), finding)| finding.event(template))
            .collect()
    }

    /// Requests with a repeat that found no room.
    pub(crate) fn no_room(&self) -> u64 {
        self.lock().no_room
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Finding {
    fn event(&self, template: &str) -> NPlusOneEvent {
        NPlusOneEvent {
            route: self.route.clone(),
            statement: template.to_owned(),
            count: self.most.into(),
            requests: self.requests,
            statements: self.statements,
            total_ms: ms(self.total_ns),
            same_parameters: self.same_values,
            span: Some(self.span.to_owned()),
            location: self.place.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spans::statements::{Place, Repeats, Statements};

    #[test]
    fn a_finding_is_an_event_at_first_and_summed_at_the_end() {
        let statements = Statements::new(Vec::new());
        let findings = Findings::default();
        let mut events = 0;
        for request in 1..=3_u64 {
            let mut repeats = Repeats::default();
            for i in 0..5 + request {
                let lines = statements.of("SELECT a FROM t WHERE b = ?");
                repeats.ran(&lines, i * 1_000_000, 1_000, Place::default());
            }
            for repeat in repeats.at_least(5) {
                events += usize::from(findings.add(1, "GET /a", repeat).is_some());
            }
        }
        assert_eq!(events, 1);
        let sums = findings.sums();
        assert_eq!(sums.len(), 1);
        assert_eq!((sums[0].count, sums[0].requests), (8, 3));
        assert_eq!(sums[0].statements, 21);
        assert_eq!(sums[0].same_parameters, None);
    }
}
