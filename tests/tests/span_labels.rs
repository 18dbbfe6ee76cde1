//! Every sample knows its span: CPU time by route and span, against what each
//! was made to burn.

use std::sync::mpsc::channel;
use std::time::Duration;

use soakscope::Agent;
use soakscope_report::{ProfileRange, RunDir, SpanRange, SpanTotal, top_spans};
use soakscope_tests::{Others, burn, scratch};
use tracing::dispatcher::{Dispatch, with_default};
use tracing_subscriber::prelude::*;

const MS: Duration = Duration::from_millis(1);

fn request(route: &str) -> tracing::Span {
    tracing::info_span!(
        "request",
        otel.kind = "server",
        http.request.method = "GET",
        http.route = route
    )
}

#[test]
fn cpu_time_goes_to_the_span_it_was_spent_in() {
    let scratch = scratch();
    let others = Others::watch();
    let agent = Agent::builder("labels")
        .run_path(scratch.path().join("run"))
        .cpu_frequency(997)
        .tick(100 * MS)
        .start()
        .expect("an agent");
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(agent.layer()));
    with_default(&dispatch, || {
        for number in 0..10 {
            let request = request("/a").entered();
            burn(20 * MS);
            let inner = tracing::info_span!("inner").entered();
            burn(20 * MS);
            if number == 0 {
                tracing::error!("inside of both");
            }
            drop((inner, request));
        }
        moved_between_threads(&dispatch);
        // Work of no request, in a span and in none.
        tracing::info_span!("background").in_scope(|| burn(200 * MS));
        burn(200 * MS);
        tracing::debug_span!("too fine").in_scope(|| burn(50 * MS));
    });
    let outcome = agent.finish().expect("sealed");
    let path = outcome.run_dir().expect("a run");
    let dir = RunDir::open(path).expect("a run");

    let (spans, notes) = dir.spans(&SpanRange::default()).expect("spans");
    assert!(notes.is_empty(), "{notes:?}");
    let find = |name: &str| -> &SpanTotal {
        let found = spans.iter().find(|span| span.name == name);
        found.unwrap_or_else(|| panic!("no {name} in {spans:#?}"))
    };
    let (a, b, inner) = (find("GET /a"), find("GET /b"), find("inner"));
    assert_eq!((a.count, a.errors, a.kind.as_str()), (10, 1, "request"));
    assert_eq!((inner.count, inner.errors), (10, 1));
    assert_eq!((inner.kind.as_str(), b.count, b.errors), ("span", 1, 0));
    let (p50, p99) = (a.p50_ms.expect("a log"), a.p99_ms.expect("a log"));
    assert!(40.0 <= p50 && p50 <= p99, "{p50} {p99}");
    let max = a.max_ms.expect("a row");
    assert!(
        (p99 / max - 1.0).abs() < 0.01,
        "of ten, the longest: {p99} {max}"
    );
    let none = find("<no request>");
    let quiet = !others.were_busy(&format!("{inner:#?} {:#?}", find("background")));
    if quiet {
        close("inner", inner.cpu_ms, 200.0);
        close("background", find("background").cpu_ms, 200.0);
    }
    assert!(spans.iter().all(|span| span.name != "too fine"));

    // Requests and the rest are all there is.
    let requests = spans.iter().filter(|span| span.kind == "request");
    let sum_ms: f64 = requests.chain([none]).filter_map(|span| span.cpu_ms).sum();
    let trust = dir.info().expect("run.json").trust.expect("trust");
    let used_ms = trust.cpu_seconds_used.expect("sampled") * 1e3;
    let ratio = sum_ms / used_ms;
    assert!((0.99..=1.01).contains(&ratio), "{sum_ms} of {used_ms} ms");
    // All requests are measured; samples divide what was measured.
    for route in [a, b] {
        assert_eq!(
            (route.cpu_measured, route.cpu_se_ms),
            (route.count, Some(0.0))
        );
    }
    exactly("GET /a", a.cpu_ms, 400.0);
    exactly("GET /b", b.cpu_ms, 200.0);
    let sampled_ms: f64 = spans
        .iter()
        .filter(|span| span.kind != "span")
        .filter_map(|span| span.cpu_sampled_ms)
        .sum();
    let attributed_ms = trust.cpu_seconds_attributed.expect("sampled") * 1e3;
    assert!(
        (sampled_ms / attributed_ms - 1.0).abs() < 0.01,
        "{sampled_ms} of {attributed_ms}"
    );
    let samples: u64 = spans
        .iter()
        .filter(|span| span.kind != "span")
        .map(|span| span.cpu_samples)
        .sum();
    // The end of the run may be sampled after the last rows.
    let all = trust.cpu_samples.expect("sampled");
    assert!(samples <= all && all <= samples + 5, "{samples} of {all}");
    let within = trust.coverage_within.expect("sampled");
    let expected = 1.96 / (samples as f64).sqrt();
    assert!(
        within > 0.5 * expected && within < 4.0 * expected,
        "{within}"
    );
    let agreement = trust.agreement.expect("sampled and measured");
    assert!(!agreement.beyond_chance, "{agreement:?}");

    // The profile says the same.
    let (cpu, _) = dir.profile("cpu", &ProfileRange::default()).expect("read");
    let cpu = cpu.expect("a profile");
    let weights_ms = cpu.total(1) as f64 / 1e6;
    assert!(
        (weights_ms - used_ms).abs() < 0.001,
        "{weights_ms} of {used_ms} ms"
    );
    let costs = top_spans(&cpu, 1);
    let a = costs.iter().find(|cost| cost.name == "GET /a").expect("a");
    if quiet {
        close("GET /a itself", Some(a.own as f64 / 1e6), 200.0);
    }
    exactly("GET /a", Some(a.cumulative as f64 / 1e6), 400.0);
    assert_eq!(costs.iter().map(|cost| cost.own).sum::<i64>(), cpu.total(1));
    let range = ProfileRange {
        span: Some("GET /a".to_owned()),
        ..ProfileRange::default()
    };
    let part = dir.profile("cpu", &range).expect("read").0.expect("some");
    assert_eq!(part.total(1), a.cumulative, "one route's flame graph");
}

/// One request, entered anew on two threads in turn, as a runtime polls a task.
fn moved_between_threads(dispatch: &Dispatch) {
    let (there, other) = channel::<tracing::Span>();
    let (back, here) = channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            with_default(dispatch, || {
                for span in other {
                    span.in_scope(|| burn(20 * MS));
                    back.send(span).expect("waited for");
                }
            });
        });
        let mut span = request("/b");
        for _ in 0..5 {
            span.in_scope(|| burn(20 * MS));
            there.send(span).expect("it waits");
            span = here.recv().expect("it answers");
        }
        drop(there);
    });
}

/// Within a fifth: what is sampled is random, and `burn` overshoots a little.
fn close(what: &str, got: Option<f64>, wanted: f64) {
    let got = got.unwrap_or_else(|| panic!("{what} is unknown"));
    assert!(
        (got / wanted - 1.0).abs() < 0.2,
        "{what}: {got}, not {wanted}"
    );
}

/// What is measured is what was burnt, and little more.
fn exactly(what: &str, got: Option<f64>, wanted: f64) {
    let got = got.unwrap_or_else(|| panic!("{what} is unknown"));
    let ratio = got / wanted;
    assert!(
        (0.999..1.05).contains(&ratio),
        "{what}: {got}, not {wanted}"
    );
}
