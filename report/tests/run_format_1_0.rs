//! The frozen run of format 1.0 is read by this and every later version.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use soakscope_report::{
    LeakOptions, ProfileRange, RunDir, RunState, Verdict, judge, judge_timeline, read_timeline,
};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

#[test]
fn all_of_it_is_read() {
    let dir = RunDir::open(&fixture("run-1.0")).unwrap();
    let run = dir.load().unwrap();
    assert_eq!(run.notes, Vec::<String>::new());
    assert_eq!(
        (run.info.format.as_str(), run.info.service.as_str()),
        ("1.0", "shop")
    );
    assert_eq!(run.info.state, RunState::Finished);
    assert_eq!(run.info.limits["memory_mb"], Some(512.0));
    assert_eq!(run.info.limits["open_fds"], None);
    assert_eq!(run.info.trust.as_ref().unwrap().drops["ring-full"], 3);

    assert_eq!(run.timeline.len(), 180);
    assert_eq!(
        run.timeline.columns()[..4],
        ["elapsed_min", "rss_mb", "vms_mb", "connections"]
    );
    let phases: Vec<_> = run.timeline.phases().into_iter().map(|p| p.name).collect();
    assert_eq!(phases, ["warmup", "steady", "spike", "steady"]);
    assert!(run.timeline.series("latency_p99_ms").unwrap()[75].is_nan());

    assert_eq!(run.events.len(), 4);
    assert_eq!(run.events[1].fields["name"], "steady");
    let cpu = run.cpu.as_ref().unwrap();
    assert_eq!(cpu.total(0), 4_848);
    assert_eq!(cpu.duration_nanos, 180_000_000_000);
    assert_eq!(judge(&run).verdict, Verdict::Pass);
}

#[test]
fn windows_are_chosen_by_phase_and_by_minute() {
    let dir = RunDir::open(&fixture("run-1.0")).unwrap();
    let total = |range: ProfileRange| {
        let (profile, notes) = dir.profile("cpu", &range).unwrap();
        assert!(notes.is_empty());
        profile.map(|profile| profile.total(0))
    };
    let all = total(ProfileRange::default()).unwrap();
    let phase = |name: &str| {
        total(ProfileRange {
            phase: Some(name.into()),
            ..ProfileRange::default()
        })
        .unwrap()
    };
    assert_eq!(phase("warmup") + phase("steady") + phase("spike"), all);
    let minutes = |from, to| {
        total(ProfileRange {
            from_min: from,
            to_min: to,
            ..ProfileRange::default()
        })
    };
    let (early, late) = (
        minutes(None, Some(1.5)).unwrap(),
        minutes(Some(1.5), None).unwrap(),
    );
    assert_eq!(early + late, all);
    assert_eq!(minutes(Some(99.0), None), None);
}

#[test]
fn a_psutil_script_s_file_is_read() {
    let timeline = read_timeline(&fixture("psutil.csv")).unwrap();
    assert_eq!(
        timeline.columns(),
        ["elapsed_min", "rss_mb", "vms_mb", "connections"]
    );
    assert_eq!((timeline.len(), timeline.truncated_rows()), (60, 0));
    let report = judge_timeline(&timeline, &LeakOptions::default());
    assert_eq!(report.verdict, Verdict::Fail);
    let names: Vec<_> = report
        .series
        .iter()
        .map(|s| (s.name.as_str(), s.verdict.name()))
        .collect();
    assert_eq!(names, [("rss_mb", "leak"), ("connections", "clean")]);
}
