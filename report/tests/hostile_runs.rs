//! Runs that were made, or damaged, to take down whoever reads them: every
//! command ends, in bounded memory, and says what it could not read.

#![allow(clippy::unwrap_used)]

#[path = "support/peak.rs"]
mod peak;
mod support;

use std::fs;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use soakscope_report::{
    FlameOptions, LeakOptions, ProfileRange, RunDir, RunInfo, SpanRange, TopBy, flamegraph,
    flamegraph_diff, judge, judge_timeline, leaks_text, speedscope, summary_markdown, summary_text,
    timeline_svg, top, top_spans, verdict_json,
};

#[global_allocator]
static COUNTED: peak::Counted = peak::Counted;

/// What any run may take.
const MOST_BYTES: i64 = 256 << 20;

/// Does what `report`, `check`, `leaks`, `top` and `flamegraph` do; answers all
/// notes and errors.
fn survey(path: &Path) -> String {
    let mut said = String::new();
    let mut say = |what: &dyn std::fmt::Display| {
        said.push_str(&what.to_string());
        said.push('\n');
    };
    let dir = match RunDir::open(path) {
        Ok(dir) => dir,
        Err(error) => return error.to_string(),
    };
    let run = match dir.load() {
        Ok(run) => run,
        Err(error) => return error.to_string(),
    };
    let verdict = judge(&run);
    for note in &verdict.notes {
        say(note);
    }
    let text = summary_text(&run, &verdict);
    let _ = (summary_markdown(&run, &verdict), verdict_json(&verdict));
    let _ = (timeline_svg(&run), text);
    drop((run, verdict));
    match dir.timeline() {
        Ok(timeline) => drop(leaks_text(&judge_timeline(
            &timeline,
            &LeakOptions::default(),
        ))),
        Err(error) => say(&error),
    }
    if let Err(error) = dir.spans(&SpanRange::default()) {
        say(&error);
    }
    match dir.profile("cpu", &ProfileRange::default()) {
        Ok((Some(profile), _)) => {
            let index = profile.default_value_index();
            for by in [TopBy::Own, TopBy::Cumulative, TopBy::Line] {
                let _ = top(&profile, index, by);
            }
            let _ = top_spans(&profile, index);
            let options = FlameOptions::default();
            if let Err(error) = flamegraph(&profile, &options) {
                say(&error);
            }
            if let Err(error) = flamegraph_diff(&profile, &profile, &options) {
                say(&error);
            }
            let _ = profile.collapsed(index);
            let _ = speedscope(&profile, index, "");
        }
        Ok((None, _)) => {}
        Err(error) => say(&error),
    }
    said
}

/// What a survey of a run says, and the most memory that it took.
fn surveyed(path: &Path) -> (String, i64) {
    let mut said = String::new();
    let bytes = peak::peak(|| said = survey(path));
    (said, bytes)
}

/// A run with a description and nothing else.
fn empty_run() -> (tempfile::TempDir, RunDir) {
    let temp = tempfile::tempdir().unwrap();
    let info = RunInfo {
        start: "2026-01-15T10:00:00Z".into(),
        ..RunInfo::default()
    };
    let dir = RunDir::create(&temp.path().join("run"), &info).unwrap();
    (temp, dir)
}

/// Surveys a run that has one hostile file, which must not cost the run: it is
/// named in what is said, and its limit.
fn with_file(name: &str, bytes: &[u8], says: &str) {
    let (_temp, dir) = empty_run();
    fs::write(dir.path().join(name), bytes).unwrap();
    let (said, peak) = surveyed(dir.path());
    assert!(said.contains(says), "{name}: {says:?} is not in {said}");
    assert!(peak < MOST_BYTES, "{name}: {} MB", peak >> 20);
}

fn gzipped(chunks: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    for chunk in chunks {
        gzip.write_all(&chunk).unwrap();
    }
    gzip.finish().unwrap()
}

/// A field of a protobuf message that holds bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        field.push(length as u8 | 0x80);
        length >>= 7;
    }
    field.push(length as u8);
    field.extend(bytes);
    field
}

