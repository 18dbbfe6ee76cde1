//! What each clock makes of loads of known truth, and what it costs, beside
//! rivals under the same loads: `cargo bench -p soakscope-sampler --bench clocks`
//! (a quarter of an hour; `-- quick` takes three minutes, `-- cell LOAD CLOCK HZ
//! CPUS SECONDS` is one of its cells).
//!
//! Every cell is a process of its own, because signals, timers and CPU masks
//! belong to the process.

// A bench reports to a person: it stops at the first thing that is not so.
#![allow(clippy::unwrap_used)]

mod engine;
#[path = "../../tests/support/loads/mod.rs"]
mod loads;
#[path = "../../tests/support/quota.rs"]
mod quota;
#[path = "../../tests/support/seccomp.rs"]
mod seccomp;

use std::process::Command;
use std::time::{Duration, Instant};

use engine::Engine;
use loads::{Load, cpus, pin};
use quota::Quota;

const CLOCKS: [&str; 6] = [
    "instants",
    "timer",
    "perf",
    "pprof",
    "dial9",
    "dial9, no perf",
];
const SCHEDULED: [&str; 3] = ["each 4 ms", "ms grid", "at random"];
const AT_90: [&str; 3] = [
    "each 4 ms, 90 % busy",
    "ms grid, 90 % busy",
    "at random, 90 % busy",
];
const OTHERS: [&str; 5] = [
    "4 threads busy",
    "40 threads busy",
    "lives of 20 ms",
    "half kernel time",
    "300 idle threads",
];
const ODD: [&str; 10] = [
    "bursts",
    "phases of the tick",
    "whole ticks",
    "ring",
    "tiny ring",
    "naps",
    "two priorities",
    "mover",
    "fork-join",
    "fork-join, pinned",
];

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["cell", load, clock, hz, cpus, seconds] => {
            let seconds = seconds.parse().unwrap();
            cell(
                load,
                clock,
                hz.parse().unwrap(),
                cpus.parse().unwrap(),
                seconds,
            );
        }
        ["work", clock, hz] => work(clock, hz.parse().unwrap()),
        ["quick"] => quick(),
        [] => full(),
        _ => panic!("{arguments:?}: none, `quick`, or `cell LOAD CLOCK HZ CPUS SECONDS`"),
    }
}

fn full() {
    describe_machine();
    println!("\n## 999 Hz");
    heading(&CLOCKS);
    for cpus in [2, 1] {
        table(&SCHEDULED, &CLOCKS, 999, cpus, 6);
        table(&AT_90, &CLOCKS, 999, cpus, 3);
        table(&OTHERS, &CLOCKS, 999, cpus, 2);
    }
    println!("\n## 99 Hz");
    heading(&CLOCKS);
    for cpus in [2, 1] {
        table(&SCHEDULED, &CLOCKS, 99, cpus, 4);
        table(&AT_90, &CLOCKS[..2], 99, cpus, 4);
    }
    println!("\n## Odd patterns, 999 Hz");
    heading(&CLOCKS[..2]);
    table(&ODD, &CLOCKS[..2], 999, 2, 4);
    costs(&[99, 999], 2, 2);
}

fn quick() {
    describe_machine();
    println!("\n## 999 Hz");
    heading(&CLOCKS);
    table(&SCHEDULED, &CLOCKS, 999, 2, 3);
    table(&SCHEDULED[..1], &CLOCKS, 999, 1, 3);
    table(&AT_90[..1], &CLOCKS[..2], 999, 2, 2);
    table(&OTHERS, &CLOCKS[..2], 999, 2, 2);
    costs(&[99], 2, 1);
}

fn heading(clocks: &[&str]) {
    println!(
        "\nLargest error of a function's share, in points (and in standard errors), and unscaled coverage.\n"
    );
    println!("| load | CPUs | {} |", clocks.join(" | "));
    println!("|---|---|{}", "---|".repeat(clocks.len()));
}

fn table(loads: &[&str], clocks: &[&str], hz: u32, cpus: u32, seconds: u32) {
    for load in loads {
        let cells: Vec<String> = clocks
            .iter()
            .map(|clock| {
                let said = child(&[
                    "cell",
                    load,
                    clock,
                    &hz.to_string(),
                    &cpus.to_string(),
                    &seconds.to_string(),
                ]);
                match Cell::parse(&said) {
                    Some(cell) => cell.shown(),
                    None => said,
                }
            })
            .collect();
        println!("| {load} | {cpus} | {} |", cells.join(" | "));
    }
}

