//! Real programs that keep sessions: in tables that are never emptied, each of
//! which has to be found with the function that fills it named first, and in a
//! bounded one, which is no leak.
//!
//! The default is a few of them for half a minute. All of them at the rates of
//! real services, four minutes each on three allocators, take half an hour:
//!
//! ```sh
//! cargo test -p soakscope-tests --test sessions -- --ignored --nocapture
//! ```
//!
//! They sleep most of the time: `SESSIONS_AT_ONCE` says how many run at the same
//! time, 6 where it is not set.

use std::collections::VecDeque;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use soakscope_tests::{output_text, scratch};

const GLIBC: &str = env!("CARGO_BIN_EXE_sessions");
const JEMALLOC: &str = env!("CARGO_BIN_EXE_sessions_jemalloc");
const MIMALLOC: &str = env!("CARGO_BIN_EXE_sessions_mimalloc");

/// A service to run.
#[derive(Clone, Copy)]
struct Service {
    program: &'static str,
    kind: &'static str,
    rate: f64,
    seconds: f64,
    bytes: u32,
    environment: &'static [(&'static str, &'static str)],
}

/// What half a minute shows well: more samples of the heap, more often.
const CLOSELY: &[(&str, &str)] = &[
    ("SOAKSCOPE_HEAP_INTERVAL", "65536"),
    ("SOAKSCOPE_HEAP_STEP", "3s"),
];

/// What came of one.
struct Ended {
    verdict: serde_json::Value,
    said: String,
}

impl Service {
    fn run(&self, path: &Path) -> Ended {
        let arguments = [
            self.kind.to_owned(),
            self.rate.to_string(),
            self.seconds.to_string(),
            self.bytes.to_string(),
        ];
        let output = Command::new(self.program)
            .args(arguments)
            .env("SOAKSCOPE_RUN_PATH", path)
            // Lines of a CPU profile are read from the program's debug information,
            // which takes longer than the run where the machine is busy.
            .env("SOAKSCOPE_CPU_CLOCK", "off")
            .envs(self.environment.iter().copied())
            .output()
            .expect("it runs");
        let said = output_text(&output);
        let text = std::fs::read(path.join("verdict.json"))
            .unwrap_or_else(|error| panic!("{}: {error}\n{said}", self.kind));
        Ended {
            verdict: serde_json::from_slice(&text).expect("JSON"),
            said,
        }
    }

    fn is_healthy(&self) -> bool {
        self.kind == "lru"
    }

    /// The function that fills it.
    fn function(&self) -> String {
        let store = match self.kind {
            "map" => "Map",
            "list" => "List",
            "queue" => "Queue",
            "tree" => "Tree",
            "sharded" => "Sharded",
            other => panic!("{other} is healthy"),
        };
        format!("soakscope_tests::sessions::{store}")
    }

    /// What is wrong with the verdict.
    fn wrong(&self, ended: &Ended) -> Option<String> {
        let verdict = ended.verdict["verdict"].as_str().unwrap_or_default();
        if self.is_healthy() {
            return (verdict == "fail").then(|| "healthy, called a leak".to_owned());
        }
        let code = ended.verdict["causes"][0]["code"]
            .as_str()
            .unwrap_or_default();
        let things = &ended.verdict["leaks"]["things"];
        if verdict != "fail" {
            return Some(format!("a leak, and {verdict}"));
        }
        if !code.starts_with(&self.function()) {
            return Some(format!("the first cause is {code}"));
        }
        if things[0]["name"] != "heap" || things.as_array().map(Vec::len) != Some(1) {
            return Some(format!("{things}"));
        }
        let per = things[0]["requests_of"].as_str();
        (per != Some("POST /login")).then(|| format!("it is per {per:?}"))
    }
}

/// Runs them, a few at a time, and answers a row for each and what is wrong.
fn run_all(services: &[Service], at_once: usize) -> (Vec<String>, Vec<String>) {
    let scratch = scratch();
    let waiting: VecDeque<(usize, Service)> = services.iter().copied().enumerate().collect();
    let waiting = Mutex::new(waiting);
    let (rows, wrong) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let next = || waiting.lock().expect("no panic with it").pop_front();
    let work = || {
        while let Some((number, service)) = next() {
            let ended = service.run(&scratch.path().join(number.to_string()));
            let program = Path::new(service.program).file_name().unwrap_or_default();
            let row = format!(
                "{:<18} {:<8} {:>6}/s {:>6} B: {:<12} {}",
                program.display(),
                service.kind,
                service.rate,
                service.bytes,
                ended.verdict["verdict"].as_str().unwrap_or_default(),
                ended.verdict["headline"].as_str().unwrap_or_default()
            );
            println!("{row}");
            if let Some(what) = service.wrong(&ended) {
                let series = serde_json::to_string_pretty(&ended.verdict["leaks"]);
                println!("{what}\n{}\n{}", ended.said, series.unwrap_or_default());
                wrong
                    .lock()
                    .expect("no panic")
                    .push(format!("{row}: {what}"));
            }
            rows.lock().expect("no panic with it").push(row);
        }
    };
    std::thread::scope(|scope| {
        (0..at_once).for_each(|_| {
            scope.spawn(work);
        });
    });
    let all = |rows: Mutex<Vec<String>>| rows.into_inner().expect("no panic with it");
    (all(rows), all(wrong))
}

/// A rate at which a table of `hashbrown`, or a vector, doubles after so much of
/// the time, in which it holds that many sessions.
fn rate_to_double_at(part: f64, seconds: f64, entries: f64) -> f64 {
    entries / (part * seconds)
}

#[test]
fn sessions_that_are_never_dropped_are_found_and_bounded_ones_are_not() {
    const SECONDS: f64 = 26.0;
    let of = |program, kind, rate, bytes| Service {
        program,
        kind,
        rate,
        seconds: SECONDS,
        bytes,
        environment: CLOSELY,
    };
    let map = rate_to_double_at(0.8, SECONDS, 7.0 / 8.0 * 16_384.0);
    let list = rate_to_double_at(0.8, SECONDS, 16_384.0);
    let services = [
        of(GLIBC, "map", map, 1_536),
        of(GLIBC, "lru", map, 1_536),
        of(JEMALLOC, "list", list, 1_536),
        of(MIMALLOC, "tree", map, 1_536),
    ];
    let (_, wrong) = run_all(&services, 2);
    assert_eq!(wrong, Vec::<String>::new(), "what was said is above");
}

#[test]
#[ignore = "takes half an hour and more; see above"]
fn all_stores_at_all_rates_on_all_allocators() {
    let mut services = Vec::new();
    for program in [GLIBC, JEMALLOC, MIMALLOC] {
        for (rate, bytes) in [(20.0, 16_384), (200.0, 1_536), (20_000.0, 24)] {
            for kind in ["map", "list", "sharded", "tree", "lru"] {
                services.push(Service {
                    program,
                    kind,
                    rate,
                    seconds: 240.0,
                    bytes,
                    environment: &[],
                });
            }
        }
    }
    let at_once = std::env::var("SESSIONS_AT_ONCE").map_or(6, |count| {
        count.parse().expect("SESSIONS_AT_ONCE is a number")
    });
    let (mut rows, wrong) = run_all(&services, at_once);
    rows.sort();
    println!("\n{}", rows.join("\n"));
    assert_eq!(wrong, Vec::<String>::new());
}
