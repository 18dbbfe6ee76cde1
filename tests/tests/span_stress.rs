//! Spans under stress: random trees over threads, in any order of exits and
//! closes, against a naive count; and all that other layers do wrong.
//!
//! `SOAKSCOPE_STRESS=1` runs it at full size: 64 tasks of 100,000 spans.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use soakscope::{Agent, Clock};
use soakscope_report::{RunDir, SpanRange, SpanTotal};
use soakscope_tests::scratch;
use tracing::dispatcher::{Dispatch, with_default};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Span, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::reload;

/// One agent a process, so one test at a time.
static TURN: Mutex<()> = Mutex::new(());

struct Stage {
    agent: Agent,
    scratch: tempfile::TempDir,
    /// Dropped last.
    _turn: MutexGuard<'static, ()>,
}

impl Stage {
    fn set() -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let scratch = scratch();
        let agent = Agent::builder("stress")
            .run_path(scratch.path().join("run"))
            .cpu_clock(Clock::Off)
            .tick(Duration::from_millis(50))
            .start()
            .expect("an agent");
        Self {
            agent,
            scratch,
            _turn: turn,
        }
    }

    fn alone(&self) -> Dispatch {
        Dispatch::new(tracing_subscriber::registry().with(self.agent.layer()))
    }

    fn run(&self) -> PathBuf {
        self.scratch.path().join("run")
    }

    /// Seals the run and answers the spans by name.
    fn finish(&self) -> BTreeMap<String, SpanTotal> {
        self.agent.finish().expect("sealed");
        spans(&self.run())
    }
}

fn spans(run: &Path) -> BTreeMap<String, SpanTotal> {
    let dir = RunDir::open(run).expect("a run");
    let (spans, notes) = dir.spans(&SpanRange::default()).expect("spans");
    assert!(notes.is_empty(), "{notes:?}");
    spans
        .into_iter()
        .map(|span| (span.name.clone(), span))
        .collect()
}

fn full() -> bool {
    std::env::var_os("SOAKSCOPE_STRESS").is_some()
}

/// Random numbers that a seed gives again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as usize % bound
    }
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn named(name: usize) -> Span {
    match NAMES[name] {
        "a" => tracing::info_span!("a"),
        "b" => tracing::warn_span!("b", error = tracing::field::Empty),
        "c" => tracing::info_span!("c", otel.kind = "server"),
        _ => tracing::info_span!("d"),
    }
}

/// A name, a span of it, and whether it was recorded as failed.
type Held = (usize, Span, bool);

/// What there was to see, counted the plain way by a layer that does no more.
///
/// It counts what `tracing` reports of closes: where the last hold on a span goes
/// while a scoped dispatcher is at work, the span around it is never said to
/// have closed, to no layer.
#[derive(Debug, Default)]
struct Counted {
    opened: u64,
    closed: BTreeMap<&'static str, u64>,
    failed: BTreeMap<&'static str, u64>,
}

#[derive(Clone, Default)]
struct Oracle(Arc<Mutex<Counted>>);

/// Kept of a span that was recorded as failed.
struct Failed;

impl Oracle {
    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Layer<S> for Oracle
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, _: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.counted().opened += 1;
    }

    fn on_record(&self, id: &Id, _: &Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).expect("an open span");
        span.extensions_mut().insert(Failed);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let span = context.span(&id).expect("a closing span");
        let failed = span.extensions().get::<Failed>().is_some();
        let mut counted = self.counted();
        *counted.closed.entry(span.name()).or_default() += 1;
        *counted.failed.entry(span.name()).or_default() += u64::from(failed);
    }
}

