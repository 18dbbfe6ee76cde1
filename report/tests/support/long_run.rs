//! The directory of a long run of a busy service, as the agent writes one: a row
//! a second with 52 columns, 20 routes, windows of profiles that were merged by
//! the hour, 10,000 stacks.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer as _, V2DeflateSerializer};
use soakscope_report::{
    Event, Label, ProfileBuilder, RunDir, RunInfo, RunState, TimelineWriter, tag_of_span,
};

/// 1 January 2026, in seconds since 1970.
const BEGAN: i64 = 1_767_225_600;
const START: &str = "2026-01-01T00:00:00Z";

const ROUTES: u64 = 20;
const STACKS: u64 = 10_000;
const DEPTH: u64 = 30;
/// Windows of ten seconds that are not merged yet, for each hour of the run.
const FINE: u64 = 8;
const FINE_STACKS: u64 = 600;
const FINE_SECONDS: u64 = 10;
const SHOTS: u64 = 24;
const HEAP_STACKS: u64 = 2_000;

/// A column with its value at a second of the run.
type Series = (&'static str, fn(u64) -> f64);

/// Series of the process.
const PROCESS: [Series; 36] = [
    ("cpu_percent", |t| 80.0 + noise(t, 1) * 40.0),
    ("threads", |_| 24.0),
    ("open_fds", |t| 210.0 + (noise(t, 2) * 30.0).floor()),
    ("rss_anon_mb", |t| 300.0 + wave(t) + noise(t, 3)),
    ("rss_file_mb", |_| 41.328125),
    ("rss_shmem_mb", |_| 0.0),
    ("peak_rss_mb", |t| 380.0 + (t / 7_200) as f64 / 256.0),
    ("page_faults_minor_per_s", |t| (noise(t, 4) * 900.0).floor()),
    ("page_faults_major_per_s", |_| 0.0),
    ("context_switches_voluntary_per_s", |t| {
        2_000.0 + (noise(t, 5) * 900.0).floor()
    }),
    ("context_switches_involuntary_per_s", |t| {
        (noise(t, 6) * 90.0).floor()
    }),
    ("io_read_mb_per_s", |_| 0.0),
    ("io_write_mb_per_s", |t| noise(t, 7) / 4.0),
    ("heap_alloc_mb_per_s", |t| 90.0 + noise(t, 8) * 30.0),
    ("cgroup_memory_mb", |t| 380.0 + wave(t) + noise(t, 9)),
    ("cgroup_anon_mb", |t| 300.0 + wave(t) + noise(t, 10)),
    ("cgroup_file_mb", |_| 61.5),
    ("cgroup_high_total", |_| 0.0),
    ("cgroup_max_total", |_| 0.0),
    ("cgroup_oom_kills_total", |_| 0.0),
    ("cgroup_throttled_percent", |t| noise(t, 11)),
    ("pressure_cpu_percent", |t| noise(t, 12) * 4.0),
    ("pressure_memory_percent", |_| 0.0),
    ("pressure_io_percent", |t| noise(t, 13) / 10.0),
    ("heap_live_mb", |t| 210.0 + wave(t) + noise(t, 14) * 2.0),
    ("tcp_established", |t| 60.0 + (noise(t, 15) * 20.0).floor()),
    ("tcp_time_wait", |t| (noise(t, 16) * 200.0).floor()),
    ("tcp_close_wait", |_| 0.0),
    ("tcp_listen", |_| 2.0),
    ("accept_queue", |_| 0.0),
    ("udp_sockets", |_| 3.0),
    ("unix_sockets", |_| 8.0),
    ("tokio_alive_tasks", |t| {
        75.0 + (noise(t, 17) * 30.0).floor()
    }),
    ("tokio_global_queue", |t| (noise(t, 18) * 2.0).floor()),
    ("tokio_busy_percent", |t| 20.0 + noise(t, 19) * 10.0),
    ("pss_mb", |t| {
        if t % 10 == 0 {
            360.0 + wave(t)
        } else {
            f64::NAN
        }
    }),
];

/// Those of requests, and of the agent.
const SERVED: [Series; 10] = [
    ("requests_per_s", |t| 400.0 + (noise(t, 20) * 60.0).floor()),
    ("errors_per_s", |t| if t % 50 == 0 { 1.0 } else { 0.0 }),
    ("requests_in_flight", |t| (noise(t, 21) * 9.0).floor()),
    ("latency_p50_ms", |t| 2.0 + noise(t, 22)),
    ("latency_p99_ms", |t| 9.0 + noise(t, 23) * 6.0),
    ("agent_cpu_percent", |t| 0.4 + noise(t, 24) / 5.0),
    ("agent_threads", |_| 4.0),
    ("agent_mb", |t| 7.0 + noise(t, 25) / 50.0),
    ("agent_heap_mb", |t| 3.0 + noise(t, 25) / 50.0),
    ("dropped", |_| 0.0),
];

/// Between 0 and 1, the same each time.
fn noise(t: u64, series: u64) -> f64 {
    let mut x = (t ^ (series << 40)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 29;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (x >> 40) as f64 / (1 << 24) as f64
}

/// A day has its ups and downs.
fn wave(t: u64) -> f64 {
    20.0 * (t as f64 / 86_400.0 * std::f64::consts::TAU).sin()
}

fn phase(t: u64, seconds: u64) -> &'static str {
    match t * 72 / seconds {
        0 => "warmup",
        1..=67 => "steady",
        _ => "cooldown",
    }
}

fn route(number: u64) -> String {
    format!("GET /shop/{number}/orders/{{id}}")
}

/// Writes a finished run of so many hours to a path where nothing is.
pub(crate) fn write(path: &Path, hours: u64) {
    let seconds = hours * 3_600;
    let mut info = RunInfo {
        service: "shop".to_owned(),
        start: START.to_owned(),
        state: RunState::Finished,
        ..RunInfo::default()
    };
    info.host.cores = Some(4.0);
    let dir = RunDir::create(path, &info).unwrap();
    timeline(&path.join("timeline.csv"), seconds);
    spans(&path.join("spans.csv"), seconds);
    histograms(&path.join("spans.hlog"), seconds);
    events(&path.join("events.jsonl"), seconds);
    profiles(&dir, seconds);
    heap(&dir, seconds);
    let budgets = "[process]\nrss_mb = 900\n\n[span.\"GET /shop/1/orders/{id}\"]\np99_ms = 900\n";
    dir.write_budgets(budgets).unwrap();
}

fn file(path: &Path) -> BufWriter<File> {
    BufWriter::new(File::create(path).unwrap())
}

fn time(t: u64) -> String {
    let (day, t) = (1 + t / 86_400, t % 86_400);
    let (hour, minute, second) = (t / 3_600, t / 60 % 60, t % 60);
    format!("2026-01-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

fn timeline(path: &Path, seconds: u64) {
    let mut names = vec![
        "elapsed_min",
        "rss_mb",
        "vms_mb",
        "connections",
        "time",
        "phase",
    ];
    names.extend(PROCESS.iter().chain(&SERVED).map(|(name, _)| *name));
    assert_eq!(names.len(), 52);
    let mut file = file(path);
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let writer = TimelineWriter::new(&names);
    file.write_all(writer.header().as_bytes()).unwrap();
    for t in 0..seconds {
        let number = soakscope_report::Cell::Number;
        let text = soakscope_report::Cell::Text;
        let mut cells = vec![
            number((t as f64 + noise(t, 30) / 500.0) / 60.0),
            number(((350.0 + wave(t) + noise(t, 0)) * 256.0).round() / 256.0),
            number(1_204.0),
            number(60.0 + (noise(t, 15) * 20.0).floor()),
            text(time(t)),
            text(phase(t, seconds).to_owned()),
        ];
        let series = PROCESS.iter().chain(&SERVED);
        cells.extend(series.map(|(_, value)| number(value(t))));
        file.write_all(writer.row(&cells).as_bytes()).unwrap();
    }
    file.flush().unwrap();
}

fn spans(path: &Path, seconds: u64) {
    let mut file = file(path);
    writeln!(
        file,
        "elapsed_min,span,count,errors,p50_ms,p95_ms,p99_ms,max_ms,busy_ms,phase,kind,idle_ms,\
         cpu_ms,alloc_mb,cpu_measured,cpu_se_ms,cpu_samples,cpu_sampled_ms"
    )
    .unwrap();
    for t in (10..=seconds).step_by(10) {
        let minutes = t as f64 / 60.0;
        let phase = phase(t - 1, seconds);
        for number in 0..ROUTES {
            let some = noise(t, number);
            writeln!(
                file,
                "{minutes:.4},{},{},{},{:.3},{:.3},{:.3},{:.3},{:.3},{phase},request,{:.3},\
                 {:.3},{:.3},20,{:.3},9,{:.3}",
                route(number),
                200 + number,
                u64::from(t % 50 == 0),
                2.0 + some,
                5.0 + some,
                9.0 + some,
                20.0 + some,
                500.0 + some,
                300.0 + some,
                400.0 + some,
                90.0 + some,
                3.0 + some,
                91.0 + some
            )
            .unwrap();
        }
        let none = 40.0 + noise(t, 77);
        writeln!(
            file,
            "{minutes:.4},<no request>,,,,,,,,{phase},none,,{none:.3},,,,2,20"
        )
        .unwrap();
    }
    file.flush().unwrap();
}

fn histograms(path: &Path, seconds: u64) {
    let mut file = file(path);
    writeln!(file, "#[Histogram log format version 1.3]").unwrap();
    let mut serializer = V2DeflateSerializer::new();
    // Many minutes have the same shape, which is made once.
    let made: Vec<String> = (0..64u64)
        .map(|shape| {
            let mut histogram = Histogram::<u32>::new(2).unwrap();
            histogram.auto(true);
            for request in 0..1_200 {
                let some = noise(request, 100 + shape);
                let slow = if request % 97 == 0 { 9.0 } else { 1.0 };
                histogram
                    .record((2e6 * (1.0 + some) * slow) as u64)
                    .unwrap();
            }
            let mut bytes = Vec::new();
            serializer.serialize(&histogram, &mut bytes).unwrap();
            STANDARD.encode(bytes)
        })
        .collect();
    let mut now = "";
    for t in (60..=seconds).step_by(60) {
        let phase = phase(t - 1, seconds);
        if phase != now {
            writeln!(file, "#phase {phase}").unwrap();
            now = phase;
        }
        for number in 0..ROUTES {
            let histogram = &made[((t / 60 + number * 7) % 64) as usize];
            let tag = tag_of_span(&route(number));
            writeln!(file, "Tag={tag},{}.000,60.000,36.000,{histogram}", t - 60).unwrap();
        }
    }
    file.flush().unwrap();
}

fn events(path: &Path, seconds: u64) {
    let mut file = file(path);
    let mut event = |t: u64, kind: &str, fields: &[(&str, serde_json::Value)]| {
        let event = Event {
            time: time(t),
            elapsed_min: t as f64 / 60.0,
            kind: kind.to_owned(),
            fields: fields
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.clone()))
                .collect(),
        };
        file.write_all(event.to_line().as_bytes()).unwrap();
    };
    for t in (0..seconds).step_by(20) {
        let of = route(t / 20 % ROUTES);
        let fields = [
            ("span", of.as_str().into()),
            ("took_ms", (200.0 + noise(t, 40)).into()),
            ("limit_ms", 100.0.into()),
            ("rule", "slow_request".into()),
            ("busy_ms", 40.0.into()),
        ];
        event(t, "slow_span", &fields);
    }
    file.flush().unwrap();
}

/// A window of stacks that share their roots and part towards the leaf, as real
/// ones do, in requests on some route.
fn window(start: u64, length: u64, stacks: impl Iterator<Item = u64>, seconds: u64) -> Vec<u8> {
    let time = (BEGAN + start as i64) * 1_000_000_000;
    let mut builder = ProfileBuilder::cpu(time, length as i64 * 1_000_000_000, 10_101_010);
    let mut known = HashMap::new();
    for stack in stacks {
        let locations = frames(&mut builder, &mut known, stack);
        let labels = vec![
            Label::text("thread", &format!("tokio-runtime-w-{}", stack % 8)),
            Label::text("route", &route(stack % ROUTES)),
            Label::text("span", &route(stack % ROUTES)),
            Label::text("phase", phase(start, seconds)),
        ];
        let count = 1 + (stack % 7) as i64 * (length / FINE_SECONDS) as i64;
        builder.sample(&locations, &[count, count * 10_101_010], labels);
    }
    builder.build().encode()
}

fn frames(builder: &mut ProfileBuilder, known: &mut HashMap<u64, u32>, stack: u64) -> Vec<u32> {
    let locations = (0..DEPTH).map(|depth| {
        let height = DEPTH - depth;
        let place = height * 10_000 + stack % (1 + 12 * height);
        *known.entry(place).or_insert_with(|| {
            let module = ["hyper::proto::h1", "tokio::runtime::task", "shop::orders"];
            let name = format!(
                "{}::level_{height}::function_{place}",
                module[place as usize % 3]
            );
            let function = builder.function(&name, &format!("_RN{name}"), "", 0);
            builder.location(None, 0x5500_0000_0000 + place * 16, &[(function, 0)])
        })
    });
    locations.collect()
}

fn profiles(dir: &RunDir, seconds: u64) {
    let fine = FINE * seconds / 3_600;
    let merged_until = (seconds - fine * FINE_SECONDS) / 3_600 * 3_600;
    for hour in 0..merged_until / 3_600 {
        let stacks = (0..STACKS).filter(|stack| (stack + hour) % 2 == 0);
        let bytes = window(hour * 3_600, 3_600, stacks, seconds);
        let first = hour * 360 + 1;
        let name = format!("cpu-{first:06}-{:06}", first + 359);
        dir.write_profile(&name, &bytes).unwrap();
    }
    for number in 0..fine {
        let start = seconds - (fine - number) * FINE_SECONDS;
        let stacks = (0..FINE_STACKS).map(|sample| (number * 31 + sample * 7) % STACKS);
        let bytes = window(start, FINE_SECONDS, stacks, seconds);
        let name = format!("cpu-{:06}", start / FINE_SECONDS + 1);
        dir.write_profile(&name, &bytes).unwrap();
    }
}

fn heap(dir: &RunDir, seconds: u64) {
    for shot in 1..=SHOTS {
        let at = seconds * shot / SHOTS;
        let time = (BEGAN + at as i64) * 1_000_000_000;
        let mut builder = ProfileBuilder::heap(time, 0, 512 << 10);
        let mut known = HashMap::new();
        for stack in 0..HEAP_STACKS {
            let locations = frames(&mut builder, &mut known, stack * 5);
            let bytes = 4_096 + (stack % 90) as i64 * 1_024;
            let total = bytes * shot as i64;
            let born = at.saturating_sub(60 * (stack % 600));
            let born = Label::number("born", born as i64, "seconds");
            builder.sample(&locations, &[9 * shot as i64, total, 9, bytes], vec![born]);
        }
        let name = format!("heap-{shot:06}");
        dir.write_profile(&name, &builder.build().encode()).unwrap();
    }
}
