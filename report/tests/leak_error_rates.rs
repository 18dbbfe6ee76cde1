//! How often the verdict errs, by kind, on fewer series than the bench draws.

#![allow(clippy::unwrap_used)]

#[path = "../benches/leaks/kinds.rs"]
#[allow(dead_code)]
mod kinds;
#[path = "../benches/leaks/random.rs"]
#[allow(dead_code)]
mod random;

use kinds::{HEALTHY, Kind, LEAKS};
use soakscope_report::{LeakOptions, SeriesOutcome, judge_timeline};

const SERIES: u64 = 12;

fn called_leak(kind: &Kind, growth: f64) -> u64 {
    let calls = |seed: &u64| {
        let timeline = kind.series(9_000_000 + seed, growth).timeline();
        let report = judge_timeline(&timeline, &LeakOptions::default());
        report.series[0].verdict == SeriesOutcome::Leak
    };
    (0..SERIES).filter(calls).count() as u64
}

#[test]
fn healthy_kinds_are_not_called_leaks() {
    let mut all = 0;
    for kind in HEALTHY {
        let called = called_leak(kind, 0.0);
        println!("{}: {called} of {SERIES} called a leak", kind.name);
        assert!(called <= 1, "{}: {called} of {SERIES}", kind.name);
        all += called;
    }
    assert!(all <= 2, "{all} in all");
}

#[test]
fn leaks_of_three_deviations_are_found() {
    let mut all = 0;
    for kind in LEAKS {
        let found = called_leak(kind, 3.0);
        println!("{}: {found} of {SERIES} found", kind.name);
        assert!(found >= SERIES - 4, "{}: {found} of {SERIES}", kind.name);
        all += found;
    }
    let series = SERIES * LEAKS.len() as u64;
    assert!(10 * all >= 9 * series, "{all} of {series}");
}