#[test]
fn a_histogram_header_that_asks_for_everything_costs_its_line() {
    use base64::Engine;
    let header = |digits: u32, low: u64, high: u64, length: u32| {
        let mut bytes = 0x1c84_9313_u32.to_be_bytes().to_vec();
        bytes.extend(length.to_be_bytes());
        bytes.extend(0_u32.to_be_bytes());
        bytes.extend(digits.to_be_bytes());
        bytes.extend(low.to_be_bytes());
        bytes.extend(high.to_be_bytes());
        bytes.extend(1_f64.to_be_bytes());
        bytes.extend([2; 8]);
        base64::engine::general_purpose::STANDARD.encode(bytes)
    };
    let mut log = String::from("#[Histogram log format version 1.3]\n");
    for (digits, low, high, length) in [
        (5, 1, u64::MAX, u32::MAX),
        (5, u64::MAX, u64::MAX, 8),
        (0, 1, u64::MAX, 0x7fff_ffff),
        (2, 0, 0, 8),
        (u32::MAX, 1, 2, 8),
    ] {
        let histogram = header(digits, low, high, length);
        log += &format!("Tag=x,0.0,1.0,1.0,{histogram}\n");
        // Times that do not fit into a length of time.
        log += &format!("Tag=x,1e300,1e300,1.0,{histogram}\n");
        log += &format!("Tag=x,-5,-7,1.0,{histogram}\n");
    }
    with_file(
        "spans.hlog",
        log.as_bytes(),
        "spans.hlog: lines that could not be read: 15",
    );
}

#[test]
fn histograms_that_unpack_without_end_stop_at_a_bound() {
    use base64::Engine;
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), Compression::best());
    let mut plain = 0x1c84_9313_u32.to_be_bytes().to_vec();
    plain.extend((900_000_u32).to_be_bytes());
    plain.extend(0_u32.to_be_bytes());
    plain.extend(5_u32.to_be_bytes());
    plain.extend(1_u64.to_be_bytes());
    plain.extend((1_u64 << 60).to_be_bytes());
    plain.extend(1_f64.to_be_bytes());
    plain.extend(vec![2; 900_000]);
    zlib.write_all(&plain).unwrap();
    let packed = zlib.finish().unwrap();
    let mut bytes = 0x1c84_9314_u32.to_be_bytes().to_vec();
    bytes.extend((packed.len() as u32).to_be_bytes());
    bytes.extend(packed);
    let line = format!(
        "Tag=x,0.0,1.0,1.0,{}\n",
        base64::engine::general_purpose::STANDARD.encode(bytes)
    );
    with_file(
        "spans.hlog",
        line.repeat(2_000).as_bytes(),
        "more than 201,326,592 bytes when unpacked",
    );
}

#[test]
fn a_profile_that_unpacks_to_gigabytes_costs_itself() {
    let name = "profiles/cpu-000001.pb.gz";
    let zeros = || vec![0; 1 << 20];
    // A gzip bomb, and one of many small parts.
    with_file(name, &gzipped((0..200).map(|_| zeros())), "unpacked");
    let member = gzipped([zeros()]);
    with_file(name, &member.repeat(200), "unpacked");
    // Samples of two bytes each.
    let samples = || field(2, &[]).repeat(1 << 19);
    let types = field(1, &[8, 0]);
    with_file(name, &gzipped((0..20).map(|_| samples())), "cpu-000001");
    // Values and locations of one byte each, in one sample.
    let numbers = field(2, &field(1, &vec![1; 8 << 20]));
    with_file(name, &gzipped([types, numbers]), "in one sample");
    // A string table of empty strings.
    let strings = || field(6, &[]).repeat(1 << 19);
    with_file(
        name,
        &gzipped((0..20).map(|_| strings())),
        "bytes of stacks",
    );
}

#[test]
fn one_long_name_that_everything_refers_to_is_no_bomb() {
    let name = "profiles/cpu-000001.pb.gz";
    let long = "x::".repeat(1 << 18);
    let head = [field(1, &[8, 0]), field(6, b""), field(6, long.as_bytes())].concat();
    // Labels, each with the long name twice.
    let label = |number: u32| {
        let n = [
            number as u8 | 0x80,
            (number >> 7) as u8 | 0x80,
            (number >> 14) as u8,
        ];
        [&[8, 1, 16, 1][..], &[24], &n].concat()
    };
    let labelled = (0..200_000).map(|n| field(2, &[&[16, 1][..], &field(3, &label(n))].concat()));
    with_file(
        name,
        &gzipped([head.clone()].into_iter().chain(labelled)),
        "bytes of stacks",
    );
    // Functions, and a stack of a thousand of them again and again.
    let function = field(5, &[8, 1, 16, 1]);
    let location = field(4, &[&[8, 1][..], &field(4, &[8, 1]).repeat(100)].concat());
    let stack = field(2, &[&field(1, &[1; 1000])[..], &[16, 1]].concat());
    let (_temp, dir) = empty_run();
    let bytes = gzipped(
        [head, function, location]
            .into_iter()
            .chain((0..200).map(|_| stack.clone())),
    );
    fs::write(dir.path().join(name), bytes).unwrap();
    let (_, peak) = surveyed(dir.path());
    assert!(peak < MOST_BYTES, "{} MB", peak >> 20);
}

