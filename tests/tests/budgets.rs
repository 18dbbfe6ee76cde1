//! Budgets of a live run: a breach is reported while it goes on, and decides at the end.

use std::sync::mpsc::channel;
use std::time::Duration;

use soakscope::Agent;
use soakscope_tests::{Subject, get, scratch, soakscope};

const SUBJECT: &str = env!("CARGO_BIN_EXE_subject");
const HOPELESS: &str = "[process]\nrss_mb = { warn = 0.25, fail = 0.5 }\n";

/// Asks again and again until the answer is there; ten seconds at most.
fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    for _ in 0..200 {
        if let Some(answer) = ask() {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("not within ten seconds");
}

#[test]
fn a_broken_budget_is_told_while_the_run_goes_on_and_fails_it_at_the_end() {
    let scratch = scratch();
    let file = scratch.path().join("budgets.toml");
    std::fs::write(&file, HOPELESS).expect("written");
    let file = file.to_str().expect("UTF-8");
    let environment = [
        ("SOAKSCOPE_BUDGETS", file),
        ("SOAKSCOPE_TICK", "50ms"),
        ("SOAKSCOPE_CPU_CLOCK", "off"),
    ];
    let mut subject = Subject::start(SUBJECT, &scratch.path().join("run"), &environment);
    let at = subject.address.clone();
    let broken = "soakscope_budget_broken{budget=\"process rss_mb\"} 1";
    until(|| get(&at, "/metrics").text().contains(broken).then_some(()));
    let status = get(&at, "/status").json();
    assert_eq!(status["verdict"], "fail");
    assert_eq!(status["budgets"][0]["budget"], "process rss_mb");
    assert_eq!(status["budgets"][0]["fail"], "≤ 0.5");
    assert!(status["notes"].is_array(), "{status}");
    subject.ask("finish");
    let verdict: serde_json::Value =
        serde_json::from_str(&subject.file("verdict.json")).expect("JSON");
    assert_eq!(verdict["exit_code"], 1);
    let events = subject.file("events.jsonl");
    let reported = events
        .lines()
        .filter(|line| line.contains("\"kind\":\"budget\""));
    assert_eq!(reported.count(), 1, "once, not at every tick: {events}");

    // The file is kept with the run; another one can be held against it.
    let run = subject.run.to_str().expect("UTF-8").to_owned();
    let checked = |arguments: &[&str]| {
        let output = soakscope().args(arguments).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), text)
    };
    let (code, text) = checked(&["check", &run]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("fail          process rss_mb = "), "{text}");
    let easy = scratch.path().join("easy.toml");
    std::fs::write(&easy, "[process]\nrss_mb = 100000\nleaks = \"off\"\n").expect("written");
    let (code, text) = checked(&["check", &run, "--budgets", easy.to_str().expect("UTF-8")]);
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn a_run_that_cannot_pass_ends_by_itself_where_that_was_asked_for() {
    let scratch = scratch();
    let file = scratch.path().join("budgets.toml");
    std::fs::write(&file, HOPELESS).expect("written");
    let environment = [
        ("SOAKSCOPE_BUDGETS", file.to_str().expect("UTF-8")),
        ("SOAKSCOPE_TICK", "50ms"),
        ("SOAKSCOPE_ABORT_ON_BREACH", "500ms"),
    ];
    let subject = Subject::start(SUBJECT, &scratch.path().join("run"), &environment);
    let events = until(|| {
        let events = subject.file("events.jsonl");
        events.contains("ending this process").then_some(events)
    });
    assert!(events.contains("\"kind\":\"budget\""), "{events}");
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(subject.ended().signal(), Some(libc::SIGTERM));
}

#[test]
fn a_budget_file_that_cannot_be_used_refuses_the_start() {
    let scratch = scratch();
    let file = scratch.path().join("budgets.toml");
    let run = scratch.path().join("run");
    let refused = |environment: &[(&str, &str)]| Subject::refused(SUBJECT, &run, environment).1;
    let path = file.to_str().expect("UTF-8");
    let missing = refused(&[("SOAKSCOPE_BUDGETS", path)]);
    assert!(
        missing.contains(path) && missing.contains("SOAKSCOPE_BUDGETS=off"),
        "{missing}"
    );
    std::fs::write(&file, "[process]\nrss = 5\n").expect("written");
    let wrong = refused(&[("SOAKSCOPE_BUDGETS", path)]);
    assert!(wrong.contains("did you mean \"rss_mb\""), "{wrong}");
    std::fs::write(&file, "[env.staging.process]\nrss_mb = 5\n").expect("written");
    let environment = [
        ("SOAKSCOPE_BUDGETS", path),
        ("SOAKSCOPE_ENVIRONMENT", "stagin"),
    ];
    let unknown = refused(&environment);
    assert!(unknown.contains("did you mean \"staging\""), "{unknown}");
    assert!(!run.exists(), "a refusal leaves no run behind");
}

#[test]
fn the_service_is_told_on_a_thread_that_may_block_and_panic() {
    let scratch = scratch();
    let file = scratch.path().join("budgets.toml");
    std::fs::write(&file, HOPELESS).expect("written");
    let (report, breaches) = channel();
    let agent = Agent::builder("breach")
        .run_path(scratch.path().join("run"))
        .budgets(&file)
        .tick(Duration::from_millis(20))
        .cpu_clock(soakscope::Clock::Off)
        .on_breach(move |breach| {
            let _ = report.send(breach.message.clone());
            panic!("the service's own fault");
        })
        .start()
        .expect("it starts");
    let message = breaches
        .recv_timeout(Duration::from_secs(10))
        .expect("a breach");
    assert!(message.starts_with("process rss_mb = "), "{message}");
    assert!(message.contains("broke its budget ≤ 0.5 MB"), "{message}");
    assert_eq!(agent.finish().expect("sealed").exit_code(), 1);
}
