//! A run to test with: three minutes of a shop, with a warm-up, a steady phase
//! and a spike. All of it is computed, so that every test sees the same.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;

use soakscope_report::{
    Cell, CpuClock, DropCause, Event, Host, Label, Mapping, Measurement, ProcessLimit,
    ProfileBuilder, RunDir, RunInfo, RunState, TimelineWriter, Trust,
};

/// 2026-01-15T10:00:00Z in nanoseconds since 1970.
pub const START_NANOS: i64 = 1_768_471_200_000_000_000;

/// How many seconds the run lasts, one row each.
pub const SECONDS: usize = 180;

pub const COLUMNS: &[&str] = &[
    "elapsed_min",
    "rss_mb",
    "vms_mb",
    "connections",
    "time",
    "phase",
    "cpu_percent",
    "threads",
    "open_fds",
    "rss_anon_mb",
    "heap_live_mb",
    "tcp_close_wait",
    "tokio_alive_tasks",
    "requests_per_s",
    "errors_per_s",
    "latency_p50_ms",
    "latency_p95_ms",
    "latency_p99_ms",
    "latency_max_ms",
    "db_pool_in_use",
];

/// What the run should do.
#[derive(Clone, Copy, Default)]
pub struct Plan {
    /// Growth of memory in MB a second.
    pub leak_mb_per_s: f64,
    /// The state that is recorded.
    pub running: bool,
}

/// Which phase a second is in.
pub fn phase(second: usize) -> &'static str {
    match second {
        0..=39 => "warmup",
        40..=139 => "steady",
        140..=154 => "spike",
        _ => "steady",
    }
}

pub fn info(plan: Plan) -> RunInfo {
    RunInfo {
        service: "shop".into(),
        version: Some("1.4.2".into()),
        git_rev: Some("0a1b2c3".into()),
        agent_version: "0.1.0".into(),
        state: if plan.running {
            RunState::Running
        } else {
            RunState::Finished
        },
        pid: 4_194_305, // Above the largest id that Linux gives out.
        start: "2026-01-15T10:00:00Z".into(),
        end: (!plan.running).then(|| "2026-01-15T10:03:00Z".into()),
        host: Host {
            name: Some("bench-1".into()),
            kernel: Some("6.12.0".into()),
            cores: Some(4.0),
            ..Host::default()
        },
        limits: [
            (ProcessLimit::CgroupMemory, Some(512.0)),
            (ProcessLimit::OpenFds, None),
        ]
        .map(|(limit, value)| (limit.name().to_owned(), value))
        .into(),
        config: [("tick_ms".to_owned(), "1000".to_owned())].into(),
        engines: [(
            Measurement::CpuClock.name().to_owned(),
            CpuClock::Perf.name().to_owned(),
        )]
        .into(),
        trust: (!plan.running).then(trust),
        ..RunInfo::default()
    }
}

fn trust() -> Trust {
    Trust {
        cpu_clock: Some(CpuClock::Perf.name().to_owned()),
        cpu_engine: Some("dwarf".into()),
        cpu_seconds_used: Some(61.3),
        cpu_seconds_attributed: Some(60.9),
        coverage: Some(60.9 / 61.3),
        agent_cpu_seconds: Some(0.21),
        agent_memory_mb: Some(1.1),
        agent_threads: Some(2),
        drops: [(DropCause::RingFull.name().to_owned(), 3)].into(),
        ..Trust::default()
    }
}

/// Writes the run to a directory that does not hold one yet.
pub fn write_run(path: &Path, plan: Plan) -> RunDir {
    let dir = RunDir::create(path, &info(plan)).unwrap();
    let columns: Vec<String> = COLUMNS.iter().map(|&name| name.to_owned()).collect();
    let writer = TimelineWriter::new(&columns);
    let mut timeline = dir.append_timeline().unwrap();
    timeline.write_all(writer.header().as_bytes()).unwrap();
    for second in 0..SECONDS {
        timeline
            .write_all(writer.row(&row(second, plan)).as_bytes())
            .unwrap();
    }

    let mut events = dir.append_events().unwrap();
    for second in [0, 40, 140, 155] {
        let event = Event {
            time: time(second),
            elapsed_min: second as f64 / 60.0,
            kind: "phase".into(),
            fields: [("name".to_owned(), phase(second).into())]
                .into_iter()
                .collect(),
        };
        events.write_all(event.to_line().as_bytes()).unwrap();
    }
    let mut spans = dir.append_spans().unwrap();
    spans
        .write_all(
            b"elapsed_min,span,count,errors,p50_ms,p95_ms,p99_ms,max_ms,busy_ms\n\
              1,GET /orders/{user},6000,12,3.2,8.1,14,61,19800\n\
              1,POST /cart,1200,0,5.1,9.9,18,44,6900\n",
        )
        .unwrap();
    for window in 0..6 {
        let name = format!("cpu-{:06}", window + 1);
        dir.write_profile(&name, &cpu_window(window).encode())
            .unwrap();
    }
    dir
}

