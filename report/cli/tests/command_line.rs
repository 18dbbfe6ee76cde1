//! The `soakscope` command as a shell and a CI job see it.

#![allow(clippy::unwrap_used)]

#[path = "support/command.rs"]
mod command;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::{Command, Stdio};

use command::{err, out, soakscope};
use support::{Plan, write_run};

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    path.join(name).display().to_string()
}

#[test]
fn the_exit_code_is_the_verdict_s() {
    let temp = tempfile::tempdir().unwrap();
    let leak = Plan {
        leak_mb_per_s: 0.5,
        ..Plan::default()
    };
    write_run(&temp.path().join("leaking"), leak);
    let leaking = temp.path().join("leaking").display().to_string();
    let short = temp.path().join("short.csv").display().to_string();
    std::fs::write(&short, "elapsed_s,rss_mb\n0,1\n1,2\n").unwrap();

    for command in ["report", "leaks"] {
        assert_eq!(
            soakscope(&[command, &fixture("run-1.0")]).status.code(),
            Some(0)
        );
        assert_eq!(soakscope(&[command, &leaking]).status.code(), Some(1));
    }
    assert_eq!(
        soakscope(&["leaks", &fixture("psutil.csv")]).status.code(),
        Some(1)
    );
    assert_eq!(soakscope(&["leaks", &short]).status.code(), Some(3));
}

#[test]
fn bad_usage_and_unreadable_input_are_2_with_thing_and_remedy_on_stderr() {
    let temp = tempfile::tempdir().unwrap();
    let path = |name: &str| temp.path().join(name).display().to_string();
    std::fs::write(path("empty.csv"), "").unwrap();
    std::fs::write(path("binary.csv"), [0u8, 159, 146, 150]).unwrap();
    std::fs::write(path("headless.csv"), "0,1\n1,2\n").unwrap();
    for (arguments, wanted) in [
        (vec!["leaks", "/no/such/file.csv"], "/no/such/file.csv"),
        (
            vec!["leaks", &path("empty.csv")],
            "empty.csv: line 1: the file is empty",
        ),
        (vec!["leaks", &path("binary.csv")], "not text"),
        (vec!["leaks", &path("headless.csv")], "add a header"),
        (
            vec!["report", &temp.path().display().to_string()],
            "not a run directory",
        ),
        (vec!["report", "/no/such/run"], "/no/such/run"),
        (
            vec!["top", &fixture("run-1.0"), "--phase", "nosuch"],
            "nosuch",
        ),
        (
            vec!["flamegraph", &fixture("run-1.0"), "--from", "99"],
            "between these minutes",
        ),
        (vec!["leaks", "--no-such-flag", "x.csv"], "--no-such-flag"),
        (vec!["nosuchcommand"], "nosuchcommand"),
        (vec![], "Usage"),
        (vec!["leaks"], "FILE|RUN"),
    ] {
        let output = soakscope(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            err(&output).contains(wanted),
            "{arguments:?}: {}",
            err(&output)
        );
        assert_eq!(out(&output), "", "{arguments:?}");
    }
}

#[test]
fn json_is_a_document_and_nothing_else() {
    let run = fixture("run-1.0");
    let json = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_slice(&soakscope(arguments).stdout).unwrap()
    };
    let leaks = json(&["leaks", &run, "--json", "--seed", "7"]);
    assert_eq!(leaks["verdict"], "pass");
    assert_eq!(leaks["series"][0]["name"], "rss_mb");
    assert_eq!(leaks["series"][0]["verdict"], "clean");
    assert_eq!(leaks["series"][0]["quarters"].as_array().unwrap().len(), 4);
    let report = json(&["report", &run, "--json"]);
    assert_eq!(
        (&report["exit_code"], &report["format"]),
        (&0.into(), &"1.0".into())
    );
    assert_eq!(report["rules"][0]["rule"], "leaks");
    let top = json(&["top", &run, "--json", "-n", "2"]);
    assert_eq!(top["entries"].as_array().unwrap().len(), 2);
    assert_eq!(top["entries"][0]["name"], "shop::cart::price");
}

