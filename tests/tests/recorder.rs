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
fn a_family_that_both_have_is_shown_once_as_the_agent_s() {
    let scratch = scratch();
    let on = [("SOAKSCOPE_GLOBAL_RECORDER", "1")];
    let mut subject = Subject::start(SUBJECT, &scratch.path().join("run"), &on);
    subject.ask("standard");
    subject.ask("count");
    let theirs = get(&subject.address, "/metrics").text();
    let summary = "# TYPE http_server_request_duration_seconds summary";
    assert!(theirs.contains(summary), "nobody else has it yet: {theirs}");
    subject.ask("request 200");
    subject.ask("row");
    let metrics = get(&subject.address, "/metrics").text();
    let mut families: Vec<&str> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let all = families.len();
    families.sort_unstable();
    families.dedup();
    assert_eq!(families.len(), all, "{metrics}");
    for line in [
        "# TYPE http_server_request_duration_seconds histogram",
        "# TYPE process_open_fds gauge",
        "subject_things_total 1",
        // Of the metrics-process crate alone.
        "# TYPE process_virtual_memory_max_bytes gauge",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    assert!(
        !metrics.contains(" 1000000\n"),
        "the agent's own: {metrics}"
    );
    subject.ask("finish");
    let warned = "the service's own metric process_open_fds is not on the agent's /metrics";
    assert_eq!(subject.file("events.jsonl").matches(warned).count(), 1);
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
