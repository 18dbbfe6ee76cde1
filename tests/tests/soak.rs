//! The main job as a newcomer runs it: soaks of the shop, healthy and with each
//! fault, their verdicts and their files.
//!
//! A few soaks run at the same time, as many as a small machine has room for.
//! `HEALTHY_SOAKS` says how many of them are of a healthy shop, 2 where it is
//! not set.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use soakscope_tests::{Timeline, example, output_text, scratch, soakscope};

/// How many soaks are of a healthy shop.
const HEALTHY: &str = "HEALTHY_SOAKS";

/// Soaks at the same time: what two cores serve without a queue. The soaks of
/// memory, which take more, are spread in the list of all.
const AT_ONCE: usize = 3;

/// The planting function of the memory leak.
const PLANTED: &str = "shop::leak::memory::Journal::remember_request_forever";

/// Series in which a leak of memory may show.
const MEMORY: [&str; 4] = ["heap_live_mb", "rss_anon_mb", "rss_mb", "cgroup_anon_mb"];

/// A soak, and what has to come of it.
struct Soak {
    name: &'static str,
    program: Command,
    leak: &'static str,
    /// Requests per second. Memory takes more of them and longer: what matters
    /// in a minute is 12 MB, and each keeps 6 KiB.
    rate: u32,
    duration: &'static str,
    judge: fn(&Ended),
}

/// A soak that is over.
struct Ended<'a> {
    run: &'a Path,
    code: Option<i32>,
    said: String,
    verdict: serde_json::Value,
}

impl Soak {
    fn of(leak: &'static str, judge: fn(&Ended)) -> Self {
        Self {
            name: leak,
            program: example("soak"),
            leak,
            rate: 25,
            duration: "80s",
            judge,
        }
    }

    fn of_memory(name: &'static str, program: Command) -> Self {
        Self {
            name,
            program,
            leak: "memory",
            rate: 60,
            duration: "120s",
            judge: memory_leaks_and_the_cause_is_named,
        }
    }

    /// Runs it and judges its end. Every lost socket or descriptor is one of
    /// two orders, as the rate is low.
    fn run(mut self, run: &Path) {
        let rate = self.rate.to_string();
        let output = self
            .program
            .args(["--listen", "127.0.0.1:0", "--duration", self.duration])
            .args(["--leak", self.leak, "--orders-per-loss", "2"])
            .args(["--rate", &rate, "--out"])
            .arg(run)
            .output()
            .expect("the soak runs");
        let said = output_text(&output);
        let verdict = std::fs::read(run.join("verdict.json"))
            .unwrap_or_else(|error| panic!("{}: no verdict: {error}\n{said}", self.name));
        (self.judge)(&Ended {
            run,
            code: output.status.code(),
            said,
            verdict: serde_json::from_slice(&verdict).expect("JSON"),
        });
    }
}

impl Ended<'_> {
    /// The series with this verdict.
    fn series(&self, verdict: &str) -> Vec<&str> {
        self.verdict["leaks"]["series"]
            .as_array()
            .expect("series")
            .iter()
            .filter(|series| series["verdict"] == verdict)
            .map(|series| series["name"].as_str().expect("a name"))
            .collect()
    }

    /// It failed for a leak in this series, and in no other than these.
    fn leaks_in(&self, series: &str, others: &[&str]) {
        let leaking = self.series("leak");
        assert!(leaking.contains(&series), "{leaking:?}\n{}", self.said);
        let stray = leaking
            .iter()
            .find(|name| **name != series && !others.contains(name));
        assert_eq!(stray, None, "{leaking:?}\n{}", self.said);
        assert_eq!(self.verdict["verdict"], "fail", "{}", self.said);
        assert_eq!(self.code, Some(1), "{}", self.said);
    }

    fn no_leak(&self) {
        let leaking = self.series("leak");
        assert!(leaking.is_empty(), "{leaking:?}\n{}", self.said);
        assert!(matches!(self.code, Some(0 | 3)), "{}", self.said);
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.run.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }
}

