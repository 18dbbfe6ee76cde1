//! CPU time by route is measured: against the thread's CPU clock, read by the
//! test around the work it does.
//!
//! What the layer itself takes is in between: the truth is no less than what was
//! used inside of a span and no more than what was used from before it was
//! entered until after it was left.
//!
//! `SOAKSCOPE_STRESS=1` has a minute of each load instead of a part of a second,
//! and wants each route within 2 %.

mod stage;
mod threads;

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use soakscope_report::SpanTotal;
use stage::{Known, MS, Stage, US, ms, spans};
use tracing::dispatcher::with_default;

/// Random numbers that a seed gives again.
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Of this mean, some nine times as long as others.
    fn around(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(0.2 + 1.6 * self.unit())
    }
}

/// When requests arrive, so many in a stretch of time.
fn arrivals(pattern: &str, requests: usize, lasts: Duration, random: &mut Random) -> Vec<Duration> {
    let mut due: Vec<Duration> = (0..requests)
        .map(|_| {
            let at = lasts.mul_f64(random.unit());
            let step = match pattern {
                "each 4 ms" => 4_000,
                "each ms" => 1_000,
                _ => 1,
            };
            Duration::from_micros((at.as_micros() as u64).next_multiple_of(step))
        })
        .collect();
    due.sort_unstable();
    due
}

fn full() -> bool {
    std::env::var_os("SOAKSCOPE_STRESS").is_some()
}

#[test]
fn scheduled_loads_are_measured_as_they_are() {
    let stage = Stage::set(100 * MS);
    let kinds = [("quick", 40 * US), ("middle", 150 * US), ("slow", 900 * US)];
    let lasts = if full() { 60_000 * MS } else { 600 * MS };
    with_default(&stage.dispatch, || {
        for (seed, pattern) in [(3_u64, "each 4 ms"), (5, "each ms"), (7, "at random")] {
            for busy in [0.15, 0.9] {
                let mut random = Random(seed << 40 | seed);
                // Half are quick, a third middle, a sixth slow.
                let mean = (kinds[0].1 * 3 + kinds[1].1 * 2 + kinds[2].1) / 6;
                let requests = (lasts.as_secs_f64() * busy / mean.as_secs_f64()) as usize;
                let begin = Instant::now();
                for due in arrivals(pattern, requests, lasts, &mut random) {
                    let (kind, mean) = kinds[[0, 0, 0, 1, 1, 2][(random.unit() * 6.0) as usize]];
                    let route = format!("/{pattern}/{busy}/{kind}");
                    let cost = random.around(mean);
                    std::thread::sleep(due.saturating_sub(begin.elapsed()));
                    stage.truth.around(&route, || {
                        let span = stage.truth.opened(&route);
                        span.in_scope(|| stage.truth.burn(&route, cost));
                    });
                }
            }
        }
    });
    let found = stage.finish();
    stage.holds(&found);
    if full() {
        for (name, known) in stage.truth.known() {
            let cpu = found[&name].cpu_ms.expect("measured");
            let (low, high) = (ms(known.inner), ms(known.outer));
            println!(
                "{name}: {cpu:.1} ms, truly {low:.1} to {high:.1}: {:?}",
                found[&name]
            );
            let within = (low * 0.98..=high * 1.02).contains(&cpu);
            assert!(within || known.requests < 1_000, "{name}");
        }
    }
    // Most are not measured, and what is said is worth something all the same.
    let requests = || found.values().filter(|span| span.kind == "request");
    let (all, measured) = requests().fold((0, 0), |(all, measured), span| {
        (all + span.count, measured + span.cpu_measured)
    });
    assert!(measured * 10 < all * 7, "{measured} of {all} were measured");
    for span in requests() {
        let (cpu, se) = (span.cpu_ms.unwrap_or(0.0), span.cpu_se_ms.unwrap_or(0.0));
        assert!(se < cpu * 0.25, "{span:#?}");
    }
    let sum = |of: fn(&SpanTotal) -> f64| requests().map(of).sum::<f64>();
    let cpu = sum(|span| span.cpu_ms.unwrap_or(0.0));
    let se = sum(|span| span.cpu_se_ms.unwrap_or(0.0).powi(2)).sqrt();
    assert!(se < cpu * 0.03, "{cpu} ± {se}");
}

/// Marks a phase and waits until what was before it is on the disk.
fn phase(stage: &Stage, name: &str) {
    stage.agent.phase(name);
    let rows = stage.scratch.path().join("run/timeline.csv");
    let there = || {
        let text = std::fs::read_to_string(&rows).unwrap_or_default();
        text.lines().any(|line| line.contains(&format!(",{name},")))
    };
    while !there() {
        std::thread::sleep(10 * MS);
    }
}

#[test]
fn a_request_that_lasts_has_its_time_where_it_used_it() {
    let stage = Stage::set(100 * MS);
    let truth = &stage.truth;
    let phases = ["one", "two", "three"];
    let mut truths = Vec::new();
    with_default(&stage.dispatch, || {
        let stream = truth.opened("/stream");
        let blocked = truth.opened("/blocked");
        let (go, orders) = channel::<()>();
        let (done, answers) = channel();
        std::thread::scope(|scope| {
            // It is entered once and stays so.
            scope.spawn(|| {
                with_default(&stage.dispatch, || {
                    truth.around("/blocked", || {
                        blocked.in_scope(|| {
                            for () in orders {
                                truth.burn("/blocked", 40 * MS);
                                done.send(()).expect("awaited");
                            }
                        });
                    });
                });
            });
            for (n, name) in phases.into_iter().enumerate() {
                phase(&stage, name);
                go.send(()).expect("it waits");
                answers.recv().expect("it works");
                let before = truth.known().remove("GET /stream").unwrap_or_default();
                for _ in 0..300 {
                    let work = || truth.burn("/stream", 50 * US * (n as u32 + 1));
                    truth.around("/stream", || stream.in_scope(work));
                }
                let after = truth.known().remove("GET /stream").unwrap_or_default();
                truths.push(Known {
                    requests: 1,
                    inner: after.inner - before.inner,
                    outer: after.outer - before.outer,
                });
            }
            phase(&stage, "end");
            drop(go);
        });
        drop((stream, blocked));
    });
    let found = stage.finish();
    stage.holds(&found);
    for (n, name) in phases.into_iter().enumerate() {
        let found = spans(&stage.scratch.path().join("run"), Some(name));
        let stays = truths[n];
        let of = |route: &str| {
            let span = &found[route];
            let measured = (span.cpu_ms.expect("measured"), span.cpu_se_ms);
            (measured.0, measured.1.expect("measured"))
        };
        // What it does at the turn of a phase may be on either side.
        let (cpu, se) = of("GET /blocked");
        assert!(
            (36.0..60.0).contains(&cpu) && se == 0.0,
            "{name}: {cpu} ± {se}"
        );
        // Not each of its many stays is looked at.
        let (cpu, se) = of("GET /stream");
        let slack = 4.5 * se + 0.01;
        let (low, high) = (ms(stays.inner) - slack, ms(stays.outer) + slack);
        assert!(
            low <= cpu && cpu <= high,
            "{name}: {cpu} ± {se}, not {low} to {high}"
        );
    }
}
