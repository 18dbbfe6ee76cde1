//! What is looked for when a request ends: was it slow, and did it run a
//! statement over and over?

use quanta::Instant;

use super::scope::Scope;
use crate::journal::ms;
use crate::session::Session;
use crate::spans::ledger::Closed;
use crate::spans::slow::Verdict;

/// Looks at a request that closed. Nothing is told once the run is sealed.
pub(crate) fn look(scope: &Scope, closed: &Closed, session: &Session) {
    if session.sealed() {
        return;
    }
    let spans = &session.spans;
    if let Some(verdict) = spans.slow.judge(closed.name, closed.took_ns)
        && let Some(suppressed) = spans.slow.turn(closed.name, Instant::now())
    {
        tell_slow(scope, closed, verdict, suppressed, session);
    }
    let threshold = session.config.most_repeats;
    if threshold == 0 {
        return;
    }
    let events = scope.repeats(|repeats| {
        let mut often = repeats.at_least(threshold).peekable();
        // The name is looked up only where there is something to tell.
        often.peek()?;
        let route = spans.labels.name(closed.name)?.text;
        let add = |repeat| spans.findings.add(closed.name, &route, repeat);
        Some(often.filter_map(add).collect::<Vec<_>>())
    });
    for event in events.unwrap_or_default() {
        session.journal.event("n_plus_one", event);
    }
}

fn tell_slow(scope: &Scope, closed: &Closed, verdict: Verdict, suppressed: u64, session: &Session) {
    let labels = &session.spans.labels;
    let name = labels.name(closed.name).map(|name| name.text.to_string());
    let rule = if verdict.own {
        "3 x the route's own p99"
    } else {
        "slow_request"
    };
    let mut event = serde_json::Map::from_iter([
        ("span".to_owned(), name.into()),
        ("phase".to_owned(), session.phases.current().name.into()),
        ("took_ms".to_owned(), ms(closed.took_ns)),
        ("limit_ms".to_owned(), ms(verdict.limit_ns)),
        ("rule".to_owned(), rule.into()),
        ("error".to_owned(), closed.error.into()),
        ("suppressed".to_owned(), suppressed.into()),
    ]);
    event.extend(scope.describe(closed.took_ns, closed.busy_ns, labels));
    session.journal.event("slow_span", event);
}