/// Half a minute of CPU samples.
fn cpu_window(window: usize) -> soakscope_report::Profile {
    let start = START_NANOS + window as i64 * 30_000_000_000;
    let mut builder = ProfileBuilder::cpu(start, 30_000_000_000, 10_000_000);
    let mapping = builder.mapping(Mapping {
        start: 0x55d0_0000_0000,
        limit: 0x55d0_0010_0000,
        path: "/srv/shop".into(),
        build_id: "d3adb33f".into(),
        has_functions: true,
        has_filenames: true,
        has_lines: true,
        has_inline: true,
        ..Mapping::default()
    });
    let libc = builder.mapping(Mapping {
        start: 0x7f00_0000_0000,
        limit: 0x7f00_001d_0000,
        offset: 0x2_8000,
        path: "/usr/lib/x86_64-linux-gnu/libc.so.6".into(),
        ..Mapping::default()
    });
    let base = 0x55d0_0000_0000;
    let mut frame = |offset: u64, name: &str, file: &str, line: u32| {
        let function = builder.function(name, name, file, line);
        builder.location(Some(mapping), base + offset, &[(function, line + 3)])
    };
    let main = frame(0x1000, "shop::main", "src/main.rs", 10);
    let worker = frame(
        0x1100,
        "tokio::runtime::scheduler::multi_thread::worker::run",
        "worker.rs",
        500,
    );
    let handler = frame(
        0x2000,
        "shop::orders::list::{{closure}}::h0123456789abcdef",
        "src/orders.rs",
        40,
    );
    let json = frame(
        0x3000,
        "<serde_json::ser::Serializer<W,F> as serde::ser::Serializer>::serialize_str",
        "ser.rs",
        90,
    );
    let hash = frame(0x4000, "shop::cart::price", "src/cart.rs", 22);
    let memcpy = builder.location(Some(libc), 0x7f00_0008_1234, &[]);
    for (stack, weight) in [
        (vec![json, handler, worker, main], 300),
        (vec![memcpy, json, handler, worker, main], 120),
        (vec![hash, handler, worker, main], 200 + 60 * window as i64),
        (vec![worker, main], 40),
    ] {
        for (second, share) in [(window * 30, 2), (window * 30 + 20, 1)] {
            let count = weight * share / 3;
            let labels = vec![
                Label::text("phase", phase(second)),
                Label::text("span", "GET /orders/{user}"),
            ];
            builder.sample(&stack, &[count, count * 10_000_000], labels);
        }
    }
    builder.build()
}

fn time(second: usize) -> String {
    format!("2026-01-15T10:{:02}:{:02}Z", second / 60, second % 60)
}

fn row(second: usize, plan: Plan) -> Vec<Cell> {
    let s = second as f64;
    // Noise without a generator: equal for all who compute it.
    let noise = |salt: f64| ((s * 12.9898 + salt * 78.233).sin() * 43758.5453).fract();
    let spike = if phase(second) == "spike" { 1.0 } else { 0.0 };
    let warm = 1.0 - (-s / 8.0).exp();
    let heap = 40.0 * warm + plan.leak_mb_per_s * s + 6.0 * spike + 0.4 * noise(1.0);
    let rss = heap * 1.2 + 22.0 + 4.0 * ((s % 9.0) / 9.0);
    let load = (90.0 * warm + 60.0 * spike + 5.0 * noise(2.0)).max(0.0);
    let p50 = 2.5 + 0.4 * noise(3.0) + 2.0 * spike;
    let number = |value: f64| Cell::Number((value * 100.0).round() / 100.0);
    vec![
        Cell::Number(s / 60.0),
        number(rss),
        number(rss + 900.0),
        number((24.0 + 2.0 * noise(4.0) + 20.0 * spike).round()),
        Cell::Text(time(second)),
        Cell::Text(phase(second).to_owned()),
        number(34.0 * warm + 25.0 * spike + 2.0 * noise(5.0)),
        number(9.0),
        number((41.0 + 2.0 * noise(4.0) + 20.0 * spike).round()),
        // Read every tenth tick, as an expensive reading is.
        if second.is_multiple_of(10) {
            number(rss - 9.0)
        } else {
            Cell::Empty
        },
        number(heap),
        number(0.0),
        number((30.0 + 3.0 * noise(6.0) + 20.0 * spike).round()),
        number(load),
        number((0.2 + 0.2 * noise(7.0)).max(0.0)),
        number(p50),
        number(p50 * 2.6),
        // The histogram was not read for a while.
        if (70..90).contains(&second) {
            Cell::Empty
        } else {
            number(p50 * 4.1)
        },
        number(p50 * 9.0),
        number((4.0 + 2.0 * noise(8.0)).round()),
    ]
}
