//! Heaps of known behaviour, sampled as the profiler samples.

use super::*;
use crate::profile::{Label, ProfileBuilder};
use crate::timeline::Timeline;

/// Bytes a sampled block stands for, when blocks are small.
const PERIOD: i64 = 65_536;
const SIZE: i64 = 1_024;

/// A heap at a second of the run: function and births of its sampled blocks.
fn shot(seconds: f64, holds: &[(&str, Vec<i64>)]) -> HeapShot {
    let mut builder = ProfileBuilder::heap(0, 0, PERIOD);
    let place = |builder: &mut ProfileBuilder, name: &str, address| {
        let function = builder.function(name, name, "", 0);
        builder.location(None, address, &[(function, 0)])
    };
    let grow = place(&mut builder, "alloc::raw_vec::finish_grow", 1);
    let main = place(&mut builder, "shop::main", 2);
    for (number, (name, births)) in holds.iter().enumerate() {
        let code = place(&mut builder, name, 10 + number as u64);
        for born in births {
            let objects = (1.0 / -(-(SIZE as f64) / PERIOD as f64).exp_m1()).round() as i64;
            let labels = vec![
                Label::number("born", *born, "seconds"),
                Label::text("span", "GET /cart"),
            ];
            let values = [0, 0, objects, objects * SIZE];
            builder.sample(&[grow, code, main], &values, labels);
        }
    }
    HeapShot {
        seconds,
        profile: builder.build(),
    }
}

/// When the blocks that live at a second of the run were born.
type Births<'a> = &'a dyn Fn(i64) -> Vec<i64>;

/// Profiles of ten minutes, one a minute, of what each function holds then.
fn run(holds: &[(&str, Births<'_>)]) -> Vec<HeapShot> {
    (1..=10)
        .map(|minute| {
            let now = minute * 60;
            let held: Vec<(&str, Vec<i64>)> =
                holds.iter().map(|(name, of)| (*name, of(now))).collect();
            shot(now as f64, &held)
        })
        .collect()
}

fn timeline() -> Timeline {
    let mut csv = String::from("elapsed_s,requests_per_s\n");
    for second in 0..=600 {
        csv.push_str(&format!("{second},10\n"));
    }
    Timeline::parse(csv.as_bytes()).expect("a timeline")
}

/// Everything that was born, one block in two seconds.
fn leak(now: i64) -> Vec<i64> {
    (0..now).step_by(2).collect()
}

#[test]
fn a_leak_is_named_and_what_only_lives_is_not() {
    let start_up = |_: i64| vec![-3; 200];
    let lru = |now: i64| (now - 200..now).collect();
    let fills_until_200 = |now: i64| (0..now.min(200)).collect();
    let short_lived = |now: i64| vec![now; 500];
    let shots = run(&[
        ("shop::journal::remember", &leak),
        ("shop::start", &start_up),
        ("shop::cache::lru", &lru),
        ("shop::cache::fill", &fills_until_200),
        ("shop::handler", &short_lived),
    ]);
    let causes = causes(&shots, &timeline());
    let [cause] = &causes[..] else {
        panic!("one cause: {causes:#?}");
    };
    assert_eq!(cause.code, "shop::journal::remember");
    assert_eq!(cause.span.as_deref(), Some("GET /cart"));
    assert_eq!(cause.stack[0], "alloc::raw_vec::finish_grow");
    assert_eq!(cause.lost, 0);
    // Half a sample a second stands for 32.5 KiB a second, of ten requests.
    let per_hour = 0.5 * 65.0 * 1024.0 * 3600.0;
    assert!(
        (cause.bytes_per_hour / per_hour - 1.0).abs() < 0.05,
        "{cause:?}"
    );
    assert!(cause.bytes_per_hour_low < cause.bytes_per_hour);
    assert!(cause.bytes_per_hour_low > 0.8 * per_hour);
    let per_request = cause.bytes_per_request.expect("requests are known");
    assert!((per_request / 3_328.0 - 1.0).abs() < 0.05, "{per_request}");
}

#[test]
fn the_surest_bytes_come_first() {
    let slow = |now: i64| (0..now).step_by(12).collect();
    let shots = run(&[("shop::slow", &slow), ("shop::fast", &leak)]);
    let named = causes(&shots, &timeline());
    let codes: Vec<&str> = named.iter().map(|cause| cause.code.as_str()).collect();
    assert_eq!(codes, ["shop::fast", "shop::slow"]);
}

#[test]
fn too_little_names_nothing() {
    let shots = run(&[("shop::journal::remember", &leak)]);
    assert!(causes(&shots[9..], &timeline()).is_empty());
    assert!(causes(&[], &timeline()).is_empty());
    let once = |_: i64| vec![200, 400];
    assert!(causes(&run(&[("shop::twice", &once)]), &timeline()).is_empty());
}

/// Sites that hold a steady number of blocks, each replaced at random: how
/// often is one of a run's forty sites named?
#[test]
fn steady_random_turnover_is_seldom_named() {
    let mut state = 1u64;
    let mut random = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as f64 / (1u64 << 31) as f64
    };
    let (runs, mut wrong) = (200, 0);
    for _ in 0..runs {
        let names: Vec<String> = (0..40).map(|site| format!("shop::site_{site}")).collect();
        let mut held: Vec<Vec<i64>> = names.iter().map(|_| vec![-1; 30]).collect();
        let mut shots = Vec::new();
        for now in 0..=600 {
            for births in &mut held {
                for born in births.iter_mut() {
                    if random() < 1.0 / 150.0 {
                        *born = now;
                    }
                }
            }
            if now % 60 == 0 && now > 0 {
                let holds: Vec<(&str, Vec<i64>)> = names
                    .iter()
                    .zip(&held)
                    .map(|(name, births)| (name.as_str(), births.clone()))
                    .collect();
                shots.push(shot(now as f64, &holds));
            }
        }
        wrong += usize::from(!causes(&shots, &timeline()).is_empty());
    }
    assert!(
        wrong * 20 <= runs,
        "{wrong} of {runs} healthy runs have a cause"
    );
}

#[test]
fn growth_leaves_out_the_young_and_what_was_there() {
    let shots = run(&[
        ("shop::journal::remember", &leak),
        ("shop::start", &|_| vec![-3; 100]),
    ]);
    let growth = heap_growth(&shots).expect("two profiles");
    let blocks = growth.total(3) as f64 / (65.0 * 1024.0);
    // From 180 s to 600 s, a block in two seconds, the last tenth left out of
    // both ends.
    assert!((blocks / 210.0 - 1.0).abs() < 0.05, "{blocks}");
    assert!(heap_growth(&shots[9..]).is_none());
}
