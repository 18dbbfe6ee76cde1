//! The first line of a verdict: what leaks, what could have hidden, what is
//! missing.

#![allow(clippy::unwrap_used)]

#[path = "support/noise.rs"]
mod noise;

use noise::Noise;
use soakscope_report::{
    Event, LeakOptions, LeakReport, Run, RunInfo, SpanTotal, Timeline, Verdict, judge, judge_leaks,
    judge_timeline, leaks_text, summary_text, verdict_json,
};

/// A row a second, with these columns.
fn timeline(columns: &str, seconds: usize, mut row: impl FnMut(f64) -> Vec<f64>) -> Timeline {
    let mut csv = format!("elapsed_s,{columns}\n");
    for second in 0..seconds {
        let cells: Vec<String> = row(second as f64).iter().map(f64::to_string).collect();
        csv.push_str(&format!("{second},{}\n", cells.join(",")));
    }
    Timeline::parse(csv.as_bytes()).unwrap()
}

fn steady(seed: u64, seconds: usize, deviation: f64) -> Timeline {
    let mut noise = Noise(seed);
    timeline("rss_mb", seconds, |_| {
        vec![100.0 + deviation * noise.normal()]
    })
}

fn options(must_see: &str) -> LeakOptions {
    let mut options = LeakOptions::default();
    options.must_see = Some(must_see.parse().unwrap());
    options
}

/// The smallest leak that a report says could not have hidden, in MB an hour.
fn detectable(report: &LeakReport) -> f64 {
    let series = &report.series[0];
    series.detectable_per_hour.unwrap()
}

#[test]
fn a_pass_says_what_could_have_hidden_and_how_long_to_run() {
    let report = judge_timeline(&steady(7, 60, 0.5), &LeakOptions::default());
    assert_eq!(report.verdict, Verdict::Pass, "{report:#?}");
    let said = &report.headline;
    assert!(said.starts_with("no leak above "), "{said}");
    assert!(
        said.contains("could have hidden in 59 s; to see 10 MB/h run "),
        "{said}"
    );
    let text = leaks_text(&report);
    assert!(text.starts_with(&format!("PASS: {said}\n")), "{text}");
}

#[test]
fn what_must_be_seen_and_could_not_be_is_inconclusive() {
    let short = steady(7, 60, 0.5);
    let report = judge_timeline(&short, &options("10MB/h"));
    assert_eq!(report.verdict, Verdict::Inconclusive);
    let said = &report.headline;
    assert!(
        said.starts_with("a leak of 10 MB/h had to be seen"),
        "{said}"
    );
    assert!(said.contains("run "), "{said}");
    let report = judge_timeline(&short, &options("5 GB/h"));
    assert_eq!(report.verdict, Verdict::Pass, "{}", report.headline);
    let long = steady(7, 3_600, 0.5);
    let report = judge_timeline(&long, &options("10MB/h"));
    assert_eq!(report.verdict, Verdict::Pass, "{}", report.headline);
    // Nothing that shows memory shows no leak of it.
    let mut noise = Noise(3);
    let fds = timeline("open_fds", 3_600, |_| vec![(20.0 + noise.normal()).round()]);
    assert_eq!(
        judge_timeline(&fds, &LeakOptions::default()).verdict,
        Verdict::Pass
    );
    let report = judge_timeline(&fds, &options("10MB/h"));
    assert_eq!(report.verdict, Verdict::Inconclusive, "{}", report.headline);
}

#[test]
fn what_the_run_was_started_with_must_be_seen_offline_too() {
    let mut info = RunInfo::default();
    info.config
        .insert("must_see".to_owned(), "10MB/h".to_owned());
    let short = steady(7, 60, 0.5);
    let report = judge_leaks(&info, &short, &[], &LeakOptions::default());
    assert_eq!(report.verdict, Verdict::Inconclusive);
    // What is asked for now comes first.
    let report = judge_leaks(&info, &short, &[], &options("5GB/h"));
    assert_eq!(report.verdict, Verdict::Pass);
}

/// Runs of the length that a short one asks for see the leak, or nearly.
#[test]
fn a_run_of_the_length_it_asks_for_sees_what_it_said() {
    let minutes = |said: &str| -> f64 {
        let (_, length) = said.rsplit_once("run ").unwrap();
        let (number, unit) = length.split_once(' ').unwrap();
        let number: f64 = number.parse().unwrap();
        number
            * match unit {
                "s" => 1.0 / 60.0,
                "min" => 1.0,
                "h" => 60.0,
                other => panic!("{other}"),
            }
    };
    let mut factors = Vec::new();
    for seed in 1..=8 {
        for deviation in [0.3, 2.0] {
            let short = judge_timeline(&steady(seed, 120, deviation), &LeakOptions::default());
            if short.verdict != Verdict::Pass {
                continue;
            }
            let seconds = (minutes(&short.headline) * 60.0) as usize;
            assert!((300..7_200).contains(&seconds), "{}", short.headline);
            let long = judge_timeline(
                &steady(seed + 99, seconds, deviation),
                &LeakOptions::default(),
            );
            factors.push(detectable(&long) / 10.0);
        }
    }
    factors.sort_by(f64::total_cmp);
    let middle = factors[factors.len() / 2];
    assert!(factors.len() >= 10, "{factors:?}");
    assert!((0.2..=1.1).contains(&middle), "{factors:?}");
    assert!(factors[factors.len() - 1] < 1.6, "{factors:?}");
}

