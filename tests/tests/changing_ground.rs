//! What changes under a running process: its directory, root, user and limits,
//! the run directory, and the disk.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use soakscope_tests::{Subject, get, output_text, program, remove_held, scratch, soakscope};

const SUBJECT: &str = env!("CARGO_BIN_EXE_subject");
const QUICK: [(&str, &str); 2] = [("SOAKSCOPE_CPU_CLOCK", "off"), ("SOAKSCOPE_TICK", "20ms")];

/// Rows of the timeline in a run directory.
fn rows(run: &Path) -> usize {
    let text = std::fs::read_to_string(run.join("timeline.csv"));
    text.expect("a timeline").lines().count().saturating_sub(1)
}

/// Waits until rows have come since.
fn goes_on(subject: &mut Subject, run: &Path) {
    let before = rows(run);
    while rows(run) < before + 5 {
        subject.ask("row");
    }
}

fn status(subject: &Subject) -> serde_json::Value {
    get(&subject.address, "/status").json()
}

#[test]
fn a_relative_run_directory_stays_where_it_was_after_chdir_and_chroot() {
    let scratch = scratch();
    let relative = Path::new("below/run");
    let mut subject = Subject::start_in(scratch.path(), SUBJECT, relative, &QUICK);
    let run = scratch.path().join(relative);
    let real = run.canonicalize().expect("made");
    let path = subject.ask("path");
    let path = Path::new(path.strip_prefix("path ").expect("a path"));
    assert_eq!(path.canonicalize().expect("absolute"), real);
    subject.ask("chdir /");
    goes_on(&mut subject, &run);
    let jail = scratch.path().join("jail");
    std::fs::create_dir(&jail).expect("mkdir");
    subject.ask(&format!("chroot {}", jail.display()));
    // Without /proc, /dev and all libraries.
    goes_on(&mut subject, &run);
    assert_eq!(status(&subject)["disk_trouble"], serde_json::Value::Null);
    assert_eq!(subject.ask("unwritten"), "unwritten");
    for file in ["run.json", "verdict.json", "report.md", "timeline.svg"] {
        assert!(run.join(file).exists(), "{file}");
    }
    assert_eq!(std::fs::read_dir(&jail).expect("jail").count(), 0);
}

#[test]
fn a_process_that_gives_up_its_rights_keeps_its_rows_and_has_its_verdict() {
    let scratch = scratch();
    let run = scratch.path().join("run");
    let mut subject = Subject::start(SUBJECT, &run, &QUICK);
    subject.ask("row");
    subject.ask("setuid 65534");
    goes_on(&mut subject, &run);
    let unwritten = subject.ask("unwritten");
    for file in ["run.json", "verdict.json", "report.md"] {
        assert!(unwritten.contains(file), "{unwritten}");
    }
    assert_eq!(subject.ask("finish"), "exit-code 3");
    let events = subject.file("events.jsonl");
    assert!(events.contains("could not be written: "), "{events}");
}

#[test]
fn a_limit_on_file_sizes_ends_nothing_and_is_counted_in_bytes() {
    let scratch = scratch();
    let run = scratch.path().join("run");
    let mut subject = Subject::start(SUBJECT, &run, &QUICK);
    subject.ask("row");
    subject.ask("limit-files 6000");
    let refused = |subject: &Subject| {
        status(subject)["dropped"]["bytes_refused_file_size_limit"]
            .as_u64()
            .unwrap_or(0)
    };
    while refused(&subject) == 0 {
        subject.ask("row");
    }
    // A row that is just refused is cut back a moment after its first half is
    // written.
    let whole = || {
        let text = std::fs::read(run.join("timeline.csv")).expect("read");
        assert!(text.len() <= 6_000, "{}", text.len());
        text.ends_with(b"\n")
    };
    let patience = Instant::now() + Duration::from_secs(30);
    while !whole() {
        assert!(Instant::now() < patience, "half a row stays");
        subject.ask("row");
    }
    // Sealing writes larger files than this, however few rows there are.
    subject.ask("limit-files 2000");
    let unwritten = subject.ask("unwritten");
    assert!(unwritten.contains("timeline.svg"), "{unwritten}");
    assert_eq!(subject.ask("finish"), "exit-code 3");
    assert!(subject.end().success(), "no signal ended it");
}

