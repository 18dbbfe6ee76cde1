//! Runs that were killed, are still going on, or lost some of their files.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::io::Write;

use soakscope_report::{
    RunDir, RunInfo, RunState, Verdict, identity, judge, liveness, seal, summary_markdown,
    summary_text, verdict_json,
};
use support::{Plan, write_run};

#[test]
fn a_killed_run_reads_as_interrupted_and_is_judged() {
    let temp = tempfile::tempdir().unwrap();
    let plan = Plan {
        leak_mb_per_s: 0.5,
        running: true,
    };
    let dir = write_run(&temp.path().join("run"), plan);
    // By a process of this machine that is no more.
    let mut ended = std::process::Command::new("true").spawn().unwrap();
    ended.wait().unwrap();
    let mut info = dir.info().unwrap();
    (info.pid, info.process, info.host.name) = (ended.id(), identity(), None);
    dir.write_info(&info).unwrap();
    // The kill fell into a row, an event and a profile window.
    dir.append_timeline()
        .unwrap()
        .write_all(b"3.0,166.1,10")
        .unwrap();
    dir.append_events()
        .unwrap()
        .write_all(br#"{"time":"2026-"#)
        .unwrap();
    let window = &dir.profiles("cpu").unwrap()[5];
    let bytes = fs::read(window).unwrap();
    fs::write(window, &bytes[..bytes.len() / 2]).unwrap();

    let run = RunDir::open(dir.path())
        .unwrap()
        .load_with(liveness)
        .unwrap();
    assert_eq!(run.info.state, RunState::Interrupted);
    assert_eq!(run.timeline.len(), support::SECONDS);
    assert_eq!(run.events.len(), 4);
    assert!(run.cpu.as_ref().unwrap().total(0) > 3_000);
    let notes = run.notes.join("\n");
    for lost in ["cut off: 1", "could not be read: 1", "cpu-000006.pb.gz"] {
        assert!(notes.contains(lost), "{lost} is not in {notes}");
    }
    let verdict = judge(&run);
    assert_eq!(verdict.verdict, Verdict::Fail);
    assert!(summary_text(&run, &verdict).contains("interrupted"));
}

#[test]
fn a_run_is_going_on_while_its_process_is_there() {
    let temp = tempfile::tempdir().unwrap();
    let plan = Plan {
        running: true,
        ..Plan::default()
    };
    let dir = write_run(&temp.path().join("run"), plan);
    let state = |pid: u32, start: &str, host: Option<&str>| {
        let mut info = dir.info().unwrap();
        info.pid = pid;
        info.start = start.into();
        info.host.name = host.map(str::to_owned);
        dir.write_info(&info).unwrap();
        dir.load_with(liveness).unwrap().info.state
    };
    let me = std::process::id();
    assert_eq!(state(me, "2999-01-01T00:00:00Z", None), RunState::Running);
    // This process began after the run did, so it took over the id.
    assert_eq!(
        state(me, "2020-01-01T00:00:00Z", None),
        RunState::Interrupted
    );
    // A process of another machine cannot be seen from here.
    let elsewhere = Some("a-machine-of-another-name");
    assert_eq!(
        state(me, "2999-01-01T00:00:00Z", elsewhere),
        RunState::Unknown
    );
    // Without being asked about the process, the record stands.
    assert_eq!(dir.load().unwrap().info.state, RunState::Running);
}

#[test]
fn a_run_with_nothing_but_its_description_is_inconclusive() {
    let temp = tempfile::tempdir().unwrap();
    let dir = RunDir::create(&temp.path().join("run"), &RunInfo::default()).unwrap();
    let run = dir.load().unwrap();
    let verdict = judge(&run);
    assert_eq!(
        (verdict.verdict, verdict.exit_code),
        (Verdict::Inconclusive, 3)
    );
    assert!(run.cpu.is_none() && run.notes.iter().any(|note| note.contains("timeline.csv")));
    for text in [
        summary_text(&run, &verdict),
        summary_markdown(&run, &verdict),
    ] {
        assert!(text.contains("no series to judge"), "{text}");
    }
    let sealed = seal(&dir).unwrap();
    assert_eq!(sealed.verdict, Verdict::Inconclusive);
    assert!(dir.has_artifact("verdict.json") && dir.has_artifact("timeline.svg"));
    // No profile was taken, so there is no picture of one.
    assert!(!dir.has_artifact("flamegraph.svg"));
}

#[test]
fn sealing_writes_everything_and_one_failure_costs_one_file() {
    let temp = tempfile::tempdir().unwrap();
    let dir = write_run(&temp.path().join("run"), Plan::default());
    // A directory is in the way of one file.
    fs::create_dir(dir.path().join("timeline.svg")).unwrap();
    let verdict = seal(&dir).unwrap();
    assert_eq!(verdict.verdict, Verdict::Pass);
    for name in [
        "verdict.json",
        "report.md",
        "flamegraph.svg",
        "flamegraph-warmup.svg",
        "flamegraph-steady.svg",
        "flamegraph-spike.svg",
    ] {
        assert!(dir.has_artifact(name), "{name}");
    }
    assert!(
        verdict
            .notes
            .iter()
            .any(|note| note.contains("timeline.svg was not written"))
    );
    let written = fs::read_to_string(dir.path().join("verdict.json")).unwrap();
    assert_eq!(written, verdict_json(&verdict));
    let leftovers = fs::read_dir(dir.path()).unwrap().filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .ends_with(".tmp")
    });
    assert_eq!(leftovers.count(), 0);
}

#[test]
fn a_phase_s_name_cannot_leave_the_directory() {
    let temp = tempfile::tempdir().unwrap();
    let dir = RunDir::create(&temp.path().join("run"), &RunInfo::default()).unwrap();
    for name in ["../evil", "a/b", ".hidden", "", "nul\0"] {
        assert!(dir.write_artifact(name, b"").is_err(), "{name:?}");
        assert!(dir.write_profile(name, b"").is_err(), "{name:?}");
    }
}

#[test]
fn a_second_run_does_not_overwrite_the_first() {
    let temp = tempfile::tempdir().unwrap();
    RunDir::create(temp.path(), &RunInfo::default()).unwrap();
    let error = RunDir::create(temp.path(), &RunInfo::default()).unwrap_err();
    assert!(
        error.to_string().contains("choose a new directory"),
        "{error}"
    );
}

#[test]
fn what_is_no_run_says_so_with_its_path() {
    let temp = tempfile::tempdir().unwrap();
    let empty = RunDir::open(temp.path()).unwrap_err().to_string();
    assert!(empty.contains("not a run directory"), "{empty}");
    let missing = RunDir::open(&temp.path().join("gone"))
        .unwrap_err()
        .to_string();
    assert!(missing.contains("gone"), "{missing}");
    fs::write(temp.path().join("run.json"), br#"{"format":"7.1"}"#).unwrap();
    let newer = RunDir::open(temp.path()).unwrap_err().to_string();
    assert!(
        newer.contains("run.json") && newer.contains("7.1"),
        "{newer}"
    );
}
