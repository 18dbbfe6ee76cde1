//! Runs that were made to take down whoever reads them: every command ends, in
//! bounded memory, and says what it could not read.

#![allow(clippy::unwrap_used)]

#[path = "support/peak.rs"]
mod peak;
#[path = "support/survey.rs"]
mod survey;

use std::fs;
use std::io::Write;

use flate2::Compression;
use soakscope_report::{RunDir, RunInfo};
use survey::{MAX_BYTES, gzipped, survey, surveyed};

#[global_allocator]
static COUNTED: peak::Counted = peak::Counted;

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
    assert!(peak < MAX_BYTES, "{name}: {} MB", peak >> 20);
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
    assert!(peak < MAX_BYTES, "{} MB", peak >> 20);
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
        "timeline.csv: it has more than 6,000 columns",
    );
}

#[test]
fn a_csv_with_more_cells_than_fit_is_read_evenly() {
    let mut csv = b"elapsed_s".to_vec();
    for column in 0..5_900 {
        csv.extend(format!(",rss{column}_mb").bytes());
    }
    // Two bytes a row make eight thousand cells each.
    csv.push(b'\n');
    for row in 0..9_000 {
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
    assert!(peak < MAX_BYTES, "{} MB", peak >> 20);
    assert!(rows.len() > 800, "{}", rows.len());
    let step = rows[1] - rows[0];
    assert!(
        rows.windows(2)
            .all(|pair| (pair[1] - pair[0] - step).abs() < 1e-9)
    );
    assert!(*rows.last().unwrap() > 8_990.0 / 3600.0);
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
    ] {
        assert!(said.contains(says), "{says} is not in {said}");
    }
    assert!(peak < MAX_BYTES / 2, "{} MB", peak >> 20);
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