#[test]
fn a_start_under_such_a_limit_is_refused_with_an_error() {
    let scratch = scratch();
    let run = scratch.path().join("run");
    let refused = Command::new("sh")
        .args(["-c", "ulimit -f 0; exec \"$0\"", SUBJECT])
        .env("SOAKSCOPE_RUN_PATH", &run)
        .output()
        .expect("it runs");
    let said = output_text(&refused);
    assert_eq!(
        refused.status.code(),
        Some(2),
        "{:?} {said}",
        refused.status
    );
    assert!(
        said.contains("cannot write") && said.contains("run.json"),
        "{said}"
    );
}

#[test]
fn a_disk_that_is_full_or_gone_at_the_end_costs_files_and_not_the_verdict() {
    let scratch = scratch();
    let disk = scratch.path().join("disk");
    std::fs::create_dir(&disk).expect("mkdir");
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
        .arg(&disk)
        .status();
    assert!(
        mounted.expect("mount runs").success(),
        "it needs root, as tests/run says"
    );
    let run = disk.join("run");
    let mut subject = Subject::start(SUBJECT, &run, &QUICK);
    subject.ask("row");
    std::fs::write(disk.join("ballast"), vec![0; 1 << 20]).expect_err("it is full");
    let unwritten = subject.ask("unwritten");
    let unmounted = Command::new("umount").arg("-l").arg(&disk).status();
    assert!(unmounted.expect("umount runs").success());
    assert!(unwritten.contains("verdict.json"), "{unwritten}");
    assert_eq!(subject.ask("finish"), "exit-code 3");
}

#[test]
fn a_directory_that_is_gone_at_the_end_is_judged_by_what_is_still_held() {
    let scratch = scratch();
    let run = scratch.path().join("run");
    let mut subject = Subject::start(SUBJECT, &run, &QUICK);
    goes_on(&mut subject, &run);
    let trash = scratch.path().join("trash");
    std::fs::rename(&run, &trash).expect("rename");
    remove_held(&trash);
    let unwritten = subject.ask("unwritten");
    assert!(unwritten.contains("run.json"), "{unwritten}");
    assert_eq!(subject.ask("finish"), "exit-code 3");
    assert!(!run.exists() && !trash.exists());
}

#[test]
fn the_agent_s_threads_have_names_of_their_own_and_block_what_is_the_service_s() {
    let scratch = scratch();
    let subject = Subject::start(SUBJECT, &scratch.path().join("run"), &[]);
    assert_eq!(get(&subject.address, "/status").status, 200);
    let tasks = std::fs::read_dir(format!("/proc/{}/task", subject.pid())).expect("tasks");
    let mut names = Vec::new();
    for task in tasks.flatten() {
        let text = std::fs::read_to_string(task.path().join("status")).expect("status");
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.expect("a field").trim().to_owned()
        };
        let name = field("Name:");
        if !name.starts_with("soakscope-") {
            continue;
        }
        let blocked = u64::from_str_radix(&field("SigBlk:"), 16).expect("a mask");
        let blocks = |signal: i32| blocked >> (signal - 1) & 1 == 1;
        for signal in [
            libc::SIGTERM,
            libc::SIGHUP,
            libc::SIGXFSZ,
            libc::SIGPIPE,
            libc::SIGUSR2,
        ] {
            assert!(blocks(signal), "{name} {signal}");
        }
        for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGTRAP, libc::SIGABRT] {
            assert!(!blocks(signal), "{name} {signal}");
        }
        names.push(name);
    }
    let all = names.len();
    assert!(all >= 5, "{names:?}");
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "{names:?}");
}

