//! A run of format 1.1, recorded from an agent, is read by this and every later
//! version.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use soakscope_report::{
    EventKind, Kind, PhaseEvent, ProcessLimit, ProfileRange, RunDir, RunState, SlowRule, SpanRange,
    Verdict, columns, judge,
};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/run-1.1")
}

#[test]
fn all_of_it_is_read() {
    let dir = RunDir::open(&fixture()).unwrap();
    let run = dir.load().unwrap();
    assert_eq!(run.unread, Vec::<String>::new());
    let info = &run.info;
    assert_eq!(
        (info.format.as_str(), info.service.as_str()),
        ("1.1", "ferry")
    );
    assert_eq!(info.state, RunState::Finished);
    assert_eq!(info.tracked["on_board"], Kind::Level);
    for limit in ProcessLimit::ALL {
        assert!(info.limits.contains_key(limit.name()), "{}", limit.name());
    }

    // Columns are added, and none goes.
    let written = run.timeline.columns();
    for name in written {
        let tracked = ["on_board", "broken"].contains(&name.as_str());
        assert_eq!(columns::find(name).is_none(), tracked, "{name}");
    }
    assert!(run.timeline.readings("heap_live_mb").is_some());
    assert_eq!(run.timeline.readings("on_board").unwrap()[0], 42.0);
    let phases: Vec<_> = run.timeline.phases().into_iter().map(|p| p.name).collect();
    assert_eq!(phases, ["boarding", "crossing"]);

    let kinds: Vec<EventKind> = run
        .events
        .iter()
        .filter_map(|event| event.known())
        .collect();
    assert_eq!(kinds.len(), run.events.len(), "every kind is known");
    let phase = |name: &str| {
        EventKind::Phase(PhaseEvent {
            name: name.to_owned(),
        })
    };
    assert!(kinds.contains(&phase("boarding")) && kinds.contains(&phase("crossing")));
    let slow = kinds.iter().find_map(|kind| match kind {
        EventKind::SlowSpan(slow) => Some(slow),
        _ => None,
    });
    let slow = slow.unwrap();
    assert_eq!(slow.span.as_deref(), Some("GET /crossing/{id}"));
    assert_eq!(
        (slow.rule, &slow.fields["passengers"]),
        (SlowRule::SlowRequest, &7.into())
    );
    assert_eq!((slow.children[0].count, slow.statements[0].count), (6, 6));
    let drops = &info.trust.as_ref().unwrap().drops;
    let lost = kinds.iter().filter_map(|kind| match kind {
        EventKind::Drop(lost) => Some(lost),
        _ => None,
    });
    let lost: Vec<_> = lost.collect();
    assert!(
        lost.iter()
            .all(|lost| (1..=drops[&lost.cause]).contains(&lost.count))
    );
    assert!(
        lost.iter()
            .any(|lost| lost.cause == "slow_requests_suppressed")
    );

    let found: Vec<&str> = run
        .findings
        .iter()
        .map(|found| found.kind.as_str())
        .collect();
    assert_eq!(found, ["n_plus_one", "slow"]);
    assert_eq!(run.budgets[0].verdict, Verdict::Fail);
    assert_eq!(judge(&run).verdict, Verdict::Fail);
}

#[test]
fn its_spans_and_profiles_are_read() {
    let dir = RunDir::open(&fixture()).unwrap();
    let (spans, notes) = dir.spans(&SpanRange::default()).unwrap();
    assert_eq!(notes, Vec::<String>::new());
    let of = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let (requests, queries) = (of("GET /crossing/{id}"), of("query"));
    assert_eq!((requests.count, queries.count), (22, 132));
    assert!(requests.is_measured() && requests.p99_ms > requests.p50_ms);
    assert_eq!(of("<no request>").kind, "none");
    let crossing = SpanRange {
        phase: Some("crossing".to_owned()),
        ..SpanRange::default()
    };
    let (spans, _) = dir.spans(&crossing).unwrap();
    let requests = spans.iter().find(|span| span.kind == "request").unwrap();
    assert_eq!(requests.count, 20);

    let (cpu, notes) = dir.profile("cpu", &ProfileRange::default()).unwrap();
    assert_eq!(notes, Vec::<String>::new());
    let cpu = cpu.unwrap();
    assert!(
        cpu.samples
            .iter()
            .all(|sample| sample.label("phase").is_some())
    );
    assert!(cpu.samples.iter().any(|sample| sample.is_in_span("query")));
    let (shots, notes) = dir.heap_shots().unwrap();
    assert_eq!(notes, Vec::<String>::new());
    let heap = &shots.last().unwrap().profile;
    assert!(heap.total(heap.value_index("inuse_space").unwrap()) > 32 << 20);
}
