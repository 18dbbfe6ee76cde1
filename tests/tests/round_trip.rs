//! Every file of a run, written by the agent and read back: nothing that is
//! written is lost to the reader, and `FORMAT.md` names every file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use soakscope::{Agent, Kind};
use soakscope_report::{
    DropCause, Event, EventKind, Profile, ProfileRange, RunDir, RunInfo, SPAN_COLUMNS, SpanRange,
    columns, read_profile,
};
use soakscope_tests::{burn, scratch};
use tracing_subscriber::prelude::*;

#[global_allocator]
static ALLOC: soakscope::HeapProfiler = soakscope::HeapProfiler::system();

const MS: Duration = Duration::from_millis(1);
const PAGE: &str = include_str!("../../report/FORMAT.md");

/// A run with something in every file of it.
fn record(run: &Path) {
    let scratch = scratch();
    let budgets = scratch.path().join("budgets.toml");
    std::fs::write(&budgets, "[process]\nrss_mb = 1\nleaks = \"warn\"\n").expect("written");
    let agent = Agent::builder("ferry")
        .run_path(run)
        .version("1.4.2")
        .must_see("100GB/h")
        .budgets(&budgets)
        .slow_request(50 * MS)
        .keep_fields(["passengers"])
        .track_as("on_board", Kind::Level, || 42.0)
        .track("broken", || panic!("a bug of the service"))
        .tick(50 * MS)
        .start()
        .expect("an agent");
    tracing_subscriber::registry().with(agent.layer()).init();
    agent.phase("boarding");
    let row = || {
        let before = agent.latest("elapsed_min");
        while agent.latest("elapsed_min") == before {
            std::thread::sleep(MS);
        }
    };
    let mut held = vec![hold()];
    for _ in 0..2 {
        crossing();
    }
    row();
    agent.phase("crossing");
    for _ in 0..20 {
        crossing();
        row();
    }
    burn(300 * MS);
    held.push(hold());
    row();
    agent.finish().expect("sealed");
}

/// A slow request with spans inside, and with a statement over and over.
fn crossing() {
    let request = tracing::info_span!(
        "request",
        otel.kind = "server",
        http.request.method = "GET",
        http.route = "/crossing/{id}",
        passengers = 7,
    );
    request.in_scope(|| {
        for id in 0..6 {
            let sql = format!("SELECT name FROM piers WHERE id = {id}");
            tracing::info_span!("query", db.statement = sql).in_scope(|| burn(12 * MS));
        }
    });
}

/// Memory that lives as long as the run, so much that some of it is sampled.
fn hold() -> Vec<u8> {
    std::hint::black_box(vec![1; 32 << 20])
}

#[test]
fn what_the_agent_writes_is_read_with_every_field() {
    let scratch = scratch();
    let path = scratch.path().join("run");
    std::panic::set_hook(Box::new(|_| {}));
    record(&path);
    let _ = std::panic::take_hook();
    let dir = RunDir::open(&path).expect("a run");
    let run = dir.load().expect("of this format");
    assert_eq!(run.unread, [] as [String; 0]);
    assert_eq!(run.unread_spans, [] as [String; 0]);
    the_description_is_read_whole(&path);
    the_timeline_is_read_whole(&path, &dir);
    the_events_are_read_whole(&path);
    the_spans_are_read_whole(&path, &dir);
    the_profiles_have_their_labels(&dir);
    the_page_names_the_files(&path, &["boarding", "crossing"]);
}

/// The sampler knows nothing of reports, so its causes are text in its sources.
#[test]
fn the_causes_that_the_sampler_counts_have_names() {
    let source = include_str!("../../sampler/src/cpu/native/shared.rs");
    let start = source.find("pub(crate) mod count").expect("its counters");
    let counters = &source[start..];
    let counters = &counters[..counters.find("\n}").expect("its end")];
    let causes: Vec<&str> = counters.split('"').skip(1).step_by(2).collect();
    assert!(causes.contains(&"ring full") && causes.contains(&"no free stack"));
    for cause in causes {
        assert!(DropCause::from_name(cause).is_some(), "{cause}");
    }
}

fn text(path: &Path, name: &str) -> String {
    std::fs::read_to_string(path.join(name)).expect(name)
}

fn the_description_is_read_whole(path: &Path) {
    let written = text(path, "run.json");
    let info = RunInfo::parse(written.as_bytes()).expect("a description");
    let json = |text: &str| serde_json::from_str(text).expect("JSON");
    assert_same("run.json", &json(&info.to_json()), &json(&written));
    let trust = info.trust.expect("figures");
    assert!(trust.agent_threads > Some(0) && trust.drops["tracked_values"] > 0);
    assert_eq!(
        info.tracked,
        BTreeMap::from([("on_board".to_owned(), Kind::Level)])
    );
    assert_eq!(info.limits["open_fds"].map(|limit| limit > 0.0), Some(true));
}

