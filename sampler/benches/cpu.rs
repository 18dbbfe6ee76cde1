//! What a sample costs, whichever clock it is of, in time and memory:
//! `cargo bench -p soakscope-sampler --bench cpu`. How right each clock is, and
//! what it costs, is in `clocks.rs`.
//!
//! Every case is a process of its own, because signals, timers and memory
//! belong to the process.

// A bench reports to a person: it stops at the first thing that is not so.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use soakscope_sampler::{Clock, CpuSampler, set_label, time_handler};

static STOP: AtomicBool = AtomicBool::new(false);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|a| a == "case") {
        return match arguments[1].as_str() {
            "handler" => handler(),
            "label" => label(),
            "memory" => memory(&arguments[2]),
            other => panic!("no case {other}"),
        };
    }
    describe_machine();
    println!("\n## Costs\n");
    println!("| what | figure |\n|---|---|");
    println!("| handler, 25 frames, warm | {} |", case(&["handler"]));
    println!("| switching a label | {} |", case(&["label"]));
    println!(
        "| memory after 1,000,000 samples | {} |",
        case(&["memory", "timer"])
    );
}

fn describe_machine() {
    let line = |path: &str, key: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let line = text
            .lines()
            .find(|l| l.starts_with(key))
            .unwrap_or_default();
        line.split_once(':')
            .map_or(line, |(_, v)| v)
            .trim()
            .to_owned()
    };
    println!(
        "{} × {}, Linux {}, load {}",
        thread::available_parallelism().map_or(0, |n| n.get()),
        line("/proc/cpuinfo", "model name"),
        line("/proc/sys/kernel/osrelease", ""),
        line("/proc/loadavg", ""),
    );
}

/// Runs one case in a process of its own and returns what it says.
fn case(arguments: &[&str]) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .arg("case")
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() {
        said
    } else {
        let error = String::from_utf8_lossy(&output.stderr);
        format!("– ({})", error.lines().last().unwrap_or("failed"))
    }
}

fn resident_kib() -> i64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<i64>().unwrap() * 4
}

#[inline(never)]
fn deep(depth: u32, leaf: &mut dyn FnMut()) {
    if depth == 0 {
        leaf();
    } else {
        deep(black_box(depth - 1), leaf);
    }
    black_box(depth);
}

fn handler() {
    let sampler = CpuSampler::builder()
        .clock(Clock::Timer)
        .frequency(1)
        .start()
        .unwrap();
    // The C library's and Rust's own frames come on top of these.
    let mut took = Vec::new();
    thread::spawn(move || {
        deep(17, &mut || took = time_handler(20_000));
        took.sort();
        let mut clock: Vec<Duration> = (0..1_000).map(|_| Instant::now().elapsed()).collect();
        clock.sort();
        let at = |share: f64| took[(took.len() as f64 * share) as usize] - clock[500];
        let window = sampler.stop().unwrap();
        let depth = window
            .samples
            .iter()
            .max_by_key(|s| s.count)
            .map_or(0, |s| s.stack.len());
        println!(
            "median {:?}, 90 % {:?}, 99 % {:?}, at {depth} frames",
            at(0.5),
            at(0.9),
            at(0.99)
        );
    })
    .join()
    .unwrap();
}

fn label() {
    const ROUNDS: u64 = 100_000_000;
    let before = Instant::now();
    for round in 0..ROUNDS {
        black_box(set_label(black_box(round)));
    }
    println!(
        "{:.2} ns",
        before.elapsed().as_nanos() as f64 / ROUNDS as f64
    );
}

/// Ten thousand samples per second of many stacks and threads, until there
/// were a million.
fn memory(engine: &str) {
    static SAMPLES: AtomicU64 = AtomicU64::new(0);
    let before = resident_kib();
    let sampler = CpuSampler::builder()
        .clock(engine.parse::<Clock>().unwrap())
        .frequency(99)
        .start()
        .unwrap();
    let threads: Vec<_> = (0..4)
        .map(|seed| {
            thread::spawn(move || {
                while !STOP.load(Ordering::Relaxed) {
                    deep(black_box(seed + 5), &mut || {
                        SAMPLES.fetch_add(time_handler(256).len() as u64, Ordering::Relaxed);
                    });
                }
            })
        })
        .collect();
    let mut early = 0;
    let mut next = 0;
    while SAMPLES.load(Ordering::Relaxed) < 1_000_000 {
        thread::sleep(Duration::from_millis(20));
        let samples = SAMPLES.load(Ordering::Relaxed);
        if samples >= next {
            black_box(sampler.drain().unwrap());
            next += 20_000;
        }
        if early == 0 && samples > 100_000 {
            early = resident_kib() - before;
        }
    }
    let late = resident_kib() - before;
    STOP.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().unwrap();
    }
    println!("+{late} KiB; +{early} KiB after 100,000");
}
