//! What fills: tables that double never pass, caches that are full early do, and
//! counts that never fall are leaks whatever the end of the load looks like.

#![allow(clippy::unwrap_used)]

#[path = "../benches/leaks/filling.rs"]
mod filling;
#[path = "../benches/leaks/kinds.rs"]
#[allow(dead_code)]
mod kinds;
#[path = "../benches/leaks/random.rs"]
#[allow(dead_code)]
mod random;

use kinds::Kind;
use soakscope_report::{LeakOptions, SeriesOutcome, Verdict, judge_timeline};

const SERIES: u64 = 25;

/// How many of a kind are called leaks, and how many pass.
fn judged(kind: &Kind) -> (u64, u64) {
    let outcomes = (0..SERIES).map(|seed| {
        let timeline = kind.series(7_000_000 + seed, 0.0).timeline();
        judge_timeline(&timeline, &LeakOptions::default()).series[0].verdict
    });
    let outcomes: Vec<SeriesOutcome> = outcomes.collect();
    let count = |wanted: &dyn Fn(&SeriesOutcome) -> bool| {
        outcomes.iter().filter(|outcome| wanted(outcome)).count() as u64
    };
    let leaks = count(&|outcome| *outcome == SeriesOutcome::Leak);
    let passes = count(&|outcome| outcome.verdict() == Verdict::Pass);
    println!("{}: {leaks} leaks, {passes} passes of {SERIES}", kind.name);
    (leaks, passes)
}

#[test]
fn tables_that_double_do_not_pass() {
    for kind in filling::TABLES {
        let (leaks, passes) = judged(kind);
        assert!(passes <= 2, "{}: {passes} passed", kind.name);
        if kind.name.contains("boxed") {
            assert!(leaks >= SERIES * 6 / 10, "{leaks} found");
        }
    }
}

#[test]
fn what_is_full_early_passes() {
    for kind in filling::FULL {
        let (leaks, passes) = judged(kind);
        assert_eq!(leaks, 0, "{}", kind.name);
        assert!(passes >= SERIES - 1, "{}: {passes} passed", kind.name);
    }
}

#[test]
fn counts_that_never_fall_are_leaks_though_the_load_ended() {
    for kind in filling::NEVER_FALL {
        let (leaks, passes) = judged(kind);
        // Of memory the load of which is not known some is warming up.
        let few = if kind.name == "memory, load unknown" {
            8
        } else {
            2
        };
        assert!(leaks >= SERIES - few, "{}: {leaks} found", kind.name);
        assert_eq!(passes, 0, "{}", kind.name);
    }
}

#[test]
fn what_settles_late_neither_leaks_nor_passes() {
    for kind in filling::LATE {
        let (leaks, passes) = judged(kind);
        assert!(leaks <= 5, "{}: {leaks} called leaks", kind.name);
        assert_eq!(passes, 0, "{}", kind.name);
    }
}
