//! The metrics recorder: a service's own stays, and one that has none may take
//! the agent's.

use soakscope_tests::{Subject, get, scratch};

const SUBJECT: &str = env!("CARGO_BIN_EXE_subject");

#[test]
fn a_service_without_a_recorder_may_take_ours() {
    let scratch = scratch();
    let on = [("SOAKSCOPE_GLOBAL_RECORDER", "1")];
    let mut subject = Subject::start(SUBJECT, &scratch.path().join("run"), &on);
    subject.ask("count");
    subject.ask("count");
    let metrics = get(&subject.address, "/metrics").text();
    assert!(metrics.contains("subject_things_total 2"), "{metrics}");
}

#[test]
fn a_service_with_a_recorder_keeps_it() {
    let scratch = scratch();
    let on = [
        ("SOAKSCOPE_GLOBAL_RECORDER", "1"),
        ("SUBJECT_OWN_RECORDER", "1"),
    ];
    let mut subject = Subject::start(SUBJECT, &scratch.path().join("run"), &on);
    subject.ask("count");
    subject.ask("row");
    let metrics = get(&subject.address, "/metrics").text();
    assert!(!metrics.contains("subject_things_total"), "{metrics}");
    assert!(
        metrics.contains("process_resident_memory_bytes"),
        "ours go on: {metrics}"
    );
    subject.ask("finish");
    assert!(
        subject
            .file("events.jsonl")
            .contains("metrics recorder of its own")
    );
}

#[test]
fn requests_are_counted_by_route_with_buckets_of_seconds() {
    let scratch = scratch();
    let mut subject = Subject::start(SUBJECT, &scratch.path().join("run"), &[]);
    subject.ask("request 200");
    subject.ask("request 500");
    let metrics = get(&subject.address, "/metrics").text();
    let count = "http_server_request_duration_seconds_count{http_route=\"/thing/{id}\",http_request_method=\"GET\"} 2";
    assert!(metrics.contains(count), "{metrics}");
    assert!(metrics.contains("le=\"0.005\""), "{metrics}");
    assert!(metrics.contains("soakscope_request_errors_total{http_route=\"/thing/{id}\",http_request_method=\"GET\"} 1"), "{metrics}");
}