#[test]
fn random_trees_over_threads_are_counted_as_they_were_made() {
    let stage = Stage::set();
    let oracle = Oracle::default();
    let layers = tracing_subscriber::registry()
        .with(oracle.clone())
        .with(stage.agent.layer());
    let dispatch = Dispatch::new(layers);
    let steps = if full() { 400_000 } else { 20_000 };
    let made = AtomicU64::new(0);
    // Each thread passes spans on to the next.
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..4).map(|_| channel::<Held>()).unzip();
    std::thread::scope(|scope| {
        for (number, receiver) in receivers.into_iter().enumerate() {
            let next = senders[(number + 1) % senders.len()].clone();
            let (dispatch, made) = (&dispatch, &made);
            scope.spawn(move || {
                with_default(dispatch, || {
                    let mut random = Random(0x1234_5678_9ABC_DEF1 + number as u64);
                    let mut open: Vec<Held> = Vec::new();
                    let mut entered: Vec<tracing::span::EnteredSpan> = Vec::new();
                    for _ in 0..steps {
                        while let Ok(passed) = receiver.try_recv() {
                            open.push(passed);
                        }
                        match random.below(8) {
                            0 | 1 if open.len() < 50 => {
                                let name = random.below(NAMES.len());
                                open.push((name, named(name), false));
                                made.fetch_add(1, Ordering::Relaxed);
                            }
                            2 if !open.is_empty() => {
                                let (_, span, _) = &open[random.below(open.len())];
                                if entered.len() < 20 {
                                    entered.push(span.clone().entered());
                                }
                            }
                            // Out of the order in which they were entered.
                            3 | 4 if !entered.is_empty() => {
                                drop(entered.swap_remove(random.below(entered.len())));
                            }
                            5 if !open.is_empty() => {
                                drop(open.swap_remove(random.below(open.len())));
                            }
                            // A thread that ended has nobody to take it.
                            6 if !open.is_empty() => {
                                drop(next.send(open.swap_remove(random.below(open.len()))));
                            }
                            7 if !open.is_empty() => {
                                let place = random.below(open.len());
                                let (name, span, failed) = &mut open[place];
                                if NAMES[*name] == "b" && !std::mem::replace(failed, true) {
                                    span.record("error", true);
                                }
                            }
                            _ => {}
                        }
                    }
                });
            });
        }
        drop(senders);
    });
    let found = stage.finish();
    let counted = oracle.counted();
    assert_eq!(counted.opened, made.load(Ordering::Relaxed), "none is lost");
    assert!(counted.opened > steps / 2);
    for (&name, count) in &counted.closed {
        assert_eq!(found[name].count, *count, "{name}");
        let open_ms = found[name].busy_ms + found[name].idle_ms.expect("recorded");
        let failed = counted.failed.get(name).copied().unwrap_or(0);
        assert_eq!(found[name].errors, failed, "{name}");
        assert!(found[name].busy_ms > 0.0 && found[name].busy_ms <= open_ms);
    }
    assert_eq!(found["c"].kind, "request");
}

#[test]
fn many_tasks_of_many_spans() {
    let stage = Stage::set();
    let dispatch = stage.alone();
    let spans = if full() { 100_000 } else { 500 };
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                with_default(&dispatch, || {
                    for _ in 0..spans {
                        let _request = tracing::info_span!("r", http.route = "/r").entered();
                        let _inner = tracing::info_span!("i").entered();
                    }
                });
            });
        }
    });
    let found = stage.finish();
    assert_eq!(found["/r"].count, 64 * spans);
    assert_eq!(found["i"].count, 64 * spans);
}

#[test]
fn leaked_spans_and_those_that_outlive_the_run_harm_nothing() {
    let stage = Stage::set();
    let dispatch = stage.alone();
    let late = with_default(&dispatch, || {
        for _ in 0..5_000 {
            std::mem::forget(tracing::info_span!("leaked"));
            std::mem::forget(tracing::info_span!("guard").entered());
        }
        tracing::info_span!("closed").in_scope(|| {});
        tracing::info_span!("late")
    });
    let found = stage.finish();
    assert_eq!(found["closed"].count, 1);
    assert!(!found.contains_key("leaked"), "it never closed");
    let before = std::fs::read(stage.run().join("spans.csv")).expect("rows");
    with_default(&dispatch, || {
        late.in_scope(|| tracing::error!("too late"));
        drop(late);
        for _ in 0..1_000 {
            tracing::info_span!("after", http.route = "/x").in_scope(|| {});
        }
    });
    assert_eq!(
        std::fs::read(stage.run().join("spans.csv")).expect("rows"),
        before
    );
}

