//! Files with a time column as they come: torn, uneven, tiny and huge.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;

use soakscope_report::{LeakOptions, SeriesOutcome, SeriesVerdict, Timeline, judge_timeline};

/// A file of these rows of seconds and megabytes, judged.
fn judge(rows: impl IntoIterator<Item = (f64, String)>) -> SeriesVerdict {
    let mut csv = "elapsed_s,rss_mb\n".to_owned();
    for (second, value) in rows {
        writeln!(csv, "{second},{value}").unwrap();
    }
    let timeline = Timeline::parse(csv.as_bytes()).unwrap();
    judge_timeline(&timeline, &LeakOptions::default())
        .series
        .remove(0)
}

/// Five minutes' growth of half a megabyte a second, or none, over a ripple.
fn level(second: f64, leaks: bool) -> f64 {
    200.0 + 2.0 * (second * 12.9898).sin() + if leaks { 0.5 * second } else { 0.0 }
}

fn both(rows: impl Fn(bool) -> Vec<(f64, String)>) {
    let leak = judge(rows(true));
    assert_eq!(leak.verdict, SeriesOutcome::Leak, "{leak:#?}");
    let slope = leak.slope_per_hour.unwrap();
    assert!((slope / 1800.0 - 1.0).abs() < 0.1, "{slope} MB/h");
    let healthy = judge(rows(false));
    assert_eq!(healthy.verdict, SeriesOutcome::Clean, "{healthy:#?}");
}

#[test]
fn uneven_ticks() {
    both(|leaks| {
        let seconds = (0..300).map(|n| f64::from(n) + 0.9 * f64::from(n * 7 % 10) / 10.0);
        seconds.map(|s| (s, level(s, leaks).to_string())).collect()
    });
}

#[test]
fn long_gaps() {
    both(|leaks| {
        (0..600)
            .filter(|n| !(100..250).contains(n) && !(400..450).contains(n))
            .map(|n| (f64::from(n), level(f64::from(n), leaks).to_string()))
            .collect()
    });
}

#[test]
fn moments_that_come_twice() {
    both(|leaks| {
        (0..600)
            .map(|n| f64::from(n / 2))
            .map(|s| (s, level(s, leaks).to_string()))
            .collect()
    });
}

#[test]
fn readings_that_are_no_numbers() {
    both(|leaks| {
        (0..600)
            .map(|n| {
                let value = match n % 5 {
                    0 => "NaN".to_owned(),
                    1 => String::new(),
                    2 => "inf".to_owned(),
                    _ => level(f64::from(n), leaks).to_string(),
                };
                (f64::from(n), value)
            })
            .collect()
    });
}

#[test]
fn a_constant() {
    let series = judge((0..300).map(|n| (f64::from(n), "64".to_owned())));
    assert_eq!(series.verdict, SeriesOutcome::Clean);
    assert_eq!(series.slope_per_hour, Some(0.0));
    assert_eq!(series.slope_interval, Some([0.0; 2]));
    assert_eq!(series.quarters, [Some(64.0); 4]);
}

#[test]
fn ten_rows_are_too_few_however_steep() {
    let series = judge((0..10).map(|n| (f64::from(60 * n), (100 * n).to_string())));
    assert_eq!(series.verdict, SeriesOutcome::Inconclusive);
    assert_eq!(series.rule, "enough-data");
    assert!(
        series.explanation.contains("10 usable samples"),
        "{}",
        series.explanation
    );
}

#[test]
fn one_moment_only() {
    let series = judge((0..50).map(|n| (7.0, n.to_string())));
    assert_eq!(series.verdict, SeriesOutcome::Inconclusive);
}

#[test]
fn one_reading_out_of_this_world() {
    let series = judge((0..500).map(|n| {
        let value = if n == 250 { "1e300" } else { "7" };
        (f64::from(n), value.to_owned())
    }));
    assert_ne!(series.verdict, SeriesOutcome::Leak, "{series:#?}");
}

#[test]
fn two_million_rows() {
    // Ten kilobytes an hour for three weeks.
    let leak = judge((0..2_000_000).map(|n| {
        let value = 100.0 + f64::from(n % 7) + 0.01 * f64::from(n) / 3600.0;
        (f64::from(n), format!("{value:.3}"))
    }));
    assert_eq!(leak.verdict, SeriesOutcome::Leak, "{leak:#?}");
    let slope = leak.slope_per_hour.unwrap();
    assert!((slope / 0.01 - 1.0).abs() < 0.1, "{slope} MB/h");
    assert_eq!(leak.samples, 2_000_000);
}

#[test]
fn a_file_judged_twice_is_judged_alike() {
    let json = || {
        let mut csv = "elapsed_s,rss_mb,open_fds\n".to_owned();
        for second in 0..300 {
            writeln!(
                csv,
                "{second},{},{}",
                level(f64::from(second), true),
                20 + second % 3
            )
            .unwrap();
        }
        let timeline = Timeline::parse(csv.as_bytes()).unwrap();
        serde_json::to_string(&judge_timeline(&timeline, &LeakOptions::default())).unwrap()
    };
    assert_eq!(json(), json());
}
