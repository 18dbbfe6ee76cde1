//! The run directory, from a short run to one that was cut off.

use std::process::Command;

use soakscope_tests::{Subject, Timeline, get, output_text, remove_held, scratch, soakscope};

const SUBJECT: &str = env!("CARGO_BIN_EXE_subject");

#[test]
fn a_service_that_returns_at_once_leaves_a_whole_run() {
    let scratch = scratch();
    let run = scratch.path().join("run");
    let subject = Subject::start(SUBJECT, &run, &[]);
    assert!(subject.end().success());
    for file in [
        "run.json",
        "timeline.csv",
        "events.jsonl",
        "verdict.json",
        "report.md",
    ] {
        assert!(run.join(file).exists(), "{file}");
    }
    let timeline = std::fs::read_to_string(run.join("timeline.csv")).expect("a timeline");
    assert!(
        timeline.lines().count() >= 3,
        "a header, a first and a last row: {timeline}"
    );
    let verdict = std::fs::read(run.join("verdict.json")).expect("a verdict");
    let verdict: serde_json::Value = serde_json::from_slice(&verdict).expect("JSON");
    assert_eq!(
        verdict["verdict"], "inconclusive",
        "a moment proves nothing"
    );
    assert_eq!(verdict["exit_code"], 3);
}

#[test]
fn the_timeline_begins_with_the_columns_that_scripts_use() {
    let scratch = scratch();
    let mut subject = Subject::start(SUBJECT, &scratch.path().join("run"), &[]);
    subject.ask("row");
    subject.ask("request 200");
    subject.ask("request 503");
    subject.ask("row");
    subject.ask("row");
    assert_eq!(subject.ask("finish"), "exit-code 3");
    let timeline = subject.timeline();
    let first = [
        "elapsed_min",
        "rss_mb",
        "vms_mb",
        "connections",
        "time",
        "phase",
    ];
    assert_eq!(timeline.columns[..6], first);
    assert!(
        timeline
            .rows
            .iter()
            .all(|row| row.len() == timeline.columns.len())
    );
    for column in ["rss_mb", "vms_mb", "threads", "open_fds", "heap_live_mb"] {
        let cells = timeline.column(column);
        assert!(
            cells.iter().all(|cell| cell.parse::<f64>().is_ok()),
            "{column}: {cells:?}"
        );
    }
    // A tick waits for a closure as long as it may, and no longer.
    let answers: Vec<&str> = timeline.column("good");
    assert!(answers.iter().all(|cell| ["42", ""].contains(cell)));
    assert!(answers.contains(&"42"));
    // What cannot be known is empty, never zero.
    assert!(
        timeline
            .column("tokio_alive_tasks")
            .iter()
            .all(|cell| cell.is_empty())
    );
    assert!(timeline.column("nan").iter().all(|cell| cell.is_empty()));
    assert!(timeline.column("bad").iter().all(|cell| cell.is_empty()));
    assert!(
        timeline.column("requests_per_s")[0].is_empty(),
        "nothing was asked for yet"
    );
    let rates: Vec<f64> = timeline
        .column("errors_per_s")
        .iter()
        .filter_map(|cell| cell.parse().ok())
        .collect();
    assert!(rates.iter().any(|rate| *rate > 0.0), "{rates:?}");
    let spans = subject.file("spans.csv");
    let counted: u64 = spans
        .lines()
        .filter(|line| line.contains("GET /thing/{id}"))
        .map(|line| {
            line.split(',')
                .nth(2)
                .expect("count")
                .parse::<u64>()
                .expect("n")
        })
        .sum();
    assert_eq!(counted, 2, "{spans}");
    let events = subject.file("events.jsonl");
    assert_eq!(
        events.matches("\\\"bad\\\" panicked").count(),
        1,
        "said once: {events}"
    );
}

