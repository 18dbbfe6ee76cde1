//! What is looked for when a request ends: was it slow, and did it run a
//! statement over and over?

use quanta::Instant;
use soakscope_report::{EventKind, SlowRule, SlowSpanEvent};

use super::scope::Scope;
use crate::journal::ms;
use crate::session::Session;
use crate::spans::ledger::Closed;
use crate::spans::slow::Verdict;

/// Looks at a request that closed. Nothing is reported once the run is sealed.
pub(crate) fn look(scope: &Scope, closed: &Closed, session: &Session) {
    if session.sealed() {
        return;
    }
    let spans = &session.spans;
    if let Some(verdict) = spans.slow.judge(closed.name, closed.took_ns)
        && let Some(suppressed) = spans.slow.turn(closed.name, Instant::now())
    {
        report_slow(scope, closed, verdict, suppressed, session);
    }
    let threshold = session.config.most_repeats;
    if threshold == 0 {
        return;
    }
    let events = scope.repeats(|repeats| {
        let mut often = repeats.at_least(threshold).peekable();
        // The name is looked up only where there is something to report.
        often.peek()?;
        let route = spans.labels.name(closed.name)?.text;
        let add = |repeat| spans.findings.add(closed.name, &route, repeat);
        Some(often.filter_map(add).collect::<Vec<_>>())
    });
    for event in events.unwrap_or_default() {
        session.journal.event(&EventKind::NPlusOne(event));
    }
}

fn report_slow(
    scope: &Scope,
    closed: &Closed,
    verdict: Verdict,
    suppressed: u64,
    session: &Session,
) {
    let labels = &session.spans.labels;
    let event = SlowSpanEvent {
        span: labels.name(closed.name).map(|name| name.text.to_string()),
        phase: session.phases.current().name,
        took_ms: ms(closed.took_ns),
        limit_ms: ms(verdict.limit_ns),
        rule: if verdict.own {
            SlowRule::OwnP99
        } else {
            SlowRule::SlowRequest
        },
        error: closed.error,
        suppressed,
        ..scope.describe(closed.took_ns, closed.busy_ns, labels)
    };
    session.journal.event(&EventKind::SlowSpan(Box::new(event)));
}
