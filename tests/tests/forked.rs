//! A child that a service forks off has nothing of the agent, and can have one of
//! its own.
//!
//! `FORK_ROUNDS=200` makes it more often.

use std::process::Command;

use soakscope_report::{RunDir, RunState};
use soakscope_tests::{Timeline, output_text, scratch};

#[test]
fn children_end_at_once_have_agents_of_their_own_and_leave_the_parent_s_run_alone() {
    let rounds =
        std::env::var("FORK_ROUNDS").map_or(40, |rounds| rounds.parse().expect("a number"));
    let scratch = scratch();
    let output = Command::new(env!("CARGO_BIN_EXE_forks"))
        .arg(scratch.path())
        .arg(rounds.to_string())
        .output()
        .expect("it runs");
    let said = output_text(&output);
    assert!(output.status.success(), "{:?} {said}", output.status);
    assert!(said.contains("finished 0"), "{said}");

    let read = |name: &str| {
        let dir = RunDir::open(&scratch.path().join(name)).expect("a run");
        let run = dir.load().expect("a run");
        assert_eq!(run.info.state, RunState::Finished, "{name}");
        (dir, run)
    };
    let (dir, parent) = read("parent");
    // A row of a child's would be as wide, and out of its turn.
    let text = std::fs::read_to_string(dir.path().join("timeline.csv")).expect("rows");
    let timeline = Timeline::parse(&text);
    let width = timeline.columns.len();
    assert!(timeline.rows.iter().all(|row| row.len() == width));
    assert_eq!(text.matches("elapsed_min").count(), 1);
    assert_eq!(parent.timeline.losses(), Vec::<String>::new());
    assert!(parent.timeline.len() >= rounds);
    let phases: Vec<String> = parent
        .timeline
        .phases()
        .into_iter()
        .map(|phase| phase.name)
        .collect();
    assert!(!phases.contains(&"of-a-child".to_owned()), "{phases:?}");
    let cpu = parent.cpu.expect("a profile");
    assert!(
        cpu.total(0) > 100,
        "the parent is sampled on: {}",
        cpu.total(0)
    );
    for round in (0..rounds).step_by(10) {
        let (_, child) = read(&format!("child-{round}"));
        assert!(child.timeline.len() >= 3);
        assert_ne!(child.info.pid, parent.info.pid);
    }
}