/// Services of one name that start at one instant, each in a PID namespace of
/// its own where all have one id, have a run each.
#[test]
fn services_that_start_at_one_instant_have_a_run_each() {
    let rounds =
        std::env::var("START_ROUNDS").map_or(5, |rounds| rounds.parse().expect("a number"));
    let scratch = scratch();
    for round in 0..rounds {
        let runs = scratch.path().join(round.to_string());
        let start = |_| {
            let child = Command::new(program("unshare"))
                .args(["--pid", "--fork", "--mount-proc", "--kill-child", SUBJECT])
                .env("SOAKSCOPE_RUN_DIR", &runs)
                .env("SOAKSCOPE_CPU_CLOCK", "off")
                .stdin(std::process::Stdio::null())
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::piped())
                .spawn();
            child.expect("it starts")
        };
        let children: Vec<_> = (0..4).map(start).collect();
        for child in children {
            let output = child.wait_with_output().expect("it ends");
            assert!(output.status.success(), "{}", output_text(&output));
        }
        let paths: Vec<_> = std::fs::read_dir(&runs).expect("runs").flatten().collect();
        assert_eq!(paths.len(), 4, "{paths:?}");
        for path in paths {
            let text = std::fs::read_to_string(path.path().join("timeline.csv")).expect("rows");
            assert_eq!(text.matches("elapsed_min").count(), 1, "not mixed");
            assert!(path.path().join("verdict.json").exists());
        }
    }
}

#[test]
fn a_run_that_goes_on_is_never_called_interrupted_by_another_namespace_or_user() {
    // Built first: a run that goes on meanwhile gets long.
    let cli = soakscope();
    let scratch = scratch();
    let run = scratch.path().join("run");
    std::fs::set_permissions(
        scratch.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .expect("chmod");
    let mut subject = Subject::start(SUBJECT, &run, &[("SOAKSCOPE_RUN_DIR_MODE", "755")]);
    subject.ask("row");
    let report = |before: &[&str], write: bool| {
        let mut command = Command::new(program(before[0]));
        command
            .args(&before[1..])
            .arg(cli.get_program())
            .arg("report")
            .arg(&run);
        command.args(write.then_some("--write"));
        command.output().expect("it runs")
    };
    let nobody = ["setpriv", "--reuid=65534", "--clear-groups"];
    let elsewhere = ["unshare", "--pid", "--fork", "--mount-proc"];
    let other_name = [
        "unshare",
        "--uts",
        "sh",
        "-c",
        "hostname elsewhere; exec \"$0\" \"$@\"",
    ];
    for view in [&["env"][..], &nobody, &elsewhere, &other_name] {
        let said = output_text(&report(view, false));
        assert!(
            said.contains("running") && !said.contains("interrupted"),
            "{view:?}: {said}"
        );
        let written = report(view, true);
        assert_eq!(
            written.status.code(),
            Some(2),
            "{view:?}: {}",
            output_text(&written)
        );
        assert!(!run.join("report.md").exists());
    }
    // On another machine, or where this one was started again under a file system
    // that others share, it cannot be known.
    let dir = soakscope_report::RunDir::open(&run).expect("a run");
    let mut info = dir.info().expect("run.json");
    info.process.boot_id = Some("another".to_owned());
    info.process.machine = None;
    subject.kill();
    dir.write_info(&info).expect("written");
    let said = output_text(&report(&["env"], false));
    assert!(said.contains("state unknown from here"), "{said}");
    assert_eq!(report(&["env"], true).status.code(), Some(2));
    assert!(!run.join("report.md").exists());
    let assumed = soakscope()
        .arg("report")
        .arg(&run)
        .args(["--write", "--assume-ended"])
        .output();
    let assumed = assumed.expect("it runs");
    assert_ne!(assumed.status.code(), Some(2), "{}", output_text(&assumed));
    assert!(run.join("report.md").exists());
    // Here it is known that its process is gone, in whichever namespace.
    info.process = soakscope_report::Process {
        lock: dir.info().expect("run.json").process.lock,
        ..soakscope_report::identity()
    };
    dir.write_info(&info).expect("written");
    for view in [&["env"][..], &elsewhere] {
        let said = output_text(&report(view, false));
        assert!(said.contains("interrupted"), "{view:?}: {said}");
    }
}