#[test]
fn numbers_at_their_ends_overflow_nothing() {
    use soakscope_report::{Label, ProfileBuilder};
    let (_temp, dir) = empty_run();
    for (window, value) in (1..).zip([i64::MAX, i64::MAX, i64::MIN, -1, i64::MAX]) {
        let mut builder = ProfileBuilder::cpu(value, value, value);
        let f = builder.function("f", "f", "f", u32::MAX);
        for address in 1..5 {
            let at = builder.location(None, u64::MAX - address, &[(f, u32::MAX)]);
            let labels = vec![Label::text("span", "s"), Label::text("route", "r")];
            builder.sample(&[at, at], &[value, value], labels);
        }
        dir.write_profile(&format!("cpu-{window:06}"), &builder.build().encode())
            .unwrap();
        let mut builder = ProfileBuilder::heap(value, value, value);
        let at = builder.location(None, 1, &[]);
        for born in [i64::MIN, -1, 0, i64::MAX] {
            let labels = vec![Label::number("born", born, "s")];
            builder.sample(&[at], &[value; 4], labels);
        }
        dir.write_profile(&format!("heap-{window:06}"), &builder.build().encode())
            .unwrap();
    }
    fs::write(
        dir.path().join("spans.csv"),
        "elapsed_min,span,count,errors,kind,busy_ms\n".to_owned()
            + &"1,a,1e300,1e300,request,1e308\n".repeat(3),
    )
    .unwrap();
    fs::write(
        dir.path().join("budgets.toml"),
        "[process]\nrss_mb=1\n[span.\"a\"]\nrps=1\nerror_rate=1\ncpu_ms=1\np99_ms=1\n",
    )
    .unwrap();
    for values in [["1e308", "-1e308"], ["0", "1e300"], ["-1e300", "5e-324"]] {
        for times in [
            ["0", "1e7"],
            ["-1e307", "1e307"],
            ["1e300", "1e300"],
            ["5", "5"],
        ] {
            let mut csv = String::from("elapsed_min,rss_mb,requests_per_s,phase\n");
            for row in 0..200 {
                let minute = if row < 150 {
                    row.to_string()
                } else {
                    times[row % 2].to_owned()
                };
                csv += &format!("{minute},{},{},p{}\n", values[row % 2], values[0], row % 3);
            }
            fs::write(dir.path().join("timeline.csv"), csv).unwrap();
            survey(dir.path());
        }
    }
}

#[test]
fn a_csv_with_a_column_for_every_byte_is_refused_by_its_limit() {
    let mut csv = b"elapsed_min".to_vec();
    csv.extend(vec![b','; 850_000]);
    csv.extend(b"\n0\n".repeat(425_000));
    with_file(
        "timeline.csv",
        &csv,
        "timeline.csv: it has more than 8,192 columns",
    );
}

#[test]
fn a_csv_with_more_cells_than_fit_is_read_evenly() {
    let mut csv = b"elapsed_s".to_vec();
    for column in 0..8_000 {
        csv.extend(format!(",rss{column}_mb").bytes());
    }
    // Two bytes a row make eight thousand cells each.
    csv.push(b'\n');
    for row in 0..6_000 {
        csv.extend(format!("{row}\n").bytes());
    }
    let (_temp, dir) = empty_run();
    fs::write(dir.path().join("timeline.csv"), &csv).unwrap();
    let mut rows = Vec::new();
    let peak = peak::peak(|| {
        let timeline = dir.timeline().unwrap();
        rows = timeline.elapsed_hours().to_vec();
        assert!(
            timeline.losses()[0].contains("14,000,000 cells"),
            "{:?}",
            timeline.losses()
        );
    });
    assert!(peak < MOST_BYTES, "{} MB", peak >> 20);
    assert!(rows.len() > 800, "{}", rows.len());
    let step = rows[1] - rows[0];
    assert!(
        rows.windows(2)
            .all(|pair| (pair[1] - pair[0] - step).abs() < 1e-9)
    );
    assert!(*rows.last().unwrap() > 5_990.0 / 3600.0);
}

#[test]
fn words_quotes_and_phases_without_end_stay_within_bounds() {
    let mut words = String::from("elapsed_s,phase,note,rss_mb\n");
    let note = "x".repeat(300);
    for row in 0..200_000 {
        words += &format!("{row},phase {row},{row} {note},5\n");
    }
    with_file(
        "timeline.csv",
        words.as_bytes(),
        "words beyond the first 16 MB",
    );
    let mut quoted = String::from("elapsed_s,rss_mb\n0,5\n1,\"");
    quoted += &"2,5\n".repeat(5_000_000);
    with_file("timeline.csv", quoted.as_bytes(), "rows of more than 1 MB");
    let mut spans = String::from("elapsed_min,span,count\n1,\"");
    spans += &"x".repeat(20_000_000);
    with_file(
        "spans.csv",
        spans.as_bytes(),
        "spans.csv: lines that could not be read: 1",
    );
}

