//! The profile says what is true: known shares come out as they are.

mod support;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Mutex;

use soakscope_sampler::{CpuWindow, Detail, Symbolizer};
use support::{CPU_CLOCKS, start, thread_cpu};

static TURN: Mutex<()> = Mutex::new(());

fn work(rounds: u64, seed: u64) -> u64 {
    (0..rounds).fold(seed, |state, n| {
        black_box(
            state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(n),
        )
    })
}

macro_rules! functions {
    ($($name:ident = $seed:literal),*) => {
        $(#[inline(never)] fn $name(rounds: u64) -> u64 { work(rounds, $seed) })*
        const TEN: [fn(u64) -> u64; 10] = [$($name),*];
    };
}
functions!(
    share_a = 1,
    share_b = 2,
    share_c = 3,
    share_d = 4,
    share_e = 5,
    share_f = 6,
    share_g = 7,
    share_h = 8,
    share_i = 9,
    share_j = 10
);

/// Weight per `share_…` function anywhere in the stack, and the sum of them:
/// the rest is the reading of the clock between calls.
fn shares(window: &CpuWindow) -> (BTreeMap<String, f64>, f64) {
    let mut symbols = Symbolizer::new().expect("maps are readable");
    let mut by_name = BTreeMap::new();
    let mut total = 0.0;
    for sample in &window.samples {
        let weight = sample.weight.as_secs_f64();
        let name = sample.stack.iter().find_map(|pc| {
            let frames = symbols.resolve(*pc, Detail::Names).frames;
            let name = frames
                .into_iter()
                .map(|f| f.name)
                .find(|n| n.contains("share_"))?;
            Some(name.rsplit("::").next().unwrap_or_default().to_owned())
        });
        if let Some(name) = name {
            total += weight;
            *by_name.entry(name).or_insert(0.0) += weight;
        }
    }
    (by_name, total)
}

#[test]
fn sixty_thirty_ten() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    for clock in CPU_CLOCKS {
        let Some(sampler) = start(clock, 999) else {
            continue;
        };
        let mut spent = [0.0; 3];
        let begin = thread_cpu();
        while (thread_cpu() - begin).as_secs_f64() < 5.0 {
            for (index, rounds) in [(0, 600), (1, 300), (2, 100)] {
                let before = thread_cpu();
                black_box(TEN[index](rounds * 50));
                spent[index] += (thread_cpu() - before).as_secs_f64();
            }
        }
        let window = sampler.stop().expect("it stops");
        let (by_name, total) = shares(&window);
        let all: f64 = spent.iter().sum();
        for (name, spent) in ["share_a", "share_b", "share_c"].iter().zip(spent) {
            let (seen, true_share) = (by_name[*name] / total, spent / all);
            eprintln!(
                "{clock}: {name} {:.2} % of {:.2} %",
                seen * 100.0,
                true_share * 100.0
            );
            // Timers see a tick's worth at a time: fewer samples, more scatter.
            assert!(
                (seen - true_share).abs() < 0.04,
                "{clock}: {name} {seen} of {true_share}"
            );
        }
    }
}

#[test]
fn ten_equal_functions() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    for clock in CPU_CLOCKS {
        let Some(sampler) = start(clock, 999) else {
            continue;
        };
        let mut spent = [0.0; 10];
        let begin = thread_cpu();
        while (thread_cpu() - begin).as_secs_f64() < 5.0 {
            for (function, spent) in TEN.iter().zip(&mut spent) {
                let before = thread_cpu();
                black_box(function(7_000));
                *spent += (thread_cpu() - before).as_secs_f64();
            }
        }
        let window = sampler.stop().expect("it stops");
        let (by_name, total) = shares(&window);
        let all: f64 = spent.iter().sum();
        assert_eq!(by_name.len(), 10, "{by_name:?}");
        for ((name, weight), spent) in by_name.iter().zip(spent) {
            let (seen, true_share) = (weight / total, spent / all);
            eprintln!(
                "{clock}: {name} {:.2} % of {:.2} %",
                seen * 100.0,
                true_share * 100.0
            );
            assert!(
                (seen - true_share).abs() < 0.03,
                "{clock}: {name} {seen} of {true_share}"
            );
        }
    }
}