#[test]
fn a_killed_run_is_readable_and_called_interrupted() {
    // Built first: a run that goes on while the command is compiled is long
    // enough to be judged.
    drop(soakscope());
    let scratch = scratch();
    let run = scratch.path().join("run");
    let mut subject = Subject::start(SUBJECT, &run, &[]);
    for _ in 0..5 {
        subject.ask("row");
    }
    let running = soakscope()
        .arg("report")
        .arg(&run)
        .output()
        .expect("it runs");
    assert!(
        output_text(&running).contains("running"),
        "{}",
        output_text(&running)
    );
    subject.kill();
    let rows = subject.timeline().rows.len();
    assert!(rows >= 4, "at most the last row is lost: {rows}");
    let cut = soakscope()
        .arg("report")
        .arg(&run)
        .output()
        .expect("it runs");
    let text = output_text(&cut);
    assert!(text.contains("interrupted"), "{text}");
    assert_eq!(cut.status.code(), Some(3), "{text}");
}

#[test]
fn finishing_twice_answers_the_same() {
    let scratch = scratch();
    let mut subject = Subject::start(SUBJECT, &scratch.path().join("run"), &[]);
    subject.ask("row");
    let by_http = soakscope_tests::post(&subject.address, "/finish");
    assert_eq!(by_http.status, 200, "{}", by_http.text());
    let sealed = subject.file("verdict.json");
    let by_code = subject.ask("finish");
    assert_eq!(
        by_code,
        format!("exit-code {}", by_http.json()["exit_code"])
    );
    assert_eq!(subject.ask("finish"), by_code);
    assert_eq!(subject.file("verdict.json"), sealed);
    assert_eq!(get(&subject.address, "/status").json()["state"], "finished");
}

#[test]
fn a_disabled_agent_leaves_no_trace() {
    let scratch = scratch();
    let run = scratch.path().join("run");
    let mut subject = Subject::start(SUBJECT, &run, &[("SOAKSCOPE_ENABLED", "0")]);
    assert_eq!(subject.address, "", "no server");
    assert_eq!(subject.ask("threads"), "threads 1");
    assert_eq!(subject.ask("finish"), "exit-code 0");
    assert!(!run.exists());
}

/// A file system of 256 KiB fills up, refuses, and heals.
#[test]
fn a_full_disk_loses_nothing_that_was_written_and_nothing_that_fits_later() {
    let scratch = scratch();
    let disk = Disk::mount(scratch.path(), "256k");
    let run = disk.path.join("run");
    let mut subject = Subject::start(SUBJECT, &run, &[("SOAKSCOPE_CPU_CLOCK", "off")]);
    subject.ask("row");
    let ballast = disk.path.join("ballast");
    fill(&ballast);
    while get(&subject.address, "/status").json()["disk_trouble"].is_null() {
        subject.ask("row");
    }
    // A row that was tried in vain is cut off again, in a moment or already.
    let whole = || {
        let text = std::fs::read_to_string(run.join("timeline.csv"));
        text.expect("a timeline").ends_with('\n')
    };
    assert!((0..100).any(|_| whole()), "no half row");
    assert_eq!(
        get(&subject.address, "/healthz").status,
        200,
        "the agent goes on"
    );
    std::fs::remove_file(&ballast).expect("remove");
    while !get(&subject.address, "/status").json()["disk_trouble"].is_null() {
        subject.ask("row");
    }
    assert!(subject.ask("finish").starts_with("exit-code"));
    no_row_is_missing(&subject.timeline());
}

/// What `/status` says of the disk.
fn trouble(subject: &Subject) -> Option<String> {
    let status = get(&subject.address, "/status").json();
    status["disk_trouble"].as_str().map(str::to_owned)
}

/// Asserts that rows are at most a quarter of a second apart, but for what they
/// were late by, on a machine that is busy, and for the ticks that were missed.
fn no_row_is_missing(timeline: &Timeline) {
    let minutes: Vec<f64> = timeline
        .column("elapsed_min")
        .iter()
        .map(|cell| cell.parse().expect("a number"))
        .collect();
    let missed = timeline.column("ticks_missed");
    let missed: usize = missed.last().expect("rows").parse().expect("a number");
    let late = timeline.column("tick_late_ms");
    let gaps = minutes
        .windows(2)
        .zip(&late[1..])
        .filter(|(pair, late)| {
            let late: f64 = late.parse().expect("a number");
            (pair[1] - pair[0]) * 60.0 - late / 1_000.0 > 0.25
        })
        .count();
    assert!(gaps <= missed, "{missed} missed: {minutes:?}");
}