#[test]
fn report_writes_only_when_asked_to() {
    let temp = tempfile::tempdir().unwrap();
    let dir = write_run(&temp.path().join("run"), Plan::default());
    let path = dir.path().display().to_string();
    soakscope(&["report", &path]);
    assert!(!dir.has_artifact("verdict.json"));
    let output = soakscope(&["report", &path, "--write"]);
    assert!(
        out(&output).starts_with("PASS: no leak above ")
            && out(&output).contains("\n  shop: finished"),
        "{}",
        out(&output)
    );
    for name in [
        "verdict.json",
        "report.md",
        "timeline.svg",
        "flamegraph-spike.svg",
    ] {
        assert!(out(&output).contains(name), "{name}");
        assert!(dir.has_artifact(name), "{name}");
    }
}

#[test]
fn top_ranks_by_own_cost_total_cost_and_line() {
    let run = fixture("run-1.0");
    let first = |by: &str| {
        let output = soakscope(&["top", &run, "--by", by]);
        assert_eq!(output.status.code(), Some(0));
        out(&output).lines().nth(3).unwrap().to_owned()
    };
    assert!(first("self").contains("shop::cart::price"));
    assert!(first("cum").contains("100.0%"));
    assert!(first("line").contains("src/cart.rs:25"));
}

