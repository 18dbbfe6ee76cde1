//! Three days in a minute or two: the real ticker, writer and retention, driven
//! by made-up clocks.
//!
//! ```text
//! cargo test --release -p soakscope --lib three_days -- --ignored --nocapture --test-threads 1
//! ```
//!
//! The second of them holds 18,000 sockets open and needs `ulimit -n 20000`.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use soakscope_report::{
    LeakOptions, ProfileBuilder, ProfileRange, RunDir, RunInfo, SeriesOutcome, Timeline,
    judge_leaks,
};
use soakscope_sampler::resources::Resources;
use soakscope_sampler::{HeapProfiler, exclude_current_thread, heap_live_bytes};

use crate::clock::{RunClock, rfc3339};
use crate::config::Config;
use crate::disk::job::Job;
use crate::disk::writer::Writer;
use crate::drops::Drops;
use crate::session::Session;
use crate::spans::ledger::Closed;
use crate::timeline::ticker::Ticking;
use crate::timeline::tracked::{Closure, Tracked};

#[global_allocator]
static ALLOC: HeapProfiler = HeapProfiler::system();

const HOUR: u32 = 3_600;
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Simulation {
    path: PathBuf,
    session: Arc<Session>,
    ticking: Ticking,
    began: Timestamp,
    second: u32,
}

/// What the agent holds.
#[derive(Debug, Clone, Copy)]
struct Memory {
    heap: u64,
    rss: u64,
}

impl Memory {
    fn now() -> Self {
        Self {
            heap: heap_live_bytes().expect("our allocator"),
            rss: Resources::new().process().rss_bytes.expect("Linux"),
        }
    }
}

impl Simulation {
    pub(crate) fn new(name: &str) -> Self {
        Self::with_series(name, 1)
    }

    /// With so many tracked series.
    fn with_series(name: &str, series: usize) -> Self {
        let path = std::env::temp_dir().join(format!("soakscope-{name}-{}", std::process::id()));
        let clock = RunClock::start();
        let began = clock.start_time;
        let info = RunInfo {
            service: "shop".to_owned(),
            start: rfc3339(began),
            ..RunInfo::default()
        };
        let dir = RunDir::create(&path, &info).expect("a run directory");
        let drops = Arc::new(Drops::default());
        let info = Arc::new(Mutex::new(info));
        let writer = Writer::start(dir, info, Arc::clone(&drops)).expect("a writer");
        let config = Config::default();
        let session = Session::new("shop", config, clock, writer, drops, None);
        let session = Arc::new(session);
        let series = (0..series).map(|number| -> (String, Closure) {
            (format!("pool_{number}_in_use"), Box::new(|| 7.0))
        });
        let tracked = Tracked::new(series.collect(), PATIENCE);
        Self {
            path,
            ticking: Ticking::new(Arc::clone(&session), tracked, None, None),
            session,
            began,
            second: 0,
        }
    }

    /// Runs on until this second, with requests on 20 routes and a profile
    /// window every ten seconds.
    fn run_until(&mut self, second: u32) {
        while self.second < second {
            for route in 0..20 {
                let name = format!("GET /route/{route}");
                let took_ns = u64::from(self.second % 977) * 10_000;
                let closed = Closed {
                    name: self.session.spans.request(&name, None, None),
                    error: self.second.is_multiple_of(50),
                    took_ns,
                    busy_ns: took_ns / 2,
                };
                self.session.spans.opened(true);
                self.session.spans.closed(closed, true);
            }
            let at = self.session.clock.started + Duration::from_secs(u64::from(self.second));
            let time = self.began + SignedDuration::from_secs(i64::from(self.second));
            self.ticking.tick(at, time, Duration::ZERO);
            self.second += 1;
            if self.second.is_multiple_of(10) {
                let number = self.second / 10;
                self.session.writer.send(Job::Profile {
                    name: format!("cpu-{number:06}"),
                    bytes: window(number, time),
                });
            }
            // In truth a second passes; here the writer is waited for.
            if self.second.is_multiple_of(50) {
                assert!(self.session.writer.flush(PATIENCE), "the disk takes it");
            }
        }
        assert!(self.session.writer.flush(PATIENCE), "the disk takes it");
    }