#[test]
fn a_directory_that_is_moved_away_and_back_has_every_row() {
    let scratch = scratch();
    let run = scratch.path().join("run");
    let away = scratch.path().join("away");
    let mut subject = Subject::start(SUBJECT, &run, &[("SOAKSCOPE_CPU_WINDOW", "1s")]);
    subject.ask("row");
    std::fs::rename(&run, &away).expect("rename");
    // What is due meanwhile is written where the directory is now.
    std::fs::remove_file(away.join("run.json")).expect("remove");
    let rows = || {
        let text = std::fs::read_to_string(away.join("timeline.csv"));
        text.expect("a timeline").lines().count()
    };
    let before = rows();
    while rows() < before + 20 || !away.join("run.json").exists() {
        subject.ask("row");
    }
    assert_eq!(trouble(&subject), None);
    assert!(!run.exists(), "the agent does not make it anew by itself");
    std::fs::rename(&away, &run).expect("rename");
    subject.ask("row");
    assert!(subject.ask("finish").starts_with("exit-code"));
    for file in ["run.json", "verdict.json", "report.md"] {
        assert!(run.join(file).exists(), "{file}");
    }
    no_row_is_missing(&subject.timeline());
}

#[test]
fn a_directory_that_is_removed_and_made_anew_is_a_run_from_there_on() {
    let scratch = scratch();
    let run = scratch.path().join("run");
    let mut subject = Subject::start(SUBJECT, &run, &[]);
    subject.ask("row");
    let trash = scratch.path().join("trash");
    std::fs::rename(&run, &trash).expect("rename");
    remove_held(&trash);
    while trouble(&subject).is_none() {
        subject.ask("row");
    }
    std::fs::create_dir(&run).expect("mkdir");
    while trouble(&subject).is_some() {
        subject.ask("row");
    }
    assert!(subject.ask("finish").starts_with("exit-code"));
    let timeline = subject.timeline();
    assert_eq!(timeline.columns[0], "elapsed_min");
    assert!(timeline.rows.len() >= 2);
    no_row_is_missing(&timeline);
}

struct Disk {
    path: std::path::PathBuf,
}

impl Disk {
    fn mount(below: &std::path::Path, size: &str) -> Self {
        let path = below.join("disk");
        std::fs::create_dir(&path).expect("mkdir");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(&path)
            .status()
            .expect("mount runs");
        assert!(
            mounted.success(),
            "mounting a tmpfs needs root, as tests/run says"
        );
        Self { path }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

fn fill(path: &std::path::Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(path).expect("create");
    for size in [4096, 64, 1] {
        while file.write_all(&vec![0u8; size]).is_ok() {}
    }
}

#[test]
fn a_finished_run_lists_source_lines() {
    let scratch = scratch();
    let mut subject = Subject::start(SUBJECT, &scratch.path().join("run"), &[]);
    subject.ask("burn 500");
    subject.ask("finish");
    let top = |by: &str| -> serde_json::Value {
        let mut command = soakscope();
        let command = command.arg("top").arg(&subject.run);
        let output = command
            .args(["--json", "-n", "10000", "--by", by])
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{}", output_text(&output));
        assert_eq!(output_text(&output).lines().next(), Some("{"), "no remark");
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let lines = top("line");
    assert_eq!(
        lines["total"],
        top("self")["total"],
        "lines cost what functions do"
    );
    let entries = lines["entries"].as_array().expect("entries");
    let line = |entry: &serde_json::Value| {
        let (file, line) = entry["place"].as_str()?.rsplit_once(':')?;
        (file.ends_with("subject.rs") && line.parse::<u32>().ok()? > 0).then_some(())?;
        entry["name"]
            .as_str()?
            .contains("burn_in_subject")
            .then(|| entry["cumulative"].as_i64())?
    };
    let most = entries
        .iter()
        .filter_map(line)
        .max()
        .expect("lines of the loop");
    assert!(
        most * 10 > lines["total"].as_i64().expect("a total"),
        "{lines:#}"
    );
}
