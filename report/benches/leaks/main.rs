//! How often the leak verdict errs, beside what is done in the field, and how
//! long it takes.
//!
//! `cargo bench -p soakscope-report --bench leaks [-- --quick] [--seed N] [--kind NAME] [--series N] [--figures]`

#![allow(clippy::unwrap_used, missing_docs)]

mod filling;
mod kinds;
mod otherwise;
mod random;
mod rivals;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use kinds::{HEALTHY, Kind, LEAKS};
use rivals::RIVALS;
use soakscope_report::{Cell, LeakOptions, SeriesOutcome, Timeline, judge_timeline};

const THREADS: usize = 2;

struct Plan {
    series: u64,
    seed: u64,
    kind: String,
    verbose: bool,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let default = if quick { 100 } else { 1000 };
    let plan = Plan {
        series: value("--series").map_or(default, |series| series.parse().unwrap()),
        seed: value("--seed").map_or(1, |seed| seed.parse().unwrap()),
        kind: value("--kind").unwrap_or_default(),
        verbose: arguments.iter().any(|a| a == "--verbose"),
    };
    let begin = Instant::now();
    // Power, coverage and time alone.
    if arguments.iter().any(|a| a == "--figures") {
        power(&plan);
        coverage(&plan);
        three_days();
        return;
    }
    called("healthy, called leak", HEALTHY, 0.0, &plan);
    called("leaks of 3 deviations, found", LEAKS, 3.0, &plan);
    called(
        "drawn otherwise, healthy, called leak",
        otherwise::HEALTHY,
        0.0,
        &plan,
    );
    called(
        "drawn otherwise, leaks of 3 deviations, found",
        otherwise::LEAKS,
        3.0,
        &plan,
    );
    called("tables that double, found", filling::TABLES, 3.0, &plan);
    called(
        "counts that never fall, found",
        filling::NEVER_FALL,
        3.0,
        &plan,
    );
    called("full early, called leak", filling::FULL, 0.0, &plan);
    called("settled late, called leak", filling::LATE, 0.0, &plan);
    if plan.kind.is_empty() {
        power(&plan);
        coverage(&plan);
        three_days();
    }
    println!("\nin all {:.0?}, seed {}", begin.elapsed(), plan.seed);
}

/// Runs `each` for every number below `count` and adds up what it counts.
fn counted<K: Ord + Send>(count: u64, each: impl Fn(u64) -> Vec<K> + Sync) -> BTreeMap<K, u64> {
    let next = AtomicU64::new(0);
    let work = || {
        let mut counts = BTreeMap::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return counts;
            }
            for what in each(number) {
                *counts.entry(what).or_insert(0) += 1;
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        let mut all = BTreeMap::new();
        for thread in threads {
            for (what, count) in thread.join().unwrap() {
                *all.entry(what).or_insert(0) += count;
            }
        }
        all
    })
}

fn called(title: &str, kinds: &[Kind], growth: f64, plan: &Plan) {
    if !kinds.iter().any(|kind| kind.name.contains(&plan.kind)) {
        return;
    }
    println!("\n{title}, % of {} series each\n", plan.series);
    print!("| {:<20} | {:>6} | {:>6} |", "kind", "ours", "passed");
    for rival in RIVALS {
        print!(" {} |", rival.name);
    }
    println!(" ours, the others |");
    for kind in kinds.iter().filter(|kind| kind.name.contains(&plan.kind)) {
        let counts = counted(plan.series, |number| {
            let series = kind.series(plan.seed.wrapping_mul(1_000_003) + number, growth);
            let verdict = judge_timeline(&series.timeline(), &LeakOptions::default());
            let outcome = verdict.series[0].verdict;
            if plan.verbose && (outcome == SeriesOutcome::Leak) != (growth > 0.0) {
                let said = &verdict.series[0];
                println!(
                    "{number} {} {}: {}",
                    outcome.name(),
                    said.rule,
                    said.explanation
                );
            }
            let thinned = rivals::thinned(&series);
            let mut names = vec![format!("={}", outcome.name())];
            names.extend(
                RIVALS
                    .iter()
                    .filter(|rival| (rival.calls)(&thinned))
                    .map(|rival| rival.name.to_owned()),
            );
            names
        });
        let percent =
            |name: &str| 100.0 * counts.get(name).copied().unwrap_or(0) as f64 / plan.series as f64;
        let passed = percent("=clean") + percent("=step") + percent("=retention");
        print!(
            "| {:<20} | {:>6.1} | {passed:>6.1} |",
            kind.name,
            percent("=leak")
        );
        for rival in RIVALS {
            print!(
                " {:>width$.1} |",
                percent(rival.name),
                width = rival.name.len()
            );
        }
        for name in counts.keys().filter(|name| name.starts_with('=')) {
            if name != "=leak" {
                print!(" {} {:.1}", &name[1..], percent(name));
            }
        }
        println!(" |");
    }
}