/// The same fields with the same values; of a number, to the digit that the JSON
/// reader may have rounded.
fn assert_same(place: &str, read: &Value, written: &Value) {
    match (read, written) {
        (Value::Object(read), Value::Object(written)) => {
            assert!(read.keys().eq(written.keys()), "{place}");
            for (key, value) in read {
                assert_same(&format!("{place}: {key}"), value, &written[key]);
            }
        }
        (Value::Array(read), Value::Array(written)) => {
            assert_eq!(read.len(), written.len(), "{place}");
            for (read, written) in read.iter().zip(written) {
                assert_same(place, read, written);
            }
        }
        (Value::Number(read), Value::Number(written)) => {
            let (read, written) = (read.as_f64(), written.as_f64());
            let (read, written) = (read.expect("finite"), written.expect("finite"));
            assert!(
                (read - written).abs() <= 1e-14 * written.abs(),
                "{place}: {read} {written}"
            );
        }
        _ => assert_eq!(read, written, "{place}"),
    }
}

fn the_timeline_is_read_whole(path: &Path, dir: &RunDir) {
    let csv = text(path, "timeline.csv");
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().expect("a header");
    let own = columns::ALL.iter().map(|column| column.name);
    assert_eq!(
        header,
        own.chain(["on_board", "broken"]).collect::<Vec<_>>()
    );
    let rows: Vec<Vec<&str>> = lines.collect();
    let timeline = dir.timeline().expect("a timeline");
    assert_eq!(
        (timeline.len(), timeline.columns().len()),
        (rows.len(), header.len())
    );
    for (index, name) in header.iter().enumerate() {
        for (row, cells) in rows.iter().enumerate() {
            match (timeline.series(name), timeline.text(name)) {
                (Some(numbers), _) => {
                    let cell = cells[index].parse().unwrap_or(f64::NAN);
                    assert!(
                        numbers[row] == cell || numbers[row].is_nan() && cell.is_nan(),
                        "{name}"
                    );
                }
                (_, Some(words)) => assert_eq!(words.get(row).unwrap_or_default(), cells[index]),
                _ => assert_eq!(index, 0, "{name}"),
            }
        }
    }
    for name in [
        "rss_mb",
        "heap_live_mb",
        "requests_per_s",
        "latency_p99_ms",
        "on_board",
    ] {
        assert!(timeline.readings(name).is_some(), "{name}");
    }
}

fn the_events_are_read_whole(path: &Path) {
    let mut kinds = BTreeSet::new();
    for line in text(path, "events.jsonl").lines() {
        let event: Event = serde_json::from_str(line).expect("an event");
        let known = event.known().expect(line);
        let again = known.to_line(&event.time, event.elapsed_min);
        let value = |line: &str| serde_json::from_str::<Value>(line).expect("JSON");
        assert_same(&event.kind, &value(&again), &value(line));
        kinds.insert(event.kind);
    }
    // A leak takes longer than a test.
    let written = EventKind::NAMES.into_iter().filter(|kind| *kind != "leak");
    assert_eq!(kinds, written.map(str::to_owned).collect());
}

fn the_spans_are_read_whole(path: &Path, dir: &RunDir) {
    let csv = text(path, "spans.csv");
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some(SPAN_COLUMNS.join(",").as_str()));
    let mut sums: BTreeMap<&str, BTreeMap<&str, f64>> = BTreeMap::new();
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells.len(), SPAN_COLUMNS.len(), "{line}");
        let of = sums.entry(cells[1]).or_default();
        for (name, cell) in SPAN_COLUMNS.iter().zip(cells) {
            if let Ok(value) = cell.parse::<f64>() {
                *of.entry(name).or_default() += value;
            }
        }
    }
    let (spans, notes) = dir.spans(&SpanRange::default()).expect("spans");
    assert_eq!(notes, [] as [String; 0]);
    let names: BTreeSet<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, sums.keys().copied().collect());
    assert!(names.is_superset(&["GET /crossing/{id}", "query", "<no request>"].into()));
    for span in &spans {
        let sum = |column: &str| sums[span.name.as_str()].get(column).copied();
        let near = |read: Option<f64>, column: &str| {
            let written = sum(column);
            let same = match (read, written) {
                (Some(read), Some(written)) => {
                    (read - written).abs() <= 1e-6 * written.abs() + 0.01
                }
                (read, written) => read.unwrap_or(0.0) == written.unwrap_or(0.0),
            };
            assert!(same, "{column} of {}: {read:?}, {written:?}", span.name);
        };
        near(Some(span.count as f64), "count");
        near(Some(span.errors as f64), "errors");
        near(Some(span.busy_ms), "busy_ms");
        near(span.idle_ms, "idle_ms");
        near(span.cpu_ms, "cpu_ms");
        near(span.alloc_mb, "alloc_mb");
        near(Some(span.cpu_measured as f64), "cpu_measured");
        near(Some(span.cpu_samples as f64), "cpu_samples");
        near(span.cpu_sampled_ms, "cpu_sampled_ms");
        let in_log = span.p50_ms.zip(span.p99_ms).is_some();
        assert_eq!(in_log, span.count > 0, "{}", span.name);
    }
}

