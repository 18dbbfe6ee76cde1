//! Names from outside that were made to harm whoever reads them on a terminal.

#![allow(clippy::unwrap_used)]

#[path = "../../tests/support/harmless.rs"]
mod harmless;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::process::Command;

use harmless::{assert_harmless, toml_key};
use soakscope_report::{Label, ProfileBuilder};
use support::{Plan, write_run};

/// The command's own output, its remarks and its errors.
#[test]
fn the_command_prints_nothing_that_a_terminal_obeys() {
    let temp = tempfile::tempdir().unwrap();
    let evil = "a\u{1b}[2J\u{202e}\u{9b}b";
    let run = temp.path().join(format!("run{evil}"));
    let dir = write_run(&run, Plan::default());
    let mut builder = ProfileBuilder::cpu(0, 0, 1);
    let f = builder.function(evil, evil, evil, 1);
    let at = builder.location(None, 1, &[(f, 1)]);
    let labels = vec![Label::text("span", evil), Label::text("thread", evil)];
    builder.sample(&[at], &[1, 10_000_000], labels);
    dir.write_profile("cpu-000001", &builder.build().encode())
        .unwrap();
    let bad = run.join("profiles/cpu-000009.pb.gz");
    std::fs::write(&bad, "no profile").unwrap();
    let budgets = temp.path().join("budgets.toml");
    std::fs::write(&budgets, format!("[span.{}]\np99_ms = 1\n", toml_key(evil))).unwrap();
    let broken = temp.path().join("broken.toml");
    std::fs::write(&broken, format!("[process]\n{evil} = = {evil}\n")).unwrap();
    let csv = temp.path().join(format!("{evil}.csv"));
    std::fs::write(
        &csv,
        format!("elapsed_s,rss_mb,{evil}_mb\n0,1,2\n1,oops,3\n"),
    )
    .unwrap();
    let no_time = temp.path().join("no_time.csv");
    std::fs::write(&no_time, format!("{evil},b\n1,2\n")).unwrap();
    let path = |path: &std::path::Path| path.display().to_string();
    let (run, csv) = (path(&run), path(&csv));
    for arguments in [
        vec!["report", &run],
        vec!["report", &run, "--json"],
        vec!["check", &run],
        vec!["check", &run, "--budgets", &path(&budgets)],
        vec!["check", &run, "--budgets", &path(&broken)],
        vec!["leaks", &csv],
        vec!["leaks", &csv, "--json"],
        vec!["leaks", &path(&no_time)],
        vec!["leaks", &format!("{run}-not")],
        vec!["top", &run],
        vec!["top", &run, "--by", "line"],
        vec!["top", &run, "--by", "span", "--json"],
        vec!["top", &run, "--by", "span"],
        vec!["top", &run, "--phase", evil],
        vec!["flamegraph", &run],
        vec!["flamegraph", &run, "--format", "collapsed"],
        vec!["flamegraph", &run, "--format", "speedscope"],
        vec!["flamegraph", &run, "-o", &format!("{csv}.svg")],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_soakscope"))
            .args(&arguments)
            .output()
            .unwrap();
        for stream in [output.stdout, output.stderr] {
            let text = String::from_utf8(stream).unwrap();
            assert_harmless(&format!("{arguments:?}"), &text);
        }
    }
}
