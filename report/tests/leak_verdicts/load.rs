//! What the load explains, and what stays when it ends.

use soakscope_report::{
    LeakOptions, SeriesOutcome, SeriesVerdict, Timeline, Verdict, judge_timeline,
};

use crate::rows::judge_csv;

/// A run of one row a second, with its load: requests a second by the second.
fn judge_under_load(
    name: &str,
    seconds: usize,
    value: impl Fn(f64) -> f64,
    load: impl Fn(f64) -> f64,
) -> SeriesVerdict {
    let mut csv = format!("elapsed_s,{name},requests_per_s\n");
    for second in 0..seconds {
        let at = second as f64;
        csv.push_str(&format!("{second},{},{}\n", value(at), load(at)));
    }
    let timeline = Timeline::parse(csv.as_bytes()).unwrap();
    let report = judge_timeline(&timeline, &LeakOptions::default());
    report.series.into_iter().next().unwrap()
}

#[test]
fn what_is_kept_when_the_load_ends_is_a_leak_and_what_goes_was_in_use() {
    for (from, until, end) in [(12.0, 55.0, 60), (20.0, 60.0, 180), (0.0, 100.0, 105)] {
        let load = |s: f64| if s > from && s <= until { 50.0 } else { 0.0 };
        let kept = |s: f64| 12.0 + 20.0 * (s.min(until) - from).max(0.0);
        for name in ["tokio_alive_tasks", "sessions"] {
            let verdict = judge_under_load(name, end, kept, load);
            assert_eq!(verdict.verdict, SeriesOutcome::Leak, "{verdict:#?}");
        }
        let used = |s: f64| if s > until { 12.0 } else { kept(s) };
        let verdict = judge_under_load("connections", end, used, load);
        assert_ne!(verdict.verdict, SeriesOutcome::Leak, "{verdict:#?}");
        if end as f64 - until > 10.0 {
            assert_eq!(verdict.rule, "remains", "{verdict:#?}");
        }
    }
}

#[test]
fn what_leaks_without_load_is_a_leak_whatever_it_did_under_load() {
    // It gave back more under load than it has leaked since.
    let verdict = judge_under_load(
        "open_fds",
        900,
        |s| (700.0 - 2.0 * s).max(100.0) + (s - 300.0).max(0.0) / 2.0,
        |s| if s < 300.0 { 80.0 } else { 0.0 },
    );
    assert_eq!(verdict.verdict, SeriesOutcome::Leak, "{verdict:#?}");
    let verdict = judge_under_load(
        "open_fds",
        900,
        |s| 30.0 + (s - 300.0).max(0.0) / 2.0,
        |s| if s < 300.0 { 80.0 } else { 0.0 },
    );
    assert_eq!(verdict.verdict, SeriesOutcome::Leak, "{verdict:#?}");
    assert!(verdict.explanation.contains("without load"), "{verdict:#?}");
}

#[test]
fn the_load_goes_by_many_names() {
    for name in ["requests_per_s", "rps", "qps", "req_per_sec", "throughput"] {
        let mut csv = format!("elapsed_s,rss_mb,{name}\n");
        for second in 0..900 {
            let rate = 50.0 + f64::from(second) / 10.0;
            let shaky = f64::from(second * 7_919 % 101) / 50.0;
            csv += &format!("{second},{},{}\n", 200.0 + 0.5 * rate + shaky, rate + shaky);
        }
        let report = judge_csv(&csv);
        assert_eq!(report.verdict, Verdict::Inconclusive, "{name}: {report:#?}");
    }
}
