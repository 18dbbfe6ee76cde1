//! Runs that were damaged, by chance and at every length: every command ends, in
//! bounded memory.

#![allow(clippy::unwrap_used)]

#[path = "../benches/leaks/random.rs"]
#[allow(dead_code)]
mod random;

use random::Random;
#[path = "support/peak.rs"]
mod peak;
mod support;
#[path = "support/survey.rs"]
#[allow(dead_code)]
mod survey;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use soakscope_report::{ProfileRange, RunDir, RunInfo, SpanRange};
use survey::{MAX_BYTES, gzipped, survey};

#[global_allocator]
static COUNTED: peak::Counted = peak::Counted;

/// A small run that has every kind of file.
fn small_run(path: &Path) -> RunDir {
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::V2DeflateSerializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
    use soakscope_report::{Label, ProfileBuilder};
    use std::time::{Duration, UNIX_EPOCH};

    let dir = RunDir::create(path, &support::info(support::Plan::default())).unwrap();
    let mut csv = String::from("elapsed_min,rss_mb,time,phase,requests_per_s,open_fds\n");
    for second in 0..60 {
        csv += &format!(
            "{:.4},{},2026-01-15T10:00:{second:02}Z,{},{},{}\n",
            f64::from(second) / 60.0,
            100 + second % 7,
            if second < 20 { "warmup" } else { "steady" },
            90 + second % 5,
            12 + second % 2
        );
    }
    fs::write(path.join("timeline.csv"), csv).unwrap();
    fs::write(
        path.join("spans.csv"),
        "elapsed_min,span,count,errors,p50_ms,p95_ms,p99_ms,max_ms,busy_ms,phase,kind,idle_ms,cpu_ms\n\
         0.5,GET /a,10,1,1,2,3,4,20,warmup,request,5,12.5\n\
         1,\"GET /\"\"b\"\"\",20,0,1,2,3,9,40,steady,request,5,\n",
    )
    .unwrap();
    let mut log = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut writer = IntervalLogWriterBuilder::new()
        .with_base_time(UNIX_EPOCH)
        .begin_log_with(&mut log, &mut serializer)
        .unwrap();
    for minute in 0..3 {
        let mut histogram = Histogram::<u64>::new(2).unwrap();
        histogram.record_n(1_000_000 << minute, 40).unwrap();
        histogram.record_n(77_000_000, 2).unwrap();
        writer
            .write_histogram(
                &histogram,
                Duration::from_secs(60 * minute),
                Duration::from_secs(60),
                Tag::new("GET%20/a"),
            )
            .unwrap();
    }
    drop(writer);
    fs::write(path.join("spans.hlog"), log).unwrap();
    fs::write(
        path.join("events.jsonl"),
        "{\"time\":\"2026-01-15T10:00:00Z\",\"elapsed_min\":0,\"kind\":\"phase\",\"name\":\"warmup\"}\n\
         {\"kind\":\"slow_span\",\"span\":\"GET /a\",\"took_ms\":2000,\"children\":[{\"span\":\"q\",\"count\":1}]}\n\
         {\"kind\":\"n_plus_one\",\"route\":\"GET /a\",\"statement\":\"SELECT ?\",\"count\":6,\"requests\":1,\"total_ms\":3}\n",
    )
    .unwrap();
    fs::write(
        path.join("budgets.toml"),
        "[process]\nrss_mb = { warn = 400, fail = 500 }\n[span.\"GET /a\"]\np99_ms = 200\nduration = [\"p(95)<150\"]\n\
         [phase.steady.process]\nrss_mb = 900\n[env.staging.process]\nrss_mb = 800\n",
    )
    .unwrap();
    for window in 1..=3 {
        let at = support::START_NANOS + window * 20_000_000_000;
        let mut cpu = ProfileBuilder::cpu(at, 20_000_000_000, 10_000_000);
        let mut heap = ProfileBuilder::heap(at, 0, 524_288);
        for builder in [&mut cpu, &mut heap] {
            let mapping = builder.mapping(soakscope_report::Mapping {
                start: 0x1000,
                limit: 0x9000,
                path: "/srv/shop".into(),
                ..Default::default()
            });
            let f = builder.function("shop::price::h0123456789abcdef", "f", "a.rs", 3);
            let g = builder.function("<a::B<c::D> as e::F>::g", "g", "a.rs", 9);
            let a = builder.location(Some(mapping), 0x1010, &[(f, 4), (g, 10)]);
            let b = builder.location(Some(mapping), 0x2010, &[]);
            for (stack, count) in [(vec![a, b], 3 * window), (vec![b], 1)] {
                let labels = vec![
                    Label::text("phase", "steady"),
                    Label::text("route", "GET /a"),
                    Label::number("born", window, "seconds"),
                ];
                builder.sample(&stack, &[count, count * 1000, count, count * 900], labels);
            }
        }
        for (kind, builder) in [("cpu", cpu), ("heap", heap)] {
            dir.write_profile(&format!("{kind}-{window:06}"), &builder.build().encode())
                .unwrap();
        }
    }
    dir
}

const FILES: [&str; 8] = [
    "run.json",
    "timeline.csv",
    "spans.csv",
    "spans.hlog",
    "events.jsonl",
    "budgets.toml",
    "profiles/cpu-000001.pb.gz",
    "profiles/heap-000002.pb.gz",
];

