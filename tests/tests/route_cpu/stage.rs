//! An agent to measure, and what the test measured itself.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use soakscope::{Agent, Clock};
use soakscope_report::{RunDir, SpanRange, SpanTotal};
use soakscope_tests::{burn, scratch, thread_cpu};
use tracing::Span;
use tracing::dispatcher::Dispatch;
use tracing_subscriber::prelude::*;

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const US: Duration = Duration::from_micros(1);

/// One agent a process, so one test at a time.
static TURN: Mutex<()> = Mutex::new(());

pub(crate) struct Stage {
    pub(crate) agent: Agent,
    pub(crate) dispatch: Dispatch,
    pub(crate) scratch: tempfile::TempDir,
    pub(crate) truth: Truth,
    /// Dropped last.
    _turn: MutexGuard<'static, ()>,
}

/// CPU time by route, from the test's own readings.
#[derive(Clone, Default)]
pub(crate) struct Truth(Arc<Mutex<BTreeMap<String, Known>>>);

#[derive(Clone, Copy, Default)]
pub(crate) struct Known {
    pub(crate) requests: u64,
    /// Inside of the span.
    pub(crate) inner: Duration,
    /// With entering and leaving it.
    pub(crate) outer: Duration,
}

impl Truth {
    pub(crate) fn with(&self, route: &str, f: impl FnOnce(&mut Known)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        f(all.entry(format!("GET {route}")).or_default());
    }

    /// Burns that much in the span that the thread is in, which is of this route.
    pub(crate) fn burn(&self, route: &str, time: Duration) {
        let begin = thread_cpu();
        burn(time);
        let took = thread_cpu() - begin;
        self.with(route, |known| known.inner += took);
    }

    /// Runs what enters a span of this route, and nothing else that counts.
    pub(crate) fn around<R>(&self, route: &str, f: impl FnOnce() -> R) -> R {
        let begin = thread_cpu();
        let result = f();
        let took = thread_cpu() - begin;
        self.with(route, |known| known.outer += took);
        result
    }

    pub(crate) fn opened(&self, route: &str) -> Span {
        self.with(route, |known| known.requests += 1);
        tracing::info_span!(
            "request",
            otel.kind = "server",
            http.request.method = "GET",
            http.route = route
        )
    }

    pub(crate) fn known(&self) -> BTreeMap<String, Known> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Stage {
    pub(crate) fn set(tick: Duration) -> Self {
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
    pub(crate) fn finish(&self) -> BTreeMap<String, SpanTotal> {
        self.agent.finish().expect("sealed");
        spans(&self.scratch.path().join("run"), None)
    }

    /// Every route as measured, within its own standard errors.
    pub(crate) fn holds(&self, found: &BTreeMap<String, SpanTotal>) {
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

pub(crate) fn spans(run: &Path, phase: Option<&str>) -> BTreeMap<String, SpanTotal> {
    let dir = RunDir::open(run).expect("a run");
    let range = SpanRange {
        phase: phase.map(str::to_owned),
        ..SpanRange::default()
    };
    let (spans, _) = dir.spans(&range).expect("spans");
    let named = spans.into_iter().map(|span| (span.name.clone(), span));
    named.collect()
}

pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