fn power(plan: &Plan) {
    let growths = [0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0];
    let series = plan.series / 10;
    println!("\nleaks found by total growth in deviations, % of {series} each\n");
    print!("| {:<20} |", "kind");
    for growth in growths {
        print!(" {growth:>5} |");
    }
    println!();
    for kind in LEAKS {
        print!("| {:<20} |", kind.name);
        for growth in growths {
            let counts = counted(series, |number| {
                let series = kind.series(plan.seed.wrapping_mul(1_000_033) + number, growth);
                let verdict = judge_timeline(&series.timeline(), &LeakOptions::default());
                vec![verdict.series[0].verdict == SeriesOutcome::Leak]
            });
            let found = counts.get(&true).copied().unwrap_or(0);
            print!(" {:>5.1} |", 100.0 * found as f64 / series as f64);
        }
        println!();
    }
}

fn coverage(plan: &Plan) {
    println!(
        "\ntrue slope inside the 95 % interval, % of {} each\n",
        plan.series
    );
    println!("| noise                | inside |");
    let (mut inside_all, mut all) = (0, 0);
    for (name, kept, heavy) in [
        ("white", 0.0, false),
        ("AR(1) 0.3", 0.3, false),
        ("AR(1) 0.6", 0.6, false),
        ("AR(1) 0.9", 0.9, false),
        ("AR(1) 0.97", 0.97, false),
        ("Student's t, 3", 0.0, true),
    ] {
        let counts = counted(plan.series, |number| {
            let (series, slope) =
                kinds::line(plan.seed.wrapping_mul(1_000_037) + number, kept, heavy);
            let verdict = judge_timeline(&series.timeline(), &LeakOptions::default());
            // What is still warming up has no interval.
            let interval = verdict.series[0].slope_interval;
            let inside = interval.map(|[low, high]| (low..=high).contains(&slope));
            inside.into_iter().collect()
        });
        let inside = counts.get(&true).copied().unwrap_or(0);
        println!(
            "| {name:<20} | {:>6.1} |",
            100.0 * inside as f64 / counts.values().sum::<u64>() as f64
        );
        inside_all += inside;
        all += counts.values().sum::<u64>();
    }
    println!(
        "| {:<20} | {:>6.1} |",
        "all",
        100.0 * inside_all as f64 / all as f64
    );
}

fn three_days() {
    const ROWS: usize = 259_200;
    const SERIES: usize = 40;
    let mut columns = vec!["elapsed_min".to_owned()];
    columns.extend((0..SERIES).map(|series| format!("series_{series}")));
    let mut timeline = Timeline::new(&columns);
    let mut random = random::Random::new(7);
    for row in 0..ROWS {
        let mut cells = vec![Cell::Number(row as f64 / 60.0)];
        cells.extend((0..SERIES).map(|_| Cell::Number(500.0 + random.normal())));
        timeline.push(&cells);
    }
    let begin = Instant::now();
    let report = judge_timeline(&timeline, &LeakOptions::default());
    println!(
        "\n72 h at 1 s, {} series: judged in {:.2?}",
        report.series.len(),
        begin.elapsed()
    );
}