fn memory_leaks_and_the_cause_is_named(soak: &Ended) {
    soak.leaks_in("heap_live_mb", &MEMORY);
    let cause = &soak.verdict["causes"][0];
    assert_eq!(cause["code"], PLANTED, "the first cause: {cause}");
    let span = cause["span"].as_str().expect("the route that allocated");
    assert!(span.contains(" /"), "a method and a route: {cause}");
    assert!(
        cause["bytes_per_request_low"].as_f64() > Some(2_000.0),
        "{cause}"
    );
    for text in [&soak.said, &soak.file("report.md")] {
        assert!(text.contains(PLANTED) && text.contains(span), "{text}");
    }
    assert!(
        soak.file("heap-growth.svg")
            .contains("remember_request_forever")
    );
    let again = soakscope().arg("report").arg(soak.run).output();
    let again = again.expect("it runs");
    let said = output_text(&again);
    assert_eq!(again.status.code(), Some(1), "offline agrees: {said}");
}

fn connections_leak(soak: &Ended) {
    soak.leaks_in("tcp_close_wait", &["connections", "open_fds"]);
}

fn descriptors_leak(soak: &Ended) {
    soak.leaks_in("open_fds", &[]);
}

fn tasks_leak(soak: &Ended) {
    soak.leaks_in("tokio_alive_tasks", &[]);
}

fn freed_memory_is_retained(soak: &Ended) {
    soak.no_leak();
    let retained = soak.series("retention");
    assert!(retained.contains(&"rss_anon_mb"), "{}", soak.said);
}

fn health_shows_everything(soak: &Ended) {
    soak.no_leak();
    let run = soak.run;
    assert!(
        soak.said.contains(&run.display().to_string()),
        "it says where: {}",
        soak.said
    );
    let timeline = Timeline::parse(&soak.file("timeline.csv"));
    let mut phases = timeline.column("phase");
    phases.dedup();
    for phase in ["warmup", "steady", "spike", "cooldown"] {
        assert!(phases.contains(&phase), "{phases:?}");
        let flames = format!("flamegraph-{phase}.svg");
        assert!(run.join(&flames).exists(), "{flames}");
    }
    assert!(
        soak.file("flamegraph.svg").contains("tally_revenue"),
        "the shop's own functions are named"
    );
    let client: serde_json::Value =
        serde_json::from_str(&soak.file("client/load.json")).expect("JSON");
    assert!(
        client["summary"]["requestsPerSec"]
            .as_f64()
            .is_some_and(|rate| rate > 5.0),
        "{client}"
    );
}

#[test]
fn each_fault_is_told_by_its_name_and_health_is_no_leak() {
    let healthy = std::env::var(HEALTHY).map_or(2, |count| {
        count
            .parse()
            .unwrap_or_else(|_| panic!("{HEALTHY}={count}"))
    });
    let mut soaks = VecDeque::from([
        Soak::of_memory("memory on glibc", example("soak")),
        Soak::of("connections", connections_leak),
        Soak::of("fds", descriptors_leak),
        Soak::of_memory("memory on jemalloc", example("soak_jemalloc")),
        Soak::of("tasks", tasks_leak),
        Soak::of("retention", freed_memory_is_retained),
        Soak::of_memory("memory on mimalloc", example("soak_mimalloc")),
    ]);
    soaks.extend((0..healthy).map(|_| Soak::of("none", health_shows_everything)));
    let soaks = Mutex::new(soaks.into_iter().enumerate().collect::<VecDeque<_>>());
    let wrong = Mutex::new(Vec::new());
    let scratch = scratch();
    let next = || soaks.lock().expect("no panic with it").pop_front();
    let run_all = || {
        while let Some((number, soak)) = next() {
            let name = soak.name;
            let run = scratch.path().join(number.to_string());
            let judged = catch_unwind(AssertUnwindSafe(|| soak.run(&run)));
            if judged.is_err() {
                wrong.lock().expect("no panic with it").push(name);
            }
        }
    };
    std::thread::scope(|scope| {
        (0..AT_ONCE).for_each(|_| {
            scope.spawn(run_all);
        });
    });
    let wrong = wrong.into_inner().expect("no panic with it");
    assert_eq!(wrong, Vec::<&str>::new(), "what is wrong is said above");
}

#[test]
fn an_unknown_flag_is_a_usage_error() {
    let output = example("soak").arg("--leek").output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        output_text(&output).contains("--leek"),
        "{}",
        output_text(&output)
    );
}
