//! Profiles against `go tool pprof`: what it makes of ours, and what we make of
//! those that it reads.

mod costs;
mod drawn;
mod programs;

use soakscope_tests::{Subject, output_text, scratch, tool};

const SUBJECT: &str = env!("CARGO_BIN_EXE_subject");

fn pprof(arguments: &[&str]) -> String {
    let output = tool("go")
        .args(["tool", "pprof"])
        .args(arguments)
        .env("PPROF_TMPDIR", std::env::temp_dir())
        .output()
        .expect("go runs");
    assert!(output.status.success(), "{}", output_text(&output));
    output_text(&output)
}

/// Profiles of a run whose path contains this, oldest first.
fn files(subject: &Subject, part: &str) -> Vec<String> {
    let mut paths: Vec<String> = std::fs::read_dir(subject.run.join("profiles"))
        .expect("profiles")
        .map(|entry| entry.expect("entry").path().display().to_string())
        .filter(|path| path.contains(part))
        .collect();
    paths.sort();
    paths
}

/// Seconds in the `cum` column of the named function in `pprof -top`.
fn cumulative_seconds(top: &str, function: &str) -> f64 {
    let line = top
        .lines()
        .find(|line| line.contains(function))
        .unwrap_or_else(|| panic!("{function} is not in\n{top}"));
    let seconds = line.split_whitespace().nth(3).expect("a cum column");
    match seconds.strip_suffix("ms") {
        Some(ms) => ms.parse::<f64>().expect("ms") / 1_000.0,
        None => seconds.trim_end_matches('s').parse().expect("seconds"),
    }
}

#[test]
fn it_reads_the_profiles_of_a_run() {
    let scratch = scratch();
    let mut subject = Subject::start(SUBJECT, &scratch.path().join("run"), &[]);
    soakscope_tests::post(&subject.address, "/phase/busy");
    subject.ask("burn 2000");
    subject.ask("finish");
    let windows = files(&subject, "/cpu-");
    let windows: Vec<&str> = windows.iter().map(String::as_str).collect();
    let mut arguments = vec!["-top", "-sample_index=cpu"];
    arguments.extend(&windows);
    let top = pprof(&arguments);
    assert!(top.contains("Type: cpu"), "{top}");
    let seconds = cumulative_seconds(&top, "burn_in_subject");
    assert!(
        (1.6..2.4).contains(&seconds),
        "two seconds were burned:\n{top}"
    );
    let mut peek = vec!["-peek=burn_in_subject", "-sample_index=cpu"];
    peek.extend(&windows);
    assert!(pprof(&peek).contains("subject::main"), "callers are known");
    let whole = subject.run.join("cpu.pb.gz");
    let whole = whole.to_str().expect("text");
    let list = pprof(&["-list=burn_in_subject", "-sample_index=cpu", whole]);
    assert!(
        list.contains("subject.rs") && list.contains("black_box"),
        "the whole run's profile has source lines:\n{list}"
    );
    let none = pprof(&["-top", "-sample_index=cpu", "-diff_base", whole, whole]);
    assert!(
        none.contains("accounting for 0,"),
        "a profile less itself is nothing:\n{none}"
    );
    let mut by_phase = vec!["-top", "-tagfocus=phase=busy"];
    by_phase.extend(&windows);
    assert!(
        pprof(&by_phase).contains("burn_in_subject"),
        "samples know their phase"
    );
}

#[test]
fn it_reads_a_profile_over_http() {
    let scratch = scratch();
    let mut subject = Subject::start(SUBJECT, &scratch.path().join("run"), &[]);
    let url = format!("http://{}/debug/pprof/profile?seconds=2", subject.address);
    let reading = std::thread::spawn(move || pprof(&["-top", "-sample_index=cpu", &url]));
    while !reading.is_finished() {
        subject.ask("burn 100");
    }
    let top = reading.join().expect("no panic");
    let seconds = cumulative_seconds(&top, "burn_in_subject");
    assert!(seconds > 0.1, "it was busy all the time:\n{top}");
}

/// Megabytes in the `cum` column of the named function in `pprof -top`.
fn cumulative_mb(top: &str, function: &str) -> f64 {
    let line = top
        .lines()
        .find(|line| line.contains(function))
        .unwrap_or_else(|| panic!("{function} is not in\n{top}"));
    let text = line.split_whitespace().nth(3).expect("a cum column");
    let split = text.find(|c: char| c.is_ascii_alphabetic());
    let (number, unit) = text.split_at(split.unwrap_or(text.len()));
    let number: f64 = number.parse().expect("a number");
    match unit {
        "MB" => number,
        "kB" => number / 1024.0,
        "GB" => number * 1024.0,
        _ => number / (1024.0 * 1024.0),
    }
}

