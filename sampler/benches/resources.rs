//! What readings cost, beside `sysinfo`, `procfs` and `metrics-process` (and
//! psutil, where Python has it), at 20 sockets and at as many as the descriptor limit allows up to 18,000.
//!
//! `cargo bench -p soakscope-sampler --bench resources`
//!
//! Time is CPU time of the reading thread, the median of its repetitions, in
//! turns so that all meet the same noise.

use std::hint::black_box;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use procfs::process::{FDTarget, Process};
use soakscope_sampler::resources::{Resources, TcpState, Ticks};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

const MANY: usize = 18_000;
/// Places of the two that are compared, among the readings.
const OURS: usize = 2;
const PROCFS: usize = 7;
/// Descriptors for everything that is no socket of the bench.
const SPARE: u64 = 500;

fn main() {
    let limit = raise_descriptor_limit();
    let many = MANY.min(usize::try_from(limit.saturating_sub(SPARE)).unwrap_or(MANY));
    machine();
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let mut held = Vec::new();
    for sockets in [20, many] {
        while 2 * held.len() + 1 < sockets {
            held.push(pair(&listener));
        }
        println!(
            "\n{} TCP sockets, CPU time of one reading",
            2 * held.len() + 1
        );
        measure(if sockets > 1_000 { 15 } else { 200 });
        schedule(600);
        psutil(held.len());
    }
}

/// Has the compiler take the reading for used.
fn keep<T>(reading: T) {
    black_box(reading);
}

/// A named reading.
type Reading<'a> = (&'static str, Box<dyn FnMut() + 'a>);

fn measure(repetitions: usize) {
    let mut resources = Resources::new();
    let mut ours = Resources::new();
    let pid = Pid::from_u32(std::process::id());
    let mut system = System::new().expect("sysinfo");
    let own = |system: &mut System, kind: ProcessRefreshKind| {
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, kind);
    };
    let mut other = System::new().expect("sysinfo");
    let mut process_only = Resources::new();
    let metrics = metrics_process::Collector::default();
    // An hour after the last tick every reading is due.
    let (mut full, mut at) = (Ticks::new(), Instant::now());
    let mut readings: Vec<Reading<'_>> = vec![
        (
            "soakscope: memory, CPU, threads, descriptors, faults",
            Box::new(|| keep(process_only.process())),
        ),
        (
            "soakscope: a tick with all that is due every 30 s",
            Box::new(|| {
                at += Duration::from_secs(3_600);
                keep(full.read(at));
            }),
        ),
        (
            "soakscope: own connections by state",
            Box::new(|| keep(resources.sockets())),
        ),
        (
            "soakscope: smaps_rollup (every 30 s at most)",
            Box::new(|| {
                black_box(ours.memory_detail());
            }),
        ),
        (
            "sysinfo: memory and CPU of this process",
            Box::new(|| {
                own(
                    &mut system,
                    ProcessRefreshKind::nothing().with_memory().with_cpu(),
                )
            }),
        ),
        (
            "sysinfo: everything of this process",
            Box::new(|| own(&mut other, ProcessRefreshKind::everything())),
        ),
        (
            "metrics-process: its eight metrics, none exported",
            Box::new(|| metrics.collect()),
        ),
        (
            "procfs: fd() and tcp(), by state",
            Box::new(|| {
                black_box(by_procfs());
            }),
        ),
    ];
    let mut times: Vec<Vec<Duration>> = readings.iter().map(|_| Vec::new()).collect();
    for _ in 0..repetitions {
        for ((_, reading), times) in readings.iter_mut().zip(&mut times) {
            let before = thread_cpu();
            reading();
            times.push(thread_cpu() - before);
        }
    }
    let mut median = Vec::new();
    for ((name, _), times) in readings.iter().zip(&mut times) {
        times.sort_unstable();
        median.push(times[times.len() / 2]);
        println!("  {name:<54} {:>10.1} us", micros(times[times.len() / 2]));
    }
    println!(
        "  procfs / soakscope, own connections by state           {:>10.1} x",
        micros(median[PROCFS]) / micros(median[OURS])
    );
    let counts = Resources::new().sockets().expect("Linux");
    assert_eq!(
        by_procfs(),
        counts.tcp(TcpState::Established),
        "both count the same"
    );
}

/// Ten minutes of ticks by a made-up clock: what pacing leaves.
fn schedule(seconds: u32) {
    let mut ticks = Ticks::new();
    let start = Instant::now();
    ticks.read(start);
    let (mut sockets, before) = (0, thread_cpu());
    for second in 1..=seconds {
        let reading = ticks.read(start + Duration::from_secs(u64::from(second)));
        sockets += u32::from(reading.sockets.is_some());
    }
    let used = (thread_cpu() - before).as_secs_f64() / f64::from(seconds);
    println!(
        "  soakscope: one tick, the mean of ten minutes of them   {:>10.1} us",
        used * 1e6
    );
    println!(
        "  soakscope: all readings at 1 s ticks, paced            {:>10.3} % of a core; states every {:.1} s",
        used * 100.0,
        f64::from(seconds) / f64::from(sockets.max(1))
    );
}

/// Established connections of this process the way `procfs` users count them.
fn by_procfs() -> u64 {
    let inodes: std::collections::HashSet<u64> = Process::myself()
        .and_then(|me| me.fd())
        .expect("procfs")
        .filter_map(|fd| match fd.ok()?.target {
            FDTarget::Socket(inode) => Some(inode),
            _ => None,
        })
        .collect();
    let entries = procfs::net::tcp().expect("procfs");
    let ours = entries.iter().filter(|entry| {
        entry.state == procfs::net::TcpState::Established && inodes.contains(&entry.inode)
    });
    ours.count() as u64
}

/// psutil from outside, where Python has it: the wall time of one
/// `net_connections` of this process.
fn psutil(pairs: usize) {
    let script = format!(
        "import psutil,time\np=psutil.Process({})\nf=getattr(p,'net_connections',None) or p.connections\n\
         f(kind='tcp')\nt=time.thread_time()\nn=len(f(kind='tcp'))\nprint(n,(time.thread_time()-t)*1e6)",
        std::process::id()
    );
    let output = Command::new("python3").args(["-c", &script]).output();
    let said = output.ok().filter(|output| output.status.success());
    match said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()) {
        Some(said) => {
            let micros: f64 = said
                .split_whitespace()
                .nth(1)
                .and_then(|n| n.parse().ok())
                .unwrap_or(f64::NAN);
            println!("  psutil: net_connections(kind='tcp')                    {micros:>10.1} us");
        }
        None => println!("  psutil: not installed ({pairs} pairs not counted by it)"),
    }
}

fn machine() {
    let host = soakscope_sampler::resources::Host::read();
    println!(
        "{}, {} cores, Linux {}",
        host.cpu_model.as_deref().unwrap_or("unknown processor"),
        host.cores.unwrap_or(0),
        host.kernel.as_deref().unwrap_or("unknown")
    );
}

fn pair(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let address = listener.local_addr().expect("bound");
    let ours = TcpStream::connect(address).expect("connect");
    (ours, listener.accept().expect("accept").0)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Raises the soft limit on descriptors to the hard one; returns it.
fn raise_descriptor_limit() -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a live, writable rlimit.
    assert_eq!(0, unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit)
    });
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` is a live rlimit.
    assert_eq!(0, unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) });
    limit.rlim_cur
}

fn thread_cpu() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a live, writable timespec.
    assert_eq!(0, unsafe {
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time)
    });
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
