//! A run's directory is made new, held open, and no link in it is followed.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use soakscope_report::{RunDir, RunInfo, judge, seal};
use support::{Plan, write_run};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn only_the_owner_may_look_in_unless_a_mode_says_so() {
    let temp = tempfile::tempdir().unwrap();
    let look = |name: &str, asked: Option<u32>| {
        let path = temp.path().join(name);
        let dir = RunDir::create_with(&path, &RunInfo::default(), asked).unwrap();
        dir.append_timeline().unwrap();
        dir.write_profile("cpu-000001", b"x").unwrap();
        let modes = [
            "",
            "profiles",
            "run.json",
            "timeline.csv",
            "profiles/cpu-000001.pb.gz",
        ];
        modes.map(|name| mode(&path.join(name)))
    };
    assert_eq!(look("own", None), [0o700, 0o700, 0o600, 0o600, 0o600]);
    let wide = look("wide", Some(0o755));
    assert_eq!(wide, [0o755, 0o755, 0o644, 0o644, 0o644]);
    // What is written later is as open as what is there.
    let wide = RunDir::open(&temp.path().join("wide")).unwrap();
    wide.write_artifact("report.md", b"").unwrap();
    assert_eq!(mode(&temp.path().join("wide/report.md")), 0o644);
}

/// What somebody may have put in the place of a file.
const PLANTED: [&str; 4] = ["symlink", "hard link", "pipe", "directory"];

fn plant(kind: &str, at: &Path, victim: &Path) {
    match kind {
        "symlink" => symlink(victim, at).unwrap(),
        "hard link" => fs::hard_link(victim, at).unwrap(),
        "pipe" => assert!(Command::new("mkfifo").arg(at).status().unwrap().success()),
        _ => fs::create_dir(at).unwrap(),
    }
}

#[test]
fn what_was_planted_in_a_run_is_neither_followed_nor_waited_for() {
    for kind in PLANTED {
        let temp = tempfile::tempdir().unwrap();
        let victim = temp.path().join("victim");
        fs::write(&victim, b"precious").unwrap();
        let path = temp.path().join("run");
        let dir = write_run(&path, Plan::default());
        let artifacts = [
            "report.md",
            "verdict.json",
            "timeline.svg",
            "flamegraph.svg",
        ];
        for name in artifacts {
            plant(kind, &path.join(name), &victim);
            plant(kind, &path.join(format!("{name}.tmp")), &victim);
        }
        fs::remove_file(path.join("events.jsonl")).unwrap();
        plant(kind, &path.join("events.jsonl"), &victim);
        fs::remove_file(path.join("spans.csv")).unwrap();
        plant(kind, &path.join("spans.csv"), &victim);
        fs::remove_file(path.join("run.json")).unwrap();
        plant(kind, &path.join("run.json"), &victim);

        assert!(
            dir.append_events().is_err() || kind == "directory",
            "{kind}"
        );
        let verdict = seal(&dir).unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"precious", "{kind}");
        for name in artifacts {
            let written = fs::symlink_metadata(path.join(name)).unwrap();
            if kind == "directory" {
                let note = format!("{name} was not written");
                assert!(
                    verdict.notes.iter().any(|said| said.contains(&note)),
                    "{note}"
                );
            } else {
                assert!(written.is_file() && written.nlink() == 1, "{kind} {name}");
                assert!(written.len() > 8, "{kind} {name}");
            }
        }
    }
}

#[test]
fn a_link_in_the_place_of_profiles_is_not_followed() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("run");
    let dir = RunDir::create(&path, &RunInfo::default()).unwrap();
    let elsewhere = temp.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::remove_dir(path.join("profiles")).unwrap();
    symlink(&elsewhere, path.join("profiles")).unwrap();
    assert!(dir.write_profile("cpu-000001", b"x").is_err());
    assert!(dir.remove_profile("cpu-000001").is_err());
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[test]
fn a_new_run_takes_no_name_that_is_there() {
    let temp = tempfile::tempdir().unwrap();
    for kind in PLANTED {
        let victim = temp.path().join("victim");
        fs::write(&victim, b"precious").unwrap();
        let path = temp.path().join(kind);
        plant(kind, &path, &victim);
        let made = RunDir::create_new(&path, &RunInfo::default(), None);
        assert!(made.unwrap_err().to_string().contains("already"), "{kind}");
        if kind != "directory" {
            assert!(
                RunDir::create(&path, &RunInfo::default()).is_err(),
                "{kind}"
            );
        }
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
    }
    let path = temp.path().join("dangling");
    symlink(temp.path().join("nowhere"), &path).unwrap();
    assert!(RunDir::create(&path, &RunInfo::default()).is_err());
    let path = temp.path().join("not-empty");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("run.json.tmp"), b"").unwrap();
    assert!(RunDir::create(&path, &RunInfo::default()).is_err());
}

