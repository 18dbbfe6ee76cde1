//! What a run of three days costs to read, judge and seal: a row a second with
//! 52 columns, 20 routes, 640 windows of profiles, 10,000 stacks.
//!
//! ```text
//! cargo build --release -p soakscope-cli && \
//!     cargo bench -p soakscope-report --bench three_days [-- HOURS] [RUN]
//! ```
//!
//! The run is made in a directory that is removed again, or at the path `RUN`,
//! which stays and is taken as it is where there is one.
//!
//! Each command is a process of its own, whose peak of resident memory and CPU
//! time are read from `/proc`. `seal` runs in a process that holds nothing else,
//! as it would in a service; what it adds is its peak less what was resident
//! before, and what of it stays after is what the allocator keeps.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

#[path = "../tests/support/long_run.rs"]
mod long_run;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use soakscope_report::{RunDir, seal};

const HOURS: u64 = 72;

/// The argument with which this program seals a run, and nothing else.
const SEAL: &str = "--seal-this-run";

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [SEAL, path] = [0, 1].map(|place| args.get(place).map_or("", String::as_str)) {
        return seal_here(Path::new(path));
    }
    let hours = args.iter().find_map(|arg| arg.parse().ok());
    let hours = hours.unwrap_or(HOURS);
    let scratch = tempfile::tempdir().unwrap();
    let given = args.iter().find(|arg| arg.contains('/'));
    let run = given.map_or_else(|| scratch.path().join("run"), PathBuf::from);
    let start = Instant::now();
    if !run.exists() {
        long_run::write(&run, hours);
    }
    let (files, bytes) = size(&run);
    println!(
        "{hours} hours: {files} files, {} MB, made in {:.1?}\n",
        bytes >> 20,
        start.elapsed()
    );
    println!("{:<12} {:>9} {:>8} {:>8}", "", "peak MB", "CPU s", "wall s");
    let command = command();
    for name in ["report", "top", "flamegraph", "check", "leaks"] {
        let mut child = Command::new(&command);
        child.arg(name).arg(&run).stdout(Stdio::null());
        measured(name, child.spawn().unwrap());
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([OsStr::new(SEAL), run.as_os_str()]);
    measured("seal", child.spawn().unwrap());
}

/// The command: where cargo says that it is, or beside this program.
fn command() -> PathBuf {
    if let Some(path) = option_env!("CARGO_BIN_EXE_soakscope") {
        return path.into();
    }
    let own = std::env::current_exe().unwrap();
    let path = own.parent().unwrap().parent().unwrap().join("soakscope");
    assert!(
        path.exists(),
        "build it first: cargo build --release -p soakscope-cli"
    );
    path
}

/// Waits for a program and prints what it took.
fn measured(name: &str, mut child: Child) {
    let start = Instant::now();
    let of = |file: &str| format!("/proc/{}/{file}", child.id());
    let mut peak = 0;
    // Until it has ended its peak is there; its CPU time until it is waited for.
    loop {
        let status = fs::read_to_string(of("status")).unwrap();
        match kilobytes(&status, "VmHWM:") {
            Some(now) => peak = now,
            None => break,
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let wall = start.elapsed();
    let stat = fs::read_to_string(of("stat")).unwrap();
    println!(
        "{name:<12} {:>9} {:>8.2} {:>8.2}",
        peak >> 10,
        cpu_seconds(&stat),
        wall.as_secs_f64()
    );
    // 1 is a verdict, too.
    assert_ne!(child.wait().unwrap().code(), Some(2), "{name}");
}

fn kilobytes(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Of a `/proc/PID/stat`, whose clock has a hundred ticks a second.
fn cpu_seconds(stat: &str) -> f64 {
    let after_name = stat.rsplit_once(')').unwrap().1;
    let times = after_name.split_whitespace().skip(11).take(2);
    times
        .map(|ticks| ticks.parse::<f64>().unwrap())
        .sum::<f64>()
        / 100.0
}

fn seal_here(path: &Path) {
    let own = || fs::read_to_string("/proc/self/status").unwrap();
    let resident = kilobytes(&own(), "VmRSS:").unwrap();
    let dir = RunDir::open(path).unwrap();
    let verdict = seal(&dir).unwrap();
    let after = own();
    let [peak, kept] = ["VmHWM:", "VmRSS:"].map(|key| kilobytes(&after, key).unwrap());
    println!(
        "\nseal adds {} MB at its peak, and {} MB stay with the allocator; {}",
        (peak - resident) >> 10,
        kept.saturating_sub(resident) >> 10,
        verdict.headline
    );
}

/// The files of a run and their bytes.
fn size(path: &Path) -> (usize, u64) {
    let entries = fs::read_dir(path).unwrap().flatten();
    entries.fold((0, 0), |(files, bytes), entry| {
        let metadata = entry.metadata().unwrap();
        let more = match metadata.is_dir() {
            true => size(&entry.path()),
            false => (1, metadata.len()),
        };
        (files + more.0, bytes + more.1)
    })
}
