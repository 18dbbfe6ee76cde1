//! The clock `instants` is right about shares and about the whole, under loads
//! of known truth: arrivals on a schedule that a tick-bound clock gets wrong by
//! dozens of points, threads of many kinds, and patterns that could bias it.
//!
//! Bounds are 4.5 standard errors of the samples taken, and half a point (two by
//! stack; see `measured`). A run goes on until there are enough of them, however
//! slow the machine. Each load runs in a process of its own, on its own CPUs.
#![cfg(target_os = "linux")]

mod support;

use std::os::unix::process::CommandExt;
use std::sync::Mutex;

use soakscope_sampler::Clock;
use support::loads::{cpus, pin};
use support::measured::measure;
use support::others::Others;
use support::{command, role};

/// One load at a time: they need the machine's CPUs.
static TURN: Mutex<()> = Mutex::new(());

fn instants() -> Clock {
    "instants".parse().expect("a clock")
}

/// Runs each of these loads in a child of this test with so many CPUs.
fn all(test: &str, loads: &[&str], samples: u64, count: usize) {
    if let Some(load) = role() {
        let others = Others::watch();
        let measured = measure(instants(), &load, samples);
        if others.were_busy(&load) {
            return measured.show();
        }
        measured.assert_shares();
        measured.assert_coverage();
        return;
    }
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    let usable = cpus();
    let usable = usable[..usable.len().min(count)].to_vec();
    for load in loads {
        let mut child = command(&[], test, load);
        let usable = usable.clone();
        // SAFETY: between fork and exec one system call is made, and memory
        // that was there before is read.
        unsafe {
            child.pre_exec(move || {
                pin(0, &usable);
                Ok(())
            })
        };
        let output = child.output().expect("a test can run itself");
        let said = String::from_utf8_lossy(&output.stderr);
        eprintln!("{said}");
        assert!(output.status.success(), "{load}, {count} CPUs: {said}");
    }
}

#[test]
fn arrivals_on_a_schedule() {
    let loads = ["each 4 ms", "ms grid", "at random"];
    all("arrivals_on_a_schedule", &loads, 700, 2);
}

#[test]
fn arrivals_on_a_schedule_at_90_percent() {
    let loads = ["each 4 ms, 90 % busy", "ms grid, 90 % busy"];
    all("arrivals_on_a_schedule_at_90_percent", &loads, 3_000, 2);
}

#[test]
fn threads_of_many_kinds() {
    let loads = [
        "4 threads busy",
        "40 threads busy",
        "lives of 20 ms",
        "half kernel time",
        "300 idle threads",
    ];
    all("threads_of_many_kinds", &loads, 2_000, 2);
}

#[test]
fn patterns_in_step_with_the_tick_or_with_other_cpus() {
    let loads = ["whole ticks", "fork-join, pinned", "mover", "bursts"];
    let name = "patterns_in_step_with_the_tick_or_with_other_cpus";
    all(name, &loads, 2_000, 2);
}

#[test]
fn on_one_cpu() {
    all("on_one_cpu", &["each 4 ms"], 700, 1);
}

#[test]
fn on_one_busy_cpu() {
    let loads = ["ms grid, 90 % busy", "40 threads busy"];
    all("on_one_busy_cpu", &loads, 1_500, 1);
}