#[test]
fn flame_graphs_are_drawn_whole_by_phase_by_minute_and_as_a_difference() {
    let run = fixture("run-1.0");
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("flame.svg");
    for part in [
        vec![],
        vec!["--phase", "spike"],
        vec!["--from", "1", "--to", "2"],
        vec!["--inverted"],
        vec!["--diff"],
    ] {
        let mut arguments = vec!["flamegraph", &run];
        arguments.extend(part);
        let output = soakscope(&arguments);
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        assert!(out(&output).contains("shop::cart::price"), "{arguments:?}");
    }
    let path = file.display().to_string();
    let output = soakscope(&["flamegraph", &run, "-o", &path, "--json"]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["file"], path);
    assert!(std::fs::read_to_string(file).unwrap().contains("</svg>"));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    // A flame graph is larger than a pipe holds, so the write must fail.
    let mut child = Command::new(env!("CARGO_BIN_EXE_soakscope"))
        .args(["flamegraph", &fixture("run-1.0")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(err(&output), "");
}

#[test]
fn help_names_the_commands_and_the_exit_codes() {
    let help = soakscope(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    for word in ["report", "leaks", "top", "flamegraph", "3 inconclusive"] {
        assert!(out(&help).contains(word), "{word}");
    }
    let help = out(&soakscope(&["report", "--help"]));
    assert!(
        help.contains("--write") && help.contains("Nothing is written"),
        "{help}"
    );
}

#[test]
fn top_by_span_tells_what_a_request_costs() {
    use soakscope_report::{Label, ProfileBuilder, RunDir, RunInfo};
    use std::io::Write;

    let temp = tempfile::tempdir().unwrap();
    let run = temp.path().join("run");
    let dir = RunDir::create(&run, &RunInfo::default()).unwrap();
    let mut builder = ProfileBuilder::cpu(1, 1, 1);
    let f = builder.function("f", "f", "f.rs", 1);
    let at = builder.location(None, 1, &[(f, 1)]);
    for (span, ms) in [("GET /a", 100), ("query", 300)] {
        let labels = vec![Label::text("span", span), Label::text("route", "GET /a")];
        builder.sample(&[at], &[1, ms * 1_000_000], labels);
    }
    builder.sample(&[at], &[1, 100_000_000], Vec::new());
    dir.write_profile("cpu-000001", &builder.build().encode())
        .unwrap();
    let rows = "elapsed_min,span,count,errors,busy_ms,kind\n\
                0.2,GET /a,40,1,900,request\n0.2,query,80,0,300,span\n";
    dir.append_spans()
        .unwrap()
        .write_all(rows.as_bytes())
        .unwrap();
    let run = run.display().to_string();

    let text = out(&soakscope(&["top", &run, "--by", "span"]));
    let row = |name: &str| {
        let line = text.lines().find(|line| line.ends_with(name)).unwrap();
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    // Of three samples nothing is sure, and each is marked.
    let wanted = "0.1 s 20.0% ± 40.0 0.4 s 80.0% ± 40.0 40 10 ± 5 2 ~ GET /a";
    assert_eq!(row("GET /a").join(" "), wanted, "{text}");
    assert_eq!(row("query")[10..15].join(" "), "80 4 ± 4 1", "{text}");
    assert_eq!(row("<no span>")[10..14].join(" "), "- - 1 ~", "{text}");
    assert!(text.contains("\n~ fewer than 10 samples"), "{text}");

    let json = out(&soakscope(&["top", &run, "--by", "span", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["entries"][0]["cpu_ms_each"], 10.0);
    assert_eq!(json["total"], 500_000_000);
    assert_eq!(
        (&json["measured"], &json["samples"]),
        (&false.into(), &3.into())
    );
    let within = &json["entries"][0]["cumulative_within"];
    assert_eq!(within.as_f64().unwrap().round(), 199_881_565.0);

    let part = ["flamegraph", &run, "--format", "collapsed", "--span"];
    let of = |span| soakscope(&[&part[..], &[span]].concat());
    assert_eq!(out(&of("GET /a")), "f 400000000\n");
    assert_eq!(out(&of("query")), "f 300000000\n");
    assert_eq!(of("nosuch").status.code(), Some(2));
    assert!(err(&of("nosuch")).contains("--by span"));
    assert!(out(&soakscope(&["report", &run])).contains("Requests and spans"));
}

/// A route that was never sampled costs what was measured all the same.
#[test]
fn top_by_span_goes_by_measured_cpu_time_where_there_is_any() {
    use soakscope_report::{Label, ProfileBuilder, RunDir, RunInfo};
    use std::io::Write;

    let temp = tempfile::tempdir().unwrap();
    let run = temp.path().join("run");
    let dir = RunDir::create(&run, &RunInfo::default()).unwrap();
    let mut builder = ProfileBuilder::cpu(1, 1, 1);
    let f = builder.function("f", "f", "f.rs", 1);
    let at = builder.location(None, 1, &[(f, 1)]);
    for (span, samples) in [("GET /long", 100), ("query", 100)] {
        let labels = vec![Label::text("span", span), Label::text("route", "GET /long")];
        builder.sample(&[at], &[samples, samples * 10_000_000], labels);
    }
    builder.sample(&[at], &[50, 500_000_000], Vec::new());
    dir.write_profile("cpu-000001", &builder.build().encode())
        .unwrap();
    let rows = "elapsed_min,span,count,kind,cpu_ms,cpu_measured,cpu_se_ms,cpu_samples,cpu_sampled_ms\n\
                0.2,GET /long,100,request,1000,100,0,200,2000\n\
                0.2,GET /short,4000,request,1200,400,20,0,0\n\
                0.2,query,100,span,500,,,100,1000\n\
                0.2,<no request>,,none,300,,20,50,500\n";
    dir.append_spans()
        .unwrap()
        .write_all(rows.as_bytes())
        .unwrap();
    let run = run.display().to_string();
    let json = |arguments: &[&str]| -> serde_json::Value {
        let all = [&["top", &run, "--by", "span", "--json"], arguments].concat();
        serde_json::from_slice(&soakscope(&all).stdout).unwrap()
    };
    let all = json(&[]);
    assert_eq!(
        (&all["total"], &all["measured"]),
        (&2_500_000_000_i64.into(), &true.into())
    );
    let names: Vec<&str> = (0..4)
        .map(|entry| all["entries"][entry]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["GET /short", "GET /long", "query", "<no request>"]);
    let entry = |place: usize| &all["entries"][place];
    assert_eq!(entry(0)["cumulative"], 1_200_000_000);
    assert_eq!(entry(0)["cumulative_within"], 39_318_550.0);
    assert_eq!(entry(0)["samples"], 0);
    // Half of its samples are in the span inside, and so is half of its time.
    assert_eq!(entry(1)["self"], 500_000_000);
    assert_eq!(entry(1)["cumulative_within"], 0.0);
    assert_eq!(entry(2)["cumulative"], 500_000_000);
    assert_eq!(entry(3)["self"], 300_000_000);
    let text = out(&soakscope(&["top", &run, "--by", "span"]));
    assert!(text.contains("0.300 ± 0.010"), "{text}");
    assert!(text.contains("measured by the threads' clocks"), "{text}");
    assert!(!text.contains('~'), "{text}");
    // What is narrowed to a span is known by samples alone.
    let part = json(&["--span", "query"]);
    assert_eq!(
        (&part["measured"], &part["total"]),
        (&false.into(), &1_000_000_000.into())
    );
}

#[test]
fn a_leak_that_must_be_seen_and_could_not_be_is_inconclusive() {
    let temp = tempfile::tempdir().unwrap();
    let dir = write_run(&temp.path().join("run"), Plan::default());
    let run = dir.path().display().to_string();
    for command in ["leaks", "report"] {
        let code = |arguments: &[&str]| {
            let output = soakscope(&[&[command, &run], arguments].concat());
            (output.status.code(), out(&output))
        };
        assert_eq!(code(&[]).0, Some(0));
        let (exit, text) = code(&["--must-see", "1MB/h"]);
        assert_eq!(exit, Some(3), "{text}");
        assert!(
            text.starts_with("INCONCLUSIVE: a leak of 1 MB/h had to be seen"),
            "{text}"
        );
        let (exit, _) = code(&["--must-see", "much"]);
        assert_eq!(exit, Some(2));
    }
    // What it was started with counts where nothing else is asked for.
    let mut info = dir.info().unwrap();
    info.config
        .insert("must_see".to_owned(), "1MB/h".to_owned());
    dir.write_info(&info).unwrap();
    assert_eq!(soakscope(&["leaks", &run]).status.code(), Some(3));
    assert_eq!(soakscope(&["report", &run]).status.code(), Some(3));
    assert_eq!(
        soakscope(&["leaks", &run, "--must-see", "9GB/h"])
            .status
            .code(),
        Some(0)
    );
}

/// A CSV need not be a file: it is read once, from whatever gives it.
#[cfg(unix)]
#[test]
fn a_csv_may_come_through_a_pipe() {
    use std::io::Write;
    let csv = std::fs::read(fixture("psutil.csv")).unwrap();
    let wanted = out(&soakscope(&["leaks", &fixture("psutil.csv")]));
    assert!(wanted.starts_with("FAIL"), "{wanted}");
    let mut child = Command::new(env!("CARGO_BIN_EXE_soakscope"))
        .args(["leaks", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&csv).unwrap();
    assert_eq!(out(&child.wait_with_output().unwrap()), wanted);

    let temp = tempfile::tempdir().unwrap();
    let pipe = temp.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let writer = pipe.clone();
    let writer = std::thread::spawn(move || std::fs::write(writer, csv).unwrap());
    assert_eq!(
        out(&soakscope(&["leaks", &pipe.display().to_string()])),
        wanted
    );
    writer.join().unwrap();
    // One without an end is no text.
    let output = soakscope(&["leaks", "/dev/zero"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("not text"), "{}", err(&output));
}

#[test]
fn who_knows_better_names_a_column_and_its_unit() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("soak.csv").display().to_string();
    let mut csv = "elapsed_min,rss,gc count\n".to_owned();
    for minute in 0..600 {
        // A tenth of a megabyte in ten hours, if it is kilobytes.
        csv += &format!("{minute},{},{}\n", 512_001 + minute / 6, 9 * minute);
    }
    std::fs::write(&path, csv).unwrap();
    let code = |arguments: &[&str]| {
        soakscope(&[&["leaks", &path], arguments].concat())
            .status
            .code()
    };
    assert_eq!(code(&[]), Some(3), "which unit?");
    assert_eq!(code(&["--judge", "rss:KB"]), Some(0));
    assert_eq!(code(&["--judge", "rss:MB"]), Some(1));
    assert_eq!(code(&["--judge", "rss:KB", "--judge", "gc count"]), Some(1));
    assert_eq!(code(&["--skip", "rss"]), Some(3), "nothing left to judge");
    for (arguments, said) in [
        (["--judge", "rs:KB"], "there are rss, gc count"),
        (["--skip", "elapsed_min"], "there are rss, gc count"),
        (["--judge", "rss:miles"], "KB, MB, GB, pages or count"),
    ] {
        let output = soakscope(&[&["leaks", &path], &arguments[..]].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(err(&output).contains(said), "{}", err(&output));
    }
    let output = soakscope(&["leaks", &path, "--json"]);
    let report: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(report["columns"][0]["role"], "judged");
    assert_eq!(report["columns"][1]["role"], "counter");
    assert!(out(&soakscope(&["leaks", &path])).contains("not judged, counter: gc count"));
}
