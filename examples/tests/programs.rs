//! The programs as a user runs them: what they leave behind, what they refuse, how they end.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// An example's executable, which cargo builds with the tests unless it is asked for certain targets.
fn program(name: &str) -> Command {
    let own = std::env::current_exe().unwrap();
    let path = own.parent().unwrap().with_file_name("examples").join(name);
    assert!(
        path.exists(),
        "no {}; run cargo build --examples, with --release if the tests are",
        path.display()
    );
    let mut command = Command::new(path);
    // No other run on this machine, and no environment, is to decide what happens here.
    for variable in [
        "SOAKSCOPE_LISTEN",
        "SOAKSCOPE_RUN_DIR",
        "SOAKSCOPE_RUN_PATH",
    ] {
        command.env_remove(variable);
    }
    command
}

fn soak(out: &Path, more: &[&str]) -> Command {
    let mut command = program("soak");
    command
        .args(["--listen", "127.0.0.1:0", "--out"])
        .arg(out)
        .args(more);
    command
}

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}

fn json(path: PathBuf) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Children of a process, by the parent's number in `/proc/PID/stat`.
fn children_of(parent: u32) -> Vec<u32> {
    let numbers = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let parent_of = |pid: u32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?
            .1
            .split_whitespace()
            .nth(1)?
            .parse()
            .ok()
    };
    numbers
        .filter(|&pid| parent_of(pid) == Some(parent))
        .collect()
}

fn within(seconds: u64, what: &str, mut come_true: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !come_true() {
        assert!(
            begin.elapsed() < Duration::from_secs(seconds),
            "{what} takes more than {seconds} s"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_soak_leaves_a_run_with_both_views() {
    let home = tempfile::tempdir().unwrap();
    let run = home.path().join("run");
    let output = soak(&run, &["--duration", "4s", "--rate", "50"])
        .output()
        .unwrap();
    let said = text(&output);
    let verdict = json(run.join("verdict.json"));
    let code = output.status.code();
    // Four seconds are too short to judge, and a verdict that is not sure must say so.
    assert_eq!(code, Some(3), "{said}\n{verdict}");
    assert!(
        said.contains("INCONCLUSIVE") && said.contains("client, from the intended start"),
        "{said}"
    );

    let client = json(run.join("client/load.json"));
    let phases: Vec<&str> = client["phases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["name"].as_str().unwrap())
        .collect();
    assert_eq!(phases, ["warmup", "steady", "spike", "cooldown"]);
    let answered: u64 = client["statusCodeDistribution"]
        .as_object()
        .unwrap()
        .values()
        .map(|n| n.as_u64().unwrap())
        .sum();
    assert!((224..=230).contains(&answered), "{client}");
    let timeline = fs::read_to_string(run.join("timeline.csv")).unwrap();
    assert!(
        timeline.contains(",steady,") && timeline.contains("db_pool_in_use"),
        "{timeline}"
    );
}

#[test]
fn what_makes_no_sense_is_refused_with_two() {
    let home = tempfile::tempdir().unwrap();
    let used = home.path().join("used");
    fs::create_dir(&used).unwrap();
    fs::write(used.join("run.json"), "{}").unwrap();
    let fresh = home.path().join("fresh");
    for (out, arguments, says) in [
        (&fresh, ["--fast", "1"], "--fast"),
        (&fresh, ["--leak", "ram"], "retention"),
        (&fresh, ["--scenario", "lunch"], "smoke"),
        (&fresh, ["--duration", "soon"], "such as"),
        (&fresh, ["--rate", "-5"], "requests/s"),
        (&used, ["--duration", "1s"], "already holds a run"),
    ] {
        let output = soak(out, &arguments).output().unwrap();
        let said = text(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
        assert!(!fresh.exists(), "{arguments:?} left a run");
    }
}

#[test]
fn an_interrupted_soak_still_seals_its_run() {
    let home = tempfile::tempdir().unwrap();
    let run = home.path().join("run");
    let child = soak(&run, &["--duration", "10m"])
        .env("SOAKSCOPE_CPU_CLOCK", "off")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    within(20, "the load", || {
        children_of(child.id()).len() == 1 && run.join("timeline.csv").exists()
    });
    std::thread::sleep(Duration::from_millis(1500));
    signal(&child, Signal::INT);
    let begin = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert!(begin.elapsed() < Duration::from_secs(60));
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(run.join("verdict.json").exists() && run.join("client/load.json").exists());
}

#[test]
fn the_load_dies_with_its_parent() {
    let home = tempfile::tempdir().unwrap();
    let mut parent = soak(&home.path().join("run"), &["--duration", "10m"])
        .env("TMPDIR", home.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut load = Vec::new();
    within(20, "the load", || {
        load = children_of(parent.id());
        load.len() == 1
    });
    std::thread::sleep(Duration::from_millis(500));
    // The one end that no program can prepare for.
    signal(&parent, Signal::KILL);
    parent.wait().unwrap();
    within(15, "the load's end", || {
        !Path::new(&format!("/proc/{}", load[0])).exists()
    });
}

#[test]
fn the_shop_serves_until_it_is_told_to_stop() {
    let home = tempfile::tempdir().unwrap();
    let mut child = program("shop")
        .args([
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--run-dir",
        ])
        .arg(home.path())
        .env("SOAKSCOPE_CPU_CLOCK", "off")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = String::new();
    while !said.contains("open;") {
        said += &lines.next().expect("the shop opens").unwrap();
        said.push('\n');
    }
    let address = |who: &str| {
        let line = said.lines().find(|line| line.starts_with(who)).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let shop = address("shop");
        assert_eq!(ask("GET", &format!("{shop}/products/1")).await, 200);
        assert_eq!(ask("GET", &format!("{shop}/products/0")).await, 404);
        assert_eq!(
            ask("POST", &format!("{}/phase/steady", address("agent"))).await,
            200
        );
    });
    signal(&child, Signal::TERM);
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(
        rest.iter().any(|line| line.starts_with("INCONCLUSIVE")),
        "{rest:?}"
    );
    assert_eq!(child.wait().unwrap().code(), Some(3));
    let run = PathBuf::from(address("run"));
    assert!(
        fs::read_to_string(run.join("events.jsonl"))
            .unwrap()
            .contains("steady")
    );
}

async fn ask(method: &str, url: &str) -> u16 {
    use http_body_util::Empty;
    use hyper_util::client::legacy::Client;
    let client: Client<_, Empty<hyper::body::Bytes>> =
        Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let request = hyper::Request::builder()
        .method(method)
        .uri(url)
        .body(Empty::new())
        .unwrap();
    client.request(request).await.unwrap().status().as_u16()
}
