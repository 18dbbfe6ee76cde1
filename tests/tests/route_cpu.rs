//! CPU time by route is measured: against the thread's CPU clock, read by the
//! test around the work it does.
//!
//! What the layer itself takes is in between: the truth is no less than what was
//! used inside of a span and no more than what was used from before it was
//! entered until after it was left.
//!
//! `SOAKSCOPE_STRESS=1` has a minute of each load instead of a part of a second,
//! and wants each route within 2 %.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::pin::Pin;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use soakscope::{Agent, Clock};
use soakscope_report::{RunDir, SpanRange, SpanTotal};
use soakscope_tests::{burn, scratch, thread_cpu};
use tracing::dispatcher::{Dispatch, get_default, set_default, with_default};
use tracing::{Instrument, Span};
use tracing_subscriber::prelude::*;

const MS: Duration = Duration::from_millis(1);
const US: Duration = Duration::from_micros(1);

/// One agent a process, so one test at a time.
static TURN: Mutex<()> = Mutex::new(());

struct Stage {
    agent: Agent,
    dispatch: Dispatch,
    scratch: tempfile::TempDir,
    truth: Truth,
    /// Dropped last.
    _turn: MutexGuard<'static, ()>,
}

/// CPU time by route, from the test's own readings.
#[derive(Clone, Default)]
struct Truth(Arc<Mutex<BTreeMap<String, Known>>>);

#[derive(Clone, Copy, Default)]
struct Known {
    requests: u64,
    /// Inside of the span.
    inner: Duration,
    /// With entering and leaving it.
    outer: Duration,
}

impl Truth {
    fn with(&self, route: &str, f: impl FnOnce(&mut Known)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        f(all.entry(format!("GET {route}")).or_default());
    }

    /// Burns that much in the span that the thread is in, which is of this route.
    fn burn(&self, route: &str, time: Duration) {
        let begin = thread_cpu();
        burn(time);
        let took = thread_cpu() - begin;
        self.with(route, |known| known.inner += took);
    }

    /// Runs what enters a span of this route, and nothing else that counts.
    fn around<R>(&self, route: &str, f: impl FnOnce() -> R) -> R {
        let begin = thread_cpu();
        let result = f();
        let took = thread_cpu() - begin;
        self.with(route, |known| known.outer += took);
        result
    }

    fn opened(&self, route: &str) -> Span {
        self.with(route, |known| known.requests += 1);
        tracing::info_span!(
            "request",
            otel.kind = "server",
            http.request.method = "GET",
            http.route = route
        )
    }

    fn known(&self) -> BTreeMap<String, Known> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Stage {
    fn set(tick: Duration) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let scratch = scratch();
        let agent = Agent::builder("routes")
            .run_path(scratch.path().join("run"))
            // Requests are measured all the same.
            .cpu_clock(Clock::Off)
            .tick(tick)
            .start()
            .expect("an agent");
        Self {
            dispatch: Dispatch::new(tracing_subscriber::registry().with(agent.layer())),
            agent,
            scratch,
            truth: Truth::default(),
            _turn: turn,
        }
    }

    /// Seals the run; answers what is in it of each name.
    fn finish(&self) -> BTreeMap<String, SpanTotal> {
        self.agent.finish().expect("sealed");
        spans(&self.scratch.path().join("run"), None)
    }

    /// Every route as measured, within its own standard errors.
    fn holds(&self, found: &BTreeMap<String, SpanTotal>) {
        for (name, known) in self.truth.known() {
            let span = &found[&name];
            assert_eq!(span.count, known.requests, "{name}");
            let (cpu, se) = (
                span.cpu_ms.expect("measured"),
                span.cpu_se_ms.expect("measured"),
            );
            let (low, high) = (ms(known.inner), ms(known.outer));
            let slack = 4.5 * se + 0.01;
            assert!(
                low - slack <= cpu && cpu <= high + slack,
                "{name}: {cpu} ± {se} ms, truly from {low} to {high}; {span:#?}"
            );
        }
    }
}

fn spans(run: &Path, phase: Option<&str>) -> BTreeMap<String, SpanTotal> {
    let dir = RunDir::open(run).expect("a run");
    let range = SpanRange {
        phase: phase.map(str::to_owned),
        ..SpanRange::default()
    };
    let (spans, _) = dir.spans(&range).expect("spans");
    let named = spans.into_iter().map(|span| (span.name.clone(), span));
    named.collect()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

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

/// Reads the clock around each poll.
struct Around<F> {
    route: &'static str,
    truth: Truth,
    inner: Pin<Box<F>>,
}

impl<F: Future> Future for Around<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let (route, truth) = (self.route, self.truth.clone());
        truth.around(route, || self.inner.as_mut().poll(context))
    }
}