#[test]
fn it_reads_heap_profiles() {
    let scratch = scratch();
    let often = [("SOAKSCOPE_HEAP_INTERVAL", "16384")];
    let mut subject = Subject::start(SUBJECT, &scratch.path().join("run"), &often);
    // More than a thread allocates before it looks at its interval again.
    subject.ask("hold 8192");
    subject.ask("hold 16384");
    let url = |what: &str| format!("http://{}/debug/pprof/{what}", subject.address);
    let (heap, allocs) = (url("heap"), url("allocs"));
    let delta = url("heap?seconds=2");
    for (url, default) in [(&heap, "inuse_space"), (&allocs, "alloc_space")] {
        let top = pprof(&["-top", url]);
        assert!(top.contains(&format!("Type: {default}")), "{top}");
        let mb = cumulative_mb(&top, "hold_in_subject");
        assert!((18.0..30.0).contains(&mb), "24 MB are held:\n{top}");
        let leaf = top.lines().find(|line| line.contains("HeapProfiler"));
        assert_eq!(leaf, None, "the profiler's own frames are left out");
    }
    for kind in [
        "alloc_objects",
        "alloc_space",
        "inuse_objects",
        "inuse_space",
    ] {
        let top = pprof(&["-top", &format!("-sample_index={kind}"), &heap]);
        assert!(top.contains("hold_in_subject"), "{kind}:\n{top}");
    }
    let reading = std::thread::spawn(move || pprof(&["-top", &delta]));
    while !reading.is_finished() {
        subject.ask("hold 512");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let top = reading.join().expect("no panic");
    let mb = cumulative_mb(&top, "hold_in_subject");
    assert!((1.0..60.0).contains(&mb), "half a MB every moment:\n{top}");
    subject.ask("finish");
    let profiles = files(&subject, "/heap-");
    let last = profiles.last().expect("one at the end");
    let top = pprof(&["-top", last]);
    assert!(cumulative_mb(&top, "hold_in_subject") > 24.0, "{top}");
    let svg = std::fs::read_to_string(subject.run.join("heap.svg")).expect("a picture");
    assert!(svg.contains("hold_in_subject"));
}

/// The megabytes of each value of a key that `pprof -tags` lists.
fn tagged_mb(tags: &str, key: &str) -> Vec<(String, f64)> {
    let lines = tags.lines().map(str::trim);
    lines
        .skip_while(|line| !line.starts_with(&format!("{key}: ")))
        .skip(1)
        .take_while(|line| !line.is_empty())
        .map(|line| {
            let (mb, value) = line.split_once("MB (").expect("an amount");
            let (_, value) = value.split_once("): ").expect("a value");
            (value.to_owned(), mb.parse().expect("megabytes"))
        })
        .collect()
}

#[test]
fn heap_profiles_know_thread_phase_and_span() {
    let scratch = scratch();
    let often = [("SOAKSCOPE_HEAP_INTERVAL", "16384")];
    let mut subject = Subject::start(SUBJECT, &scratch.path().join("run"), &often);
    // More than a thread allocates before it looks at its interval again.
    subject.ask("hold 8192");
    for (phase, thread) in [("warm", "first-holder"), ("busy", "second-holder")] {
        soakscope_tests::post(&subject.address, &format!("/phase/{phase}"));
        subject.ask(&format!("hold-in {thread}"));
    }
    let url = |what: &str| format!("http://{}/debug/pprof/{what}", subject.address);
    let (heap, allocs) = (url("heap"), url("allocs"));
    let read = |profile: &str| {
        let focus = "-focus=hold_in_subject";
        let tags = pprof(&["-tags", "-unit=MB", focus, profile]);
        for (key, values) in [
            ("phase", ["warm", "busy"]),
            ("thread", ["first-holder", "second-holder"]),
            ("span", ["holding", "holding"]),
        ] {
            let found = tagged_mb(&tags, key);
            for value in values {
                let mb = found.iter().find(|(name, _)| name == value);
                let mb = mb.unwrap_or_else(|| panic!("no {key} {value}:\n{tags}")).1;
                let held = if key == "span" { 16.0 } else { 8.0 };
                assert!((held * 0.8..held * 1.3).contains(&mb), "{key}:\n{tags}");
            }
        }
    };
    read(&heap);
    read(&allocs);
    subject.ask("finish");
    let last = files(&subject, "/heap-").pop().expect("one at the end");
    read(&last);
    let both = ["-tagfocus=thread=first-holder", "-tagignore=phase=warm"];
    let none = pprof(&["-top", both[0], both[1], &last]);
    assert!(
        none.contains("accounting for 0,"),
        "they go together:\n{none}"
    );
}
