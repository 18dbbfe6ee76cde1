//! Many series and many looks: each is a chance of a false alarm, and all
//! together must not raise more than one look at one series may.

#![allow(clippy::unwrap_used)]

#[path = "../benches/leaks/random.rs"]
#[allow(dead_code)]
mod random;

use random::Random;
use soakscope_report::{Cell, LeakOptions, SeriesOutcome, Timeline, judge_timeline};

/// Noise that wanders, of deviation 1 (first-order autoregression).
fn wander(random: &mut Random, kept: f64, count: usize) -> Vec<f64> {
    let mut state = random.normal();
    (0..count)
        .map(|_| {
            state = kept * state + (1.0 - kept * kept).sqrt() * random.normal();
            state
        })
        .collect()
}

/// A reading every five seconds of columns that wander about 300, and of one
/// that grows by so much in all.
fn timeline(seed: u64, healthy: usize, growth: Option<f64>, rows: usize) -> Timeline {
    let mut random = Random::new(seed);
    let mut columns: Vec<Vec<f64>> = (0..healthy)
        .map(|_| wander(&mut random, 0.9, rows))
        .collect();
    columns.extend(growth.map(|growth| {
        let noise = wander(&mut random, 0.3, rows);
        let grown = |row: usize| growth * row as f64 / rows as f64;
        noise
            .iter()
            .enumerate()
            .map(|(r, n)| n + grown(r))
            .collect()
    }));
    let mut names = vec!["elapsed_s".to_owned()];
    names.extend((0..columns.len()).map(|n| format!("pool_{n}_mb")));
    let mut timeline = Timeline::new(&names);
    for row in 0..rows {
        let mut cells = vec![Cell::Number(5.0 * row as f64)];
        cells.extend(columns.iter().map(|c| Cell::Number(300.0 + 3.0 * c[row])));
        timeline.push(&cells);
    }
    timeline
}

fn leaks(timeline: &Timeline, options: &LeakOptions) -> usize {
    let report = judge_timeline(timeline, options);
    let leaks = |series: &&soakscope_report::SeriesVerdict| series.verdict == SeriesOutcome::Leak;
    report.series.iter().filter(leaks).count()
}

#[test]
fn twenty_healthy_series_raise_no_more_alarms_than_one() {
    let options = LeakOptions::default();
    let runs = 20;
    let alarms = (0..runs)
        .filter(|run| leaks(&timeline(1000 + run, 20, None, 360), &options) > 0)
        .count();
    assert!(alarms <= 1, "{alarms} of {runs} runs");
}

#[test]
fn one_leak_among_twenty_healthy_series_is_the_one_that_is_found() {
    let options = LeakOptions::default();
    for run in 0..5 {
        let report = judge_timeline(&timeline(2000 + run, 19, Some(6.0), 360), &options);
        let outcome = report.series[19].verdict;
        assert_eq!(outcome, SeriesOutcome::Leak, "{:#?}", report.series[19]);
    }
}

#[test]
fn a_verdict_looked_at_again_and_again_raises_no_more_alarms_than_one() {
    let runs = 30;
    let looks = 12;
    let alarms = (0..runs)
        .filter(|run| {
            (1..=looks).any(|look| {
                let mut options = LeakOptions::default();
                options.looks = Some(look);
                // The same run, seen as far as it has got.
                let mut random = Random::new(3000 + run);
                let noise = wander(&mut random, 0.9, 720);
                let mut so_far = Timeline::new(&["elapsed_s".to_owned(), "rss_mb".to_owned()]);
                for (row, noise) in noise.iter().enumerate().take(60 * look as usize) {
                    let value = 300.0 + 3.0 * noise;
                    so_far.push(&[Cell::Number(5.0 * row as f64), Cell::Number(value)]);
                }
                leaks(&so_far, &options) > 0
            })
        })
        .count();
    assert!(alarms <= 1, "{alarms} of {runs} runs");
}

#[test]
fn looking_often_asks_for_more_certainty() {
    let found = |looks: Option<u32>| {
        let mut options = LeakOptions::default();
        options.looks = looks;
        (0..30)
            .filter(|n| {
                let growth = f64::from(*n as u32) / 3.0;
                leaks(&timeline(4000 + n, 0, Some(growth), 120), &options) > 0
            })
            .count()
    };
    let (once, often) = (found(None), found(Some(1000)));
    assert!(
        once > often && often > 0,
        "{once} at one look, {often} at the thousandth"
    );
}
