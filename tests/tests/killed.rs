//! SIGKILL at random moments: every run stays readable, by each command, and at
//! most one row is lost.
//!
//! `KILLS=200` makes it two hundred instead of twenty.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use soakscope_report::{RunDir, RunState, liveness};
use soakscope_tests::{Subject, output_text, scratch, soakscope};

const SUBJECT: &str = env!("CARGO_BIN_EXE_subject");
const KILLS: u64 = 20;
const SIDE_BY_SIDE: u64 = 4;

/// Numbers that look random and are the same in every run (splitmix64).
fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Kills a run that has taken some rows, somewhere between two ticks; answers
/// how many of the rows it was seen to take are missing.
fn kill_one(number: u64, cli: &Path) -> usize {
    let scratch = scratch();
    let run = scratch.path().join("run");
    let environment = [
        ("SOAKSCOPE_TICK", "50ms"),
        ("SOAKSCOPE_CPU_CLOCK", "off"),
        ("SOAKSCOPE_LISTEN", "off"),
    ];
    let mut subject = Subject::start(SUBJECT, &run, &environment);
    let random = mixed(number);
    let asked = (random % 5) as usize;
    for _ in 0..asked {
        subject.ask("row");
    }
    // The moment within a tick is what is random here, so nothing else than
    // time can be waited for.
    let moment = Instant::now() + Duration::from_micros((random >> 8) % 55_000);
    while Instant::now() < moment {
        std::hint::spin_loop();
    }
    subject.kill();
    let dir = RunDir::open(&run).expect("run.json is whole");
    let read = dir.load_with(liveness).expect("a readable run");
    assert_eq!(read.info.state, RunState::Interrupted);
    let budgets = scratch.path().join("budgets.toml");
    std::fs::write(&budgets, "[process]\nthreads = 1000\n").expect("written");
    let budgets = budgets.to_str().expect("a path");
    let commands: [&[&str]; 6] = [
        &["report"],
        &["check", "--budgets", budgets],
        &["leaks"],
        &["top"],
        &["flamegraph", "--format", "collapsed"],
        &["report", "--write"],
    ];
    for arguments in commands {
        let output = Command::new(cli)
            .arg(arguments[0])
            .arg(&run)
            .args(&arguments[1..])
            .output()
            .expect("it runs");
        let said = output_text(&output);
        // 2 is what cannot be read; a run without a profile says so.
        let readable =
            output.status.code().is_some_and(|code| code != 2) || said.contains("no CPU profile");
        assert!(
            readable,
            "{arguments:?} of kill {number}: {:?} {said}",
            output.status
        );
    }
    // The first row may have been taken before it was asked for, or after.
    asked.saturating_sub(read.timeline.len())
}

#[test]
fn kills_leave_readable_runs_that_lack_one_row_at_most() {
    let kills = std::env::var("KILLS").map_or(KILLS, |kills| kills.parse().expect("a number"));
    let cli = soakscope();
    let cli = Path::new(cli.get_program());
    let lost: Vec<usize> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..SIDE_BY_SIDE)
            .map(|worker| {
                scope.spawn(move || {
                    let numbers = (0..kills).filter(|number| number % SIDE_BY_SIDE == worker);
                    numbers
                        .map(|number| kill_one(number, cli))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("no run was unreadable"))
            .collect()
    });
    assert_eq!(lost.len() as u64, kills);
    let most = lost.iter().max().expect("some");
    let short = lost.iter().filter(|lost| **lost > 0).count();
    println!("{kills} kills: {short} runs lack a row, at most {most}");
    assert!(*most <= 1, "{lost:?}");
}