/// A task that is polled on whatever thread is free, with a blocking part that
/// the span is carried into.
async fn task(truth: Truth) {
    const ROUTE: &str = "/task";
    let span = truth.opened(ROUTE);
    let inside = truth.clone();
    let work = async move {
        for step in 0..6 {
            inside.burn(ROUTE, 200 * US);
            if step == 3 {
                let (span, truth) = (Span::current(), inside.clone());
                let dispatch = get_default(Dispatch::clone);
                let blocking = move || {
                    let _default = set_default(&dispatch);
                    truth.around(ROUTE, || span.in_scope(|| truth.burn(ROUTE, 500 * US)));
                };
                tokio::task::spawn_blocking(blocking)
                    .await
                    .expect("it ends");
            }
            tokio::task::yield_now().await;
        }
    };
    let inner = Box::pin(work.instrument(span));
    let route = ROUTE;
    Around {
        route,
        truth,
        inner,
    }
    .await;
}

#[test]
fn a_request_has_what_it_used_on_whatever_threads() {
    let stage = Stage::set(1_000 * MS);
    let truth = &stage.truth;
    let dispatch = stage.dispatch.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .on_thread_start({
            let dispatch = dispatch.clone();
            move || std::mem::forget(set_default(&dispatch))
        })
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let tasks: Vec<_> = (0..4).map(|_| tokio::spawn(task(truth.clone()))).collect();
        for task in tasks {
            task.await.expect("it ends");
        }
    });
    drop(runtime);
    with_default(&dispatch, || {
        on_a_thread_of_its_own(truth, &dispatch);
        nested(truth);
        out_of_order(truth);
        panicking(truth);
    });
    let found = stage.finish();
    stage.holds(&found);
    // They are few enough that all are measured.
    for name in truth.known().keys() {
        let span = &found[name];
        assert_eq!(
            (span.cpu_measured, span.cpu_se_ms),
            (span.count, Some(0.0)),
            "{name}"
        );
    }
    // What was spent between requests is nobody's.
    let outside = found["<no request>"].cpu_ms.expect("measured");
    assert!(outside >= 30.0, "{outside}");
}

fn on_a_thread_of_its_own(truth: &Truth, dispatch: &Dispatch) {
    let (work, orders) = channel::<Span>();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            with_default(dispatch, || {
                for span in orders {
                    truth.around("/own", || span.in_scope(|| truth.burn("/own", 2 * MS)));
                }
                burn(15 * MS);
            });
        });
        for _ in 0..5 {
            work.send(truth.opened("/own")).expect("it listens");
        }
        drop(work);
    });
}

/// A request inside another, as of a service that calls itself; spans inside are
/// of the innermost.
fn nested(truth: &Truth) {
    for _ in 0..5 {
        let outer = truth.opened("/outer");
        let begin = thread_cpu();
        outer.in_scope(|| {
            truth.burn("/outer", 2 * MS);
            let inner = truth.opened("/inner");
            truth.around("/inner", || {
                inner.in_scope(|| {
                    let deep = tracing::info_span!("deep");
                    deep.in_scope(|| truth.burn("/inner", 3 * MS));
                    // The outer one again, inside of the inner.
                    outer.in_scope(|| truth.burn("/outer", MS));
                });
            });
            tracing::info_span!("deep").in_scope(|| truth.burn("/outer", MS));
        });
        // Both together are no more than both took.
        let took = (thread_cpu() - begin).saturating_sub(3 * MS);
        truth.with("/outer", |known| known.outer += took);
    }
}

/// Guards that are dropped in any order, and one that never is.
fn out_of_order(truth: &Truth) {
    let (first, second) = (truth.opened("/first"), truth.opened("/second"));
    let begin = thread_cpu();
    let a = first.enter();
    truth.burn("/first", 3 * MS);
    let b = second.enter();
    truth.burn("/second", 2 * MS);
    drop(a);
    truth.burn("/second", 2 * MS);
    drop(b);
    let took = thread_cpu() - begin;
    truth.with("/first", |known| known.outer += took - 4 * MS);
    truth.with("/second", |known| known.outer += took - 3 * MS);
    burn(15 * MS);
    // On a thread that ends inside of it.
    let dispatch = get_default(Dispatch::clone);
    let truth = truth.clone();
    let thread = std::thread::spawn(move || {
        with_default(&dispatch, || {
            let forgotten = truth.opened("/forgotten");
            truth.around("/forgotten", || {
                let entered = forgotten.enter();
                truth.burn("/forgotten", 3 * MS);
                std::mem::forget(entered);
            });
            // A thread's end takes its time, too.
            truth.with("/forgotten", |known| known.outer += 2 * MS);
            drop(forgotten);
        });
    });
    thread.join().expect("it ends");
}

fn panicking(truth: &Truth) {
    truth.around("/panic", || {
        let work = || {
            truth.opened("/panic").in_scope(|| {
                truth.burn("/panic", 2 * MS);
                std::panic::resume_unwind(Box::new("a bug of the service"));
            });
        };
        assert!(catch_unwind(AssertUnwindSafe(work)).is_err());
    });
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
