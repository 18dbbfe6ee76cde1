//! A service that forks under load: `forks DIRECTORY ROUNDS`.
//!
//! Two threads open and close requests while the CPU is sampled at 999 Hz. Each
//! child uses the agent that it has inherited, and every tenth starts one of its
//! own. At the end the parent's run is in `DIRECTORY/parent`, those of children
//! in `DIRECTORY/child-N`.

#![allow(clippy::unwrap_used, reason = "a test's own program")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use soakscope::{Agent, Clock};
use tracing_subscriber::prelude::*;

#[global_allocator]
static ALLOC: soakscope::HeapProfiler = soakscope::HeapProfiler::system();

static DONE: AtomicBool = AtomicBool::new(false);

fn builder(run: PathBuf) -> soakscope::Builder {
    Agent::builder("forks")
        .run_path(run)
        .listen("127.0.0.1:0")
        .cpu_clock(Clock::Timer)
        .cpu_frequency(999)
        .global_recorder(true)
        .tick(Duration::from_millis(10))
        .track("series", || 7.0)
}

fn request(route: usize) {
    let span = tracing::info_span!(
        "request",
        otel.kind = "server",
        http.route = format!("/{route}")
    );
    let _entered = span.entered();
    let _inner = tracing::info_span!("inner").entered();
    metrics::counter!("requests", "route" => route.to_string()).increment(1);
    tracing::error!("a failure");
}

fn row(agent: &Agent) {
    let before = agent.latest("elapsed_min");
    while agent.latest("elapsed_min") == before {
        std::thread::yield_now();
    }
}

fn child(agent: Agent, run: Option<PathBuf>) -> i32 {
    // Opened by the parent's code, with the parent's layer.
    request(1);
    agent.phase("of-a-child");
    drop(agent.layer::<tracing_subscriber::Registry>());
    if agent.latest("rss_mb").is_some() || agent.local_addr().is_some() {
        return 10;
    }
    match agent.finish() {
        Ok(outcome) if outcome.exit_code() == 0 && outcome.verdict().is_none() => {}
        _ => return 11,
    }
    drop(agent);
    let Some(run) = run else { return 0 };
    let Ok(own) = builder(run.clone()).start() else {
        return 12;
    };
    (0..3).for_each(|_| row(&own));
    own.phase("own");
    if own.finish().is_err() || !run.join("verdict.json").exists() {
        return 13;
    }
    drop(own);
    0
}

/// Waits for a child, for a minute at most.
fn wait(pid: i32) -> i32 {
    let give_up = Instant::now() + Duration::from_secs(60);
    let mut status = 0;
    loop {
        // SAFETY: `status` is valid for a write.
        let ended = unsafe { libc::waitpid(pid, &mut status, libc::WNOHANG) };
        if ended == pid {
            break;
        }
        if Instant::now() > give_up {
            // SAFETY: the child is ours and not yet waited for.
            unsafe { libc::kill(pid, libc::SIGKILL) };
            return -1;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    if libc::WIFEXITED(status) {
        libc::WEXITSTATUS(status)
    } else {
        1_000 + libc::WTERMSIG(status)
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().unwrap());
    let rounds: usize = arguments.next().unwrap().parse().unwrap();
    let directory: &Path = &directory;
    let agent = builder(directory.join("parent")).start().unwrap();
    tracing_subscriber::registry().with(agent.layer()).init();
    let load = [0, 1].map(|thread| {
        std::thread::spawn(move || {
            let mut number = thread;
            while !DONE.load(Relaxed) {
                request(number % 50);
                number += 1;
            }
        })
    });
    for round in 0..rounds {
        let own = (round % 10 == 0).then(|| directory.join(format!("child-{round}")));
        // SAFETY: what the child does is what is tested; it never returns.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let code = child(agent, own);
            // SAFETY: it ends the child, without what is left of the parent's.
            unsafe { libc::_exit(code) };
        }
        let code = wait(pid);
        if code != 0 {
            eprintln!("child of round {round}: {code}");
            std::process::exit(1);
        }
        row(&agent);
    }
    DONE.store(true, Relaxed);
    for thread in load {
        thread.join().unwrap();
    }
    agent.phase("after");
    let outcome = agent.finish().unwrap();
    println!("finished {}", outcome.unwritten().len());
}
