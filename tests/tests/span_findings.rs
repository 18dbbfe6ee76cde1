//! Slow requests and repeated statements have events, with what they were made of.

use std::time::Duration;

use serde_json::Value;
use soakscope::Agent;
use soakscope_tests::{burn, scratch};
use tracing::Span;
use tracing::field::Empty;
use tracing_subscriber::prelude::*;

const MS: Duration = Duration::from_millis(1);

fn request(route: &str) -> Span {
    tracing::info_span!(
        "request",
        otel.kind = "server",
        http.request.method = "BREW",
        http.route = route,
        user = 7,
        plan = "gold",
        token = "secret-1",
        error.message = "secret-2",
        url.query = "secret-3",
        baggage = Empty,
    )
}

#[test]
fn slow_requests_and_repeats_are_events() {
    let scratch = scratch();
    let run = scratch.path().join("run");
    let agent = Agent::builder("findings")
        .run_path(&run)
        .slow_request(150 * MS)
        .keep_fields(["user", "plan"])
        .allow_repeats("FROM settings")
        .tick(100 * MS)
        .start()
        .expect("an agent");
    tracing_subscriber::registry().with(agent.layer()).init();
    slow();
    slow();
    request("/quick").in_scope(|| {});
    statements();
    let late = request("/late");
    let outcome = agent.finish().expect("sealed");
    // A sealed run stays as it is.
    std::thread::sleep(160 * MS);
    drop(late);

    let events = std::fs::read_to_string(run.join("events.jsonl")).expect("events");
    assert!(!events.contains("secret"), "{events}");
    let events: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let of = |kind: &str| -> Vec<&Value> {
        events
            .iter()
            .filter(|event| event["kind"] == kind)
            .collect()
    };
    slow_has_an_event(&of("slow_span"));
    repeats_have_events(&of("n_plus_one"));
    let mut lost = of("drop");
    lost.retain(|event| event["cause"] == "slow_requests_suppressed");
    assert_eq!(lost.len(), 1, "{events:#?}");
    assert_eq!(lost[0]["count"], 1);
    let verdict = outcome.verdict().expect("judged");
    let kinds: Vec<&str> = verdict.findings.iter().map(|f| f.kind.as_str()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "duplicate").count(), 1);
    assert_eq!(
        kinds.iter().filter(|kind| **kind == "n_plus_one").count(),
        2
    );
    let trust = verdict.trust.as_ref().expect("trust");
    assert_eq!(trust.drops.get("slow_requests_suppressed"), Some(&1));
}

/// A request that works 60 ms, waits 60 ms in a span, and 60 ms in none.
fn slow() {
    let request = request("/slow");
    request.record("baggage", "secret-4");
    request.in_scope(|| {
        burn(30 * MS);
        tracing::info_span!("decode").in_scope(|| burn(30 * MS));
    });
    let waiting = request.in_scope(|| tracing::info_span!("upstream"));
    // Time that passes is what is measured here.
    std::thread::sleep(60 * MS);
    drop(waiting);
    std::thread::sleep(60 * MS);
}

fn slow_has_an_event(events: &[&Value]) {
    assert_eq!(events.len(), 1, "the second came too soon: {events:#?}");
    let event = events[0];
    assert_eq!(
        (&event["span"], &event["rule"]),
        (&"_OTHER /slow".into(), &"slow_request".into())
    );
    let fields = serde_json::json!({
        "http.request.method": "_OTHER",
        "http.route": "/slow",
        "user": 7,
        "plan": "gold",
    });
    assert_eq!(event["fields"], fields, "and nothing that was not named");
    let ms = |value: &Value| value.as_f64().expect("a number");
    let (took, busy) = (ms(&event["took_ms"]), ms(&event["busy_ms"]));
    let (waiting, unaccounted) = (ms(&event["waiting_ms"]), ms(&event["unaccounted_ms"]));
    assert!(
        busy >= 60.0 && waiting >= 60.0 && unaccounted >= 60.0,
        "{event:#}"
    );
    assert!(
        (busy + waiting + unaccounted - took).abs() < 0.01,
        "{event:#}"
    );
    let children = event["children"].as_array().expect("a tree");
    let names: Vec<&str> = children.iter().filter_map(|c| c["span"].as_str()).collect();
    assert_eq!(names.len(), 2, "{event:#}");
    assert!(names.contains(&"decode") && names.contains(&"upstream"));
}

fn statements() {
    // As sea-orm and OpenTelemetry's instrumentations record them: spans.
    request("/spans").in_scope(|| {
        for id in 0..6 {
            let sql = format!("SELECT name FROM users WHERE id = {id}");
            tracing::debug_span!("query", db.statement = sql).in_scope(|| {
                // Recorded by the span already.
                tracing::debug!(target: "sqlx::query", summary = "SELECT name FROM users", elapsed_secs = 0.00001);
            });
        }
        for _ in 0..6 {
            tracing::info_span!("query", db.query.text = "SELECT v FROM settings WHERE k = ?").in_scope(|| {});
        }
    });
    // As sqlx records them: events.
    request("/events").in_scope(|| {
        let _work = tracing::info_span!("work").entered();
        for _ in 0..7 {
            tracing::debug!(target: "sqlx::query", summary = "SELECT a, b …", db.statement = "\n\nSELECT a, b FROM c WHERE d = $1\n", elapsed_secs = 0.00001);
            tracing::debug!(target: "sqlx::query", summary = "INSERT INTO c …", db.statement = "\n\nINSERT INTO c VALUES ($1)\n", elapsed_secs = 0.00001);
        }
    });
    request("/same").in_scope(|| {
        for _ in 0..5 {
            tracing::debug_span!("query", db.statement = "SELECT 'x' FROM t").in_scope(|| {});
        }
    });
    request("/few").in_scope(|| {
        for _ in 0..4 {
            tracing::debug_span!("query", db.statement = "SELECT 'x' FROM t").in_scope(|| {});
        }
    });
}

fn repeats_have_events(events: &[&Value]) {
    let events: Vec<[&Value; 4]> = events
        .iter()
        .map(|event| ["route", "statement", "count", "same_parameters"].map(|field| &event[field]))
        .collect();
    let wanted = [
        [
            "_OTHER /spans".into(),
            "SELECT name FROM users WHERE id = ?".into(),
            6.into(),
            false.into(),
        ],
        [
            "_OTHER /events".into(),
            "SELECT a, b FROM c WHERE d = ?".into(),
            7.into(),
            Value::Null,
        ],
        [
            "_OTHER /same".into(),
            "SELECT ? FROM t".into(),
            5.into(),
            true.into(),
        ],
    ];
    assert_eq!(events, wanted.each_ref().map(|row| row.each_ref()));
}
