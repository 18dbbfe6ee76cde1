//! Locust drives the example service through the script that comes with it.

use std::process::Stdio;

use soakscope_tests::{Running, example, free_port, output_text, scratch, tool};

#[test]
fn locust_loads_the_shop_and_marks_its_phases() {
    let scratch = scratch();
    let (shop, admin) = (free_port(), free_port());
    let run_dir = scratch.path().join("runs");
    let child = example("shop")
        .args(["--listen", &format!("127.0.0.1:{shop}")])
        .args(["--admin", &format!("127.0.0.1:{admin}")])
        .arg("--run-dir")
        .arg(&run_dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the shop starts");
    let mut service = Running::new(child);
    service.wait_for(shop);
    service.wait_for(admin);

    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/load/locustfile.py"
    );
    let locust = tool("locust")
        .args([
            "--headless",
            "--users",
            "8",
            "--spawn-rate",
            "4",
            "--run-time",
            "20s",
        ])
        .args([
            "--host",
            &format!("http://127.0.0.1:{shop}"),
            "-f",
            script,
            "--only-summary",
        ])
        .env("SOAKSCOPE_ADMIN", format!("http://127.0.0.1:{admin}"))
        .output()
        .expect("locust runs");
    assert!(locust.status.success(), "{}", output_text(&locust));
    let status = service.terminate();
    assert!(
        matches!(status.code(), Some(0 | 3)),
        "no leak was planted: {status}"
    );

    let run = std::fs::read_dir(&run_dir)
        .expect("runs")
        .next()
        .expect("a run")
        .expect("entry")
        .path();
    let timeline = std::fs::read_to_string(run.join("timeline.csv")).expect("a timeline");
    let timeline = soakscope_tests::Timeline::parse(&timeline);
    let mut phases = timeline.column("phase");
    phases.dedup();
    assert!(phases.len() >= 3, "the script marks phases: {phases:?}");
    let busiest = timeline
        .column("requests_per_s")
        .iter()
        .filter_map(|cell| cell.parse::<f64>().ok())
        .fold(0.0, f64::max);
    assert!(busiest > 5.0, "requests arrived: {busiest}/s");
    let spans = std::fs::read_to_string(run.join("spans.csv")).expect("spans");
    assert!(
        spans.contains("GET /products/{id}"),
        "routes, not URIs: {spans}"
    );
}
