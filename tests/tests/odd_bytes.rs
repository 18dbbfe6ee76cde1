//! A name that is not UTF-8 and a long list of groups cost the timeline nothing,
//! and a core series that stops coming is a warning.

use serde_json::Value;
use soakscope_tests::{Subject, scratch};

const SUBJECT: &str = env!("CARGO_BIN_EXE_subject");

#[test]
fn odd_bytes_cost_nothing_and_what_goes_missing_is_said_once() {
    let scratch = scratch();
    let run = scratch.path().join("run");
    let environment = [
        ("SOAKSCOPE_TICK", "50ms"),
        ("SOAKSCOPE_CPU_CLOCK", "off"),
        ("SOAKSCOPE_LISTEN", "off"),
    ];
    let mut subject = Subject::start(SUBJECT, &run, &environment);
    subject.ask("row");
    assert_eq!(subject.ask("be-odd"), "odd");
    for _ in 0..3 {
        subject.ask("row");
    }
    assert_eq!(subject.ask("lose-status"), "lost");
    for _ in 0..4 {
        subject.ask("row");
    }
    subject.ask("finish");

    let timeline = subject.timeline();
    // So many rows were taken at least before it was lost.
    let odd = 4;
    for column in ["rss_mb", "vms_mb", "threads", "open_fds", "cpu_percent"] {
        let cells = timeline.column(column);
        // There is no rate in the first row.
        let missing = cells
            .iter()
            .take(odd)
            .skip(1)
            .filter(|cell| cell.is_empty());
        assert_eq!(missing.count(), 0, "{column}: {cells:?}");
        let last = cells.last().expect("rows");
        let from_status = ["rss_mb", "vms_mb", "threads"].contains(&column);
        assert_eq!(last.is_empty(), from_status, "{column}: {cells:?}");
    }
    let events = subject.file("events.jsonl");
    let warnings: Vec<String> = events
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .filter(|event| event["kind"] == "warning")
        .filter_map(|event| Some(event["message"].as_str()?.to_owned()))
        .filter(|message| message.contains("cannot be read"))
        .collect();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    for (warning, begin) in warnings.iter().zip([
        "the series rss_mb cannot be read (VmRSS of /proc/self/status: not in it)",
        "the series threads cannot be read (Threads of /proc/self/status: not in it)",
        "the series connections cannot be read (FDSize of /proc/self/status: not in it)",
    ]) {
        assert!(warning.starts_with(begin), "{warning}");
    }
    let run = subject.file("run.json");
    assert!(run.contains("core_readings"), "{run}");
}