#[test]
fn each_thing_that_leaks_is_named_once() {
    let mut noise = Noise(5);
    let columns =
        "rss_mb,rss_anon_mb,heap_live_mb,open_fds,connections,jobs_waiting,requests_per_s";
    let leaking = timeline(columns, 600, |s| {
        let heap = 40.0 + 0.1 * s + 0.1 * noise.normal();
        let connections = (10.0 + 0.2 * s).floor();
        vec![
            heap + 30.0,
            heap + 10.0,
            heap,
            connections + 20.0,
            connections,
            (5.0 + 0.5 * s).floor(),
            50.0 + noise.normal(),
        ]
    });
    let mut info = RunInfo::default();
    info.limits
        .insert("cgroup_memory_mb".to_owned(), Some(512.0));
    let report = judge_leaks(&info, &leaking, &[], &LeakOptions::default());
    let names: Vec<&str> = report
        .things
        .iter()
        .map(|thing| thing.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["heap", "connections", "jobs_waiting"],
        "{report:#?}"
    );
    let heap = &report.things[0];
    assert_eq!(heap.series, ["heap_live_mb", "rss_anon_mb", "rss_mb"]);
    assert!(
        (heap.per_hour.unwrap() / 360.0 - 1.0).abs() < 0.1,
        "{heap:?}"
    );
    assert!(
        (heap.per_request.unwrap() / 0.002 - 1.0).abs() < 0.1,
        "{heap:?}"
    );
    // The limit that agents write is that of the process' memory.
    let limit = heap.time_to_limit.unwrap();
    assert!((limit.hours - 412.0 / 360.0).abs() < 0.15, "{limit:?}");
    assert_eq!(report.things[1].series, ["connections", "open_fds"]);
    let text = leaks_text(&report);
    let first: Vec<&str> = text.lines().take(3).collect();
    assert!(first[0].starts_with("FAIL: heap: "), "{text}");
    assert!(first[0].contains("at the limit of 512 MB in "), "{text}");
    assert!(first[1].trim_start().starts_with("connections: "), "{text}");
    assert!(
        first[2].trim_start().starts_with("jobs_waiting: "),
        "{text}"
    );
}

#[test]
fn resident_memory_alone_does_not_fail_where_the_heap_is_flat() {
    let mut noise = Noise(9);
    let flat = timeline("rss_mb,rss_anon_mb,heap_live_mb", 600, |s| {
        let rss = 60.0 + 0.1 * s + 0.3 * noise.normal();
        vec![rss + 20.0, rss, 40.0 + 0.1 * noise.normal()]
    });
    let report = judge_timeline(&flat, &LeakOptions::default());
    assert_eq!(report.verdict, Verdict::Pass, "{report:#?}");
    assert!(
        report.headline.starts_with("no leak of the heap above "),
        "{}",
        report.headline
    );
}

#[test]
fn what_cannot_be_judged_says_what_is_missing() {
    let report = judge_timeline(&steady(7, 12, 0.5), &LeakOptions::default());
    assert_eq!(report.verdict, Verdict::Inconclusive);
    assert!(
        report.headline.starts_with("rss_mb: 12 usable samples"),
        "{}",
        report.headline
    );
    assert!(
        report.headline.contains("run for at least"),
        "{}",
        report.headline
    );
    let nothing = timeline("cpu_percent", 60, |_| vec![3.0]);
    let report = judge_timeline(&nothing, &LeakOptions::default());
    assert!(
        report.headline.contains("no series to judge"),
        "{}",
        report.headline
    );
}

#[test]
fn a_leak_that_was_said_to_be_one_is_not_taken_back_in_silence() {
    let mut run = Run::new(RunInfo::default(), steady(7, 600, 0.5));
    assert_eq!(judge(&run).notes, Vec::<String>::new());
    let line = r#"{"time":"2026-01-01T00:02:00Z","elapsed_min":2,"kind":"leak","headline":"heap: 70 MB more"}"#;
    run.events
        .push(serde_json::from_str::<Event>(line).unwrap());
    run.spans.push(SpanTotal::default());
    let verdict = judge(&run);
    assert_eq!(verdict.verdict, Verdict::Pass);
    let note = &verdict.notes[0];
    assert!(
        note.contains("heap: 70 MB more") && note.contains("no leak above"),
        "{note}"
    );
    assert!(summary_text(&run, &verdict).contains("it was said to leak"));
    assert!(summary_text(&run, &verdict).starts_with("PASS: no leak above "));
    assert!(verdict_json(&verdict).contains("\"headline\": \"no leak above "));
}