    /// Requests on one route end, and then a row is taken at this time of the run.
    pub(crate) fn row_at(&mut self, ms: u64, requests: u64) {
        for _ in 0..requests {
            let closed = Closed {
                name: self.session.spans.request("GET /", None, None),
                error: false,
                took_ns: 1_000_000,
                busy_ns: 1_000_000,
            };
            self.session.spans.opened(true);
            self.session.spans.closed(closed, true);
        }
        let at = self.session.clock.started + Duration::from_millis(ms);
        let time = self.began + SignedDuration::from_millis(i64::try_from(ms).expect("some"));
        self.ticking.tick(at, time, Duration::ZERO);
    }

    /// The rows so far, as a reader of the run has them.
    pub(crate) fn timeline(&self) -> Timeline {
        assert!(self.session.writer.flush(PATIENCE), "the disk takes it");
        let dir = RunDir::open(&self.path).expect("a run");
        dir.timeline().expect("a timeline")
    }

    /// Runs on for an hour and answers what the agent holds in it: the middle of
    /// readings some minutes apart, as what an allocator keeps comes and goes.
    fn hour(&mut self) -> Memory {
        let mut readings: Vec<Memory> = (0..7)
            .map(|_| {
                self.run_until(self.second + HOUR / 7);
                Memory::now()
            })
            .collect();
        let mut middle = |of: fn(&Memory) -> u64| {
            readings.sort_by_key(of);
            of(&readings[readings.len() / 2])
        };
        Memory {
            heap: middle(|memory| memory.heap),
            rss: middle(|memory| memory.rss),
        }
    }

    /// Files of the run directory and their bytes.
    fn disk(&self) -> (usize, u64) {
        let below = |path: &std::path::Path| {
            let entries = std::fs::read_dir(path).expect("a directory").flatten();
            let files: Vec<u64> = entries
                .filter_map(|entry| entry.metadata().ok())
                .filter(|metadata| metadata.is_file())
                .map(|metadata| metadata.len())
                .collect();
            (files.len(), files.iter().sum::<u64>())
        };
        let (a, b) = (below(&self.path), below(&self.path.join("profiles")));
        (a.0 + b.0, a.1 + b.1)
    }

