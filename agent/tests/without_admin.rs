//! The agent with and without its feature `admin`: what a service that answers
//! for itself has, and the error it gets when it asks for a server.
//!
//! ```text
//! cargo test -p soakscope --no-default-features --test without_admin
//! ```

use std::path::PathBuf;

use soakscope::{Agent, Clock};

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("soakscope-{name}-{}", std::process::id()))
}

/// One test, as a process has one agent.
#[test]
fn metrics_are_there_and_a_server_where_it_was_built_in() {
    let runs = scratch("without-admin");
    let builder = || {
        Agent::builder("shop")
            .run_dir(&runs)
            .cpu_clock(Clock::Off)
            .global_recorder(false)
    };
    let started = builder().listen("127.0.0.1:0").start();
    if cfg!(feature = "admin") {
        let agent = started.expect("it starts");
        assert!(agent.local_addr().is_some());
    } else {
        let refusal = started.expect_err("nothing could answer").to_string();
        assert!(refusal.contains("the feature `admin`"), "{refusal}");
        assert!(!runs.exists(), "a refusal leaves nothing behind");
    }

    let agent = builder().start().expect("the agent before has ended");
    assert_eq!(agent.local_addr(), None);
    let metrics = agent.metrics();
    let info = "soakscope_build_info{service=\"shop\"";
    assert!(metrics.contains(info), "{metrics}");
    let outcome = agent.finish().expect("it is sealed");
    let run = outcome.run_dir().expect("a run").to_owned();
    assert!(run.join("verdict.json").exists());
    drop(agent);
    assert_eq!(Agent::disabled().metrics(), "");
    std::fs::remove_dir_all(runs).expect("ours");
}
