//! SIGKILL at random moments: every run stays readable and at most one row is
//! lost.

use std::time::{Duration, Instant};

use soakscope_report::{RunDir, RunState, liveness};
use soakscope_tests::{Subject, scratch};

const SUBJECT: &str = env!("CARGO_BIN_EXE_subject");
const KILLS: u64 = 200;
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
fn kill_one(number: u64) -> usize {
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
    // The first row may have been taken before it was asked for, or after.
    asked.saturating_sub(read.timeline.len())
}

#[test]
fn two_hundred_kills_leave_readable_runs_that_lack_one_row_at_most() {
    let lost: Vec<usize> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..SIDE_BY_SIDE)
            .map(|worker| {
                scope.spawn(move || {
                    let numbers = (0..KILLS).filter(|number| number % SIDE_BY_SIDE == worker);
                    numbers.map(kill_one).collect::<Vec<_>>()
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("no run was unreadable"))
            .collect()
    });
    assert_eq!(lost.len() as u64, KILLS);
    let most = lost.iter().max().expect("some");
    let short = lost.iter().filter(|lost| **lost > 0).count();
    println!("{KILLS} kills: {short} runs lack a row, at most {most}");
    assert!(*most <= 1, "{lost:?}");
}