    fn rows(&self) -> usize {
        self.timeline().len()
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// A window of a busy service: 60 of 600 stacks, each 12 frames deep.
fn window(number: u32, time: Timestamp) -> Vec<u8> {
    let start = i64::try_from(time.as_nanosecond()).unwrap_or(0);
    let mut builder = ProfileBuilder::cpu(start, 10_000_000_000, 10_101_010);
    for sample in 0..60u32 {
        let stack_number = (number.wrapping_mul(31) + sample * 7) % 600;
        let stack: Vec<u32> = (0..12u32)
            .map(|depth| {
                let frame = (stack_number >> (depth / 2)) * 16 + depth;
                let name = format!("shop::module_{}::function_{frame}", frame % 9);
                let function = builder.function(&name, &name, "", 0);
                builder.location(None, u64::from(frame) * 64, &[(function, 0)])
            })
            .collect();
        builder.sample(&stack, &[2, 20_202_020], Vec::new());
    }
    builder.build().encode()
}

#[test]
fn an_hour_keeps_every_row_and_few_files() {
    let mut run = Simulation::new("an-hour");
    run.run_until(HOUR);
    assert_eq!(run.rows(), HOUR as usize);
    let (files, bytes) = run.disk();
    assert!(files < 300, "{files} files");
    assert!(bytes < 6 << 20, "{bytes} bytes");
    assert_eq!(run.session.drops.by_cause(), Default::default());
}

/// A service that holds 40 MB and nothing more, with the agent in it, for a
/// quarter of an hour: what the agent holds does not grow, so that it is no leak
/// even where nothing is taken off.
#[test]
fn three_hundred_series_are_not_the_service_s_leak() {
    let mut run = Simulation::with_series("series", 300);
    run.run_until(HOUR / 4);
    let dir = RunDir::open(&run.path).expect("a run");
    let timeline = dir.timeline().expect("a timeline");
    let held = timeline.series("agent_heap_mb").expect("a column");
    // What rows are kept in is taken with the first.
    let (hours, held) = (&timeline.elapsed_hours()[1..], &held[1..]);
    assert!(held.iter().all(|mb| *mb > 1.5 && *mb < 4.0), "{held:?}");
    let mut csv = String::from("elapsed_min,rss_mb\n");
    for (hours, mb) in hours.iter().zip(held) {
        csv += &format!("{},{}\n", hours * 60.0, 40.0 + mb);
    }
    let naked = Timeline::parse(csv.as_bytes()).expect("a timeline");
    let report = judge_leaks(&RunInfo::default(), &naked, &[], &LeakOptions::default());
    let outcome = report.series[0].verdict;
    assert_ne!(outcome, SeriesOutcome::Leak, "{report:?}");
    assert!(held[held.len() - 1] - held[60] < 0.3, "{held:?}");
}

#[test]
#[ignore = "a measurement: run it with --release, alone"]
fn three_days_hold_their_memory_and_their_disk() {
    let mut run = Simulation::new("three-days");
    let start = Instant::now();
    run.run_until(HOUR);
    let first = run.hour();
    for hour in [12, 24, 36, 48, 60, 71] {
        run.run_until(hour * HOUR);
        let (files, bytes) = run.disk();
        let (memory, mb) = (Memory::now(), |bytes: u64| bytes as f64 / 1_048_576.0);
        println!(
            "hour {hour:2}: heap {:.2} MB, resident {:.2} MB, {files} files, {:.1} MB on disk, after {:.0?}",
            mb(memory.heap),
            mb(memory.rss),
            mb(bytes),
            start.elapsed()
        );
    }
    let last = run.hour();
    run.run_until(72 * HOUR);
    println!("hour  1: {first:?}\nhour 72: {last:?}");
    let took = start.elapsed();
    let (files, bytes) = run.disk();
    let reading = Instant::now();
    assert_eq!(run.rows(), 72 * HOUR as usize);
    let read = reading.elapsed();
    let merging = Instant::now();
    let dir = RunDir::open(&run.path).expect("a run");
    let (profile, notes) = dir
        .profile("cpu", &ProfileRange::default())
        .expect("profiles");
    println!(
        "259,200 ticks in {took:.1?}; timeline read in {read:.2?}, profiles merged in {:.2?}",
        merging.elapsed()
    );
    assert!(notes.is_empty(), "{notes:?}");
    assert_eq!(
        profile.expect("some").total(0),
        i64::from(72 * HOUR / 10) * 120,
        "every sample is there"
    );
    assert_eq!(run.session.drops.by_cause(), Default::default());
    assert!(files <= 2_000 && bytes <= 200 << 20, "{files}, {bytes}");
    assert!(last.heap <= first.heap + (1 << 20), "{first:?} {last:?}");
    assert!(last.rss <= first.rss + (1 << 20), "{first:?} {last:?}");
    // Processor time, as others may be at work on the machine.
    let cpu = Resources::new().process().cpu.expect("Linux");
    println!("{cpu:.1?} of CPU time in all");
    assert!(cpu <= Duration::from_secs(180), "{cpu:?}");
}

#[test]
#[ignore = "a measurement: run it with --release and ulimit -n 20000, alone"]
fn the_whole_ticker_costs_two_percent_at_18000_sockets() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound");
    let held: Vec<(TcpStream, TcpStream)> = (0..9_000)
        .map(|_| {
            let ours = TcpStream::connect(address).expect("ulimit -n 20000");
            (ours, listener.accept().expect("accept").0)
        })
        .collect();
    let mut run = Simulation::new("sockets");
    let seconds = 600;
    let _own = exclude_current_thread();
    let resources = Resources::new();
    run.run_until(1);
    let before = resources.own_cpu();
    run.run_until(1 + seconds);
    let used = (resources.own_cpu() - before).as_secs_f64();
    let dir = RunDir::open(&run.path).expect("a run");
    let timeline = dir.timeline().expect("a timeline");
    let cells = timeline.readings("tcp_established").expect("a column");
    let counts: Vec<f64> = cells.iter().copied().filter(|n| n.is_finite()).collect();
    println!(
        "{} sockets: {:.2} % of a core for ticker and writer, states read in {} of {seconds} ticks",
        2 * held.len() + 1,
        used / f64::from(seconds) * 100.0,
        counts.len()
    );
    assert!(counts.iter().all(|n| *n >= 18_000.0));
    assert!(counts.len() >= seconds as usize / 10, "every ten seconds");
    assert!(used / f64::from(seconds) <= 0.02, "{used} s");
}