#[test]
fn a_hundred_thousand_routes_are_read_in_linear_time() {
    let mut events = String::new();
    let mut spans = String::from("elapsed_min,span,count,kind\n");
    for route in 0..100_000 {
        events +=
            &format!("{{\"kind\":\"slow_span\",\"span\":\"GET /{route}\",\"took_ms\":{route}}}\n");
        spans += &format!("1,GET /{route},1,request\n");
    }
    let (_temp, dir) = empty_run();
    fs::write(dir.path().join("events.jsonl"), events).unwrap();
    fs::write(dir.path().join("spans.csv"), spans).unwrap();
    let (said, peak) = surveyed(dir.path());
    for says in [
        "findings: 99000 events of routes and statements beyond the first 1000",
        "spans: 97952 rows and intervals of names beyond the first 2048 are in <other>",
        "beyond the first 16 MB are not shown",
    ] {
        assert!(said.contains(says), "{says} is not in {said}");
    }
    assert!(peak < MOST_BYTES / 2, "{} MB", peak >> 20);
}

#[test]
fn documents_that_are_large_or_deep_are_refused() {
    let deep_json = format!("{{\"kind\":\"x\",\"a\":{}", "[".repeat(50_000));
    let wide_json = format!("{{\"kind\":\"x\",\"a\":[{}0]}}", "{\"\":0},".repeat(8_000));
    let events = format!("{deep_json}\n{}", format!("{wide_json}\n").repeat(500));
    with_file(
        "events.jsonl",
        events.as_bytes(),
        "events: lines that could not be read: 1",
    );
    with_file(
        "budgets.toml",
        format!("a = {}", "[".repeat(200_000)).as_bytes(),
        "budgets not judged",
    );
    with_file(
        "budgets.toml",
        format!("[{}a]", "a.".repeat(100_000)).as_bytes(),
        "budgets not judged",
    );
    with_file(
        "budgets.toml",
        &vec![b'#'; 1 << 20],
        "more than 262,144 bytes",
    );
    let mut many = String::from("[tracked]\n");
    for budget in 0..10_000 {
        many += &format!("a{budget}=1\n");
    }
    with_file("budgets.toml", many.as_bytes(), "more than 500 budgets");
    let long = format!("[span.\"{}\"]\np99_ms=1\n", "x".repeat(200_000));
    with_file("budgets.toml", long.as_bytes(), "");
    with_file(
        "run.json",
        &vec![b' '; 2 << 20],
        "run.json: it has more than 1,048,576 bytes",
    );
    let deep = format!("{{\"format\":\"1.0\",\"x\":{}", "[".repeat(500_000));
    with_file("run.json", deep.as_bytes(), "run.json");
}

/// What is no regular file is neither waited for nor followed.
#[cfg(unix)]
#[test]
fn fifos_devices_and_links_cost_themselves() {
    use std::os::unix::fs::symlink;
    let names = [
        "timeline.csv",
        "spans.csv",
        "spans.hlog",
        "events.jsonl",
        "budgets.toml",
        "profiles/cpu-000001.pb.gz",
        "profiles/heap-000001.pb.gz",
    ];
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), "elapsed_min,secret_mb\n1,2\n").unwrap();
    for name in names {
        for kind in ["fifo", "link", "device", "socket", "folder"] {
            let (_temp, dir) = empty_run();
            let path = dir.path().join(name);
            match kind {
                "fifo" => {
                    let made = std::process::Command::new("mkfifo").arg(&path).status();
                    assert!(made.unwrap().success());
                }
                "link" => symlink(secret.path(), &path).unwrap(),
                "device" => symlink("/dev/zero", &path).unwrap(),
                "socket" => {
                    // The name of a socket may be no longer than 107 bytes.
                    std::os::unix::net::UnixListener::bind(&path).unwrap();
                }
                _ => fs::create_dir(&path).unwrap(),
            }
            let said = survey(dir.path());
            assert!(
                said.contains("only regular files are read"),
                "{name} {kind}: {said}"
            );
            assert!(!said.contains("secret_mb"), "{said}");
        }
    }
    // A folder that lies elsewhere.
    let (_temp, dir) = empty_run();
    let (_other, elsewhere) = empty_run();
    fs::remove_dir(dir.path().join("profiles")).unwrap();
    symlink(
        elsewhere.path().join("profiles"),
        dir.path().join("profiles"),
    )
    .unwrap();
    assert!(survey(dir.path()).contains("no profile: "));
    // And the description itself.
    fs::remove_file(dir.path().join("run.json")).unwrap();
    symlink(
        elsewhere.path().join("run.json"),
        dir.path().join("run.json"),
    )
    .unwrap();
    assert!(survey(dir.path()).contains("run.json: it is a link"));
}

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

/// Numbers that are equal in every run: SplitMix64 (Steele, Lea & Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

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
    assert!(peak < MOST_BYTES, "{name}, {what}: {} MB", peak >> 20);
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
        let mut random = Random(seed);
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