impl Random {
    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

const EXTREMES: [&[u8]; 16] = [
    b"-1",
    b"0",
    b"18446744073709551615",
    b"-9223372036854775808",
    b"1e308",
    b"-1e308",
    b"5e-324",
    b"nan",
    b"1e999999",
    b"",
    b"\"",
    b"\xff\xfe",
    b"\x1b[2J",
    b"=1+1",
    b"[[[[[[[[[[[[",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
];

/// The file with something changed, what is gzipped inside its gzip as often
/// as not.
fn mutated(original: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    use std::io::Read;
    if original.starts_with(&[0x1f, 0x8b]) && random.below(4) > 0 {
        let mut raw = Vec::new();
        flate2::read::GzDecoder::new(original)
            .read_to_end(&mut raw)
            .unwrap();
        return gzipped([changed(&raw, other, random)]);
    }
    changed(original, other, random)
}

fn changed(original: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        let end = (at + 1 + random.below(40)).min(bytes.len());
        match random.below(8) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            1 if !bytes.is_empty() => bytes[at] = random.next() as u8,
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let part = bytes[at..end].repeat(1 + random.below(50));
                drop(bytes.splice(at..at, part));
            }
            5 => {
                let from = random.below(other.len());
                let part = other[from..(from + random.below(200)).min(other.len())].to_vec();
                drop(bytes.splice(at..end, part));
            }
            // A number is replaced by one at the end of its range.
            6 => {
                let digits: Vec<usize> = (0..bytes.len())
                    .filter(|at| bytes[*at].is_ascii_digit())
                    .collect();
                if let Some(start) = digits.get(random.below(digits.len())).copied() {
                    let rest = bytes[start..].iter();
                    let length = rest
                        .take_while(|b| b.is_ascii_digit() || **b == b'.')
                        .count();
                    let extreme = random.one_of(&EXTREMES).to_vec();
                    drop(bytes.splice(start..start + length, extreme));
                }
            }
            _ => drop(bytes.splice(at..at, random.one_of(&EXTREMES).to_vec())),
        }
    }
    bytes
}

/// Runs the survey and says which file, seed and bytes it was that ended it.
fn survives(dir: &RunDir, name: &str, bytes: &[u8], what: &dyn std::fmt::Display) -> i64 {
    fs::write(dir.path().join(name), bytes).unwrap();
    let mut peak = 0;
    let ended = catch_unwind(AssertUnwindSafe(|| {
        peak = peak::peak(|| drop(survey(dir.path())));
    }));
    assert!(
        ended.is_ok(),
        "{name}, {what}: {:?}",
        String::from_utf8_lossy(bytes)
    );
    assert!(peak < MAX_BYTES, "{name}, {what}: {} MB", peak >> 20);
    peak
}

/// `SOAKSCOPE_MUTATIONS=20000` tries as many.
#[test]
fn mutated_runs_take_nobody_down() {
    let count = std::env::var("SOAKSCOPE_MUTATIONS").map_or(1_500, |n| n.parse().unwrap());
    let temp = tempfile::tempdir().unwrap();
    let dir = small_run(&temp.path().join("run"));
    let originals: Vec<Vec<u8>> = FILES
        .iter()
        .map(|name| fs::read(dir.path().join(name)).unwrap())
        .collect();
    let said = survey(dir.path());
    assert!(!said.contains("could not be read"), "{said}");
    let mut most = 0;
    for seed in 0..count {
        let mut random = Random::new(seed);
        let file = random.below(FILES.len());
        let other = &originals[random.below(FILES.len())];
        let bytes = mutated(&originals[file], other, &mut random);
        let what = format!("seed {seed}");
        most = most.max(survives(&dir, FILES[file], &bytes, &what));
        fs::write(dir.path().join(FILES[file]), &originals[file]).unwrap();
    }
    println!("{count} mutated runs, {} MB at most", most >> 20);
}

/// Every length that a file can be cut off at, in the part that reads it.
#[test]
fn every_truncation_is_survived() {
    let temp = tempfile::tempdir().unwrap();
    let dir = small_run(&temp.path().join("run"));
    let mut count = 0;
    for name in FILES {
        let path = dir.path().join(name);
        let original = fs::read(&path).unwrap();
        for length in 0..original.len() {
            fs::write(&path, &original[..length]).unwrap();
            let ended = catch_unwind(AssertUnwindSafe(|| match name {
                "run.json" => drop(dir.info()),
                "timeline.csv" => drop(dir.timeline()),
                "events.jsonl" => drop(dir.events()),
                "budgets.toml" => drop(dir.budgets(&RunInfo::default())),
                "spans.csv" | "spans.hlog" => drop(dir.spans(&SpanRange::default())),
                "profiles/heap-000002.pb.gz" => drop(dir.heap_shots()),
                _ => drop(dir.profile("cpu", &ProfileRange::default())),
            }));
            assert!(ended.is_ok(), "{name} cut off at {length}");
            count += 1;
        }
        fs::write(&path, original).unwrap();
    }
    println!("{count} truncations");
    assert!(count > 5_000, "{count}");
}
