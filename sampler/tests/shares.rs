//! The profile says what is true: known shares come out as they are.
//!
//! The functions run in random order: a load in step with the tick would be
//! seen at the same place again and again.

mod support;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Mutex;

use soakscope_sampler::{Clock, CpuWindow, Detail, Symbolizer};
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

/// Samples in a run. The deviation of a share of 10 % is then 0.42 points, of
/// one of 60 % 0.69 points; the tests allow more than four of them.
const SAMPLES: u64 = 5_000;

/// Runs functions of the set with these chances, in random order, until
/// there are [`SAMPLES`], and asserts that each share is within `points` of the
/// CPU time that the thread's own clock gave it.
fn assert_shares(clock: Clock, weights: &[u64], points: f64) {
    let Some(sampler) = start(clock, 999) else {
        return;
    };
    let mut order = 0x9E37_79B9_7F4A_7C15_u64;
    let mut spent = vec![0.0; weights.len()];
    let sum: u64 = weights.iter().sum();
    while sampler.stats().samples < SAMPLES {
        for _ in 0..200 {
            // xorshift64
            order ^= order << 13;
            order ^= order >> 7;
            order ^= order << 17;
            let mut ticket = (order >> 20) % sum;
            let index = weights.iter().position(|weight| {
                let drawn = ticket < *weight;
                ticket = ticket.saturating_sub(*weight);
                drawn
            });
            let index = index.expect("a ticket is below the sum");
            let before = thread_cpu();
            black_box(TEN[index](7_000));
            spent[index] += (thread_cpu() - before).as_secs_f64();
        }
    }
    let window = sampler.stop().expect("it stops");
    let (by_name, total) = shares(&window);
    let all: f64 = spent.iter().sum();
    assert_eq!(by_name.len(), weights.len(), "{by_name:?}");
    for ((name, weight), spent) in by_name.iter().zip(spent) {
        let (seen, true_share) = (weight / total * 100.0, spent / all * 100.0);
        eprintln!("{clock}: {name} {seen:.2} % of {true_share:.2} %");
        assert!(
            (seen - true_share).abs() < points,
            "{clock}: {name} {seen:.2} % of {true_share:.2} %"
        );
    }
}

#[test]
fn sixty_thirty_ten() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    for clock in CPU_CLOCKS {
        assert_shares(clock, &[6, 3, 1], 3.0);
    }
}

#[test]
fn ten_equal_functions() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    for clock in CPU_CLOCKS {
        assert_shares(clock, &[1; 10], 2.0);
    }
}
