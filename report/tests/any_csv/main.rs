//! Files as scripts and exporters write them, drawn anew with a known truth:
//! names in many spellings, units said and unsaid, counters that run beside
//! levels, several lives in one file, words where numbers should be.
//!
//! What leaks must not pass, and what is healthy must not fail.

#![allow(clippy::unwrap_used)]

mod draw;
mod file;
mod names;

use file::{Truth, file};
use soakscope_report::{LeakOptions, LeakReport, Timeline, Verdict, judge_timeline};

fn judged(csv: &str) -> LeakReport {
    let timeline = Timeline::parse(csv.as_bytes()).unwrap();
    judge_timeline(&timeline, &LeakOptions::default())
}

/// Judges so many files and counts what must not be.
fn survey(seeds: std::ops::Range<u64>) {
    let (mut leaking, mut healthy) = (0, 0);
    let (mut found, mut cleared) = (0, 0);
    let (mut false_pass, mut false_fail) = (Vec::new(), Vec::new());
    for seed in seeds {
        let (csv, truth) = file(seed);
        let report = judged(&csv);
        let said = format!(
            "{seed} {truth:?}: {}: {:?}",
            csv.lines().next().unwrap(),
            report
                .series
                .iter()
                .map(|series| (&series.name, series.verdict.name(), &series.rule))
                .collect::<Vec<_>>()
        );
        match (truth, report.verdict) {
            (Truth::Leaks | Truth::Unread, Verdict::Pass) => false_pass.push(said),
            (Truth::Healthy, Verdict::Fail) => false_fail.push(said),
            _ => {}
        }
        match truth {
            Truth::Leaks => {
                leaking += 1;
                found += usize::from(report.verdict == Verdict::Fail);
            }
            Truth::Healthy => {
                healthy += 1;
                cleared += usize::from(report.verdict == Verdict::Pass);
            }
            Truth::Unread => {}
        }
    }
    println!(
        "{leaking} leak, {found} found, {} pass; {healthy} healthy, {cleared} pass, {} fail",
        false_pass.len(),
        false_fail.len()
    );
    let allowed = |count: usize| count / 200;
    assert!(false_pass.len() <= allowed(leaking), "{false_pass:#?}");
    assert!(false_fail.len() <= allowed(healthy), "{false_fail:#?}");
    // Nor is everything inconclusive.
    assert!(found * 10 >= leaking * 9, "{found} of {leaking} found");
    assert!(cleared * 10 >= healthy * 8, "{cleared} of {healthy} pass");
}

#[test]
fn files_of_all_kinds_drawn_anew() {
    survey(0..200);
}

#[test]
#[ignore = "ten times as many, which takes minutes"]
fn two_thousand_files_of_all_kinds() {
    survey(10_000..12_000);
}
