//! The admin server over real HTTP.

use soakscope_tests::{Subject, get, get_with, post, scratch};

const SUBJECT: &str = env!("CARGO_BIN_EXE_subject");

fn subject(scratch: &tempfile::TempDir) -> Subject {
    Subject::start(SUBJECT, &scratch.path().join("run"), &[])
}

#[test]
fn every_route_answers() {
    let scratch = scratch();
    let mut subject = subject(&scratch);
    subject.ask("row");
    let at = subject.address.clone();
    assert_eq!(get(&at, "/healthz").text(), "ok\n");
    let metrics = get(&at, "/metrics");
    assert_eq!(
        metrics.content_type,
        "text/plain; version=0.0.4; charset=utf-8"
    );
    for name in [
        "process_resident_memory_bytes ",
        "process_cpu_seconds_total ",
        "soakscope_build_info{",
    ] {
        assert!(
            metrics.text().contains(name),
            "{name} in {}",
            metrics.text()
        );
    }
    let status = get(&at, "/status").json();
    assert_eq!(status["service"], "subject");
    assert_eq!(status["state"], "running");
    assert_eq!(status["verdict"], "inconclusive");
    let timeline = get(&at, "/timeline.csv?last=1").text();
    assert_eq!(timeline.lines().count(), 2);
    assert!(timeline.starts_with("elapsed_min,rss_mb,vms_mb,connections,"));
    assert!(get(&at, "/debug/pprof/cmdline").text().contains("subject"));
    assert_eq!(get(&at, "/nothing").status, 404);
}

#[test]
fn phases_arrive_by_post_only() {
    let scratch = scratch();
    let mut subject = subject(&scratch);
    let at = subject.address.clone();
    assert_eq!(get(&at, "/phase/steady").status, 405);
    assert_eq!(get(&at, "/finish").status, 405);
    subject.ask("row");
    assert_eq!(post(&at, "/phase/warmup").text(), "warmup\n");
    subject.ask("row");
    subject.ask("row");
    assert_eq!(post(&at, "/phase/steady%20state").text(), "steady_state\n");
    let nested = post(&at, "/phase/steady_state/ramp");
    assert_eq!(nested.status, 400);
    assert!(nested.text().contains("do not nest"), "{}", nested.text());
    subject.ask("row");
    subject.ask("row");
    subject.ask("finish");
    let timeline = subject.timeline();
    let mut phases = timeline.column("phase");
    phases.dedup();
    assert_eq!(phases, ["", "warmup", "steady_state"]);
    let events = subject.file("events.jsonl");
    assert_eq!(events.matches("\"kind\":\"phase\"").count(), 2, "{events}");
}

#[test]
fn another_name_for_the_server_is_refused() {
    let scratch = scratch();
    let subject = subject(&scratch);
    let answer = get_with(&subject.address, "/metrics", &[("Host", "evil.example")]);
    assert_eq!(answer.status, 403);
    let local = get_with(&subject.address, "/metrics", &[("Host", "localhost:9900")]);
    assert_eq!(local.status, 200);
}

#[test]
fn a_profile_on_demand_names_the_busy_function_and_there_is_one_at_a_time() {
    let scratch = scratch();
    let mut subject = subject(&scratch);
    let at = subject.address.clone();
    assert_eq!(get(&at, "/debug/pprof/profile?seconds=0").status, 400);
    assert_eq!(get(&at, "/debug/pprof/profile?seconds=999999").status, 400);
    let asked = at.clone();
    let first =
        std::thread::spawn(move || get(&asked, "/debug/pprof/profile?seconds=2&format=collapsed"));
    while get(&at, "/status").json()["profiling"] == false {}
    let second = get(&at, "/debug/pprof/profile?seconds=1");
    assert_eq!(second.status, 409, "{}", second.text());
    while !first.is_finished() {
        subject.ask("burn 100");
    }
    let profile = first.join().expect("no panic");
    assert_eq!(profile.status, 200, "{}", profile.text());
    let text = profile.text();
    let total: f64 = nanoseconds(text.lines());
    let burned = nanoseconds(text.lines().filter(|line| line.contains("burn_in_subject")));
    assert!(
        burned > 0.1e9 && burned >= 0.8 * total,
        "{burned} ns of {total} found:\n{text}"
    );
    assert!(
        !text.contains("soakscope-drain"),
        "the agent's own threads stay out:\n{text}"
    );
}

#[test]
fn every_thread_s_stack_can_be_had_now() {
    let scratch = scratch();
    let subject = subject(&scratch);
    let stacks = get(&subject.address, "/debug/pprof/threads?format=collapsed");
    assert_eq!(stacks.status, 200, "{}", stacks.text());
    assert!(stacks.text().contains("subject::main"), "{}", stacks.text());
    let json = get(&subject.address, "/debug/pprof/threads?format=speedscope").json();
    assert_eq!(json["profiles"][0]["type"], "sampled", "{json}");
    assert_eq!(
        get(&subject.address, "/debug/pprof/threads?format=pie").status,
        400
    );
}

fn nanoseconds<'a>(lines: impl Iterator<Item = &'a str>) -> f64 {
    lines
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum()
}

#[test]
fn without_a_profiler_the_profile_says_so() {
    let scratch = scratch();
    let off = [("SOAKSCOPE_CPU_CLOCK", "off")];
    let subject = Subject::start(SUBJECT, &scratch.path().join("run"), &off);
    let answer = get(&subject.address, "/debug/pprof/profile?seconds=1");
    assert_eq!(answer.status, 503);
    assert!(
        answer.text().contains("SOAKSCOPE_CPU_CLOCK"),
        "{}",
        answer.text()
    );
}
