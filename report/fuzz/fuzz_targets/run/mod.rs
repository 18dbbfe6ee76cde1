//! A run whose files are harmless but for one.

use std::fs;

use soakscope_report::{Run, RunDir, RunInfo};

/// The run with this file in it, loaded.
pub fn with(name: &str, bytes: &[u8]) -> Run {
    let temp = tempfile::tempdir().expect("a directory");
    let path = temp.path().join("run");
    let info = RunInfo {
        start: "2026-01-15T10:00:00Z".into(),
        ..RunInfo::default()
    };
    let dir = RunDir::create(&path, &info).expect("a run");
    let mut csv = String::from("elapsed_min,rss_mb,phase\n");
    for minute in 0..40 {
        csv.push_str(&format!("{minute},{},a\n", 50 + minute % 3));
    }
    fs::write(path.join("timeline.csv"), csv).expect("a timeline");
    fs::write(path.join(name), bytes).expect("a file");
    dir.load().expect("one file costs no run")
}
