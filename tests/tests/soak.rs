//! The main job as a newcomer runs it: the soak example, its verdict and its
//! files.

use std::path::Path;

use soakscope_tests::{example, output_text, scratch, soakscope};

/// Runs the soak example; answers its exit code and what it printed.
fn soak(run: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = example("soak")
        .args(["--listen", "127.0.0.1:0", "--out"])
        .arg(run)
        .args(arguments)
        .output()
        .expect("the example runs");
    (output.status.code(), output_text(&output))
}

fn verdict(run: &Path) -> serde_json::Value {
    let text = std::fs::read(run.join("verdict.json")).expect("a verdict");
    serde_json::from_slice(&text).expect("JSON")
}

#[test]
fn memory_kept_per_request_is_called_a_leak() {
    let scratch = scratch();
    let run = scratch.path().join("run");
    let (code, said) = soak(&run, &["--leak", "memory", "--duration", "120s"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("leak"), "{said}");
    let verdict = verdict(&run);
    assert_eq!(verdict["verdict"], "fail");
    let leaking: Vec<&str> = verdict["leaks"]["series"]
        .as_array()
        .expect("series")
        .iter()
        .filter(|series| series["verdict"] == "leak")
        .map(|series| series["name"].as_str().expect("a name"))
        .collect();
    assert!(
        leaking
            .iter()
            .any(|name| name.contains("heap") || name.contains("rss")),
        "{leaking:?}"
    );
    let cause = &verdict["causes"][0];
    assert!(
        cause["code"]
            .as_str()
            .is_some_and(|code| code.ends_with("Journal::remember_request_forever")),
        "the first cause: {cause}"
    );
    assert!(
        cause["bytes_per_request_low"].as_f64() > Some(2_000.0),
        "{cause}"
    );
    assert!(said.contains("remember_request_forever"), "{said}");
    let grown = std::fs::read_to_string(run.join("heap-growth.svg")).expect("what grew");
    assert!(grown.contains("remember_request_forever"));
    let again = soakscope()
        .arg("report")
        .arg(&run)
        .output()
        .expect("it runs");
    assert_eq!(
        again.status.code(),
        Some(1),
        "offline agrees: {}",
        output_text(&again)
    );
}

#[test]
fn a_healthy_minute_is_never_a_leak_and_shows_everything() {
    let scratch = scratch();
    let run = scratch.path().join("run");
    let (code, said) = soak(&run, &[]);
    assert!(matches!(code, Some(0 | 3)), "{said}");
    assert!(
        said.contains(&run.display().to_string()),
        "it says where: {said}"
    );
    let verdict = verdict(&run);
    for series in verdict["leaks"]["series"].as_array().expect("series") {
        assert_ne!(series["verdict"], "leak", "{series}");
    }
    let timeline = std::fs::read_to_string(run.join("timeline.csv")).expect("a timeline");
    let timeline = soakscope_tests::Timeline::parse(&timeline);
    let mut phases = timeline.column("phase");
    phases.dedup();
    for phase in ["warmup", "steady", "spike", "cooldown"] {
        assert!(phases.contains(&phase), "{phases:?}");
        assert!(
            run.join(format!("flamegraph-{phase}.svg")).exists(),
            "{phase}"
        );
    }
    let flames = std::fs::read_to_string(run.join("flamegraph.svg")).expect("flames");
    assert!(
        flames.contains("tally_revenue"),
        "the shop's own functions are named"
    );
    let client = std::fs::read(run.join("client/load.json")).expect("the client's view");
    let client: serde_json::Value = serde_json::from_slice(&client).expect("JSON");
    assert!(
        client["summary"]["requestsPerSec"]
            .as_f64()
            .is_some_and(|rate| rate > 50.0),
        "{client}"
    );
}

#[test]
fn an_unknown_flag_is_a_usage_error() {
    let output = example("soak").arg("--leek").output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        output_text(&output).contains("--leek"),
        "{}",
        output_text(&output)
    );
}
