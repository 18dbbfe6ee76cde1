//! Of thousands of series the few that leak are found, and little time is spent on
//! the others.

#![allow(clippy::unwrap_used)]

use std::fmt::Write;

use soakscope_report::{LeakOptions, SeriesOutcome, Timeline, judge_timeline};

#[test]
fn the_leaks_among_five_thousand_series_are_found() {
    let mut csv = String::from("elapsed_min,rss_mb");
    for number in 0..5_000 {
        write!(csv, ",pool_{number}").unwrap();
    }
    for number in 0..5 {
        write!(csv, ",leak_{number}").unwrap();
    }
    csv.push('\n');
    for row in 0..900_u64 {
        write!(
            csv,
            "{},{}",
            row as f64 / 60.0,
            100.0 + (row * 7_919 % 101) as f64 / 100.0
        )
        .unwrap();
        for number in 0..5_000_u64 {
            // A third stands still, a third goes up and down, a third wanders.
            let value = match number % 3 {
                0 => 7,
                1 => (row / 10 + number) % 20,
                _ => (row * number * 7_919 + number) % 97,
            };
            write!(csv, ",{value}").unwrap();
        }
        for number in 1..=5 {
            write!(csv, ",{}", 50 + row * number + row * 7_919 % 13).unwrap();
        }
        csv.push('\n');
    }
    let timeline = Timeline::parse(csv.as_bytes()).unwrap();
    let report = judge_timeline(&timeline, &LeakOptions::default());
    assert_eq!(report.series.len(), 5_006);
    let leaking: Vec<&str> = report
        .series
        .iter()
        .filter(|series| series.verdict == SeriesOutcome::Leak)
        .map(|series| series.name.as_str())
        .collect();
    let planted = ["leak_0", "leak_1", "leak_2", "leak_3", "leak_4"];
    assert_eq!(leaking, planted);
    // Milliseconds each are spent on few.
    let looked_at = report
        .series
        .iter()
        .filter(|series| series.rule != "no-growth");
    assert!(looked_at.count() < 1_700);
}
