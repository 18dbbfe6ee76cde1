//! The figures of the CPU sampler, beside those of its rivals, in one run:
//! `cargo bench -p soakscope-sampler --bench cpu`.
//!
//! Every case is a process of its own, because signals, timers and memory
//! belong to the process. Threads are still busy when a case is read out, so
//! that only what the sampler sees while it runs is judged.

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
        let number = |i: usize| arguments[i].parse().unwrap();
        return match arguments[1].as_str() {
            "coverage" => coverage(&arguments[2], number(3), number(4), f64::from(number(5))),
            "lives" => lives(&arguments[2], number(3), number(4)),
            "handler" => handler(),
            "label" => label(),
            "memory" => memory(&arguments[2]),
            "throughput" => throughput(&arguments[2], number(3)),
            other => panic!("no case {other}"),
        };
    }
    describe_machine();
    println!("\n## CPU time captured, % of getrusage (memory added, KiB)\n");
    println!("| | 99 Hz | 250 Hz | 999 Hz |\n|---|---|---|---|");
    for (threads, seconds) in [("1", "3"), ("2", "3"), ("8", "3"), ("64", "12")] {
        for engine in ["perf", "timer", "pprof", "dial9"] {
            let cell = |hz| case(&["coverage", engine, hz, threads, seconds]);
            println!(
                "| {engine}, {threads} busy | {} | {} | {} |",
                cell("99"),
                cell("250"),
                cell("999")
            );
        }
    }
    println!("\n## … when every thread lives 20 ms, two at a time\n");
    println!("| | 99 Hz | 999 Hz |\n|---|---|---|");
    for engine in ["perf", "timer", "pprof", "dial9"] {
        let cell = |hz: &str| case(&["lives", engine, hz, "20"]);
        println!("| {engine} | {} | {} |", cell("99"), cell("999"));
    }
    println!("\n## Costs\n");
    println!("| what | figure |\n|---|---|");
    println!("| handler, 25 frames, warm | {} |", case(&["handler"]));
    println!("| switching a label | {} |", case(&["label"]));
    println!(
        "| memory after 1,000,000 samples | {} |",
        case(&["memory", "timer"])
    );
    println!("\n## Work done per CPU-second, sampler on ÷ off\n");
    println!("| | 99 Hz | 999 Hz |\n|---|---|---|");
    for engine in ["perf", "timer", "pprof", "dial9"] {
        let ratio = |hz: &str| {
            // Alternating, so that a slow stretch of the machine hits both.
            let mut ratios: Vec<f64> = (0..5)
                .filter_map(|_| {
                    let off: f64 = case(&["throughput", "off", hz]).parse().ok()?;
                    let on: f64 = case(&["throughput", engine, hz]).parse().ok()?;
                    Some(on / off)
                })
                .collect();
            ratios.sort_by(f64::total_cmp);
            ratios
                .get(2)
                .map_or("–".to_owned(), |median| format!("{median:.4}"))
        };
        println!("| {engine} | {} | {} |", ratio("99"), ratio("999"));
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

fn process_cpu() -> f64 {
    // SAFETY: all-zero is a valid `rusage`, which the call writes over.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
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

fn spin(rounds: u64) -> u64 {
    (0..rounds).fold(1, |s, n| black_box(s ^ n).wrapping_mul(0x9e37_79b9))
}

/// One of the samplers under test, and how to read out the CPU seconds that it
/// has attributed.
enum Engine {
    Ours(CpuSampler),
    Pprof(pprof::ProfilerGuard<'static>, f64),
    Dial9(dial9_perf_self_profile::PerfSampler, f64),
    Off,
}

impl Engine {
    fn start(name: &str, hz: u32) -> Engine {
        match name {
            "off" => Engine::Off,
            "pprof" => {
                let guard = pprof::ProfilerGuardBuilder::default()
                    .frequency(hz as i32)
                    .build()
                    .unwrap();
                Engine::Pprof(guard, f64::from(hz))
            }
            "dial9" => {
                use dial9_perf_self_profile as dial9;
                let config = dial9::SamplerConfig::default()
                    .event_source(dial9::EventSource::SwTaskClock)
                    .include_kernel(true)
                    .sampling(dial9::SamplingMode::FrequencyHz(u64::from(hz)));
                Engine::Dial9(dial9::PerfSampler::start(config).unwrap(), f64::from(hz))
            }
            ours => {
                let clock: Clock = ours.parse().unwrap();
                let sampler = CpuSampler::builder().clock(clock).frequency(hz).start();
                Engine::Ours(sampler.unwrap())
            }
        }
    }

    /// CPU seconds attributed since the last call.
    fn take(&mut self) -> f64 {
        match self {
            Engine::Ours(sampler) => {
                let window = sampler.drain().unwrap();
                window.stats.attributed.as_secs_f64() + window.cpu_excluded.as_secs_f64()
            }
            Engine::Pprof(guard, hz) => {
                let report = guard.report().build_unresolved().unwrap();
                report.data.values().map(|n| *n as f64).sum::<f64>() / *hz
            }
            Engine::Dial9(sampler, hz) => {
                let mut samples = 0u64;
                sampler.for_each_sample(|_| samples += 1);
                samples as f64 / *hz
            }
            Engine::Off => 0.0,
        }
    }
}

fn busy_threads(count: u32) {
    for _ in 0..count {
        thread::spawn(|| {
            deep(20, &mut || {
                while !STOP.load(Ordering::Relaxed) {
                    black_box(spin(1_000));
                }
            });
        });
    }
}

fn coverage(engine: &str, hz: u32, threads: u32, seconds: f64) {
    let before = resident_kib();
    let mut engine = Engine::start(engine, hz);
    let used_before = process_cpu();
    busy_threads(threads);
    let mut attributed = 0.0;
    // Rivals with rings of their own must be read before those overflow.
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    while Instant::now() < end {
        thread::sleep(Duration::from_millis(200));
        if matches!(engine, Engine::Dial9(..)) {
            attributed += engine.take();
        }
    }
    let added = resident_kib() - before;
    let used = process_cpu() - used_before;
    attributed += engine.take();
    println!("{:.1} % (+{added})", attributed / used * 100.0);
    std::process::exit(0);
}

fn lives(engine: &str, hz: u32, milliseconds: u32) {
    let mut engine = Engine::start(engine, hz);
    let used_before = process_cpu();
    let life = Duration::from_millis(u64::from(milliseconds));
    let pairs: Vec<_> = (0..2)
        .map(|_| {
            thread::spawn(move || {
                for _ in 0..100 {
                    thread::spawn(move || burn(life)).join().unwrap();
                }
            })
        })
        .collect();
    let mut attributed = 0.0;
    while pairs.iter().any(|pair| !pair.is_finished()) {
        thread::sleep(Duration::from_millis(200));
        if matches!(engine, Engine::Dial9(..)) {
            attributed += engine.take();
        }
    }
    let used = process_cpu() - used_before;
    attributed += engine.take();
    println!("{:.1} %", attributed / used * 100.0);
}

fn burn(time: Duration) {
    let now = || {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: `time` is valid for the write.
        unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    let end = now() + time;
    while now() < end {
        black_box(spin(2_000));
    }
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

/// Rounds of work per CPU-second of the whole process.
fn throughput(engine: &str, hz: u32) {
    static ROUNDS: AtomicU64 = AtomicU64::new(0);
    let mut engine = Engine::start(engine, hz);
    let used_before = process_cpu();
    let threads: Vec<_> = (0..2)
        .map(|_| {
            thread::spawn(|| {
                deep(20, &mut || {
                    for _ in 0..3_000 {
                        black_box(spin(250_000));
                        ROUNDS.fetch_add(1, Ordering::Relaxed);
                    }
                });
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    black_box(engine.take());
    println!(
        "{}",
        ROUNDS.load(Ordering::Relaxed) as f64 / (process_cpu() - used_before)
    );
}
