//! The shop's N+1 is found where it is, and nowhere else.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use serde_json::Value;
use shop::{Attachment, Options, RunDir, attach};
use support::Visit;

#[tokio::test]
async fn the_shop_s_n_plus_one_is_found_with_its_flag_and_not_without() {
    let temp = tempfile::tempdir().unwrap();
    let run = temp.path().join("run");
    let visit = Visit::to(Options::default()).await;
    let agent = attach(
        &visit.shop,
        &Attachment {
            run_dir: RunDir::Exactly(run.clone()),
            admin: Some("127.0.0.1:0".to_owned()),
            budgets: None,
            cpu_frequency: 99,
        },
    )
    .unwrap();
    agent.phase("without");
    visit_all(&visit).await;
    visit.shop.stop().await;

    agent.phase("with");
    let visit = Visit::to(Options {
        n_plus_one: true,
        ..Options::default()
    })
    .await;
    visit_all(&visit).await;
    visit.shop.stop().await;
    let outcome = tokio::task::spawn_blocking(move || agent.finish())
        .await
        .unwrap()
        .unwrap();

    let events = std::fs::read_to_string(run.join("events.jsonl")).unwrap();
    let events: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let begun = events
        .iter()
        .position(|event| event["kind"] == "phase" && event["name"] == "with");
    let (without, with) = events.split_at(begun.expect("the second phase"));
    let found = |events: &[Value]| -> Vec<Value> {
        let found = events.iter().filter(|event| event["kind"] == "n_plus_one");
        found.cloned().collect()
    };
    assert_eq!(found(without), [] as [Value; 0]);
    let found = found(with);
    let last = found.last().expect("the fault");
    assert_eq!(last["route"], "GET /orders/{user}");
    let statement = last["statement"].as_str().unwrap();
    assert!(statement.contains("l.order_id = ? ORDER BY"), "{statement}");
    assert_eq!(last["requests"], 5, "the sum at the end: {found:#?}");
    assert!(last["count"].as_u64().unwrap() >= 5, "{last}");
    assert!(last["total_ms"].as_f64().unwrap() > 0.0, "{last}");
    assert_eq!(last["span"], "a query for each order");
    let place = last["location"].as_str().unwrap();
    assert!(place.contains("service/orders.rs:"), "{place}");

    let verdict = outcome.verdict().unwrap();
    assert_eq!(verdict.findings.len(), 1, "{:#?}", verdict.findings);
    assert!(
        outcome
            .summary()
            .contains("GET /orders/{user}: one statement up to")
    );
}

/// Everything a customer does, a few times.
async fn visit_all(visit: &Visit) {
    let order = r#"{"user":3,"lines":[{"product":1,"quantity":1},{"product":2,"quantity":1}]}"#;
    for user in 1..=5 {
        visit.ask("GET", &format!("/orders/{user}"), "").await;
        visit.ask("GET", &format!("/products/{user}"), "").await;
        visit.ask("GET", "/products", "").await;
        visit.ask("GET", "/report", "").await;
        visit.ask("POST", "/orders", order).await;
    }
}