#[test]
fn a_question_that_no_span_follows_does_not_hide_the_next_one() {
    // tokio-rs/tracing#3572: `log_enabled!` through `LogTracer` asks the
    // subscriber about a callsite, and no event comes. A filter's no is then
    // still there when the next span opens.
    let stage = Stage::set();
    let dispatch = stage.alone();
    static CALLSITE: tracing::callsite::DefaultCallsite = {
        static META: Metadata<'static> = Metadata::new(
            "asked",
            "sqlx::other",
            tracing::Level::DEBUG,
            None,
            None,
            None,
            tracing::field::FieldSet::new(&[], tracing::callsite::Identifier(&CALLSITE)),
            tracing::metadata::Kind::EVENT,
        );
        tracing::callsite::DefaultCallsite::new(&META)
    };
    let metadata = tracing::Callsite::metadata(&CALLSITE);
    with_default(&dispatch, || {
        for _ in 0..100 {
            tracing::dispatcher::get_default(|current| current.enabled(metadata));
            tracing::info_span!("next").in_scope(|| {});
        }
    });
    assert_eq!(stage.finish()["next"].count, 100);
}

#[test]
fn a_reloaded_layer_leaves_ours_alone() {
    let stage = Stage::set();
    let (filter, handle) = reload::Layer::new(LevelFilter::ERROR);
    let quiet = tracing_subscriber::fmt::layer()
        .with_writer(std::io::sink)
        .with_filter(filter);
    let dispatch = Dispatch::new(
        tracing_subscriber::registry()
            .with(quiet)
            .with(stage.agent.layer()),
    );
    with_default(&dispatch, || {
        for level in [LevelFilter::ERROR, LevelFilter::TRACE, LevelFilter::OFF] {
            let open = tracing::info_span!("across").entered();
            handle.reload(level).expect("it is there");
            drop(open);
            tracing::info_span!("between").in_scope(|| {});
        }
    });
    let found = stage.finish();
    assert_eq!((found["across"].count, found["between"].count), (3, 3));
}

/// A layer with a bug.
struct Panicking(Arc<AtomicBool>);

impl<S: Subscriber> Layer<S> for Panicking {
    fn on_enter(&self, _: &tracing::span::Id, _: Context<'_, S>) {
        if self.0.load(Ordering::Relaxed) {
            panic!("a bug of another layer");
        }
    }
}

#[test]
fn a_layer_that_panics_takes_ours_not_down() {
    let stage = Stage::set();
    let panics = Arc::new(AtomicBool::new(true));
    let dispatch = Dispatch::new(
        tracing_subscriber::registry()
            .with(Panicking(Arc::clone(&panics)))
            .with(stage.agent.layer()),
    );
    with_default(&dispatch, || {
        for _ in 0..50 {
            let entered = || drop(tracing::info_span!("struck").entered());
            assert!(catch_unwind(AssertUnwindSafe(entered)).is_err());
        }
        panics.store(false, Ordering::Relaxed);
        tracing::info_span!("fine").in_scope(|| {});
        let _request = tracing::info_span!("r", http.route = "/r").entered();
    });
    let found = stage.finish();
    assert_eq!(found["fine"].count, 1);
    assert_eq!(found["/r"].count, 1);
}

#[test]
fn names_without_end_take_the_room_of_few() {
    let stage = Stage::set();
    let dispatch = stage.alone();
    let names = if full() { 1_000_000 } else { 20_000 };
    with_default(&dispatch, || {
        for number in 0..names {
            let route = format!("/{number}");
            drop(tracing::info_span!("r", http.route = route.as_str()));
        }
    });
    let mut found = stage.finish();
    // CPU time of the process is there without anything that samples it.
    let outside = found.remove("<no request>").expect("a row");
    assert!(outside.cpu_ms > Some(0.0), "{outside:?}");
    assert_eq!(found.len(), 513);
    let sum: u64 = found.values().map(|span| span.count).sum();
    assert_eq!(sum, names);
    assert_eq!(found["<other>"].count, names - 512);
}