fn the_profiles_have_their_labels(dir: &RunDir) {
    let labels = |profile: &Profile, of: &[&str]| {
        for label in of {
            let has = profile
                .samples
                .iter()
                .any(|sample| sample.label(label).is_some());
            assert!(has, "{label}");
        }
    };
    let (cpu, notes) = dir
        .profile("cpu", &ProfileRange::default())
        .expect("windows");
    assert_eq!(notes, [] as [String; 0]);
    let cpu = cpu.expect("windows");
    labels(&cpu, &["phase", "thread", "span", "route"]);
    let (shots, notes) = dir.heap_shots().expect("heap profiles");
    assert_eq!(notes, [] as [String; 0]);
    let heap = shots.last().expect("one at the end");
    let live = heap.profile.value_index("inuse_space").expect("its type");
    assert!(heap.profile.total(live) >= 32 << 20);
    labels(&heap.profile, &["phase"]);
}

/// Names of files that the page has at its beginning.
fn named_files() -> BTreeSet<String> {
    let block = PAGE.split("```").nth(1).expect("the directory");
    let is_file = |word: &&str| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "<>.-/".contains(c);
        word.contains(['.', '/'])
            && word.chars().all(plain)
            && word.starts_with(char::is_alphabetic)
    };
    let words = block.split_whitespace().filter(is_file);
    words.map(str::to_owned).collect()
}

fn the_page_names_the_files(path: &Path, phases: &[&str]) {
    let mut written = BTreeSet::new();
    for folder in ["", "profiles/"] {
        for entry in std::fs::read_dir(path.join(folder)).expect("a folder") {
            let entry = entry.expect("an entry");
            if entry.file_type().expect("a type").is_dir() {
                continue;
            }
            let mut name = format!("{folder}{}", entry.file_name().to_string_lossy());
            for phase in phases {
                name = name.replace(&format!("-{phase}."), "-<phase>.");
            }
            // Windows are numbered.
            if let Some((kind, _)) = name.split_once("-0") {
                name = format!("{kind}-000001.pb.gz");
            }
            written.insert(name);
        }
    }
    let named = named_files();
    let beyond: Vec<&String> = written.difference(&named).collect();
    assert!(beyond.is_empty(), "the page does not name {beyond:?}");
    // Imported; of runs that are longer; of heaps that grow.
    let others = ["client/", "flamegraph-diff.svg", "heap-growth.svg"].map(str::to_owned);
    let missing: Vec<&String> = named
        .difference(&written)
        .filter(|name| !others.contains(name))
        .collect();
    assert!(
        missing.is_empty(),
        "the page names {missing:?}, which are not written"
    );
}

/// Records the fixture of a format. Never over one that is there: old runs must
/// stay readable, so their fixtures stay as they are.
#[test]
#[ignore = "writes a fixture"]
fn freeze() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../report/tests/fixtures");
    let fixture: PathBuf = fixtures.join("run-1.1");
    std::panic::set_hook(Box::new(|_| {}));
    record(&fixture);
    let kept = [
        "run.json",
        "timeline.csv",
        "spans.csv",
        "spans.hlog",
        "events.jsonl",
        "budgets.toml",
    ];
    for entry in std::fs::read_dir(&fixture).expect("a run").flatten() {
        let path = entry.path();
        if path.is_dir() {
            // Nothing was imported, and what is empty is not kept.
            let _ = std::fs::remove_dir(path);
        } else if !kept.contains(&entry.file_name().to_string_lossy().as_ref()) {
            std::fs::remove_file(path).expect("removed");
        }
    }
    // Which machine it was is nobody's business.
    let mut info = RunInfo::parse(text(&fixture, "run.json").as_bytes()).expect("a description");
    info.host.name = Some("pier-1".to_owned());
    info.host.kernel = Some("6.18.44".to_owned());
    info.process.boot_id = None;
    info.process.machine = None;
    std::fs::write(fixture.join("run.json"), info.to_json()).expect("written");
    let windows: Vec<PathBuf> = std::fs::read_dir(fixture.join("profiles"))
        .expect("profiles")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    for window in windows {
        let is_first_cpu = window.ends_with("cpu-000001.pb.gz");
        let is_heap = window.to_string_lossy().contains("heap-");
        if !is_first_cpu && !is_heap {
            std::fs::remove_file(window).expect("removed");
            continue;
        }
        let (mut profile, _) = read_profile(&window).expect("a profile");
        for mapping in &mut profile.mappings {
            let file = Path::new(&mapping.path).file_name().unwrap_or_default();
            mapping.path = file.to_string_lossy().into_owned();
        }
        std::fs::write(&window, profile.encode()).expect("written");
    }
}