#[test]
fn a_directory_that_is_moved_is_the_same_one() {
    let temp = tempfile::tempdir().unwrap();
    let (path, away) = (temp.path().join("run"), temp.path().join("away"));
    let dir = write_run(&path, Plan::default());
    fs::rename(&path, &away).unwrap();
    fs::create_dir(&path).unwrap();
    dir.append_timeline().unwrap().write_all(b"").unwrap();
    seal(&dir).unwrap();
    assert!(!dir.is_gone());
    assert!(away.join("verdict.json").exists());
    assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
}

#[test]
fn a_directory_that_was_removed_can_still_be_read_and_is_taken_back_when_made_again() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("run");
    let dir = write_run(&path, Plan::default());
    let mut timeline = dir.append_timeline().unwrap();
    fs::remove_dir_all(&path).unwrap();
    assert!(dir.is_gone());
    timeline.write_all(b"").unwrap();
    assert_eq!(dir.timeline().unwrap().len(), support::SECONDS);
    assert!(!dir.holds(&timeline).unwrap());
    fs::create_dir(&path).unwrap();
    assert!(!dir.is_gone());
    dir.append_timeline().unwrap();
    assert!(path.join("timeline.csv").exists());
}

#[test]
fn a_description_that_is_torn_empty_or_gone_does_not_take_the_run_with_it() {
    let whole = {
        let temp = tempfile::tempdir().unwrap();
        let dir = write_run(&temp.path().join("run"), Plan::default());
        let run = dir.load().unwrap();
        (
            run.timeline.len(),
            run.events.len(),
            run.heap.len(),
            run.cpu.unwrap().total(0),
        )
    };
    let json = {
        let temp = tempfile::tempdir().unwrap();
        let dir = write_run(&temp.path().join("run"), Plan::default());
        dir.info().unwrap().to_json()
    };
    let cuts = (0..json.len()).step_by(97).map(Some).chain([None]);
    for cut in cuts {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("shop-20260115T100000Z");
        drop(write_run(&path, Plan::default()));
        match cut {
            Some(cut) => fs::write(path.join("run.json"), &json[..cut]).unwrap(),
            None => fs::remove_file(path.join("run.json")).unwrap(),
        }
        let dir = RunDir::open(&path).unwrap();
        let run = dir.load().unwrap();
        let read = (run.timeline.len(), run.events.len(), run.heap.len());
        assert_eq!(
            (read.0, read.1, read.2, run.cpu.as_ref().unwrap().total(0)),
            whole,
            "{cut:?}"
        );
        assert!(
            run.notes[0].contains("description cannot be read"),
            "{:?}",
            run.notes
        );
        assert_eq!(run.info.service, "shop");
        assert_eq!(
            run.info
                .start
                .parse::<jiff::Timestamp>()
                .unwrap()
                .as_nanosecond(),
            i128::from(support::START_NANOS)
        );
        assert!(!judge(&run).leaks.series.is_empty());
    }
    // Nothing of a run is no run, and a version to come is not guessed at.
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join("run.json"), b"{").unwrap();
    assert!(RunDir::open(temp.path()).is_err());
    File::create(temp.path().join("timeline.csv")).unwrap();
    fs::write(temp.path().join("run.json"), br#"{"format":"7.1"}"#).unwrap();
    assert!(RunDir::open(temp.path()).is_err());
}

#[test]
fn a_run_that_cannot_be_read_by_others_is_said_to_be_so() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("file");
    fs::write(&path, b"").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let error = RunDir::open(&path).unwrap_err().to_string();
    assert!(error.contains("not a run directory"), "{error}");
}