fn costs(frequencies: &[u32], seconds: u32, rounds: usize) {
    println!("\n## Costs\n");
    println!(
        "CPU time of the clock's own threads, % of a core (of the whole process while it idles); \
         waits that ended with EINTR; work done per CPU-second, on ÷ off, with 2 busy threads.\n"
    );
    println!(
        "| clock | Hz | 2 busy threads | 300 threads | idle | EINTR a second, each 4 ms | …, 300 threads | work |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for hz in frequencies.iter().map(u32::to_string) {
        for clock in CLOCKS {
            let cell = |load: &str| {
                let said = child(&["cell", load, clock, &hz, "2", &seconds.to_string()]);
                Cell::parse(&said)
            };
            let own = |cell: &Option<Cell>| match cell {
                Some(cell) => format!("{:.2}", cell.own * 100.0),
                None => "–".to_owned(),
            };
            let interrupted = |cell: &Option<Cell>| {
                cell.as_ref()
                    .map_or("–".to_owned(), |cell| format!("{:.1}", cell.interrupted))
            };
            let (busy, many) = (cell("2 threads busy"), cell("300 idle threads"));
            let (idle, scheduled) = (cell("idle"), cell("each 4 ms"));
            // Alternating, so that a slow stretch of the machine hits both.
            let mut ratios: Vec<f64> = (0..rounds)
                .filter_map(|_| {
                    let off: f64 = child(&["work", "off", &hz]).parse().ok()?;
                    let on: f64 = child(&["work", clock, &hz]).parse().ok()?;
                    Some(on / off)
                })
                .collect();
            ratios.sort_by(f64::total_cmp);
            println!(
                "| {clock} | {hz} | {} | {} | {} | {} | {} | {} |",
                own(&busy),
                own(&many),
                idle.map_or("–".to_owned(), |cell| format!("{:.2}", cell.used * 100.0)),
                interrupted(&scheduled),
                interrupted(&many),
                ratios
                    .get(ratios.len() / 2)
                    .map_or("–".to_owned(), |median| format!("{median:.3}")),
            );
        }
    }
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
        "{} × {}, Linux {}, tick {:?}, load {}, perf_event_paranoid {}",
        cpus().len(),
        line("/proc/cpuinfo", "model name"),
        line("/proc/sys/kernel/osrelease", ""),
        loads::tick().0,
        line("/proc/loadavg", ""),
        line("/proc/sys/kernel/perf_event_paranoid", ""),
    );
}

/// Runs one case in a process of its own and returns what it says.
fn child(arguments: &[&str]) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
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

/// What one cell measured, as its process prints it.
struct Cell {
    points: f64,
    errors: f64,
    samples: f64,
    coverage: f64,
    /// CPU seconds a second: of the clock's own threads; of the process.
    own: f64,
    used: f64,
    /// EINTR a second.
    interrupted: f64,
}

impl Cell {
    fn print(&self) {
        println!(
            "{:.3} {:.2} {:.0} {:.4} {:.5} {:.5} {:.2}",
            self.points,
            self.errors,
            self.samples,
            self.coverage,
            self.own,
            self.used,
            self.interrupted
        );
    }

    fn parse(said: &str) -> Option<Cell> {
        let numbers: Vec<f64> = said.split(' ').map_while(|n| n.parse().ok()).collect();
        let [points, errors, samples, coverage, own, used, interrupted] = numbers[..] else {
            return None;
        };
        Some(Cell {
            points,
            errors,
            samples,
            coverage,
            own,
            used,
            interrupted,
        })
    }

    fn shown(&self) -> String {
        let what = format!(
            "{:.1} ({:.1}), {:.2}",
            self.points, self.errors, self.coverage
        );
        // So far off, and no accident.
        if self.points > 3.0 && self.errors > 4.5 {
            format!("**{what}**")
        } else {
            what
        }
    }
}

fn process_cpu() -> f64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for the write.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn cell(load: &str, clock: &str, hz: u32, count: u32, seconds: f64) {
    // A cpuset, where one can be made, as a mask does not bind a clock's own
    // threads.
    let usable = cpus();
    let cpuset = (count == 1)
        .then(|| Quota::of_one_cpu(std::process::id(), usable[0]))
        .flatten();
    if cpuset.is_none() {
        pin(0, &usable[..usable.len().min(count as usize)]);
    }
    let mut engine = Engine::start(clock, hz);
    let (begun, used_before) = (Instant::now(), process_cpu());
    let read_before = loads::thread_cpu();
    let running = (load != "idle").then(|| Load::start(load));
    let end = begun + Duration::from_secs_f64(seconds);
    while Instant::now() < end {
        std::thread::sleep(Duration::from_millis(200));
        engine.keep_up();
    }
    let done = running.map(Load::finish);
    let (used, took) = (process_cpu() - used_before, begun.elapsed().as_secs_f64());
    // What reads the ring of one without a thread of its own.
    let reading = (loads::thread_cpu() - read_before).as_secs_f64();
    let profile = engine.finish();
    let own = profile.own.unwrap_or(reading);
    eprintln!(
        "seen {:.3?} of {:.3?}",
        profile.seen.weight,
        done.as_ref().map(|done| done.spent)
    );
    let judged = done
        .as_ref()
        .map(|done| profile.seen.against(&done.spent, 0.0))
        .unwrap_or_default();
    Cell {
        points: judged.points,
        errors: judged.errors,
        samples: judged.samples,
        coverage: profile.attributed / (used - own),
        own: own / took,
        used: used / took,
        interrupted: done.map_or(0.0, |done| done.interrupted as f64 / took),
    }
    .print();
    drop(cpuset);
    std::process::exit(0);
}

/// Prints the rounds of work per CPU-second of the whole process.
fn work(clock: &str, hz: u32) {
    const CALLS: u64 = 1_500;
    let rounds = 500_000;
    let mut engine = Engine::start(clock, hz);
    let used_before = process_cpu();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..CALLS).for_each(|_| loads::work::call(0, rounds)));
        }
    });
    engine.read();
    println!("{}", 2.0 * CALLS as f64 / (process_cpu() - used_before));
    std::process::exit(0);
}
